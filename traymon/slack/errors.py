"""What goes wrong between traymon and Slack, as one typed failure.

The tree of errors::

    Exception
    └── SlackError            something ended an attempt, a call or a link; ``.failure`` says what, where and on what
        │                     evidence
        └── AbandonedError         traymon itself did: cancelled, closed or aborted by another thread; nobody's fault

Nothing else leaves :mod:`traymon.slack`. The errors of slack_sdk, http.client, ssl, socket and websocket-client are
turned into a failure by :func:`failure_of`, at the step where they arise, and are never chained: their texts can
quote an answer, a header or a URL, and those can hold a token or a ticket.
"""

import errno
import http.client
import os
import socket
import ssl
import urllib.error
from collections.abc import Mapping
from dataclasses import replace

from slack_sdk.errors import SlackClientError
from websocket import (
    WebSocketAddressException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketProtocolException,
    WebSocketProxyException,
    WebSocketTimeoutException,
)

from traymon import words
from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.secrets import redacted

ABNORMAL = 1006
"""RFC 6455 7.4.1: what an application is told when a link ends without a close frame; never sent on the wire."""


def without_secrets(failure: Failure) -> Failure:
    """``failure`` as it may be kept and shown: who answers may echo the token it was sent."""
    evidence = {
        key: redacted(fact) if isinstance(fact, str) else fact for key, fact in failure.evidence.items()
    }
    return replace(failure, detail=redacted(failure.detail), evidence=evidence)


class SlackError(Exception):
    """Something ended an attempt, a call or a link."""

    def __init__(self, failure: Failure) -> None:
        self.failure = without_secrets(failure)
        super().__init__(self.failure)

    def __str__(self) -> str:
        detail = f": {self.failure.detail}" if self.failure.detail else ""
        return f"{self.failure.cause} at {self.failure.phase}{detail}"


class AbandonedError(SlackError):
    """It was this program that ended it: cancelled, closed or aborted from another thread."""

    def __init__(self) -> None:
        super().__init__(Failure(Cause.USER, Phase.LOCAL))


def _codes(*names: str) -> frozenset[int]:
    """Error numbers by name; Windows reports its sockets' errors under the WSA names."""
    numbers = (getattr(errno, prefix + name, None) for name in names for prefix in ("", "WSA"))
    return frozenset(number for number in numbers if number is not None)


# Only where has_route() agrees: a router's "network unreachable" (ICMP) arrives under the same number as this
# machine's own, and so does an address of a family that it has no route for. EADDRNOTAVAIL: no address of that
# family on this machine, as with IPv6 switched off.
NO_ROUTE_CODES = _codes("ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL")
"""Error numbers that say "no way at all"."""
_RESET = _codes("ECONNRESET", "ECONNABORTED", "EPIPE", "ESHUTDOWN")
_REFUSED = _codes("ECONNREFUSED")
_TIMED_OUT = _codes("ETIMEDOUT")
_EXHAUSTED = _codes("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")

_TIMEOUT_AT = {
    Phase.TOKEN: Cause.NO_TOKEN,
    Phase.DNS: Cause.DNS,
    Phase.PROXY: Cause.PROXY,
    Phase.TCP: Cause.CONNECT_TIMEOUT,
    Phase.TLS: Cause.TLS,
    Phase.API: Cause.API_TIMEOUT,
    Phase.HANDSHAKE: Cause.HANDSHAKE_TIMEOUT,
    Phase.HELLO: Cause.HELLO_TIMEOUT,
}

# RFC 6585: only a captive portal answers so.
_NETWORK_AUTHENTICATION_REQUIRED = 511


