"""The checks of the desktop: is there a tray, and something that shows notifications. No icon is shown for it."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from traymon import words
from traymon.doctor.results import Finding, Outcome
from traymon.tray.choose import bus_address, display_opens

CALL_LIMIT_S = 3.0
"""For all that the session bus is asked at once. It answers within milliseconds; a panel that hangs may not."""
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_NOTIFICATIONS = "org.freedesktop.Notifications"


def tray(environ: Mapping[str, str], said: str | None) -> Finding:
    """Which tray there is; ``said`` is what the running traymon says of its own icon."""
    if sys.platform in ("win32", "darwin"):
        return Finding(Outcome.OK, said or words.gettext("This system's own."))
    if _has_sni_host(bus_address(environ)):
        text = words.gettext("A panel offers a tray with menus (StatusNotifierItem).")
        return Finding(Outcome.OK, said or text)
    if environ.get("DISPLAY") and display_opens() and _has_xembed_host():
        text = words.gettext("A panel offers an old-style tray without menus (XEmbed).")
        return Finding(Outcome.OK, said or text)
    text = words.gettext(
        "No panel offers a tray, so traymon runs without an icon. On GNOME, install the extension “AppIndicator and "
        "KStatusNotifierItem Support”; elsewhere, add the tray to the panel."
    )
    return Finding(Outcome.WARNING, text)


def notifier(environ: Mapping[str, str]) -> Finding:
    """Which program shows notifications."""
    if sys.platform in ("win32", "darwin"):
        return Finding(Outcome.OK, words.gettext("This system's own."))
    address = bus_address(environ)
    if address is None:
        text = words.gettext(
            "There is no session bus, so no notifications: log in to a desktop to have them."
        )
        return Finding(Outcome.WARNING, text)
    with _bus_errors():
        # It starts one that is not running yet, as the first notification would.
        where = (_NOTIFICATIONS, "/org/freedesktop/Notifications", _NOTIFICATIONS)
        name, *_ = _ask(address, *where, "GetServerInformation")
        return Finding(Outcome.OK, words.gettext("Shown by {name}.").format(name=name))
    text = words.gettext(
        "No program on this desktop shows notifications: install one, such as dunst, or do without."
    )
    return Finding(Outcome.WARNING, text)


def _has_sni_host(address: str | None) -> bool:
    if address is None:
        return False
    from traymon.tray.sni import WATCHER, WATCHER_PATH

    with _bus_errors():
        if not _ask(address, *_BUS, "NameHasOwner", "s", WATCHER)[0]:
            return False
        properties = "org.freedesktop.DBus.Properties"
        asked = (properties, "Get", "ss", WATCHER, "IsStatusNotifierHostRegistered")
        with _bus_errors():
            return bool(_ask(address, WATCHER, WATCHER_PATH, *asked)[0].value)
        return True  # a watcher that cannot say so is taken for a panel, as the tray does
    return False


def _has_xembed_host() -> bool:
    """Whether somebody owns the selection of the display's tray (freedesktop.org's System Tray Protocol)."""
    import Xlib.display
    import Xlib.X

    display = Xlib.display.Display()
    try:
        selection = display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}")
        return bool(display.get_selection_owner(selection) != Xlib.X.NONE)
    finally:
        display.close()


@contextlib.contextmanager
def _bus_errors() -> Iterator[None]:
    """A bus that is not there, refuses or hangs means no; the block is left."""
    from dbus_fast import DBusError, InvalidAddressError

    with contextlib.suppress(OSError, EOFError, TimeoutError, DBusError, InvalidAddressError):
        yield


def _ask(
    address: str, name: str, path: str, interface: str, member: str, signature: str = "", *body: Any
) -> list[Any]:
    """One call on the session bus. Raises what the bus raises, TimeoutError among it."""
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus
    from dbus_fast.errors import DBusError

    async def ask() -> list[Any]:
        async with asyncio.timeout(CALL_LIMIT_S):
            bus = MessageBus(bus_address=address)
            try:
                await bus.connect()
                call = Message(name, path, interface, member, signature=signature, body=list(body))
                reply = await bus.call(call)
            finally:
                with contextlib.suppress(Exception):
                    bus.disconnect()
        if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
            raise DBusError(reply.error_name or "" if reply else "", "no answer")
        return list(reply.body)

    return asyncio.run(ask())
