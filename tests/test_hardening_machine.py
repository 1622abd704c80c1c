"""A machine that stands still, has the wrong time, moves to another zone, or has no more of something."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.required import cannot
from tests.stage import ONLINE, Stage, a_line, sentence, staged
from tests.support import PATIENCE_S, events
from traymon.simulator import Simulator

resource = pytest.importorskip("resource", reason="Windows has no such limits")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits, leases and namespaces are Linux's")

FREEZE_S = 60.0 if os.environ.get("TRAYMON_LONG_TROUBLE") == "1" else 8.0
"""A bot that is online looks at its link each 4 s, and was frozen when it looks over 2 s late."""


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(home, slack, monkeypatch) as stage:
        stage.configure(f'token = "file:{stage.keep_token()}"')
        yield stage


def eventually(seen: Callable[[], object], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < until, f"waited in vain for {what}"
        threading.Event().wait(0.05)


# Clocks

SET_BY_HAND = """
import sys, threading, time_machine
clock = time_machine.travel(5, tick=True)
hands = clock.start()
def listen():
    for line in sys.stdin:
        hands.move_to(float(line), tick=True)
threading.Thread(target=listen, daemon=True).start()
from traymon.cli import main
main()
"""


def test_a_clock_that_begins_in_1970(stage: Stage) -> None:
    """As on a board without a battery, until a time service answers."""
    stage.env["TZ"] = "UTC"
    program, stage.program = stage.program, (sys.executable, "-c", SET_BY_HAND)
    process = stage.start(stdin=subprocess.PIPE)
    stage.hold()
    assert "online since 00:0" in stage.status(ONLINE).stdout
    assert process.stdin is not None
    now = time.time()
    process.stdin.write(f"{now}\n")
    process.stdin.flush()
    stage.hold_again()
    eventually(lambda: events(stage.profile, "", "clock"), "the step in the log")
    stage.program = program
    assert stage.end(process) == ""
    stage.assert_whole(stops=2)
    lines = [line.split(maxsplit=4) for line in stage.profile.text_log.read_text().splitlines()]
    assert lines[0][0] == "1970-01-01"
    (step,) = [line for line in lines if line[2] == "clock"]
    assert step[4].startswith("the clock was set forward by 20")
    assert {line[0][:4] for line in lines[lines.index(step) :]} == {time.strftime("%Y", time.gmtime(now))}


@pytest.fixture
def zone(home: Path, stage: Stage) -> Path:
    """The zone of the machine on which traymon runs, in a file that can be changed."""
    file = home / "zone"
    move(file, "Asia/Tokyo")
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/localtime && exec "$@"', str(file)]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        cannot("this system lets nobody have mounts of their own")
    stage.env.pop("TZ", None)
    stage.program = (*inside, *stage.program)
    return file


def move(file: Path, zone: str) -> None:
    """As ``timedatectl set-timezone`` does it, but in place."""
    file.write_bytes(Path("/usr/share/zoneinfo", zone).read_bytes())
    later = time.time() + len(zone)  # the C library compares whole seconds
    os.utime(file, (later, later))


def test_a_time_zone_that_changes(stage: Stage, zone: Path) -> None:
    process = stage.start()
    stage.hold()
    assert "+09:00" in since(stage)
    move(zone, "America/Sao_Paulo")
    assert "-03:00" in since(stage)
    stage.hold_again()
    assert stage.end(process) == ""
    stage.assert_whole(stops=2)
    offsets = [line.split()[1][8:] for line in stage.profile.text_log.read_text().splitlines()]
    assert offsets == ["+09:00"] + ["-03:00"] * (len(offsets) - 1)


def since(stage: Stage) -> str:
    stage.status(ONLINE)
    done = stage.traymon("status", "--json")
    return str(json.loads(done.stdout)["bots"][0]["since"])


# A process that stands still


@pytest.mark.timeout(120 + 2 * FREEZE_S)
@pytest.mark.parametrize("meanwhile", ["nothing", "hung up"])
def test_a_process_that_is_stopped(stage: Stage, meanwhile: str) -> None:
    process = stage.start()
    stage.hold()
    process.send_signal(signal.SIGSTOP)
    if meanwhile == "hung up":
        stage.slack.fin(stage.token)
    threading.Event().wait(FREEZE_S)
    process.send_signal(signal.SIGCONT)
    eventually(lambda: "stood still" in stage.profile.text_log.read_text(), "the line that it stood still")
    stage.hold()
    assert stage.end(process) == ""
    causes = [event.cause for event in events(stage.profile, "bot", "stop")]
    if meanwhile == "hung up":
        assert causes[0] == "frozen"
        assert "traymon stood still for a while" in stage.profile.text_log.read_text()
    stage.assert_whole(stops=len(causes))


# No more descriptors


def test_descriptors_that_are_used_up(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))  # it has more than those already
    stage.slack.fin(stage.token)
    eventually(lambda: events(stage.profile, "bot", "fail"), "a failed attempt in the database")
    asked = stage.traymon("status")
    assert asked.returncode in (1, 3)
    assert sentence(asked.stderr).startswith("traymon runs"), "it is not said to be gone"
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    stage.hold()
    said = stage.end(process)
    assert (
        f"The text log {stage.profile.text_log} cannot be written (Too many open files): nothing is lost"
        in said
    )
    stage.assert_whole(stops=2)
    (failed,) = [
        line for line in stage.profile.text_log.read_text().splitlines() if line.split()[2] == "fail"
    ]
    assert "This machine lets traymon open no more files or connections: “Too many open files”." in failed


# A slow disk


def test_a_database_that_another_program_locks(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    with closing(sqlite3.connect(stage.profile.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stage.hold_again(logged=False)
        shown = stage.status(ONLINE, '"logged": false', "database is locked").stdout
        assert "Not in the session log yet." in shown
        other.execute("ROLLBACK")
    stage.wait_for_log()
    said = sentence(stage.end(process))
    assert said in shown
    stage.assert_whole(stops=2)


LEASE = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_WRONLY)
while True:
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        break
    except BlockingIOError:
        time.sleep(0.01)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def stuck(file: Path) -> Iterator[None]:
    """Whoever opens the file waits (fcntl(2), leases): as long as on a disk that hangs, up to 45 s."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEASE, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert a_line(process.stdout) == "held\n"
        yield
    finally:
        process.kill()
        process.communicate()


def test_a_text_log_on_a_disk_that_hangs(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    with stuck(stage.profile.text_log):
        stage.hold_again(logged=False)
        stage.wait_for_answer(ONLINE, '"logged": false')
    stage.wait_for_log()
    assert stage.end(process) == ""
    stage.assert_whole(stops=2)
