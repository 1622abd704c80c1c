"""What the core asks of the world. The shell carries effects out in the order given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from traymon.keeper.core.causes import Cause, Fact, Failure
from traymon.keeper.core.states import State


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Begin an attempt for link number ``link``: a fresh URL, a WebSocket, then Slack's ``hello``."""

    link: int
    step_limit_ms: int
    tcp_limit_ms: int


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send ping number ``ping`` on the link."""

    link: int
    ping: int


class Farewell(StrEnum):
    """How a link is let go."""

    CLOSE = "close"  # close frame, wait for Slack's at most 1 s, then abort
    RELIEVE = "relieve"  # another link took over: as CLOSE, once what programs still expect of it is in
    ABORT = "abort"  # at once: nothing is to be expected from it


@dataclass(frozen=True, slots=True)
class DropLink:
    """Let go of a link or an unfinished attempt: nothing it does later matters."""

    link: int
    how: Farewell


class NoteKind(StrEnum):
    """The kinds of event in the session log. Names are data; :data:`SILENT_KINDS` have no line in the text log."""

    START = "start"
    STOP = "stop"
    FAIL = "fail"  # the first failed attempt of an outage
    CAUSE = "cause"  # a later attempt failed for another cause
    REFUSED = "refused"
    HANDOVER = "handover"
    LINK_END = "link_end"
    AWAY = "away"
    ACTIVE = "active"
    PAUSE = "pause"
    RESUME = "resume"
    SLEEP = "sleep"
    WAKE = "wake"
    CLOCK = "clock"
    WARNING = "warning"
    WHY = "why"  # what the side probes found about the stop or failure before it
    PROGRAM = "program"
    SETTING = "setting"


SILENT_KINDS = frozenset({NoteKind.LINK_END, NoteKind.SETTING})


@dataclass(frozen=True, slots=True)
class EnterState:
    """From ``at`` on the bot is in ``state``; the open span ends there, for ``cause``.

    ``at`` may lie before now (a stop is dated by the last proof of life), never before the open span's start.
    ``attempts`` is the number of attempts made during the span that ends.
    """

    state: State
    at: int
    cause: Cause | None = None
    failure: Failure | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """One event for the session log, at ``at``.

    Facts by kind: ``start``: ``down_ms`` (the outage before; at first, and after a pause or sleep, the connecting),
    ``attempts``, ``link``, ``same_link``; ``stop``: ``up_ms``, ``cause``, ``estimated``; ``handover``: ``reason``
    (goodbye, refresh, user, suspect, deaf), ``link``, ``lived_ms``; ``link_end``: ``link``, ``lived_ms``, ``cause``;
    ``warning``: ``connections`` (links of the app at Slack, one of them ours), or ``about`` (``presence``: the failure
    is not the link's).
    """

    kind: NoteKind
    at: int
    failure: Failure | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


class Answer(StrEnum):
    """What a click brings about: told to the person within 200 ms."""

    NOW = "now"  # an attempt starts
    ALREADY = "already"  # an attempt is under way
    HANDOVER = "handover"  # online: the next link is being opened first
    CHECKING = "checking"  # online: no new link for now, the present one is asked for a sign of life
    WAITING = "waiting"  # must wait ``wait_ms``: the call budget or Slack's Retry-After
    PAUSED = "paused"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class TellUser:
    """The answer to a click."""

    answer: Answer
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An event that must not come here: it changed nothing. Production logs it once, tests fail on it."""

    what: str


Effect = OpenLink | SendPing | DropLink | EnterState | Note | TellUser | Anomaly
