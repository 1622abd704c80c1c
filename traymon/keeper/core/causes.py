"""Why a session stopped or an attempt failed: a closed list, and the typed failure that carries it.

The names are data in people's logs: they are never renamed and never translated.
What a cause means to a person stands in :mod:`traymon.words`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Every reason that traymon gives. A test holds :mod:`traymon.words` to this list."""

    # This machine's own network.
    NO_ROUTE = "no_route"
    DNS = "dns"
    PROXY = "proxy"
    CAPTIVE_PORTAL = "captive_portal"
    # The path to Slack.
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    # The answer of the API and the opening handshake.
    NOT_WEBSOCKET = "not_websocket"
    API_TIMEOUT = "api_timeout"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    HELLO_TIMEOUT = "hello_timeout"
    URL_EXPIRED = "url_expired"
    # A link that was up and dropped.
    ABRUPT_CLOSE = "abrupt_close"
    RESET = "reset"
    KEEPALIVE_TIMEOUT = "keepalive_timeout"
    CLOSED_BY_SLACK = "closed_by_slack"
    GOODBYE = "goodbye"
    REFRESH = "refresh"
    PROTOCOL_ERROR = "protocol_error"
    TEAM_MIGRATION = "team_migration"
    # What Slack said.
    RATE_LIMITED = "rate_limited"
    SLACK_ERROR = "slack_error"
    TOO_MANY_LINKS = "too_many_links"
    REFUSED_TOKEN = "refused_token"  # noqa: S105 - the name of a cause, no password
    # On this side.
    NO_TOKEN = "no_token"  # noqa: S105 - as above
    USER = "user"
    QUIT = "quit"
    SLEPT = "slept"
    FROZEN = "frozen"
    TRAYMON_DIED = "traymon_died"
    SYSTEM_SHUTDOWN = "system_shutdown"


class Phase(StrEnum):
    """The step at which a failure happened, in the order in which an attempt takes them."""

    TOKEN = "token"  # noqa: S105 - reading the token on this machine
    DNS = "dns"
    PROXY = "proxy"
    TCP = "tcp"
    TLS = "tls"
    API = "api"
    HANDSHAKE = "handshake"
    HELLO = "hello"
    LIVE = "live"
    LOCAL = "local"


Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, named and evidenced.

    ``detail`` is the other side's own words (a close reason, an error code): data, escaped wherever it is shown.
    ``reached_slack`` says whether the Web API call of this attempt reached Slack: such calls count against the
    budget and are retried more slowly.
    ``evidence`` holds further facts under stable short keys (``http_status``, ``errno``, ``host``, ``error``,
    ``issuer``, ``first_bytes``, ``silent_ms`` …), never a token, ticket or URL with a ticket.
    """

    cause: Cause
    phase: Phase
    detail: str = ""
    close_code: int | None = None
    reached_slack: bool = False
    retry_after_ms: int | None = None
    quiet_retry: bool = False
    """Only with ``refused_token``: the code can be temporary (a disallowed network), so one try each 15 min."""
    evidence: Mapping[str, Fact] = field(default_factory=dict)
