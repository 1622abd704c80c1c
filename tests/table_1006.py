"""The 1006 table: every way that a link fails to come up or dies, made for real, and what traymon makes of it.

A row is a fault and what is expected; the fault's docstring tells how it is made. ``test_1006.py`` runs this module in
a private internet (``privatenet.py``), where slack.com is ours, and compares. ``docs/causes.md`` is drawn from the
same rows: ``python -m tests.table_1006 --docs > docs/causes.md`` writes it anew.
"""

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.privatenet import command
from tests.privateslack import (
    ADDRESSES,
    API,
    LINK,
    PASSWORD,
    PROXY,
    PROXY_PORT,
    World,
    context_of,
    greeting_then,
    hang,
    proxied,
    say,
    without_names,
)
from tests.slackservers import frame, http_answer, read_head, reset, upgrade
from traymon import words
from traymon.keeper.core.causes import Cause, Fact, Phase
from traymon.slack.diagnosis import diagnose
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import SlackError
from traymon.slack.rtm import RtmConnector
from traymon.slackwire.codes import Verdict, verdict
from traymon.slackwire.frames import Hello

TOKEN = "xoxb-canary-token"
PATIENT_S = 10.0
"""For steps that succeed or fail by themselves; nothing waits this long when all is well."""
HASTY_S = 0.8
"""For steps that are never answered."""


# What the rows say


@dataclass(frozen=True)
class Row:
    """One way to fail. ``evidence`` is part of what there has to be; ``probes`` what the side probes say meanwhile."""

    id: str
    situation: str
    happened: str
    cause: Cause
    phase: Phase | None
    """The step that failed; ``None`` where nothing did: a person or this machine ended the session."""
    evidence: Mapping[str, Fact] = field(default_factory=dict)
    detail: str = ""
    close_code: int | None = None
    reached: bool = False
    probes: str = "route, DNS, TCP and TLS to Slack fine"
    limit_s: float = PATIENT_S
    made: str = ""
    fault: Callable[["World"], AbstractContextManager[Endpoint | None]] | None = None
    elsewhere: str = ""
    """The test that makes this fault, where it is not made here."""

    @property
    def sentence(self) -> str:
        """What a person is told."""
        return words.cause(self.cause, detail=self.detail, close_code=self.close_code, evidence=self.evidence)


@dataclass(frozen=True)
class Way:
    """One way to come up all the same; ``through`` is what the proxy is asked."""

    id: str
    made: str
    through: tuple[str, ...]
    setting: Callable[["World"], AbstractContextManager[Endpoint | None]]


ROWS: list[Row] = []
WAYS: list[Way] = []


def row(
    id: str, situation: str, happened: str, cause: Cause, phase: Phase, **expected: Any
) -> Callable[..., None]:
    """Make a row of a fault."""

    def add(fault: Callable[["World"], Iterator[Endpoint | None]]) -> None:
        expected.setdefault("reached", phase in (Phase.API, Phase.HANDSHAKE, Phase.HELLO, Phase.LIVE))
        made = " ".join((fault.__doc__ or "").split())
        ROWS.append(
            Row(id, situation, happened, cause, phase, made=made, fault=contextmanager(fault), **expected)
        )

    return add


def way(id: str, *through: str) -> Callable[..., None]:
    """Make a way of a setting."""

    def add(setting: Callable[["World"], Iterator[Endpoint | None]]) -> None:
        WAYS.append(Way(id, " ".join((setting.__doc__ or "").split()), through, contextmanager(setting)))

    return add


# 1: the host name did not resolve

NAME = "1. The host name does not resolve"
NO_NAME = "route fine, but Slack's name cannot be looked up"


@row(
    "name-unknown",
    NAME,
    "The name server says that there is no such name.",
    Cause.DNS,
    Phase.DNS,
    evidence={"host": API},
    probes=NO_NAME,
)
def _(world: World) -> Iterator[None]:
    """A name server that does not know Slack."""
    with without_names(world, API):
        yield


@row(
    "name-of-the-link",
    NAME,
    "The API's name is known, the link's is not.",
    Cause.DNS,
    Phase.DNS,
    evidence={"host": LINK},
    reached=True,
)
def _(world: World) -> Iterator[None]:
    """A name server that knows one of Slack's names only."""
    with without_names(world, LINK), world.slack():
        yield


@row(
    "name-server-fails",
    NAME,
    "The name server answers that it failed.",
    Cause.DNS,
    Phase.DNS,
    evidence={"host": API},
    probes=NO_NAME,
)
def _(world: World) -> Iterator[None]:
    """A name server that answers SERVFAIL."""
    world.net.name_server.broken = True
    yield
    world.net.name_server.broken = False


