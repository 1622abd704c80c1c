"""What a service manager is told, over a real socket: by the sender alone, and by the whole program."""

import contextlib
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S, running, token_of, write_profile
from traymon.app import App
from traymon.app.service import Service
from traymon.config import load
from traymon.desktop.clocks import system_clocks
from traymon.desktop.systemd import MOST_STATUS_BYTES, ServiceManager, from_environment
from traymon.keeper.core import events as ev
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")

WATCHDOG_S = 0.4
"""Short, so that a test sees many; nobody kills the program here when one is late."""


class Manager:
    """The manager's end of the socket. Messages are taken by a thread, so that none waits in a full queue."""

    def __init__(self, address: str | bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        # From the thread that receives to the test.
        self.messages: queue.Queue[str] = queue.Queue()
        # Receives. Ends with an empty message, which close() sends.
        self.thread = threading.Thread(target=self._receive, name="manager", daemon=True)
        self.thread.start()

    def _receive(self) -> None:
        while message := self.socket.recv(65_536):
            self.messages.put(message.decode())

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.socket.getsockname())
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        self.socket.close()

    def next(self) -> str:
        """The next message."""
        return self.messages.get(timeout=PATIENCE_S)

    def wait(self, so: Callable[[str], bool]) -> str:
        """The next message that is ``so``; others are passed over."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = self.next()
            if so(message):
                return message
        raise AssertionError("no such message came")

    def all_so_far(self) -> list[str]:
        """All that was sent until now: a socket keeps messages in order, whoever sends them."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"MARK", self.socket.getsockname())
        found = []
        while (message := self.next()) != "MARK":
            found.append(message)
        return found


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    listening = Manager(str(tmp_path / "notify"))
    try:
        yield listening
    finally:
        listening.close()


def sender(manager: Manager, watchdog_s: float | None = None) -> ServiceManager:
    return ServiceManager(str(manager.socket.getsockname()), watchdog_s)


# The sender alone


def test_messages_are_as_sd_notify_has_them(manager: Manager) -> None:
    told = sender(manager)
    told.ready()
    told.alive()
    told.stopping()
    assert [manager.next() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_reloading_tells_when(manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    sender(manager).reloading()
    first, second = manager.next().split("\n")
    assert first == "RELOADING=1"
    name, _, at = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(at) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("bot: online", "bot: online"),
        ("a\nREADY=1\r\n b", "a READY=1 b"),
        ("ボット：オンライン", "ボット：オンライン"),
        ("\udc80", "?"),
        ("", ""),
    ],
)
def test_a_status_is_one_line(manager: Manager, text: str, line: str) -> None:
    sender(manager).status(text)
    assert manager.next() == f"STATUS={line}"


@pytest.mark.parametrize("text", ["x" * 100_000, "x" + "あ" * 100_000])
def test_a_long_status_is_cut_between_characters(manager: Manager, text: str) -> None:
    sender(manager).status(text)
    line = manager.next().removeprefix("STATUS=")
    assert text.startswith(line)
    assert MOST_STATUS_BYTES - 3 < len(line.encode()) <= MOST_STATUS_BYTES


def test_a_name_without_a_file_is_found() -> None:
    name = f"traymon-test-{os.getpid()}"
    listening = Manager(f"\0{name}")
    try:
        told = from_environment({"NOTIFY_SOCKET": f"@{name}"})
        assert told is not None
        told.ready()
        assert listening.next() == "READY=1"
    finally:
        listening.close()


def test_a_manager_that_is_gone_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "nobody"), None).ready()
    ServiceManager("/" + "x" * 200, None).ready()  # longer than any socket's path
    assert "could not be told READY" in caplog.text


def test_a_manager_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("traymon.desktop.systemd.SEND_LIMIT_S", 0.01)
    address = str(tmp_path / "deaf")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
    ):
        deaf.bind(address)
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"x", address)
        ServiceManager(address, None).alive()
    assert "could not be told WATCHDOG" in caplog.text


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_that_of_the_environment(
    environ: Mapping[str, str], watchdog_s: float | None
) -> None:
    given = {"NOTIFY_SOCKET": "/run/x", "HOME": "/", **environ}
    told = from_environment(given)
    assert told is not None
    assert told.watchdog_s == watchdog_s
    assert given == {"HOME": "/"}, "a child process would speak for this one"


@pytest.mark.parametrize("address", [None, "", "@", "/", "relative", "vsock:2:1234"])
def test_there_is_no_manager_elsewhere(address: str | None) -> None:
    assert from_environment({} if address is None else {"NOTIFY_SOCKET": address}) is None


# The whole program


