"""Linux: login1 for sleep and shutdown, rtnetlink for the network, a timer of the kernel's for wake and set clocks.

All on one thread, which sleeps until the kernel or the bus has something to say: it costs no wake-ups of its own.
"""

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from traymon.desktop.clocks import Clocks
from traymon.desktop.watch import netlink, signals
from traymon.desktop.watch.clockwatch import LOOK_EACH_S, ClockWatch, signals_of
from traymon.desktop.watch.network import SETTLE_S, WayOut, way_out

assert sys.platform == "linux"

_log = logging.getLogger(__name__)

_CLOCK_REALTIME = 0
_TFD_TIMER_ABSTIME, _TFD_TIMER_CANCEL_ON_SET = 0x1, 0x2
_YEAR_S = 365 * 86_400
"""Far enough away; a wake-up a year costs nothing."""


class LinuxWatcher:
    """The :class:`~traymon.desktop.watch.signals.Watcher` of Linux."""

    def __init__(
        self,
        clocks: Clocks,
        *,
        on_ready: Callable[[str], None] = lambda _: None,
        delay_s: float = signals.SLEEP_DELAY_S,
    ) -> None:
        """``on_ready`` is called on the watcher's thread with ``network``, ``clock`` or ``login1`` when that one is
        being watched."""
        self._clocks = clocks
        self._on_ready = on_ready
        self._delay_s = delay_s
        # Guards the two below: start() and stop() may come from different threads, also before the loop runs.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._ended: asyncio.Event | None = None  # made on the loop
        self._thread: threading.Thread | None = None

    def start(self, tell: Callable[[signals.Signal], None]) -> None:
        """Begin."""
        # Owns the loop and everything watched. Daemon, and joined in stop(): a bus that hangs must not hold up the end.
        self._thread = threading.Thread(target=self._run, args=(tell,), name="system watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and release login1's delay lock."""
        with self._lock:
            self._stopped = True
            if self._loop is not None and self._ended is not None:
                with contextlib.suppress(RuntimeError):  # it has ended by itself
                    self._loop.call_soon_threadsafe(self._ended.set)
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self, tell: Callable[[signals.Signal], None]) -> None:
        try:
            asyncio.run(self._watch(tell))
        except Exception:  # noqa: BLE001 - the bots are held without it
            _log.exception("the system is not watched any more; the clocks and silent links tell the rest")

    async def _watch(self, tell: Callable[[signals.Signal], None]) -> None:
        ended = asyncio.Event()
        with self._lock:
            self._loop, self._ended = asyncio.get_running_loop(), ended
            if self._stopped:
                return

        def tell_all(found: list[signals.Signal]) -> None:
            for signal in found:
                try:
                    tell(signal)
                except Exception:  # noqa: BLE001 - one signal that nobody could use must not end the watch
                    _log.exception("%s could not be handled", signal)

        with contextlib.ExitStack() as watched:
            self._watch_network(tell_all, watched)
            self._watch_clock(tell_all, watched)
            sleep = asyncio.create_task(self._watch_sleep(lambda signal: tell_all([signal])))
            await ended.wait()
            sleep.cancel()
            await asyncio.gather(sleep, return_exceptions=True)

    async def _watch_sleep(self, tell: Callable[[signals.Signal], None]) -> None:
        from traymon.desktop.watch.login1 import Login1

        login1 = Login1(tell, on_ready=lambda: self._on_ready("login1"), delay_s=self._delay_s)
        await login1.follow()

    def _watch_network(
        self, tell: Callable[[list[signals.Signal]], None], watched: contextlib.ExitStack
    ) -> None:
        try:
            opened = watched.enter_context(netlink.open_socket())
        except OSError as error:
            _log.debug("rtnetlink cannot be used (%s); the network is not watched", error)
            return
        loop = asyncio.get_running_loop()
        network = _Network(opened, tell)
        loop.add_reader(opened, network.read)
        watched.callback(loop.remove_reader, opened)
        self._on_ready("network")

    def _watch_clock(
        self, tell: Callable[[list[signals.Signal]], None], watched: contextlib.ExitStack
    ) -> None:
        clock = _Clock(self._clocks, tell)
        watched.callback(clock.close)
        self._on_ready("clock")


