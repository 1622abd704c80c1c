"""Web API calls: Slack's answers, everything that is none, and no secret in any of it."""

import logging
import socket
import threading
import time
import traceback

import pytest

from tests.slackservers import (
    LIMIT_S,
    Certificates,
    header,
    http_answer,
    read_head,
    reset,
    serve,
)
from traymon.keeper.core.causes import Cause, Phase
from traymon.simulator import (
    Dribble,
    GarbageAnswer,
    Hang,
    HangUp,
    HttpStatus,
    JsonAnswer,
    Portal,
    Rst,
    Simulator,
    SlackCode,
    SlowAnswer,
    WrongShape,
)
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.webapi import ANSWER_LIMIT, WebApi
from traymon.slackwire.codes import Verdict, verdict

TOKEN = "xoxb-canary-1"


@pytest.fixture(scope="module")
def slack():
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "deploybot", "Acme")
        yield simulator


@pytest.fixture
def api(slack):
    slack.disarm()
    return WebApi(Endpoint(slack.api_url), TOKEN)


def failure(call, *args, **options):
    with pytest.raises(SlackError) as caught:
        call(*args, **options)
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert "During handling" not in shown
    return caught.value.failure


def answered_by(script):
    """What a call makes of a server that runs ``script``."""
    with serve(script) as server:
        return failure(WebApi(Endpoint(f"http://127.0.0.1:{server.port}/api/"), TOKEN).auth_test, LIMIT_S)


def saying(answer):
    def script(sock):
        read_head(sock)
        sock.sendall(answer)

    return script


# Answers


def test_auth_test(api):
    who = api.auth_test(LIMIT_S)
    assert (who.user, who.team) == ("deploybot", "Acme")
    assert who.user_id
    assert who.bot_id


def test_rtm_connect_gives_a_fresh_url_each_time(api, slack):
    first, second = api.rtm_connect(LIMIT_S, LIMIT_S), api.rtm_connect(LIMIT_S, LIMIT_S)
    assert first.url.startswith(f"ws://127.0.0.1:{slack.port}/")
    assert first.url != second.url
    assert (first.self_name, first.team_name) == ("deploybot", "Acme")


def test_presence(api):
    who = api.auth_test(LIMIT_S)
    presence = api.users_get_presence(who.user_id, LIMIT_S)
    assert presence.active is False
    assert presence.connection_count == 0


def test_one_call_is_one_request(slack, api):
    """slack_sdk sends a request again, by default and unseen, when the connection is reset."""
    before = len(slack.truth().calls)
    slack.arm(HangUp(Rst()))
    failure(api.auth_test, LIMIT_S)
    assert len(slack.truth().calls) == before + 1


def test_the_request_is_slack_sdks():
    heads = []

    def script(sock):
        heads.append(read_head(sock))
        sock.sendall(http_answer(b'{"ok": true, "user_id": "U1", "team_id": "T1"}'))

    with serve(script) as server:
        WebApi(Endpoint(f"http://127.0.0.1:{server.port}/api"), f" {TOKEN}\n").auth_test(LIMIT_S)
    (head,) = heads
    assert head.startswith(b"POST /api/auth.test HTTP/1.1\r\n")
    assert header(head, "Host") == f"127.0.0.1:{server.port}"
    assert header(head, "Authorization") == f"Bearer {TOKEN}"
    assert "traymon/" in header(head, "User-Agent")
    assert "slackclient/" in header(head, "User-Agent")


# Refusals


@pytest.mark.parametrize(
    "code",
    [
        "invalid_auth",
        "accesslimited",
        "token_revoked",
        "not_allowed_token_type",
        "invalid_arguments",
        "missing_scope",
    ],
)
def test_refused(slack, api, code):
    slack.arm(SlackCode(code))
    got = failure(api.rtm_connect, LIMIT_S, LIMIT_S)
    assert (got.cause, got.phase, got.detail) == (Cause.REFUSED_TOKEN, Phase.API, code)
    assert got.reached_slack
    assert got.quiet_retry is (verdict(code) is Verdict.REFUSED_MAYBE)


@pytest.mark.parametrize("code", ["internal_error", "migration_in_progress", "a_code_of_tomorrow"])
def test_temporary(slack, api, code):
    slack.arm(SlackCode(code))
    got = failure(api.rtm_connect, LIMIT_S, LIMIT_S)
    assert (got.cause, got.detail, got.reached_slack) == (Cause.SLACK_ERROR, code, True)


def test_a_wrong_token(slack):
    got = failure(WebApi(Endpoint(slack.api_url), "xoxb-canary-other").auth_test, LIMIT_S)
    assert (got.cause, got.detail, got.quiet_retry) == (Cause.REFUSED_TOKEN, "invalid_auth", True)


