"""What the tests of the session log share: a clock set by hand, histories as the core makes them, what must hold."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import TRANSITIONS, UP, State
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.store import Batch, Run, Store
from traymon.sessionlog.timeline import Anchor

LIMIT_S = 20
"""For anything that another thread does: far above what it takes, so that only a hang fails."""

WALL = 1_482_186_550_000
"""2016-12-19 22:29:10 UTC, which is 07:29:10 on the 20th in Tokyo."""

ABRUPT = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, reached_slack=True, evidence={"error": "EOF"})
REFUSED = Failure(Cause.CONNECT_REFUSED, Phase.TCP, evidence={"host": "slack.com"})


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self, wall: int = WALL, now: int = 1_000_000) -> None:
        # One tuple, swapped whole: the store thread reads while the test moves the hands.
        self._hands = (wall, now)

    def now(self) -> int:
        return self._hands[1]

    def wall(self) -> int:
        return self._hands[0]

    def pass_by(self, ms: int) -> None:
        wall, now = self._hands
        self._hands = (wall + ms, now + ms)

    def set_wall(self, step_ms: int) -> None:
        wall, now = self._hands
        self._hands = (wall + step_ms, now)

    def reboot(self, off_ms: int) -> None:
        self._hands = (self._hands[0] + off_ms, 20_000)


def a_run(token: str = "first", wall: int = WALL, at: int = 1_000_000, boot_id: str | None = "boot") -> Run:
    return Run(token, Anchor(wall, at), boot_id)


def batch(*entries: EnterState | Note, bot: str = "deploybot", number: int = 0) -> Batch:
    return Batch(bot, "rtm", entries, None, number)


def start(at: int, **facts: Any) -> Note:
    return Note(NoteKind.START, at, facts=facts)


def stop(at: int, up_ms: int, cause: Cause = Cause.ABRUPT_CLOSE, failure: Failure | None = ABRUPT) -> Note:
    return Note(NoteKind.STOP, at, failure, {"cause": cause.value, "up_ms": up_ms})


def put(store: Store, *entries: EnterState | Note, bot: str = "deploybot", now: int = 1_000_000) -> None:
    store.write([batch(*entries, bot=bot)], now=now)


def rows(db: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql, values).fetchall()


def spans(
    db: Path, columns: str = "state, started_at, lasted_ms", bot: str = "deploybot"
) -> list[tuple[Any, ...]]:
    return rows(db, f"SELECT {columns} FROM spans WHERE bot = ? ORDER BY id", bot)


# What must hold of every log


def assert_tiles(db: Path) -> None:
    """In each run, each bot's spans follow one another to the millisecond, and only the last may be open."""
    tiles = defaultdict(list)
    for run, bot, *span in rows(
        db, "SELECT run, bot, started_at, lasted_ms, seen_at, ended_at FROM spans ORDER BY id"
    ):
        tiles[run, bot].append(span)
    for line in tiles.values():
        for (started, lasted, _, ended), (following, _, _, _) in pairwise(line):
            assert started + lasted == ended == following
        for started, lasted, seen, ended in line:
            assert lasted >= 0
            assert seen == started + lasted
            assert ended in (None, seen)


def assert_pairs(db: Path) -> None:
    """Every start has exactly one stop, after it, and nothing else stands between them; the last may be running."""
    by_bot = defaultdict(list)
    for bot, kind, at in rows(
        db, "SELECT bot, kind, at FROM events WHERE kind IN ('start', 'stop') ORDER BY id"
    ):
        by_bot[bot].append((kind, at))
    for told in by_bot.values():
        assert [kind for kind, _ in told] == (["start", "stop"] * len(told))[: len(told)]
        for (_, started), (_, stopped) in zip(told[::2], told[1::2], strict=False):
            assert stopped >= started


def assert_projected(db: Path, *text_logs: Path) -> None:
    """The text log (oldest file first) has every event that has a line, once and in order."""
    expected = rows(db, "SELECT id FROM events WHERE kind NOT IN ('link_end', 'setting') ORDER BY id")
    assert numbers(*text_logs) == [number for (number,) in expected]


