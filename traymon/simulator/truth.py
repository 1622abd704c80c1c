"""What really happened, as the server saw it: what a client's own log is judged by."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from traymon.simulator.clock import now_ms, wall_ms

# A demo may run for weeks; a test looks at the last few minutes.
_CALLS_KEPT = 100_000
_LINKS_KEPT = 100_000
_TEXTS_KEPT = 1_000
# Requests are kept with their headers and bodies.
_REQUESTS_KEPT = 1_000
_DELIVERIES_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """One WebSocket. ``…_at`` is ms of the clock that counts sleep, ``…_wall`` UTC ms of the same moment.

    ``ended_by``: the client's ``client_close`` (close frame), ``client_fin``, ``client_rst``, ``client_error`` (it
    broke the protocol); the server's ``fin``, ``rst``, ``close``, ``goodbye``, ``migration``, ``spent_url``,
    ``too_many_websockets``, ``rate_limited``, ``stop`` (the simulator was stopped). The first end counts.
    """

    token: str = field(repr=False)
    serial: int
    transport: str
    """``rtm`` or ``socket``."""
    opened_at: int
    opened_wall: int
    hello_at: int | None = None
    hello_wall: int | None = None
    ended_at: int | None = None
    ended_wall: int | None = None
    ended_by: str | None = None
    close_code: int | None = None
    """Of the close frame that ended it, the client's or the server's."""
    gone_at: int | None = None
    """When the server's socket was gone: no earlier than ``ended_at``, later where the client lingers."""
    last_sent_at: int | None = None
    """When the server last put a frame on the wire: the client can have no later proof of life."""
    pings: int = 0
    """JSON pings received."""
    frame_pings: int = 0
    """WebSocket pings received."""
    peer: str = ""
    """The client's address and port, as the server sees them."""
    sends: int = 0
    """RTM messages received, those refused included."""
    presence_sub: tuple[str, ...] | None = None
    """The users of the last ``presence_sub``; Slack forgets them with the link."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One Web API call, recorded before it is answered."""

    token: str = field(repr=False)
    method: str
    at: int
    wall: int
    answer: str
    """``ok``, Slack's error code, or the fault's class name."""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One HTTP request with a whole body, as it came. The last 1,000 are kept."""

    token: str = field(repr=False)
    method: str
    """The Web API's method; ``upload`` and ``download`` for files."""
    at: int
    verb: str
    target: str = field(repr=False)
    """Path and query, undecoded."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    arguments: Mapping[str, object] = field(repr=False)
    """As Slack reads them, the token left out; a multipart body's files as bytes."""
    body: bytes = field(repr=False)
    """Empty where it was longer than 1 MB."""
    size: int
    sha256: str
    """Of the body, in hexadecimal."""

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One envelope put on one Socket Mode link. Instants are ms of the clock that counts sleep."""

    token: str = field(repr=False)
    envelope_id: str
    kind: str
    event_id: str
    """Empty for what is no event: only events are delivered again."""
    attempt: int
    """Slack's ``retry_attempt``: 0 for the first delivery."""
    link: int | None
    """The link's serial; ``None``: no link was open, or a dead link's registration swallowed it."""
    at: int
    acked_at: int | None = None
    """When the link that it went to acknowledged it."""
    in_time: bool = False
    """Whether that was within Slack's 3 s."""
    response: object = field(default=None, repr=False)
    """The acknowledgement's ``payload``."""


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One text from a client, JSON pings left out. The last 1,000 of each token are kept."""

    token: str = field(repr=False)
    link: int
    at: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Truth:
    """A snapshot."""

    links: tuple[LinkRecord, ...]
    calls: tuple[CallRecord, ...]
    oddities: tuple[str, ...]
    """What no well-behaved client does: a repeated message id, text that is no JSON, a frame above 16 KB …"""
    requests: tuple[RequestRecord, ...] = ()
    deliveries: tuple[DeliveryRecord, ...] = ()

    def links_of(self, token: str) -> tuple[LinkRecord, ...]:
        """The links of one token, oldest first."""
        return tuple(link for link in self.links if link.token == token)

    def calls_of(self, token: str, method: str | None = None) -> tuple[CallRecord, ...]:
        """The calls made with one token, oldest first."""
        return tuple(c for c in self.calls if c.token == token and method in (None, c.method))

    def requests_of(self, token: str, method: str | None = None) -> tuple[RequestRecord, ...]:
        """The requests made with one token, oldest first."""
        return tuple(r for r in self.requests if r.token == token and method in (None, r.method))

    def deliveries_of(self, token: str) -> tuple[DeliveryRecord, ...]:
        """The envelopes sent to the links of one app-level token, oldest first."""
        return tuple(d for d in self.deliveries if d.token == token)


class Ledger:
    """The records, written by the loop's thread and read by any."""

    def __init__(self) -> None:
        # Guards every attribute below and is notified at every change. The loop's thread takes it to write, tests'
        # threads to read and to wait; it is never held while anything is awaited or sent. It can be entered again
        # by the thread that holds it, so that a predicate of `wait` may ask for `truth()`.
        self._changed = threading.Condition(threading.RLock())
        self._links: dict[int, LinkRecord] = {}
        self._calls: deque[CallRecord] = deque(maxlen=_CALLS_KEPT)
        self._oddities: deque[str] = deque(maxlen=_TEXTS_KEPT)
        self._received: dict[str, deque[TextRecord]] = {}
        self._requests: deque[RequestRecord] = deque(maxlen=_REQUESTS_KEPT)
        self._deliveries: dict[int, DeliveryRecord] = {}
        self._serial = 0
        self._delivery = 0

    def truth(self) -> Truth:
        """All records so far."""
        with self._changed:
            return Truth(
                links=tuple(self._links.values()),
                calls=tuple(self._calls),
                oddities=tuple(self._oddities),
                requests=tuple(self._requests),
                deliveries=tuple(self._deliveries.values()),
            )

    def received(self, token: str) -> tuple[str, ...]:
        """The texts that came over the token's links, pings left out, oldest first; the last 1,000."""
        with self._changed:
            return tuple(record.text for record in self._received.get(token, ()))

    def texts(self, token: str) -> tuple[TextRecord, ...]:
        """The same, with the link that each came over."""
        with self._changed:
            return tuple(self._received.get(token, ()))

    def open_links(self, token: str) -> int:
        """How many WebSockets of the token have a socket at the server."""
        with self._changed:
            return sum(1 for r in self._links.values() if r.token == token and r.gone_at is None)

    def wait(self, predicate: Callable[[], object], timeout_s: float) -> bool:
        """Wait until ``predicate()`` is true, looked at after every change; whether it became so in time."""
        with self._changed:
            return bool(self._changed.wait_for(predicate, timeout_s))

    def opened(self, token: str, transport: str, peer: str) -> int:
        """A handshake was answered with 101; the new link's number."""
        with self._changed:
            self._serial += 1
            if len(self._links) >= _LINKS_KEPT:
                del self._links[next(iter(self._links))]
            self._links[self._serial] = LinkRecord(
                token, self._serial, transport, now_ms(), wall_ms(), peer=peer
            )
            self._changed.notify_all()
            return self._serial

    def hello(self, serial: int) -> None:
        """``hello`` was sent."""
        self._update(serial, hello_at=now_ms(), hello_wall=wall_ms())

    def sent(self, serial: int) -> None:
        """A frame was put on the wire."""
        self._update(serial, last_sent_at=now_ms())

    def pinged(self, serial: int, *, frame: bool) -> None:
        """A ping came."""
        with self._changed:
            if record := self._links.get(serial):
                if frame:
                    self._update(serial, frame_pings=record.frame_pings + 1)
                else:
                    self._update(serial, pings=record.pings + 1)

    def ended(self, serial: int, by: str, code: int | None = None) -> None:
        """The link ended; only the first end counts."""
        with self._changed:
            record = self._links.get(serial)
            if record and record.ended_by is None:
                self._update(serial, ended_at=now_ms(), ended_wall=wall_ms(), ended_by=by, close_code=code)

    def gone(self, serial: int) -> None:
        """The link's socket is closed."""
        self._update(serial, gone_at=now_ms())

    def called(self, token: str, method: str, answer: str) -> None:
        """An API call is being answered."""
        with self._changed:
            self._calls.append(CallRecord(token, method, now_ms(), wall_ms(), answer))
            self._changed.notify_all()

    def text(self, token: str, serial: int, text: str) -> None:
        """A text other than a ping came over a link."""
        with self._changed:
            record = TextRecord(token, serial, now_ms(), text)
            self._received.setdefault(token, deque(maxlen=_TEXTS_KEPT)).append(record)
            self._changed.notify_all()

    def sent_by_client(self, serial: int) -> None:
        """An RTM message came."""
        with self._changed:
            if record := self._links.get(serial):
                self._update(serial, sends=record.sends + 1)

    def subscribed(self, serial: int, users: tuple[str, ...]) -> None:
        """A ``presence_sub`` came."""
        self._update(serial, presence_sub=users)

    def requested(self, record: RequestRecord) -> None:
        """An HTTP request was read."""
        with self._changed:
            self._requests.append(record)
            self._changed.notify_all()

    def delivered(self, record: DeliveryRecord) -> int:
        """An envelope was put on a link, or met none; the delivery's number."""
        with self._changed:
            self._delivery += 1
            if len(self._deliveries) >= _DELIVERIES_KEPT:
                del self._deliveries[next(iter(self._deliveries))]
            self._deliveries[self._delivery] = record
            self._changed.notify_all()
            return self._delivery

    def acknowledged(self, delivery: int, *, in_time: bool, response: object) -> None:
        """A delivery was acknowledged on its link."""
        with self._changed:
            if record := self._deliveries.get(delivery):
                self._deliveries[delivery] = replace(
                    record, acked_at=now_ms(), in_time=in_time, response=response
                )
            self._changed.notify_all()

    def odd(self, what: str) -> None:
        """The client, or the simulator itself, did what it must not."""
        with self._changed:
            self._oddities.append(what)
            self._changed.notify_all()

    def _update(self, serial: int, **changes: Any) -> None:
        with self._changed:
            if serial in self._links:
                self._links[serial] = replace(self._links[serial], **changes)
            self._changed.notify_all()
