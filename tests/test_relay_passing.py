"""What the relay passes on: byte for byte what the program said and Slack answered, but for the token."""

import gzip
import hashlib
import json
import logging
import socket
import threading
import tracemalloc
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
from slack_sdk import WebClient
from slack_sdk.http_retry import FixedValueRetryIntervalCalculator
from slack_sdk.http_retry.builtin_handlers import ServerErrorRetryHandler

from tests.passing_kit import (
    LOCAL,
    LOCAL_APP,
    OK,
    REAL,
    REAL_APP,
    Relay,
    Slack,
    a_bot,
    dechunked,
    parsed,
    read_all,
)
from tests.slackservers import Certificates, header, http_answer, read_head, reset, serve, tunnel
from tests.support import PATIENCE_S
from traymon.relay.opening import LOOK
from traymon.secrets import SecretUnavailable
from traymon.slack.endpoint import Endpoint

FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json; charset=utf-8"


@pytest.fixture
def slack():
    with Slack() as slack:
        yield slack


@pytest.fixture
def relay(slack):
    with Relay(a_bot(slack.api_url)) as relay:
        yield relay


@contextmanager
def relayed(**how):
    """A relay before a Slack that answers as told."""
    with Slack(**how) as slack, Relay(a_bot(slack.api_url)) as relay:
        yield slack, relay


@contextmanager
def relay_before(script):
    """A relay before a server that does what it likes with each connection."""
    with serve(script) as server, Relay(a_bot(f"http://127.0.0.1:{server.port}/api/")) as relay:
        yield relay


def body_of(answer: bytes) -> dict[str, object]:
    return json.loads(parsed(answer)[2])


def wait_for_end(sock: socket.socket) -> None:
    """Until the other side ends the connection."""
    sock.settimeout(PATIENCE_S)
    read_all(sock)


# ----------------------------------------------------------------------------------------------------------- going up


def test_verb_target_headers_and_body_go_up_as_they_came(slack, relay):
    relay.exchange(
        b"PATCH /api/admin.users.list?b=%41&a=x+y&&empty= HTTP/1.1\r\n"
        b"Host: localhost:1\r\n"
        b"authorization: Bearer " + LOCAL.encode() + b"\r\n"
        b"X-Twice: 1\r\nUSER-AGENT: My Bot/1.0 (\xc3\xa9)\r\nx-twice: 2\r\nCookie: d=xoxd-1; a=b\r\n"
        b"Content-Type: text/plain\r\nX-Empty:\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: mine\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\n"
        b"Content-Length: 5\r\n\r\n\x00\xff\r\n-"
    )
    got = slack.next()
    assert got.line == b"PATCH /api/admin.users.list?b=%41&a=x+y&&empty= HTTP/1.1"
    assert got.body == b"\x00\xff\r\n-"
    own = [
        (name, value)
        for name, value in got.headers
        if name not in (b"Host", b"Connection", b"Content-Length")
    ]
    assert own == [
        (b"authorization", f"Bearer {REAL}".encode()),
        (b"X-Twice", b"1"),
        (b"USER-AGENT", b"My Bot/1.0 (\xc3\xa9)"),
        (b"X-Twice", b"2"),
        (b"Cookie", b"d=xoxd-1; a=b"),
        (b"Content-Type", b"text/plain"),
        (b"X-Empty", b""),
    ]
    assert got.header(b"Host") == f"127.0.0.1:{slack.server.port}".encode()
    assert got.header(b"Connection") == b"close"


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_any_verb_passes_without_a_body(slack, relay, verb):
    relay.call("api.test", verb=verb)
    got = slack.next()
    assert got.line == f"{verb} /api/api.test HTTP/1.1".encode()
    assert got.header(b"Transfer-Encoding") is None
    assert got.body == b""


def test_nothing_is_added_that_the_program_did_not_send(slack, relay):
    relay.call("api.test", verb="GET")
    assert {name for name, _ in slack.next().headers} == {b"Host", b"Connection", b"Authorization"}


