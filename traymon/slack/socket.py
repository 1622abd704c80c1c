"""Socket Mode: ``apps.connections.open`` with the app's own token gives the URL, and tells nothing else.

A link made here acknowledges nothing by itself. Slack gives each payload to any one of the app's links, so a link
without a program behind it takes payloads from the program that could answer them; unacknowledged, Slack delivers an
event again (https://docs.slack.dev/apis/events-api/using-socket-mode).
"""

from traymon.slack.cancel import Cancel
from traymon.slack.connector import SlackConnector
from traymon.slack.dial import Limits
from traymon.slack.webapi import WebApi
from traymon.slackwire.api import ConnectAnswer


class SocketConnector(SlackConnector):
    """Makes Socket Mode links for one bot, with its app's token (``xapp-…``, scope ``connections:write``)."""

    transport = "socket"

    def _ask(self, api: WebApi, limits: Limits, cancel: Cancel) -> tuple[str, ConnectAnswer | None]:
        return api.connections_open(limits.step_s, limits.tcp_s, cancel), None
