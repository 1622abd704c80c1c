"""Socket Mode's envelopes: to any one link, acknowledged within 3 s or, if an event, delivered again."""

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from traymon.simulator.bots import Bot
from traymon.simulator.clock import now_ms
from traymon.simulator.link import ServedLink
from traymon.simulator.truth import DeliveryRecord, Ledger

Kind = Literal["events_api", "slash_commands", "interactive"]
ACK_LIMIT_MS = 3_000
"""Slack's limit for an acknowledgement."""
REDELIVERY_MS = (0, 60_000, 300_000)
"""Slack's waits before it delivers an unacknowledged event again."""
# Bounds what is remembered of envelopes that were acknowledged or given up.
_REMEMBERED = 10_000


@dataclass(slots=True, eq=False)
class _Pending:
    """What was handed to Slack, under whatever envelopes it is delivered."""

    token: str = field(repr=False)
    kind: Kind
    payload: Mapping[str, object] = field(repr=False)
    accepts_response: bool
    event_id: str
    attempt: int = 0
    envelope_id: str = ""
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    pending: _Pending
    delivery: int
    link: int | None
    at: int


class Envelopes:
    """Everything here runs on the loop's thread.

    ``links`` gives a token's greeted links. ``redelivery_factor`` shortens the waits of 1 and 5 minutes.
    """

    def __init__(
        self,
        ledger: Ledger,
        choice: random.Random,
        links: Callable[[str], list[ServedLink]],
        ack_limit_ms: int,
        redelivery_factor: float,
    ) -> None:
        self._ledger = ledger
        self._choice = choice
        self._links = links
        self._ack_limit_ms = ack_limit_ms
        self._waits_ms = tuple(round(wait * redelivery_factor) for wait in REDELIVERY_MS)
        self._ghosts: dict[str, int] = {}
        self._pending: dict[str, list[_Pending]] = {}
        self._sent: dict[str, list[_Sent]] = {}  # by envelope, its deliveries that are not yet acknowledged

    def haunt(self, token: str, ghosts: int) -> None:
        """Let that many registrations of dead links linger: they count, and swallow what they are given."""
        self._ghosts[token] = ghosts

    def registered(self, token: str) -> int:
        """How many connections Slack believes the app has."""
        return len(self._links(token)) + self._ghosts.get(token, 0)

    def deliver(
        self, token: str, kind: Kind, payload: Mapping[str, object], accepts_response: bool | None
    ) -> str:
        """Give an envelope to any one link; its id. Without a link the attempt has failed, and an event comes again."""
        event_id = payload.get("event_id") if kind == "events_api" else ""
        if kind == "events_api" and not isinstance(event_id, str):
            raise ValueError("an event's payload has an event_id")
        accepts = kind != "events_api" if accepts_response is None else accepts_response
        pending = _Pending(token, kind, payload, accepts, str(event_id))
        self._pending.setdefault(token, []).append(pending)
        return self._send(pending)

    def repeat(self, envelope_id: str) -> None:
        """Deliver an envelope once more under the same id, its attempt still 0, as Slack sometimes does."""
        sent = self._sent.get(envelope_id)
        if not sent:
            raise LookupError("no such envelope was delivered")
        self._put(sent[0].pending, envelope_id, attempt=0)

    def redeliver(self, token: str) -> int:
        """Do at once what Slack does when its waits are over, for every event not acknowledged; how many."""
        waiting = [p for p in self._pending.get(token, ()) if p.kind == "events_api"]
        for pending in waiting:
            self._again(pending)
        return len(waiting)

    def acknowledged(self, link: ServedLink, message: Mapping[str, object]) -> None:
        """A client's text with an ``envelope_id``."""
        envelope_id = str(message["envelope_id"])
        known = self._sent.get(envelope_id)
        if known is None:  # pushed by hand, or long ago
            return
        sent = next((s for s in known if s.link == link.serial), None)
        if sent is None:
            self._ledger.odd("an acknowledgement that comes twice, or on another link than its envelope")
            return
        in_time = now_ms() - sent.at <= self._ack_limit_ms and sent.pending.envelope_id == envelope_id
        known.remove(sent)
        self._ledger.acknowledged(sent.delivery, in_time=in_time, response=message.get("payload"))
        if in_time:
            self._done(sent.pending)

    def _send(self, pending: _Pending) -> str:
        pending.envelope_id = str(uuid.UUID(int=self._choice.getrandbits(128), version=4))
        self._put(pending, pending.envelope_id, attempt=pending.attempt)
        pending.timer = asyncio.get_running_loop().call_later(
            self._ack_limit_ms / 1000, self._failed, pending
        )
        return pending.envelope_id

    def _put(self, pending: _Pending, envelope_id: str, attempt: int) -> None:
        links = self._links(pending.token)
        ghosts: list[ServedLink | None] = [None] * self._ghosts.get(pending.token, 0)
        link = self._choice.choice([*links, *ghosts]) if links or ghosts else None
        serial = None if link is None else link.serial
        record = DeliveryRecord(
            token=pending.token,
            envelope_id=envelope_id,
            kind=pending.kind,
            event_id=pending.event_id,
            attempt=attempt,
            link=serial,
            at=now_ms(),
        )
        delivery = self._ledger.delivered(record)
        while len(self._sent) >= _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        self._sent.setdefault(envelope_id, []).append(_Sent(pending, delivery, serial, record.at))
        if link is not None:
            link.text(_envelope(pending, envelope_id, attempt))

    def _failed(self, pending: _Pending) -> None:
        if pending.kind != "events_api" or pending.attempt >= len(self._waits_ms):
            self._done(pending)
            return
        wait_ms = self._waits_ms[pending.attempt]
        pending.timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self._again, pending)

    def _again(self, pending: _Pending) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
        if pending.attempt >= len(self._waits_ms):
            self._done(pending)
            return
        pending.attempt += 1
        self._send(pending)

    def _done(self, pending: _Pending) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
        waiting = self._pending.get(pending.token, [])
        if pending in waiting:
            waiting.remove(pending)


def event_payload(bot: Bot, event: Mapping[str, object], event_id: str, seconds: int) -> dict[str, object]:
    """The payload around an event of the Events API; ``seconds`` since 1970."""
    return {
        "token": "verification",
        "team_id": bot.team_id,
        "context_team_id": bot.team_id,
        "api_app_id": bot.app_id,
        "event": dict(event),
        "type": "event_callback",
        "event_id": event_id,
        "event_time": seconds,
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": bot.team_id,
                "user_id": bot.user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
    }


def _envelope(pending: _Pending, envelope_id: str, attempt: int) -> str:
    body: dict[str, object] = {
        "envelope_id": envelope_id,
        "payload": pending.payload,
        "type": pending.kind,
        "accepts_response_payload": pending.accepts_response,
    }
    if pending.kind == "events_api":
        body |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
    return json.dumps(body)
