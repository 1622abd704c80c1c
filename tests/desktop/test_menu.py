"""The menu as it is told and seen: right when it opens, never rebuilt while it is open; the icon on any panel."""

import contextlib
import queue
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from PIL import Image

from tests.desktop.kit import (
    PATIENCE_S,
    Program,
    Screen,
    TrayUnderTest,
    area,
    eventually,
    need,
    running,
    silhouette,
    unlike,
)
from tests.desktop.panel_stand_in import MENU, PanelStandIn
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.tray.base import IconName, MenuItem, TrayView
from traymon.tray.sni import SniTray
from traymon.tray.view import BotView, Choices, Today, view

START = 1_482_186_600_000
SECOND, MINUTE = 1_000, 60_000
DROP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE)
ONLINE = BotView("deploy_bot", "Acme", State.ONLINE, START, today=Today(9 * MINUTE, MINUTE, START))
LOST = replace(
    ONLINE, state=State.OFFLINE, since_wall_ms=START + MINUTE, failure=DROP, today=None, attempting=True
)
REFUSED = Failure(Cause.REFUSED_TOKEN, Phase.API, detail="token_revoked")
NIGHT = [
    LOST,
    replace(LOST, attempting=False, next_try_wall_ms=START + 3 * MINUTE),
    replace(LOST, failure=Failure(Cause.NO_ROUTE, Phase.TCP), not_logged_yet=True),
    replace(ONLINE, state=State.CONNECTING),
    replace(ONLINE, state=State.AWAY, suspect=True),
    replace(ONLINE, programs=0),
    replace(ONLINE, state=State.REFUSED, failure=REFUSED),
    replace(ONLINE, state=State.PAUSED),
    ONLINE,
]
"""What may happen to a bot while a menu is open."""


class Told:
    """A tray on a bus with a panel on it, at a time of day of the test's own."""

    def __init__(self, address: str, panel: PanelStandIn) -> None:
        self.now = START
        self.panel = panel
        self.bots = [ONLINE]
        self.choices = Choices(autostart=False)
        self.under_test = TrayUnderTest(lambda choose: SniTray(choose, address, clock=lambda: self.now))
        self.show(self.bots)
        self.item = panel.registered.get(timeout=PATIENCE_S)
        self.wait_for_view()
        self.menu_path = panel.property(self.item, "Menu")
        self.signals()

    def show(self, bots: list[BotView], faults: tuple[str, ...] = ()) -> None:
        self.bots = bots
        self.shown = view(bots, self.now, faults, self.choices)
        self.under_test.tray.show(self.shown)

    def wait_for_view(self) -> None:
        """Until the panel could read what was shown last."""

        def there() -> bool:
            tooltip = self.panel.property(self.item, "ToolTip")
            return self.shown.tooltip.startswith(tooltip[2]) and labels(self.panel, self.item) == [
                "---" if item.separator else item.text(self.now) for item in self.shown.menu if item.visible
            ]

        eventually(there, "the view")

    def about_to_show(self, number: int = 0) -> None:
        assert self.panel.call(self.item, self.menu_path, MENU, "AboutToShow", "i", number) == [False]

    def signals(self) -> list[tuple[str, list[Any]]]:
        """What was said since the last time; after a call's answer, all that was said before it."""
        heard = []
        with contextlib.suppress(queue.Empty):
            while True:
                heard.append(self.panel.signals.get_nowait())
        return heard


def labels(panel: PanelStandIn, item: str, parent: int = 0) -> list[str]:
    """What a panel shows that reads the menu now."""
    menu = panel.menu(item)
    shown = [menu[number] for number in menu[parent]["children"] if menu[number].get("visible", True)]
    return [each.get("label", "---").replace("__", "_") for each in shown]


@pytest.fixture
def told(session_bus: str) -> Iterator[Told]:
    panel = PanelStandIn(session_bus)
    try:
        told = Told(session_bus, panel)
        try:
            yield told
        finally:
            told.under_test.close()
    finally:
        panel.close()


def test_times_are_right_when_the_menu_opens_and_nothing_ticks_before(told: Told) -> None:
    told.show([replace(LOST, attempting=False, next_try_wall_ms=told.now + 12 * MINUTE)])
    told.wait_for_view()
    told.signals()
    told.now = START + 11 * MINUTE + 20 * SECOND
    assert told.panel.property(told.item, "Title")  # a call and its answer: what was said before it is there
    assert told.signals() == []
    told.about_to_show()
    # The signal stands before the answer, so the panel has it when it opens the menu.
    ((member, (updated, removed)),) = told.signals()
    assert (member, removed) == ("ItemsPropertiesUpdated", [])
    texts = [properties["label"] for _, properties in updated]
    assert any(text.endswith(", for 10m 20s") for text in texts)
    assert "hung up without a close frame · Next try in 40s" in texts
    told.about_to_show()
    assert told.signals() == []