@contextmanager
def service(
    folder: Path, bots: Mapping[str, str], watchdog_s: float = WATCHDOG_S, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """``traymon run --no-tray`` as systemd starts it."""
    profile = write_profile(folder, bots)
    environ = {
        **os.environ,
        "NOTIFY_SOCKET": str(folder / "notify"),
        "WATCHDOG_USEC": str(round(watchdog_s * 1_000_000)),
        "XDG_RUNTIME_DIR": str(folder),
        "HOME": str(folder),
    }
    command = [sys.executable, "-m", "traymon", "--config", str(profile.config_file), "run", "--no-tray"]
    process = subprocess.Popen(
        [*command, *options],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()


def is_watchdog(message: str) -> bool:
    return message == "WATCHDOG=1"


def is_online(message: str) -> bool:
    return message.startswith("STATUS=bot (Simulated): online since ")


def test_from_ready_to_stopping(tmp_path: Path, manager: Manager) -> None:
    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        with service(tmp_path, {"bot": slack.api_url}) as process:
            assert manager.next() == "READY=1"
            manager.wait(is_online)
            manager.wait(is_watchdog)
            process.send_signal(signal.SIGHUP)
            manager.wait(lambda message: message.startswith("RELOADING=1\nMONOTONIC_USEC="))
            manager.wait(lambda message: message == "READY=1")
            process.terminate()
            manager.wait(lambda message: message == "STOPPING=1")
            said, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, said


def test_the_status_follows_the_bot_through_an_outage(tmp_path: Path, manager: Manager) -> None:
    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        with service(tmp_path, {"bot": slack.api_url}):
            manager.wait(is_online)
            slack.refuse()
            slack.rst(token_of("bot"))
            manager.wait(lambda message: "offline since" in message and " · Why: " in message)
            slack.accept()
            manager.wait(is_online)


def test_without_a_bot_it_says_so_and_is_ready(tmp_path: Path, manager: Manager) -> None:
    with service(tmp_path, {}):
        assert manager.next() == "READY=1"
        assert manager.wait(lambda message: message.startswith("STATUS=")) == "STATUS=traymon: no bot yet"
        manager.wait(is_watchdog)


def test_a_process_that_stands_still_says_nothing(tmp_path: Path, manager: Manager) -> None:
    with service(tmp_path, {}) as process:
        manager.wait(is_watchdog)
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        manager.all_so_far()
        with pytest.raises(queue.Empty):
            manager.messages.get(timeout=3 * WATCHDOG_S)
        process.send_signal(signal.SIGCONT)
        manager.wait(is_watchdog)


def test_a_process_that_was_killed_says_nothing(tmp_path: Path, manager: Manager) -> None:
    with service(tmp_path, {}) as process:
        manager.wait(is_watchdog)
        process.kill()
        process.wait(PATIENCE_S)
        assert "STOPPING=1" not in manager.all_so_far(), "a killed one does not stop of its own will"
        assert manager.messages.empty()


def test_when_the_watchdog_bites_every_thread_tells_where_it_stood(tmp_path: Path, manager: Manager) -> None:
    """systemd sends SIGABRT (systemd.service(5), WatchdogSignal=)."""
    with service(tmp_path, {}) as process:
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))  # as in the unit
        manager.wait(is_watchdog)
        process.send_signal(signal.SIGABRT)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGABRT
        assert "Aborted" in said
        assert "in _watch" in said


def test_beside_another_traymon_it_says_so_and_is_not_ready(tmp_path: Path, manager: Manager) -> None:
    with service(tmp_path, {}) as first:
        manager.wait(is_watchdog)
        with service(tmp_path, {}) as second:
            said, _ = second.communicate(timeout=PATIENCE_S)
            assert second.returncode == 1
            assert f"process {first.pid}" in said
        first.terminate()
        first.communicate(timeout=PATIENCE_S)
        told = manager.all_so_far()
    assert told.count("STOPPING=1") == 1
    assert "READY=1" not in told


def test_without_a_manager_nothing_of_this_is_loaded() -> None:
    code = "import sys, traymon.app.app, traymon.app.running; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert [
        name for name in ("traymon.app.service", "traymon.desktop.systemd") if name in done.stdout.split()
    ] == []


# What is well


@contextmanager
def watched(app: App, manager: Manager) -> Iterator[None]:
    """The watchdog of a started ``app``."""
    told = Service(sender(manager, WATCHDOG_S), app)
    told.ready()
    try:
        yield
    finally:
        told.stopping()
        told._watchdog.join(PATIENCE_S)
        assert not told._watchdog.is_alive()


class Stuck(Future[Any]):
    """An answer that holds up whoever gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def set_result(self, result: Any) -> None:
        self.entered.set()
        assert self.go_on.wait(PATIENCE_S)


def test_a_keeper_that_is_stuck_silences_the_watchdog(tmp_path: Path, manager: Manager) -> None:
    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        with running(write_profile(tmp_path, {"bot": slack.api_url})) as app, watched(app, manager):
            manager.wait(is_watchdog)
            stuck = Stuck()
            app.bots["bot"].keeper._events.put((system_clocks().now(), ev.Tick(), stuck))
            assert stuck.entered.wait(PATIENCE_S)
            manager.all_so_far()
            # One may still come, as what was asked before was answered.
            told: list[str] = []
            with contextlib.suppress(queue.Empty):
                while len(told) < 20:
                    told.append(manager.messages.get(timeout=2 * WATCHDOG_S))
            stuck.go_on.set()
            assert len(list(filter(is_watchdog, told))) <= 2, "it went on all the while"
            manager.wait(is_watchdog)


def test_a_disk_that_hangs_does_not(tmp_path: Path, manager: Manager) -> None:
    """To end traymon would help nobody, and lose what waits to be written."""
    entered, go_on = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)

    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        profile = write_profile(tmp_path, {"bot": slack.api_url})
        app = App(profile, load(profile.config_file, {}), on_line=hang, watchers=[])
        app.start()
        try:
            with watched(app, manager):
                assert entered.wait(PATIENCE_S)
                manager.all_so_far()
                for _ in range(3):
                    manager.wait(is_watchdog)
        finally:
            go_on.set()
            app.stop()
