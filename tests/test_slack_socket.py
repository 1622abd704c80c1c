"""One attempt at a Socket Mode link: the app's token, ``apps.connections.open``, a link that acknowledges nothing."""

import json

import pytest

from tests.slackservers import LIMIT_S, header, http_answer, read_head, serve
from traymon import words
from traymon.keeper.core.causes import Cause, Phase
from traymon.secrets import SecretUnavailable
from traymon.simulator import SayGoodbye, Simulator, SlackCode, SpentUrl, WrongShape
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.link import PingSeen, PongSeen
from traymon.slack.socket import SocketConnector
from traymon.slackwire.frames import Disconnect, ErrorFrame, Hello, Other

BOT, APP = "xoxb-canary-1", "xapp-canary-1"


@pytest.fixture(scope="module")
def slack():
    with Simulator() as simulator:
        simulator.add_bot(BOT, "deploybot", "Acme", app_token=APP)
        yield simulator
        assert simulator.truth().oddities == ()


@pytest.fixture
def connector(slack):
    slack.disarm()
    yield SocketConnector(Endpoint(slack.api_url), lambda: APP)
    assert slack.wait(lambda: slack.open_links(APP) == 0, LIMIT_S)


def attempt(connector, *, cancel=None, on_answered=lambda answer: None):
    return connector.open(step_limit_s=LIMIT_S, tcp_limit_s=LIMIT_S, on_answered=on_answered, cancel=cancel)


def failure(connector, **options):
    with pytest.raises(SlackError) as caught:
        attempt(connector, **options)
    assert "canary" not in f"{caught.value!r} {caught.value}"
    return caught.value.failure


def said(failure):
    return words.cause(failure.cause, detail=failure.detail, evidence=failure.evidence)


def test_a_link_comes_up_and_tells_how_many_there_are(slack, connector):
    answers = []
    with attempt(connector, on_answered=answers.append) as first, attempt(connector) as second:
        one, other = first.receive(), second.receive()
    assert one == Hello(1, 18_060, one.app_id)
    assert other == Hello(2, 18_060, one.app_id)
    assert one.app_id.startswith("A")
    assert answers == [None]
    assert {link.transport for link in slack.truth().links_of(APP)} == {"socket"}


def test_each_attempt_asks_for_a_fresh_url(slack, connector):
    before = len(slack.truth().calls_of(APP, "apps.connections.open"))
    for _ in range(3):
        with attempt(connector) as link:
            assert isinstance(link.receive(), Hello)
    assert len(slack.truth().calls_of(APP, "apps.connections.open")) == before + 3
    assert slack.truth().calls_of(BOT) == ()


def test_the_token_is_in_the_header_only_and_the_url_is_used_as_it_is():
    heads = []

    def script(sock):
        head = read_head(sock)
        heads.append(head)
        if head.startswith(b"POST"):
            url = f"ws://127.0.0.1:{server.port}/link/?ticket=a%3Db&app_id=c"
            sock.sendall(http_answer(json.dumps({"ok": True, "url": url}).encode()))
        else:
            sock.sendall(http_answer(b"", status="403 No"))

    with serve(script) as server:
        got = failure(SocketConnector(Endpoint(f"http://127.0.0.1:{server.port}/api/"), lambda: APP))
    assert got.cause is Cause.NOT_WEBSOCKET
    call, upgrade = heads
    assert call.startswith(b"POST /api/apps.connections.open HTTP/1.1\r\n")
    assert header(call, "Authorization") == f"Bearer {APP}"
    assert call.count(APP.encode()) == 1
    assert upgrade.startswith(b"GET /link/?ticket=a%3Db&app_id=c HTTP/1.1\r\n")
    assert APP.encode() not in upgrade


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("invalid_auth", "does not know this token"),
        ("missing_scope", "connections:write"),
        ("not_allowed_token_type", "app-level token (xapp-…)"),
        ("token_revoked", "not valid any more"),
    ],
)
def test_a_refusal_says_what_an_app_level_token_needs(slack, connector, code, advice):
    slack.arm(SlackCode(code), token=APP)
    links = len(slack.truth().links)
    got = failure(connector)
    assert (got.cause, got.phase, got.detail) == (Cause.REFUSED_TOKEN, Phase.API, code)
    assert got.reached_slack
    assert got.quiet_retry is (code == "invalid_auth")
    assert advice in said(got)
    assert len(slack.truth().links) == links


def test_a_bots_token_is_no_apps(slack):
    got = failure(SocketConnector(Endpoint(slack.api_url), lambda: BOT))
    assert (got.cause, got.detail) == (Cause.REFUSED_TOKEN, "not_allowed_token_type")
    assert "app-level token (xapp-…)" in said(got)


def test_an_answer_without_a_url(slack, connector):
    slack.arm(WrongShape("url"), token=APP)
    got = failure(connector)
    assert (got.cause, got.phase, got.detail) == (
        Cause.SLACK_ERROR,
        Phase.API,
        "url is null or missing, not text",
    )


def test_a_rate_limit_keeps_its_time(slack, connector):
    slack.rate_limit(BOT, 1, 30)
    try:
        attempt(connector).close(LIMIT_S)
        got = failure(connector)
    finally:
        slack.rate_limit(BOT, None)
    assert (got.cause, got.retry_after_ms) == (Cause.RATE_LIMITED, 30_000)


def test_a_token_that_cannot_be_read():
    def locked():
        raise SecretUnavailable("The keyring is locked.", waits=True)

    got = failure(SocketConnector(Endpoint("http://127.0.0.1:9/"), locked))
    assert (got.cause, got.phase, got.detail) == (Cause.NO_TOKEN, Phase.TOKEN, "The keyring is locked.")


def test_called_off_between_the_steps(slack, connector):
    cancel, links = Cancel(), len(slack.truth().links)
    with pytest.raises(AbandonedError):
        attempt(connector, cancel=cancel, on_answered=lambda answer: cancel.cancel())
    assert len(slack.truth().links) == links


def test_a_spent_url_is_named(slack, connector):
    slack.arm(SpentUrl(), token=APP)
    with attempt(connector) as link:
        assert link.receive() == ErrorFrame(1, "Socket URL has expired")


def test_pings_are_frames_both_ways(slack, connector):
    with attempt(connector) as link:
        assert isinstance(link.receive(), Hello)
        assert isinstance(link.receive(), PingSeen)  # Slack's first
        link.send_ping(7)
        assert link.receive() == PongSeen(b"7")
    record = slack.truth().links_of(APP)[-1]
    assert (record.frame_pings, record.pings) == (1, 0)


def test_nothing_is_acknowledged(slack, connector):
    """Whoever does not answer must not say that an answer will come: Slack gives an event again."""
    with attempt(connector) as link:
        assert isinstance(link.receive(), Hello)
        assert isinstance(link.receive(), PingSeen)
        envelope = {
            "type": "events_api",
            "envelope_id": "e1",
            "accepts_response_payload": False,
            "payload": {},
        }
        assert slack.push(APP, envelope) == 1
        assert link.receive() == Other("events_api")
        link.send_ping(1)
        assert link.receive() == PongSeen(b"1")  # so anything sent before it has arrived
        assert slack.received(APP) == ()


def test_a_disconnect_is_told_with_its_reason(slack, connector):
    with attempt(connector) as link:
        assert isinstance(link.receive(), Hello)
        assert isinstance(link.receive(), PingSeen)
        slack.strike(APP, SayGoodbye(None, reason="refresh_requested"))
        assert link.receive() == Disconnect("refresh_requested")
        link.close(LIMIT_S)
    assert slack.truth().links_of(APP)[-1].ended_by == "client_close"
