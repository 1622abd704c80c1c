"""Every error of the libraries becomes one truly named failure, and nothing secret comes with it."""

import errno
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.error

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackRequestError

from traymon import words
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.slack import errors as errors_module
from traymon.slack.errors import (
    AbandonedError,
    SlackError,
    failure_of,
    has_route,
    http_failure,
    retry_after_ms,
)


def of(exc, phase, reached=False):
    return failure_of(exc, phase, reached=reached)


@pytest.mark.parametrize(
    ("exc", "phase", "cause"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), Phase.TCP, Cause.CONNECT_REFUSED),
        (TimeoutError(), Phase.TCP, Cause.CONNECT_TIMEOUT),
        (OSError(errno.ETIMEDOUT, "x"), Phase.TCP, Cause.CONNECT_TIMEOUT),
        (OSError(errno.EHOSTUNREACH, "x"), Phase.TCP, Cause.UNREACHABLE),
        (PermissionError(errno.EPERM, "x"), Phase.TCP, Cause.UNREACHABLE),
        (ssl.SSLCertVerificationError(1, "bad"), Phase.TLS, Cause.TLS),
        (ssl.SSLEOFError(8, "eof"), Phase.TLS, Cause.TLS),
        (TimeoutError(), Phase.TLS, Cause.TLS),
        (ConnectionResetError(errno.ECONNRESET, "x"), Phase.TLS, Cause.RESET),
        (TimeoutError(), Phase.API, Cause.API_TIMEOUT),
        (TimeoutError(), Phase.HANDSHAKE, Cause.HANDSHAKE_TIMEOUT),
        (websocket.WebSocketTimeoutException("t"), Phase.HANDSHAKE, Cause.HANDSHAKE_TIMEOUT),
        (TimeoutError(), Phase.HELLO, Cause.HELLO_TIMEOUT),
        (TimeoutError(), Phase.LIVE, Cause.KEEPALIVE_TIMEOUT),
        (OSError(errno.ETIMEDOUT, "x"), Phase.LIVE, Cause.KEEPALIVE_TIMEOUT),
        (TimeoutError(), Phase.PROXY, Cause.PROXY),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), Phase.PROXY, Cause.PROXY),
        (http.client.RemoteDisconnected("x"), Phase.API, Cause.ABRUPT_CLOSE),
        (http.client.BadStatusLine("x"), Phase.API, Cause.SLACK_ERROR),
        (websocket.WebSocketConnectionClosedException("x"), Phase.LIVE, Cause.ABRUPT_CLOSE),
        (ConnectionResetError(errno.ECONNRESET, "x"), Phase.LIVE, Cause.RESET),
        (BrokenPipeError(errno.EPIPE, "x"), Phase.LIVE, Cause.RESET),
        (OSError(errno.EHOSTUNREACH, "x"), Phase.LIVE, Cause.UNREACHABLE),
        (websocket.WebSocketProtocolException("x"), Phase.LIVE, Cause.PROTOCOL_ERROR),
        (websocket.WebSocketPayloadException("x"), Phase.LIVE, Cause.PROTOCOL_ERROR),
        (websocket.WebSocketException("x"), Phase.HANDSHAKE, Cause.NOT_WEBSOCKET),
        (websocket.WebSocketProxyException("x"), Phase.HANDSHAKE, Cause.PROXY),
        (websocket.WebSocketAddressException(ConnectionError()), Phase.DNS, Cause.RESET),
        (websocket.WebSocketAddressException("x"), Phase.DNS, Cause.DNS),
        (SlackRequestError("x"), Phase.API, Cause.SLACK_ERROR),
        (RuntimeError("x"), Phase.API, Cause.SLACK_ERROR),
        (RuntimeError("x"), Phase.LIVE, Cause.PROTOCOL_ERROR),
        (UnicodeError("label too long"), Phase.DNS, Cause.DNS),
    ],
    ids=repr,
)
def test_each_error_has_its_cause(exc, phase, cause):
    failure = of(exc, phase)
    assert (failure.cause, failure.phase) == (cause, phase)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize(
    ("routed", "phase", "cause"),
    [
        (False, Phase.TCP, Cause.NO_ROUTE),
        (False, Phase.PROXY, Cause.NO_ROUTE),
        (False, Phase.LIVE, Cause.NO_ROUTE),
        (True, Phase.TCP, Cause.UNREACHABLE),
        (True, Phase.PROXY, Cause.PROXY),
        (True, Phase.LIVE, Cause.UNREACHABLE),
    ],
)
def test_a_router_without_a_way_is_not_this_machine_without_one(monkeypatch, number, routed, phase, cause):
    monkeypatch.setattr(errors_module, "has_route", lambda: routed)
    assert of(OSError(number, "x"), phase).cause is cause


