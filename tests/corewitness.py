"""An independent witness of one core: it sees only what goes in and what comes out, and knows the promises.

It shares no code with the machine but the table of states and the numbers of the policy. It is a watcher of
:class:`tests.coredriver.World`: after every event it checks everything that must hold.
"""

from dataclasses import dataclass

from tests.coredriver import World
from traymon.keeper.core import Policy, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure
from traymon.keeper.core.effects import (
    Anomaly,
    Answer,
    DropLink,
    Effect,
    EnterState,
    Note,
    NoteKind,
    OpenLink,
    SendPing,
    TellUser,
)
from traymon.keeper.core.states import DOWN, TRANSITIONS, UP

CLICKS = (ev.ReconnectClicked, ev.PauseClicked, ev.ResumeClicked)


@dataclass
class Seen:
    """One link as the outside knows it."""

    number: int
    asked_at: int
    answered: bool = False
    hello_at: int | None = None
    proof: int = 0
    goodbye: bool = False
    pings: int = 0
    thawed_at: int | None = None
    """When this process stood still, if the link has not spoken since."""
    gone: bool = False
    """Let go, or known to have ended."""
    ends_noted: int = 0


class Witness:
    """Watches ``world`` from its first event on."""

    def __init__(self, world: World, policy: Policy | None = None) -> None:
        self.world = world
        self.policy = policy or Policy()
        self.links: dict[int, Seen] = {}
        self.oldest = 1
        self.state = State.UNKNOWN
        self.since = 0
        self.session: int | None = None
        self.session_link: int | None = None
        self.last_stop = 0
        self.over = False
        self.due: int | None = None
        self.now = 0
        # The budget as a leaky bucket: its level in ms, when that was, and the level before the latest call.
        self.level = self.level_at = self.level_before = 0
        self.not_before = 0
        self.last_spare: int | None = None
        self.refusal: Failure | None = None
        self.too_many = False  # the latest end was for too many links
        self.refused_try_at = 0
        self.permit = False
        self.late = 0  # how late ticks have been, in all, since the last sign of life or thaw
        self.events = 0
        self.calm = False
        self.status = world.core.status
        world.watchers.append(self)

    def __call__(self, event: ev.Event, now: int, effects: list[Effect]) -> None:
        self.events += 1
        if self.over:
            assert effects == []
            assert self.world.core.deadline is None
            return
        self._check_calm(event, now, effects)
        self._lateness(event, now)
        self.now = now
        self._take_in(event)
        for effect in effects:
            self._take_out(effect)
        assert not [x for x in effects if isinstance(x, Anomaly)], (event, effects)
        self._check_answers(event, effects)
        self.over = isinstance(event, ev.QuitAsked)
        self._check_status()
        self._check_links()
        self._check_no_dead_end()
        self._check_proof_of_life()
        self.due = self.world.core.deadline
        self.calm, self.status = self.world.core.calm, self.world.core.status
        assert self.due is None or self.due > now

    def illegal(self, event: ev.Event) -> None:
        """``event`` must not come here; give it to the core outside of the world, and see that nothing changes."""
        core = self.world.core
        if core.deadline is not None and core.deadline <= self.world.now:
            return  # a timer would run with it
        before = (core.status, core.deadline)
        (anomaly,) = core.receive(event, self.world.now)
        assert isinstance(anomaly, Anomaly)
        assert (core.status, core.deadline) == before

    def _check_calm(self, event: ev.Event, now: int, effects: list[Effect]) -> None:
        """Where the core is calm, nobody waits for a proof of life: the keeper brings it with the next event."""
        if self.calm and isinstance(event, ev.FrameReceived | ev.PongReceived):
            assert self.due is not None
            if now < self.due:
                assert effects == []
                assert self.world.core.status == self.status
                assert self.world.core.calm

    # What goes in

    def _lateness(self, event: ev.Event, now: int) -> None:
        late = 0 if self.due is None else max(0, now - self.due)
        self.late += late
        live = self._live()
        # One further chance after a freeze, for each sign of life.
        if (
            live
            and late > self.policy.late_tick
            and not isinstance(event, ev.Woke)
            and live.thawed_at is None
        ):
            self.late = 0
            for link in self.there():
                link.thawed_at = now

    def _take_in(self, event: ev.Event) -> None:
        if isinstance(event, ev.ReconnectClicked):
            self.permit = True
        if isinstance(event, ev.TokenChanged):
            self.refusal = None
        if not isinstance(event, ev.LinkEvent):
            return
        link = self.links[event.link]
        if link.gone:
            return
        match event:
            case ev.ApiAnswered():
                link.answered = True
            case ev.HelloReceived() if link.hello_at is None:
                link.hello_at = link.proof = self.now
            case ev.GoodbyeReceived():
                link.goodbye = True
            case ev.LinkEnded(_, failure):
                self._ended(link, failure)
        alive = (ev.HelloReceived, ev.FrameReceived, ev.PongReceived, ev.GoodbyeReceived)
        if isinstance(event, alive) and link.hello_at is not None:
            link.proof, link.thawed_at = self.now, None
            self.late = 0

    def _ended(self, link: Seen, failure: Failure) -> None:
        link.gone = True
        if not link.answered and not failure.reached_slack:
            self.level, self.level_at = self.level_before, link.asked_at
        self.not_before = max(self.not_before, self.now + (failure.retry_after_ms or 0))
        self.too_many = failure.cause is Cause.TOO_MANY_LINKS
        if failure.cause is Cause.REFUSED_TOKEN:
            self.refusal = failure
        if self.state is State.REFUSED:
            self.refused_try_at = self.now

    # What comes out

    def _take_out(self, effect: Effect) -> None:
        match effect:
            case OpenLink():
                self._opened(effect)
            case SendPing(number, ping):
                link = self.links[number]
                assert not link.gone or self._ended_just_now(number)
                assert link.hello_at is not None
                link.pings += 1
                assert ping == link.pings
            case DropLink(number):
                link = self.links[number]
                assert not link.gone
                link.gone = True
                if self.state is State.REFUSED and link.hello_at is None:
                    self.refused_try_at = self.now
            case EnterState():
                self._entered(effect)
            case Note():
                self._noted(effect)

    def _ended_just_now(self, number: int) -> bool:
        return self.world.peers[number].ended

    def _opened(self, effect: OpenLink) -> None:
        assert effect.link == len(self.links) + 1
        assert self.now >= self.not_before, "before Retry-After allows"
        refill = self.policy.budget_refill
        level = max(0, self.level - (self.now - self.level_at))
        self.level_before, self.level, self.level_at = level, level + refill, self.now
        assert self.level <= self.policy.budget_size * refill, "over the budget"
        if self._live() is not None:
            reserve = self.policy.budget_size - self.policy.budget_reserve
            assert self.level <= reserve * refill, "a spare took from the reserve"
            self._opened_beside(self._live())
        elif self.state is State.REFUSED:
            assert self.refusal is not None
            quiet = self.refusal.quiet_retry and self.now >= self.refused_try_at + self.policy.quiet_retry
            assert self.permit or quiet, "refused, and nobody asked"
        self.permit = False
        self.links[effect.link] = Seen(effect.link, self.now)

    def _opened_beside(self, live: Seen) -> None:
        if live.goodbye:
            return
        if self.last_spare is not None:
            assert self.now >= self.last_spare + self.policy.spare_interval, "two spares in a minute"
        self.last_spare = self.now

    def _entered(self, effect: EnterState) -> None:
        assert effect.state in TRANSITIONS[self.state].values(), (self.state, effect.state)
        assert self.since <= effect.at <= self.now
        self.state, self.since = effect.state, effect.at
        if effect.state is State.REFUSED:
            self.refused_try_at = self.now

    def _noted(self, note: Note) -> None:
        assert note.at <= self.now
        match note.kind:
            case NoteKind.START:
                assert self.session is None, "a start without a stop between"
                assert note.at >= self.last_stop
                assert note.facts["down_ms"] >= 0
                self.session, self.session_link = note.at, note.facts["link"]
                self.refusal = None
            case NoteKind.STOP:
                self._stopped(note)
            case NoteKind.HANDOVER:
                assert self.session is not None
                assert note.facts["lived_ms"] >= 0
                self.session_link = note.facts["link"]
                self.refusal = None
            case NoteKind.LINK_END:
                assert note.facts["lived_ms"] >= 0
                self.links[note.facts["link"]].ends_noted += 1
            case NoteKind.PAUSE:
                self.refusal = None
            case NoteKind.WAKE if self.refusal is not None and self.refusal.quiet_retry:
                self.permit = True  # often another network

    def _stopped(self, note: Note) -> None:
        assert self.session is not None, "a stop without a start"
        assert self.session_link is not None
        assert note.at >= self.session
        assert note.facts["up_ms"] == note.at - self.session
        if note.facts["cause"] in (Cause.KEEPALIVE_TIMEOUT, Cause.FROZEN):
            assert note.at == max(self.links[self.session_link].proof, self.since)
        self.last_stop, self.session = note.at, None

    # What must hold

    def _live(self) -> Seen | None:
        """The link that carries the session."""
        if self.session is None or self.session_link is None or self.links[self.session_link].gone:
            return None
        return self.links[self.session_link]

    def recent(self) -> list[Seen]:
        """The links that can still matter: numbers only grow, and all before the oldest that is there are gone."""
        while (
            self.oldest in self.links and self.links[self.oldest].gone and self.oldest < len(self.links) - 4
        ):
            self.oldest += 1
        return [self.links[number] for number in range(self.oldest, len(self.links) + 1)]

    def there(self) -> list[Seen]:
        return [x for x in self.recent() if not x.gone]

    def _check_answers(self, event: ev.Event, effects: list[Effect]) -> None:
        told = [x for x in effects if isinstance(x, TellUser)]
        assert len(told) == isinstance(event, CLICKS)
        status = self.world.status
        for answer in told:
            match answer.answer:
                case Answer.NOW | Answer.ALREADY if isinstance(event, ev.ReconnectClicked):
                    assert status.attempting
                case Answer.HANDOVER:
                    assert status.attempting or self._handed_over(effects)
                case Answer.WAITING:
                    assert answer.wait_ms > 0
                    assert status.next_try == self.now + answer.wait_ms
                case Answer.PAUSED:
                    assert status.state is State.PAUSED

    def _handed_over(self, effects: list[Effect]) -> bool:
        return any(isinstance(x, Note) and x.kind is NoteKind.HANDOVER for x in effects)

    def _check_status(self) -> None:
        status = self.world.status
        assert (status.state, status.since, status.session_since) == (self.state, self.since, self.session)
        assert (self.state in UP) == (self.session is not None)
        assert self.session is None or self._live() is not None
        assert not (status.suspect and self.state not in UP)

    def _check_links(self) -> None:
        there = self.there()
        hello = [x for x in there if x.hello_at is not None]
        assert len(there) <= 2
        if len(hello) == 2:
            live = self._live()
            assert live is not None
            assert self.world.status.suspect or live.thawed_at, "two live links without a reason"
        if len(there) > len(hello):
            assert self.world.status.attempting
        if self.state in (State.PAUSED, State.UNKNOWN):
            assert not there
        for link in self.recent():
            assert link.ends_noted == (link.gone and link.hello_at is not None), link

    def _check_no_dead_end(self) -> None:
        status, due = self.world.status, self.world.core.deadline
        if self.state in UP | {State.CONNECTING, State.OFFLINE, State.ASLEEP}:
            assert due is not None, "a dead end"
        if self.state in (State.CONNECTING, State.OFFLINE):
            there = self.there()
            row = self.policy.retry_too_many if self.too_many else self.policy.retry_reached
            soon = max(self.now + row[2], self.not_before, self.now + self.policy.budget_refill)
            assert there or (status.next_try is not None and self.now < status.next_try <= soon)
        if self.state in DOWN and status.next_try is not None:
            assert due is not None
            assert due <= status.next_try

    def _check_proof_of_life(self) -> None:
        if self.state not in UP:
            return
        there = self.there()
        proof = max(x.proof for x in there if x.hello_at is not None)
        answered = any(x.answered and x.hello_at is None for x in there)
        policy = self.policy
        limit = policy.silence_limit_answered if answered else policy.silence_limit
        thawed = max(x.thawed_at or 0 for x in there)
        silent = self.now - max(proof + policy.quiet_before_ping, thawed)
        assert silent <= limit + self.late, "online without proof of life"
