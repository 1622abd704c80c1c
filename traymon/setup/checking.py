"""Is a token good? First by what it looks like, then by asking Slack, at last by a real link that is closed again.

Each step is told as it comes. Every sentence says what to do to someone who has the app's pages at Slack open and may
never have seen a terminal.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from traymon import words
from traymon.keeper.core.causes import Cause, Failure
from traymon.secrets import Secret, SecretUnavailable, clean, redacted
from traymon.setup.configfile import Programs, Transport
from traymon.slack import greeting
from traymon.slack.advice import advice
from traymon.slack.answers import Answer, call
from traymon.slack.cancel import Cancel
from traymon.slack.connector import SlackConnector
from traymon.slack.dial import Limits
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import SlackError
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.slackwire import api, frames
from traymon.slackwire.tokens import POSTING, Kind, kind_of

STEP_LIMIT_S = 10.0
"""For each step with Slack (name, TCP, TLS, answer, handshake, hello), as for an attempt to connect."""

_HELLO_LIMIT_S = STEP_LIMIT_S

# What people copy along with a token: quotes, brackets, and what cannot be seen.
_AROUND = " \t\r\n\"'`<>“”‘’„«»「」\u00a0\u200b\u200c\u200d\u2060\ufeff"
# The line of a shell or an .env file, or of an HTTP header, that the token stood in.
_BEFORE = re.compile(r"\A(?:(?:export\s+)?\w+\s*=\s*|(?:Authorization:\s*)?Bearer\s+)", re.IGNORECASE)
_PRESENCE = frozenset({"users:read", "bot"})
"""Either lets one ask how Slack shows the bot: a classic app's one scope “bot” holds all that a bot may do."""

Offer = Literal["", "rtm-program"]
"""Another way to connect the bot, by the name of its choice on the page."""


class Outcome(StrEnum):
    """How a step stands. The names are data between server and page."""

    RUNNING = "running"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step and how it stands; ``text`` is a sentence for a person, escaped. A later one of its name replaces it.

    ``offer``: what a person can choose instead, where this way is closed.
    """

    name: str
    outcome: Outcome
    text: str
    offer: Offer = ""


Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Tokens to be checked, as :func:`candidate` made them; ``token`` is the bot's, ``app_token`` the app's.

    ``programs``: what the bot's programs speak, where Socket Mode leaves that open.
    """

    transport: Transport
    endpoint: Endpoint
    token: Secret | None = None
    app_token: Secret | None = None
    programs: Programs | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """Tokens that Slack accepts. ``name``: how Slack calls the bot, empty where it did not tell."""

    candidate: Candidate = field(repr=False)
    name: str
    team: str


class CheckFailed(Exception):  # noqa: N818 - a plain statement of what is so
    """A step failed; the message is its sentence. ``kind`` is that of a token of the wrong kind, else empty."""

    def __init__(self, step: Step, kind: Kind | None = None) -> None:
        super().__init__(step.text)
        self.step = step
        self.kind = kind


def pasted(text: str) -> str:
    """The token in what a person pasted: without white space, quotes, ``NAME=`` and ``Bearer`` around it."""
    return _BEFORE.sub("", text.strip(_AROUND)).strip(_AROUND)


def candidate(
    transport: Transport,
    endpoint: Endpoint,
    token: str,
    app_token: str,
    tell: Tell,
    programs: Programs | None = None,
) -> Candidate:
    """Look at what was pasted; with Socket Mode ``token`` may be empty, unless ``programs`` speak RTM.

    Raises CheckFailed.
    """
    if transport == "rtm":
        return Candidate(transport, endpoint, token=_looked_at("token", token, _judge_rtm, tell))
    app = _looked_at("token", app_token, _judge_app, tell)
    bot = None
    if token.strip(_AROUND):
        bot = _looked_at("bot_token", token, _judge_bot_beside, tell)
    elif programs == "rtm":
        text = words.gettext(
            "The bot token (xoxb-…) is missing: with it, traymon posts what the program sends. It is under “OAuth & "
            "Permissions” of the same app."
        )
        raise _failed(Step("bot_token", Outcome.FAILED, text), tell)
    return Candidate(transport, endpoint, token=bot, app_token=app, programs=programs)