@pytest.mark.parametrize(("routed", "cause"), [(False, Cause.NO_ROUTE), (True, Cause.DNS)])
def test_a_name_server_is_not_to_blame_for_a_cable_pulled_meanwhile(monkeypatch, routed, cause):
    monkeypatch.setattr(errors_module, "has_route", lambda: routed)
    assert of(TimeoutError(), Phase.DNS).cause is cause


@pytest.mark.parametrize(
    "exc", [TimeoutError(), ssl.SSLEOFError(8, "eof"), ssl.SSLZeroReturnError(6, "end")], ids=repr
)
def test_tls_that_came_to_nothing_is_no_bad_certificate(exc):
    assert of(exc, Phase.TLS).evidence["answered"] is False
    assert "answered" not in of(ssl.SSLCertVerificationError(1, "bad"), Phase.TLS).evidence
    assert "answered" not in of(ssl.SSLError(1, "bad"), Phase.TLS).evidence


def test_only_a_websocket_that_drops_is_1006():
    closed = websocket.WebSocketConnectionClosedException()
    assert of(closed, Phase.LIVE).close_code == 1006
    assert of(ConnectionResetError(errno.ECONNRESET, ""), Phase.HELLO).close_code == 1006
    assert of(http.client.RemoteDisconnected(""), Phase.API).close_code is None
    assert of(TimeoutError(), Phase.LIVE).close_code is None


def test_urllib_wraps_and_is_unwrapped():
    wrapped = urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    assert of(wrapped, Phase.TCP).cause is Cause.CONNECT_REFUSED


def test_our_own_failure_passes_unchanged():
    failure = Failure(Cause.GOODBYE, Phase.LIVE)
    assert of(SlackError(failure), Phase.API) == failure


def test_what_looks_like_a_secret_is_not_kept():
    failure = Failure(Cause.SLACK_ERROR, Phase.API, "xoxb-1-a", evidence={"error": "wss://h/t", "errno": 1})
    kept = SlackError(failure).failure
    assert (kept.detail, kept.evidence) == ("•••", {"error": "•••", "errno": 1})


def test_abandoned_is_the_users_doing():
    assert AbandonedError().failure == Failure(Cause.USER, Phase.LOCAL)


@given(st.integers(1, 12_000), st.sampled_from(Phase))
def test_any_error_number_of_any_system_has_a_cause(number, phase):
    failure = of(OSError(number, "xoxb-canary"), phase)
    assert failure.phase is phase
    assert failure.cause in Cause
    assert "canary" not in repr(failure)


@given(st.sampled_from([ValueError, RuntimeError, http.client.InvalidURL, websocket.WebSocketException]))
def test_no_text_of_an_exception_is_kept(kind):
    for phase in Phase:
        error = SlackError(of(kind("wss://host/link/canary"), phase))
        assert "canary" not in f"{error!r} {error}"


def test_evidence_is_the_systems_own_words():
    facts = of(ConnectionRefusedError(errno.ECONNREFUSED, "whatever"), Phase.TCP).evidence
    assert facts == {"errno": errno.ECONNREFUSED, "error": os.strerror(errno.ECONNREFUSED)}


