"""RTM for programs, Socket Mode towards Slack: each event to every program of RTM, acknowledged once one has it.

Rules
-----
1. An event goes to every program of RTM that is attached, as :mod:`~traymon.relay.translation.events` makes it, in the
   order in which it came. It is acknowledged, on each link that brought it, when the first program has taken it: like
   RTM, where a program that hangs loses its events and holds up nobody else's.
2. With no program of RTM attached, a program of Socket Mode gets it, as in :mod:`~traymon.relay.core.socketmode`. With
   no program at all it waits for one as long as Slack waits, 3 s. It is not acknowledged then, and Slack redelivers.
3. What RTM has no counterpart for goes to a program of Socket Mode where one is attached; where only programs of RTM
   are, it is acknowledged and counted. Interactive payloads and slash commands go to a program of Socket Mode, and with
   none attached they are not acknowledged, so that people see it.
4. Redeliveries are known by their ``event_id``. After a program took an event, they are acknowledged for ten minutes
   and given to nobody. Before, they join it, and go to the programs that have not had it.
5. A mention comes as a message and as ``app_mention``, either or both, in either order. The second of them joins the
   first: programs get one message, and Slack an acknowledgement of both.
6. A program does not get its own message as an event: its reply tells of it. Where an event of the app's own comes
   while the reply is due, it waits for that, at most :data:`OWN_LIMIT`, and so do the program's later ones.
7. Messages go up as :mod:`~traymon.relay.translation.outbox` says. ``ping`` is answered; ``typing``, ``presence_sub``
   and ``presence_query`` have no reply in RTM either, and end here.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

import msgspec

from traymon.relay.core import SocketHub, jsontext
from traymon.relay.core import events as ev
from traymon.relay.core.effects import (
    CutProgram,
    DropKind,
    Dropped,
    ProgramNote,
    ProgramNoteKind,
    Settled,
    ToProgram,
    ToSlack,
)
from traymon.relay.core.limits import (
    ACK_LIMIT,
    LARGEST_MESSAGE,
    MOST_ACKNOWLEDGED,
    MOST_DELIVERIES,
    MOST_OPEN,
    MOST_OPEN_BYTES,
    MOST_UNANSWERED,
    OFFER_LIMIT,
    REDELIVERY_WINDOW,
)
from traymon.relay.core.rtm import NO_IDS, NO_TYPE, TOO_LONG, Trouble, pong
from traymon.relay.core.tolerance import Tolerance
from traymon.relay.translation import sends
from traymon.relay.translation.events import Carried, Moment, NotCarried, translate
from traymon.relay.translation.outbox import Message, Outbox
from traymon.relay.translation.signals import (
    Called,
    Give,
    Ignored,
    NotGiven,
    PresentedEffect,
    PresentedEvent,
    SocketAttached,
    Taken,
)
from traymon.slackwire import frames

OWN_LIMIT = OFFER_LIMIT
"""Slack answers a call within a second; and after this long a program still has one to take the event."""
_IGNORED = frozenset({"typing", "presence_sub", "presence_query"})


@dataclass(slots=True)
class _Link:
    """A link that is up."""

    relieved: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One arrival of an event."""

    key: str
    """Of the event: its ``event_id``."""
    envelope_id: str
    link: int
    envelope: bytes = b""
    """As it came; empty once Slack no longer waits."""


@dataclass(slots=True, eq=False)
class _Event:
    """An event that no program has taken yet."""

    ref: int
    carried: Carried
    deliveries: list[_Delivery] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    expires: int = 0
    """When Slack stops waiting, and from then on, when it did."""
    holders: set[int] = field(default_factory=set)
    """Programs that are to take it and are attached."""
    given: set[int] = field(default_factory=set)
    """Programs that ever were to take it."""

    @property
    def size(self) -> int:
        return len(self.carried.text) + sum(len(each.envelope) for each in self.deliveries)


@dataclass(slots=True)
class _Twin:
    """A message or mention that programs got, or are getting."""

    at: int
    kinds: set[bool]
    """Whether it came as a mention, and whether as a message."""
    ref: int


@dataclass(frozen=True, slots=True)
class _Due:
    """An event that a program gets after what is before it."""

    event: _Event
    until: int
    """It waits no longer to be known for the program's own."""


