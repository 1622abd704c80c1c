"""What the tray says of the bots."""

import itertools
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon import words
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.tray.base import IconName, MenuItem, TrayView, walk
from traymon.tray.view import MOST_BOTS_IN_TOOLTIP, BotView, view, worst

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


def labels(items: tuple[MenuItem, ...]) -> list[str]:
    return ["---" if item.separator else item.label for item in items]


def at(wall_ms: int) -> str:
    return words.clock_time(wall_ms, now_ms=NOW)


def test_one_bot_online() -> None:
    shown = view([a_bot(State.ONLINE)], NOW)
    assert shown.icon is IconName.ONLINE
    assert shown.title == "deploybot: online"
    assert shown.tooltip == f"deploybot (Acme): online since {at(NOW - HOUR)}"
    assert labels(shown.menu) == [
        shown.tooltip,
        "No outage so far",
        "Reconnect",
        "Pause",
        "---",
        "View session log",
        "---",
        "Quit",
    ]
    assert [item.id for item in shown.menu if item.enabled and not item.separator] == [
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
    ]
    assert labels(shown.menu)[1:3] == [
        f"hung up without a close frame · Next try at {at(NOW + 5_000)}",
        f"Last outage: {at(NOW - 5 * HOUR)}, for 2m 10s: Slack said goodbye",
    ]
    trying = view([a_bot(State.OFFLINE, failure=DROP, attempting=True)], NOW)
    assert trying.tooltip.splitlines()[-1] == "Trying now"


def test_an_attempt_changes_labels_but_no_item() -> None:
    """An open menu is not rebuilt while traymon tries and waits and tries."""
    waiting = view([a_bot(State.OFFLINE, failure=DROP, next_try_wall_ms=NOW + 5_000)], NOW)
    trying = view([a_bot(State.OFFLINE, failure=DROP, attempting=True)], NOW + 5_000)
    assert [item.id for item in waiting.menu] == [item.id for item in trying.menu]
    assert waiting != trying


def test_time_alone_changes_nothing() -> None:
    bot = a_bot(State.OFFLINE, failure=DROP, next_try_wall_ms=NOW + 5_000)
    assert view([bot], NOW) == view([bot], NOW + 4_000)


def test_refusal_names_the_fix() -> None:
    refused = Failure(Cause.REFUSED_TOKEN, Phase.API, detail="token_revoked")
    shown = view([a_bot(State.REFUSED, failure=refused)], NOW)
    assert shown.icon is IconName.REFUSED
    assert "Run traymon setup with a new one" in shown.tooltip


def test_paused_offers_to_resume() -> None:
    shown = view([a_bot(State.PAUSED)], NOW)
    assert shown.icon is IconName.PAUSED
    assert "resume:deploybot" in [item.id for item in shown.menu]
    assert "pause:deploybot" not in [item.id for item in shown.menu]


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
    assert labels(shown.menu)[:2] == ["The disk is full.", "---"]


def test_several_bots() -> None:
    shown = view([a_bot(State.ONLINE, "a"), a_bot(State.OFFLINE, "b", failure=DROP)], NOW)
    assert shown.icon is IconName.OFFLINE
    assert shown.title == "1 of 2 bots online"
    assert shown.tooltip.splitlines() == [
        "1 of 2 bots online",
        f"b (Acme): offline since {at(NOW - HOUR)}: hung up without a close frame",
        f"a (Acme): online since {at(NOW - HOUR)}",
    ]
    assert [item.id for item in shown.menu if not item.separator] == [
        "reconnect",
        "bot:a",
        "bot:b",
        "log",
        "quit",
    ]
    assert shown.default_id == "reconnect"
    inner = [item.id for item in shown.menu[2].submenu]
    assert inner == ["state:a", "outage:a", "reconnect:a", "pause:a"]


def test_many_bots_fit_into_the_tooltip_worst_first() -> None:
    bots = [a_bot(State.ONLINE, f"bot{n}") for n in range(49)] + [a_bot(State.REFUSED, "last")]
    lines = view(bots, NOW).tooltip.splitlines()
    assert len(lines) == MOST_BOTS_IN_TOOLTIP + 2
    assert lines[1].startswith("last ")
    assert lines[-1] == "and 42 more"


def test_no_bot_at_all() -> None:
    shown = view([], NOW)
    assert shown.icon is IconName.CONNECTING
    assert shown.default_id is None
    assert [item.id for item in shown.menu if not item.separator] == ["log", "quit"]


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


def test_a_link_without_a_program_is_no_green_dot() -> None:
    shown = view([a_bot(State.ONLINE, programs=0)], NOW)
    assert shown.icon is IconName.ONLINE_NO_PROGRAM
    assert shown.title == "deploybot: online, but no program is attached"
    assert shown.tooltip == f"deploybot (Acme): online since {at(NOW - HOUR)}, but no program is attached"


@pytest.mark.parametrize("programs", [None, 1, 2])
def test_a_program_that_is_there_or_may_be_leaves_the_dot_green(programs: int | None) -> None:
    assert view([a_bot(State.ONLINE, programs=programs)], NOW) == view([a_bot(State.ONLINE)], NOW)


@pytest.mark.parametrize("state", [state for state in State if state is not State.ONLINE])
def test_no_program_is_said_of_a_bot_online_only(state: State) -> None:
    assert view([a_bot(state, programs=0)], NOW) == view([a_bot(state)], NOW)


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
    ),
    max_size=12,
    unique_by=lambda bot: bot.name,
)


@given(BOTS, WALL, st.lists(st.text(), max_size=3))
def test_whatever_slack_and_the_user_named(bots: list[BotView], now: int, faults: list[str]) -> None:
    shown = view(bots, now, faults)
    assert_printable(shown)
    for menu in (shown.menu, *(item.submenu for item in shown.menu)):
        ids = [item.id for item in menu]
        assert len(ids) == len(set(ids))
        ends = (*menu[:1], *menu[-1:])
        assert not any(item.separator for item in ends)
        assert not any(a.separator and b.separator for a, b in itertools.pairwise(menu))
    assert shown.default_id == ("reconnect" if bots else None)
    assert (shown.icon is IconName.PAUSED) == (bool(bots) and all(bot.state is State.PAUSED for bot in bots))


def assert_printable(shown: TrayView) -> None:
    texts = [shown.title, *shown.tooltip.split("\n"), *(item.label for item in walk(shown.menu))]
    for char in "".join(texts):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}, repr(char)
