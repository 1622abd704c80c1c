"""The checks of one bot, in the order in which its link needs them: token, way, Web API, WebSocket, life.

The way is probed whatever the token is; the Web API needs both. At most one link is opened, for a moment. Over RTM a
second link takes nothing from the first; in Socket Mode it would, so there is none while traymon holds the bot.
"""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from traymon import words
from traymon.config import BotConfig
from traymon.doctor import tokens
from traymon.doctor.results import Finding, Outcome, Section, not_tried, out_of_time
from traymon.keeper.core.causes import Cause, Fact, Phase
from traymon.secrets import Secret, redacted
from traymon.secrets import read as read_secret
from traymon.slack import greeting
from traymon.slack.advice import advice
from traymon.slack.answers import Answer, call
from traymon.slack.cancel import Cancel
from traymon.slack.connector import SlackConnector
from traymon.slack.diagnosis import Check, Diagnosis, diagnose
from traymon.slack.diagnosis import Outcome as Probed
from traymon.slack.dial import Limits, dial
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.link import Link, PongSeen
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.slack.webapi import WebApi
from traymon.slackwire import api, frames
from traymon.slackwire.api import ConnectAnswer
from traymon.slackwire.tokens import POSTING

WAY_LIMIT_S = 6.0
"""For the probes of the way together. Twice what a dead link's diagnosis takes: here a slow network may have time."""
STEP_LIMIT_S = 5.0
"""For each later step (name, TCP, TLS, answer, handshake, hello, pong): half of what an attempt of the keeper's has,
so that all of them together stay within the command's 30 s."""

SKEW_SHOWN_MS = 60_000
"""The log shows minutes; from here on its times do not match Slack's own."""
SKEW_BAD_MS = 5 * 60_000
"""Beyond five minutes programs refuse what Slack signed, as Slack tells them to
(https://docs.slack.dev/authentication/verifying-requests-from-slack), and fresh certificates look invalid."""

_WAY = ("route", "proxy", "dns", "tcp", "tls")
CHECKS = ("token", *_WAY, "api", "scopes", "clock", "websocket", "hello", "ping")

_PING = 1
_SCOPE = re.compile(r"[a-z_]+([.:][a-z_]+)*")  # nothing else that a header holds is shown


