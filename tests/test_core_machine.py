"""Scenarios in virtual time: each test is a sentence of the design's policy or of its decided cases."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.coredriver import (
    BEGIN,
    FIN,
    HANGS,
    HOUR,
    MINUTE,
    MUTE,
    NO_ROUTE,
    QUIET_REFUSAL,
    REFUSAL,
    REFUSED_CONNECT,
    RST,
    SECOND,
    SERVER_ERROR,
    TOO_MANY,
    UNREACHABLE,
    Plan,
    World,
    fails,
    rate_limited,
)
from traymon.keeper.core import Core, Policy, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import (
    Anomaly,
    Answer,
    DropLink,
    EnterState,
    Farewell,
    NoteKind,
    OpenLink,
    SendPing,
)
from traymon.keeper.core.states import Trigger

UP_AT = 120
"""How long an ordinary attempt takes: 50 + 50 + 20 ms."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def socket_world() -> World:
    """Socket Mode, where a second link would steal payloads."""
    return World(spares=False)


def silence(world: World) -> int:
    """The live link falls silent now; returns its number."""
    number = world.newest
    world.peers[number].silent = True
    return number


# Starting


def test_start_connects_at_once_and_hello_brings_online(world):
    world.start()
    assert world.status.attempting
    world.run(SECOND)
    assert world.states() == [(BEGIN, State.CONNECTING), (BEGIN + UP_AT, State.ONLINE)]
    start = world.note(NoteKind.START)
    assert start.at == BEGIN + UP_AT
    assert start.facts == {"down_ms": UP_AT, "attempts": 1, "link": 1}
    assert world.status.session_since == BEGIN + UP_AT
    assert (world.status.attempts, world.status.suspect) == (0, False)


def test_the_first_attempt_has_the_long_tcp_limit_and_later_ones_the_short(world):
    world.start(fails(NO_ROUTE)).run(2 * SECOND)
    assert [x.tcp_limit_ms for _, x in world.of(OpenLink)] == [10_000, 4_000]
    assert {x.step_limit_ms for _, x in world.of(OpenLink)} == {10_000}


def test_a_bot_paused_before_starts_paused(world):
    world.start(paused=True).run(HOUR)
    assert world.states() == [(BEGIN, State.PAUSED)]
    assert world.calls() == []
    assert world.core.deadline is None


def test_before_the_start_nothing_can_come(world):
    assert world.give(ev.ReconnectClicked()) == [
        Anomaly("ReconnectClicked() in state unknown"),
    ]
    world.give(ev.FrameReceived(1))
    assert len(world.anomalies()) == 2
    assert world.give(ev.Tick()) == []
    assert world.core.deadline is None


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("begin", [0, BEGIN])
def test_a_core_starts_once(paused, begin):
    core = Core(lambda: 0.0)
    core.receive(ev.Started(paused), begin)
    before = core.status
    (anomaly,) = core.receive(ev.Started(), begin)
    assert isinstance(anomaly, Anomaly)
    assert core.status == before
    core.receive(ev.QuitAsked(), begin)
    (anomaly,) = core.receive(ev.Started(), begin)
    assert isinstance(anomaly, Anomaly)
    assert core.status.state is State.UNKNOWN


# Attempts and retries


def test_connecting_is_only_the_first_attempt(world):
    world.plan = fails(REFUSED_CONNECT)
    world.start().run(MINUTE)
    assert world.states() == [(BEGIN, State.CONNECTING), (BEGIN + 100, State.OFFLINE)]
    assert world.status.failure == REFUSED_CONNECT
    assert world.status.attempts == len(world.calls())


def test_unreached_is_retried_after_a_second_then_slower_up_to_fifteen(world):
    world.plan = fails(NO_ROUTE, after=0)
    world.start().run(2 * HOUR)
    gaps = [b - a for a, b in pairwise(world.calls())]
    assert gaps[0] == SECOND
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15 * SECOND


def test_reached_is_retried_after_five_seconds_then_slower_up_to_sixty(world):
    world.plan = fails(SERVER_ERROR, after=0)
    world.start().run(2 * HOUR)
    gaps = [b - a for a, b in pairwise(world.calls())]
    assert gaps[0] == 5 * SECOND
    assert gaps[-1] == 60 * SECOND


def test_jitter_shortens_a_delay_by_up_to_a_quarter(world):
    world.random = 0.999999
    world.plan = fails(NO_ROUTE, after=0)
    world.start().run(800)
    assert world.calls() == [BEGIN, BEGIN + 750]


def test_too_many_links_are_retried_after_a_minute_then_slower_up_to_a_quarter_of_an_hour(world):
    world.plan = Plan(hello=None, failure=TOO_MANY, fails_after=0)
    world.start().run(3 * HOUR)
    gaps = [later - earlier for earlier, later in pairwise(world.calls())]
    assert gaps[0] == MINUTE + 100
    assert gaps == sorted(gaps)
    assert gaps[-1] == 15 * MINUTE + 100
    assert len(gaps) < 24


def test_a_click_after_other_programs_were_ended_does_not_wait_for_the_hard_back_off(world):
    world.start(Plan(hello=None, failure=TOO_MANY)).run(SECOND)
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.NOW, 0)]
    assert world.run(SECOND).state is State.ONLINE


def test_a_stable_link_that_is_one_too_many_is_not_replaced_at_once(socket_world):
    world = socket_world.online(age=HOUR)
    lost = world.now
    world.end_link(TOO_MANY)
    assert world.run(15 * MINUTE).calls() == [BEGIN, lost + MINUTE]
    assert world.note(NoteKind.STOP).at == lost


def test_a_planned_end_that_meets_too_many_links_tries_again_when_the_old_link_is_gone(socket_world):
    """By then one is fewer: ours."""
    world = socket_world.online(Plan(), Plan(hello=None, failure=TOO_MANY), age=HOUR)
    world.give(ev.GoodbyeReceived(1, Cause.REFRESH))
    world.run(10 * SECOND)
    assert len(world.calls()) == 2
    world.end_link_number(1)
    world.run(SECOND)
    assert world.state is State.ONLINE
    assert len(world.calls()) == 3


def test_an_attempt_that_failed_after_the_api_answered_reached_slack(world):
    # The WebSocket's own leg failed; its reporter knows of TCP only.
    world.start(Plan(handshake=None, failure=REFUSED_CONNECT, fails_after=0)).run(50)
    assert world.status.next_try == BEGIN + 50 + 5 * SECOND


def test_retry_after_is_never_undercut_not_even_by_a_click_or_a_route(world):
    world.start(fails(rate_limited(40 * SECOND))).run(10 * SECOND)
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.WAITING, 30 * SECOND + 100)]
    world.give(ev.RouteAppeared())
    world.run(MINUTE)
    assert world.calls() == [BEGIN, BEGIN + 100 + 40 * SECOND]


def test_retry_after_is_obeyed_across_sleep_and_pause(world):
    world.start(fails(rate_limited(300 * SECOND))).run(SECOND)
    world.give(ev.PauseClicked())
    world.give(ev.ResumeClicked())
    assert world.answers()[-1][0] is Answer.WAITING
    world.give(ev.SleepAnnounced())
    world.run(5 * SECOND)
    world.give(ev.Woke(5 * SECOND))
    world.run(10 * MINUTE)
    assert world.calls() == [BEGIN, BEGIN + 100 + 300 * SECOND]
    assert world.state is State.ONLINE


def test_a_hung_attempt_is_given_up_after_thirty_seconds(world):
    world.start(HANGS).run(35 * SECOND)
    assert (BEGIN + 30 * SECOND, DropLink(1, Farewell.ABORT)) in world.log
    assert world.note(NoteKind.FAIL).failure.cause is Cause.API_TIMEOUT
    assert world.calls() == [BEGIN, BEGIN + 35 * SECOND], "it may have reached Slack"
    assert world.run(SECOND).state is State.ONLINE


