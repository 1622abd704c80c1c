"""JSON as text: the few members that a hub reads, and changing one value in place with all other bytes kept."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeGuard

import msgspec

_GAP = re.compile(r"[ \t\n\r]*")


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Number(str):
    """A number as it stands: its size is not ours to judge, and Python refuses integers of over 4,300 digits."""

    __slots__ = ()


# For texts of programs, and where places in a text matter. Unlike msgspec it takes half a surrogate pair in an escape,
# as Node writes it when a text was cut within an emoji.
_values = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_no_json)


class Head(msgspec.Struct):
    """The members of Slack's frames that matter to a hub, unread: a wrong type in one must not hide the others."""

    type: msgspec.Raw = msgspec.Raw()
    reply_to: msgspec.Raw = msgspec.Raw()
    ts: msgspec.Raw = msgspec.Raw()
    event_ts: msgspec.Raw = msgspec.Raw()
    envelope_id: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct):
    event_id: msgspec.Raw = msgspec.Raw()


_heads = msgspec.json.Decoder(Head)
_payloads = msgspec.json.Decoder(_Payload)
_strings = msgspec.json.Decoder(str)
_TROUBLE = (msgspec.MsgspecError, ValueError, RecursionError)  # UnicodeError is a ValueError


def head(text: bytes) -> Head | None:
    """The members of a JSON object, or ``None`` for anything else. One pass over the bytes."""
    try:
        text.decode()  # the decoder skips strings without looking at their bytes
        return _heads.decode(text)
    except _TROUBLE:
        return None


def string(raw: msgspec.Raw) -> str | None:
    """A member's text, or ``None`` when it is missing or no string."""
    try:
        return _strings.decode(raw)
    except _TROUBLE:
        return None


def event_id(payload: msgspec.Raw) -> str | None:
    """The ``event_id`` in an envelope's payload, if it is that of an event."""
    try:
        return string(_payloads.decode(payload).event_id)
    except _TROUBLE:
        return None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the outermost object, and where its key (with quotes) and value stand in the text."""

    key: str
    value: object
    key_at: slice
    value_at: slice


def members(text: str) -> list[Member]:
    """All members of the outermost object, in order; a key may be there more than once.

    Raises ValueError for what is no JSON object, RecursionError for one that is nested too deeply.
    """
    found: list[Member] = []
    at = _expect(text, _skip(text, 0), "{")
    more = text[at : at + 1] != "}"
    while more:
        if text[at : at + 1] != '"':
            raise ValueError("a key must be a string")
        key, key_end = _values.raw_decode(text, at)
        start = _expect(text, _skip(text, key_end), ":")
        value, end = _values.raw_decode(text, start)
        found.append(Member(key, value, slice(at, key_end), slice(start, end)))
        at = _skip(text, end)
        more = text[at : at + 1] == ","
        at = _skip(text, at + 1) if more else at
    if _expect(text, at, "}") != len(text):
        raise ValueError("more than one object")
    return found


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    assert gap is not None  # it matches nothing at all, too
    return gap.end()


def _expect(text: str, at: int, mark: str) -> int:
    """Pass ``mark`` and the space behind it."""
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} is missing")
    return _skip(text, at + 1)


def last(parts: Sequence[Member], key: str) -> Member | None:
    """The member ``key``; where there are several the last one counts, as to most who read JSON."""
    return next((each for each in reversed(parts) if each.key == key), None)


def text_value(parts: Sequence[Member], key: str) -> str | None:
    """The text of the member ``key``, or ``None`` when it is missing or no string."""
    found = last(parts, key)
    return found.value if found is not None and _is_text(found.value) else None


def text_values(parts: Sequence[Member], key: str) -> list[str] | None:
    """The texts of the member ``key``, or ``None`` when it is missing or no list of strings."""
    found = last(parts, key)
    if found is None or not isinstance(found.value, list):
        return None
    return found.value if all(map(_is_text, found.value)) else None


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, _Number)


def replaced(text: str, changes: Iterable[tuple[slice, str]]) -> str:
    """``text`` with the given places, in ascending order, changed, and nothing else."""
    parts: list[str] = []
    at = 0
    for place, new in changes:
        parts += [text[at : place.start], new]
        at = place.stop
    return "".join([*parts, text[at:]])


def with_value(text: str, key: str, new: str) -> str:
    """``text`` with the JSON ``new`` for each outermost ``key``, and nothing else changed. Raises as members()."""
    return replaced(text, [(each.value_at, new) for each in members(text) if each.key == key])
