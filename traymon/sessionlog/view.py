"""Read-only views of the session log, for the command line, the tray and reports.

They work while the recording process writes, and never migrate, create or repair anything. All times are UTC ms as
they are to be shown: steps of the wall clock are accounted for.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from traymon import words
from traymon.keeper.core.states import DOWN, UP, State
from traymon.sessionlog.rows import Event, Span, read_event, read_facts
from traymon.sessionlog.schema import MIGRATIONS, latest
from traymon.sessionlog.timeline import Steps

_BUSY_LIMIT_S = 2.0
_SPAN_COLUMNS = (
    "id, bot, state, started_at, lasted_ms, seen_at, ended_at, cause, close_code, detail, evidence, attempts, "
    "transport, run"
)
_FAILED = frozenset({State.OFFLINE, State.REFUSED})


class LogUnreadableError(Exception):
    """The file cannot be read: one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How long the bots were in which kind of state, in ms, and how often they were lost.

    ``up`` is online and away; ``down`` is offline, connecting and refused; the rest counts as neither.
    ``sessions`` are maximal runs of up, ``outages`` maximal runs of down in which something failed: a first attempt
    that succeeds is down for a moment, but no outage.
    """

    up_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    paused_ms: int = 0
    asleep_ms: int = 0
    outages: int = 0
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Outage:
    """A run of down, by now over, in which something failed.

    ``cause`` is why the session before it ended, or why its first attempt failed.
    """

    started_at: int
    lasted_ms: int
    ended_at: int
    cause: str | None


class LogView:
    """The log in the file ``db``; a missing or empty file is an empty log.

    Every method opens the file for its own duration, so a view may be kept and used on any thread.
    """

    def __init__(self, db: Path) -> None:
        self._db = db

    def spans(self, bot: str | None = None, since: int | None = None) -> list[Span]:
        """The spans that reach beyond ``since`` (UTC ms), in the order of each bot's time. Raises LogUnreadableError.

        The length of an open span is that of its last heartbeat.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            return list(_spans(connection, bot, since))

    def events(self, bot: str | None = None, since: int | None = None) -> list[Event]:
        """The events at or after ``since`` (UTC ms), in the order of writing. Raises LogUnreadableError.

        With ``bot``, those that concern all bots are not among them.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            steps = Steps.load(connection)
            found = connection.execute(
                "SELECT id, at, bot, kind, detail, run FROM events "
                "WHERE (?1 IS NULL OR bot = ?1) AND (?2 IS NULL OR at >= ?2) ORDER BY id",
                (bot, None if since is None else since - steps.widest()),
            )
            shown = (steps.shown(read_event(*row)) for row in found)
            return [event for event in shown if since is None or event.at >= since]

    def totals(self, bot: str | None = None, since: int | None = None) -> Totals:
        """What :class:`Totals` says, of one bot or of all together; of a span that began before ``since`` (UTC ms),
        only what lies after. Raises LogUnreadableError.
        """
        return _totals(self.spans(bot, since), since)

    def last_outage(self, bot: str) -> Outage | None:
        """The latest outage that is over; ``None`` where there was none, or the log cannot be read."""
        try:
            with self._reading() as connection:
                return (
                    None
                    if connection is None
                    else _last_outage(_spans(connection, bot, None, newest_first=True))
                )
        except LogUnreadableError:
            return None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """An open file whose tables this program knows, at one moment of its history; ``None``: there is none yet."""
        try:
            with _connected(self._db) as connection:
                if connection is None:
                    yield None
                    return
                connection.execute("BEGIN")
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version > latest(MIGRATIONS):
                    raise LogUnreadableError(_newer(self._db))
                if version < latest(MIGRATIONS):
                    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        raise LogUnreadableError(_older(self._db))
                    yield None
                    return
                yield connection
        except sqlite3.Error as error:
            raise LogUnreadableError(_unreadable(self._db, error)) from error


def read_settings(db: Path) -> dict[str, str]:
    """The small choices in ``db``, also where a newer traymon wrote it or it is damaged; none where they cannot
    be read.
    """
    try:
        with _connected(db) as connection:
            if connection is None:
                return {}
            found = connection.execute("SELECT name, value FROM settings").fetchall()
    except sqlite3.Error:
        return {}
    return {name: value for name, value in found if isinstance(name, str) and isinstance(value, str)}


@contextlib.contextmanager
def _connected(db: Path) -> Iterator[sqlite3.Connection | None]:
    if not db.exists():
        yield None
        return
    uri = db.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_LIMIT_S, isolation_level=None)
    try:
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            # A file in WAL mode that nobody writes, in a folder in which its -shm cannot be made (wal.html, 5).
            connection.close()
            connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
        yield connection
    finally:
        connection.close()


def _spans(
    connection: sqlite3.Connection, bot: str | None, since: int | None, *, newest_first: bool = False
) -> Iterator[Span]:
    steps = Steps.load(connection)
    found = connection.execute(
        f"SELECT {_SPAN_COLUMNS} FROM spans WHERE (?1 IS NULL OR bot = ?1) "  # noqa: S608 - constants only
        f"AND (?2 IS NULL OR ended_at IS NULL OR ended_at >= ?2) ORDER BY id {'DESC' if newest_first else ''}",
        (bot, None if since is None else since - steps.widest()),
    )
    for row in found:
        span = _as_shown(_span(row), steps) if steps else _span(row)
        if since is None or span.ended_at is None or span.ended_at > since:
            yield span


def _span(row: tuple[Any, ...]) -> Span:
    id, bot, state, started_at, lasted_ms, seen_at, ended_at, cause, close_code, detail, evidence, *rest = row
    attempts, transport, run = rest
    return Span(
        id=id,
        bot=bot,
        state=State(state),
        started_at=started_at,
        lasted_ms=lasted_ms,
        seen_at=seen_at,
        ended_at=ended_at,
        cause=cause,
        close_code=close_code,
        detail=detail,
        evidence=read_facts(evidence),
        attempts=attempts,
        transport=transport,
        run=run,
    )


def _as_shown(span: Span, steps: Steps) -> Span:
    def shown(at: int) -> int:
        return at + steps.shift(span.run, span.bot, at)

    return replace(
        span,
        started_at=shown(span.started_at),
        seen_at=shown(span.seen_at),
        ended_at=None if span.ended_at is None else shown(span.ended_at),
    )


def _totals(spans: Iterable[Span], since: int | None) -> Totals:
    lasted = dict.fromkeys(State, 0)
    outages = sessions = 0
    before: dict[str, Span] = {}
    failed: set[str] = set()
    for span in spans:
        lasted[span.state] += _length(span, since)
        last = before.get(span.bot)
        if span.state in UP and (last is None or last.state not in UP):
            sessions += 1
        if span.state not in DOWN:
            failed.discard(span.bot)
        elif span.state in _FAILED and span.bot not in failed:
            failed.add(span.bot)
            outages += 1
        before[span.bot] = span
    return Totals(
        up_ms=sum(lasted[state] for state in UP),
        down_ms=sum(lasted[state] for state in DOWN),
        unknown_ms=lasted[State.UNKNOWN],
        paused_ms=lasted[State.PAUSED],
        asleep_ms=lasted[State.ASLEEP],
        outages=outages,
        sessions=sessions,
    )


def _length(span: Span, since: int | None) -> int:
    if since is None or span.started_at >= since:
        return span.lasted_ms
    return max(0, span.lasted_ms - (since - span.started_at))


def _last_outage(newest_first: Iterator[Span]) -> Outage | None:
    """Gather the newest finished run of down in which something failed, then look at what it followed."""
    run: list[Span] = []
    for span in newest_first:
        if span.state in DOWN:
            run.append(span)
            continue
        outage = _outage(run, span)
        if outage is not None:
            return outage
        run = []
    return _outage(run, None)


def _outage(newest_first: list[Span], before: Span | None) -> Outage | None:
    if not any(span.state in _FAILED for span in newest_first):
        return None
    ended_at = newest_first[0].ended_at
    if ended_at is None:
        return None  # it still lasts
    own = next((span.cause for span in reversed(newest_first) if span.cause is not None), None)
    session = before.cause if before is not None and before.state in UP else None
    return Outage(
        started_at=newest_first[-1].started_at,
        lasted_ms=sum(span.lasted_ms for span in newest_first),
        ended_at=ended_at,
        cause=session or own,
    )


def _newer(db: Path) -> str:
    return words.gettext("The session log {path} was written by a newer traymon; update this one.").format(
        path=words.printable(str(db))
    )


def _older(db: Path) -> str:
    return words.gettext(
        "The session log {path} is an older traymon's, or no session log; start traymon once to bring it up to date."
    ).format(path=words.printable(str(db)))


def _unreadable(db: Path, error: Exception) -> str:
    return words.gettext(
        "The session log {path} cannot be read ({problem}); the text log beside it may still tell what happened."
    ).format(path=words.printable(str(db)), problem=words.printable(str(error)))
