"""The whole program in a real panel: what Slack does is seen in the icon, and a click is seen at Slack."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.desktop.kit import Program, Screen, area, eventually, silhouette, unlike
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


def start_traymon(display: Screen, bus: str, profile: Profile, programs: list[Program]) -> Program:
    """``traymon run`` on the test's display and bus, with the profile's own folders."""
    own = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")}
    env = {"DISPLAY": display.env["DISPLAY"], "DBUS_SESSION_BUS_ADDRESS": bus, **own}
    command = [sys.executable, "-m", "traymon", "--config", str(profile.config_file), "run"]
    programs.append(display.start(*command, env=env))
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
    traymon = start_traymon(display, session_bus, profile, programs)
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
