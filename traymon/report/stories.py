"""Sessions, outages and links: what happened to a bot, one by one."""

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import DOWN, UP, State
from traymon.report.laid import Laid, Notes
from traymon.report.model import LIFETIME_EDGES_MS, Bins, HourOfDay, LinkLife, OutageRow, Session
from traymon.report.stretches import Noted
from traymon.sessionlog.rows import Event, Span

NO_CAUSE = "unknown"
"""How a cause is counted that the log does not have: a name like the others, to be shown as it is."""

_FAILED = frozenset({State.OFFLINE, State.REFUSED})
_FAILURES = frozenset({NoteKind.FAIL, NoteKind.CAUSE, NoteKind.REFUSED})


class Stories:
    """The sessions and outages among one bot's spans; ``cut_at`` (UTC ms) is where the report begins, if not at the
    beginning.
    """

    def __init__(self, laid: Sequence[Laid], noted: Sequence[Noted], cut_at: int | None) -> None:
        self._cut_at = cut_at
        self._starts = _by_moment(noted, NoteKind.START)
        self._stops = _by_moment(noted, NoteKind.STOP)
        self._handovers = Notes(note for note in noted if note.event.kind == NoteKind.HANDOVER)
        self._failures = Notes(note for note in noted if note.event.kind in _FAILURES)
        self._groups = [list(group) for _, group in groupby(laid, key=_kind)]
        """Maximal runs of up, of down and of the rest; the end of a run of traymon ends them all."""
        self.sessions: tuple[Session, ...] = ()
        self.outages: tuple[OutageRow, ...] = ()
        self._tell()

    def _tell(self) -> None:
        sessions: list[Session] = []
        outages: list[OutageRow] = []
        for index, group in enumerate(self._groups):
            if group[0].span.state in UP:
                sessions.append(self._session(len(sessions) + 1, index))
            elif any(each.span.state in _FAILED for each in group):
                outages.append(self._outage(len(outages) + 1, index))
        self.sessions, self.outages = tuple(sessions), tuple(outages)

    def _session(self, number: int, index: int) -> Session:
        group, following = self._groups[index], self._neighbour(index, 1)
        first, last = group[0], group[-1]
        start = _take(self._starts, first.span.run, first.line)
        stop = _take(self._stops, last.span.run, last.line_end) if last.over else None
        noted = stop if last.over else start
        told = Session(
            number=number,
            started_at=first.began,
            ended_at=last.until if last.over else None,
            lasted_ms=sum(each.lasted_ms for each in group),
            **(_reason(last.cause, last.span) if last.over else {}),
            links=1 + len(self._handovers.inside(group, closing=True)),
            estimated=last.over and last.cause == Cause.TRAYMON_DIED,
            cut=self._may_be_cut(index) and start is None,
            dropped=following is not None and following[0].span.state in _FAILED,
            log_number=None if noted is None else noted.id,
        )
        return _uncut(told, stop)

    def _outage(self, number: int, index: int) -> OutageRow:
        group, after = self._groups[index], self._neighbour(index, 1)
        first, last = group[0], group[-1]
        failures = self._failures.inside(group, closing=False)
        stop = _take(self._stops, first.span.run, first.line) if index == 0 else None
        reason = self._why(index, stop, failures)
        seen = dict.fromkeys([reason.get("cause"), *(event.cause for event in failures)])
        return OutageRow(
            number=number,
            started_at=first.began,
            ended_at=last.until if last.over else None,
            lasted_ms=sum(each.lasted_ms for each in group),
            **reason,
            causes=tuple(cause for cause in seen if cause is not None),
            attempts=sum(each.span.attempts for each in group),
            recovered=after is not None and after[0].span.state in UP,
            cut=self._may_be_cut(index) and stop is None,
        )

    def _why(self, index: int, stop: Event | None, failures: Sequence[Event]) -> dict[str, Any]:
        """Why the session before an outage ended, by its span or by ``stop``; else why the first attempt failed."""
        before = self._neighbour(index, -1)
        if before is not None and before[-1].span.state in UP:
            return _reason(before[-1].cause, before[-1].span)
        if stop is not None:
            return _reason(stop.cause, stop)
        # Why the last span ended is no reason for the outage.
        for each in self._groups[index][:-1]:
            if each.cause is not None:
                return _reason(each.cause, each.span)
        return _reason(failures[0].cause, failures[0]) if failures else {}

    def _neighbour(self, index: int, step: int) -> list[Laid] | None:
        """The group before or after, if it is of the same run of traymon."""
        if not 0 <= index + step < len(self._groups):
            return None
        group = self._groups[index + step]
        return group if group[0].span.run == self._groups[index][0].span.run else None

    def _may_be_cut(self, index: int) -> bool:
        return index == 0 and self._cut_at is not None and self._groups[0][0].began < self._cut_at


