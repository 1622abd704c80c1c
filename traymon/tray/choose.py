"""Which tray there is: the choice at start, and on Linux the change from one kind to the other while running.

Linux panels offer a tray by StatusNotifierItem (with a menu), by XEmbed (without), by both or not at all, and may
start after traymon, end and come back. So the choice is never final: the newer kind is always looked for, the older
one is used while only that is there.
"""

import contextlib
import logging
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from traymon import words
from traymon.tray.base import Activate, Clicks, Newest, Tray, TrayView, WholeTray

if TYPE_CHECKING:
    from traymon.tray.sni import SniTray
    from traymon.tray.xembed import XEmbedTray

_log = logging.getLogger(__name__)

LOOK_S = 2.0
"""Bus and display say within milliseconds what is there; one that hangs is not waited for longer."""

RETURN_S = 3.0
"""A panel that restarts is back within a second or two; only then is the older kind of tray tried."""

FIRST_ICON_S = 0.5
"""For the first icon, before anything else is begun. With the processor to itself it takes a tenth of a second; what
it waits for longer is a bus or panel that hangs, and the bots must not."""

LEAVE_S = 1.0
"""For a tray's thread to end; one that hangs in its X server or bus is left behind (daemon)."""


def choose_tray(on_activate: Activate, environ: Mapping[str, str]) -> WholeTray:
    """The tray for this desktop. ``on_activate`` is called, on a thread of its own, with the id of what is chosen.

    ``environ`` is the process's environment: libraries that open the display look there too. Raises nothing: where
    no tray can be, a :class:`NoTray` says why.
    """
    if sys.platform in ("win32", "darwin"):
        from traymon.tray.native import NativeTray

        return NativeTray(on_activate)
    bus = bus_address(environ)
    display = bool(environ.get("DISPLAY"))
    if bus is None and not (display and display_opens()):
        return NoTray(
            words.gettext(
                "There is no tray: this session has neither a D-Bus session bus nor an X display. traymon runs on "
                "without an icon; “traymon status” says how the bots are."
            )
        )
    return LinuxTray(on_activate, bus_address=bus, xembed=display)


@contextlib.contextmanager
def first_icon(on_activate: Activate, environ: Mapping[str, str]) -> Iterator[WholeTray | None]:
    """The tray, with its icon shown before ``run()`` as soon as it can be; ``None`` where that cannot be told so early.

    Returns within :data:`FIRST_ICON_S`. What is chosen is kept until ``run()``, which need not be called; the icon
    goes with the block. Early is only what needs no main thread (Windows, macOS) and no display, which may hang.
    """
    address = None if sys.platform in ("win32", "darwin") else bus_address(environ)
    if address is None:
        yield None
        return
    tray = LinuxTray(on_activate, bus_address=address, xembed=bool(environ.get("DISPLAY")))
    try:
        tray.begin(FIRST_ICON_S)
        yield tray
    finally:
        tray.leave()


def bus_address(environ: Mapping[str, str]) -> str | None:
    """Where the session bus is: as the environment says, else at the place systemd gives it."""
    address = environ.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    runtime_dir = environ.get("XDG_RUNTIME_DIR")
    if runtime_dir and (Path(runtime_dir) / "bus").is_socket():
        return f"unix:path={runtime_dir}/bus"
    return None


def display_opens() -> bool:
    """Whether the X display of the environment takes connections; one that hangs for :data:`LOOK_S` may do so yet."""
    # From the look to here; who looks in vain finds nobody waiting.
    opens: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def look() -> None:
        try:
            import Xlib.display

            Xlib.display.Display().close()
        except Exception:  # noqa: BLE001 - Xlib raises many kinds, all of which mean no
            opens.put(False)
        else:
            opens.put(True)

    # Asks the X server, which Xlib gives no time limit. Daemon: one that never answers must not hold up the exit.
    threading.Thread(target=look, name="look for a display", daemon=True).start()
    try:
        return opens.get(timeout=LOOK_S)
    except queue.Empty:
        return True


class _Mail(Enum):
    """What reaches the thread that changes trays."""

    SNI_HERE = auto()
    SNI_GONE = auto()
    XEMBED_HERE = auto()
    XEMBED_GONE = auto()
    STOP = auto()