def failure_of(
    exc: BaseException,
    phase: Phase,
    *,
    reached: bool,
    evidence: Mapping[str, Fact] | None = None,
) -> Failure:
    """The failure behind ``exc``, which ended step ``phase``. Never raises.

    ``reached``: the Web API call of this attempt had reached Slack. ``evidence`` is added to what the exception
    itself tells. The texts of exceptions are not used, but for those that only the operating system writes.
    """
    if isinstance(exc, SlackError):
        return exc.failure
    if isinstance(exc, urllib.error.URLError) and isinstance(exc.reason, BaseException):
        return failure_of(exc.reason, phase, reached=reached, evidence=evidence)
    cause, facts = _look(exc, phase)
    on_websocket = phase in (Phase.HANDSHAKE, Phase.HELLO, Phase.LIVE)
    dropped = cause in (Cause.ABRUPT_CLOSE, Cause.RESET)
    return Failure(
        cause,
        phase,
        close_code=ABNORMAL if on_websocket and dropped else None,
        reached_slack=reached,
        evidence={**(evidence or {}), **facts},
    )


def _look(exc: BaseException, phase: Phase) -> tuple[Cause, dict[str, Fact]]:
    """The cause and what the exception itself shows. Subclasses of OSError come before OSError."""
    facts: dict[str, Fact]
    match exc:
        case ssl.SSLCertVerificationError():
            # Where the system's own trust was asked, truststore made the error and may have left these out.
            facts = {"error": getattr(exc, "verify_message", words.mark("certificate not trusted"))}
            if (code := getattr(exc, "verify_code", None)) is not None:
                facts["verify_code"] = code
            return Cause.TLS, facts
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Cause.TLS, {
                "error": words.mark("connection closed during the TLS handshake"),
                "answered": False,
            }
        case ssl.SSLError():
            # OpenSSL's own symbol for what happened, in words: WRONG_VERSION_NUMBER → wrong version number. An error
            # that was not made by Python's ssl has none.
            reason = getattr(exc, "reason", None) or "TLS failed"
            return Cause.TLS, {"error": reason.replace("_", " ").lower()}
        case socket.gaierror():
            return _look_at_lookup(phase), {"errno": exc.errno, "error": exc.strerror}
        case UnicodeError() if phase is Phase.DNS:
            return Cause.DNS, {"error": words.mark("not a host name")}
        case WebSocketAddressException() if exc.args and isinstance(exc.args[0], BaseException):
            return _look(exc.args[0], Phase.DNS)
        case http.client.RemoteDisconnected():
            return Cause.PROXY if phase is Phase.PROXY else Cause.ABRUPT_CLOSE, {}
        case OSError() if exc.errno in NO_ROUTE_CODES and not has_route():
            return Cause.NO_ROUTE, _system(exc)
        case TimeoutError() if phase is Phase.DNS:
            return _look_at_lookup(phase), _system(exc)
        case TimeoutError() | WebSocketTimeoutException():
            facts = _system(exc)
            if not facts and phase in (
                Phase.TLS,
                Phase.PROXY,
            ):  # whose causes do not say that it was a time-out
                facts = {"error": words.mark("no answer in time"), "answered": False}
            return _TIMEOUT_AT.get(phase, Cause.KEEPALIVE_TIMEOUT), facts
        case WebSocketException():
            return _look_at_websocket(exc, phase), {}
        case OSError() if phase is Phase.PROXY:
            return Cause.PROXY, _system(exc)
        case OSError():
            return _look_at_system(exc, phase), _system(exc)
        case http.client.HTTPException() | SlackClientError():
            return Cause.PROXY if phase is Phase.PROXY else Cause.SLACK_ERROR, {
                "exception": type(exc).__name__
            }
        case _:
            late = phase in (Phase.HANDSHAKE, Phase.HELLO, Phase.LIVE)
            return Cause.PROTOCOL_ERROR if late else Cause.SLACK_ERROR, {"exception": type(exc).__name__}


def _look_at_lookup(phase: Phase) -> Cause:
    """Without a route no name server can be asked, and the name is not to blame."""
    if not has_route():
        return Cause.NO_ROUTE
    return Cause.PROXY if phase is Phase.PROXY else Cause.DNS


