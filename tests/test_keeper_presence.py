"""Presence: asked at the right times, of a real server, and never in the way of a link."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support import PATIENCE_S, token_of
from traymon.keeper.core import State
from traymon.keeper.core import events as ev
from traymon.keeper.core.policy import Policy
from traymon.keeper.core.status import Status
from traymon.keeper.shell.board import Board
from traymon.keeper.shell.presence import EVERY_MS, FIRST_AFTER_MS, JITTER, PresenceWatch
from traymon.secrets import SecretUnavailable
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.webapi import WebApi
from traymon.slackwire.api import ConnectAnswer

TOKEN, OTHER = token_of("bot"), token_of("other")
METHOD = "users.getPresence"
SECOND = 1_000


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now(self) -> int:
        return self.ms


class Kept:
    """What the watch sees of a keeper; keeps what is posted."""

    def __init__(self, bot: str, identity: ConnectAnswer | None) -> None:
        self.bot = bot
        self.identity = identity
        self.posted: list[ev.Event] = []
        # Guards and announces `posted`: the watch's thread posts, the test waits.
        self.changed = threading.Condition()

    def post(self, event: ev.Event) -> None:
        with self.changed:
            self.posted.append(event)
            self.changed.notify_all()

    def wait(self, count: int) -> list[ev.Event]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.posted) >= count, PATIENCE_S), self.posted
            return list(self.posted)


@dataclass
class Bench:
    """A watch over bots whose states the test says."""

    slack: Simulator
    clock: Hands
    board: Board
    watch: PresenceWatch

    def kept(
        self, name: str = "bot", read_token: Callable[[], str] = lambda: TOKEN, whose: str = TOKEN
    ) -> Kept:
        """A bot to ask for, the user of token ``whose``; before the start."""
        kept = Kept(name, ConnectAnswer("wss://slack.test/", self.user_id(whose), name, "T1", "Acme", "acme"))
        self.watch.watch(kept, Endpoint(self.slack.api_url), read_token)
        return kept

    def user_id(self, token: str) -> str:
        return WebApi(Endpoint(self.slack.api_url), token).auth_test(PATIENCE_S).user_id

    def show(self, state: State, name: str = "bot", *, suspect: bool = False) -> None:
        """``name`` is in ``state`` from now on."""
        now = self.clock.ms
        session = now if state in (State.ONLINE, State.AWAY) else None
        self.board.propose(name, Status(state, now, session, suspect=suspect), needs_commit=False)

    def later(self, ms: int) -> None:
        self.clock.ms += ms
        self.board.poke()

    def calls(self, token: str = TOKEN) -> int:
        return len(self.slack.truth().calls_of(token, METHOD))

    def wait_for_calls(self, count: int, token: str = TOKEN) -> None:
        assert self.slack.wait(lambda: self.calls(token) >= count, PATIENCE_S)


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "bot")
        simulator.add_bot(OTHER, "other")
        yield simulator


@pytest.fixture
def bench(slack: Simulator) -> Iterator[Bench]:
    clock = Hands()
    board = Board(clock.now)
    watch = PresenceWatch(board, clock.now, lambda: 0.0)
    yield Bench(slack, clock, board, watch)
    assert watch.stop(PATIENCE_S)


def test_the_numbers_keep_to_slacks_tier_and_to_what_the_core_believes() -> None:
    assert Policy().count_settles <= FIRST_AFTER_MS
    assert EVERY_MS * (1 - JITTER) >= 60 * SECOND  # Tier 3 allows fifty a minute


def test_first_ten_seconds_after_the_start_of_a_session_then_every_five_minutes(bench: Bench) -> None:
    kept = bench.kept()
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS)
    kept.wait(1)
    bench.later(EVERY_MS)
    kept.wait(2)
    bench.later(EVERY_MS)
    assert kept.wait(3) == [ev.PresenceSeen(True, 0)] * 3  # this bot has no link at all
    assert bench.calls() == 3


def test_not_before_it_is_due(bench: Bench) -> None:
    kept = bench.kept()
    other = bench.kept(
        "other"
    )  # looked at after the first: what was asked for it proves that the first was not
    bench.watch.start()
    bench.show(State.ONLINE, "other")
    bench.later(1)
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS - 1)
    other.wait(1)
    assert kept.posted == []
    bench.later(1)
    kept.wait(1)
    bench.later(EVERY_MS - 1)
    other.wait(2)
    assert len(kept.posted) == 1


@pytest.mark.parametrize("state", [State.OFFLINE, State.PAUSED, State.REFUSED, State.CONNECTING])
def test_only_while_up(bench: Bench, state: State) -> None:
    kept = bench.kept()
    other = bench.kept("other")
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.later(1)
    bench.show(state)
    bench.show(State.ONLINE, "other")
    bench.later(FIRST_AFTER_MS)
    other.wait(1)
    assert kept.posted == []
    assert bench.calls() == 1


def test_a_new_session_is_asked_for_anew_and_away_is_part_of_one(bench: Bench) -> None:
    kept = bench.kept()
    bench.watch.start()
    bench.show(State.AWAY)
    bench.later(FIRST_AFTER_MS)
    kept.wait(1)
    bench.later(SECOND)
    bench.show(State.OFFLINE)
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS)
    kept.wait(2)


def test_a_suspect_link_is_asked_about_when_it_has_proved_itself(bench: Bench) -> None:
    kept = bench.kept()
    other = bench.kept("other")
    bench.watch.start()
    bench.show(State.ONLINE, suspect=True)
    since = bench.board.picture().bots["bot"].status
    bench.show(State.ONLINE, "other")
    bench.later(FIRST_AFTER_MS)
    other.wait(1)
    assert kept.posted == []
    well = Status(since.state, since.since, since.session_since)
    bench.board.propose("bot", well, needs_commit=False)
    bench.later(FIRST_AFTER_MS)
    kept.wait(1)


def test_what_slack_says_is_posted(bench: Bench, slack: Simulator) -> None:
    kept = bench.kept()
    connector = RtmConnector(Endpoint(slack.api_url), lambda: TOKEN)
    bench.watch.start()
    bench.show(State.ONLINE)
    with connector.open(step_limit_s=PATIENCE_S, tcp_limit_s=PATIENCE_S, on_answered=lambda _: None) as link:
        link.receive()
        bench.later(FIRST_AFTER_MS)
        assert kept.wait(1) == [ev.PresenceSeen(False, 1)]
        slack.set_away(TOKEN, True)
        bench.later(EVERY_MS)
        assert kept.wait(2)[-1] == ev.PresenceSeen(True, 1)


def test_a_missing_scope_is_said_once_until_the_token_changes(bench: Bench, slack: Simulator) -> None:
    tokens = [TOKEN]
    kept = bench.kept(read_token=lambda: tokens[-1])
    other = bench.kept("other")
    slack.arm(f.SlackCode("missing_scope"), token=TOKEN, method=METHOD)
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.later(1)
    bench.show(State.ONLINE, "other")
    bench.later(FIRST_AFTER_MS)
    (refused,) = kept.wait(1)
    assert isinstance(refused, ev.PresenceRefused)
    assert refused.failure.detail == "missing_scope"
    other.wait(1)
    bench.later(EVERY_MS)
    other.wait(2)
    assert len(kept.posted) == 1
    tokens.append(OTHER)
    bench.later(EVERY_MS)
    bench.wait_for_calls(1, OTHER)


@pytest.mark.parametrize(
    "fault",
    [
        f.HttpStatus(500),
        f.GarbageAnswer(),
        f.HangUp(),
        f.JsonAnswer([1]),
        f.SlackCode("invalid_auth"),
        f.SlackCode("internal_error"),
        f.WrongShape("presence"),
    ],
    ids=repr,
)
def test_errors_are_silent_and_the_next_time_comes(
    bench: Bench, slack: Simulator, fault: f.CallFault, caplog: pytest.LogCaptureFixture
) -> None:
    kept = bench.kept()
    slack.arm(fault, method=METHOD)
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS)
    bench.wait_for_calls(1)
    # The watch plans the next call before it makes one, so the clock may go on while it waits for the answer.
    bench.later(EVERY_MS)
    assert kept.wait(1) == [ev.PresenceSeen(True, 0)]
    assert caplog.text == ""


def test_slacks_retry_after_is_kept(bench: Bench, slack: Simulator) -> None:
    kept = bench.kept()
    other = bench.kept("other", lambda: OTHER, OTHER)
    slack.arm(f.HttpStatus(429, retry_after="301"), token=TOKEN, method=METHOD)
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.show(State.ONLINE, "other")
    bench.later(FIRST_AFTER_MS)
    other.wait(1)
    bench.later(301 * SECOND - 1)
    other.wait(2)
    assert kept.posted == []
    bench.later(1)
    kept.wait(1)


def test_slacks_retry_after_is_kept_over_a_new_session(bench: Bench, slack: Simulator) -> None:
    kept = bench.kept()
    other = bench.kept("other", lambda: OTHER, OTHER)
    slack.arm(f.HttpStatus(429, retry_after="900"), token=TOKEN, method=METHOD)
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.show(State.ONLINE, "other")
    bench.later(FIRST_AFTER_MS)
    other.wait(1)  # asked after the first one's answer
    bench.later(SECOND)
    bench.show(State.OFFLINE)
    bench.show(State.ONLINE)
    bench.later(899 * SECOND - 1)
    other.wait(2)
    assert kept.posted == []
    bench.later(1)
    kept.wait(1)
    assert bench.calls() == 2


def test_a_token_that_cannot_be_read_and_a_bug_hold_up_nobody(
    bench: Bench, slack: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    def locked() -> str:
        raise SecretUnavailable("The keyring is locked.", waits=True)

    def buggy() -> str:
        raise RuntimeError("a bug")

    bench.kept("locked", locked)
    bench.kept("buggy", buggy)
    kept = bench.kept()
    bench.watch.start()
    for name in ("locked", "buggy", "bot"):
        bench.show(State.ONLINE, name)
    bench.later(FIRST_AFTER_MS)
    kept.wait(1)
    assert caplog.text.count("an unexpected error while asking") == 1
    assert "locked" not in caplog.text


def test_a_bot_that_slack_has_not_named_yet_is_not_asked_for(bench: Bench) -> None:
    unnamed = Kept("unnamed", None)
    bench.watch.watch(unnamed, Endpoint(bench.slack.api_url), lambda: TOKEN)
    kept = bench.kept()
    bench.watch.start()
    bench.show(State.ONLINE, "unnamed")
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS)
    kept.wait(1)
    assert unnamed.posted == []
    assert bench.calls() == 1


def test_a_call_that_hangs_does_not_hold_up_the_end(bench: Bench, slack: Simulator) -> None:
    kept = bench.kept()
    slack.arm(f.Hang(), method=METHOD)
    bench.watch.start()
    bench.show(State.ONLINE)
    bench.later(FIRST_AFTER_MS)
    bench.wait_for_calls(1)
    assert bench.watch.stop(2.0)
    assert kept.posted == []


def test_without_bots_there_is_no_thread(bench: Bench) -> None:
    bench.watch.start()
    assert "presence" not in {thread.name for thread in threading.enumerate()}
    assert bench.watch.stop(0)


def test_waits_are_shortened_by_chance(slack: Simulator) -> None:
    clock = Hands()
    board = Board(clock.now)
    watch = PresenceWatch(board, clock.now, lambda: 0.999)
    bench = Bench(slack, clock, board, watch)
    kept = bench.kept()
    watch.start()
    try:
        bench.show(State.ONLINE)
        bench.later(FIRST_AFTER_MS)
        kept.wait(1)
        bench.later(round(EVERY_MS * (1 - JITTER)) + SECOND)
        kept.wait(2)
    finally:
        assert watch.stop(PATIENCE_S)
