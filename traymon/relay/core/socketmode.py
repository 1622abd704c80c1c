"""Socket Mode: each envelope goes to one program, and its acknowledgement back to where the envelope came from.

Rules
-----
1. An envelope is given to one attached program: of those with the fewest that they owe an acknowledgement for, the
   one longest idle. What has no ``envelope_id`` concerns the link alone and reaches nobody.
2. The first acknowledgement goes up, unchanged, on the link that brought the envelope; later ones are dropped. The
   hub acknowledges nothing that no program acknowledged.
3. A program that detaches, or owes the acknowledgement for 2 s while another could have it, loses the envelope to
   another. After Slack's 3 s the envelope is forgotten but for its name: its acknowledgement still counts.
4. With no program attached an envelope waits for one as long as Slack waits, 3 s, and is forgotten.
5. Slack redelivers events, under the same or another ``envelope_id``; they are known by their ``event_id``. While one
   is being handled, a redelivery joins it: a program's acknowledgement serves both, and goes up for each arrival. For
   ten minutes after a program acknowledged it, a redelivery is acknowledged at once and given to nobody.
6. An envelope whose link has ended can no longer be acknowledged: nobody gets it any more. A program that has it is
   heard all the same, as Slack is going to redeliver it.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import msgspec

from traymon.relay.core import events as ev
from traymon.relay.core import jsontext
from traymon.relay.core.effects import (
    CutProgram,
    DropKind,
    Dropped,
    Effect,
    ProgramNote,
    ProgramNoteKind,
    Settled,
    ToProgram,
    ToSlack,
)
from traymon.relay.core.limits import (
    ACK_LIMIT,
    MOST_ACKNOWLEDGED,
    MOST_DELIVERIES,
    MOST_OPEN,
    MOST_OPEN_BYTES,
    MOST_UNANSWERED,
    OFFER_LIMIT,
    REDELIVERY_WINDOW,
    SECOND,
)
from traymon.relay.core.tolerance import Tolerance

HOST = "traymon"
"""The ``host`` that programs are told: it is no server of Slack's."""


@dataclass(slots=True)
class _Link:
    """A link that is up."""

    up_at: int
    hello: ev.LinkUp
    relieved: bool = False
    settled: bool = False


@dataclass(slots=True)
class _Program:
    number: int
    tolerance: Tolerance
    busy_at: int
    """When it attached, last got an envelope or last acknowledged one."""
    holds: set[int] = field(default_factory=set)
    """The envelopes (serials) that it owes an acknowledgement for."""
    owes: int = 0
    """Envelopes in a row that it let pass unanswered."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One arrival of an envelope."""

    envelope_id: str
    link: int


@dataclass(slots=True)
class _Envelope:
    """An envelope that waits for its acknowledgement."""

    serial: int
    text: bytes
    event_id: str | None
    deliveries: list[_Delivery]
    """The first is the one that ``text`` came with."""
    expires: int
    offered_at: int = 0
    holders: set[int] = field(default_factory=set)
    """Programs that have it and are attached."""
    given: set[int] = field(default_factory=set)
    """Programs that ever got it."""
    late: set[int] = field(default_factory=set)
    """Of them, those that did not acknowledge it in time."""


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """An envelope that nobody acknowledged in time; somebody may yet."""

    at: int
    event_id: str | None
    deliveries: Sequence[_Delivery]
    given: Set[int]


