"""One WebSocket to Slack, from the handshake to its end, on websocket-client's plain ``WebSocket``.

Rules of a link's end
---------------------
1. A link ends once. What ended it is kept; whoever reads or sends from then on gets that same failure.
2. A close frame outranks what follows it: it is still read when the connection is reset behind it.
3. Without a close frame it is an ``abrupt_close`` (FIN) or a ``reset`` (RST), both with 1006, the code that RFC 6455
   reserves for this and that nobody sends.
4. What this program ends itself (:meth:`Link.close`, :meth:`Link.abort`) is nobody's failure: AbandonedError.
"""

import contextlib
import re
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import SWITCHING_PROTOCOLS
from typing import Literal

import websocket._handshake
from websocket import (
    ABNF,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketProtocolException,
    WebSocketTimeoutException,
)
from websocket._cookiejar import SimpleCookieJar

from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Limits, dial, step
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import ABNORMAL, AbandonedError, SlackError, failure_of, http_failure
from traymon.slack.wire import TooMuchError, Wire, WireAbortedError
from traymon.slackwire import frames

Transport = Literal["rtm", "socket"]

SEND_LIMIT_S = 2.0
"""A send that the system does not take for this long means that nothing of ours arrives any more."""
MESSAGE_LIMIT = 32 * 1024 * 1024
"""Bytes. Slack's events stay far below 1 MB; a stream without end must not fill the memory."""
_HANDSHAKE_LIMIT = 64 * 1024
"""Bytes of the answer to the handshake, a refusal's page included: websocket-client reads it byte by byte."""
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})\b")
_CONTROL_LIMIT = 125
"""Bytes of a ping, pong or close frame (RFC 6455 5.5)."""
_VERDICT_WAIT_S = 0.3
"""After a send failed, for the reader to find what is left in the socket: Slack's close frame, if there was one."""

NORMAL, PROTOCOL_BROKEN, NO_CODE, NOT_UTF8, TOO_BIG = 1000, 1002, 1005, 1007, 1009
"""RFC 6455 7.4.1. ``NO_CODE`` stands for a close frame without a code."""