def test_a_chunked_body_stays_whole(slack, relay):
    body = b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n"
    relay.call("files.upload", body, "Transfer-Encoding: chunked", "Content-Type: application/octet-stream")
    got = slack.next()
    assert got.body == b"hello world"
    assert got.header(b"Content-Length") is None


def test_a_packed_body_is_not_unpacked(slack, relay):
    body = gzip.compress(json.dumps({"token": LOCAL}).encode(), mtime=0)
    relay.call("api.test", body, "Content-Encoding: gzip", JSON)
    assert slack.next().body == body


def test_a_program_that_asks_before_it_sends_is_told_to_go_on(slack, relay):
    with relay.connect() as sock:
        head = f"POST /api/files.upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
        sock.sendall(f"{head}Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert read_head(sock).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        assert parsed(read_all(sock))[0] == b"HTTP/1.1 200 OK"
    got = slack.next()
    assert got.body == b"hello"
    assert got.header(b"Expect") is None


def test_several_calls_share_a_programs_connection(slack, relay):
    with closing(HTTPConnection("127.0.0.1", relay.port, timeout=PATIENCE_S)) as connection:
        for text in (b"one", b"three"):
            connection.request("POST", "/api/api.test", text, {"Authorization": f"Bearer {LOCAL}"})
            ours = connection.sock.getsockname()
            assert connection.getresponse().read() == b'{"ok":true}'
            assert connection.sock.getsockname() == ours
            assert slack.next().body == text


def test_a_slash_or_a_question_mark_at_the_end_does_no_harm(slack, relay):
    relay.call("auth.test?")
    assert slack.next().line in (b"POST /api/auth.test HTTP/1.1", b"POST /api/auth.test? HTTP/1.1")
    relay.call("auth.test/")
    assert slack.next().line == b"POST /api/auth.test HTTP/1.1"


@pytest.mark.parametrize(
    "target",
    [
        "/api/../admin",
        "/api/a/../../admin",
        "/api/./x",
        "/api//evil.test/x",
        "/api/..%2fadmin",
        "/api/%2e%2e/admin",
        "/api/x%2fy",
        "/api/x\\y",
        "/api/a;b",
        "/api/",
        "/api",
        "/apix/y",
        "/",
        "http://evil.test/api/x",
        "//evil.test/api/x",
        "/api/x@evil.test",
        "/api/x?a#b",
        "/api/.x",
        "/api/x?\xe9",
    ],
)
def test_no_path_leads_out_of_the_api(slack, relay, target):
    answer = relay.exchange(
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {LOCAL}\r\n\r\n".encode("latin-1")
    )
    assert parsed(answer)[0].split()[1] in (b"404", b"400")
    assert slack.received.empty()
    assert slack.server.accepted == 0


# ----------------------------------------------------------------------------------------------------- the token's way


@pytest.mark.parametrize(("local", "real"), [(LOCAL, REAL), (LOCAL_APP, REAL_APP)])
@pytest.mark.parametrize(
    ("query", "body", "headers", "wanted"),
    [
        ("", "text=a%20b&token={}&x=y+z", [FORM], "text=a%20b&token={}&x=y+z"),
        ("?a=1&token={}&b=2", "", [], ""),
        ("", '{{"text": "\\u00e9", "token" :"{}"}}', [JSON], '{{"text": "\\u00e9", "token" :"{}"}}'),
        (
            "",
            '--B\r\nContent-Disposition: form-data; name="token"\r\n\r\n{}\r\n--B\r\n\r\nx\r\n--B--\r\n',
            ['Content-Type: multipart/form-data; boundary="B"'],
            '--B\r\nContent-Disposition: form-data; name="token"\r\n\r\n{}\r\n--B\r\n\r\nx\r\n--B--\r\n',
        ),
    ],
)
def test_the_real_token_goes_up_where_the_local_one_stood(
    slack, relay, local, real, query, body, headers, wanted
):
    answer = relay.call(
        f"auth.test{query.format(local)}", body.format(local).encode(), *headers, authorized=False
    )
    assert body_of(answer) == {"ok": True}
    got = slack.next()
    assert got.line == f"POST /api/auth.test{query.format(real)} HTTP/1.1".encode()
    assert got.body == wanted.format(real).encode()
    assert LOCAL.encode() not in got.head + got.body


def test_each_place_is_served_when_a_client_uses_several(slack, relay):
    relay.call("auth.test", f"token={LOCAL}&x=1".encode(), FORM)
    got = slack.next()
    assert got.header(b"Authorization") == f"Bearer {REAL}".encode()
    assert got.body == f"token={REAL}&x=1".encode()


def test_a_token_split_over_many_reads_is_found(slack, relay):
    body = f"text=hi&token={LOCAL}".encode()
    with relay.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /api/auth.test HTTP/1.1\r\nHost: localhost\r\n{FORM}\r\nTransfer-Encoding: chunked\r\n"
        sock.sendall(f"{head}Connection: close\r\n\r\n".encode())
        for byte in body:
            sock.sendall(b"1\r\n%c\r\n" % byte)
        sock.sendall(b"0\r\n\r\n")
        read_all(sock)
    assert slack.next().body == f"text=hi&token={REAL}".encode()


def test_botkits_long_message_with_the_token_at_its_end_is_found(slack, relay):
    body = f"text={quote('日' * 40_000)}&token={LOCAL}".encode()
    assert len(body) < LOOK
    relay.call("chat.postMessage", body, FORM, authorized=False)
    assert slack.next().body == body.replace(LOCAL.encode(), REAL.encode())


def test_what_is_beyond_the_look_passes_unchanged(slack, relay):
    body = b"text=" + b"x" * (LOOK + 200_000) + f"&token={LOCAL}".encode()
    relay.call("chat.postMessage", body, FORM)
    assert slack.next().body == body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f"text=my+token+is+{LOCAL}&old_token={LOCAL}", FORM),
        (json.dumps({"text": f"token={LOCAL}", "blocks": [{"token": LOCAL}]}), JSON),
        (f"token={LOCAL}", "Content-Type: text/plain"),
        ('{"a":' * 30_000, JSON),
        ("--B\r\nbroken", "Content-Type: multipart/form-data; boundary=B"),
        ("--B\r\nbroken", "Content-Type: multipart/form-data"),
    ],
)
def test_a_token_in_a_text_is_text(slack, relay, body, content_type):
    relay.call("chat.postMessage", body.encode(), content_type)
    assert slack.next().body == body.encode()


