"""Where a span lies on the clock on the wall, and which events lie in it.

Two scales are at work. Times as they are shown are those of the wall clock, which may be set: then a time is skipped,
or comes twice. On a run's *line* (:mod:`traymon.sessionlog.timeline`) time just passes, and there a bot's spans follow
one another without gap or overlap. What is to be shown by day is laid out on the wall clock, up to each step and on
from where it led; what is asked about order and length, such as whether an event happened in a session, is asked on
the line. So a step moves time from no day to another, and lengths always add up.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from traymon.keeper.core.effects import NoteKind
from traymon.sessionlog.rows import MACHINE, Event


class Stretch(NamedTuple):
    """A piece of time without a step of the clock: ``begin`` and ``until`` (excluded) in UTC ms, as shown.

    ``line`` is where it begins on the line, in ms whose zero means nothing.
    """

    begin: int
    until: int
    line: int


class Noted(NamedTuple):
    """An event and where it lies on the line of its run."""

    line: int
    event: Event


class WallClock:
    """How the wall clock passed for ``bot``, by the steps among ``events`` (in the order of writing, others ignored).

    Where the first steps of a run are not among them, its line is moved as a whole, which changes nothing.
    """

    def __init__(self, bot: str, events: Iterable[Event]) -> None:
        self._marks: dict[int, list[int]] = defaultdict(list)
        """By run: where on the line the clock was set."""
        self._shifts: dict[int, list[int]] = defaultdict(lambda: [0])
        """By run: by how much later than on the line times are shown, before the first step and after each."""
        self._ends: dict[int, int] = {}
        """By run: the end, on the line, of the last span laid out."""
        told: list[tuple[int, Event]] = []
        for event in events:
            if event.bot == bot:
                told.append((len(self._marks.get(event.run, ())), event))
            step = event.facts.get("step_ms")
            if event.kind == NoteKind.CLOCK and isinstance(step, int) and event.bot in (bot, MACHINE):
                shift = self._shifts[event.run][-1] + step
                self._marks[event.run].append(max([event.at - shift, *self._marks[event.run][-1:]]))
                self._shifts[event.run].append(shift)
        self.noted = [Noted(self._line(event, steps), event) for steps, event in told]
        """The events of the bot, in the order of writing."""

    def _line(self, event: Event, steps: int) -> int:
        """Where ``event`` lies on the line; ``steps`` were written before it.

        It may be dated back to before some of them, and a step that came in the same ms may have been written later.
        """
        if event.run not in self._marks:
            return event.at
        marks, shifts = self._marks[event.run], self._shifts[event.run]
        for count in (*range(steps, -1, -1), *range(steps + 1, len(shifts))):
            line: int = event.at - shifts[count]
            if bisect_right(marks, line) == count:
                return line
        return event.at - shifts[steps]

    def stretches(self, run: int, line: int, until: int) -> list[Stretch]:
        """What lies between two points of the line, at least one stretch, in order."""
        marks, shifts = self._marks.get(run, []), self._shifts[run]
        steps, last = bisect_right(marks, line), bisect_right(marks, until)
        points = [line, *marks[steps:last], until]
        return [
            Stretch(begin + shifts[steps + number], end + shifts[steps + number], begin)
            for number, (begin, end) in enumerate(pairwise(points))
        ]

    def lay_out(self, run: int, started_at: int, ended_at: int, lasted_ms: int) -> list[Stretch]:
        """The stretches of a span as shown; together they are ``lasted_ms`` long. To be asked in the order of time.

        Where the steps known do not explain the difference, they are one stretch that ends at ``ended_at``, as a clock
        is set in order to be right from then on.
        """
        known = self._ends.get(run)
        candidates = [started_at - shift for shift in dict.fromkeys(self._shifts[run])]
        for line in candidates if known is None else [known, *candidates]:
            if self._shown(run, line) == started_at and self._shown(run, line + lasted_ms) == ended_at:
                self._ends[run] = line + lasted_ms
                return self.stretches(run, line, line + lasted_ms)
        line = ended_at - lasted_ms if known is None else known
        self._ends[run] = line + lasted_ms
        return [Stretch(ended_at - lasted_ms, ended_at, line)]

    def _shown(self, run: int, line: int) -> int:
        return line + self._shifts[run][bisect_right(self._marks.get(run, ()), line)]
