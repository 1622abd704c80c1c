"""Linux's watcher in a network of its own, and on the kernel's word that the clock was set."""

import os
import select
import threading
import time
from pathlib import Path

import pytest

from tests.watchkit import HandClocks, Heard, ip, on_its_own_network, watching
from traymon.desktop import watch
from traymon.desktop.clocks import system_clocks
from traymon.desktop.watch import linux as watch_linux
from traymon.desktop.watch.linux import ClockTimer, LinuxWatcher


@pytest.fixture(autouse=True)
def no_system_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own sleep is none of the test's business."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")


def watcher_and_heard() -> tuple[LinuxWatcher, Heard]:
    heard = Heard()
    return LinuxWatcher(system_clocks(), on_ready=heard.note), heard


def two_ends() -> None:
    ip("link set lo up", "link add near type veth peer name far", "link set near up", "link set far up")


def test_a_network_that_comes_goes_and_comes_back() -> None:
    def test() -> None:
        two_ends()
        watcher, heard = watcher_and_heard()
        with watching(watcher, heard):
            heard.wait_for("network", "clock")
            ip("address add 198.51.100.2/24 dev near", "route add default via 198.51.100.1")
            heard.wait_for(watch.RouteAppeared())

            before = len(heard.all())
            ip("route del default", "address del 198.51.100.2/24 dev near")
            assert heard.wait_for(watch.AddressesChanged(), after=before) == [watch.AddressesChanged()]

            before = len(heard.all())
            ip("address add 198.51.100.3/24 dev near", "route add default via 198.51.100.1")
            heard.wait_for(watch.RouteAppeared(), after=before)

    on_its_own_network(test)


def test_a_burst_is_one_signal() -> None:
    def test() -> None:
        two_ends()
        watcher, heard = watcher_and_heard()
        with watching(watcher, heard):
            heard.wait_for("network", "clock")
            came = [f"route add 203.0.113.{each}/32 dev near" for each in range(1, 200)]
            gone = [f"address add 198.51.100.{each}/32 dev near" for each in range(1, 50)]
            gone += [f"address del 198.51.100.{each}/32 dev near" for each in range(1, 50)]
            ip(*gone, *came)
            heard.wait_for(watch.RouteAppeared())
            heard.wait_for(watch.AddressesChanged())
        signals = [each for each in heard.all() if each not in ("network", "clock")]
        assert len(signals) <= 10, "300 changes, and a slow machine may see several bursts"

    on_its_own_network(test)


def test_a_cable_that_is_put_back_is_a_route_though_none_was_lost() -> None:
    def test() -> None:
        two_ends()
        ip("address add 198.51.100.2/24 dev near", "route add default via 198.51.100.1")
        watcher, heard = watcher_and_heard()
        with watching(watcher, heard):
            heard.wait_for("network", "clock")
            before = len(heard.all())
            ip("link set far down")
            ip("link set far up")
            heard.wait_for(watch.RouteAppeared(), after=before)

    on_its_own_network(test)


def test_another_way_out_is_a_route() -> None:
    def test() -> None:
        two_ends()
        ip("address add 198.51.100.2/24 dev near", "route add default via 198.51.100.1 metric 10")
        ip("address add 203.0.113.2/24 dev far", "route add default via 203.0.113.1 metric 20")
        watcher, heard = watcher_and_heard()
        with watching(watcher, heard):
            heard.wait_for("network", "clock")
            before = len(heard.all())
            ip("route del default via 198.51.100.1")
            heard.wait_for(watch.RouteAppeared(), after=before)

    on_its_own_network(test)


def set_clock_to_what_it_is() -> None:
    """A step of some microseconds, back: for the kernel as good as any other."""
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME))
    except PermissionError:
        pytest.skip("needs the right to set the clock")


def test_the_kernel_tells_of_a_set_clock_each_time() -> None:
    timer = ClockTimer()
    try:
        poll = select.poll()
        poll.register(timer.descriptor, select.POLLIN)
        for _ in range(3):
            assert poll.poll(0) == []
            set_clock_to_what_it_is()
            assert poll.poll(10_000) == [(timer.descriptor, select.POLLIN)]
            timer.rearm()
    finally:
        timer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(timer.descriptor)


def test_on_a_jump_the_clocks_are_compared() -> None:
    clocks, heard = HandClocks(), Heard()
    with watching(LinuxWatcher(clocks, on_ready=heard.note), heard):
        heard.wait_for("clock")
        before = len(heard.all())
        clocks.stepped += 3_600_000
        set_clock_to_what_it_is()
        assert heard.wait_for(watch.ClockSet, after=before) == [watch.ClockSet(3_600_000)]

        before = len(heard.all())
        clocks.slept += 8 * 3_600_000
        set_clock_to_what_it_is()  # as the kernel does when it wakes
        assert heard.wait_for(watch.Woke(), after=before) == [watch.Woke()]

        looks = clocks.looks
        threading.Event().wait(0.2)  # for nothing to happen: a timer that stays readable would spin
        assert clocks.looks - looks < 10


def test_a_kernel_that_cannot_tell_is_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTimer:
        def __init__(self) -> None:
            raise OSError("not here")

    monkeypatch.setattr(watch_linux, "ClockTimer", NoTimer)
    monkeypatch.setattr(watch_linux, "LOOK_EACH_S", 0.01)
    clocks, heard = HandClocks(), Heard()
    with watching(LinuxWatcher(clocks, on_ready=heard.note), heard):
        heard.wait_for("clock")
        for _ in range(2):
            before = len(heard.all())
            clocks.slept += 60_000
            heard.wait_for(watch.Woke(), after=before)


def test_a_listener_that_fails_hears_the_next_one_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    clocks, heard = HandClocks(), Heard()

    def fails(signal: watch.Signal) -> None:
        heard.tell(signal)
        raise RuntimeError("a bug")

    watcher = LinuxWatcher(clocks, on_ready=heard.note)
    watcher.start(fails)
    try:
        heard.wait_for("clock")
        for step in (10_000, 20_000):
            clocks.stepped += step
            set_clock_to_what_it_is()
            heard.wait_for(watch.ClockSet(step))
    finally:
        watcher.stop()
    assert "could not be handled" in caplog.text


@pytest.mark.parametrize("started", [True, False])
def test_it_can_be_stopped_at_any_time(started: bool) -> None:
    for _ in range(20):
        heard = Heard()
        watcher = LinuxWatcher(system_clocks())
        if started:
            with watching(watcher, heard):
                pass
        watcher.stop()
        assert heard.all() == []


def test_where_nothing_can_be_watched_it_stays_quiet(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused() -> None:
        raise PermissionError("not in this sandbox")

    monkeypatch.setattr(watch_linux.netlink, "open_socket", refused)
    heard = Heard()
    with watching(LinuxWatcher(system_clocks(), on_ready=heard.note), heard):
        heard.wait_for("clock")
    assert "network" not in heard.all()
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