def test_half_a_surrogate_pair_is_no_token_and_does_no_harm(slack, relay):
    body = b'{"token":"\\ud800"}'
    relay.call("chat.postMessage", body, JSON)
    assert slack.next().body == body
    assert body_of(relay.call("chat.postMessage", body, JSON, authorized=False))["error"] == "invalid_auth"


def test_a_real_token_in_a_second_place_passes_as_it_is(slack, relay):
    relay.call("chat.postMessage", b"token=xoxp-of-a-user&text=x", FORM)
    assert slack.next().body == b"token=xoxp-of-a-user&text=x"


def test_without_a_local_token_nothing_goes_to_slack(slack, relay):
    for token in (REAL, "xoxb-wrong", ""):
        answer = relay.call("auth.test", b"", f"Authorization: Bearer {token}", authorized=False)
        assert body_of(answer) == {"ok": False, "error": "invalid_auth"}
    assert slack.server.accepted == 0


def test_a_bot_without_a_bot_token_is_not_authed_and_says_why():
    def none() -> str:
        raise SecretUnavailable("deploybot has no bot token: run traymon setup.")

    with Slack() as slack, Relay(a_bot(slack.api_url, read_token=none)) as relay:
        for _ in range(2):
            answer = relay.call()
            assert parsed(answer)[0] == b"HTTP/1.1 200 OK"
            assert body_of(answer)["error"] == "not_authed"
        assert relay.said == ["deploybot has no bot token: run traymon setup."]
        assert (
            body_of(relay.call("x.y", b"", f"Authorization: Bearer {LOCAL_APP}", authorized=False))["ok"]
            is True
        )
        assert slack.server.accepted == 1


