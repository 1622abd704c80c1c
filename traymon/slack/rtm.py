"""RTM: ``rtm.connect`` with the bot's token gives the URL, and tells who the bot is."""

from traymon.slack.cancel import Cancel
from traymon.slack.connector import SlackConnector
from traymon.slack.dial import Limits
from traymon.slack.webapi import WebApi
from traymon.slackwire.api import ConnectAnswer


class RtmConnector(SlackConnector):
    """Makes RTM links for one bot, with its bot token (``xoxb-…``)."""

    transport = "rtm"

    def _ask(self, api: WebApi, limits: Limits, cancel: Cancel) -> tuple[str, ConnectAnswer | None]:
        answer = api.rtm_connect(limits.step_s, limits.tcp_s, cancel)
        return answer.url, answer
