"""traymon as a service: the manager learns that the bots are held, how they are, and that traymon is well."""

import contextlib
import faulthandler
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from traymon import words
from traymon.desktop.systemd import ServiceManager
from traymon.keeper.core import events as ev
from traymon.keeper.core.effects import TellUser
from traymon.keeper.shell import Keeper
from traymon.tray.base import IconName, TrayView

if TYPE_CHECKING:
    from traymon.app.app import App

_Asked = tuple[Keeper, "Future[list[TellUser]]"]

LOOKS = 4
"""Looks in each time of the watchdog's: a look tells what was asked at the one before, and one may come late."""
_STORE_THREAD = "session log"


class Service:
    """What the service manager is told of one ``app``. The app's wiring calls it, from any thread."""

    def __init__(self, manager: ServiceManager, app: "App") -> None:
        self._manager = manager
        self._app = app
        # Set once, when the end begins: the thread below waits on it.
        self._ended = threading.Event()
        # Says that all is well for as long as it is. Daemon: it only waits and sends.
        self._watchdog = threading.Thread(target=self._watch, name="service watchdog", daemon=True)

    def ready(self) -> None:
        """The bots are held, though not all may be online yet."""
        self._manager.ready()
        if self._manager.watchdog_s is not None:
            if not faulthandler.is_enabled():
                with contextlib.suppress(OSError, ValueError, AttributeError):  # no standard error
                    # The watchdog ends a process by SIGABRT; this tells of every thread where it stood.
                    faulthandler.enable(sys.__stderr__ or 2)
            self._watchdog.start()

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """While the configuration is read anew."""
        self._manager.reloading()
        try:
            yield
        finally:
            self._manager.ready()

    def stopping(self) -> None:
        """The end begins."""
        self._ended.set()
        self._manager.stopping()

    def show_status(self) -> None:
        """Tell the state of the bots as it changes, until the end; call from the main thread."""
        self._app.showing.run(_Status(self._manager, self._app.bots.names))

    # The watchdog's thread

    def _watch(self) -> None:
        assert self._manager.watchdog_s is not None
        asked = self._ask()
        while not self._ended.wait(self._manager.watchdog_s / LOOKS):
            if self._is_well(asked):
                self._manager.alive()
                asked = self._ask()

    def _ask(self) -> list[_Asked]:
        """Every keeper is to answer that it is at its work; a tick changes nothing."""
        return [(keeper, keeper.ask(ev.Tick())) for keeper in self._app.bots.keepers()]

    def _is_well(self, asked: list[_Asked]) -> bool:
        """Whether every keeper that is still held has answered, and there is someone to write the log.

        A disk that hangs is not traymon's fault: while the log's thread waits for it, the bots are held, and to end
        this process would lose what is not written yet.
        """
        held = self._app.bots.keepers()
        writing = any(thread.name == _STORE_THREAD for thread in threading.enumerate())
        return writing and all(answer.done() for keeper, answer in asked if keeper in held)


class _Status:
    """A :class:`~traymon.tray.base.Tray` for one line of text."""

    def __init__(self, manager: ServiceManager, held: Callable[[], Sequence[str]]) -> None:
        """``held`` names the bots."""
        self._manager = manager
        self._held = held
        self._told = ""  # only the thread that shows
        # Set at the end; the main thread waits for it.
        self._stopped = threading.Event()

    @property
    def host(self) -> str:
        """Why there is no icon."""
        return words.gettext("traymon runs as a service, without an icon.")

    def run(self) -> None:
        """Nothing but wait."""
        self._stopped.wait()

    def show(self, view: TrayView) -> None:
        """Tell the tooltip, where it is another one."""
        text = " · ".join(view.tooltip.splitlines())
        if view.icon is IconName.NO_BOT:
            if self._held():
                return  # the log has not taken the first state yet
            text = view.title  # the rest speaks of a menu
        if text != self._told:
            self._manager.status(text)
            self._told = text

    def stop(self) -> None:
        """End :meth:`run`."""
        self._stopped.set()
