"""The one line that leads a program to the relay, for each library whose clients are known to work with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Library:
    """One library, or a range of its versions."""

    name: str
    transport: Literal["rtm", "socket"]
    code: str
    """With ``URL`` for the base URL, and ``ROOT`` for it without its ``api/``."""

    def line(self, base_url: str) -> str:
        """What a program's author writes. ``base_url`` ends with ``/api/``."""
        return self.code.replace("URL", base_url).replace("ROOT", base_url.removesuffix("/api/"))


LIBRARIES = (
    Library("botkit to 0.4", "rtm", 'bot.api.api_url = "URL";  // after each spawn()'),
    # https://www.npmjs.com/package/botkit, lib/Slack_web_api.js from 0.5 on: it adds /api/ itself.
    Library("botkit 0.5 to 0.7", "rtm", 'controller.spawn({token: token, api_root: "ROOT"})'),
    Library("@slack/rtm-api", "rtm", 'new RTMClient(token, {slackApiUrl: "URL"})'),
    Library("slack_sdk, RTM", "rtm", 'RTMClient(token=token, base_url="URL")'),
    Library(
        "@slack/socket-mode",
        "socket",
        'new SocketModeClient({appToken, clientOptions: {slackApiUrl: "URL"}})',
    ),
    Library(
        "@slack/bolt",
        "socket",
        'new App({token, appToken, socketMode: true, clientOptions: {slackApiUrl: "URL"}})',
    ),
    Library(
        "slack_sdk, Socket Mode",
        "socket",
        'SocketModeClient(app_token=app_token, web_client=WebClient(token=token, base_url="URL"))',
    ),
    Library("slack_bolt", "socket", 'App(client=WebClient(token=token, base_url="URL"))'),
)


def lines(transport: str, base_url: str) -> Iterator[tuple[str, str]]:
    """Names and lines of the libraries for ``transport``."""
    return ((each.name, each.line(base_url)) for each in LIBRARIES if each.transport == transport)


def slack_go(base_url: str) -> str:
    """slack-go has one option for both transports. It was read, not run."""
    return f'slack.New(token, slack.OptionAPIURL("{base_url}"))'
