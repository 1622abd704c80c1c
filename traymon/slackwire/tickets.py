"""Tickets: the random part of a WebSocket URL, good for one connection within 30 s."""

from collections.abc import Callable

LIFETIME_MS = 30_000
"""Slack's own figure for the URL of ``rtm.connect``."""
_LIMIT = 4_096
"""Unredeemed tickets remembered; beyond, the oldest go. A client that asks without connecting cannot fill memory."""


class Tickets:
    """The tickets of one server. Not thread-safe: it belongs to the thread or loop that serves.

    ``draw`` makes a new random text, in earnest ``lambda: secrets.token_urlsafe(32)``: at 256 bits the time of a
    dictionary's look-up tells a guesser nothing.
    """

    def __init__(self, draw: Callable[[], str], *, limit: int = _LIMIT) -> None:
        if limit < 1:
            raise ValueError("there must be room for one ticket")
        self._draw = draw
        self._limit = limit
        self._issued: dict[str, int] = {}  # ticket -> when, oldest first

    def __len__(self) -> int:
        """How many tickets are remembered, the expired that nothing has swept yet included."""
        return len(self._issued)

    def __repr__(self) -> str:
        return f"<Tickets: {len(self._issued)} issued>"

    def issue(self, now: int) -> str:
        """A new ticket, good until ``now`` + 30 s; ``now`` in ms of a clock that never goes back."""
        ticket = self._draw()
        self._issued.pop(ticket, None)
        self._sweep(now)
        self._issued[ticket] = now
        return ticket

    def redeem(self, ticket: str, now: int) -> bool:
        """Whether ``ticket`` is good; from now on it is not."""
        issued_at = self._issued.pop(ticket, None)
        return issued_at is not None and now - issued_at <= LIFETIME_MS

    def _sweep(self, now: int) -> None:
        while self._issued:
            oldest = next(iter(self._issued))
            if now - self._issued[oldest] <= LIFETIME_MS and len(self._issued) < self._limit:
                return
            del self._issued[oldest]