def test_a_missing_scope_names_it():
    body = b'{"ok": false, "error": "missing_scope", "needed": "users:read", "provided": "bot"}'
    got = answered_by(saying(http_answer(body)))
    assert got.evidence == {"host": "127.0.0.1", "needed": "users:read", "provided": "bot"}


def test_a_refusal_with_status_401_is_read():
    got = answered_by(saying(http_answer(b'{"ok": false, "error": "token_revoked"}', status="401 No")))
    assert (got.cause, got.detail, got.evidence["http_status"]) == (Cause.REFUSED_TOKEN, "token_revoked", 401)


def test_servers_in_trouble_refuse_nobody_for_good():
    got = answered_by(saying(http_answer(b'{"ok": false, "error": "invalid_auth"}', status="503 No")))
    assert (got.cause, got.detail, got.quiet_retry) == (Cause.SLACK_ERROR, "invalid_auth", False)


# Rate limit


@pytest.mark.parametrize(("value", "ms"), [("7", 7_000), ("soon", None), (None, None)])
def test_rate_limited(slack, api, value, ms):
    slack.arm(HttpStatus(429, value))
    got = failure(api.rtm_connect, LIMIT_S, LIMIT_S)
    assert (got.cause, got.phase, got.retry_after_ms) == (Cause.RATE_LIMITED, Phase.API, ms)
    assert got.reached_slack


def test_rate_limited_with_status_200():
    body = b'{"ok": false, "error": "ratelimited"}'
    got = answered_by(saying(http_answer(body, headers="Retry-After: 3\r\n")))
    assert (got.cause, got.detail, got.retry_after_ms) == (Cause.RATE_LIMITED, "ratelimited", 3_000)


# What is no answer


@pytest.mark.parametrize(
    ("fault", "detail", "first_bytes"),
    [
        (HttpStatus(503), "HTTP 503", None),
        (HttpStatus(500, body=b"oops"), "HTTP 500", None),
        (GarbageAnswer(), "", "{"),
        (GarbageAnswer('{"ok":true}'.encode("utf-16-le")), "", "{"),  # RFC 8259 8.1: JSON is UTF-8
        (GarbageAnswer(b"\xff\xfe"), "", "\\xff\\xfe"),
        (GarbageAnswer(b""), "", ""),
        pytest.param(GarbageAnswer(b"[" * 100_000), "", "[" * 48, id="too deep"),
        (JsonAnswer(None), "the answer is null, not an object", None),
        (JsonAnswer([1, 2]), "the answer is a list, not an object", None),
        (JsonAnswer("x"), "the answer is text, not an object", None),
        (JsonAnswer(7), "the answer is a number, not an object", None),
        (JsonAnswer({}), 'the answer lacks "ok": true', None),
        (JsonAnswer({"ok": False}), 'the answer lacks "ok": true', None),
        (JsonAnswer({"ok": False, "error": 7}), 'the answer lacks "ok": true', None),
        (WrongShape("url"), "url is null or missing, not text", None),
        (WrongShape("self.id"), "self.id is null or missing, not text", None),
    ],
    ids=repr,
)
def test_not_an_answer(slack, api, fault, detail, first_bytes):
    slack.arm(fault)
    got = failure(api.rtm_connect, LIMIT_S, LIMIT_S)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.SLACK_ERROR, Phase.API, True)
    assert (got.detail, got.evidence.get("first_bytes")) == (detail, first_bytes)


@pytest.mark.parametrize("limit", [Hang(), Dribble(interval_ms=20)], ids=repr)
def test_an_answer_that_is_late(slack, api, limit):
    """``timeout`` of urllib is for each read: a server that dribbles would be waited for without end."""
    slack.arm(limit)
    start = time.monotonic()
    got = failure(api.rtm_connect, 0.3, LIMIT_S)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.API_TIMEOUT, Phase.API, True)
    assert 0.3 <= time.monotonic() - start < LIMIT_S / 2


def test_an_answer_that_is_slow_but_in_time(slack, api):
    slack.arm(SlowAnswer(150))
    assert api.rtm_connect(LIMIT_S, 0.1).self_name == "deploybot"


@pytest.mark.parametrize(("how", "cause"), [(HangUp(), Cause.ABRUPT_CLOSE), (HangUp(Rst()), Cause.RESET)])
def test_hung_up_on(slack, api, how, cause):
    slack.arm(how)
    got = failure(api.auth_test, LIMIT_S)
    assert (got.cause, got.phase, got.reached_slack, got.close_code) == (cause, Phase.API, True, None)


def test_hung_up_on_within_the_answer():
    got = answered_by(saying(http_answer(b'{"ok": true}')[:-3]))
    assert (got.cause, got.phase, got.reached_slack) == (Cause.ABRUPT_CLOSE, Phase.API, True)


