"""How a bot's time was spent: as bands of a timeline, and added up by day, week and month."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import UP, State
from traymon.report.calendar import Calendar
from traymon.report.laid import Laid
from traymon.report.model import ATTACHED, DAY, DETACHED, Period, Piece, Tally
from traymon.report.stretches import Noted, WallClock

Lane = Sequence[tuple[int, int, bool]]
"""On the line of a run: from, until (excluded) and whether a program was attached; in order, without overlap."""

_COLUMNS: Mapping[State, str] = {
    State.ONLINE: "up_ms",
    State.AWAY: "up_ms",
    State.CONNECTING: "down_ms",
    State.OFFLINE: "down_ms",
    State.REFUSED: "down_ms",
    State.UNKNOWN: "unknown_ms",
    State.PAUSED: "paused_ms",
    State.ASLEEP: "asleep_ms",
}


def bands(stretches: Iterable[tuple[int, int, str, str | None]], cut_at: int) -> tuple[Piece, ...]:
    """Pieces from (from, until, state, cause), what lies before ``cut_at`` left out and neighbours joined."""
    joined: list[tuple[int, int, str, str | None]] = []
    for begin, until, state, cause in stretches:
        at = max(begin, cut_at)
        if at >= until:
            continue
        if joined and joined[-1][1:3] == (at, state):
            at = joined.pop()[0]
        joined.append((at, until, state, cause))
    return tuple(Piece(*band) for band in joined)


def pieces(laid: Iterable[Laid], cut_at: int) -> tuple[Piece, ...]:
    """The bot's timeline."""
    return bands(
        (
            (stretch.begin, stretch.until, each.span.state.value, each.cause)
            for each in laid
            for stretch in each.stretches
        ),
        cut_at,
    )


# Programs


def lanes(noted: Iterable[Noted], laid: Iterable[Laid]) -> dict[int, Lane]:
    """By run: when programs were attached, from its first event of that kind to the bot's last moment in it."""
    ends = {each.span.run: each.line_end for each in laid if each.span.state is not State.UNKNOWN}
    changes: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for line, event in noted:
        count = event.facts.get("attached")
        if event.kind == NoteKind.PROGRAM and isinstance(count, int) and event.run in ends:
            told = changes[event.run]
            told.append((max([line, *(at for at, _ in told[-1:])]), count > 0))
    return {
        run: [
            (at, until, attached)
            for (at, attached), (until, _) in pairwise([*told, (ends[run], False)])
            if at < until
        ]
        for run, told in changes.items()
    }


def programs(by_run: Mapping[int, Lane], wall: WallClock, cut_at: int) -> tuple[Piece, ...]:
    """The lane of programs beneath the timeline."""
    return bands(
        (
            (stretch.begin, stretch.until, ATTACHED if attached else DETACHED, None)
            for run, lane in by_run.items()
            for line, line_end, attached in lane
            for stretch in wall.stretches(run, line, line_end)
        ),
        cut_at,
    )


def _watched(lane: Lane, line: int, line_end: int) -> tuple[int, int]:
    """Of a piece of the line: how much was answered, and of how much that is known."""
    answered = watched = 0
    first = max(0, bisect_right(lane, line, key=lambda piece: piece[0]) - 1)
    for number in range(first, len(lane)):
        begin, end, attached = lane[number]
        if begin >= line_end:
            break
        common = max(0, min(end, line_end) - max(begin, line))
        watched += common
        answered += common if attached else 0
    return answered, watched


# Sums


class Days:
    """The sums of a bot's local days, from ``cut_at`` on."""

    def __init__(self, calendar: Calendar, cut_at: int) -> None:
        self._calendar = calendar
        self._cut_at = cut_at
        self._sums: dict[int, Counter[str]] = defaultdict(Counter)
        """By the beginning of the day; the names of :class:`Tally`'s fields with their values."""

    def add(self, laid: Iterable[Laid], by_run: Mapping[int, Lane]) -> None:
        """Count the time of spans."""
        for each in laid:
            column = _COLUMNS[each.span.state]
            lane = by_run.get(each.span.run, ()) if each.span.state in UP else ()
            for begin, until, line in each.stretches:
                for day, at, end in self._split(max(begin, self._cut_at), until):
                    sums = self._sums[day]
                    sums[column] += end - at
                    if lane:
                        answered, watched = _watched(lane, line + at - begin, line + end - begin)
                        sums["answered_ms"] += answered
                        sums["watched_ms"] += watched

    def count(self, what: str, began: int) -> None:
        """One more session or outage (``what`` is the field of :class:`Tally`), if it did not begin before the cut."""
        if began >= self._cut_at:
            self._sums[self._calendar.period(DAY, began)[0]][what] += 1

    def periods(self, kind: str) -> tuple[Period, ...]:
        """The days, weeks or months in which there is anything, in order. Each is made of whole days."""
        sums: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        for day in sorted(self._sums):
            sums[self._calendar.period(kind, day)].update(self._sums[day])
        return tuple(Period(*extent, kind, _tally(total)) for extent, total in sums.items())

    def total(self) -> Tally:
        """All days together."""
        total: Counter[str] = Counter()
        for sums in self._sums.values():
            total.update(sums)
        return _tally(total)

    def _split(self, at: int, until: int) -> Iterator[tuple[int, int, int]]:
        while at < until:
            day, next_day = self._calendar.period(DAY, at)
            yield day, at, min(until, next_day)
            at = next_day


def _tally(sums: Counter[str]) -> Tally:
    answered = sums["answered_ms"] if sums["watched_ms"] else None
    return Tally(**{**sums, "answered_ms": answered})  # type: ignore[arg-type] # the names are Tally's own
