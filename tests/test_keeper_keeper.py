"""One bot's keeper with real links and a real log: what its threads do, and how they end."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, token_of
from traymon.desktop.clocks import Clocks, system_clocks
from traymon.keeper.core import Core, Policy, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Answer, Effect, EnterState, Note
from traymon.keeper.shell import Board, Keeper
from traymon.keeper.shell.board import Picture
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector

TOKEN = token_of("bot")
RARELY = Policy(quiet_before_ping=600_000, ping_while_busy=1_200_000)


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "bot")
        yield simulator


class Shifted:
    """The system's clocks, with time asleep added by hand."""

    def __init__(self) -> None:
        self._system = system_clocks()
        self.slept = 0

    def now(self) -> int:
        return self._system.now() + self.slept

    def awake(self) -> int:
        return self._system.awake()

    def wall(self) -> int:
        return self._system.wall() + self.slept


class Bench:
    """A keeper and what it writes to."""

    def __init__(self, slack: Simulator, folder: Path, clocks: Clocks, core: Core) -> None:
        self.db = folder / "sessions.sqlite3"
        self.log = SessionLog(self.db, folder / "sessions.log", clocks, on_fault=lambda _: None)
        self.board = Board(clocks.now)
        connector = RtmConnector(Endpoint(slack.api_url), lambda: TOKEN)
        self.keeper = Keeper("bot", "rtm", connector, core, self.log, self.board, clocks)

    def wait_for(self, state: State) -> None:
        self.wait_until(lambda: self.state() is state)

    def state(self) -> State | None:
        shown = self.board.picture().bots.get("bot")
        return shown.status.state if shown else None

    def wait_until(self, so: Callable[[], bool]) -> None:
        picture: Picture | None = None
        for _ in range(round(PATIENCE_S)):
            if so():
                return
            picture = self.board.wait(picture, timeout_s=1)
        raise AssertionError(f"never so: {picture}")

    def kinds(self) -> list[str]:
        return [event.kind for event in LogView(self.db).events(bot="bot")]


@contextmanager
def keeping(
    slack: Simulator,
    folder: Path,
    clocks: Clocks | None = None,
    *,
    core: Core | None = None,
    paused: bool = False,
) -> Iterator[Bench]:
    bench = Bench(slack, folder, clocks or system_clocks(), core or Core(lambda: 0.5))
    bench.log.open()
    bench.keeper.start(paused=paused)
    try:
        yield bench
    finally:
        bench.keeper.stop()
        assert bench.keeper.join(PATIENCE_S)
        assert bench.log.close(PATIENCE_S)


def answer(future: "Future[list[object]]") -> list[Answer]:
    return [told.answer for told in future.result(PATIENCE_S)]  # type: ignore[attr-defined]


def test_stopping_closes_the_link_at_slack(slack: Simulator, tmp_path: Path) -> None:
    with keeping(slack, tmp_path) as bench:
        bench.wait_for(State.ONLINE)
    (link,) = slack.truth().links_of(TOKEN)
    assert (link.ended_by, link.close_code) == ("client_close", 1000)
    assert bench.kinds() == ["start", "stop", "link_end"]


def test_a_hung_attempt_does_not_hold_up_the_end(slack: Simulator, tmp_path: Path) -> None:
    slack.arm(f.Hang(), times=None)
    with keeping(slack, tmp_path) as bench:
        assert slack.wait(lambda: slack.truth().calls_of(TOKEN, "rtm.connect"), PATIENCE_S)
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("bot ") for name in names), names
    assert bench.kinds() == []


def test_an_abandoned_attempt_leaves_no_link_behind(slack: Simulator, tmp_path: Path) -> None:
    slack.arm(f.SlowAnswer(500))
    with keeping(slack, tmp_path) as bench:
        assert slack.wait(lambda: slack.truth().calls_of(TOKEN, "rtm.connect"), PATIENCE_S)
        assert answer(bench.keeper.ask(ev.PauseClicked())) == [Answer.PAUSED]
        bench.wait_for(State.PAUSED)
        assert answer(bench.keeper.ask(ev.ResumeClicked())) == [Answer.RESUMED]
        bench.wait_for(State.ONLINE)
        assert slack.open_links(TOKEN) == 1
        assert [link.ended_at for link in slack.truth().links_of(TOKEN) if link.ended_at is None] == [None]


def test_late_events_of_an_old_link_touch_nothing(slack: Simulator, tmp_path: Path) -> None:
    with keeping(slack, tmp_path) as bench:
        bench.wait_for(State.ONLINE)
        assert answer(bench.keeper.ask(ev.ReconnectClicked())) == [Answer.HANDOVER]
        assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == 2, PATIENCE_S)
        assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
        bench.keeper.post(ev.LinkEnded(1, Failure(Cause.RESET, Phase.LIVE)))
        bench.keeper.post(ev.HelloReceived(1))
        answer(bench.keeper.ask(ev.PauseClicked()))
        bench.wait_for(State.PAUSED)
    assert "handover" in bench.kinds()
    assert bench.kinds().count("start") == bench.kinds().count("stop") == 1


