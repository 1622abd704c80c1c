"""RTM's hub: stories, then a world of programs and links that come, go and fail, under an independent book."""

import json
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import note, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.relay_core_kit import Bot, heard, leaves, up
from traymon.relay.core import RtmHub
from traymon.relay.core import events as ev
from traymon.relay.core.effects import (
    CutProgram,
    DropKind,
    Dropped,
    ProgramNote,
    ProgramNoteKind,
    Settled,
    ToProgram,
    ToSlack,
)
from traymon.relay.core.rtm import FIRST_ID, LAST_ID

SECOND = 1_000
KB16 = 16 * 1024
HELLO = b'{"type":"hello"}'


@pytest.fixture
def bot() -> Bot:
    """A link and two programs."""
    bot = Bot(RtmHub())
    bot.give(ev.LinkUp(1))
    bot.attach(1, 2)
    return bot


def message(number, text="hi") -> str:
    return f'{{"id":{number},"type":"message","channel":"C1","text":"{text}"}}'


def error(effects, program: int):
    """The one error reply to ``program``: its reply_to, code and text."""
    (text,) = heard(effects, program)
    reply = json.loads(text)
    assert reply["ok"] is False
    assert ProgramNote(program, ProgramNoteKind.NOT_SENT) in effects
    return reply.get("reply_to"), reply["error"]["code"], reply["error"]["msg"]


def test_a_program_is_greeted_link_or_not(bot):
    assert bot.give(ev.Attached(3, "botkit")) == [ToProgram(3, HELLO)]
    bot.give(ev.LinkDown(1))
    assert bot.give(ev.Attached(4)) == [ToProgram(4, HELLO)]


# Events


def test_every_program_gets_every_event_as_it_came(bot):
    text = '{"text" : "caf\\u00e9 é\\/", "type":"message","ts":"1.0"}'
    assert bot.slack(1, text) == [ToProgram(each, text.encode(), event=True) for each in (1, 2)]


def test_a_program_that_detached_gets_nothing_more(bot):
    bot.give(ev.Detached(1))
    assert heard(bot.slack(1, {"type": "message", "ts": "1"}), 1) == []
    assert bot.give(ev.Detached(1)) == []
    assert bot.says(1, message(1)) == []


@pytest.mark.parametrize("kind", ["hello", "goodbye", "reconnect_url", "pong", "disconnect", "error"])
def test_what_is_about_the_link_reaches_no_program(bot, kind):
    assert bot.slack(1, {"type": kind, "reply_to": 5}) == [Dropped(DropKind.LINK_ONLY)]


@pytest.mark.parametrize("text", ["null", "[]", "5", "nonsense"])
def test_what_is_no_object_reaches_no_program(bot, text):
    assert bot.slack(1, text) == [Dropped(DropKind.UNREADABLE)]


def test_a_link_that_is_not_up_brings_nothing(bot):
    assert bot.slack(2, {"type": "message"}) == [Dropped(DropKind.UNREADABLE)]
    bot.give(ev.LinkDown(1))
    assert bot.slack(1, {"type": "message"}) == [Dropped(DropKind.UNREADABLE)]
    assert bot.give(ev.LinkDown(1)) == []
    assert bot.give(ev.LinkRelieved(1)) == []


def test_an_object_without_a_type_is_an_event_too(bot):
    assert len(bot.slack(1, {"subtype": "new"})) == 2
    assert len(bot.slack(1, {"type": "message", "reply_to": None})) == 2


def test_in_a_handover_each_event_comes_once_in_order_whoever_is_ahead(bot):
    first, second, third = ({"type": "message", "ts": str(number)} for number in range(3))
    bot.slack(1, first)
    bot.give(ev.LinkUp(2))
    effects = bot.slack(2, first)  # Slack tells anew what happened while the link was made
    effects += bot.slack(2, second) + bot.slack(1, second) + bot.slack(1, third) + bot.slack(2, third)
    assert heard(effects, 1) == [json.dumps(second), json.dumps(third)]
    assert effects.count(Dropped(DropKind.COPY)) == 3


def test_without_a_stamp_too_either_link_may_be_ahead(bot):
    typing = {"type": "user_typing", "user": "U1"}
    bot.give(ev.LinkUp(2))
    effects = bot.slack(2, typing) + bot.slack(1, typing)
    assert len(heard(effects, 1)) == 1


def test_what_one_link_brings_twice_is_given_twice(bot):
    typing = {"type": "user_typing", "user": "U1"}
    bot.give(ev.LinkUp(2))
    effects = bot.slack(1, typing) + bot.slack(1, typing) + bot.slack(2, typing) + bot.slack(2, typing)
    assert len(heard(effects, 1)) == 2


