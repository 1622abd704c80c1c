"""When to ping, suspect, retry and give way: every number in one place, each with its reason.

All times are milliseconds.
"""

from dataclasses import dataclass

from traymon.keeper.core.causes import Failure

SECOND = 1_000
MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers that the core goes by."""

    step_limit: int = 10 * SECOND
    """For each of TCP, TLS, API answer, handshake and hello: slower than that is no Slack that answers."""
    tcp_limit_offline: int = 4 * SECOND
    """While offline a connect waits no longer: a dropped SYN is repeated at 1, 3 and 7 s (Linux), so 4 s sees two
    repeats, and a path that returns is not slept through in a long wait."""
    attempt_limit: int = 30 * SECOND
    """For a whole attempt. A WebSocket URL of Slack's lives for 30 s; what is slower cannot succeed."""

    quiet_before_ping: int = 4 * SECOND
    """Silence after which a sign of life is asked for. With the answer limit it bounds the noticing of silence.
    Slack's rule for Socket Mode, "no ping from Slack for 30 s means dead", has no timer here: a link that is that
    quiet was given up 16 s before, over a ping of ours, and one that brings other frames is not dead."""
    ping_while_busy: int = 30 * SECOND
    """Frames prove that Slack reaches us; now and then a pong must prove that we reach Slack."""
    answer_limit_min: int = 1 * SECOND
    answer_limit_max: int = 3 * SECOND
    """The bounds of SRTT + 4 * RTTVAR (RFC 6298); a second is the RFC's own minimum, and 3 s keep silence under 7 s."""
    silence_limit: int = 10 * SECOND
    """After an unanswered ping the link is given up: 2 s round trips with 10 % loss still answer within it."""
    silence_limit_answered: int = 20 * SECOND
    """The same where a second link's API call was answered: the network works, so the old link may too."""
    wake_answer_limit: int = 3 * SECOND
    """After a wake the old link is rarely alive; it gets one short chance."""

    stable_after: int = 60 * SECOND
    """A session that lived this long ends the outage before it; its end is answered by a try at once."""
    retry_unreached: tuple[float, int, int] = (0.02, 1 * SECOND, 15 * SECOND)
    """Nothing reached Slack's API: (part of the outage's age, least, most). Costs Slack nothing, so be quick."""
    retry_reached: tuple[float, int, int] = (0.10, 5 * SECOND, 60 * SECOND)
    """The API was reached: Slack has troubles of its own, so be gentle."""
    retry_too_many: tuple[float, int, int] = (0.50, 1 * MINUTE, 15 * MINUTE)
    """All ten links of the app are taken, and no attempt of ours frees one: registrations of dead links go by
    themselves in hours, living ones when a person ends a program. A minute fits a program that is being restarted."""
    retry_jitter: float = 0.25
    """A delay is shortened by up to this part, so that many bots do not come back in step."""
    quiet_retry: int = 15 * MINUTE
    """In ``refused``, for the codes that can be temporary."""

    budget_size: int = 6
    budget_refill: int = 15 * SECOND
    """Calls that reach Slack: rtm.connect is Tier 1, about one a minute with bursts tolerated."""
    budget_reserve: int = 3
    """Kept for a bot without a live link: a spare must never cost the reconnect."""
    spare_interval: int = 60 * SECOND
    """Spares on suspicion and clicks while online, together: at most one in this time."""

    leftovers_for: int = 30 * MINUTE
    """Links at Slack that are not ours are taken for leftovers of dead ones; from then on a person should know."""
    count_settles: int = 10 * SECOND
    """After a hello Slack may still count the link before it: it is closed within a second, but its FIN may be lost."""

    no_sleep: int = 30 * SECOND
    """An announced sleep that did not come by then was called off. The clock counts sleep: after a real one, whose
    end nobody told, the time is over at once."""
    late_tick: int = 2 * SECOND
    """The core was called this much later than it asked for: this process was frozen."""
    impatience: int = 1 * SECOND
    """A connect older than this when a route appears began before it: its lost SYN would only be repeated later."""

    def first_ping_sooner(self, random: float) -> int:
        """Milliseconds by which a link's first ping comes sooner than after :attr:`quiet_before_ping`.

        Bots that were started together would ping together for hours, and their threads wait for one another each
        time: measured, half as many wake-ups again. ``random``: uniform in [0, 1).
        """
        return round(self.quiet_before_ping * random)

    def retry_delay(self, *, reached: bool, outage_age: int, random: float, too_many: bool = False) -> int:
        """How long to wait before the next attempt; ``random`` is uniform in [0, 1)."""
        row = self.retry_too_many if too_many else self.retry_reached if reached else self.retry_unreached
        part, least, most = row
        delay = min(max(part * outage_age, least), most)
        return round(delay * (1 - self.retry_jitter * random))


def earliest_by_slack(failure: Failure, now: int) -> int:
    """When Slack's own ``Retry-After`` allows the next call."""
    return now + (failure.retry_after_ms or 0)
