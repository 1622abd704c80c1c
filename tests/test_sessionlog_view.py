"""What viewers see, while the writer writes and where there is nothing to see."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.sessionlog_kit import ABRUPT, WALL, HandClock, a_run, commit, logging_in, put, session, start, stop
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog.schema import MIGRATIONS, Migration, open_for_writing
from traymon.sessionlog.store import Store
from traymon.sessionlog.view import LogUnreadableError, LogView, Outage, Totals, read_settings

T = 1_000_000


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def a_day(db: Path) -> None:
    """connecting 300, online 8700, offline 11000, online 500, away 500, paused 1000, asleep 2000, refused 40 …"""
    store = Store(db, a_run())
    put(store, EnterState(State.CONNECTING, T))
    put(store, EnterState(State.ONLINE, T + 300), start(T + 300))
    put(store, stop(T + 9_000, 8_700), EnterState(State.OFFLINE, T + 9_000, Cause.ABRUPT_CLOSE, ABRUPT))
    put(store, EnterState(State.ONLINE, T + 20_000), start(T + 20_000, down_ms=11_000))
    put(store, EnterState(State.AWAY, T + 20_500), Note(NoteKind.AWAY, T + 20_500))
    put(store, stop(T + 21_000, 1_000, Cause.USER, None), EnterState(State.PAUSED, T + 21_000, Cause.USER))
    put(store, EnterState(State.ASLEEP, T + 22_000))
    put(store, EnterState(State.CONNECTING, T + 24_000), bot="deploybot")
    put(store, EnterState(State.REFUSED, T + 24_010, Cause.REFUSED_TOKEN))
    store.beat(T + 24_050, durable=True)
    store.close()


def test_totals_add_up_to_the_time(db: Path) -> None:
    a_day(db)
    totals = LogView(db).totals()
    assert totals == Totals(
        up_ms=9_700, down_ms=11_350, paused_ms=1_000, asleep_ms=2_000, outages=2, sessions=2, unknown_ms=0
    )
    assert totals.up_ms + totals.down_ms + totals.paused_ms + totals.asleep_ms == 24_050


def test_totals_since_a_moment_count_only_what_lies_after_it(db: Path) -> None:
    a_day(db)
    totals = LogView(db).totals(since=WALL + 15_000)
    assert (totals.up_ms, totals.down_ms, totals.outages, totals.sessions) == (1_000, 5_050, 2, 1)
    assert LogView(db).totals(since=WALL + 24_020).down_ms == 30
    assert LogView(db).totals(since=WALL + 99_000).down_ms == 0


def test_a_first_attempt_that_succeeds_is_no_outage(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.CONNECTING, T))
    put(store, EnterState(State.ONLINE, T + 300), start(T + 300))
    store.close()
    assert (LogView(db).totals().down_ms, LogView(db).totals().outages) == (300, 0)
    assert LogView(db).last_outage("deploybot") is None


def test_bots_are_told_apart(db: Path) -> None:
    a_day(db)
    store = Store(db, a_run())
    put(store, *session(T, 77), bot="helper")
    store.close()
    view = LogView(db)
    assert view.totals("helper").up_ms == 77
    assert view.totals().up_ms == 9_777
    assert view.totals().outages == 3
    assert {span.bot for span in view.spans("helper")} == {"helper"}
    assert [event.kind for event in view.events("helper")] == ["start", "stop"]
    assert view.totals("nobody") == Totals()


def test_the_last_outage_is_the_last_one_that_is_over(db: Path) -> None:
    a_day(db)
    expected = Outage(WALL + 9_000, 11_000, WALL + 20_000, "abrupt_close")
    assert LogView(db).last_outage("deploybot") == expected  # the bot is refused, but that lasts
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T + 25_000))
    store.close()
    assert LogView(db).last_outage("deploybot") == Outage(
        WALL + 24_000, 1_000, WALL + 25_000, "refused_token"
    )


def test_rows_are_data(db: Path) -> None:
    a_day(db)
    span = LogView(db).spans()[1]
    assert (span.state, span.started_at, span.lasted_ms, span.ended_at) == (
        State.ONLINE,
        WALL + 300,
        8_700,
        WALL + 9_000,
    )
    assert (span.cause, span.evidence, span.transport) == (
        "abrupt_close",
        {"phase": "live", "error": "EOF"},
        "rtm",
    )
    assert LogView(db).spans()[-1].ended_at is None
    event = LogView(db).events()[1]
    assert (event.kind, event.cause, event.facts["up_ms"], event.id) == ("stop", "abrupt_close", 8_700, 2)


def test_events_since_a_moment(db: Path) -> None:
    a_day(db)
    assert [event.at - WALL for event in LogView(db).events(since=WALL + 20_000)] == [20_000, 20_500, 21_000]


def test_times_after_a_step_of_the_clock_are_shown_right_and_lengths_stay_true(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    put(store, Note(NoteKind.CLOCK, T + 100, facts={"step_ms": 50_000}), bot="")
    put(store, stop(T + 300, 300), EnterState(State.OFFLINE, T + 300))
    store.close()
    view = LogView(db)
    online, offline = view.spans()
    assert (online.started_at, online.ended_at, online.lasted_ms) == (WALL, WALL + 50_300, 300)
    assert offline.started_at == WALL + 50_300
    assert [event.kind for event in view.events(since=WALL + 40_000)] == ["clock", "stop"]
    assert view.spans(since=WALL + 50_300) == [offline]


@pytest.mark.parametrize("content", [None, b""])
def test_no_log_is_an_empty_log_and_is_not_made(db: Path, content: bytes | None) -> None:
    if content is not None:
        db.write_bytes(content)
    view = LogView(db)
    assert (view.spans(), view.events(), view.totals(), view.last_outage("b")) == ([], [], Totals(), None)
    assert read_settings(db) == {}
    assert sorted(db.parent.iterdir()) == ([] if content is None else [db])


def test_what_cannot_be_read_is_one_sentence_and_is_left_alone(db: Path) -> None:
    db.write_bytes(b"no database" * 1000)
    for ask in (LogView(db).spans, LogView(db).events, LogView(db).totals):
        with pytest.raises(LogUnreadableError, match="cannot be read"):
            ask()
    assert LogView(db).last_outage("bot") is None
    assert read_settings(db) == {}
    assert db.read_bytes() == b"no database" * 1000


def test_other_versions_are_named(db: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(LogUnreadableError, match="older"):
        LogView(db).spans()
    newer = tmp_path / "newer"
    open_for_writing(newer, (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, ()))).close()
    with pytest.raises(LogUnreadableError, match="newer"):
        LogView(newer).spans()
    assert read_settings(newer) == {}


def test_choices_can_be_read_without_the_writer(db: Path) -> None:
    store = Store(db, a_run())
    store.write([], settings={"port": "4711"}, now=T)
    assert read_settings(db) == {"port": "4711"}
    store.close()


def test_views_see_whole_transactions_while_the_writer_writes(tmp_path: Path) -> None:
    view, stopped, seen = LogView(tmp_path / "sessions.sqlite3"), threading.Event(), []

    def look() -> None:
        while not stopped.is_set():
            seen.append(len(view.spans()))

    # Reads as fast as it can beside the store thread; ended by the test.
    reader = threading.Thread(target=look)
    with logging_in(tmp_path, HandClock()) as log:
        reader.start()
        for number in range(60):
            commit(log, *session(T + 10 * number, 5))
            assert len(view.events()) == 2 * (number + 1)
        stopped.set()
        reader.join()
    assert seen == sorted(seen)
    assert all(count % 2 == 0 for count in seen)


LOOK = """
import os, sys
from pathlib import Path
from traymon import words
from traymon.sessionlog.view import LogView
if os.getuid() == 0:
    os.setuid(65534)  # modes are nothing to root
try:
    Path(sys.argv[1]).with_name("new").touch()
except PermissionError:
    print(LogView(Path(sys.argv[1])).totals().up_ms)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders are POSIX's")
def test_a_log_in_a_folder_that_cannot_be_written_can_be_read() -> None:
    with TemporaryDirectory() as name:
        db = Path(name) / "sessions.sqlite3"
        a_day(db)
        db.chmod(0o444)
        db.parent.chmod(0o555)
        ran = subprocess.run(
            [sys.executable, "-c", LOOK, str(db)], capture_output=True, text=True, timeout=60, check=False
        )
        db.parent.chmod(0o755)
    assert ran.stdout == "9700\n", ran.stderr
