"""Spans as the report counts them: laid out on the wall clock, the open ones up to now, and what was noted in them."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import State
from traymon.report.stretches import Noted, Stretch, WallClock
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
        return self.stretches[-1].until

    @property
    def line(self) -> int:
        """Its begin on the line of its run (:mod:`traymon.report.stretches`)."""
        return self.stretches[0].line

    @property
    def line_end(self) -> int:
        """Its end there."""
        return self.line + self.lasted_ms


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
    return Laid(span, lasted, False, None, [Stretch(last.until, held.now_ms, last.line_end)])


class Notes:
    """Events, to be found by the spans in which they happened."""

    def __init__(self, noted: Iterable[Noted]) -> None:
        by_run: dict[int, list[Noted]] = defaultdict(list)
        for note in noted:
            by_run[note.event.run].append(note)
        # Sorting is stable: what happened in one moment stays in the order of writing.
        self._by_run = {run: sorted(notes, key=_line) for run, notes in by_run.items()}

    def inside(self, laid: Sequence[Laid], *, closing: bool) -> list[Event]:
        """What happened in ``laid`` (neighbours of one run), in order: the last moment is in it and the first is not
        where ``closing``, else the other way round. What is not over yet reaches beyond its last heartbeat.
        """
        notes, last = self._by_run.get(laid[0].span.run, []), laid[-1]
        bisect = bisect_right if closing else bisect_left
        begin = bisect(notes, laid[0].line, key=_line)
        end = bisect(notes, last.line_end, key=_line) if last.over else len(notes)
        return [note.event for note in notes[begin:end]]


def _line(note: Noted) -> int:
    return note.line
