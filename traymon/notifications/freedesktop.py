"""Notifications by org.freedesktop.Notifications on the session bus.

The specification: https://specifications.freedesktop.org/notification-spec/latest/. One thread owns the bus and all
that is said over it; it begins with the first notification, as most days have none. A server that is not there, ends
or restarts, and a bus that goes away, are ordinary: what still matters is shown when there is one again.
"""

import asyncio
import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbus_fast import DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from traymon import words
from traymon.notifications.base import OnClick, OnClosed
from traymon.notifications.facts import Action, Kind, Show, Urgency

_log = logging.getLogger(__name__)

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
_BUS = "org.freedesktop.DBus"

CALL_LIMIT_S = 10.0
"""For one answer of the bus or the server. The bus may first have to start the server."""
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 300.0
"""Until a notification that could not be shown is tried again; doubled each time. A server that starts is noticed."""

_SERVERS_TIME = -1
"""How long a notification stays: the server's choice, which people set there."""
_KEPT = 64
"""Notifications whose clicks are still understood: desktops keep old ones in a list."""

_CATEGORIES = {
    Kind.OUTAGE: "network.disconnected",
    Kind.BACK: "network.connected",
    Kind.PERSON: "network.error",
    Kind.PROGRAM: "presence.offline",
}
"""Of the specification's list; a server may sort and dress by them."""

_TRANSIENT = frozenset({Kind.BACK, Kind.NOTICE})
"""Of no use later: neither kept in a server's list, nor shown once it could not be shown at once."""

_LABELS = {Action.RECONNECT: words.mark("Reconnect"), Action.LOG: words.mark("View log")}

_CLOSED_BY_PERSON = 2
"""The specification's reason for NotificationClosed: 1 its time was over, 2 dismissed, 3 closed by us, 4 undefined."""


def _lower(record: logging.LogRecord) -> bool:
    """dbus-fast logs a traceback when the bus goes away while it answers; here that is an ordinary event."""
    if record.exc_info and isinstance(record.exc_info[1], (OSError, EOFError)):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


for _name in ("message_bus", "send_reply", "aio.message_bus", "aio.message_reader"):
    logging.getLogger(f"dbus_fast.{_name}").addFilter(_lower)


