"""Killed at any moment, by kill -9 and a full disk: what was acknowledged is there, once, and the rest is honest."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessionlog_kit import (
    LIMIT_S,
    Faults,
    HandClock,
    assert_pairs,
    assert_projected,
    assert_tiles,
    logging_in,
    record,
    rows,
    session,
    text,
)
from traymon.sessionlog.recorder import SessionLog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and limits as POSIX has them")

HEARTBEAT_S = 0.05
TOLERANCE_MS = 10_000
"""For the estimate of a stop: far above the heartbeat of these tests, far below what a wrong one would be off by."""

# Holds two bots in real time, with sessions short and long, and prints a line for each acknowledged call.
BOT = """
import random, sys, threading, time
from pathlib import Path
from tests.sessionlog_kit import ABRUPT, session, start, stop
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import EnterState
from traymon.keeper.core.states import State
from traymon.sessionlog.recorder import SessionLog

class Clock:
    def now(self):
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000
    def wall(self):
        return time.time_ns() // 1_000_000

folder, clock, dice = Path(sys.argv[1]), Clock(), random.Random(int(sys.argv[2]))
log = SessionLog(folder / "sessions.sqlite3", folder / "sessions.log", clock, print, heartbeat_s=float(sys.argv[3]),
                 text_bytes=3000)
log.open()
up = {"deploybot": None, "helper": None}
for bot in up:
    log.record(bot, "rtm", [EnterState(State.CONNECTING, clock.now())])
while True:
    bot, done, at = dice.choice(list(up)), threading.Event(), clock.now()
    if up[bot] is None:
        up[bot] = at
        entries = [EnterState(State.ONLINE, at), start(at)]
    else:
        entries = [stop(at, at - up[bot]), EnterState(State.OFFLINE, at, Cause.ABRUPT_CLOSE, ABRUPT)]
        up[bot] = None
    log.record(bot, "rtm", entries, done.set)
    done.wait()
    print(bot, "up" if up[bot] else "down", flush=True)
    time.sleep(dice.choice([0, 0, 0.01]))
"""


def run_and_kill(folder: Path, seed: int) -> tuple[list[str], int]:
    """The acknowledgements of one run, killed at a random moment, and the wall clock then."""
    dice = random.Random(seed)
    child = subprocess.Popen(
        [sys.executable, "-c", BOT, str(folder), str(seed), str(HEARTBEAT_S)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert child.stdout is not None
    wanted, told = dice.randint(1, 40), []
    while len(told) < wanted:
        told.append(child.stdout.readline())
        assert told[-1], "the child ended by itself"
    time.sleep(dice.random() * 0.02)  # no waiting for anything: it only makes the moment random
    os.kill(child.pid, signal.SIGKILL)
    killed_at = time.time_ns() // 1_000_000
    told += child.stdout.readlines()
    child.wait(LIMIT_S)
    child.stdout.close()
    return told, killed_at


def test_killed_again_and_again_nothing_acknowledged_is_lost_and_all_tiles(tmp_path: Path) -> None:
    db, acknowledged, killed = tmp_path / "sessions.sqlite3", 0, []
    for seed in range(6):
        told, at = run_and_kill(tmp_path, seed)
        acknowledged += len(told)
        killed.append(at)
        (events,) = rows(db, "SELECT count(*) FROM events WHERE detail NOT LIKE '%estimated%'")[0]
        assert (
            acknowledged <= events <= acknowledged + seed + 1
        )  # at most one call a run was not acknowledged
        acknowledged = events
    with logging_in(tmp_path, RealClock(), text_bytes=3000):
        pass
    assert_tiles(db)
    assert_pairs(db)
    for run, at in rows(db, "SELECT run, at FROM events WHERE kind = 'stop' AND detail LIKE '%estimated%'"):
        assert killed[run - 1] - TOLERANCE_MS < at <= killed[run - 1]
    assert rows(
        db, "SELECT DISTINCT cause FROM spans WHERE ended_at IS NOT NULL AND state = 'online' ORDER BY 1"
    ) == [
        ("abrupt_close",),
        ("traymon_died",),
    ]
    # Rotation kept the newest lines; of those, every number is there once.
    files = [*sorted(tmp_path.glob("sessions.log.*"), reverse=True), tmp_path / "sessions.log"]
    found = [int(line.rsplit("#", 1)[1]) for path in files for line in text(path).splitlines()]
    assert found == list(range(found[0], found[-1] + 1))
    assert [(found[-1],)] == rows(db, "SELECT max(id) FROM events")


class RealClock(HandClock):
    def now(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000

    def wall(self) -> int:
        return time.time_ns() // 1_000_000


def test_the_spans_of_a_run_last_as_long_as_the_run(tmp_path: Path) -> None:
    """Promise 8, on a real clock: all states together, from the first entry to the last sign of life."""
    run_and_kill(tmp_path, 99)
    for bot in ("deploybot", "helper"):
        ((lasted, first, last),) = rows(
            tmp_path / "sessions.sqlite3",
            "SELECT sum(lasted_ms), min(started_at), max(seen_at) FROM spans WHERE bot = ?",
            bot,
        )
        assert lasted == last - first > 0


# A full disk

FULL = """
import resource, sys, threading
from pathlib import Path
from tests.sessionlog_kit import Faults, HandClock, LIMIT_S, record, session
from traymon.sessionlog.recorder import SessionLog

folder, faults = Path(sys.argv[1]), Faults()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
log = SessionLog(folder / "sessions.sqlite3", folder / "sessions.log", HandClock(), faults, heartbeat_s=0.02)
log.open(LIMIT_S)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
number = 0
while not faults.told:
    record(log, *session(1_000_000 + 10 * number, 5)).wait(0.01)
    number += 1
last = record(log, *session(1_000_000 + 10 * number, 5))
assert not last.wait(0.2)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert last.wait(LIMIT_S)
faults.wait(lambda told: told[-1] is None)
assert log.close(LIMIT_S)
print(number + 1, [bool(sentence) for sentence in faults.told])
"""


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert ran.returncode == 0, ran.stderr
    sessions, told = ran.stdout.split(maxsplit=1)
    assert told == "[True, False]\n"
    assert_whole(tmp_path, int(sessions))


def assert_whole(folder: Path, sessions: int) -> None:
    db = folder / "sessions.sqlite3"
    assert rows(db, "SELECT count(*) FROM events") == [(2 * sessions,)]
    assert rows(db, "SELECT count(*) FROM spans") == [(2 * sessions,)]
    assert_tiles(db)
    assert_pairs(db)
    assert_projected(db, folder / "sessions.log")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MB, where this process may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system; the limit on a file's size has been tried instead")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Until not a byte more fits."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4_096):
            pass


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path) as folder:
        faults, number = Faults(), 0
        log = SessionLog(
            folder / "sessions.sqlite3", folder / "sessions.log", HandClock(), faults, heartbeat_s=0.02
        )
        log.open(LIMIT_S)
        ballast = folder / "ballast"
        fill(ballast)
        while not faults.told:
            record(log, *session(1_000_000 + 10 * number, 5)).wait(0.01)
            number += 1
        ballast.unlink()
        faults.wait(lambda told: told[-1] is None)
        assert log.close(LIMIT_S)
        assert faults.told[0]
        assert "traymon holds" in faults.told[0] or "nothing is lost" in faults.told[0]
        assert_whole(folder, number)
