"""The file of the session log: its tables, its versions, and what can be wrong with it.

Only the process that records opens the file for writing and migrates it; viewers never do.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

BUSY_LIMIT_S = 2.0
"""How long a statement waits for someone who has the file locked, as a person's sqlite3 shell may have."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE = 0xFF  # the low byte of an extended result code (sqlite.org/rescode.html)


class StoreError(Exception):
    """Base of what can be wrong with the file.

    ::

        StoreError
        ├── NewerStoreError     a later traymon wrote it: it is left alone
        └── DamagedStoreError   no database, a broken one, or some other program's
    """


class NewerStoreError(StoreError):
    """The file's ``user_version`` is higher than any this program knows."""


class DamagedStoreError(StoreError):
    """The file cannot be used and is to be moved aside."""


@dataclass(frozen=True, slots=True)
class Migration:
    """Statements that bring a file from version ``to - 1`` to ``to``."""

    to: int
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        (
            # One row for each start of the program. `token` finds a run's own row again after the file was reopened;
            # `started_wall_ms` (UTC) and `started_at` (the clock that counts sleep) anchor its times; `taken` counts
            # the batches that it has written.
            """CREATE TABLE runs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                token TEXT NOT NULL UNIQUE,
                started_wall_ms INTEGER NOT NULL,
                started_at INTEGER NOT NULL,
                boot_id TEXT,
                version TEXT NOT NULL,
                taken INTEGER NOT NULL DEFAULT 0
            )""",
            """CREATE TABLE spans (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                bot TEXT NOT NULL,
                state TEXT NOT NULL,
                started_at INTEGER NOT NULL,
                lasted_ms INTEGER NOT NULL DEFAULT 0 CHECK (lasted_ms >= 0),
                seen_at INTEGER NOT NULL,
                ended_at INTEGER,
                cause TEXT,
                close_code INTEGER,
                detail TEXT NOT NULL DEFAULT '',
                evidence TEXT NOT NULL DEFAULT '{}',
                attempts INTEGER NOT NULL DEFAULT 0,
                transport TEXT NOT NULL,
                run INTEGER NOT NULL REFERENCES runs (id),
                CHECK (seen_at >= started_at)
            )""",
            "CREATE INDEX spans_of_bot ON spans (bot, id)",
            "CREATE UNIQUE INDEX one_open_span ON spans (bot) WHERE ended_at IS NULL",
            """CREATE TABLE events (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                at INTEGER NOT NULL,
                bot TEXT NOT NULL,
                kind TEXT NOT NULL,
                detail TEXT NOT NULL DEFAULT '{}',
                run INTEGER NOT NULL REFERENCES runs (id)
            )""",
            "CREATE INDEX sessions_of_bot ON events (bot, id) WHERE kind IN ('start', 'stop')",
            "CREATE INDEX clock_events ON events (run, at) WHERE kind = 'clock'",
            "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        ),
    ),
)


def latest(migrations: Sequence[Migration]) -> int:
    """The version that this program writes."""
    return migrations[-1].to


def is_damage(error: BaseException) -> bool:
    """Whether ``error`` says that the file itself is broken, not that it cannot be reached or written just now."""
    if isinstance(error, DamagedStoreError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & _PRIMARY_CODE in _DAMAGE


def open_for_writing(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """Open, create or migrate the file.

    Raises NewerStoreError, DamagedStoreError, and sqlite3.Error or OSError where file or folder cannot be used now.
    """
    make_folder(path.parent)
    # SQLite would create it readable for everyone; -wal and -shm take over the file's mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_LIMIT_S, isolation_level=None)
    try:
        _prepare(connection, path, migrations)
    except BaseException as error:
        connection.close()
        if is_damage(error) and not isinstance(error, DamagedStoreError):
            raise DamagedStoreError(str(error)) from error
        raise
    return connection


def make_folder(folder: Path) -> None:
    """Make ``folder``, private, where it is missing. Raises OSError, with a plain word where a file is in its place."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > latest(migrations):
        raise NewerStoreError(f"version {version}, known up to {latest(migrations)}")
    # In WAL a reader never blocks the writer. Where the file system cannot do it, SQLite stays with what it can.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves data in the drive's cache
    connection.execute("PRAGMA journal_size_limit = 1048576")  # after a burst, give the disk back
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedStoreError(str(found))
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise DamagedStoreError("the tables of another program")
    if version < latest(migrations):
        _migrate(connection, path, version, migrations)
    if not _columns(connection) >= _columns_of(migrations):
        raise DamagedStoreError("tables or columns are missing")


def _columns_of(migrations: Sequence[Migration]) -> set[tuple[str, str]]:
    """What :func:`_columns` gives of a file that these made."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for migration in migrations:
            for statement in migration.statements:
                made.execute(statement)
        return _columns(made)


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Each table's name with each of its columns'."""
    found = connection.execute(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table'"
    )
    return {(table, column) for table, column in found}


def _migrate(
    connection: sqlite3.Connection, path: Path, version: int, migrations: Sequence[Migration]
) -> None:
    if version:
        _copy(connection, path.with_name(f"{path.name}.before-version-{latest(migrations)}"))
    with transaction(connection):
        for migration in migrations:
            if migration.to > version:
                for statement in migration.statements:
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {latest(migrations)}")


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    """A whole copy or none: an earlier try may have been cut short."""
    _draft(connection, target).replace(target)


def _draft(connection: sqlite3.Connection, target: Path) -> Path:
    """A copy beside ``target``, as private as the file itself."""
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(draft)) as copy:
        connection.backup(copy)
    return draft


def save_removed(connection: sqlite3.Connection, path: Path) -> None:
    """Make the file at ``path`` again, which others removed while ``connection`` had it open.

    ``connection`` is to be closed before the new file is opened: SQLite then removes the ``-wal`` at that path. Raises
    sqlite3.Error or OSError where it cannot be done now.
    """
    make_folder(path.parent)
    draft = _draft(connection, path)
    for part in ("-wal", "-shm"):  # left of the old file, they would be read as the new one's
        Path(f"{path}{part}").unlink(missing_ok=True)
    draft.replace(path)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some errors (a full disk) have rolled back already, and a lost file cannot: the first error is the news.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def move_aside(path: Path, wall_ms: int) -> Path:
    """Move a damaged file and what belongs to it out of the way, never deleting any. ``wall_ms``: UTC, for the name.

    ``sessions.sqlite3`` becomes ``sessions.sqlite3.damaged-20161220T072910Z``, its ``-wal`` the same with ``-wal``,
    so that SQLite's own recovery finds them together. Raises OSError.
    """
    stamp = datetime.fromtimestamp(wall_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    # The main file last: were this cut short, the next start would find it and go on.
    for part in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{part}").replace(f"{target}{part}")
    return target