class BotExamination:
    """One bot; :meth:`run` in a thread of its own."""

    def __init__(self, bot: BotConfig, profile: str, *, running: bool, deadline: float) -> None:
        """``running``: traymon runs and may hold the bot. ``deadline``: of ``time.monotonic()``, for all checks."""
        self.section = Section(bot.name, bot.transport, CHECKS, chained=True)
        self._bot = bot
        self._profile = profile
        self._running = running
        self._deadline = deadline
        self._endpoint = Endpoint(bot.api_url, proxy=bot.proxy, ca_file=bot.ca_file)
        self._target = Target.of(bot.api_url)
        self._cancel = Cancel()
        self._token = Secret("")
        self._bot_token = Secret("")  # Socket Mode with programs of RTM: what they send is posted with it
        self._url = Secret("")  # Socket Mode: where apps.connections.open said the link is
        self._answer: Answer[Any] | None = None

    def run(self) -> None:
        """Make all checks. Raises nothing."""
        # Ends what is under way when the time is up. Daemon: it must not hold up the exit.
        timer = threading.Timer(self._left(), self._cancel.cancel)
        timer.daemon = True
        timer.start()
        try:
            self.section.skip_rest(self._chain())
        finally:
            timer.cancel()

    def _chain(self) -> str:
        """The check on which those that were not made stand."""
        token = self.section.run("token", self._read_token)
        blocked = self._walk()
        if blocked is not None:
            return blocked
        if token is Outcome.FAILED:
            return "token"
        if self.section.run("api", self._call_api) is Outcome.FAILED:
            return "api"
        assert self._answer is not None
        headers = self._answer.headers
        self.section.run("scopes", lambda: _scopes(headers, self._bot))
        self.section.run("clock", lambda: _clock(headers))
        if self._bot.transport == "socket" and self._running:
            self.section.add("websocket", Finding(Outcome.SKIPPED, _link_is_held()))
            return "websocket"
        return self._try_link()

    # The token

    def _read_token(self) -> Finding:
        source, which = (
            (self._bot.token, "token") if self._bot.transport == "rtm" else (self._bot.app_token, "app_token")
        )
        assert source is not None, "the configuration gives each bot the token of its transport"
        token = read_secret(source, self._bot.name, which, profile=self._profile)
        self._token = Secret(token)
        self.section.hide(token)
        WebApi(self._endpoint, token)  # raises for what cannot be sent
        found = tokens.judge(token, self._bot.transport, source)
        if self._bot.relay != "rtm" or found.outcome is Outcome.FAILED:
            return found
        return _both(found, self._read_bot_token())

    def _read_bot_token(self) -> Finding:
        source = self._bot.token
        assert source is not None, "the configuration demands it for programs of RTM"
        token = read_secret(source, self._bot.name, "token", profile=self._profile)
        self._bot_token = Secret(token)
        self.section.hide(token)
        WebApi(self._endpoint, token)
        return tokens.judge(token, "rtm", source)

    # The way

    def _walk(self) -> str | None:
        """The first check of the way that failed."""
        try:
            if not self._left():
                raise AbandonedError
            found = diagnose(self._endpoint, cancel=self._cancel, limit_s=min(WAY_LIMIT_S, self._left()))
        except AbandonedError:
            self.section.add("dns", Finding(Outcome.FAILED, out_of_time()))
            return "dns"
        certificate = self._certificate() if found.checks["tls"].outcome is Probed.OK else {}
        blocked = None
        for name in _WAY:
            check = found.checks.get(name, Check())
            finding = self._way_finding(name, check, found, certificate)
            self.section.add(name, finding, check.ms)
            if finding.outcome is Outcome.FAILED and blocked is None:
                blocked = name
        return blocked

    def _way_finding(
        self, name: str, check: Check, found: Diagnosis, certificate: Mapping[str, Any]
    ) -> Finding:
        if check.failure is not None:
            facts: dict[str, Fact] = {"host": self._target.host, **found.certificate}
            return Finding(Outcome.FAILED, advice(check.failure, facts))
        if name == "proxy" and "proxy" not in found.checks:
            return Finding(
                Outcome.OK, words.gettext("None: straight to {host}.").format(host=self._target.host)
            )
        if check.outcome is Probed.OK:
            return Finding(Outcome.OK, self._way_is_fine(name, certificate))
        return Finding(Outcome.SKIPPED, self._why_not_probed(name, found))

    def _way_is_fine(self, name: str, certificate: Mapping[str, Any]) -> str:
        if name == "proxy":
            proxy = self._endpoint.proxy_for(self._target)
            assert proxy is not None
            return words.gettext("Through {host}:{port}, which answers.").format(
                host=proxy.host, port=proxy.port
            )
        if name == "tls":
            issuer = _issuer(certificate)
            if issuer:
                return words.gettext("Trusted; the certificate was issued by {issuer}.").format(issuer=issuer)
            return words.gettext("Trusted.")
        sentence = {
            "route": words.gettext("This machine has a route to the outside."),
            "dns": words.gettext("{host} is found."),
            "tcp": words.gettext("{host}:{port} takes connections."),
        }[name]
        return sentence.format(host=self._target.host, port=self._target.port)

    def _why_not_probed(self, name: str, found: Diagnosis) -> str:
        if name == "route" and self._target.loopback:
            return words.gettext("Not needed: “api_url” is on this machine itself.")
        if name == "dns" and "proxy" in found.checks:
            return words.gettext("Not needed: the proxy looks the name up.")
        if name == "tls" and not self._target.secure:
            return words.gettext("Not needed: “api_url” is http on this machine itself.")
        before = next((n for n in _WAY if n in found.checks and found.checks[n].failure is not None), None)
        if before is None:
            return words.gettext("There was no time left to tell.")
        return not_tried(before).text

    def _certificate(self) -> Mapping[str, Any]:
        """Slack's certificate as Python reads it: who answers here, an inspecting proxy for one, is worth knowing."""
        limits = Limits(STEP_LIMIT_S, STEP_LIMIT_S)
        with contextlib.suppress(SlackError):
            wire = dial(self._target, self._endpoint, limits, self._cancel, tunnel=False, reached=False)
            try:
                return wire.peer_names
            finally:
                wire.abort()
        return {}

    # The Web API

    def _call_api(self) -> Finding:
        if self._bot.transport == "rtm":
            return self._call_auth_test(self._token)
        method = "apps.connections.open"
        limits = Limits(STEP_LIMIT_S, STEP_LIMIT_S)
        try:
            opened = call(self._endpoint, self._token.reveal(), method, api.socket_url, limits, self._cancel)
        except SlackError as error:
            return Finding(Outcome.FAILED, advice(error.failure, {"transport": "socket"}))
        self._answer, self._url = opened, Secret(opened.value)
        found = Finding(Outcome.OK, words.gettext("Slack accepts the token for Socket Mode."))
        return _both(found, self._call_auth_test(self._bot_token)) if self._bot.relay == "rtm" else found

    def _call_auth_test(self, token: Secret) -> Finding:
        limits = Limits(STEP_LIMIT_S, STEP_LIMIT_S)
        who = call(self._endpoint, token.reveal(), "auth.test", api.identity, limits, self._cancel)
        self._answer = who
        user = redacted(who.value.user or who.value.user_id)
        team = redacted(who.value.team or who.value.team_id)
        text = words.gettext("Slack knows the token as {user} in the workspace {team}.")
        return Finding(Outcome.OK, text.format(user=user, team=team))

    # The link

    def _try_link(self) -> str:
        opened: list[Link] = []

        def open_link() -> Finding:
            link = self._connector().open(
                step_limit_s=STEP_LIMIT_S,
                tcp_limit_s=STEP_LIMIT_S,
                on_answered=lambda _: None,
                cancel=self._cancel,
            )
            opened.append(link)
            return Finding(Outcome.OK, _link_opened(self._bot.transport))

        self.section.run("websocket", open_link)
        if not opened:
            return "websocket"
        link = opened[0]
        try:
            if self.section.run("hello", lambda: self._wait_for_hello(link)) is not Outcome.FAILED:
                self.section.run("ping", lambda: self._ping(link))
            return "hello"
        finally:
            link.close()

    def _connector(self) -> SlackConnector:
        if self._bot.transport == "rtm":
            return RtmConnector(self._endpoint, self._token.reveal)
        return _OpenedConnector(self._endpoint, self._token.reveal, self._url)

    def _wait_for_hello(self, link: Link) -> Finding:
        count = greeting.hello(link, self._step_s(), self._target.host).num_connections
        if count is not None:
            text = words.gettext("Slack greets the link, and counts {count} of this app, this one included.")
            return Finding(Outcome.OK, text.format(count=count))
        return Finding(Outcome.OK, words.gettext("Slack greets the link."))

    def _ping(self, link: Link) -> Finding:
        sent = time.monotonic()
        link.send_ping(_PING)
        greeting.await_frame(
            link, _is_pong, self._step_s(), Cause.KEEPALIVE_TIMEOUT, Phase.LIVE, self._target.host
        )
        ms = round((time.monotonic() - sent) * 1000)
        return Finding(Outcome.OK, words.gettext("Answered in {ms} ms.").format(ms=ms))

    def _step_s(self) -> float:
        return min(STEP_LIMIT_S, self._left())

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