def _kind(laid: Laid) -> tuple[int, str]:
    state = laid.span.state
    return laid.span.run, "up" if state in UP else "down" if state in DOWN else "neither"


_Moments = dict[tuple[int, int], deque[Event]]
"""Events by run and moment on its line, in the order of writing: a session may begin and end in one ms."""


def _by_moment(noted: Iterable[Noted], kind: NoteKind) -> _Moments:
    moments: _Moments = defaultdict(deque)
    for line, event in noted:
        if event.kind == kind:
            moments[event.run, line].append(event)
    return moments


def _take(moments: _Moments, run: int, line: int) -> Event | None:
    """The first that was not taken yet."""
    found = moments.get((run, line))
    return found.popleft() if found else None


def _reason(cause: str | None, row: Event | Span) -> dict[str, Any]:
    """The fields in which a session and an outage say why."""
    return {"cause": cause, "close_code": row.close_code, "detail": row.detail, "evidence": row.evidence}


def _uncut(session: Session, stop: Event | None) -> Session:
    """The stop knows how long the session lasted, also where its start was not read."""
    up = stop.facts.get("up_ms") if stop is not None and session.cut else None
    if not isinstance(up, int) or up < session.lasted_ms:
        return session
    began = session.started_at - (up - session.lasted_ms)
    return replace(session, started_at=began, lasted_ms=up, cut=False)


def longest(sessions: Sequence[Session]) -> Session | None:
    """The one that lasted or has lasted longest; of equal ones the first."""
    return max(sessions, key=lambda session: session.lasted_ms, default=None)


def shortest(sessions: Sequence[Session]) -> Session | None:
    """The shortest of those that are over and known from the beginning; of equal ones the first."""
    whole = (session for session in sessions if session.ended_at is not None and not session.cut)
    return min(whole, key=lambda session: session.lasted_ms, default=None)


# Links


def link_lives(noted: Iterable[Noted], laid: Iterable[Laid], cut_at: int) -> tuple[LinkLife, ...]:
    """The links that ended at or after ``cut_at``, in the order of writing.

    A link that was up when traymon died left no word of its own: it lived from the last start or handover to the
    estimated stop, or to its last sign of life where no start has written that stop yet.
    """
    lives: list[LinkLife] = []
    began: dict[int, int] = {}
    """By run: since when, on its line, the present link carries the session."""
    for line, event in noted:
        if event.kind in (NoteKind.START, NoteKind.HANDOVER):
            began[event.run] = line
        elif event.kind == NoteKind.STOP:
            since, up = began.pop(event.run, None), event.facts.get("up_ms")
            if event.facts.get("estimated") and (since is not None or isinstance(up, int)):
                life = line - since if since is not None else int(up or 0)
                lives.append(LinkLife(event.at, max(0, life), event.cause or NO_CAUSE))
        elif event.kind == NoteKind.LINK_END and isinstance(lived := event.facts.get("lived_ms"), int):
            lives.append(LinkLife(event.at, max(0, lived), event.cause or NO_CAUSE))
    last = {each.span.run: each for each in laid if each.span.state in UP}
    for run, since in began.items():
        if run in last and last[run].cause == Cause.TRAYMON_DIED:
            lives.append(LinkLife(last[run].until, last[run].line_end - since, Cause.TRAYMON_DIED.value))
    return tuple(life for life in lives if life.at >= cut_at)


def lifetimes(lives: Iterable[LinkLife]) -> Bins:
    """The histogram of links' lifetimes."""
    found = ((life.ended_how, bisect_right(LIFETIME_EDGES_MS, life.lasted_ms) - 1) for life in lives)
    return Bins(LIFETIME_EDGES_MS, _counts(found, len(LIFETIME_EDGES_MS)))


def drops(sessions: Iterable[Session], hour: Callable[[int], int]) -> HourOfDay:
    """The dropped sessions by the local hour of their end."""
    dropped = (session for session in sessions if session.dropped and session.ended_at is not None)
    return HourOfDay(_counts(((each.cause or NO_CAUSE, hour(each.ended_at or 0)) for each in dropped), 24))


def _counts(found: Iterable[tuple[str, int]], columns: int) -> dict[str, tuple[int, ...]]:
    counted = Counter(found)
    causes = sorted({cause for cause, _ in counted})
    return {cause: tuple(counted[cause, column] for column in range(columns)) for cause in causes}
