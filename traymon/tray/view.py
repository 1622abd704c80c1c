"""What the tray says of the bots: pure, from what is known of them to icon, tooltip and menu.

The menu tells how long something has lasted and when the next try is, each as it is when the menu opens. A tooltip is
kept by the panel, which shows it without asking again: it has times of day only, so that nothing has to be redrawn
while nothing happens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from traymon import words
from traymon.keeper.core.causes import Failure
from traymon.keeper.core.states import DOWN, UP, State
from traymon.tray.base import LOG_ITEM, IconName, LabelAt, MenuItem, TrayView
from traymon.tray.fitting import end_cut, middle_cut

MOST_BOTS_IN_TOOLTIP = 8
"""More lines do not fit beside a panel; those that need a person come first."""

WIDEST_NAME = 22
"""Columns of a bot's or workspace's name, of which Slack lets the latter have 255 characters. With two such names the
menu's longest line, in Japanese, is just within the next limit.
"""

WIDEST_LABEL = 120
"""Columns of a line of the menu: some 800 pixels in the usual fonts, on a screen that has 1,366."""

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
    attached: "tuple[ProgramView, ...] | None" = None
    """The programs on the relay, the oldest first; ``None`` where the bot lends no link."""
    trouble: str = ""
    """What keeps the programs on the relay from working, in one sentence."""
    today: "Today | None" = None
    """``None``: that is not known."""


@dataclass(frozen=True, slots=True)
class ProgramView:
    """A program that is attached to the relay, since when (UTC milliseconds)."""

    name: str
    since_wall_ms: int


@dataclass(frozen=True, slots=True)
class Today:
    """How long a bot was up and down (milliseconds) between local midnight and ``at`` (UTC milliseconds); what comes
    after that is counted by the bot's state. Time paused, asleep or not known is in neither.
    """

    up_ms: int
    down_ms: int
    at: int


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose of traymon's behaviour, for the menu's check marks.

    ``autostart`` is whether traymon starts at login; ``None`` where that cannot be set, with ``why`` in one short
    sentence, or "" to say nothing of it at all.
    """

    notifications: bool = True
    autostart: bool | None = None
    why: str = ""


def view(
    bots: Sequence[BotView], now_wall_ms: int, faults: Sequence[str] = (), choices: Choices | None = None
) -> TrayView:
    """Everything the tray shows. ``now_wall_ms`` (UTC) decides where a date stands beside a time of day.

    ``faults`` are sentences on what is wrong with traymon itself, such as a full disk. Without ``choices`` the menu
    has no check marks.
    """
    title = _title(bots)
    return TrayView(
        icon=_icon(bots),
        title=title,
        tooltip="\n".join([*_tooltip(bots, title, now_wall_ms), *map(words.printable, faults)]),
        menu=_menu(bots, now_wall_ms, faults, choices),
        mixed=len(set(map(_icon_of, bots))) > 1,
    )


def _icon(bots: Sequence[BotView]) -> IconName:
    if not bots:
        return IconName.NO_BOT
    state = worst(bot.state for bot in bots)
    if state is State.ONLINE and any(map(_unanswered, bots)):
        return IconName.ONLINE_NO_PROGRAM
    return _ICONS[state]


def _icon_of(bot: BotView) -> IconName:
    return IconName.ONLINE_NO_PROGRAM if _unanswered(bot) else _ICONS[bot.state]


def _unattended(bot: BotView) -> bool:
    """The link is up, but nothing that could answer people is there."""
    return bot.state is State.ONLINE and bot.programs == 0


def _unanswered(bot: BotView) -> bool:
    """The same, or what is there cannot work."""
    return _unattended(bot) or (bot.state is State.ONLINE and bool(bot.trouble))


def worst(states: Iterable[State]) -> State:
    """The state that stands for all of ``states`` (at least one)."""
    return min(states, key=_WORST_FIRST.index)


def _title(bots: Sequence[BotView]) -> str:
    if not bots:
        return words.gettext("traymon: no bot yet")
    if len(bots) == 1:
        title = words.gettext("{bot}: {state}").format(
            bot=_short(bots[0].name), state=words.state(bots[0].state)
        )
        return words.no_program(title) if _unattended(bots[0]) else title
    up = sum(bot.state in UP for bot in bots)
    return words.gettext("{up} of {all} bots online").format(up=up, all=len(bots))


