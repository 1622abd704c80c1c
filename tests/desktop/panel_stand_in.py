"""A panel on the session bus without pixels: what a host of StatusNotifierItems reads, calls and hears."""

import asyncio
import contextlib
import queue
import threading
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from tests.desktop.kit import PATIENCE_S

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"


class PanelStandIn:
    """Owns the watcher's name; :attr:`registered` gives items, :attr:`signals` what they say. Raw messages only, so
    that nothing of the library under the tray can hide a slip of the tray.
    """

    def __init__(self, address: str, *, host: bool = True) -> None:
        # Items that registered, and signals of items as (member, body): from the bus thread to the test.
        self.registered: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.signals: queue.SimpleQueue[tuple[str, list[Any]]] = queue.SimpleQueue()
        self.host = host
        self._loop = asyncio.new_event_loop()
        # A bus that a test kills leaves replies behind that nobody waits for.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        # Serves the stand-in's bus; joined in close().
        self._thread = threading.Thread(target=self._loop.run_forever, name="panel stand-in")
        self._thread.start()
        self._bus: MessageBus = self._do(self._open(address))

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _open(self, address: str) -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        bus.add_message_handler(self._on_message)
        self._bus = bus
        for interface in (ITEM, MENU):
            rule = f"type='signal',interface='{interface}'"
            await self._call(
                "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule
            )
        await bus.request_name(WATCHER)
        return bus

    def _on_message(self, message: Message) -> Message | None:
        if message.message_type is MessageType.SIGNAL and message.interface in (ITEM, MENU):
            self.signals.put((message.member or "", unpack_variants(message.body)))
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if message.member == "RegisterStatusNotifierItem":
            self.registered.put(message.body[0])
            return Message.new_method_return(message)
        if message.member == "Get" and message.body[1] == "IsStatusNotifierHostRegistered":
            return Message.new_method_return(message, "v", [Variant("b", self.host)])
        return None

    async def _call(self, to: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        reply = await self._bus.call(
            Message(
                destination=to,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        assert reply.message_type is MessageType.METHOD_RETURN, (reply.error_name, reply.body)
        return unpack_variants(reply.body)

    def call(self, to: str, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        """Call a method; gives the reply's body."""
        return self._do(self._call(to, path, interface, member, signature, *body))

    def property(self, item: str, name: str, path: str = "/StatusNotifierItem", interface: str = ITEM) -> Any:
        """One property of an item or menu."""
        return self.call(item, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name)[0]

    def menu(self, item: str) -> dict[int, dict[str, Any]]:
        """All items of the menu by number, each with its properties and the numbers of its children."""
        path = self.property(item, "Menu")
        _, layout = self.call(item, path, MENU, "GetLayout", "iias", 0, -1, [])
        found: dict[int, dict[str, Any]] = {}
        pending = [layout]
        while pending:
            number, properties, children = pending.pop()
            found[number] = {**properties, "children": [child[0] for child in children]}
            pending.extend(children)
        return found

    def number_of(self, item: str, label: str) -> int:
        """The number of the item with that label."""
        return next(number for number, each in self.menu(item).items() if each.get("label") == label)

    def event(self, item: str, number: int, kind: str = "clicked") -> None:
        """What a panel sends when a person does something with a menu item."""
        path = self.property(item, "Menu")
        self.call(item, path, MENU, "Event", "isvu", number, kind, Variant("i", 0), 0)

    def tell_host(self, here: bool) -> None:
        """A host registered with the watcher, or the last one left."""
        self.host = here
        member = "StatusNotifierHostRegistered" if here else "StatusNotifierHostUnregistered"

        async def send() -> None:
            await self._bus.send(Message.new_signal("/StatusNotifierWatcher", WATCHER, member))

        self._do(send())

    def heard(self, count: int) -> dict[str, list[Any]]:
        """The next ``count`` signals, by name, each with its last body."""
        return dict(self.signals.get(timeout=PATIENCE_S) for _ in range(count))

    def close(self) -> None:
        """Leave the bus, as a panel that ends."""

        async def leave() -> None:
            self._bus.disconnect()
            with contextlib.suppress(Exception):
                await self._bus.wait_for_disconnect()

        self._do(leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
