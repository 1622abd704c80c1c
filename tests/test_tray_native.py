"""The trays of Windows and macOS, up to pystray's own classes: what they are told, when, and on which thread."""

import contextlib
import io
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from traymon.tray import native
from traymon.tray.base import IconName, MenuItem, TrayView
from traymon.tray.icons import Look, icon_image
from traymon.tray.native import LONGEST_TOOLTIP, NativeTray, picture_of
from traymon.tray.native_icons import (
    MENU_BAR_POINTS,
    THEME_KEY,
    WM_RBUTTONUP,
    WM_SETTINGCHANGE,
    mac_icon,
    taskbar_is_light,
    windows_icon,
)
from traymon.tray.pystray_api import BaseIcon, text_by, to_menu

PATIENCE_S = 20.0


class WindowIcon(BaseIcon):  # type: ignore[misc] # pystray has no types
    """pystray's own icon with Windows' limits and no window: it notes what is shown, and by which thread."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._ended = threading.Event()
        self.drawn: queue.SimpleQueue[tuple[str, Any, int]] = queue.SimpleQueue()

    def _note(self, what: str, value: Any) -> None:
        self.drawn.put((what, value, threading.get_ident()))

    def _run(self) -> None:
        self._mark_ready()
        self._ended.wait(PATIENCE_S)

    def _stop(self) -> None:
        self._ended.set()

    def _show(self) -> None:
        self._update_title()
        self._note("shown", True)

    def _hide(self) -> None:
        self._note("shown", False)

    def _update_icon(self) -> None:
        self._icon_valid = True
        self._note("icon", self.icon)

    def _update_title(self) -> None:
        if len(self.title.encode("utf-16-le")) // 2 > LONGEST_TOOLTIP:
            raise ValueError("string too long")
        self._note("title", self.title)

    def _update_menu(self) -> None:
        self._note("menu", [item.text for item in self.menu or ()])

    def until(self, what: str, value: Any) -> int:
        """Wait until this was drawn; gives the thread that drew it."""
        while True:
            drawn = self.drawn.get(timeout=PATIENCE_S)
            if drawn[:2] == (what, value):
                return drawn[2]


def a_view(icon: IconName, tooltip: str = "short") -> TrayView:
    return TrayView(
        icon, "title", tooltip, (MenuItem("reconnect", "Reconnect", default=True), MenuItem("q", "Quit"))
    )


def on_dark(name: IconName) -> Any:
    """What Windows is given where nothing is known of its taskbar."""
    return icon_image(name, 64, look=Look.DARK)


def run(tray: NativeTray) -> threading.Thread:
    thread = threading.Thread(target=tray.run)
    thread.start()
    return thread


def test_shows_draws_and_stops() -> None:
    chosen: queue.SimpleQueue[str] = queue.SimpleQueue()
    tray = NativeTray(chosen.put, make_icon=WindowIcon, platform="win32")
    icon: WindowIcon = tray._icon
    tray.show(a_view(IconName.ONLINE))
    thread = run(tray)
    icon.until("icon", on_dark(IconName.ONLINE))
    icon.until("shown", True)
    tray.show(a_view(IconName.OFFLINE, "x" * 500))
    drawer = icon.until("icon", on_dark(IconName.OFFLINE))
    assert icon.until("title", "x" * (LONGEST_TOOLTIP - 1) + "…") == drawer
    assert drawer not in (threading.get_ident(), thread.ident)
    icon()
    assert chosen.get(timeout=PATIENCE_S) == "reconnect"
    tray.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert "taskbar" in tray.host


def test_a_picture_that_the_system_did_not_take_is_drawn_as_soon_as_it_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(native, "RETRY_S", 0.01)
    refusals = 3

    class DiskFull(WindowIcon):
        def _update_icon(self) -> None:
            nonlocal refusals
            if self.icon == on_dark(IconName.OFFLINE) and refusals:
                refusals -= 1
                raise OSError(28, "No space left on device")
            super()._update_icon()

    tray = NativeTray(lambda _: None, make_icon=DiskFull, platform="win32")
    icon: DiskFull = tray._icon
    tray.show(a_view(IconName.ONLINE))
    thread = run(tray)
    icon.until("shown", True)
    tray.show(a_view(IconName.OFFLINE, "why"))
    icon.until("icon", on_dark(IconName.OFFLINE))
    icon.until("title", "why")
    tray.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert refusals == 0
    assert len(caplog.records) == 1


def test_stopped_before_and_while_it_starts() -> None:
    tray = NativeTray(lambda _: None, make_icon=WindowIcon, platform="win32")
    tray.stop()
    tray.run()

    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    tray = NativeTray(lambda _: None, make_icon=WindowIcon, post=posted.put, platform="win32")
    thread = run(tray)
    begin = posted.get(timeout=PATIENCE_S)
    tray._stopped = True  # stop() whose message the loop did not hear
    begin()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_macos_draws_on_the_main_thread_from_alpha_alone() -> None:
    posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    tray = NativeTray(lambda _: None, make_icon=WindowIcon, post=posted.put, platform="darwin")
    icon: WindowIcon = tray._icon
    thread = run(tray)
    posted.get(timeout=PATIENCE_S)()
    assert icon.until("shown", True) == threading.get_ident()
    tray.show(a_view(IconName.REFUSED))
    posted.get(timeout=PATIENCE_S)()
    wanted = icon_image(IconName.REFUSED, 36, look=Look.TEMPLATE)
    assert icon.until("icon", wanted) == threading.get_ident()
    tray.stop()
    thread.join(PATIENCE_S)
    assert "menu bar" in tray.host


def test_windows_shows_text_as_it_is_and_as_it_is_now() -> None:
    def waited(now: int) -> str:
        return f"R&D: for {now} ms"

    moment = 7
    tray = NativeTray(lambda _: None, make_icon=WindowIcon, platform="win32", clock=lambda: moment)
    icon: WindowIcon = tray._icon
    menu = (MenuItem("state", "R&D", label_at=waited), MenuItem("hidden", "H", visible=False))
    tray.show(TrayView(IconName.ONLINE, "title", "R&D", menu))
    thread = run(tray)
    icon.until("menu", ["R&&D: for 7 ms"])
    moment = 9
    assert [item.text for item in icon.menu] == ["R&&D: for 9 ms"]
    tray.stop()
    thread.join(PATIENCE_S)


def test_the_icon_follows_the_colour_of_the_taskbar() -> None:
    light = False
    tray = NativeTray(lambda _: None, make_icon=WindowIcon, platform="win32", light=lambda: light)
    icon: WindowIcon = tray._icon
    tray._look_changed()  # nothing is drawn yet
    tray.show(a_view(IconName.AWAY))
    thread = run(tray)
    icon.until("shown", True)
    light = True
    tray._look_changed()
    icon.until("icon", icon_image(IconName.AWAY, 64, look=Look.LIGHT))
    tray.stop()
    thread.join(PATIENCE_S)


@pytest.mark.parametrize("name", IconName)
@pytest.mark.parametrize("mixed", [False, True])
def test_every_icon_has_its_pictures(name: IconName, mixed: bool) -> None:
    view = TrayView(name, "", "", (), mixed=mixed)
    assert picture_of(view, Look.DARK).size == (64, 64)
    assert picture_of(view, Look.LIGHT).size == (64, 64)
    assert picture_of(view, Look.TEMPLATE).size == (36, 36)


class Registry:
    """The part of :mod:`winreg` that is used, with one value or none."""

    HKEY_CURRENT_USER = "user"

    def __init__(self, value: int | None) -> None:
        self._value = value

    @contextlib.contextmanager
    def OpenKey(self, root: str, path: str) -> Iterator[str]:
        assert (root, path) == ("user", THEME_KEY)
        yield "key"

    def QueryValueEx(self, key: str, name: str) -> tuple[int, int]:
        assert (key, name) == ("key", "SystemUsesLightTheme")
        if self._value is None:
            raise FileNotFoundError(2, "no such value")
        return self._value, 4


@pytest.mark.parametrize(("value", "light"), [(1, True), (0, False), (None, False)])
def test_the_taskbar_is_as_light_as_the_registry_says(value: int | None, light: bool) -> None:
    assert taskbar_is_light(Registry(value)) is light


class WindowsBase:
    """What pystray's icon for Windows does with its menu and messages, noted."""

    def __init__(self) -> None:
        self._message_handlers: dict[int, Callable[[int, int], Any]] = {0x0200: self._on_notify}
        self.did: list[str] = []
        self.nested: Callable[[], None] = lambda: None

    def _update_menu(self) -> None:
        self.did.append("made")

    def _on_notify(self, wparam: int, lparam: int) -> None:
        if lparam == WM_RBUTTONUP:
            self.did.append("opened")
            self.nested()
            self.did.append("closed")
        else:
            self.did.append("clicked")


