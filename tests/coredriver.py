"""A virtual-time world around one core: a Slack that answers effects after given delays.

A scenario is a script: say how the next attempts will go, let time pass, look at what was asked of the world.
Nothing here waits: time is a number that jumps to the next thing that happens.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from traymon.keeper.core import Core, Policy, State, Status
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
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

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

BEGIN = 1_000_000
"""When scenarios begin: not zero, so that a forgotten ``now`` shows."""

REFUSED_CONNECT = Failure(Cause.CONNECT_REFUSED, Phase.TCP)
NO_ROUTE = Failure(Cause.NO_ROUTE, Phase.TCP)
SERVER_ERROR = Failure(Cause.SLACK_ERROR, Phase.API, reached_slack=True)
REFUSAL = Failure(Cause.REFUSED_TOKEN, Phase.API, "token_revoked", reached_slack=True)
QUIET_REFUSAL = replace(REFUSAL, detail="invalid_auth", quiet_retry=True)
TOO_MANY = Failure(Cause.TOO_MANY_LINKS, Phase.HELLO, "too_many_websockets", reached_slack=True)
FIN = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006)
RST = Failure(Cause.RESET, Phase.LIVE)
UNREACHABLE = Failure(Cause.UNREACHABLE, Phase.LIVE)


def rate_limited(retry_after: int) -> Failure:
    """HTTP 429 with ``Retry-After`` in ms."""
    return Failure(Cause.RATE_LIMITED, Phase.API, reached_slack=True, retry_after_ms=retry_after)


@dataclass(frozen=True)
class Plan:
    """How one attempt goes. Delays in ms, each after the step before; ``None``: never."""

    api: int | None = 50
    handshake: int | None = 50
    hello: int | None = 20
    failure: Failure | None = None
    """The attempt ends with it where the first ``None`` stands, ``fails_after`` the last step."""
    fails_after: int = 100
    pong: int | None = 50
    """How long the live link takes to answer a ping."""


def fails(failure: Failure, after: int = 100) -> Plan:
    """An attempt whose first step fails."""
    return Plan(api=None, failure=failure, fails_after=after)


HANGS = Plan(api=None)
MUTE = Plan(pong=None)
"""A link that comes up and never answers a ping."""


@dataclass
class Peer:
    """The far end of one link."""

    number: int
    plan: Plan
    asked_at: int
    dropped: bool = False
    ended: bool = False
    silent: bool = False
    pings: list[tuple[int, int]] = field(default_factory=list)


class World:
    """One core, its Slack, and everything the core asked for, with the time of asking."""

    def __init__(self, *, spares: bool = True, policy: Policy | None = None, core: type[Core] = Core) -> None:
        self.random = 0.0
        self.core = core(lambda: self.random, policy, spare_on_suspicion=spares)
        self.now = BEGIN
        self.plan = Plan()
        self.next_plans: deque[Plan] = deque()
        self.peers: dict[int, Peer] = {}
        self.log: list[tuple[int, Effect]] = []
        self.watchers: list[Callable[[ev.Event, int, list[Effect]], None]] = []
        self.late_events = False
        """Whether links that the core let go still report what happens to them."""
        self._order = itertools.count()
        self._coming: list[tuple[int, int, ev.Event]] = []

    # What happens

    def give(self, event: ev.Event) -> list[Effect]:
        """``event`` happens now."""
        effects = self.core.receive(event, self.now)
        for effect in effects:
            self.log.append((self.now, effect))
            self._carry_out(effect)
        for watch in self.watchers:
            watch(event, self.now, effects)
        return effects

    def start(self, *plans: Plan, paused: bool = False) -> "World":
        """Begin; the first attempts go as ``plans`` say."""
        self.next_plans.extend(plans)
        self.give(ev.Started(paused))
        return self

    def online(self, *plans: Plan, age: int = 0) -> "World":
        """Begin and be online for ``age`` ms."""
        self.start(*plans)
        while self.state is not State.ONLINE:
            self.step(self.now + MINUTE)
        self.run(age)
        return self

    def after(self, delay: int, event: ev.Event) -> None:
        """``event`` will happen in ``delay`` ms."""
        heapq.heappush(self._coming, (self.now + delay, next(self._order), event))

    def end_link(self, failure: Failure = FIN) -> None:
        """The newest link ends now."""
        self.end_link_number(self.newest, failure)

    def end_link_number(self, number: int, failure: Failure = FIN) -> None:
        """This link ends now."""
        self.peers[number].ended = True
        self.give(ev.LinkEnded(number, failure))

    def run(self, duration: int) -> "World":
        """Let ``duration`` ms pass."""
        until = self.now + duration
        while self.step(until):
            pass
        self.now = until
        return self

    def step(self, until: int) -> bool:
        """Let the next thing happen, if it does before ``until`` or just then."""
        due = self.core.deadline
        coming = self._coming[0][0] if self._coming else None
        at = min((x for x in (due, coming) if x is not None), default=None)
        if at is None or at > until:
            return False
        self.now = max(self.now, at)
        if coming is not None and (due is None or coming <= due):
            self._arrive(heapq.heappop(self._coming)[2])
        else:
            self.give(ev.Tick())
        return True

    def stand_still(self, duration: int) -> "World":
        """Nothing is done for ``duration`` ms, and what came meanwhile is still to be looked at."""
        self.now += duration
        return self

    def _pop(self) -> tuple[int, int, ev.Event]:
        return heapq.heappop(self._coming)

    def _delay_until(self, at: int) -> None:
        """What would have come before ``at`` comes then, in the order in which it was to come."""
        self._coming = [(max(at, when), order, event) for when, order, event in sorted(self._coming)]
        heapq.heapify(self._coming)

    def _arrive(self, event: ev.Event) -> None:
        if isinstance(event, ev.LinkEvent):
            peer = self.peers[event.link]
            if peer.ended or (peer.dropped and not self.late_events):
                return
            if peer.silent and not isinstance(event, ev.LinkEnded):
                return
            peer.ended = isinstance(event, ev.LinkEnded)
        self.give(event)

    # Slack

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case OpenLink(number):
                plan = self.next_plans.popleft() if self.next_plans else self.plan
                self.peers[number] = Peer(number, plan, self.now)
                self._attempt(number, plan)
            case SendPing(number, ping):
                peer = self.peers[number]
                peer.pings.append((self.now, ping))
                if peer.plan.pong is not None:
                    self.after(peer.plan.pong, ev.PongReceived(number, ping))
            case DropLink(number):
                self.peers[number].dropped = True

    def _attempt(self, number: int, plan: Plan) -> None:
        at = 0
        steps = (
            (plan.api, ev.ApiAnswered(number)),
            (plan.handshake, ev.LinkOpened(number)),
            (plan.hello, ev.HelloReceived(number)),
        )
        for delay, event in steps:
            if delay is None:
                if plan.failure is not None:
                    self.after(at + plan.fails_after, ev.LinkEnded(number, plan.failure))
                return
            at += delay
            self.after(at, event)

    # What was seen

    @property
    def status(self) -> Status:
        return self.core.status

    @property
    def state(self) -> State:
        return self.core.status.state

    @property
    def newest(self) -> int:
        """The number of the link asked for last."""
        return max(self.peers)

    @property
    def undropped(self) -> list[int]:
        """The links that the core has neither let go nor heard the end of."""
        return [x.number for x in self.peers.values() if not x.dropped and not x.ended]

    def of(self, *kinds: type) -> list[tuple[int, Effect]]:
        """Effects of these kinds, with the time at which they were asked for."""
        return [(at, effect) for at, effect in self.log if isinstance(effect, kinds)]

    def states(self) -> list[tuple[int, State]]:
        """Every state entered, with its official beginning."""
        return [(x.at, x.state) for _, x in self.log if isinstance(x, EnterState)]

    def notes(self, *kinds: NoteKind) -> list[Note]:
        """The notes of these kinds (of all, without any)."""
        return [x for _, x in self.log if isinstance(x, Note) and (not kinds or x.kind in kinds)]

    def note(self, kind: NoteKind) -> Note:
        """The only note of its kind."""
        (note,) = self.notes(kind)
        return note

    def calls(self) -> list[int]:
        """When attempts began."""
        return [at for at, _ in self.of(OpenLink)]

    def anomalies(self) -> list[str]:
        return [x.what for _, x in self.log if isinstance(x, Anomaly)]

    def answers(self) -> list[tuple[Answer, int]]:
        """What clicks were told."""
        return [(x.answer, x.wait_ms) for _, x in self.log if isinstance(x, TellUser)]