class LinuxTray:
    """A tray by StatusNotifierItem while a panel offers one, else by XEmbed."""

    def __init__(self, on_activate: Activate, *, bus_address: str | None, xembed: bool) -> None:
        self._clicks = Clicks(on_activate)
        self._newest = Newest()
        self._bus_address = bus_address
        self._xembed_wanted = xembed
        # News from the trays' threads and stop() to run(). SimpleQueue: a signal handler may put, too.
        self._mail: queue.SimpleQueue[_Mail] = queue.SimpleQueue()
        # Set when the bus has first said whether a panel shows the icon; begin() waits for it.
        self._looked = threading.Event()
        # Both belong to run()'s thread; show() reads each once. One thread a tray: a hanging one holds up no other.
        self._sni: SniTray | None = None
        self._xembed: XEmbedTray | None = None
        self._threads: dict[Tray, threading.Thread] = {}
        self._shown_by: Tray | None = None
        self._said = ""
        # When XEmbed is to be tried (time.monotonic(), seconds), unless the newer kind of tray appears before.
        self._fall_back_at: float | None = None

    @property
    def host(self) -> str:
        """One sentence for a person: where the icon is, or that no panel shows it yet."""
        shown_by = self._shown_by
        if shown_by is not None:
            return shown_by.host
        return words.gettext(
            "No panel with a tray is there; traymon runs on and shows its icon as soon as one starts (GNOME needs "
            "the extension “AppIndicator and KStatusNotifierItem Support”)."
        )

    @property
    def shown(self) -> bool:
        """Whether a panel shows the icon now."""
        return self._shown_by is not None

    def begin(self, limit_s: float) -> None:
        """Show the icon on the bus ahead of :meth:`run`, called on the same thread. Returns when a panel has it, when
        none is there, or after ``limit_s`` seconds; then the look goes on beside.
        """
        if self._bus_address is not None and self._sni is None:
            self._start_sni(self._bus_address)
            self._looked.wait(limit_s)

    def run(self) -> None:
        """Show the icon until :meth:`stop`, in whatever tray there is."""
        self._clicks.start()
        self.begin(0.0)
        self._fall_back_in(LOOK_S if self._sni is not None else 0.0)
        while (mail := self._next_mail()) is not _Mail.STOP:
            if mail is None:
                self._start_xembed()
            else:
                self._on_mail(mail)
        self.leave()
        self._clicks.stop()

    def leave(self) -> None:
        """Take the icon away; on the thread of :meth:`begin` and :meth:`run`. A second call does nothing."""
        for tray in [*self._threads]:
            self._end(tray)

    def show(self, view: TrayView) -> None:
        """Draw ``view`` soon; from any thread."""
        self._newest.view = view
        for tray in (self._sni, self._xembed):
            if tray is not None:
                tray.refresh()

    def stop(self) -> None:
        """End :meth:`run`; from any thread and from a signal handler."""
        self._mail.put(_Mail.STOP)

    def _next_mail(self) -> _Mail | None:
        """``None`` when it is time to fall back on XEmbed."""
        if self._fall_back_at is None:
            return self._mail.get()
        try:
            return self._mail.get(timeout=max(0.0, self._fall_back_at - time.monotonic()))
        except queue.Empty:
            self._fall_back_at = None
            return None

    def _on_mail(self, mail: _Mail) -> None:
        if mail is _Mail.SNI_HERE:
            self._fall_back_at = None
            if self._xembed is not None:
                self._end(self._xembed)
                self._xembed = None
            self._note(self._sni)
        elif mail is _Mail.SNI_GONE:
            was_shown = self._shown_by is self._sni
            if was_shown:
                self._shown_by = None
            if self._xembed_wanted:
                self._fall_back_in(RETURN_S if was_shown else 0.0)
            else:
                self._note(None)
        elif mail is _Mail.XEMBED_HERE and self._xembed is not None:
            self._note(self._xembed)
        elif mail is _Mail.XEMBED_GONE and self._shown_by in (None, self._xembed):
            self._note(None)

    def _note(self, shown_by: Tray | None) -> None:
        """Say once, in the log, where the icon is now."""
        self._shown_by = shown_by
        if self.host != self._said:
            self._said = self.host
            # A person who looks for the icon in vain looks for the reason where traymon was started.
            _log.log(logging.WARNING if shown_by is None else logging.INFO, "%s", self._said)

    def _fall_back_in(self, seconds: float) -> None:
        if self._xembed_wanted and self._xembed is None:
            self._fall_back_at = time.monotonic() + seconds

    def _start_sni(self, address: str) -> None:
        from traymon.tray.sni import SniTray

        self._sni = SniTray(
            self._clicks.choose,
            address,
            self._on_host,
            self._newest,
        )
        self._begin(self._sni, "tray on the bus")

    def _on_host(self, here: bool) -> None:
        """On the bus thread."""
        self._mail.put(_Mail.SNI_HERE if here else _Mail.SNI_GONE)
        self._looked.set()

    def _start_xembed(self) -> None:
        from traymon.tray.xembed import XEmbedTray

        self._xembed = XEmbedTray(
            self._clicks.choose,
            lambda here: self._mail.put(_Mail.XEMBED_HERE if here else _Mail.XEMBED_GONE),
            self._newest,
        )
        self._begin(self._xembed, "tray by XEmbed")

    def _begin(self, tray: "SniTray | XEmbedTray", name: str) -> None:
        # Serves one tray's bus or display. Daemon: see LEAVE_S.
        thread = threading.Thread(target=tray.run, name=name, daemon=True)
        self._threads[tray] = thread
        thread.start()

    def _end(self, tray: Tray) -> None:
        tray.stop()
        self._threads.pop(tray).join(LEAVE_S)


class NoTray:
    """No tray at all: one sentence, and nothing to be seen."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        # stop() puts, run() waits. SimpleQueue: a signal handler may put, too.
        self._stopped: queue.SimpleQueue[None] = queue.SimpleQueue()

    @property
    def host(self) -> str:
        """Why there is no tray."""
        return self._sentence

    @property
    def shown(self) -> bool:
        """Never."""
        return False

    def run(self) -> None:
        """Say why there is no tray, and wait for :meth:`stop`."""
        _log.warning("%s", self._sentence)
        self._stopped.get()

    def show(self, view: TrayView) -> None:
        """Nothing."""

    def stop(self) -> None:
        """End :meth:`run`; from any thread and from a signal handler."""
        self._stopped.put(None)