def test_a_locked_keyring_is_a_reason_to_try_again_and_is_not_asked_for_each_call():
    asked = []

    def locked() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise SecretUnavailable("The keyring is locked.", waits=True)
        return REAL

    with Slack() as slack, Relay(a_bot(slack.api_url, read_token=locked)) as relay:
        for _ in range(3):
            answer = relay.call()
            assert parsed(answer)[0].startswith(b"HTTP/1.1 503 ")
            assert body_of(answer)["error"] == "service_unavailable"
        assert len(asked) == 1
        relay.advance(6)
        assert body_of(relay.call())["ok"] is True
        assert body_of(relay.call())["ok"] is True
        assert len(asked) == 2
        assert relay.said == ["The keyring is locked."]


def test_a_changed_token_counts_after_a_minute():
    tokens = [REAL, "xoxb-the-next-one"]
    with Slack() as slack, Relay(a_bot(slack.api_url, read_token=lambda: tokens.pop(0))) as relay:
        for seconds, token in ((0, REAL), (30, REAL), (31, "xoxb-the-next-one")):
            relay.advance(seconds)
            relay.call()
            assert slack.next().header(b"Authorization") == f"Bearer {token}".encode()


# ---------------------------------------------------------------------------------------------------------- going down


def test_status_headers_and_body_come_down_as_they_were():
    body = gzip.compress(b'{"ok":true}', mtime=0)
    answer = (
        b"HTTP/1.1 418 I am a teapot\r\nDate: Tue, 20 Dec 2016 07:29:10 GMT\r\nServer: Apache\r\n"
        b"set-cookie: a=1; Path=/\r\nX-OAuth-Scopes: chat:write\r\nSet-Cookie: b=2\r\n"
        b"Content-Type: application/json; charset=utf-8\r\nContent-Encoding: gzip\r\nX-Latin: \xe9\r\n"
        b"Access-Control-Allow-Origin: *\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    with relayed(answer=answer) as (_, relay):
        line, headers, got = parsed(relay.call())
    assert line == b"HTTP/1.1 418 I am a teapot"
    assert headers == [
        (b"Date", b"Tue, 20 Dec 2016 07:29:10 GMT"),
        (b"Server", b"Apache"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"X-OAuth-Scopes", b"chat:write"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Encoding", b"gzip"),
        (b"X-Latin", "é".encode()),
        (b"Content-Length", str(len(body)).encode()),
        (b"Connection", b"close"),
    ]
    assert got == body


def test_a_redirect_is_passed_and_not_followed():
    answer = http_answer(b"", status="302 Found", headers="Location: https://evil.test/?a=b\r\n")
    with relayed(answer=answer) as (slack, relay):
        line, headers, _ = parsed(relay.call())
        assert line == b"HTTP/1.1 302 Found"
        assert (b"Location", b"https://evil.test/?a=b") in headers
        assert slack.server.accepted == 1


def test_slacks_wish_to_wait_is_passed():
    answer = http_answer(b'{"ok":false}', status="429 Too Many Requests", headers="Retry-After: 30\r\n")
    with relayed(answer=answer) as (_, relay):
        line, headers, body = parsed(relay.call())
    assert line == b"HTTP/1.1 429 Too Many Requests"
    assert (b"Retry-After", b"30") in headers
    assert body == b'{"ok":false}'


def test_a_head_request_gets_the_headers_alone():
    with relayed(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX-A: 1\r\n\r\n") as (_, relay):
        line, headers, body = parsed(relay.call("api.test", verb="HEAD"))
    assert line == b"HTTP/1.1 200 OK"
    assert (b"Content-Length", b"12345") in headers
    assert body == b""


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_stays_so(status):
    with relayed(answer=f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode()) as (_, relay):
        line, headers, body = parsed(relay.call("api.test", verb="GET"))
    assert line == f"HTTP/1.1 {status}".encode()
    assert (b"ETag", b"x") in headers
    assert body == b""


def test_a_chunked_answer_and_one_that_ends_with_its_connection_come_whole():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    for answer in (chunked, b"HTTP/1.1 200 OK\r\n\r\nhello world", b"HTTP/1.0 200 OK\r\n\r\nhello world"):
        with relayed(answer=answer) as (_, relay):
            assert dechunked(parsed(relay.call())[2]) == b"hello world"
            old = f"GET /api/api.test HTTP/1.0\r\nAuthorization: Bearer {LOCAL}\r\n\r\n".encode()
            line, headers, body = parsed(relay.exchange(old))
            assert (line, body) == (b"HTTP/1.0 200 OK", b"hello world")
            assert b"Transfer-Encoding" not in dict(headers)


def test_an_interim_answer_is_not_taken_for_the_answer():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with relayed(answer=hints + OK) as (_, relay):
        assert body_of(relay.call()) == {"ok": True}


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ],
)
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_answer_that_breaks_off_breaks_off_for_the_program_too(part, how):
    got = threading.Event()

    def script(sock, request):
        sock.sendall(part)
        assert got.wait(PATIENCE_S)
        if how == "rst":
            reset(sock)

    with relayed(script=script) as (_, relay), relay.connect() as sock:
        sock.sendall(
            f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n\r\n".encode()
        )
        data = b""
        while b"only this" not in data:
            data += sock.recv(65_536)
        got.set()
        data += read_all(sock)  # the connection ends, though the program asked to keep it
        assert not data.endswith(b"0\r\n\r\n")
        assert data.partition(b"\r\n\r\n")[2].strip().endswith(b"only this")


def test_slack_may_answer_before_it_has_read_all():
    def script(sock):
        read_head(sock)
        sock.sendall(http_answer(b"too much", status="413 Payload Too Large"))
        wait_for_end(sock)

    with relay_before(script) as relay, relay.connect() as sock:
        head = f"POST /api/files.upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
        sock.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"x" * 1000)
        line, _, _ = parsed(read_head(sock))
        assert line == b"HTTP/1.1 413 Payload Too Large"


