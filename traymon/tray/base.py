"""What every kind of tray has in common: the data it shows, its interface, and the thread its clicks run on.

A tray shows a :class:`TrayView`, whole and unchangeable, and answers with the ``id`` of what a person chose. It
knows nothing of bots.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

_log = logging.getLogger(__name__)

LOG_ITEM = "log"
"""The item that any click but the left one chooses where the tray has no menu (XEmbed)."""

WORKER_PATIENCE_S = 1.0
"""At the end a click's callback may take this long; the whole program ends within 2 s."""

Activate = Callable[[str], None]
"""Called with the ``id`` of the chosen item."""

Clock = Callable[[], int]
"""The time of day, in UTC milliseconds. From any thread."""

LabelAt = Callable[[int], str]
"""A label at a moment (UTC milliseconds). Two made of the same facts are equal, so that views can be compared."""


def time_of_day() -> int:
    """The :data:`Clock` of every tray but a test's."""
    return time.time_ns() // 1_000_000


class IconName(StrEnum):
    """The icons. Each differs from the others by its silhouette; the files in ``assets/icons`` bear these names."""

    CONNECTING = "connecting"
    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"
    REFUSED = "refused"
    PAUSED = "paused"
    ONLINE_NO_PROGRAM = "online_no_program"
    NO_BOT = "no_bot"


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One line of the menu.

    ``id`` says what it does, and is the same from one menu to the next: by it a tray knows that an item is still the
    same one though its label changed. ``checked`` is ``None`` for an item that has no check mark. A left click on the
    icon chooses the first item with ``default``.

    ``label_at`` says how the label reads when the menu opens, where it tells of the time gone by; nothing ticks. An
    item that is not ``visible`` keeps its place: a menu that is open is not rebuilt when it appears.
    """

    id: str
    label: str
    enabled: bool = True
    checked: bool | None = None
    submenu: "tuple[MenuItem, ...]" = ()
    separator: bool = False
    default: bool = False
    visible: bool = True
    label_at: LabelAt | None = None

    def text(self, now: int) -> str:
        """The label at the moment ``now`` (UTC milliseconds)."""
        return self.label if self.label_at is None else self.label_at(now)


@dataclass(frozen=True, slots=True)
class TrayView:
    """All that a tray shows. ``title`` is one short line, ``tooltip`` may have several; both are plain text.

    ``mixed``: several bots stand behind the icon, and are not all alike; it shows the worst.
    """

    icon: IconName
    title: str
    tooltip: str
    menu: tuple[MenuItem, ...]
    mixed: bool = False

    @property
    def default_id(self) -> str | None:
        """What a left click chooses; ``None`` when nothing is to be done by it."""
        return next(
            (item.id for item in walk(self.menu) if item.default and item.enabled and item.visible), None
        )


def walk(items: tuple[MenuItem, ...]) -> Iterator[MenuItem]:
    """Every item of a menu and of its submenus, from top to bottom."""
    for item in items:
        yield item
        yield from walk(item.submenu)


FIRST_VIEW = TrayView(IconName.CONNECTING, "traymon", "", ())
"""Shown until the first real view comes."""


class Newest:
    """The view to be shown now. Any thread replaces it, each icon's thread reads it when it draws.

    Replacing and reading an attribute are atomic, and a drawing always takes the newest: no lock, and no older view
    ever follows a newer one.
    """

    def __init__(self) -> None:
        self.view = FIRST_VIEW


class Tray(Protocol):
    """A place for one icon."""

    @property
    def host(self) -> str:
        """One sentence for a person: where the icon is, or why there is none."""

    def run(self) -> None:
        """Show the icon until :meth:`stop`; blocks the calling thread, on macOS the main thread. Raises nothing."""

    def show(self, view: TrayView) -> None:
        """Draw ``view`` soon. From any thread; never blocks; of several only the last is drawn."""

    def stop(self) -> None:
        """End :meth:`run`. From any thread and from a signal handler; may be called twice and before ``run``."""


class WholeTray(Tray, Protocol):
    """The tray of a whole desktop, whatever kinds of tray that has."""

    @property
    def shown(self) -> bool:
        """Whether something shows the icon now."""


class Clicks:
    """Runs what a person chose, one choice after the other, on a thread of its own.

    A callback may be slow (it opens a file, asks a keeper): neither the bus nor the X connection waits for it.
    """

    def __init__(self, on_activate: Activate) -> None:
        self._on_activate = on_activate
        # Ids of chosen items, from a tray's own thread to the worker; None ends the worker. SimpleQueue: its put()
        # never waits, and may be called while a signal handler interrupted another put().
        self._chosen: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Calls on_activate, nobody else does. Daemon: a callback that never returns must not keep the process alive.
        self._worker = threading.Thread(target=self._work, name="tray clicks", daemon=True)

    def start(self) -> None:
        """Begin. Choices made before are carried out now."""
        self._worker.start()

    def choose(self, item_id: str) -> None:
        """Carry out ``item_id`` soon; returns at once."""
        self._chosen.put(item_id)

    def stop(self) -> None:
        """Finish what was chosen, waiting at most :data:`WORKER_PATIENCE_S`."""
        self._chosen.put(None)
        if self._worker.is_alive() and self._worker is not threading.current_thread():
            self._worker.join(WORKER_PATIENCE_S)

    def _work(self) -> None:
        while (item_id := self._chosen.get()) is not None:
            try:
                self._on_activate(item_id)
            except Exception:  # noqa: BLE001 - the next click must work all the same
                _log.exception("what the tray's item %r stands for failed; traymon goes on", item_id)
