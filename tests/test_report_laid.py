"""Open spans, the end of traymon, and events by the spans in which they happened."""

from dataclasses import replace

from tests.report_world import NOW, Log
from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import State
from traymon.report.laid import Held, Laid, Notes, lay_out
from traymon.report.stretches import Noted, Stretch, WallClock
from traymon.sessionlog.rows import Event

RUNS = Held(NOW, True, 1, 60_000)
DIED = replace(RUNS, running=False)


def laid(log: Log, held: Held) -> list[Laid]:
    return lay_out(log.spans, WallClock("deploybot", []), held)


def ends(found: list[Laid]) -> list[tuple[str, int, int, bool, str | None]]:
    return [(one.span.state, one.until - NOW, one.lasted_ms, one.over, one.cause) for one in found]


def test_an_open_span_lasts_to_now_while_traymon_runs() -> None:
    assert ends(laid(Log(NOW - 9_000).span(State.ONLINE, 2_000, open=True), RUNS)) == [
        ("online", 0, 9_000, False, None)
    ]


def test_a_clock_that_was_set_back_shortens_nothing() -> None:
    assert ends(laid(Log(NOW - 1_000).span(State.ONLINE, 2_000, open=True), RUNS)) == [
        ("online", 1_000, 2_000, False, None)
    ]


def test_where_the_log_lags_behind_an_open_span_lasts_to_its_heartbeat() -> None:
    assert ends(laid(Log(NOW - 100_000).span(State.ONLINE, 30_000, open=True), RUNS)) == [
        ("online", -70_000, 30_000, False, None)
    ]


def test_after_its_death_traymon_held_nothing_and_knows_nothing() -> None:
    assert ends(laid(Log(NOW - 100_000).span(State.ONLINE, 30_000, open=True), DIED)) == [
        ("online", -70_000, 30_000, True, "traymon_died"),
        ("unknown", 0, 70_000, False, None),
    ]
    assert ends(laid(Log(NOW - 100_000).span(State.ONLINE, 30_000, "quit"), DIED))[1:] == [
        ("unknown", 0, 70_000, False, None)
    ]


def test_nothing_is_said_of_a_bot_that_the_last_run_did_not_hold() -> None:
    log = Log(NOW - 100_000).span(State.ONLINE, 30_000, "quit")
    assert len(laid(log, replace(DIED, latest_run=2))) == 1
    assert len(laid(log, RUNS)) == 1  # removed while traymon runs


def test_notes_are_found_by_the_spans_they_lie_in() -> None:
    def event(line: int, run: int = 1) -> Noted:
        return Noted(line, Event(line, line, "deploybot", NoteKind.FAIL, run=run))

    def numbers(*spans: Laid, closing: bool) -> list[int | None]:
        return [found.id for found in notes.inside(spans, closing=closing)]

    notes = Notes([event(30), event(10), event(20), event(25, run=2), event(40)])
    span = Log().span(State.OFFLINE, 10).spans[0]
    first = Laid(span, 10, True, None, [Stretch(500, 510, 10)])
    second = Laid(span, 10, True, None, [Stretch(700, 710, 20)])
    assert numbers(first, closing=True) == [20]
    assert numbers(first, closing=False) == [10]
    assert numbers(first, second, closing=True) == [20, 30]
    assert numbers(first, replace(second, over=False), closing=False) == [10, 20, 30, 40]
    assert Notes([]).inside([first], closing=True) == []
