"""traymon.slackwire.api: reading the Web API's answers, whatever comes."""

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.slackwire import api
from traymon.slackwire.api import ConnectAnswer, Identity, Presence, WireError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
READERS: list[Callable[[object], object]] = [api.connect_answer, api.socket_url, api.identity, api.presence]
NAME = st.text(min_size=1, max_size=20)


def connect_body(**changes: object) -> dict[str, object]:
    body = api.connect_body(
        "wss://wss-primary.slack.com/link/ticket-1", "U1", "deploybot", "T1", "Example", "example"
    )
    return {**body, **changes}


def through_json(body: Mapping[str, object]) -> object:
    return json.loads(json.dumps(body))


def test_an_answer_of_rtm_connect_as_slack_documents_it() -> None:
    answer = api.connect_answer(
        {
            "ok": True,
            "self": {"id": "U4X318ZMZ", "name": "robotoverlord"},
            "team": {"domain": "slackdemo", "id": "T2U81E2FP", "name": "SlackDemo"},
            "url": "wss://cerberus-xxxx.lb.slack-msgs.com/websocket/BQjhf",
        }
    )
    assert answer == ConnectAnswer(
        "wss://cerberus-xxxx.lb.slack-msgs.com/websocket/BQjhf",
        "U4X318ZMZ",
        "robotoverlord",
        "T2U81E2FP",
        "SlackDemo",
        "slackdemo",
    )


def test_an_answer_of_auth_test_as_slack_documents_it() -> None:
    answer = api.identity(
        {
            "ok": True,
            "url": "https://subarachnoid.slack.com/",
            "team": "Subarachnoid Workspace",
            "user": "bot",
            "team_id": "T0G9PQBBK",
            "user_id": "W23456789",
            "bot_id": "BZYBOTHED",
            "is_enterprise_install": False,
        }
    )
    assert answer == Identity(
        "W23456789",
        "bot",
        "T0G9PQBBK",
        "Subarachnoid Workspace",
        "https://subarachnoid.slack.com/",
        "BZYBOTHED",
    )


def test_an_answer_of_users_get_presence_as_slack_documents_it() -> None:
    answer = api.presence(
        {
            "ok": True,
            "presence": "active",
            "online": True,
            "auto_away": False,
            "manual_away": False,
            "connection_count": 1,
            "last_activity": 1419027078,
        }
    )
    assert answer == Presence(True, False, 1, 1419027078)
    assert api.presence({"ok": True, "presence": "away"}) == Presence(False)


def test_an_answer_of_bots_info_as_slack_documents_it() -> None:
    bot = {
        "id": "B061F7JQ2",
        "deleted": False,
        "name": "beforebot",
        "app_id": "A161CLERW",
        "user_id": "U012ABCDEF",
    }
    assert api.bot_app({"ok": True, "bot": bot}) == "A161CLERW"
    assert api.bot_app({"ok": True, "bot": {"id": "B1"}}) == "", "a bot of before there were apps"


@given(data=JSON)
def test_no_json_in_a_bot_does_worse_than_wire_error(data: object) -> None:
    try:
        app = api.bot_app({"ok": True, "bot": data})
    except WireError:
        assert not isinstance(data, dict)
    else:
        assert isinstance(data, dict)
        assert isinstance(app, str)


def test_the_ticket_is_not_in_the_repr() -> None:
    assert "ticket-1" not in repr(api.connect_answer(connect_body()))


@pytest.mark.parametrize("part", [None, [], "T1", {}])
def test_a_link_needs_no_team(part: object) -> None:
    assert api.connect_answer(connect_body(team=part)).team_id == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "the answer is null or missing, not an object"),
        ([], "the answer is a list, not an object"),
        (7, "the answer is a number, not an object"),
        (object(), "the answer is of an unknown type, not an object"),
        ("ok", "the answer is text, not an object"),
        ({}, 'the answer lacks "ok": true'),
        (connect_body(ok=1), 'the answer lacks "ok": true'),
        (connect_body(url=None), "url is null or missing, not text"),
        (connect_body(url=["wss://x/ticket-1"]), "url is a list, not text"),
        (connect_body(url=""), "url is empty"),
        (connect_body(url="https://x/ticket-1"), "url is not ws:// or wss://"),
        (connect_body(url="ticket-1"), "url is not ws:// or wss://"),
        (connect_body(url="wss:///ticket-1"), "url names no host"),
        (connect_body(url="wss://x:99999/ticket-1"), "url is no URL"),
        (connect_body(url="wss://[x/ticket-1"), "url is no URL"),
        (connect_body(url="wss://x/ticket-1 HTTP/1.1"), "url has characters that no URL has"),
        (connect_body(url="wss://x/ticket-1\r\nX: y"), "url has characters that no URL has"),
        (connect_body(self=None), "self is null or missing, not an object"),
        (connect_body(self={"name": "x"}), "self.id is null or missing, not text"),
        (connect_body(self={"id": True}), "self.id is a boolean, not text"),
    ],
)
def test_a_wrong_shape_is_told_without_the_ticket(body: object, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        api.connect_answer(body)
    assert str(caught.value) == reason
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("reader", READERS)
@given(data=JSON)
def test_no_json_does_worse_than_wire_error(reader: Callable[[object], object], data: object) -> None:
    body = {"ok": True, **data} if isinstance(data, dict) else data
    with pytest.raises(WireError):
        reader(body)


@given(JSON, st.sampled_from(["url", "self", "team", "user_id", "team_id", "presence", "connection_count"]))
def test_no_json_in_one_key_does_worse_than_wire_error(value: object, key: str) -> None:
    for reader, body in [
        (api.connect_answer, connect_body()),
        (api.socket_url, api.socket_body("wss://x/1")),
        (api.identity, api.identity_body(Identity("U", "u", "T", "t", "https://t/", "B"))),
        (api.presence, api.presence_body(Presence(True, False, 1, 2))),
    ]:
        try:
            reader({**body, key: value})
        except WireError as exc:
            assert str(exc).startswith(key)  # noqa: PT017 - it may also be fine


@given(NAME, NAME, NAME, NAME, NAME)
def test_readers_understand_what_the_builders_build(a: str, b: str, c: str, d: str, e: str) -> None:
    url = "ws://127.0.0.1:1/link/t"
    assert api.connect_answer(through_json(api.connect_body(url, a, b, c, d, e))) == ConnectAnswer(
        url, a, b, c, d, e
    )
    for who in (Identity(a, b, c, d, "https://x/", e), Identity(a, b, c, d, "https://x/", "")):
        assert api.identity(through_json(api.identity_body(who))) == who
    assert api.socket_url(through_json(api.socket_body(url))) == url


@given(st.booleans(), st.booleans(), st.integers(0, 100), st.integers(0, 2**33))
def test_presence_survives_the_wire(active: bool, away: bool, links: int, last: int) -> None:
    for who in (Presence(active, away, links, last), Presence(active)):
        assert api.presence(through_json(api.presence_body(who))) == who


def test_an_error_body_is_what_slack_sends() -> None:
    assert api.error_body("missing_scope", needed="users:read") == {
        "ok": False,
        "error": "missing_scope",
        "needed": "users:read",
    }
