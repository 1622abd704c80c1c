"""Whether a transport can use a token, by its kind. Nothing here shows more of a token than its beginning."""

from typing import Literal

from traymon import words
from traymon.doctor.results import Finding, Outcome
from traymon.slackwire.tokens import Kind, kind_of


def judge(token: str, transport: Literal["rtm", "socket"], source: str) -> Finding:
    """Whether ``transport`` can use ``token``, which was found at ``source``."""
    kind = kind_of(token)
    if kind == "unknown":
        text = words.gettext(
            "Found ({source}), but it does not begin as Slack's tokens do. If Slack refuses it, run traymon setup."
        )
        return Finding(Outcome.WARNING, text.format(source=source))
    if transport == "socket":
        return _for_socket(kind, source)
    return _for_rtm(kind, source)


def _for_socket(kind: Kind, source: str) -> Finding:
    if kind == "app":
        text = words.gettext("An app-level token (xapp-…), from {source}.")
        return Finding(Outcome.OK, text.format(source=source))
    text = words.gettext(
        "{kind}, but Socket Mode needs the app-level token (xapp-…). Make one with the scope connections:write at "
        "api.slack.com/apps, then run traymon setup --transport socket."
    )
    return Finding(Outcome.FAILED, text.format(kind=_called(kind)))


def _for_rtm(kind: Kind, source: str) -> Finding:
    if kind == "bot":
        text = words.gettext("A bot token (xoxb-…), from {source}.")
        return Finding(Outcome.OK, text.format(source=source))
    if kind == "user":
        text = words.gettext(
            "A person's token (xoxp-…): the link is that person's. For a bot, use its xoxb-… token."
        )
        return Finding(Outcome.WARNING, text)
    if kind == "rotating":
        text = words.gettext(
            "A token that ends after 12 hours (xoxe.…), which traymon does not renew. Use an app without token "
            "rotation."
        )
        return Finding(Outcome.WARNING, text)
    text = words.gettext(
        "{kind}, but RTM needs a bot token (xoxb-…). Run traymon setup with it; an app that has none uses Socket Mode "
        '(transport = "socket").'
    )
    return Finding(Outcome.FAILED, text.format(kind=_called(kind)))


def _called(kind: Kind) -> str:
    return {
        "bot": words.gettext("This is a bot token (xoxb-…)"),
        "user": words.gettext("This is a person's token (xoxp-…)"),
        "app": words.gettext("This is an app-level token (xapp-…)"),
        "rotating": words.gettext("This is a token that ends after 12 hours (xoxe.…)"),
        "refresh": words.gettext("This is a refresh token (xoxe-…)"),
        "session": words.gettext("This is a browser's session token"),
        "legacy": words.gettext("This is a token of a kind that Slack has given up"),
    }[kind]