class SocketHub:
    """One bot's programs and links."""

    def __init__(self) -> None:
        self._now = 0
        self._links: dict[int, _Link] = {}  # those that are up
        self._programs: dict[int, _Program] = {}
        self._others = 0  # links of the app at Slack that are not ours, as the latest hello counted
        self._app_id = ""
        self._serial = 0
        self._open: OrderedDict[int, _Envelope] = OrderedDict()  # by serial, in the order of their expiring
        self._open_bytes = 0
        self._by_id: dict[str, _Envelope] = {}  # the open ones, by each envelope_id they came under
        self._by_event: dict[str, _Envelope] = {}  # the open ones that are events
        self._offers: deque[tuple[int, int]] = deque()  # (when it was given to a program, serial), in order
        self._acknowledged: OrderedDict[str, int] = OrderedDict()  # when, by event_id, in order
        self._unanswered: OrderedDict[str, _Unanswered] = OrderedDict()  # by envelope_id, in order
        self._effects: list[Effect] = []

    @property
    def deadline(self) -> int | None:
        """When a :class:`~traymon.relay.core.events.Tick` is due, or ``None``."""
        first = next(iter(self._open.values()), None)
        if first is None:
            return None
        while self._offers and not self._stands(*self._offers[0]):
            self._offers.popleft()
        return min(first.expires, self._offers[0][0] + OFFER_LIMIT if self._offers else first.expires)

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        """Take in what happened at ``now`` (ms). Never raises; what cannot be here any more changes nothing."""
        self._now = max(now, self._now)
        self._effects = []
        # Before the event: a program that attaches must not get what Slack no longer waits for.
        self._forget_old()
        self._expire()
        self._offer_late_ones_anew()
        self._take_in(event)
        self._settle()
        return self._effects

    def _take_in(self, event: ev.Event) -> None:
        match event:
            case ev.FromSlack(link, text):
                self._from_slack(link, text)
            case ev.FromProgram(program, text):
                self._from_program(program, text)
            case ev.LinkUp(link):
                self._link_up(link, event)
            case ev.LinkRelieved(link):
                if link in self._links:
                    self._links[link].relieved = True
            case ev.LinkDown(link):
                self._link_down(link)
            case ev.Attached(program):
                self._attach(program)
            case ev.Detached(program):
                self._detach(program)
            case _:
                # A Tick: nothing but time. Or a SendFailed: what the program acknowledged stays acknowledged, and the
                # hub answers Slack's redelivery.
                pass

    def _do(self, *effects: Effect) -> None:
        self._effects += effects

    # Links

    def _link_up(self, number: int, hello: ev.LinkUp) -> None:
        self._links[number] = _Link(self._now, hello)
        self._others = max(0, (hello.num_connections or 0) - len(self._links))
        self._app_id = hello.app_id or self._app_id

    def _link_down(self, number: int) -> None:
        self._links.pop(number, None)
        for envelope in list(self._open.values()):
            if not envelope.holders and not self._homes(envelope):
                self._give_up(envelope)

    def _homes(self, envelope: _Envelope) -> list[_Delivery]:
        """The arrivals that can still be acknowledged."""
        return [each for each in envelope.deliveries if each.link in self._links]

    def _settle(self) -> None:
        for number, link in self._links.items():
            if link.relieved and not link.settled:
                link.settled = not any(
                    each.link == number for envelope in self._open.values() for each in envelope.deliveries
                )
                if link.settled:
                    self._do(Settled(number))

    # Programs

    def _attach(self, number: int) -> None:
        self._programs[number] = _Program(number, Tolerance(number), self._now)
        self._do(ToProgram(number, self._hello()))
        for envelope in list(self._open.values()):
            self._offer_if_due(envelope)

    def _hello(self) -> bytes:
        """Slack's greeting, as true of a program's connection as of any: payloads are spread over as many."""
        debug_info: dict[str, object] = {"host": HOST}
        link = self._links[max(self._links)] if self._links else None
        if link is not None and link.hello.connection_time_s is not None:
            lived_s = (self._now - link.up_at) // SECOND
            debug_info["approximate_connection_time"] = max(0, link.hello.connection_time_s - lived_s)
        return msgspec.json.encode(
            {
                "type": "hello",
                "num_connections": self._others + len(self._programs),
                "debug_info": debug_info,
                "connection_info": {"app_id": self._app_id},
            }
        )

    def _detach(self, number: int) -> None:
        program = self._programs.pop(number, None)
        if program is None:
            return
        for serial in sorted(program.holds):
            envelope = self._open[serial]
            envelope.holders.discard(number)
            if not envelope.holders:
                self._offer(envelope)

    def _from_program(self, number: int, text: bytes) -> None:
        program = self._programs.get(number)
        if program is None:
            return
        try:
            decoded = text.decode()
            envelope_id = jsontext.text_value(jsontext.members(decoded), "envelope_id")
        except (ValueError, RecursionError):
            envelope_id = None
        if envelope_id is None:
            self._garbage(program)
        else:
            self._acknowledge(program, envelope_id, decoded)

    def _garbage(self, program: _Program) -> None:
        effects = program.tolerance.garbage(self._now)
        self._do(*effects)
        if isinstance(effects[-1], CutProgram):
            self._detach(program.number)

    # Envelopes

    def _from_slack(self, link: int, text: bytes) -> None:
        head = jsontext.head(text)
        if head is None or link not in self._links:
            self._do(Dropped(DropKind.UNREADABLE))
            return
        envelope_id = jsontext.string(head.envelope_id)
        if envelope_id is None:
            self._do(Dropped(DropKind.LINK_ONLY))
            return
        delivery, event_id = _Delivery(envelope_id, link), jsontext.event_id(head.payload) or None
        known = self._by_event.get(event_id or "") or self._by_id.get(envelope_id)
        if event_id in self._acknowledged:
            self._do(ToSlack(link, _plain(envelope_id)), Dropped(DropKind.REDELIVERY))
        elif known is not None:
            self._join(known, delivery)
        elif len(self._open) >= MOST_OPEN or (self._open and self._open_bytes + len(text) > MOST_OPEN_BYTES):
            self._do(Dropped(DropKind.TOO_MUCH))
        else:
            self._take(text, event_id, delivery)

    def _take(self, text: bytes, event_id: str | None, delivery: _Delivery) -> None:
        self._serial += 1
        envelope = _Envelope(self._serial, text, event_id, [delivery], self._now + ACK_LIMIT)
        self._open[envelope.serial] = self._by_id[delivery.envelope_id] = envelope
        self._open_bytes += len(text)
        if event_id is not None:
            self._by_event[event_id] = envelope
        self._offer(envelope)

    def _join(self, envelope: _Envelope, delivery: _Delivery) -> None:
        """The same again, while it is being handled: Slack waits anew."""
        self._do(Dropped(DropKind.REDELIVERY))
        if len(envelope.deliveries) >= MOST_DELIVERIES:
            return
        envelope.deliveries.append(delivery)
        self._by_id[delivery.envelope_id] = envelope
        envelope.expires = self._now + ACK_LIMIT
        self._open.move_to_end(envelope.serial)
        self._offer_if_due(envelope)

    def _offer_if_due(self, envelope: _Envelope) -> None:
        if not envelope.holders or envelope.offered_at + OFFER_LIMIT <= self._now:
            self._offer(envelope)

    def _offer(self, envelope: _Envelope) -> None:
        """Give it to a program that has not had it, if there is one and it could still be acknowledged."""
        if not self._homes(envelope):
            if not envelope.holders:
                self._give_up(envelope)
            return
        program = min(
            (each for each in self._programs.values() if each.number not in envelope.given),
            key=lambda each: (len(each.holds) + each.owes, each.busy_at, each.number),
            default=None,
        )
        if program is None:
            return
        self._late(envelope)
        program.busy_at = envelope.offered_at = self._now
        program.holds.add(envelope.serial)
        envelope.holders.add(program.number)
        envelope.given.add(program.number)
        self._offers.append((self._now, envelope.serial))
        self._do(ToProgram(program.number, envelope.text, event=True))

    def _late(self, envelope: _Envelope) -> None:
        """Those who have it did not acknowledge it in time."""
        for number in sorted(envelope.holders - envelope.late):
            envelope.late.add(number)
            self._programs[number].owes += 1
            self._do(ProgramNote(number, ProgramNoteKind.OVERDUE))

    def _acknowledge(self, program: _Program, envelope_id: str, text: str) -> None:
        envelope, late = self._by_id.get(envelope_id), self._unanswered.get(envelope_id)
        program.busy_at, program.owes = self._now, 0
        if envelope is not None and program.number in envelope.given:
            self._send_up(program, envelope.deliveries, envelope_id, text)
            self._remember(envelope.event_id)
            self._close(envelope)
        elif late is not None and program.number in late.given:
            del self._unanswered[envelope_id]
            self._send_up(program, late.deliveries, envelope_id, text)
            self._remember(late.event_id)
            self._serve_redelivery(late.event_id)
        else:
            self._do(ProgramNote(program.number, ProgramNoteKind.LATE_ACK))

    def _send_up(
        self, program: _Program, deliveries: Iterable[_Delivery], envelope_id: str, text: str
    ) -> None:
        homes = [each for each in deliveries if each.link in self._links]
        answered: set[_Delivery] = set()
        for each in homes:
            # Each arrival is acknowledged, as Slack may count them; the program's answer is given once a link.
            own = each.envelope_id == envelope_id and each not in answered
            answered.add(each)
            self._do(ToSlack(each.link, text if own else _plain(each.envelope_id)))
        self._do(ProgramNote(program.number, ProgramNoteKind.ACKED if homes else ProgramNoteKind.LOST_ACK))

    def _serve_redelivery(self, event_id: str | None) -> None:
        """A late acknowledgement serves what Slack redelivered meanwhile, too."""
        envelope = self._by_event.get(event_id or "")
        if envelope is not None:
            self._do(*(ToSlack(each.link, _plain(each.envelope_id)) for each in self._homes(envelope)))
            self._close(envelope)

    def _remember(self, event_id: str | None) -> None:
        if event_id is not None:
            self._acknowledged[event_id] = self._now
            self._acknowledged.move_to_end(event_id)
            if len(self._acknowledged) > MOST_ACKNOWLEDGED:
                self._acknowledged.popitem(last=False)

    def _close(self, envelope: _Envelope) -> None:
        """It is over, acknowledged or not."""
        del self._open[envelope.serial]
        self._open_bytes -= len(envelope.text)
        self._by_event.pop(envelope.event_id or "", None)
        for each in envelope.deliveries:
            self._by_id.pop(each.envelope_id, None)
        for number in envelope.holders:
            self._programs[number].holds.discard(envelope.serial)

    def _give_up(self, envelope: _Envelope) -> None:
        """Nobody acknowledged it, or can any more."""
        self._late(envelope)
        self._close(envelope)
        self._do(Dropped(DropKind.UNANSWERED))
        if envelope.given:
            envelope_id = envelope.deliveries[0].envelope_id  # the one that programs were given
            unanswered = _Unanswered(self._now, envelope.event_id, envelope.deliveries, envelope.given)
            self._unanswered[envelope_id] = unanswered
            self._unanswered.move_to_end(envelope_id)
            if len(self._unanswered) > MOST_UNANSWERED:
                self._unanswered.popitem(last=False)

    # Time

    def _expire(self) -> None:
        while self._open:
            envelope = next(iter(self._open.values()))
            if envelope.expires > self._now:
                break
            self._give_up(envelope)

    def _offer_late_ones_anew(self) -> None:
        while self._offers and self._offers[0][0] + OFFER_LIMIT <= self._now:
            offer = self._offers.popleft()
            if self._stands(*offer):
                self._offer(self._open[offer[1]])

    def _stands(self, at: int, serial: int) -> bool:
        """Whether this is the latest offer of an open envelope."""
        return serial in self._open and self._open[serial].offered_at == at

    def _forget_old(self) -> None:
        before = self._now - REDELIVERY_WINDOW
        while self._acknowledged and next(iter(self._acknowledged.values())) < before:
            self._acknowledged.popitem(last=False)
        while self._unanswered and next(iter(self._unanswered.values())).at < before:
            self._unanswered.popitem(last=False)


def _plain(envelope_id: str) -> str:
    return msgspec.json.encode({"envelope_id": envelope_id}).decode()