@dataclass(frozen=True, slots=True)
class PingSeen:
    """Slack sent a WebSocket ping; it is answered already."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class PongSeen:
    """Slack sent a WebSocket pong; ``payload`` is that of the ping it answers."""

    payload: bytes


ControlFrame = PingSeen | PongSeen


class Link:
    """One open WebSocket. One thread at a time calls :meth:`receive`; all else may be called from any thread."""

    def __init__(self, wire: Wire, socket: "_WebSocket", transport: Transport, host: str) -> None:
        """For :meth:`open`, which makes links."""
        self.local_address = wire.local_address
        """The address of this machine that the link is bound to."""
        self.message = b""
        """The latest message as it came, of any kind; for the thread that calls :meth:`receive`."""
        self._wire = wire
        self._socket = socket
        self._transport = transport
        self._host = host
        self._phase = Phase.HELLO
        # Held by the thread inside receive(), or by close() where no thread is: one of them reads at a time.
        self._read_lock = threading.Lock()
        # Guards _failure and _closing: the first end is the link's end.
        self._end_lock = threading.Lock()
        self._failure: Failure | None = None
        self._closing = False
        # Set once, when the link has ended: close() and a failed send wait for it.
        self._ended = threading.Event()

    @classmethod
    def open(
        cls,
        url: str,
        endpoint: Endpoint,
        *,
        step_limit_s: float,
        tcp_limit_s: float,
        transport: Transport,
        cancel: Cancel | None = None,
    ) -> "Link":
        """Connect and shake hands; does not wait for ``hello``. Raises SlackError.

        ``url`` is Slack's and works once. ``tcp_limit_s`` is for TCP, ``step_limit_s`` for each other step.
        """
        cancel = cancel or Cancel()
        target = Target.of(url)
        limits = Limits(step_limit_s, tcp_limit_s)
        wire = dial(target, endpoint, limits, cancel, tunnel=True, reached=True)
        try:
            with cancel.watch(wire.abort):
                socket = _shake_hands(wire, url, target, step_limit_s)
            return cls(wire, socket, transport, target.host)
        except BaseException:
            wire.abort()
            raise

    def receive(self) -> frames.Frame | ControlFrame:
        """Wait for the next frame. Raises SlackError once the link has ended, whatever ended it."""
        with self._read_lock:
            return self._next()

    def send_ping(self, number: int) -> None:
        """Ask for a sign of life: RTM's JSON ping or Socket Mode's WebSocket ping. As :meth:`send_text`.

        ``number`` comes back in ``Pong.reply_to``, or as decimal digits in ``PongSeen.payload``.
        """
        if self._transport == "rtm":
            self.send_text(frames.ping(number, time.time_ns() // 1_000_000))
        else:
            self._send(ABNF.create_frame(str(number).encode(), ABNF.OPCODE_PING))

    def send_text(self, text: str) -> None:
        """Send one text message. Blocks for at most :data:`SEND_LIMIT_S`; raises SlackError."""
        self._send(ABNF.create_frame(text, ABNF.OPCODE_TEXT))

    def close(self, limit_s: float = 1.0) -> None:
        """Part in peace: send a close frame, wait at most ``limit_s`` for Slack's, then abort. Never raises."""
        deadline = time.monotonic() + limit_s
        with self._end_lock:
            first = not self._closing and self._failure is None
            self._closing = True
        if first:
            self._socket.parting = True
            with contextlib.suppress(Exception):
                self._wire.send_all(_close_frame(NORMAL), limit_s)
        if self._read_lock.acquire(blocking=False):
            try:
                self._read_out(deadline)
            finally:
                self._read_lock.release()
        else:
            self._ended.wait(max(0.0, deadline - time.monotonic()))
        self.abort()

    def abort(self) -> None:
        """End the link at once; a thread inside :meth:`receive` wakes. Never blocks, never raises, idempotent."""
        self._finish(AbandonedError().failure)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    # Reading

    def _next(self) -> frames.Frame | ControlFrame:
        if self._failure is not None:
            raise self._error()
        try:
            opcode, frame = self._socket.recv_data_frame(control_frame=True)
        except WireAbortedError:
            raise self._error() from None
        except Exception as exc:  # noqa: BLE001 - whatever a library raises, the link has ended
            raise self._end_by(exc) from None
        payload = bytes(frame.data)
        match opcode:
            case ABNF.OPCODE_CLOSE:
                raise self._end(self._closed(payload))
            case ABNF.OPCODE_PING:
                return PingSeen(payload)
            case ABNF.OPCODE_PONG:
                return PongSeen(payload)
        self.message = payload
        message = frames.parse(payload)
        if isinstance(message, frames.Hello):
            self._phase = Phase.LIVE
        elif isinstance(message, frames.Malformed) and opcode == ABNF.OPCODE_TEXT and not _is_utf8(payload):
            raise self._end_by(WebSocketPayloadException())  # RFC 6455 8.1
        elif isinstance(message, frames.Disconnect) and self._transport == "rtm":
            return frames.Other("disconnect")  # Socket Mode's alone: RTM's links end otherwise
        return message

    def _read_out(self, deadline: float) -> None:
        """In close(): read until Slack's close frame, the end or ``deadline``."""
        self._wire.deadline = deadline
        with contextlib.suppress(SlackError):
            while True:
                self._next()

    def _closed(self, payload: bytes) -> Failure:
        code = struct.unpack("!H", payload[:2])[0] if payload else NO_CODE
        reason = payload[2:].decode("utf-8", "replace")
        return Failure(
            Cause.CLOSED_BY_SLACK,
            self._phase,
            reason,
            close_code=code,
            reached_slack=True,
            evidence={"host": self._host},
        )

    def _end_by(self, exc: Exception) -> SlackError:
        failure = failure_of(exc, self._phase, reached=True, evidence={"host": self._host})
        if failure.cause is Cause.ABRUPT_CLOSE and self._socket.was_reset:
            # The system reports a reset once, and a send got the report: to the reader it looked like a FIN.
            failure = Failure(
                Cause.RESET,
                self._phase,
                close_code=ABNORMAL,
                reached_slack=True,
                evidence=failure.evidence,
            )
        elif failure.cause is Cause.PROTOCOL_ERROR:
            with contextlib.suppress(Exception):
                self._wire.send_all(_close_frame(_code_for(exc)), SEND_LIMIT_S)
            evidence: dict[str, Fact] = {"host": self._host, "error": _rule(exc)}
            failure = Failure(Cause.PROTOCOL_ERROR, self._phase, reached_slack=True, evidence=evidence)
        return self._end(failure)

    # Sending

    def _send(self, frame: ABNF) -> None:
        if self._closing or self._failure is not None:
            raise self._error()
        try:
            self._socket.send_frame(frame)
        except WireAbortedError:
            raise self._error() from None
        except TimeoutError:
            evidence: dict[str, Fact] = {"host": self._host, "error": "a send was not taken"}
            failure = Failure(Cause.KEEPALIVE_TIMEOUT, self._phase, reached_slack=True, evidence=evidence)
            raise self._end(failure) from None
        except Exception as exc:  # noqa: BLE001 - as above
            failure = failure_of(exc, self._phase, reached=True, evidence={"host": self._host})
            self._ended.wait(_VERDICT_WAIT_S)
            raise self._end(failure) from None

    # The end

    def _end(self, failure: Failure) -> SlackError:
        """End the link for ``failure``, or for what came first."""
        self._finish(AbandonedError().failure if self._closing else failure)
        return self._error()

    def _finish(self, failure: Failure) -> None:
        with self._end_lock:
            if self._failure is None:
                self._failure = failure
        self._wire.abort()
        self._ended.set()

    def _error(self) -> SlackError:
        failure = self._failure
        if failure is None or failure.phase is Phase.LOCAL:
            return AbandonedError()
        return SlackError(failure)