def test_after_a_drop_an_equal_event_is_a_new_one(bot):
    typing = {"type": "user_typing", "user": "U1"}
    bot.slack(1, typing)
    bot.give(ev.LinkDown(1))
    bot.give(ev.LinkUp(2))
    assert len(heard(bot.slack(2, typing), 1)) == 1


def test_what_carries_its_moment_comes_once_though_the_links_never_met(bot):
    """The second link was being made when the first one died: both were told."""
    for stamped in ({"type": "message", "ts": "1.5"}, {"type": "reaction_added", "event_ts": "1.5"}):
        bot.slack(1, stamped)
    bot.give(ev.LinkDown(1))
    bot.give(ev.LinkUp(2))
    assert bot.slack(2, {"type": "message", "ts": "1.5"}) == [Dropped(DropKind.COPY)]
    assert bot.slack(2, {"type": "reaction_added", "event_ts": "1.5"}) == [Dropped(DropKind.COPY)]


def test_ten_seconds_later_it_is_no_copy(bot):
    stamped = {"type": "message", "ts": "1.5"}
    bot.give(ev.LinkUp(2))
    bot.slack(1, stamped)
    bot.wait(10 * SECOND + 1)
    assert len(heard(bot.slack(2, stamped), 1)) == 1


# Messages and replies


def test_a_message_goes_up_under_an_id_of_our_own_and_its_reply_comes_back_to_its_sender(bot):
    own = '{ "id" : 7 , "type":"message","text":"\\u00e9 \\ud83d\\ude00 é"}'
    effects = bot.says(1, own)
    assert effects == [
        ToSlack(1, own.replace(" 7 ", f" {FIRST_ID} ")),
        ProgramNote(1, ProgramNoteKind.SENT),
    ]
    reply = f'{{"ok":true, "reply_to": {FIRST_ID} ,"ts":"1.2" , "text":"é"}}'
    assert bot.slack(1, reply) == [ToProgram(1, reply.replace(str(FIRST_ID), "7").encode())]


def test_equal_ids_of_two_programs_do_not_clash(bot):
    bot.says(1, message(1))
    bot.says(2, message(1))
    reply = '{"ok":true,"reply_to":%d,"ts":"1"}'
    assert bot.slack(1, reply % (FIRST_ID + 1)) == [ToProgram(2, (reply % 1).encode())]
    assert bot.slack(1, reply % FIRST_ID) == [ToProgram(1, (reply % 1).encode())]


@pytest.mark.parametrize("own", ['"abc"', "1.50", "-3", "null", '{"a":[1]}', "9" * 100, "0"])
def test_an_id_may_be_any_json(bot, own):
    bot.says(1, message(own))
    assert heard(bot.slack(1, {"ok": True, "reply_to": FIRST_ID}), 1) == [
        f'{{"ok": true, "reply_to": {own}}}'
    ]


def test_a_message_without_an_id_gets_one_on_its_way(bot):
    assert up(bot.says(1, ' { "type":"message"}')) == [f' {{"id":{FIRST_ID}, "type":"message"}}']
    assert heard(bot.slack(1, {"ok": True, "reply_to": FIRST_ID}), 1) == ['{"ok": true, "reply_to": null}']


def test_an_id_that_is_there_twice_is_changed_twice(bot):
    assert up(bot.says(1, '{"id":1,"type":"message","\\u0069d":2}')) == [
        f'{{"id":{FIRST_ID},"type":"message","\\u0069d":{FIRST_ID}}}'
    ]


def test_ids_begin_again_before_they_grow_too_large():
    bot = Bot(RtmHub(first_id=LAST_ID))
    bot.give(ev.LinkUp(1))
    bot.attach(1)
    sent = up(bot.says(1, message(1))) + up(bot.says(1, message(2)))
    assert [json.loads(each)["id"] for each in sent] == [LAST_ID, FIRST_ID]


@pytest.mark.parametrize("reply_to", [1, FIRST_ID, FIRST_ID + 1, -1, 1.5])
def test_a_reply_to_nothing_reaches_nobody(bot, reply_to):
    """Slack repeats the last one after a reconnect, perhaps one of another process's."""
    bot.says(1, message(1))
    bot.slack(1, {"ok": True, "reply_to": FIRST_ID})
    assert bot.slack(1, {"type": "message", "reply_to": reply_to}) == [Dropped(DropKind.STRAY_REPLY)]


def test_the_reply_of_a_program_that_left_reaches_nobody(bot):
    bot.says(1, message(1))
    bot.give(ev.Detached(1))
    assert bot.slack(1, {"ok": True, "reply_to": FIRST_ID}) == []


