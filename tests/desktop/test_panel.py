"""The icon in a real panel, Xfce's: what is seen, and what a person's clicks do."""

from collections.abc import Callable

import pytest
from PIL import Image

from tests.desktop.kit import (
    Program,
    Screen,
    TrayUnderTest,
    a_view,
    area,
    assert_quiet,
    eventually,
    running,
    silhouette,
    unlike,
)
from traymon.tray.base import IconName
from traymon.tray.choose import choose_tray

STATES = [name for name in IconName if name is not IconName.ONLINE_NO_PROGRAM]
ICON = 30  # the panel's height: the icon is in the first square


@pytest.fixture
def environ(display: Screen, session_bus: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    # Xlib looks at the process's own environment.
    monkeypatch.setenv("DISPLAY", display.env["DISPLAY"])
    return {**display.env, "DBUS_SESSION_BUS_ADDRESS": session_bus}


def seen(display: Screen) -> Image.Image:
    return silhouette(display.shot(ICON, ICON - 2))


def wait_for_icon(display: Screen) -> Image.Image:
    return wait_for_another(display, [])


def wait_for_another(display: Screen, before: list[Image.Image]) -> Image.Image:
    """A picture that differs from all before it, by its silhouette."""

    def different() -> Image.Image | None:
        mask = seen(display)
        return mask if area(mask) > 60 and all(unlike(mask, old) > 0.25 for old in before) else None

    return eventually(different, "an icon of another silhouette")


def test_icon_changes_with_the_state(
    display: Screen, xfce_panel: Callable[[], Program], environ: dict[str, str]
) -> None:
    xfce_panel()
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        masks: list[Image.Image] = []
        for state in STATES:
            under_test.tray.show(a_view(state))
            masks.append(wait_for_another(display, masks))
        assert "right click opens the menu" in under_test.tray.host


def test_clicks_with_the_mouse(
    display: Screen, xfce_panel: Callable[[], Program], environ: dict[str, str]
) -> None:
    xfce_panel()
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        under_test.tray.show(a_view(IconName.ONLINE))
        wait_for_icon(display)
        display.click(15, 15, 1)
        assert under_test.next_choice() == "reconnect"
        display.click(15, 15, 2)
        assert under_test.next_choice() == "log"
        choose_from_the_open_menu(display, under_test)


def choose_from_the_open_menu(display: Screen, under_test: TrayUnderTest) -> None:
    closed = display.shot(200, 200)
    display.click(15, 15, 3)
    eventually(lambda: unlike(silhouette(closed), silhouette(display.shot(200, 200))) > 0.5, "the open menu")
    # The first line is a disabled one: the second is what can be chosen first.
    display.click(60, 30 + 3 + 37, 1)
    assert under_test.next_choice() == "reconnect"


def test_panel_killed_and_restarted(
    display: Screen, xfce_panel: Callable[[], Program], environ: dict[str, str]
) -> None:
    panel = xfce_panel()
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        under_test.tray.show(a_view(IconName.ONLINE))
        online = wait_for_icon(display)
        panel.kill()
        under_test.tray.show(a_view(IconName.OFFLINE))
        xfce_panel()
        wait_for_another(display, [online])
        eventually(lambda: "right click opens the menu" in under_test.tray.host, "the panel's own tray")
        display.click(15, 15, 1)
        assert under_test.next_choice() == "reconnect"


def test_panel_that_starts_late(
    display: Screen,
    xfce_panel: Callable[[], Program],
    environ: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        under_test.tray.show(a_view(IconName.ONLINE))
        eventually(lambda: caplog.records, "the sentence that no panel is there")
        assert "No panel with a tray is there" in under_test.tray.host
        xfce_panel()
        wait_for_icon(display)
        # Xfce's panel offers the older kind of tray as well; the one with the menu is to win.
        eventually(lambda: "right click opens the menu" in under_test.tray.host, "the newer kind of tray")
        display.click(15, 15, 1)
        assert under_test.next_choice() == "reconnect"
    assert [record.levelname for record in caplog.records if record.name.startswith("traymon")].count(
        "INFO"
    ) <= 3
    assert_quiet(caplog)
