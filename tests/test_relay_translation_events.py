"""What events of Socket Mode become: the documented examples, mentions, and anything at all."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.relay_translation_examples import EXAMPLES, NO_COUNTERPART, OTHERS, Example
from traymon.relay.translation.catalogue import MESSAGE_NEEDS, MESSAGE_TEXTS, RTM_EVENTS, Source
from traymon.relay.translation.events import Carried, Moment, NotCarried, Why, translate

UNCHANGED = [
    each for each in EXAMPLES + OTHERS if each.name not in ("app_mention", "message/message_replied")
]
LINK_ONLY = [name for name, event in RTM_EVENTS.items() if event.source is Source.LINK]


def translated(event: object, app: str = "A1") -> Carried | NotCarried:
    return translate(json.dumps({"event": event, "api_app_id": app, "event_id": "Ev1"}).encode())


def carried(event: object) -> dict:
    found = translated(event)
    assert isinstance(found, Carried), found
    return json.loads(found.text)


def message(**more) -> dict:
    return {"type": "message", "channel": "C1", "ts": "1.1", "user": "U1", "text": "hi", **more}


def mention(**more) -> dict:
    return message(type="app_mention", text="<@UBOT> hi", **more)


# As documented


@pytest.mark.parametrize("example", UNCHANGED, ids=lambda each: each.name)
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")])
def test_a_documented_event_passes_byte_for_byte(example: Example, separators):
    text = json.dumps(example.event, separators=separators).encode()
    found = translate(b'{"type":"event_callback", "event": ' + text + b' ,"event_id":"Ev1"}')
    assert isinstance(found, Carried)
    assert found.text == text
    assert found.type == example.event["type"]


@pytest.mark.parametrize("name", NO_COUNTERPART)
def test_what_rtm_never_had_reaches_no_program(name):
    event = {"type": name, "user": "U1", "channel": "C1", "event_ts": "1.1"}
    assert translated(event) == NotCarried(name, Why.NO_COUNTERPART)


@pytest.mark.parametrize(
    "name", [*LINK_ONLY, "pong", "disconnect", "connected", "close", "ready", "slack_event"]
)
def test_no_event_can_pass_for_something_about_the_connection(name):
    """Nor for an event of a library's own: an unexpected ``error`` ends a Node program."""
    assert translated({"type": name, "url": "wss://x"}) == NotCarried(name, Why.NO_COUNTERPART)


def test_a_message_of_a_subtype_that_is_not_known_passes():
    assert carried(message(subtype="huddle_thread", room={}))["subtype"] == "huddle_thread"


# Without what a program takes for granted


def needed() -> list[tuple[Example, str]]:
    found = []
    for example in EXAMPLES:
        event = RTM_EVENTS["message" if example.name == "app_mention" else str(example.event["type"])]
        found += [(example, path) for path in event.texts + event.objects]
        if example.event["type"] == "message":
            needs = MESSAGE_NEEDS.get(str(example.event.get("subtype")))
            found += [(example, path) for path in (needs.texts if needs else ())]
    return found


@pytest.mark.parametrize("wrong", [None, 7, [], "missing"], ids=repr)
@pytest.mark.parametrize(("example", "path"), needed(), ids=lambda each: getattr(each, "name", each))
def test_an_event_without_what_its_documentation_promises_reaches_no_program(example: Example, path, wrong):
    event = json.loads(json.dumps(example.event))
    *way, last = path.split(".")
    place = event
    for key in way:
        place = place[key]
    if wrong == "missing":
        del place[last]
    else:
        place[last] = wrong
    found = translated(event)
    assert isinstance(found, NotCarried)
    assert (found.type, found.why) == (event["type"], Why.MISSHAPEN)


@pytest.mark.parametrize("name", MESSAGE_TEXTS)
@pytest.mark.parametrize("kind", ["message", "app_mention"])
@pytest.mark.parametrize("wrong", [7, 1.5, True, {}, []], ids=repr)
def test_texts_of_a_message_are_texts(kind, name, wrong):
    assert translated(message(type=kind, **{name: wrong})) == NotCarried(kind, Why.MISSHAPEN)
    assert isinstance(translated(message(type=kind, **{name: None})), Carried)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"7",
        b"[]",
        b"{}",
        b'{"event":7}',
        b'{"event":[]}',
        b'{"event":{}}',
        b'{"event":{"type":7}}',
        b"\xff",
    ],
)
def test_what_is_no_event_reaches_no_program(payload):
    assert translate(payload) == NotCarried("", Why.MISSHAPEN)