class FreedesktopNotifier:
    """The :class:`~traymon.notifications.base.Notifier` of Linux desktops."""

    def __init__(
        self,
        bus_address: str | None,
        *,
        say: Callable[[str], None] = lambda _: None,
        picture: Callable[[Kind], Path | None] = lambda _: None,
        first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        """``say`` is told, in a sentence, that nothing can be shown, once until something was shown again;
        ``picture`` gives the file of a notification's icon. Both are called on the notifier's own thread.
        ``bus_address`` is ``None`` where there is no session bus."""
        self._bus_address = bus_address
        self._say = say
        self._picture = picture
        self._first_retry_s = first_retry_s
        self._on_closed: OnClosed = lambda _key, _by_person: None
        self._on_click: OnClick = lambda _key, _what: None
        # Guards the four below: the policy's thread writes, the bus thread takes. Nothing slow is done holding it.
        self._lock = threading.Lock()
        self._wanted: OrderedDict[str, Show | None] = (
            OrderedDict()
        )  # by key, the oldest first; None: to be closed
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # Set whenever one of those has changed, or a server appeared. The loop's own.
        self._news: asyncio.Event | None = None
        self._session: _Session | None = None
        self._shown: OrderedDict[str, None] = OrderedDict()  # keys that a server has taken, the newest last
        self._complained = False

    # From any thread

    def start(self, on_closed: OnClosed, on_click: OnClick) -> None:
        """Remember who is told of clicks; the bus is first looked for when there is something to show."""
        self._on_closed, self._on_click = on_closed, on_click

    def show(self, show: Show) -> None:
        """Show it soon; what waits under the same key is not shown any more."""
        self._want(show.key, show)

    def close(self, key: str) -> None:
        """Take it off the screen."""
        self._want(key, None)

    def stop(self, limit_s: float) -> None:
        """Close what is to be closed, and leave the bus."""
        with self._lock:
            self._stopping = True
            thread = self._thread
            self._wake()
        if thread is not None:
            thread.join(limit_s)

    def _want(self, key: str, show: Show | None) -> None:
        with self._lock:
            if self._stopping:
                return
            self._wanted[key] = show
            self._wanted.move_to_end(key)
            if self._thread is None and show is not None:
                # Owns the bus. Daemon, and joined in stop(): a bus that hangs must not hold up the end.
                self._thread = threading.Thread(target=self._run, name="notifications bus", daemon=True)
                self._thread.start()
            self._wake()

    def _wake(self) -> None:
        """With the lock held."""
        if self._loop is not None and self._news is not None:
            self._loop.call_soon_threadsafe(self._news.set)

    # On the bus thread

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:  # noqa: BLE001 - never the only channel: icon and log go on
            _log.exception("notifications ended; traymon goes on without them")

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_note_failure)
        self._news = asyncio.Event()
        with self._lock:
            self._loop = loop
        try:
            await self._serve(self._news)
        finally:
            with self._lock:
                self._loop = None
            self._leave()

    async def _serve(self, news: asyncio.Event) -> None:
        retry_s = self._first_retry_s
        while not self._is_over():
            news.clear()
            if await self._carry_out():
                retry_s = self._first_retry_s
            if self._is_over():
                return
            waits = self._something_waits()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_s if waits else None):
                    await news.wait()
                continue
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _is_over(self) -> bool:
        with self._lock:
            return self._stopping and not self._wanted

    def _something_waits(self) -> bool:
        with self._lock:
            return bool(self._wanted)

    async def _carry_out(self) -> bool:
        """Show and close what is wanted, in order; what could not be shown stays. Says whether all was done."""
        while (wanted := self._next()) is not None:
            key, show = wanted
            if show is None or self._is_pointless(show):
                await self._take_away(key)
            elif not await self._put_up(show):
                return False
            with self._lock:
                if self._wanted.get(key) is show:
                    del self._wanted[key]
        return True

    def _next(self) -> tuple[str, Show | None] | None:
        with self._lock:
            if self._stopping:
                # Nothing is shown any more, but what was is taken away.
                for key in [key for key, show in self._wanted.items() if show is not None]:
                    self._wanted[key] = None
            return next(iter(self._wanted.items()), None)

    def _is_pointless(self, show: Show) -> bool:
        """The end of something that nobody was shown."""
        return show.kind is Kind.BACK and show.key not in self._shown

    async def _take_away(self, key: str) -> None:
        if self._session is not None:
            try:
                await self._session.close_notification(key)
            except Exception as error:  # noqa: BLE001 - then its server is gone, and it with it
                _log.debug("a notification could not be closed: %s", error)

    async def _put_up(self, show: Show) -> bool:
        """Show it; where that fails, say so once, and leave it to a later attempt, unless it is soon of no use."""
        try:
            if self._session is None or not self._session.connected:
                self._leave()
                self._session = await self._join()
            await self._session.notify(show, self._picture(show.kind))
        except Exception as error:  # noqa: BLE001 - whatever it was, there will be another server or bus
            self._complain(error)
            return show.kind in _TRANSIENT
        self._complained = False
        self._shown[show.key] = None
        self._shown.move_to_end(show.key)
        while len(self._shown) > _KEPT:
            self._shown.popitem(last=False)
        return True

    async def _join(self) -> "_Session":
        if self._bus_address is None:
            raise NoBusError(words.gettext("this session has no D-Bus session bus"))
        session = _Session(self._bus_address, self._on_closed, self._on_click, self._server_here)
        try:
            await session.open()
        except BaseException:
            session.leave()
            raise
        return session

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.leave()

    def _server_here(self) -> None:
        if self._news is not None and self._something_waits():
            self._news.set()

    def _complain(self, error: Exception) -> None:
        if isinstance(error, TimeoutError):
            problem = words.gettext("no answer")
        else:
            problem = words.printable(str(error)) or type(error).__name__
        _log.debug("a notification could not be shown: %s", problem)
        if not self._complained:
            self._complained = True
            self._say(
                words.gettext(
                    "Notifications cannot be shown ({problem}): traymon tries again, and icon and log say the same; "
                    "check that the desktop has a notification service."
                ).format(problem=problem.rstrip("."))
            )


class NoBusError(Exception):
    """There is no session bus; the message is for a person."""


