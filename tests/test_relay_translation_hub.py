"""RTM presented over Socket Mode: stories, then a world where everything redelivers, hangs, restarts and hands over."""

import json
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import note, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.relay_core_kit import Bot, heard, leaves, up
from tests.relay_translation_examples import envelope
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
from traymon.relay.core.limits import MOST_ACKNOWLEDGED, MOST_OPEN, MOST_OPEN_BYTES, MOST_UNANSWERED
from traymon.relay.translation import PresentedRtmHub
from traymon.relay.translation.events import Why
from traymon.relay.translation.outbox import MOST_CHANNELS, MOST_SENT
from traymon.relay.translation.sends import CallFailure
from traymon.relay.translation.signals import Call, Called, Give, Ignored, NotGiven, SocketAttached, Taken

SECOND = 1_000
MINUTE = 60 * SECOND
APP = "A123ABC456"


@pytest.fixture
def bot() -> Bot:
    """A link, and no program yet."""
    bot = Bot(PresentedRtmHub())
    bot.give(ev.LinkUp(1, num_connections=1, connection_time_s=18_060, app_id=APP))
    return bot


def message(ts: str = "1.1", **more) -> dict:
    return {"type": "message", "channel": "C1", "ts": ts, "user": "U1", "text": "hi", **more}


def mention(ts: str = "1.1", **more) -> dict:
    return message(ts, type="app_mention", text="<@UBOT> hi", **more)


def own(ts: str = "1.1", **more) -> dict:
    return message(ts, bot_id="B1", app_id=APP, **more)


def command(envelope_id: str = "c1", kind: str = "slash_commands") -> str:
    return json.dumps({"envelope_id": envelope_id, "type": kind, "payload": {"command": "/deploy"}})


def ack(envelope_id: str, **more) -> str:
    return json.dumps({"envelope_id": envelope_id, **more}, separators=(",", ":"))


def given(effects) -> list[tuple[int, dict]]:
    return [(each.program, json.loads(each.text)) for each in effects if isinstance(each, Give)]


def to(effects) -> list[int]:
    return [each.program for each in effects if isinstance(each, Give)]


def drops(effects) -> list[DropKind]:
    return [each.kind for each in effects if isinstance(each, Dropped)]


def calls(effects) -> list[Call]:
    return [each for each in effects if isinstance(each, Call)]


def take(bot: Bot, effects, program: int):
    """The program takes what it was given there."""
    refs = [each.ref for each in effects if isinstance(each, Give) and each.program == program]
    assert refs
    return [effect for ref in refs for effect in bot.give(Taken(program, ref))]


def answered(call: Call, ts: str = "9.1", **more) -> Called:
    channel = call.arguments["channel"]
    return Called(call.ref, {"ok": True, "channel": channel, "ts": ts, "message": {"text": "hi"}, **more})


def post(bot: Bot, program: int, own_id: int = 1, channel: str = "C1", text: str = "hi"):
    return bot.says(program, {"id": own_id, "type": "message", "channel": channel, "text": text})


# Events


def test_a_program_is_greeted_link_or_not():
    bot = Bot(PresentedRtmHub())
    assert bot.give(ev.Attached(1)) == [ToProgram(1, b'{"type":"hello"}')]


def test_every_program_gets_an_event_and_slack_its_acknowledgement_from_the_first_that_has_it(bot):
    bot.attach(1, 2)
    effects = bot.slack(1, envelope(message()))
    assert given(effects) == [(1, message()), (2, message())]
    assert up(effects) == [], "nobody has it yet"
    assert up(take(bot, effects, 2)) == [ack("e1")]
    assert up(take(bot, effects, 1)) == []
    assert bot.hub.deadline is None


def test_events_come_in_order(bot):
    bot.attach(1)
    effects = [
        each for n in range(5) for each in bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}"))
    ]
    assert [event["ts"] for _, event in given(effects)] == [f"{n}.1" for n in range(5)]


def test_without_a_program_an_event_waits_for_one_and_is_not_acknowledged(bot):
    assert bot.slack(1, envelope(message())) == []
    bot.wait(2_999)
    effects = bot.give(ev.Attached(1))
    assert given(effects) == [(1, message())]
    assert up(take(bot, effects, 1)) == [ack("e1")]


def test_after_three_seconds_it_waits_no_longer(bot):
    bot.slack(1, envelope(message()))
    effects = bot.wait(3 * SECOND)
    assert effects == [Dropped(DropKind.UNANSWERED)]
    assert given(bot.give(ev.Attached(1))) == []
    assert given(bot.slack(1, envelope(message(), "e2"))) == [(1, message())], "Slack redelivers"


def test_events_that_waited_come_in_order(bot):
    for n in range(3):
        bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}"))
    bot.slack(1, envelope(message("0.1"), "again", "Ev0"))
    assert [event["ts"] for _, event in given(bot.give(ev.Attached(1)))] == ["0.1", "1.1", "2.1"]


def test_a_program_that_attaches_later_does_not_get_what_another_has(bot):
    bot.attach(1)
    bot.slack(1, envelope(message()))
    assert given(bot.give(ev.Attached(2))) == []


def test_what_a_program_left_without_taking_goes_to_the_next(bot):
    bot.attach(1)
    bot.slack(1, envelope(message()))
    assert given(bot.give(ev.Detached(1))) == []
    effects = bot.give(ev.Attached(2))
    assert to(effects) == [2]
    assert up(take(bot, effects, 2)) == [ack("e1")]


