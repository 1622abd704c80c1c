"""The figures of the report, computed from the session log's spans and events. Pure: no file, no clock.

Decided here:

- A span counts on the days on which the wall clock passed over it (:mod:`traymon.report.stretches`), and with its
  ``lasted_ms``: so the days add up to the spans, to the millisecond, whatever was done to the clock.
- While traymon runs, an open span lasts to now. Where it does not, the span ended at its last heartbeat because traymon
  died, as the next start will write; and for the bots that it then held, the time up to now is unknown.
- What lies before the cut counts nowhere; but a session, an outage or a link's life that reaches beyond it is told with
  its whole length.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

from traymon.report.bot import bot_figures
from traymon.report.calendar import LATEST_MS, Calendar
from traymon.report.laid import Held
from traymon.report.model import (
    ATTACHED,
    DAY,
    DETACHED,
    LIFETIME_EDGES_MS,
    MONTH,
    WEEK,
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
from traymon.report.window import Window, shown_end, window
from traymon.sessionlog.rows import MACHINE, Event, Span

__all__ = [
    "ATTACHED",
    "DAY",
    "DETACHED",
    "LIFETIME_EDGES_MS",
    "MONTH",
    "WEEK",
    "Bins",
    "BotFigures",
    "Figures",
    "HourOfDay",
    "LinkLife",
    "OutageRow",
    "Period",
    "Piece",
    "Session",
    "Tally",
    "Window",
    "figures",
    "seems_running",
    "window",
]

FRESH_MS = 60_000
"""A heartbeat that is older says that traymon does not run: it comes each 10 s, and a slow disk may hold it up."""


def figures(
    spans: Iterable[Span],
    events: Iterable[Event],
    *,
    now_ms: int,
    zone: tzinfo,
    cut_at: int | None = None,
    running: bool | None = None,
    latest_run: int | None = None,
    workspaces: Mapping[str, str] | None = None,
) -> Figures:
    """The figures of ``spans`` and ``events`` as :class:`~traymon.sessionlog.view.LogView` gives them, at ``now_ms``.

    ``cut_at`` is :attr:`Window.cut_at`. ``running``: whether traymon runs; by default the heartbeats tell.
    ``latest_run`` is that of the log, where ``spans`` may not be of it. ``workspaces`` are names by bot. The events may
    be more than belong to the spans. Rows whose times no calendar holds are left out.
    """
    by_bot = _spans_by_bot(spans)
    told = _events_by_bot(events, by_bot)
    held = _held(by_bot, now_ms, running, latest_run)
    calendar = Calendar(zone)
    bots = tuple(
        bot_figures(
            by_bot[bot],
            told[bot],
            calendar=calendar,
            held=held,
            cut_at=cut_at,
            workspace=(workspaces or {}).get(bot),
        )
        for bot in sorted(by_bot, key=lambda name: (name.casefold(), name))
    )
    first = min((bot.pieces[0].at for bot in bots if bot.pieces), default=now_ms)
    return Figures(
        made_at=now_ms,
        since=first if cut_at is None else cut_at,
        until=now_ms,
        zone=str(zone),
        bots=bots,
        truncated=cut_at is not None,
        first_kept=cut_at,
    )


def seems_running(spans: Iterable[Span], now_ms: int) -> bool:
    """Whether a heartbeat says that traymon ran a moment ago."""
    return any(span.ended_at is None and now_ms - span.seen_at <= FRESH_MS for span in spans)


def _spans_by_bot(spans: Iterable[Span]) -> dict[str, list[Span]]:
    by_bot: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.started_at >= 0 and shown_end(span) - span.lasted_ms >= 0 and shown_end(span) <= LATEST_MS:
            by_bot[span.bot].append(span)
    return by_bot


def _events_by_bot(events: Iterable[Event], bots: Iterable[str]) -> dict[str, list[Event]]:
    """Each bot's, and with them those that concern all."""
    by_bot: dict[str, list[Event]] = {bot: [] for bot in bots}
    for event in events:
        if not 0 <= event.at <= LATEST_MS:
            continue
        if event.bot == MACHINE:
            for told in by_bot.values():
                told.append(event)
        elif event.bot in by_bot:
            by_bot[event.bot].append(event)
    return by_bot


def _held(
    by_bot: Mapping[str, Sequence[Span]], now_ms: int, running: bool | None, latest_run: int | None
) -> Held:
    spans = [span for each in by_bot.values() for span in each]
    if running is None:
        running = seems_running(spans, now_ms)
    if latest_run is None:
        latest_run = max((span.run for span in spans), default=0)
    return Held(now_ms, running, latest_run, FRESH_MS)
