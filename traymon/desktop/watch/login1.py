"""systemd's login1 (or elogind's) on the system bus: it says that the machine is about to sleep or to shut down.

While a *delay lock* is held, login1 waits with it, so that the session log can be written first. The interface and
its rules: org.freedesktop.login1(5), https://systemd.io/INHIBITOR_LOCKS/.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from traymon import words
from traymon.desktop.watch import signals

_log = logging.getLogger(__name__)

NAME = "org.freedesktop.login1"
PATH = "/org/freedesktop/login1"
MANAGER = "org.freedesktop.login1.Manager"
_BUS = "org.freedesktop.DBus"

CALL_LIMIT_S = 10.0
"""For one answer of the bus or of login1."""
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 600.0
"""Until the bus is tried again after it could not be used; doubled each time. A machine that has no system bus, such
as a container, gets none later, and one whose bus restarts is about to be restarted itself."""


class DelayLock:
    """One of login1's delay locks: it is held as long as its descriptor is open. For the loop's thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the machine go on. A second time nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class Login1:
    """Follows login1 on the running loop; everything here runs on its thread, ``tell`` too."""

    def __init__(
        self,
        tell: Callable[[signals.Signal], None],
        *,
        on_ready: Callable[[], None],
        delay_s: float,
    ) -> None:
        """``on_ready`` is called each time that login1 is there and followed; ``delay_s`` is the longest hold-up."""
        self._tell = tell
        self._on_ready = on_ready
        self._delay_s = delay_s
        self._lock: DelayLock | None = None
        self._owner: str | None = (
            None  # login1's own name on the bus: what others send in its name does not count
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Until cancelled, over restarts of the bus and of login1. The lock is released at the end."""
        loop = asyncio.get_running_loop()
        retry_s = FIRST_RETRY_S
        while True:
            begun = loop.time()
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - whatever it was, the clocks tell of sleep as well
                _log.debug("login1 cannot be followed (%s); trying again in %g s", error, retry_s)
            if loop.time() - begun > LONGEST_RETRY_S:
                retry_s = FIRST_RETRY_S
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    async def _serve(self) -> None:
        """Follow login1 on one connection until that is lost. Raises what the bus raises."""
        bus = MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True)
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                await bus.connect()
            bus.add_message_handler(lambda message: self._on_message(bus, message))
            # login1's two signals are the only ones of its Manager that matter; each rule names one, as a Manager also
            # speaks of every login and logout, which need not wake this process.
            for member in ("PrepareForSleep", "PrepareForShutdown"):
                await _ask_bus(
                    bus, "AddMatch", f"type='signal',sender='{NAME}',interface='{MANAGER}',member='{member}'"
                )
            await _ask_bus(
                bus, "AddMatch", f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{NAME}'"
            )
            await self._meet(bus)
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        finally:
            for task in self._tasks:
                task.cancel()
            self._release()
            self._owner = None
            with contextlib.suppress(Exception):
                bus.disconnect()

    async def _meet(self, bus: MessageBus) -> None:
        """Begin with login1 if it is there; where it is not, NameOwnerChanged tells when it comes."""
        with contextlib.suppress(DBusError):
            self._owner = (await _ask_bus(bus, "GetNameOwner", NAME))[0]
            await self._take_lock(bus)
            self._on_ready()

    async def _take_lock(self, bus: MessageBus) -> None:
        """Hold up the next sleep or shutdown. Where that is not allowed, both are still told of."""
        why = words.gettext("Writing down that the bots go offline")
        message = Message(
            destination=NAME,
            path=PATH,
            interface=MANAGER,
            member="Inhibit",
            signature="ssss",
            body=["shutdown:sleep", "traymon", why, "delay"],
        )
        try:
            reply = await _ask(bus, message)
            lock = DelayLock(reply.unix_fds[reply.body[0]])
        except (DBusError, TimeoutError, IndexError) as error:
            _log.debug("login1 gave no delay lock: %s", error)
            return
        self._release()
        self._lock = lock

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _on_message(self, bus: MessageBus, message: Message) -> None:
        """Never raises: dbus-fast would only log it."""
        match message:
            case Message(message_type=MessageType.SIGNAL, sender=sender, member=member, body=body):
                pass
            case _:
                return
        match member, body:
            case "NameOwnerChanged", [name, _, str(owner)] if sender == _BUS and name == NAME:
                self._owner = None
                if owner:
                    self._begin(self._meet(bus))
            case "PrepareForSleep", [True] if sender == self._owner:
                self._fall_asleep()
            case "PrepareForSleep", [False] if sender == self._owner:
                self._begin(self._take_lock(bus))
                self._tell(signals.Woke())
            case "PrepareForShutdown", [True] if sender == self._owner:
                self._tell(signals.SystemShutdown())  # the lock is held until the end of all

    def _fall_asleep(self) -> None:
        loop = asyncio.get_running_loop()
        lock, self._lock = self._lock, None
        if lock is None:
            self._tell(signals.SleepAnnounced(lambda: None))
            return

        def done() -> None:
            # The loop may have ended since: then the lock is released already.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lock.release)

        self._held_back(lock)
        self._tell(signals.SleepAnnounced(done))

    def _held_back(self, lock: DelayLock) -> None:
        async def at_the_latest() -> None:
            try:
                await asyncio.sleep(self._delay_s)
            finally:
                lock.release()

        self._begin(at_the_latest())

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _ask(bus: MessageBus, message: Message) -> Message:
    """The answer. Raises DBusError or TimeoutError."""
    async with asyncio.timeout(CALL_LIMIT_S):
        reply = await bus.call(message)
    if reply is None or reply.message_type is MessageType.ERROR:
        name = (reply.error_name if reply else None) or "org.freedesktop.DBus.Error.Failed"
        raise DBusError(name, str(reply.body[0]) if reply and reply.body else "")
    return reply


async def _ask_bus(bus: MessageBus, member: str, argument: str) -> list[Any]:
    """A method of the bus itself. Raises DBusError or TimeoutError."""
    reply = await _ask(
        bus,
        Message(
            destination=_BUS,
            path="/org/freedesktop/DBus",
            interface=_BUS,
            member=member,
            signature="s",
            body=[argument],
        ),
    )
    return reply.body
