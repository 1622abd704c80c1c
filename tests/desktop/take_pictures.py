"""Takes the pictures of docs/pictures that need a desktop: ``make screenshots``.

Not collected with the tests: it is named on pytest's command line, and uses the same desktop as they do. The tray, its
menu and the notifications are traymon's own, in Xfce's panel and dunst; what they tell is the night of 2016 with the
clock stopped, so that a picture changes only where what it shows does.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.history import HOUR, MINUTE, NIGHT_BEGAN, NIGHT_ENDED, SECOND, failure
from tests.desktop.camera import (
    DARK,
    LIGHT,
    PANEL,
    Camera,
    Desk,
    same_picture,
    sheet,
    stacked,
    start_dunst,
    trimmed,
)
from tests.desktop.kit import Program, Screen, eventually, running
from tests.desktop.notification_witness import Witness
from tests.pictures import save
from traymon import words
from traymon.app.telling import _picture
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.notifications.facts import BotNow, Event, Seen, Show, Tick
from traymon.notifications.freedesktop import FreedesktopNotifier
from traymon.notifications.policy import Policy
from traymon.tray.base import TrayView
from traymon.tray.sni import SniTray
from traymon.tray.view import BotView, Choices, Today, view

NOW = NIGHT_ENDED + 43 * MINUTE + 30 * SECOND + 140
MIDNIGHT = NIGHT_ENDED - 7 * HOUR - 29 * MINUTE - 10 * SECOND
CHOICES = Choices(notifications=True, autostart=True)
DNS = Failure(Cause.DNS, Phase.DNS, evidence={"host": "slack.com"})
REVOKED, _ = failure(Cause.REFUSED_TOKEN)
DESKS = pytest.mark.parametrize("desk", [LIGHT, DARK], ids=lambda desk: desk.name)


@dataclass(frozen=True)
class Over:
    """An outage of the past."""

    started_at: int = NIGHT_ENDED
    lasted_ms: int = 1_140
    cause: str | None = Cause.ABRUPT_CLOSE


ONLINE = BotView(
    "deploybot",
    "Acme",
    State.ONLINE,
    NIGHT_ENDED + 1_140,
    last_outage=Over(),
    today=Today(NOW - MIDNIGHT - 1_140, 1_140, NOW),
)
OFFLINE = replace(
    ONLINE,
    state=State.OFFLINE,
    since_wall_ms=NIGHT_ENDED + 39 * MINUTE,
    failure=DNS,
    next_try_wall_ms=NOW + 4 * SECOND,
    today=Today(NIGHT_ENDED + 39 * MINUTE - MIDNIGHT - 1_140, 1_140, NIGHT_ENDED + 39 * MINUTE),
)
REFUSED = replace(
    ONLINE, name="newsbot", state=State.REFUSED, since_wall_ms=NIGHT_BEGAN, failure=REVOKED, today=None
)
HELPER = replace(ONLINE, name="helper", since_wall_ms=NIGHT_BEGAN, last_outage=None)

NO_BOT: list[BotView] = []
ICONS = {
    "online": [ONLINE],
    "online, no program": [replace(ONLINE, programs=0)],
    "away": [replace(ONLINE, state=State.AWAY)],
    "connecting": [replace(ONLINE, state=State.CONNECTING)],
    "offline": [OFFLINE],
    "refused": [REFUSED],
    "paused": [replace(ONLINE, state=State.PAUSED)],
    "no bot is set up": NO_BOT,
    "the worst of several": [HELPER, OFFLINE],
}


@pytest.fixture(scope="session")
def screen_size() -> str:
    return "1600x1200x24"


@pytest.fixture(autouse=True)
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def environ(display: Screen, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    # Xlib looks at the process's own environment.
    monkeypatch.setenv("DISPLAY", display.env["DISPLAY"])
    return dict(os.environ)


@pytest.fixture
def japanese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    words.choose("ja", {})
    yield
    words.choose("en", {})


def shown(bots: list[BotView]) -> TrayView:
    return view(bots, NOW, choices=CHOICES)


def tray(bus: str) -> Callable[[Callable[[str], None]], SniTray]:
    return lambda choose: SniTray(choose, bus, clock=lambda: NOW)


def icons(display: Screen, bus: str, programs: list[Program], desk: Desk) -> list[Image.Image]:
    """The icon of each line of ICONS, as it stands in a panel."""
    camera = Camera(display, desk, 120, 60)
    panel = camera.panel(programs, bus)
    found: list[Image.Image] = []
    side = (PANEL - 1) * desk.scale
    with running(tray(bus)) as under_test:
        before = empty = camera.look()
        for bots in ICONS.values():
            under_test.tray.show(shown(bots))
            before = camera.still(before, empty)
            found.append(before.crop((0, 0, side, side)))
    panel.end()
    return found


def test_icons(display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]) -> None:
    columns = []
    for desk in (LIGHT, DARK):
        for scale in (1, 2):
            pictures = icons(display, session_bus, programs, replace(desk, scale=scale))
            columns.append((f"{desk.name} panel", f"{scale}00 %", pictures))
    save(sheet(list(ICONS), columns), "icons")


def menu(
    display: Screen, bus: str, programs: list[Program], desk: Desk, bots: list[BotView], *keys: str
) -> Image.Image:
    """The open menu; ``keys`` are pressed in it."""
    camera = Camera(display, desk, 780, 560)
    camera.panel(programs, bus)
    with running(tray(bus)) as under_test:
        before = camera.look()
        under_test.tray.show(shown(bots))
        camera.still(before)
        shot = camera.open_menu()
        if keys:
            camera.press(*keys)
            shot = camera.still(shot)
        camera.press("Escape", "Escape")
        return trimmed(shot, 24)


@DESKS
def test_menu(
    display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str], desk: Desk
) -> None:
    save(menu(display, session_bus, programs, desk, [ONLINE]), "panel" if desk is LIGHT else "panel-dark")


def test_menu_offline(
    display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]
) -> None:
    save(menu(display, session_bus, programs, LIGHT, [OFFLINE]), "panel-offline")


def test_menu_of_several_bots(
    display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]
) -> None:
    bots = [OFFLINE, HELPER, REFUSED]
    save(menu(display, session_bus, programs, LIGHT, bots, "Down", "Down", "Right"), "panel-several")


def test_menu_without_a_bot(
    display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]
) -> None:
    save(menu(display, session_bus, programs, LIGHT, NO_BOT), "panel-no-bot")


@pytest.mark.usefixtures("japanese")
def test_menu_in_japanese(
    display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]
) -> None:
    save(menu(display, session_bus, programs, LIGHT, [ONLINE]), "panel-ja")


def test_tooltip(display: Screen, session_bus: str, programs: list[Program], environ: dict[str, str]) -> None:
    camera = Camera(display, LIGHT, 640, 200)
    camera.panel(programs, session_bus)
    with running(tray(session_bus)) as under_test:
        before = camera.look()
        under_test.tray.show(shown([OFFLINE]))
        before = camera.still(before)
        camera.point(PANEL // 2 - 2, PANEL // 2)
        camera.point(PANEL // 2, PANEL // 2)
        # The panel itself, which paints what is pointed at in another colour, may not count.
        below = (0, PANEL * 2 + 4, *before.size)
        eventually(lambda: not same_picture(camera.look().crop(below), before.crop(below)), "the tooltip")
        save(trimmed(camera.still(), 24), "tooltip")


# Notifications


def notifications() -> list[Show]:
    """What the policy makes of an outage, of its end, and of a token that Slack refuses."""
    policy = Policy()
    up = BotNow("deploybot", "Acme", State.ONLINE, NIGHT_BEGAN, transport="rtm")
    down = replace(up, state=State.OFFLINE, since_wall_ms=NIGHT_ENDED, failure=DNS)
    revoked = replace(up, name="newsbot", state=State.REFUSED, since_wall_ms=NIGHT_ENDED, failure=REVOKED)
    found: list[Show] = []

    def at(second: int, event: Event) -> None:
        found.extend(each for each in policy.receive(event, second * SECOND) if isinstance(each, Show))

    at(0, Seen((up,), NIGHT_ENDED))
    at(60, Seen((down,), NIGHT_ENDED))
    assert policy.deadline is not None
    while policy.deadline is not None and not found:
        at(policy.deadline // SECOND, Tick())
    up = replace(up, since_wall_ms=NIGHT_ENDED + 184 * SECOND)
    at(244, Seen((up,), up.since_wall_ms))
    at(300, Seen((up, revoked), NIGHT_ENDED + 240 * SECOND))
    return found


@DESKS
def test_notifications(
    display: Screen,
    session_bus: str,
    programs: list[Program],
    environ: dict[str, str],
    tmp_path: Path,
    desk: Desk,
) -> None:
    camera = Camera(display, desk, 420, 240)
    witness = Witness(session_bus)
    notifier = FreedesktopNotifier(session_bus, picture=_picture)
    try:
        start_dunst(camera, programs, session_bus, witness, tmp_path)
        notifier.start(lambda _key, _by_person: None, lambda _key, _what: None)
        shots = []
        shot = camera.still()
        for each in notifications():
            if not each.replaces:
                witness.dunst("NotificationCloseAll")
                shot = camera.still()
            notifier.show(each)
            shot = camera.still(shot)
            shots.append(trimmed(shot, 24))
        ground = shots[0].getpixel((1, 1))
        save(stacked(shots, 0, ground), f"notifications-{desk.name}")  # type: ignore[arg-type]
    finally:
        notifier.stop(5)
        witness.close()
