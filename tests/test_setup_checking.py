"""Is a token good: what it looks like, what Slack says of it, and a link for a moment."""

import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.slackservers import frame, header, http_answer, read_head, serve, upgrade
from tests.support import PATIENCE_S
from traymon.setup import checking
from traymon.setup.checking import CheckFailed, Outcome, candidate, check, pasted
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import AbandonedError

BOT, APP = "xoxb-canary-1", "xapp-canary-2"


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(BOT, "deploybot", "Acme", app_token=APP)
        yield simulator


def tried(api_url, transport, token="", app_token="", cancel=None, programs=None):
    """What is told, and what was found; ``None`` where a step failed."""
    told = []
    try:
        wanted = candidate(transport, Endpoint(api_url), token, app_token, told.append, programs)
        checked = check(wanted, told.append, cancel)
    except CheckFailed as error:
        checked = None
        failed = error.step
    else:
        failed = None
    assert failed is None or (failed == told[-1] and failed.outcome is Outcome.FAILED)
    assert "canary" not in repr(told) + repr(checked)
    return told, checked


def last(told):
    """How each step ended."""
    return {step.name: step.outcome.value for step in told}


# What it looks like


@pytest.mark.parametrize(
    "text",
    [
        BOT,
        f"  {BOT}\r\n",
        f'"{BOT}"',
        f"'{BOT}',".removesuffix(","),
        f"“{BOT}”",
        f"`{BOT}`",
        f"<{BOT}>",
        f"\ufeff{BOT}\u200b",
        f"SLACK_BOT_TOKEN={BOT}",
        f"export SLACK_BOT_TOKEN = '{BOT}'",
        f"Bearer {BOT}",
        f"Authorization: Bearer {BOT}",
    ],
)
def test_what_people_paste_along_is_left_out(text):
    assert pasted(text) == BOT


@given(st.text(max_size=40))
def test_pasting_twice_is_pasting_once_unless_there_was_a_name(text):
    once = pasted(text)
    assert "=" in once or once.lower().startswith(("bearer", "authorization")) or pasted(once) == once


@pytest.mark.parametrize(
    ("transport", "token", "app_token", "said"),
    [
        ("rtm", "", "", "empty"),
        ("rtm", "  ''  ", "", "empty"),
        ("rtm", "xoxb-1 2", "", "copy it again"),
        ("rtm", "xoxb-ü", "", "copy it again"),
        ("rtm", "xoxb-" + "1" * 5000, "", "copy it again"),
        ("rtm", "hunter2", "", "no token of Slack's"),
        ("rtm", "xapp-1", "", "choose Socket Mode"),
        ("rtm", "xoxe.xoxb-1", "", "12 hours"),
        ("rtm", "xoxe-1", "", "12 hours"),
        ("rtm", "xoxc-1", "", "browser's session"),
        ("rtm", "xoxa-1", "", "given up"),
        ("socket", "", "", "empty"),
        ("socket", "", "xoxb-1", "app-level token"),
        ("socket", "", "xoxp-1", "app-level token"),
        ("socket", "", "xoxd-1", "browser's session"),
        ("socket", "", "hunter2", "no token of Slack's"),
        ("socket", "xapp-1", "xapp-1", "begins with xoxb-"),
        ("socket", "hunter2", "xapp-1", "begins with xoxb-"),
    ],
)
def test_the_wrong_kind_is_told_and_not_sent(transport, token, app_token, said, slack):
    told, checked = tried(slack.api_url, transport, token, app_token)
    assert checked is None
    assert said in told[-1].text
    assert slack.truth().calls == ()


def test_a_person_s_token_is_warned_of():
    told = []
    candidate("rtm", Endpoint("http://127.0.0.1:9/"), "xoxp-1", "", told.append)
    assert [(step.name, step.outcome) for step in told] == [("token", Outcome.WARNING)]


# What Slack says


def test_a_good_token_for_rtm(slack):
    told, checked = tried(slack.api_url, "rtm", BOT)
    assert last(told) == {"token": "ok", "identity": "ok", "connect": "ok"}
    assert "deploybot in Acme" in told[2].text
    assert (checked.name, checked.team) == ("deploybot", "Acme")
    assert slack.wait(lambda: slack.open_links(BOT) == 0, PATIENCE_S)
    (link,) = slack.truth().links
    assert (link.hello_at is not None, link.ended_by) == (True, "client_close")
    assert [call.method for call in slack.truth().calls] == ["auth.test", "rtm.connect"]


def test_good_tokens_for_socket_mode(slack):
    told, checked = tried(slack.api_url, "socket", BOT, f"'{APP}'")
    assert last(told) == {"token": "ok", "bot_token": "ok", "identity": "ok", "connect": "ok"}
    assert checked.name == "deploybot"
    assert slack.wait(lambda: slack.open_links(APP) == 0, PATIENCE_S)
    (link,) = slack.truth().links
    assert (link.transport, link.ended_by) == ("socket", "client_close")


