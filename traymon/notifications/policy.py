"""When a notification pops up, changes, and goes: pure, like the keeper's core.

The rules, in words
-------------------
1. An outage pops up once it has lasted ten seconds, half a minute where it began with a start, a resume or a wake.
   Shorter ones never do. Sleep, a pause and the end of traymon end it without a word.
2. All bots that are offline share one notification; so do all that need a person, and all without a program. It is
   changed in place while it is on the screen.
3. When no bot that it names is offline any more, it turns into "back after 3m 04s".
4. At most four pop-ups an hour: the outage, its return, a cause or a bot that is new to it, a missing program. An
   outage pops up only where its return may, too. Beyond that all is silent; an outage that is still on pops up as
   soon as it may, and that pop-up says how many others there were.
5. What needs a person is exempt. A refusal pops up at once; a token that cannot be read after the time that an outage
   is given, as keyrings are locked at login.
6. What a person has dismissed is not shown again: neither its changes nor its return. A click on it is no dismissal.
7. A program is missed after a minute, once; when one attaches, that notification goes.

All instants and lengths are milliseconds of the clock that counts sleep.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import UP, State
from traymon.notifications import sentences
from traymon.notifications.budget import PopUpBudget
from traymon.notifications.facts import (
    Acted,
    Action,
    BotNow,
    Close,
    Closed,
    Effect,
    Enabled,
    Event,
    Kind,
    Quit,
    Seen,
    Show,
    Tick,
    Urgency,
)
from traymon.notifications.sentences import Trouble

_SECOND = 1_000
_MINUTE = 60 * _SECOND


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers that the policy goes by."""

    patience: int = 10 * _SECOND
    """An outage that is over sooner is none that people notice (design: promise 7)."""
    patience_at_start: int = 30 * _SECOND
    """After a start or a wake the network itself is not back yet: Wi-Fi takes 3 to 15 s, a VPN longer."""
    program_patience: int = 60 * _SECOND
    """A program that restarts is back sooner."""
    gather: int = 5 * _SECOND
    """An outage waits so long for others that are about to pop up, too: where the network is gone, bots notice within
    seconds of each other, and one notification tells of all."""
    pop_ups: int = 4
    window: int = 60 * _MINUTE
    """So many pop-ups in so long a time (design: promise 7)."""
    on_screen: int = 5 * _SECOND
    """So long what popped up is surely on the screen (GNOME shows a banner for 4 s, Plasma 5, dunst and Xfce 10), and
    a change in place is seen as one. Later GNOME and Plasma show it anew: then it is a pop-up like others."""
    late_tick: int = 5 * _SECOND
    """The deadline was missed by so much: the machine slept or stood still, and nobody was kept waiting."""


@dataclass(slots=True)
class _Outage:
    """One outage of one bot."""

    first: BotNow
    began_at: int  # as the log dates it: the last proof of life
    ripe_at: int  # from then on it may pop up
    noted: bool = False  # counted as not shown, now or in an earlier pop-up


@dataclass(slots=True)
class _Bot:
    now: BotNow
    outage: _Outage | None = None
    alone_since: int | None = None  # online without a program


@dataclass(slots=True)
class _Card:
    """A notification: what it said last, and where it is."""

    key: str
    outages: dict[str, _Outage] = field(default_factory=dict)  # of the bots that it names
    bots: frozenset[str] = frozenset()
    causes: frozenset[Cause | None] = frozenset()
    text: sentences.Text = ("", "")
    unshown: int = 0  # how many outages before it were kept quiet
    popped_at: int = 0
    on_screen: bool = True
    dismissed: bool = False
    acted: bool = False