def test_a_reply_that_cannot_be_read_reaches_nobody():
    """At some depth of nesting msgspec reads what Python's json does not: wherever that is, nothing is raised."""
    seen = set()
    for depth in range(900, 1_020):
        bot = Bot(RtmHub())
        bot.give(ev.LinkUp(1))
        bot.attach(1)
        bot.says(1, message(1))
        effects = bot.slack(1, f'{{"reply_to":{FIRST_ID},"a":{"[" * depth}{"]" * depth}}}')
        seen |= {type(each) for each in effects}
    assert seen == {ToProgram, Dropped}


def test_with_no_link_a_message_gets_an_error_at_once(bot):
    bot.give(ev.LinkDown(1))
    assert error(bot.says(1, message("7")), 1)[:2] == (7, -1)
    assert error(bot.says(1, message('"x"')), 1)[:2] == ("x", -1)
    effects = bot.says(1, {"type": "message"})
    assert error(effects, 1)[0] is None
    assert "reply_to" not in heard(effects, 1)[0]
    assert up(bot.log) == []


def test_what_had_no_reply_when_its_link_ended_gets_an_error_and_the_late_reply_is_dropped(bot):
    bot.says(1, message(7))
    assert error(bot.give(ev.LinkDown(1)), 1)[:2] == (7, -1)
    bot.give(ev.LinkUp(2))
    assert bot.slack(2, {"ok": True, "reply_to": FIRST_ID}) == [Dropped(DropKind.STRAY_REPLY)]


def test_the_reply_may_come_on_the_other_link(bot):
    bot.says(1, message(7))
    bot.give(ev.LinkUp(2))
    assert heard(bot.slack(2, {"reply_to": FIRST_ID}), 1) == ['{"reply_to": 7}']
    assert bot.slack(1, {"reply_to": FIRST_ID}) == [Dropped(DropKind.STRAY_REPLY)]
    assert bot.give(ev.LinkDown(1)) == []


def test_a_send_that_fails_gets_an_error_and_the_link_is_sent_nothing_more(bot):
    (text,) = up(bot.says(1, message(7)))
    assert error(bot.give(ev.SendFailed(1, text)), 1)[:2] == (7, -1)
    assert error(bot.says(1, message(8)), 1)[:2] == (8, -1)
    assert bot.give(ev.SendFailed(1, text)) == []
    assert bot.give(ev.LinkDown(1)) == []
    assert bot.give(ev.SendFailed(1, '{"type":"message"}')) == []


def test_no_reply_in_half_a_minute_is_told_and_a_reply_at_the_last_moment_counts(bot):
    bot.says(1, message(7))
    bot.says(2, message(8))
    assert bot.hub.deadline == bot.now + 30 * SECOND
    bot.now += 30 * SECOND
    effects = bot.slack(1, {"reply_to": FIRST_ID})
    assert heard(effects, 1) == ['{"reply_to": 7}']
    assert error(effects, 2)[:2] == (8, -1)
    assert bot.hub.deadline is None


