"""The report's pictures as SVG, made of numbers.

Everything lies at percentages of the picture's width and height, so a picture takes whatever room the page has and
nothing in it is stretched. No colour stands alone: each state has a height and a pattern of its own, each kind of end a
pattern. What a picture says is also in a table; pictures are hidden from screen readers or named as a whole.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import DOWN, State
from traymon.report.model import ATTACHED, Bins, HourOfDay, Piece, Tally
from traymon.report.moments import Moments

_HOUR = 3_600_000
_DAY = 24 * _HOUR

# (y, height) in percent of the band, so that states differ by their silhouette: up is a bar, down rises above it, what
# counts as neither lies low.
_SHAPES: Mapping[str, tuple[int, int]] = {
    State.ONLINE: (30, 70),
    State.AWAY: (30, 70),
    State.CONNECTING: (0, 100),
    State.OFFLINE: (0, 100),
    State.REFUSED: (0, 100),
    State.PAUSED: (60, 40),
    State.ASLEEP: (75, 25),
    State.UNKNOWN: (92, 8),
}
_ODD = (92, 8)


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _joined(parts: Iterable[str]) -> Markup:
    """Parts that are markup already, as one."""
    return Markup("".join(parts))  # noqa: S704 - every part is made here, of numbers and escaped text


def _rect(kind: str, x: float, y: float, width: float, height: float, title: str = "") -> str:
    place = f'x="{_number(x)}%" y="{_number(y)}%" width="{_number(width)}%" height="{_number(height)}%"'
    if not title:
        return f'<rect class="{kind}" {place}/>'
    return f'<rect class="{kind}" {place}><title>{escape(title)}</title></rect>'


def _state_class(state: str) -> str:
    return f"s-{state}" if state in _SHAPES else "s-unknown"


# ------------------------------------------------------------------------------------------------------ timelines


class Timeline:
    """Bands of one bot's time. ``pieces`` in order; ``say`` tells of one what a person reads when pointing at it."""

    def __init__(
        self, pieces: Sequence[Piece], programs: Sequence[Piece], say: Callable[[Piece], str]
    ) -> None:
        self._pieces = pieces
        self._starts = [piece.at for piece in pieces]
        self._programs = programs
        self._say = say

    def band(self, since: int, until: int) -> Markup:
        """What lies from ``since`` to ``until``, across the whole width."""
        return _joined([*self._states(since, until), *self._lane(since, until)])

    def _states(self, since: int, until: int) -> Iterable[str]:
        first = max(0, bisect_right(self._starts, since) - 1)
        last = bisect_right(self._starts, until)
        late: list[str] = []
        for piece in self._pieces[first:last]:
            begin, end = max(piece.at, since), min(piece.until, until)
            if end < begin or begin == until:
                continue
            whole = until - since
            shape = _SHAPES.get(piece.state, _ODD)
            quiet = piece.state == State.ONLINE
            rect = _rect(
                _state_class(piece.state),
                100 * (begin - since) / whole,
                shape[0],
                100 * (end - begin) / whole,
                shape[1],
                "" if quiet else self._say(piece),
            )
            # The short ones that matter are drawn last, above their neighbours.
            if piece.state in DOWN:
                late.append(rect)
            else:
                yield rect
        yield from late

    def _lane(self, since: int, until: int) -> Iterable[str]:
        for piece in self._programs:
            begin, end = max(piece.at, since), min(piece.until, until)
            if begin < end:
                kind = "l-attached" if piece.state == ATTACHED else "l-detached"
                yield _rect(
                    kind,
                    100 * (begin - since) / (until - since),
                    88,
                    100 * (end - begin) / (until - since),
                    12,
                )


def swatch(state: str) -> Markup:
    """A state as the bands show it, for the legend."""
    y, height = _SHAPES.get(state, _ODD)
    return Markup(_rect(_state_class(state), 0, y, 100, height))  # noqa: S704 - made here, of numbers


def share_bar(tally: Tally) -> Markup:
    """How the time of a tally was spent, as one bar."""
    parts = (
        (State.ONLINE, tally.up_ms),
        (State.OFFLINE, tally.down_ms),
        (State.PAUSED, tally.paused_ms),
        (State.ASLEEP, tally.asleep_ms),
        (State.UNKNOWN, tally.unknown_ms),
    )
    rects, at = [], 0.0
    for state, length in parts:
        if length:
            width = 100 * length / tally.whole_ms
            y, height = _SHAPES[state]
            rects.append(_rect(_state_class(state), at, y, width, height))
            at += width
    return _joined(rects)


