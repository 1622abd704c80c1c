"""The frames of a link as data: :func:`parse` for what Slack sends, :func:`ping` for what traymon sends.

:func:`parse` reads only the few keys that matter to a link. The rest of a frame (it can be megabytes) is checked
to be JSON and skipped without becoming Python objects. The builders below it are the simulator's side.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

# Enough to recognise an HTML page or a proxy's banner; a session log should not hold more of a stranger's bytes.
_FIRST_BYTES = 48

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hello:
    """Slack's first event. All it says comes in Socket Mode only: links of the app, expected life in seconds, the
    app's id."""

    num_connections: int | None = None
    approximate_connection_time_s: int | None = None
    app_id: str = ""


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the JSON ping whose id is ``reply_to``."""

    reply_to: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """RTM: Slack will close this link soon."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Socket Mode's goodbye. ``reason``: warning, refresh_requested, link_disabled, too_many_websockets; or empty."""

    reason: str


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """RTM's ``error`` event; code 1 is a spent or expired URL."""

    code: int
    msg: str


@dataclass(frozen=True, slots=True)
class TeamMigration:
    """RTM: the workspace moves to other servers; Slack closes the link at once."""


@dataclass(frozen=True, slots=True)
class Other:
    """Any other JSON: an object with or without a ``type``, or null, a list, a number, a string."""

    type: str | None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not JSON. ``first_bytes`` is ASCII with escapes, at most 48 bytes of the frame."""

    why: str
    first_bytes: str


Frame = Hello | Pong | Goodbye | Disconnect | ErrorFrame | TeamMigration | Other | Malformed


class _Envelope(msgspec.Struct):
    """The keys that matter, unread: a wrong type in one must not hide the others."""

    type: msgspec.Raw = msgspec.Raw()
    reply_to: msgspec.Raw = msgspec.Raw()
    reason: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    num_connections: msgspec.Raw = msgspec.Raw()
    debug_info: msgspec.Raw = msgspec.Raw()
    connection_info: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


class _DebugInfo(msgspec.Struct):
    approximate_connection_time: int


class _ConnectionInfo(msgspec.Struct):
    app_id: str


_envelopes = msgspec.json.Decoder(_Envelope)
_anything = msgspec.json.Decoder(msgspec.Raw)
_encoder = msgspec.json.Encoder()


def parse(payload: str | bytes) -> Frame:
    """Read one text or binary message. Never raises; its cost is one pass over the bytes."""
    try:
        raw = payload.encode() if isinstance(payload, str) else bytes(payload)
        raw.decode()  # the decoder skips strings without looking at their bytes
        try:
            envelope = _envelopes.decode(raw)
        except msgspec.ValidationError:
            _anything.decode(raw)  # valid JSON, but no object
            return Other(None)
    except UnicodeError:
        return Malformed("not UTF-8", _first_bytes(payload))
    except RecursionError:
        return Malformed("nested too deeply", _first_bytes(payload))
    except (msgspec.MsgspecError, ValueError):
        return Malformed("empty" if not payload else "not JSON", _first_bytes(payload))
    return _meaning(envelope)


def _meaning(envelope: _Envelope) -> Frame:
    kind = _read(envelope.type, str)
    match kind:
        case "hello":
            debug = _read(envelope.debug_info, _DebugInfo)
            connection = _read(envelope.connection_info, _ConnectionInfo)
            return Hello(
                num_connections=_read(envelope.num_connections, int),
                approximate_connection_time_s=debug.approximate_connection_time if debug else None,
                app_id=connection.app_id if connection else "",
            )
        case "pong":
            reply_to = _read(envelope.reply_to, int)
            return Other(kind) if reply_to is None else Pong(reply_to)
        case "goodbye":
            return Goodbye()
        case "disconnect":
            return Disconnect(_read(envelope.reason, str) or "")
        case "error":
            error = _read(envelope.error, _Error)
            return Other(kind) if error is None else ErrorFrame(error.code, error.msg)
        case "team_migration_started":
            return TeamMigration()
        case _:
            return Other(kind)


def _read(raw: msgspec.Raw, kind: type[T]) -> T | None:
    """One value of a frame, or ``None`` when it is missing or of another type."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _first_bytes(payload: str | bytes) -> str:
    head = payload[:_FIRST_BYTES]
    raw = head.encode("utf-8", "surrogatepass") if isinstance(head, str) else bytes(head)
    # A backslash is escaped too, so that what is shown can be read in one way only.
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw[:_FIRST_BYTES]
    )


def ping(number: int, time_ms: int) -> str:
    """RTM's ping: ``number`` is its id (positive, unique on the link), ``time_ms`` what some servers echo."""
    return _json({"id": number, "type": "ping", "time": time_ms})


def hello() -> str:
    """RTM's first event."""
    return _json({"type": "hello"})


def socket_hello(
    app_id: str, num_connections: int, approximate_connection_time_s: int, host: str = ""
) -> str:
    """Socket Mode's first event."""
    return _json(
        {
            "type": "hello",
            "num_connections": num_connections,
            "debug_info": {
                "host": host,
                "approximate_connection_time": approximate_connection_time_s,
            },
            "connection_info": {"app_id": app_id},
        }
    )


def pong(reply_to: int, time: object = None) -> str:
    """The answer to a JSON ping; ``time`` is the ping's own, where the server echoes it."""
    body: dict[str, object] = {"type": "pong", "reply_to": reply_to}
    if time is not None:
        body["time"] = time
    return _json(body)


def goodbye() -> str:
    """RTM: the server is going to close this link."""
    return _json({"type": "goodbye"})


def disconnect(reason: str, host: str = "") -> str:
    """Socket Mode: the server is going to close this link, and why."""
    return _json({"type": "disconnect", "reason": reason, "debug_info": {"host": host}})


def error_frame(code: int, msg: str) -> str:
    """RTM's ``error`` event."""
    return _json({"type": "error", "error": {"code": code, "msg": msg}})


def spent_url() -> str:
    """What a link gets whose URL was used before or is older than 30 s."""
    return error_frame(1, "Socket URL has expired")


def team_migration() -> str:
    """RTM: the workspace is being moved."""
    return _json({"type": "team_migration_started"})


def sent(reply_to: int, ts: str, text: str) -> str:
    """The reply to a message that was sent over RTM."""
    return _json({"ok": True, "reply_to": reply_to, "ts": ts, "text": text})


def not_sent(reply_to: int | None, code: int, msg: str) -> str:
    """The reply to a message that Slack did not take."""
    body: dict[str, object] = {"ok": False, "error": {"code": code, "msg": msg}}
    if reply_to is not None:
        body["reply_to"] = reply_to
    return _json(body)


def _json(value: dict[str, object]) -> str:
    return _encoder.encode(value).decode()
