"""What Slack says before it ends a link."""

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.slack.errors import without_secrets
from traymon.slackwire import frames

SPENT_URL = 1
"""The code in ``{"type":"error","error":{"code":1,"msg":"Socket URL has expired"}}``."""

_FINAL = {"link_disabled": Cause.REFUSED_TOKEN, "too_many_websockets": Cause.TOO_MANY_LINKS}
"""Reasons of a ``disconnect`` after which no next link is to be opened first. The others (``warning``,
``refresh_requested``, and what is not known) are a goodbye: no reason to stop."""


def last_word(frame: object, phase: Phase) -> Failure | None:
    """Why the link is over, where ``frame`` says so; ``phase`` is how far it had come."""
    match frame:
        case frames.ErrorFrame(code, message):
            cause = Cause.URL_EXPIRED if code == SPENT_URL else Cause.SLACK_ERROR
            evidence = {"error": code}
            return without_secrets(Failure(cause, phase, message, reached_slack=True, evidence=evidence))
        case frames.TeamMigration():
            return Failure(Cause.TEAM_MIGRATION, phase, reached_slack=True)
        case frames.Disconnect(reason) if reason in _FINAL:
            return Failure(_FINAL[reason], phase, reason, reached_slack=True)
    return None
