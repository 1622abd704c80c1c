"""The bots that the simulator knows, and what Slack's tiers allow them."""

import math
import random
import string
from dataclasses import dataclass, field

from traymon.slackwire.api import Identity

_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(slots=True)
class Bot:
    """One bot user of one workspace. ``token`` opens RTM, ``app_token`` (``xapp-…``) Socket Mode."""

    token: str = field(repr=False)
    name: str
    team: str
    user_id: str
    bot_id: str
    team_id: str
    app_id: str
    app_token: str | None = field(default=None, repr=False)
    manual_away: bool = False
    tier1: "Bucket | None" = None
    """Of ``rtm.connect`` and ``apps.connections.open``."""
    hears_itself: bool = False
    """Whether the app gets its own messages as events of Socket Mode, as one that subscribes to ``message.*`` does."""
    sends: "Bucket | None" = None
    """Of messages sent over RTM."""

    @property
    def identity(self) -> Identity:
        """What ``auth.test`` says."""
        url = f"https://{self.domain}.slack.com/"
        return Identity(self.user_id, self.name, self.team_id, self.team, url, self.bot_id)

    @property
    def domain(self) -> str:
        """The workspace's name in addresses."""
        return "".join(c if c.isalnum() else "-" for c in self.team.lower())


def make_bot(seed: int, token: str, name: str, team: str, app_token: str | None) -> Bot:
    """A bot whose ids depend on the seed and the names only, so that runs can be compared."""

    def make_id(prefix: str, of: str) -> str:
        draw = random.Random(f"{seed}/{prefix}/{of}")
        return prefix + "".join(draw.choices(_ALPHABET, k=10))

    whole = f"{team}/{name}"
    return Bot(
        token=token,
        name=name,
        team=team,
        user_id=make_id("U", whole),
        bot_id=make_id("B", whole),
        team_id=make_id("T", team),
        app_id=make_id("A", whole),
        app_token=app_token,
    )


class Bucket:
    """A rate limit of Slack's: ``burst`` at once, one more each ``refill_s``.

    Slack promises "one a minute" (Tier 1) or "one a second" (messages) and tolerates bursts of a size that it does
    not tell.
    """

    def __init__(self, burst: int, refill_s: float) -> None:
        if burst < 1 or refill_s <= 0:
            raise ValueError("a rate limit allows something")
        self._price_ms = max(1, round(refill_s * 1000))  # a call costs the time in which one more is allowed
        self._most_ms = burst * self._price_ms
        self._left_ms = self._most_ms
        self._at: int | None = None

    def take(self, now: int) -> int | None:
        """Count one: ``None`` when it is allowed, else the seconds of ``Retry-After``."""
        if self._at is not None:
            self._left_ms = min(self._most_ms, self._left_ms + now - self._at)
        self._at = now
        if self._left_ms >= self._price_ms:
            self._left_ms -= self._price_ms
            return None
        return math.ceil((self._price_ms - self._left_ms) / 1000)