def test_who_sends_all_before_it_reads_still_gets_an_early_answer():
    def script(sock):
        read_head(sock)
        sock.sendall(http_answer(b"too much", status="413 Payload Too Large"))
        wait_for_end(sock)

    with relay_before(script) as relay:
        answer = relay.call("files.upload", b"x" * 5_000_000, "Content-Type: application/octet-stream")
        assert parsed(answer)[0] == b"HTTP/1.1 413 Payload Too Large"


# ------------------------------------------------------------------------------------------------------------ troubles


def test_an_unreachable_slack_is_told_in_slacks_shape_once_in_the_log(slack):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Relay(a_bot(f"http://127.0.0.1:{port}/api/")) as relay:
        for _ in range(2):
            line, headers, body = parsed(relay.call())
            assert line == b"HTTP/1.1 503 Service Unavailable"
            assert (b"Content-Type", b"application/json; charset=utf-8") in headers
            assert json.loads(body) == {
                "ok": False,
                "error": "service_unavailable",
                "response_metadata": {"messages": ["[ERROR] traymon: the connection is refused"]},
            }
        assert len(relay.said) == 1
        assert "deploybot" in relay.said[0]
        assert "the connection is refused" in relay.said[0]


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        (lambda sock: read_head(sock), "hung up without a close frame"),
        (lambda sock: (read_head(sock), reset(sock)), "the connection was reset"),
        (
            lambda sock: (read_head(sock), sock.sendall(b"\x16\x03 nonsense\r\n\r\n")),
            "Slack reports an error",
        ),
    ],
)
def test_a_slack_that_does_not_answer_properly_is_a_reason_to_try_again(script, cause):
    with relay_before(script) as relay:
        answer = relay.call()
        assert parsed(answer)[0] == b"HTTP/1.1 503 Service Unavailable"
        assert body_of(answer)["response_metadata"] == {"messages": [f"[ERROR] traymon: {cause}"]}
        assert cause in relay.said[0]


