"""What notifications say. All text is plain; what comes from outside is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from traymon import words
from traymon.notifications.facts import BotNow

MOST_NAMES = 4
"""More lines do not fit into what desktops show of a notification; the log has all."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A bot and since when it is in trouble (UTC milliseconds)."""

    bot: BotNow
    since_wall_ms: int


Text = tuple[str, str]
"""Title and body."""


def outage(troubles: Sequence[Trouble], now_wall_ms: int) -> Text:
    """Bots are offline: since when, and why."""
    bots = [trouble.bot for trouble in troubles]
    since = min(trouble.since_wall_ms for trouble in troubles)
    if len(bots) == 1:
        title = words.gettext("{bot} is offline").format(bot=bots[0].full_name)
    else:
        title = words.ngettext("{count} bot is offline", "{count} bots are offline", len(bots)).format(
            count=len(bots)
        )
    lines = [
        words.gettext("Since {time}; traymon keeps trying.").format(
            time=words.clock_time(since, now_ms=now_wall_ms)
        )
    ]
    lines += [bots[0].why] if len({bot.cause for bot in bots}) == 1 else _whys(bots)
    if len(bots) > 1 and len(lines) <= 2:
        lines.append(names(bots))
    return title, _joined(lines)


def person(troubles: Sequence[Trouble]) -> Text:
    """Bots that a person must help."""
    bots = [trouble.bot for trouble in troubles]
    if len(bots) == 1:
        return words.gettext("{bot} needs you").format(bot=bots[0].full_name), bots[0].why
    title = words.ngettext("{count} bot needs you", "{count} bots need you", len(bots)).format(
        count=len(bots)
    )
    return title, _joined(_whys(bots))


def program(troubles: Sequence[Trouble]) -> Text:
    """Bots to which no program is attached."""
    bots = [trouble.bot for trouble in troubles]
    advice = words.gettext("The link to Slack is up, but nothing answers there: start the bot's program.")
    if len(bots) == 1:
        return words.gettext("No program is attached to {bot}").format(bot=bots[0].full_name), advice
    title = words.ngettext(
        "No program is attached to {count} bot", "No program is attached to {count} bots", len(bots)
    ).format(count=len(bots))
    return title, _joined([names(bots), advice])


def back(troubles: Sequence[Trouble], length_ms: int, now_wall_ms: int) -> Text:
    """Bots are online again after ``length_ms``; each trouble is the outage that is over, as it began."""
    length = words.duration(length_ms)
    first = min(troubles, key=lambda trouble: trouble.since_wall_ms)
    if len(troubles) == 1:
        title = words.gettext("{bot} is back after {length}").format(bot=first.bot.full_name, length=length)
    else:
        title = words.ngettext(
            "{count} bot is back after {length}", "{count} bots are back after {length}", len(troubles)
        ).format(count=len(troubles), length=length)
    time = words.clock_time(first.since_wall_ms, now_ms=now_wall_ms)
    if first.bot.cause is None:
        body = words.gettext("Went offline at {time}.").format(time=time)
    else:
        why = words.short_cause(first.bot.cause)
        body = words.gettext("Went offline at {time}: {why}.").format(time=time, why=why)
    return title, _joined([body, names([trouble.bot for trouble in troubles]) if len(troubles) > 1 else ""])


def unshown(count: int) -> str:
    """What was kept quiet since the last pop-up."""
    return words.ngettext(
        "{count} more outage was not shown, so as not to disturb; the session log has it.",
        "{count} more outages were not shown, so as not to disturb; the session log has them.",
        count,
    ).format(count=count)


def names(bots: Sequence[BotNow]) -> str:
    """The bots' names, the first ones of many."""
    return ", ".join(_first(bot.full_name for bot in bots))


def _whys(bots: Sequence[BotNow]) -> list[str]:
    lines = []
    for bot in bots:
        why = words.state(bot.state) if bot.cause is None else words.short_cause(bot.cause)
        lines.append(words.gettext("{bot}: {why}").format(bot=bot.full_name, why=why))
    return _first(lines)


def _first(texts: Iterable[str]) -> list[str]:
    """At most :data:`MOST_NAMES`, and how many more there are."""
    texts = list(texts)
    left = len(texts) - MOST_NAMES
    if left <= 0:
        return texts
    return [*texts[:MOST_NAMES], words.gettext("and {count} more").format(count=left)]


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)