def test_socket_mode_needs_no_bot_token(slack):
    told, checked = tried(slack.api_url, "socket", "", APP)
    assert last(told) == {"token": "ok", "connect": "ok"}
    assert checked.name == ""


@pytest.mark.parametrize(
    ("fault", "method", "step", "said"),
    [
        (f.SlackCode("token_revoked"), "auth.test", "identity", "install the app again"),
        (f.SlackCode("invalid_auth"), "auth.test", "identity", "copy it again"),
        (f.SlackCode("account_inactive"), "auth.test", "identity", "switched off"),
        (f.SlackCode("not_allowed_token_type"), "rtm.connect", "connect", "choose Socket Mode"),
        (f.SlackCode("method_deprecated"), "rtm.connect", "connect", "choose Socket Mode"),
        (f.SlackCode("legacy_custom_bots_deprecated"), "rtm.connect", "connect", "2025-03-31"),
        (f.SlackCode("missing_scope"), "rtm.connect", "connect", "OAuth & Permissions"),
        (f.SlackCode("brand_new_code"), "rtm.connect", "connect", "brand_new_code"),
        (f.HttpStatus(503), "auth.test", "identity", "503"),
        (f.GarbageAnswer(b"<html>sign in</html>"), "auth.test", "identity", "sign"),
        (f.HandshakeStatus(403), None, "connect", "proxy"),
        (f.SpentUrl(), None, "connect", "minute"),
    ],
)
def test_what_slack_or_the_way_has_against_it_says_what_to_do(slack, fault, method, step, said):
    slack.arm(fault, method=method)
    told, checked = tried(slack.api_url, "rtm", BOT)
    assert checked is None
    assert (told[-1].name, told[-1].outcome) == (step, Outcome.FAILED)
    assert said in told[-1].text
    assert "traymon setup" not in told[-1].text  # whoever reads this may never have seen a terminal


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (f.SlackCode("missing_scope"), "connections:write"),
        (f.SlackCode("not_allowed_token_type"), "Basic Information"),
        (f.SlackCode("invalid_auth"), "copy it again"),
    ],
)
def test_socket_mode_is_refused(slack, fault, said):
    slack.arm(fault, method="apps.connections.open")
    told, checked = tried(slack.api_url, "socket", "", APP)
    assert checked is None
    assert said in told[-1].text
    assert "traymon setup" not in told[-1].text


@pytest.mark.parametrize("code", ["not_allowed_token_type", "legacy_custom_bots_deprecated"])
def test_who_may_not_use_rtm_is_offered_to_keep_the_program(slack, code):
    slack.arm(f.SlackCode(code), method="rtm.connect")
    told, _ = tried(slack.api_url, "rtm", BOT)
    assert told[-1].offer == "rtm-program"
    assert 'speaks RTM to it (relay = "rtm")' in told[-1].text
    told, checked = tried(slack.api_url, "socket", BOT, APP, programs="rtm")
    assert last(told) == {"token": "ok", "bot_token": "ok", "identity": "ok", "connect": "ok"}
    assert checked.candidate.programs == "rtm"


@pytest.mark.parametrize(
    ("transport", "method", "code"),
    [
        ("rtm", "rtm.connect", "missing_scope"),
        ("rtm", "auth.test", "token_revoked"),
        ("socket", "apps.connections.open", "not_allowed_token_type"),
    ],
)
def test_what_another_way_does_not_help_offers_none(slack, transport, method, code):
    slack.arm(f.SlackCode(code), method=method)
    told, _ = tried(slack.api_url, transport, BOT, APP)
    assert (told[-1].outcome, told[-1].offer) == (Outcome.FAILED, "")


@pytest.mark.parametrize(("token", "said"), [("", "is missing"), ("xoxb-1 2", "copy it again")])
def test_a_program_of_rtm_needs_the_bot_token(slack, token, said):
    told, checked = tried(slack.api_url, "socket", token, APP, programs="rtm")
    assert checked is None
    assert (told[-1].name, said in told[-1].text) == ("bot_token", True)
    assert slack.truth().calls == ()


def test_a_port_that_refuses_says_where_to_look():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    told, checked = tried(f"http://127.0.0.1:{port}/api/", "rtm", BOT)
    assert checked is None
    assert "firewall" in told[-1].text


def test_no_hello_is_no_link(slack, monkeypatch):
    monkeypatch.setattr(checking, "_HELLO_LIMIT_S", 0.3)
    slack.arm(f.NoHello())
    told, _ = tried(slack.api_url, "rtm", BOT)
    assert last(told)["connect"] == "failed"


