"""Lines of runs, and steps of the wall clock."""

from hypothesis import given
from hypothesis import strategies as st

from traymon.sessionlog.rows import MACHINE, Event
from traymon.sessionlog.timeline import Anchor, Steps


def step(at: int, ms: int, bot: str = MACHINE, run: int = 1) -> Event:
    return Event(1, at, bot, "clock", {"step_ms": ms}, run=run)


@given(st.integers(), st.integers(), st.integers(), st.integers(min_value=0))
def test_a_line_keeps_lengths(wall: int, anchor: int, at: int, length: int) -> None:
    line = Anchor(wall, anchor).line
    assert line(anchor) == wall
    assert line(at + length) - line(at) == length


def test_what_lies_after_a_step_is_shown_later_and_what_lies_before_is_not() -> None:
    steps = Steps([step(100, 3_600_000), step(200, -600_000)])
    assert [steps.shift(1, "bot", at) for at in (99, 100, 199, 200)] == [0, 3_600_000, 3_600_000, 3_000_000]


def test_a_step_counts_in_its_own_run_and_for_its_own_bot() -> None:
    steps = Steps([step(100, 10, bot="a"), step(100, 1)])
    assert steps.shift(1, "a", 100) == 11
    assert steps.shift(1, "b", 100) == 1
    assert steps.shift(2, "a", 100) == 0


def test_only_steps_count() -> None:
    steps = Steps(
        [Event(1, 0, "", "clock", {"frozen_ms": 9}, run=1), Event(1, 0, "", "start", {"step_ms": 9}, run=1)]
    )
    assert steps.shift(1, "a", 5) == 0
    assert steps.widest() == 0


def test_an_event_is_shown_at_its_corrected_time() -> None:
    steps = Steps([step(100, -50)])
    assert steps.shown(Event(2, 120, "bot", "stop", run=1)).at == 70
    assert steps.shown(Event(2, 90, "bot", "stop", run=1)).at == 90


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(-(10**9), 10**9)), max_size=6), st.integers(0, 1000)
)
def test_no_shift_is_wider_than_the_widest(told: list[tuple[int, int]], at: int) -> None:
    steps = Steps(step(when, ms) for when, ms in told)
    assert abs(steps.shift(1, "bot", at)) <= steps.widest()
