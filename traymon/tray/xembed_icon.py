"""pystray's X11 icon, tamed: importing this module opens the display, and raises what Xlib raises without one.

What is different from pystray's own, and why (each was seen to fail):

- Every call into Xlib happens on one thread, the one that made the icon. Shared between threads, Xlib's connection
  hung at start in a few of a hundred runs.
- The icon docks once per panel, not at every new picture: docking anew made one panel squeeze it to a pixel.
- The window asks for button presses, and takes the panel's own visual, so that the icon is drawn with its alpha.
- Its title is set as UTF-8; in Latin-1 alone a dash raised UnicodeEncodeError.
- A panel that is not there, goes or comes is an ordinary event, not a traceback.

The tray's protocol: https://specifications.freedesktop.org/systemtray-spec/ and XEmbed's.
"""

import contextlib
import logging
import queue
import select
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import Xlib.error
from PIL import Image, ImageChops
from Xlib import X, Xatom, Xutil

from traymon.tray import pystray_api as _loaded_first  # noqa: F401 - chooses the backend before pystray is imported
from traymon.tray.base import IconName
from traymon.tray.icons import icon_image
from traymon.tray.waker import Waker

# isort: split
from pystray import _xorg

_log = logging.getLogger(__name__)

DOCK_DELAY_S = 0.3
"""A panel that starts offers both kinds of tray within moments; the other kind, which has a menu, goes first."""

SMALLEST = 24
"""Pixels asked for, as pystray does; the panel decides."""

LARGEST = 64
"""Pixels of the picture given to pystray itself; what is drawn has the size that the panel gives."""

LEFT = 1
OTHERS = (2, 3)
"""Middle and right. Numbers above are the wheel."""

_OPAQUE = 128
"""Alpha from which a pixel is drawn where the panel offers no visual with alpha."""


