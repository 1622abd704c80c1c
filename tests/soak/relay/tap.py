"""What traymon received, in the very order in which the relay hears of it."""

import json
import threading
from dataclasses import dataclass

from traymon.keeper.shell.traffic import Traffic
from traymon.simulator.clock import now_ms
from traymon.slackwire import frames

COPY_CERTAIN_MS = 8_000
"""A copy that comes later than this may meet a relay that has forgotten its twin, which it may after 10 s."""


@dataclass(slots=True)
class Envelope:
    """A Socket Mode envelope that came. ``at``: ms, its first arrival."""

    envelope_id: str
    event_id: str
    link: int
    at: int
    arrivals: int = 1


@dataclass(slots=True)
class _First:
    """The first arrival of a numbered event of RTM."""

    links: set[int]
    at: int


class Tap:
    """Stands between one bot's keeper and the relay, as the :class:`Traffic` that the keeper is given."""

    def __init__(self, relay: Traffic) -> None:
        self._relay = relay
        # Held while something is written down and handed on, so that the order here is the relay's order where two
        # links are up. Link threads and programs take it, for microseconds: nothing handed on waits.
        self._lock = threading.Lock()
        self.order: list[int] = []
        """RTM: the numbers of all events, each at its first arrival."""
        self.copies = 0
        """RTM: events that a second link brought once more."""
        self.uncertain: set[int] = set()
        """RTM: numbers whose copy came so late that the relay may give it again."""
        self.envelopes: dict[str, Envelope] = {}
        """Socket Mode: by envelope_id, in the order of their arrival."""
        self.first_of_event: dict[str, str] = {}
        """Socket Mode: by event_id, the envelope_id that it came under first."""
        self.down_at: dict[int, int] = {}
        """When links ended, ms."""
        self.ups = 0
        self.reliefs = 0
        self._firsts: dict[int, _First] = {}
        self._met: dict[int, set[int]] = {}  # by link, those that were up together with it
        self._up: set[int] = set()

    def mark(self) -> int:
        """How many events there have been: all of them are with the relay's loop."""
        with self._lock:
            return len(self.order)

    def up(self, link: int, hello: frames.Hello) -> None:
        with self._lock:
            self.ups += 1
            self._met[link] = set(self._up)
            for other in self._up:
                self._met[other].add(link)
            self._up.add(link)
            self._relay.up(link, hello)

    def message(self, link: int, text: bytes) -> None:
        with self._lock:
            self._write_down(link, text)
            self._relay.message(link, text)

    def relieve(self, link: int) -> threading.Event:
        with self._lock:
            self.reliefs += 1
            return self._relay.relieve(link)

    def down(self, link: int) -> None:
        with self._lock:
            self._up.discard(link)
            self.down_at[link] = now_ms()
            self._relay.down(link)

    def _write_down(self, link: int, text: bytes) -> None:
        message = json.loads(text)
        if not isinstance(message, dict):
            return
        if "envelope_id" in message:
            self._envelope(link, message["envelope_id"], message["payload"].get("event_id", ""))
        elif "n" in message:
            self._event(link, message["n"], has_moment="ts" in message)

    def _event(self, link: int, number: int, *, has_moment: bool) -> None:
        first = self._firsts.get(number)
        if first is None:
            self._firsts[number] = _First({link}, now_ms())
            self.order.append(number)
            return
        self.copies += 1
        # A frame without a moment of its own may come twice by itself: only links that were up together bring copies.
        sure = has_moment or bool(first.links & self._met[link])
        if not sure or now_ms() - first.at > COPY_CERTAIN_MS:
            self.uncertain.add(number)
        first.links.add(link)

    def _envelope(self, link: int, envelope_id: str, event_id: str) -> None:
        known = self.envelopes.get(envelope_id)
        if known is not None:
            known.arrivals += 1
            return
        self.envelopes[envelope_id] = Envelope(envelope_id, event_id, link, now_ms())
        if event_id:
            self.first_of_event.setdefault(event_id, envelope_id)