def check(wanted: Candidate, tell: Tell, cancel: Cancel | None = None) -> Checked:
    """Ask Slack, and hold a link for a moment. Raises CheckFailed, after a ``cancel`` AbandonedError.

    In Socket Mode Slack may give that link what is meant for the bot's program: events come again.
    """
    cancel = cancel or Cancel()
    name = team = bot_id = ""
    if wanted.token is not None:
        answer = _identity(wanted, wanted.token, tell, cancel)
        bot_id = answer.value.bot_id
        name, team = _quoted(answer.value.user, wanted), _quoted(answer.value.team, wanted)
        _scopes(wanted, answer.headers, tell)
    app_id = _connect(wanted, tell, cancel)
    if wanted.programs == "rtm" and bot_id and app_id:
        _of_one_app(wanted, bot_id, app_id, tell, cancel)
    return Checked(wanted, name, team)


# ------------------------------------------------------------------------------------------------- what it looks like


def _looked_at(name: str, text: str, judge: Callable[[Kind], Step], tell: Tell) -> Secret:
    try:
        token = clean(pasted(text), words.gettext("The token"))
    except SecretUnavailable:
        raise _failed(Step(name, Outcome.FAILED, _no_token_in(text)), tell) from None
    kind = kind_of(token)
    step = judge(kind)
    if step.outcome is Outcome.FAILED:
        raise _failed(step, tell, kind)
    tell(step)
    return Secret(token)


def _no_token_in(text: str) -> str:
    if not text.strip(_AROUND):
        return words.gettext("The token is empty: copy it at Slack and paste it here.")
    return words.gettext("This does not look like a token: copy it again, all of it and nothing else.")


def _judge_rtm(kind: Kind) -> Step:
    match kind:
        case "bot":
            return Step("token", Outcome.OK, words.gettext("It is a bot token (xoxb-…)."))
        case "user":
            text = words.gettext(
                "This is a person's token (xoxp-…): the link will be that person's. For a bot, use its xoxb-… token."
            )
            return Step("token", Outcome.WARNING, text)
        case "app":
            text = words.gettext(
                "This is an app-level token (xapp-…), which is for Socket Mode: choose Socket Mode, or paste the "
                "bot token (xoxb-…)."
            )
            return Step("token", Outcome.FAILED, text)
    return Step("token", Outcome.FAILED, _unfit(kind))


def _judge_app(kind: Kind) -> Step:
    if kind == "app":
        return Step("token", Outcome.OK, words.gettext("It is an app-level token (xapp-…)."))
    if kind in {"bot", "user"}:
        text = words.gettext(
            "Socket Mode needs the app-level token (xapp-…), which is under “Basic Information” of the app at "
            "api.slack.com/apps."
        )
        return Step("token", Outcome.FAILED, text)
    return Step("token", Outcome.FAILED, _unfit(kind))


def _judge_bot_beside(kind: Kind) -> Step:
    """The bot token that one may give beside the app's."""
    if kind == "bot":
        return Step("bot_token", Outcome.OK, words.gettext("It is a bot token (xoxb-…)."))
    text = words.gettext("The bot token begins with xoxb-: paste that one, or leave the field empty.")
    return Step("bot_token", Outcome.FAILED, text)


def _unfit(kind: Kind) -> str:
    """Why no transport can use a token of this kind."""
    match kind:
        case "rotating" | "refresh":
            return words.gettext(
                "This token ends after 12 hours (xoxe…), and traymon does not renew it: use an app without token "
                "rotation."
            )
        case "session":
            return words.gettext(
                "This is a browser's session token: it opens your whole account. Give it to nobody; paste the bot "
                "token (xoxb-…)."
            )
        case "legacy":
            return words.gettext(
                "Slack has given up tokens of this kind: make an app at api.slack.com/apps, and use its tokens."
            )
    return words.gettext("This is no token of Slack's: they begin with xoxb- (bots) or xapp- (apps).")


# ----------------------------------------------------------------------------------------------------- what Slack says


