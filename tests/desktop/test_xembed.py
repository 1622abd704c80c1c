"""The icon in trays of the older kind, which have no menu: trayer and tint2."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import Xlib.display
from PIL import Image
from Xlib import Xatom

from tests.desktop.kit import (
    PATIENCE_S,
    Program,
    Screen,
    a_view,
    area,
    assert_quiet,
    eventually,
    need,
    reporting,
    running,
    silhouette,
    unlike,
)
from traymon.tray.base import IconName
from traymon.tray.choose import LinuxTray, NoTray, choose_tray
from traymon.tray.xembed import XEmbedTray

SIDE = 22


@pytest.fixture
def environ(display: Screen, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A display without a session bus. Xlib looks at the process's own environment."""
    monkeypatch.setenv("DISPLAY", display.env["DISPLAY"])
    return display.env


@pytest.fixture(params=["trayer", "tint2"])
def panel(request: pytest.FixtureRequest) -> Callable[[], Program]:
    start: Callable[[], Program] = request.getfixturevalue(request.param)
    return start


def wait_for_another(display: Screen, before: list[Image.Image]) -> Image.Image:
    def different() -> Image.Image | None:
        mask = silhouette(display.shot(SIDE + 4, SIDE))
        return mask if area(mask) > 60 and all(unlike(mask, old) > 0.25 for old in before) else None

    return eventually(different, "an icon of another silhouette")


def windows_of_the_icon() -> Iterator[Any]:
    """Our icon's windows, wherever a panel put them, as another client of the display sees them."""
    x = Xlib.display.Display()
    try:
        pending = [x.screen().root]
        while pending:
            window = pending.pop()
            if window.get_wm_class() == ("traymonSystemTrayIcon", "traymon"):
                yield window
            pending.extend(window.query_tree().children)
    finally:
        x.close()


def test_states_and_clicks(
    display: Screen, environ: dict[str, str], panel: Callable[[], Program], caplog: pytest.LogCaptureFixture
) -> None:
    panel()
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        masks: list[Image.Image] = []
        for state in (IconName.ONLINE, IconName.OFFLINE, IconName.REFUSED, IconName.PAUSED):
            under_test.tray.show(a_view(state))
            masks.append(wait_for_another(display, masks))
        eventually(lambda: "no menu" in under_test.tray.host, "the older kind of tray")
        # Many pictures later the icon has the size it had (docking anew at each made it shrink to a pixel).
        sizes = [(g.width, g.height) for window in windows_of_the_icon() for g in [window.get_geometry()]]
        assert len(sizes) == 1
        assert min(sizes[0]) >= 16
        for button, item in ((1, "reconnect"), (3, "log"), (2, "log")):
            display.click(10, 10, button)
            assert under_test.next_choice() == item
    assert_quiet(caplog)


def test_panel_late_killed_and_another_started(
    display: Screen,
    environ: dict[str, str],
    trayer: Callable[[], Program],
    tint2: Callable[[], Program],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        under_test.tray.show(a_view(IconName.ONLINE))
        eventually(lambda: caplog.records, "the sentence that no panel is there")
        panel = trayer()
        online = wait_for_another(display, [])
        panel.kill()
        eventually(lambda: "No panel" in under_test.tray.host, "that the panel is gone")
        under_test.tray.show(a_view(IconName.OFFLINE))
        tint2()
        wait_for_another(display, [online])
        display.click(10, 10, 1)
        assert under_test.next_choice() == "reconnect"
    told = [record for record in caplog.records if record.name.startswith("traymon")]
    assert [record.levelno for record in told] == [logging.WARNING, logging.INFO] * 2
    assert_quiet(caplog)


def test_name_of_the_window_in_any_language(
    display: Screen, environ: dict[str, str], trayer: Callable[[], Program]
) -> None:
    trayer()
    view = a_view(IconName.ONLINE)
    title = "ボット – online"
    with running(XEmbedTray) as under_test:
        under_test.tray.show(type(view)(view.icon, title, view.tooltip, view.menu))
        wait_for_another(display, [])

        def names() -> list[str]:
            found = []
            for window in windows_of_the_icon():
                atom = window.display.get_atom("_NET_WM_NAME")
                name = window.get_full_property(atom, window.display.get_atom("UTF8_STRING"))
                found.append(name.value.decode() if name else "")
                assert window.get_full_property(Xatom.WM_NAME, Xatom.STRING) is not None
            return found

        eventually(lambda: names() == [title], "the title as the window's name")


def test_start_and_stop_many_times_while_views_pour_in(
    environ: dict[str, str], trayer: Callable[[], Program]
) -> None:
    """pystray's own backend hung in 9 of 200 such starts; :func:`running` fails when a thread does not end."""
    trayer()
    for _ in range(25):
        shown = threading.Event()

        def on_host(here: bool, shown: threading.Event = shown) -> None:
            if here:
                shown.set()

        with running(lambda choose, on_host=on_host: XEmbedTray(choose, on_host)) as under_test:
            for state in IconName:
                under_test.tray.show(a_view(state))
            assert shown.wait(PATIENCE_S)


def test_display_that_ends_and_cannot_be_opened_again(
    folders: tuple[dict[str, str], Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need("Xvfb")
    env, home = folders

    def server(ready: int) -> Program:
        return Program(
            "Xvfb",
            "-displayfd",
            str(ready),
            "-nolisten",
            "tcp",
            env=env,
            log=home / "Xvfb2.log",
            pass_fds=(ready,),
        )

    with reporting(server) as (program, number):
        monkeypatch.setenv("DISPLAY", f":{number}")
        environ = {**env, "DISPLAY": f":{number}"}
        with running(lambda choose: choose_tray(choose, environ)) as under_test:
            assert isinstance(under_test.tray, LinuxTray)
            under_test.tray.show(a_view(IconName.ONLINE))
            eventually(lambda: list(windows_of_the_icon()), "the icon's window")
            program.kill()
            under_test.tray.show(a_view(IconName.OFFLINE))
            assert "No panel" in under_test.tray.host
        tray = choose_tray(lambda _: None, environ)
        assert isinstance(tray, NoTray)
        assert "neither a D-Bus session bus nor an X display" in tray.host
    assert_quiet(caplog)