def test_a_hung_handshake_is_named(world):
    world.start(Plan(handshake=None)).run(30 * SECOND)
    assert world.note(NoteKind.FAIL).failure.cause is Cause.HANDSHAKE_TIMEOUT


def test_hello_is_awaited_for_ten_seconds(world):
    world.start(Plan(hello=None)).run(11 * SECOND)
    fail = world.note(NoteKind.FAIL)
    assert (fail.at, fail.failure.cause) == (BEGIN + 100 + 10 * SECOND, Cause.HELLO_TIMEOUT)


def test_goodbye_before_hello_fails_the_attempt(world):
    world.start(Plan(hello=None)).run(SECOND)
    world.give(ev.GoodbyeReceived(1, Cause.TEAM_MIGRATION))
    assert world.note(NoteKind.FAIL).failure.cause is Cause.TEAM_MIGRATION
    assert (world.now, DropLink(1, Farewell.CLOSE)) in world.log


def test_a_first_failure_and_changed_causes_are_noted_repeats_are_not(world):
    world.plan = fails(NO_ROUTE)
    world.start(fails(NO_ROUTE), fails(NO_ROUTE), fails(SERVER_ERROR), fails(NO_ROUTE)).run(MINUTE)
    assert [(x.kind, x.failure.cause) for x in world.notes()] == [
        (NoteKind.FAIL, Cause.NO_ROUTE),
        (NoteKind.CAUSE, Cause.SLACK_ERROR),
    ]


def test_the_start_after_an_outage_says_how_long_and_how_many_attempts(world):
    world.online(age=2 * MINUTE)
    world.next_plans.extend([fails(NO_ROUTE)] * 3)
    world.end_link()
    down = world.now
    world.run(MINUTE)
    start = world.notes(NoteKind.START)[-1]
    assert start.facts["down_ms"] == start.at - down
    assert start.facts["attempts"] == 4


def test_the_span_that_ends_says_how_many_attempts_it_saw(world):
    world.start(fails(NO_ROUTE), fails(NO_ROUTE)).run(MINUTE)
    assert [(x.state, x.attempts) for _, x in world.of(EnterState)] == [
        (State.CONNECTING, 0),
        (State.OFFLINE, 1),
        (State.ONLINE, 2),
    ]


def test_a_route_that_appears_retries_at_once(world):
    world.plan = fails(NO_ROUTE)
    world.start().run(HOUR)
    world.plan = Plan()
    world.give(ev.RouteAppeared())
    assert world.calls()[-1] == world.now
    assert world.run(UP_AT).state is State.ONLINE


def test_a_route_replaces_an_attempt_whose_syn_was_lost_before_it(world):
    world.start(HANGS).run(3 * SECOND)
    world.give(ev.RouteAppeared())
    assert world.calls() == [BEGIN, BEGIN + 3 * SECOND]
    assert world.undropped == [2]
    world.run(SECOND)
    assert world.states() == [(BEGIN, State.CONNECTING), (BEGIN + 3 * SECOND + UP_AT, State.ONLINE)]


@pytest.mark.parametrize("plan", [HANGS, Plan(handshake=None)])
def test_a_route_leaves_a_fresh_or_answered_attempt_alone(world, plan):
    world.start(plan).run(SECOND)
    world.give(ev.RouteAppeared())
    assert world.calls() == [BEGIN]


def test_a_route_while_online_changes_nothing(world):
    world.online(age=SECOND)
    assert world.give(ev.RouteAppeared()) == []


def test_a_new_token_replaces_what_is_under_way_with_the_old(world):
    world.start(Plan(api=None, failure=REFUSAL, fails_after=400)).run(300)
    world.give(ev.TokenChanged())
    world.run(MINUTE)
    assert world.calls() == [BEGIN, BEGIN + 300]
    assert world.notes(NoteKind.REFUSED) == []
    assert world.state is State.ONLINE


def test_a_new_token_ends_the_wait_for_a_retry(world):
    world.plan = fails(SERVER_ERROR)
    world.start().run(10 * MINUTE)
    world.give(ev.TokenChanged())
    assert world.calls()[-1] == world.now or world.status.attempting


# Drops


@pytest.mark.parametrize("failure", [FIN, RST])
def test_a_stable_link_that_drops_is_replaced_at_once(world, failure):
    world.online(age=HOUR)
    dropped = world.now
    world.end_link(failure)
    assert world.calls()[-1] == dropped
    world.run(SECOND)
    assert world.states()[-2:] == [(dropped, State.OFFLINE), (dropped + UP_AT, State.ONLINE)]
    stop = world.note(NoteKind.STOP)
    assert (stop.at, stop.facts["cause"], stop.facts["up_ms"]) == (dropped, failure.cause.value, HOUR)
    assert world.note(NoteKind.LINK_END).facts["lived_ms"] == HOUR


def test_a_drop_without_last_words_is_dated_by_the_last_frame(world):
    world.online(age=HOUR)
    spoke = max(at for at, _ in world.of(SendPing)) + 50
    world.run(spoke + 2 * SECOND - world.now)
    world.end_link(UNREACHABLE)
    assert world.note(NoteKind.STOP).at == spoke


def test_a_drop_within_sixty_seconds_waits_as_after_a_failure(world):
    world.online(age=30 * SECOND)
    world.end_link()
    assert world.status.next_try == world.now + 5 * SECOND


def test_the_age_of_an_outage_starts_anew_only_after_a_stable_session(world):
    world.plan = fails(SERVER_ERROR)
    world.start().run(HOUR)
    world.plan = Plan()
    world.run(MINUTE + SECOND)
    assert world.state is State.ONLINE
    world.end_link()
    assert world.status.next_try == world.now + 60 * SECOND
    world.run(3 * MINUTE)
    world.end_link()
    assert world.calls()[-1] == world.now


def test_a_session_of_just_sixty_seconds_was_stable(world):
    world.plan = fails(SERVER_ERROR)
    world.start().run(HOUR)
    world.plan = Plan()
    while world.state is not State.ONLINE:
        world.step(world.now + MINUTE)
    world.run(MINUTE)
    world.plan = fails(SERVER_ERROR)
    world.end_link()
    assert world.calls()[-1] == world.now, "replaced at once"
    world.run(100)
    assert world.status.next_try == world.now + 5 * SECOND, "and the age of the outage starts anew"


def test_flapping_never_stops_trying_nor_breaks_the_budget(world):
    world.start()
    for _ in range(200):
        world.run(2 * SECOND)
        if world.state is State.ONLINE:
            world.end_link()
    calls = world.calls()
    assert len(calls) > 5
    assert all(b - a >= 15 * SECOND for a, b in zip(calls, calls[6:], strict=False))


# Signs of life


def test_a_quiet_link_is_pinged_every_four_seconds(world):
    world.online(age=MINUTE)
    pings = [at for at, _ in world.of(SendPing)]
    assert [b - a for a, b in pairwise(pings)] == [4_050] * 13


def test_only_the_first_ping_comes_sooner_so_that_many_bots_do_not_ping_in_step(world):
    world.random = 0.75
    world.online(age=20 * SECOND)
    pings = [at for at, _ in world.of(SendPing)]
    assert pings[0] == BEGIN + UP_AT + SECOND
    assert {later - earlier for earlier, later in pairwise(pings)} == {4 * SECOND + 50}


def test_a_busy_link_is_pinged_every_thirty_seconds(world):
    world.online()
    for _ in range(120):
        world.run(SECOND)
        world.give(ev.FrameReceived(1))
    pings = [at - BEGIN - UP_AT for at, _ in world.of(SendPing)]
    assert pings == [30_000, 60_000, 90_000, 120_000]


