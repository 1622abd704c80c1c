"""A tray by XEmbed, for panels that know nothing newer: an icon and its clicks, but no menu."""

import logging
import select
from collections.abc import Callable
from typing import TYPE_CHECKING

from traymon import words
from traymon.tray.base import Newest, TrayView
from traymon.tray.waker import Waker

if TYPE_CHECKING:
    from traymon.tray.drawing import Drawer
    from traymon.tray.xembed_icon import Icon

_log = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
"""Until the display is tried again after it went away; doubled each time."""


class XEmbedTray:
    """A tray on the X display of the process's environment.

    ``choose`` gets the id of a chosen item and ``on_host`` whether a panel shows the icon; both are called on the
    thread of :meth:`run` and must return at once.
    """

    def __init__(
        self,
        choose: Callable[[str], None],
        on_host: Callable[[bool], None] = lambda _: None,
        newest: Newest | None = None,
    ) -> None:
        self._choose = choose
        self._on_host = on_host
        self._waker = Waker()
        self._stopped = False
        self._newest = newest or Newest()
        # The icon of the present connection and what draws it. Set by run()'s thread, read by any.
        self._present: tuple[Icon, Drawer] | None = None

    @property
    def host(self) -> str:
        """One sentence for a person."""
        return words.gettext(
            "The icon is in an old-style tray, which has no menu: a left click reconnects, any other opens the log, "
            "and the command “traymon” does the rest."
        )

    def run(self) -> None:
        """Serve the icon until :meth:`stop`, on the calling thread, which alone talks to the display."""
        retry_s = FIRST_RETRY_S
        try:
            while not self._stopped:
                try:
                    self._serve()
                    retry_s = FIRST_RETRY_S
                except Exception as error:  # noqa: BLE001 - whatever it was, the display is looked for again
                    _log.debug("the display cannot be used (%s); trying again in %g s", error, retry_s)
                self._on_host(False)
                if not self._stopped:
                    self._pause(retry_s)
                    retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        finally:
            self._waker.close()

    def show(self, view: TrayView) -> None:
        """Draw ``view`` soon; from any thread."""
        self._newest.view = view
        self.refresh()

    def refresh(self) -> None:
        """Draw the newest view soon; from any thread."""
        present = self._present
        if present is not None:
            icon, drawer = present
            icon.post(drawer.draw)

    def stop(self) -> None:
        """End :meth:`run`; from any thread."""
        self._stopped = True
        present = self._present
        if present is not None:
            present[0].stop()
        self._waker.wake()

    def _serve(self) -> None:
        """Make the icon and serve it until it is stopped. Raises what Xlib raises."""
        from traymon.tray.drawing import Drawer
        from traymon.tray.xembed_icon import Icon

        icon = Icon("traymon", waker=self._waker, on_host=self._on_host)
        try:
            drawer = Drawer(icon, self._choose, self._newest)
            icon.on_other_click = drawer.other_click
            self._present = (icon, drawer)
            drawer.draw()
            # Here and not by pystray, which would do it on another thread: a picture drawn meanwhile could get lost.
            icon.visible = True
            if not self._stopped:
                icon.run(lambda _: None)
        finally:
            self._present = None
            icon.close()

    def _pause(self, seconds: float) -> None:
        select.select([self._waker], [], [], seconds)
        self._waker.drain()