def test_a_program_that_hangs_is_seen_by_slack_as_no_acknowledgement(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    later = bot.wait(3 * SECOND)
    assert up(later) == []
    assert ProgramNote(1, ProgramNoteKind.OVERDUE) in later
    assert drops(later) == [DropKind.UNANSWERED]
    again = bot.slack(1, envelope(message(), "e2"))
    assert to(again) == [], "it has it in its socket"
    assert up(take(bot, effects, 1)) == [ack("e1"), ack("e2")]


def test_what_is_taken_late_serves_the_redelivery_to_come(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    bot.wait(30 * SECOND)
    assert up(take(bot, effects, 1)) == [ack("e1")]
    again = bot.slack(1, envelope(message(), "e2"))
    assert again == [ToSlack(1, ack("e2")), Dropped(DropKind.REDELIVERY)]


def test_what_is_taken_at_the_last_moment_is_taken(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    bot.now += 3 * SECOND
    assert up(take(bot, effects, 1)) == [ack("e1")]
    assert DropKind.UNANSWERED not in drops(bot.log)


def test_one_that_hangs_holds_up_nobody(bot):
    bot.attach(1, 2)
    for n in range(50):
        effects = bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}"))
        assert up(take(bot, effects, 2)) == [ack(f"e{n}")]
        bot.wait(SECOND)
    assert drops(bot.log) == []


def test_a_redelivery_goes_to_a_program_that_came_meanwhile(bot):
    bot.attach(1)
    first = bot.slack(1, envelope(message()))
    bot.wait(3 * SECOND)
    bot.attach(2)
    again = bot.slack(1, envelope(message(), "e2"))
    assert to(again) == [2]
    assert up(take(bot, again, 2)) == [ack("e1"), ack("e2")]
    assert up(take(bot, first, 1)) == [], "it is over"


def test_for_ten_minutes_a_redelivery_is_acknowledged_and_given_to_nobody(bot):
    bot.attach(1)
    take(bot, bot.slack(1, envelope(message())), 1)
    bot.give(ev.Detached(1))
    bot.attach(2)
    bot.wait(10 * MINUTE)
    effects = bot.slack(1, envelope(message(), "e2"))
    assert (up(effects), given(effects)) == ([ack("e2")], [])
    bot.wait(10 * MINUTE + 1)
    assert to(bot.slack(1, envelope(message(), "e3"))) == [2]


def test_the_same_envelope_may_come_on_another_link(bot):
    """Slack sends it on where the first link died."""
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    bot.give(ev.LinkDown(1))
    bot.give(ev.LinkUp(2))
    assert given(bot.slack(2, envelope(message()))) == []
    assert take(bot, effects, 1)[0] == ToSlack(2, ack("e1"))


def test_what_lost_its_link_is_given_to_nobody_new(bot):
    bot.slack(1, envelope(message()))
    assert drops(bot.give(ev.LinkDown(1))) == [DropKind.UNANSWERED]
    assert given(bot.give(ev.Attached(1))) == []


def test_what_lost_its_link_and_its_program_is_over(bot):
    bot.attach(1)
    bot.slack(1, envelope(message()))
    assert drops(bot.give(ev.LinkDown(1))) == [], "the program may take it, for the redelivery to come"
    assert drops(bot.give(ev.Detached(1))) == [DropKind.UNANSWERED]
    assert bot.hub.deadline is None


def test_the_same_envelope_may_come_again_on_its_link(bot):
    bot.attach(1)
    first = bot.slack(1, envelope(message()))
    assert drops(bot.slack(1, envelope(message()))) == [DropKind.REDELIVERY]
    assert up(take(bot, first, 1)) == [ack("e1")], "one acknowledgement for both"


def test_what_is_no_message_has_no_twin(bot):
    bot.attach(1)
    reaction = {"type": "reaction_added", "user": "U1", "reaction": "eyes", "event_ts": "1.2"}
    reaction["item"] = {"type": "message", "channel": "C1", "ts": "1.1"}
    first = bot.slack(1, envelope(reaction, "e1", "Ev1")) + bot.slack(1, envelope(reaction, "e2", "Ev2"))
    assert to(first) == [1, 1], "two events, however alike"


def test_an_event_without_an_id_is_known_by_its_envelope(bot):
    bot.attach(1)
    take(bot, bot.slack(1, envelope(message(), "e1", None)), 1)
    assert given(bot.slack(1, envelope(message(), "e1", None))) == []
    assert to(bot.slack(1, envelope(message(), "e2", None))) == [1]


def test_what_is_about_the_link_or_unreadable_reaches_nobody(bot):
    bot.attach(1)
    assert drops(bot.slack(1, '{"type":"disconnect","reason":"warning"}')) == [DropKind.LINK_ONLY]
    assert drops(bot.slack(1, "[]")) == [DropKind.UNREADABLE]
    assert drops(bot.slack(7, envelope(message()))) == [DropKind.UNREADABLE]


def test_what_has_no_counterpart_is_acknowledged_and_counted(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope({"type": "app_home_opened", "user": "U1"}))
    assert effects == [ToSlack(1, ack("e1")), NotGiven("app_home_opened", Why.NO_COUNTERPART)]
    again = bot.slack(1, envelope({"type": "app_home_opened", "user": "U1"}, "e2"))
    assert again == [ToSlack(1, ack("e2")), Dropped(DropKind.REDELIVERY)]


def test_what_would_crash_a_program_is_acknowledged_and_counted(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope({"type": "message", "text": "no channel"}))
    assert effects == [ToSlack(1, ack("e1")), NotGiven("message", Why.MISSHAPEN)]


def test_a_relieved_link_is_settled_once_nothing_is_due_on_it(bot):
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    bot.give(ev.LinkUp(2))
    assert bot.give(ev.LinkRelieved(1)) == []
    assert take(bot, effects, 1) == [ToSlack(1, ack("e1")), Settled(1)]
    assert bot.give(ev.LinkRelieved(2)) == [Settled(2)]


def test_a_relieved_link_does_not_wait_for_ever(bot):
    bot.attach(1)
    bot.slack(1, envelope(message()))
    bot.give(ev.LinkRelieved(1))
    assert Settled(1) in bot.wait(3 * SECOND)


def test_a_link_that_is_down_is_settled_for_nobody(bot):
    bot.give(ev.LinkDown(1))
    assert bot.give(ev.LinkRelieved(1)) == []


# Mentions


@pytest.mark.parametrize("both", [(message(), mention()), (mention(), message())])
@pytest.mark.parametrize("taken_first", [True, False])
def test_a_mention_is_one_message_whichever_comes_first(bot, both, taken_first):
    bot.attach(1)
    one, other = both
    first = bot.slack(1, envelope(one, "e1", "Ev1"))
    assert [event["type"] for _, event in given(first)] == ["message"]
    if taken_first:
        assert up(take(bot, first, 1)) == [ack("e1")]
        second = bot.slack(1, envelope(other, "e2", "Ev2"))
        assert second == [ToSlack(1, ack("e2")), Dropped(DropKind.COPY)]
    else:
        second = bot.slack(1, envelope(other, "e2", "Ev2"))
        assert second == [Dropped(DropKind.COPY)]
        assert up(take(bot, first, 1)) == [ack("e1"), ack("e2")]
    for again in (envelope(one, "e3", "Ev1"), envelope(other, "e4", "Ev2")):
        assert given(bot.slack(1, again)) == []
    assert up(bot.log)[-2:] == [ack("e3"), ack("e4")]


@pytest.mark.parametrize("alone", [message(), mention()])
def test_either_alone_is_a_message(bot, alone):
    bot.attach(1)
    assert given(bot.slack(1, envelope(alone))) == [(1, {**alone, "type": "message"})]


def test_equal_places_in_other_channels_are_other_messages(bot):
    bot.attach(1)
    bot.slack(1, envelope(message(), "e1", "Ev1"))
    assert to(bot.slack(1, envelope(mention(channel="C2"), "e2", "Ev2"))) == [1]


def test_a_message_outlives_what_is_known_of_its_mention(bot):
    """Slack redelivers it and no program takes it: then both are forgotten, each in its time."""
    bot.attach(1)
    bot.slack(1, envelope(message(), "e1", "Ev1"))
    bot.wait(6 * MINUTE)
    bot.slack(1, envelope(message(), "e2", "Ev1"))
    bot.wait(6 * MINUTE)
    assert to(bot.slack(1, envelope(mention(), "e3", "Ev2"))) == [1], "nobody knows that they are one"
    bot.wait(20 * MINUTE)
    assert to(bot.slack(1, envelope(message(), "e4", "Ev1"))) == [1], "nor that it came before"


def test_what_was_given_up_is_joined_too(bot):
    bot.attach(1)
    first = bot.slack(1, envelope(message(), "e1", "Ev1"))
    bot.wait(3 * SECOND)
    assert drops(bot.slack(1, envelope(mention(), "e2", "Ev2"))) == [DropKind.COPY]
    assert up(take(bot, first, 1)) == [ack("e1"), ack("e2")]


def test_a_mention_that_nobody_got_is_no_reason_to_drop_its_message(bot):
    bot.slack(1, envelope(mention(), "e1", "Ev1"))
    bot.wait(3 * SECOND)
    bot.attach(1)
    assert to(bot.slack(1, envelope(message(), "e2", "Ev2"))) == [1]
    assert given(bot.slack(1, envelope(mention(), "e3", "Ev1"))) == []


def test_an_edited_mention_is_one_change(bot):
    edited = {"user": "U1", "ts": "5.0"}
    change = message(
        "5.1", subtype="message_changed", message={"type": "message", "ts": "1.1", "edited": edited}
    )
    bot.attach(1)
    take(bot, bot.slack(1, envelope(message(), "e1", "Ev1")), 1)
    assert to(bot.slack(1, envelope(mention(edited=edited, event_ts="5.1"), "e2", "Ev2"))) == [1]
    assert drops(bot.slack(1, envelope(change, "e3", "Ev3"))) == [DropKind.COPY]
    assert to(bot.slack(1, envelope(change, "e4", "Ev4"))) == [1], "Slack changed it once more"


# What a program sent itself


def test_a_programs_own_message_comes_to_the_others_only(bot):
    bot.attach(1, 2)
    [call] = calls(post(bot, 1))
    bot.give(answered(call, "9.1"))
    effects = bot.slack(1, envelope(own("9.1")))
    assert to(effects) == [2]
    assert up(effects) == [ack("e1")], "the sender has it"


def test_while_its_reply_is_due_the_event_waits_and_so_do_later_ones(bot):
    bot.attach(1, 2)
    [call] = calls(post(bot, 1))
    assert to(bot.slack(1, envelope(own("9.1"), "e1", "Ev1"))) == [2]
    assert to(bot.slack(1, envelope(message("9.2"), "e2", "Ev2"))) == [2]
    effects = bot.give(answered(call, "9.1"))
    assert [event["ts"] for number, event in given(effects) if number == 1] == ["9.2"]


def test_what_another_of_the_apps_processes_sent_comes_after_the_reply(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1))
    assert to(bot.slack(1, envelope(own("9.0"), "e1", "Ev1"))) == []
    assert [event["ts"] for _, event in given(bot.give(answered(call, "9.1")))] == ["9.0"]


def test_it_waits_for_two_seconds_at_most(bot):
    bot.attach(1)
    post(bot, 1)
    bot.slack(1, envelope(own("9.1")))
    assert to(bot.wait(1_999)) == []
    effects = bot.wait(1)
    assert to(effects) == [1]
    assert up(take(bot, effects, 1)) == [ack("e1")], "still in time"


def test_messages_of_others_never_wait(bot):
    bot.attach(1)
    post(bot, 1)
    assert to(bot.slack(1, envelope(message("9.1"), "e1", "Ev1"))) == [1]
    assert to(bot.slack(1, envelope(own("9.1", channel="C2"), "e2", "Ev2"))) == [1], "another channel"


def test_a_channel_that_was_named_otherwise_may_be_any(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1, channel="#general"))
    assert to(bot.slack(1, envelope(own("9.1")))) == []
    effects = bot.give(answered(call, "9.1", channel="C1"))
    assert to(effects) == []
    assert ack("e1") in up(effects)