def test_no_answer_makes_suspect_and_opens_a_second_link_at_once(world):
    world.online(age=MINUTE)
    silence(world)
    world.run(6 * SECOND)
    assert len(world.calls()) == 2
    # RTT 50 ms steadily: the RFC's minimum of one second.
    assert world.calls()[1] == world.peers[1].pings[-1][0] + SECOND
    assert world.status.suspect
    assert world.state is State.ONLINE


def test_silence_ends_the_session_ten_seconds_after_the_ping_dated_back(world):
    world.online(age=HOUR)
    last_pong = world.peers[1].pings[-1][0] + 50
    silence(world)
    world.run(15 * SECOND)
    stop, start = world.note(NoteKind.STOP), world.notes(NoteKind.START)[-1]
    assert (stop.at, stop.facts["cause"]) == (last_pong, "keepalive_timeout")
    assert stop.failure.reached_slack
    assert stop.failure.evidence["silent_ms"] == 14 * SECOND
    assert start.at == last_pong + 4_000 + SECOND + UP_AT  # the second link's hello
    assert len(world.calls()) == 2
    assert world.undropped == [2]
    (dropped,) = [(at, x) for at, x in world.of(DropLink)]
    assert dropped == (last_pong + 4_000 + 10_000, DropLink(1, Farewell.ABORT))


def test_a_suspect_link_that_speaks_after_the_second_hello_is_a_handover_and_no_outage(world):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    assert world.undropped == [1, 2]
    world.give(ev.FrameReceived(1))
    assert world.notes(NoteKind.STOP) == []
    handover = world.note(NoteKind.HANDOVER)
    assert handover.facts["reason"] == "suspect"
    assert world.undropped == [2]
    assert world.status.session_since == BEGIN + UP_AT


def test_a_suspect_link_that_speaks_before_the_second_hello_keeps_the_session(world):
    world.online(Plan(), HANGS, age=HOUR)
    silence(world)
    world.run(6 * SECOND)
    world.give(ev.FrameReceived(1))
    assert world.undropped == [1]
    assert not world.status.suspect
    assert world.notes(NoteKind.HANDOVER, NoteKind.STOP) == []


def test_a_slow_network_costs_a_spare_link_and_never_an_outage(world):
    world.plan = Plan(api=4_000, handshake=2_000, hello=1_000, pong=7_000)
    world.start().run(2 * HOUR)
    assert world.notes(NoteKind.STOP) == []
    assert len(world.notes(NoteKind.START)) == 1


def test_an_answered_second_link_buys_time_only_until_it_fails_itself(world):
    world.online(Plan(), Plan(hello=None), HANGS, age=HOUR)
    pinged = world.peers[1].pings[-1][0] + 4_050
    silence(world)
    hello_timeout = pinged + SECOND + 100 + 10 * SECOND
    world.run(hello_timeout - 1 - world.now)
    assert world.state is State.ONLINE
    world.run(1)
    assert world.state is State.OFFLINE
    assert world.note(NoteKind.STOP).at == pinged - 4_000


def test_an_answered_second_link_still_opening_at_twenty_seconds_does_not_save_the_session(world):
    world.online(Plan(), Plan(handshake=None), age=HOUR)
    pinged = world.peers[1].pings[-1][0] + 4_050
    silence(world)
    world.run(pinged + 20 * SECOND - 1 - world.now)
    assert world.state is State.ONLINE
    world.run(1)
    assert world.state is State.OFFLINE
    assert world.status.attempting  # the second link goes on as the attempt
    assert world.status.attempts == 1


def test_both_links_silent_are_given_up_in_time(world):
    world.online(Plan(), MUTE, age=HOUR)
    pinged = world.peers[1].pings[-1][0] + 4_050
    world.plan = fails(NO_ROUTE)
    silence(world)
    hello = pinged + SECOND + UP_AT
    world.run(hello + 14 * SECOND - world.now)
    assert world.state is State.OFFLINE
    assert [x.at for x in world.notes(NoteKind.STOP)] == [pinged - 4_000, hello]


@pytest.mark.parametrize(("failure", "lived"), [(FIN, 2 * SECOND), (UNREACHABLE, 0)])
def test_a_second_link_that_lived_and_died_beside_a_silent_one_was_a_session(world, failure, lived):
    """Until its last word, where it had one, else until its last frame."""
    world.online(age=HOUR)
    pinged = world.peers[1].pings[-1][0] + 4_050
    silence(world)
    hello = pinged + SECOND + UP_AT
    world.run(hello + 2 * SECOND - world.now)
    world.plan = fails(NO_ROUTE)
    world.end_link_number(2, failure)
    assert world.notes(NoteKind.STOP) == []  # the first link still has its chance
    world.run(14 * SECOND)
    stops, starts = world.notes(NoteKind.STOP), world.notes(NoteKind.START)
    assert [(x.at, x.facts["cause"]) for x in stops] == [
        (pinged - 4_000, "keepalive_timeout"),
        (hello + lived, failure.cause.value),
    ]
    assert [x.at for x in starts] == [BEGIN + UP_AT, hello]
    assert [x.facts["link"] for x in world.notes(NoteKind.LINK_END)] == [2, 1]
    assert world.state is State.OFFLINE


def test_a_second_link_that_died_is_forgotten_when_the_silent_one_speaks(world):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    world.plan = fails(NO_ROUTE)
    world.end_link_number(2, FIN)
    world.give(ev.FrameReceived(1))
    world.end_link_number(1, FIN)
    assert len(world.notes(NoteKind.STOP)) == len(world.notes(NoteKind.START)) == 1


def test_a_reset_of_a_suspect_link_is_dated_by_its_last_frame(world):
    world.online(Plan(), HANGS, age=HOUR)
    spoke = world.peers[1].pings[-1][0] + 50
    number = silence(world)
    world.run(6 * SECOND)
    world.peers[number].ended = True
    world.give(ev.LinkEnded(number, RST))
    assert world.note(NoteKind.STOP).at == spoke
    assert world.calls()[-1] == world.peers[2].asked_at
    assert world.status.attempting


def test_socket_mode_opens_no_second_link_closes_and_reconnects(socket_world):
    world = socket_world.online(age=HOUR)
    pinged = world.peers[1].pings[-1][0] + 4_050
    silence(world)
    world.run(pinged + 10 * SECOND - 1 - world.now)
    assert world.calls() == [BEGIN]
    assert world.status.suspect
    world.run(1)
    assert world.calls() == [BEGIN, pinged + 10 * SECOND]
    assert world.of(DropLink) == [(pinged + 10 * SECOND, DropLink(1, Farewell.CLOSE))]


def test_a_vanished_address_makes_suspect_at_once(world):
    world.online(age=HOUR)
    silence(world)
    world.give(ev.LocalAddressVanished(1))
    assert world.status.suspect
    assert world.calls()[-1] == world.now
    world.give(ev.LocalAddressVanished(1))
    assert world.undropped == [1, 2]
    vanished = world.now
    world.run(MINUTE)
    assert world.states()[-1] == (vanished + UP_AT, State.ONLINE)
    world.give(ev.LocalAddressVanished(1))
    assert not world.status.suspect


def test_a_link_that_answers_though_its_address_vanished_stays(world):
    world.online(age=HOUR)
    world.give(ev.LocalAddressVanished(1))
    world.run(MINUTE)
    assert world.undropped == [1]
    assert world.notes(NoteKind.STOP, NoteKind.HANDOVER) == []


