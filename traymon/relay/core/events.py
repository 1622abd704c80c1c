"""What can happen to one bot's hub: its links to Slack, and the programs attached to it.

Links and programs are numbers that are never used again. A higher link number is a younger link.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Slack greeted. The rest comes in Socket Mode only, as Slack said it: the app's links, this one's life in
    seconds (``approximate_connection_time``), the app's id."""

    link: int
    num_connections: int | None = None
    connection_time_s: int | None = None
    app_id: str = ""


@dataclass(frozen=True, slots=True)
class FromSlack:
    """Slack sent this on a link that is up: a JSON message, byte for byte."""

    link: int
    text: bytes


@dataclass(frozen=True, slots=True)
class LinkRelieved:
    """Another link took over: nothing new is to be sent on this one, which still brings what is due on it.

    :class:`~traymon.relay.core.effects.Settled` tells when nothing is.
    """

    link: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The link has ended; nothing comes after it."""

    link: int


@dataclass(frozen=True, slots=True)
class Attached:
    """A program's WebSocket is open. ``client``: what it calls itself."""

    program: int
    client: str = ""


@dataclass(frozen=True, slots=True)
class Detached:
    """A program's WebSocket is gone, or must be taken for gone. Harmless for one that is gone already."""

    program: int


@dataclass(frozen=True, slots=True)
class FromProgram:
    """A program sent this, text or binary, whatever it is."""

    program: int
    text: bytes


@dataclass(frozen=True, slots=True)
class SendFailed:
    """The system did not take a :class:`~traymon.relay.core.effects.ToSlack`, whose link and text these are."""

    link: int
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing happened but time: the hub's deadline has come."""


Event = LinkUp | FromSlack | LinkRelieved | LinkDown | Attached | Detached | FromProgram | SendFailed | Tick
