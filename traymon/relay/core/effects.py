"""What a hub asks of the world. Effects are to be carried out in the order given."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ToProgram:
    """Give a text message to a program. ``event``: it is one of Slack's, and no greeting, reply or pong."""

    program: int
    text: bytes
    event: bool = False


@dataclass(frozen=True, slots=True)
class ToSlack:
    """Send a text message on a link; where that fails, :class:`~traymon.relay.core.events.SendFailed` is to come."""

    link: int
    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing more is due on a link that was relieved: it may be closed. Comes once a link at most."""

    link: int


@dataclass(frozen=True, slots=True)
class CutProgram:
    """Close a program's WebSocket. The hub has forgotten the program already."""

    program: int
    code: int
    reason: str


class ProgramNoteKind(StrEnum):
    """What a program did, for counters."""

    SENT = "sent"  # RTM: a message of its went up
    NOT_SENT = "not_sent"  # RTM: it was told that its message did not go up, or that nobody knows
    ACKED = "acked"  # Socket Mode: its acknowledgement went up
    LOST_ACK = "lost_ack"  # Socket Mode: it acknowledged, but the link that brought the envelope had ended
    LATE_ACK = "late_ack"  # Socket Mode: of what another program acknowledged before, or of nothing known
    OVERDUE = "overdue"  # Socket Mode: it did not acknowledge before another got the envelope, or Slack's time ended
    GARBAGE = "garbage"  # it sent what no client of Slack's sends


@dataclass(frozen=True, slots=True)
class ProgramNote:
    """A program did something that is counted."""

    program: int
    kind: ProgramNoteKind


class DropKind(StrEnum):
    """Why what Slack sent reached no program."""

    LINK_ONLY = "link_only"  # it concerns the link alone: reconnect_url, goodbye …
    COPY = "copy"  # the other link of a handover had brought it
    STRAY_REPLY = (
        "stray_reply"  # the reply to nothing that waits: Slack repeats the last one after a reconnect
    )
    REDELIVERY = "redelivery"  # a program acknowledged this event before
    UNANSWERED = "unanswered"  # nobody acknowledged the envelope in Slack's time
    TOO_MUCH = "too_much"  # more at a time than is kept
    UNREADABLE = "unreadable"  # no JSON object, or of a link that is not up


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something from Slack reached no program, for counters."""

    kind: DropKind


Effect = ToProgram | ToSlack | Settled | CutProgram | ProgramNote | Dropped