def test_slack_sdk_tries_again_what_did_not_get_through():
    troubles = [True, False]

    def script(sock, request):
        if not troubles.pop(0):
            sock.sendall(OK)

    at_once = FixedValueRetryIntervalCalculator(0)
    with relayed(script=script) as (slack, relay):
        client = WebClient(
            token=LOCAL,
            base_url=f"http://127.0.0.1:{relay.port}/api/",
            retry_handlers=[ServerErrorRetryHandler(interval_calculator=at_once)],
        )
        assert client.chat_postMessage(channel="C1", text="hello").data == {"ok": True}
        first, second = slack.next(), slack.next()
        assert first.body == second.body
        assert first.header(b"Authorization") == f"Bearer {REAL}".encode()
        assert first.header(b"User-Agent").startswith(b"Python/")


def test_a_name_that_is_not_known_is_named(monkeypatch):
    look_up = socket.getaddrinfo

    def unknown(host, *args):
        if host == "slack.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args)

    monkeypatch.setattr("traymon.relay.upstream.socket.getaddrinfo", unknown)
    monkeypatch.setattr("traymon.slack.errors.has_route", lambda: True)
    with Relay(a_bot("http://slack.test/api/")) as relay:
        assert parsed(relay.call())[0] == b"HTTP/1.1 503 Service Unavailable"
        assert "name cannot be looked up" in relay.said[0]


def test_after_a_call_got_through_the_next_trouble_is_told_again():
    hang_up = threading.Event()

    def script(sock, request):
        if not hang_up.is_set():
            sock.sendall(OK)

    with relayed(script=script) as (_, relay):
        for trouble in (True, True, False, True):
            (hang_up.set if trouble else hang_up.clear)()
            relay.call()
        assert len(relay.said) == 2


def test_a_program_that_leaves_while_slack_thinks_ends_the_call():
    ended = threading.Event()

    def script(sock, request):
        wait_for_end(sock)
        ended.set()

    with relayed(script=script) as (slack, relay):
        with relay.connect() as sock:
            sock.sendall(
                f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n\r\n".encode()
            )
            slack.next()
        assert ended.wait(PATIENCE_S)
        assert relay.said == []


def takes_the_first_part():
    """Slack's side of a call that breaks off: what it does, and when that part came and when the call ended."""
    came, ended = threading.Event(), threading.Event()

    def script(sock):
        data = b""
        while b"the first part" not in data:
            data += sock.recv(65_536)
        came.set()
        wait_for_end(sock)
        ended.set()

    return script, came, ended


def test_a_program_that_leaves_in_the_middle_of_its_body_ends_the_call():
    script, came, ended = takes_the_first_part()
    with relay_before(script) as relay:
        with relay.connect() as sock:
            head = f"POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
            sock.sendall(f"{head}Content-Length: 100\r\n\r\nthe first part".encode())
            assert came.wait(PATIENCE_S)
        assert ended.wait(PATIENCE_S)
        assert relay.said == []


def test_a_program_that_leaves_in_the_middle_of_the_answer_ends_the_call():
    ended = threading.Event()

    def script(sock, request):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                sock.sendall(b"x" * 65_536)
        except OSError:
            ended.set()

    with relayed(script=script) as (_, relay):
        with relay.connect() as sock:
            sock.sendall(
                f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n\r\n".encode()
            )
            assert sock.recv(65_536)
        assert ended.wait(PATIENCE_S)
        assert relay.said == []


def test_a_body_that_is_no_http_is_the_programs_fault(slack, relay):
    answer = relay.call("files.upload", b"5\r\nhello\r\nnonsense\r\n", "Transfer-Encoding: chunked")
    assert parsed(answer)[0].split()[1] == b"400"
    assert relay.said == []


def test_a_body_that_turns_into_nonsense_ends_the_call_and_is_no_trouble_of_slacks():
    script, came, ended = takes_the_first_part()
    with relay_before(script) as relay:
        with relay.connect() as sock:
            head = f"POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
            sock.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\ne\r\nthe first part\r\n".encode())
            assert came.wait(PATIENCE_S)
            # aiohttp's parser in C says so only when the caller leaves, its parser in Python at once.
            sock.sendall(b"nonsense\r\n")
        assert ended.wait(PATIENCE_S)
        assert relay.said == []


