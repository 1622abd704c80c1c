"""The Web API methods that a link needs, over slack_sdk's WebClient.

Only the client's one method that talks HTTP is replaced: by ours the request goes over a wire, with limits on whole
steps, the endpoint's proxy and trust, no redirects and a bounded answer. What is no success is judged there, with
status, headers and body at hand. slack_sdk's log is cut off: at DEBUG it prints answers, and those hold tickets.
"""

import http.client
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast
from urllib.request import Request

from slack_sdk import WebClient

from traymon import __version__, words
from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Limits, dial, step
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import SlackError, http_failure, retry_after_ms
from traymon.slack.wire import TooMuchError, Wire, hidden, printable_bytes
from traymon.slackwire import api, codes

ANSWER_LIMIT = 8 * 1024 * 1024
"""Bytes. The answers of the methods called here are a few hundred; a stream without end must not fill the memory."""
_PIECE = 65_536

# Without a parent, so that no configuration of the root logger reaches it. slack_sdk looks at the level itself.
_silent = logging.Logger("traymon.slack.sdk", logging.CRITICAL + 1)

# What http.client sends as it is. It refuses anything else too, but in an error that quotes the header.
_TOKEN = re.compile(r"[\x21-\x7e]+")

T = TypeVar("T")


class WebApi:
    """Calls Slack's Web API with ``token``; each call is a connection of its own. The token is in no repr.

    Raises SlackError: ``refused_token`` (``detail``: Slack's code), ``rate_limited``, ``slack_error``, or what kept
    the call from being answered. ``reached_slack`` is true from the moment that the request was sent.
    """

    def __init__(self, endpoint: Endpoint, token: str) -> None:
        self._endpoint = endpoint
        self._token = token.strip()
        if not _TOKEN.fullmatch(self._token):
            facts: dict[str, Fact] = {"error": words.mark("it is empty or has characters that no token has")}
            raise SlackError(Failure(Cause.NO_TOKEN, Phase.TOKEN, evidence=facts))

    def auth_test(self, timeout_s: float, cancel: Cancel | None = None) -> api.Identity:
        """Whose token it is. ``timeout_s`` is for each step: name, TCP, TLS, answer."""
        return self._call("auth.test", {}, api.identity, Limits(timeout_s, timeout_s), cancel)

    def rtm_connect(
        self, step_limit_s: float, tcp_limit_s: float, cancel: Cancel | None = None
    ) -> api.ConnectAnswer:
        """A fresh URL for one RTM link; ``tcp_limit_s`` is for TCP, ``step_limit_s`` for each other step."""
        return self._call("rtm.connect", {}, api.connect_answer, Limits(step_limit_s, tcp_limit_s), cancel)

    def connections_open(self, step_limit_s: float, tcp_limit_s: float, cancel: Cancel | None = None) -> str:
        """A fresh URL for one Socket Mode link, with an app-level token; the limits are those of :meth:`rtm_connect`.

        A refusal says ``transport: socket`` in its evidence: what a person has to do differs from RTM's.
        """
        limits = Limits(step_limit_s, tcp_limit_s)
        try:
            return self._call("apps.connections.open", {}, api.socket_url, limits, cancel)
        except SlackError as error:
            failure = error.failure
        if failure.cause is Cause.REFUSED_TOKEN:
            failure = replace(failure, evidence={**failure.evidence, "transport": "socket"})
        raise SlackError(failure)

    def users_get_presence(self, user: str, timeout_s: float, cancel: Cancel | None = None) -> api.Presence:
        """How Slack shows ``user``. ``timeout_s`` is for each step."""
        limits = Limits(timeout_s, timeout_s)
        return self._call("users.getPresence", {"user": user}, api.presence, limits, cancel)

    def _call(
        self,
        method: str,
        params: dict[str, str],
        read: Callable[[object], T],
        limits: Limits,
        cancel: Cancel | None,
    ) -> T:
        facts: dict[str, Fact] = {"host": Target.of(self._endpoint.api_url).host}
        client = _Client(self._endpoint, self._token, limits, cancel or Cancel())
        with step(Phase.API, reached=True, **facts):
            data = client.api_call(method, params=params).data
        try:
            return read(data)
        except api.WireError as error:
            reason = str(error)
        raise SlackError(Failure(Cause.SLACK_ERROR, Phase.API, reason, reached_slack=True, evidence=facts))


class _Client(WebClient):
    """slack_sdk's client for one call: it makes the request and reads the answer, :func:`_exchange` carries both."""

    def __init__(self, endpoint: Endpoint, token: str, limits: Limits, cancel: Cancel) -> None:
        super().__init__(
            token=token,
            base_url=endpoint.api_url,
            retry_handlers=[],  # its default sends a request a second time, unseen
            logger=_silent,
            user_agent_prefix=f"traymon/{__version__}",
        )
        self.proxy = None  # it took one from the environment, NO_PROXY or not; dial() decides
        self._endpoint = endpoint
        self._limits = limits
        self._cancel = cancel

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        target = Target.of(url)
        wire = dial(target, self._endpoint, self._limits, self._cancel, tunnel=False, reached=False)
        wire.secret = (self.token or "").encode()
        try:
            with self._cancel.watch(wire.abort):
                answer = _exchange(wire, target, self._endpoint, req, self._limits.step_s)
        finally:
            wire.abort()
        _judge(answer, {"host": target.host})
        return {
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body.decode("utf-8", "replace"),
        }


