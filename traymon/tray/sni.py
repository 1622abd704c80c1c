"""A tray icon by StatusNotifierItem and dbusmenu, for pystray's API: pip alone gives an icon, a menu and the click.

The specification: https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/ (and what KDE's, Xfce's and
GNOME's hosts make of it, where they differ). One thread, that which calls ``run()``, owns the bus and everything said
over it; other threads post to its loop. A bus that goes away is looked for again, quietly; a panel that starts late or
restarts is registered with as soon as its watcher is on the bus.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from dbus_fast import DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from traymon import words
from traymon.tray.base import Clock, IconName, Newest, TrayView, time_of_day
from traymon.tray.dbusmenu import Change, MenuModel
from traymon.tray.drawing import Drawer
from traymon.tray.pixmaps import argb, pixmap
from traymon.tray.pystray_api import BaseIcon
from traymon.tray.sni_objects import ITEM_PATH, MENU_PATH, ItemObject, MenuObject

if TYPE_CHECKING:
    from PIL import Image

_log = logging.getLogger(__name__)

WATCHER = "org.kde.StatusNotifierWatcher"
WATCHER_PATH = "/StatusNotifierWatcher"

PIXMAP_SIZES = (22, 24, 32, 44, 48, 64)
"""Pixels: a panel's usual icons, and the same on screens of twice the density; hosts scale from the nearest."""

CALL_LIMIT_S = 10.0
"""For one answer of the bus or the panel. A panel that hangs must not hold up the rest."""

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
"""Until the bus is tried again after it went away; doubled each time, as a bus seldom comes back."""

_serial = itertools.count(1)