def test_an_answer_in_pieces():
    """http.client closes "its" socket once it has read the head."""

    def script(sock):
        read_head(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for byte in b'{"ok": true, "user_id": "U1", "team_id": "T1", "user": "deploybot"}':
            sock.sendall(bytes([byte]))
            server.over.wait(0.001)

    with serve(script) as server:
        api = WebApi(Endpoint(f"http://127.0.0.1:{server.port}/api/"), TOKEN)
        assert api.auth_test(LIMIT_S).user == "deploybot"


def test_reset_within_the_answer():
    def script(sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        reset(sock)

    assert answered_by(script).cause in (Cause.RESET, Cause.ABRUPT_CLOSE)


def test_something_else_that_answers():
    got = answered_by(saying(b"SSH-2.0-OpenSSH_9.2\r\n"))
    assert (got.cause, got.evidence["first_bytes"]) == (Cause.SLACK_ERROR, "SSH-2.0-OpenSSH_9.2\\x0d\\x0a")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_without_end(chunked):
    def script(sock):
        read_head(sock)
        head = "Transfer-Encoding: chunked" if chunked else "Content-Type: application/json"
        sock.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
        piece = b"x" * 65_536
        while True:
            sock.sendall(b"10000\r\n" + piece + b"\r\n" if chunked else piece)

    got = answered_by(script)
    assert (got.cause, got.detail) == (Cause.SLACK_ERROR, "the answer is too long")
    assert ANSWER_LIMIT < 10_000_000


@pytest.mark.parametrize(
    ("head", "cause", "detail"),
    [
        (b"Content-Length: 1000000000000", Cause.ABRUPT_CLOSE, ""),
        (b"Content-Length: 99999999999999999999", Cause.ABRUPT_CLOSE, ""),
        (b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff", Cause.ABRUPT_CLOSE, ""),
        (b"Transfer-Encoding: chunked\r\n\r\n-7fffffffffffffff7", Cause.SLACK_ERROR, ""),
        (b"Transfer-Encoding: chunked\r\n\r\n-5", Cause.SLACK_ERROR, ""),
    ],
)
def test_a_length_that_nothing_has(head, cause, detail):
    """No room is made for what an answer claims, only for what comes."""
    got = answered_by(saying(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n{}"))
    assert (got.cause, got.phase, got.detail) == (cause, Phase.API, detail)
    assert "exception" not in got.evidence


def test_a_broken_answer_does_not_show_its_ticket():
    broken = b'{"ok": true, "url": "ws:\\/\\/127.0.0.1:8123\\/TICKET", "self"'
    got = answered_by(saying(http_answer(broken)))
    assert (got.cause, got.evidence["first_bytes"]) == (Cause.SLACK_ERROR, "{")
    got = answered_by(saying(broken))  # not even HTTP
    assert (got.cause, got.evidence["first_bytes"]) == (Cause.SLACK_ERROR, "{")


def test_headers_without_end():
    def script(sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)

    assert answered_by(script).cause is Cause.SLACK_ERROR


def test_a_captive_portal_that_redirects(slack, api):
    slack.arm(Portal())
    got = failure(api.auth_test, LIMIT_S)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.CAPTIVE_PORTAL, Phase.API, False)


@pytest.mark.parametrize("headers", ["Content-Type: text/html; charset=utf-8\r\n", ""])
def test_a_captive_portal_that_answers_itself(headers):
    got = answered_by(saying(http_answer(b"\n<html>Please sign in", headers=headers)))
    assert (got.cause, got.reached_slack) == (Cause.CAPTIVE_PORTAL, False)
    assert got.evidence["first_bytes"] == "\\x0a<html>Please sign in"


def test_no_redirect_is_followed_and_no_token_leaves():
    with serve(saying(http_answer(b"{}"))) as other:
        location = f"Location: https://127.0.0.1:{other.port}/\r\n"
        got = answered_by(saying(http_answer(b"", status="307 Elsewhere", headers=location)))
        assert other.accepted == 0
    assert (got.cause, got.detail) == (Cause.SLACK_ERROR, "HTTP 307")


# The way there


def test_a_refused_connection_reached_nobody(slack, api):
    slack.refuse()
    try:
        got = failure(api.auth_test, LIMIT_S)
    finally:
        slack.accept()
    assert (got.cause, got.phase, got.reached_slack) == (Cause.CONNECT_REFUSED, Phase.TCP, False)


def test_tls(tmp_path):
    certificates = Certificates(tmp_path)
    with Simulator(tls=certificates.server()) as slack:
        slack.add_bot(TOKEN, "deploybot")
        trusting = WebApi(Endpoint(slack.api_url, ca_file=certificates.ca_file), TOKEN)
        assert trusting.auth_test(LIMIT_S).user == "deploybot"
        got = failure(WebApi(Endpoint(slack.api_url), TOKEN).auth_test, LIMIT_S)
        assert (got.cause, got.phase, got.reached_slack) == (Cause.TLS, Phase.TLS, False)
        assert len(slack.truth().calls) == 1


def test_plain_http_goes_through_a_proxy_without_a_tunnel(monkeypatch):
    monkeypatch.setattr(Target, "loopback", False)
    heads = []

    def script(sock):
        heads.append(read_head(sock))
        sock.sendall(http_answer(b'{"ok": true, "user_id": "U1", "team_id": "T1"}'))

    with serve(script) as proxy:
        endpoint = Endpoint("http://slack.test/api/", proxy=f"http://me:secret@127.0.0.1:{proxy.port}")
        WebApi(endpoint, TOKEN).auth_test(LIMIT_S)
    (head,) = heads
    assert head.startswith(b"POST http://slack.test/api/auth.test HTTP/1.1\r\n")
    assert header(head, "Host") == "slack.test"
    assert header(head, "Proxy-Authorization") == "Basic bWU6c2VjcmV0"


def test_a_proxy_of_the_environment_is_not_used_on_loopback(slack, monkeypatch):
    """slack_sdk takes it into its client, NO_PROXY or not."""
    with serve(lambda sock: None) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert WebApi(Endpoint(slack.api_url), TOKEN).auth_test(LIMIT_S).user == "deploybot"
        assert proxy.accepted == 0


# Calling off, and secrets


def test_called_off_while_slack_does_not_answer(slack, api):
    slack.arm(Hang())
    cancel, asked = Cancel(), len(slack.truth().calls)
    canceller = threading.Thread(
        target=lambda: (slack.wait(lambda: len(slack.truth().calls) > asked, LIMIT_S), cancel.cancel())
    )
    canceller.start()
    start = time.monotonic()
    with pytest.raises(AbandonedError):
        api.rtm_connect(LIMIT_S, LIMIT_S, cancel)
    assert time.monotonic() - start < LIMIT_S / 2
    canceller.join(LIMIT_S)


@pytest.mark.parametrize("token", ["", "  ", "xoxb-canary\r\nX: y", "xoxb-canaryü", "xoxb canary"])
def test_a_token_that_no_header_can_carry(token):
    got = failure(WebApi, Endpoint(), token)
    assert (got.cause, got.phase) == (Cause.NO_TOKEN, Phase.TOKEN)


def test_nothing_secret_is_logged_even_when_everything_is(slack, api, caplog):
    for logger in (
        logging.getLogger(),
        logging.getLogger("slack_sdk"),
        logging.getLogger("slack_sdk.web.base_client"),
    ):
        caplog.set_level(logging.DEBUG, logger.name)
    ticket = api.rtm_connect(LIMIT_S, LIMIT_S).url.rsplit("/", 1)[-1]
    slack.arm(SlackCode("internal_error"))
    failure(api.auth_test, LIMIT_S)
    slack.arm(HangUp())
    failure(api.auth_test, LIMIT_S)
    assert len(ticket) > 8
    assert ticket not in caplog.text
    assert "canary" not in caplog.text
    assert "canary" not in repr(api) + repr(vars(api)["_endpoint"])


@pytest.mark.parametrize("token", [TOKEN, "an-odd-canary-token"])
@pytest.mark.parametrize(
    "echo", ["{} is no HTTP\r\n", http_answer(b"{}").decode(), http_answer(b"<p>{}").decode()]
)
def test_a_token_that_is_echoed_is_not_kept(token, echo):
    """Also one that does not look like a token: who knows it can find it."""
    answer = echo.replace("Length: ", "Length: 9").format(token) + "x" * 999
    with serve(saying(answer.encode())) as server:
        got = failure(WebApi(Endpoint(f"http://127.0.0.1:{server.port}/"), token).auth_test, LIMIT_S)
    assert got.evidence
    assert token not in repr(got)


def test_an_error_code_that_echoes_the_token():
    body = f'{{"ok": false, "error": "bad token {TOKEN}"}}'.encode()
    assert answered_by(saying(http_answer(body))).detail.startswith("bad token")


def test_the_connection_is_ended():
    ended = threading.Event()

    def script(sock):
        read_head(sock)
        sock.sendall(http_answer(b'{"ok": true, "user_id": "U1", "team_id": "T1"}'))
        sock.settimeout(LIMIT_S)
        if sock.recv(1) == b"":
            ended.set()

    with serve(script) as server:
        WebApi(Endpoint(f"http://127.0.0.1:{server.port}/"), TOKEN).auth_test(LIMIT_S)
        assert ended.wait(LIMIT_S)