class Icon(_xorg.Icon):  # type: ignore[misc] # pystray has no types
    """pystray's ``Icon`` for X11. Make it and ``run()`` it on one thread.

    Beyond pystray: ``set_icon`` shows one of our icons in the panel's size, ``on_host`` is told whether a panel shows
    the icon, ``on_other_click`` of a click that is not the left one. Callbacks come from the icon's thread and must
    return at once. Raises Xlib's errors when the display cannot be opened.
    """

    _window: Any

    def __init__(
        self,
        *args: Any,
        waker: Waker,
        on_host: Callable[[bool], None],
        on_other_click: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        self._owner = threading.get_ident()
        # What other threads want done. They put, the icon's thread takes when the waker wakes it.
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waker = waker
        self._on_host = on_host
        self.on_other_click = on_other_click
        self._wanted = False
        self._stopping = False
        self._hosted: bool | None = None
        self._docks_at: float | None = None
        self._size = (SMALLEST, SMALLEST)
        self._alpha = False
        self._picture: Callable[[int], Image.Image] | None = None
        super().__init__(*args, **kwargs)
        # pystray's constructor puts Xlib's own handler back, which prints.
        self._display.set_error_handler(_note_error)

    def __del__(self) -> None:
        """Nothing: close() was called by the thread that may."""

    def close(self) -> None:
        """Give up the display; the panel then removes the icon."""
        with contextlib.suppress(Exception):
            self._display.close()

    def set_icon(self, name: IconName, *, mixed: bool) -> None:
        """Show this icon."""
        self._picture = partial(icon_image, name, mixed=mixed)
        self.icon = icon_image(name, LARGEST, mixed=mixed)

    def post(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the icon's thread: at once when called there."""
        if threading.get_ident() == self._owner:
            action()
        else:
            self._jobs.put(action)
            self._waker.wake()

    def set_text(self, title: str, tooltip: str, *, attention: bool) -> None:
        """The window's name; hosts of this kind show no tooltips."""
        self.title = title

    # What pystray asks of a backend

    def _rewrite_implementation(self, *methods: Any) -> None:
        """pystray has these run on its main loop by messages through the X server; ours go by :meth:`post`."""
        for method in methods:
            setattr(self, method.__name__, partial(self.post, method))

    def _create_atoms(self) -> None:
        super()._create_atoms()
        atom = self._display.intern_atom
        self._manager = atom("MANAGER")
        self._tray_visual = atom("_NET_SYSTEM_TRAY_VISUAL")
        self._net_wm_name = atom("_NET_WM_NAME")
        self._utf8 = atom("UTF8_STRING")
        # The panel that starts tells the root window so.
        self._display.screen().root.change_attributes(event_mask=X.StructureNotifyMask)

    def _show(self) -> None:
        self._wanted = True
        if self._systray_manager is None:
            self._dock()

    def _hide(self) -> None:
        self._wanted = False
        self._leave()

    def _stop(self) -> None:
        self._stopping = True

    def stop(self) -> None:
        """End ``run()``, also one that is only about to begin."""
        self._stopping = True
        self._waker.wake()
        super().stop()

    def _update_icon(self) -> None:
        self._icon_valid = True
        self._draw()

    def _update_title(self) -> None:
        self._name_window(self._window)

    def _mainloop(self) -> None:
        """Serve the display and the posted jobs. Raises Xlib's errors when the display goes away."""
        while not self._stopping:
            self._work()
            # Answers may have brought events along, which select() does not see.
            if self._display.pending_events():
                self._on_event(self._display.next_event())
                continue
            if not self._jobs.empty() or self._stopping:
                continue
            select.select([self._display, self._waker], [], [], self._until_docking())
            self._waker.drain()

    def _work(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()()
        if self._docks_at is not None and time.monotonic() >= self._docks_at:
            self._dock()
        self._display.flush()

    def _until_docking(self) -> float | None:
        return None if self._docks_at is None else max(0.0, self._docks_at - time.monotonic())

    # The panel

    def _dock(self) -> None:
        """Offer the icon to the panel, if one is there, in a window made as that panel wants it."""
        self._docks_at = None
        if not self._wanted:
            return
        host = self._find_host()
        if host is None:
            self._set_hosted(False)
            return
        self._window.destroy(onerror=_note_error)
        self._systray_manager = host
        self._window = self._create_window()
        self._gc = self._window.create_gc()
        self._send_message(
            host, self._net_system_tray_opcode, self._SYSTEM_TRAY_REQUEST_DOCK, self._window.id
        )
        self._display.flush()

    def _find_host(self) -> Any:
        """The panel's window, its end to be told to us; grabbed meanwhile, so that it cannot end unnoticed."""
        self._display.grab_server()
        try:
            owner = self._display.get_selection_owner(self._net_system_tray_sx)
            if owner == X.NONE:
                return None
            host = self._display.create_resource_object("window", owner.id)
            host.change_attributes(event_mask=X.StructureNotifyMask)
            return host
        finally:
            self._display.ungrab_server()
            self._display.flush()

    def _leave(self) -> None:
        """Take the icon out of the panel."""
        self._systray_manager = None
        self._window.unmap(onerror=_note_error)
        self._window.reparent(self._display.screen().root, 0, 0, onerror=_note_error)
        self._set_hosted(False)

    def _set_hosted(self, hosted: bool) -> None:
        if hosted != self._hosted:
            self._hosted = hosted
            self._on_host(hosted)

    def _create_window(self) -> Any:
        """A window of the panel's visual: only such a one can be put into it with its alpha."""
        screen = self._display.screen()
        depth, visual = self._visual()
        self._alpha = depth == 32
        colours = (
            {
                "background_pixel": 0,
                "border_pixel": 0,
                "colormap": screen.root.create_colormap(visual, X.AllocNone),
            }
            if self._alpha
            else {}
        )
        window = screen.root.create_window(
            -1,
            -1,
            SMALLEST,
            SMALLEST,
            0,
            depth,
            window_class=X.InputOutput,
            visual=visual,
            event_mask=X.ExposureMask | X.StructureNotifyMask | X.ButtonPressMask,
            **colours,
        )
        self._size = (SMALLEST, SMALLEST)
        window.set_wm_class(f"{self.name}SystemTrayIcon", self.name)
        window.set_wm_normal_hints(
            flags=Xutil.PPosition | Xutil.PSize | Xutil.PMinSize, min_width=SMALLEST, min_height=SMALLEST
        )
        window.change_property(
            self._xembed_info, self._xembed_info, 32, [self._XEMBED_VERSION, self._XEMBED_MAPPED]
        )
        self._name_window(window)
        return window

    def _visual(self) -> tuple[int, int]:
        """Depth and visual that the panel asks for; the screen's own without a panel or a wish."""
        screen = self._display.screen()
        wish = self._wished_visual()
        for allowed in screen.allowed_depths:
            if any(visual.visual_id == wish for visual in allowed.visuals):
                return allowed.depth, wish
        return screen.root_depth, screen.root_visual

    def _wished_visual(self) -> int:
        if self._systray_manager is None:
            return X.NONE  # type: ignore[no-any-return] # Xlib has no types
        try:
            wish = self._systray_manager.get_full_property(self._tray_visual, Xatom.VISUALID)
        except Xlib.error.XError:
            return X.NONE  # type: ignore[no-any-return] # as above
        return int(wish.value[0]) if wish is not None and len(wish.value) else int(X.NONE)

    def _name_window(self, window: Any) -> None:
        window.change_property(self._net_wm_name, self._utf8, 8, self.title.encode("utf-8", "replace"))
        window.set_wm_name(self.title.encode("ascii", "replace").decode("ascii"))

    # Events

    def _on_event(self, event: Any) -> None:
        if event.type == X.ButtonPress:
            self._on_button_press(event)
        elif event.type == X.ClientMessage:
            if event.client_type == self._manager and event.data[1][1] == self._net_system_tray_sx:
                self._docks_at = time.monotonic() + DOCK_DELAY_S
        elif event.type == X.DestroyNotify:
            if self._systray_manager is not None and event.window.id == self._systray_manager.id:
                self._lose_host()
        elif getattr(event, "window", None) == self._window:
            self._on_own_window(event)

    def _on_own_window(self, event: Any) -> None:
        if event.type == X.ReparentNotify:
            docked = event.parent != self._display.screen().root
            if docked and not self._alpha:
                # Of one depth with the panel's window, which paints its own background through ours.
                self._window.change_attributes(background_pixmap=X.ParentRelative, onerror=_note_error)
            self._set_hosted(docked)
            if docked:
                self._draw()
            else:
                self._window.unmap(onerror=_note_error)  # put down by a panel that ends: no stray window
        elif event.type == X.ConfigureNotify:
            self._size = (event.width, event.height)
            self._draw()
        elif event.type == X.Expose and event.count == 0:
            self._draw()

    def _lose_host(self) -> None:
        self._systray_manager = None
        self._window.unmap(onerror=_note_error)
        self._set_hosted(False)
        # Another may have taken over before this one's end was told.
        self._docks_at = time.monotonic() + DOCK_DELAY_S

    def _on_button_press(self, event: Any) -> None:
        if event.detail == LEFT:
            if self._menu is not None:
                self._menu(self)
        elif event.detail in OTHERS:
            self.on_other_click()

    # The picture

    def _draw(self) -> None:
        side = min(self._size)
        if side < 2 or not self._icon or not self._hosted:
            return
        image = (
            self._picture(side)
            if self._picture
            else self._icon.resize((side, side), Image.Resampling.LANCZOS)
        )
        at = ((self._size[0] - side) // 2, (self._size[1] - side) // 2)
        try:
            self._window.clear_area(0, 0, 0, 0, onerror=_note_error)
            if self._alpha:
                self._put_with_alpha(image, at)
            else:
                self._put_with_mask(image, at)
            self._display.flush()
        except Xlib.error.XError as error:
            _log.debug("the icon's window went away while it was drawn: %s", error)

    def _put_with_alpha(self, image: Image.Image, at: tuple[int, int]) -> None:
        """For a visual of 32 bits, whose colours carry their alpha multiplied in."""
        red, green, blue, alpha = image.split()
        red, green, blue = (ImageChops.multiply(channel, alpha) for channel in (red, green, blue))
        little_endian = self._display.display.info.image_byte_order == 0
        channels = (blue, green, red, alpha) if little_endian else (alpha, red, green, blue)
        data = Image.merge("RGBA", channels).tobytes()
        self._window.put_image(
            self._gc, *at, image.width, image.height, X.ZPixmap, 32, 0, data, onerror=_note_error
        )

    def _put_with_mask(self, image: Image.Image, at: tuple[int, int]) -> None:
        """For any other visual: whole pixels on what the panel paints behind them."""
        opaque = image.getchannel("A").point(lambda alpha: 255 if alpha >= _OPAQUE else 0).convert("1")
        bitmap = self._window.create_pixmap(image.width, image.height, 1)
        bits = bitmap.create_gc(foreground=1, background=0)
        bitmap.put_pil_image(bits, 0, 0, opaque)
        self._gc.change(clip_mask=bitmap, clip_x_origin=at[0], clip_y_origin=at[1])
        white = Image.new("RGBA", image.size, "white")
        self._window.put_pil_image(
            self._gc, *at, Image.alpha_composite(white, image).convert("RGB"), onerror=_note_error
        )
        bits.free()
        bitmap.free()


def _note_error(error: Any, _request: Any = None) -> bool:
    """Errors that come late: mostly a window of a panel that has just ended. True: Xlib need not print them."""
    _log.debug("the X server says: %s", error)
    return True