def _lower(record: logging.LogRecord) -> bool:
    """dbus-fast logs a traceback when the bus goes away while it answers; here that is an ordinary event."""
    if record.exc_info and isinstance(record.exc_info[1], (OSError, EOFError)):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _note_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for: replies and signals that a bus which goes away did not take."""
    _log.debug("%s: %r", context.get("message"), context.get("exception"))


for _name in ("message_bus", "send_reply", "aio.message_bus", "aio.message_reader"):
    logging.getLogger(f"dbus_fast.{_name}").addFilter(_lower)


class Icon(BaseIcon):  # type: ignore[misc] # pystray has no types
    """pystray's ``Icon`` on a session bus.

    Beyond pystray: ``set_icon`` shows one of our icons (else ``icon`` is scaled), ``tooltip`` stands below the title,
    ``attention`` asks the host to make the icon stand out, ``on_host`` is told whether a panel shows the icon,
    ``on_other_click`` of a middle click, and of any on a host that knows no dbusmenu; ``on_ready`` is called when
    posting begins to work. All callbacks come from the bus thread and must return at once.
    """

    HAS_NOTIFICATION = False

    def __init__(
        self,
        *args: Any,
        bus_address: str,
        on_host: Callable[[bool], None] = lambda _: None,
        on_other_click: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._drawn: Callable[[int], list[Any]] = self._scaled
        self.tooltip = ""
        self.attention = False
        self.on_other_click = on_other_click
        self.on_ready: Callable[[], None] = lambda: None
        self.model = MenuModel()
        self.pixmaps: list[list[Any]] = []
        self._bus_address = bus_address
        self._on_host = on_host
        self._hosted: bool | None = None
        # The loop that owns the bus, while run() lasts. Other threads only call_soon_threadsafe() on it.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._owner = 0
        self._stop_asked = False
        self._session: _Session | None = None

    def __del__(self) -> None:
        """Nothing: run() has let go of the bus when it returned."""

    def set_icon(self, name: IconName, *, mixed: bool) -> None:
        """Show this icon."""
        self._drawn = partial(pixmap, name, mixed=mixed)
        self.icon = name

    def set_text(self, title: str, tooltip: str, *, attention: bool) -> None:
        """Show both texts; ``attention`` when a person must act."""
        self._title = title
        self.tooltip = tooltip
        self.attention = attention
        self.post(lambda: self._tell("new_title", "new_tool_tip", "new_status"))

    def post(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the bus thread: at once when called there, so that what panels read and what they are told
        never differ. Without a bus thread, not at all: everything is read anew when there is one.
        """
        loop = self._loop
        if loop is not None and threading.get_ident() == self._owner:
            action()
        elif loop is not None:
            # The loop may have been closed since: then nothing is shown any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(action)

    # What pystray asks of a backend

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._loop = None

    def stop(self) -> None:
        """End ``run()``, also one that is only about to begin."""
        self._stop_asked = True
        super().stop()
        self._stop()

    def _stop(self) -> None:
        self.post(self._end)

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()

    def _show(self) -> None:
        self.post(lambda: self._tell("new_status"))

    def _hide(self) -> None:
        self.post(lambda: self._tell("new_status"))

    def _update_icon(self) -> None:
        self.pixmaps = [self._drawn(size) for size in PIXMAP_SIZES]
        self._icon_valid = True
        self.post(lambda: self._tell("new_icon"))

    def _update_title(self) -> None:
        self.post(lambda: self._tell("new_title", "new_tool_tip"))

    def _update_menu(self) -> None:
        self.post(self.refresh_menu)

    def _scaled(self, size: int) -> list[Any]:
        """What was given to pystray's own ``icon``."""
        image: Image.Image = self._icon
        return [size, size, argb(image.convert("RGBA").resize((size, size)).tobytes())]

    # On the bus thread

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        self._owner = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_note_failure)
        self._mark_ready()
        self.refresh_menu()
        self.on_ready()
        if self._stop_asked:
            return
        connection = asyncio.create_task(self._stay_connected())
        await self._ended.wait()
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)

    async def _stay_connected(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            session = _Session(self, self._bus_address, self.set_hosted)
            # From now on, not once it is registered: what changes in between must be told as well.
            self._session = session
            try:
                await session.open()
                retry_s = FIRST_RETRY_S
                await session.lost()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, the bus is looked for again
                _log.debug("the session bus cannot be used (%s); trying again in %g s", error, retry_s)
            finally:
                self._session = None
                session.close()
            self.set_hosted(False)
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def set_hosted(self, hosted: bool) -> None:
        """A panel shows the icon, or none does any more."""
        if hosted != self._hosted:
            self._hosted = hosted
            self._on_host(hosted)

    def _tell(self, *signals: str) -> None:
        if self._session is not None:
            self._session.tell(*signals)

    def refresh_menu(self) -> None:
        """Bring labels that tell of the time gone by up to date, and tell what is different. Bus thread only."""
        change = self.model.update(self._menu)
        if change and self._session is not None:
            self._session.tell_menu(change)

    @property
    def status(self) -> str:
        """The specification's word for how present the icon is to be."""
        if not self._visible:
            return "Passive"
        return "NeedsAttention" if self.attention else "Active"

    def activate_default(self) -> None:
        """The left click."""
        if self._menu is not None:
            self._menu(self)

    def choose(self, number: int) -> None:
        """A click on the menu's item of that number. One that is gone or disabled chooses nothing."""
        node = self.model.node(number)
        if node is not None and node.item is not None and node.item.enabled:
            node.item(self)


class _Session:
    """One connection to the bus: the item and its menu on it, and the panel's watcher followed."""

    def __init__(self, icon: Icon, address: str, on_host: Callable[[bool], None]) -> None:
        self._address = address
        self._on_host = on_host
        self._item = ItemObject(icon)
        self._menu = MenuObject(icon)
        self._bus: MessageBus | None = None
        # Host programs tell items of one process apart by this number (the specification's "id").
        self._name = f"org.kde.StatusNotifierItem-{os.getpid()}-{next(_serial)}"
        self._watcher: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, put the item on the bus, and register it if a watcher is there. Raises what the bus raises."""
        bus = MessageBus(bus_address=self._address)
        async with asyncio.timeout(CALL_LIMIT_S):
            await bus.connect()
        self._bus = bus
        bus.export(ITEM_PATH, self._item)
        bus.export(MENU_PATH, self._menu)
        bus.add_message_handler(self._on_message)
        await self._ask_bus("AddMatch", "s", f"type='signal',member='NameOwnerChanged',arg0='{WATCHER}'")
        await self._ask_bus("AddMatch", "s", f"type='signal',interface='{WATCHER}'")
        async with asyncio.timeout(CALL_LIMIT_S):
            await bus.request_name(self._name)
        try:
            self._watcher = (await self._ask_bus("GetNameOwner", "s", WATCHER))[0]
        except DBusError:
            self._watcher = None  # no panel yet: NameOwnerChanged will tell
        await self._register()

    async def lost(self) -> None:
        """Wait for the end of the connection. May raise the reason."""
        assert self._bus is not None
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Leave the bus, if on it; the panel then removes the icon."""
        for task in self._tasks:
            task.cancel()
        if self._bus is not None:
            self._bus.disconnect()

    def tell(self, *signals: str) -> None:
        """Send signals of the item."""
        with self._quietly():
            for signal in signals:
                getattr(self._item, signal)()

    def tell_menu(self, change: Change) -> None:
        """Send what changed in the menu."""
        with self._quietly():
            if change.updated or change.removed:
                self._menu.items_properties_updated(change)
            if change.layout is not None:
                self._menu.layout_updated(change.layout)

    @contextlib.contextmanager
    def _quietly(self) -> Any:
        """A bus that is just going away takes no signals; :meth:`lost` says so where it matters."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - as above
            _log.debug("a signal could not be sent: %s", error)

    async def _ask_bus(self, member: str, signature: str, *body: Any) -> list[Any]:
        return await self._ask(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member, signature, *body
        )

    async def _ask(
        self, to: str, path: str, interface: str, member: str, signature: str, *body: Any
    ) -> list[Any]:
        """Call a method. Raises DBusError for an error reply, TimeoutError without one."""
        assert self._bus is not None
        message = Message(
            destination=to,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        async with asyncio.timeout(CALL_LIMIT_S):
            reply = await self._bus.call(message)
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name or "", str(reply.body[0]) if reply.body else "", reply)
        return list(reply.body)

    async def _register(self) -> None:
        """Make the icon known to the present watcher, and find out whether a host is behind it."""
        watcher = self._watcher
        if watcher is None:
            self._on_host(False)
            return
        try:
            await self._ask(watcher, WATCHER_PATH, WATCHER, "RegisterStatusNotifierItem", "s", self._name)
        except (DBusError, TimeoutError) as error:
            _log.debug("the panel did not take the icon: %s", error)
            if watcher == self._watcher:
                self._on_host(False)
            return
        hosted = await self._has_host(watcher)
        if watcher == self._watcher:
            self._on_host(hosted)

    async def _has_host(self, watcher: str) -> bool:
        """A watcher may run without a panel to show anything. One that cannot say so is taken for both."""
        try:
            (value,) = await self._ask(
                watcher,
                WATCHER_PATH,
                "org.freedesktop.DBus.Properties",
                "Get",
                "ss",
                WATCHER,
                "IsStatusNotifierHostRegistered",
            )
        except (DBusError, TimeoutError):
            return True
        return bool(value.value)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged" and message.sender == "org.freedesktop.DBus":
            name, _, new_owner = message.body
            if name == WATCHER:
                self._watcher = new_owner or None
                self._soon(self._register())
        elif message.sender == self._watcher and message.member in _HOST_SIGNALS:
            self._soon(self._host_changed())

    async def _host_changed(self) -> None:
        watcher = self._watcher
        hosted = watcher is not None and await self._has_host(watcher)
        if watcher == self._watcher:
            self._on_host(hosted)

    def _soon(self, work: Any) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the bus is going away; lost() says so
            _log.debug("the panel could not be asked: %s", error)


_HOST_SIGNALS = {"StatusNotifierHostRegistered", "StatusNotifierHostUnregistered"}


class SniTray:
    """A tray by StatusNotifierItem. ``choose`` gets the id of a chosen item and ``on_host`` whether a panel shows the
    icon; both are called on the bus thread and must return at once.
    """

    def __init__(
        self,
        choose: Callable[[str], None],
        bus_address: str,
        on_host: Callable[[bool], None] = lambda _: None,
        newest: Newest | None = None,
        clock: Clock = time_of_day,
    ) -> None:
        self._newest = newest or Newest()
        self._icon = Icon("traymon", bus_address=bus_address, on_host=on_host)
        self._drawer = Drawer(self._icon, choose, self._newest, clock)
        self._drawer.draw()
        self._icon.on_other_click = self._drawer.other_click
        self._icon.on_ready = self._begin

    @property
    def host(self) -> str:
        """One sentence for a person."""
        return words.gettext(
            "The icon is in the panel's tray: a left click reconnects, a right click opens the menu."
        )

    def run(self) -> None:
        """Serve the icon until :meth:`stop`, on the calling thread."""
        self._icon.run(lambda _: None)

    def _begin(self) -> None:
        """On the bus thread; pystray would do it on another, and a picture drawn meanwhile could get lost."""
        self._icon.visible = True
        self._drawer.draw()

    def show(self, view: TrayView) -> None:
        """Draw ``view`` soon; from any thread."""
        self._newest.view = view
        self.refresh()

    def refresh(self) -> None:
        """Draw the newest view soon; from any thread."""
        self._icon.post(self._drawer.draw)

    def stop(self) -> None:
        """End :meth:`run`; from any thread."""
        self._icon.stop()
