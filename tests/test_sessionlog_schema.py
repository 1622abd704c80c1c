"""The file: made, migrated, refused, moved aside."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.sessionlog_kit import WALL, rows
from traymon.sessionlog import schema
from traymon.sessionlog.schema import (
    MIGRATIONS,
    DamagedStoreError,
    Migration,
    NewerStoreError,
    open_for_writing,
)

NEXT = (
    *MIGRATIONS,
    Migration(2, ("ALTER TABLE events ADD COLUMN colour TEXT", "UPDATE events SET colour = 'red'")),
)


def make(db: Path) -> None:
    with closing(open_for_writing(db)) as connection, schema.transaction(connection):
        connection.execute(
            "INSERT INTO runs (token, started_wall_ms, started_at, version) VALUES ('t', 1, 1, '1')"
        )
        connection.execute("INSERT INTO events (at, bot, kind, run) VALUES (5, 'b', 'start', 1)")


def test_a_new_file_is_private_durable_and_of_the_latest_version(tmp_path: Path) -> None:
    db = tmp_path / "deep" / "er" / "s.db"
    with closing(open_for_writing(db)) as connection:
        asked = [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "journal_mode")
        ]
        assert asked == [schema.latest(MIGRATIONS), "wal"]
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        connection.execute("INSERT INTO settings VALUES ('a', 'b')")
        modes = {path.name: path.stat().st_mode & 0o777 for path in db.parent.iterdir()}
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600}


def test_opened_again_it_is_as_it_was(tmp_path: Path) -> None:
    make(tmp_path / "s.db")
    open_for_writing(tmp_path / "s.db").close()
    assert rows(tmp_path / "s.db", "SELECT at, bot FROM events") == [(5, "b")]


def test_a_migration_keeps_the_rows_and_a_copy_from_before_it(tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    make(db)
    with closing(open_for_writing(db, NEXT)) as connection:
        assert connection.execute("SELECT at, colour FROM events").fetchall() == [(5, "red")]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    copy = tmp_path / "s.db.before-version-2"
    assert rows(copy, "PRAGMA user_version") == [(1,)]
    assert rows(copy, "SELECT at, bot FROM events") == [(5, "b")]


def test_a_migration_that_fails_changes_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    make(db)
    broken = (*MIGRATIONS, Migration(2, (*NEXT[-1].statements, "INSERT INTO nowhere VALUES (1)")))
    with pytest.raises(sqlite3.OperationalError):
        open_for_writing(db, broken)
    assert rows(db, "PRAGMA user_version") == [(1,)]
    assert len(rows(db, "SELECT * FROM events")[0]) == 6
    open_for_writing(db, NEXT).close()
    assert rows(db, "SELECT colour FROM events") == [("red",)]


def test_a_new_file_is_not_copied(tmp_path: Path) -> None:
    open_for_writing(tmp_path / "s.db", NEXT).close()
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


def test_a_newer_file_is_left_as_it_is(tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    open_for_writing(db, NEXT).close()
    before = db.read_bytes()
    with pytest.raises(NewerStoreError):
        open_for_writing(db)
    assert db.read_bytes() == before


def _garbage(db: Path) -> None:
    db.write_text("this is a diary, no database\n" * 100)


def _cut(db: Path) -> None:
    db.write_bytes(db.read_bytes()[:9000])


def _scribbled(db: Path) -> None:
    data = bytearray(db.read_bytes())
    data[4096:12288] = b"\xa5" * 8192
    db.write_bytes(data)


def _foreign(db: Path) -> None:
    db.unlink()
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE recipes (name)")


def _robbed(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DROP TABLE spans")


def _narrowed(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN taken")


@pytest.mark.parametrize("spoil", [_garbage, _cut, _scribbled, _foreign, _robbed, _narrowed])
def test_a_file_that_is_no_session_log_is_called_damaged(tmp_path: Path, spoil) -> None:
    db = tmp_path / "s.db"
    make(db)
    spoil(db)
    with pytest.raises(DamagedStoreError):
        open_for_writing(db)


def test_what_cannot_be_reached_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        open_for_writing(tmp_path / "file" / "s.db")
    assert not schema.is_damage(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises((OSError, sqlite3.OperationalError)) as caught_too:
        open_for_writing(tmp_path / "folder")
    assert not schema.is_damage(caught_too.value)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "s.db")) as connection:
        with pytest.raises(sqlite3.IntegrityError), schema.transaction(connection):
            connection.executemany("INSERT INTO settings VALUES (?, 'b')", [("a",), ("a",)])
        assert not connection.in_transaction
        assert connection.execute("SELECT * FROM settings").fetchall() == []


def test_all_parts_are_moved_aside_and_none_over_another(tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    targets = []
    for content in ("one", "two", "three"):
        for part in ("", "-wal"):
            Path(f"{db}{part}").write_text(content)
        targets.append(schema.move_aside(db, WALL))
    assert [path.name for path in targets] == [
        "s.db.damaged-20161219T222910Z",
        "s.db.damaged-20161219T222910Z-2",
        "s.db.damaged-20161219T222910Z-3",
    ]
    assert [path.read_text() for path in targets] == ["one", "two", "three"]
    assert [Path(f"{path}-wal").read_text() for path in targets] == ["one", "two", "three"]
    assert not db.exists()
