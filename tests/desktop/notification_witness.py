"""What goes over a session bus about notifications, and what dunst, a real server, has on its screen."""

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from tests.desktop.kit import PATIENCE_S, eventually

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
DUNST = "org.dunstproject.cmd0"
BUS = "org.freedesktop.DBus"


@dataclass
class Notify:
    """One call of Notify as the server got it."""

    app: str
    replaces: int
    icon: str
    title: str
    body: str
    actions: list[str]
    hints: dict[str, Any]
    expires: int
    number: int | None = field(default=None, compare=False)


class Witness:
    """Sees every message of a bus, and asks the notification server on it.

    :attr:`notifies` gives the calls of Notify, once they are answered.
    """

    def __init__(self, address: str) -> None:
        # Answered calls and signals, from the bus thread to the test.
        self.notifies: queue.SimpleQueue[Notify] = queue.SimpleQueue()
        self.closings: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._open: dict[tuple[str | None, int], Notify] = {}
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)
        # Serves both connections; joined in close().
        self._thread = threading.Thread(target=self._loop.run_forever, name="witness", daemon=True)
        self._thread.start()
        self._bus: MessageBus = self._do(self._connect(address))
        self._monitor: MessageBus = self._do(self._watch(address))

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _connect(self, address: str) -> MessageBus:
        return await MessageBus(bus_address=address).connect()

    async def _watch(self, address: str) -> MessageBus:
        monitor = await self._connect(address)
        monitor.add_message_handler(self._see)
        become = Message(
            destination=BUS,
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus.Monitoring",
            member="BecomeMonitor",
            signature="asu",
            body=[[], 0],
        )
        reply = await monitor.call(become)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return monitor

    def _see(self, message: Message) -> bool:
        if message.message_type is MessageType.METHOD_CALL and message.interface == NAME:
            if message.member == "Notify":
                self._open[message.sender, message.serial] = Notify(*unpack_variants(message.body))
            elif message.member == "CloseNotification":
                self.closings.put(message.body[0])
        elif message.message_type is MessageType.METHOD_RETURN:
            call = self._open.pop((message.destination, message.reply_serial), None)
            if call is not None:
                call.number = message.body[0]
                self.notifies.put(call)
        # Seen: the library must not answer a call that is for others.
        return message.message_type is MessageType.METHOD_CALL

    async def _call(self, to: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        message = Message(
            destination=to,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        reply = await self._bus.call(message)
        assert reply.message_type is MessageType.METHOD_RETURN, (reply.error_name, reply.body)
        return unpack_variants(reply.body)

    def has_server(self) -> bool:
        """Whether a notification server is on the bus."""
        args = (BUS, "/org/freedesktop/DBus", BUS, "NameHasOwner", "s", NAME)
        return bool(self._do(self._call(*args))[0])

    def dunst(self, member: str, signature: str = "", *body: Any) -> Any:
        """What ``dunstctl`` calls."""
        return self._do(self._call(NAME, PATH, DUNST, member, signature, *body))

    def pause(self) -> None:
        """The person's do-not-disturb."""
        body = (DUNST, "paused", Variant("b", True))
        self._do(self._call(NAME, PATH, "org.freedesktop.DBus.Properties", "Set", "ssv", *body))

    def notify(self, title: str) -> None:
        """A notification of another program's."""
        body = ("other", 0, "", title, "", [], {}, -1)
        self._do(self._call(NAME, PATH, NAME, "Notify", "susssasa{sv}i", *body))

    def forge(self, member: str, signature: str, *body: Any) -> None:
        """A signal that only the server may send, from this program; it is out when this returns."""

        async def send() -> None:
            await self._bus.send(Message.new_signal(PATH, NAME, member, signature, list(body)))

        self._do(send())
        self.has_server()  # a round trip: the bus has taken what was sent before

    def displayed(self) -> int:
        """How many notifications are on the screen."""
        reply = self._call(
            NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", DUNST, "displayedLength"
        )
        return int(self._do(reply)[0])

    def history(self) -> list[dict[str, Any]]:
        """What left the screen, the newest first."""
        return list(self.dunst("NotificationListHistory")[0])

    def next(self) -> Notify:
        """The next notification that a server took."""
        return self.notifies.get(timeout=PATIENCE_S)

    def wait_for_server(self, here: bool = True) -> None:
        eventually(lambda: self.has_server() is here, "the notification server")

    def close(self) -> None:
        """Leave the bus."""

        async def leave() -> None:
            for bus in (self._bus, self._monitor):
                bus.disconnect()
                with contextlib.suppress(Exception):
                    await bus.wait_for_disconnect()

        self._do(leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