class _Clock:
    """Looks at the clocks, on the loop, when the kernel says so; where it cannot say, each :data:`LOOK_EACH_S`."""

    def __init__(self, clocks: Clocks, tell: Callable[[list[signals.Signal]], None]) -> None:
        self._clocks = ClockWatch(clocks)
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: ClockTimer | None = None
        try:
            self._timer = ClockTimer()
            self._loop.add_reader(self._timer.descriptor, self._jumped)
        except OSError as error:
            self._do_without(error)

    def _jumped(self) -> None:
        assert self._timer is not None
        try:
            self._timer.rearm()
        except OSError as error:
            self.close()
            self._do_without(error)
        self._tell(signals_of(self._clocks.look()))

    def _do_without(self, error: OSError) -> None:
        _log.debug("the kernel does not tell of set clocks (%s); looking each %g s", error, LOOK_EACH_S)
        self._loop.call_later(LOOK_EACH_S, self._look_again)

    def _look_again(self) -> None:
        self._tell(signals_of(self._clocks.look()))
        self._loop.call_later(LOOK_EACH_S, self._look_again)

    def close(self) -> None:
        """Let go of the timer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._loop.remove_reader(timer.descriptor)
            timer.close()


class _Network:
    """Reads rtnetlink on the loop, and looks at the network once a burst is over."""

    def __init__(self, opened: socket.socket, tell: Callable[[list[signals.Signal]], None]) -> None:
        self._opened = opened
        self._tell = tell
        self._changes = netlink.Changes()
        self._way = WayOut(way_out())
        self._looking = False

    def read(self) -> None:
        """Take in what is there."""
        with contextlib.suppress(BlockingIOError):
            while True:
                datagram = netlink.receive(self._opened)
                if datagram is None:
                    self._changes.lost()
                    netlink.ask_for_links(self._opened)
                elif not self._changes.take(datagram):
                    continue
                if not self._looking:
                    self._looking = True
                    asyncio.get_running_loop().call_later(SETTLE_S, self._look)

    def _look(self) -> None:
        self._looking = False
        changes = self._changes
        found = self._way.look(way_out(), route_came=changes.route_came, address_left=changes.address_left)
        changes.forget()
        self._tell(found)


class ClockTimer:
    """Becomes readable when the time of day jumps: when someone sets it, and when the machine wakes.

    A timer on the time of day, far away, with TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)): the kernel cancels it on "a
    discontinuous change" of that clock. On a wake the kernel sets that clock itself (timekeeping_resume() ends in
    timerfd_resume()). Python has timerfd from 3.13 on. Raises OSError.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._settime = libc.timerfd_settime
            create = libc.timerfd_create
        except AttributeError as error:
            raise OSError("this C library has no timerfd") from error
        self.descriptor: int = create(_CLOCK_REALTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        try:
            self._arm()
        except OSError:
            self.close()
            raise

    def rearm(self) -> None:
        """After a jump: wait for the next one. Raises OSError."""
        with contextlib.suppress(OSError):  # ECANCELED: that is the jump
            os.read(self.descriptor, 8)
        self._arm()

    def _arm(self) -> None:
        value = struct.pack(
            "@4l", 0, 0, int(time.time()) + _YEAR_S, 0
        )  # struct itimerspec: no interval, once
        flags = _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET
        if self._settime(self.descriptor, flags, value, None) < 0:
            code = ctypes.get_errno()
            if (
                code != errno.ECANCELED
            ):  # the clock was set just now: armed all the same, and looked at anyway
                raise OSError(code, "timerfd_settime")

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
