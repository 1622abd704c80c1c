"""What really happened, as the server saw it: what a client's own log is judged by."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from traymon.simulator.clock import now_ms, wall_ms

# A demo may run for weeks; a test looks at the last few minutes.
_CALLS_KEPT = 100_000
_LINKS_KEPT = 100_000
_TEXTS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """One WebSocket. ``…_at`` is ms of the clock that counts sleep, ``…_wall`` UTC ms of the same moment.

    ``ended_by``: the client's ``client_close`` (close frame), ``client_fin``, ``client_rst``, ``client_error`` (it
    broke the protocol); the server's ``fin``, ``rst``, ``close``, ``goodbye``, ``migration``, ``spent_url``,
    ``too_many_websockets``, ``stop`` (the simulator was stopped). The first end counts.
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
class Truth:
    """A snapshot."""

    links: tuple[LinkRecord, ...]
    calls: tuple[CallRecord, ...]
    oddities: tuple[str, ...]
    """What no well-behaved client does: a repeated message id, text that is no JSON, a frame above 16 KB …"""

    def links_of(self, token: str) -> tuple[LinkRecord, ...]:
        """The links of one token, oldest first."""
        return tuple(link for link in self.links if link.token == token)

    def calls_of(self, token: str, method: str | None = None) -> tuple[CallRecord, ...]:
        """The calls made with one token, oldest first."""
        return tuple(c for c in self.calls if c.token == token and method in (None, c.method))


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
        self._received: dict[str, deque[str]] = {}
        self._serial = 0

    def truth(self) -> Truth:
        """All records so far."""
        with self._changed:
            return Truth(tuple(self._links.values()), tuple(self._calls), tuple(self._oddities))

    def received(self, token: str) -> tuple[str, ...]:
        """The texts that came over the token's links, pings left out, oldest first; the last 1,000."""
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

    def text(self, token: str, text: str) -> None:
        """A text other than a ping came over a link."""
        with self._changed:
            self._received.setdefault(token, deque(maxlen=_TEXTS_KEPT)).append(text)
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