def _identity(wanted: Candidate, token: Secret, tell: Tell, cancel: Cancel) -> Answer[api.Identity]:
    tell(Step("identity", Outcome.RUNNING, words.gettext("Asking Slack whose token it is …")))
    limits = Limits(STEP_LIMIT_S, STEP_LIMIT_S)
    try:
        answer = call(wanted.endpoint, token.reveal(), "auth.test", api.identity, limits, cancel)
    except SlackError as error:
        raise _refused("identity", error, wanted, tell, cancel) from None
    user = words.printable(_quoted(answer.value.user or answer.value.user_id, wanted))
    team = words.printable(_quoted(answer.value.team or answer.value.team_id, wanted))
    text = words.gettext("Slack knows it: {user} in {team}.").format(user=user, team=team)
    tell(Step("identity", Outcome.OK, text))
    return answer


def _scopes(wanted: Candidate, headers: Mapping[str, str], tell: Tell) -> None:
    """Slack writes a token's scopes beside its answers. Nothing is told where it does not."""
    scopes = set(re.findall(r"[a-z_]+(?:[.:][a-z_]+)*", headers.get("x-oauth-scopes", "")))
    if wanted.programs == "rtm":
        _scopes_to_post(scopes, tell)
    elif wanted.transport == "rtm":
        _scopes_to_look(scopes, tell)


def _scopes_to_post(scopes: set[str], tell: Tell) -> None:
    if scopes and not scopes & POSTING:
        tell(Step("scopes", Outcome.WARNING, words.cannot_post()))


def _scopes_to_look(scopes: set[str], tell: Tell) -> None:
    if scopes and not scopes & _PRESENCE:
        text = words.gettext(
            "The token lacks the scope users:read: the bot will be held, but traymon cannot see whether Slack shows "
            "it as away. You can add the scope at api.slack.com/apps, under “OAuth & Permissions”."
        )
        tell(Step("scopes", Outcome.WARNING, text))
    elif scopes:
        tell(Step("scopes", Outcome.OK, words.gettext("It has the scopes that traymon needs.")))


def _of_one_app(wanted: Candidate, bot_id: str, app_id: str, tell: Tell, cancel: Cancel) -> None:
    """Who makes a new app for an old program has the old bot's token at hand, too."""
    assert wanted.token is not None
    limits = Limits(STEP_LIMIT_S, STEP_LIMIT_S)
    try:
        token = wanted.token.reveal()
        answer = call(wanted.endpoint, token, "bots.info", api.bot_app, limits, cancel, bot=bot_id)
    except SlackError:
        if cancel.cancelled:
            raise
        return  # without the scope users:read nobody can tell
    if answer.value not in {"", app_id}:
        text = words.gettext(
            "The two tokens belong to different apps: the program would hear as one bot and speak as another. Take "
            "both from the same app."
        )
        raise _failed(Step("bot_token", Outcome.FAILED, text), tell)


def _connect(wanted: Candidate, tell: Tell, cancel: Cancel) -> str:
    """Open a link for a moment; the app's id, where Slack tells it."""
    tell(Step("connect", Outcome.RUNNING, words.gettext("Opening a link to Slack …")))
    try:
        hello = _greeted(wanted, cancel)
    except SlackError as error:
        raise _refused("connect", error, wanted, tell, cancel) from None
    count = hello.num_connections
    if wanted.transport == "rtm":
        text = words.gettext("A link opened, and Slack greeted it.")
    elif count is None or count <= 1:
        text = words.gettext("Slack accepts it for Socket Mode: a link opened, and Slack greeted it.")
    else:
        text = words.gettext(
            "Slack accepts it for Socket Mode: a link opened, and Slack counts {count} of this app. The others share "
            "what Slack sends."
        ).format(count=count)
    tell(Step("connect", Outcome.OK, text))
    return hello.app_id


def _greeted(wanted: Candidate, cancel: Cancel) -> frames.Hello:
    """Open a link, wait for Slack's hello and part in peace."""
    connector: SlackConnector
    if wanted.transport == "rtm":
        assert wanted.token is not None
        connector = RtmConnector(wanted.endpoint, wanted.token.reveal)
    else:
        assert wanted.app_token is not None
        connector = SocketConnector(wanted.endpoint, wanted.app_token.reveal)
    link = connector.open(
        step_limit_s=STEP_LIMIT_S, tcp_limit_s=STEP_LIMIT_S, on_answered=lambda _: None, cancel=cancel
    )
    try:
        with cancel.watch(link.abort):
            return greeting.hello(link, _HELLO_LIMIT_S, Target.of(wanted.endpoint.api_url).host)
    finally:
        link.close()