def _short(name: str) -> str:
    return middle_cut(words.printable(name), WIDEST_NAME)


def _full_name(bot: BotView) -> str:
    if not bot.workspace:
        return _short(bot.name)
    return words.gettext("{bot} ({workspace})").format(bot=_short(bot.name), workspace=_short(bot.workspace))


# The tooltip


def _tooltip(bots: Sequence[BotView], title: str, now: int) -> list[str]:
    if not bots:
        return [title, words.gettext("“Set up a bot…” in the menu brings one online.")]
    if len(bots) == 1:
        return _of_the_only_one(bots[0], now)
    lines = [title]
    ordered = sorted(bots, key=lambda bot: (_WORST_FIRST.index(bot.state), not _unanswered(bot)))
    for bot in ordered[:MOST_BOTS_IN_TOOLTIP]:
        held_up = words.gettext(_HELD_UP) if bot.trouble and bot.state in UP else ""
        lines.append(_joined(_since(bot, _short(bot.name), now), _reason(bot) or held_up))
    if len(ordered) > MOST_BOTS_IN_TOOLTIP:
        left = len(ordered) - MOST_BOTS_IN_TOOLTIP
        lines.append(words.gettext("and {count} more").format(count=left))
    return lines


def _of_the_only_one(bot: BotView, now: int) -> list[str]:
    """What matters most comes first: a tooltip of Windows has no room for more than that."""
    lines = [_since(bot, _full_name(bot), now)]
    if bot.failure is not None:
        template = words.gettext("Warning: {why}") if bot.state in UP else words.gettext("Why: {why}")
        lines.append(template.format(why=_reason(bot)))
        if bot.state is State.REFUSED:
            lines.append(_advice(bot.failure))
    lines.append(words.printable(bot.trouble))
    lines.append(_next(bot, now, at_once=False))
    if bot.last_outage is not None:
        lines.append(_last_outage(bot.last_outage, now))
    lines.append(_today(bot, now, at_once=False))
    return [line for line in lines if line]


def _since(bot: BotView, name: str, now: int) -> str:
    """``deploybot (Acme): offline since 07:29:10``."""
    line = words.gettext("{bot}: {state} since {time}").format(
        bot=name, state=words.state(bot.state), time=words.clock_time(bot.since_wall_ms, now_ms=now)
    )
    return _annotated(bot, line)


def _annotated(bot: BotView, line: str) -> str:
    if _unattended(bot):
        line = words.no_program(line)
    return words.gettext("{line} (not logged yet)").format(line=line) if bot.not_logged_yet else line


def _joined(line: str, why: str) -> str:
    return words.gettext("{line}: {why}").format(line=line, why=why) if why else line


def _reason(bot: BotView) -> str:
    return "" if bot.failure is None else words.short_cause(bot.failure.cause)


def _advice(failure: Failure) -> str:
    return words.cause(
        failure.cause, detail=failure.detail, close_code=failure.close_code, evidence=failure.evidence
    )