@row(
    "name-server-silent",
    NAME,
    "The name server does not answer.",
    Cause.DNS,
    Phase.DNS,
    evidence={"host": API},
    probes=NO_NAME,
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[None]:
    """A firewall that drops what goes to port 53."""
    with world.net.firewall("udp dport 53 drop"):
        yield


# 2: packets cannot be routed to the server

ROUTE = "2. Packets cannot be routed to the server"
NO_ROUTE = "this machine has no route"
SILENT = "route and DNS fine, but TCP to Slack is not answered"
UNREACHED = "route and DNS fine, but Slack's address cannot be reached"


@row(
    "no-default-route",
    ROUTE,
    "This machine has no default route.",
    Cause.NO_ROUTE,
    Phase.DNS,
    evidence={"host": API},
    probes=NO_ROUTE,
)
def _(world: World) -> Iterator[None]:
    """The default route is taken away."""
    command("ip route del default")
    yield
    world.net.plug_in()


@row(
    "cable-pulled",
    ROUTE,
    "The cable is pulled.",
    Cause.NO_ROUTE,
    Phase.DNS,
    evidence={"host": API},
    probes=NO_ROUTE,
)
def _(world: World) -> Iterator[None]:
    """The network interface goes down."""
    world.net.unplug()
    yield
    world.net.plug_in()


@row(
    "host-unreachable",
    ROUTE,
    "A router says that it cannot reach the host.",
    Cause.UNREACHABLE,
    Phase.TCP,
    evidence={"host": API, "errno": 113, "error": "No route to host"},
    probes=UNREACHED,
)
def _(world: World) -> Iterator[None]:
    """A router that answers with ICMP “host unreachable”."""
    with world.net.firewall(f"ip daddr {ADDRESSES[API]} reject with icmp type host-unreachable"):
        yield


@row(
    "network-unreachable",
    ROUTE,
    "A router says that it has no route.",
    Cause.UNREACHABLE,
    Phase.TCP,
    evidence={"host": API, "errno": 101, "error": "Network is unreachable"},
    probes=UNREACHED,
)
def _(world: World) -> Iterator[None]:
    """A router that answers with ICMP “net unreachable”."""
    with world.net.firewall(f"ip daddr {ADDRESSES[API]} reject with icmp type net-unreachable"):
        yield


@row(
    "prohibited",
    ROUTE,
    "A firewall on the way says no.",
    Cause.UNREACHABLE,
    Phase.TCP,
    evidence={"host": API, "errno": 113, "error": "No route to host"},
    probes=UNREACHED,
)
def _(world: World) -> Iterator[None]:
    """A firewall that answers with ICMP “administratively prohibited”."""
    with world.net.firewall(f"ip daddr {ADDRESSES[API]} reject with icmp type admin-prohibited"):
        yield


@row(
    "prohibited-here",
    ROUTE,
    "This machine's own rules forbid the connection.",
    Cause.UNREACHABLE,
    Phase.TCP,
    evidence={"host": API, "errno": 13, "error": "Permission denied"},
    probes=UNREACHED,
)
def _(world: World) -> Iterator[None]:
    """A “prohibit” route on this machine."""
    command(f"ip route add prohibit {ADDRESSES[API]}")
    yield
    command(f"ip route del prohibit {ADDRESSES[API]}")


@row(
    "dropped",
    ROUTE,
    "Packets get lost without a word.",
    Cause.CONNECT_TIMEOUT,
    Phase.TCP,
    evidence={"host": API},
    probes=SILENT,
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[None]:
    """A firewall that drops what goes to Slack."""
    with world.net.firewall(f"ip daddr {ADDRESSES[API]} drop"):
        yield


# 3: the server refuses the port

REFUSED = "3. The server refuses the port"


@row(
    "port-closed",
    REFUSED,
    "Nothing listens on the port.",
    Cause.CONNECT_REFUSED,
    Phase.TCP,
    evidence={"host": API, "errno": 111},
    probes="route and DNS fine, but TCP to Slack is refused",
)
def _(world: World) -> Iterator[None]:
    """A host on which nobody listens."""
    yield


@row(
    "port-closed-for-the-link",
    REFUSED,
    "The API answers, but nothing listens where the link should go.",
    Cause.CONNECT_REFUSED,
    Phase.TCP,
    evidence={"host": LINK, "errno": 111},
    reached=True,
)
def _(world: World) -> Iterator[None]:
    """A firewall that answers with RST on the way to the link's host."""
    with world.net.firewall(f"ip daddr {ADDRESSES[LINK]} reject with tcp reset"), world.slack():
        yield


# 4: the TLS handshake fails

TLS = "4. The TLS handshake fails"
NO_TLS = "route, DNS and TCP fine, but TLS to Slack fails"
NOW = datetime.now(UTC)


@row(
    "certificate-expired",
    TLS,
    "The certificate has expired (or this machine's date is wrong).",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "error": "certificate has expired", "verify_code": 10},
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A certificate whose time is over, of a trusted issuer."""
    past = world.ca.issue_cert(API, not_before=NOW - timedelta(9), not_after=NOW - timedelta(2))
    with world.slack(tls=context_of(past)):
        yield


@row(
    "certificate-of-tomorrow",
    TLS,
    "The certificate is not valid yet (or this machine's date is wrong).",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "error": "certificate is not yet valid", "verify_code": 9},
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A certificate whose time has not come, of a trusted issuer."""
    future = world.ca.issue_cert(API, not_before=NOW + timedelta(2), not_after=NOW + timedelta(9))
    with world.slack(tls=context_of(future)):
        yield


@row(
    "certificate-of-another",
    TLS,
    "The certificate is for another host.",
    Cause.TLS,
    Phase.TLS,
    evidence={
        "host": API,
        "error": f"Hostname mismatch, certificate is not valid for '{API}'.",
        "verify_code": 62,
        "subject": "other.example",
    },
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A certificate for other.example, of a trusted issuer."""
    with world.slack(tls=context_of(world.ca.issue_cert("other.example"))):
        yield


@row(
    "certificate-of-a-stranger",
    TLS,
    "The certificate's issuer is not trusted: somebody on the way inspects the traffic.",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "issuer": "Example Inspection CA, Example Ltd"},
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A right certificate of an issuer that this machine does not know. The issuer comes from the side probes."""
    with world.slack(tls=world.inspected):
        yield


@row(
    "no-tls",
    TLS,
    "Something answers that does not speak TLS.",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "first_bytes": "HTTP/1.1 302 Found\\x0d\\x0aContent-Length: 0\\x0d\\x0aLocation:"},
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A plain HTTP server on Slack's port."""
    portal = http_answer(b"", status="302 Found", headers="Location: http://login.example/\r\n")
    with world.net.serve(ADDRESSES[API], 443, lambda sock: (sock.recv(1), sock.sendall(portal), hang(sock))):
        yield


@row(
    "tls-silent",
    TLS,
    "The connection stands, but nothing answers the TLS handshake.",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "error": "no answer in time", "answered": False},
    probes=NO_TLS,
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[None]:
    """A server that takes what comes and says nothing."""
    with world.net.serve(ADDRESSES[API], 443, hang):
        yield


@row(
    "tls-hung-up",
    TLS,
    "The other side hangs up in the TLS handshake.",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "error": "connection closed during the TLS handshake", "answered": False},
    probes=NO_TLS,
)
def _(world: World) -> Iterator[None]:
    """A server that closes after the first message."""
    with world.net.serve(ADDRESSES[API], 443, lambda sock: sock.recv(65_536)):
        yield


@row(
    "tls-reset",
    TLS,
    "The connection is torn down in the TLS handshake, as filters do that read the host's name.",
    Cause.RESET,
    Phase.TLS,
    evidence={"host": API},
    probes="route, DNS and TCP fine, but TLS to Slack is cut off",
)
def _(world: World) -> Iterator[None]:
    """A server that answers the first message with RST."""
    with world.net.serve(ADDRESSES[API], 443, lambda sock: (sock.recv(1), reset(sock))):
        yield


# 5: the opening handshake is not completed

HANDSHAKE = "5. The opening handshake is not completed: this is no WebSocket server"


@row(
    "page",
    HANDSHAKE,
    "A web page comes instead of a WebSocket.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "http_status": 200},
)
def _(world: World) -> Iterator[None]:
    """A plain HTTP server that answers with a page."""
    with world.slack(link=say(http_answer(b"<html>"))):
        yield


@row(
    "forbidden",
    HANDSHAKE,
    "A filter forbids the WebSocket.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "http_status": 403},
)
def _(world: World) -> Iterator[None]:
    """HTTP status 403."""
    with world.slack(link=say(http_answer(b"no", status="403 Forbidden"))):
        yield


@row(
    "another-protocol",
    HANDSHAKE,
    "What answers is no HTTP at all.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "first_bytes": "220 mail.example ESMTP\\x0d\\x0a"},
)
def _(world: World) -> Iterator[None]:
    """A mail server."""
    with world.slack(link=say(b"220 mail.example ESMTP\r\n")):
        yield


@row(
    "handshake-silent",
    HANDSHAKE,
    "Nothing answers the handshake.",
    Cause.HANDSHAKE_TIMEOUT,
    Phase.HANDSHAKE,
    evidence={"host": LINK},
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[None]:
    """A server that reads the handshake and says nothing."""
    with world.slack(link=hang):
        yield


@row(
    "handshake-hung-up",
    HANDSHAKE,
    "The other side hangs up in the handshake.",
    Cause.ABRUPT_CLOSE,
    Phase.HANDSHAKE,
    close_code=1006,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """A server that closes (FIN) once it has read the handshake."""
    with world.slack(link=read_head):
        yield


@row(
    "handshake-reset",
    HANDSHAKE,
    "The connection is torn down in the handshake.",
    Cause.RESET,
    Phase.HANDSHAKE,
    close_code=1006,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """A server that answers the handshake with RST."""
    with world.slack(link=lambda sock: (read_head(sock), reset(sock))):
        yield


@row(
    "portal",
    HANDSHAKE,
    "The network's sign-in page answers, here at the API already.",
    Cause.CAPTIVE_PORTAL,
    Phase.API,
    evidence={"host": API, "http_status": 302},
    reached=False,
)
def _(world: World) -> Iterator[None]:
    """A redirect to a page without encryption."""
    portal = http_answer(b"", status="302 Found", headers="Location: http://login.example/\r\n")
    with world.slack(api=say(portal)):
        yield


# 6: the handshake was right, but its options are not acceptable

OPTIONS = "6. The handshake is right, but its options make the client drop it"


@row(
    "subprotocol",
    OPTIONS,
    "The server picks a subprotocol that was not offered.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "error": "sec-websocket-protocol that was not asked for"},
)
def _(world: World) -> Iterator[None]:
    """A WebSocket server that answers “Sec-WebSocket-Protocol: chat”."""
    with world.slack(link=lambda sock: upgrade(sock, headers="Sec-WebSocket-Protocol: chat\r\n")):
        yield


@row(
    "extension",
    OPTIONS,
    "The server uses an extension that was not offered.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "error": "sec-websocket-extensions that was not asked for"},
)
def _(world: World) -> Iterator[None]:
    """A WebSocket server that answers “Sec-WebSocket-Extensions: permessage-deflate”."""
    deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    with world.slack(link=lambda sock: upgrade(sock, headers=deflate)):
        yield


@row(
    "accept",
    OPTIONS,
    "The server's proof that it read the handshake is wrong.",
    Cause.NOT_WEBSOCKET,
    Phase.HANDSHAKE,
    evidence={"host": LINK, "first_bytes": "HTTP/1.1 101 Switching Protocols\\x0d\\x0aUpgrade: webso"},
)
def _(world: World) -> Iterator[None]:
    """An answer from a cache, with another handshake's “Sec-WebSocket-Accept”."""
    cached = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    with world.slack(link=say(cached)):
        yield


# 7: the server closes abruptly after the handshake

ABRUPT = "7. The server closes abruptly after the handshake"


@row(
    "dies-after-the-handshake",
    ABRUPT,
    "The server hangs up after the handshake, before its hello.",
    Cause.ABRUPT_CLOSE,
    Phase.HELLO,
    close_code=1006,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """A server that completes the handshake and closes (FIN)."""
    with world.slack(link=upgrade):
        yield


@row(
    "fin",
    ABRUPT,
    "The server hangs up on a link that was up: the night of 2016.",
    Cause.ABRUPT_CLOSE,
    Phase.LIVE,
    close_code=1006,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """FIN without a close frame, after the hello."""
    with world.slack(link=greeting_then(lambda sock: None)):
        yield


@row(
    "rst",
    ABRUPT,
    "The link is torn down.",
    Cause.RESET,
    Phase.LIVE,
    close_code=1006,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """RST, after the hello."""
    with world.slack(link=greeting_then(reset)):
        yield


# Beside the W3C's seven: links that end in order, or in nonsense

ENDS = "Not 1006, but worth telling apart"


@row(
    "close-frame",
    ENDS,
    "Slack closes the link, with a code and a reason.",
    Cause.CLOSED_BY_SLACK,
    Phase.LIVE,
    detail="server restart",
    close_code=1001,
    evidence={"host": LINK},
)
def _(world: World) -> Iterator[None]:
    """A close frame, after the hello."""
    goodbye = frame(b"\x03\xe9server restart", opcode=8)
    with world.slack(link=greeting_then(lambda sock: sock.sendall(goodbye))):
        yield


@row(
    "nonsense",
    ENDS,
    "What comes is not a WebSocket's frame.",
    Cause.PROTOCOL_ERROR,
    Phase.LIVE,
    evidence={"host": LINK, "error": "a masked frame from a server"},
)
def _(world: World) -> Iterator[None]:
    """A masked frame, which only clients send."""
    with world.slack(link=greeting_then(lambda sock: sock.sendall(b"\x81\x81\0\0\0\0x"))):
        yield


@row(
    "api-silent",
    ENDS,
    "The API takes the call and does not answer.",
    Cause.API_TIMEOUT,
    Phase.API,
    evidence={"host": API},
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[None]:
    """A server that reads the request and says nothing."""
    with world.slack(api=hang):
        yield


@row(
    "api-in-trouble",
    ENDS,
    "The API answers that it is in trouble.",
    Cause.SLACK_ERROR,
    Phase.API,
    detail="HTTP 503",
    evidence={"host": API, "http_status": 503},
)
def _(world: World) -> Iterator[None]:
    """HTTP status 503."""
    with world.slack(api=say(http_answer(b"", status="503 Service Unavailable"))):
        yield


@row(
    "rate-limit",
    ENDS,
    "The API asks to wait.",
    Cause.RATE_LIMITED,
    Phase.API,
    detail="HTTP 429",
    evidence={"host": API, "http_status": 429},
)
def _(world: World) -> Iterator[None]:
    """HTTP status 429 with “Retry-After: 30”."""
    with world.slack(api=say(http_answer(b"", status="429 Slow Down", headers="Retry-After: 30\r\n"))):
        yield


@row(
    "refused-token",
    ENDS,
    "The API refuses the token.",
    Cause.REFUSED_TOKEN,
    Phase.API,
    detail="token_revoked",
    evidence={"host": API},
)
def _(world: World) -> Iterator[None]:
    """The answer “token_revoked”."""
    with world.slack(api=say({"ok": False, "error": "token_revoked"})):
        yield


# Proxies

PROXIES = "A proxy is in the way"
NO_TUNNEL = "route and proxy fine, but the proxy opens no way to Slack"
NO_PROXY_THERE = "route fine, but the proxy cannot be reached"


@row(
    "proxy-down",
    PROXIES,
    "The proxy is down.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"host": API, "proxy_host": PROXY, "error": "Connection refused"},
    probes=NO_PROXY_THERE,
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy's host on which nobody listens; Slack itself could be reached."""
    with world.slack():
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-silent",
    PROXIES,
    "The proxy does not answer.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "error": "no answer in time"},
    probes=NO_PROXY_THERE,
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[Endpoint]:
    """A firewall that drops what goes to the proxy."""
    with world.net.firewall(f"ip daddr {ADDRESSES[PROXY]} drop"), world.slack():
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-unknown",
    PROXIES,
    "The proxy's name does not resolve.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "error": "Name or service not known"},
    probes=NO_PROXY_THERE,
)
def _(world: World) -> Iterator[Endpoint]:
    """A name server that does not know the proxy."""
    with without_names(world, PROXY), world.slack():
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-wants-password",
    PROXIES,
    "The proxy wants a password, and none is configured.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "http_status": 407, "proxy_wants": "Basic"},
    probes=NO_TUNNEL,
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy with a password."""
    with world.slack(), world.proxy(world.want_password):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-wrong-password",
    PROXIES,
    "The proxy does not accept the password.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "http_status": 407, "proxy_wants": "Basic", "proxy_login": True},
    probes=NO_TUNNEL,
)
def _(world: World) -> Iterator[Endpoint]:
    """The same proxy, asked with another password."""
    with world.slack(), world.proxy(world.want_password):
        yield Endpoint(proxy=proxied(f"me:{PASSWORD}-old@"), ca_file=world.trust)


@row(
    "proxy-wants-ntlm",
    PROXIES,
    "The proxy wants a kind of sign-in that traymon has not.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "http_status": 407, "proxy_wants": "Negotiate"},
    probes=NO_TUNNEL,
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy that offers Negotiate and NTLM only."""
    offers = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n"
    refusal = http_answer(b"", status="407 No", headers=offers)
    with world.slack(), world.proxy(say(refusal)):
        yield Endpoint(proxy=proxied(f"me:{PASSWORD}@"), ca_file=world.trust)


@row(
    "proxy-forbids",
    PROXIES,
    "The proxy forbids connections to Slack.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"host": API, "proxy_host": PROXY, "http_status": 403},
    probes=NO_TUNNEL,
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy that answers with HTTP status 403."""
    with world.slack(), world.proxy(say(http_answer(b"no", status="403 Forbidden"))):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-forbids-the-link",
    PROXIES,
    "The proxy lets the API pass and forbids the link.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"host": LINK, "proxy_host": PROXY, "http_status": 403},
    reached=True,
    probes="route, proxy, TCP and TLS to Slack fine",
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy that answers with HTTP status 403 where the link should go."""

    def script(sock: socket.socket) -> None:
        head = read_head(sock)
        if API in head.split()[1].decode().split(":"):
            world.tunnel(sock, head)
        else:
            sock.sendall(http_answer(b"no", status="403 Forbidden"))

    with world.slack(), world.proxy(script):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-hangs",
    PROXIES,
    "The proxy takes the request and does not answer.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "error": "no answer in time"},
    probes=NO_TUNNEL,
    limit_s=HASTY_S,
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy that says nothing."""
    with world.slack(), world.proxy(hang):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-is-none",
    PROXIES,
    "What answers there is no proxy.",
    Cause.PROXY,
    Phase.PROXY,
    evidence={"proxy_host": PROXY, "first_bytes": "SSH-2.0-OpenSSH_9.6\\x0d\\x0a"},
    probes=NO_TUNNEL,
)
def _(world: World) -> Iterator[Endpoint]:
    """An SSH server on the proxy's port."""
    with world.slack(), world.proxy(say(b"SSH-2.0-OpenSSH_9.6\r\n")):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@row(
    "proxy-inspects",
    PROXIES,
    "The proxy looks into the traffic, and its certificate is not configured.",
    Cause.TLS,
    Phase.TLS,
    evidence={"host": API, "issuer": "Example Inspection CA, Example Ltd"},
    probes="route, proxy and TCP fine, but TLS to Slack fails",
)
def _(world: World) -> Iterator[Endpoint]:
    """A proxy that answers in Slack's place with a certificate of its own."""
    with world.slack(), world.proxy(world.inspect):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


# What these rows cannot show, as it takes a running keeper, is shown elsewhere.


def elsewhere(
    id: str,
    situation: str,
    happened: str,
    cause: Cause,
    phase: Phase | None,
    made: str,
    test: str,
    **expected: Any,
) -> None:
    """A row whose fault another test makes."""
    ROWS.append(
        Row(id, situation, happened, cause, phase, made=made, elsewhere=test, reached=True, **expected)
    )


elsewhere(
    "rst-at-a-send",
    ABRUPT,
    "The link was torn down, and a send finds out.",
    Cause.RESET,
    Phase.LIVE,
    "RST, met by a ping before anything was read.",
    "tests/test_slack_link.py::test_a_reset_that_a_send_meets_is_a_reset_for_the_reader_too",
    close_code=1006,
)
elsewhere(
    "silence",
    ENDS,
    "Nothing comes any more, not even the answer to a ping.",
    Cause.KEEPALIVE_TIMEOUT,
    Phase.LIVE,
    "A server that says nothing more and leaves the connection open.",
    "tests/test_faults.py::test_a_dropped_link_is_named_and_replaced[silence]",
)
elsewhere(
    "no-hello",
    ENDS,
    "The link opens, but Slack's hello does not come.",
    Cause.HELLO_TIMEOUT,
    Phase.HELLO,
    "A server that completes the handshake and says nothing.",
    "tests/test_faults.py::test_a_failed_attempt_is_named_and_repeated[nohello]",
)
elsewhere(
    "spent-address",
    ENDS,
    "The link's address had expired.",
    Cause.URL_EXPIRED,
    Phase.HELLO,
    "An address used twice.",
    "tests/test_faults.py::test_a_failed_attempt_is_named_and_repeated[spent]",
)

elsewhere(
    "too-many-links",
    ENDS,
    "All ten links of the app are taken.",
    Cause.TOO_MANY_LINKS,
    Phase.HELLO,
    "Ten other links of one Socket Mode app.",
    "tests/test_faults.py::test_ten_other_links_of_the_app_leave_no_place_until_a_person_ends_one",
)
elsewhere(
    "migration",
    ENDS,
    "Slack moves the workspace to another server.",
    Cause.TEAM_MIGRATION,
    Phase.LIVE,
    "The event “team_migration_started”.",
    "tests/test_faults.py::test_a_dropped_link_is_named_and_replaced[migration]",
)
elsewhere(
    "goodbye",
    ENDS,
    "Slack is about to close an RTM link. The next one is opened first: no stop, only a `handover`.",
    Cause.GOODBYE,
    Phase.LIVE,
    "The event “goodbye”.",
    "tests/test_faults.py::test_a_planned_end_makes_no_gap[goodbye]",
)
elsewhere(
    "refresh",
    ENDS,
    "Slack wants a Socket Mode link renewed. The next one is opened first, as above.",
    Cause.REFRESH,
    Phase.LIVE,
    "The message “disconnect”, reason “refresh_requested”.",
    "tests/test_faults.py::test_a_planned_end_makes_no_gap[refresh]",
)

# On this side

HERE = "On this side: this machine, traymon, or you"

elsewhere(
    "no-token",
    HERE,
    "The token cannot be read.",
    Cause.NO_TOKEN,
    Phase.TOKEN,
    "A token in an environment variable that is not set; a locked keyring and a file that others may read, likewise.",
    "tests/test_bad_input.py::test_a_token_that_is_not_in_the_environment",
)
elsewhere(
    "paused",
    HERE,
    "You paused the bot, or took it out of the configuration.",
    Cause.USER,
    None,
    "Pause in the menu.",
    "tests/desktop/test_whole_program.py::test_the_menu_and_what_it_does",
)
elsewhere(
    "quit",
    HERE,
    "traymon was told to end: Quit in the menu, `traymon quit`, SIGTERM or Ctrl-C.",
    Cause.QUIT,
    None,
    "Quit in the menu.",
    "tests/desktop/test_whole_program.py::test_the_icon_follows_slack_and_slack_follows_the_click",
)
elsewhere(
    "slept",
    HERE,
    "This machine slept.",
    Cause.SLEPT,
    None,
    "A sleep that is announced, and a clock that shows an hour gone by.",
    "tests/test_keeper_surroundings.py::test_the_machine_may_sleep_once_every_bots_sleep_is_on_disk",
)
elsewhere(
    "frozen",
    HERE,
    "traymon stood still for over 2 s (stopped, or no processor time), and the link did not outlive it.",
    Cause.FROZEN,
    None,
    "The core, called a minute late, in virtual time.",
    "tests/test_core_machine.py::test_a_link_that_did_not_survive_a_freeze_is_dated_by_its_last_frame",
)
elsewhere(
    "died",
    HERE,
    "traymon was killed, crashed, or the power failed. Found at the next start: the stop is dated within 15 s, after a "
    "power failure within 45 s, and says that it is an estimate.",
    Cause.TRAYMON_DIED,
    None,
    "`kill -9`, twenty times.",
    "tests/test_kill.py::test_twenty_kills",
)
elsewhere(
    "shutdown",
    HERE,
    "This machine shut down.",
    Cause.SYSTEM_SHUTDOWN,
    None,
    "A shutdown as login1 announces it.",
    "tests/test_keeper_surroundings.py::test_a_shutdown_ends_the_program_and_says_why",
)


# Settings with which it comes up all the same


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Environment variables for a while."""
    os.environ.update(variables)
    yield
    for name in variables:
        del os.environ[name]


BOTH = (f"{API}:443", f"{LINK}:443")


@way("direct")
def _(world: World) -> Iterator[None]:
    """No proxy at all."""
    with world.slack():
        yield


@way("private-authority")
def _(world: World) -> Iterator[Endpoint]:
    """`ca_file` names the authority that issued the certificates."""
    with world.slack(tls=world.inspected):
        yield Endpoint(ca_file=world.inspectors_trust)


@way("proxy", *BOTH)
def _(world: World) -> Iterator[Endpoint]:
    """`proxy` names a proxy, and a firewall lets nothing past it."""
    with world.slack(), world.proxy(world.pass_on):
        yield Endpoint(proxy=proxied(), ca_file=world.trust)


@way("proxy-with-password", *BOTH)
def _(world: World) -> Iterator[Endpoint]:
    """`proxy` names a proxy, a user and a password."""
    with world.slack(), world.proxy(world.want_password):
        yield Endpoint(proxy=proxied(f"me:{PASSWORD}@"), ca_file=world.trust)


@way("proxy-of-the-environment", *BOTH)
def _(world: World) -> Iterator[None]:
    """The environment's `HTTPS_PROXY` names the proxy."""
    with world.slack(), world.proxy(world.pass_on), environment(HTTPS_PROXY=proxied()):
        yield


@way("no-proxy")
def _(world: World) -> Iterator[None]:
    """`HTTPS_PROXY` names a proxy, and `NO_PROXY` excepts slack.com with all its hosts."""
    at_work = world.net.serve(ADDRESSES[PROXY], PROXY_PORT, world.pass_on)
    with world.slack(), at_work, environment(HTTPS_PROXY=proxied(), NO_PROXY="localhost,slack.com"):
        yield


@way("no-proxy-for-one", BOTH[0])
def _(world: World) -> Iterator[None]:
    """`NO_PROXY` excepts the link's host only."""
    at_work = world.net.serve(ADDRESSES[PROXY], PROXY_PORT, world.pass_on)
    with world.slack(), at_work, environment(HTTPS_PROXY=proxied(), NO_PROXY=LINK):
        yield


@way("inspecting-proxy", *BOTH)
def _(world: World) -> Iterator[Endpoint]:
    """The proxy inspects the traffic, and `ca_file` is its certificate."""
    with world.proxy(world.inspect):
        yield Endpoint(proxy=proxied(), ca_file=world.inspectors_trust)


# Inside the private internet


def attempt(endpoint: Endpoint, limit_s: float, *, until_up: bool) -> dict[str, Any] | None:
    """One whole attempt, both legs, up to the link's end, and why it ended; ``None`` where the link is up."""
    connector = RtmConnector(endpoint, lambda: TOKEN)
    try:
        link = connector.open(step_limit_s=limit_s, tcp_limit_s=limit_s, on_answered=lambda answer: None)
        with link:
            while not (isinstance(link.receive(), Hello) and until_up):
                pass
            return None
    except SlackError as error:
        return asdict(error.failure)


def meet(world: World, item: Row | Way) -> dict[str, Any]:
    """What traymon makes of a row or a way: the failure, what the side probes found, and what the proxy was asked."""
    world.proxy_saw.clear()
    limit_s = item.limit_s if isinstance(item, Row) else PATIENT_S
    fault = item.setting if isinstance(item, Way) else item.fault
    assert fault is not None
    with fault(world) as endpoint:
        endpoint = endpoint or Endpoint(ca_file=world.trust)
        until_up = isinstance(item, Way) or item.phase is not Phase.LIVE
        failure = attempt(endpoint, limit_s, until_up=until_up)
        saw = list(world.proxy_saw)
        facts = diagnose(endpoint, limit_s=limit_s).facts()
    return {"failure": failure, "facts": facts, "proxy_saw": saw}


def main() -> None:
    """Meet all, and print what came of it as JSON."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        items = [*(row for row in ROWS if row.fault is not None), *WAYS]
        print(json.dumps({item.id: meet(world, item) for item in items}))
        world.net.close()


# The page

_HEAD = """\
# Causes: why a bot is not online

Every stop and every failed attempt in the [session log](session-log.md) has one cause of a closed list. Its name
stands in the log, in `traymon status --json`, and in `TRAYMON_CAUSE` for
[a command of your own](configuration.md#a-command-of-your-own); names are never changed and never translated.

```
2016-12-20 07:29:10+09:00  stop   deploybot  after 15h 40m 02s  1006 abrupt_close: Slack hung up without a close frame  #1234
```

Before the name stands the WebSocket's close code, where there was one. 1006 itself is never sent: it stands for “no
close frame came”. From a symptom to what to do: [troubleshooting.md](troubleshooting.md).

"""  # noqa: E501 - a line of the log
_LIST_TEXT = """\
## All causes

| in the log | in short | what traymon tells |
|---|---|---|
"""
_REFUSALS_TEXT = """\
## What Slack refuses for good

`refused_token` comes with Slack's own code, and what helps depends on it. No loop runs after it: traymon tries again
when you click Reconnect or give it another token. After the codes with a star it also tries once in 15 minutes, as
Slack gives them to good tokens on a network that the workspace does not allow.

| Slack's code | what traymon tells |
|---|---|
"""
_TABLE_TEXT = """\
## The 1006 table

A WebSocket that ends without a close frame is reported as 1006, and so is one that never came up: the W3C demands that
a browser's scripts cannot tell seven different situations apart. That protects people from web pages; it does not help
whoever runs a bot. traymon may know, and says which it was.

For each way to fail, here are the cause and the step that failed, what traymon tells, and what its
[side probes](#the-side-probes) find out meanwhile. `tests/test_1006.py` makes each of them for real, in a private
internet in which slack.com is the test's own, and compares. Those with a file's name at their end are made there.

This page is drawn from that table: `python -m tests.table_1006 --docs > docs/causes.md` draws it anew.

"""
_PROBES_TEXT = """\
## The side probes

While a link is down, traymon looks at the way to Slack step by step, beside its attempts and without holding them up:
has this machine a route; can Slack's name be looked up; does TCP reach it; is its certificate trusted. All that takes
3 seconds at most and goes where the link goes, through the proxy where there is one. Nobody but Slack is asked. What
was found is kept with the outage:

| in the log | means |
|---|---|
| `probe_route`, `probe_dns`, `probe_proxy`, `probe_tcp`, `probe_tls` | `ok`, `skipped`, or the cause of the failure |
| `probe_error` | the words for the first that failed |
| `issuer`, `subject` | of a certificate that was refused: who issued it, and for which hosts |

A step that stands on one that failed is skipped, and so is one that had no time left to tell anything. Where a proxy is
on the way, it looks Slack's name up, so `probe_dns` is skipped and `probe_tcp` is the proxy's tunnel.
"""
_WAYS_TEXT = """\
## Proxies and certificates with which it comes up

Both connections, to the Web API and to the link, obey the same settings. The test makes each of these too, and looks at
what the proxy was asked for.

| setting | through the proxy |
|---|---|
"""


def page() -> str:
    """``docs/causes.md``."""
    parts = [_HEAD + _LIST_TEXT + _listed(), _REFUSALS_TEXT + _refusals(), _TABLE_TEXT.rstrip("\n") + "\n"]
    for situation in dict.fromkeys(row.situation for row in ROWS):
        lines = [
            f"### {situation}\n",
            "| what happened | in the log | what traymon tells | side probes | made by |",
            "|---|---|---|---|---|",
        ]
        lines += [_line(row) for row in ROWS if row.situation == situation]
        parts.append("\n".join(lines) + "\n")
    ways = "".join(f"| {_cell(way.made)} | {_cell(', '.join(way.through) or 'nothing')} |\n" for way in WAYS)
    return "\n".join([*parts, _PROBES_TEXT, _WAYS_TEXT + ways])


def _listed() -> str:
    """Every cause, as it is told where nothing else is known."""
    lines = (f"| `{each}` | {words.short_cause(each)} | {_cell(words.cause(each))} |\n" for each in Cause)
    return "".join(lines)


# Of the tables "Errors" of rtm.connect and apps.connections.open; what helps differs between the two for some.
_REFUSED = (
    "not_allowed_token_type", "legacy_custom_bots_deprecated", "method_deprecated", "link_disabled", "missing_scope",
    "invalid_auth", "accesslimited", "token_revoked", "token_expired", "not_authed", "account_inactive",
    "user_removed_from_team", "team_disabled", "is_bot", "access_denied", "two_factor_setup_required", "unknown_method",
)  # fmt: skip


def _refusals() -> str:
    lines = []
    for code in _REFUSED:
        star = "\\*" if verdict(code) is Verdict.REFUSED_MAYBE else ""
        rtm, socket_mode = (
            words.cause(Cause.REFUSED_TOKEN, detail=code, evidence={"transport": transport})
            for transport in ("rtm", "socket")
        )
        if rtm == socket_mode or code == "link_disabled":
            lines.append(f"| `{code}`{star} | {_cell(socket_mode)} |\n")
        else:
            lines.append(
                f"| `{code}`{star}, RTM | {_cell(rtm)} |\n| `{code}`{star}, Socket Mode | {_cell(socket_mode)} |\n"
            )
    return "".join(lines)


def _line(row: Row) -> str:
    code = "" if row.close_code is None else f"{row.close_code} "
    made = row.made if not row.elsewhere else f"{row.made} (`{row.elsewhere.partition('::')[0]}`)"
    named = f"{code}`{row.cause}`" + (f" at `{row.phase}`" if row.phase else "")
    probes = "" if row.elsewhere else row.probes
    return f"| {' | '.join([_cell(row.happened), named, *map(_cell, (row.sentence, probes, made))])} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    if sys.argv[1:] == ["--docs"]:
        sys.stdout.write(page())
    else:
        main()
