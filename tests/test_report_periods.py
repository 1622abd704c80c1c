"""Bands and sums: programs, and what is shown of a span that the cut goes through."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from tests.report_world import BOT, NOW, Log
from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import State
from traymon.report.figures import BotFigures, Piece, Tally, figures
from traymon.sessionlog.rows import MACHINE, Event

BEGAN = NOW - 100_000


def programs(log: Log, *changes: tuple[int, Any]) -> Log:
    for after, count in changes:
        log.event(NoteKind.PROGRAM, BEGAN + after, attached=count)
    return log


def lane(bot: BotFigures) -> list[tuple[int, int, str]]:
    return [(piece.at - BEGAN, piece.until - BEGAN, piece.state) for piece in bot.programs]


def test_answered_is_up_with_a_program_as_far_as_that_is_known() -> None:
    log = Log().span(State.ONLINE, 100).span(State.OFFLINE, 50).span(State.AWAY, 100, open=True)
    bot = programs(log, (20, 1), (40, 2), (70, 0), (160, 1)).figures(running=True, cut_at=BEGAN)
    assert lane(bot)[:3] == [(20, 70, "attached"), (70, 160, "detached"), (160, 250, "attached")]
    tally = bot.tally
    assert (tally.up_ms, tally.watched_ms, tally.answered_ms) == (200, 80 + 100, 50 + 90)
    assert tally.answered == 140 / 180


def test_where_nothing_is_known_of_programs_nothing_is_said() -> None:
    bot = Log().span(State.ONLINE, 100).figures(running=True)
    assert (bot.tally.answered_ms, bot.tally.answered, bot.programs) == (None, None, ())
    damaged = programs(Log().span(State.ONLINE, 100), (20, "many")).figures(running=True)
    assert damaged.tally.answered_ms is None


def test_what_programs_did_in_one_run_says_nothing_of_the_next() -> None:
    log = programs(Log().span(State.ONLINE, 100, "quit"), (20, 1))
    bot = log.span(State.UNKNOWN, 50).span(State.ONLINE, 100, run=2).figures(running=True)
    assert lane(bot) == [(20, 100, "attached")]
    assert (bot.tally.watched_ms, bot.tally.answered_ms) == (80, 80)


def test_the_cut_goes_through_bands_and_lane() -> None:
    log = Log().span(State.ONLINE, 100, "user").span(State.PAUSED, 100, open=True)
    bot = programs(log, (0, 1)).figures(running=True, cut_at=BEGAN + 30)
    assert bot.pieces == (
        Piece(BEGAN + 30, BEGAN + 100, "online", "user"),
        Piece(BEGAN + 100, BEGAN + 200, "paused"),
    )
    assert lane(bot) == [(30, 200, "attached")]
    assert (bot.tally.up_ms, bot.tally.answered_ms, bot.tally.paused_ms) == (70, 70, 100)


def test_a_moment_in_between_is_no_band() -> None:
    log = Log().span(State.ONLINE, 100, "reset").span(State.OFFLINE, 0).span(State.ONLINE, 50, "user")
    bot = log.figures(running=True)
    assert bot.pieces == (Piece(BEGAN, BEGAN + 150, "online", "user"),)
    assert (len(bot.sessions), bot.tally.outages) == (2, 1)


def test_lanes_and_answers_follow_a_clock_that_is_set_back() -> None:
    log = Log()
    log.span(State.ONLINE, 100, open=True)
    (span,) = log.spans
    steps = [Event(9, BEGAN + 10, MACHINE, NoteKind.CLOCK, {"step_ms": -50}, run=1)]
    programs(log, (30, 1))
    late = Event(10, BEGAN + 30, BOT, NoteKind.PROGRAM, {"attached": 0}, run=1)  # 80 after the beginning
    bent = replace(span, seen_at=BEGAN + 50)
    found = figures([bent], [*log.events, *steps, late], now_ms=NOW, zone=ZoneInfo("UTC"), running=True)
    assert lane(found.bots[0]) == [(30, 60, "attached"), (10, 30, "attached"), (30, 50, "detached")]
    assert (found.bots[0].tally.answered_ms, found.bots[0].tally.watched_ms) == (50, 70)


def test_shares_of_nothing_are_none() -> None:
    assert (Tally().uptime_awake, Tally().uptime_known, Tally().whole_ms) == (None, None, 0)
    tally = Tally(up_ms=60, down_ms=20, paused_ms=10, asleep_ms=10, unknown_ms=900)
    assert (tally.uptime_awake, tally.uptime_known) == (0.75, 0.6)
    assert (tally.known_ms, tally.whole_ms) == (100, 1_000)
