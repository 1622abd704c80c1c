"""The icon on a real session bus, without pixels: every property, signal and call that panels use."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.desktop.kit import PATIENCE_S, Program, TrayUnderTest, a_view, assert_quiet, eventually, running
from tests.desktop.panel_stand_in import MENU, PanelStandIn
from traymon.tray import sni
from traymon.tray.base import IconName, MenuItem, TrayView
from traymon.tray.choose import LinuxTray, choose_tray
from traymon.tray.icons import icon_image
from traymon.tray.pixmaps import pixmap
from traymon.tray.sni import SniTray

StartBus = Callable[..., tuple[Program, str]]


@contextlib.contextmanager
def panel_on(address: str, *, host: bool = True) -> Iterator[PanelStandIn]:
    panel = PanelStandIn(address, host=host)
    try:
        yield panel
    finally:
        panel.close()


@pytest.fixture
def panel(session_bus: str) -> Iterator[PanelStandIn]:
    with panel_on(session_bus) as stand_in:
        yield stand_in


@pytest.fixture
def under_test(session_bus: str, panel: PanelStandIn) -> Iterator[TrayUnderTest]:
    environ = {"DBUS_SESSION_BUS_ADDRESS": session_bus}
    with running(lambda choose: choose_tray(choose, environ)) as tray:
        yield tray


@pytest.fixture
def item(panel: PanelStandIn, under_test: TrayUnderTest) -> str:
    """The item's name on the bus, showing an online bot."""
    under_test.tray.show(a_view(IconName.ONLINE))
    name = panel.registered.get(timeout=PATIENCE_S)
    eventually(lambda: panel.property(name, "Title") == "deploy_bot: online", "the first view")
    drain(panel)
    return name


def drain(panel: PanelStandIn) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            panel.signals.get_nowait()


def show(panel: PanelStandIn, under_test: TrayUnderTest, item: str, view: TrayView) -> None:
    """Show a view and wait until it is on the bus."""
    under_test.tray.show(view)
    eventually(lambda: panel.property(item, "Title") == view.title, "the view")


def test_properties_that_panels_read(panel: PanelStandIn, item: str) -> None:
    assert panel.property(item, "Id") == "traymon"
    assert panel.property(item, "Category") == "Communications"
    assert panel.property(item, "Status") == "Active"
    assert panel.property(item, "ItemIsMenu") is False
    assert panel.property(item, "IconName") == ""
    tooltip = panel.property(item, "ToolTip")
    assert list(tooltip[2:]) == [
        "deploy_bot (Acme): online since 07:29:10",
        "Why: “&lt;b&gt;” &amp; 漢字 – no",
    ]


def test_pixmaps_are_argb_in_network_order(panel: PanelStandIn, item: str) -> None:
    pixmaps = panel.property(item, "IconPixmap")
    assert [(width, height) for width, height, _ in pixmaps] == [(size, size) for size in sni.PIXMAP_SIZES]
    for width, height, data in pixmaps:
        assert len(data) == width * height * 4
        alpha, red, green, blue = Image.frombytes("RGBA", (width, height), bytes(data)).split()
        picture = Image.merge("RGBA", (red, green, blue, alpha))
        assert picture.tobytes() == icon_image(IconName.ONLINE, width).tobytes()


def test_menu_as_panels_read_it(panel: PanelStandIn, item: str) -> None:
    menu = panel.menu(item)
    top = [menu[number] for number in menu[0]["children"]]
    assert [each.get("label", each.get("type")) for each in top] == [
        "deploy__bot: online",
        "Reconnect",
        "Pause",
        "separator",
        "Notifications",
        "More",
        "View session log",
        "Quit",
    ]
    assert [each["enabled"] for each in top if "enabled" in each] == [False]
    assert (top[4]["toggle-type"], top[4]["toggle-state"]) == ("checkmark", 1)
    assert top[5]["children-display"] == "submenu"
    assert [menu[number]["label"] for number in top[5]["children"]] == ["Inner"]
    path = panel.property(item, "Menu")
    assert panel.property(item, "Version", path, MENU) == 3
    _, flat = panel.call(item, path, MENU, "GetLayout", "iias", 0, 1, ["label"])
    assert all(set(child[1]) <= {"label"} and not child[2] for child in flat[2])
    group = panel.call(item, path, MENU, "GetGroupProperties", "aias", [], ["label"])[0]
    assert len(group) == len(menu)
    number = panel.number_of(item, "Quit")
    assert panel.call(item, path, MENU, "GetProperty", "is", number, "label") == ["Quit"]
    assert panel.call(item, path, MENU, "AboutToShow", "i", 0) == [False]
    assert panel.call(item, path, MENU, "AboutToShowGroup", "ai", [0, 999]) == [[], [999]]