@dataclass(slots=True)
class _Program:
    """One of RTM."""

    number: int
    tolerance: Tolerance
    due: deque[_Due] = field(default_factory=deque)


@dataclass(slots=True)
class _Handed:
    """An event that programs of Socket Mode are to acknowledge."""

    at: int
    envelopes: set[str] = field(default_factory=set)


class PresentedRtmHub:
    """One bot's programs, of RTM and of Socket Mode, and its links."""

    def __init__(self) -> None:
        self._now = 0
        self._links: dict[int, _Link] = {}  # those that are up
        self._programs: dict[int, _Program] = {}  # of RTM
        self._socket = SocketHub()
        self._socket_programs: set[int] = set()
        self._settled_there: set[int] = set()  # links on which nothing is due but what is here
        self._ref = 0
        self._open: OrderedDict[int, _Event] = OrderedDict()  # by ref, in the order of their expiring
        self._late: OrderedDict[int, _Event] = OrderedDict()  # likewise; a program may still take them
        self._bytes = 0  # of both
        self._by_key: dict[str, _Event] = {}  # both
        self._done: OrderedDict[str, int] = OrderedDict()  # when a program took it, by key, in order
        self._twins: OrderedDict[Moment, _Twin] = OrderedDict()  # in order of their time
        self._handed: OrderedDict[str, _Handed] = OrderedDict()  # by key, in order of their time
        self._handed_as: dict[str, str] = {}  # their keys, by envelope_id
        self._outbox = Outbox(self._do, self._programs.__contains__)
        self._effects: list[PresentedEffect] = []
        self._deadline: int | None = None

    @property
    def deadline(self) -> int | None:
        """When a :class:`~traymon.relay.core.events.Tick` is due, or ``None``."""
        return self._deadline

    def receive(self, event: PresentedEvent, now: int) -> list[PresentedEffect]:
        """Take in what happened at ``now`` (ms). Never raises; what cannot be here any more changes nothing."""
        self._now = max(now, self._now)
        self._effects = []
        self._forget_old()
        if not isinstance(event, Taken):  # what is taken at the very limit is taken
            self._expire()
        self._take_in(event)
        self._expire()
        self._outbox.go_on(self._now)
        for program in self._programs.values():
            self._flush(program)
        self._settle()
        self._deadline = self._next_deadline()
        return self._effects

    def _take_in(self, event: PresentedEvent) -> None:
        match event:
            case ev.FromSlack(link, text):
                self._from_slack(link, text)
            case Taken(program, ref):
                self._taken(program, ref)
            case ev.FromProgram(program, text):
                self._from_program(program, text)
            case Called():
                self._outbox.called(event, self._now)
            case ev.LinkUp(link):
                self._links[link] = _Link()
                self._to_socket(event)
            case ev.LinkRelieved(link):
                if link in self._links:
                    self._links[link].relieved = True
                self._to_socket(event)
            case ev.LinkDown(link):
                self._to_socket(event)
                self._link_down(link)
            case ev.Attached(program):
                self._attach(program)
            case SocketAttached(program, client):
                self._attach_socket(program, client)
            case ev.Detached(program):
                self._detach(program)
            case _:
                self._to_socket(event)  # a Tick, or an acknowledgement that failed: Slack redelivers

    def _do(self, *effects: PresentedEffect) -> None:
        self._effects += effects

    # Links

    def _link_down(self, number: int) -> None:
        self._links.pop(number, None)
        self._settled_there.discard(number)
        for event in list(self._open.values()):
            if not event.holders and not self._homes(event):
                self._give_up(event)

    def _homes(self, event: _Event) -> list[_Delivery]:
        """The arrivals that can still be acknowledged."""
        return [each for each in event.deliveries if each.link in self._links]

    def _settle(self) -> None:
        for number, link in self._links.items():
            if link.relieved and not link.settled and number in self._settled_there:
                link.settled = not any(
                    each.link == number for event in self._open.values() for each in event.deliveries
                )
                if link.settled:
                    self._do(Settled(number))

    # Programs

    def _attach(self, number: int) -> None:
        self._programs[number] = _Program(number, Tolerance(number))
        self._do(ToProgram(number, frames.hello().encode()))
        self._route_what_waits()

    def _attach_socket(self, number: int, client: str) -> None:
        self._socket_programs.add(number)
        self._to_socket(ev.Attached(number, client))
        self._route_what_waits()

    def _route_what_waits(self) -> None:
        for event in sorted(self._open.values(), key=lambda each: each.ref):
            if not event.holders:
                self._route(event)

    def _detach(self, number: int) -> None:
        if number in self._socket_programs:
            self._socket_programs.discard(number)
            self._to_socket(ev.Detached(number))
        elif self._programs.pop(number, None) is not None:
            for event in [*self._late.values(), *self._open.values()]:
                if number in event.holders:
                    event.holders.discard(number)
                    if event.ref in self._open and not event.holders:
                        self._route(event)

    # From Slack

    def _from_slack(self, link: int, text: bytes) -> None:
        head = jsontext.head(text)
        if head is None or link not in self._links:
            self._do(Dropped(DropKind.UNREADABLE))
            return
        envelope_id = jsontext.string(head.envelope_id)
        if envelope_id is None:
            self._do(Dropped(DropKind.LINK_ONLY))
        elif jsontext.string(head.type) == "events_api":
            key = jsontext.event_id(head.payload) or f"envelope {envelope_id}"
            self._event(_Delivery(key, envelope_id, link, text), head.payload)
        else:
            self._to_socket(ev.FromSlack(link, text))

    def _event(self, delivery: _Delivery, payload: msgspec.Raw) -> None:
        key = delivery.key
        if key in self._done:
            self._acknowledge([delivery])
            self._do(Dropped(DropKind.REDELIVERY))
        elif key in self._by_key:
            self._join(self._by_key[key], delivery, DropKind.REDELIVERY)
        elif key in self._handed and self._now < self._handed[key].at + ACK_LIMIT:
            self._hand(delivery)
        else:
            self._new_event(delivery, translate(payload))

    def _new_event(self, delivery: _Delivery, what: Carried | NotCarried) -> None:
        if isinstance(what, NotCarried):
            if self._socket_programs or not self._programs:
                self._hand(delivery)
            else:
                self._acknowledge([delivery])
                self._remember(delivery.key)
                self._do(NotGiven(what.type, what.why))
        elif self._socket_programs and not self._programs:
            self._hand(delivery)
        elif (twin := self._twin(what)) is not None:
            self._join_twin(twin, delivery)
        else:
            self._take(delivery, what)

    def _take(self, delivery: _Delivery, what: Carried) -> None:
        self._ref += 1
        event = _Event(self._ref, what)
        if not self._has_room(len(what.text) + len(delivery.envelope)):
            self._do(Dropped(DropKind.TOO_MUCH))
            return
        self._bytes += event.size
        self._open[event.ref] = event
        self._add(event, delivery)
        if what.twin is not None:
            self._twins[what.twin] = _Twin(self._now, {what.mention}, event.ref)
            self._twins.move_to_end(what.twin)
        self._route(event)

    def _has_room(self, size: int) -> bool:
        while self._late and self._bytes + size > MOST_OPEN_BYTES:
            self._drop_late()
        return len(self._open) < MOST_OPEN and (not self._open or self._bytes + size <= MOST_OPEN_BYTES)

    def _add(self, event: _Event, delivery: _Delivery) -> None:
        event.deliveries.append(delivery)
        event.keys.add(delivery.key)
        event.expires = self._now + ACK_LIMIT
        self._bytes += len(delivery.envelope)
        self._by_key[delivery.key] = event
        self._open.move_to_end(event.ref)

    def _join(self, event: _Event, delivery: _Delivery, kind: DropKind) -> None:
        """The same again: Slack waits anew."""
        self._do(Dropped(kind))
        if self._late.pop(event.ref, None) is not None:
            self._open[event.ref] = event
        names = [(each.envelope_id, each.link) for each in event.deliveries]
        name = delivery.envelope_id, delivery.link
        if name in names or len(names) >= MOST_DELIVERIES:
            replaced = event.deliveries.pop(names.index(name) if name in names else 0)
            self._bytes -= len(replaced.envelope)
        self._add(event, delivery)
        self._route(event)

    def _twin(self, what: Carried) -> _Twin | None:
        """The one that programs got already: each mention goes with one message."""
        twin = None if what.twin is None else self._twins.get(what.twin)
        if twin is None or what.mention in twin.kinds:
            return None
        return twin

    def _join_twin(self, twin: _Twin, delivery: _Delivery) -> None:
        event = self._open.get(twin.ref) or self._late.get(twin.ref)
        twin.kinds = {True, False}
        if event is not None:
            self._join(event, delivery, DropKind.COPY)
        else:
            self._acknowledge([delivery])
            self._remember(delivery.key)
            self._do(Dropped(DropKind.COPY))

    # To programs

    def _route(self, event: _Event) -> None:
        """Give it to the programs that have not had it, if it could still be acknowledged."""
        if not self._homes(event):
            self._give_up(event)
        elif self._programs:
            for program in self._programs.values():
                if program.number not in event.given:
                    event.given.add(program.number)
                    event.holders.add(program.number)
                    program.due.append(_Due(event, self._now + OWN_LIMIT))
                    self._flush(program)
        elif self._socket_programs:
            self._drop(event)
            for each in event.deliveries:
                if each.link in self._links and each.envelope:
                    self._hand(each)

    def _flush(self, program: _Program) -> None:
        while program.due and not self._must_wait(program):
            due = program.due.popleft()
            own = due.event.carried.own
            if own is not None and self._outbox.is_sender(program.number, own):
                self._do(Dropped(DropKind.COPY))
                self._taken(program.number, due.event.ref)
            else:
                self._do(Give(program.number, due.event.carried.text, due.event.ref))

    def _must_wait(self, program: _Program) -> bool:
        """Whether the next one may turn out to be the program's own."""
        due = program.due[0]
        own = due.event.carried.own
        return (
            own is not None
            and self._now < due.until
            and not self._outbox.is_sender(program.number, own)
            and self._outbox.may_be_sender(program.number, own[0])
        )

    def _taken(self, program: int, ref: int) -> None:
        event = self._open.get(ref) or self._late.get(ref)
        if event is not None and program in event.holders:
            self._acknowledge(event.deliveries)
            self._drop(event, keep_twin=True)
            for key in sorted(event.keys):
                self._remember(key)
            event.deliveries = []

    def _acknowledge(self, deliveries: list[_Delivery]) -> None:
        for each in deliveries:
            if each.link in self._links:
                self._do(ToSlack(each.link, _plain(each.envelope_id)))

    def _remember(self, key: str) -> None:
        self._done[key] = self._now
        self._done.move_to_end(key)
        if len(self._done) > MOST_ACKNOWLEDGED:
            self._done.popitem(last=False)

    def _drop(self, event: _Event, *, keep_twin: bool = False) -> None:
        """It is none of those that wait any more."""
        self._open.pop(event.ref, None)
        self._late.pop(event.ref, None)
        self._bytes -= event.size
        for key in event.keys:
            del self._by_key[key]
        moment = event.carried.twin
        if moment is not None and not keep_twin:
            twin = self._twins.get(moment)
            if twin is not None and twin.ref == event.ref:
                del self._twins[moment]

    def _give_up(self, event: _Event) -> None:
        """Slack waits no longer."""
        self._do(Dropped(DropKind.UNANSWERED))
        self._do(*(ProgramNote(each, ProgramNoteKind.OVERDUE) for each in sorted(event.holders)))
        if not event.given:
            self._drop(event)
            return
        self._bytes -= event.size
        event.deliveries = [_Delivery(each.key, each.envelope_id, each.link) for each in event.deliveries]
        self._bytes += event.size
        del self._open[event.ref]
        self._late[event.ref] = event
        if len(self._late) > MOST_UNANSWERED:
            self._drop_late()

    def _drop_late(self) -> None:
        self._drop(next(iter(self._late.values())))

    # Programs of Socket Mode

    def _hand(self, delivery: _Delivery) -> None:
        handed = self._handed.setdefault(delivery.key, _Handed(self._now))
        handed.at = self._now
        handed.envelopes.add(delivery.envelope_id)
        self._handed.move_to_end(delivery.key)
        self._handed_as[delivery.envelope_id] = delivery.key
        if len(self._handed) > MOST_ACKNOWLEDGED:
            self._forget_handed(next(iter(self._handed)))
        self._to_socket(ev.FromSlack(delivery.link, delivery.envelope))

    def _to_socket(self, event: ev.Event) -> None:
        for effect in self._socket.receive(event, self._now):
            match effect:
                case Settled(link):
                    self._settled_there.add(link)
                    continue
                case CutProgram(program):
                    self._socket_programs.discard(program)
                case _:
                    pass
            self._do(effect)

    def _from_socket_program(self, number: int, text: bytes) -> None:
        """Its acknowledgement counts, whether or not it can still go up."""
        try:
            envelope_id = jsontext.text_value(jsontext.members(text.decode()), "envelope_id")
        except (ValueError, RecursionError):
            envelope_id = None
        key = self._handed_as.get(envelope_id or "")
        if key is not None:
            self._forget_handed(key)
            self._remember(key)
        self._to_socket(ev.FromProgram(number, text))

    def _forget_handed(self, key: str) -> None:
        for envelope_id in self._handed.pop(key).envelopes:
            self._handed_as.pop(envelope_id, None)

    # From programs

    def _from_program(self, number: int, text: bytes) -> None:
        program = self._programs.get(number)
        if program is None:
            if number in self._socket_programs:
                self._from_socket_program(number, text)
            return
        try:
            decoded = text.decode()
            members = jsontext.members(decoded)
        except (ValueError, RecursionError):
            self._garbage(program)
            return
        kind, own = jsontext.text_value(members, "type"), jsontext.last(members, "id")
        own_id = None if own is None else decoded[own.value_at]
        if kind is None:
            self._refuse(number, own_id, NO_TYPE)
            self._garbage(program)
        elif kind == "ping":
            self._do(ToProgram(number, pong(decoded, members)))
        elif len(text) > LARGEST_MESSAGE:
            self._refuse(number, own_id, TOO_LONG)
        elif kind == "presence_sub" and jsontext.text_values(members, "ids") is None:
            self._refuse(number, own_id, NO_IDS)
        elif kind in _IGNORED:
            self._do(Ignored(number, kind))
        elif kind != "message":
            self._refuse(number, own_id, sends.UNKNOWN_TYPE)
        else:
            self._post(number, own_id, sends.arguments(members))

    def _post(self, number: int, own_id: str | None, taken: dict[str, str | bool] | Trouble) -> None:
        if isinstance(taken, Trouble):
            self._refuse(number, own_id, taken)
        else:
            self._outbox.post(Message(number, own_id, self._now, taken), self._now)

    def _refuse(self, number: int, own_id: str | None, why: Trouble) -> None:
        self._do(ToProgram(number, sends.reply(own_id, why)), ProgramNote(number, ProgramNoteKind.NOT_SENT))

    def _garbage(self, program: _Program) -> None:
        effects = program.tolerance.garbage(self._now)
        self._do(*effects)
        if isinstance(effects[-1], CutProgram):
            self._detach(program.number)

    # Time

    def _expire(self) -> None:
        while self._open:
            event = next(iter(self._open.values()))
            if event.expires > self._now:
                break
            self._give_up(event)

    def _forget_old(self) -> None:
        before = self._now - REDELIVERY_WINDOW
        while self._done and next(iter(self._done.values())) < before:
            self._done.popitem(last=False)
        while self._late and next(iter(self._late.values())).expires < before:
            self._drop_late()
        while self._handed and next(iter(self._handed.values())).at < before:
            self._forget_handed(next(iter(self._handed)))
        while self._twins and (
            next(iter(self._twins.values())).at < before or len(self._twins) > MOST_ACKNOWLEDGED
        ):
            self._twins.popitem(last=False)

    def _next_deadline(self) -> int | None:
        times = [self._socket.deadline, self._outbox.deadline(self._now)]
        first = next(iter(self._open.values()), None)
        if first is not None:
            times.append(first.expires)
        times += [program.due[0].until for program in self._programs.values() if program.due]
        return min((each for each in times if each is not None), default=None)


def _plain(envelope_id: str) -> str:
    return msgspec.json.encode({"envelope_id": envelope_id}).decode()
