"""The figures of a log on disk."""

import time
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path

from traymon.keeper.core.states import DOWN, UP
from traymon.report.calendar import Calendar, SystemZone
from traymon.report.figures import figures, seems_running
from traymon.report.model import DAY, Figures, Tally
from traymon.report.window import MOST_DAYS, MOST_SPANS, Window, first_day, shown_end, window
from traymon.sessionlog.rows import MACHINE, Event, Span
from traymon.sessionlog.view import LogView

_FIRST_LOOK_DAYS = 7
"""A bot that flaps day and night makes 5,000 spans in less, and a million in 90 days that nobody is to wait for."""


def read(
    db: Path,
    *,
    bot: str | None = None,
    all: bool = False,
    now_ms: int | None = None,
    zone: tzinfo | None = None,
    running: bool | None = None,
    workspaces: Mapping[str, str] | None = None,
) -> Figures:
    """The figures of the log in the file ``db``, of ``bot`` or of all bots: the newest, or with ``all`` everything.

    By default now and here. ``running`` and ``workspaces`` as :func:`~traymon.report.figures.figures` has them. A
    missing file is an empty log. Raises LogUnreadableError.
    """
    view = LogView(db)
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    zone = SystemZone() if zone is None else zone
    spans, older = _spans(view, bot, now, zone, all=all)
    wanted = [span for span in spans if bot is None or span.bot == bot]
    shown = window(wanted, now_ms=now, zone=zone, all=all, older=older)
    return figures(
        shown.spans,
        _events(view, bot, shown),
        now_ms=now,
        zone=zone,
        cut_at=shown.cut_at,
        running=seems_running(spans, now) if running is None else running,
        latest_run=max((span.run for span in spans), default=0),
        workspaces=workspaces,
    )


def _spans(view: LogView, bot: str | None, now: int, zone: tzinfo, *, all: bool) -> tuple[list[Span], bool]:
    """Spans enough for the report, those of other bots among them, and whether there are older ones."""
    if all:
        return view.spans(), False
    days = _FIRST_LOOK_DAYS
    while True:
        spans = view.spans(since=first_day(now, zone, days))
        found = sum(bot is None or span.bot == bot for span in spans)
        if found > MOST_SPANS or days == MOST_DAYS:
            break
        # As many days as would be enough at that pace, and twice as many at least.
        days = min(MOST_DAYS, max(2 * days, days * MOST_SPANS // max(1, found) + 1))
    # Spans are numbered from 1 and never deleted.
    return spans, min((span.id for span in spans), default=0) > 1


def _events(view: LogView, bot: str | None, shown: Window) -> list[Event]:
    """The events of what is shown, also of a session or an outage that was under way at the cut; and all that concern
    all bots, as a clock may have been set back to before the cut.
    """
    since = shown.cut_at
    if since is not None:
        told = (span.started_at for span in shown.spans if span.state in UP or span.state in DOWN)
        since = min([since, *told])
    if bot is None and since is None:
        return view.events()
    found = [*view.events(MACHINE), *view.events(bot, since)]
    return sorted({event.id: event for event in found}.values(), key=lambda event: event.id or 0)


def today(view: LogView, bot: str, now_ms: int, zone: tzinfo, *, running: bool | None = None) -> Tally:
    """How ``bot``'s local day went up to ``now_ms``, for the tray; programs are left out. Raises LogUnreadableError.

    All zero where the log's last word of the bot is from before midnight; so is what lies before a clock set back to
    yesterday.
    Reads the day's spans only, and where the clock was set in one of them, by how much.
    """
    midnight, _ = Calendar(zone).period(DAY, now_ms)
    spans = view.spans(bot, midnight)
    bent = any(shown_end(each) - each.started_at != each.lasted_ms for each in spans)
    events = view.events(MACHINE) if bent else []
    found = figures(spans, events, now_ms=now_ms, zone=zone, cut_at=midnight, running=running)
    days = found.bots[0].days if found.bots else ()
    return next((day.tally for day in days if day.label_at == midnight), Tally())
