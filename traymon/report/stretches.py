"""Where a span lies on the clock on the wall.

A span's length is ``lasted_ms``, from the clock that counts sleep. Where the wall clock was set meanwhile, its begin
and end as shown are further apart or nearer than that. Then the span is laid out as the wall clock passed: up to the
step, and on from where the step led. So a step moves time from no day to another, and lengths always add up.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from traymon.keeper.core.effects import NoteKind
from traymon.sessionlog.rows import MACHINE, Event

Stretch = tuple[int, int]
"""From and until (excluded), UTC ms."""


class WallClock:
    """How the wall clock passed for ``bot``, by the steps among ``events`` (in the order of writing).

    Spans are to be laid out in the order of time.
    """

    def __init__(self, bot: str, events: Iterable[Event]) -> None:
        self._steps: dict[int, list[tuple[int, int]]] = defaultdict(list)
        """By run: what the clock showed when it was set, and what it showed then."""
        self._next: dict[int, int] = defaultdict(int)
        """By run: the first step that no span laid out so far had in it."""
        for event in events:
            step = step_ms(event)
            if step is not None and event.bot in (bot, MACHINE):
                self._steps[event.run].append((event.at - step, event.at))

    def lay_out(self, run: int, started_at: int, ended_at: int, lasted_ms: int) -> Sequence[Stretch]:
        """The stretches of a span, in order; together they are ``lasted_ms`` long.

        Where the steps known do not explain the difference, they are one stretch that ends at ``ended_at``, as a clock
        is set in order to be right from then on.
        """
        if ended_at - started_at == lasted_ms:
            return [(started_at, ended_at)]
        steps = self._steps.get(run, [])
        for first in range(self._next[run], len(steps)):
            stretches = _walk(steps, first, started_at, ended_at, lasted_ms)
            if stretches is not None:
                self._next[run] = first + len(stretches) - 1
                return stretches
        return [(ended_at - lasted_ms, ended_at)]


def _walk(
    steps: Sequence[tuple[int, int]], first: int, started_at: int, ended_at: int, lasted_ms: int
) -> list[Stretch] | None:
    """The stretches from ``started_at`` on over the steps from number ``first`` on, as many as lead to ``ended_at``;
    ``None`` where none do.
    """
    stretches: list[Stretch] = []
    at, left = started_at, lasted_ms
    for number in range(first, len(steps)):
        before, after = steps[number]
        if not at <= before <= at + left:
            return None
        stretches.append((at, before))
        at, left = after, left - (before - at)
        if at + left == ended_at:
            return [*stretches, (at, ended_at)]
    return None


def step_ms(event: Event) -> int | None:
    """By how much the wall clock was set; ``None`` for any other event."""
    step = event.facts.get("step_ms")
    return step if event.kind == NoteKind.CLOCK and isinstance(step, int) else None
