"""The whole program on a real desktop: what Slack does is seen in icon, menu and notification, and a click is seen at
Slack, on the disk and in the browser.
"""

import os
import queue
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.desktop.kit import Program, Screen, area, eventually, need, silhouette, unlike
from tests.desktop.notification_witness import Notify, Witness
from tests.desktop.panel_stand_in import PanelStandIn
from tests.support import PATIENCE_S, events, token_of, write_profile
from traymon.paths import Profile
from traymon.simulator import Simulator

TOKEN = token_of("deploybot")


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "deploybot")
        yield simulator


@pytest.fixture
def profile(home: Path, slack: Simulator) -> Profile:
    return Profile.default(write_profile(home, {"deploybot": slack.api_url}).config_file)


def start_traymon(
    display: Screen, bus: str, config: Path | None, programs: list[Program], **more: str
) -> Program:
    """``traymon run`` on the test's display and bus, with folders of the test's own."""
    own = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
    env = {
        "DISPLAY": display.env["DISPLAY"],
        "DBUS_SESSION_BUS_ADDRESS": bus,
        "XDG_CONFIG_HOME": f"{own['HOME']}/.config",
        **own,
        **more,
    }
    options = [] if config is None else ["--config", str(config)]
    programs.append(display.start(sys.executable, "-m", "traymon", *options, "run", env=env))
    return programs[-1]


def shape(display: Screen, *unlike_these: Image.Image) -> Image.Image:
    """The icon's silhouette, once there is one that differs from the given ones."""

    def look() -> Image.Image | None:
        mask = silhouette(display.shot(30, 28))
        return mask if area(mask) > 60 and all(unlike(mask, old) > 0.25 for old in unlike_these) else None

    found = eventually(look, "another icon")
    assert isinstance(found, Image.Image)
    return found


def same_as(display: Screen, wanted: Image.Image) -> None:
    eventually(lambda: unlike(silhouette(display.shot(30, 28)), wanted) < 0.05, "the earlier icon")


@pytest.mark.parametrize("panel", ["xfce_panel", "trayer", "tint2"])
def test_the_icon_follows_slack_and_slack_follows_the_click(
    panel: str,
    request: pytest.FixtureRequest,
    display: Screen,
    session_bus: str,
    programs: list[Program],
    slack: Simulator,
    profile: Profile,
) -> None:
    start_panel: Callable[[], Program] = request.getfixturevalue(panel)
    start_panel()
    traymon = start_traymon(display, session_bus, profile.config_file, programs)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    online = settled(display, profile)

    slack.refuse()
    slack.rst(TOKEN)
    offline = shape(display, online)
    slack.accept()
    display.click(15, 15, 1)  # the retry would come soon; the click asks for it now
    same_as(display, online)
    assert unlike(online, offline) > 0.25

    before = len(slack.truth().links_of(TOKEN))
    display.click(15, 15, 1)
    assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == before + 1, PATIENCE_S)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    eventually(lambda: events(profile, "deploybot", "handover"), "a handover in the log")
    assert [e.cause for e in events(profile, "deploybot", "stop")] == ["reset"]

    traymon.send(signal.SIGTERM)
    assert traymon.wait() == 0
    assert events(profile, "deploybot", "stop")[-1].cause == "quit"


def settled(display: Screen, profile: Profile) -> Image.Image:
    """The icon of the state that the log tells of, once it has stayed the same for a while."""
    eventually(lambda: events(profile, "deploybot", "start"), "the start in the log")
    looks: list[Image.Image] = []

    def stays() -> bool:
        looks.append(silhouette(display.shot(30, 28)))
        last = looks[-10:]
        return len(last) == 10 and area(last[-1]) > 60 and all(unlike(last[-1], old) < 0.02 for old in last)

    eventually(stays, "an icon that stays")
    return looks[-1]


# The menu, as a panel reads it


class Menu:
    """The menu of the traymon that registers next."""

    def __init__(self, panel: PanelStandIn) -> None:
        self._panel = panel
        self._item = panel.registered.get(timeout=PATIENCE_S)

    def labels(self) -> list[str]:
        """Of all items that are shown, those of submenus left out."""
        menu = self._panel.menu(self._item)
        shown = [menu[number] for number in menu[0]["children"]]
        return [str(each.get("label", "")) for each in shown if each.get("visible", True)]

    def wait_for(self, start: str) -> None:
        """Until an item begins with ``start``."""
        eventually(lambda: any(label.startswith(start) for label in self.labels()), start)

    def choose(self, label: str) -> None:
        self._panel.event(self._item, self._panel.number_of(self._item, label))

    def ticked(self, label: str) -> bool | None:
        """Whether it has a check mark; ``None`` where it cannot have one."""
        item = next(each for each in self._panel.menu(self._item).values() if each.get("label") == label)
        return {0: False, 1: True}.get(item.get("toggle-state", -1))

    def choose_and_see(self, label: str, ticked: bool) -> None:
        self.choose(label)
        eventually(lambda: self.ticked(label) is ticked, f"{label}: {ticked}")


@pytest.fixture
def panel(session_bus: str) -> Iterator[PanelStandIn]:
    panel = PanelStandIn(session_bus)
    yield panel
    panel.close()


@pytest.fixture
def opener(home: Path) -> dict[str, str]:
    """The environment of a desktop whose ``xdg-open`` notes what it was to show, in ``opened``."""
    folder = home / "bin"
    folder.mkdir()
    (folder / "xdg-open").write_text(f'#!/bin/sh\necho "$1" >>"{home / "opened"}"\n')
    (folder / "xdg-open").chmod(0o700)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def opened(home: Path) -> str:
    """What was to be shown; only whole lines count."""
    noted = home / "opened"
    found = eventually(lambda: noted.exists() and noted.read_text().endswith("\n") and noted, "an opener")
    return str(found.read_text()).splitlines()[-1]


