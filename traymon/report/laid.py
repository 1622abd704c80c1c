"""Spans as the report counts them: laid out on the wall clock, the open ones up to now, and what was noted in them."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import State
from traymon.report.calendar import LATEST_MS
from traymon.report.stretches import Stretch, WallClock
from traymon.report.window import shown_end
from traymon.sessionlog.rows import Event, Span


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of traymon itself at ``now_ms`` (UTC): whether it runs, and which run of the log is its latest.

    A heartbeat older than ``fresh_ms`` says nothing about now.
    """

    now_ms: int
    running: bool
    latest_run: int
    fresh_ms: int


@dataclass(frozen=True, slots=True)
class Laid:
    """A span, its length and why it ended; ``over`` is false while it lasts.

    ``stretches`` (never empty) are where it lies on the wall clock; together they are ``lasted_ms`` long.
    """

    span: Span
    lasted_ms: int
    over: bool
    cause: str | None
    stretches: Sequence[Stretch]

    @property
    def began(self) -> int:
        """UTC ms."""
        return self.span.started_at

    @property
    def until(self) -> int:
        """UTC ms."""
        return self.stretches[-1][1]


def lay_out(spans: Sequence[Span], wall: WallClock, held: Held) -> list[Laid]:
    """One bot's spans in the order of its time, and after them what is not known because traymon does not run."""
    laid = [_lay_one(span, wall, held) for span in spans]
    last = laid[-1]
    if not held.running and last.span.run == held.latest_run and last.until < held.now_ms:
        laid.append(_unknown_since(last, held))
    return laid


def _lay_one(span: Span, wall: WallClock, held: Held) -> Laid:
    end, lasted, over, cause = shown_end(span), span.lasted_ms, span.ended_at is not None, span.cause
    if not over and not held.running:
        over, cause = True, Cause.TRAYMON_DIED.value
    elif not over and 0 < held.now_ms - end <= held.fresh_ms:
        lasted += held.now_ms - end
        end = held.now_ms
    return Laid(span, lasted, over, cause, wall.lay_out(span.run, span.started_at, end, lasted))


def _unknown_since(last: Laid, held: Held) -> Laid:
    lasted = held.now_ms - last.until
    span = Span(
        id=0,
        bot=last.span.bot,
        state=State.UNKNOWN,
        started_at=last.until,
        lasted_ms=lasted,
        seen_at=held.now_ms,
        ended_at=None,
        cause=None,
        close_code=None,
        detail="",
        evidence={},
        attempts=0,
        transport=last.span.transport,
        run=last.span.run,
    )
    return Laid(span, lasted, False, None, [(last.until, held.now_ms)])


class Notes:
    """Events, to be found by the spans in which they happened."""

    def __init__(self, events: Iterable[Event]) -> None:
        by_run: dict[int, list[tuple[int, int, Event]]] = defaultdict(list)
        for number, event in enumerate(events):
            by_run[event.run].append((event.at, number, event))
        self._by_run = {run: sorted(noted, key=lambda note: note[:2]) for run, noted in by_run.items()}
        self._moments = {run: [at for at, *_ in noted] for run, noted in self._by_run.items()}

    def inside(self, laid: Sequence[Laid], *, after_start: bool = False) -> list[Event]:
        """What happened from the first to the last moment of ``laid`` (of one run), in the order of writing; with
        ``after_start``, the first moment is left out.
        """
        run = laid[0].span.run
        noted, moments = self._by_run.get(run, []), self._moments.get(run, [])
        found: dict[int, Event] = {}
        for each in laid:
            for stretch in each.stretches:
                begin = bisect_left(moments, stretch[0])
                if after_start and each is laid[0] and stretch is each.stretches[0]:
                    begin = bisect_right(moments, stretch[0])
                last = LATEST_MS if not each.over and stretch is each.stretches[-1] else stretch[1]
                found.update(
                    (number, event) for _, number, event in noted[begin : bisect_right(moments, last)]
                )
        return [found[number] for number in sorted(found)]
