"""The figures of the report, computed from the session log's spans and events."""

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
]
