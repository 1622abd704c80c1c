"""What came of one client in one ordeal, from the simulator's records and traymon's log."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.peers.ordeals import OPENING
from traymon.simulator import LinkRecord, Truth

LIMIT_S = 90
"""A client that is not back so long after the fault, or after the outage's end, counts as never."""


@dataclass(frozen=True, slots=True)
class Said:
    """A line of traymon's log, and when it was seen there, after the commit."""

    at: int
    kind: str
    bot: str


@dataclass(frozen=True, slots=True)
class Case:
    """One client in one ordeal. Instants are ms of the clock that counts sleep."""

    bot: str
    tokens: tuple[str, ...]
    """All it calls with; the last one holds the link."""
    transport: str
    planned: bool
    struck_at: int
    serial: int
    """Of the last link before."""
    counts_from: int
    """The strike, or the end of the outage."""

    def next_link(self, truth: Truth) -> LinkRecord | None:
        """The first link since the strike that was greeted after ``counts_from``, or at once where it is planned."""
        for link in truth.links_of(self.tokens[-1]):
            if link.serial > self.serial and link.hello_at is not None and link.hello_at >= self.struck_at:
                return link
        return None

    def over(self, truth: Truth, now: int) -> bool:
        """Whether there is nothing more to wait for."""
        if now >= self.counts_from + LIMIT_S * 1000:
            return True
        link = self.next_link(truth)
        if link is None:
            return False
        # A gap is known once the old link has ended.
        return not self.planned or self._old(truth).ended_at is not None

    def outcome(self, truth: Truth, said: Iterable[Said]) -> "Outcome":
        """Once :meth:`over`."""
        link = self.next_link(truth)
        until = self.counts_from + LIMIT_S * 1000 if link is None or link.hello_at is None else link.hello_at
        calls = [c for token in self.tokens for c in truth.calls_of(token) if self.struck_at <= c.at <= until]
        opening = [c.at for c in calls if c.method in OPENING[self.transport]]
        logged = [
            s.at
            for s in said
            if s.bot == self.bot and s.at >= self.struck_at and s.kind in ("stop", "handover")
        ]
        signs = [*opening[:1], *logged[:1]]
        return Outcome(
            back_s=self._back_s(truth, link),
            calls=len(calls),
            links=sum(
                one.serial > self.serial and one.gone_at is None for one in truth.links_of(self.tokens[-1])
            ),
            noticed_s=(min(signs) - self.struck_at) / 1000 if signs else math.inf,
            logged_s=(logged[0] - self.struck_at) / 1000 if logged else math.inf,
        )

    def _back_s(self, truth: Truth, link: LinkRecord | None) -> float:
        if link is None or link.hello_at is None:
            return math.inf
        since = self.counts_from
        if self.planned:
            since = self._old(truth).ended_at or link.hello_at
        return max(0, link.hello_at - since) / 1000

    def _old(self, truth: Truth) -> LinkRecord:
        return next(link for link in truth.links_of(self.tokens[-1]) if link.serial == self.serial)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds are infinite for what never came."""

    back_s: float
    calls: int
    links: int
    """Open in the end; more than one means that events come twice, or that payloads are shared out."""
    noticed_s: float
    """Traymon: until it asked for a link, or until its log had the stop, whichever was first."""
    logged_s: float
    """Traymon: until its log had the stop (or the handover): committed, then written to the text log."""
