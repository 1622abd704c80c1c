"""The trays of Windows and macOS: pystray itself, which knows them well, within the limits it has there.

From pystray's sources (0.19.5): Windows raises ``ValueError`` for a tooltip of 128 UTF-16 units or more; macOS wants
its calls on the main thread, has no left click, and shows any picture as it is unless told that it is a template. On
both a menu is made when it is opened (:mod:`traymon.tray.native_icons`).
"""

import logging
import queue
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from PIL import Image

from traymon import words
from traymon.tray.base import Activate, Clicks, Clock, MenuItem, Newest, TrayView, time_of_day
from traymon.tray.fitting import lines_within
from traymon.tray.icons import Look, icon_image
from traymon.tray.native_icons import mac_icon, taskbar_is_light, windows_icon
from traymon.tray.pystray_api import pystray, to_menu

_log = logging.getLogger(__name__)

LONGEST_TOOLTIP = 127
"""UTF-16 units: ``szTip`` of Windows' NOTIFYICONDATAW holds 128 with its closing zero."""

RETRY_S = 2.0
"""After a drawing that failed: pystray hands each picture to Windows in a file, which a full disk does not take."""

_TEMPLATE_SIZE = 36
_PLAIN_SIZE = 64

Post = Callable[[Callable[[], None]], None]


def picture_of(view: TrayView, look: Look) -> Image.Image:
    """The picture to give pystray: on macOS the one whose alpha alone says everything."""
    size = _TEMPLATE_SIZE if look is Look.TEMPLATE else _PLAIN_SIZE
    return icon_image(view.icon, size, look=look, mixed=view.mixed)


class NativeTray:
    """A tray by pystray. All but ``on_activate`` is for tests: ``make_icon`` makes pystray's icon, ``post`` runs a
    function on the drawing thread, ``light`` says whether Windows' taskbar is light, ``clock`` gives the time of day.
    """

    def __init__(
        self,
        on_activate: Activate,
        *,
        make_icon: Callable[..., Any] | None = None,
        post: Post | None = None,
        platform: str = sys.platform,
        light: Callable[[], bool] | None = None,
        clock: Clock = time_of_day,
    ) -> None:
        self._platform = platform
        self._clicks = Clicks(on_activate)
        self._newest = Newest()
        self._begun = False  # both only the drawing thread's; show() reads the first
        self._drawn: TrayView | None = None
        self._drawn_look: Look | None = None
        self._light = light or taskbar_is_light
        self._clock = clock
        self._painter = None if post or platform == "darwin" else _Painter()
        self._post: Post = post or (_call_on_main_thread if self._painter is None else self._painter.post)
        view = self._newest.view
        make = make_icon or _icon_class(platform, self._look_changed)
        self._icon = make("traymon", picture_of(view, self._look()), view.title)
        self._stopped = False

    @property
    def host(self) -> str:
        """One sentence for a person."""
        if self._platform == "darwin":
            return words.gettext("The icon is in the menu bar; a click opens its menu.")
        return words.gettext(
            "The icon is in the taskbar's corner: a left click reconnects, a right click opens the menu."
        )

    def run(self) -> None:
        """Show the icon until :meth:`stop`; on macOS from the main thread."""
        self._clicks.start()
        if self._painter is not None:
            self._painter.start()
        if not self._stopped:
            self._icon.run(lambda _: self._post(self._begin))
        if self._painter is not None:
            self._painter.stop()
        self._clicks.stop()

    def show(self, view: TrayView) -> None:
        """Draw ``view`` soon; from any thread."""
        self._newest.view = view
        if self._begun:
            self._post(self._draw)

    def stop(self) -> None:
        """End :meth:`run`; from any thread."""
        self._stopped = True
        self._icon.stop()

    def notify(self, message: str, title: str) -> None:
        """Show a notification of the system's; from any thread. Before the icon is there, nothing."""
        if self._begun:
            self._post(lambda: self._icon.notify(message, title))

    def remove_notification(self) -> None:
        """Take the last notification away; from any thread."""
        if self._begun:
            self._post(self._icon.remove_notification)

    @property
    def shown(self) -> bool:
        """Whether a place for the icon is there."""
        return True

    def _begin(self) -> None:
        if self._stopped:
            self._icon.stop()  # stop() came before pystray's loop could hear it
            return
        self._draw()
        self._icon.visible = True
        self._begun = True
        self._draw()  # what came while nothing was drawn yet

    def _draw(self) -> None:
        before, view, look = self._drawn, self._newest.view, self._look()
        if (
            before is None
            or (view.icon, view.mixed) != (before.icon, before.mixed)
            or look != self._drawn_look
        ):
            self._icon.icon = picture_of(view, look)
        if before is None or view.tooltip != before.tooltip:
            self._icon.title = lines_within(view.tooltip or view.title, LONGEST_TOOLTIP)
        if before is None or view.menu != before.menu:
            self._icon.menu = to_menu(view.menu, self._clicks.choose, self._text)
        self._drawn, self._drawn_look = view, look

    def _look(self) -> Look:
        if self._platform == "darwin":
            return Look.TEMPLATE
        return Look.LIGHT if self._light() else Look.DARK

    def _look_changed(self) -> None:
        """Windows' settings changed, perhaps the taskbar's colour. On the thread of Windows' messages."""
        if self._begun:
            self._post(self._draw)

    def _text(self, item: MenuItem) -> str:
        text = item.text(self._clock())
        # Windows underlines the character after an ampersand, and shows two as one.
        return text if self._platform == "darwin" else text.replace("&", "&&")


class _Painter:
    """Runs drawing, one thing after the other: pystray on Windows may be called from any one thread.

    What failed is tried again, unless something newer comes: an icon must not go on showing what is no longer so.
    """

    def __init__(self) -> None:
        # Drawings from any thread to the painter's; None ends it.
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Alone calls the icon once it is shown. Daemon: a hanging shell must not keep the process alive.
        self._thread = threading.Thread(target=self._paint, name="tray painter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, action: Callable[[], None]) -> None:
        self._work.put(action)

    def stop(self) -> None:
        self._work.put(None)
        self._thread.join(1.0)

    def _paint(self) -> None:
        failed: Callable[[], None] | None = None
        while (action := self._next(failed)) is not None:
            try:
                action()
                failed = None
            except Exception as error:  # noqa: BLE001 - whatever the system raises
                if failed is None:
                    _log.warning("The icon could not be drawn (%s); trying again.", error)
                failed = action

    def _next(self, failed: Callable[[], None] | None) -> Callable[[], None] | None:
        try:
            return self._work.get(timeout=None if failed is None else RETRY_S)
        except queue.Empty:
            return failed


def _call_on_main_thread(action: Callable[[], None]) -> None:
    """macOS: AppKit may be called on the main thread only."""
    import_module("PyObjCTools.AppHelper").callAfter(action)


def _icon_class(platform: str, look_changed: Callable[[], None]) -> Any:
    if platform == "darwin":
        return mac_icon(pystray.Icon, import_module("AppKit"), import_module("Foundation"))
    return windows_icon(pystray.Icon, look_changed)