class _OpenedConnector(SocketConnector):
    """Socket Mode with an address that Slack gave already: each costs one of the few calls that it allows."""

    def __init__(self, endpoint: Endpoint, read_token: Callable[[], str], url: Secret) -> None:
        super().__init__(endpoint, read_token)
        self._url = url

    def _ask(self, api: WebApi, limits: Limits, cancel: Cancel) -> tuple[str, ConnectAnswer | None]:
        return self._url.reveal(), None


def _is_pong(got: object) -> bool:
    if isinstance(got, PongSeen):
        return got.payload == str(_PING).encode()
    return isinstance(got, frames.Pong) and got.reply_to == _PING


def _issuer(certificate: Mapping[str, Any]) -> str:
    """The issuer's organization, else its common name: who it is, not which of its keys."""
    fields = {key: str(value) for part in certificate.get("issuer", ()) for key, value in part}
    return redacted(fields.get("organizationName") or fields.get("commonName") or "")


def _both(first: Finding, second: Finding) -> Finding:
    """Of two tokens: how the worse one stands, and what there is to say of either."""
    if second.outcome is Outcome.FAILED:
        return second
    worse = second if second.outcome is Outcome.WARNING else first
    text = words.gettext("{sentence} {more}").format(sentence=first.text, more=second.text)
    return Finding(worse.outcome, text)


def _scopes(headers: Mapping[str, str], bot: BotConfig) -> Finding:
    """The token's scopes, as Slack writes them beside its answers."""
    scopes = [
        scope for scope in re.split(r"[,\s]+", headers.get("x-oauth-scopes", "")) if _SCOPE.fullmatch(scope)
    ]
    if not scopes:
        return Finding(Outcome.SKIPPED, words.gettext("Slack did not say which scopes the token has."))
    if bot.relay == "rtm" and not POSTING & set(scopes):
        return Finding(Outcome.WARNING, words.cannot_post())
    # A classic app's one scope “bot” holds all that a bot may do.
    if bot.transport == "rtm" and not {"users:read", "bot"} & set(scopes):
        return Finding(Outcome.WARNING, words.no_presence("users:read") + ".")
    return Finding(Outcome.OK, ", ".join(scopes) + ".")


def _clock(headers: Mapping[str, str]) -> Finding:
    """This machine's clock against Slack's, which tells whole seconds."""
    now_ms = time.time_ns() // 1_000_000
    try:
        slack_ms = round(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000) + 500
    except (ValueError, TypeError, OverflowError):
        return Finding(Outcome.SKIPPED, words.gettext("Slack's answer had no date to compare with."))
    skew_ms = now_ms - slack_ms
    if abs(skew_ms) <= SKEW_SHOWN_MS:
        return Finding(Outcome.OK, words.gettext("It agrees with Slack's."))
    template = (
        words.gettext(
            "This machine's clock is {much} ahead of Slack's. Set it, or switch on its time service."
        )
        if skew_ms > 0
        else words.gettext(
            "This machine's clock is {much} behind Slack's. Set it, or switch on its time service."
        )
    )
    outcome = Outcome.WARNING if abs(skew_ms) <= SKEW_BAD_MS else Outcome.FAILED
    return Finding(outcome, template.format(much=words.duration(abs(skew_ms))))


def _link_opened(transport: str) -> str:
    if transport == "rtm":
        return words.gettext("A link opened.")
    return words.gettext(
        "A link opened. For this moment Slack may have given it what is meant for the bot's program: events come "
        "again, a click or a command may not."
    )


def _link_is_held() -> str:
    return words.gettext(
        "Not tried: traymon runs, and a second Socket Mode link would take from the first what Slack sends; "
        "“traymon status” says how that one is."
    )
