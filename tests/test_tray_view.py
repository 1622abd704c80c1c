"""What the tray says of the bots."""

import itertools
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon import words
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.tray.base import IconName, MenuItem, TrayView, walk
from traymon.tray.fitting import columns, lines_within
from traymon.tray.native import LONGEST_TOOLTIP
from traymon.tray.view import (
    MOST_BOTS_IN_TOOLTIP,
    WIDEST_LABEL,
    BotView,
    Choices,
    ProgramView,
    Today,
    view,
    worst,
)

NOW = 1_482_186_600_000
HOUR = 3_600_000
DROP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE)


@dataclass(frozen=True)
class Outage:
    started_at: int
    lasted_ms: int
    cause: str | None


def a_bot(state: State, name: str = "deploybot", **other: object) -> BotView:
    facts = {"workspace": "Acme", "since_wall_ms": NOW - HOUR, **other}
    return BotView(name=name, state=state, **facts)  # type: ignore[arg-type]


def labels(items: tuple[MenuItem, ...], now: int = NOW) -> list[str]:
    """What a person sees who opens the menu at ``now``."""
    return ["---" if item.separator else item.text(now) for item in items if item.visible]


def item(menu: tuple[MenuItem, ...], item_id: str) -> MenuItem:
    return next(each for each in walk(menu) if each.id == item_id)


def at(wall_ms: int) -> str:
    return words.clock_time(wall_ms, now_ms=NOW)


def test_one_bot_online() -> None:
    shown = view([a_bot(State.ONLINE)], NOW)
    assert shown.icon is IconName.ONLINE
    assert shown.title == "deploybot: online"
    assert shown.tooltip == f"deploybot (Acme): online since {at(NOW - HOUR)}"
    assert labels(shown.menu) == [
        f"{shown.tooltip}, for 1h 00m 00s",
        "All is well",
        "No outage so far",
        "Reconnect",
        "Pause",
        "---",
        "View session log",
        "---",
        "Quit",
    ]
    assert [each.id for each in shown.menu if each.enabled and each.visible and not each.separator] == [
        "reconnect",
        "pause:deploybot",
        "log",
        "quit",
    ]
    assert shown.default_id == "reconnect"


def test_one_bot_offline_says_since_when_why_and_what_next() -> None:
    outage = Outage(NOW - 5 * HOUR, 130_000, "goodbye")
    waiting = a_bot(State.OFFLINE, failure=DROP, next_try_wall_ms=NOW + 5_000, last_outage=outage)
    shown = view([waiting], NOW)
    assert shown.tooltip.splitlines() == [
        f"deploybot (Acme): offline since {at(NOW - HOUR)}",
        "Why: hung up without a close frame",
        f"Next try at {at(NOW + 5_000)}",
        f"Last outage: {at(NOW - 5 * HOUR)}, for 2m 10s: Slack said goodbye",
    ]
    assert labels(shown.menu)[:3] == [
        f"deploybot (Acme): offline since {at(NOW - HOUR)}, for 1h 00m 00s",
        "hung up without a close frame · Next try in 5s",
        f"Last outage: {at(NOW - 5 * HOUR)}, for 2m 10s: Slack said goodbye",
    ]
    trying = view([a_bot(State.OFFLINE, failure=DROP, attempting=True)], NOW)
    assert trying.tooltip.splitlines()[-1] == "Trying now"
    assert labels(trying.menu)[1] == "hung up without a close frame · Trying now"


