"""What programs send, as calls, and Slack's answers as replies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.relay.core import jsontext
from traymon.relay.core.rtm import LOST, OFFLINE, Trouble, pong
from traymon.relay.translation.sends import (
    NO_CHANNEL,
    NO_TEXT,
    CallFailure,
    Posted,
    RateLimited,
    arguments,
    outcome,
    reply,
)

SENT = {"channel": "C1", "text": "hi", "unfurl_links": True}
# https://docs.slack.dev/reference/methods/chat.postMessage, the example of an answer
ANSWER = {
    "ok": True,
    "channel": "C123ABC456",
    "ts": "1503435956.000247",
    "message": {
        "text": "Here's a message for you",
        "username": "ecto1",
        "bot_id": "B123ABC456",
        "attachments": [
            {"text": "This is an attachment", "id": 1, "fallback": "This is an attachment's fallback"}
        ],
        "type": "message",
        "subtype": "bot_message",
        "ts": "1503435956.000247",
    },
}


def call(**message):
    return arguments(jsontext.members(json.dumps({"id": 1, "type": "message", **message})))


def test_a_message_has_a_channel_and_a_text_and_shows_its_links_as_in_rtm():
    assert call(channel="C1", text="hi") == SENT


def test_a_reply_in_a_thread_may_be_shown_in_the_channel():
    assert call(channel="C1", text="hi", thread_ts="1.1") == {**SENT, "thread_ts": "1.1"}
    assert call(channel="C1", text="hi", thread_ts="1.1", reply_broadcast=True) == {
        **SENT,
        "thread_ts": "1.1",
        "reply_broadcast": True,
    }
    assert call(channel="C1", text="hi", reply_broadcast=True) == SENT, "of no thread"


def test_a_program_may_say_what_is_to_be_unfurled():
    assert call(channel="C1", text="hi", unfurl_links=False, unfurl_media=False) == {
        **SENT,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_what_botkit_sends_along_is_left_out():
    """0.4.2 with ``send_via_rtm``: lib/Slackbot_worker.js, ``bot.send``."""
    empty = dict.fromkeys(
        [
            "username",
            "parse",
            "link_names",
            "attachments",
            "unfurl_links",
            "unfurl_media",
            "icon_url",
            "icon_emoji",
        ]
    )
    assert call(channel="C1", text="hi", as_user=True, thread_ts=None, **empty) == SENT


def test_attachments_and_blocks_are_nothing_for_rtm():
    assert call(channel="C1", text="hi", attachments=[{}], blocks=[{}], user="U1", team="T1") == SENT


@pytest.mark.parametrize("wrong", [{}, {"text": None}, {"text": ""}, {"text": 7}, {"text": ["hi"]}])
def test_a_message_without_a_text(wrong):
    assert call(channel="C1", **wrong) == NO_TEXT


@pytest.mark.parametrize(
    "wrong", [{}, {"channel": None}, {"channel": ""}, {"channel": 7}, {"channel": {"id": "C1"}}]
)
def test_a_message_without_a_channel(wrong):
    assert call(text="hi", **wrong) == NO_CHANNEL


def test_a_text_that_was_cut_within_an_emoji_can_be_sent():
    cut = arguments(jsontext.members('{"channel":"C1","text":"ok \\ud83d","thread_ts":"\\ud83d"}'))
    assert isinstance(cut, dict)
    assert cut["text"] == "ok �"
    json.dumps(cut, ensure_ascii=False).encode()
    whole = arguments(jsontext.members('{"channel":"C1","text":"ok \\ud83d\\ude00"}'))
    assert isinstance(whole, dict)
    assert whole["text"] == "ok 😀"


@given(
    st.dictionaries(
        st.sampled_from(["channel", "text", "thread_ts", "unfurl_links", "x"]), st.text() | st.none()
    )
)
def test_arguments_are_what_slack_can_take(message):
    taken = call(**message)
    if isinstance(taken, dict):
        assert all(isinstance(each, str | bool) for each in taken.values())
        assert taken.keys() <= {
            "channel",
            "text",
            "thread_ts",
            "reply_broadcast",
            "unfurl_links",
            "unfurl_media",
        }
        json.dumps(taken, ensure_ascii=False).encode()


# Answers


def test_the_reply_has_what_slack_made_of_the_text():
    posted = outcome(ANSWER, None, SENT)
    assert posted == Posted("C123ABC456", "1503435956.000247", "Here's a message for you")
    assert json.loads(reply("17", posted)) == {
        "ok": True,
        "reply_to": 17,
        "ts": "1503435956.000247",
        "text": "Here's a message for you",
    }


def test_an_answer_that_tells_little_makes_a_reply_all_the_same():
    assert outcome({"ok": True}, None, SENT) == Posted("C1", "", "hi")
    assert outcome({"ok": True, "ts": 7, "channel": None, "message": []}, None, SENT) == Posted(
        "C1", "", "hi"
    )


@pytest.mark.parametrize(
    "code", ["channel_not_found", "not_in_channel", "is_archived", "msg_too_long", "fatal_error"]
)
def test_a_refusal_has_slacks_word(code):
    refused = outcome({"ok": False, "error": code}, None, SENT)
    assert isinstance(refused, Trouble)
    assert json.loads(reply("1", refused)) == {"ok": False, "reply_to": 1, "error": {"code": 2, "msg": code}}


def test_no_text_is_told_in_the_words_of_rtm():
    assert outcome({"ok": False, "error": "no_text"}, None, SENT) == NO_TEXT


@pytest.mark.parametrize("code", ["ratelimited", "rate_limited"])
def test_too_many_is_for_later(code):
    assert outcome({"ok": False, "error": code}, None, SENT) == RateLimited()


@pytest.mark.parametrize(
    "answer", [{}, {"ok": "yes"}, {"ok": False}, {"ok": False, "error": 7}, {"ok": False, "error": ""}]
)
def test_of_an_answer_that_makes_no_sense_nobody_knows(answer):
    assert outcome(answer, None, SENT) == LOST


def test_a_call_without_an_answer():
    assert outcome(None, CallFailure.NOT_SENT, SENT) == OFFLINE
    assert outcome(None, CallFailure.UNKNOWN, SENT) == LOST
    assert outcome(None, None, SENT) == LOST


@pytest.mark.parametrize("own_id", ["7", '"abc"', "1e3", "[1, 2]", "null", None, '"\\ud83d"'])
def test_a_reply_carries_the_id_as_it_was(own_id):
    text = reply(own_id, Posted("C1", "1.1", "hi")).decode()
    assert f'"reply_to":{own_id or "null"}' in text
    error = reply(own_id, LOST).decode()
    assert ("reply_to" in error) == (own_id is not None)


def test_a_pong_has_all_of_its_ping():
    ping = '{ "id" : 7, "type":"ping", "time": 12 }'
    assert pong(ping, jsontext.members(ping)) == b'{ "reply_to" : 7, "type":"pong", "time": 12 }'
