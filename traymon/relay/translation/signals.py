"""What only a presented RTM has: events and effects besides those of :mod:`traymon.relay.core`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from traymon.relay.core import effects, events
from traymon.relay.translation.events import Why
from traymon.relay.translation.sends import CallFailure


@dataclass(frozen=True, slots=True)
class SocketAttached:
    """A program's WebSocket of Socket Mode is open. :class:`~traymon.relay.core.events.Attached` is one of RTM."""

    program: int
    client: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A program has what :class:`Give` ``ref`` gave it. Best proven by a WebSocket ping sent behind it, and answered:
    what lies in a socket's buffer, a program that hangs never reads."""

    program: int
    ref: int


@dataclass(frozen=True, slots=True)
class Called:
    """A :class:`Call` is over."""

    ref: int
    answer: Mapping[str, object] | None = field(repr=False)
    """Slack's, as the JSON decoder made it; ``None`` where there is none, or no JSON object."""
    failure: CallFailure | None = None
    retry_after_ms: int | None = None
    """Of an answer with HTTP status 429."""


PresentedEvent = events.Event | SocketAttached | Taken | Called


@dataclass(frozen=True, slots=True)
class Give:
    """Give an event to a program of RTM; :class:`Taken` is to come once it has it."""

    program: int
    text: bytes
    ref: int


@dataclass(frozen=True, slots=True)
class Call:
    """Call a method of the Web API with the bot's token; :class:`Called` is to come, within half a minute."""

    ref: int
    method: str
    arguments: Mapping[str, str | bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotGiven:
    """An event was acknowledged that no program got, for counters."""

    type: str
    why: Why


@dataclass(frozen=True, slots=True)
class Ignored:
    """A program sent what RTM takes and Socket Mode has no way for: ``typing`` and the like, for counters."""

    program: int
    type: str


PresentedEffect = effects.Effect | Give | Call | NotGiven | Ignored