def test_clicks(panel: PanelStandIn, under_test: TrayUnderTest, item: str) -> None:
    path = "/StatusNotifierItem"
    interface = "org.kde.StatusNotifierItem"
    panel.call(item, path, interface, "Activate", "ii", 3, 4)
    assert under_test.next_choice() == "reconnect"
    panel.call(item, path, interface, "SecondaryActivate", "ii", 3, 4)
    assert under_test.next_choice() == "log"
    panel.call(item, path, interface, "ContextMenu", "ii", 3, 4)
    assert under_test.next_choice() == "log"
    panel.call(item, path, interface, "Scroll", "is", 1, "vertical")
    panel.call(item, path, interface, "ProvideXdgActivationToken", "s", "token")
    for label, chosen in (("Quit", "quit"), ("Inner", "inner"), ("Notifications", "notify")):
        panel.event(item, panel.number_of(item, label))
        assert under_test.next_choice() == chosen
    # None of these is a choice: a line that is disabled, one that is gone, the pointer over one.
    panel.event(item, panel.number_of(item, "deploy__bot: online"))
    panel.event(item, 999)
    panel.event(item, panel.number_of(item, "Quit"), "hovered")
    group = [[panel.number_of(item, "Pause"), "clicked", _variant(0), 0], [998, "clicked", _variant(0), 0]]
    assert panel.call(item, panel.property(item, "Menu"), MENU, "EventGroup", "a(isvu)", group) == [[998]]
    assert under_test.next_choice() == "pause:deploy_bot"
    assert under_test.chosen.empty()


def _variant(value: int) -> Any:
    from dbus_fast import Variant

    return Variant("i", value)


def test_a_change_is_told_by_signals(panel: PanelStandIn, under_test: TrayUnderTest, item: str) -> None:
    show(panel, under_test, item, a_view(IconName.REFUSED))
    heard = panel.heard(4)
    assert set(heard) == {"NewIcon", "NewTitle", "NewToolTip", "NewStatus"}
    assert heard["NewStatus"] == ["NeedsAttention"]
    assert panel.property(item, "Status") == "NeedsAttention"
    assert panel.property(item, "AttentionIconPixmap") == panel.property(item, "IconPixmap")


def test_a_label_alone_never_rebuilds_the_menu(
    panel: PanelStandIn, under_test: TrayUnderTest, item: str
) -> None:
    number = panel.number_of(item, "deploy__bot: online")
    revision, _ = panel.call(item, panel.property(item, "Menu"), MENU, "GetLayout", "iias", 0, 0, [])
    under_test.tray.show(a_view(IconName.ONLINE, "deploy_bot: online, again"))
    heard = panel.heard(1)
    assert heard == {"ItemsPropertiesUpdated": [[(number, {"label": "deploy__bot: online, again"})], []]}
    under_test.tray.show(a_view(IconName.ONLINE, "deploy_bot: online, again"))
    under_test.tray.show(a_view(IconName.ONLINE, "deploy_bot: online, again", "resume:deploy_bot"))
    # The view in between changed nothing and said nothing; an item that came and one that went rebuild the menu.
    heard = panel.heard(1)
    assert heard == {"LayoutUpdated": [revision + 1, 0]}


def test_a_click_under_way_chooses_what_was_seen(
    panel: PanelStandIn, under_test: TrayUnderTest, item: str
) -> None:
    pause = panel.number_of(item, "Pause")
    under_test.tray.show(a_view(IconName.PAUSED, pause="resume:deploy_bot"))
    eventually(
        lambda: "Resume" in [each.get("label") for each in panel.menu(item).values()], "the other item"
    )
    panel.event(item, pause)
    panel.event(item, panel.number_of(item, "Resume"))
    assert under_test.next_choice() == "resume:deploy_bot"
    under_test.tray.show(a_view(IconName.ONLINE))
    eventually(lambda: panel.menu(item).get(pause), "the item back, under its old number")