def _look_at_websocket(exc: WebSocketException, phase: Phase) -> Cause:
    match exc:
        case WebSocketAddressException():
            return Cause.DNS
        case WebSocketProxyException():
            return Cause.PROXY
        case WebSocketConnectionClosedException():
            return Cause.ABRUPT_CLOSE
        case WebSocketProtocolException() | WebSocketPayloadException():
            return Cause.PROTOCOL_ERROR
        case _:
            return Cause.NOT_WEBSOCKET if phase is Phase.HANDSHAKE else Cause.PROTOCOL_ERROR


def _look_at_system(exc: OSError, phase: Phase) -> Cause:
    if exc.errno in _REFUSED:
        return Cause.CONNECT_REFUSED
    if exc.errno in _RESET or isinstance(exc, ConnectionError):
        return Cause.RESET
    if exc.errno in _TIMED_OUT:
        return _TIMEOUT_AT.get(phase, Cause.KEEPALIVE_TIMEOUT)
    # EHOSTUNREACH and EHOSTDOWN mean it, EPERM and EACCES are a local firewall's; of those that say that this machine
    # has no more of something, the evidence tells, and of the rest the error.
    return Cause.UNREACHABLE


def _system(exc: BaseException) -> dict[str, Fact]:
    number = exc.errno if isinstance(exc, OSError) else None
    if number is None:
        return {}
    facts: dict[str, Fact] = {"errno": number, "error": os.strerror(number)}
    return {**facts, "exhausted": True} if number in _EXHAUSTED else facts


def has_route() -> bool:
    """Whether this machine has a route to the rest of the world, by IPv4 or IPv6.

    Connecting a UDP socket sends nothing: it only asks the routing table. The addresses are those reserved for
    documentation (RFC 5737, RFC 3849), which no local network contains. Where this program may open no more sockets,
    nothing speaks against a route.
    """
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 53))
        except OSError as error:
            if error.errno in _EXHAUSTED:
                return True
            continue
        return True
    return False


def http_failure(
    status: int,
    headers: Mapping[str, str],
    phase: Phase,
    *,
    evidence: Mapping[str, Fact] | None = None,
) -> Failure:
    """The failure behind an HTTP status that is not the one asked for; ``headers`` have lower-case names.

    At :attr:`Phase.API` it answered the Web API call, at :attr:`Phase.HANDSHAKE` the WebSocket's.
    """
    facts: dict[str, Fact] = {**(evidence or {}), "http_status": status}
    location = headers.get("location", "")
    portal = status == _NETWORK_AUTHENTICATION_REQUIRED or (
        300 <= status < 400 and location.lower().startswith("http://")
    )
    if portal:
        # A sign-in page answered: the call did not reach Slack, unless an earlier one of this attempt had.
        return Failure(Cause.CAPTIVE_PORTAL, phase, reached_slack=phase is not Phase.API, evidence=facts)
    if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
        return Failure(Cause.PROXY, phase, reached_slack=phase is not Phase.API, evidence=facts)
    if status == http.client.TOO_MANY_REQUESTS:
        cause = Cause.RATE_LIMITED
    else:
        cause = Cause.SLACK_ERROR if phase is Phase.API else Cause.NOT_WEBSOCKET
    return Failure(
        cause,
        phase,
        "" if cause is Cause.NOT_WEBSOCKET else f"HTTP {status}",
        reached_slack=True,
        retry_after_ms=retry_after_ms(headers.get("retry-after")),
        evidence=facts,
    )


_LONGEST_WAIT_S = 86_400
"""A ``Retry-After`` above a day is no wish of Slack's (its windows are a minute, at times some more) but garbage."""


def retry_after_ms(value: str | None) -> int | None:
    """Slack's ``Retry-After`` (whole seconds) in milliseconds; ``None`` where there is none or it makes no sense."""
    text = (value or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    seconds = int(text)
    return seconds * 1000 if seconds <= _LONGEST_WAIT_S else None
