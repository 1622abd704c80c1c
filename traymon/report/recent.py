"""How the last day, week and month went: rolling stretches that end now, as the calendar's own have just begun."""

from traymon import words
from traymon.keeper.core.states import DOWN, UP, State
from traymon.report.model import ATTACHED, BotFigures, Tally

_DAY = 86_400_000
RECENT = (
    (_DAY, words.mark("last 24 hours")),
    (7 * _DAY, words.mark("last 7 days")),
    (30 * _DAY, words.mark("last 30 days")),
)
"""Length (ms) and name of each."""


def tally(bot: BotFigures, since: int, until: int) -> Tally:
    """What lies of the bot's time between two moments (UTC ms).

    Where the wall clock was set meanwhile, this is the time that it showed. Sessions and outages count where any part
    of them lies between.
    """
    lasted = dict.fromkeys(State, 0)
    for piece in bot.pieces:
        lasted[State(piece.state)] += _overlap(piece.at, piece.until, since, until)
    programs = [(each.state, _overlap(each.at, each.until, since, until)) for each in bot.programs]
    watched = sum(length for _, length in programs)
    return Tally(
        up_ms=sum(lasted[state] for state in UP),
        down_ms=sum(lasted[state] for state in DOWN),
        unknown_ms=lasted[State.UNKNOWN],
        paused_ms=lasted[State.PAUSED],
        asleep_ms=lasted[State.ASLEEP],
        answered_ms=sum(length for state, length in programs if state == ATTACHED) if watched else None,
        watched_ms=watched,
        outages=sum(_touches(each.started_at, each.ended_at, since, until) for each in bot.outages),
        sessions=sum(_touches(each.started_at, each.ended_at, since, until) for each in bot.sessions),
    )


def _overlap(at: int, end: int, since: int, until: int) -> int:
    return max(0, min(end, until) - max(at, since))


def _touches(at: int, end: int | None, since: int, until: int) -> bool:
    return at < until and (end is None or end > since)