def numbers(*text_logs: Path) -> list[int]:
    return [int(line.rsplit("#", 1)[1]) for path in text_logs for line in text(path).splitlines()]


def text(path: Path) -> str:
    content = path.read_text(encoding="utf-8") if path.exists() else ""
    assert content == "" or content.endswith("\n")
    return content


# Histories as the core makes them


@dataclass(frozen=True)
class Died:
    """The process is killed, and started again ``off_ms`` later, after a reboot or not."""

    off_ms: int
    reboot: bool


@dataclass(frozen=True)
class Beat:
    """A heartbeat after ``after_ms``."""

    after_ms: int


@dataclass(frozen=True)
class Moves:
    """After ``after_ms``, one call of ``record``: a bot goes through ``states``, all dated ``back_ms`` back."""

    bot: str
    after_ms: int
    back_ms: int
    choice: int


BOTS = ("deploybot", "helper")
_LENGTHS = st.integers(0, 100_000_000) | st.integers(0, 30)
HISTORIES = st.lists(
    st.builds(Moves, st.sampled_from(BOTS), _LENGTHS, st.integers(0, 20_000), st.integers(0, 1000))
    | st.builds(Beat, _LENGTHS)
    | st.builds(Died, _LENGTHS, st.booleans()),
    max_size=25,
)


class Teller:
    """Turns moves into what the core would record: only rows of its table, a start and a stop for each session."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The process died: all begins anew."""
        self._state = dict.fromkeys(BOTS, State.UNKNOWN)
        self._since = dict.fromkeys(BOTS, 0)
        self._up_since = dict.fromkeys(BOTS, 0)

    def entries(self, move: Moves, now: int) -> list[EnterState | Note]:
        bot, old = move.bot, self._state[move.bot]
        ways = list(TRANSITIONS[old].values())
        new = ways[move.choice % len(ways)]
        at = now if old is State.UNKNOWN else max(now - move.back_ms, self._since[bot])
        told: list[EnterState | Note] = []
        if old in UP and new not in UP:
            told.append(stop(at, at - self._up_since[bot]))
        told.append(EnterState(new, at, Cause.ABRUPT_CLOSE if old in UP else None, attempts=move.choice))
        if new in UP and old not in UP:
            told.append(start(at))
            self._up_since[bot] = at
        self._state[bot], self._since[bot] = new, at
        return told


# The recorder


class Faults:
    """What on_fault was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[str | None] = []
        # Guards `told`: the store thread appends, the test waits.
        self._changed = threading.Condition()

    def __call__(self, sentence: str | None) -> None:
        with self._changed:
            self.told.append(sentence)
            self._changed.notify_all()

    def wait(self, so: Callable[[list[str | None]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: so(self.told), LIMIT_S), self.told


@contextmanager
def logging_in(
    folder: Path, clock: HandClock, faults: Faults | None = None, **options: Any
) -> Iterator[SessionLog]:
    """A running session log in ``folder``; closed at the end, with everything written."""
    log = SessionLog(
        folder / "sessions.sqlite3",
        folder / "sessions.log",
        clock,
        faults or Faults(),
        boot_id="boot",
        **options,
    )
    log.open(LIMIT_S)
    try:
        yield log
    finally:
        assert log.close(LIMIT_S)


def record(log: SessionLog, *entries: EnterState | Note, bot: str = "deploybot") -> threading.Event:
    """Record and return what is set on commit."""
    committed = threading.Event()
    log.record(bot, "rtm", entries, committed.set)
    return committed


def commit(log: SessionLog, *entries: EnterState | Note, bot: str = "deploybot") -> None:
    """Record, and wait for the commit."""
    assert record(log, *entries, bot=bot).wait(LIMIT_S)


def session(at: int, lasted_ms: int, down_ms: int = 1_000) -> Sequence[EnterState | Note]:
    """A whole session from ``at`` on, then offline: what the tests write where only the amount matters."""
    end = at + lasted_ms
    return (
        EnterState(State.ONLINE, at),
        start(at, down_ms=down_ms),
        stop(end, lasted_ms),
        EnterState(State.OFFLINE, end, Cause.ABRUPT_CLOSE, ABRUPT),
    )
