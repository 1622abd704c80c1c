"""The figures of one bot, put together."""

from collections.abc import Sequence
from dataclasses import replace

from traymon.keeper.core.states import State
from traymon.report import periods, stories
from traymon.report.calendar import Calendar
from traymon.report.laid import Held, Laid, lay_out
from traymon.report.model import DAY, MONTH, WEEK, BotFigures
from traymon.report.stretches import WallClock
from traymon.sessionlog.rows import Event, Span


def bot_figures(
    spans: Sequence[Span],
    events: Sequence[Event],
    *,
    calendar: Calendar,
    held: Held,
    cut_at: int | None,
    workspace: str | None,
) -> BotFigures:
    """Of ``spans``, one bot's in the order of its time, at least one; ``events`` may be older and newer."""
    bot = spans[0].bot
    wall = WallClock(bot, events)
    laid = lay_out(spans, wall, held)
    begin = 0 if cut_at is None else cut_at
    lanes = periods.lanes(wall.noted, laid)
    told = stories.Stories(laid, wall.noted, cut_at)
    days = periods.Days(calendar, begin)
    days.add(laid, lanes)
    for session in told.sessions:
        days.count("sessions", session.started_at)
    for outage in told.outages:
        days.count("outages", outage.started_at)
    lives = stories.link_lives(wall.noted, laid, begin)
    state, since_at = _now(laid)
    return BotFigures(
        bot=bot,
        transport=spans[-1].transport,
        state=state,
        since_at=since_at,
        tally=replace(days.total(), sessions=len(told.sessions), outages=len(told.outages)),
        workspace=workspace,
        days=days.periods(DAY),
        weeks=days.periods(WEEK),
        months=days.periods(MONTH),
        pieces=periods.pieces(laid, begin),
        sessions=told.sessions,
        outages=told.outages,
        longest=stories.longest(told.sessions),
        shortest=stories.shortest(told.sessions),
        links=lives,
        lifetimes=stories.lifetimes(lives),
        hours=stories.drops(told.sessions, calendar.hour),
        programs=periods.programs(lanes, wall, begin),
    )


def _now(laid: Sequence[Laid]) -> tuple[State, int]:
    """The present state and since when; a bot whose last span is over is not held now."""
    last = laid[-1]
    if last.over:
        return State.UNKNOWN, last.until
    return last.span.state, last.began
