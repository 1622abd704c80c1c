"""What can happen to a bot: the events that the core takes in.

Each event reaches the core with ``now``: milliseconds of the clock that counts sleep, stamped where the event
arose (the reader thread that got the frame), not where it was handled.
"""

from dataclasses import dataclass

from traymon.keeper.core.causes import Cause, Failure


@dataclass(frozen=True, slots=True)
class Started:
    """The keeper begins; ``paused`` when the user had paused this bot before."""

    paused: bool = False


@dataclass(frozen=True, slots=True)
class ReconnectClicked:
    """The user asks for a new link now."""


@dataclass(frozen=True, slots=True)
class PauseClicked:
    """The user wants the bot offline until told otherwise."""


@dataclass(frozen=True, slots=True)
class ResumeClicked:
    """The user ends a pause."""


@dataclass(frozen=True, slots=True)
class QuitAsked:
    """The process ends: ``cause`` is ``quit`` or ``system_shutdown``."""

    cause: Cause = Cause.QUIT


@dataclass(frozen=True, slots=True)
class TokenChanged:
    """Set-up stored another token: a refusal no longer stands."""


@dataclass(frozen=True, slots=True)
class ApiAnswered:
    """The attempt's Web API call was answered with a WebSocket URL."""

    link: int


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The WebSocket handshake is done; Slack's ``hello`` is awaited."""

    link: int


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """Slack's first event: the link is up. ``connections`` (Socket Mode): how many links the app has at Slack."""

    link: int
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """Any frame of the link, other than those with an event of their own: proof of life."""

    link: int


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The answer to ping ``ping``: proof of life both ways, and a measure of the round trip."""

    link: int
    ping: int


@dataclass(frozen=True, slots=True)
class GoodbyeReceived:
    """Slack says that it will end this link soon: ``goodbye`` in RTM, ``refresh`` in Socket Mode."""

    link: int
    cause: Cause = Cause.GOODBYE


@dataclass(frozen=True, slots=True)
class LinkEnded:
    """The link, or the attempt that was to become it, is over. The last event of a link."""

    link: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class RouteAppeared:
    """The operating system says that a network route came (back)."""


@dataclass(frozen=True, slots=True)
class LocalAddressVanished:
    """The address that the link is bound to is no longer this machine's: the link is suspect."""

    link: int


@dataclass(frozen=True, slots=True)
class SleepAnnounced:
    """The machine is about to sleep."""


@dataclass(frozen=True, slots=True)
class Woke:
    """The machine woke; it slept ``slept_ms``, ending at ``now``."""

    slept_ms: int


@dataclass(frozen=True, slots=True)
class PresenceSeen:
    """What ``users.getPresence`` says of the bot: ``away`` when Slack shows it away though it is connected.

    ``connections``: how many links Slack counts for the bot, this keeper's included; ``None`` where it did not say.
    """

    away: bool
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class PresenceRefused:
    """The token may not ask for the bot's presence (no such scope): said once, and no trouble of the link's."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing happened but time: the core's deadline has come."""


LinkEvent = (
    ApiAnswered
    | LinkOpened
    | HelloReceived
    | FrameReceived
    | PongReceived
    | GoodbyeReceived
    | LinkEnded
    | LocalAddressVanished
)
Event = (
    LinkEvent
    | Started
    | ReconnectClicked
    | PauseClicked
    | ResumeClicked
    | QuitAsked
    | TokenChanged
    | RouteAppeared
    | SleepAnnounced
    | Woke
    | PresenceSeen
    | PresenceRefused
    | Tick
)
