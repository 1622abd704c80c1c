"""Comparing the clocks: sleep and set clocks are told apart from each other, and from a reader that stood still."""

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkit import HandClocks, Heard, watching
from traymon.desktop import watch
from traymon.desktop.clocks import system_clocks
from traymon.desktop.watch.clockwatch import (
    SLEPT_MS,
    STANDSTILL_MS,
    STEP_MS,
    ClockWatch,
    ClockWatcher,
    Reading,
    Slept,
    Stepped,
    compare,
    read,
    signals_of,
)

DAY_MS = 86_400_000
times = st.integers(0, 400 * DAY_MS)


@given(times, times, times, times, times, st.integers(-400 * DAY_MS, 400 * DAY_MS))
def test_each_clock_says_its_own(now: int, awake: int, wall: int, passed: int, slept: int, step: int) -> None:
    before = Reading(now, awake, wall)
    after = Reading(now + passed + slept, awake + passed, wall + passed + slept + step)
    expected = [Slept(slept)] * (slept > SLEPT_MS) + [Stepped(step)] * (abs(step) > STEP_MS)
    assert compare(before, after) == expected


def test_a_look_counts_from_the_look_before() -> None:
    clocks = HandClocks()
    watched = ClockWatch(clocks)
    clocks.slept += 3_600_000
    assert watched.look() == [Slept(3_600_000)]
    assert watched.look() == []
    clocks.stepped -= DAY_MS
    assert watched.look() == [Stepped(-DAY_MS)]
    assert watched.look() == []


def test_small_differences_never_add_up() -> None:
    clocks = HandClocks()
    watched = ClockWatch(clocks)
    for _ in range(100):
        clocks.slept += SLEPT_MS // 2
        clocks.stepped += STEP_MS // 2
        assert watched.look() == []


def test_a_reader_that_stood_still_between_two_clocks_reads_again() -> None:
    # The clock goes on by 10 s after each of the first readings; the third try is undisturbed.
    clocks = HandClocks(hold_up=[0, 10_000, 0, 10_000])
    found = read(clocks)
    assert found is not None
    assert found.now == clocks.awake()


def test_a_reader_that_stands_still_all_the_time_says_nothing() -> None:
    clocks = HandClocks()
    watched = ClockWatch(clocks)
    clocks._hold_up = [STANDSTILL_MS + 1] * 6
    clocks.slept += 60_000
    assert watched.look() == []
    assert watched.look() == [Slept(60_000)], "the sleep is seen by the next look"


def test_the_systems_clocks_agree_with_one_another() -> None:
    watched = ClockWatch(system_clocks())
    assert [watched.look() for _ in range(1_000)] == [[]] * 1_000


def test_others_are_told_signals() -> None:
    assert signals_of([Slept(9_000), Stepped(-9_000)]) == [watch.Woke(), watch.ClockSet(-9_000)]


def test_the_watcher_sees_a_clock_that_is_set() -> None:
    with watching(ClockWatcher(system_clocks(), each_s=0.01), Heard()) as heard:
        with time_machine.travel(4_000_000_000):
            first = heard.wait_for(watch.ClockSet)
        second = heard.wait_for(watch.ClockSet, after=len(first))
    forward, back = first[-1], second[-1]
    assert isinstance(forward, watch.ClockSet)
    assert isinstance(back, watch.ClockSet)
    assert forward.step_ms > 1_000_000_000
    assert back.step_ms < -1_000_000_000


def test_the_watcher_sees_sleep_and_outlives_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    clocks, heard = HandClocks(), Heard()

    def fails(signal: watch.Signal) -> None:
        heard.tell(signal)
        raise RuntimeError("a bug")

    watcher = ClockWatcher(clocks, each_s=0.01)
    watcher.start(fails)
    try:
        for count in (1, 2):
            clocks.slept += 60_000
            heard.wait_for(watch.Woke(), after=count - 1)
    finally:
        watcher.stop()
    assert "could not be handled" in caplog.text


def test_a_watcher_that_never_began_can_be_stopped() -> None:
    watcher = ClockWatcher(system_clocks())
    watcher.stop()
    watcher.stop()
