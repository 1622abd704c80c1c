"""Every way in which the simulator can fail, as data.

=========================  =====================================================================================
on live links              ``Simulator.strike(token, fault)``
=========================  =====================================================================================
``Fin()``                  hangs up without a close frame: the 2016 failure, 1006 proper
``Rst()``                  resets the TCP connection (SO_LINGER 0)
``Silence(for_ms)``        the network swallows both directions, the socket stays open; after ``for_ms``, where
                           given, all that was swallowed arrives late, in order
``Close(code, reason)``    a close frame; the socket goes once the client answered it, at the latest after 1 s
``SayGoodbye(...)``        ``goodbye`` (Socket Mode: ``disconnect``), then a close frame unless the client leaves
``Migrate()``              ``team_migration_started``, then a close frame at once
``HugeFrame(size)``        one valid text frame of that many bytes
``JsonNull()``             the text ``null``
``BinaryFrame(data)``      a binary frame
``GarbageText(text)``      a text frame that is no JSON
``MalformedFrame(kind)``   bytes that break RFC 6455: ``opcode``, ``reserved``, ``masked``, ``long_control``, ``utf8``
=========================  =====================================================================================

=========================  =====================================================================================
on coming API calls        ``Simulator.arm(fault, times=1, token=None, method=None)``; ``times=None``: until disarmed
=========================  =====================================================================================
``HttpStatus(...)``        an HTTP error: 429 with ``Retry-After``, 503 … ; the body is what Slack or a proxy sends
``GarbageAnswer(body)``    HTTP 200 whose body is no JSON
``JsonAnswer(value)``      HTTP 200 with JSON of another shape: ``None``, a list, a number
``WrongShape(missing)``    the right answer without one of its keys (``url``, ``self.id`` …)
``SlackCode(code)``        ``{"ok": false, "error": code}``
``Hang()``                 takes the request and never answers
``Dribble(interval_ms)``   the right answer, one byte each interval
``HangUp(how)``            ends the connection instead of answering, by ``Fin()`` or ``Rst()``
``SlowAnswer(delay_ms)``   the right answer, late
``Portal()``               a redirect to a login page over plain HTTP, as a captive portal does
``Answer(...)``            no fault: an answer of the test's own, any status, headers and body, as large as wanted
=========================  =====================================================================================

=========================  =====================================================================================
on coming handshakes       ``Simulator.arm(fault, times=1, token=None)``
=========================  =====================================================================================
``HandshakeStatus(...)``   an HTTP status instead of 101
``HandshakeGarbage(data)`` bytes that are no HTTP instead of 101
``HandshakeHang()``        takes the request and never answers
``WrongAccept()``          101 with a wrong ``Sec-WebSocket-Accept``
``UnrequestedSubprotocol`` 101 that chooses a subprotocol nobody offered
``NoHello(...)``           101 and no ``hello``
``LateHello(delay_ms)``    101 and ``hello`` only later
``SpentUrl()``             what a used or expired URL gives: 101, the error event, a close frame
``DropBeforeHello(how)``   101, then a fault of a live link in the place of ``hello``
``PortalHandshake()``      a redirect to a login page over plain HTTP
=========================  =====================================================================================

A listener that refuses connections is no fault of a call: ``Simulator.refuse()`` and ``Simulator.accept()``.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fin:
    """FIN without a close frame."""


@dataclass(frozen=True, slots=True)
class Rst:
    """TCP reset."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing gets through, for ``for_ms`` or for ever."""

    for_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame; ``code`` ``None`` sends one without a code (1005 at the client)."""

    code: int | None = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SayGoodbye:
    """A planned end: the announcement, then the close frame ``close_after_ms`` later (``None``: never)."""

    close_after_ms: int | None = 5_000
    code: int = 1000
    reason: str = "refresh_requested"
    """Socket Mode's ``disconnect`` only."""


@dataclass(frozen=True, slots=True)
class Migrate:
    """The workspace moves."""


@dataclass(frozen=True, slots=True)
class HugeFrame:
    """A valid text frame of ``size`` bytes."""

    size: int = 5_000_000


@dataclass(frozen=True, slots=True)
class JsonNull:
    """``null``."""


@dataclass(frozen=True, slots=True)
class BinaryFrame:
    """A binary frame, which Slack never sends."""

    data: bytes = bytes(range(256))


@dataclass(frozen=True, slots=True)
class GarbageText:
    """Text that is no JSON."""

    text: str = '{"type":"mess'


@dataclass(frozen=True, slots=True)
class MalformedFrame:
    """Bytes that no WebSocket peer may send."""

    kind: Literal["opcode", "reserved", "masked", "long_control", "utf8"] = "opcode"


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """An HTTP error. ``retry_after`` is the header's text, in seconds when Slack writes it."""

    status: int = 503
    retry_after: str | None = None
    body: bytes | None = None
    """``None``: Slack's JSON for 429, a load balancer's page for the rest."""


