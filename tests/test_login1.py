"""login1 as python-dbusmock plays it, on a system bus of the test's own: signals, delay locks, what traymon does."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desktop.kit import Program, eventually, need, reporting
from tests.required import cannot
from tests.support import PATIENCE_S, events, running, token_of, wait_for_state, write_profile
from tests.watchkit import Heard, watching
from traymon.desktop import watch
from traymon.desktop.clocks import system_clocks
from traymon.keeper.core import State
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator

if sys.platform != "linux":
    pytest.skip("login1 is Linux's", allow_module_level=True)

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from traymon.desktop.watch.linux import LinuxWatcher
from traymon.desktop.watch.login1 import MANAGER, NAME, PATH

SYSTEM_PYTHON = "/usr/bin/python3"  # python3-dbusmock is Debian's: from PyPI it would have to be built
MOCK = "org.freedesktop.DBus.Mock"


class SystemBus:
    """A bus, and login1 on it."""

    def __init__(self, address: str, env: dict[str, str], folder: Path) -> None:
        self.address = address
        self._env = {**env, "DBUS_SYSTEM_BUS_ADDRESS": address}
        self._folder = folder
        self._login1: Program | None = None

    def start_login1(self, *, template: bool = True) -> None:
        """Until it can be spoken to. Without the template it has no methods."""
        what = ("--template", "logind") if template else (NAME, PATH, MANAGER)
        self._login1 = Program(
            SYSTEM_PYTHON, "-m", "dbusmock", "--system", *what, env=self._env, log=self._folder / "mock.log"
        )
        eventually(
            lambda: NAME in self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames"), NAME
        )

    def kill_login1(self) -> None:
        assert self._login1 is not None
        self._login1.kill()
        self._login1 = None

    def close(self) -> None:
        if self._login1 is not None:
            self._login1.end()

    def call(self, name: str, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        """The first value of the answer."""

        async def ask() -> Any:
            bus = await MessageBus(self.address, negotiate_unix_fd=True).connect()
            reply = await bus.call(
                Message(name, path, interface, member, signature=signature, body=list(body))
            )
            bus.disconnect()
            assert reply is not None
            assert reply.message_type is not MessageType.ERROR, reply.body
            return reply.body[0] if reply.body else None

        return asyncio.run(ask())

    def emit(self, member: str, value: bool) -> None:
        """login1 says that to all."""
        signal = [MANAGER, member, "b", [Variant("b", value)]]
        self.call(NAME, PATH, MOCK, "EmitSignal", "sssav", *signal)

    def locks(self) -> list[tuple[str, ...]]:
        """What, who, why and mode of the locks that are held."""
        return [tuple(lock[:4]) for lock in self.call(NAME, PATH, MANAGER, "ListInhibitors")]

    def wait_for_locks(self, count: int) -> None:
        eventually(lambda: len(self.locks()) == count, f"{count} locks")

    def forge(self, to: str | None) -> None:
        """Somebody else says that the machine shuts down."""

        async def send() -> None:
            bus = await MessageBus(self.address).connect()
            await bus.send(
                Message(
                    to,
                    PATH,
                    MANAGER,
                    "PrepareForShutdown",
                    MessageType.SIGNAL,
                    signature="b",
                    body=[True],
                )
            )
            bus.disconnect()

        asyncio.run(send())

    def names(self) -> list[str]:
        return list(self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames"))


@pytest.fixture
def start_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], SystemBus]]:
    """Starts the system bus; on the same address each time."""
    need("dbus-daemon")
    if subprocess.run([SYSTEM_PYTHON, "-c", "import dbusmock"], capture_output=True).returncode:
        cannot("needs the package: python3-dbusmock")
    address = f"unix:path={tmp_path / 'system_bus'}"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    open_now: list[Any] = []

    def daemon(ready: int) -> Program:
        options = ("--session", "--nofork", "--nopidfile", f"--address={address}", f"--print-address={ready}")
        return Program("dbus-daemon", *options, env=env, log=tmp_path / "dbus.log", pass_fds=(ready,))

    def start() -> SystemBus:
        end()
        context = reporting(daemon)
        context.__enter__()
        bus = SystemBus(address, env, tmp_path)
        open_now.extend([bus.close, lambda: context.__exit__(None, None, None)])
        return bus

    def end() -> None:
        while open_now:
            open_now.pop(0)()

    yield start
    end()


@pytest.fixture
def bus(start_bus: Callable[[], SystemBus]) -> SystemBus:
    started = start_bus()
    started.start_login1()
    return started


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the watcher of Linux tells, once it follows login1."""
    heard = Heard()
    with watching(LinuxWatcher(system_clocks(), on_ready=heard.note), heard):
        yield heard


def sleep_signal(heard: Heard, after: int = 0) -> watch.SleepAnnounced:
    found = heard.wait_for(watch.SleepAnnounced, after=after)
    return next(each for each in found if isinstance(each, watch.SleepAnnounced))