def test_a_panel_that_only_reads_gets_the_present_too(told: Told) -> None:
    # No zone of the world begins a day within these minutes.
    told.now = START + 20 * MINUTE
    assert labels(told.panel, told.item)[0].endswith(", for 20m 00s")
    assert "Up today: 96.6%" in labels(told.panel, told.item)
    told.now += MINUTE
    assert told.panel.call(told.item, told.menu_path, MENU, "AboutToShowGroup", "ai", [0]) == [[], []]
    assert [member for member, _ in told.signals()].count("ItemsPropertiesUpdated") == 2


@pytest.mark.parametrize("bots", [1, 3])
def test_an_open_menu_is_never_rebuilt(told: Told, bots: int) -> None:
    others = [replace(ONLINE, name=f"other{number}") for number in range(1, bots)]
    told.show([ONLINE, *others])
    told.wait_for_view()
    told.about_to_show()
    told.signals()
    heard: list[tuple[str, list[Any]]] = []
    for minute, bot in enumerate(NIGHT):
        told.now = START + minute * MINUTE
        told.show([bot, *others], ("The disk is full.",) if minute % 3 == 0 else ())
        told.wait_for_view()
        heard += told.signals()
    assert {"ItemsPropertiesUpdated", "NewIcon", "NewToolTip"} <= {member for member, _ in heard}
    assert not [body for member, body in heard if member == "LayoutUpdated"]
    # A bot more is another matter.
    told.show([ONLINE, *others, replace(ONLINE, name="one more")])
    eventually(lambda: "LayoutUpdated" in [member for member, _ in told.signals()], "another menu")


def test_every_item_says_what_was_chosen(told: Told) -> None:
    for label, wanted in [
        ("Reconnect", "reconnect"),
        ("Pause", "pause:deploy_bot"),
        ("View session log", "log"),
        ("Open text log", "textlog"),
        ("Copy diagnostics", "diagnostics"),
        ("Notifications", "notifications"),
        ("Start at login", "autostart"),
        ("Set up a bot…", "setup"),
        ("About traymon", "about"),
        ("Quit", "quit"),
    ]:
        told.panel.event(told.item, told.panel.number_of(told.item, label))
        assert told.under_test.next_choice() == wanted
    menu = told.panel.menu(told.item)
    marks = {each["label"]: each["toggle-state"] for each in menu.values() if "toggle-state" in each}
    assert marks == {"Notifications": 1, "Start at login": 0}


def test_without_a_bot_the_click_sets_one_up(told: Told) -> None:
    told.show([])
    told.wait_for_view()
    assert labels(told.panel, told.item)[:2] == [
        "Set up a bot…",
        "No bot is set up yet: nothing is held online",
    ]
    told.panel.call(told.item, "/StatusNotifierItem", "org.kde.StatusNotifierItem", "Activate", "ii", 0, 0)
    assert told.under_test.next_choice() == "setup"


@dataclass(frozen=True)
class Paint:
    """A colour for Xfce's panel."""

    name: str
    colour: tuple[int, int, int]

    def options(self) -> list[str]:
        """For xfconf-query, to set it."""
        shares = [f"{each / 255:.4f}" for each in (*self.colour, 255)]
        return [option for share in shares for option in ("--type", "double", "--set", share)]


PAINTED = "/panels/panel-1/background-style"
COLOUR = "/panels/panel-1/background-rgba"


@pytest.fixture(
    params=[Paint("light", (240, 240, 240)), Paint("dark", (43, 43, 43)), Paint("grey", (128, 128, 128))],
    ids=lambda paint: paint.name,
)
def painted(request: pytest.FixtureRequest, display: Screen, session_bus: str) -> Iterator[Paint]:
    """The panel started next is of this colour; what is kept of its settings has none."""
    need("xfconf-query")

    def setting(name: str, *options: str) -> None:
        command = ["xfconf-query", "--channel", "xfce4-panel", "--property", name, *options]
        env = {**display.env, "DBUS_SESSION_BUS_ADDRESS": session_bus}
        subprocess.run(command, env=env, check=True, timeout=PATIENCE_S)

    setting(PAINTED, "--create", "--type", "uint", "--set", "1")
    setting(COLOUR, "--create", *request.param.options())
    yield request.param
    setting(PAINTED, "--reset")
    setting(COLOUR, "--reset")


