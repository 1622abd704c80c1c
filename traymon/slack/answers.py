"""One Web API call with the headers of its answer: Slack's clock, and the scopes of the token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Limits, step
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import SlackError
from traymon.slack.webapi import _Client
from traymon.slackwire import api

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a method answered. Header names are lower-case."""

    value: T
    headers: Mapping[str, str]


def call(
    endpoint: Endpoint,
    token: str,
    method: str,
    read: Callable[[object], T],
    limits: Limits,
    cancel: Cancel,
    **arguments: str,
) -> Answer[T]:
    """Call ``method`` with its ``arguments``, as :class:`~traymon.slack.webapi.WebApi` does. Raises SlackError."""
    facts = {"host": Target.of(endpoint.api_url).host}
    with step(Phase.API, reached=True, **facts):
        response = _Client(endpoint, token, limits, cancel).api_call(method, params=arguments)
    try:
        return Answer(read(response.data), response.headers)
    except api.WireError as error:
        reason = str(error)
    raise SlackError(Failure(Cause.SLACK_ERROR, Phase.API, reason, reached_slack=True, evidence=facts))