def test_the_menu_tells_the_time_at_which_it_is_opened() -> None:
    """One view, drawn once: nothing happens to the bot, and the menu is opened now and then."""
    menu = view(
        [a_bot(State.OFFLINE, since_wall_ms=NOW - 500, failure=DROP, next_try_wall_ms=NOW + 61_500)], NOW
    ).menu
    since = f"deploybot (Acme): offline since {at(NOW - 500)}"
    seen = [labels(menu, NOW + gone)[:2] for gone in (0, 1_500, 61_000, 61_500, 90_000)]
    assert seen == [
        [since, "hung up without a close frame · Next try in 1m 02s"],
        [f"{since}, for 2s", "hung up without a close frame · Next try in 1m 00s"],
        [f"{since}, for 1m 01s", "hung up without a close frame · Next try in 1s"],
        [f"{since}, for 1m 02s", "hung up without a close frame · Next try at any moment"],
        [f"{since}, for 1m 30s", "hung up without a close frame · Next try at any moment"],
    ]
    # The clock was set back meanwhile.
    assert labels(menu, NOW - HOUR)[0] == since


def test_the_day_s_uptime_goes_on_with_the_state(tokyo: None) -> None:
    """12 hours of the day are known: 11 up, 1 down. Then it is offline for 12 hours, and into the next day."""
    noon = 1_482_202_800_000  # 2016-12-20 12:00 in Tokyo
    today = Today(11 * HOUR, HOUR, noon)
    shown = view([a_bot(State.OFFLINE, since_wall_ms=noon, today=today)], noon)
    line = item(shown.menu, "today:deploybot")
    assert line.visible
    assert not line.enabled
    assert shown.tooltip.splitlines()[-1] == "Up today: 91.6%, as of 12:00:00"
    assert [line.text(noon + gone * HOUR) for gone in (0, 1, 11, 13)] == [
        "Up today: 91.6%",
        "Up today: 84.6%",
        "Up today: 47.8%",
        "Up today: 0.0%",
    ]
    well = view([a_bot(State.ONLINE, since_wall_ms=noon, today=today)], noon)
    assert item(well.menu, "today:deploybot").text(noon + 13 * HOUR) == "Up today: 100.0%"
    paused = view([a_bot(State.PAUSED, since_wall_ms=noon, today=today)], noon)
    assert item(paused.menu, "today:deploybot").text(noon + 11 * HOUR) == "Up today: 91.6%"
    assert item(paused.menu, "today:deploybot").text(noon + 13 * HOUR) == "Up today: nothing known yet"
    # Drawn anew after midnight, with the figures of the day before.
    late = view([a_bot(State.ONLINE, since_wall_ms=noon, today=today)], noon + 13 * HOUR)
    assert item(late.menu, "today:deploybot").text(noon + 13 * HOUR) == "Up today: 100.0%"
    assert "today" not in late.tooltip


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_what_is_not_known_of_the_day_is_not_said() -> None:
    shown = view([a_bot(State.ONLINE)], NOW)
    assert not item(shown.menu, "today:deploybot").visible
    assert "today" not in shown.tooltip


def test_an_attempt_changes_labels_but_no_item() -> None:
    """An open menu is not rebuilt while traymon tries and waits and tries."""
    waiting = view([a_bot(State.OFFLINE, failure=DROP, next_try_wall_ms=NOW + 5_000)], NOW)
    trying = view([a_bot(State.OFFLINE, failure=DROP, attempting=True)], NOW + 5_000)
    assert [each.id for each in waiting.menu] == [each.id for each in trying.menu]
    assert waiting != trying


def test_no_change_of_a_bot_s_state_brings_or_takes_an_item() -> None:
    """An open menu is not rebuilt: what has nothing to say is hidden, and keeps its place."""

    def ids(menu: tuple[MenuItem, ...]) -> list[str]:
        return [each.id for each in walk(menu)]

    today = Today(HOUR, 0, NOW)
    wanted = ids(view([a_bot(State.ONLINE)], NOW).menu)
    for state, failure, day in itertools.product(State, (None, DROP), (None, today)):
        assert ids(view([a_bot(state, failure=failure, today=day)], NOW).menu) == wanted
    assert ids(view([a_bot(State.ONLINE)], NOW, ["The disk is full."]).menu) == wanted
    # As many lines in sight, too: nothing moves from under the pointer.
    assert len({len(labels(view([a_bot(state)], NOW).menu)) for state in State}) == 1
    both = [a_bot(State.ONLINE), a_bot(State.ONLINE, "b")]
    wanted = ids(view(both, NOW, choices=Choices()).menu)
    both[1] = a_bot(State.OFFLINE, "b", failure=DROP, next_try_wall_ms=NOW)
    for choices in (Choices(autostart=True), Choices(notifications=False, why="not here")):
        assert ids(view(both, NOW, choices=choices).menu) == wanted


