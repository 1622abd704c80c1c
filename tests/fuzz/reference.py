"""A second, strict reading of what was sent on a link (RFC 6455), to hold traymon's word against."""

import json
import struct
from dataclasses import dataclass

MESSAGE_LIMIT = 32 << 20
"""Bytes; above, a receiver may refuse a message."""
_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
"""Codes that may stand in a close frame (RFC 6455 7.4 and IANA's registry)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a strict receiver gets: whole messages, without pings and pongs, and what ends them."""

    messages: tuple[bytes, ...]
    close_code: int | None = None
    """1005 for a close frame without one."""
    broken: str = ""
    """The rule that was broken; empty where the stream just ends."""

    @property
    def hello(self) -> bool:
        """Whether a ``hello`` is among the messages."""
        return any(kind_of(message) == "hello" for message in self.messages)


def kind_of(message: bytes, *, strict: bool = False) -> object:
    """The ``type`` of a message, where it has one.

    ``strict``: only of JSON that every reader takes; with half a surrogate pair in it, some do not (RFC 8259 8.2).
    """
    try:
        # parse_int: Python refuses to read very long numbers
        whole = json.loads(message.decode(), parse_constant=_no_constant, parse_int=len)
        if strict:
            json.dumps(whole, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return whole.get("type") if isinstance(whole, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read(data: bytes) -> Reading:
    """Read a server's bytes after the handshake."""
    messages: list[bytes] = []
    parts: bytearray | None = None
    is_text = False
    at = 0
    while True:
        header = _header(data, at)
        if header is None:
            return Reading(tuple(messages))
        fin, opcode, size, start, broken = header
        if not broken and opcode == 0 and parts is None:
            broken = "a continuation of nothing"
        if not broken and opcode in (1, 2) and parts is not None:
            broken = "a message within a message"
        if broken:
            return Reading(tuple(messages), broken=broken)
        if len(data) < start + size:
            return Reading(tuple(messages))
        payload = data[start : start + size]
        at = start + size
        if opcode == 8:
            return _closed(messages, payload)
        if opcode in (9, 10):
            continue
        if opcode:
            parts, is_text = bytearray(), opcode == 1
        assert parts is not None
        parts += payload
        if len(parts) > MESSAGE_LIMIT:
            return Reading(tuple(messages), broken="too long")
        if fin:
            if is_text and not _is_utf8(bytes(parts)):
                return Reading(tuple(messages), broken="not UTF-8")
            messages.append(bytes(parts))
            parts = None


def _header(data: bytes, at: int) -> tuple[bool, int, int, int, str] | None:
    """(last part, opcode, length, where the payload begins, the rule broken), or ``None`` where it is not all there."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    size, start = second & 0x7F, at + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < start + width:
            return None
        (size,) = struct.unpack("!H" if width == 2 else "!Q", data[start : start + width])
        start += width
    fin, opcode = bool(first & 0x80), first & 0x0F
    broken = ""
    if first & 0x70:
        broken = "a reserved bit"
    elif opcode not in (0, 1, 2, 8, 9, 10):
        broken = "a reserved opcode"
    elif second & 0x80:
        broken = "a mask"
    elif opcode >= 8 and (size > 125 or not fin):
        broken = "a control frame too long or in parts"
    elif size > MESSAGE_LIMIT:
        broken = "too long"
    return fin, opcode, size, start, broken


def _closed(messages: list[bytes], payload: bytes) -> Reading:
    if not payload:
        return Reading(tuple(messages), close_code=1005)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or code not in _CODES:  # a reason that is not UTF-8 takes nothing from the code
        return Reading(tuple(messages), broken="a close frame that says nothing valid")
    return Reading(tuple(messages), close_code=code)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