def test_a_certificate_that_is_not_trusted_says_why():
    exc = ssl.SSLCertVerificationError(1, "text")
    exc.verify_message, exc.verify_code = "self-signed certificate", 18
    assert of(exc, Phase.TLS).evidence == {"error": "self-signed certificate", "verify_code": 18}


# A name that cannot be looked up: is it the name or the network?


@pytest.mark.skipif(not has_route(), reason="this machine has no network")
def test_with_a_route_the_name_is_to_blame():
    assert of(socket.gaierror(socket.EAI_NONAME, "x"), Phase.DNS).cause is Cause.DNS
    assert of(socket.gaierror(socket.EAI_NONAME, "x"), Phase.PROXY).cause is Cause.PROXY


_WITHOUT_NETWORK = """
import socket
from traymon.slack.dial import connect, resolve
from traymon.slack.cancel import Cancel
from traymon.slack.errors import failure_of, has_route
from traymon.keeper.core.causes import Phase
print(has_route())
try:
    resolve("slack.com", 443, 30, Cancel())
except OSError as error:
    print(failure_of(error, Phase.DNS, reached=False).cause)
try:
    connect([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.9", 443))], 30, Cancel())
except OSError as error:
    print(failure_of(error, Phase.TCP, reached=False).cause)
"""


def test_without_any_network_there_is_no_route():
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this system allows no network namespace")
    run = subprocess.run(
        [unshare, "-rn", sys.executable, "-c", _WITHOUT_NETWORK], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.split() == ["False", "no_route", "no_route"], run.stderr


# HTTP statuses


@pytest.mark.parametrize(
    ("status", "headers", "phase", "cause", "detail", "reached"),
    [
        (503, {}, Phase.API, Cause.SLACK_ERROR, "HTTP 503", True),
        (403, {}, Phase.API, Cause.SLACK_ERROR, "HTTP 403", True),
        (429, {}, Phase.API, Cause.RATE_LIMITED, "HTTP 429", True),
        (302, {"location": "http://portal/login"}, Phase.API, Cause.CAPTIVE_PORTAL, "", False),
        (302, {"location": "https://elsewhere/"}, Phase.API, Cause.SLACK_ERROR, "HTTP 302", True),
        (302, {}, Phase.API, Cause.SLACK_ERROR, "HTTP 302", True),
        (511, {}, Phase.API, Cause.CAPTIVE_PORTAL, "", False),
        (407, {}, Phase.API, Cause.PROXY, "", False),
        (403, {}, Phase.HANDSHAKE, Cause.NOT_WEBSOCKET, "", True),
        (200, {}, Phase.HANDSHAKE, Cause.NOT_WEBSOCKET, "", True),
        (429, {}, Phase.HANDSHAKE, Cause.RATE_LIMITED, "HTTP 429", True),
        (307, {"location": "HTTP://portal/"}, Phase.HANDSHAKE, Cause.CAPTIVE_PORTAL, "", True),
    ],
)
def test_each_status_has_its_cause(status, headers, phase, cause, detail, reached):
    failure = http_failure(status, headers, phase, evidence={"host": "h"})
    assert (failure.cause, failure.detail, failure.reached_slack) == (cause, detail, reached)
    assert failure.evidence == {"host": "h", "http_status": status}


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("30", 30_000),
        (" 0 ", 0),
        ("86400", 86_400_000),
        ("86401", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("٣", None),
        ("9" * 5000, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_nothing(value, ms):
    assert retry_after_ms(value) == ms


def test_retry_after_comes_with_the_failure():
    assert http_failure(429, {"retry-after": "7"}, Phase.API).retry_after_ms == 7_000
    assert http_failure(503, {"retry-after": "7"}, Phase.API).retry_after_ms == 7_000


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
def test_what_this_machine_has_no_more_of_is_not_blamed_on_the_way(monkeypatch, number):
    def exhausted(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", exhausted)
    assert errors_module.has_route(), "nothing speaks against it"
    failure = of(OSError(number, "x"), Phase.TCP)
    assert failure.evidence["exhausted"] is True
    assert "no more files or connections" in words.cause(failure.cause, evidence=failure.evidence)