def test_a_silent_slack_is_given_up_when_nothing_moved_for_long():
    with relayed(script=lambda sock, request: wait_for_end(sock)) as (slack, relay), relay.connect() as sock:
        sock.sendall(
            f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n\r\n".encode()
        )
        slack.next()
        relay.advance(301)
        assert read_head(sock).startswith(b"HTTP/1.1 503 ")
        assert "does not answer" in relay.said[0]


def test_a_slow_upload_is_not_cut_as_long_as_it_moves():
    pieces = threading.Semaphore(0)

    def script(sock):
        stream = sock.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        for _ in range(5):
            assert stream.read(1)
            pieces.release()
        sock.sendall(OK)

    with relay_before(script) as relay, relay.connect() as sock:
        head = f"POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
        sock.sendall(f"{head}Content-Length: 5\r\n\r\n".encode())
        for _ in range(5):
            sock.sendall(b"x")
            assert pieces.acquire(timeout=PATIENCE_S)
            relay.advance(200)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")


def test_a_form_that_dribbles_is_passed_on_after_a_while_with_what_follows(monkeypatch):
    monkeypatch.setattr("traymon.relay.opening.LOOK_LIMIT_S", 0)
    begun = threading.Event()

    def script(sock):
        stream = sock.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        begun.set()
        assert stream.read(12) == b"text=1234567"
        sock.sendall(OK)

    with relay_before(script) as relay, relay.connect() as sock:
        head = f"POST /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n{FORM}\r\n"
        sock.sendall(f"{head}Content-Length: 12\r\n\r\ntext=".encode())
        assert begun.wait(PATIENCE_S)
        sock.sendall(b"1234567")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")


# ------------------------------------------------------------------------------------------------ proxies and trust