class _Connection(http.client.HTTPConnection):
    """http.client's connection on a wire that is connected already."""

    def __init__(self, target: Target, wire: Wire) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.secure else 80  # for the Host header
        self._wire = wire

    def connect(self) -> None:
        self.sock = cast(Any, self._wire)

    def close(self) -> None:
        """Let go of the wire, as happens before the answer is read; whoever dialled ends it."""
        self.sock = None
        super().close()


class _Answer:
    """One HTTP answer. Header names are lower-case."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def _exchange(wire: Wire, target: Target, endpoint: Endpoint, req: Request, limit_s: float) -> _Answer:
    """Send the request and read the whole answer within ``limit_s``."""
    headers = {"Connection": "close", **dict(req.header_items())}
    selector = req.selector
    proxy = endpoint.proxy_for(target)
    if proxy is not None and not target.secure:
        selector = req.full_url
        if proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
    wire.deadline = time.monotonic() + limit_s
    wire.allowance = ANSWER_LIMIT
    connection = _Connection(target, wire)
    try:
        connection.request(req.get_method(), selector, cast("bytes | None", req.data), headers)
        response = connection.getresponse()
        body = _body(response)
    except TooMuchError:
        raise _slack_error(words.mark("the answer is too long"), {"host": target.host}) from None
    except http.client.RemoteDisconnected:
        raise
    except http.client.IncompleteRead:
        # As seen from here: the connection ended in the middle of the answer.
        raise http.client.RemoteDisconnected("") from None
    except http.client.HTTPException:
        facts: dict[str, Fact] = {"host": target.host, "first_bytes": _up_to_an_object(wire.first_bytes)}
        raise _slack_error("", facts) from None
    headers = {name.lower(): value for name, value in response.getheaders()}
    return _Answer(response.status, headers, hidden(body, wire.secret))


def _body(response: http.client.HTTPResponse) -> bytes:
    """The whole body. In pieces, as http.client makes room at once for whatever length an answer claims to have."""
    body = bytearray()
    try:
        while piece := response.read(_PIECE):
            body += piece
    except (ValueError, OverflowError):  # a chunk of negative length
        raise http.client.HTTPException from None
    if response.length:  # in pieces, it does not tell itself that the rest of the claimed length is missing
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _judge(answer: _Answer, facts: Mapping[str, Fact]) -> None:
    """Raise what an answer means that is no success."""
    data, is_json = _json(answer.body)
    code = data.get("error") if isinstance(data, dict) and data.get("ok") is not True else None
    if isinstance(code, str) and code and answer.status != http.client.TOO_MANY_REQUESTS:
        raise SlackError(_refusal(code, cast("dict[str, object]", data), answer, facts))
    if answer.status != http.client.OK:
        failure = http_failure(answer.status, answer.headers, Phase.API, evidence=facts)
        raise SlackError(failure)
    if isinstance(data, dict):
        if data.get("ok") is not True:
            raise _slack_error('the answer lacks "ok": true', facts)
        return
    if is_json:
        kind = {type(None): "null", list: "a list", str: "text", bool: "a boolean"}.get(
            type(data), "a number"
        )
        raise _slack_error(f"the answer is {kind}, not an object", facts)
    facts = {**facts, "first_bytes": _up_to_an_object(printable_bytes(answer.body))}
    if _is_page(answer):
        # Slack's API never answers 200 with a page; a network that wants a sign-in, or a filter, does.
        raise SlackError(Failure(Cause.CAPTIVE_PORTAL, Phase.API, evidence=facts))
    raise _slack_error("", facts)


def _refusal(code: str, data: Mapping[str, object], answer: _Answer, facts: Mapping[str, Fact]) -> Failure:
    """Slack's ``{"ok": false, "error": code}``."""
    more: dict[str, Fact] = {
        key: value for key in ("needed", "provided") if isinstance(value := data.get(key), str)
    }
    if answer.status != http.client.OK:
        more["http_status"] = answer.status
    verdict = codes.verdict(code)
    if answer.status >= 500:  # its servers are in trouble: nothing that they say then is for good
        verdict = codes.Verdict.TEMPORARY
    causes = {
        codes.Verdict.REFUSED: Cause.REFUSED_TOKEN,
        codes.Verdict.REFUSED_MAYBE: Cause.REFUSED_TOKEN,
        codes.Verdict.RATE_LIMITED: Cause.RATE_LIMITED,
        codes.Verdict.TEMPORARY: Cause.SLACK_ERROR,
    }
    return Failure(
        causes[verdict],
        Phase.API,
        code,
        reached_slack=True,
        retry_after_ms=retry_after_ms(answer.headers.get("retry-after")),
        quiet_retry=verdict is codes.Verdict.REFUSED_MAYBE,
        evidence={**facts, **more},
    )


def _json(body: bytes) -> tuple[object, bool]:
    """Of the very text that slack_sdk is given: JSON is UTF-8 (RFC 8259 8.1), though Python would guess others."""
    try:
        return json.loads(body.decode("utf-8", "replace")), True
    except (ValueError, RecursionError):
        return None, False


def _up_to_an_object(first_bytes: str) -> str:
    """As evidence: what is broken may be Slack's own answer, and that holds a ticket wherever it broke."""
    before, brace, _ = first_bytes.partition("{")
    return before + brace


def _is_page(answer: _Answer) -> bool:
    kind = answer.headers.get("content-type", "").lower()
    return kind.startswith(("text/html", "application/xhtml")) or answer.body.lstrip()[:1] == b"<"


def _slack_error(detail: str, facts: Mapping[str, Fact]) -> SlackError:
    return SlackError(Failure(Cause.SLACK_ERROR, Phase.API, detail, reached_slack=True, evidence=facts))
