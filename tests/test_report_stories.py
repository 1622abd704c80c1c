"""Sessions, outages and links: what the property tests' worlds do not do."""

from tests.report_world import NOW, Log
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import NoteKind
from traymon.keeper.core.states import State
from traymon.report.figures import LinkLife


def test_a_session_that_began_before_the_cut_has_the_length_that_its_stop_tells() -> None:
    log = Log().span(State.AWAY, 500, "reset", code=1001).event(NoteKind.STOP, cause="reset", up_ms=9_000)
    (session,) = log.span(State.PAUSED, 10).figures(cut_at=NOW - 99_900, running=True).sessions
    assert (session.started_at, session.lasted_ms, session.cut) == (NOW - 99_500 - 9_000, 9_000, False)
    assert (session.cause, session.close_code, session.detail, session.log_number) == (
        "reset",
        1001,
        "said",
        1,
    )


def test_a_session_whose_beginning_is_not_known_lasted_that_long_at_least() -> None:
    bot = Log().span(State.ONLINE, 500, open=True).figures(cut_at=NOW - 99_900, running=True)
    assert (bot.sessions[0].cut, bot.sessions[0].ended_at, bot.sessions[0].lasted_ms) == (True, None, 500)
    assert (bot.tally.up_ms, bot.tally.sessions, bot.days[0].tally.sessions) == (400, 1, 0)
    assert (bot.longest, bot.shortest) == (bot.sessions[0], None)
    known = Log().event(NoteKind.START).span(State.ONLINE, 500, open=True)
    assert not known.figures(cut_at=NOW - 99_900, running=True).sessions[0].cut


def test_an_outage_that_began_before_the_cut_has_the_cause_of_the_stop_before_it() -> None:
    log = Log().event(NoteKind.STOP, cause="reset").span(State.OFFLINE, 500, attempts=2)
    (outage,) = log.span(State.ONLINE, 1, open=True).figures(cut_at=NOW - 99_900, running=True).outages
    assert (outage.cause, outage.causes, outage.close_code, outage.cut) == ("reset", ("reset",), 4, False)
    assert (outage.attempts, outage.recovered, outage.lasted_ms) == (2, True, 500)


def test_an_outage_whose_beginning_is_not_known_says_so() -> None:
    (outage,) = Log().span(State.OFFLINE, 500).figures(cut_at=NOW - 99_900, running=True).outages
    assert (outage.cut, outage.cause, outage.causes) == (True, None, ())


def test_an_attempt_with_a_new_token_may_be_part_of_an_older_outage() -> None:
    log = Log().span(State.CONNECTING, 500, "dns").span(State.OFFLINE, 500, open=True)
    (outage,) = log.figures(cut_at=NOW - 99_900, running=True).outages
    assert (outage.cut, outage.cause) == (True, "dns")
    assert not log.figures(running=True).outages[0].cut


def test_why_an_outage_ended_is_not_why_it_began() -> None:
    log = Log().span(State.ASLEEP, 5).span(State.REFUSED, 500, Cause.USER).span(State.PAUSED, 5)
    (outage,) = log.figures(running=True).outages
    assert (outage.cause, outage.recovered) == (None, False)


def test_the_first_failure_noted_stands_in_for_a_cause_that_no_span_has() -> None:
    log = Log().span(State.UNKNOWN, 5).span(State.OFFLINE, 100)
    log.event(NoteKind.FAIL, log.at - 50, "dns").event(NoteKind.CAUSE, log.at - 20, "tls")
    log.event(NoteKind.CAUSE, log.at - 10, "dns").event(NoteKind.CAUSE, log.at, "proxy")
    (outage,) = log.span(State.ONLINE, 5).figures(running=True).outages
    assert (outage.cause, outage.causes, outage.close_code) == ("dns", ("dns", "tls"), 4)


def test_a_first_attempt_that_succeeds_is_no_outage() -> None:
    assert Log().span(State.CONNECTING, 5, attempts=1).span(State.ONLINE, 5).figures().outages == ()


def test_the_end_of_a_run_ends_an_outage_though_nothing_lies_between() -> None:
    log = Log().span(State.OFFLINE, 5, Cause.TRAYMON_DIED).span(State.CONNECTING, 5, "dns", run=2)
    first, second = log.span(State.OFFLINE, 5, run=2).figures(running=True).outages
    assert (first.lasted_ms, first.recovered, second.lasted_ms, second.cause) == (5, False, 10, "dns")


def test_what_was_not_over_at_the_last_heartbeat_may_have_gone_on() -> None:
    log = Log(NOW - 30_000).event(NoteKind.START).span(State.ONLINE, 10_000, open=True)
    log.event(NoteKind.HANDOVER, NOW - 5_000)
    (session,) = log.figures().sessions
    assert (session.links, session.lasted_ms, session.ended_at) == (2, 30_000, None)


def test_only_a_lost_session_was_dropped() -> None:
    for state, cause, dropped in (
        (State.OFFLINE, "reset", True),
        (State.REFUSED, "refused_token", True),
        (State.PAUSED, "user", False),
        (State.ASLEEP, "slept", False),
        (State.UNKNOWN, "quit", False),
    ):
        bot = Log().span(State.ONLINE, 5, cause).span(state, 5).figures(running=True)
        assert bot.sessions[0].dropped is dropped
        assert list(bot.hours.counts) == ([cause] if dropped else [])


def test_a_drop_without_a_cause_is_counted_all_the_same() -> None:
    bot = Log().span(State.ONLINE, 5).span(State.OFFLINE, 5).figures(running=True)
    assert sum(bot.hours.counts["unknown"]) == 1


def test_lives_of_links_are_binned_by_half_hours() -> None:
    log = Log().span(State.ONLINE, 5, open=True)
    for hours in (0, 0.5, 6, 7.25, 7.9, 8, 9.99, 10, 15.67, 24, 100, 1_000):
        log.event(NoteKind.LINK_END, cause="goodbye", lived_ms=int(hours * 3_600_000))
    log.event(NoteKind.LINK_END, cause="goodbye")  # damaged: no length
    log.event(NoteKind.LINK_END, lived_ms=-5)
    bot = log.figures()
    assert bot.links[0] == LinkLife(log.at, 0, "goodbye")
    assert bot.links[-1] == LinkLife(log.at, 0, "unknown")
    hours = [edge / 3_600_000 for edge in bot.lifetimes.edges_ms]
    assert hours == [half / 2 for half in range(21)] + [12, 16, 24, 48, 96, 168]
    found = {hours[at]: count for at, count in enumerate(bot.lifetimes.counts["goodbye"]) if count}
    assert found == {0: 1, 0.5: 1, 6: 1, 7: 1, 7.5: 1, 8: 1, 9.5: 1, 10: 1, 12: 1, 24: 1, 96: 1, 168: 1}


def test_only_links_that_ended_after_the_cut_count() -> None:
    log = Log().event(NoteKind.LINK_END, cause="reset", lived_ms=1).span(State.ONLINE, 500, open=True)
    log.event(NoteKind.LINK_END, cause="goodbye", lived_ms=1)
    assert [life.ended_how for life in log.figures(cut_at=NOW - 99_900).links] == ["goodbye"]


def test_the_link_of_a_session_whose_start_was_not_read_lived_as_long_as_its_stop_tells() -> None:
    log = Log().span(State.ONLINE, 500, Cause.TRAYMON_DIED)
    log.event(NoteKind.STOP, cause=Cause.TRAYMON_DIED, estimated=True, up_ms=700)
    assert log.figures().links == (LinkLife(log.at, 700, "traymon_died"),)
