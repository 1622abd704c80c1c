"""The synchronous layer over the file: spans, events, heartbeat and repair. Used by one thread only.

All times that are stored are UTC ms on the line of their run (:mod:`traymon.sessionlog.timeline`).
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traymon import __version__
from traymon.keeper.core.causes import Cause, Fact
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog import rows
from traymon.sessionlog.rows import MACHINE, Event, read_event
from traymon.sessionlog.schema import MIGRATIONS, Migration, open_for_writing, save_removed, transaction
from traymon.sessionlog.timeline import Anchor, Steps

STEP_MS = 5_000
"""A wall clock that is off by less is not called stepped (design: Clocks); two runs' lines are joined over it."""

_NEVER_TAKEN = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    TypeError,
    ValueError,
    OverflowError,
)
"""Errors that come of a row, not of the disk: trying again is useless."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call of ``record`` brought: written whole or not at all.

    ``number`` counts the batches of a run from 1: so a commit that failed, but reached the disk all the same (an
    fsync that reported an error), is not made again.
    """

    bot: str
    transport: str
    entries: Sequence[EnterState | Note]
    on_committed: Callable[[], None] | None = None
    number: int = 0


@dataclass(slots=True)
class Loss:
    """Entries of a bot that could not be kept in memory until the disk took them.

    ``since`` is the instant (clock that counts sleep) from which the bot's state is not known because of it.
    ``stop`` is the first lost note of a session, where it is a stop: it is kept, as its start was written.
    ``waiting`` are the callbacks of the lost calls: nobody is to wait for ever. ``number`` is the last lost batch's.
    """

    transport: str
    entries: int = 0
    since: int | None = None
    stop: Note | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)
    number: int = 0
    _session_noted: bool = False

    def add(self, batch: Batch) -> None:
        """One more batch is lost; batches are lost in the order in which they came."""
        self.entries += len(batch.entries)
        self.number = batch.number
        for entry in batch.entries:
            if isinstance(entry, EnterState):
                self.since = entry.at if self.since is None else self.since
            elif entry.kind in (NoteKind.START, NoteKind.STOP) and not self._session_noted:
                self._session_noted = True
                self.stop = entry if entry.kind is NoteKind.STOP else None
        if batch.on_committed is not None:
            self.waiting.append(batch.on_committed)

    def absorb(self, later: "Loss") -> None:
        """What was lost after this."""
        self.entries += later.entries
        self.number = later.number
        self.since = later.since if self.since is None else self.since
        if not self._session_noted:
            self._session_noted, self.stop = later._session_noted, later.stop
        self.waiting += later.waiting

    def release(self) -> list[Callable[[], None]]:
        """Hand out the callbacks, once."""
        waiting, self.waiting = self.waiting, []
        return waiting


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the program. ``token`` is unique, ``boot_id`` tells boots apart where the system can."""

    token: str
    anchor: Anchor
    boot_id: str | None = None
    version: str = __version__


@dataclass(frozen=True, slots=True)
class _OpenSpan:
    id: int
    started_at: int


class Store:
    """The open file, with this run's row in it. Every method may raise sqlite3.Error; a failed one changed nothing.

    The constructor raises what :func:`~traymon.sessionlog.schema.open_for_writing` does. ``number_above`` is the
    number of the text log's last line: events are numbered above it, also in a new file beside an old text log.
    ``repaired`` holds the events that were added for runs that had died.
    """

    def __init__(
        self,
        path: Path,
        run: Run,
        *,
        number_above: int = 0,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self._connection = open_for_writing(path, migrations)
        self.repaired: list[Event] = []
        try:
            with transaction(self._connection):
                self._raise_numbers(number_above)
                self._begin(run)
        except BaseException:
            self._connection.close()
            raise

    @property
    def anchor(self) -> Anchor:
        """Where this run's line begins. It may differ from what was given by less than :data:`STEP_MS`."""
        return self._anchor

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def save(self, path: Path) -> None:
        """Put all that is in the open file into a new one at ``path``. Raises OSError too.

        For a file that was removed while it was open. This store is to be closed then, before the new one is opened.
        """
        save_removed(self._connection, path)

    def number_above(self, number: int) -> None:
        """Number all later events above ``number``: the text log is ahead of this file."""
        if number > self._last_number():
            with transaction(self._connection):
                self._raise_numbers(number)

    # The beginning of a run

    def _begin(self, run: Run) -> None:
        self._boot_id = run.boot_id
        self._taken = 0  # number of the last batch that is in the file
        row = self._one("SELECT id, started_wall_ms, started_at, taken FROM runs WHERE token = ?", run.token)
        if row is not None:  # reopened after a fault: the same run goes on
            self._run, self._anchor, self._taken = row[0], Anchor(row[1], row[2]), row[3]
            return
        self.repaired = self._close_died_runs()
        self._anchor = self._joined(run.anchor)
        self._run = self._insert(
            "INSERT INTO runs (token, started_wall_ms, started_at, boot_id, version) VALUES (?, ?, ?, ?, ?)",
            (run.token, self._anchor.wall, self._anchor.at, run.boot_id, run.version),
        )

    def _joined(self, anchor: Anchor) -> Anchor:
        """``anchor``, moved a little where the last run would reach beyond it: the clock was set back by an instant."""
        steps = Steps.load(self._connection)
        last_spans = self._connection.execute(
            "SELECT bot, started_at + lasted_ms, run FROM spans WHERE id IN (SELECT max(id) FROM spans GROUP BY bot)"
        )
        latest = max((end + steps.shift(run, bot, end) for bot, end, run in last_spans), default=anchor.wall)
        return Anchor(latest, anchor.at) if anchor.wall < latest <= anchor.wall + STEP_MS else anchor

    def _close_died_runs(self) -> list[Event]:
        """What is still open belongs to runs that ended without a word: it ends at their last sign of life.

        That is the heartbeat, or an event that was written after it.
        """
        self._connection.execute(
            "UPDATE spans SET seen_at = max(seen_at, coalesce("
            "(SELECT max(at) FROM events WHERE events.run = spans.run), 0)) WHERE ended_at IS NULL"
        )
        self._connection.execute(
            "UPDATE spans SET ended_at = seen_at, lasted_ms = seen_at - started_at, cause = ? WHERE ended_at IS NULL",
            (Cause.TRAYMON_DIED,),
        )
        open_sessions = self._connection.execute(
            "SELECT bot, at, run FROM events WHERE kind = 'start' AND id IN "
            "(SELECT max(id) FROM events WHERE kind IN ('start', 'stop') GROUP BY bot) ORDER BY id"
        ).fetchall()
        return [self._estimated_stop(*session) for session in open_sessions]

    def _estimated_stop(self, bot: str, started_at: int, run: int) -> Event:
        """The stop of a session that was up when the run died: at its last sign of life, the last span's end."""
        row = self._one("SELECT max(started_at + lasted_ms) FROM spans WHERE bot = ? AND run = ?", bot, run)
        at = max(started_at, row[0] if row and row[0] is not None else started_at)
        facts = {"up_ms": at - started_at, "cause": Cause.TRAYMON_DIED.value, "estimated": True}
        return self._add_event(at, bot, NoteKind.STOP, rows.detail_text(facts, None), run)

    def _raise_numbers(self, above: int) -> None:
        """Number events above ``above``, whatever the file holds."""
        if above <= self._last_number():
            return
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (above,))

    def _last_number(self) -> int:
        row = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return row[0] if row else 0

    # Writing

    def write(
        self,
        batches: Sequence[Batch],
        losses: Mapping[str, Loss] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        now: int,
    ) -> list[Event]:
        """Commit everything in one transaction with fsync, losses first; returns the events as numbered.

        ``now`` (clock that counts sleep) dates what has no time of its own.
        """
        added: list[Event] = []
        line = self._anchor.line(now)
        numbers = [*(batch.number for batch in batches), *(loss.number for loss in (losses or {}).values())]
        taken = max(numbers, default=self._taken)
        with transaction(self._connection):
            for bot, loss in (losses or {}).items():
                if not 0 < loss.number <= self._taken:
                    added += self._note_loss(bot, loss, line)
            for batch in batches:
                if not 0 < batch.number <= self._taken:
                    added += self._put(batch, line)
            for name, value in (settings or {}).items():
                added += self._set(name, value, line)
            self._connection.execute("UPDATE runs SET taken = ? WHERE id = ?", (taken, self._run))
        self._taken = taken
        return added

    def _put(self, batch: Batch, now: int) -> list[Event]:
        """One batch, or its loss where SQLite will never take one of its rows: it must not keep out all others."""
        added: list[Event] = []
        self._connection.execute("SAVEPOINT batch")
        try:
            for entry in batch.entries:
                if isinstance(entry, EnterState):
                    self._enter(batch.bot, batch.transport, entry)
                else:
                    added.append(self._note(batch.bot, entry))
        except _NEVER_TAKEN:
            _log.exception("%s: these entries cannot be written, now or later", batch.bot)
            self._connection.execute("ROLLBACK TO batch")
            loss = Loss(batch.transport)
            loss.add(batch)
            loss.stop = None  # it may be the very row
            added = self._note_loss(batch.bot, loss, now)
        self._connection.execute("RELEASE batch")
        return added

    def _enter(self, bot: str, transport: str, entry: EnterState) -> None:
        at = self._anchor.line(entry.at)
        open_span = self._open_span(bot)
        if open_span is None:
            at = self._begin_after_gap(bot, transport, at)
        else:
            at = max(at, open_span.started_at)
            self._end_span(open_span, at, entry)
        if entry.state is not State.UNKNOWN:
            self._open(bot, transport, entry.state, at)

    def _begin_after_gap(self, bot: str, transport: str, at: int) -> int:
        """Where the bot's next span begins: at ``at``, and what lies between it and the last one becomes unknown."""
        last = self._one(
            "SELECT spans.started_at + lasted_ms, run, started_wall_ms, runs.started_at, boot_id "
            "FROM spans JOIN runs ON runs.id = run WHERE bot = ? ORDER BY spans.id DESC LIMIT 1",
            bot,
        )
        if last is None:
            return at
        end, run, wall, started_at, boot_id = last
        if run == self._run:
            at = max(at, end)
            self._fill(bot, transport, end, at - end, run)
            return at
        shown = end + Steps.load(self._connection).shift(run, bot, end)
        if boot_id is not None and boot_id == self._boot_id:
            # The clock that counts sleep ran on: it knows the gap's length even if the wall clock was set meanwhile.
            gap = (at - self._anchor.wall + self._anchor.at) - (end - wall + started_at)
            if gap >= 0 and abs(gap - (at - shown)) > STEP_MS:
                self._fill(bot, transport, end, gap, run)
                return at
        self._fill(bot, transport, shown, at - shown, self._run)
        return at

    def _fill(self, bot: str, transport: str, start: int, lasted: int, run: int) -> None:
        """An unknown span. None where nothing lies between, or the wall clock was set back behind the last one."""
        if lasted <= 0:
            return
        self._insert(
            "INSERT INTO spans (bot, state, started_at, lasted_ms, seen_at, ended_at, transport, run) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (bot, State.UNKNOWN, start, lasted, start + lasted, start + lasted, transport, run),
        )

    def _open(self, bot: str, transport: str, state: State, at: int) -> None:
        self._insert(
            "INSERT INTO spans (bot, state, started_at, seen_at, transport, run) VALUES (?, ?, ?, ?, ?, ?)",
            (bot, state, at, at, transport, self._run),
        )

    def _end_span(self, span: _OpenSpan, at: int, entry: EnterState | None = None) -> None:
        """``seen_at`` goes back with a stop that is dated back."""
        failure = entry.failure if entry else None
        cause = (entry.cause if entry else None) or (failure.cause if failure else None)
        evidence: dict[str, Fact] = {}
        if failure is not None:
            evidence = {"phase": failure.phase.value, **failure.evidence}
        self._connection.execute(
            "UPDATE spans SET ended_at = ?1, seen_at = ?1, lasted_ms = ?1 - started_at, cause = ?2, close_code = ?3, "
            "detail = ?4, evidence = ?5, attempts = ?6 WHERE id = ?7",
            (
                at,
                cause,
                rows.close_code(failure.close_code) if failure else None,
                rows.clean(failure.detail) if failure else "",
                rows.facts_text(evidence),
                entry.attempts if entry else 0,
                span.id,
            ),
        )

    def _note(self, bot: str, note: Note) -> Event:
        text = rows.detail_text(note.facts, note.failure)
        if note.kind is NoteKind.WHY:
            self._add_evidence(bot, note.facts)
        return self._add_event(self._anchor.line(note.at), bot, note.kind, text, self._run)

    def _add_evidence(self, bot: str, facts: Mapping[str, Fact]) -> None:
        """What was found out later about why the bot's last span ended."""
        row = self._one(
            "SELECT id, evidence FROM spans WHERE bot = ? AND run = ? AND cause IS NOT NULL ORDER BY id DESC LIMIT 1",
            bot,
            self._run,
        )
        if row is not None:
            evidence = rows.facts_text({**rows.read_facts(row[1]), **facts})
            self._connection.execute("UPDATE spans SET evidence = ? WHERE id = ?", (evidence, row[0]))

    def _note_loss(self, bot: str, loss: Loss, now: int) -> list[Event]:
        """From the first lost change of state to the next that is kept, nothing is known."""
        added = [self._note(bot, loss.stop)] if loss.stop is not None else []
        at = now
        if loss.since is not None:
            at = self._anchor.line(loss.since)
            open_span = self._open_span(bot)
            if open_span is not None:
                at = max(at, open_span.started_at)
                self._end_span(open_span, at)
                self._open(bot, loss.transport, State.UNKNOWN, at)
        text = rows.detail_text({"lost_entries": loss.entries}, None)
        return [*added, self._add_event(at, bot, NoteKind.WARNING, text, self._run)]

    def _set(self, name: str, value: str, at: int) -> list[Event]:
        known = self._one("SELECT value FROM settings WHERE name = ?", name)
        if known is not None and known[0] == value:
            return []
        self._connection.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )
        return [
            self._add_event(at, MACHINE, NoteKind.SETTING, rows.detail_text({"name": name}, None), self._run)
        ]

    def resume(self, bot: str, transport: str, entry: EnterState) -> None:
        """Make sure that the bot's present span is open: the file may be a new one, begun in the middle of the run."""
        with transaction(self._connection):
            if self._open_span(bot) is None:
                self._enter(bot, transport, entry)

    def beat(self, now: int, *, durable: bool) -> None:
        """Note that all open spans still last at ``now`` (clock that counts sleep); with fsync where ``durable``."""
        line = self._anchor.line(now)
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        try:
            self._connection.execute(
                "UPDATE spans SET seen_at = max(started_at, ?1), lasted_ms = max(started_at, ?1) - started_at "
                "WHERE ended_at IS NULL",
                (line,),
            )
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")

    # Reading

    def settings(self) -> dict[str, str]:
        """All small choices."""
        return dict(self._connection.execute("SELECT name, value FROM settings"))

    def shift(self) -> int:
        """By how many ms the wall clock was set in this run, as far as that is in the file."""
        return Steps.load(self._connection).total(self._run)

    def events_after(self, number: int, most: int) -> list[Event]:
        """At most ``most`` events numbered above ``number``, in order, at the times at which they are shown."""
        found = self._connection.execute(
            "SELECT id, at, bot, kind, detail, run FROM events WHERE id > ? ORDER BY id LIMIT ?",
            (number, most),
        ).fetchall()
        return self.as_shown([read_event(*row) for row in found])

    def as_shown(self, events: Sequence[Event]) -> list[Event]:
        """The events at the times at which people see them."""
        steps = Steps.load(self._connection) if events else Steps()
        return [steps.shown(event) for event in events]

    # Rows

    def _open_span(self, bot: str) -> _OpenSpan | None:
        row = self._one("SELECT id, started_at FROM spans WHERE bot = ? AND ended_at IS NULL", bot)
        return _OpenSpan(*row) if row else None

    def _add_event(self, at: int, bot: str, kind: str, text: str, run: int) -> Event:
        number = self._insert(
            "INSERT INTO events (at, bot, kind, detail, run) VALUES (?, ?, ?, ?, ?)",
            (at, bot, kind, text, run),
        )
        return read_event(number, at, bot, kind, text, run)

    def _insert(self, sql: str, values: Sequence[object]) -> int:
        number = self._connection.execute(sql, values).lastrowid
        assert number is not None
        return number

    def _one(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return row
