"""What goes into the policy of notifications, and what comes out: plain, unchangeable data."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from traymon import words
from traymon.keeper.core.causes import Cause, Failure
from traymon.keeper.core.states import DOWN, State


@dataclass(frozen=True, slots=True)
class BotNow:
    """What may be said of one bot now. ``since_wall_ms`` and ``next_try_wall_ms`` are UTC milliseconds.

    ``unattended``: a relay is on and no program is attached to it. ``explanation`` is the sentence for people on
    ``failure``; where it is empty, it is made of the failure alone.
    """

    name: str
    workspace: str | None
    state: State
    since_wall_ms: int
    failure: Failure | None = None
    next_try_wall_ms: int | None = None
    unattended: bool = False
    transport: str = ""
    explanation: str = ""

    @property
    def full_name(self) -> str:
        """Bot and workspace as people see them, escaped."""
        name = words.printable(self.name)
        return f"{name} ({words.printable(self.workspace)})" if self.workspace else name

    @property
    def why(self) -> str:
        """Why it is as it is, in a sentence or two; "" where nothing is known."""
        if self.explanation or self.failure is None:
            return self.explanation
        failure = self.failure
        return words.cause(
            failure.cause.value,
            detail=failure.detail,
            close_code=failure.close_code,
            evidence=failure.evidence,
        )

    @property
    def cause(self) -> Cause | None:
        """The name of why."""
        return None if self.failure is None else self.failure.cause

    @property
    def is_down(self) -> bool:
        """Whether an outage is on."""
        return self.state in DOWN


# What the policy hears


@dataclass(frozen=True, slots=True)
class Seen:
    """All bots as they are; ``wall_ms`` is the time of day (UTC milliseconds) at the event's instant."""

    bots: tuple[BotNow, ...]
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Enabled:
    """The person's setting."""

    on: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """A notification left the screen: ``by_person``, or because its time was over or its server ended."""

    key: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class Acted:
    """The person clicked something on a notification."""

    key: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The policy's deadline has come."""


@dataclass(frozen=True, slots=True)
class Quit:
    """traymon ends: nothing is shown any more, and nothing stays that would soon be untrue."""


Event = Seen | Enabled | Closed | Acted | Tick | Quit


# What it decides


class Kind(StrEnum):
    """What a notification is about. There is at most one of each kind, for all bots that it fits."""

    PERSON = "person"
    """A person must act: Slack refuses the bot, or its token cannot be read."""
    OUTAGE = "outage"
    PROGRAM = "program"
    """The link is up, but no program is attached."""
    BACK = "back"
    """What one of the first two turns into."""
    NOTICE = "notice"
    """The answer to something that the person just did, or a word at login."""


class Urgency(IntEnum):
    """The numbers of the specification of desktop notifications."""

    NORMAL = 1
    CRITICAL = 2


class Action(StrEnum):
    """What a click on a notification does."""

    RECONNECT = "reconnect"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Show:
    """Show a notification, or change the one with that ``key`` in place.

    ``replaces``: one with this key was shown before and has not been closed by us. ``pops``: it is to catch the eye;
    else it only corrects what is on the screen, and a desktop that cannot do so leaves it out. ``title`` and ``body``
    are plain text; the body may have several lines. The first of ``actions`` is what a click on the text does.
    ``bots`` are those that it names.
    """

    key: str
    kind: Kind
    replaces: bool
    pops: bool
    title: str
    body: str
    urgency: Urgency
    actions: tuple[Action, ...]
    bots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Take the notification with that key off the screen."""

    key: str


Effect = Show | Close