LEVELS = (
    ("week", 7 * _DAY, 3 * _HOUR),
    ("day", _DAY, _HOUR),
    ("hours", 6 * _HOUR, _HOUR // 2),
    ("hour", _HOUR, 300_000),
)
"""How near the recent stretch can be looked at: name, length of time across the window (ms), distance of ticks (ms)."""


def tick_symbol(name: str, step: int) -> Markup:
    """The ticks of an ordinary day of 24 hours, to be used wherever one is."""
    return _joined(
        [f'<symbol id="ticks-{name}" overflow="visible">', *_ticks(0, _DAY, step, lambda at: at), "</symbol>"]
    )


@dataclass(frozen=True, slots=True)
class Ticks:
    """What stands below a stretch: ``lines`` at midnights and, one group a level, at hours; and the dates, each with
    its share of the width in percent."""

    lines: Markup
    dates: list[tuple[str, str]]


def ticks(moments: Moments, since: int, until: int, levels: Sequence[str]) -> Ticks:
    """The ticks from ``since`` to ``until`` for ``levels``, and the dates."""
    whole = until - since
    lines: list[str] = []
    dates: list[tuple[str, str]] = []
    for begin, end in pairwise(moments.midnights(since - 2 * _DAY, until + 2 * _DAY)):
        if end <= since or begin >= until:
            continue
        x, width = _number(100 * (begin - since) / whole), _number(100 * (end - begin) / whole)
        lines.append(f'<line class="midnight" x1="{x}%" x2="{x}%" y1="0" y2="100%"/>')
        for name in levels:
            place = f'class="at-{name}" x="{x}%" width="{width}%" height="100%"'
            if end - begin == _DAY:
                lines.append(f'<use href="#ticks-{name}" {place}/>')
            else:
                step = next(step for level, _, step in LEVELS if level == name)
                own = "".join(_ticks(begin, end, step, _of_day(moments)))
                lines.append(f'<svg overflow="visible" {place}>{own}</svg>')
        share = 100 * (min(end, until) - max(begin, since)) / whole
        dates.append((_number(share), moments.day(begin, weekday=True)))
    return Ticks(_joined(lines), dates)


def _ticks(begin: int, end: int, step: int, of_day: Callable[[int], int]) -> Iterable[str]:
    for at in range(begin + step, end, step):
        x = _number(100 * (at - begin) / (end - begin))
        minutes = of_day(at) // 60_000
        clock = f"{minutes // 60:02}:{minutes % 60:02}"
        yield f'<line x1="{x}%" x2="{x}%" y1="0" y2="5"/><text x="{x}%" y="19">{clock}</text>'


def _of_day(moments: Moments) -> Callable[[int], int]:
    def of_day(at: int) -> int:
        local = moments.local(at)
        return 0 if local is None else (local.hour * 60 + local.minute) * 60_000

    return of_day


# ------------------------------------------------------------------------------------- how links ended, and when

_PLANNED = frozenset({Cause.GOODBYE, Cause.REFRESH, Cause.TEAM_MIGRATION, Cause.USER})
_OWN = frozenset({Cause.QUIT, Cause.SLEPT, Cause.FROZEN, Cause.TRAYMON_DIED, Cause.SYSTEM_SHUTDOWN})
_NAMED_EDGES = frozenset({*(hours * _HOUR for hours in (0, 2, 4, 6, 8, 10)), _DAY, 7 * _DAY})
_PATTERNS = 4
"""Patterns that a family has: as many causes are told apart, the rest is one more."""


@dataclass(frozen=True, slots=True)
class Series:
    """Causes that look alike in the pictures of one bot. ``look``: the class that gives colour and pattern."""

    name: str
    look: str
    causes: tuple[str, ...]

    def counts(self, of: Mapping[str, Sequence[int]]) -> list[int]:
        """How many in each bin."""
        rows = [of[cause] for cause in self.causes if cause in of]
        return [sum(column) for column in zip(*rows, strict=True)]


def _dropped(cause: str) -> bool:
    return cause not in _PLANNED | _OWN


def series(lifetimes: Mapping[str, Sequence[int]], hours: Mapping[str, Sequence[int]]) -> list[Series]:
    """The causes in both pictures, the drops first, each family's most frequent first."""
    totals = {
        cause: max(sum(lifetimes.get(cause, ())), sum(hours.get(cause, ())))
        for cause in {**lifetimes, **hours}
    }
    found: list[Series] = []
    families: tuple[tuple[str, Callable[[str], bool], str], ...] = (
        ("drop", _dropped, words.gettext("other drops")),
        ("planned", lambda cause: cause in _PLANNED, words.gettext("other planned ends")),
        ("own", lambda cause: cause in _OWN, words.gettext("other ends on this machine")),
    )
    for family, belongs, rest in families:
        causes = sorted(
            filter(belongs, filter(totals.get, totals)), key=lambda cause: (-totals[cause], cause)
        )
        kept = causes if len(causes) <= _PATTERNS + 1 else causes[:_PATTERNS]
        found += [Series(words.short_cause(c), f"{family}-{n}", (c,)) for n, c in enumerate(kept)]
        if len(kept) < len(causes):
            found.append(Series(rest, f"{family}-{_PATTERNS}", tuple(causes[_PATTERNS:])))
    return found


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of stacked bars: the plot, the labels beside and below it, and the rows of its table.

    ``rows``: what a bin is called, then its count in each of ``shown``.
    """

    plot: Markup
    y_labels: Markup
    x_labels: Markup
    rows: list[tuple[str, list[int]]]
    shown: list[Series]


def lifetimes(bins: Bins, looks: Sequence[Series]) -> Bars:
    """Links by how long they lived, and how they ended. Six to eight hours, the life of 2016, are set off."""
    edges = bins.edges_ms
    names = [_from_to(begin, end) for begin, end in pairwise([*edges, None]) if begin is not None]
    # The bins beyond ten hours are as wide as the others and longer: there is no room to name each.
    marks = [(index, _length(edge)) for index, edge in enumerate(edges) if edge in _NAMED_EDGES]
    first, last = (edges.index(hours * _HOUR) for hours in (6, 8))
    among, every = dropped_in_six_to_eight(bins)
    note = words.gettext("6 to 8 h: {count} of {all} drops").format(
        count=words.number(among), all=words.number(every)
    )
    return _bars(
        bins.counts, looks, names, marks, highlight=(first, last, note), scale_ends=edges.index(10 * _HOUR)
    )


def hours(by_hour: HourOfDay, looks: Sequence[Series]) -> Bars:
    """Drops by the hour of the day."""
    names = [f"{hour:02}:00" for hour in range(24)]
    marks = [(hour, f"{hour:02}") for hour in range(0, 24, 3)]
    return _bars(by_hour.counts, looks, names, [*marks, (24, "24")])


def dropped_in_six_to_eight(bins: Bins) -> tuple[int, int]:
    """How many links were dropped after 6 to under 8 hours, and how many at all: no planned end, none of our own."""
    first, last = (bins.edges_ms.index(hours * _HOUR) for hours in (6, 8))
    rows = [row for cause, row in bins.counts.items() if _dropped(cause)]
    return sum(sum(row[first:last]) for row in rows), sum(map(sum, rows))


def _length(ms: int) -> str:
    if ms >= _DAY:
        return words.gettext("{days} d").format(days=ms // _DAY)
    return words.gettext("{hours} h").format(hours=ms // _HOUR) if ms else "0"


def _from_to(begin: int, end: int | None) -> str:
    since = words.duration(begin)
    if end is None:
        return words.gettext("{length} and more").format(length=since)
    return words.gettext("{least} to {most}").format(least=since, most=words.duration(end))


def _bars(
    counts: Mapping[str, Sequence[int]],
    looks: Sequence[Series],
    names: Sequence[str],
    marks: Sequence[tuple[int, str]],
    *,
    highlight: tuple[int, int, str] | None = None,
    scale_ends: int | None = None,
) -> Bars:
    shown = [(each, row) for each in looks if any(row := each.counts(counts))]
    columns = [[row[index] for _, row in shown] for index in range(len(names))]
    top = _nice(max(map(sum, columns), default=0))
    step = 100 / len(names)
    parts: list[str] = []
    if scale_ends is not None:
        parts.append(_rect("coarse", scale_ends * step, 0, 100 - scale_ends * step, 100))
    if highlight is not None:
        first, last, note = highlight
        parts.append(_rect("zone", first * step, 0, (last - first) * step, 100))
        middle = _number((first + last) / 2 * step)
        parts.append(f'<text class="note" x="{middle}%" y="-8">{escape(note)}</text>')
    parts += [f'<line class="grid" x1="0" x2="100%" y1="{y}%" y2="{y}%"/>' for y in (0, 50, 100)]
    for index, column in enumerate(columns):
        parts += _stack(shown, column, index * step + step * 0.1, step * 0.8, top, names[index])
    return Bars(
        _joined(parts),
        _joined(
            f'<text x="100%" dx="-8" y="{100 - 100 * value // top}%">{words.number(value)}</text>'
            for value in (0, top // 2, top)
        ),
        _joined(
            f'<text x="{_number(index * step)}%" y="16">{escape(label)}</text>' for index, label in marks
        ),
        [(name, column) for name, column in zip(names, columns, strict=True) if any(column)],
        [each for each, _ in shown],
    )


def _stack(
    shown: Sequence[tuple[Series, list[int]]], column: list[int], x: float, width: float, top: int, name: str
) -> Iterable[str]:
    below = 0
    for (each, _), count in zip(shown, column, strict=True):
        if count:
            height = 100 * count / top
            below += count
            said = words.gettext("{where}: {count}, {what}").format(
                where=name, count=words.number(count), what=each.name
            )
            yield _rect(each.look, x, 100 - 100 * below / top, width, height, said)


def _nice(most: int) -> int:
    """An even top for an axis, at least ``most``."""
    size = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if factor * size >= most:
                return factor * size
        size *= 10
