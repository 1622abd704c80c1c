"""The night of 2016: what is known, and what the replay has to assume. Every figure it tells is computed from these.

Known is what the developer had the bot print (Botkit 0.4.2, Node.js 6.9.1, RTM, the machine in Japan). What is not
known is assumed in Botkit's favour wherever that matters to the outcome, and said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.slack.diagnosis import Check, Diagnosis, Outcome

ZONE = timezone(timedelta(hours=9), "UTC+9")

# Known


def _at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


STARTED_AT = _at("2016-12-19 15:49:08")
"""``rtm.start`` was called and the WebSocket opened (UTC ms; the console told whole seconds)."""
CLOSED_AT = _at("2016-12-20 07:29:10")
CLOSE_EVENT = "RTM close event: 1006"
RETRY_DELAYS_MS = (1_000, 6_297, 9_096)
"""Each from the close, or from the failure of the attempt before."""
GAVE_UP = "reconnect failed after #4 attempts"


# Assumed

ROUND_TRIP_MS = 150
"""From Japan to Slack's servers in the United States. A refused connection takes one."""
CONNECT_ROUND_TRIPS = {"api": 4, "handshake": 4, "hello": 1}
"""TCP, TLS 1.2's two and the request; the same for the WebSocket; then Slack's hello."""
FOUND_AT = _at("2016-12-20 09:00:00")
"""Known is only "the next day": the first hour at which people are at work is the least that it can mean."""

CONNECT_MS = ROUND_TRIP_MS * sum(CONNECT_ROUND_TRIPS.values())

SLACK = "slack.com"
DROP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006, reached_slack=True)
"""The last of the seven failures behind 1006: the server closed abruptly after the handshake."""
REFUSAL = Failure(Cause.CONNECT_REFUSED, Phase.TCP, evidence={"host": SLACK})
PROBES = Diagnosis(
    {
        "route": Check(Outcome.OK),
        "dns": Check(Outcome.OK),
        "tcp": Check(Outcome.FAILED, ROUND_TRIP_MS, REFUSAL),
        "tls": Check(),
    }
)
"""What the side probes find while Slack refuses connections."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of Botkit's three: when it began and failed (UTC ms)."""

    number: int
    delay_ms: int
    at: int
    failed_at: int


def botkit_attempts() -> tuple[Attempt, ...]:
    """By the measured delays; each is refused at once."""
    attempts: list[Attempt] = []
    before = CLOSED_AT
    for number, delay_ms in enumerate(RETRY_DELAYS_MS, 1):
        at = before + delay_ms
        before = at + ROUND_TRIP_MS
        attempts.append(Attempt(number, delay_ms, at, before))
    return tuple(attempts)


def slack_back_at() -> int:
    """From when on Slack takes connections again (UTC ms): Botkit's last attempt failed, so no earlier."""
    return botkit_attempts()[-1].failed_at
