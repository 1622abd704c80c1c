"""Socket Mode's hub: stories, then a world of programs and links that come, go and are late, under its own book."""

import json
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import note, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.relay_core_kit import Bot, heard, leaves, up
from traymon.relay.core import SocketHub
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
from traymon.relay.core.limits import (
    MOST_ACKNOWLEDGED,
    MOST_DELIVERIES,
    MOST_OPEN,
    MOST_OPEN_BYTES,
    MOST_UNANSWERED,
)

SECOND = 1_000
MINUTE = 60 * SECOND


@pytest.fixture
def bot() -> Bot:
    """A link, and no program yet."""
    bot = Bot(SocketHub())
    bot.give(ev.LinkUp(1, num_connections=1, connection_time_s=18_060, app_id="A1"))
    return bot


def event(envelope: str, event_id: str | None = None, **more) -> str:
    """An ``events_api`` envelope, or a slash command's where there is no event."""
    payload = {"command": "/deploy"} if event_id is None else {"type": "event_callback", "event_id": event_id}
    kind = "slash_commands" if event_id is None else "events_api"
    return json.dumps({"envelope_id": envelope, "type": kind, "payload": payload, **more})


def ack(envelope: str, **more) -> str:
    return json.dumps({"envelope_id": envelope, **more})


def given(effects) -> list[int]:
    return [each.program for each in effects if isinstance(each, ToProgram) and each.event]


# Greeting


def test_the_greeting_tells_what_slack_told(bot):
    bot.wait(60 * SECOND)
    (hello,) = bot.give(ev.Attached(1, "bolt"))
    assert not hello.event
    assert json.loads(hello.text) == {
        "type": "hello",
        "num_connections": 1,
        "debug_info": {"host": "traymon", "approximate_connection_time": 18_000},
        "connection_info": {"app_id": "A1"},
    }


def test_the_greeting_counts_all_that_payloads_are_spread_over():
    bot = Bot(SocketHub())
    bot.give(ev.LinkUp(1, num_connections=3, app_id="A1"))
    bot.give(ev.LinkUp(2, num_connections=4, connection_time_s=10))  # ours are two of the four
    bot.attach(1)
    hello = json.loads(bot.give(ev.Attached(2))[0].text)
    assert hello["num_connections"] == 4
    assert hello["connection_info"] == {"app_id": "A1"}
    bot.wait(MINUTE)
    assert json.loads(bot.give(ev.Attached(3))[0].text)["debug_info"]["approximate_connection_time"] == 0


def test_with_no_link_a_program_is_greeted_all_the_same():
    bot = Bot(SocketHub())
    hello = json.loads(bot.give(ev.Attached(1))[0].text)
    assert hello["num_connections"] == 1
    assert hello["debug_info"] == {"host": "traymon"}
    bot.give(ev.LinkUp(1))
    assert json.loads(bot.give(ev.Attached(2))[0].text)["debug_info"] == {"host": "traymon"}


# One envelope


@pytest.mark.parametrize("event_id", ["Ev1", None])
def test_an_envelope_goes_to_one_program_and_its_answer_up_unchanged(bot, event_id):
    bot.attach(1, 2)
    text = event("e1", event_id, accepts_response_payload=True)
    assert bot.slack(1, text) == [ToProgram(1, text.encode(), event=True)]
    answer = '{ "payload":{"text":"\\u00e9 é \\ud83d"}, "envelope_id" : "e1" }'
    assert bot.says(1, answer) == [ToSlack(1, answer), ProgramNote(1, ProgramNoteKind.ACKED)]
    assert bot.hub.deadline is None


def test_the_longest_idle_gets_the_next(bot):
    bot.attach(1, 2, 3)
    told = []
    for number in range(6):
        bot.now += 1
        told += given(bot.slack(1, event(f"e{number}", f"Ev{number}")))
        bot.says(told[-1], ack(f"e{number}"))
    assert told == [1, 2, 3, 1, 2, 3]