def test_a_slow_callback_blocks_neither_menu_nor_icon(session_bus: str, panel: PanelStandIn) -> None:
    held = threading.Event()
    begun = threading.Event()

    def slow(_: str) -> None:
        begun.set()
        held.wait(PATIENCE_S)

    tray = choose_tray(slow, {"DBUS_SESSION_BUS_ADDRESS": session_bus})
    thread = threading.Thread(target=tray.run)
    thread.start()
    try:
        tray.show(a_view(IconName.ONLINE))
        item = panel.registered.get(timeout=PATIENCE_S)
        panel.call(item, "/StatusNotifierItem", "org.kde.StatusNotifierItem", "Activate", "ii", 0, 0)
        assert begun.wait(PATIENCE_S)
        tray.show(a_view(IconName.OFFLINE))
        eventually(lambda: panel.property(item, "Title") == "deploy_bot: offline", "the next view")
    finally:
        held.set()
        tray.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_watcher_late_and_restarted(session_bus: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    environ = {"DBUS_SESSION_BUS_ADDRESS": session_bus}
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        under_test.tray.show(a_view(IconName.OFFLINE))
        eventually(lambda: caplog.records, "the sentence that no panel is there")
        for _ in range(3):
            with panel_on(session_bus) as panel:
                item = panel.registered.get(timeout=PATIENCE_S)
                assert panel.property(item, "Title") == "deploy_bot: offline"
                eventually(lambda: "right click opens" in under_test.tray.host, "the panel's tray")
            eventually(lambda: "No panel" in under_test.tray.host, "that the panel is gone")
    assert_quiet(caplog)


def test_watcher_without_a_host_shows_nothing(session_bus: str) -> None:
    environ = {"DBUS_SESSION_BUS_ADDRESS": session_bus}
    with panel_on(session_bus, host=False) as panel, running(lambda c: choose_tray(c, environ)) as under_test:
        panel.registered.get(timeout=PATIENCE_S)
        assert "No panel" in under_test.tray.host
        panel.tell_host(True)
        eventually(lambda: "right click opens" in under_test.tray.host, "the host")
        panel.tell_host(False)
        eventually(lambda: "No panel" in under_test.tray.host, "that the host is gone")


def test_bus_killed_and_back(
    start_bus: StartBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sni, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(sni, "LONGEST_RETRY_S", 0.2)
    address = f"unix:path={tmp_path / 'bus'}"
    environ = {"DBUS_SESSION_BUS_ADDRESS": address}
    # No bus yet: a tray is looked for all the same.
    with running(lambda choose: choose_tray(choose, environ)) as under_test:
        assert isinstance(under_test.tray, LinuxTray)
        under_test.tray.show(a_view(IconName.ONLINE))
        daemon, _ = start_bus(address)
        with panel_on(address) as panel:
            panel.registered.get(timeout=PATIENCE_S)
            daemon.kill()
            under_test.tray.show(a_view(IconName.OFFLINE))
            eventually(lambda: "No panel" in under_test.tray.host, "that the bus is gone")
        (tmp_path / "bus").unlink(missing_ok=True)
        start_bus(address)
        with panel_on(address) as panel:
            item = panel.registered.get(timeout=PATIENCE_S)
            assert panel.property(item, "Title") == "deploy_bot: offline"
    assert_quiet(caplog)


def test_views_from_many_threads_end_with_the_last(
    panel: PanelStandIn, under_test: TrayUnderTest, item: str
) -> None:
    def pour() -> None:
        for _ in range(50):
            for icon in (IconName.ONLINE, IconName.OFFLINE, IconName.PAUSED):
                under_test.tray.show(a_view(icon))

    threads = [threading.Thread(target=pour) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    show(panel, under_test, item, a_view(IconName.AWAY))
    data = bytes(panel.property(item, "IconPixmap")[0][2])
    assert data == pixmap(IconName.AWAY, 22)[2]


def test_stopped_before_it_ran(session_bus: str) -> None:
    tray = SniTray(lambda _: None, session_bus)
    tray.stop()
    tray.run()


def test_an_empty_menu_has_no_default(
    session_bus: str, panel: PanelStandIn, under_test: TrayUnderTest
) -> None:
    under_test.tray.show(TrayView(IconName.CONNECTING, "t", "", (MenuItem("quit", "Quit"),)))
    item = panel.registered.get(timeout=PATIENCE_S)
    eventually(lambda: panel.property(item, "Title") == "t", "the view")
    panel.call(item, "/StatusNotifierItem", "org.kde.StatusNotifierItem", "Activate", "ii", 0, 0)
    panel.event(item, panel.number_of(item, "Quit"))
    assert under_test.next_choice() == "quit"
