"""What every client is put through: the rows of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from traymon.simulator import (
    Close,
    Fin,
    HandshakeHang,
    Hang,
    HttpStatus,
    NoHello,
    Rst,
    SayGoodbye,
    Silence,
    Simulator,
)

OUTAGE_S = 60
APART_S = 0.5
"""Between two strikes where tenths of a second count: no client stands in another's way."""
CLOSE_CODE = 1001
"""Going away: what a server sends that restarts (RFC 6455, 7.4.1)."""
WARNING_MS = 10_000
"""From Socket Mode's ``disconnect`` (warning) to the end: Slack says about 10 s ahead."""
GOODBYE_MS = 5_000
"""From RTM's ``goodbye`` to the end; Slack names no time."""

OPENING = {"rtm": ("rtm.connect", "rtm.start"), "socket": ("apps.connections.open",)}
"""The methods that open a link, by transport."""


@dataclass(frozen=True, slots=True)
class Ordeal:
    """One row. Each has a simulator of its own, all of them in one process."""

    name: str
    title: str
    strike: Callable[[Simulator, str, str], int]
    """Simulator, the token that holds the link, transport → how many links were struck."""
    begin: Callable[[Simulator], None] | None = None
    end: Callable[[Simulator], None] | None = None
    """Of an outage of ``OUTAGE_S``: before and after."""
    prompt: bool = False
    """Answered within tenths of a second by some: its strikes are ``APART_S`` apart."""
    planned: bool = False
    """What counts is the gap between the old link's end and the next hello."""


def _fin(slack: Simulator, token: str, _: str) -> int:
    return slack.strike(token, Fin())


def _goodbye(slack: Simulator, token: str, transport: str) -> int:
    if transport == "socket":
        return slack.strike(token, SayGoodbye(WARNING_MS, reason="warning"))
    return slack.strike(token, SayGoodbye(GOODBYE_MS))


def _hung_api(slack: Simulator, token: str, transport: str) -> int:
    for method in OPENING[transport]:
        slack.arm(Hang(), token=token, method=method)
    return _fin(slack, token, transport)


def _handshake(fault: NoHello | HandshakeHang) -> Callable[[Simulator, str, str], int]:
    def strike(slack: Simulator, token: str, transport: str) -> int:
        slack.arm(fault, token=token)
        return _fin(slack, token, transport)

    return strike


# The order is that of the strikes: first what is answered within tenths of a second, while nothing else goes on.
ORDEALS = (
    Ordeal("fin", "FIN", _fin, prompt=True),
    Ordeal("rst", "RST", lambda slack, token, _: slack.strike(token, Rst()), prompt=True),
    Ordeal(
        "close",
        f"close frame {CLOSE_CODE}",
        lambda slack, token, _: slack.strike(token, Close(CLOSE_CODE)),
        prompt=True,
    ),
    Ordeal("goodbye", "goodbye: gap", _goodbye, prompt=True, planned=True),
    Ordeal("silence", "silence", lambda slack, token, _: slack.strike(token, Silence())),
    Ordeal("no-hello", "FIN, no hello once", _handshake(NoHello())),
    Ordeal("hung-handshake", "FIN, handshake hangs once", _handshake(HandshakeHang())),
    Ordeal("hung-api", "FIN, API hangs once", _hung_api),
    Ordeal("refused", f"{OUTAGE_S} s refused", _fin, begin=Simulator.refuse, end=Simulator.accept),
    Ordeal(
        "503",
        f"{OUTAGE_S} s of 503",
        _fin,
        begin=lambda slack: slack.arm(HttpStatus(503), None),
        end=Simulator.disarm,
    ),
)
