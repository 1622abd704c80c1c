"""What the machine says about itself, passed on to every keeper."""

import threading
from collections.abc import Callable, Collection
from functools import partial

from traymon.desktop import watch
from traymon.keeper.core import events as ev
from traymon.keeper.shell.keeper import Keeper, Log


class Surroundings:
    """Takes the signals of :mod:`traymon.desktop.watch`, on any thread, and returns at once.

    ``keepers`` gives all of them; ``on_clock_set`` has what is shown drawn anew, as the session log itself takes note
    of the step; ``on_shutdown`` ends the program.
    """

    def __init__(
        self,
        keepers: Callable[[], Collection[Keeper]],
        log: Log,
        *,
        on_clock_set: Callable[[], None],
        on_shutdown: Callable[[], None],
    ) -> None:
        self._keepers = keepers
        self._log = log
        self._on_clock_set = on_clock_set
        self._on_shutdown = on_shutdown

    def hear(self, signal: watch.Signal) -> None:
        """Pass one signal on."""
        match signal:
            case watch.RouteAppeared():
                for keeper in self._keepers():
                    keeper.post(ev.RouteAppeared())
            case watch.AddressesChanged():
                for keeper in self._keepers():
                    keeper.check_addresses()
            case watch.SleepAnnounced(done):
                self._fall_asleep(done)
            case watch.Woke():
                # How long the machine slept, each keeper sees on the clocks, and before any event. This makes it look,
                # and ends a sleep that was announced and did not come.
                for keeper in self._keepers():
                    keeper.post(ev.Woke(0))
            case watch.ClockSet():
                self._on_clock_set()
            case watch.SystemShutdown():
                self._on_shutdown()

    def _fall_asleep(self, done: Callable[[], None]) -> None:
        """``done`` once every keeper has taken it in and all that they recorded is on disk."""
        keepers = self._keepers()
        written = _Countdown(len(keepers), done)

        def write(keeper: Keeper, _: object) -> None:
            self._log.record(keeper.bot, keeper.transport, (), written.one)

        for keeper in keepers:
            keeper.ask(ev.SleepAnnounced()).add_done_callback(partial(write, keeper))


class _Countdown:
    """Calls ``then`` at the last of ``of`` calls of :meth:`one`; with none to come, at once."""

    def __init__(self, of: int, then: Callable[[], None]) -> None:
        # Guards the number: the calls come from keepers' and the log's threads.
        self._lock = threading.Lock()
        self._left = of
        self._then = then
        if of == 0:
            then()

    def one(self) -> None:
        """One of them."""
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._then()
