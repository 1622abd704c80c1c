"""The session log as the rest of traymon knows it: it takes entries at once and writes them on a thread of its own.

Whatever the disk does, nobody waits for it and no bot is let go because of it. Entries that cannot be written wait in
memory and are written when the disk is well again; a damaged database is moved aside; beside a newer one only the text
log is written.
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from traymon import words
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.sessionlog import schema
from traymon.sessionlog.inbox import Inbox, Work
from traymon.sessionlog.rows import MACHINE, Event
from traymon.sessionlog.store import STEP_MS, Batch, Run, Store
from traymon.sessionlog.textlog import MOST_BYTES, TextLog, line
from traymon.sessionlog.timeline import Anchor
from traymon.sessionlog.unnumbered import UnnumberedLines, call
from traymon.sessionlog.view import read_settings

_log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
"""How far a stop that had to be estimated may be off (design: within 15 s of the truth), and how often a fault is
tried again."""
DURABLE_EACH = 3
"""Each third heartbeat is written through to the disk: after a power loss a stop is off by 45 s at most."""
MOST_WAITING = 10_000
"""Entries kept in memory while nothing can be written: about a day of a flapping bot, some 5 MB."""
OPEN_LIMIT_S = 5.0
"""How long the start of the program waits for the disk."""
MOST_AT_ONCE = 500
"""Batches in one transaction, and events read at once for the text log."""


class Clock(Protocol):
    """The two clocks that the log needs."""

    def now(self) -> int:
        """Milliseconds of the clock that counts sleep."""

    def wall(self) -> int:
        """UTC, in milliseconds."""


class SessionLog:
    """The durable log of all bots of one run.

    It watches the wall clock itself: a step of more than :data:`~traymon.sessionlog.store.STEP_MS` becomes an event of
    kind ``clock``, and what lies after it is shown by the new time. Such notes of others are not needed, nor taken.

    ``on_fault`` is told one sentence when the log cannot be written, or only in part, and ``None`` when all is well
    again. That a damaged database was moved aside, or a removed file made anew, stays told until the end of the run.
    ``on_line`` gets each line that this run adds, as in the text log. All callbacks are called on the store thread and
    must not block.
    """

    def __init__(
        self,
        db: Path,
        text_log: Path,
        clock: Clock,
        on_fault: Callable[[str | None], None],
        *,
        on_line: Callable[[str], None] | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        most_waiting: int = MOST_WAITING,
        text_bytes: int = MOST_BYTES,
        boot_id: str | None = None,
    ) -> None:
        self._db = db
        self._text = TextLog(text_log, most_bytes=text_bytes)
        self._clock = clock
        self._on_fault = on_fault
        self._on_line = on_line
        self._heartbeat_s = heartbeat_s
        anchor = Anchor(clock.wall(), clock.now())
        self._run = Run(uuid.uuid4().hex, anchor, boot_id or _boot_id())
        self._most_waiting = most_waiting
        self._inbox = Inbox(most_waiting)

        # Guards the two dictionaries below: any thread reads and sets choices, the store thread reads and writes them.
        self._choices_lock = threading.Lock()
        self._choices: dict[str, str] = {}
        self._unsaved: dict[str, str] = {}

        # Set once by the store thread, when the file has been opened or could not be; open() waits for it.
        self._opened = threading.Event()
        # The only one to touch the file, the text log and everything below. Daemon: a disk that hangs for ever must
        # not keep the process from ending; close() joins it for as long as the caller allows.
        self._thread = threading.Thread(target=self._main, name="session log", daemon=True)

        self._store: Store | None = None
        self._removed: Store | None = None  # whose file others removed, until all of it is in a file again
        self._inode: tuple[int, int] | None = None
        self._unnumbered: UnnumberedLines | None = None  # only beside a newer database
        self._aside_again = 0.0  # when (time.monotonic) a damaged file may be moved aside
        # Each bot's transport and last committed state, for a new file.
        self._present: dict[str, tuple[str, EnterState]] = {}
        self._text_at: int | None = None  # number of the last event in the text log; None: to be read from it
        self._text_there = False  # whether a text log was found or written
        self._line = anchor  # of the open store, where there is one
        self._shift = 0  # by how much the wall clock was set in this run, as far as it is noted
        self._clock_right_at = anchor.at  # when the wall clock was last as expected
        self._beats = 0
        self._db_fault: str | None = None
        self._text_fault: str | None = None
        self._notice: str | None = None
        self._told: str | None = None

    # Any thread

    def open(self, limit_s: float = OPEN_LIMIT_S) -> None:
        """Start the store thread: it opens, creates or migrates the database and repairs what a died run left.

        Returns when that is done or has failed, after ``limit_s`` seconds at the latest. Never raises for a bad file.
        """
        self._thread.start()
        if not self._opened.wait(limit_s):
            _log.warning(
                "the session log did not open within %s s; it is waited for in the background", limit_s
            )

    def record(
        self,
        bot: str,
        transport: str,
        entries: Sequence[EnterState | Note],
        on_committed: Callable[[], None] | None = None,
    ) -> None:
        """Write ``entries`` as one transaction, with fsync; never blocks.

        ``on_committed`` is called on the store thread once they are on disk, or known to be lost. Calls that come in
        while a commit is under way may share the next one.
        """
        told = tuple(entry for entry in entries if not _is_step(entry))
        if not self._inbox.put(Batch(bot, transport, told, on_committed)):
            _log.error("%s: the session log is closed; %d entries are not in it", bot, len(entries))

    def setting(self, name: str) -> str | None:
        """A small persisted choice; ``None`` where it was never made."""
        with self._choices_lock:
            return self._choices.get(name)

    def set_setting(self, name: str, value: str) -> None:
        """Make a small choice: at once for :meth:`setting`, soon on disk."""
        with self._choices_lock:
            self._choices[name] = self._unsaved[name] = value
        self._inbox.poke()

    def close(self, limit_s: float) -> bool:
        """Write what is left and end the thread, within ``limit_s`` seconds. Whether everything was written."""
        self._inbox.close()
        if self._thread.ident is None:
            return self._inbox.left() == 0
        self._thread.join(limit_s)
        return not self._thread.is_alive() and self._left() == 0

    # The store thread

    def _main(self) -> None:
        self._guarded(self._read_choices)
        self._guarded(self._beat)
        self._opened.set()
        next_beat = time.monotonic() + self._heartbeat_s
        while True:
            hold = self._store is None and self._unnumbered is None
            work = self._inbox.take(next_beat - time.monotonic(), MOST_AT_ONCE, hold=hold)
            self._guarded(self._put_down, work)
            _call_all(self._inbox.release_lost())
            if time.monotonic() >= next_beat:
                self._guarded(self._beat)
                next_beat = time.monotonic() + self._heartbeat_s
            if work.closing and (self._inbox.left() == 0 or self._store is None):
                break
        self._guarded(self._end)

    def _guarded(self, step: Callable[..., None], *args: object) -> None:
        """The log goes on whatever happens in one step of it."""
        try:
            step(*args)
        except Exception:  # noqa: BLE001 - whatever it is, the bots' history must go on being written
            _log.exception("an unexpected error in the session log; it goes on")

    def _put_down(self, work: Work) -> None:
        """Write ``work`` and what was chosen, or give it back."""
        with self._choices_lock:
            chosen = dict(self._unsaved)
        if not work and not chosen:
            return
        if self._ready():
            done = self._write(work, chosen)
        elif self._unnumbered is not None:
            self._unnumbered.add(replace(work, batches=[*self._clock_set(work), *work.batches]))
            self._shift = self._unnumbered.shift()
            self._project()
            done = True
        else:
            done = False
        if not done:
            self._inbox.give_back(work)
        self._tell()

    def _write(self, work: Work, chosen: dict[str, str]) -> bool:
        assert self._store is not None
        set_before = self._clock_set(work)
        try:
            added = self._store.write(
                [*set_before, *work.batches], work.losses, chosen, now=self._clock.now()
            )
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        self._db_fault = None
        self._shift += sum(_step_of(batch) for batch in set_before)
        self._remember(work, chosen)
        lines = self._lines(self._store, added)
        self._project()
        for loss in work.losses.values():
            _call_all(loss.release())
        _call_all(batch.on_committed for batch in work.batches if batch.on_committed is not None)
        self._announce(lines)
        return True

    def _remember(self, work: Work, chosen: dict[str, str]) -> None:
        for batch in work.batches:
            for entry in batch.entries:
                if isinstance(entry, EnterState):
                    self._present[batch.bot] = (batch.transport, entry)
        with self._choices_lock:
            for name, value in chosen.items():
                if self._unsaved.get(name) == value:
                    del self._unsaved[name]

    def _beat(self) -> None:
        """Say that the open spans last; where something is amiss, try it again."""
        if self._ready():
            assert self._store is not None
            try:
                self._store.beat(self._clock.now(), durable=self._beats % DURABLE_EACH == 0)
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
            else:
                self._beats += 1
                if self._clock_set(Work()):
                    self._write(Work(), {})
                # With entries waiting, only their being written shows that the disk is well.
                if self._store is not None and self._inbox.left() == 0:
                    self._db_fault = None
        self._project()
        self._tell()

    def _clock_set(self, work: Work) -> list[Batch]:
        """A note that the wall clock was set, to come before ``work``; nothing while the clock is as expected."""
        before, wall, now = self._clock.now(), self._clock.wall(), self._clock.now()
        step = wall - self._line.line(now) - self._shift
        if abs(step) <= STEP_MS or now - before > STEP_MS:
            # Where this thread stood still between the readings, they say nothing about one another.
            self._clock_right_at = before
            return []
        # It was set after the last look; what comes first in `work` is likely to have happened after that.
        first = min((entry.at for batch in work.batches for entry in batch.entries), default=now)
        at = max(self._clock_right_at, min(first, now))
        return [Batch(MACHINE, "", (Note(NoteKind.CLOCK, at, facts={"step_ms": step}),))]

    def _end(self) -> None:
        if self._store is not None:
            with contextlib.suppress(sqlite3.Error):
                self._store.beat(self._clock.now(), durable=True)
        self._let_go()
        with contextlib.suppress(sqlite3.Error, OSError):
            self._put_back()
        left = self._left()
        if left:
            _log.error("%d entries of the session log could not be written and are lost", left)

    def _left(self) -> int:
        return self._inbox.left() + (self._unnumbered.left() if self._unnumbered is not None else 0)

    # The file: opened, lost, moved aside

    def _ready(self) -> bool:
        """Whether the store is open, opening it if it can be."""
        found = _inode(self._db)
        if self._store is not None and (found is None or found != self._inode):
            _log.info("the session log was moved, replaced or removed while in use")
            self._let_go()
        if self._store is None and self._unnumbered is None:
            try:
                self._open_store()
            except schema.NewerStoreError as error:
                self._go_on_beside_newer(error)
            except (schema.DamagedStoreError, sqlite3.Error, OSError) as error:
                self._failed(error)
        return self._store is not None

    def _put_back(self) -> None:
        """Write what was removed to its place again. Raises sqlite3.Error or OSError, and can be tried again."""
        removed = self._removed
        if removed is None:
            return
        if not os.path.lexists(self._db):
            try:
                removed.save(self._db)
                self._notice = _was_removed(self._db)
            except sqlite3.Error as error:
                if not schema.is_damage(error):
                    raise
                _log.error("the session log that was removed cannot be put back: %s", error)
        self._removed = None
        with contextlib.suppress(sqlite3.Error):
            removed.close()

    def _open_store(self) -> None:
        self._put_back()
        try:
            above = self._text.last_number()
        except OSError:
            above = 0  # _project() says so
        # Behind the last line there may be events without one.
        store = Store(self._db, self._run, number_above=max(above, self._text_at or 0))
        try:
            for bot, (transport, entry) in self._present.items():
                store.resume(bot, transport, entry)
            kept, shift = store.settings(), store.shift()
        except BaseException:
            store.close()
            raise
        self._store, self._inode = store, _inode(self._db)
        self._line, self._shift = store.anchor, shift
        with self._choices_lock:
            # What was chosen in this run goes into a file that does not have it.
            self._unsaved.update({k: v for k, v in self._choices.items() if kept.get(k) != v})
            self._choices = {**kept, **self._choices}
        self._announce(self._lines(store, store.repaired))

    def _let_go(self) -> None:
        """Close the file. One that others removed stays open: all that was in it is still there behind the store."""
        store, self._store = self._store, None
        if store is None:
            return
        if not os.path.lexists(self._db):
            self._removed = store
            return
        with contextlib.suppress(sqlite3.Error):
            store.close()

    def _failed(self, error: Exception) -> None:
        """The file cannot be used now. What is damaged is moved aside, once a heartbeat: then the disk is to blame."""
        self._let_go()
        if schema.is_damage(error) and time.monotonic() >= self._aside_again:
            self._aside_again = time.monotonic() + self._heartbeat_s
            try:
                target = schema.move_aside(self._db, self._clock.wall())
            except OSError as problem:
                error = problem
            else:
                _log.info("the session log was damaged (%s) and moved to %s", error, target)
                self._notice = _damaged(target)
                self._ready()
                return
        sentence = _unwritable(self._db, error)
        if sentence != self._db_fault:
            _log.info("the session log cannot be written: %s", error)
        self._db_fault = sentence

    def _go_on_beside_newer(self, error: Exception) -> None:
        _log.info("%s: %s", self._db, error)
        self._db_fault = _newer(self._db)
        self._unnumbered = UnnumberedLines(self._run.anchor, self._most_waiting)

    def _read_choices(self) -> None:
        """What was chosen in earlier runs, before anything is written: a pause must not end because of a full disk,
        a damaged file or a newer one."""
        with contextlib.suppress(OSError):
            kept = read_settings(self._db)
            with self._choices_lock:
                self._choices = {**kept, **self._choices}

    # The text log

    def _project(self) -> None:
        """Append what the text log lacks."""
        try:
            if self._unnumbered is not None:
                self._unnumbered.flush(self._text, self._on_line)
            elif self._store is not None:
                self._catch_up(self._store)
            else:
                return
        except sqlite3.Error as error:
            self._failed(error)
        except OSError as error:
            self._text_at = None  # a line may have been torn: look again
            self._text_fault = _text_unwritable(self._text.path, error)
        else:
            self._text_fault = None

    def _catch_up(self, store: Store) -> None:
        if self._text_there and not self._text.there():
            _log.info("the text log was removed while in use")
            self._notice = self._notice or _text_was_removed(self._text.path)
            self._text_at = None
        if self._text_at is None:
            self._text_there = self._text.there()
            self._text_at = self._text.last_number()
            store.number_above(self._text_at)
        while events := store.events_after(self._text_at, MOST_AT_ONCE):
            for event in events:
                text = line(event)
                if text is not None:
                    self._text.append(text)
                    self._text_there = True  # not looked at: it may be gone again already
                assert event.id is not None
                self._text_at = event.id

    # Telling

    def _lines(self, store: Store, events: Sequence[Event]) -> list[str]:
        """What ``on_line`` is to get: a view only, so a file that cannot be read now costs no more than that."""
        if self._on_line is None:
            return []
        with contextlib.suppress(sqlite3.Error):
            return [text for text in map(line, store.as_shown(events)) if text is not None]
        return []

    def _announce(self, lines: Sequence[str]) -> None:
        if self._on_line is not None:
            for text in lines:
                call(self._on_line, text)

    def _tell(self) -> None:
        sentence = self._db_fault or self._text_fault or self._notice
        if self._unnumbered is not None and self._text_fault is not None:
            sentence = self._text_fault  # beside a newer database it is the worse of the two
        if sentence != self._told:
            self._told = sentence
            call(self._on_fault, sentence)


def _is_step(entry: EnterState | Note) -> bool:
    return isinstance(entry, Note) and entry.kind is NoteKind.CLOCK and "step_ms" in entry.facts


def _step_of(batch: Batch) -> int:
    steps = (entry.facts["step_ms"] for entry in batch.entries if isinstance(entry, Note))
    return sum(step for step in steps if isinstance(step, int))


def _call_all(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        call(callback)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _boot_id() -> str | None:
    """What tells this boot from others; known on Linux only (random(4))."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