def test_what_is_nested_too_deeply_reaches_no_program():
    payload = b'{"event":{"type":"message","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}}"
    assert translate(payload) == NotCarried("", Why.MISSHAPEN)


# Mentions


def test_a_mention_is_the_message_that_it_also_is():
    event = mention(client_msg_id="m1", team="T1", blocks=[{"type": "rich_text"}], event_ts="1.1")
    found = translated(event)
    assert isinstance(found, Carried)
    assert json.loads(found.text) == {**event, "type": "message"}
    assert (found.type, found.mention, found.twin) == ("message", True, Moment("C1", "1.1", ""))
    twin = translated({**event, "type": "message", "channel_type": "channel"})
    assert isinstance(twin, Carried)
    assert (twin.mention, twin.twin) == (False, found.twin)


def test_a_mention_that_came_by_editing_is_a_changed_message():
    edited = {"user": "U1", "ts": "5.0"}
    found = translated(mention(edited=edited, event_ts="5.1"))
    assert isinstance(found, Carried)
    event = json.loads(found.text)
    assert (event["type"], event["subtype"], event["hidden"]) == ("message", "message_changed", True)
    assert (event["channel"], event["ts"]) == ("C1", "5.1")
    assert event["message"]["type"] == "message"
    assert (event["message"]["text"], event["message"]["ts"]) == ("<@UBOT> hi", "1.1")
    twin = translated(
        {
            "type": "message",
            "subtype": "message_changed",
            "channel": "C1",
            "ts": "5.1",
            "message": {"type": "message", "ts": "1.1", "edited": edited},
        }
    )
    assert isinstance(twin, Carried)
    assert twin.twin == found.twin == Moment("C1", "1.1", "5.0")


def test_a_mention_with_a_file_is_a_shared_file():
    assert carried(mention(files=[{"id": "F1"}]))["subtype"] == "file_share"
    assert "subtype" not in carried(mention(files=[]))
    found = translated(mention(files=[{"id": "F1"}], subtype="bot_message"))
    assert isinstance(found, Carried)
    assert found.text.count(b"subtype") == 1


def test_a_message_that_slack_changed_is_no_mention():
    """It showed what a link leads to."""
    found = translated(message(subtype="message_changed", message={"ts": "1.1"}))
    assert isinstance(found, Carried)
    assert found.twin is None


# What else is special about messages


def test_a_reply_notice_gets_its_subtype_back():
    event = next(each.event for each in EXAMPLES if each.name == "message/message_replied")
    without = {key: value for key, value in event.items() if key != "subtype"}
    assert carried(without) == event
    assert carried(event) == event


def test_a_message_in_a_thread_is_no_reply_notice():
    assert "subtype" not in carried(message(thread_ts="1.0"))


@pytest.mark.parametrize(
    ("more", "own"),
    [
        ({}, False),
        ({"bot_id": "B1", "app_id": "A1"}, True),
        ({"bot_id": "B1", "app_id": "A2"}, False),
        ({"bot_id": "B1"}, True),
        ({"app_id": "A1"}, False),
    ],
)
def test_the_apps_own_messages_are_known(more, own):
    found = translated(message(**more))
    assert isinstance(found, Carried)
    assert found.own == (("C1", "1.1") if own else None)


# Anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["app_mention", "message", *RTM_EVENTS, *NO_COUNTERPART, "new_in_2031"])


@given(st.data())
def test_a_documented_event_with_anything_changed_is_whole_or_reaches_no_program(data):
    event = dict(data.draw(st.sampled_from(EXAMPLES + OTHERS)).event)
    for key in data.draw(st.lists(st.sampled_from([*event, "subtype", "extra"]), max_size=3)):
        event[key] = data.draw(ANYTHING)
    found = translated(event)
    if isinstance(found, Carried):
        given_ = json.loads(found.text)
        assert given_["type"] in RTM_EVENTS
        assert given_["type"] not in LINK_ONLY
        if given_["type"] == "message":
            # What botkit 0.4.2, hubot and errbot read of a message without asking.
            assert isinstance(given_["channel"], str)
            assert isinstance(given_["ts"], str)
            assert isinstance(given_.get("text") or "", str)
            assert isinstance(given_.get("subtype") or "", str)


@given(st.binary() | st.builds(lambda each: json.dumps({"event": each}).encode(), ANYTHING))
def test_nothing_makes_it_fail(payload):
    assert isinstance(translate(payload), Carried | NotCarried)


@given(NAMES, st.dictionaries(st.text(max_size=8), ANYTHING, max_size=4))
def test_whatever_has_any_type_is_carried_or_counted(name, more):
    found = translated({**more, "type": name})
    if isinstance(found, NotCarried):
        assert found.type == name