@pytest.fixture
def environ(display: Screen, session_bus: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    # Xlib looks at the process's own environment.
    monkeypatch.setenv("DISPLAY", display.env["DISPLAY"])
    return {**display.env, "DBUS_SESSION_BUS_ADDRESS": session_bus}


def another(display: Screen, *before: Image.Image) -> Image.Image:
    """The icon's silhouette, once it differs from those before and stays: a panel that starts draws in steps."""
    looks: list[Image.Image] = []

    def look() -> Image.Image | None:
        looks.append(mask := silhouette(display.shot(30, 28)))
        if area(mask) <= 60 or len(looks) < 3 or any(unlike(mask, each) for each in looks[-3:]):
            return None
        return mask if all(unlike(mask, old) > 0.2 for old in before) else None

    found = eventually(look, "another icon")
    assert isinstance(found, Image.Image)
    return found


def test_icons_on_light_and_dark_panels(
    painted: Paint, display: Screen, xfce_panel: Callable[[], Program], environ: dict[str, str]
) -> None:
    xfce_panel()
    point(display, 400, 300)  # a panel paints what is pointed at in another colour
    with running(lambda choose: SniTray(choose, environ["DBUS_SESSION_BUS_ADDRESS"])) as under_test:
        eventually(lambda: is_painted(display, painted), "the panel in its colour")
        seen: list[Image.Image] = []
        for icon in IconName:
            under_test.tray.show(TrayView(icon, icon, "", (MenuItem("quit", "Quit"),)))
            seen.append(another(display, *seen))
        under_test.tray.show(TrayView(IconName.OFFLINE, "", "", (MenuItem("quit", "Quit"),), mixed=True))
        another(display, *seen)


def is_painted(display: Screen, paint: Paint) -> bool:
    """Right of the icon, and in the corner by which silhouettes go."""
    shot = display.shot(120, 20)
    return all(
        abs(a - b) <= 2
        for at in ((1, 1), (100, 15))
        for a, b in zip(shot.getpixel(at), paint.colour, strict=True)  # type: ignore[arg-type]
    )


def test_the_menu_that_a_person_has_open_follows_and_stays(
    display: Screen, xfce_panel: Callable[[], Program], environ: dict[str, str]
) -> None:
    """Its texts change; no line comes or goes under the pointer."""
    now = START
    xfce_panel()
    with running(
        lambda choose: SniTray(choose, environ["DBUS_SESSION_BUS_ADDRESS"], clock=lambda: now)
    ) as under_test:
        under_test.tray.show(view([ONLINE], now, choices=Choices(autostart=True)))
        another(display)
        eventually(lambda: opens(display), "the open menu")
        # Away from the icon, which would show its tooltip over the menu.
        point(display, 60, 300)
        opened = settled(display)
        now += MINUTE
        under_test.tray.show(
            view([replace(NIGHT[1], today=ONLINE.today)], now, choices=Choices(autostart=True))
        )
        eventually(lambda: top(display.shot(300, 500)) != top(opened), "other texts")
        assert bottom(settled(display)) == bottom(opened)
        # The fifth line of fourteen, below those that only tell something.
        display.click(60, PANEL + round((len(lit(opened)) * 4.5) / 14), 1)
        assert under_test.next_choice() == "reconnect"


def point(display: Screen, x: int, y: int) -> None:
    """Move the mouse."""
    subprocess.run(["xdotool", "mousemove", str(x), str(y)], env=display.env, check=True)


PANEL = 30
"""Its height in pixels."""


def top(shot: Image.Image) -> bytes:
    """The first lines of the menu, below the panel."""
    return shot.crop((0, PANEL, 300, 100)).tobytes()


def bottom(shot: Image.Image) -> bytes:
    """Its last lines, and the screen below it."""
    return shot.crop((0, 200, 300, 500)).tobytes()


def lit(shot: Image.Image) -> list[int]:
    """The rows of pixels that the open menu covers: it is white, the screen black."""
    return [row for row in range(PANEL, shot.height) if shot.convert("L").getpixel((5, row)) == 255]


def opens(display: Screen) -> bool:
    """A right click, which does nothing while the panel has yet to read the menu."""
    display.click(15, 15, 3)
    return any(lit(display.shot(300, 500)) for _ in range(30))


def settled(display: Screen) -> Image.Image:
    """The open menu, once it has stayed as it is."""
    seen: list[Image.Image] = []

    def same() -> object:
        seen.append(display.shot(300, 500))
        return (
            lit(seen[-1])
            and len(seen) > 3
            and all(each.tobytes() == seen[-1].tobytes() for each in seen[-4:])
        )

    eventually(same, "the open menu")
    return seen[-1]
