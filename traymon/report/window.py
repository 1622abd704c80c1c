"""How much of the log the report shows: the last 90 days, and of these 5,000 spans at most."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from traymon.report.calendar import Calendar
from traymon.sessionlog.rows import Span

MOST_DAYS = 90
"""Local days, today included: a quarter is what a person compares with, and its page opens in under a second."""
MOST_SPANS = 5_000
"""As many open, find and print whole in under a second (design: Budgets)."""


@dataclass(frozen=True, slots=True)
class Window:
    """The spans that reach beyond ``cut_at`` (UTC ms); ``None``: that is all there are."""

    spans: tuple[Span, ...]
    cut_at: int | None = None


def window(
    spans: Iterable[Span],
    *,
    now_ms: int,
    zone: tzinfo,
    all: bool = False,
    older: bool = False,
    most_days: int = MOST_DAYS,
    most_spans: int = MOST_SPANS,
) -> Window:
    """The newest of ``spans``; everything with ``all``. ``older``: the log holds spans from before these.

    The cut is a local midnight, ``most_days`` days with that of ``now_ms``; where that would be too many spans, it is
    the moment from which on there are ``most_spans``, of all bots together.
    """
    kept = tuple(spans)
    if all:
        return Window(kept)
    cut_at = first_day(now_ms, zone, most_days)
    older = older or any(span.started_at < cut_at for span in kept)
    if len(kept) > most_spans:
        newest_first = sorted((shown_end(span) for span in kept), reverse=True)
        older = older or newest_first[most_spans] > cut_at
        cut_at = max(cut_at, newest_first[most_spans])
    if not older:
        return Window(kept)
    return Window(tuple(span for span in kept if shown_end(span) > cut_at), cut_at)


def first_day(now_ms: int, zone: tzinfo, days: int) -> int:
    """The local midnight (UTC ms) with which the last ``days`` days begin, today included."""
    return Calendar(zone).days_before(now_ms, days - 1)


def shown_end(span: Span) -> int:
    """Where the log knows the span to have ended or to have been seen last."""
    return span.seen_at if span.ended_at is None else span.ended_at