def test_a_keeper_starts_paused_where_the_user_left_it_so(slack: Simulator, tmp_path: Path) -> None:
    with keeping(slack, tmp_path, paused=True) as bench:
        bench.wait_for(State.PAUSED)
        assert answer(bench.keeper.ask(ev.ReconnectClicked())) == [Answer.RESUMED]
        bench.wait_for(State.ONLINE)


def test_time_that_only_one_clock_counted_was_sleep(slack: Simulator, tmp_path: Path) -> None:
    clocks = Shifted()
    with keeping(slack, tmp_path, clocks) as bench:
        bench.wait_for(State.ONLINE)
        clocks.slept += 3_600_000
        slack.push(TOKEN, {"type": "message", "channel": "C1", "text": "awake?"})
        bench.wait_until(lambda: bench.kinds().count("start") == 2)
    spans = [(span.state, span.lasted_ms >= 3_600_000) for span in LogView(bench.db).spans(bot="bot")]
    assert (State.ASLEEP, True) in spans
    stops = [event for event in LogView(bench.db).events(bot="bot") if event.kind == "stop"]
    assert [stop.cause for stop in stops] == ["slept", "quit"]


def test_at_rest_signs_of_life_do_not_wake_the_keeper(slack: Simulator, tmp_path: Path) -> None:
    """They are counted with the next event, at the time at which they came."""
    fed: list[tuple[ev.Event, int]] = []

    class Seen(Core):
        def receive(self, event: ev.Event, now: int) -> list[Effect]:
            fed.append((event, now))
            return super().receive(event, now)

    clocks = system_clocks()
    with keeping(slack, tmp_path, clocks, core=Seen(lambda: 0.0, RARELY)) as bench:
        bench.wait_for(State.ONLINE)
        answer(bench.keeper.ask(ev.RouteAppeared()))  # what came before is done
        del fed[:]
        began = clocks.now()
        for _ in range(100):
            bench.keeper.post(ev.FrameReceived(1))
        posted = clocks.now()
        answer(bench.keeper.ask(ev.RouteAppeared()))
    (frame, at), (asked, _) = fed[:2]
    assert (frame, asked) == (ev.FrameReceived(1), ev.RouteAppeared())
    assert began <= at <= posted


def test_a_sign_of_life_that_matters_at_once_wakes_the_keeper(slack: Simulator, tmp_path: Path) -> None:
    """A second link is on its way because the first was suspect: the first one's frame calls it off."""
    with keeping(slack, tmp_path) as bench:
        bench.wait_for(State.ONLINE)
        slack.arm(f.Hang(), times=None)
        assert slack.strike(TOKEN, f.Silence(None)) == 1  # else the pong is there before anyone has looked
        bench.keeper.post(ev.LocalAddressVanished(1))
        bench.wait_until(lambda: bench.board.picture().bots["bot"].status.attempting)
        bench.keeper.post(ev.FrameReceived(1))
        bench.wait_until(lambda: not bench.board.picture().bots["bot"].status.attempting)
        assert bench.state() is State.ONLINE
    assert bench.kinds() == ["start", "stop", "link_end"]


class Broken:
    """A log that fails once."""

    def __init__(self) -> None:
        self.failed = False

    def record(
        self,
        bot: str,
        transport: str,
        entries: Sequence[EnterState | Note],
        on_committed: Callable[[], None] | None = None,
    ) -> None:
        if not self.failed:
            self.failed = True
            raise RuntimeError("a bug")
        if on_committed:
            on_committed()


def test_a_bug_is_logged_and_the_keeper_goes_on(slack: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    clocks = system_clocks()
    board = Board(clocks.now)
    connector = RtmConnector(Endpoint(slack.api_url), lambda: TOKEN)
    keeper = Keeper("bot", "rtm", connector, Core(lambda: 0.5), Broken(), board, clocks)
    keeper.start(paused=True)
    try:
        assert answer(keeper.ask(ev.ResumeClicked())) == [Answer.RESUMED]
        assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    finally:
        keeper.stop()
        assert keeper.join(PATIENCE_S)
    assert "an unexpected error in the keeper; it goes on" in caplog.text


def test_an_anomaly_is_logged_once(
    slack: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with keeping(slack, tmp_path, paused=True) as bench, caplog.at_level(logging.ERROR):
        for _ in range(3):
            bench.keeper.post(ev.HelloReceived(99))
        assert answer(bench.keeper.ask(ev.PauseClicked())) == [Answer.PAUSED]
    assert caplog.text.count("this should not happen and changed nothing") == 1