def test_a_link_that_brings_frames_but_no_pongs_is_replaced(world):
    world.online(age=MINUTE)
    world.peers[1].plan = MUTE
    for _ in range(90):
        world.run(SECOND)
        world.give(ev.FrameReceived(1))
    handover = world.note(NoteKind.HANDOVER)
    assert handover.facts["reason"] == "deaf"
    assert world.notes(NoteKind.STOP) == []


def test_a_server_that_never_answers_pings_is_left_alone_while_frames_come(world):
    world.plan = MUTE
    world.online()
    for _ in range(600):
        world.run(SECOND)
        world.give(ev.FrameReceived(1))
    assert world.calls() == [BEGIN]


def test_slow_pongs_on_a_busy_link_are_answers(world):
    world.plan = Plan(pong=6_000)
    world.online()
    for _ in range(400):
        world.run(4_500)
        if world.peers[world.newest].pings:
            world.give(ev.FrameReceived(world.newest))
    assert world.notes(NoteKind.HANDOVER, NoteKind.STOP) == []


def test_a_deaf_link_that_answers_again_before_its_spare_is_opened_stays(world):
    world.online(age=MINUTE)
    world.give(ev.ReconnectClicked())  # uses the minute's spare
    world.run(5 * SECOND)  # a ping and its answer
    live = world.newest
    world.peers[live].plan = MUTE
    world.run(4 * SECOND)  # and one that stays unanswered
    assert len(world.peers[live].pings) == 2
    for _ in range(40):  # deaf after 30 s of that, within the minute
        world.run(SECOND)
        world.give(ev.FrameReceived(live))
    world.give(ev.PongReceived(live, world.peers[live].pings[-1][1]))
    world.peers[live].plan = Plan()
    world.run(5 * MINUTE)
    assert world.newest == live


def test_the_pong_of_an_unknown_ping_is_just_a_frame(world):
    world.online(age=3_990)
    world.give(ev.PongReceived(1, 77))
    world.run(3_990)
    assert world.of(SendPing) == []
    assert world.anomalies() == []


# Planned ends


@pytest.mark.parametrize("cause", [Cause.GOODBYE, Cause.REFRESH])
def test_goodbye_opens_the_next_link_first_and_hands_over_without_a_gap(world, cause):
    world.online(age=8 * HOUR)
    world.give(ev.GoodbyeReceived(1, cause))
    assert world.undropped == [1, 2]
    world.run(SECOND)
    handover = world.note(NoteKind.HANDOVER)
    assert handover.facts == {"reason": cause, "link": 2, "lived_ms": 8 * HOUR + UP_AT}
    assert world.notes(NoteKind.LINK_END)[0].facts["cause"] == cause.value
    assert (handover.at, DropLink(1, Farewell.RELIEVE)) in world.log
    assert world.states() == [(BEGIN, State.CONNECTING), (BEGIN + UP_AT, State.ONLINE)]


def test_a_goodbye_while_the_second_link_opens_is_served_by_it(world):
    world.online(Plan(), HANGS, age=HOUR)
    silence(world)
    world.run(6 * SECOND)
    world.give(ev.GoodbyeReceived(1))
    assert world.undropped == [1, 2]
    assert len(world.calls()) == 2


def test_a_goodbye_when_the_second_link_is_up_already_hands_over_at_once(world):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    assert world.undropped == [1, 2]
    world.give(ev.GoodbyeReceived(1))
    world.run(MINUTE)
    assert world.note(NoteKind.HANDOVER).facts["reason"] is Cause.GOODBYE
    assert world.notes(NoteKind.STOP) == []


@pytest.mark.parametrize(("spares", "cause"), [(True, Cause.GOODBYE), (False, Cause.REFRESH)])
def test_a_month_of_eight_hour_sessions_has_no_stop(spares, cause):
    # Pings that are rarer than real ones make the month short; what is asked here does not turn on them.
    policy = Policy(quiet_before_ping=MINUTE, ping_while_busy=2 * MINUTE)
    world = World(spares=spares, policy=policy).start()
    for _ in range(90):
        world.run(8 * HOUR)
        world.give(ev.GoodbyeReceived(world.newest, cause))
        world.after(10 * SECOND, ev.LinkEnded(world.newest - 1, FIN))
    world.run(MINUTE)
    assert [note.facts["reason"] for note in world.notes(NoteKind.HANDOVER)] == [cause] * 90
    assert world.notes(NoteKind.STOP) == []
    assert len(world.states()) == 2


def test_a_goodbye_keeps_trying_for_a_next_link(world):
    world.online(Plan(), fails(SERVER_ERROR), fails(NO_ROUTE), age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.run(MINUTE)
    assert len(world.calls()) == 4
    assert world.note(NoteKind.HANDOVER)
    assert world.notes(NoteKind.STOP) == []


def test_a_goodbye_told_again_hurries_nothing(world):
    world.online(Plan(), fails(SERVER_ERROR), age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.run(SECOND)
    assert world.give(ev.GoodbyeReceived(1)) == []
    world.run(MINUTE)
    assert world.calls()[2] - world.calls()[1] == 100 + 5 * SECOND


def test_the_old_links_first_cause_is_the_stops_if_it_dies_before_the_next_lives(world):
    world.online(Plan(), HANGS, age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.run(SECOND)
    world.peers[1].ended = True
    world.give(ev.LinkEnded(1, FIN))
    stop = world.note(NoteKind.STOP)
    assert stop.facts["cause"] == "goodbye"
    assert stop.failure == FIN
    assert len(world.calls()) == 2
    assert world.status.attempting
    assert world.run(MINUTE).state is State.ONLINE


def test_a_suspect_link_that_ends_gives_way_to_the_second_with_the_true_gap(world):
    world.online(age=HOUR)
    spoke = world.peers[1].pings[-1][0] + 50
    number = silence(world)
    world.run(7 * SECOND)
    hello = world.calls()[1] + UP_AT
    world.peers[number].ended = True
    world.give(ev.LinkEnded(number, UNREACHABLE))
    assert world.states()[-2:] == [(spoke, State.OFFLINE), (hello, State.ONLINE)]
    assert world.notes(NoteKind.START)[-1].facts["down_ms"] == hello - spoke


def test_a_second_link_that_ends_before_it_was_needed_leaves_the_session(world):
    world.online(age=HOUR)
    first = silence(world)
    world.run(7 * SECOND)
    world.end_link(RST)
    assert world.undropped == [first]
    assert world.notes(NoteKind.LINK_END)[0].facts["link"] == 2
    world.give(ev.FrameReceived(first))
    world.peers[first].silent = False
    world.run(HOUR)
    assert world.notes(NoteKind.STOP) == []


def test_a_second_link_that_is_told_goodbye_is_let_go(world):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    world.give(ev.GoodbyeReceived(2))
    assert world.undropped == [1]
    assert world.state is State.ONLINE


def test_a_duplicate_hello_is_a_sign_of_life(world):
    world.online(age=3 * SECOND)
    assert world.give(ev.HelloReceived(1)) == []
    world.run(3 * SECOND)
    assert world.of(SendPing) == []


# Clicks


def test_a_click_while_offline_tries_now(world):
    world.plan = fails(SERVER_ERROR)
    world.start().run(10 * MINUTE + 7)
    world.plan = Plan()
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.NOW, 0)]
    assert world.calls()[-1] == world.now


def test_a_click_during_an_attempt_says_so(world):
    world.start(HANGS).run(SECOND)
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.ALREADY, 0)]
    assert world.calls() == [BEGIN]


def test_a_click_that_must_wait_says_how_long(world):
    world.plan = fails(SERVER_ERROR, after=0)
    world.start()
    for _ in range(6):
        world.run(1)
        world.give(ev.ReconnectClicked())
    answer, wait = world.answers()[-1]
    assert answer is Answer.WAITING
    assert wait == BEGIN + 15 * SECOND - world.now
    world.run(wait)
    assert world.calls()[-1] == world.now


