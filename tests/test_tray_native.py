"""The trays of Windows and macOS, up to pystray's own classes: what they are told, when, and on which thread."""

import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.tray import native
from traymon.tray.base import IconName, MenuItem, TrayView
from traymon.tray.icons import icon_image
from traymon.tray.native import LONGEST_TOOLTIP, NativeTray, picture_of, shortened
from traymon.tray.pystray_api import BaseIcon

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
    icon.until("icon", icon_image(IconName.ONLINE, 64))
    icon.until("shown", True)
    tray.show(a_view(IconName.OFFLINE, "x" * 500))
    drawer = icon.until("icon", icon_image(IconName.OFFLINE, 64))
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
            if self.icon == icon_image(IconName.OFFLINE, 64) and refusals:
                refusals -= 1
                raise OSError(28, "No space left on device")
            super()._update_icon()

    tray = NativeTray(lambda _: None, make_icon=DiskFull, platform="win32")
    icon: DiskFull = tray._icon
    tray.show(a_view(IconName.ONLINE))
    thread = run(tray)
    icon.until("shown", True)
    tray.show(a_view(IconName.OFFLINE, "why"))
    icon.until("icon", icon_image(IconName.OFFLINE, 64))
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
    wanted = icon_image(IconName.REFUSED, 44, template=True)
    assert icon.until("icon", wanted) == threading.get_ident()
    tray.stop()
    thread.join(PATIENCE_S)
    assert "menu bar" in tray.host


@pytest.mark.parametrize("name", IconName)
def test_every_icon_has_its_pictures(name: IconName) -> None:
    assert picture_of(a_view(name), "win32").size == (64, 64)
    assert picture_of(a_view(name), "darwin").size == (44, 44)


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("🤖漢e"), max_size=200))
def test_shortened_fits_windows_and_keeps_whole_characters(text: str) -> None:
    short = shortened(text)
    assert len(short.encode("utf-16-le")) // 2 <= LONGEST_TOOLTIP
    if short != text:
        assert text.startswith(short[:-1])
        assert short.endswith("…")
        assert len(short.encode("utf-16-le")) // 2 >= LONGEST_TOOLTIP - 1