def test_windows_menu_is_made_when_it_opens_and_stays_while_it_is_open() -> None:
    settings: list[str] = []
    icon = windows_icon(WindowsBase, lambda: settings.append("changed"))()
    notify = icon._message_handlers[0x0200]

    def meanwhile() -> None:
        icon._update_menu()  # a new view comes
        notify(0, WM_RBUTTONUP)  # another right click

    icon.nested = meanwhile
    icon._update_menu()
    notify(0, 0x0202)
    assert icon.did == ["clicked"]
    for _ in range(2):
        icon.did.clear()
        notify(0, WM_RBUTTONUP)
        assert icon.did == ["made", "opened", "closed"]
    assert icon._message_handlers[WM_SETTINGCHANGE](0, 0) is None
    assert settings == ["changed"]


class AppKitThing:
    """Any object of AppKit's: it notes what is set, and makes whatever is asked for."""

    def __init__(self) -> None:
        self.set: dict[str, Any] = {}
        self.items: list[Any] = []

    @classmethod
    def alloc(cls) -> "AppKitThing":
        return cls()

    def init(self) -> "AppKitThing":
        return self

    def initWithTitle_(self, title: str) -> "AppKitThing":
        return self

    def initWithData_(self, data: bytes) -> "AppKitThing":
        self.set["data"] = data
        return self

    def addItem_(self, item: Any) -> None:
        self.items.append(item)

    def removeAllItems(self) -> None:
        self.items.clear()

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        if not name.startswith("set"):
            raise AttributeError(name)

        def note(value: Any) -> None:
            self.set[name] = value

        return note


