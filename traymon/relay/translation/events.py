"""What an event of Socket Mode is in RTM.

Rules
-----
1. An event whose type RTM has passes byte for byte, with members that RTM had not when the program was written: Slack
   adds such to RTM itself (https://docs.slack.dev/changelog), so programs have always had to live with them.
2. ``app_mention`` is the message that it also is. A mention that came by editing is the ``message_changed``.
3. ``message_replied`` comes without its subtype, says https://docs.slack.dev/reference/events/message/message_replied;
   it gets it back, as a program would take it for a message that has no text.
4. A type that RTM never had is none for a program: RTM is closed, so a new event of Slack's can have no counterpart,
   and a name such as ``error`` or ``disconnect`` can mean something else to the program's library.
5. An event that lacks what its documentation promises is none either: botkit dies of a message without ``channel``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from traymon.relay.core import jsontext
from traymon.relay.translation.catalogue import MESSAGE_NEEDS, MESSAGE_TEXTS, RTM_EVENTS, RtmEvent, Source


class Why(StrEnum):
    """Why no program gets an event."""

    NO_COUNTERPART = "no_counterpart"
    """RTM has no such event."""
    MISSHAPEN = "misshapen"
    """It lacks what its documentation promises, or is no event at all."""


class Moment(NamedTuple):
    """What a mention and the message that it also is have in common."""

    channel: str
    ts: str
    edited: str
    """When it was edited; empty for the message as it was posted."""


@dataclass(frozen=True, slots=True)
class Carried:
    """An event for programs."""

    text: bytes
    type: str
    mention: bool = False
    twin: Moment | None = None
    """Of a mention, and of a message that can be one."""
    own: tuple[str, str] | None = None
    """Channel and ``ts`` of a message that the app itself posted, perhaps for a program."""


@dataclass(frozen=True, slots=True)
class NotCarried:
    """An event that no program gets. ``type`` is Slack's word for it; empty where it has none."""

    type: str
    why: Why


class _Payload(msgspec.Struct):
    event: msgspec.Raw = msgspec.Raw()
    api_app_id: msgspec.Raw = msgspec.Raw()


_payloads = msgspec.json.Decoder(_Payload)
_MISSHAPEN = NotCarried("", Why.MISSHAPEN)


def translate(payload: bytes | msgspec.Raw) -> Carried | NotCarried:
    """What the payload of an ``events_api`` envelope is for programs. Never raises."""
    try:
        parts = _payloads.decode(payload)
        text = bytes(parts.event).decode()
        members = jsontext.members(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _MISSHAPEN
    event = _Event(text, members, {each.key: each.value for each in members})
    kind = _text(event.values.get("type"))
    if kind is None:
        return _MISSHAPEN
    if kind == "app_mention":
        return _mention(event)
    if kind not in RTM_EVENTS or RTM_EVENTS[kind].source is Source.LINK:
        return NotCarried(kind, Why.NO_COUNTERPART)
    if not _has(event.values, RTM_EVENTS[kind]):
        return NotCarried(kind, Why.MISSHAPEN)
    if kind == "message":
        return _message(event, jsontext.string(parts.api_app_id))
    return Carried(text.encode(), kind)


@dataclass(frozen=True, slots=True)
class _Event:
    """An event as text and as values; numbers are text there, of a type of their own."""

    text: str
    members: list[jsontext.Member]
    values: Mapping[str, object]

    def with_type(self, kind: str) -> str:
        return jsontext.replaced(
            self.text, [(each.value_at, _json(kind)) for each in self.members if each.key == "type"]
        )


def _message(event: _Event, app: str | None) -> Carried | NotCarried:
    text, values = event.text, event.values
    if "subtype" not in values and _is_reply_notice(values):
        text, values = (
            _with_first(text, "subtype", "message_replied"),
            {**values, "subtype": "message_replied"},
        )
    subtype = _text(values.get("subtype")) or ""
    if not _are_texts(values, MESSAGE_TEXTS) or not _has(values, MESSAGE_NEEDS.get(subtype, RtmEvent())):
        return NotCarried("message", Why.MISSHAPEN)
    place = _at(values, "channel"), _at(values, "ts")
    twin = _moment_of_change(values) if subtype in MESSAGE_NEEDS else Moment(*place, edited="")
    return Carried(text.encode(), "message", twin=twin, own=place if _is_own(values, app) else None)


def _mention(event: _Event) -> Carried | NotCarried:
    values = event.values
    if not _has(values, RTM_EVENTS["message"]) or not _are_texts(values, MESSAGE_TEXTS):
        return NotCarried("app_mention", Why.MISSHAPEN)
    channel, ts = _at(values, "channel"), _at(values, "ts")
    edited = _at(values, "edited.ts")
    text = event.with_type("message")
    if edited:
        event_ts = _at(values, "event_ts") or edited
        text = (
            f'{{"type":"message","subtype":"message_changed","hidden":true,"channel":{_json(channel)},'
            f'"ts":{_json(event_ts)},"event_ts":{_json(event_ts)},"message":{text}}}'
        )
    elif values.get("files") and "subtype" not in values:
        text = _with_first(text, "subtype", "file_share")
    return Carried(text.encode(), "message", mention=True, twin=Moment(channel, ts, edited))


def _moment_of_change(values: Mapping[str, object]) -> Moment | None:
    """Of an edited message. One that Slack changed, to show what a link leads to, is no mention."""
    edited = _at(values, "message.edited.ts")
    if values.get("subtype") != "message_changed" or not edited:
        return None
    return Moment(_at(values, "channel"), _at(values, "message.ts"), edited)


def _is_reply_notice(values: Mapping[str, object]) -> bool:
    """It tells of the thread's first message that there is a reply now. A message proper holds no other."""
    return "text" not in values and _at(values, "message.thread_ts") != ""


def _is_own(values: Mapping[str, object], app: str | None) -> bool:
    """Messages that an app posts carry its id; where they do not, nobody knows which bot's it is."""
    poster = _text(values.get("app_id"))
    return _text(values.get("bot_id")) is not None and (poster is None or poster == app)


def _has(values: Mapping[str, object], needs: RtmEvent) -> bool:
    return all(_text(_find(values, each)) for each in needs.texts) and all(
        isinstance(_find(values, each), dict) for each in needs.objects
    )


def _are_texts(values: Mapping[str, object], names: Iterable[str]) -> bool:
    return all(values.get(each) is None or _text(values[each]) is not None for each in names)


def _at(values: Mapping[str, object], path: str) -> str:
    """The text there, or an empty one."""
    return _text(_find(values, path)) or ""


def _find(values: Mapping[str, object], path: str) -> object:
    found: object = values
    for key in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def _text(value: object) -> str | None:
    # Exactly: numbers are of a type that is made of texts.
    return value if type(value) is str else None


def _with_first(text: str, key: str, value: str) -> str:
    """``text`` with one more member, before the others, of which there are some."""
    start = text.index("{") + 1
    return jsontext.replaced(text, [(slice(start, start), f'"{key}":{_json(value)},')])


def _json(text: str) -> str:
    return json.dumps(text)