def _failed(step: Step, tell: Tell, kind: Kind | None = None) -> CheckFailed:
    tell(step)
    return CheckFailed(step, kind)


def _refused(name: str, error: SlackError, wanted: Candidate, tell: Tell, cancel: Cancel) -> Exception:
    if cancel.cancelled:
        return error
    offer: Offer = "rtm-program" if _is_closed_to_rtm(error.failure) else ""
    return _failed(Step(name, Outcome.FAILED, _quoted(_why(error.failure), wanted), offer), tell)


def _quoted(text: str, wanted: Candidate) -> str:
    """What the other side said, without the tokens that it was sent."""
    for secret in (wanted.token, wanted.app_token):
        if secret is not None:
            text = text.replace(secret.reveal(), str(secret))
    return redacted(text)


_NOT_VALID = words.mark(
    "Slack says that this token is not valid any more ({error}): install the app again at api.slack.com/apps and paste "
    "the new token."
)
_NOT_KNOWN = words.mark(
    "Slack does not know this token ({error}): copy it again, all of it. If it is right, Slack may not allow this "
    "network: ask your workspace's admins."
)
_NO_RTM = words.mark(
    "Slack does not let this app use RTM ({error}): choose Socket Mode for it. A program that speaks RTM alone can "
    'stay as it is: traymon then speaks RTM to it (relay = "rtm").'
)
_LEGACY = words.mark(
    "Slack ended legacy custom bots on 2025-03-31 ({error}): make an app with Socket Mode. A program that speaks RTM "
    'alone can stay as it is: traymon then speaks RTM to it (relay = "rtm").'
)
_RTM_SCOPE = words.mark(
    "The token lacks a permission ({error}{needed}): add the scope under “OAuth & Permissions” at api.slack.com/apps, "
    "install the app again and paste the new token."
)
_APP_SCOPE = words.mark(
    "The app-level token lacks the scope connections:write ({error}): generate one that has it, under “Basic "
    "Information” at api.slack.com/apps, and paste it."
)
_APP_KIND = words.mark(
    "Slack does not take this token for Socket Mode ({error}): it needs the app-level token (xapp-…), which is under "
    "“Basic Information” at api.slack.com/apps."
)
_DISABLED = words.mark(
    "Socket Mode is switched off for this app ({error}): turn it on under “Socket Mode” at api.slack.com/apps, and "
    "check again."
)

# Slack's codes for “no”, where words.cause() would send a person to the command line.
_REFUSALS: Mapping[str, str] = {
    "token_revoked": _NOT_VALID,
    "token_expired": _NOT_VALID,
    "not_authed": _NOT_KNOWN,
    "invalid_auth": _NOT_KNOWN,
    "accesslimited": _NOT_KNOWN,
    "not_allowed_token_type": _NO_RTM,
    "rtm_connect_required": _NO_RTM,
    "method_deprecated": _NO_RTM,
    "deprecated_endpoint": _NO_RTM,
    "legacy_custom_bots_deprecated": _LEGACY,
    "missing_scope": _RTM_SCOPE,
    "no_permission": _RTM_SCOPE,
    "link_disabled": _DISABLED,
}
_SOCKET_REFUSALS: Mapping[str, str] = {
    "not_allowed_token_type": _APP_KIND,
    "missing_scope": _APP_SCOPE,
    "no_permission": _APP_SCOPE,
}


def _is_closed_to_rtm(failure: Failure) -> bool:
    """Whether no token of this kind can use RTM, for good."""
    by_app = failure.evidence.get("transport") == "socket"
    refused = failure.cause is Cause.REFUSED_TOKEN and not by_app
    return refused and _REFUSALS.get(failure.detail) in {_NO_RTM, _LEGACY}


def _why(failure: Failure) -> str:
    """What Slack, or the way there, has against it, and what to do."""
    detail = failure.detail
    if failure.cause is not Cause.REFUSED_TOKEN or detail not in _REFUSALS:
        return advice(failure)
    is_app = failure.evidence.get("transport") == "socket"
    template = _SOCKET_REFUSALS.get(detail, _REFUSALS[detail]) if is_app else _REFUSALS[detail]
    scope = failure.evidence.get("needed")
    needed = f": {words.printable(scope)}" if isinstance(scope, str) and scope else ""
    return words.gettext(template).format(error=detail, needed=needed)
