"""What a program sends over RTM, as a call of the Web API, and the call's answer as RTM's reply.

Slack, https://docs.slack.dev/legacy/legacy-rtm-api: a message over RTM has a channel and a text, in the default
formatting, and may be a reply in a thread; there are no attachments. Its reply holds ``ts`` and ``text``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from traymon.relay.core import jsontext
from traymon.relay.core.rtm import LOST, OFFLINE, Trouble
from traymon.slackwire import frames
from traymon.slackwire.codes import Verdict, verdict

POST = "chat.postMessage"

NO_CHANNEL = Trouble(2, "channel is missing")
NO_TEXT = Trouble(2, "message text is missing")
"""Slack's own words (the page above, "Sending messages")."""
UNKNOWN_TYPE = Trouble(2, "there is no such type of message")

_FLAGS = ("reply_broadcast", "unfurl_links", "unfurl_media")


class CallFailure(StrEnum):
    """Why a call has no answer of Slack's."""

    NOT_SENT = "not_sent"
    """It never reached Slack."""
    UNKNOWN = "unknown"
    """It may have: Slack did not answer, or nothing that can be understood."""


def arguments(members: Sequence[jsontext.Member]) -> dict[str, str | bool] | Trouble:
    """The arguments of ``chat.postMessage`` for a program's message, or what Slack would reply.

    Only what RTM took; botkit sends attachments, icons and names along as null. Links are shown with what they lead
    to, as RTM did and this method by itself does not (https://docs.slack.dev/messaging/unfurling-links-in-messages).
    """
    channel, text = jsontext.text_value(members, "channel"), jsontext.text_value(members, "text")
    if not channel:
        return NO_CHANNEL
    if not text:
        return NO_TEXT
    channel, text = _whole(channel), _whole(text)
    taken: dict[str, str | bool] = {"channel": channel, "text": text, "unfurl_links": True}
    thread = jsontext.text_value(members, "thread_ts")
    if thread:
        taken["thread_ts"] = _whole(thread)
    for name in _FLAGS:
        member = jsontext.last(members, name)
        if member is not None and isinstance(member.value, bool) and (thread or name != "reply_broadcast"):
            taken[name] = member.value
    return taken


def _whole(text: str) -> str:
    """Half a surrogate pair, as Node writes one for a text cut within an emoji, is nothing that can be sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True)
class Posted:
    """Slack took the message. The channel is its id there."""

    channel: str
    ts: str
    text: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Slack did not take it, but would later."""


def outcome(
    answer: Mapping[str, object] | None, failure: CallFailure | None, sent: Mapping[str, str | bool]
) -> Posted | RateLimited | Trouble:
    """What became of a message. ``answer`` is what the JSON decoder made of Slack's, whatever it is."""
    if answer is None:
        return OFFLINE if failure is CallFailure.NOT_SENT else LOST
    if answer.get("ok") is not True:
        code = answer.get("error")
        if not isinstance(code, str) or not code:
            return LOST
        return RateLimited() if verdict(code) is Verdict.RATE_LIMITED else _refusal(code)
    ts, channel, message = answer.get("ts"), answer.get("channel"), answer.get("message")
    text = message.get("text") if isinstance(message, Mapping) else None
    return Posted(
        channel=channel if isinstance(channel, str) else str(sent["channel"]),
        ts=ts if isinstance(ts, str) else "",
        text=text if isinstance(text, str) else str(sent["text"]),
    )


def _refusal(code: str) -> Trouble:
    return NO_TEXT if code == "no_text" else Trouble(2, code)


def reply(own_id: str | None, result: Posted | Trouble) -> bytes:
    """RTM's reply. ``own_id`` is the message's id, any JSON; ``None`` where it had none."""
    if isinstance(result, Posted):
        text = frames.sent(0, result.ts, result.text)
    else:
        text = frames.not_sent(None if own_id is None else 0, result.code, result.text)
    return jsontext.with_value(text, "reply_to", own_id or "null").encode()