def test_after_ten_minutes_nobody_knows_whose_it_was(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1))
    bot.give(answered(call, "9.1"))
    bot.wait(11 * MINUTE)
    assert to(bot.slack(1, envelope(own("9.1")))) == [1]


def test_of_so_many_messages_the_oldest_is_forgotten(bot):
    bot.attach(1)
    for n in range(MOST_SENT + 1):
        [call] = calls(post(bot, 1, n, f"C{n}"))
        bot.give(answered(call, "9.1"))
    assert to(bot.slack(1, envelope(own("9.1", channel="C0"), "e1", "Ev1"))) == [1]
    assert to(bot.slack(1, envelope(own("9.1", channel="C1"), "e2", "Ev2"))) == [], "the sender has it"


# Programs of Socket Mode


def test_interactive_payloads_and_commands_go_to_a_program_of_socket_mode(bot):
    bot.attach(1)
    bot.give(SocketAttached(2))
    for kind in ("slash_commands", "interactive"):
        effects = bot.slack(1, command(kind, kind))
        assert effects == [ToProgram(2, command(kind, kind).encode(), event=True)]
        answer = ack(kind, payload={"text": "done"})
        assert up(bot.says(2, answer)) == [answer]


def test_with_none_attached_they_are_not_acknowledged(bot):
    bot.attach(1)
    effects = bot.slack(1, command()) + bot.wait(3 * SECOND)
    assert effects == [Dropped(DropKind.UNANSWERED)]