def test_time_alone_changes_nothing() -> None:
    bot = a_bot(State.OFFLINE, failure=DROP, next_try_wall_ms=NOW + 5_000)
    assert view([bot], NOW) == view([bot], NOW + 4_000)


def test_refusal_names_the_fix() -> None:
    refused = Failure(Cause.REFUSED_TOKEN, Phase.API, detail="token_revoked")
    shown = view([a_bot(State.REFUSED, failure=refused)], NOW)
    assert shown.icon is IconName.REFUSED
    assert "Give traymon a new one: “Set up a bot…” in the menu" in shown.tooltip


def test_paused_offers_to_resume() -> None:
    shown = view([a_bot(State.PAUSED)], NOW)
    assert shown.icon is IconName.PAUSED
    assert item(shown.menu, "resume:deploybot").visible
    assert not item(shown.menu, "pause:deploybot").visible


def test_warning_doubt_and_lag_are_said_while_online() -> None:
    bot = a_bot(
        State.ONLINE, failure=Failure(Cause.RATE_LIMITED, Phase.API), suspect=True, not_logged_yet=True
    )
    shown = view([bot], NOW, ["The disk is full."])
    assert shown.icon is IconName.ONLINE
    assert shown.tooltip.splitlines() == [
        f"deploybot (Acme): online since {at(NOW - HOUR)} (not logged yet)",
        "Warning: Slack asks to wait",
        "Not heard from just now; checking the link",
        "The disk is full.",
    ]
    assert labels(shown.menu)[:3] == [
        "The disk is full.",
        f"deploybot (Acme): online since {at(NOW - HOUR)}, for 1h 00m 00s (not logged yet)",
        "Slack asks to wait · Not heard from just now; checking the link",
    ]


def test_several_bots() -> None:
    shown = view([a_bot(State.ONLINE, "a"), a_bot(State.OFFLINE, "b", failure=DROP)], NOW)
    assert shown.icon is IconName.OFFLINE
    assert shown.title == "1 of 2 bots online"
    assert shown.tooltip.splitlines() == [
        "1 of 2 bots online",
        f"b: offline since {at(NOW - HOUR)}: hung up without a close frame",
        f"a: online since {at(NOW - HOUR)}",
    ]
    assert [each.id for each in shown.menu if each.visible and not each.separator] == [
        "reconnect",
        "bot:a",
        "bot:b",
        "log",
        "quit",
    ]
    assert shown.default_id == "reconnect"
    submenu = item(shown.menu, "bot:a")
    assert submenu.text(NOW) == "a (Acme): online"
    assert labels(submenu.submenu)[0] == f"a (Acme): online since {at(NOW - HOUR)}, for 1h 00m 00s"
    inner = [each.id for each in submenu.submenu if each.visible]
    assert inner == ["state:a", "why:a", "outage:a", "reconnect:a", "pause:a"]


def test_many_bots_fit_into_the_tooltip_worst_first() -> None:
    bots = [a_bot(State.ONLINE, f"bot{n}") for n in range(49)] + [a_bot(State.REFUSED, "last")]
    lines = view(bots, NOW).tooltip.splitlines()
    assert len(lines) == MOST_BOTS_IN_TOOLTIP + 2
    assert lines[1].startswith("last: ")
    assert lines[-1] == "and 42 more"


