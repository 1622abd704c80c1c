"""From a target to a connected wire: name, TCP, proxy, TLS, each step with a limit and a failure of its own.

Both legs, the Web API and the WebSocket, come through here, so they obey the same proxy and the same trust, and an
unanswered SYN is told from an unanswered request.
"""

import errno
import queue
import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any

from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint, Proxy, Target
from traymon.slack.errors import NO_ROUTE_CODES, SlackError, failure_of
from traymon.slack.wire import TooMuchError, Wire, WireAbortedError, new_selector

Address = tuple[Any, ...]
"""What :func:`socket.getaddrinfo` gives for one address: (family, type, proto, canonname, sockaddr)."""

_STAGGER_S = 0.25
"""RFC 8305 ("Happy Eyeballs") 5: a connect unanswered for this long gets company from the next address."""
_IN_PROGRESS = frozenset(
    {errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)}
)
# RFC 9110 11.6.1: challenges stand in a list, each a scheme and perhaps parameters (name=value) or a token.
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s*(?:,|$)|\s+[^\s=,])")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PROXY_ANSWER_LIMIT = 65_536
"""Bytes. A proxy's refusal may carry a page; what is longer is no answer to CONNECT."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. Each step (name, proxy, TLS, answer, handshake) has ``step_s``; TCP has ``tcp_s``."""

    step_s: float
    tcp_s: float


@contextmanager
def step(phase: Phase, *, reached: bool, **evidence: Fact) -> Iterator[None]:
    """What goes wrong within is a failure of ``phase``; :class:`WireAbortedError` is left to whoever aborted."""
    try:
        yield
    except (SlackError, WireAbortedError):
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a library raises, the attempt failed at this step
        # Not chained: the library's text can quote a header or a URL with a ticket.
        raise SlackError(failure_of(exc, phase, reached=reached, evidence=evidence)) from None


def dial(
    target: Target, endpoint: Endpoint, limits: Limits, cancel: Cancel, *, tunnel: bool, reached: bool
) -> Wire:
    """Connect to ``target`` as ``endpoint`` wants it. Raises SlackError.

    ``tunnel``: a proxy is asked for a tunnel also where there is no TLS (a WebSocket needs one, plain HTTP does not).
    ``reached``: the Web API call of this attempt has reached Slack already.
    """
    proxy = endpoint.proxy_for(target)
    wire = _connect(target, proxy, limits, cancel, reached=reached)
    try:
        with cancel.watch(wire.abort):
            if proxy is not None and (tunnel or target.secure):
                with step(Phase.PROXY, reached=reached, host=target.host, proxy_host=proxy.host):
                    ask_for_tunnel(wire, target, proxy, limits.step_s, reached=reached)
            if target.secure:
                _secure(wire, target, endpoint, limits.step_s, reached=reached)
    except BaseException:
        wire.abort()
        raise
    return wire


def _secure(wire: Wire, target: Target, endpoint: Endpoint, limit_s: float, *, reached: bool) -> None:
    try:
        with step(Phase.TLS, reached=reached, host=target.host):
            wire.start_tls(endpoint.ssl_context(), target.host, limit_s)
    except SlackError as error:
        failure = error.failure
    else:
        return
    if failure.cause is Cause.TLS and wire.first_not_tls:
        failure = replace(failure, evidence={**failure.evidence, "first_bytes": wire.first_not_tls})
    raise SlackError(failure)


def _connect(target: Target, proxy: Proxy | None, limits: Limits, cancel: Cancel, *, reached: bool) -> Wire:
    host, port = (target.host, target.port) if proxy is None else (proxy.host, proxy.port)
    facts: dict[str, Fact] = {"host": target.host}
    if proxy is not None:
        facts["proxy_host"] = proxy.host
    with step(Phase.DNS if proxy is None else Phase.PROXY, reached=reached, **facts):
        addresses = resolve(host, port, limits.step_s, cancel)
    with step(Phase.TCP if proxy is None else Phase.PROXY, reached=reached, **facts):
        raw = connect(addresses, limits.tcp_s, cancel)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(raw)


def resolve(host: str, port: int, limit_s: float, cancel: Cancel) -> list[Address]:
    """The addresses of ``host``, best first. Raises OSError (gaierror), TimeoutError, UnicodeError or AbandonedError.

    The system's look-up has no limit and cannot be ended, so it runs in a thread that is left behind when it is late.
    """
    # From the look-up, or from cancel(), to here: one item is enough, and who comes second finds nobody waiting.
    answers: queue.SimpleQueue[list[Address] | BaseException | None] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    # Asks the system for the name. Daemon: a name server that never answers must not hold up the exit.
    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    with cancel.watch(lambda: answers.put(None)):
        try:
            answer = answers.get(timeout=limit_s)
        except queue.Empty:
            raise TimeoutError from None
        cancel.check()
    if isinstance(answer, BaseException):
        raise answer
    if not answer:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    return answer


