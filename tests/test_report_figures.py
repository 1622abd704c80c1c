"""Every figure of the report against one computed the slow, obvious way, over logs that a real store wrote."""

from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report_world import (
    BEGINNINGS,
    LIVES,
    NOW,
    QUARTER,
    SLOW_MACHINES_TOO,
    STEADY_LIVES,
    End,
    Log,
    Move,
    World,
    expected,
)
from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import State
from traymon.report.figures import Figures, figures, seems_running
from traymon.report.window import shown_end
from traymon.sessionlog.rows import Event
from traymon.sessionlog.view import LogView


def a_world(folder: str, beginning: tuple[str, datetime], moves: list[Move], end: End | None) -> World:
    world = World(Path(folder) / "sessions.sqlite3", beginning)
    world.live(moves)
    world.close(end=end)
    return world


ENDS = st.none() | st.builds(End, st.booleans(), st.integers(0, 60), st.just(False))


@settings(max_examples=100, suppress_health_check=SLOW_MACHINES_TOO)
@given(st.sampled_from(BEGINNINGS), LIVES, ENDS)
def test_every_figure_is_the_one_counted_by_quarters_of_an_hour(
    beginning: tuple[str, datetime], moves: list[Move], end: End | None
) -> None:
    with TemporaryDirectory() as folder:
        world = a_world(folder, beginning, moves, end)
        view = LogView(Path(folder) / "sessions.sqlite3")
        found = figures(view.spans(), view.events(), now_ms=world.wall, zone=world.zone)
    wanted = expected(world)
    for one in fields(wanted.bots[0]):
        assert getattr(found.bots[0], one.name) == getattr(wanted.bots[0], one.name), one.name
    assert found == wanted


@settings(max_examples=60, suppress_health_check=SLOW_MACHINES_TOO)
@given(st.sampled_from(BEGINNINGS), STEADY_LIVES, ENDS, st.integers(0, 2_000))
def test_what_lies_before_the_cut_counts_nowhere(
    beginning: tuple[str, datetime], moves: list[Move], end: End | None, after: int
) -> None:
    with TemporaryDirectory() as folder:
        world = a_world(folder, beginning, moves, end)
        view = LogView(Path(folder) / "sessions.sqlite3")
        cut_at = world.cells[after % len(world.cells)].wall + QUARTER // 3 if world.cells else world.wall
        kept = [span for span in view.spans() if shown_end(span) > cut_at]
        found = figures(kept, view.events(), now_ms=world.wall, zone=world.zone, cut_at=cut_at)
    whole = expected(world).bots[0]
    for bot in found.bots:
        assert bot.tally.whole_ms == world.wall - cut_at
        for days in (bot.days, bot.weeks, bot.months):
            assert sum(period.tally.whole_ms for period in days) == bot.tally.whole_ms
            assert sum(period.tally.up_ms for period in days) == bot.tally.up_ms
            assert sum(period.tally.sessions for period in days) == sum(
                session.started_at >= cut_at for session in bot.sessions
            )
        assert bot.tally.up_ms == sum(
            max(0, piece.until - max(piece.at, cut_at))
            for piece in whole.pieces
            if piece.state in ("online", "away")
        )
        assert bot.days[1:] == tuple(day for day in whole.days if day.label_at > bot.days[0].label_at)
        assert bot.links == tuple(life for life in whole.links if life.at >= cut_at)
        sessions = [one for one in whole.sessions if one.ended_at is None or one.ended_at > cut_at]
        assert [(one.ended_at, one.cause, one.dropped) for one in bot.sessions] == [
            (one.ended_at, one.cause, one.dropped) for one in sessions
        ]
        outages = [one for one in whole.outages if one.ended_at is None or one.ended_at > cut_at]
        # Of the first, what failed may lie before the cut, and with it all that makes it an outage.
        assert len(bot.outages) in (len(outages), len(outages) - 1)
        for mine, true in [
            *zip(bot.sessions, sessions, strict=True),
            *zip(reversed(bot.outages), reversed(outages), strict=False),
        ]:
            assert mine.lasted_ms <= true.lasted_ms
            assert mine.cut or (mine.started_at, mine.lasted_ms) == (true.started_at, true.lasted_ms)


def test_nothing_is_a_report_too() -> None:
    nothing = figures([], [], now_ms=NOW, zone=ZoneInfo("UTC"))
    assert nothing == Figures(NOW, NOW, NOW, "UTC")


def test_bots_are_told_apart_and_named_in_order() -> None:
    log = Log().span(State.ONLINE, 50).event(NoteKind.START, NOW - 100_000)
    others = [replace(log.spans[0], bot=name) for name in ("Zoo", "anna", "")]
    found = figures(
        [*others, *log.spans], log.events, now_ms=NOW, zone=ZoneInfo("UTC"), workspaces={"anna": "Acme"}
    )
    assert [(bot.bot, bot.workspace, bot.tally.up_ms) for bot in found.bots] == [
        ("", None, 50),
        ("anna", "Acme", 50),
        ("deploybot", None, 50),
        ("Zoo", None, 50),
    ]


def test_rows_that_no_calendar_holds_are_left_out() -> None:
    log = Log().span(State.ONLINE, 50)
    (span,) = log.spans
    far = 10**18
    odd = [
        replace(span, started_at=-5),
        replace(span, lasted_ms=far),
        replace(span, started_at=far, ended_at=far, seen_at=far),
    ]
    events = [Event(1, far, "deploybot", NoteKind.START), Event(1, -far, "", NoteKind.CLOCK)]
    found = figures([*odd, span], [*events, *log.events], now_ms=NOW, zone=ZoneInfo("Europe/Berlin"))
    assert found == figures([span], [], now_ms=NOW, zone=ZoneInfo("Europe/Berlin"))


def test_a_young_heartbeat_says_that_traymon_runs() -> None:
    assert seems_running(Log(NOW - 60_000).span(State.ONLINE, 0, open=True).spans, NOW)
    assert not seems_running(Log(NOW - 60_001).span(State.ONLINE, 0, open=True).spans, NOW)
    assert not seems_running(Log(NOW - 10).span(State.ONLINE, 0).spans, NOW)


def test_a_bot_of_now_and_one_that_was_removed() -> None:
    log = Log(NOW - 10_000).span(State.ONLINE, 5_000, open=True)
    removed = replace(log.spans[0], bot="old", ended_at=NOW - 5_000)
    now, old = figures([*log.spans, removed], [], now_ms=NOW, zone=ZoneInfo("UTC")).bots
    assert (now.state, now.since_at, now.tally.up_ms) == (State.ONLINE, NOW - 10_000, 10_000)
    assert (old.state, old.since_at, old.tally.up_ms) == (State.UNKNOWN, NOW - 5_000, 5_000)