def _next(bot: BotView, now: int, *, at_once: bool) -> str:
    """What happens next; with ``at_once`` for someone who reads it at the moment ``now``."""
    if bot.state in UP:
        return words.gettext("Not heard from just now; checking the link") if bot.suspect else ""
    if bot.attempting:
        return words.gettext("Trying now")
    if bot.next_try_wall_ms is None:
        return ""
    wait_ms = bot.next_try_wall_ms - now
    if not at_once:
        when = words.clock_time(bot.next_try_wall_ms, now_ms=now)
        return words.gettext("Next try at {time}").format(time=when)
    if wait_ms <= 0:
        return words.gettext("Next try at any moment")
    # Rounded up: a wait that is said to be over is over.
    whole = -(-wait_ms // 1000) * 1000
    return words.gettext("Next try in {length}").format(length=words.duration(whole))


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


def _today(bot: BotView, now: int, *, at_once: bool) -> str:
    """The share of the day so far for which the bot was up; with ``at_once`` for someone who reads it at ``now``."""
    today = bot.today
    if today is None:
        return ""
    midnight = _midnight(now)
    up, down, counted = (0, 0, midnight) if today.at < midnight else (today.up_ms, today.down_ms, today.at)
    if at_once:
        since = max(0, now - counted)
        up += since if bot.state in UP else 0
        down += since if bot.state in DOWN else 0
    if up + down <= 0:
        return words.gettext("Up today: nothing known yet") if at_once else ""
    percent = words.percent(up / (up + down), digits=1)
    if at_once:
        return words.gettext("Up today: {percent}").format(percent=percent)
    return words.gettext("Up today: {percent}, as of {time}").format(
        percent=percent, time=words.clock_time(today.at, now_ms=now)
    )


def _programs(bot: BotView, now: int) -> str:
    """``Attached: slack-bolt/5.0 since 07:29:10``; of several the youngest, and how many there are."""
    if bot.attached is None:
        return ""
    if not bot.attached and bot.trouble:
        return ""  # an attempt would fail: the trouble's own line says why
    if not bot.attached:
        return words.gettext("“traymon relay” says how to attach one")
    youngest = bot.attached[-1]
    name, time = words.printable(youngest.name), words.clock_time(youngest.since_wall_ms, now_ms=now)
    if len(bot.attached) == 1:
        return words.gettext("Attached: {program} since {time}").format(program=name, time=time)
    return words.gettext("Attached: {count} programs, the last {program} since {time}").format(
        count=words.number(len(bot.attached)), program=name, time=time
    )


def _midnight(now: int) -> int:
    """When the local day of ``now`` began, in UTC milliseconds; ``now`` itself where no calendar holds it."""
    try:
        moment = words.local_time(now)
        # The offset at midnight may be another one: naive, then local again.
        start = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()
        return int(start.timestamp() * 1000)
    except (OverflowError, OSError, ValueError):
        return now


# The menu


@dataclass(frozen=True, slots=True)
class _StateNow:
    """``deploybot (Acme): offline since 07:29:10, for 12m 05s``."""

    bot: BotView

    def __call__(self, now: int) -> str:
        bot = self.bot
        lasted_ms = now - bot.since_wall_ms
        if lasted_ms < 1000:
            return _cut(_since(bot, _full_name(bot), now))
        line = words.gettext("{bot}: {state} since {time}, for {length}").format(
            bot=_full_name(bot),
            state=words.state(bot.state),
            time=words.clock_time(bot.since_wall_ms, now_ms=now),
            length=words.duration(lasted_ms),
        )
        return _cut(_annotated(bot, line))


@dataclass(frozen=True, slots=True)
class _WhyNow:
    """``hung up without a close frame · Next try in 40s``."""

    bot: BotView

    def __call__(self, now: int) -> str:
        return _cut(_why(self.bot, now, at_once=True))


@dataclass(frozen=True, slots=True)
class _OutageNow:
    """``Last outage: 07:29:10, for 2m 10s: Slack said goodbye``; from the next day on with its date."""

    outage: Outage | None

    def __call__(self, now: int) -> str:
        return _cut(_last_outage(self.outage, now))


@dataclass(frozen=True, slots=True)
class _ProgramsNow:
    """From the next day on with the date."""

    bot: BotView

    def __call__(self, now: int) -> str:
        return _cut(_programs(self.bot, now))


@dataclass(frozen=True, slots=True)
class _TodayNow:
    """``Up today: 98.2%``."""

    bot: BotView

    def __call__(self, now: int) -> str:
        return _today(self.bot, now, at_once=True)


def _why(bot: BotView, now: int, *, at_once: bool) -> str:
    """Why it is so and what comes next. Never empty: a line that came or went while the menu is open would move what
    is below it from under the pointer.
    """
    why = " · ".join(part for part in (_reason(bot), _next(bot, now, at_once=at_once)) if part)
    if bot.trouble and bot.state in UP:
        return why or words.gettext(_HELD_UP)
    return why or words.gettext(_QUIET.get(bot.state, _NOTHING) if not _unattended(bot) else _NOBODY)


_QUIET = {
    State.ONLINE: words.mark("All is well"),
    State.AWAY: words.mark("The link is up; Slack shows the bot as away"),
    State.PAUSED: words.mark("Until you resume it"),
}
_NOBODY = words.mark("Nobody answers: start the bot's own program")
_NOTHING = words.mark("Nothing is known yet")
_HELD_UP = words.mark("The link is up, but its programs cannot work")


def _cut(text: str) -> str:
    return end_cut(text, WIDEST_LABEL)


def _menu(
    bots: Sequence[BotView], now: int, faults: Sequence[str], choices: Choices | None
) -> tuple[MenuItem, ...]:
    set_up = MenuItem("setup", words.gettext("Set up a bot…"), default=not bots)
    items = [] if bots else [set_up]
    # One line is always there, hidden as a rule: a fault does not rebuild a menu that is open.
    for index, fault in enumerate(faults or [""]):
        label = _cut(words.printable(fault))
        items.append(MenuItem(f"fault:{index}", label, enabled=False, visible=bool(label)))
    if not bots:
        items.append(_note("no bot", words.gettext("No bot is set up yet: nothing is held online")))
    elif len(bots) == 1:
        items += _bot_menu(bots[0], now, alone=True)
    else:
        items.append(MenuItem("reconnect", words.gettext("Reconnect"), default=True))
        items.append(_separator("before bots"))
        items += [_submenu(bot, now) for bot in bots]
    items.append(_separator("after bots"))
    items.append(MenuItem(LOG_ITEM, words.gettext("View session log")))
    if choices is not None:
        items += _choices(choices, [set_up] if bots else [])
    items.append(_separator("before quit"))
    if choices is not None:
        items.append(MenuItem("about", words.gettext("About traymon")))
    items.append(MenuItem("quit", words.gettext("Quit")))
    return tuple(items)


def _choices(choices: Choices, set_up: Sequence[MenuItem]) -> list[MenuItem]:
    return [
        MenuItem("textlog", words.gettext("Open text log")),
        MenuItem("diagnostics", words.gettext("Copy diagnostics")),
        _separator("before choices"),
        MenuItem("notifications", words.gettext("Notifications"), checked=choices.notifications),
        _autostart(choices),
        *set_up,
    ]


def _autostart(choices: Choices) -> MenuItem:
    label = words.gettext("Start at login")
    if choices.autostart is not None:
        return MenuItem("autostart", label, checked=choices.autostart)
    label = _cut(_joined(label, words.printable(choices.why)))
    return MenuItem("autostart", label, enabled=False, visible=bool(choices.why))


def _submenu(bot: BotView, now: int) -> MenuItem:
    label = words.gettext("{bot}: {state}").format(bot=_full_name(bot), state=words.state(bot.state))
    return MenuItem(
        f"bot:{bot.name}", _cut(_annotated(bot, label)), submenu=tuple(_bot_menu(bot, now, alone=False))
    )


def _bot_menu(bot: BotView, now: int, *, alone: bool) -> list[MenuItem]:
    """The lines of one bot; those that have nothing to say now are hidden, and the menu is not rebuilt for them."""
    why, trouble = _why(bot, now, at_once=False), _cut(words.printable(bot.trouble))
    paused = bot.state is State.PAUSED
    reconnect = "reconnect" if alone else f"reconnect:{bot.name}"
    return [
        _fact(f"state:{bot.name}", _since(bot, _full_name(bot), now), _StateNow(bot)),
        _fact(f"why:{bot.name}", why, _WhyNow(bot)),
        _fact(f"outage:{bot.name}", _last_outage(bot.last_outage, now), _OutageNow(bot.last_outage)),
        _fact(
            f"today:{bot.name}", _today(bot, bot.today.at, at_once=True) if bot.today else "", _TodayNow(bot)
        ),
        _fact(f"programs:{bot.name}", _programs(bot, now), _ProgramsNow(bot)),
        MenuItem(f"trouble:{bot.name}", trouble, enabled=False, visible=bool(trouble)),
        MenuItem(reconnect, words.gettext("Reconnect"), default=alone),
        MenuItem(f"pause:{bot.name}", words.gettext("Pause"), visible=not paused),
        MenuItem(f"resume:{bot.name}", words.gettext("Resume"), visible=paused),
    ]


def _fact(item_id: str, label: str, label_at: LabelAt) -> MenuItem:
    """A line that only tells something. ``label`` is the same without what moves on with the time."""
    return MenuItem(item_id, _cut(label), enabled=False, visible=bool(label), label_at=label_at)


def _note(item_id: str, text: str) -> MenuItem:
    return MenuItem(item_id, text, enabled=False)


def _separator(item_id: str) -> MenuItem:
    return MenuItem(item_id, "", separator=True)