def test_the_machine_sleeps_when_the_log_is_written_and_not_before(bus: SystemBus) -> None:
    heard = Heard()
    watcher = LinuxWatcher(system_clocks(), on_ready=heard.note, delay_s=3600)
    with watching(watcher, heard):
        heard.wait_for("login1")
        lock = ("shutdown:sleep", "traymon", "Writing down that the bots go offline", "delay")
        assert bus.locks() == [lock]
        for _ in range(2):
            before = len(heard.all())
            bus.emit("PrepareForSleep", True)
            asleep = sleep_signal(heard, before)
            assert bus.locks() == [lock]
            asleep.done()
            bus.wait_for_locks(0)
            asleep.done()  # once too often
            bus.emit("PrepareForSleep", False)
            heard.wait_for(watch.Woke(), after=before)
            bus.wait_for_locks(1)


def test_a_log_that_hangs_holds_up_the_machine_for_a_second_at_most(bus: SystemBus, heard: Heard) -> None:
    heard.wait_for("login1")
    bus.emit("PrepareForSleep", True)
    asleep = sleep_signal(heard)
    bus.wait_for_locks(0)
    bus.emit("PrepareForSleep", False)
    bus.wait_for_locks(1)
    asleep.done()  # long after: the next lock is not this one's
    bus.emit("PrepareForShutdown", True)
    heard.wait_for(watch.SystemShutdown())
    assert len(bus.locks()) == 1, "held until the program has ended"


def test_the_end_lets_the_machine_go(bus: SystemBus) -> None:
    heard = Heard()
    with watching(LinuxWatcher(system_clocks(), on_ready=heard.note), heard):
        heard.wait_for("login1")
        assert len(bus.locks()) == 1
    bus.wait_for_locks(0)


def test_a_shutdown_that_is_called_off_is_no_shutdown(bus: SystemBus, heard: Heard) -> None:
    heard.wait_for("login1")
    bus.emit("PrepareForShutdown", False)
    bus.emit("PrepareForShutdown", True)
    heard.wait_for(watch.SystemShutdown())
    assert heard.all().count(watch.SystemShutdown()) == 1


def test_what_others_say_in_login1s_name_does_not_count(bus: SystemBus, heard: Heard) -> None:
    heard.wait_for("login1")
    bus.forge(None)
    for name in bus.names():
        if name.startswith(":"):
            bus.forge(name)
    bus.emit("PrepareForSleep", False)  # the bus keeps the order: what was forged would have come first
    heard.wait_for(watch.Woke())
    assert watch.SystemShutdown() not in heard.all()


def test_a_login1_that_starts_late_and_again_is_followed(
    start_bus: Callable[[], SystemBus], heard: Heard
) -> None:
    bus = start_bus()
    for _ in range(2):
        before = len(heard.all())
        bus.start_login1()
        heard.wait_for("login1", after=before)
        assert len(bus.locks()) == 1
        bus.emit("PrepareForSleep", True)
        sleep_signal(heard, before).done()
        bus.kill_login1()


def test_a_bus_that_restarts_is_found_again(start_bus: Callable[[], SystemBus], heard: Heard) -> None:
    for _ in range(2):
        before = len(heard.all())
        bus = start_bus()
        bus.start_login1()
        heard.wait_for("login1", after=before)
        bus.emit("PrepareForSleep", False)
        heard.wait_for(watch.Woke(), after=before)


def test_without_a_lock_sleep_is_told_all_the_same(start_bus: Callable[[], SystemBus], heard: Heard) -> None:
    bus = start_bus()
    bus.start_login1(template=False)
    heard.wait_for("login1")
    bus.emit("PrepareForSleep", True)
    sleep_signal(heard).done()
    bus.emit("PrepareForSleep", False)
    heard.wait_for(watch.Woke())


# The whole program


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        for name in ("one", "two"):
            simulator.add_bot(token_of(name), name)
        yield simulator


def test_a_night_asleep_in_the_log(
    bus: SystemBus, slack: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)  # `home` took it away
    # A second is much for a disk, and little where several test runs share it.
    patient = [LinuxWatcher(system_clocks(), delay_s=PATIENCE_S)]
    monkeypatch.setattr("traymon.app.app.system_watchers", lambda _clocks: patient)
    profile = write_profile(home / "profile", dict.fromkeys(("one", "two"), slack.api_url))
    with running(profile, watched=True) as app:
        bus.wait_for_locks(1)
        for name in ("one", "two"):
            wait_for_state(app, name, State.ONLINE)
        bus.emit("PrepareForSleep", True)
        bus.wait_for_locks(0)
        written = {
            name: [span.state for span in LogView(profile.db).spans(bot=name)][-1] for name in ("one", "two")
        }
        # Written before the machine is let go.
        assert written == {"one": State.ASLEEP, "two": State.ASLEEP}
        bus.emit("PrepareForSleep", False)
        for name in ("one", "two"):
            wait_for_state(app, name, State.ONLINE)
        bus.wait_for_locks(1)
        bus.emit("PrepareForShutdown", True)
        assert app.ended.wait(PATIENCE_S)
        assert len(bus.locks()) == 1
    bus.wait_for_locks(0)
    for name in ("one", "two"):
        assert [event.cause for event in events(profile, name, "stop")] == ["slept", "system_shutdown"]
        assert len(events(profile, name, "sleep")) == len(events(profile, name, "wake")) == 1