def test_a_click_while_online_hands_over(world):
    world.online(age=SECOND)
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.HANDOVER, 0)]
    world.run(SECOND)
    assert world.note(NoteKind.HANDOVER).facts["reason"] == "user"
    assert world.notes(NoteKind.LINK_END)[0].facts["cause"] == "user"


def test_a_click_in_the_first_minute_after_the_boot_hands_over(world):
    world.now = 0
    world.online(age=SECOND).give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.HANDOVER, 0)]


def test_a_second_click_within_a_minute_only_checks(world):
    world.online(age=MINUTE)
    world.give(ev.ReconnectClicked())
    world.run(10 * SECOND)
    pings = len(world.of(SendPing))
    world.give(ev.ReconnectClicked())
    assert world.answers()[-1] == (Answer.CHECKING, 50 * SECOND)
    assert len(world.of(SendPing)) == pings + 1
    world.give(ev.ReconnectClicked())  # the ping is out already
    assert len(world.of(SendPing)) == pings + 1
    world.run(HOUR)
    assert len(world.calls()) == 2


def test_a_click_while_the_second_link_opens_is_served_by_it(world):
    world.online(Plan(), HANGS, age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.HANDOVER, 0)]
    assert len(world.calls()) == 2


def test_a_click_after_the_last_chance_of_a_silent_link_is_answered_as_offline(socket_world):
    world = socket_world.online(age=2 * MINUTE)
    silence(world)
    while not world.status.suspect:
        world.step(world.now + MINUTE)
    world.now = world.core.deadline + 1_500
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.ALREADY, 0)]
    assert world.state is State.OFFLINE


def test_a_failed_click_while_online_is_not_repeated(world):
    world.online(Plan(), fails(SERVER_ERROR), age=HOUR)
    world.give(ev.ReconnectClicked())
    world.run(HOUR)
    assert len(world.calls()) == 2
    assert world.state is State.ONLINE


def test_spares_leave_three_calls_for_the_reconnect(world):
    world.plan = fails(SERVER_ERROR, after=0)
    world.start()
    for _ in range(3):
        world.run(1)
        world.plan = Plan() if len(world.calls()) == 3 else world.plan
        world.give(ev.ReconnectClicked())
    world.run(SECOND)
    assert world.state is State.ONLINE
    assert len(world.calls()) == 4
    world.give(ev.ReconnectClicked())
    assert world.answers()[-1][0] is Answer.CHECKING
    world.end_link()
    world.give(ev.ReconnectClicked())
    assert world.answers()[-1] == (Answer.NOW, 0)


# Refused


def test_a_refusal_stops_the_loop_until_the_user_acts(world):
    world.start(fails(REFUSAL)).run(365 * 24 * HOUR)
    assert world.calls() == [BEGIN]
    assert world.state is State.REFUSED
    assert world.core.deadline is None
    assert world.note(NoteKind.REFUSED).failure == REFUSAL
    world.give(ev.RouteAppeared())
    assert world.calls() == [BEGIN]
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.NOW, 0)]
    assert world.run(SECOND).state is State.ONLINE


def test_a_click_in_refused_is_one_try(world):
    world.start(fails(REFUSAL), fails(NO_ROUTE)).run(MINUTE)
    world.give(ev.ReconnectClicked())
    world.run(HOUR)
    assert len(world.calls()) == 2
    assert world.state is State.REFUSED
    assert world.status.failure == REFUSAL


def test_a_refusal_that_may_pass_is_tried_each_quarter_of_an_hour(world):
    world.plan = fails(QUIET_REFUSAL, after=0)
    world.start(world.plan, world.plan, fails(NO_ROUTE, after=0)).run(HOUR)
    assert [at - BEGIN for at in world.calls()] == [x * 15 * MINUTE for x in range(5)]
    assert world.states() == [(BEGIN, State.CONNECTING), (BEGIN, State.REFUSED)]
    assert len(world.notes(NoteKind.REFUSED)) == 1


def test_a_new_token_ends_a_refusal(world):
    world.start(fails(REFUSAL)).run(MINUTE)
    world.give(ev.TokenChanged())
    assert world.state is State.CONNECTING
    assert world.run(SECOND).state is State.ONLINE