def test_the_menu_and_what_it_does(
    display: Screen,
    session_bus: str,
    panel: PanelStandIn,
    programs: list[Program],
    profile: Profile,
    home: Path,
    opener: dict[str, str],
) -> None:
    traymon = start_traymon(display, session_bus, profile.config_file, programs, **opener)
    menu = Menu(panel)
    menu.wait_for("deploybot (Simulated): online since ")
    menu.wait_for("Start at login")
    wanted = [
        "deploybot (Simulated): online since ",
        "All is well",
        "No outage so far",
        "Up today: ",
        "Reconnect",
        "Pause",
        "",
        "View session log",
        "Open text log",
        "Copy diagnostics",
        "",
        "Notifications",
        "Start at login",
        "Set up a bot…",
        "",
        "About traymon",
        "Quit",
    ]
    labels = menu.labels()
    assert [label[: len(start)] for label, start in zip(labels, wanted, strict=True)] == wanted

    menu.choose("View session log")
    report = Path(opened(home))
    assert report == profile.report
    assert "deploybot" in report.read_text(encoding="utf-8")

    entries = home / ".config" / "autostart"
    assert (menu.ticked("Start at login"), menu.ticked("Notifications")) == (False, True)
    menu.choose_and_see("Start at login", True)
    (entry,) = entries.iterdir()
    assert str(profile.config_file) in entry.read_text(encoding="utf-8")
    menu.choose_and_see("Start at login", False)
    assert not list(entries.iterdir())

    menu.choose("Pause")
    menu.wait_for("deploybot (Simulated): paused since ")
    assert "Resume" in menu.labels()
    menu.choose("Quit")
    assert traymon.wait() == 0
    assert events(profile, "deploybot", "stop")[-1].cause == "user"


def test_without_a_bot_set_up_opens_its_page(
    display: Screen,
    session_bus: str,
    panel: PanelStandIn,
    programs: list[Program],
    home: Path,
    opener: dict[str, str],
) -> None:
    traymon = start_traymon(display, session_bus, None, programs, **opener)
    menu = Menu(panel)
    menu.wait_for("No bot is set up yet")
    menu.choose("Set up a bot…")
    address = opened(home)
    assert address.startswith("http://127.0.0.1:")
    with_cookies = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
    )
    with with_cookies.open(address, timeout=PATIENCE_S) as page:
        assert "Set up a bot" in page.read().decode()
    traymon.send(signal.SIGTERM)
    assert traymon.wait() == 0
    with pytest.raises(OSError, match="refused"):
        with_cookies.open(address, timeout=PATIENCE_S)


# Notifications

STAYING = """\
[global]
    idle_threshold = 0
[urgency_low]
    timeout = 0
[urgency_normal]
    timeout = 0
"""


@pytest.fixture
def witness(display: Screen, session_bus: str, programs: list[Program], tmp_path: Path) -> Iterator[Witness]:
    """Sees what a real notification server gets, which keeps everything on the screen."""
    need("dunst")
    witness = Witness(session_bus)
    rc = tmp_path / "dunstrc"
    rc.write_text(STAYING)
    programs.append(display.start("dunst", "-conf", str(rc), env={"DBUS_SESSION_BUS_ADDRESS": session_bus}))
    witness.wait_for_server()
    yield witness
    witness.close()


def told(witness: Witness, title: str) -> Notify:
    """The next notification whose title begins so: an outage's after ten seconds, and whatever a slow machine adds.

    What comes before it may only correct a text that is on the screen.
    """
    while not (told := witness.notifies.get(timeout=PATIENCE_S)).title.startswith(title):
        assert told.number == told.replaces
        assert told.title == "deploybot (Simulated) is offline"
    return told


def test_an_outage_is_told_turned_and_survived(
    display: Screen,
    session_bus: str,
    panel: PanelStandIn,
    witness: Witness,
    programs: list[Program],
    slack: Simulator,
    profile: Profile,
) -> None:
    def lose_slack() -> None:
        slack.refuse()
        slack.rst(TOKEN)

    traymon = start_traymon(display, session_bus, profile.config_file, programs)
    menu = Menu(panel)
    menu.wait_for("deploybot (Simulated): online since ")
    lose_slack()
    outage = told(witness, "deploybot (Simulated) is offline")
    assert outage.replaces == 0
    assert outage.actions[2:] == ["reconnect", "Reconnect", "log", "View log"]
    slack.accept()
    back = told(witness, "deploybot (Simulated) is back after ")
    assert back.number == back.replaces == outage.number

    traymon.kill()
    assert witness.displayed() == 1
    traymon = start_traymon(display, session_bus, profile.config_file, programs)
    menu = Menu(panel)
    menu.wait_for("deploybot (Simulated): online since ")
    assert [event.cause for event in events(profile, "deploybot", "stop")] == ["reset", "traymon_died"]
    lose_slack()
    another = told(witness, outage.title)
    assert another.replaces == 0

    menu.choose_and_see("Notifications", False)
    assert witness.closings.get(timeout=PATIENCE_S) == another.number
    slack.accept()
    menu.wait_for("deploybot (Simulated): online since ")
    # What a person asks for is shown all the same, and nothing was before it.
    menu.choose("About traymon")
    told(witness, "traymon ")
    traymon.send(signal.SIGTERM)
    assert traymon.wait() == 0
    with pytest.raises(queue.Empty):
        witness.notifies.get_nowait()
