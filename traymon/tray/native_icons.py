"""pystray's icons for Windows and macOS with what they lack: each is a class made from pystray's own.

pystray makes the menu when it is told of it. Ours is made when it opens: its texts tell of the time gone by, and a
menu that is open stays as it is while the bots' states change. pystray would destroy it under the pointer on Windows,
and on macOS carry out the new menu's item of the same number.

Made from pystray's sources (0.19.5); the classes take what they build on as arguments, for tests without either system.
"""

import io
from collections.abc import Callable
from typing import Any

WM_RBUTTONUP = 0x0205
WM_SETTINGCHANGE = 0x001A
"""Windows' messages (winuser.h): a right click, and that a setting such as the theme was changed."""

THEME_KEY = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"
THEME_VALUE = "SystemUsesLightTheme"

MENU_BAR_POINTS = 18
"""A menu bar is 22 points high or more; Apple's own icons in it are 16 to 18."""


def taskbar_is_light(registry: Any = None) -> bool:
    """Whether Windows' taskbar is light; ``registry`` is the module :mod:`winreg`. Before Windows 10 1903, which knows
    no light one, there is no such value.
    """
    if registry is None:
        try:
            import winreg as registry
        except ImportError:
            return False
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, THEME_KEY) as key:
            value, _ = registry.QueryValueEx(key, THEME_VALUE)
    except OSError:
        return False
    return bool(value)


def windows_icon(base: Any, on_setting: Callable[[], None]) -> Any:
    """A class of icon for Windows from pystray's ``base``. ``on_setting`` is called on the thread of Windows' messages
    when a setting was changed, and must return at once.
    """

    class WindowsIcon(base):  # type: ignore[misc] # pystray has no types
        """Makes its menu when it opens; hears of settings."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._open = False  # only the thread of Windows' messages
            self._message_handlers[WM_SETTINGCHANGE] = self._on_setting_change

        def _update_menu(self) -> None:
            """Nothing: what is open now stays, and the next one is made when it opens."""

        def _on_notify(self, wparam: Any, lparam: Any) -> Any:
            if lparam != WM_RBUTTONUP:
                return super()._on_notify(wparam, lparam)
            if self._open:
                # Windows goes on giving messages to this thread while the menu is open.
                return None
            self._open = True
            try:
                super()._update_menu()
                return super()._on_notify(wparam, lparam)
            finally:
                self._open = False

        def _on_setting_change(self, _wparam: Any, _lparam: Any) -> None:
            on_setting()

    return WindowsIcon


def mac_icon(base: Any, appkit: Any, foundation: Any) -> Any:
    """A class of icon for macOS from pystray's ``base``, which macOS paints itself, light or dark, from the picture's
    alpha, in the screen's own resolution. ``appkit`` and ``foundation`` are PyObjC's modules of these names.
    """

    class TraymonMenuDelegate(foundation.NSObject):  # type: ignore[misc] # PyObjC has no types
        """Told by AppKit when the menu is about to open."""

        def menuNeedsUpdate_(self, menu: Any) -> None:  # noqa: N802 - AppKit's name
            self.icon.fill(menu)

    class MacIcon(base):  # type: ignore[misc] # pystray has no types
        """Makes its menu when it opens; a template image."""

        _icon_image: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._menu_delegate = TraymonMenuDelegate.alloc().init()
            self._menu_delegate.icon = self
            self._nsmenu: Any = None
            super().__init__(*args, **kwargs)

        def _update_menu(self) -> None:
            if self._nsmenu is None:
                self._nsmenu = appkit.NSMenu.alloc().initWithTitle_(self.name)
                self._nsmenu.setAutoenablesItems_(False)
                self._nsmenu.setDelegate_(self._menu_delegate)
                self._status_item.setMenu_(self._nsmenu)

        def fill(self, nsmenu: Any) -> None:
            """Make the menu's items; those of the menu that was open before are gone. Main thread."""
            nsmenu.removeAllItems()
            callbacks: list[Any] = []
            for item in self.menu or ():
                nsmenu.addItem_(self._create_menu_item(item, callbacks))
                callbacks.append(self._handler(item))
            # Where pystray looks up what a chosen item stands for.
            self._menu_handle = (nsmenu, callbacks)

        def _assert_image(self) -> None:
            if self._icon_image is None:
                png = io.BytesIO()
                self._icon.save(png, "png")
                image = appkit.NSImage.alloc().initWithData_(foundation.NSData(png.getvalue()))
                image.setSize_((MENU_BAR_POINTS, MENU_BAR_POINTS))
                image.setTemplate_(True)
                self._icon_image = image
                self._status_item.button().setImage_(image)

    return MacIcon