class MacBase:
    """What pystray's icon for macOS has that ours builds on."""

    name = "traymon"

    def __init__(self) -> None:
        self._icon_image: Any = None
        self._icon = icon_image(IconName.ONLINE, 36, look=Look.TEMPLATE)
        self._menu_handle: Any = None
        self.menu: Any = None
        self._button = AppKitThing()
        self._status_item = type("StatusItem", (AppKitThing,), {"button": lambda _: self._button})()

    def _create_menu_item(self, item: Any, callbacks: list[Any]) -> str:
        return f"{len(callbacks)} {item.text}"

    def _handler(self, item: Any) -> Callable[[], None]:
        return lambda: item(self)


def test_macos_menu_is_made_when_it_opens_and_stays_while_it_is_open() -> None:
    toolkit = type("Toolkit", (), {"NSMenu": AppKitThing, "NSImage": AppKitThing, "NSObject": AppKitThing})
    toolkit.NSData = bytes  # type: ignore[attr-defined]
    icon = mac_icon(MacBase, toolkit, toolkit)()
    chosen: list[str] = []
    moment = 3

    def an_item(name: str) -> MenuItem:
        return MenuItem(name, name, label_at=lambda now: f"{name} at {now}")

    def menu_of(*ids: str) -> Any:
        return to_menu(tuple(map(an_item, ids)), chosen.append, text_by(lambda: moment))

    icon.menu = menu_of("pause")
    icon._update_menu()
    nsmenu = icon._status_item.set["setMenu_"]
    assert nsmenu.items == []
    moment = 5
    nsmenu.set["setDelegate_"].menuNeedsUpdate_(nsmenu)
    assert nsmenu.items == ["0 pause at 5"]
    icon.menu = menu_of("resume", "quit")  # a new view comes while it is open
    icon._update_menu()
    assert icon._status_item.set["setMenu_"] is nsmenu
    assert nsmenu.items == ["0 pause at 5"]
    icon._menu_handle[1][0]()
    assert chosen == ["pause"]
    nsmenu.set["setDelegate_"].menuNeedsUpdate_(nsmenu)
    assert len(nsmenu.items) == 2


def test_macos_paints_the_icon_itself_in_the_screen_s_resolution() -> None:
    toolkit = type("Toolkit", (), {"NSMenu": AppKitThing, "NSImage": AppKitThing, "NSObject": AppKitThing})
    toolkit.NSData = bytes  # type: ignore[attr-defined]
    icon = mac_icon(MacBase, toolkit, toolkit)()
    icon._assert_image()
    image = icon._button.set["setImage_"]
    assert image.set["setTemplate_"] is True
    assert image.set["setSize_"] == (MENU_BAR_POINTS, MENU_BAR_POINTS)
    assert Image.open(io.BytesIO(image.set["data"])).size == (36, 36)