def test_what_is_too_long_gets_an_error_and_what_just_fits_goes_up(bot):
    room = KB16 - len(message(FIRST_ID, ""))
    (text,) = up(bot.says(1, message(7, "x" * room)))
    assert len(text) == KB16
    assert error(bot.says(1, message(7, "x" * (room + 1))), 1) == (7, 2, "msg_too_long")
    assert error(bot.says(1, message(7, "é" * (room // 2 + 1))), 1)[:2] == (7, 2)
    assert error(bot.says(1, {"id": 9, "type": "presence_sub", "ids": ["U" * KB16]}), 1)[:2] == (9, 2)


# Slack's rate


def test_five_at_once_then_one_a_second_in_order_and_in_turns(bot):
    for number in range(7):
        bot.says(1, message(number))
    bot.says(2, message(100))
    assert len(up(bot.log)) == 5
    assert bot.hub.deadline == bot.now + SECOND
    texts = [json.loads(each)["id"] - FIRST_ID for each in up(bot.wait(SECOND))]
    assert texts == [5]
    replies = {}
    bot.wait(10 * SECOND)
    for text in up(bot.log):
        effects = bot.slack(1, {"reply_to": json.loads(text)["id"]})
        for program in (1, 2):
            for reply in heard(effects, program):
                replies.setdefault(program, []).append(json.loads(reply)["reply_to"])
    assert replies == {1: [0, 1, 2, 3, 4, 5, 6], 2: [100]}


def test_programs_take_turns(bot):
    for number in range(8):
        bot.says(1, message(number, f"of 1: {number}"))
    for number in range(2):
        bot.says(2, message(number, f"of 2: {number}"))
    told = [json.loads(each)["text"] for each in up(bot.wait(5 * SECOND))]
    assert told == ["of 1: 5", "of 2: 0", "of 1: 6", "of 2: 1", "of 1: 7"]


def test_one_program_may_have_twenty_waiting_all_together_sixty():
    bot = Bot(RtmHub())
    bot.give(ev.LinkUp(1))
    bot.attach(1, 2, 3, 4)
    for number in range(25):
        bot.says(1, message(number))
    assert error(bot.says(1, message(25)), 1) == (25, -1, "slow down, too many messages...")
    for program in (2, 3):
        for number in range(20):
            assert heard(bot.says(program, message(number)), program) == []
    assert error(bot.says(4, message(1)), 4)[:2] == (1, -1)
    assert len(up(bot.wait(60 * SECOND))) == 60


def test_what_waits_gets_an_error_when_the_link_ends(bot):
    for number in range(7):
        bot.says(1, message(number))
    effects = bot.give(ev.LinkDown(1))
    assert sorted(json.loads(each)["reply_to"] for each in heard(effects, 1)) == list(range(7))
    assert bot.hub.deadline is None


def test_what_waits_goes_up_on_the_next_link_in_a_handover(bot):
    for number in range(7):
        bot.says(1, message(number))
    bot.give(ev.LinkUp(2))
    bot.give(ev.LinkRelieved(1))
    assert {each.link for each in bot.wait(2 * SECOND) if isinstance(each, ToSlack)} == {2}


def test_what_a_program_sent_before_it_left_is_sent(bot):
    for number in range(6):
        bot.says(1, message(number))
    bot.give(ev.Detached(1))
    assert len(up(bot.wait(SECOND))) == 1
    for number in range(6):
        bot.says(2, message(number))
    bot.give(ev.Detached(2))
    assert bot.give(ev.LinkDown(1)) == []


def test_typing_goes_up_now_or_never_and_has_no_reply(bot):
    typing = '{"id":3,"type":"typing","channel":"C1"}'
    assert bot.says(1, typing) == [ToSlack(1, typing.replace("3", str(FIRST_ID), 1))]
    for number in range(4):
        bot.says(1, message(number))
    assert bot.says(1, typing) == []  # at the rate's limit
    bot.says(1, message(9))
    assert up(bot.wait(2 * SECOND)) != []
    assert len(heard(bot.give(ev.LinkDown(1)), 1)) == 5
    assert bot.says(1, typing) == []


def test_an_error_about_typing_finds_its_way(bot):
    bot.says(1, '{"id":3,"type":"typing"}')
    assert heard(bot.slack(1, {"ok": False, "reply_to": FIRST_ID}), 1) == ['{"ok": false, "reply_to": 3}']


def test_presence_query_passes_and_is_owed_no_reply(bot):
    query = '{"id":3,"type":"presence_query","ids":["U1"]}'
    assert up(bot.says(1, query)) == [query.replace("3", str(FIRST_ID), 1)]
    bot.give(ev.LinkUp(2))
    assert bot.give(ev.LinkRelieved(1)) == [Settled(1)]
    assert bot.wait(40 * SECOND) == []


# Pings


@pytest.mark.parametrize(
    ("ping", "pong"),
    [
        (
            '{"id":1234,"type":"ping","time":1403299273342}',
            '{"reply_to":1234,"type":"pong","time":1403299273342}',
        ),
        (
            '{ "type" : "ping", "a":"\\u00e9", "id":"x" }',
            '{ "type" : "pong", "a":"\\u00e9", "reply_to":"x" }',
        ),
        ('{"type":"ping"}', '{"type":"pong"}'),
    ],
)
def test_a_ping_is_answered_with_all_its_fields_link_or_not(bot, ping, pong):
    assert bot.says(1, ping) == [ToProgram(1, pong.encode())]
    bot.give(ev.LinkDown(1))
    assert bot.says(2, ping) == [ToProgram(2, pong.encode())]


# Handover


def test_a_relieved_link_is_settled_once_its_replies_are_in(bot):
    bot.says(1, message(1))
    bot.give(ev.LinkUp(2))
    assert bot.give(ev.LinkRelieved(1)) == []
    assert bot.slack(1, {"reply_to": FIRST_ID})[-1] == Settled(1)
    assert bot.give(ev.LinkRelieved(1)) == []


def test_a_relieved_link_does_not_wait_for_the_replies_of_another(bot):
    bot.give(ev.LinkUp(2))
    bot.says(1, message(1))
    assert bot.give(ev.LinkRelieved(1)) == [Settled(1)]


def test_while_two_links_are_up_messages_go_up_on_the_younger_and_on_the_elder_when_that_fails(bot):
    bot.give(ev.LinkUp(2))
    (sent,) = [each for each in bot.says(1, message(1)) if isinstance(each, ToSlack)]
    assert sent.link == 2
    bot.give(ev.SendFailed(2, sent.text))
    assert [each.link for each in bot.says(1, message(2)) if isinstance(each, ToSlack)] == [1]


# Presence


def subscription(text: str) -> list[str]:
    body = json.loads(text)
    assert body["type"] == "presence_sub"
    assert body["id"] >= FIRST_ID
    return body["ids"]


def test_presence_lists_are_united_and_sent_again_after_each_hello(bot):
    def subscribes(program, *users):
        return up(bot.says(program, {"type": "presence_sub", "ids": users}))

    assert list(map(subscription, subscribes(1, "U1", "U2"))) == [["U1", "U2"]]
    assert list(map(subscription, subscribes(2, "U2", "U3"))) == [["U1", "U2", "U3"]]
    assert subscribes(2, "U3", "U2") == []  # the same users in the same order
    assert list(map(subscription, up(bot.give(ev.LinkUp(2))))) == [["U1", "U2", "U3"]]
    bot.give(ev.LinkDown(1))
    assert list(map(subscription, up(bot.give(ev.Detached(1))))) == [["U3", "U2"]]
    bot.give(ev.LinkDown(2))
    assert bot.says(2, {"type": "presence_sub", "ids": ["U9"]}) == []
    bot.wait(10 * SECOND)
    assert list(map(subscription, up(bot.give(ev.LinkUp(3))))) == [["U9"]]
    assert list(map(subscription, up(bot.give(ev.Detached(2))))) == [[]]
    assert up(bot.give(ev.LinkUp(4))) == []


def test_many_changes_of_presence_are_few_messages(bot):
    for number in range(20):
        bot.says(1, {"type": "presence_sub", "ids": [f"U{number}"]})
    assert len(up(bot.log)) == 5
    assert list(map(subscription, up(bot.wait(20 * SECOND)))) == [["U19"]]


def test_what_slack_replies_to_our_subscription_reaches_nobody(bot):
    (text,) = up(bot.says(1, {"type": "presence_sub", "ids": ["U1"]}))
    assert bot.slack(1, {"ok": True, "reply_to": json.loads(text)["id"]}) == []


def test_a_subscription_that_failed_is_sent_on_the_link_that_is_left(bot):
    bot.give(ev.LinkUp(2))
    (text,) = up(bot.says(1, {"type": "presence_sub", "ids": ["U1"]}))
    (again,) = bot.give(ev.SendFailed(2, text))
    assert (again.link, subscription(again.text)) == (1, ["U1"])


def test_more_users_than_one_message_holds_are_left_out(bot):
    for program in (1, 2):
        users = [f"U{program}{number:08}" for number in range(1_000)]
        effects = bot.says(program, {"type": "presence_sub", "ids": users})
    assert effects.count(Dropped(DropKind.TOO_MUCH)) > 0
    (text,) = up(effects)
    assert KB16 - 20 < len(text) <= KB16
    assert subscription(text)[:1_000] == [f"U1{number:08}" for number in range(1_000)]


def test_half_a_surrogate_pair_survives(bot):
    (text,) = up(bot.says(1, '{"type":"presence_sub","ids":["\\ud83d"]}'))
    assert subscription(text) == ["\ud83d"]
    assert "\\ud83d" in up(bot.says(1, '{"type":"message","text":"\\ud83d"}'))[0]


@pytest.mark.parametrize("ids", ["null", '"U1"', "[1]", '["U1",null]'])
def test_a_subscription_must_be_a_list(bot, ids):
    assert error(bot.says(1, f'{{"id":4,"type":"presence_sub","ids":{ids}}}'), 1)[:2] == (4, 2)
    assert error(bot.says(1, '{"id":4,"type":"presence_sub"}'), 1)[:2] == (4, 2)


# Nonsense


@pytest.mark.parametrize("text", [b"", b"\xff", b"null", b"[]", b"{", b'{"type":', b"[" * 100_000])
def test_nonsense_is_counted_and_in_the_end_cut(bot, text):
    for _ in range(20):
        assert bot.says(1, text) == [ProgramNote(1, ProgramNoteKind.GARBAGE)]
    note_, cut = bot.says(1, text)
    assert note_ == ProgramNote(1, ProgramNoteKind.GARBAGE)
    assert isinstance(cut, CutProgram)
    assert bot.says(1, text) == []
    assert heard(bot.slack(1, {"type": "message"}), 1) == []
    assert heard(bot.slack(1, {"type": "message"}), 2) != []


@pytest.mark.parametrize("text", ['{"id":5}', '{"id":5,"type":null}', '{"id":5,"type":12}'])
def test_a_message_without_a_type_is_nonsense_that_gets_an_error(bot, text):
    effects = bot.says(1, text)
    assert error(effects, 1)[:2] == (5, 2)
    assert effects[-1] == ProgramNote(1, ProgramNoteKind.GARBAGE)


def test_a_program_that_is_cut_takes_its_presence_along(bot):
    bot.says(1, {"type": "presence_sub", "ids": ["U1"]})
    for _ in range(21):
        effects = bot.says(1, "nonsense")
    assert list(map(subscription, up(effects))) == [[]]


def test_time_never_runs_backwards(bot):
    bot.says(1, message(1))
    bot.now -= 5 * SECOND
    bot.says(1, message(2))
    assert bot.hub.deadline == bot.now + 35 * SECOND


# A world


@dataclass
class SlackLink:
    """One link as Slack knows it."""

    number: int
    since: int
    up: bool = False
    relieved: bool = False
    broken: bool = False
    settled: bool = False
    queue: list[tuple[int, int, bytes]] = field(default_factory=list)  # sent at, number of the event, bytes
    subscribed: list[str] = field(default_factory=list)


@dataclass
class Message:
    """One message of a program's, as the program and Slack know it."""

    program: int
    id: str
    text: str
    has_reply: bool
    state: str = "waiting"  # then sent, then over
    own: int = 0
    link: int = 0
    at: int = 0


LAG = 4 * SECOND
"""The most that a frame is under way; far below the window in which copies are known."""


class RtmWorld(RuleBasedStateMachine):
    """Slack, its links and the programs, with a book of who must have what.

    The book knows an event by its number, not by its bytes: Slack's stamped frames are all different. Frames without a
    stamp (``user_typing``) are all equal; for them it keeps which links have brought each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bot = Bot(RtmHub())
        self.links: dict[int, SlackLink] = {}
        self.programs: dict[int, list[bytes]] = {}  # what each must have got, in order
        self.got: dict[int, list[bytes]] = {}
        self.wants: dict[int, list[str]] = {}
        self.messages: list[Message] = []
        self.by_own: dict[int, Message] = {}
        self.links_made = self.programs_made = self.events_made = self.messages_made = 0
        self.given_events: set[int] = set()
        self.typings: list[tuple[int, set[int]]] = []  # when given, and the links that have brought it
        self.together: set[tuple[int, int]] = set()  # links that were up at the same time
        self.level = self.level_at = 0  # Slack's limit as a bucket that leaks, in ms
        self.last_reply = b""

    # What the hub does, checked against the book

    def give(self, event) -> None:
        effects = self.bot.give(event)
        if effects or event != ev.Tick():
            note(f"{self.bot.now}: {event}: {effects}")
        self.carry_out(effects)

    def carry_out(self, effects) -> None:
        for effect in effects:
            match effect:
                case ToProgram(program, text, event):
                    assert program in self.programs, "nothing for a program that is gone"
                    if event:
                        self.got[program].append(text)
                    elif text != HELLO:
                        self.replied(program, text)
                case ToSlack(link, text):
                    self.went_up(link, text)
                case Settled(link):
                    assert self.links[link].relieved
                    assert not self.links[link].settled
                    self.links[link].settled = True
                case CutProgram():
                    raise AssertionError("nobody here sends nonsense")

    def replied(self, program: int, text: bytes) -> None:
        reply = json.loads(text)
        mine = [each for each in self.messages if each.program == program and each.state != "over"]
        waiting = [each for each in mine if json.loads(each.id) == reply["reply_to"]]
        assert waiting, "a reply to nothing, or a second one"
        assert reply["ok"] is False, "Slack's own replies are seen where they are sent"
        waiting[0].state = "over"

    def went_up(self, number: int, text: str) -> None:
        usable = [each for each in self.links.values() if each.up and not each.relieved and not each.broken]
        assert number == max(each.number for each in usable)
        self.level = max(0, self.level - (self.bot.now - self.level_at)) + SECOND
        self.level_at = self.bot.now
        assert self.level <= 5 * SECOND, "above Slack's rate"
        body = json.loads(text)
        assert len(text.encode()) <= KB16
        assert body["id"] >= FIRST_ID
        assert body["id"] not in self.by_own
        if body["type"] == "presence_sub":
            self.links[number].subscribed = body["ids"]
            return
        sent = next(each for each in self.messages if each.state == "waiting" and each.text == body["text"])
        older = [each for each in self.messages if each.program == sent.program and each.state == "waiting"]
        assert older[0] is sent, "out of order"
        assert text == self.written(str(body["id"]), sent.text, sent.has_reply)
        sent.state, sent.own, sent.link, sent.at = "sent", body["id"], number, self.bot.now
        self.by_own[body["id"]] = sent

    @staticmethod
    def written(number: str, text: str, has_reply: bool) -> str:
        kind = "message" if has_reply else "presence_query"
        return f'{{ "id" : {number} , "type":"{kind}","text":"{text}"}}'

    # Slack

    @precondition(lambda self: sum(not each.relieved for each in self.links.values()) < 2)
    @rule()
    def connect(self) -> None:
        """From now on Slack tells the link what happens; it is up with its hello."""
        self.links_made += 1
        self.links[self.links_made] = SlackLink(self.links_made, self.bot.now)

    @precondition(lambda self: any(not each.up for each in self.links.values()))
    @rule()
    def hello(self) -> None:
        self.greet(next(each for each in self.links.values() if not each.up))

    def greet(self, link: SlackLink) -> None:
        for other in [each.number for each in self.links.values() if each.up]:
            self.together |= {(link.number, other), (other, link.number)}
        link.up = True
        self.give(ev.LinkUp(link.number))

    @rule(stamped=st.booleans())
    def event(self, stamped) -> None:
        self.events_made += 1
        text = (
            b'{"type":"message", "ts":"%d"}' % self.events_made
            if stamped
            else b'{"type":"user_typing","user":"U1"}'
        )
        for link in self.links.values():
            link.queue.append((self.bot.now, self.events_made if stamped else 0, text))

    @precondition(lambda self: self.bringing())
    @rule(data=st.data())
    def bring(self, data) -> None:
        self.bring_from(data.draw(st.sampled_from(self.bringing())))

    def bringing(self) -> list[SlackLink]:
        return [each for each in self.links.values() if each.up and each.queue]

    def bring_from(self, link: SlackLink) -> None:
        _, number, text = link.queue.pop(0)
        is_news = self.is_news(link.number) if number == 0 else number not in self.given_events
        self.given_events.add(number)
        if is_news:
            self.expect(text)
        self.give(ev.FromSlack(link.number, text))

    def is_news(self, link: int) -> bool:
        """Whether this ``user_typing`` is none that another link has brought."""
        last = max((i for i, (_, links) in enumerate(self.typings) if link in links), default=-1)
        for at, links in self.typings[last + 1 :]:
            if at + 10 * SECOND >= self.bot.now and any((link, each) in self.together for each in links):
                links.add(link)
                return False
        self.typings.append((self.bot.now, {link}))
        return True

    def expect(self, text: bytes) -> None:
        for must_have in self.programs.values():
            must_have.append(text)

    @precondition(lambda self: self.replies_due())
    @rule(data=st.data())
    def reply(self, data) -> None:
        sent = data.draw(st.sampled_from(self.replies_due()))
        self.last_reply = b'{"ok" :true,"reply_to": %d ,"ts":"\\u0031"}' % sent.own
        mine = b'{"ok" :true,"reply_to": %s ,"ts":"\\u0031"}' % sent.id.encode()
        expected = [ToProgram(sent.program, mine)]
        if sent.program not in self.programs:
            expected = []
        sent.state = "over"
        effects = self.bot.give(ev.FromSlack(sent.link, self.last_reply))
        assert [each for each in effects if isinstance(each, ToProgram)] == expected
        self.carry_out([each for each in effects if not isinstance(each, ToProgram)])

    def replies_due(self) -> list[Message]:
        return [each for each in self.messages if each.state == "sent" and each.link in self.links]

    @precondition(lambda self: self.last_reply and any(each.up for each in self.links.values()))
    @rule()
    def repeat_the_last_reply(self) -> None:
        link = max(each.number for each in self.links.values() if each.up)
        assert self.bot.give(ev.FromSlack(link, self.last_reply))[0] == Dropped(DropKind.STRAY_REPLY)

    @precondition(
        lambda self: len([each for each in self.links.values() if each.up and not each.relieved]) == 2
    )
    @rule()
    def relieve(self) -> None:
        link = min(
            (each for each in self.links.values() if each.up and not each.relieved),
            key=lambda each: each.number,
        )
        link.relieved = True
        self.give(ev.LinkRelieved(link.number))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def end(self, data) -> None:
        link = self.links.pop(data.draw(st.sampled_from(sorted(self.links))))
        if link.up:
            self.give(ev.LinkDown(link.number))
        for each in self.messages:
            if each.link == link.number and each.state == "sent":
                assert each.program not in self.programs or not each.has_reply, "its error comes at once"
                each.state = "over"

    @precondition(lambda self: self.replies_due())
    @rule(data=st.data())
    def fail_to_send(self, data) -> None:
        sent = data.draw(st.sampled_from(self.replies_due()))
        self.links[sent.link].broken = True
        text = self.written(str(sent.own), sent.text, sent.has_reply)
        self.give(ev.SendFailed(sent.link, text))
        assert sent.state == "over" or sent.program not in self.programs or not sent.has_reply
        sent.state = "over"

    # Programs

    @precondition(lambda self: len(self.programs) < 3)
    @rule()
    def attach(self) -> None:
        self.programs_made += 1
        number = self.programs_made
        self.programs[number], self.got[number] = [], []
        self.give(ev.Attached(number, "a client"))

    @precondition(lambda self: self.programs)
    @rule(data=st.data())
    def detach(self, data) -> None:
        number = data.draw(st.sampled_from(sorted(self.programs)))
        assert self.got.pop(number) == self.programs.pop(number)
        self.wants.pop(number, None)
        self.give(ev.Detached(number))

    @precondition(lambda self: self.programs)
    @rule(
        data=st.data(),
        times=st.sampled_from([1, 1, 1, 4, 22]),
        quoted=st.booleans(),
        has_reply=st.booleans(),
    )
    def send(self, data, times, quoted, has_reply) -> None:
        program = data.draw(st.sampled_from(sorted(self.programs)))
        for _ in range(times):
            self.messages_made += 1
            number = f'"{self.messages_made}"' if quoted else str(self.messages_made)
            sent = Message(program, number, f"text {self.messages_made}", has_reply)
            self.messages.append(sent)
            self.give(ev.FromProgram(program, self.written(number, sent.text, has_reply).encode()))
            if not any(each.up and not each.relieved and not each.broken for each in self.links.values()):
                assert sent.state == "over", "with no link there is an error at once"

    @precondition(lambda self: self.programs)
    @rule(data=st.data(), users=st.lists(st.sampled_from(["U1", "U2", "U3"]), max_size=3))
    def subscribe(self, data, users) -> None:
        program = data.draw(st.sampled_from(sorted(self.programs)))
        self.wants[program] = users
        self.give(ev.FromProgram(program, json.dumps({"type": "presence_sub", "ids": users}).encode()))

    @precondition(lambda self: self.programs)
    @rule(data=st.data())
    def ping(self, data) -> None:
        program = data.draw(st.sampled_from(sorted(self.programs)))
        effects = self.bot.give(ev.FromProgram(program, b'{"id":1,"type":"ping"}'))
        assert effects == [ToProgram(program, b'{"reply_to":1,"type":"pong"}')]

    # Time

    @rule(ms=st.sampled_from([1, 500, 1_000, 2_500, 40_000]))
    def wait(self, ms) -> None:
        until = self.bot.now + ms
        while self.bot.now < until:
            self.step(min(until, self.bot.now + SECOND))

    def step(self, until: int) -> None:
        """No frame is under way for longer than the lag: neither in a queue, nor for want of a hello."""
        for link in list(self.links.values()):
            while link.queue and link.queue[0][0] + LAG < until:
                if not link.up:
                    self.greet(link)
                self.bring_from(link)
        deadline = self.bot.hub.deadline
        if deadline is not None and deadline <= until:
            assert deadline > self.bot.now
            until = deadline
        self.bot.now = until
        self.give(ev.Tick())
        for each in self.messages:
            if each.state == "sent" and each.at + 30 * SECOND <= self.bot.now:
                assert each.program not in self.programs or not each.has_reply, "half a minute, and not told"
                each.state = "over"

    # What holds at all times

    @invariant()
    def programs_have_what_they_must(self) -> None:
        assert self.got == self.programs

    @invariant()
    def a_relieved_link_is_settled_as_soon_as_nothing_is_due(self) -> None:
        for link in self.links.values():
            if link.relieved and not link.settled:
                assert any(
                    each.link == link.number and each.state == "sent" and each.has_reply
                    for each in self.messages
                )

    def teardown(self) -> None:
        for _ in range(15):
            self.step(self.bot.now + LAG + 1)
        self.wait(100 * SECOND)
        for each in self.messages:
            assert each.state == "over" or each.program not in self.programs
        usable = [each for each in self.links.values() if each.up and not each.relieved and not each.broken]
        if usable:
            wanted = dict.fromkeys(user for users in self.wants_in_order() for user in users)
            assert max(usable, key=lambda each: each.number).subscribed == list(wanted)
        assert self.bot.hub.deadline is None
        for number in [each.number for each in self.links.values() if each.up]:
            self.give(ev.LinkDown(number))
        for number in list(self.programs):
            self.give(ev.Detached(number))
        fresh = Bot(RtmHub())
        for hub in (self.bot.hub, fresh.hub):
            for last in (ev.LinkUp(1_000), ev.FromSlack(1_000, b'{"type":"last"}'), ev.LinkDown(1_000)):
                hub.receive(last, self.bot.now)
        assert leaves(self.bot.hub) == leaves(fresh.hub), "once all have gone nothing is kept"
        super().teardown()

    def wants_in_order(self) -> list[list[str]]:
        return [self.wants.get(program, []) for program in self.programs]


TestRtmWorld = RtmWorld.TestCase
TestRtmWorld.settings = settings(max_examples=200, stateful_step_count=60)
