"""Notifications of Windows and macOS, by the tray's own icon, within what pystray can do there.

From pystray's sources (0.19.5): Windows raises ``ValueError`` for a body of more than 256 UTF-16 units or a title of
more than 64, closing zero included; macOS fails without a title, and runs a program that may fail, too. Neither tells
of a click or of the end, and neither changes a notification in place.
"""

import logging
from collections.abc import Callable

from traymon.notifications.base import OnClick, OnClosed
from traymon.notifications.facts import Show

_log = logging.getLogger(__name__)

LONGEST_TITLE = 63
LONGEST_BODY = 255
"""UTF-16 units: ``szInfoTitle`` and ``szInfo`` of Windows' NOTIFYICONDATAW, without their closing zeros."""


class NativeNotifier:
    """Shows notifications by ``notify(body, title)`` and takes the last one away by ``remove()``.

    Both are called on the thread that calls here, and may raise and take their time.
    """

    def __init__(self, notify: Callable[[str, str], None], remove: Callable[[], None]) -> None:
        self._notify = notify
        self._remove = remove
        self._last: str | None = None  # the key of what is shown: there is one place only

    def start(self, on_closed: OnClosed, on_click: OnClick) -> None:
        """Nothing: the system tells of neither."""

    def show(self, show: Show) -> None:
        """Show it, unless it only corrects what is shown: here it would pop up again."""
        if show.pops:
            title = _shortened(show.title or "traymon", LONGEST_TITLE)
            body = _shortened(show.body or show.title, LONGEST_BODY)
            self._last = show.key
            self._try(lambda: self._notify(body, title))

    def close(self, key: str) -> None:
        """Take it away, if nothing newer is in its place."""
        if key == self._last:
            self._last = None
            self._try(self._remove)

    def stop(self, limit_s: float) -> None:
        """Nothing."""

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever the system raises; icon and log say the same
            _log.info("a notification could not be shown (%s); traymon goes on without it", error)


def _shortened(text: str, longest: int) -> str:
    """``text`` in at most ``longest`` UTF-16 units, cut between characters and marked with an ellipsis."""
    if _units(text) <= longest:
        return text
    kept = text[: longest - 1]
    while _units(kept) > longest - 1:
        kept = kept[:-1]
    return kept + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
