"""One attempt: token, API, WebSocket; called off at any step, and never with a used URL."""

import json
import threading
import time

import pytest

from tests.slackservers import LIMIT_S, Certificates, http_answer, read_head, serve
from traymon.keeper.core.causes import Cause, Phase
from traymon.secrets import SecretUnavailable
from traymon.simulator import HandshakeHang, Hang, Simulator, SlackCode
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.rtm import RtmConnector
from traymon.slackwire.api import ConnectAnswer, connect_body
from traymon.slackwire.frames import Hello

TOKEN = "xoxb-canary-1"


@pytest.fixture(scope="module")
def slack():
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "deploybot", "Acme")
        yield simulator
        assert simulator.truth().oddities == ()


@pytest.fixture
def connector(slack):
    slack.disarm()
    yield RtmConnector(Endpoint(slack.api_url), lambda: TOKEN)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)


def attempt(connector, *, cancel=None, on_answered=lambda answer: None):
    return connector.open(step_limit_s=LIMIT_S, tcp_limit_s=LIMIT_S, on_answered=on_answered, cancel=cancel)


def failure(connector, **options):
    with pytest.raises(SlackError) as caught:
        attempt(connector, **options)
    assert "canary" not in f"{caught.value!r} {caught.value}"
    return caught.value.failure


def test_a_link_comes_up(slack, connector):
    answers = []
    with attempt(connector, on_answered=answers.append) as link:
        assert link.receive() == Hello()
    (answer,) = answers
    assert isinstance(answer, ConnectAnswer)
    assert (answer.self_name, answer.team_name) == ("deploybot", "Acme")


def test_each_attempt_asks_for_a_fresh_url(slack, connector):
    before = len(slack.truth().calls_of(TOKEN, "rtm.connect"))
    urls = []
    for _ in range(3):
        with attempt(connector, on_answered=lambda answer: urls.append(answer.url)) as link:
            assert link.receive() == Hello()
    assert len(set(urls)) == 3
    assert len(slack.truth().calls_of(TOKEN, "rtm.connect")) == before + 3


def test_the_token_is_read_at_each_attempt(slack):
    tokens = iter(["xoxb-canary-old", TOKEN])
    connector = RtmConnector(Endpoint(slack.api_url), lambda: next(tokens))
    assert failure(connector).cause is Cause.REFUSED_TOKEN
    attempt(connector).close(LIMIT_S)


def test_a_token_that_cannot_be_read():
    def locked():
        raise SecretUnavailable("The keyring is locked.", waits=True)

    answers = []
    got = failure(RtmConnector(Endpoint("http://127.0.0.1:9/"), locked), on_answered=answers.append)
    assert (got.cause, got.phase, got.detail) == (Cause.NO_TOKEN, Phase.TOKEN, "The keyring is locked.")
    assert not got.reached_slack
    assert answers == []


def test_a_failure_of_the_api_ends_the_attempt(slack, connector):
    slack.arm(SlackCode("account_inactive"))
    answers, links = [], len(slack.truth().links)
    got = failure(connector, on_answered=answers.append)
    assert (got.cause, got.phase, got.detail) == (Cause.REFUSED_TOKEN, Phase.API, "account_inactive")
    assert answers == []
    assert len(slack.truth().links) == links


def test_a_url_that_is_not_encrypted_is_refused_where_the_api_was(tmp_path):
    certificates = Certificates(tmp_path)
    body = json.dumps(connect_body("ws://slack.test/canary", "U1", "deploybot", "T1", "Acme", "acme"))

    def script(sock):
        with certificates.server().wrap_socket(sock, server_side=True) as secured:
            read_head(secured)
            secured.sendall(http_answer(body.encode()))

    with serve(script) as server:
        endpoint = Endpoint(f"https://127.0.0.1:{server.port}/api/", ca_file=certificates.ca_file)
        got = failure(RtmConnector(endpoint, lambda: TOKEN))
    assert (got.cause, got.phase, got.reached_slack) == (Cause.SLACK_ERROR, Phase.API, True)
    assert got.detail == "the link's address is not encrypted"
    assert got.evidence == {"host": "slack.test"}


# Called off


def call_off(cancel, when):
    thread = threading.Thread(target=lambda: (when(), cancel.cancel()))
    thread.start()
    return thread


def test_called_off_before_it_begins(slack, connector):
    cancel, calls = Cancel(), len(slack.truth().calls)
    cancel.cancel()
    with pytest.raises(AbandonedError):
        attempt(connector, cancel=cancel)
    assert len(slack.truth().calls) == calls


@pytest.mark.parametrize("fault", [Hang(), HandshakeHang()], ids=repr)
def test_called_off_in_a_step_that_hangs(slack, connector, fault):
    slack.arm(fault)
    cancel, calls = Cancel(), len(slack.truth().calls)
    caller = call_off(cancel, lambda: slack.wait(lambda: len(slack.truth().calls) > calls, LIMIT_S))
    start = time.monotonic()
    with pytest.raises(AbandonedError):
        attempt(connector, cancel=cancel)
    assert time.monotonic() - start < LIMIT_S / 2
    caller.join(LIMIT_S)


def test_called_off_between_the_steps(slack, connector):
    cancel, links = Cancel(), len(slack.truth().links)
    with pytest.raises(AbandonedError):
        attempt(connector, cancel=cancel, on_answered=lambda answer: cancel.cancel())
    assert len(slack.truth().links) == links


def test_called_off_while_the_token_is_waited_for(slack):
    cancel, calls = Cancel(), len(slack.truth().calls)

    def read_token():
        cancel.cancel()
        return TOKEN

    with pytest.raises(AbandonedError):
        attempt(RtmConnector(Endpoint(slack.api_url), read_token), cancel=cancel)
    assert len(slack.truth().calls) == calls


def test_a_link_that_comes_up_late_is_closed(slack, connector, monkeypatch):
    """Called off in the moment when the handshake is done and nobody watches."""
    from traymon.slack import connector as module

    cancel, opened = Cancel(), []

    class Late(module.Link):
        @classmethod
        def open(cls, *args, **options):
            link = super().open(*args, **options)
            opened.append(link)
            cancel.cancel()
            return link

    monkeypatch.setattr(module, "Link", Late)
    with pytest.raises(AbandonedError):
        attempt(connector, cancel=cancel)
    assert len(opened) == 1
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)
    assert slack.truth().links_of(TOKEN)[-1].ended_by == "client_close"


def test_the_url_that_was_given_is_used_as_it_is():
    heads = []

    def script(sock):
        head = read_head(sock)
        heads.append(head.split(b"\r\n", 1)[0])
        if head.startswith(b"POST"):
            url = f"ws://127.0.0.1:{server.port}/websocket/x%2Fy?ticket=a%3Db&c"
            body = connect_body(url, "U1", "deploybot", "T1", "Acme", "acme")
            sock.sendall(http_answer(json.dumps(body).encode()))
        else:
            sock.sendall(http_answer(b"", status="403 No"))

    with serve(script) as server:
        got = failure(RtmConnector(Endpoint(f"http://127.0.0.1:{server.port}/api/"), lambda: TOKEN))
    assert got.cause is Cause.NOT_WEBSOCKET
    assert heads == [b"POST /api/rtm.connect HTTP/1.1", b"GET /websocket/x%2Fy?ticket=a%3Db&c HTTP/1.1"]