def test_tls_is_trusted_as_the_link_trusts_it(tmp_path):
    certificates = Certificates(tmp_path)
    context = certificates.server()
    with Slack(wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as slack:
        url = slack.api_url.replace("http", "https")
        with Relay(a_bot(endpoint=Endpoint(url, ca_file=certificates.ca_file))) as relay:
            assert body_of(relay.call()) == {"ok": True}
            assert slack.next().header(b"Authorization") == f"Bearer {REAL}".encode()
    with Slack(wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as slack:
        with Relay(a_bot(slack.api_url.replace("http", "https"))) as relay:
            assert parsed(relay.call())[0] == b"HTTP/1.1 503 Service Unavailable"
            assert "encryption" in relay.said[0]
        assert slack.received.empty()


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path):
    with Relay(a_bot(endpoint=Endpoint("https://slack.test/api/", ca_file=tmp_path / "none"))) as relay:
        assert parsed(relay.call())[0] == b"HTTP/1.1 503 Service Unavailable"
        assert "encryption" in relay.said[0]


def test_https_goes_through_the_proxy_by_a_tunnel(tmp_path):
    certificates = Certificates(tmp_path)
    context = certificates.server("slack.test")
    heads = []

    with Slack(wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as slack:

        def proxy_script(sock):
            heads.append(read_head(sock))
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            tunnel(sock, "127.0.0.1", slack.server.port)

        with serve(proxy_script) as proxy:
            endpoint = Endpoint(
                "https://slack.test/api/",
                proxy=f"http://me:secret@127.0.0.1:{proxy.port}",
                ca_file=certificates.ca_file,
            )
            with Relay(a_bot(endpoint=endpoint)) as relay:
                assert body_of(relay.call()) == {"ok": True}
        got = slack.next()
    assert heads[0].startswith(b"CONNECT slack.test:443 HTTP/1.1\r\n")
    assert header(heads[0], "Proxy-Authorization") == "Basic bWU6c2VjcmV0"
    assert LOCAL.encode() not in heads[0]
    assert REAL.encode() not in heads[0]
    assert got.header(b"Proxy-Authorization") is None
    assert got.header(b"Host") == b"slack.test"


def test_plain_http_goes_through_the_proxy_without_a_tunnel():
    with Slack() as proxy:
        endpoint = Endpoint("http://slack.test/api/", proxy=f"http://me:secret@127.0.0.1:{proxy.server.port}")
        with Relay(a_bot(endpoint=endpoint)) as relay:
            assert body_of(relay.call("api.test?a=1")) == {"ok": True}
        got = proxy.next()
    assert got.line == b"POST http://slack.test/api/api.test?a=1 HTTP/1.1"
    assert got.header(b"Proxy-Authorization") == b"Basic bWU6c2VjcmV0"


def test_a_proxy_that_wants_a_password_is_named():
    answer = http_answer(
        b"", status="407 Proxy Authentication Required", headers="Proxy-Authenticate: Basic\r\n"
    )
    with Slack(answer=answer) as proxy:
        endpoint = Endpoint("https://slack.test/api/", proxy=f"http://127.0.0.1:{proxy.server.port}")
        with Relay(a_bot(endpoint=endpoint)) as relay:
            assert parsed(relay.call())[0] == b"HTTP/1.1 503 Service Unavailable"
            assert "proxy" in relay.said[0]


def test_no_proxy_of_the_environment_is_used_on_loopback(slack, monkeypatch):
    with serve(lambda sock: None) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with Relay(a_bot(slack.api_url)) as relay:
            assert body_of(relay.call()) == {"ok": True}
        assert proxy.accepted == 0


# --------------------------------------------------------------------------------------------------- size and secrets

SIZE = 64 * 1024 * 1024
PIECE = bytes(range(256)) * 256


def test_sixty_four_megabytes_pass_both_ways_in_little_memory():
    def script(sock):
        stream = sock.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        digest = hashlib.sha256()
        left = SIZE
        while left:
            piece = stream.read1(min(left, 65_536))
            digest.update(piece)
            left -= len(piece)
        sock.sendall(
            f"HTTP/1.1 200 OK\r\nX-Sha: {digest.hexdigest()}\r\nContent-Length: {SIZE}\r\n\r\n".encode()
        )
        for _ in range(SIZE // len(PIECE)):
            sock.sendall(PIECE)

    with relay_before(script) as relay:
        relay.call("warm.up", verb="CONNECT")  # what is loaded once is not counted
        with relay.connect() as sock:
            tracemalloc.start()
            try:
                head = (
                    f"POST /api/files.upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL}\r\n"
                )
                sock.sendall(f"{head}Content-Length: {SIZE}\r\n\r\n".encode())
                for _ in range(SIZE // len(PIECE)):
                    sock.sendall(PIECE)
                answer = sock.makefile("rb")
                lines = list(iter(answer.readline, b"\r\n"))
                digest = hashlib.sha256()
                left = SIZE
                while left:
                    piece = answer.read1(min(left, 65_536))
                    digest.update(piece)
                    left -= len(piece)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    expected = hashlib.sha256(PIECE * (SIZE // len(PIECE))).hexdigest()
    assert f"X-Sha: {expected}\r\n".encode() in lines
    assert digest.hexdigest() == expected
    # A few buffers of 64 KB in each direction, and aiohttp's own.
    assert peak < 8 * 1024 * 1024


def test_no_token_body_or_query_gets_into_a_log(slack, caplog, capfd):
    canaries = (LOCAL, REAL, LOCAL_APP, REAL_APP, "canary-text", "canary-query", "secret")
    caplog.set_level(logging.DEBUG)
    down = a_bot(endpoint=Endpoint("http://slack.test/api/", proxy="http://me:secret@127.0.0.1:9"))
    bots = [a_bot(slack.api_url), down, a_bot("http://127.0.0.1:9/api/")]
    with serve(lambda sock: (read_head(sock), reset(sock))) as resetting:
        bots.append(a_bot(f"http://127.0.0.1:{resetting.port}/api/"))
        for bot in bots:
            with Relay(bot) as relay:
                relay.call(
                    f"a.b?token={LOCAL}&q=canary-query", f"token={LOCAL}&text=canary-text".encode(), FORM
                )
                relay.call(
                    f"../b?token={LOCAL}&q=canary-query", f"token={LOCAL}&text=canary-text".encode(), FORM
                )
                shown = [*relay.said, repr(bot)]
            for canary in canaries:
                assert all(canary not in text for text in shown)
    out, err = capfd.readouterr()
    for canary in canaries:
        assert canary not in caplog.text + out + err