def connect(addresses: list[Address], limit_s: float, cancel: Cancel) -> socket.socket:
    """A socket connected to the first of ``addresses`` that takes it, IPv6 and IPv4 by turns (RFC 8305).

    ``limit_s`` is for all of them together. Raises OSError of the address that got furthest, TimeoutError or
    AbandonedError.
    """
    race = _Race(_by_turns(addresses))
    try:
        return race.run(time.monotonic() + limit_s, cancel)
    finally:
        race.close()


def _by_turns(addresses: list[Address]) -> list[Address]:
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address is not None]


class _Race:
    """Connects under way; the first that succeeds wins."""

    def __init__(self, addresses: list[Address]) -> None:
        self._waiting = addresses
        self._selector = new_selector()
        self._errors: list[OSError] = []

    def run(self, deadline: float, cancel: Cancel) -> socket.socket:
        next_start = time.monotonic()
        while True:
            cancel.check()
            now = time.monotonic()
            if self._waiting and now >= next_start:
                next_start = now + _STAGGER_S if self._start(self._waiting.pop(0)) else now
                continue
            if not self._selector.get_map():
                raise max(self._errors, key=_how_far)
            if now >= deadline:
                raise TimeoutError
            # Also the longest that a cancel can go unnoticed: what wakes select() differs by system, a look does not.
            for key, _ in self._selector.select(min(_STAGGER_S, deadline - now)):
                winner = self._finish(key.fileobj)
                if winner is not None:
                    return winner
                next_start = time.monotonic()

    def close(self) -> None:
        """Close all that did not win."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def _start(self, address: Address) -> bool:
        """Begin a connect; False when it failed at once."""
        family, kind, protocol, _, where = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # IPv6 switched off
            self._errors.append(error)
            return False
        sock.setblocking(False)
        number = sock.connect_ex(where)
        if number and number not in _IN_PROGRESS:
            sock.close()
            self._errors.append(OSError(number, "connect"))
            return False
        self._selector.register(sock, selectors.EVENT_WRITE)
        return True

    def _finish(self, sock: object) -> socket.socket | None:
        assert isinstance(sock, socket.socket)
        self._selector.unregister(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == 0:
            return sock
        sock.close()
        self._errors.append(OSError(number, "connect"))
        return None


def _how_far(error: OSError) -> int:
    """A refusal came from the host itself, a lost way from a router, no way at all from this machine."""
    match failure_of(error, Phase.TCP, reached=False).cause:
        case Cause.CONNECT_REFUSED | Cause.RESET:
            return 3
        case Cause.CONNECT_TIMEOUT:
            return 2
        case Cause.UNREACHABLE if error.errno not in NO_ROUTE_CODES:
            return 1
        case _:
            return 0


def ask_for_tunnel(wire: Wire, target: Target, proxy: Proxy, limit_s: float, *, reached: bool) -> None:
    """HTTP CONNECT (RFC 9110 9.3.6), read byte by byte: what follows the answer is the tunnel's.

    Raises SlackError for an answer that opens none, OSError, TimeoutError or WireAbortedError.
    """
    name = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {name}:{target.port} HTTP/1.1", f"Host: {name}:{target.port}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    wire.deadline = time.monotonic() + limit_s
    wire.allowance = _PROXY_ANSWER_LIMIT
    wire.send("\r\n".join((*lines, "", "")).encode("ascii"))
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        try:
            byte = wire.recv(1)
        except TooMuchError:
            byte = b""
        if not byte:
            raise SlackError(_no_tunnel(target, proxy, reached, {"first_bytes": wire.first_bytes}))
        answer += byte
    status = _status(bytes(answer))
    if status is None or not 200 <= status < 300:
        facts: dict[str, Fact] = (
            {"first_bytes": wire.first_bytes} if status is None else {"http_status": status}
        )
        if (wanted := _wanted(answer)) is not None:
            facts["proxy_wants"] = wanted
        raise SlackError(_no_tunnel(target, proxy, reached, facts))
    wire.deadline = wire.allowance = None


def _status(answer: bytes) -> int | None:
    parts = answer.split(b"\r\n", 1)[0].split(None, 2)
    valid = len(parts) >= 2 and parts[0].startswith(b"HTTP/") and parts[1].isdigit() and len(parts[1]) == 3
    return int(parts[1]) if valid else None


def _wanted(answer: bytearray) -> str | None:
    """How the proxy wants to be signed in to: ``Basic`` where it would do, else the first scheme that it names."""
    schemes: list[str] = []
    for line in bytes(answer).decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "proxy-authenticate":
            schemes += _SCHEME.findall(_QUOTED.sub("", value))
    return next((scheme for scheme in schemes if scheme.lower() == "basic"), schemes[0] if schemes else None)


def _no_tunnel(target: Target, proxy: Proxy, reached: bool, facts: Mapping[str, Fact]) -> Failure:
    evidence = {"host": target.host, "proxy_host": proxy.host, **facts}
    if proxy.authorization is not None:
        evidence["proxy_login"] = True
    return Failure(Cause.PROXY, Phase.PROXY, reached_slack=reached, evidence=evidence)


__all__ = ["Limits", "ask_for_tunnel", "connect", "dial", "resolve", "step"]