def test_what_has_no_counterpart_goes_there_too(bot):
    bot.attach(1)
    bot.give(SocketAttached(2))
    text = envelope({"type": "app_home_opened", "user": "U1"})
    assert bot.slack(1, text) == [ToProgram(2, text.encode(), event=True)]
    assert up(bot.says(2, ack("e1"))) == [ack("e1")]
    assert up(bot.slack(1, envelope({"type": "app_home_opened", "user": "U1"}, "e2"))) == [ack("e2")]


def test_events_go_to_programs_of_rtm_while_there_are_any(bot):
    bot.give(SocketAttached(2))
    bot.attach(1)
    effects = bot.slack(1, envelope(message()))
    assert (to(effects), heard(effects, 2)) == ([1], [])


def test_else_to_one_of_socket_mode_as_they_came(bot):
    bot.give(SocketAttached(2))
    both = [envelope(message(), "e1", "Ev1"), envelope(mention(), "e2", "Ev2")]
    assert heard([each for text in both for each in bot.slack(1, text)], 2) == both
    assert up(bot.says(2, ack("e2")) + bot.says(2, ack("e1"))) == [ack("e2"), ack("e1")]


def test_what_waits_goes_to_whichever_comes_first(bot):
    both = [envelope(message(), "e1", "Ev1"), envelope(mention(), "e2", "Ev2")]
    for text in both:
        bot.slack(1, text)
    assert heard(bot.give(SocketAttached(2)), 2)[1:] == both
    assert given(bot.give(ev.Attached(1))) == []


def test_what_a_program_of_socket_mode_acknowledged_is_given_to_none_of_rtm(bot):
    bot.give(SocketAttached(2))
    bot.slack(1, envelope(message()))
    bot.give(ev.LinkDown(1))
    assert up(bot.says(2, ack("e1"))) == [], "it cannot go up any more"
    bot.give(ev.LinkUp(2))
    bot.attach(1)
    bot.wait(5 * SECOND)
    effects = bot.slack(2, envelope(message(), "e2"))
    assert (to(effects), up(effects)) == ([], [ack("e2")])


def test_what_it_did_not_acknowledge_goes_to_one_of_rtm_when_slack_sends_it_again(bot):
    bot.give(SocketAttached(2))
    bot.slack(1, envelope(message()))
    bot.attach(1)
    assert to(bot.slack(1, envelope(message(), "e2"))) == [], "Slack still waits for the other"
    bot.wait(3 * SECOND)
    assert to(bot.slack(1, envelope(message(), "e3"))) == [1]


def test_what_the_last_program_of_rtm_left_goes_to_one_of_socket_mode(bot):
    bot.attach(1)
    bot.give(SocketAttached(2))
    text = envelope(message())
    bot.slack(1, text)
    assert heard(bot.give(ev.Detached(1)), 2) == [text]


def test_it_goes_there_on_the_link_that_is_left(bot):
    bot.attach(1)
    bot.give(SocketAttached(2))
    bot.give(ev.LinkUp(2))
    bot.slack(1, envelope(message(), "e1"))
    bot.slack(2, envelope(message(), "e2"))
    bot.give(ev.LinkDown(1))
    assert heard(bot.give(ev.Detached(1)), 2) == [envelope(message(), "e2")]


def test_what_went_there_is_no_twin_of_what_comes_to_rtm(bot):
    bot.slack(1, envelope(message(), "e1", "Ev1"))
    bot.give(SocketAttached(2))
    bot.give(ev.Detached(2))
    bot.attach(1)
    assert to(bot.slack(1, envelope(mention(), "e2", "Ev2"))) == [1]


def test_a_program_of_socket_mode_is_greeted_and_cut_as_ever(bot):
    greeting = json.loads(heard(bot.give(SocketAttached(2)), 2)[0])
    assert (greeting["type"], greeting["connection_info"]) == ("hello", {"app_id": APP})
    for _ in range(30):
        bot.says(2, "nonsense")
    assert any(isinstance(each, CutProgram) for each in bot.log)
    assert bot.says(2, ack("e1")) == []
    assert bot.give(ev.Detached(2)) == []


# Messages


def test_a_message_is_posted_and_its_reply_is_rtms(bot):
    bot.attach(1, 2)
    [call] = calls(post(bot, 1, own_id=7))
    assert call.method == "chat.postMessage"
    assert call.arguments == {"channel": "C1", "text": "hi", "unfurl_links": True}
    effects = bot.give(answered(call, "9.1"))
    assert effects == [
        ProgramNote(1, ProgramNoteKind.SENT),
        ToProgram(1, b'{"ok":true,"reply_to":7,"ts":"9.1","text":"hi"}'),
    ]


def replies(effects, program: int = 1) -> list[dict]:
    return [json.loads(text) for text in heard(effects, program)]


