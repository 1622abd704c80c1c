"""A bot's life in quarters of an hour, told to a real store, and beside it the truth: what each quarter was spent in.

The truth is kept the obvious way: one cell for each quarter that passes, with what the clock on the wall showed as it
began, and one note for each session, outage and link as it happens. Nothing of the report's own reckoning is used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck
from hypothesis import strategies as st

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import DOWN, TRANSITIONS, UP, State, Trigger
from traymon.report.figures import figures
from traymon.report.model import (
    Bins,
    BotFigures,
    Figures,
    HourOfDay,
    LinkLife,
    OutageRow,
    Period,
    Piece,
    Session,
    Tally,
)
from traymon.sessionlog.rows import MACHINE, Event, Span
from traymon.sessionlog.store import Batch, Run, Store
from traymon.sessionlog.timeline import Anchor

BOT = "deploybot"
QUARTER = 900_000
"""Fifteen minutes: all offsets and changes of offset since 1986 are made of them (tzdata: Kathmandu +05:45, Lord Howe
moves by 30 min)."""
SETTLED = QUARTER
"""Failures and handovers stand at least this far from changes of state: the core never notes two of them in one ms."""

SLOW_MACHINES_TOO = (HealthCheck.too_slow,)
"""To be suppressed: how long examples take to draw says something about the machine, and nothing about traymon."""

LOSSES = (Cause.ABRUPT_CLOSE, Cause.RESET, Cause.KEEPALIVE_TIMEOUT, Cause.CLOSED_BY_SLACK)
FAILURES = (Cause.NO_ROUTE, Cause.DNS, Cause.CONNECT_TIMEOUT, Cause.TLS)

# Around changes of offset: in the night, at midnight both ways, by half an hour; and where there are none.
BEGINNINGS = (
    ("Europe/Berlin", datetime(2016, 10, 28, 22, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2017, 3, 24, 23, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2016, 10, 14, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2017, 2, 17, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2017, 3, 31, 3, tzinfo=UTC)),
    ("Atlantic/Azores", datetime(2016, 10, 28, 5, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2016, 12, 30, tzinfo=UTC)),
    ("Asia/Tokyo", datetime(2016, 2, 27, 15, tzinfo=UTC)),
)


@dataclass(frozen=True)
class Go:
    """To one of the states that can follow; ``choice`` decides which and why."""

    choice: int


@dataclass(frozen=True)
class Wait:
    quarters: int


@dataclass(frozen=True)
class SetClock:
    quarters: int


@dataclass(frozen=True)
class Happen:
    """A handover, a failed attempt with a new cause, or a second link that lived and died; ``choice`` says of what."""

    what: str
    choice: int


@dataclass(frozen=True)
class Attach:
    programs: int


@dataclass(frozen=True)
class End:
    """traymon dies or is quit, and is started ``off`` quarters later."""

    died: bool
    off: int
    paused: bool


Move = Go | Wait | SetClock | Happen | Attach | End

_CHOICES = st.integers(0, 999)
_MOVES = (
    st.builds(Go, _CHOICES)
    | st.builds(Wait, st.integers(1, 150))
    | st.builds(Happen, st.sampled_from(["handover", "failure", "link"]), _CHOICES)
    | st.builds(Attach, st.integers(0, 2))
    | st.builds(End, st.booleans(), st.integers(0, 60), st.booleans())
)
_STEPS = st.builds(SetClock, st.integers(-120, 120).filter(bool))
STEADY_LIVES = st.lists(_MOVES, min_size=1, max_size=40)
"""The clock on the wall is never set."""
LIVES = st.lists(_MOVES | _STEPS, min_size=1, max_size=40)


@dataclass
class _Span:
    """What the cells of one span share."""

    cause: str | None = None


@dataclass(frozen=True)
class Cell:
    wall: int
    state: State
    attached: bool | None
    span: _Span


@dataclass
class _Tale:
    """A session or an outage: moments are (run, instant) until the end, then as shown."""

    began: tuple[int, int]
    ended: tuple[int, int] | None = None
    cause: str | None = None
    close_code: int | None = None
    detail: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)
    links: int = 1
    attempts: int = 0
    failed: bool = False
    estimated: bool = False
    happy_end: bool = False
    """Of a session: it was dropped; of an outage: a session followed."""
    number: int | None = None


class World:
    """The life, as it goes on."""

    def __init__(self, db: Path, beginning: tuple[str, datetime]) -> None:
        name, moment = beginning
        self.zone = ZoneInfo(name)
        self.wall = int(moment.timestamp() * 1000)
        self.at = 1_000_000
        self.cells: list[Cell] = []
        self.sessions: list[_Tale] = []
        self.outages: list[_Tale] = []
        self.lives: list[tuple[tuple[int, int], int, str]] = []
        self.running = True
        self.state_since = (0, 0)
        self._db = db
        self._events = 0
        self._unwritten_stop: _Tale | None = None
        self._anchors: dict[int, Anchor] = {}
        self._steps: list[tuple[int, int, int]] = []
        self._run = 0
        self._start(paused=False)

    def shown(self, moment: tuple[int, int]) -> int:
        run, at = moment
        anchor = self._anchors[run]
        return (
            anchor.wall + at - anchor.at + sum(ms for r, when, ms in self._steps if r == run and when <= at)
        )

    def live(self, moves: Sequence[Move]) -> None:
        for move in moves:
            match move:
                case Go(choice):
                    self._go(choice)
                case Wait(quarters):
                    self._pass(quarters)
                case SetClock(quarters):
                    self._set_clock(quarters * QUARTER)
                case Happen(what, choice):
                    self._pass(1)
                    {"handover": self._handover, "failure": self._failure, "link": self._link}[what](choice)
                    self._pass(1)
                case Attach(programs):
                    self._note(NoteKind.PROGRAM, attached=programs)
                    self._attached = programs > 0
                case End(died, off, paused):
                    self._end(died=died)
                    self._pass(off)
                    self._start(paused=paused)

    def close(self, *, end: End | None = None) -> None:
        """The last heartbeat; or the end of traymon and the time since."""
        if end is None:
            self._commit()
            return
        self._end(died=end.died)
        self._pass(end.off + 1)
        self.running = False

    # What happens

    def _pass(self, quarters: int) -> None:
        for _ in range(quarters):
            self.cells.append(Cell(self.wall, self._state, self._attached, self._span))
            self.wall += QUARTER
            self.at += QUARTER

    def _start(self, *, paused: bool) -> None:
        self._run += 1
        self._anchors[self._run] = Anchor(self.wall, self.at)
        self._store = Store(self._db, Run(f"run {self._run}", self._anchors[self._run], "boot"))
        if self._unwritten_stop is not None:
            self._events += 1
            self._unwritten_stop.number = self._events
            self._unwritten_stop = None
        self._batches: list[Batch] = []
        self._state, self._attached, self._span = State.UNKNOWN, None, _Span()
        self._linked_at = self.at
        self._enter(State.PAUSED if paused else State.CONNECTING)

    def _end(self, *, died: bool) -> None:
        if self._state in UP:
            cause = Cause.TRAYMON_DIED if died else Cause.QUIT
            self._stop(cause, None, noted=not died)
            self.sessions[-1].estimated = died
        if died:
            self._leave(Cause.TRAYMON_DIED, None, 0)
            self.state_since = (self._run, self.at)
        else:
            self._enter(State.UNKNOWN, Cause.QUIT, attempts=1)
        self._commit()
        self._store.close()
        self._state, self._attached, self._span = State.UNKNOWN, None, _Span()

    def _commit(self) -> None:
        self._store.write(self._batches, now=self.at)
        self._batches = []
        self._store.beat(self.at, durable=False)

    def _set_clock(self, step: int) -> None:
        self._pass(1)  # the recorder writes a step before what happened in the same ms
        self._note(NoteKind.CLOCK, bot=MACHINE, step_ms=step)
        self._steps.append((self._run, self.at, step))
        self.wall += step

    def _go(self, choice: int) -> None:
        ways = [way for way in TRANSITIONS[self._state].items() if way[0] is not Trigger.QUIT]
        trigger, state = ways[choice % len(ways)]
        old, attempts = self._state, choice % 4
        cause, failure = _why(trigger, choice)
        if old in UP and state not in UP:
            self._stop(cause, failure)
            self.sessions[-1].happy_end = state in DOWN
        self._enter(state, cause, failure, attempts)
        if trigger is Trigger.FAILED:
            self._note(NoteKind.FAIL, failure)
        elif trigger is Trigger.REFUSED:
            self._note(NoteKind.REFUSED, failure)
        if trigger in (Trigger.FAILED, Trigger.REFUSED):
            self._pass(1)  # an outage takes its time

    def _handover(self, choice: int) -> None:
        if self._state in UP:
            cause = LOSSES[choice % len(LOSSES)]
            self._note(NoteKind.HANDOVER, link=choice, lived_ms=self.at - self._linked_at)
            self._link_ended(self.at - self._linked_at, cause)
            self._linked_at = self.at
            self.sessions[-1].links += 1

    def _failure(self, choice: int) -> None:
        if self._state is State.OFFLINE:
            failure = Failure(FAILURES[choice % len(FAILURES)], Phase.TCP)
            self._note(NoteKind.CAUSE, failure)
            self.outages[-1].causes.append(failure.cause.value)

    def _link(self, choice: int) -> None:
        self._link_ended(choice * QUARTER // 7, LOSSES[choice % len(LOSSES)])

    # What that means

    def _enter(
        self, state: State, cause: Cause | None = None, failure: Failure | None = None, attempts: int = 0
    ) -> None:
        old = self._state
        self._tell(EnterState(state, self.at, cause, failure, attempts))
        if old is not State.UNKNOWN:
            self._leave(cause, failure, attempts, state)
        self._state, self._span, self.state_since = state, _Span(), (self._run, self.at)
        if state in UP and old not in UP:
            self._note(NoteKind.START, attempts=attempts)
            self.sessions.append(_Tale((self._run, self.at), number=self._events))
            self._linked_at = self.at
        elif state in DOWN and old not in DOWN:
            lost = self.sessions[-1] if old in UP else None
            self.outages.append(_Tale((self._run, self.at)))
            if lost is not None:
                self._reason(lost.cause, lost.close_code, lost.detail, lost.evidence)
        if state in DOWN and failure is not None:
            self._reason(failure.cause.value, failure.close_code, failure.detail, _evidence(failure))
        if state in (State.OFFLINE, State.REFUSED):
            self.outages[-1].failed = True

    def _reason(self, cause: str | None, code: int | None, detail: str, evidence: dict[str, Any]) -> None:
        outage = self.outages[-1]
        if cause is not None:
            if not outage.causes:
                outage.cause, outage.close_code, outage.detail = cause, code, detail
                outage.evidence = evidence
            outage.causes.append(cause)

    def _leave(
        self, cause: Cause | None, failure: Failure | None, attempts: int, state: State = State.UNKNOWN
    ) -> None:
        """The open span ends."""
        self._span.cause = cause.value if cause is not None else None
        if self._state in DOWN:
            self.outages[-1].attempts += attempts
            if state not in DOWN:
                self.outages[-1].ended = (self._run, self.at)
                self.outages[-1].happy_end = state in UP

    def _stop(self, cause: Cause | None, failure: Failure | None, *, noted: bool = True) -> None:
        assert cause is not None
        session = self.sessions[-1]
        session.ended = (self._run, self.at)
        session.cause = cause.value
        if failure is not None:
            session.close_code, session.detail = failure.close_code, failure.detail
            session.evidence = _evidence(failure)
        lived = self.at - self._linked_at
        if noted:
            self._link_ended(lived, cause)
            self._note(NoteKind.STOP, failure, up_ms=self.at - session.began[1], cause=cause.value)
            session.number = self._events
        else:
            self.lives.append(((self._run, self.at), lived, cause.value))
            session.number, self._unwritten_stop = None, session

    def _link_ended(self, lived: int, cause: Cause) -> None:
        self._note(NoteKind.LINK_END, lived_ms=lived, cause=cause.value)
        self.lives.append(((self._run, self.at), lived, cause.value))

    def _note(self, kind: NoteKind, failure: Failure | None = None, *, bot: str = BOT, **facts: Any) -> None:
        self._tell(Note(kind, self.at, failure, facts), bot)
        self._events += 1

    def _tell(self, entry: EnterState | Note, bot: str = BOT) -> None:
        self._batches.append(Batch(bot, "rtm", (entry,), None))


def _why(trigger: Trigger, choice: int) -> tuple[Cause | None, Failure | None]:
    match trigger:
        case Trigger.LOST:
            code = 1001 if choice % 2 else None
            lost = Failure(LOSSES[choice % len(LOSSES)], Phase.LIVE, f"said {choice}", code)
            return lost.cause, lost
        case Trigger.FAILED:
            failure = Failure(FAILURES[choice % len(FAILURES)], Phase.TCP, evidence={"host": "slack.com"})
            return failure.cause, failure
        case Trigger.REFUSED:
            return Cause.REFUSED_TOKEN, Failure(Cause.REFUSED_TOKEN, Phase.API, "invalid_auth")
        case Trigger.PAUSE:
            return Cause.USER, None
        case Trigger.SLEEP:
            return Cause.SLEPT, None
        case _:
            return None, None


def _evidence(failure: Failure) -> dict[str, Any]:
    return {"phase": failure.phase.value, **failure.evidence}


# The figures, the slow and obvious way


def expected(world: World, cut_at: int | None = None) -> Figures:
    """The report of the whole life, or of what the wall clock showed as ``cut_at`` or later."""
    cells = [cell for cell in world.cells if cut_at is None or cell.wall >= cut_at]
    sessions = [_session(world, number, tale) for number, tale in enumerate(world.sessions, 1)]
    failed = [tale for tale in world.outages if tale.failed]
    outages = [_outage(world, number, tale) for number, tale in enumerate(failed, 1)]
    begun = {
        "sessions": [session.started_at for session in sessions],
        "outages": [outage.started_at for outage in outages],
    }
    over = [session for session in sessions if session.ended_at is not None]
    lives = [LinkLife(world.shown(moment), lived, cause) for moment, lived, cause in world.lives]
    total = _tally(cells, len(sessions), len(outages))
    bot = BotFigures(
        bot=BOT,
        transport="rtm",
        state=world._state if world.running else State.UNKNOWN,
        since_at=world.shown(world.state_since),
        tally=total,
        days=tuple(_periods(world.zone, "day", cells, begun)),
        weeks=tuple(_periods(world.zone, "week", cells, begun)),
        months=tuple(_periods(world.zone, "month", cells, begun)),
        pieces=tuple(_pieces([(cell.wall, cell.state.value, cell.span.cause) for cell in cells])),
        sessions=tuple(sessions),
        outages=tuple(outages),
        longest=max(sessions, key=lambda session: session.lasted_ms) if sessions else None,
        shortest=min(over, key=lambda session: session.lasted_ms) if over else None,
        links=tuple(lives),
        lifetimes=Bins(Bins().edges_ms, _histogram(lives)),
        hours=HourOfDay(_hours(world.zone, sessions)),
        programs=tuple(_lane(cells)),
    )
    since = cells[0].wall if cells and cut_at is None else cut_at or world.wall
    return Figures(
        made_at=world.wall,
        since=since,
        until=world.wall,
        zone=str(world.zone),
        bots=(bot,),
        truncated=cut_at is not None,
        first_kept=cut_at,
    )


def _session(world: World, number: int, tale: _Tale) -> Session:
    ended = tale.ended or (tale.began[0], world.at)
    return Session(
        number=number,
        started_at=world.shown(tale.began),
        ended_at=world.shown(tale.ended) if tale.ended else None,
        lasted_ms=ended[1] - tale.began[1],
        cause=tale.cause,
        close_code=tale.close_code,
        detail=tale.detail,
        evidence=tale.evidence,
        links=tale.links,
        estimated=tale.estimated,
        dropped=tale.happy_end,
        log_number=tale.number,
    )


def _outage(world: World, number: int, tale: _Tale) -> OutageRow:
    ended = tale.ended or (tale.began[0], world.at)
    return OutageRow(
        number=number,
        started_at=world.shown(tale.began),
        ended_at=world.shown(tale.ended) if tale.ended else None,
        lasted_ms=ended[1] - tale.began[1],
        cause=tale.cause,
        causes=tuple(dict.fromkeys(tale.causes)),
        attempts=tale.attempts,
        close_code=tale.close_code,
        detail=tale.detail,
        evidence=tale.evidence,
        recovered=tale.happy_end,
    )


def _tally(cells: Sequence[Cell], sessions: int, outages: int) -> Tally:
    def spent(*states: State) -> int:
        return QUARTER * sum(cell.state in states for cell in cells)

    up = [cell for cell in cells if cell.state in (State.ONLINE, State.AWAY)]
    watched = [cell for cell in up if cell.attached is not None]
    answered = [cell for cell in up if cell.attached]
    return Tally(
        up_ms=QUARTER * len(up),
        down_ms=spent(State.CONNECTING, State.OFFLINE, State.REFUSED),
        unknown_ms=spent(State.UNKNOWN),
        paused_ms=spent(State.PAUSED),
        asleep_ms=spent(State.ASLEEP),
        answered_ms=QUARTER * len(answered) if watched else None,
        watched_ms=QUARTER * len(watched),
        sessions=sessions,
        outages=outages,
    )


def _periods(
    zone: ZoneInfo, kind: str, cells: Sequence[Cell], begun: dict[str, list[int]]
) -> Iterator[Period]:
    def name(wall: int) -> object:
        day = datetime.fromtimestamp(wall / 1000, zone).date()
        return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[kind]

    moments = [cell.wall for cell in cells] + begun["sessions"] + begun["outages"]
    for each in sorted(set(map(name, moments))):  # type: ignore[type-var]
        wall = next(wall for wall in moments if name(wall) == each)
        begin = end = wall
        while name(begin - QUARTER) == each:
            begin -= QUARTER
        while name(end) == each:
            end += QUARTER
        counts = [sum(name(began) == each for began in begun[what]) for what in ("sessions", "outages")]
        yield Period(begin, end, kind, _tally([cell for cell in cells if name(cell.wall) == each], *counts))


def _pieces(bands: Sequence[tuple[int, str, str | None]]) -> Iterator[Piece]:
    while bands:
        size = 1
        while size < len(bands) and (bands[size][:2] == (bands[size - 1][0] + QUARTER, bands[0][1])):
            size += 1
        yield Piece(bands[0][0], bands[size - 1][0] + QUARTER, bands[0][1], bands[size - 1][2])
        bands = bands[size:]


def _lane(cells: Sequence[Cell]) -> Iterator[Piece]:
    names = {True: "attached", False: "detached"}
    return _pieces([(cell.wall, names[cell.attached], None) for cell in cells if cell.attached is not None])


def _histogram(lives: Sequence[LinkLife]) -> dict[str, tuple[int, ...]]:
    edges = [*Bins().edges_ms, 10**18]
    return {
        cause: tuple(
            sum(life.ended_how == cause and low <= life.lasted_ms < high for life in lives)
            for low, high in pairwise(edges)
        )
        for cause in {life.ended_how for life in lives}
    }


def _hours(zone: ZoneInfo, sessions: Sequence[Session]) -> dict[str, tuple[int, ...]]:
    def hour(session: Session) -> int:
        return (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=session.ended_at or 0))
            .astimezone(zone)
            .hour
        )

    dropped = [session for session in sessions if session.dropped]
    return {
        str(cause): tuple(
            sum(each.cause == cause and hour(each) == at for each in dropped) for at in range(24)
        )
        for cause in {session.cause for session in dropped}
    }


# Logs by hand

NOW = 1_482_213_600_000
"""2016-12-20 06:00 UTC."""


class Log:
    """Spans that follow one another, and events, from ``at`` on."""

    def __init__(self, at: int = NOW - 100_000) -> None:
        self.at = at
        self.spans: list[Span] = []
        self.events: list[Event] = []

    def span(
        self,
        state: State,
        ms: int,
        cause: str | None = None,
        *,
        code: int | None = None,
        evidence: dict[str, Any] | None = None,
        attempts: int = 0,
        open: bool = False,
        run: int = 1,
    ) -> "Log":
        begin, self.at = self.at, self.at + ms
        ended_at = None if open else self.at
        number = len(self.spans) + 1
        said = "said" if code else ""
        told = evidence or {}
        reason = (cause, code, said, told, attempts)
        self.spans.append(Span(number, BOT, state, begin, ms, self.at, ended_at, *reason, "rtm", run))
        return self

    def event(
        self, kind: NoteKind, at: int | None = None, cause: str | None = None, run: int = 1, **facts: Any
    ) -> "Log":
        number = len(self.events) + 1
        self.events.append(
            Event(number, self.at if at is None else at, BOT, kind, facts, cause, run=run, close_code=4)
        )
        return self

    def figures(self, **options: Any) -> BotFigures:
        return figures(self.spans, self.events, now_ms=NOW, zone=ZoneInfo("UTC"), **options).bots[0]