def test_no_bot_at_all() -> None:
    shown = view([], NOW, choices=Choices())
    assert shown.icon is IconName.NO_BOT
    assert shown.title == "traymon: no bot yet"
    assert shown.tooltip.splitlines() == [shown.title, "“Set up a bot…” in the menu brings one online."]
    assert shown.default_id == "setup"
    assert labels(shown.menu) == [
        "Set up a bot…",
        "No bot is set up yet: nothing is held online",
        "---",
        "View session log",
        "Open text log",
        "Copy diagnostics",
        "---",
        "Notifications",
        "---",
        "About traymon",
        "Quit",
    ]


def test_choices_are_check_marks() -> None:
    menu = view([a_bot(State.ONLINE)], NOW, choices=Choices(notifications=False, autostart=True)).menu
    assert [each.id for each in menu if each.visible and not each.separator][-8:] == [
        "log",
        "textlog",
        "diagnostics",
        "notifications",
        "autostart",
        "setup",
        "about",
        "quit",
    ]
    assert item(menu, "notifications").checked is False
    assert item(menu, "autostart").checked is True
    assert [each.id for each in menu if each.default] == ["reconnect"]


def test_start_at_login_says_why_it_cannot_be_chosen() -> None:
    menu = view([a_bot(State.ONLINE)], NOW, choices=Choices(why="this system has no such folder")).menu
    autostart = item(menu, "autostart")
    assert autostart.text(NOW) == "Start at login: this system has no such folder"
    assert autostart.visible
    assert not autostart.enabled
    assert autostart.checked is None


def test_an_outage_without_a_cause() -> None:
    shown = view([a_bot(State.ONLINE, last_outage=Outage(NOW - HOUR, 1000, None))], NOW)
    assert f"Last outage: {at(NOW - HOUR)}, for 1s" in labels(shown.menu)


def test_worst_state_of_several() -> None:
    ladder = [State.REFUSED, State.OFFLINE, State.CONNECTING, State.AWAY, State.ONLINE, State.PAUSED]
    for better in range(1, len(ladder)):
        for worse in range(better):
            assert worst([ladder[better], ladder[worse]]) is ladder[worse]
    assert worst([State.PAUSED, State.PAUSED]) is State.PAUSED


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_icon(state: State) -> None:
    shown = view([a_bot(state)], NOW)
    up = {State.ONLINE: IconName.ONLINE, State.AWAY: IconName.AWAY}
    assert (shown.icon in up.values()) == (state in up)
    assert shown.icon is not IconName.NO_BOT


def test_a_link_without_a_program_is_no_green_dot() -> None:
    shown = view([a_bot(State.ONLINE, programs=0)], NOW)
    assert shown.icon is IconName.ONLINE_NO_PROGRAM
    assert shown.title == "deploybot: online, but no program is attached"
    assert shown.tooltip == f"deploybot (Acme): online since {at(NOW - HOUR)}, but no program is attached"
    assert labels(shown.menu)[1] == "Nobody answers: start the bot's own program"


@pytest.mark.parametrize("programs", [None, 1, 2])
def test_a_program_that_is_there_or_may_be_leaves_the_dot_green(programs: int | None) -> None:
    assert said([a_bot(State.ONLINE, programs=programs)]) == said([a_bot(State.ONLINE)])


def test_what_keeps_programs_from_working_is_no_green_dot_either() -> None:
    sentence = (
        "deploybot: Slack refuses the bot's token (token_revoked), which programs of RTM need. Give traymon …"
    )
    bot = a_bot(State.ONLINE, programs=1, trouble=sentence)
    shown = view([bot], NOW)
    assert shown.icon is IconName.ONLINE_NO_PROGRAM
    assert shown.tooltip.splitlines()[1] == sentence
    assert labels(shown.menu)[1] == "The link is up, but its programs cannot work"
    assert item(shown.menu, "trouble:deploybot").text(NOW) == sentence
    assert item(shown.menu, "trouble:deploybot").visible
    assert not item(view([a_bot(State.ONLINE)], NOW).menu, "trouble:deploybot").visible
    nobody = view([replace(bot, attached=())], NOW).menu
    assert not item(nobody, "programs:deploybot").visible, "nobody can attach now"
    first = view([a_bot(State.ONLINE, "a"), bot], NOW).tooltip.splitlines()[1]
    assert first.endswith(": The link is up, but its programs cannot work")


