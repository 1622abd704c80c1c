"""What the tray says of the bots: pure, from what is known of them to icon, tooltip and menu.

Times are shown as local times of day, never as "for 5 minutes": nothing has to be redrawn while nothing happens, and a
menu that is open stays as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from traymon import words
from traymon.keeper.core.causes import Failure
from traymon.keeper.core.states import UP, State
from traymon.tray.base import LOG_ITEM, IconName, MenuItem, TrayView

MOST_BOTS_IN_TOOLTIP = 8
"""More lines do not fit beside a panel; those that need a person come first."""

_ICONS = {
    State.CONNECTING: IconName.CONNECTING,
    State.ONLINE: IconName.ONLINE,
    State.AWAY: IconName.AWAY,
    State.OFFLINE: IconName.OFFLINE,
    State.REFUSED: IconName.REFUSED,
    State.PAUSED: IconName.PAUSED,
    # Seen for a moment at best, around a sleep or the start: nothing is proven, and something is coming.
    State.ASLEEP: IconName.CONNECTING,
    State.UNKNOWN: IconName.CONNECTING,
}

_WORST_FIRST = (
    State.REFUSED,
    State.OFFLINE,
    State.UNKNOWN,
    State.ASLEEP,
    State.CONNECTING,
    State.AWAY,
    State.ONLINE,
    State.PAUSED,
)
"""Which of several bots' states the icon shows; paused last, so that it is shown only when all bots are."""


class Outage(Protocol):
    """A bot's latest outage that is over."""

    @property
    def started_at(self) -> int:
        """UTC milliseconds."""

    @property
    def lasted_ms(self) -> int:
        """Milliseconds."""

    @property
    def cause(self) -> str | None:
        """The name of the cause of the stop that began it; ``None`` when there was none (a first start)."""


@dataclass(frozen=True, slots=True)
class BotView:
    """What is known of one bot. ``since_wall_ms`` and ``next_try_wall_ms`` are UTC milliseconds.

    ``not_logged_yet`` when the disk lags behind: what is shown is not in the session log so far.
    """

    name: str
    workspace: str | None
    state: State
    since_wall_ms: int
    failure: Failure | None = None
    next_try_wall_ms: int | None = None
    attempting: bool = False
    suspect: bool = False
    last_outage: Outage | None = None
    not_logged_yet: bool = False
    programs: int | None = None
    """How many links Slack counts for the bot beside traymon's: its programs. ``None``: that is not known."""


def view(bots: Sequence[BotView], now_wall_ms: int, faults: Sequence[str] = ()) -> TrayView:
    """Everything the tray shows. ``now_wall_ms`` (UTC) decides where a date stands beside a time of day.

    ``faults`` are sentences on what is wrong with traymon itself, such as a full disk.
    """
    title = _title(bots)
    return TrayView(
        icon=_icon(bots),
        title=title,
        tooltip="\n".join([*_tooltip(bots, title, now_wall_ms), *map(words.printable, faults)]),
        menu=_menu(bots, now_wall_ms, faults),
    )


def _icon(bots: Sequence[BotView]) -> IconName:
    if not bots:
        return IconName.CONNECTING
    state = worst(bot.state for bot in bots)
    if state is State.ONLINE and any(map(_unattended, bots)):
        return IconName.ONLINE_NO_PROGRAM
    return _ICONS[state]


def _unattended(bot: BotView) -> bool:
    """The link is up, but nothing that could answer people is there."""
    return bot.state is State.ONLINE and bot.programs == 0


def worst(states: Iterable[State]) -> State:
    """The state that stands for all of ``states`` (at least one)."""
    return min(states, key=_WORST_FIRST.index)


def _title(bots: Sequence[BotView]) -> str:
    if not bots:
        return words.gettext("traymon: no bot yet")
    if len(bots) == 1:
        title = f"{words.printable(bots[0].name)}: {words.state(bots[0].state)}"
        return words.no_program(title) if _unattended(bots[0]) else title
    up = sum(bot.state in UP for bot in bots)
    return words.gettext("{up} of {all} bots online").format(up=up, all=len(bots))


def _tooltip(bots: Sequence[BotView], title: str, now: int) -> list[str]:
    if len(bots) == 1:
        return [_state_line(bots[0], now), *_more(bots[0], now)]
    lines = [title]
    ordered = sorted(bots, key=lambda bot: (_WORST_FIRST.index(bot.state), not _unattended(bot)))
    for bot in ordered[:MOST_BOTS_IN_TOOLTIP]:
        why = _reason(bot)
        lines.append(_state_line(bot, now) + (f": {why}" if why else ""))
    if len(ordered) > MOST_BOTS_IN_TOOLTIP:
        left = len(ordered) - MOST_BOTS_IN_TOOLTIP
        lines.append(words.gettext("and {count} more").format(count=left))
    return lines