def test_who_owes_nothing_comes_before_who_does(bot):
    bot.attach(1, 2)
    assert given(bot.slack(1, event("e1", "Ev1"))) == [1]
    assert given(bot.slack(1, event("e2", "Ev2"))) == [2]
    bot.now += 1
    bot.says(2, ack("e2"))
    assert given(bot.slack(1, event("e3", "Ev3"))) == [2]
    assert given(bot.slack(1, event("e4", "Ev4"))) == [1]


@pytest.mark.parametrize(
    "frame", [{"type": "disconnect", "reason": "warning"}, {"type": "x", "envelope_id": 5}]
)
def test_what_has_no_envelope_reaches_no_program(bot, frame):
    bot.attach(1)
    assert bot.slack(1, frame) == [Dropped(DropKind.LINK_ONLY)]


@pytest.mark.parametrize(("link", "text"), [(1, "[]"), (1, "nonsense"), (2, event("e1", "Ev1"))])
def test_what_cannot_be_read_reaches_no_program(bot, link, text):
    bot.attach(1)
    assert bot.slack(link, text) == [Dropped(DropKind.UNREADABLE)]


@pytest.mark.parametrize("payload", ["null", '"text"', "[]", '{"event_id":5}', '{"event_id":""}'])
def test_a_payload_may_be_anything(bot, payload):
    bot.attach(1)
    text = f'{{"envelope_id":"e1","payload":{payload}}}'
    assert given(bot.slack(1, text)) == [1]
    assert up(bot.says(1, ack("e1"))) == [ack("e1")]
    assert given(bot.slack(1, text)) == [1], "only events are known again"


# Nobody there


def test_with_no_program_nothing_is_acknowledged_and_it_is_forgotten_when_slack_has_given_up(bot):
    assert bot.slack(1, event("e1", "Ev1")) == []
    assert bot.hub.deadline == bot.now + 3 * SECOND
    assert bot.wait(3 * SECOND) == [Dropped(DropKind.UNANSWERED)]
    bot.attach(1)
    assert given(bot.log) == []
    assert bot.hub.deadline is None


def test_a_program_that_comes_in_time_gets_what_waits_in_order_after_its_greeting(bot):
    bot.slack(1, event("e1", "Ev1"))
    bot.slack(1, event("e2", "Ev2"))
    bot.now += 3 * SECOND - 1
    effects = bot.give(ev.Attached(1))
    assert [json.loads(each.text).get("envelope_id", "hello") for each in effects] == ["hello", "e1", "e2"]


def test_a_program_that_comes_too_late_does_not_though_no_tick_came_before_it(bot):
    bot.slack(1, event("e1", "Ev1"))
    bot.now += 3 * SECOND
    assert given(bot.give(ev.Attached(1))) == []


# Late and leaving programs


def test_a_program_that_leaves_has_its_envelopes_offered_to_another(bot):
    bot.attach(1)
    text = event("e1", "Ev1")
    bot.slack(1, text)
    bot.attach(2)
    assert bot.give(ev.Detached(1)) == [ToProgram(2, text.encode(), event=True)]
    assert up(bot.says(2, ack("e1"))) == [ack("e1")]
    assert bot.give(ev.Detached(1)) == []
    assert bot.says(1, ack("e1")) == []


def test_a_program_that_restarts_gets_its_envelope_again(bot):
    bot.attach(1)
    bot.slack(1, event("e1"))
    assert bot.give(ev.Detached(1)) == []
    bot.now += SECOND
    assert given(bot.give(ev.Attached(2))) == [2]