def test_refused_on_the_second_link_is_a_warning_while_the_old_lives(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.run(MINUTE)
    assert world.state is State.ONLINE
    assert world.status.failure == REFUSAL
    assert world.note(NoteKind.WARNING).failure == REFUSAL
    assert len(world.calls()) == 2
    world.peers[1].ended = True
    world.give(ev.LinkEnded(1, FIN))
    assert world.state is State.REFUSED
    assert world.notes(NoteKind.STOP)[0].facts["cause"] == "goodbye"
    world.run(HOUR)
    assert len(world.calls()) == 2


def test_a_new_token_lets_a_link_that_is_leaving_be_replaced(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.run(MINUTE)
    world.give(ev.TokenChanged())
    assert world.status.failure is None
    world.run(SECOND)
    assert world.note(NoteKind.HANDOVER)


def test_a_click_that_must_wait_leaves_the_warning(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.ReconnectClicked())
    world.run(SECOND)
    world.give(ev.ReconnectClicked())
    assert world.answers()[-1][0] is Answer.CHECKING
    world.end_link_number(1)
    assert world.state is State.REFUSED


def test_a_click_after_the_warning_tries_once_more(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.ReconnectClicked())
    world.run(2 * MINUTE)
    world.give(ev.ReconnectClicked())
    assert world.answers()[-1] == (Answer.HANDOVER, 0)
    world.run(SECOND)
    assert world.status.failure is None


def test_a_live_link_that_slack_ends_for_good_is_refused(world):
    disabled = Failure(Cause.REFUSED_TOKEN, Phase.LIVE, "link_disabled", reached_slack=True)
    world.online(Plan(), HANGS, age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.end_link_number(1, disabled)
    assert world.state is State.REFUSED
    assert world.undropped == []
    assert world.run(HOUR).calls()[1:] == [BEGIN + UP_AT + HOUR]


# Pause


def test_a_pause_ends_the_session_and_only_the_user_ends_the_pause(world):
    world.online(age=HOUR)
    world.give(ev.PauseClicked())
    stop = world.note(NoteKind.STOP)
    assert (stop.at, stop.facts["cause"]) == (world.now, "user")
    for event in (
        ev.RouteAppeared(),
        ev.SleepAnnounced(),
        ev.Woke(HOUR),
        ev.TokenChanged(),
        ev.PresenceSeen(True),
    ):
        world.run(MINUTE).give(event)
    assert world.state is State.PAUSED
    assert world.undropped == []
    assert world.calls() == [BEGIN]
    world.give(ev.ResumeClicked())
    world.run(SECOND)
    assert world.state is State.ONLINE
    assert world.answers() == [(Answer.PAUSED, 0), (Answer.RESUMED, 0)]
    assert world.note(NoteKind.RESUME).at == world.now - SECOND


def test_a_pause_drops_an_attempt_and_is_told_once(world):
    world.start(HANGS).run(SECOND)
    world.give(ev.PauseClicked())
    assert world.of(DropLink) == [(world.now, DropLink(1, Farewell.ABORT))]
    world.give(ev.PauseClicked())
    assert len(world.notes(NoteKind.PAUSE)) == 1
    assert world.answers() == [(Answer.PAUSED, 0)] * 2


def test_a_reconnect_resumes_a_pause_and_a_resume_elsewhere_does_nothing(world):
    world.start(paused=True)
    world.give(ev.ReconnectClicked())
    assert world.state is State.CONNECTING
    world.give(ev.ResumeClicked())
    assert world.answers() == [(Answer.RESUMED, 0), (Answer.ALREADY, 0)]


def test_a_resume_counts_attempts_anew(world):
    world.plan = fails(NO_ROUTE)
    world.start().run(MINUTE)
    world.plan = Plan()
    world.give(ev.PauseClicked())
    world.give(ev.ResumeClicked())
    world.run(SECOND)
    assert world.note(NoteKind.START).facts["attempts"] == 1


def test_a_pause_forgets_a_refusal(world):
    world.start(fails(REFUSAL)).run(MINUTE)
    world.give(ev.PauseClicked())
    world.give(ev.ResumeClicked())
    assert world.run(SECOND).state is State.ONLINE


# Away


def test_away_is_part_of_the_session(world):
    world.online(age=MINUTE)
    world.give(ev.PresenceSeen(True))
    world.give(ev.PresenceSeen(True))
    assert world.state is State.AWAY
    away = world.now
    world.run(MINUTE)
    world.give(ev.PresenceSeen(False))
    world.give(ev.PresenceSeen(False))
    assert world.states()[-2:] == [(away, State.AWAY), (away + MINUTE, State.ONLINE)]
    assert world.status.session_since == BEGIN + UP_AT
    assert world.notes(NoteKind.STOP) == []
    assert len(world.notes(NoteKind.AWAY, NoteKind.ACTIVE)) == 2


def test_presence_changes_nothing_while_suspect_or_without_a_link(world):
    world.start(HANGS, Plan(), HANGS)
    world.give(ev.PresenceSeen(True))
    world.run(MINUTE)
    silence(world)
    world.run(6 * SECOND)
    assert world.status.suspect
    world.give(ev.PresenceSeen(True))
    assert world.state is State.ONLINE


# How many links Slack counts


def counted(world: World) -> int | None:
    return world.status.connections


def test_presence_tells_how_many_links_slack_counts_for_the_bot(world):
    world.online(age=10 * SECOND - 1)
    world.give(ev.PresenceSeen(False, 2))
    assert counted(world) is None, "the link before may still be among them"
    world.run(1)
    world.give(ev.PresenceSeen(False, 2))
    assert counted(world) == 2
    world.give(ev.PresenceSeen(False))
    assert counted(world) == 2
    world.give(ev.PresenceSeen(False, 0))  # it counts not even ours: worth nothing
    assert counted(world) == 2
    world.end_link()
    assert counted(world) is None


def test_a_count_around_a_handover_is_not_believed_and_the_one_before_stays(world):
    world.online(Plan(), HANGS, age=MINUTE)
    world.give(ev.PresenceSeen(False, 1))
    world.give(ev.GoodbyeReceived(1))
    world.give(ev.PresenceSeen(False, 2))
    assert counted(world) == 1
    world.run(31 * SECOND)
    world.run(MINUTE)
    assert world.note(NoteKind.HANDOVER)
    assert counted(world) == 1
    world.give(ev.GoodbyeReceived(world.newest))
    world.run(SECOND)
    world.give(ev.PresenceSeen(False, 2))
    assert counted(world) == 1
    world.run(10 * SECOND)
    world.give(ev.PresenceSeen(False, 2))
    assert counted(world) == 2


def test_other_links_in_rtm_are_programs_and_no_reason_for_a_warning(world):
    world.online(age=MINUTE)
    world.give(ev.PresenceSeen(False, 3))
    world.run(2 * HOUR)
    assert world.notes(NoteKind.WARNING) == []


def open_counted(world: World, connections: int | None) -> None:
    """The attempt that is due goes well, and Slack's hello tells a count."""
    world.run(0)
    number = world.newest
    for event in (ev.ApiAnswered(number), ev.LinkOpened(number), ev.HelloReceived(number, connections)):
        world.give(event)


@pytest.fixture
def counting_world() -> World:
    """Socket Mode; attempts go as :func:`open_counted` says."""
    world = World(spares=False, policy=Policy(quiet_before_ping=MINUTE, ping_while_busy=2 * MINUTE))
    world.plan = HANGS
    return world.start()


def test_links_that_are_not_ours_are_leftovers_for_half_an_hour_then_a_warning(counting_world):
    world = counting_world
    open_counted(world, 3)
    assert counted(world) == 3
    world.run(30 * MINUTE - 1)
    assert world.notes(NoteKind.WARNING) == []
    world.run(1)
    assert world.note(NoteKind.WARNING).facts == {"connections": 3}
    world.run(5 * HOUR)
    world.give(ev.GoodbyeReceived(1, Cause.REFRESH))
    open_counted(world, 4)
    world.run(5 * HOUR)
    assert len(world.notes(NoteKind.WARNING)) == 1
    assert world.anomalies() == []


def test_our_own_links_are_no_strangers(counting_world):
    world = counting_world
    open_counted(world, 1)
    world.run(HOUR)
    world.give(ev.GoodbyeReceived(1, Cause.REFRESH))
    open_counted(world, 2)
    assert world.note(NoteKind.HANDOVER)
    assert counted(world) == 1
    world.run(HOUR)
    assert world.notes(NoteKind.WARNING) == []


def test_a_count_without_our_own_other_link_tells_of_no_stranger(counting_world):
    world = counting_world
    open_counted(world, 1)
    world.run(HOUR)
    world.give(ev.GoodbyeReceived(1, Cause.REFRESH))
    open_counted(world, 1)
    assert counted(world) == 1, "the new link itself is always there"
    world.run(HOUR)
    assert world.notes(NoteKind.WARNING) == []


def test_strangers_that_go_and_come_again_are_told_again(counting_world):
    world = counting_world
    open_counted(world, 2)
    world.run(29 * MINUTE)
    world.end_link()
    open_counted(world, 1)
    world.run(HOUR)
    assert world.notes(NoteKind.WARNING) == []
    for told in (1, 2):
        world.end_link()
        open_counted(world, 2)
        world.run(HOUR)
        assert len(world.notes(NoteKind.WARNING)) == told
        world.end_link()
        open_counted(world, 1)
        world.run(HOUR)


def test_the_warning_of_strangers_waits_for_a_link(counting_world):
    world = counting_world
    open_counted(world, 2)
    world.run(20 * MINUTE)
    world.end_link()
    world.run(20 * MINUTE)
    assert world.state is State.OFFLINE
    assert world.notes(NoteKind.WARNING) == []
    world.give(ev.ReconnectClicked())
    while world.core._next is None:
        world.step(world.now + MINUTE)
    open_counted(world, 2)
    assert world.note(NoteKind.WARNING).at == world.now


def test_a_hello_without_a_count_tells_nothing(counting_world):
    world = counting_world
    open_counted(world, None)
    assert counted(world) is None
    world.end_link()
    world.run(MINUTE)
    open_counted(world, 0)
    assert counted(world) is None


def test_a_token_without_the_scope_for_presence_is_a_warning_and_no_trouble(world):
    world.online(age=MINUTE)
    before = world.status
    world.give(ev.PresenceRefused(replace(REFUSAL, detail="missing_scope")))
    warning = world.note(NoteKind.WARNING)
    assert warning.failure is not None
    assert (warning.failure.detail, warning.facts) == ("missing_scope", {"about": "presence"})
    assert world.status == before


def test_a_stop_is_never_dated_before_its_open_span(world):
    world.online(age=MINUTE)
    silence(world)
    world.give(ev.PresenceSeen(True))
    away = world.now
    world.next_plans.append(HANGS)
    world.run(20 * SECOND)
    assert world.note(NoteKind.STOP).at == away


# Sleep


def test_an_announced_sleep_stops_the_session_and_a_wake_connects_anew(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    asleep = world.now
    stop = world.note(NoteKind.STOP)
    assert (stop.at, stop.facts["cause"]) == (asleep, "slept")
    silence(world)
    world.stand_still(8 * HOUR)
    world.give(ev.Woke(8 * HOUR))
    assert world.calls()[-1] == world.now
    woke = world.now
    world.run(MINUTE)
    assert world.states()[-3:] == [
        (asleep, State.ASLEEP),
        (woke, State.CONNECTING),
        (woke + UP_AT, State.ONLINE),
    ]
    assert world.undropped == [2]
    assert world.notes(NoteKind.START)[-1].facts["down_ms"] == UP_AT


def test_an_unannounced_sleep_begins_at_the_last_frame(world):
    world.online(age=HOUR)
    spoke = world.peers[1].pings[-1][0] + 50
    silence(world)
    world.stand_still(8 * HOUR)
    world.give(ev.Woke(8 * HOUR))
    assert (spoke, State.ASLEEP) in world.states()
    assert world.note(NoteKind.STOP).at == spoke
    assert world.note(NoteKind.SLEEP).at == spoke
    assert world.note(NoteKind.WAKE).at == world.now


def test_an_unannounced_sleep_never_begins_before_its_open_span(world):
    world.online(age=HOUR)
    silence(world)
    world.give(ev.PresenceSeen(True))
    away = world.now
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.states()[-3:] == [(away, State.AWAY), (away, State.ASLEEP), (world.now, State.CONNECTING)]
    assert world.note(NoteKind.STOP).at == away


def test_an_unannounced_sleep_without_a_link_begins_that_long_ago(world):
    world.plan = fails(NO_ROUTE)
    world.start().run(HOUR)
    world.stand_still(2 * HOUR)
    world.give(ev.Woke(2 * HOUR - 5))
    assert world.states()[-2:] == [(BEGIN + HOUR + 5, State.ASLEEP), (world.now, State.CONNECTING)]


def test_the_same_link_that_answers_after_the_wake_is_a_new_start(world):
    world.online(age=HOUR)
    world.next_plans.append(HANGS)
    world.give(ev.SleepAnnounced())
    world.stand_still(10 * SECOND)
    world.give(ev.Woke(9 * SECOND))
    assert world.undropped == [1, 2]
    world.run(50)
    start = world.notes(NoteKind.START)[-1]
    assert start.facts["same_link"] is True
    assert start.facts["link"] == 1
    assert world.undropped == [1]
    assert world.state is State.ONLINE


def test_a_frame_from_a_buffer_does_not_prove_that_the_link_survived(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    silence(world)
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    world.give(ev.FrameReceived(1))
    world.give(ev.HelloReceived(1))
    world.give(ev.PongReceived(1, world.peers[1].pings[-2][1]))
    assert world.state is State.CONNECTING


def test_a_pong_that_comes_while_falling_asleep_is_no_start(world):
    world.online(age=4_010)
    assert world.peers[1].pings
    world.give(ev.SleepAnnounced())
    world.run(100)
    assert world.state is State.ASLEEP
    assert world.status.session_since is None
    assert world.anomalies() == []


def test_a_kept_link_has_three_seconds(world):
    world.online(age=HOUR)
    world.next_plans.append(HANGS)
    silence(world)
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    world.run(3 * SECOND)
    assert world.log[-1] == (world.now, DropLink(1, Farewell.ABORT)) or world.peers[1].dropped
    assert world.undropped == [2]
    ends = world.notes(NoteKind.LINK_END)
    assert [(x.facts["link"], x.facts["cause"]) for x in ends] == [(1, "slept")]


def test_socket_mode_waits_for_the_kept_link_before_it_opens_another(socket_world):
    world = socket_world.online(age=HOUR)
    silence(world)
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.undropped == [1]
    woke = world.now
    world.run(4 * SECOND)
    assert world.calls() == [BEGIN, woke + 3 * SECOND]


@pytest.mark.parametrize("event", [ev.LinkEnded(1, RST), ev.GoodbyeReceived(1)])
def test_socket_mode_opens_at_once_when_the_kept_link_ends(socket_world, event):
    world = socket_world.online(age=HOUR)
    silence(world)
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    world.run(SECOND)
    world.give(event)
    assert world.calls()[-1] == world.now


def test_a_kept_link_that_ends_during_the_sleep_is_forgotten(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    world.end_link(RST)
    assert world.state is State.ASLEEP
    world.give(ev.Woke(3 * SECOND))
    assert world.undropped == [2]
    assert world.run(SECOND).state is State.ONLINE


def test_a_second_sleep_before_the_kept_link_answered_lets_nothing_leak(world):
    world.online(age=HOUR)
    silence(world)
    world.plan = HANGS
    for _ in range(3):
        world.give(ev.SleepAnnounced())
        world.stand_still(HOUR)
        world.give(ev.Woke(HOUR))
        world.run(SECOND)
    world.run(10 * SECOND)
    assert world.undropped == [world.newest]


def test_a_goodbye_before_the_sleep_still_counts_when_the_link_survives_it(world):
    world.online(Plan(), HANGS, HANGS, age=HOUR)
    world.give(ev.GoodbyeReceived(1))
    world.give(ev.SleepAnnounced())
    world.stand_still(5 * SECOND)
    world.give(ev.Woke(5 * SECOND))
    world.run(50)
    assert world.state is State.ONLINE
    world.run(SECOND)
    assert world.note(NoteKind.HANDOVER).facts["reason"] is Cause.GOODBYE


def test_what_was_refused_is_refused_after_the_sleep(world):
    world.start(fails(REFUSAL)).run(MINUTE)
    world.give(ev.SleepAnnounced())
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.state is State.REFUSED
    assert world.run(HOUR).calls() == [BEGIN]


def test_a_refusal_that_may_pass_is_tried_after_a_wake(world):
    world.start(fails(QUIET_REFUSAL)).run(MINUTE)
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.calls()[-1] == world.now
    woke = world.now
    assert world.run(SECOND).state is State.ONLINE
    assert world.notes(NoteKind.START)[-1].facts["down_ms"] == world.states()[-1][0] - woke


def test_a_living_link_that_was_only_warned_is_asked_after_the_wake(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.ReconnectClicked())
    world.run(SECOND)
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.state is State.REFUSED
    world.run(50)
    assert world.state is State.ONLINE


def test_a_dead_link_that_was_only_warned_leaves_a_refusal_after_the_wake(world):
    world.online(Plan(), fails(REFUSAL), age=HOUR)
    world.give(ev.ReconnectClicked())
    world.run(SECOND)
    world.peers[1].silent = True
    world.give(ev.SleepAnnounced())
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    world.run(HOUR)
    assert world.state is State.REFUSED
    assert world.undropped == []
    assert len(world.calls()) == 2


def test_a_click_while_asleep_wakes_and_tries(world):
    world.start(fails(REFUSAL)).run(MINUTE)
    world.give(ev.SleepAnnounced())
    world.give(ev.ReconnectClicked())
    assert world.answers() == [(Answer.NOW, 0)]
    assert world.calls()[-1] == world.now
    assert world.run(SECOND).state is State.ONLINE


def test_an_announced_sleep_that_never_comes_is_no_dead_end(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    world.run(MINUTE)
    assert world.state is State.ONLINE
    assert world.anomalies() == []


def test_one_wake_told_twice_is_one_wake(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    silence(world)
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    world.run(SECOND)
    assert world.state is State.ONLINE
    states = world.states()
    assert world.give(ev.Woke(HOUR)) == []
    assert world.give(ev.Woke(0)) == []
    assert world.states() == states


def test_a_pause_while_asleep_stays_after_the_wake(world):
    world.online(age=HOUR)
    world.give(ev.SleepAnnounced())
    world.give(ev.PauseClicked())
    assert world.undropped == []
    assert world.note(NoteKind.LINK_END).facts["cause"] == "slept"
    world.stand_still(HOUR)
    world.give(ev.Woke(HOUR))
    assert world.state is State.PAUSED


def test_a_sleep_closes_a_second_link_that_was_up(world):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    world.give(ev.SleepAnnounced())
    assert (world.now, DropLink(2, Farewell.CLOSE)) in world.log
    assert [x.facts["link"] for x in world.notes(NoteKind.LINK_END)] == [2]


# Standing still


def test_a_late_tick_is_a_freeze_and_gives_the_link_another_chance(world):
    world.online(age=HOUR)
    world.stand_still(MINUTE)
    world.give(ev.Tick())
    assert world.state is State.ONLINE
    assert world.note(NoteKind.CLOCK).facts["frozen_ms"] > 50 * SECOND
    world.run(HOUR)
    assert world.notes(NoteKind.STOP) == []
    assert world.calls() == [BEGIN]


def test_a_freeze_ends_a_suspicion_as_silence_then_proves_nothing(socket_world):
    world = socket_world.online(age=HOUR)
    silence(world)
    world.run(8 * SECOND)
    assert world.status.suspect
    world.stand_still(MINUTE)
    world.give(ev.Tick())
    assert not world.status.suspect
    assert world.state is State.ONLINE


def test_a_link_that_did_not_survive_a_freeze_is_dated_by_its_last_frame(world):
    world.online(age=HOUR)
    spoke = world.peers[1].pings[-1][0] + 50
    number = silence(world)
    world.stand_still(MINUTE)
    world.peers[number].ended = True
    world.give(ev.LinkEnded(number, FIN))
    stop = world.note(NoteKind.STOP)
    assert (stop.at, stop.facts["cause"]) == (spoke, "frozen")


def test_a_freeze_that_a_frame_ends_leaves_no_trace_on_the_cause(world):
    world.online(age=HOUR)
    world.stand_still(MINUTE)
    world.give(ev.FrameReceived(1))
    world.end_link()
    assert world.note(NoteKind.STOP).facts["cause"] == "abrupt_close"


def test_standing_still_again_and_again_is_no_excuse(world):
    world.online(age=HOUR)
    world.plan = fails(NO_ROUTE)
    silence(world)
    for _ in range(10):
        world.now = (world.core.deadline or 0) + 2_500
        world.give(ev.Tick())
    assert world.notes(NoteKind.STOP)[0].facts["cause"] == "frozen"


@pytest.mark.parametrize("goodbye", [False, True])
def test_after_a_freeze_the_link_that_speaks_first_is_kept(world, goodbye):
    world.online(age=HOUR)
    first = silence(world)
    world.run(7 * SECOND)
    world.peers[2].silent = True
    world.stand_still(MINUTE)
    world.give(ev.GoodbyeReceived(first) if goodbye else ev.FrameReceived(first))
    assert first in world.undropped
    assert 2 not in world.undropped
    assert [x.facts["cause"] for x in world.notes(NoteKind.LINK_END)] == ["frozen"]
    world.peers[first].silent = False
    world.run(MINUTE)
    assert world.notes(NoteKind.STOP) == []
    assert len(world.notes(NoteKind.HANDOVER)) == goodbye


def test_a_freeze_while_offline_just_goes_on(world):
    world.plan = fails(NO_ROUTE)
    world.start().run(HOUR)
    world.stand_still(MINUTE)
    world.give(ev.Tick())
    assert world.status.attempting
    assert world.notes(NoteKind.CLOCK) == []


def test_a_freeze_over_unanswered_pings_does_not_make_a_link_deaf(world):
    world.online(age=4_010)
    assert world.peers[1].pings
    world.peers[1].silent = True
    world.stand_still(MINUTE)
    world.give(ev.Tick())
    world.peers[1].silent = False
    world.run(HOUR)
    assert world.calls() == [BEGIN]


# The end


@pytest.mark.parametrize("cause", [Cause.QUIT, Cause.SYSTEM_SHUTDOWN])
def test_quit_closes_everything_and_nothing_follows(world, cause):
    world.online(age=HOUR)
    silence(world)
    world.run(7 * SECOND)
    world.give(ev.QuitAsked(cause))
    assert world.undropped == []
    assert world.of(DropLink)[-2:] == [(world.now, DropLink(x, Farewell.CLOSE)) for x in (1, 2)]
    assert world.note(NoteKind.STOP).facts["cause"] == cause.value
    assert world.states()[-1] == (world.now, State.UNKNOWN)
    ends = {x.facts["link"]: x.facts["cause"] for x in world.notes(NoteKind.LINK_END)}
    assert ends == {1: cause.value, 2: cause.value}
    assert world.core.deadline is None
    for event in (
        ev.LinkEnded(1, RST), ev.PongReceived(2, 1), ev.ReconnectClicked(), ev.QuitAsked(), ev.Tick(), ev.Woke(5),
        ev.PauseClicked(), ev.SleepAnnounced(), ev.TokenChanged(), ev.RouteAppeared(),
    ):  # fmt: skip
        assert world.give(event) == []


# What must not happen


@pytest.mark.parametrize(
    "event",
    [
        ev.Started(),
        ev.LinkOpened(1),
        ev.ApiAnswered(1),
        ev.FrameReceived(2),
        ev.HelloReceived(0),
        ev.LinkEnded(-1, FIN),
        ev.GoodbyeReceived(77),
    ],
)
def test_an_illegal_event_changes_nothing_and_is_loud(world, event):
    world.online(age=SECOND)
    before, deadline = world.status, world.core.deadline
    (anomaly,) = world.give(event)
    assert isinstance(anomaly, Anomaly)
    assert type(event).__name__ in anomaly.what
    assert (world.status, world.core.deadline) == (before, deadline)


@pytest.mark.parametrize("event", [ev.HelloReceived(1), ev.LinkOpened(1)])
def test_steps_out_of_order_are_illegal(world, event):
    world.start(HANGS)
    (anomaly,) = world.give(event)
    assert isinstance(anomaly, Anomaly)


def test_a_step_that_comes_twice_wins_no_time(world):
    world.start(Plan(hello=None)).run(5 * SECOND)
    (anomaly,) = world.give(ev.LinkOpened(1))
    assert isinstance(anomaly, Anomaly)
    world.run(6 * SECOND)
    assert world.note(NoteKind.FAIL).at == BEGIN + 100 + 10 * SECOND


def test_frames_before_hello_are_no_news(world):
    world.start(Plan(hello=None)).run(SECOND)
    assert world.give(ev.FrameReceived(1)) == []
    assert world.give(ev.LocalAddressVanished(1)) == []


def test_late_events_of_a_link_let_go_cannot_touch_its_successor(world):
    world.online(age=MINUTE)
    world.give(ev.ReconnectClicked())
    world.run(SECOND)
    before = world.status
    for event in (ev.FrameReceived(1), ev.PongReceived(1, 1), ev.GoodbyeReceived(1), ev.LinkEnded(1, RST)):
        assert world.give(event) == []
    assert world.status == before


def test_time_never_runs_backwards(world):
    world.online(age=MINUTE)
    seen = world.log[-1][0]
    world.now -= 30 * SECOND
    world.end_link()
    assert world.note(NoteKind.STOP).at >= seen


def test_a_change_that_the_table_lacks_is_reported_and_not_made(world):
    world.start(paused=True)
    world.core._go(Trigger.HELLO, world.now)
    assert isinstance(world.core._effects[-1], Anomaly)
    assert world.state is State.PAUSED


def test_timers_that_never_end_do_not_hang_the_keeper(world, monkeypatch):
    world.online()
    monkeypatch.setattr(world.core, "_timers", lambda: iter([(0, lambda: None)]))
    assert isinstance(world.give(ev.FrameReceived(1))[-1], Anomaly)