class Policy:
    """Decides on notifications. Nothing of it is safe for several threads."""

    def __init__(self, numbers: Numbers | None = None, *, enabled: bool = True) -> None:
        self._numbers = numbers or Numbers()
        self._enabled = enabled
        self._budget = PopUpBudget(self._numbers.pop_ups, self._numbers.window)
        self._now = 0
        self._wall_less_now = 0
        self._bots: dict[str, _Bot] = {}
        self._cards: dict[Kind, _Card] = {}
        self._last_key = 0
        self._unshown: list[_Outage] = []
        self._quiet = False  # an outage was kept from popping up, and none has popped up since
        self._blocked: list[int] = []  # when what the budget holds back now may pop up
        self._ended = False
        self._effects: list[Effect] = []

    @property
    def deadline(self) -> int | None:
        """When :class:`~traymon.notifications.facts.Tick` is due if nothing else happens; ``None``: never."""
        if not self._enabled or self._ended:
            return None
        due = list(self._blocked)
        for bot in self._bots.values():
            if bot.outage is not None:
                due.append(bot.outage.ripe_at)
            if bot.alone_since is not None:
                due.append(bot.alone_since + self._numbers.program_patience)
        return min((at for at in due if at > self._now), default=None)

    def receive(self, event: Event, now: int) -> list[Effect]:
        """Take in ``event``, which arose at ``now``, and return what is to be done, in order."""
        self._effects = []
        now = max(now, self._now)
        self._thaw(now)
        self._now = now
        if not self._ended:
            self._handle(event)
            self._settle()
        return self._effects

    def _thaw(self, now: int) -> None:
        """After a sleep that nobody announced, what was waited for gets a new chance before it pops up."""
        due = self.deadline
        if due is None or now - due <= self._numbers.late_tick:
            return
        for bot in self._bots.values():
            outage = bot.outage
            if outage is not None and outage.ripe_at > self._now:
                outage.ripe_at = now + self._numbers.patience_at_start
            if bot.alone_since is not None and bot.alone_since + self._numbers.program_patience > self._now:
                bot.alone_since = now

    # Events

    def _handle(self, event: Event) -> None:
        match event:
            case Seen(bots, wall_ms):
                self._wall_less_now = wall_ms - self._now
                self._see(bots)
            case Enabled(on):
                if not on:
                    self._take_all_down()
                self._enabled = on
            case Closed(key, by_person):
                self._closed(key, by_person)
            case Acted(key):
                for card in self._cards.values():
                    if card.key == key:
                        card.acted, card.dismissed = True, False
            case Tick():
                pass
            case Quit():
                self._take_all_down()
                self._ended = True

    def _see(self, bots: Collection[BotNow]) -> None:
        before = self._bots
        self._bots = {}
        for now in bots:
            bot = self._bots[now.name] = before.get(now.name) or _Bot(now)
            was, bot.now = bot.now, now
            self._follow_outage(bot, was)
            if not now.unattended or not (now.state in UP or now.is_down):
                bot.alone_since = None
            elif bot.alone_since is None and now.state in UP:
                bot.alone_since = self._now

    def _follow_outage(self, bot: _Bot, was: BotNow) -> None:
        outage = bot.outage
        if not bot.now.is_down:
            bot.outage = None
        elif outage is None:
            began_at = min(bot.now.since_wall_ms - self._wall_less_now, self._now)
            dropped = was.state in UP
            patience = self._numbers.patience if dropped else self._numbers.patience_at_start
            outage = bot.outage = _Outage(bot.now, began_at, self._now + patience)
            if dropped and self._quiet and self._enabled:
                self._note_unshown(outage)
        elif _needs_person(was) and not _needs_person(bot.now):
            # Somebody has just helped: the bot gets its time to come back before more is said.
            outage.ripe_at = self._now + self._numbers.patience_at_start

    def _closed(self, key: str, by_person: bool) -> None:
        for card in self._cards.values():
            if card.key == key:
                card.on_screen = False
                card.dismissed = by_person and not card.acted
                card.acted = False

    def _take_all_down(self) -> None:
        for card in self._cards.values():
            if not card.dismissed:
                self._effects.append(Close(card.key))
        self._cards.clear()
        self._unshown.clear()
        self._quiet = False

    # What is to be shown

    def _settle(self) -> None:
        self._blocked = []
        if not self._enabled or self._ended:
            return
        for kind in (Kind.PERSON, Kind.OUTAGE, Kind.PROGRAM):
            wanted = {bot.now.name: bot for bot in self._bots.values() if self._belongs(bot, kind)}
            card = self._cards.get(kind)
            if card is not None and not card.bots & wanted.keys():
                self._end(kind, card)
                card = None
            if wanted and card is None:
                self._open(kind, wanted)
            elif wanted and card is not None:
                self._update(kind, card, wanted)

    def _belongs(self, bot: _Bot, kind: Kind) -> bool:
        if kind is Kind.PROGRAM:
            return self._misses_program(bot)
        if bot.outage is None or (kind is Kind.PERSON) != _needs_person(bot.now):
            return False
        return bot.now.state is State.REFUSED or self._now >= bot.outage.ripe_at

    def _misses_program(self, bot: _Bot) -> bool:
        """A drop of the link changes nothing of that, but is no moment to begin with it."""
        since, card = bot.alone_since, self._cards.get(Kind.PROGRAM)
        if since is None or self._now - since < self._numbers.program_patience:
            return False
        return bot.now.state in UP or (card is not None and bot.now.name in card.bots)

    def _open(self, kind: Kind, wanted: Mapping[str, _Bot]) -> None:
        if kind is Kind.OUTAGE and self._others_are_coming(wanted):
            return
        if not self._may_pop(kind, 2 if kind is Kind.OUTAGE else 1):
            self._keep_quiet(kind, wanted.values())
            return
        self._last_key += 1
        card = self._cards[kind] = _Card(f"{kind.value}:{self._last_key}")
        self._show(kind, card, wanted, pops=True, replaces=False)

    def _others_are_coming(self, wanted: Mapping[str, _Bot]) -> bool:
        """Whether further outages pop up soon after the first of those; then the deadline is at them."""
        until = min(bot.outage.ripe_at for bot in wanted.values() if bot.outage) + self._numbers.gather
        return any(
            bot.outage is not None and self._now < bot.outage.ripe_at <= until and not _needs_person(bot.now)
            for bot in self._bots.values()
        )

    def _update(self, kind: Kind, card: _Card, wanted: Mapping[str, _Bot]) -> None:
        """Say what has changed, where it matters and may be said."""
        new_bots = wanted.keys() - card.bots
        if card.dismissed:
            # With it went what was kept for its return.
            news, pop_ups = bool(new_bots), 2 if kind is Kind.OUTAGE else 1
        elif self._text(kind, wanted) == card.text:
            return
        else:
            news, pop_ups = bool(new_bots or _causes(wanted) - card.causes), 1
            if self._is_seen(kind, card) and not (news and kind is Kind.PERSON):
                self._show(kind, card, wanted, pops=False, replaces=True)
                return
        if news and self._may_pop(kind, pop_ups):
            self._show(kind, card, wanted, pops=True, replaces=not card.dismissed)
        elif news:
            self._keep_quiet(kind, [wanted[name] for name in new_bots])

    def _is_seen(self, kind: Kind, card: _Card) -> bool:
        """Whether a change in place is no pop-up. What is critical stays on the screen until it is closed."""
        if kind is Kind.PERSON:
            return card.on_screen
        return card.on_screen and self._now - card.popped_at < self._numbers.on_screen

    def _end(self, kind: Kind, card: _Card) -> None:
        """None of the card's bots is in trouble any more: say that it is over, or just take it away."""
        del self._cards[kind]
        if card.dismissed:
            return
        back = [name for name in card.outages if name in self._bots and self._bots[name].now.state in UP]
        if not back or self._budget.free(self._now) - self._reserved() < 1:
            self._effects.append(Close(card.key))
            return
        ended = max(self._bots[name].now.since_wall_ms for name in back) - self._wall_less_now
        began = min(card.outages[name].began_at for name in back)
        text = sentences.back(
            [self._trouble(card.outages[name]) for name in back],
            max(0, min(ended, self._now) - began),
            self._wall(self._now),
        )
        self._budget.take(self._now)
        self._effects.append(
            self._shown(card.key, Kind.BACK, text, back, pops=True, replaces=True, urgency=Urgency.NORMAL)
        )

    # Pop-ups

    def _reserved(self) -> int:
        """Kept for the return of the outage that is shown."""
        card = self._cards.get(Kind.OUTAGE)
        return 0 if card is None or card.dismissed else 1

    def _may_pop(self, kind: Kind, count: int) -> bool:
        """Whether ``count`` more may pop up; where not, the deadline is when they may."""
        if kind is Kind.PERSON:
            return True
        count += self._reserved()
        if self._budget.free(self._now) >= count:
            return True
        self._blocked.append(self._budget.when(count, self._now))
        return False

    def _keep_quiet(self, kind: Kind, bots: Collection[_Bot]) -> None:
        if kind is not Kind.OUTAGE:
            return
        self._quiet = True
        for bot in bots:
            if bot.outage is not None:
                self._note_unshown(bot.outage)

    def _note_unshown(self, outage: _Outage) -> None:
        if not outage.noted:
            outage.noted = True
            self._unshown.append(outage)

    def _show(
        self, kind: Kind, card: _Card, wanted: Mapping[str, _Bot], *, pops: bool, replaces: bool
    ) -> None:
        card.text = self._text(kind, wanted)
        card.bots = card.bots | wanted.keys() if replaces else frozenset(wanted)
        card.causes |= _causes(wanted)
        card.on_screen, card.dismissed = True, False
        for name, bot in wanted.items():
            if bot.outage is not None and kind is not Kind.PROGRAM:
                card.outages[name] = bot.outage
        if pops:
            card.popped_at = self._now
            if kind is not Kind.PERSON:
                self._budget.take(self._now)
            self._count_unshown(card)
        title, body = card.text
        if card.unshown:
            body = f"{body}\n{sentences.unshown(card.unshown)}"
        refused = any(bot.now.state is State.REFUSED for bot in wanted.values())
        urgency = Urgency.CRITICAL if kind is Kind.PERSON and refused else Urgency.NORMAL
        self._effects.append(
            self._shown(card.key, kind, (title, body), wanted, pops=pops, replaces=replaces, urgency=urgency)
        )

    def _count_unshown(self, card: _Card) -> None:
        """How many outages were kept quiet beside those that the card tells of."""
        told = {id(outage) for outage in card.outages.values()}
        card.unshown = sum(id(outage) not in told for outage in self._unshown)
        self._unshown.clear()
        self._quiet = False

    def _shown(
        self,
        key: str,
        kind: Kind,
        text: sentences.Text,
        bots: Collection[str],
        *,
        pops: bool,
        replaces: bool,
        urgency: Urgency,
    ) -> Show:
        helps = kind in (Kind.OUTAGE, Kind.PERSON)
        return Show(
            key=key,
            kind=kind,
            replaces=replaces,
            pops=pops,
            title=text[0],
            body=text[1],
            urgency=urgency,
            actions=(Action.RECONNECT, Action.LOG) if helps else (Action.LOG,),
            bots=tuple(bots),
        )

    def _text(self, kind: Kind, wanted: Mapping[str, _Bot]) -> sentences.Text:
        troubles = [
            Trouble(bot.now, self._wall(self._now if bot.outage is None else bot.outage.began_at))
            for bot in wanted.values()
        ]
        if kind is Kind.PERSON:
            return sentences.person(troubles)
        if kind is Kind.PROGRAM:
            return sentences.program(troubles)
        return sentences.outage(troubles, self._wall(self._now))

    def _trouble(self, outage: _Outage) -> Trouble:
        return Trouble(outage.first, self._wall(outage.began_at))

    def _wall(self, at: int) -> int:
        return at + self._wall_less_now


def _needs_person(bot: BotNow) -> bool:
    return bot.state is State.REFUSED or (bot.is_down and bot.cause is Cause.NO_TOKEN)


def _causes(wanted: Mapping[str, _Bot]) -> frozenset[Cause | None]:
    return frozenset(bot.now.cause for bot in wanted.values())
