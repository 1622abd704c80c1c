"""Clocks: they count milliseconds, forwards, of what they say they count."""

import sys
import threading
import time

import pytest
import time_machine

from traymon.desktop.clocks import system_clocks

# Between two readings, a machine under load may do something else.
LOAD_MS = 5_000


def test_milliseconds_pass_on_the_running_clocks():
    clocks = system_clocks()
    begin = clocks.now(), clocks.awake()
    threading.Event().wait(0.05)
    grown = clocks.now() - begin[0], clocks.awake() - begin[1]
    assert all(30 <= each <= LOAD_MS for each in grown)


def test_they_never_run_back():
    clocks = system_clocks()
    for read in (clocks.now, clocks.awake):
        seen = [read() for _ in range(1_000)]
        assert seen == sorted(seen)
        assert all(isinstance(each, int) for each in seen)


def test_the_wall_clock_is_utc_in_milliseconds():
    assert abs(system_clocks().wall() - time.time() * 1000) < LOAD_MS


def test_a_set_wall_clock_moves_only_the_wall_clock():
    clocks = system_clocks()
    before = clocks.now(), clocks.awake(), clocks.wall()
    with time_machine.travel(4_000_000_000, tick=False):
        assert clocks.wall() == 4_000_000_000_000
        assert 0 <= clocks.now() - before[0] < LOAD_MS
        assert 0 <= clocks.awake() - before[1] < LOAD_MS


@pytest.mark.skipif(sys.platform != "linux", reason="names Linux's clocks")
def test_now_counts_sleep_and_awake_does_not():
    # No test can put the machine to sleep: these clocks are the ones of which the kernel promises it.
    clocks = system_clocks()
    assert abs(clocks.now() - time.clock_gettime(time.CLOCK_BOOTTIME) * 1000) < LOAD_MS
    assert abs(clocks.awake() - time.clock_gettime(time.CLOCK_MONOTONIC) * 1000) < LOAD_MS