def test_after_two_seconds_another_has_it_offered_and_the_first_answer_goes_up(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    assert bot.hub.deadline == bot.now + 2 * SECOND
    assert bot.wait(2 * SECOND) == [
        ProgramNote(1, ProgramNoteKind.OVERDUE),
        ToProgram(2, event("e1", "Ev1").encode(), event=True),
    ]
    first = ack("e1", payload={"text": "first"})
    assert up(bot.says(1, first)) == [first]
    assert bot.says(2, ack("e1")) == [ProgramNote(2, ProgramNoteKind.LATE_ACK)]
    assert bot.says(1, ack("e1")) == [ProgramNote(1, ProgramNoteKind.LATE_ACK)]


def test_the_two_seconds_are_those_of_who_has_it(bot):
    bot.attach(1, 2, 3)
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(SECOND)
    assert given(bot.give(ev.Detached(1))) == [2]
    bot.now += SECOND
    assert given(bot.give(ev.Tick())) == []


def test_where_both_are_late_each_is_told_so_once(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    effects = bot.wait(3 * SECOND)
    assert [each for each in effects if isinstance(each, ProgramNote)] == [
        ProgramNote(1, ProgramNoteKind.OVERDUE),
        ProgramNote(2, ProgramNoteKind.OVERDUE),
    ]
    # Who was late comes last, until it answers.
    bot.attach(3)
    assert given(bot.slack(1, event("e2", "Ev2"))) == [3]


def test_a_newcomer_gets_what_is_overdue_but_not_what_is_in_time(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(SECOND)
    bot.slack(1, event("e2", "Ev2"))
    bot.wait(SECOND)
    effects = bot.give(ev.Attached(2))
    assert [json.loads(each)["envelope_id"] for each in heard(effects, 2)[1:]] == ["e1"]


def test_one_that_has_it_still_keeps_it_when_the_other_leaves(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(2 * SECOND)
    assert bot.give(ev.Detached(1)) == []
    assert bot.give(ev.Detached(2)) == []
    assert given(bot.give(ev.Attached(3))) == [3]


def test_a_late_answer_goes_up_and_counts(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    assert bot.wait(4 * SECOND) == [ProgramNote(1, ProgramNoteKind.OVERDUE), Dropped(DropKind.UNANSWERED)]
    answer = ack("e1", payload=1)
    assert bot.says(1, answer) == [ToSlack(1, answer), ProgramNote(1, ProgramNoteKind.ACKED)]
    assert bot.slack(1, event("e2", "Ev1")) == [
        ToSlack(1, '{"envelope_id":"e2"}'),
        Dropped(DropKind.REDELIVERY),
    ]
    assert bot.says(1, answer) == [ProgramNote(1, ProgramNoteKind.LATE_ACK)]


def test_a_late_answer_serves_the_redelivery_that_came_meanwhile(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(3 * SECOND)
    bot.attach(3)
    assert given(bot.slack(1, event("e2", "Ev1"))) == [3]
    assert bot.says(1, ack("e1", a=1)) == [
        ToSlack(1, ack("e1", a=1)),
        ProgramNote(1, ProgramNoteKind.ACKED),
        ToSlack(1, '{"envelope_id":"e2"}'),
    ]
    assert bot.says(3, ack("e2")) == [ProgramNote(3, ProgramNoteKind.LATE_ACK)]
    assert given(bot.wait(10 * SECOND)) == []


# Links


def test_an_answer_whose_link_is_gone_is_dropped_but_the_redelivery_is_known(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.give(ev.LinkDown(1))
    bot.give(ev.LinkUp(2))
    assert bot.says(1, ack("e1")) == [ProgramNote(1, ProgramNoteKind.LOST_ACK)]
    assert up(bot.slack(2, event("e1", "Ev1", retry_attempt=1))) == ['{"envelope_id":"e1"}']


def test_what_waits_is_dropped_with_its_link(bot):
    bot.slack(1, event("e1", "Ev1"))
    assert bot.give(ev.LinkDown(1)) == [Dropped(DropKind.UNANSWERED)]
    assert bot.give(ev.LinkDown(1)) == []
    assert given(bot.give(ev.Attached(1))) == []


def test_nobody_else_gets_what_can_no_longer_be_acknowledged(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    bot.give(ev.LinkDown(1))
    assert given(bot.wait(2 * SECOND)) == []
    assert bot.give(ev.Detached(1)) == [Dropped(DropKind.UNANSWERED)]


def test_in_a_handover_the_answer_goes_home_and_then_the_link_is_settled(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.give(ev.LinkUp(2))
    assert bot.give(ev.LinkRelieved(1)) == []
    assert bot.says(1, ack("e1")) == [
        ToSlack(1, ack("e1")),
        ProgramNote(1, ProgramNoteKind.ACKED),
        Settled(1),
    ]
    assert bot.give(ev.LinkRelieved(1)) == []
    assert bot.give(ev.LinkRelieved(7)) == []


def test_a_relieved_link_is_settled_when_slack_no_longer_waits(bot):
    bot.slack(1, event("e1", "Ev1"))
    bot.give(ev.LinkRelieved(1))
    assert bot.wait(3 * SECOND) == [Dropped(DropKind.UNANSWERED), Settled(1)]


def test_an_answer_that_was_not_sent_changes_nothing(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    (sent,) = [each for each in bot.says(1, ack("e1")) if isinstance(each, ToSlack)]
    assert bot.give(ev.SendFailed(sent.link, sent.text)) == []


# Redeliveries


def test_for_ten_minutes_a_redelivery_is_acknowledged_at_once(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.says(1, ack("e1"))
    bot.wait(10 * MINUTE)
    assert bot.slack(1, event("e1", "Ev1", retry_attempt=0)) == [
        ToSlack(1, '{"envelope_id":"e1"}'),
        Dropped(DropKind.REDELIVERY),
    ]
    bot.wait(1)
    assert given(bot.slack(1, event("e2", "Ev1"))) == [1]


@pytest.mark.parametrize(("envelope", "event_id"), [("e2", "Ev1"), ("e1", "Ev1")])
def test_a_redelivery_of_what_is_being_handled_joins_it(bot, envelope, event_id):
    bot.attach(1, 2)
    bot.slack(1, event("e1", event_id))
    bot.give(ev.LinkUp(2))
    bot.now += SECOND
    assert bot.slack(2, event(envelope, event_id)) == [Dropped(DropKind.REDELIVERY)]
    answer = ack("e1", a=1)
    effects = bot.says(1, answer)
    second = answer if envelope == "e1" else f'{{"envelope_id":"{envelope}"}}'
    assert effects == [ToSlack(1, answer), ToSlack(2, second), ProgramNote(1, ProgramNoteKind.ACKED)]


def test_the_same_envelope_without_an_event_joins_too(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1"))
    assert bot.slack(1, event("e1")) == [Dropped(DropKind.REDELIVERY)]
    assert up(bot.says(1, ack("e1"))) == [ack("e1"), '{"envelope_id":"e1"}'], "for each arrival"


def test_the_answer_in_an_acknowledgement_goes_up_once_a_link(bot):
    bot.attach(1)
    for link in (1, 1):
        bot.slack(link, event("e1", "Ev1"))
    answer = ack("e1", payload={"text": "done"})
    assert up(bot.says(1, answer)) == [answer, '{"envelope_id":"e1"}']


def test_a_late_acknowledgement_goes_up_for_each_arrival_too(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(3_000)
    assert up(bot.says(1, ack("e1"))) == [ack("e1"), '{"envelope_id":"e1"}']


def test_a_redelivery_gives_it_three_seconds_more(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.wait(2_500)
    bot.slack(1, event("e2", "Ev1"))
    assert bot.wait(2_000) == []
    assert up(bot.says(1, ack("e1"))) == [ack("e1"), '{"envelope_id":"e2"}']


def test_what_a_redelivery_did_not_prolong_ends_in_its_time(bot):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.slack(1, event("e2", "Ev2"))
    bot.wait(2_500)
    bot.slack(1, event("e3", "Ev1"))
    assert bot.hub.deadline == bot.now + 500
    assert Dropped(DropKind.UNANSWERED) in bot.wait(500)


def test_a_redelivery_keeps_an_event_whose_first_link_is_gone(bot):
    bot.give(ev.LinkUp(2))
    bot.slack(1, event("e1", "Ev1"))
    bot.slack(2, event("e2", "Ev1"))
    assert bot.give(ev.LinkDown(1)) == []
    bot.attach(1)
    assert up(bot.says(1, ack("e1"))) == ['{"envelope_id":"e2"}']


def test_a_redelivery_lets_another_program_have_what_had_lost_its_link(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    bot.give(ev.LinkDown(1))
    bot.give(ev.LinkUp(2))
    bot.wait(2 * SECOND)
    assert given(bot.slack(2, event("e2", "Ev1"))) == [2]


# Nonsense and bounds


@pytest.mark.parametrize("text", [b"", b"\xff", b"null", b"{}", b'{"envelope_id":5}', b"[" * 100_000])
def test_nonsense_is_counted_and_in_the_end_cut(bot, text):
    bot.attach(1)
    bot.slack(1, event("e1", "Ev1"))
    bot.attach(2)
    for _ in range(20):
        assert bot.says(1, text) == [ProgramNote(1, ProgramNoteKind.GARBAGE)]
    note_, cut, offer = bot.says(1, text)
    assert note_ == ProgramNote(1, ProgramNoteKind.GARBAGE)
    assert isinstance(cut, CutProgram)
    assert given([offer]) == [2]
    assert bot.says(1, text) == []


def test_an_answer_to_nothing_is_counted_and_borne(bot):
    bot.attach(1, 2)
    bot.slack(1, event("e1", "Ev1"))
    for _ in range(100):
        assert bot.says(1, ack("e9")) == [ProgramNote(1, ProgramNoteKind.LATE_ACK)]
        assert bot.says(2, ack("e1")) == [ProgramNote(2, ProgramNoteKind.LATE_ACK)], "it was given to another"
    bot.wait(3 * SECOND)
    bot.attach(3)
    assert bot.says(3, ack("e1")) == [ProgramNote(3, ProgramNoteKind.LATE_ACK)]


def test_so_many_are_kept_at_a_time(bot):
    for number in range(MOST_OPEN):
        assert bot.slack(1, event(f"e{number}", f"Ev{number}")) == []
    assert bot.slack(1, event("e", "Ev")) == [Dropped(DropKind.TOO_MUCH)]
    bot.wait(3 * SECOND)
    assert bot.slack(1, event("e", "Ev")) == []


def test_so_many_bytes_are_kept_at_a_time(bot):
    large = event("e1", "Ev1", more="x" * MOST_OPEN_BYTES)
    bot.attach(1)
    assert given(bot.slack(1, large)) == [1]
    assert bot.slack(1, event("e2", "Ev2")) == [Dropped(DropKind.TOO_MUCH)]
    bot.says(1, ack("e1"))
    assert given(bot.slack(1, event("e2", "Ev2"))) == [1]


def test_so_many_deliveries_of_one_event_are_kept(bot):
    bot.attach(1)
    for number in range(MOST_DELIVERIES + 3):
        bot.slack(1, event(f"e{number}", "Ev1"))
    assert len(up(bot.says(1, ack("e0")))) == MOST_DELIVERIES


def test_so_many_event_ids_are_remembered(bot):
    bot.attach(1)
    for number in range(MOST_ACKNOWLEDGED + 1):
        bot.slack(1, event(f"e{number}", f"Ev{number}"))
        bot.says(1, ack(f"e{number}"))
    assert given(bot.slack(1, event("again", "Ev0"))) == [1]
    assert given(bot.slack(1, event("again", "Ev1"))) == []


def test_so_many_unanswered_envelopes_are_remembered(bot):
    bot.attach(1)
    for number in range(MOST_UNANSWERED + 1):
        if number % MOST_OPEN == 0:
            bot.wait(3 * SECOND)
        bot.slack(1, event(f"e{number}", f"Ev{number}"))
    bot.wait(3 * SECOND)
    assert up(bot.says(1, ack("e0"))) == []
    assert up(bot.says(1, ack("e1"))) == [ack("e1")]


# A world


@dataclass
class Link:
    number: int
    relieved: bool = False
    settled: bool = False


@dataclass
class Program:
    number: int
    busy_at: int
    owes: int = 0


@dataclass
class Item:
    """One event or command, each time it is news to the hub."""

    event_id: str | None
    text: str
    arrivals: list[tuple[str, int]]  # envelope_id and link
    expires: int
    open: bool = True
    given: dict[int, int] = field(default_factory=dict)  # when, by program
    late: set[int] = field(default_factory=set)


def for_each(arrivals: list[tuple[str, int]], envelope: str, text: str) -> list[ToSlack]:
    """One acknowledgement for each arrival; the program's own for the first of its name on each link."""
    return [
        ToSlack(
            link,
            text
            if known == envelope and (known, link) not in arrivals[:place]
            else f'{{"envelope_id":"{known}"}}',
        )
        for place, (known, link) in enumerate(arrivals)
    ]


class SocketWorld(RuleBasedStateMachine):
    """Slack, its links and the programs, with a book of who has what and who may get it."""

    def __init__(self) -> None:
        super().__init__()
        self.bot = Bot(SocketHub())
        self.links: dict[int, Link] = {}
        self.programs: dict[int, Program] = {}
        self.items: list[Item] = []
        self.by_text: dict[str, Item] = {}
        self.events: list[str] = []
        self.acknowledged: dict[str, int] = {}
        self.unanswered: dict[str, tuple[int, Item]] = {}
        self.links_made = self.programs_made = self.envelopes_made = 0
        self.given_up = 0  # envelopes, since the latest event

    def give(self, event, expected: list[ToSlack] | None = None) -> list:
        """Pass time, then the event; ``expected`` is all that goes up."""
        self.expire()
        effects = self.bot.give(event)
        note(f"{self.bot.now}: {event}: {effects}")
        assert [each for each in effects if isinstance(each, ToSlack)] == (expected or [])
        assert effects.count(Dropped(DropKind.UNANSWERED)) == self.given_up
        self.given_up = 0
        for effect in effects:
            match effect:
                case ToProgram(program, text, True):
                    self.offered(program, text.decode())
                case Settled(link):
                    assert self.links[link].relieved
                    assert not self.links[link].settled
                    self.links[link].settled = True
                case CutProgram():
                    raise AssertionError("nobody here sends nonsense")
        return effects

    # The book

    def holders(self, item: Item) -> list[int]:
        return [number for number in item.given if number in self.programs]

    def homes(self, item: Item) -> list[tuple[str, int]]:
        return [each for each in item.arrivals if each[1] in self.links]

    def burden(self, number: int) -> tuple[int, int, int]:
        holds = sum(each.open and number in each.given for each in self.items)
        program = self.programs[number]
        return holds + program.owes, program.busy_at, number

    def are_late(self, item: Item) -> None:
        for number in self.holders(item):
            if number not in item.late:
                item.late.add(number)
                self.programs[number].owes += 1

    def offered(self, number: int, text: str) -> None:
        now, item = self.bot.now, self.by_text[text]
        assert item.open, "given after it was over"
        assert self.homes(item), "given though nothing can be acknowledged"
        assert now < item.expires, "given when Slack no longer waits"
        assert number in self.programs
        assert number not in item.given, "given twice to one program"
        if self.holders(item):
            assert max(item.given.values()) + 2 * SECOND <= now, "given to two, and nobody was late"
        others = [each for each in self.programs if each not in item.given]
        assert number == min(others, key=self.burden), "not the longest idle"
        self.are_late(item)
        item.given[number] = self.programs[number].busy_at = now

    def close(self, item: Item) -> None:
        item.open = False

    def give_up(self, item: Item) -> None:
        self.are_late(item)
        self.close(item)
        self.given_up += 1
        if item.given:
            self.unanswered[item.arrivals[0][0]] = (self.bot.now, item)

    def expire(self) -> None:
        for item in sorted(self.items, key=lambda each: each.expires):
            if item.open and item.expires <= self.bot.now:
                self.give_up(item)

    def drop_the_homeless(self) -> None:
        for item in self.items:
            if item.open and not self.homes(item) and not self.holders(item):
                self.give_up(item)

    def is_known(self, event_id: str | None) -> bool:
        return self.acknowledged.get(event_id, -(10**9)) + 10 * MINUTE >= self.bot.now

    # Slack

    @precondition(lambda self: sum(not each.relieved for each in self.links.values()) < 2)
    @rule()
    def hello(self) -> None:
        self.links_made += 1
        self.links[self.links_made] = Link(self.links_made)
        self.give(ev.LinkUp(self.links_made, num_connections=len(self.links)))

    @precondition(lambda self: any(not each.relieved for each in self.links.values()))
    @rule()
    def relieve(self) -> None:
        link = next(each for each in self.links.values() if not each.relieved)
        link.relieved = True
        self.give(ev.LinkRelieved(link.number))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def end(self, data) -> None:
        self.expire()
        number = data.draw(st.sampled_from(sorted(self.links)))
        del self.links[number]
        self.drop_the_homeless()
        assert given(self.give(ev.LinkDown(number))) == []

    @precondition(lambda self: self.links)
    @rule(data=st.data(), kind=st.sampled_from(["event", "command", "again", "again the same"]))
    def deliver(self, data, kind) -> None:
        self.expire()
        link = data.draw(st.sampled_from(sorted(self.links)))
        self.envelopes_made += 1
        envelope, event_id = (
            f"e{self.envelopes_made}",
            None if kind == "command" else f"Ev{self.envelopes_made}",
        )
        if kind.startswith("again") and self.events:
            event_id = data.draw(st.sampled_from(self.events[-4:]))
            if kind == "again the same":
                envelope = next(each for each in self.items if each.event_id == event_id).arrivals[0][0]
        text = event(envelope, event_id, serial=self.envelopes_made)
        at_hand = next((each for each in self.items if each.open and each.event_id == event_id), None)
        if self.is_known(event_id):
            expected = [ToSlack(link, f'{{"envelope_id":"{envelope}"}}')]
            assert given(self.give(ev.FromSlack(link, text.encode()), expected)) == []
        elif at_hand is not None and event_id is not None:
            if len(at_hand.arrivals) == MOST_DELIVERIES:
                return
            at_hand.arrivals.append((envelope, link))
            at_hand.expires = self.bot.now + 3 * SECOND
            self.give(ev.FromSlack(link, text.encode()))
        else:
            if event_id is not None and event_id not in self.events:
                self.events.append(event_id)
            item = Item(event_id, text, [(envelope, link)], self.bot.now + 3 * SECOND)
            self.items.append(item)
            self.by_text[text] = item
            effects = self.give(ev.FromSlack(link, text.encode()))
            assert effects.count(ToProgram(next(iter(given(effects)), 0), text.encode(), event=True)) == bool(
                self.programs
            )

    # Programs

    @precondition(lambda self: len(self.programs) < 3)
    @rule()
    def attach(self) -> None:
        self.programs_made += 1
        self.programs[self.programs_made] = Program(self.programs_made, self.bot.now)
        hello = self.give(ev.Attached(self.programs_made))
        assert ToProgram(self.programs_made, heard(hello, self.programs_made)[0].encode()) in hello

    @precondition(lambda self: self.programs)
    @rule(data=st.data())
    def detach(self, data) -> None:
        self.expire()
        number = data.draw(st.sampled_from(sorted(self.programs)))
        self.settle_lateness()
        del self.programs[number]
        self.drop_the_homeless()
        self.give(ev.Detached(number))

    def settle_lateness(self) -> None:
        """What falls due by time alone comes before the event."""
        self.give(ev.Tick())

    @precondition(lambda self: any(self.holders(each) for each in self.items))
    @rule(data=st.data(), nth=st.integers(0, 3))
    def acknowledge(self, data, nth) -> None:
        """Anything that it was ever given, the youngest rather."""
        self.settle_lateness()
        mine = [each for each in self.items if self.holders(each)]
        item = mine[max(0, len(mine) - 1 - nth)]
        number = data.draw(st.sampled_from(self.holders(item)))
        envelope = item.arrivals[0][0]
        text = ack(envelope, payload={"by": number})
        self.programs[number].busy_at, self.programs[number].owes = self.bot.now, 0
        current = next(
            (
                each
                for each in self.items
                if each.open and number in each.given and envelope in [known for known, _ in each.arrivals]
            ),
            None,
        )
        at, late = self.unanswered.get(envelope, (-(10**9), None))
        if current is not None:
            homes, counted = self.homes(current), current
            self.close(current)
            kind = ProgramNoteKind.ACKED if homes else ProgramNoteKind.LOST_ACK
            expected = for_each(homes, envelope, text)
        elif late is not None and at + 10 * MINUTE >= self.bot.now and number in late.given:
            del self.unanswered[envelope]
            homes, counted = [each for each in late.arrivals if each[1] in self.links], late
            kind = ProgramNoteKind.ACKED if homes else ProgramNoteKind.LOST_ACK
            expected = for_each(homes, envelope, text)
            again = next((each for each in self.items if each.open and each.event_id == late.event_id), None)
            if again is not None and late.event_id is not None:
                expected += [
                    ToSlack(link, f'{{"envelope_id":"{known}"}}') for known, link in self.homes(again)
                ]
                self.close(again)
        else:
            expected, counted, kind = [], None, ProgramNoteKind.LATE_ACK
        if counted is not None and counted.event_id is not None:
            self.acknowledged[counted.event_id] = self.bot.now
        effects = self.give(ev.FromProgram(number, text.encode()), expected)
        assert ProgramNote(number, kind) in effects

    # Time

    @rule(ms=st.sampled_from([1, 1, 500, 999, 1_000, 2_000, 3_000]))
    def wait(self, ms) -> None:
        self.pass_time(ms)

    @precondition(lambda self: len(self.acknowledged) > 1)
    @rule()
    def wait_long(self) -> None:
        self.pass_time(6 * MINUTE)

    def pass_time(self, ms: int) -> None:
        until = self.bot.now + ms
        while self.bot.now < until:
            deadline = self.bot.hub.deadline
            assert deadline is None or deadline > self.bot.now
            self.bot.now = until if deadline is None else min(deadline, until)
            self.give(ev.Tick())

    # What holds at all times

    @invariant()
    def whoever_can_have_it_has_it(self) -> None:
        for item in self.items:
            if item.open and self.homes(item) and item.expires > self.bot.now:
                spare = set(self.programs) - set(item.given)
                if not self.holders(item):
                    assert not spare, "nobody has it, and somebody could"
                elif max(item.given.values()) + 2 * SECOND <= self.bot.now:
                    assert not spare, "it is overdue, and another could have it"

    @invariant()
    def a_relieved_link_is_settled_as_soon_as_nothing_is_due(self) -> None:
        for link in self.links.values():
            if link.relieved and not link.settled:
                assert any(
                    each.open and link.number in [home for _, home in each.arrivals] for each in self.items
                )

    def teardown(self) -> None:
        for number in list(self.links):
            del self.links[number]
            self.expire()
            self.drop_the_homeless()
            self.give(ev.LinkDown(number))
        for number in list(self.programs):
            del self.programs[number]
            self.drop_the_homeless()
            self.give(ev.Detached(number))
        self.pass_time(11 * MINUTE)
        fresh = Bot(SocketHub())
        fresh.give(ev.Tick())
        assert self.bot.hub.deadline is None
        assert leaves(self.bot.hub) == leaves(fresh.hub), "once all have gone nothing is kept"
        super().teardown()


TestSocketWorld = SocketWorld.TestCase
TestSocketWorld.settings = settings(max_examples=200, stateful_step_count=60)