def said(bots: list[BotView]) -> tuple[object, ...]:
    """All that a person sees."""
    shown = view(bots, NOW)
    return shown.icon, shown.title, shown.tooltip, labels(shown.menu), labels(shown.menu, NOW + HOUR)


@pytest.mark.parametrize("state", [state for state in State if state is not State.ONLINE])
def test_no_program_is_said_of_a_bot_online_only(state: State) -> None:
    assert said([a_bot(state, programs=0)]) == said([a_bot(state)])


def test_of_several_bots_one_without_a_program_shows_when_nothing_is_worse() -> None:
    well, lonely, away = (
        a_bot(State.ONLINE),
        a_bot(State.ONLINE, "lonely", programs=0),
        a_bot(State.AWAY, "a"),
    )
    assert view([well, lonely], NOW).icon is IconName.ONLINE_NO_PROGRAM
    assert view([lonely, a_bot(State.PAUSED, "p")], NOW).icon is IconName.ONLINE_NO_PROGRAM
    assert view([lonely, away], NOW).icon is IconName.AWAY
    assert view([well, lonely], NOW).tooltip.splitlines()[1].startswith("lonely")


def test_several_bots_that_are_not_alike_are_marked() -> None:
    well, lost, lonely = (
        a_bot(State.ONLINE),
        a_bot(State.OFFLINE, "b"),
        a_bot(State.ONLINE, "lonely", programs=0),
    )
    assert view([well, lost], NOW).mixed
    assert view([well, lonely], NOW).mixed
    assert view([well, a_bot(State.PAUSED, "p")], NOW).mixed
    for alike in ([], [lost], [well, a_bot(State.ONLINE, "b")], [lost, a_bot(State.OFFLINE, "c")]):
        assert not view(alike, NOW).mixed


LONG = "名前の長いボット" * 30


def test_long_names_are_cut_in_their_middle() -> None:
    bot = a_bot(State.ONLINE, f"prod-{LONG}-1", workspace=f"{LONG}-2")
    shown = view([bot], NOW)
    assert shown.title == "prod-名前の…いボット-1: online"
    label = labels(shown.menu)[0]
    assert label.startswith("prod-名前の…いボット-1 (名前の長い…いボット-2): online")
    assert columns(label) <= WIDEST_LABEL


def test_windows_tooltip_keeps_what_matters() -> None:
    """State, cause and next try fit into its 127 units with ordinary names; what does not fit goes last."""
    bot = a_bot(
        State.OFFLINE,
        failure=DROP,
        next_try_wall_ms=NOW + 5_000,
        last_outage=Outage(NOW - 5 * HOUR, 130_000, "goodbye"),
        today=Today(HOUR, HOUR, NOW),
    )
    shown = lines_within(view([bot], NOW).tooltip, LONGEST_TOOLTIP)
    assert shown.splitlines()[:3] == [
        f"deploybot (Acme): offline since {at(NOW - HOUR)}",
        "Why: hung up without a close frame",
        f"Next try at {at(NOW + 5_000)}",
    ]


@pytest.fixture
def japanese() -> Iterator[None]:
    words.choose("ja", {})
    yield
    words.choose("en", {})


@pytest.mark.parametrize("state", State)
def test_japanese_fits_as_well(japanese: None, state: State) -> None:
    """Twice as wide by the character: the first line of the tooltip is whole on Windows, and no label is cut."""
    bot = a_bot(
        state,
        LONG,
        workspace=LONG,
        failure=DROP,
        next_try_wall_ms=NOW + 5_000,
        last_outage=Outage(NOW - 50 * HOUR, 130_000, "keepalive_timeout"),
        today=Today(HOUR, HOUR, NOW),
        not_logged_yet=True,
    )
    shown = view([bot], NOW, choices=Choices(autostart=True))
    whole = shown.tooltip.split("\n")
    assert lines_within(shown.tooltip, LONGEST_TOOLTIP).split("\n")[0] == whole[0]
    for label in labels(shown.menu):
        assert columns(label) <= WIDEST_LABEL
        assert not label.endswith("…") or label == words.gettext("Set up a bot…"), label
    assert words.state(state) in labels(shown.menu)[0]
    assert not words.state(state).isascii()


