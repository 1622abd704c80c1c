"""Spans on a clock that is set, and the events in them."""

from traymon.keeper.core.effects import NoteKind
from traymon.report.stretches import Stretch, WallClock
from traymon.sessionlog.rows import MACHINE, Event

RUN = 3


def step(shown_at: int, ms: int, bot: str = MACHINE, run: int = RUN) -> Event:
    return Event(1, shown_at, bot, NoteKind.CLOCK, {"step_ms": ms}, run=run)


def start(shown_at: int) -> Event:
    return Event(2, shown_at, "bot", NoteKind.START, run=RUN)


def test_a_span_without_a_step_is_one_stretch() -> None:
    assert WallClock("bot", []).lay_out(RUN, 100, 250, 150) == [Stretch(100, 250, 100)]


def test_a_clock_set_forward_skips_a_time_and_one_set_back_shows_it_twice() -> None:
    forward = WallClock("bot", [step(1_150, 1_000)])
    assert forward.lay_out(RUN, 100, 1_250, 150) == [Stretch(100, 150, 100), Stretch(1_150, 1_250, 150)]
    back = WallClock("bot", [step(50, -100)])
    assert back.lay_out(RUN, 100, 150, 150) == [Stretch(100, 150, 100), Stretch(50, 150, 150)]
    assert back.lay_out(RUN, 150, 170, 20) == [Stretch(150, 170, 250)]


def test_a_bots_own_steps_count_and_those_of_other_bots_and_runs_do_not() -> None:
    wall = WallClock("bot", [step(300, 150, "bot"), step(700, 10, "other"), step(700, 10, run=4)])
    assert wall.lay_out(RUN, 100, 900, 650) == [Stretch(100, 150, 100), Stretch(300, 900, 150)]


def test_steps_that_undo_each_other_in_one_span_are_seen_all_the_same() -> None:
    wall = WallClock("bot", [step(1_120, 1_000), step(140, -1_000)])
    assert [one[:2] for one in wall.lay_out(RUN, 100, 200, 100)] == [(100, 120), (1_120, 1_140), (140, 200)]


def test_where_the_steps_before_were_not_read_the_line_is_moved_and_nothing_else() -> None:
    wall = WallClock("bot", [step(250, 50)])
    assert wall.lay_out(RUN, 1_000, 1_010, 10) == [Stretch(1_000, 1_010, 950)]
    assert wall.lay_out(RUN, 1_010, 1_030, 20) == [Stretch(1_010, 1_030, 960)]


def test_a_length_that_no_step_explains_ends_when_the_span_did() -> None:
    for steps in ([], [step(5_000, 7)]):
        wall = WallClock("bot", steps)
        assert wall.lay_out(RUN, 100, 400, 50) == [Stretch(350, 400, 350)]
        assert wall.lay_out(RUN, 400, 440, 40) == [Stretch(400, 440, 400)]


def test_spans_with_a_hole_between_them_are_laid_out_each_for_itself() -> None:
    wall = WallClock("bot", [])
    wall.lay_out(RUN, 100, 200, 100)
    assert wall.lay_out(RUN, 900, 950, 50) == [Stretch(900, 950, 900)]


def test_events_lie_on_the_line() -> None:
    told = [start(100), step(1_150, 1_000), start(1_160), start(140)]
    wall = WallClock("bot", told)
    assert [note.line for note in wall.noted] == [100, 160, 140]  # the last was dated back to before the step
    assert [note.event for note in wall.noted] == [told[0], told[2], told[3]]


def test_an_event_in_the_ms_of_a_step_that_was_written_after_it_lies_at_the_step() -> None:
    wall = WallClock("bot", [start(1_150), step(1_150, 1_000)])
    assert wall.noted[0].line == 150


def test_an_event_at_a_time_that_never_was_lies_where_it_was_written() -> None:
    wall = WallClock("bot", [step(1_150, 1_000), start(700)])
    assert wall.noted[0].line == -300


def test_a_damaged_step_is_no_step() -> None:
    broken = Event(1, 10, MACHINE, NoteKind.CLOCK, {"step_ms": "soon"}, run=RUN)
    assert WallClock("bot", [broken]).lay_out(RUN, 0, 20, 20) == [Stretch(0, 20, 0)]


def test_any_piece_of_the_line_can_be_shown() -> None:
    wall = WallClock("bot", [step(1_150, 1_000)])
    assert wall.stretches(RUN, 140, 160) == [Stretch(140, 150, 140), Stretch(1_150, 1_160, 150)]
    assert wall.stretches(RUN, 150, 150) == [Stretch(1_150, 1_150, 150)]