def test_messages_to_one_channel_go_up_one_after_the_other(bot):
    bot.attach(1, 2)
    [first] = calls(post(bot, 1, 1, text="a"))
    assert calls(post(bot, 2, 1, text="b") + post(bot, 1, 2, text="c")) == []
    [second] = calls(bot.give(answered(first)))
    [third] = calls(bot.give(answered(second)))
    assert [each.arguments["text"] for each in (first, second, third)] == ["a", "b", "c"]


def test_channels_do_not_wait_for_each_other(bot):
    bot.attach(1)
    assert len(calls(post(bot, 1, 1, "C1") + post(bot, 1, 2, "C2"))) == 2


def test_five_at_once_then_one_a_second_and_channel(bot):
    bot.attach(1)
    effects, posted = [], []
    for n in range(7):
        effects += post(bot, 1, n)
    while calls(effects):
        posted.append(bot.now)
        effects = bot.give(answered(calls(effects)[0])) or bot.wait(SECOND)
        effects = effects if calls(effects) else bot.wait(SECOND)
    assert [at - posted[0] for at in posted] == [0, 0, 0, 0, 0, SECOND, 2 * SECOND]


def test_of_so_many_channels_the_rate_of_the_oldest_is_forgotten(bot):
    bot.attach(1)

    for channel in ["C0"] * 5 + [f"C{n}" for n in range(1, MOST_CHANNELS + 1)]:
        [call] = calls(post(bot, 1, channel=channel))
        bot.give(answered(call))
    assert len(calls(post(bot, 1, channel="C0"))) == 1, "though it had its five"


def test_when_slack_says_not_before_all_channels_wait(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1, 1, "C1", "a"))
    assert bot.give(Called(call.ref, {"ok": False, "error": "ratelimited"}, retry_after_ms=5_000)) == []
    assert calls(post(bot, 1, 2, "C2", "b") + post(bot, 1, 3, "C1", "c")) == []
    assert bot.wait(4_999) == []
    effects = bot.wait(1)
    assert sorted(each.arguments["text"] for each in calls(effects)) == ["a", "b"]
    again = next(each for each in calls(effects) if each.arguments["text"] == "a")
    assert [each.arguments["text"] for each in calls(bot.give(answered(again)))] == ["c"]
    assert replies(bot.log)[-1]["reply_to"] == 1


def test_a_limit_in_the_answer_alone_is_one_too(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1))
    bot.give(Called(call.ref, {"ok": False, "error": "ratelimited"}))
    assert len(calls(bot.wait(SECOND))) == 1


def test_what_would_wait_for_too_long_is_told_at_once(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1, 1) + post(bot, 1, 2))
    effects = bot.give(Called(call.ref, None, retry_after_ms=30_000))
    assert [(each["reply_to"], each["error"]["msg"]) for each in replies(effects)] == [
        (1, "slow down, too many messages..."),
        (2, "slow down, too many messages..."),
    ]
    assert bot.hub.deadline is None
    assert [each["ok"] for each in replies(post(bot, 1, 3))] == [False], (
        "as long as the pause lasts that long"
    )
    bot.wait(10)
    assert replies(post(bot, 1, 4)) == []


@pytest.mark.parametrize(
    ("answer", "failure", "says"),
    [
        ({"ok": False, "error": "channel_not_found"}, None, "channel_not_found"),
        (None, CallFailure.NOT_SENT, "not connected to Slack; the message was not sent"),
        (None, CallFailure.UNKNOWN, "may have been sent"),
    ],
)
def test_what_did_not_work_is_told(bot, answer, failure, says):
    bot.attach(1)
    [call] = calls(post(bot, 1, 3))
    effects = bot.give(Called(call.ref, answer, failure))
    [reply] = replies(effects)
    assert (reply["ok"], reply["reply_to"]) == (False, 3)
    assert says in reply["error"]["msg"]
    assert ProgramNote(1, ProgramNoteKind.NOT_SENT) in effects


def test_a_call_that_never_ends_is_told_and_its_late_answer_ignored(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1))
    assert replies(bot.wait(29_999)) == []
    [reply] = replies(bot.wait(1))
    assert "may have been sent" in reply["error"]["msg"]
    assert bot.give(answered(call)) == []
    assert len(calls(post(bot, 1))) == 1, "the channel is free again"


def test_one_program_may_have_twenty_waiting_all_together_sixty(bot):
    bot.attach(1, 2, 3, 4)
    for program in (1, 2, 3, 4):
        for n in range(25):
            post(bot, program, n)
    refused = [len(replies(bot.log, program)) - 1 for program in (1, 2, 3, 4)]
    assert refused == [4, 5, 5, 25]
    assert bot.hub.deadline is not None


def test_what_a_program_sent_before_it_left_is_sent_and_not_replied_to(bot):
    bot.attach(1)
    [call] = calls(post(bot, 1, 1) + post(bot, 1, 2))
    bot.give(ev.Detached(1))
    effects = bot.give(answered(call))
    assert heard(effects, 1) == []
    assert len(calls(effects)) == 1


@pytest.mark.parametrize(
    ("sent", "msg"),
    [
        ({"type": "message", "channel": "C1"}, "message text is missing"),
        ({"type": "message", "text": "hi"}, "channel is missing"),
        ({"type": "poke"}, "there is no such type of message"),
        ({"channel": "C1"}, "message type is missing"),
        ({"type": "message", "channel": "C1", "text": "x" * 16_384}, "msg_too_long"),
        ({"type": "presence_sub", "ids": "U1"}, "ids must be a list of user ids"),
    ],
)
def test_what_is_wrong_is_told_at_once(bot, sent, msg):
    bot.attach(1)
    effects = bot.says(1, {"id": 5, **sent})
    assert replies(effects) == [{"ok": False, "reply_to": 5, "error": {"code": 2, "msg": msg}}]
    assert calls(effects) == []


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "typing", "channel": "C1"},
        {"type": "presence_sub", "ids": ["U1"]},
        {"type": "presence_query"},
    ],
)
def test_what_socket_mode_has_no_way_for_ends_here_and_is_no_nonsense(bot, sent):
    bot.attach(1)
    for n in range(100):
        assert bot.says(1, {"id": n, **sent}) == [Ignored(1, sent["type"])]