class _TooBigError(WebSocketProtocolException):
    """A message above the limit."""


def _rule(exc: Exception) -> str:
    """The rule that was broken. websocket-client's texts name it and quote no payload; a payload's error would."""
    if isinstance(exc, _TooBigError):
        return f"a message of more than {MESSAGE_LIMIT >> 20} MB"
    if isinstance(exc, WebSocketPayloadException):
        return "a text that is not UTF-8"
    return str(exc) if isinstance(exc, WebSocketProtocolException) else type(exc).__name__


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class _FrameBuffer(websocket.frame_buffer):
    """Refuses a frame by its header, before a byte of it is kept: what RFC 6455 5.1 and 5.5 say to fail on too."""

    def recv_length(self) -> None:
        super().recv_length()
        assert self.header is not None
        assert self.length is not None
        fin, opcode, masked = self.header[0], self.header[4], self.header[5]
        if masked:
            raise WebSocketProtocolException("a masked frame from a server")
        if opcode >= ABNF.OPCODE_CLOSE and (self.length > _CONTROL_LIMIT or not fin):
            raise WebSocketProtocolException("a control frame that is too long or in parts")
        if self.length > MESSAGE_LIMIT:
            raise _TooBigError


class _Fragments(websocket.continuous_frame):
    """Puts fragments together in one buffer that grows, and not above the limit."""

    def add(self, frame: ABNF) -> None:
        if not self.cont_data and not frame.fin:
            frame.data = bytearray(frame.data)  # type: ignore[arg-type, assignment]  # bytes, at the receiver
        super().add(frame)
        if self.cont_data and len(self.cont_data[1]) > MESSAGE_LIMIT:
            raise _TooBigError


class _WebSocket(websocket.WebSocket):
    """websocket-client's framing over a wire: bounded, and with answers that cannot hide why a link ended."""

    def __init__(self, wire: Wire) -> None:
        # Its check of UTF-8 runs in Python, seconds for a large frame; slackwire decodes anyway. Its locks have no
        # limits; the wire's have.
        super().__init__(skip_utf8_validation=True, enable_multithread=False)
        self.frame_buffer = _FrameBuffer(self._recv, skip_utf8_validation=True)
        self.cont_frame = _Fragments(fire_cont_frame=False, skip_utf8_validation=True)
        self.was_reset = False
        """A send was answered by a reset."""
        self.parting = False
        """Our close frame is on its way: nothing may follow it (RFC 6455 5.5.1)."""
        self._wire = wire

    def send_frame(self, frame: ABNF) -> int:
        data = frame.format()
        try:
            self._wire.send_all(data, SEND_LIMIT_S)
        except ConnectionResetError:
            self.was_reset = True
            raise
        return len(data)

    def pong(self, payload: str | bytes = "") -> None:
        """The reader's answer to a ping. Where it cannot be sent the next read tells why."""
        if not self.parting:
            with contextlib.suppress(OSError):
                super().pong(payload)

    def send_close(self, status: int = NORMAL, reason: str | bytes = b"") -> None:
        """The reader's answer to a close frame; the frame just read must not be lost over it."""
        if not self.parting:
            with contextlib.suppress(OSError, WireAbortedError):
                super().send_close(status, reason)