@dataclass(frozen=True, slots=True)
class GarbageAnswer:
    """A body that is no JSON."""

    body: bytes = b'{"ok": tru'
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A body that is JSON, but no answer."""

    value: object = None


@dataclass(frozen=True, slots=True)
class WrongShape:
    """The right answer without the key ``missing``; a dot goes one level down."""

    missing: str = "url"


@dataclass(frozen=True, slots=True)
class SlackCode:
    """One of Slack's error codes."""

    code: str = "invalid_auth"


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, for as long as the client waits."""


@dataclass(frozen=True, slots=True)
class Dribble:
    """An answer in single bytes: every read succeeds, the whole takes minutes."""

    interval_ms: int = 100


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends instead of an answer."""

    how: Fin | Rst = field(default_factory=Fin)


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    """The right answer, ``delay_ms`` late."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Portal:
    """A captive portal in the way of the Web API."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the test's own: ``body``, ``repeat`` times over."""

    body: bytes = b'{"ok": true}'
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json; charset=utf-8"),)
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class HandshakeStatus:
    """An HTTP status instead of 101; Slack's own edge has been seen to say 408."""

    status: int = 403
    body: bytes = b"Forbidden\n"


@dataclass(frozen=True, slots=True)
class HandshakeGarbage:
    """Another protocol answers."""

    data: bytes = b"SSH-2.0-OpenSSH_9.6\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HandshakeHang:
    """No answer to the upgrade."""


@dataclass(frozen=True, slots=True)
class WrongAccept:
    """A 101 by something that did not read the key."""


@dataclass(frozen=True, slots=True)
class UnrequestedSubprotocol:
    """A 101 that names a subprotocol."""

    name: str = "chat"


@dataclass(frozen=True, slots=True)
class NoHello:
    """A link that opens and says nothing; pings are answered or not."""

    answers_pings: bool = True


@dataclass(frozen=True, slots=True)
class LateHello:
    """``hello`` comes ``delay_ms`` after the handshake."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class SpentUrl:
    """The URL is taken for a used one."""


@dataclass(frozen=True, slots=True)
class DropBeforeHello:
    """The link ends between the handshake and ``hello``."""

    how: Fin | Rst | Close = field(default_factory=Fin)


@dataclass(frozen=True, slots=True)
class PortalHandshake:
    """A captive portal in the way of the WebSocket."""


LinkFault = (
    Fin
    | Rst
    | Silence
    | Close
    | SayGoodbye
    | Migrate
    | HugeFrame
    | JsonNull
    | BinaryFrame
    | GarbageText
    | MalformedFrame
)
CallFault = (
    HttpStatus
    | GarbageAnswer
    | JsonAnswer
    | WrongShape
    | SlackCode
    | Hang
    | Dribble
    | HangUp
    | SlowAnswer
    | Portal
    | Answer
)
HandshakeFault = (
    HandshakeStatus
    | HandshakeGarbage
    | HandshakeHang
    | WrongAccept
    | UnrequestedSubprotocol
    | NoHello
    | LateHello
    | SpentUrl
    | DropBeforeHello
    | PortalHandshake
)


@dataclass(slots=True)
class _Armed:
    fault: CallFault | HandshakeFault
    times: int | None
    token: str | None = field(repr=False)
    method: str | None


class Armoury:
    """The faults that wait for a call or a handshake; the first that fits is taken. Belongs to the loop."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def arm(
        self, fault: CallFault | HandshakeFault, times: int | None, token: str | None, method: str | None
    ) -> None:
        """See ``Simulator.arm``; raises ``ValueError`` for what could never be taken."""
        if times is not None and times < 1:
            raise ValueError("a fault is armed for at least one time")
        if method is not None and isinstance(fault, HandshakeFault):
            raise ValueError("a handshake calls no method")
        self._armed.append(_Armed(fault, times, token, method))

    def disarm(self) -> None:
        """Forget all that is armed."""
        self._armed.clear()

    def for_call(self, token: str, method: str) -> CallFault | None:
        """Take the fault that this call meets, if any."""
        for armed in self._armed:
            fault = armed.fault
            if (
                isinstance(fault, CallFault)
                and armed.token in (None, token)
                and armed.method in (None, method)
            ):
                self._spend(armed)
                return fault
        return None

    def for_handshake(self, token: str) -> HandshakeFault | None:
        """Take the fault that this handshake meets, if any."""
        for armed in self._armed:
            fault = armed.fault
            if isinstance(fault, HandshakeFault) and armed.token in (None, token):
                self._spend(armed)
                return fault
        return None

    def _spend(self, armed: _Armed) -> None:
        if armed.times is None:
            return
        armed.times -= 1
        if not armed.times:
            self._armed.remove(armed)