def test_what_slack_echoes_is_harmless_and_hides_the_token(slack):
    echoing = "xoxb-canary-3"
    slack.add_bot(echoing, f"\x1b[31m{echoing}\u202e", "<b>Team</b>")
    told, checked = tried(slack.api_url, "rtm", echoing)
    assert all(step.text.isprintable() for step in told)
    assert echoing not in checked.name
    slack.arm(f.SlackCode(f"m{echoing}"), method="auth.test")
    told, _ = tried(slack.api_url, "rtm", echoing)
    assert "an error: “m" in told[-1].text


def test_it_can_be_called_off(slack):
    cancel = Cancel()
    slack.arm(f.Hang(), method="auth.test")
    caller = threading.Thread(
        target=lambda: (slack.wait(lambda: slack.truth().calls, PATIENCE_S), cancel.cancel())
    )
    caller.start()
    told = []
    wanted = candidate("rtm", Endpoint(slack.api_url), BOT, "", told.append)
    with pytest.raises(AbandonedError):
        check(wanted, told.append, cancel)
    caller.join()
    assert told[-1].outcome is Outcome.RUNNING


# Scopes


def answering(hello, headers="", bot=None):
    """A server in Slack's place, down to its headers; ``hello`` is the first frame of its links, ``bot`` what it
    tells of the bot."""

    def script(sock):
        if sock.recv(4, socket.MSG_PEEK).startswith(b"GET"):
            upgrade(sock)
            sock.sendall(frame(hello))
            read_head(sock)  # until the client goes
            return
        head = read_head(sock)
        link = {"ok": True, "url": f"ws://{header(head, 'Host')}/link", "self": {"id": "U1", "name": "a"}}
        who = {"ok": True, "user_id": "U1", "user": "a", "team_id": "T1", "team": "Acme", "bot_id": "B1"}
        info = {"ok": False, "error": "missing_scope"} if bot is None else {"ok": True, "bot": bot}
        body = who if b"auth.test" in head else info if b"bots.info" in head else link
        sock.sendall(http_answer(json.dumps(body).encode(), headers=headers))

    return serve(script)


@pytest.mark.parametrize(
    ("scopes", "outcome"),
    [("bot,identify", "ok"), ("rtm:stream, users:read", "ok"), ("rtm:stream", "warning"), ("", None)],
)
def test_scopes(scopes, outcome):
    with answering(b'{"type":"hello"}', f"X-OAuth-Scopes: {scopes}\r\n") as server:
        told, checked = tried(f"http://127.0.0.1:{server.port}/api/", "rtm", BOT)
    assert checked is not None
    assert last(told).get("scopes") == outcome
    if outcome == "warning":
        assert any("users:read" in step.text for step in told)


@pytest.mark.parametrize(
    ("first", "outcome", "said"),
    [
        (b'{"type":"hello","num_connections":3}', "ok", "counts 3"),
        (b'{"type":"disconnect","reason":"link_disabled"}', "failed", "turn it on"),
        (b'{"type":"disconnect","reason":"too_many_websockets"}', "failed", "too many"),
        (b'{"type":"error","error":{"code":1,"msg":"Socket URL has expired"}}', "failed", "minute"),
    ],
)
def test_what_slack_says_first_on_the_link(first, outcome, said):
    with answering(first) as server:
        told, _ = tried(f"http://127.0.0.1:{server.port}/api/", "socket", "", APP)
    assert last(told)["connect"] == outcome
    assert said in told[-1].text


@pytest.mark.parametrize(
    ("scopes", "outcome"), [("channels:history", "warning"), ("chat:write,users:read", None), ("", None)]
)
def test_a_program_of_rtm_must_be_able_to_post(scopes, outcome):
    with answering(b'{"type":"hello","num_connections":1}', f"X-OAuth-Scopes: {scopes}\r\n") as server:
        told, checked = tried(f"http://127.0.0.1:{server.port}/api/", "socket", BOT, APP, programs="rtm")
    assert checked is not None
    assert last(told).get("scopes") == outcome


@pytest.mark.parametrize(
    ("bot", "is_good"),
    [
        ({"id": "B1", "app_id": "A1"}, True),
        ({"id": "B1", "app_id": "A2"}, False),
        ({"id": "B1"}, True),
        (None, True),
    ],
)
def test_both_tokens_of_a_program_of_rtm_are_of_one_app(bot, is_good):
    hello = b'{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"}}'
    with answering(hello, bot=bot) as server:
        told, checked = tried(f"http://127.0.0.1:{server.port}/api/", "socket", BOT, APP, programs="rtm")
        alone = tried(f"http://127.0.0.1:{server.port}/api/", "socket", BOT, APP)[1]
    assert (checked is not None) is is_good
    assert (last(told)["bot_token"], "different apps" in told[-1].text) == (
        ("ok", False) if is_good else ("failed", True)
    )
    assert alone is not None, "what no program speaks with does no harm"