# What people are told


def _problem(error: Exception) -> str:
    return words.printable(getattr(error, "strerror", None) or str(error))


def _unwritable(path: Path, error: Exception) -> str:
    return words.gettext(
        "The session log {path} cannot be written ({problem}): traymon holds the bots all the same and keeps the "
        "entries in memory until it can; free some disk space or check the folder."
    ).format(path=words.printable(str(path)), problem=_problem(error))


def _text_unwritable(path: Path, error: Exception) -> str:
    return words.gettext(
        "The text log {path} cannot be written ({problem}): nothing is lost, and it catches up as soon as it can; "
        "free some disk space or check the folder."
    ).format(path=words.printable(str(path)), problem=_problem(error))


def _newer(path: Path) -> str:
    return words.gettext(
        "The session log {path} was written by a newer traymon: the bots are held and the text log is written, but "
        "nothing else; update traymon."
    ).format(path=words.printable(str(path)))


def _damaged(target: Path) -> str:
    return words.gettext(
        "The session log was damaged: traymon began a new one and kept the old as {path}; what can be read of it, "
        "sqlite3's “.recover” shows."
    ).format(path=words.printable(str(target)))


def _was_removed(path: Path) -> str:
    return words.gettext(
        "The session log {path} was removed while traymon ran: traymon has put it back whole; to begin a new one, end "
        "traymon first."
    ).format(path=words.printable(str(path)))


def _text_was_removed(path: Path) -> str:
    return words.gettext(
        "The text log {path} was removed while traymon ran: traymon has written it anew; to begin a new one, rename it."
    ).format(path=words.printable(str(path)))
