"""One attempt at a link, whatever the transport: the token, a Web API call for a fresh URL, the WebSocket."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from traymon import words
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.secrets import SecretUnavailable
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Limits
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import SlackError
from traymon.slack.link import Link, Transport
from traymon.slack.webapi import WebApi
from traymon.slackwire.api import ConnectAnswer

OnAnswered = Callable[[ConnectAnswer | None], None]
"""Takes what Slack told of the bot beside the URL; ``None`` where the transport's call tells nothing of it."""


class SlackConnector(ABC):
    """Makes links for one bot. Attempts share nothing, so any number of threads may be in :meth:`open`."""

    transport: ClassVar[Transport]

    def __init__(self, endpoint: Endpoint, read_token: Callable[[], str]) -> None:
        """``read_token`` is asked at each attempt, so that a token stored meanwhile counts; it may block."""
        self._endpoint = endpoint
        self._read_token = read_token

    @abstractmethod
    def _ask(self, api: WebApi, limits: Limits, cancel: Cancel) -> tuple[str, ConnectAnswer | None]:
        """A fresh URL, and what else the call tells. Raises SlackError."""

    def open(
        self,
        *,
        step_limit_s: float,
        tcp_limit_s: float,
        on_answered: OnAnswered,
        cancel: Cancel | None = None,
    ) -> Link:
        """Open a WebSocket to a fresh URL; does not wait for ``hello``.

        ``on_answered`` is called in this thread once Slack has given a URL. Raises SlackError, after a ``cancel``
        AbandonedError; a link that came up nevertheless is closed here. ``tcp_limit_s`` is for each TCP connect,
        ``step_limit_s`` for each other step.
        """
        cancel = cancel or Cancel()
        api = WebApi(self._endpoint, self._token())
        cancel.check()
        url, answer = self._ask(api, Limits(step_limit_s, tcp_limit_s), cancel)
        self._refuse_plain(url)
        cancel.check()
        on_answered(answer)
        link = Link.open(
            url,
            self._endpoint,
            step_limit_s=step_limit_s,
            tcp_limit_s=tcp_limit_s,
            transport=self.transport,
            cancel=cancel,
        )
        if cancel.cancelled:
            link.close()
            cancel.check()
        return link

    def _token(self) -> str:
        try:
            return self._read_token()
        except SecretUnavailable as error:
            failure = Failure(Cause.NO_TOKEN, Phase.TOKEN, str(error))
        raise SlackError(failure)

    def _refuse_plain(self, url: str) -> None:
        """An answer that came encrypted must not send the ticket and all messages through the open."""
        target = Target.of(url)
        if Target.of(self._endpoint.api_url).secure and not (target.secure or target.loopback):
            evidence = {"host": target.host}
            reason = words.mark("the link's address is not encrypted")
            raise SlackError(
                Failure(Cause.SLACK_ERROR, Phase.API, reason, reached_slack=True, evidence=evidence)
            )
