"""The store thread: durable before anyone is told, well whatever the disk does, and never waited for."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from tests.sessionlog_kit import (
    HISTORIES,
    LIMIT_S,
    WALL,
    Beat,
    Died,
    Faults,
    HandClock,
    Teller,
    assert_pairs,
    assert_projected,
    assert_tiles,
    commit,
    logging_in,
    record,
    rows,
    session,
    spans,
    start,
    stop,
    text,
)
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.schema import MIGRATIONS, Migration, open_for_writing

T = 1_000_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def db_of(folder: Path) -> Path:
    return folder / "sessions.sqlite3"


def text_of(folder: Path) -> Path:
    return folder / "sessions.log"


def test_entries_are_on_disk_and_in_the_text_log_when_the_caller_is_told(
    tmp_path: Path, clock: HandClock
) -> None:
    seen: list[object] = []
    told = threading.Event()

    def committed() -> None:
        seen.append(rows(db_of(tmp_path), "SELECT kind FROM events"))
        seen.append(text(text_of(tmp_path)).count("\n"))
        told.set()

    with logging_in(tmp_path, clock) as log:
        log.record("deploybot", "rtm", [EnterState(State.ONLINE, T), start(T)], committed)
        assert told.wait(LIMIT_S)
    assert seen == [[("start",)], 1]


def test_the_first_line_of_a_terminal_is_that_of_the_text_log(tmp_path: Path, clock: HandClock) -> None:
    lines: list[str] = []
    with logging_in(tmp_path, clock, on_line=lines.append) as log:
        commit(log, *session(T, 60_000), Note(NoteKind.LINK_END, T + 60_000))
        commit(log, EnterState(State.ONLINE, T + 70_000), start(T + 70_000))
    assert lines == text(text_of(tmp_path)).splitlines()
    with logging_in(tmp_path, clock, on_line=lines.append):
        pass
    assert (
        lines == text(text_of(tmp_path)).splitlines()
    )  # the estimated stop of the run before is news of this one
    assert "estimate" in lines[-1]
    assert_projected(db_of(tmp_path), text_of(tmp_path))


def test_the_thread_itself_notes_that_spans_last(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock, heartbeat_s=0.02) as log:
        commit(log, EnterState(State.PAUSED, T))
        clock.pass_by(30_000)
        wait_for(lambda: spans(db_of(tmp_path), "seen_at, lasted_ms") == [(WALL + 30_000, 30_000)])


def wait_for(so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(LIMIT_S * 100):
        if so():
            return
        pause.wait(0.01)
    assert so()


def test_closing_notes_how_long_spans_lasted(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        commit(log, EnterState(State.ONLINE, T), start(T))
        clock.pass_by(4_321)
    assert spans(db_of(tmp_path), "lasted_ms, ended_at") == [(4_321, None)]


def test_closing_writes_what_was_recorded(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        for number in range(1_500):
            record(log, *session(T + 10 * number, 5))
    assert rows(db_of(tmp_path), "SELECT count(*) FROM spans") == [(3_000,)]
    assert_tiles(db_of(tmp_path))
    assert_projected(db_of(tmp_path), text_of(tmp_path))


def test_after_the_end_nothing_is_taken(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    with logging_in(tmp_path, clock) as log:
        pass
    record(log, Note(NoteKind.PAUSE, T))
    assert "1 entries are not in it" in caplog.text


def test_a_log_that_was_never_opened_can_be_closed(tmp_path: Path, clock: HandClock) -> None:
    log = SessionLog(db_of(tmp_path), text_of(tmp_path), clock, Faults())
    assert log.close(LIMIT_S)
    assert list(tmp_path.iterdir()) == []


def test_what_is_recorded_before_opening_is_written_after_it(tmp_path: Path, clock: HandClock) -> None:
    log = SessionLog(db_of(tmp_path), text_of(tmp_path), clock, Faults())
    record(log, *session(T, 5))
    log.open(LIMIT_S)
    assert log.close(LIMIT_S)
    assert_projected(db_of(tmp_path), text_of(tmp_path))
    assert rows(db_of(tmp_path), "SELECT count(*) FROM events") == [(2,)]


def test_choices_are_known_at_once_and_in_the_next_run(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        assert log.setting("paused.deploybot") is None
        log.set_setting("paused.deploybot", "1")
        assert log.setting("paused.deploybot") == "1"
    with logging_in(tmp_path, clock) as log:
        assert log.setting("paused.deploybot") == "1"


def test_a_callback_that_fails_ends_nothing(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(*_: object) -> None:
        raise RuntimeError("a bug of theirs")

    with logging_in(tmp_path, clock, on_line=bad) as log:
        log.record("deploybot", "rtm", [Note(NoteKind.PAUSE, T)], bad)
        commit(log, Note(NoteKind.RESUME, T))
    assert caplog.text.count("a bug of theirs") >= 2
    assert_projected(db_of(tmp_path), text_of(tmp_path))


# Files that cannot be used


def test_a_damaged_database_is_moved_aside_and_its_numbers_are_not_used_again(
    tmp_path: Path, clock: HandClock
) -> None:
    with logging_in(tmp_path, clock) as log:
        commit(log, *session(T, 5))
    garbage = b"no database at all" * 500
    db_of(tmp_path).write_bytes(garbage)
    faults = Faults()
    with logging_in(tmp_path, clock, faults) as log:
        commit(log, *session(T + 10, 5))
    (aside,) = tmp_path.glob("sessions.sqlite3.damaged-*")
    assert aside.read_bytes() == garbage
    assert faults.told
    assert all(sentence and str(aside) in sentence for sentence in faults.told)
    assert [line.rsplit("#")[1] for line in text(text_of(tmp_path)).splitlines()] == ["1", "2", "3", "4"]
    assert_tiles(db_of(tmp_path))
    with logging_in(tmp_path, clock, faults := Faults()):
        pass
    assert faults.told == []


def test_damage_in_the_middle_of_a_run_costs_no_entry_from_then_on(tmp_path: Path, clock: HandClock) -> None:
    faults = Faults()
    with logging_in(tmp_path, clock, faults) as log:
        log.set_setting("port", "4711")
        commit(log, EnterState(State.ONLINE, T), start(T))
        data = db_of(tmp_path)
        with closing(sqlite3.connect(data)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data.write_bytes(b"\xa5" * data.stat().st_size)
        commit(log, stop(T + 60, 60), EnterState(State.OFFLINE, T + 60, Cause.ABRUPT_CLOSE))
        assert log.setting("port") == "4711"
    assert len(list(tmp_path.glob("*.damaged-*Z"))) == 1
    assert spans(data) == [("online", WALL, 60), ("offline", WALL + 60, 0)]
    assert rows(data, "SELECT * FROM settings") == [("port", "4711")]
    assert [line.split()[2] for line in text(text_of(tmp_path)).splitlines()] == ["start", "stop"]


def test_a_database_that_someone_removes_is_put_back_whole(tmp_path: Path, clock: HandClock) -> None:
    """Before the next entry, or with the next heartbeat; what SQLite left beside it does not come back to life."""
    faults, data = Faults(), db_of(tmp_path)
    with logging_in(tmp_path, clock, faults) as log:
        log.set_setting("port", "4711")
        commit(log, EnterState(State.ONLINE, T), start(T))
        data.unlink()
        commit(log, stop(T + 60, 60), EnterState(State.OFFLINE, T + 60))
        assert data.stat().st_mode & 0o777 == 0o600
        for path in tmp_path.glob("sessions.sqlite3*"):
            path.unlink()
    assert spans(data) == [("online", WALL, 60), ("offline", WALL + 60, 0)]
    assert rows(data, "SELECT * FROM settings") == [("port", "4711")]
    assert sorted(rows(data, "SELECT kind FROM events")) == [("setting",), ("start",), ("stop",)]
    assert_projected(data, text_of(tmp_path))
    (sentence,) = faults.told
    assert sentence
    assert "put it back whole" in sentence


def test_a_removed_database_that_is_damaged_too_keeps_out_no_new_one(
    tmp_path: Path, clock: HandClock
) -> None:
    with logging_in(tmp_path, clock) as log:
        commit(log, EnterState(State.ONLINE, T), start(T))
        data = db_of(tmp_path)
        with closing(sqlite3.connect(data)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        elsewhere = data.rename(tmp_path / "elsewhere")
        elsewhere.write_bytes(b"\xa5" * elsewhere.stat().st_size)
        commit(log, stop(T + 60, 60), EnterState(State.OFFLINE, T + 60))
    assert spans(data) == [("online", WALL, 60), ("offline", WALL + 60, 0)]
    assert [line.split()[2] for line in text(text_of(tmp_path)).splitlines()] == ["start", "stop"]


def test_a_removed_folder_that_cannot_be_made_again_is_waited_for(tmp_path: Path, clock: HandClock) -> None:
    folder, faults = tmp_path / "state", Faults()
    with logging_in(folder, clock, faults, heartbeat_s=0.02) as log:
        commit(log, EnterState(State.ONLINE, T), start(T))
        folder.rename(tmp_path / "elsewhere")
        folder.touch()
        told = record(log, stop(T + 60, 60), EnterState(State.OFFLINE, T + 60))
        faults.wait(lambda told: any("Not a directory" in (each or "") for each in told))
        assert not told.is_set()
        folder.unlink()
        assert told.wait(LIMIT_S)
    assert rows(db_of(folder), "SELECT kind FROM events ORDER BY id") == [("start",), ("stop",)]
    assert spans(db_of(folder)) == [("online", WALL, 60), ("offline", WALL + 60, 0)]
    assert_projected(db_of(folder), text_of(folder))


def test_a_text_log_that_someone_removes_is_written_anew(tmp_path: Path, clock: HandClock) -> None:
    faults = Faults()
    with logging_in(tmp_path, clock, faults) as log:
        commit(log, *session(T, 60))
        whole = text(text_of(tmp_path))
        text_of(tmp_path).unlink()
        commit(log, *session(T + 100, 60))
    assert text(text_of(tmp_path)).startswith(whole)
    assert_projected(db_of(tmp_path), text_of(tmp_path))
    (sentence,) = faults.told
    assert sentence
    assert "has written it anew" in sentence


def test_beside_a_newer_database_only_the_text_log_is_written(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        log.set_setting("paused.deploybot", "1")
        commit(log, *session(T, 5))
    newer = (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, ("CREATE TABLE later (x)",)))
    open_for_writing(db_of(tmp_path), newer).close()
    before = db_of(tmp_path).read_bytes()
    faults, lines = Faults(), []
    with logging_in(tmp_path, clock, faults, on_line=lines.append) as log:
        assert log.setting("paused.deploybot") == "1"  # a pause is not forgotten
        commit(log, *session(T + 10, 5))
    assert db_of(tmp_path).read_bytes() == before
    (sentence,) = faults.told
    assert sentence
    assert "newer" in sentence
    whole = text(text_of(tmp_path)).splitlines()
    assert [line.rsplit("#")[1] for line in whole] == ["1", "2", "-", "-"]
    assert lines == whole[2:]


def test_beside_a_newer_database_lines_wait_for_the_text_log(tmp_path: Path, clock: HandClock) -> None:
    open_for_writing(db_of(tmp_path), (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, ()))).close()
    (tmp_path / "logs").touch()
    faults = Faults()
    log = SessionLog(db_of(tmp_path), tmp_path / "logs" / "s.log", clock, faults, heartbeat_s=0.02)
    log.open(LIMIT_S)
    told = record(log, *session(T, 5))
    faults.wait(lambda told: "text log" in (told[-1] or "") and "Not a directory" in (told[-1] or ""))
    assert not told.is_set()
    (tmp_path / "logs").unlink()
    assert told.wait(LIMIT_S)
    faults.wait(lambda told: "newer" in (told[-1] or ""))
    assert log.close(LIMIT_S)
    assert text(tmp_path / "logs" / "s.log").count("#-\n") == 2


def test_where_the_database_cannot_be_made_entries_wait_until_it_can(
    tmp_path: Path, clock: HandClock
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    faults, told = Faults(), threading.Event()
    log = SessionLog(
        tmp_path / "state" / "s.db", text_of(tmp_path), clock, faults, heartbeat_s=0.02, boot_id="boot"
    )
    log.open(LIMIT_S)
    assert len(faults.told) == 1
    log.record("deploybot", "rtm", session(T, 5), told.set)
    log.set_setting("port", "4711")
    assert log.setting("port") == "4711"
    assert not told.wait(0.1)
    (tmp_path / "state").unlink()
    assert told.wait(LIMIT_S)
    faults.wait(lambda told: told[-1] is None)
    log.set_setting("port", "4712")
    assert log.close(LIMIT_S)
    assert len(faults.told) == 2  # one sentence for one fault, however often it was tried
    assert rows(tmp_path / "state" / "s.db", "SELECT * FROM settings") == [("port", "4712")]
    assert spans(tmp_path / "state" / "s.db") == [("online", WALL, 5), ("offline", WALL + 5, 0)]
    assert_projected(tmp_path / "state" / "s.db", text_of(tmp_path))


def test_what_waits_is_bounded_and_its_loss_is_told(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "state").touch()
    log = SessionLog(
        tmp_path / "state" / "s.db", text_of(tmp_path), clock, Faults(), heartbeat_s=0.02, most_waiting=8
    )
    log.open(LIMIT_S)
    waiting = [record(log, *session(T + 100 * number, 50)) for number in range(5)]
    assert all(event.wait(LIMIT_S) for event in waiting[:3])  # lost for good: nobody is to wait for them
    assert not waiting[4].is_set()
    (tmp_path / "state").unlink()
    assert waiting[4].wait(LIMIT_S)
    assert log.close(LIMIT_S)
    assert (
        rows(tmp_path / "state" / "s.db", "SELECT kind FROM events")
        == [("warning",)] + [("start",), ("stop",)] * 2
    )
    assert "12 entries were lost" in text(text_of(tmp_path))
    assert_tiles(tmp_path / "state" / "s.db")


def test_what_cannot_be_written_at_the_end_is_said(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").touch()
    log = SessionLog(tmp_path / "state" / "s.db", text_of(tmp_path), clock, Faults())
    log.open(LIMIT_S)
    record(log, *session(T, 5))
    assert not log.close(LIMIT_S)
    assert "4 entries of the session log could not be written" in caplog.text


def test_a_text_log_that_cannot_be_written_catches_up(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "logs").touch()
    faults, lines = Faults(), []
    log = SessionLog(
        db_of(tmp_path), tmp_path / "logs" / "s.log", clock, faults, heartbeat_s=0.02, on_line=lines.append
    )
    log.open(LIMIT_S)
    commit(log, *session(T, 5))  # the database has it: that is what counts
    faults.wait(lambda told: len(told) == 1 and "text log" in (told[0] or ""))
    (tmp_path / "logs").unlink()
    faults.wait(lambda told: told[-1] is None)
    commit(log, *session(T + 10, 5))
    assert log.close(LIMIT_S)
    assert_projected(db_of(tmp_path), tmp_path / "logs" / "s.log")
    assert lines == text(tmp_path / "logs" / "s.log").splitlines()


def test_a_locked_database_is_waited_for_without_anyone_waiting(tmp_path: Path, clock: HandClock) -> None:
    faults = Faults()
    with logging_in(tmp_path, clock, faults, heartbeat_s=0.02) as log:
        with closing(sqlite3.connect(db_of(tmp_path), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            told = record(log, *session(T, 5))
            faults.wait(lambda told: bool(told))
            assert not told.is_set()
            other.execute("ROLLBACK")
        assert told.wait(LIMIT_S)
        faults.wait(lambda told: told[-1] is None)
    assert_projected(db_of(tmp_path), text_of(tmp_path))


def test_the_text_log_is_made_again_from_the_store(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        commit(log, *session(T, 5))
    whole = text(text_of(tmp_path))
    text_of(tmp_path).write_text(whole[: len(whole) - 3])  # a line torn by a power loss
    with logging_in(tmp_path, clock):
        pass
    assert text(text_of(tmp_path)) == whole
    text_of(tmp_path).unlink()
    with logging_in(tmp_path, clock):
        pass
    assert text(text_of(tmp_path)) == whole


def test_rotated_logs_hold_every_line_once(tmp_path: Path, clock: HandClock) -> None:
    for run in range(3):
        with logging_in(tmp_path, clock, text_bytes=3_000) as log:
            for number in range(20):
                commit(log, *session(T + 1000 * run + 10 * number, 5))
    files = sorted(tmp_path.glob("sessions.log.*"), reverse=True)
    assert len(files) == 3
    assert_projected(db_of(tmp_path), *files, text_of(tmp_path))


def test_a_clock_that_is_set_is_put_right_in_what_is_shown(tmp_path: Path, clock: HandClock) -> None:
    lines: list[str] = []
    with logging_in(tmp_path, clock, on_line=lines.append) as log:
        commit(log, EnterState(State.ONLINE, T), start(T))
        clock.pass_by(10)
        clock.set_wall(86_400_000)
        commit(log, stop(T + 10, 10), EnterState(State.OFFLINE, T + 10))
        clock.pass_by(10)
        commit(log, EnterState(State.ONLINE, T + 20), start(T + 20))
    days = [int(line[8:10]) for line in lines]
    assert [day - days[0] for day in days] == [0, 1, 1, 1]
    assert rows(db_of(tmp_path), "SELECT kind, bot, detail FROM events WHERE kind = 'clock'") == [
        ("clock", "", '{"facts":{"step_ms":86400000}}')
    ]
    assert spans(db_of(tmp_path)) == [
        ("online", WALL, 10),
        ("offline", WALL + 10, 10),
        ("online", WALL + 20, 0),
    ]
    assert_tiles(db_of(tmp_path))


def test_a_set_clock_is_noticed_by_the_heartbeat_and_noted_once(tmp_path: Path, clock: HandClock) -> None:
    def steps() -> list[tuple[str]]:
        return rows(db_of(tmp_path), "SELECT detail FROM events WHERE kind = 'clock'")

    with logging_in(tmp_path, clock, heartbeat_s=0.02) as log:
        clock.set_wall(-3_600_000)
        wait_for(lambda: len(steps()) == 1)
        # What others say of the same step is not counted again.
        commit(log, Note(NoteKind.CLOCK, T, facts={"step_ms": -3_600_000}))
        clock.set_wall(3_600_000 + 4_000)
        wait_for(lambda: len(steps()) == 2)
        commit(log, Note(NoteKind.PAUSE, T))
        assert len(steps()) == 2


def test_beside_a_newer_database_a_set_clock_shows_too(tmp_path: Path, clock: HandClock) -> None:
    open_for_writing(db_of(tmp_path), (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, ()))).close()
    with logging_in(tmp_path, clock) as log:
        clock.set_wall(86_400_000)
        commit(log, Note(NoteKind.PAUSE, T))
        commit(log, Note(NoteKind.RESUME, T))
    told = [line.split() for line in text(text_of(tmp_path)).splitlines()]
    assert [(words[0], words[2]) for words in told] == [
        ("2016-12-20", "clock"),
        ("2016-12-20", "pause"),
        ("2016-12-20", "resume"),
    ]


def test_a_pause_is_known_though_nothing_can_be_written_at_the_start(
    tmp_path: Path, clock: HandClock
) -> None:
    """A full disk, or one that became read-only: here another process holds the file's lock."""
    with logging_in(tmp_path, clock) as log:
        log.set_setting("paused:bot", "1")
    with closing(sqlite3.connect(db_of(tmp_path), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        faults = Faults()
        log = SessionLog(db_of(tmp_path), text_of(tmp_path), clock, faults, heartbeat_s=0.02)
        log.open(LIMIT_S)
        assert faults.told, "it could be written"
        assert log.setting("paused:bot") == "1"
        log.set_setting("paused:bot", "0")  # the later choice counts
        holder.execute("ROLLBACK")
    faults.wait(lambda told: told[-1] is None)
    assert log.setting("paused:bot") == "0"
    assert log.close(LIMIT_S)


def test_a_pause_outlives_damage_elsewhere_in_the_file(tmp_path: Path, clock: HandClock) -> None:
    with logging_in(tmp_path, clock) as log:
        log.set_setting("paused.deploybot", "1")
        for number in range(100):
            record(log, *session(T + 10 * number, 5))
    (page,) = rows(db_of(tmp_path), "SELECT rootpage FROM sqlite_master WHERE name = 'events'")[0]
    data = bytearray(db_of(tmp_path).read_bytes())
    data[4096 * (page - 1) : 4096 * page] = b"\xa5" * 4096
    db_of(tmp_path).write_bytes(data)
    with logging_in(tmp_path, clock) as log:
        assert log.setting("paused.deploybot") == "1"
    assert rows(db_of(tmp_path), "SELECT * FROM settings") == [("paused.deploybot", "1")]
    assert len(list(tmp_path.glob("*.damaged-*Z"))) == 1


def test_no_line_of_a_fault_is_at_error_level_while_nothing_is_lost(
    tmp_path: Path, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").touch()
    log = SessionLog(tmp_path / "state" / "s.db", text_of(tmp_path), clock, Faults(), heartbeat_s=0.02)
    log.open(LIMIT_S)
    told = record(log, *session(T, 5))
    (tmp_path / "state").unlink()
    assert told.wait(LIMIT_S)
    assert log.close(LIMIT_S)
    assert [entry for entry in caplog.records if entry.levelno >= logging.ERROR] == []


@settings(max_examples=25)
@given(HISTORIES)
def test_whatever_happens_every_line_is_there_once(history: Sequence[object]) -> None:
    with TemporaryDirectory() as name:
        folder, clock, teller = Path(name), HandClock(), Teller()
        log = _opened(folder, clock)
        for move in history:
            if isinstance(move, Died):
                assert log.close(LIMIT_S)
                teller.forget()
                clock.pass_by(move.off_ms)
                log = _opened(folder, clock)
                continue
            clock.pass_by(move.after_ms)
            if not isinstance(move, Beat):
                record(log, *teller.entries(move, clock.now()), bot=move.bot)
        assert log.close(LIMIT_S)
        assert_tiles(db_of(folder))
        assert_pairs(db_of(folder))
        assert_projected(db_of(folder), text_of(folder))


def _opened(folder: Path, clock: HandClock) -> SessionLog:
    log = SessionLog(db_of(folder), text_of(folder), clock, Faults(), boot_id="boot")
    log.open(LIMIT_S)
    return log