class _NoCookies(SimpleCookieJar):
    """In place of websocket-client's cookie jar, which is one for the process and outlives connections."""

    def add(self, set_cookie: str | None) -> None:
        """Forget a cookie."""

    def get(self, host: str) -> str:
        """No cookies."""
        return ""


websocket._handshake.CookieJar = _NoCookies()


def _code_for(exc: Exception) -> int:
    if isinstance(exc, _TooBigError):
        return TOO_BIG
    return NOT_UTF8 if isinstance(exc, WebSocketPayloadException) else PROTOCOL_BROKEN


def _close_frame(code: int) -> bytes:
    return ABNF.create_frame(struct.pack("!H", code), ABNF.OPCODE_CLOSE).format()


def _shake_hands(wire: Wire, url: str, target: Target, limit_s: float) -> _WebSocket:
    """RFC 6455 4.1. Raises SlackError of phase ``handshake``."""
    socket = _WebSocket(wire)
    wire.deadline = time.monotonic() + limit_s
    wire.allowance = _HANDSHAKE_LIMIT
    wire.read_ahead = True
    facts: dict[str, Fact] = {"host": target.host}
    with step(Phase.HANDSHAKE, reached=True, **facts):
        try:
            # Typed by nobody; the wire stands for the socket.
            socket.connect(url, socket=wire, redirect_limit=0, suppress_origin=True)  # type: ignore[no-untyped-call]
        except WebSocketBadStatusException as refusal:
            if refusal.status_code is None:  # an answer that began with an empty line
                raise _unlike_a_handshake(wire, facts) from None
            raise _refused(refusal.status_code, refusal.resp_headers, facts) from None
        except (WebSocketConnectionClosedException, WebSocketTimeoutException):
            if not wire.first_bytes:
                raise
            raise _unlike_a_handshake(wire, facts) from None
        except (WebSocketException, ValueError, TooMuchError):
            if socket.status is not None and socket.status != SWITCHING_PROTOCOLS:
                raise _refused(socket.status, socket.headers, facts) from None
            raise _unlike_a_handshake(wire, facts) from None
    _check(socket, wire, facts)
    wire.deadline = wire.allowance = None
    return socket


def _check(socket: _WebSocket, wire: Wire, facts: Mapping[str, Fact]) -> None:
    """What websocket-client lets pass: a redirect (before 1.9), and what RFC 6455 4.1 (5, 6) says to fail on."""
    headers = socket.headers or {}
    if socket.status != SWITCHING_PROTOCOLS:
        raise _refused(socket.status or 0, headers, facts)
    for name in ("sec-websocket-protocol", "sec-websocket-extensions"):
        if name in headers:
            raise _unlike_a_handshake(wire, {**facts, "error": f"{name} that was not asked for"})


def _refused(status: int, headers: Mapping[str, str] | None, facts: Mapping[str, Fact]) -> SlackError:
    return SlackError(http_failure(status, headers or {}, Phase.HANDSHAKE, evidence=facts))


def _unlike_a_handshake(wire: Wire, facts: Mapping[str, Fact]) -> SlackError:
    """What did come: an HTTP status whose page broke off or has no end, or something else altogether."""
    status = _STATUS_LINE.match(wire.first_bytes)
    if status is not None and int(status[1]) != SWITCHING_PROTOCOLS:
        return _refused(int(status[1]), None, facts)
    evidence = {**facts, "first_bytes": wire.first_bytes}
    return SlackError(Failure(Cause.NOT_WEBSOCKET, Phase.HANDSHAKE, reached_slack=True, evidence=evidence))
