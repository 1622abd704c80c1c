"""A bot whose link the relay lends, as every part of the relay sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from traymon.slack.endpoint import Endpoint
from traymon.slackwire.api import ConnectAnswer, Identity


@dataclass(frozen=True, slots=True)
class RelayedBot:
    """One bot: its way to Slack, its tokens there, and those that traymon made for its programs."""

    name: str
    transport: Literal["rtm", "socket"]
    endpoint: Endpoint
    read_token: Callable[[], str] = field(repr=False)
    """The bot token at Slack. Raises SecretUnavailable; may block, so never on the loop's thread."""
    read_app_token: Callable[[], str] = field(repr=False)
    """The app-level token at Slack, likewise; RTM has none."""
    identity: Callable[[], ConnectAnswer | Identity | None] = field(repr=False)
    """Who the bot is at Slack, as far as is known by now. Does not block."""
    local_token: str = field(repr=False)
    """What a program gives in place of the bot token."""
    local_app_token: str = field(repr=False)
    """What a program gives in place of the app-level token; RTM has no use for it."""
    presents_rtm: bool = False
    """Programs of RTM may attach to a Socket Mode link, too."""