FAILURES = st.builds(
    Failure,
    st.sampled_from(Cause),
    st.sampled_from(Phase),
    detail=st.text(),
    close_code=st.none() | st.integers(1000, 4999),
    evidence=st.dictionaries(st.sampled_from(["host", "error", "http_status"]), st.text()),
)
WALL = st.integers(-(10**13), 10**14)
BOTS = st.lists(
    st.builds(
        BotView,
        name=st.text(min_size=1),
        workspace=st.none() | st.text(),
        state=st.sampled_from(State),
        since_wall_ms=WALL,
        failure=st.none() | FAILURES,
        next_try_wall_ms=st.none() | WALL,
        attempting=st.booleans(),
        suspect=st.booleans(),
        last_outage=st.none() | st.builds(Outage, WALL, st.integers(0, 10**12), st.none() | st.text()),
        not_logged_yet=st.booleans(),
        programs=st.none() | st.integers(0, 3),
        trouble=st.text(),
        today=st.none() | st.builds(Today, st.integers(0, 10**9), st.integers(0, 10**9), WALL),
    ),
    max_size=12,
    unique_by=lambda bot: bot.name,
)


CHOICES = st.none() | st.builds(Choices, st.booleans(), st.none() | st.booleans(), st.text())


@given(BOTS, WALL, WALL, st.lists(st.text(), max_size=3), CHOICES)
def test_whatever_slack_and_the_user_named(
    bots: list[BotView], now: int, opened: int, faults: list[str], choices: Choices | None
) -> None:
    shown = view(bots, now, faults, choices)
    assert_printable(shown, opened)
    for menu in (shown.menu, *(item.submenu for item in shown.menu)):
        ids = [item.id for item in menu]
        assert len(ids) == len(set(ids))
        seen = [item for item in menu if item.visible]
        assert not any(item.separator for item in (*seen[:1], *seen[-1:]))
        assert not any(a.separator and b.separator for a, b in itertools.pairwise(seen))
        assert all(item.text(opened) for item in seen if not item.separator)
    assert shown.default_id == ("reconnect" if bots else "setup")
    assert (shown.icon is IconName.PAUSED) == (bool(bots) and all(bot.state is State.PAUSED for bot in bots))
    assert view(bots, now, faults, choices) == shown


def assert_printable(shown: TrayView, opened: int) -> None:
    labels = [each.text(opened) for each in walk(shown.menu)]
    assert all(columns(label) <= WIDEST_LABEL for label in labels)
    for char in "".join([shown.title, *shown.tooltip.split("\n"), *labels]):
        # The two joiners are part of written words; no other format character may act.
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}, repr(char)
        assert unicodedata.category(char) != "Cf" or char in "\u200c\u200d", repr(char)


def test_programs_on_the_relay() -> None:
    alone = BotView("deploybot", None, State.ONLINE, NOW - HOUR)
    one = ProgramView("slack-bolt/5.0", NOW - HOUR)
    told = {
        None: "",
        (): "“traymon relay” says how to attach one",
        (one,): f"Attached: slack-bolt/5.0 since {at(NOW - HOUR)}",
        (one, ProgramView("a\x1b", NOW)): f"Attached: 2 programs, the last a\\x1b since {at(NOW)}",
    }
    for attached, text in told.items():
        shown = item(view([replace(alone, attached=attached)], NOW).menu, "programs:deploybot")
        assert shown.text(NOW) == text
        assert shown.visible is bool(text)