class _Session:
    """One connection to the bus, and the notifications that its present server shows for us."""

    def __init__(
        self, address: str, on_closed: OnClosed, on_click: OnClick, on_server: Callable[[], None]
    ) -> None:
        self._bus = MessageBus(bus_address=address)
        self._on_closed = on_closed
        self._on_click = on_click
        self._on_server = on_server
        self._server: str | None = (
            None  # its own name on the bus: what others send in its name does not count
        )
        self._capabilities: frozenset[str] | None = None
        self._numbers: dict[str, int] = {}  # by key, the server's number of what is shown
        self._keys: OrderedDict[int, str] = OrderedDict()  # and back, of what was shown, too
        self._left = False
        self._loss: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._bus.connected

    async def open(self) -> None:
        """Raises what the bus raises."""
        async with asyncio.timeout(CALL_LIMIT_S):
            await self._bus.connect()
        self._bus.add_message_handler(self._on_message)
        rules = (
            f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{NAME}'",
            f"type='signal',interface='{NAME}',path='{PATH}'",
        )
        for rule in rules:
            await self._ask(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", rule)
        self._loss = asyncio.create_task(self._notice_loss())

    async def _notice_loss(self) -> None:
        with contextlib.suppress(Exception):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        if not self._left:
            self._forget_server()

    def leave(self) -> None:
        """Leave the bus, if on it."""
        self._left = True
        if self._loss is not None:
            self._loss.cancel()
        with contextlib.suppress(Exception):
            self._bus.disconnect()

    async def notify(self, show: Show, picture: Path | None) -> None:
        """Show it, in place of the one with its key if that is still there. Raises what the bus raises."""
        if self._capabilities is None:
            reply = await self._ask_server("GetCapabilities", "")
            self._capabilities = frozenset(map(str, reply.body[0]))
        reply = await self._ask_server(
            "Notify",
            "susssasa{sv}i",
            "traymon",
            self._numbers.get(show.key, 0) if show.replaces else 0,
            picture.as_uri() if picture is not None else "",
            show.title,
            self._body(show),
            self._actions(show),
            _hints(show),
            _SERVERS_TIME,
        )
        number = int(reply.body[0])
        self._numbers[show.key] = number
        self._keys[number] = show.key
        self._keys.move_to_end(number)
        while len(self._keys) > _KEPT:
            self._keys.popitem(last=False)

    def _body(self, show: Show) -> str:
        """Where the server reads markup, what looks like it must be text."""
        assert self._capabilities is not None
        return words.as_markup(show.body) if "body-markup" in self._capabilities else show.body

    def _actions(self, show: Show) -> list[str]:
        """Names and labels in turn; ``default`` is a click on the text."""
        assert self._capabilities is not None
        if "actions" not in self._capabilities or not show.actions:
            return []
        named = [("default", show.actions[0]), *((action.value, action) for action in show.actions)]
        return [text for name, action in named for text in (name, words.gettext(_LABELS[action]))]

    async def close_notification(self, key: str) -> None:
        """Close it, if this server shows it. Raises what the bus raises."""
        number = self._numbers.pop(key, None)
        if number is not None and self._server is not None:
            await self._ask(self._server, PATH, NAME, "CloseNotification", "u", number)

    async def _ask_server(self, member: str, signature: str, *body: Any) -> Message:
        reply = await self._ask(NAME, PATH, NAME, member, signature, *body)
        if reply.sender != self._server:
            self._forget_server(reply.sender)
        return reply

    async def _ask(
        self, to: str, path: str, interface: str, member: str, signature: str, *body: Any
    ) -> Message:
        """Call a method. Raises DBusError for an error reply, TimeoutError without one."""
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
        if reply is None or reply.message_type is MessageType.ERROR:
            name = (reply.error_name if reply else None) or "org.freedesktop.DBus.Error.Failed"
            raise DBusError(name, str(reply.body[0]) if reply and reply.body else name)
        return reply

    def _forget_server(self, new: str | None = None) -> None:
        """What the last server showed is gone with it; its numbers mean others' notifications to the next."""
        self._server = new
        gone = list(self._numbers)
        self._numbers.clear()
        self._keys.clear()
        for key in gone:
            self._on_closed(key, False)

    def _on_message(self, message: Message) -> None:
        """Never raises: dbus-fast would only log it."""
        if message.message_type is not MessageType.SIGNAL:
            return
        match message.member, message.body:
            case "NameOwnerChanged", [name, _, str(owner)] if message.sender == _BUS and name == NAME:
                if owner != self._server:
                    self._forget_server(owner or None)
                    self._capabilities = None
                if owner:
                    self._on_server()
            case "ActionInvoked", [int(number), str(what)] if message.sender == self._server:
                if number in self._keys:
                    self._on_click(self._keys[number], what)
            case "NotificationClosed", [int(number), int(reason)] if message.sender == self._server:
                self._was_closed(number, reason)

    def _was_closed(self, number: int, reason: int) -> None:
        """Its key is kept: a server may tell of the click that closed it only afterwards."""
        key = self._keys.get(number)
        if key is not None and self._numbers.get(key) == number:
            del self._numbers[key]
            self._on_closed(key, reason == _CLOSED_BY_PERSON)


def _hints(show: Show) -> dict[str, Variant]:
    """The specification's hints. Only what is critical gets through do-not-disturb."""
    hints = {
        "urgency": Variant("y", Urgency(show.urgency).value),
        "desktop-entry": Variant("s", "traymon"),
    }
    if show.kind in _CATEGORIES:
        hints["category"] = Variant("s", _CATEGORIES[show.kind])
    # What is still so stays when one of its actions is chosen.
    hints["transient" if show.kind in _TRANSIENT else "resident"] = Variant("b", True)
    return hints


def _note_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for: replies and signals that a bus which goes away did not take."""
    _log.debug("%s: %r", context.get("message"), context.get("exception"))
