"""Tokens in a call of the Web API: where they stand, and exchanging them with every other byte kept.

Slack reads a token in the Authorization header, in the query, in a form and in a form with files; clients also put one
into a JSON body. Only such places count: a token that a message *quotes* is text, and must not become the real one.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from urllib.parse import quote_from_bytes, unquote_to_bytes

from traymon.relay.core import jsontext

_BEARER = re.compile(r"\s*bearer[ \t]+(\S+)\s*", re.IGNORECASE)
_PAIR = re.compile(rb"[^&]+")
_LONGEST = 4096
"""Bytes of a token, as :mod:`traymon.secrets` has it, and more than a field's headers have. What is longer is neither,
and is not worth decoding."""
_HEAD_END = b"\r\n\r\n"
_AS_THEY_ARE = frozenset({"7bit", "8bit", "binary"})
"""RFC 2045, 6.2: the encodings that change nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """A token, and the bytes that spell it."""

    token: str = field(repr=False)
    at: slice
    spell: Callable[[str], bytes] = field(repr=False)
    """How another token is written in this place."""


def in_authorization(value: bytes) -> list[Found]:
    """In the value of an Authorization header."""
    bearer = _BEARER.fullmatch(value.decode("latin-1"))
    if bearer is None:
        return []
    return [Found(bearer[1], slice(*bearer.span(1)), str.encode)]


def in_pairs(data: bytes, *, whole: bool = True) -> list[Found]:
    """In a query or a form. If it is not ``whole``, its last pair may be cut short and does not count."""
    found = []
    for pair in _PAIR.finditer(data):
        if pair.end() == len(data) and not whole:
            break
        key, equals, value = pair[0].partition(b"=")
        if len(value) > 3 * _LONGEST or len(key) > 15 or _unquoted(key) != "token":
            continue
        start = pair.start() + len(key) + len(equals)
        found.append(Found(_unquoted(value), slice(start, pair.end()), _quoted))
    return found


def in_json(data: bytes) -> list[Found]:
    """In the outermost object of a JSON text; nothing where it is none."""
    try:
        text = data.decode()
        members = jsontext.members(text)
    except (ValueError, RecursionError):
        return []
    return [
        Found(value, slice(_offset(text, at.start), _offset(text, at.stop)), _json)
        for key, value, at in ((each.key, each.value, each.value_at) for each in members)
        if key == "token" and isinstance(value, str) and text[at.start] == '"'
    ]


def in_multipart(data: bytes, boundary: str) -> list[Found]:
    """In the fields of a ``multipart/form-data`` body, as far as it goes; a file is no field."""
    found = []
    for start, end in _parts(data, b"--" + boundary.encode("utf-8", "surrogateescape")):
        head_end = data.find(_HEAD_END, start - 2, min(end, start + _LONGEST))
        if head_end < 0 or end - head_end > _LONGEST:
            continue
        head = BytesHeaderParser().parsebytes(data[start : head_end + 2])
        if _is_token_field(head):
            at = slice(head_end + len(_HEAD_END), end)
            found.append(Found(data[at].decode("utf-8", "surrogateescape"), at, str.encode))
    return found


def exchanged(data: bytes, found: Iterable[Found], real: Callable[[str], str | None]) -> bytes:
    """``data`` with each token that ``real`` knows replaced; ``found`` is in the order of the text."""
    parts: list[bytes] = []
    at = 0
    for each in found:
        token = real(each.token)
        if token is not None:
            parts += [data[at : each.at.start], each.spell(token)]
            at = each.at.stop
    return b"".join([*parts, data[at:]])


def _unquoted(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def _quoted(token: str) -> bytes:
    return quote_from_bytes(token.encode(), safe="").encode()


def _json(token: str) -> bytes:
    return json.dumps(token).encode()


def _offset(text: str, at: int) -> int:
    """Where the character at ``at`` begins among the bytes."""
    return at if text.isascii() else len(text[:at].encode())


def _parts(data: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Where each part that is there as a whole begins and ends, its headers included (RFC 2046, 5.1.1)."""
    line = re.compile(rb"(?:\A|\r\n)" + re.escape(delimiter) + rb"(?:(--)|[ \t]*(?=\r\n))")
    start = None
    for mark in line.finditer(data):
        if start is not None:
            yield start, mark.start()
        if mark[1]:
            return
        start = mark.end() + 2


def _is_token_field(head: "Message[str, str]") -> bool:
    """Whether a part with these headers is the field ``token``, spelled as it is."""
    encoding = head.get("Content-Transfer-Encoding", "binary").strip().lower()
    return (
        head.get_content_disposition() == "form-data"
        and head.get_param("name", header="content-disposition") == "token"
        and head.get_param("filename", header="content-disposition") is None
        and encoding in _AS_THEY_ARE
    )