def _state_line(bot: BotView, now: int) -> str:
    """``deploybot (Acme): offline since 07:29:10``."""
    line = words.gettext("{bot}: {state} since {time}").format(
        bot=_name(bot),
        state=words.state(bot.state),
        time=words.clock_time(bot.since_wall_ms, now_ms=now),
    )
    if _unattended(bot):
        line = words.no_program(line)
    return line + words.gettext(" (not logged yet)") if bot.not_logged_yet else line


def _name(bot: BotView) -> str:
    name = words.printable(bot.name)
    return f"{name} ({words.printable(bot.workspace)})" if bot.workspace else name


def _more(bot: BotView, now: int) -> list[str]:
    """What follows the state line: why, and what happens next."""
    lines = []
    if bot.failure is not None:
        template = words.gettext("Warning: {why}") if bot.state in UP else words.gettext("Why: {why}")
        lines.append(template.format(why=_reason(bot)))
        if bot.state is State.REFUSED:
            lines.append(_advice(bot.failure))
    following = _next(bot, now)
    return [*lines, following] if following else lines


def _reason(bot: BotView) -> str:
    return "" if bot.failure is None else words.short_cause(bot.failure.cause)


def _advice(failure: Failure) -> str:
    return words.cause(
        failure.cause, detail=failure.detail, close_code=failure.close_code, evidence=failure.evidence
    )


def _next(bot: BotView, now: int) -> str:
    if bot.state in UP:
        return words.gettext("Not heard from just now; checking the link") if bot.suspect else ""
    if bot.attempting:
        return words.gettext("Trying now")
    if bot.next_try_wall_ms is not None:
        when = words.clock_time(bot.next_try_wall_ms, now_ms=now)
        return words.gettext("Next try at {time}").format(time=when)
    return ""


def _menu(bots: Sequence[BotView], now: int, faults: Sequence[str]) -> tuple[MenuItem, ...]:
    items = [_note(f"fault:{index}", words.printable(fault)) for index, fault in enumerate(faults)]
    items += [_separator("after faults")] if items else []
    if len(bots) == 1:
        items += _bot_menu(bots[0], now, alone=True)
    elif bots:
        items.append(MenuItem("reconnect", words.gettext("Reconnect"), default=True))
        items.append(_separator("before bots"))
        items += [
            MenuItem(
                f"bot:{bot.name}", _state_line(bot, now), submenu=tuple(_bot_menu(bot, now, alone=False))
            )
            for bot in bots
        ]
    if bots:
        items.append(_separator("after bots"))
    items.append(MenuItem(LOG_ITEM, words.gettext("View session log")))
    items.append(_separator("before quit"))
    items.append(MenuItem("quit", words.gettext("Quit")))
    return tuple(items)


def _bot_menu(bot: BotView, now: int, *, alone: bool) -> list[MenuItem]:
    items = [_note(f"state:{bot.name}", _state_line(bot, now))]
    more = " · ".join(part for part in (_reason(bot), _next(bot, now)) if part)
    if more:
        items.append(_note(f"why:{bot.name}", more))
    items.append(_note(f"outage:{bot.name}", _last_outage(bot.last_outage, now)))
    reconnect = "reconnect" if alone else f"reconnect:{bot.name}"
    items.append(MenuItem(reconnect, words.gettext("Reconnect"), default=alone))
    if bot.state is State.PAUSED:
        items.append(MenuItem(f"resume:{bot.name}", words.gettext("Resume")))
    else:
        items.append(MenuItem(f"pause:{bot.name}", words.gettext("Pause")))
    return items


def _last_outage(outage: Outage | None, now: int) -> str:
    if outage is None:
        return words.gettext("No outage so far")
    when = words.clock_time(outage.started_at, now_ms=now)
    length = words.duration(outage.lasted_ms)
    if outage.cause is None:
        return words.gettext("Last outage: {time}, for {length}").format(time=when, length=length)
    return words.gettext("Last outage: {time}, for {length}: {why}").format(
        time=when, length=length, why=words.short_cause(outage.cause)
    )


def _note(item_id: str, text: str) -> MenuItem:
    return MenuItem(item_id, text, enabled=False)


def _separator(item_id: str) -> MenuItem:
    return MenuItem(item_id, "", separator=True)