def test_a_ping_is_answered_link_or_not(bot):
    bot.attach(1)
    bot.give(ev.LinkDown(1))
    assert replies(bot.says(1, {"id": 7, "type": "ping", "time": 12})) == [
        {"reply_to": 7, "type": "pong", "time": 12}
    ]


def test_nonsense_is_counted_and_in_the_end_cut(bot):
    bot.attach(1)
    effects = [each for _ in range(30) for each in bot.says(1, "nonsense")]
    assert any(isinstance(each, CutProgram) for each in effects)
    assert given(bot.slack(1, envelope(message()))) == [], "it is gone"


# Memory


def test_more_at_a_time_than_is_kept_is_left_to_slack(bot):
    bot.attach(1)
    for n in range(MOST_OPEN):
        bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}"))
    effects = bot.slack(1, envelope(message("x.1"), "ex", "Evx"))
    assert effects == [Dropped(DropKind.TOO_MUCH)]
    bot.wait(3 * SECOND)
    assert to(bot.slack(1, envelope(message("x.1"), "ex", "Evx"))) == [1]


def test_one_large_event_is_taken_and_a_second_is_not(bot):
    bot.attach(1)
    large = "x" * (MOST_OPEN_BYTES // 2)
    assert to(bot.slack(1, envelope(message("1.1", text=large), "e1", "Ev1"))) == [1]
    assert drops(bot.slack(1, envelope(message("2.1", text=large), "e2", "Ev2"))) == [DropKind.TOO_MUCH]
    bot.wait(3 * SECOND)
    assert to(bot.slack(1, envelope(message("3.1", text=large), "e3", "Ev3"))) == [1], (
        "what is late gives way"
    )


def test_what_is_remembered_is_bounded():
    bot = Bot(PresentedRtmHub())
    bot.give(ev.LinkUp(1))
    bot.attach(1, 2)
    for n in range(3_000):  # one that takes, and one that never does
        take(bot, bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}")), 1)
        bot.log.clear()
    for n in range(3_000):
        bot.slack(1, envelope(message(f"{n}.2"), f"f{n}", f"Ew{n}"))
        bot.wait(3 * SECOND // MOST_OPEN + 1)
        bot.log.clear()
    assert leaves(bot.hub) < 60 * (MOST_ACKNOWLEDGED + MOST_UNANSWERED)
    bot.give(ev.Detached(1))
    bot.give(ev.Detached(2))
    bot.wait(30 * MINUTE)
    bot.give(ev.LinkDown(1))
    assert leaves(bot.hub) < 100, "and nothing of it for ever"


def test_of_so_many_that_were_taken_the_oldest_is_forgotten(bot):
    bot.attach(1)
    for n in range(MOST_ACKNOWLEDGED + 1):
        take(bot, bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}")), 1)
        bot.log.clear()
    assert up(bot.slack(1, envelope(message("1.1"), "again1", "Ev1"))) == [ack("again1")]
    assert to(bot.slack(1, envelope(message("0.1"), "again0", "Ev0"))) == [1]


def test_of_so_many_that_were_handed_over_the_oldest_is_forgotten(bot):
    bot.give(SocketAttached(2))
    for n in range(MOST_ACKNOWLEDGED + 1):
        bot.slack(1, envelope(message(f"{n}.1"), f"e{n}", f"Ev{n}"))
        bot.log.clear()
        if n % 100 == 99:
            bot.wait(SECOND)
    for n in range(2):
        bot.says(2, ack(f"e{n}"))
    bot.attach(1)
    assert up(bot.slack(1, envelope(message("1.1"), "again1", "Ev1"))) == [ack("again1")]
    assert to(bot.slack(1, envelope(message("0.1"), "again0", "Ev0"))) == [1]


# A world


@dataclass
class Happening:
    """One event, as Slack knows it."""

    id: str
    body: dict
    place: tuple[str, str]
    """What is one for a program: a message and its mention have the same."""
    carried: bool = True
    deliveries: list[tuple[str, int, int]] = field(default_factory=list)  # envelope, link, when
    acknowledged: bool = False


@dataclass
class Posted:
    """One message of a program's."""

    program: int
    id: int
    channel: str
    state: str = "waiting"  # then called, then over
    ref: int = 0
    called_at: int = 0


@dataclass
class Running:
    """One program of RTM, as it is outside."""

    since: int
    socket: list[tuple[int, str]] = field(default_factory=list)  # refs and places that it did not read yet
    seen: set[tuple[str, str]] = field(default_factory=set)
    hangs: bool = False


WAITS = (0, MINUTE, 5 * MINUTE)
"""Slack's, before it delivers again what nobody acknowledged within 3 s."""


class PresentedWorld(RuleBasedStateMachine):
    """Slack delivers until it is told; programs read, hang, leave and come; the book knows who has what."""

    def __init__(self) -> None:
        super().__init__()
        self.bot = Bot(PresentedRtmHub())
        self.serial = 0
        self.links: dict[int, bool] = {}  # whether it was relieved
        self.settled: set[int] = set()
        self.programs: dict[int, Running] = {}
        self.sockets: dict[int, dict[str, str]] = {}  # envelopes that it did not acknowledge yet
        self.gone: dict[str, str] = {}  # those that such programs had when they left
        self.happenings: dict[str, Happening] = {}
        self.plans: list[tuple[int, str]] = []  # when Slack delivers again, unless it was told
        self.by_envelope: dict[str, tuple[Happening, int]] = {}
        self.taken: dict[tuple[str, str], int] = {}  # places, and when the first program had them
        self.socket_has: set[str] = set()  # events that a program of Socket Mode acknowledged
        self.messages: list[Posted] = []
        self.paused_until = 0
        self.give(ev.LinkUp(self.number()))
        self.links[self.serial] = False

    def number(self) -> int:
        self.serial += 1
        return self.serial

    # What the hub does

    def give(self, event) -> list:
        effects = self.bot.give(event)
        self.bot.log.clear()
        # Of a program that has left, nothing is heard any more.
        self.messages = [
            each
            for each in self.messages
            if each.program in self.programs
            or (each.state == "called" and self.bot.now < each.called_at + 30 * SECOND)
        ]
        if effects:
            note(f"{self.bot.now}: {event}: {effects}")
        for effect in effects:
            self.carry_out(effect)
        return effects

    def carry_out(self, effect) -> None:
        match effect:
            case Give(program, text, ref):
                self.given(program, json.loads(text), ref)
            case ToProgram(program, text, event):
                assert program in self.programs or program in self.sockets, "nothing for one that is gone"
                if event:
                    self.given_whole(program, json.loads(text))
                elif program in self.programs and b'"reply_to"' in text:
                    self.replied(program, json.loads(text))
            case ToSlack(link, text):
                self.told(link, json.loads(text)["envelope_id"])
            case Settled(link):
                assert self.links[link]
                assert link not in self.settled
                self.settled.add(link)
            case Call(ref, _, arguments):
                self.called(ref, arguments)
            case CutProgram():
                raise AssertionError("nobody here sends nonsense")

    def given(self, number: int, event: dict, ref: int) -> None:
        program = self.programs[number]
        place = event["channel"], event["ts"]
        assert event["type"] == "message"
        assert place not in program.seen, "twice"
        assert self.taken.get(place, self.bot.now) >= program.since, "another had it before this one came"
        program.seen.add(place)
        program.socket.append((ref, place))

    def given_whole(self, number: int, whole: dict) -> None:
        happening, _ = self.by_envelope[whole["envelope_id"]]
        assert whole["payload"]["event_id"] == happening.id
        assert number in self.sockets
        assert happening.place not in self.taken or not happening.carried, "a program of RTM has it"
        assert not happening.carried or not self.programs or self.was_handed(happening)
        self.sockets[number][whole["envelope_id"]] = happening.id

    def was_handed(self, happening: Happening) -> bool:
        """A program of Socket Mode has it, or had, and Slack waits for that."""
        return any(
            each == happening.id for held in (*self.sockets.values(), self.gone) for each in held.values()
        )

    def told(self, link: int, envelope_id: str) -> None:
        happening, of = self.by_envelope[envelope_id]
        assert link in self.links
        assert link == of
        assert (
            happening.place in self.taken
            or happening.id in self.socket_has
            or (not happening.carried and self.programs and not self.sockets)
            or happening.acknowledged
        ), "nobody has it"
        happening.acknowledged = True

    # Slack

    @rule(kind=st.sampled_from(["message", "mention", "both", "both", "other"]))
    def happens(self, kind) -> None:
        ts = f"{self.number()}.1"
        if kind in ("message", "both"):
            self.deliver(Happening(f"Ev{self.number()}", message(ts), ("C1", ts)))
        if kind in ("mention", "both"):
            self.deliver(Happening(f"Ev{self.number()}", mention(ts), ("C1", ts)))
        if kind == "other":
            event = {"type": "app_home_opened", "user": "U1"}
            self.deliver(Happening(f"Ev{self.number()}", event, ("", ts), carried=False))

    def deliver(self, happening: Happening) -> None:
        self.happenings[happening.id] = happening
        usable = [link for link, relieved in self.links.items() if not relieved]
        attempt = len(happening.deliveries)
        link = usable[self.serial % len(usable)] if usable else 0
        envelope_id = f"e{self.number()}"
        happening.deliveries.append((envelope_id, link, self.bot.now))
        if attempt < len(WAITS):
            self.plans.append((self.bot.now + 3 * SECOND + WAITS[attempt], happening.id))
        if link:
            self.by_envelope[envelope_id] = happening, link
            reading = [
                number
                for number, each in self.programs.items()
                if happening.place not in each.seen and not each.hangs
            ]
            is_news = happening.place not in self.taken and not self.was_handed(happening)
            self.give(ev.FromSlack(link, envelope(happening.body, envelope_id, happening.id).encode()))
            if happening.carried and is_news and happening.id not in self.socket_has:
                for number in reading:
                    assert happening.place in self.programs[number].seen, (
                        "a program that was there did not get it"
                    )

    def deliver_again(self) -> None:
        due = [plan for plan in self.plans if plan[0] <= self.bot.now]
        self.plans = [plan for plan in self.plans if plan[0] > self.bot.now]
        for _, event_id in due:
            if not self.happenings[event_id].acknowledged:
                self.deliver(self.happenings[event_id])

    @precondition(lambda self: len(self.links) < 2)
    @rule()
    def link_comes(self) -> None:
        number = self.number()
        self.links[number] = False
        self.give(ev.LinkUp(number))

    @precondition(lambda self: len(self.links) == 2)
    @rule()
    def link_is_relieved(self) -> None:
        number = min(self.links)
        if not self.links[number]:
            self.links[number] = True
            self.give(ev.LinkRelieved(number))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def link_ends(self, data) -> None:
        number = data.draw(st.sampled_from(sorted(self.links)))
        del self.links[number]
        self.give(ev.LinkDown(number))

    # Programs

    @precondition(lambda self: len(self.programs) < 3)
    @rule(hangs=st.booleans())
    def comes(self, hangs) -> None:
        number = self.number()
        self.programs[number] = Running(self.bot.now, hangs=hangs)
        self.give(ev.Attached(number))

    @precondition(lambda self: self.programs)
    @rule(data=st.data())
    def leaves(self, data) -> None:
        number = data.draw(st.sampled_from(sorted(self.programs)))
        del self.programs[number]
        self.give(ev.Detached(number))

    @precondition(lambda self: any(each.socket for each in self.programs.values()))
    @rule(data=st.data(), most=st.integers(1, 5))
    def reads(self, data, most) -> None:
        number = data.draw(st.sampled_from([key for key, each in self.programs.items() if each.socket]))
        for _ in range(min(most, len(self.programs[number].socket))):
            self.read_one(number)

    def read_one(self, number: int) -> None:
        ref, place = self.programs[number].socket.pop(0)
        self.taken.setdefault(place, self.bot.now)
        self.give(Taken(number, ref))

    @precondition(lambda self: len(self.sockets) < 2)
    @rule()
    def socket_comes(self) -> None:
        number = self.number()
        self.sockets[number] = {}
        self.give(SocketAttached(number))

    @precondition(lambda self: self.sockets)
    @rule(data=st.data())
    def socket_leaves(self, data) -> None:
        number = data.draw(st.sampled_from(sorted(self.sockets)))
        self.gone = {**self.gone, **self.sockets.pop(number)}
        self.give(ev.Detached(number))

    @precondition(lambda self: any(self.sockets.values()))
    @rule(data=st.data())
    def socket_acknowledges(self, data) -> None:
        number = data.draw(st.sampled_from([key for key, held in self.sockets.items() if held]))
        envelope_id = data.draw(st.sampled_from(sorted(self.sockets[number])))
        self.socket_has.add(self.sockets[number].pop(envelope_id))
        self.give(ev.FromProgram(number, ack(envelope_id).encode()))

    # Messages

    @precondition(lambda self: self.programs)
    @rule(data=st.data(), channel=st.sampled_from(["C1", "C2"]))
    def posts(self, data, channel) -> None:
        number = data.draw(st.sampled_from(sorted(self.programs)))
        sent = Posted(number, self.number(), channel)
        self.messages.append(sent)
        body = {"id": sent.id, "type": "message", "channel": channel, "text": str(sent.id)}
        self.give(ev.FromProgram(number, json.dumps(body).encode()))

    def called(self, ref: int, arguments) -> None:
        assert self.bot.now >= self.paused_until, "Slack said not before"
        same = [each for each in self.messages if each.channel == arguments["channel"]]
        assert not [each for each in same if each.state == "called"], "two at a time"
        waiting = [each for each in same if each.state == "waiting"]
        if str(waiting[0].id if waiting else 0) == arguments["text"]:
            waiting[0].state, waiting[0].ref, waiting[0].called_at = "called", ref, self.bot.now
        else:  # of a program that has left
            assert all(str(each.id) != arguments["text"] for each in waiting), "out of order"
            text, channel = int(arguments["text"]), str(arguments["channel"])
            self.messages.append(Posted(0, text, channel, "called", ref, self.bot.now))

    def replied(self, program: int, reply: dict) -> None:
        sent = next(each for each in self.messages if each.id == reply["reply_to"])
        assert sent.program == program
        assert sent.state != "over", "two replies"
        if sent.state == "waiting":
            assert not reply["ok"], "it never went up"
        sent.state = "over"

    @precondition(lambda self: any(each.state == "called" for each in self.messages))
    @rule(
        data=st.data(),
        how=st.sampled_from(["ok", "ok", "error", "failure", "limit"]),
        pause=st.integers(1, 9_000),
    )
    def slack_answers(self, data, how, pause) -> None:
        sent = data.draw(st.sampled_from([each for each in self.messages if each.state == "called"]))
        self.end_call(sent, how, pause)

    def end_call(self, sent: Posted, how: str, pause: int = 0) -> None:
        if how == "limit":
            sent.state = "waiting"
            self.paused_until = max(self.paused_until, self.bot.now + pause)
            self.give(Called(sent.ref, {"ok": False, "error": "ratelimited"}, retry_after_ms=pause))
            return
        ts = f"{self.number()}.1"
        answer = {
            "ok": {"ok": True, "channel": sent.channel, "ts": ts},
            "error": {"ok": False, "error": "no"},
        }.get(how)
        if sent.program not in self.programs:
            sent.state = "over"
        effects = self.give(Called(sent.ref, answer, None if answer else CallFailure.UNKNOWN))
        assert sent.state == "over"
        if sent.program in self.programs:
            own_reply = next(json.loads(text) for text in heard(effects, sent.program))
            assert own_reply["reply_to"] == sent.id
            assert own_reply["ok"] == (how == "ok")

    # Time

    @rule(ms=st.integers(0, 4 * SECOND) | st.integers(0, 7 * MINUTE))
    def time_passes(self, ms) -> None:
        self.pass_time(ms)

    def pass_time(self, ms: int) -> None:
        until = self.bot.now + ms
        while True:
            times = [at for at, _ in self.plans]
            deadline = self.bot.hub.deadline
            if deadline is not None:
                assert deadline > self.bot.now, "a deadline that has been met must be over"
                times.append(deadline)
            if min(times, default=until) >= until:
                break
            self.bot.now = max(self.bot.now, min(times))
            self.give(ev.Tick())
            self.deliver_again()
        self.bot.now = until
        self.give(ev.Tick())
        self.deliver_again()

    @invariant()
    def a_program_that_reads_nothing_is_seen_as_no_acknowledgement(self) -> None:
        for happening in self.happenings.values():
            if happening.acknowledged and happening.carried:
                assert happening.place in self.taken or happening.id in self.socket_has

    def teardown(self) -> None:
        """One program that reads, and one link: in the end, all that Slack delivers to them is taken and told."""
        for number in list(self.programs):
            while self.programs[number].socket:
                self.read_one(number)
        if not any(not relieved for relieved in self.links.values()):
            number = self.number()
            self.links[number] = False
            self.give(ev.LinkUp(number))
        number = self.number()
        self.programs[number] = Running(self.bot.now)
        self.give(ev.Attached(number))
        for sent in [each for each in self.messages if each.state == "called"]:
            self.end_call(sent, "ok")
        for _ in range(8):
            self.pass_time(MINUTE)
            for key in list(self.programs):
                while self.programs[key].socket:
                    self.read_one(key)
            for sent in [each for each in self.messages if each.state == "called"]:
                self.end_call(sent, "ok")
        for happening in self.happenings.values():
            if happening.place in self.taken and len(happening.deliveries) <= len(WAITS):
                assert happening.acknowledged
        assert not [each for each in self.messages if each.state != "over"], "no message without its reply"
        super().teardown()


TestPresentedWorld = PresentedWorld.TestCase
TestPresentedWorld.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
