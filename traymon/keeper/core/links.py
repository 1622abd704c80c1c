"""What the core remembers of one link, from the attempt to its end."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from traymon.keeper.core.causes import Cause, Phase
from traymon.keeper.core.roundtrip import RoundTrip


class Reason(StrEnum):
    """Why a link is opened while another one lives. Without a living one there is nothing to explain."""

    PLANNED = "planned"  # Slack said that it will end the present link
    USER = "user"  # the user asked for a new one
    SUSPECT = "suspect"  # the present link does not answer
    DEAF = "deaf"  # the present link brings frames, but Slack answers none of our pings


SPARES = frozenset({Reason.USER, Reason.SUSPECT, Reason.DEAF})
"""Reasons that nothing forces on us: at most one such link a minute."""


class Stage(IntEnum):
    """How far a link has come; it only ever goes forward."""

    OPENING = 0
    ANSWERED = 1  # the Web API gave a URL
    OPENED = 2  # the WebSocket is up, hello is awaited
    LIVE = 3


TIMEOUTS: dict[Stage, tuple[Cause, Phase]] = {
    Stage.OPENING: (Cause.API_TIMEOUT, Phase.API),
    Stage.ANSWERED: (Cause.HANDSHAKE_TIMEOUT, Phase.HANDSHAKE),
    Stage.OPENED: (Cause.HELLO_TIMEOUT, Phase.HELLO),
}
"""What an attempt that ran past its limit died of, by how far it had come."""


@dataclass(slots=True)
class LinkRecord:
    """One link. All times are ms of the clock that counts sleep."""

    number: int
    asked_at: int
    reasons: set[Reason] = field(default_factory=set)
    stage: Stage = Stage.OPENING
    opened_at: int = 0
    hello_at: int = 0
    last_frame: int = 0
    pings: int = 0
    last_ping_at: int = 0
    head_start: int = 0
    """By how much the first ping comes sooner than the others would, in ms."""
    unproven: bool = False
    """A ping is out and no frame of any kind has come since."""
    unanswered_since: int | None = None
    """Since when Slack has owed an answer to a ping, though frames may have come."""
    ever_ponged: bool = False
    suspect: bool = False
    leaving: Cause | None = None
    """Slack said that it will end this link, and so."""
    frozen: bool = False
    """This process stood still, and the link has not spoken since."""
    connections: int | None = None
    """How many links Slack counts for the bot, once all of ours but this one are gone."""
    roundtrip: RoundTrip = field(default_factory=RoundTrip)

    def hello(self, now: int, head_start: int = 0) -> None:
        """The link is up."""
        self.stage = Stage.LIVE
        self.head_start = head_start
        self.hello_at = self.last_frame = self.last_ping_at = now

    def pinged(self, now: int) -> int:
        """Note the sending of a ping and return its number."""
        self.pings += 1
        self.last_ping_at = now
        self.unproven = True
        if self.unanswered_since is None:
            self.unanswered_since = now
        return self.pings

    def ping_due(self, quiet: int) -> int:
        """When so long a silence calls for a ping."""
        return self.last_frame + quiet - (0 if self.pings else self.head_start)

    def proved(self, now: int) -> None:
        """A frame came."""
        self.last_frame = now
        self.unproven = self.suspect = self.frozen = False

    def ponged(self, ping: int, now: int) -> None:
        """The answer to a ping came; only the latest ping's measures the round trip (Karn's rule)."""
        if not 1 <= ping <= self.pings:
            return
        self.ever_ponged = True
        if self.unanswered_since is None:
            return
        if ping < self.pings:
            self.unanswered_since = now  # the newer ping went out before, but Slack does answer
            return
        self.roundtrip.measured(now - self.last_ping_at)
        self.unanswered_since = None
