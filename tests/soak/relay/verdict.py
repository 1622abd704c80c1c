"""What programs got and sent, held against what traymon received and what Slack got: sentences, none when all is well.

Rules for RTM: what a program got is a part of what traymon received, in that order and without a gap; it begins no
later than at what came after the program had read its ``hello``, and no earlier than where it asked to attach; and who
left politely had all that had come when it began to leave. A rude one may have had less, which nobody can know.

Rules for Socket Mode: Slack is told of no acknowledgement that no program gave, of each on the link that brought the
envelope and once; its payload is as one program gave it. An envelope goes to a program at most once, and to a second
program only when the first began to leave or let 2 s pass.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.soak.relay.programs import FAR_AWAY, Ack, Life
from tests.soak.relay.tap import Envelope, Tap
from traymon.relay.core.limits import ACK_LIMIT, OFFER_LIMIT
from traymon.relay.core.rtm import FIRST_ID, OFFLINE, TOO_FAST
from traymon.simulator import DeliveryRecord, LinkRecord, TextRecord

CLOCK_MS = 2
"""Two readings of one clock, each cut to whole milliseconds."""
STAYED_MS = ACK_LIMIT
"""Who was attached when an envelope came, and for so long after, could have had it."""


def on_lives(lives: Iterable[Life]) -> list[str]:
    """What no program may see."""
    return [f"{life.name}: {fault}" for life in lives for fault in life.faults]


def on_events(tap: Tap, lives: Iterable[Life]) -> list[str]:
    """RTM: each event exactly once and in order."""
    place = {number: index for index, number in enumerate(tap.order)}
    return [f"{life.name}: {what}" for life in lives for what in _of_one(tap, place, life)]


def _of_one(tap: Tap, place: dict[int, int], life: Life) -> Iterator[str]:
    seen: set[int] = set()
    places = []
    for number in life.received:
        if number not in seen:
            places.append(place.get(number, -1))
        elif number not in tap.uncertain:
            yield f"event {number} came twice"
        seen.add(number)
    if -1 in places:
        yield "it got what traymon never received"
    if places and places != list(range(places[0], places[0] + len(places))):
        yield f"out of order, or with gaps: {places}"
    begun = places[0] if places else life.greeted
    if not life.asked <= begun <= life.greeted and places:
        yield f"it began at {begun}, but asked at {life.asked} and was greeted at {life.greeted}"
    ended = places[-1] + 1 if places else 0
    if not life.rude and ended < life.leaving and life.greeted < life.leaving:
        yield f"it ended at {ended}, but left at {life.leaving}"


def on_replies(lives: Sequence[Life], texts: Sequence[TextRecord]) -> list[str]:
    """RTM: each message goes up at most once, under an id of its own, and its one reply returns to its sender."""
    found = []
    up = [json.loads(record.text) for record in texts]
    times_up = Counter(message.get("text") for message in up)
    ids = Counter(message["id"] for message in up)
    found += [f"id {number} went up {n} times" for number, n in ids.items() if n > 1 or number < FIRST_ID]
    theirs = {text for life in lives for text in life.sent.values()}
    found += [f"went up {n} times: {text}" for text, n in times_up.items() if n > 1 or text not in theirs]
    for life in lives:
        for number, replies in life.replies.items():
            if number not in life.sent or len(replies) != 1:
                found.append(f"{life.name}: {len(replies)} replies to its {number}: {replies}")
            else:
                fault = _wrong(life.sent[number], replies[0], times_up)
                found += [f"{life.name}: {fault}"] if fault else []
    return found


def _wrong(text: str, reply: dict[str, object], times_up: Counter[object]) -> str | None:
    if not text:
        return None if reply.get("type") == "pong" else f"a ping was answered by {reply}"
    if reply.get("ok") is True:
        right = reply.get("text") == text and times_up[text] == 1
        return None if right else f"{text!r} was confirmed by {reply}, up {times_up[text]} times"
    refused = reply.get("error") in [{"code": why.code, "msg": why.text} for why in (OFFLINE, TOO_FAST)]
    return f"{text!r} went up, though refused by {reply}" if refused and times_up[text] else None


def on_envelopes(tap: Tap, lives: Sequence[Life]) -> list[str]:
    """Socket Mode: each envelope to one program at a time, and to one for certain where one was there."""
    found = []
    given: dict[str, list[tuple[int, Life]]] = defaultdict(list)
    for life in lives:
        for envelope_id, at in life.given:
            given[envelope_id].append((at, life))
    for envelope_id, takers in given.items():
        envelope = tap.envelopes.get(envelope_id)
        if envelope is None:
            found.append(f"{envelope_id} was given, but never came")
        else:
            found += _shared(envelope, sorted(takers, key=lambda taker: taker[0]))
    for envelope in tap.envelopes.values():
        first = tap.first_of_event.get(envelope.event_id, envelope.envelope_id) == envelope.envelope_id
        if first and envelope.envelope_id not in given and _had_a_taker(tap, envelope, lives):
            found.append(f"{envelope} reached no program")
    return found


def _shared(envelope: Envelope, takers: list[tuple[int, Life]]) -> Iterator[str]:
    times = Counter(life.name for _, life in takers)
    if max(times.values()) > envelope.arrivals:
        yield f"{envelope} went to {times}"
    for index, (at, life) in enumerate(takers[1:], 1):
        in_time = at < envelope.at + OFFER_LIMIT - CLOCK_MS
        before = [other for _, other in takers[:index]]
        if in_time and all(other.leaving_at > at for other in before):
            yield f"{envelope} went to {life.name} at {at}, though {[each.name for each in before]} had it"


def _had_a_taker(tap: Tap, envelope: Envelope, lives: Sequence[Life]) -> bool:
    """Whether a program was there for long, and no rude one can have taken the envelope with it.

    Nor a polite one: what is on its way to a program when it closes is offered to the next while the link is up.
    """
    until = envelope.at + STAYED_MS
    stayed = any(life.greeted_at < envelope.at and until < life.leaving_at for life in lives)
    left = any(
        life.leaving_at != FAR_AWAY and envelope.at - ACK_LIMIT < life.leaving_at < until for life in lives
    )
    lost = tap.down_at.get(envelope.link, until) < until
    return stayed and not (left and lost)


def on_acknowledgements(
    lives: Sequence[Life], deliveries: Sequence[DeliveryRecord], links: Iterable[LinkRecord]
) -> list[str]:
    """Socket Mode: nothing is acknowledged but by a program, and all that one acknowledged, if its link lived."""
    found = []
    acks = acks_by_envelope(lives)
    event_of = {delivery.envelope_id: delivery.event_id for delivery in deliveries}
    first_ack: dict[str, int] = {}
    for envelope_id, given in acks.items():
        event_id = event_of.get(envelope_id, "")
        first_ack[event_id] = min([first_ack.get(event_id, given[0].at), *(ack.at for ack in given)])
    over = {link.serial for link in links if link.ended_at is not None}
    for delivery in deliveries:
        own = acks.get(delivery.envelope_id, [])
        if delivery.acked_at is None:
            if own and delivery.link is not None and delivery.link not in over:
                how = [
                    (life.name, life.rude, ack.at - delivery.at, life.leaving_at - ack.at)
                    for life in lives
                    for ack in life.acks
                    if ack.envelope_id == delivery.envelope_id
                ]
                found.append(f"the acknowledgement of {delivery} did not come up: {how}")
        elif delivery.response is None:
            # The hub's own: of a redelivery of what a program acknowledged.
            if not delivery.event_id or first_ack.get(delivery.event_id, FAR_AWAY) > delivery.acked_at:
                found.append(f"no program acknowledged {delivery}")
        elif all(ack.payload != delivery.response for ack in own):
            found.append(f"no program gave this answer to {delivery}: {delivery.response}")
    return found


def acks_by_envelope(lives: Iterable[Life]) -> dict[str, list[Ack]]:
    """All acknowledgements that programs sent."""
    acks: dict[str, list[Ack]] = defaultdict(list)
    for life in lives:
        for ack in life.acks:
            acks[ack.envelope_id].append(ack)
    return acks
