"""What the machine says, and what the whole program makes of it: sleep, wake, lost addresses, set clocks, shutdown."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, events, running, token_of, wait_for, wait_for_state, write_profile
from tests.watchkit import HandClocks, ip, on_its_own_network
from traymon.app import App
from traymon.config import load
from traymon.desktop import watch
from traymon.desktop.clocks import system_clocks
from traymon.keeper.core import State
from traymon.keeper.core import events as ev
from traymon.keeper.shell.surroundings import Surroundings
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.tray.base import TrayView

HOUR_MS = 3_600_000


class ByHand:
    """A watcher that says what the test wants it to."""

    def __init__(self) -> None:
        self.running = False
        self._tell: Callable[[watch.Signal], None] | None = None

    def start(self, tell: Callable[[watch.Signal], None]) -> None:
        self.running = True
        self._tell = tell

    def stop(self) -> None:
        self.running = False

    def say(self, signal: watch.Signal) -> None:
        assert self._tell is not None
        self._tell(signal)


class RunningClocks(HandClocks):
    """As the system's, but for what the test adds."""

    def __init__(self) -> None:
        super().__init__()
        self._began = self._running()

    def pass_by(self, ms: int) -> None:
        """Time passes, awake."""
        self._began -= ms

    @staticmethod
    def _running() -> int:
        return system_clocks().awake()

    def now(self) -> int:
        self.passed = self._running() - self._began
        return super().now()

    def awake(self) -> int:
        self.passed = self._running() - self._began
        return super().awake()

    def wall(self) -> int:
        self.passed = self._running() - self._began
        return super().wall()


class Machine:
    """The program, and the machine that it runs on."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.clocks = RunningClocks()
        self.says = ByHand()
        self.app = App(profile, load(profile.config_file, {}), clocks=self.clocks, watchers=[self.says])

    def sleep(self, ms: int) -> None:
        self.clocks.slept += ms

    def states(self, bot: str) -> list[State]:
        """Its spans in the log as it is on disk."""
        return [span.state for span in LogView(self.profile.db).spans(bot=bot)]

    def kinds(self, bot: str) -> list[str]:
        return [event.kind for event in events(self.profile, bot)]


@contextmanager
def machine(home: Path, slack: Simulator, *bots: str) -> Iterator[Machine]:
    """The program with these bots."""
    for bot in bots:
        slack.add_bot(token_of(bot), bot)
    machine = Machine(write_profile(home / "profile", dict.fromkeys(bots, slack.api_url)))
    machine.app.start()
    try:
        yield machine
    finally:
        machine.app.stop()
    assert not machine.says.running


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def test_the_machine_may_sleep_once_every_bots_sleep_is_on_disk(home: Path, slack: Simulator) -> None:
    found: list[State] = []
    done = threading.Event()
    with machine(home, slack, "one", "two", "paused") as here:
        here.app.pause("paused")
        for bot in ("one", "two"):
            wait_for_state(here.app, bot, State.ONLINE)

        def look_and_let_go() -> None:
            found.extend(here.states(bot)[-1] for bot in ("one", "two", "paused"))
            done.set()

        here.says.say(watch.SleepAnnounced(look_and_let_go))
        assert done.wait(PATIENCE_S)
        assert found == [State.ASLEEP, State.ASLEEP, State.PAUSED]

        here.sleep(HOUR_MS)
        here.says.say(watch.Woke())
        here.says.say(watch.Woke())  # as login1 and the clocks do
        for bot in ("one", "two"):
            wait_for_state(here.app, bot, State.ONLINE)
    for bot in ("one", "two"):
        # The wake may find the old link alive, which is a new session as well.
        assert here.kinds(bot).count("sleep") == here.kinds(bot).count("wake") == 1
        assert [stop.cause for stop in events(here.profile, bot, "stop")] == ["slept", "quit"]
        asleep = [span for span in LogView(here.profile.db).spans(bot=bot) if span.state is State.ASLEEP]
        assert len(asleep) == 1
        assert HOUR_MS <= asleep[0].lasted_ms < HOUR_MS + PATIENCE_S * 1000


def test_a_machine_without_bots_may_sleep_at_once(home: Path, slack: Simulator) -> None:
    done = threading.Event()
    with machine(home, slack) as here:
        here.says.say(watch.SleepAnnounced(done.set))
        assert done.is_set()


def test_a_sleep_that_does_not_come_is_ended_by_the_word_of_a_wake(home: Path, slack: Simulator) -> None:
    with machine(home, slack, "bot") as here:
        wait_for_state(here.app, "bot", State.ONLINE)
        here.says.say(watch.SleepAnnounced(lambda: None))
        wait_for_state(here.app, "bot", State.ASLEEP)
        here.says.say(watch.Woke())  # the lid was opened again within the second
        wait_for_state(here.app, "bot", State.ONLINE)


def test_a_bot_that_waits_for_nothing_is_told_of_a_wake(home: Path, slack: Simulator) -> None:
    slack.arm(f.SlackCode("token_revoked"), times=None)
    with machine(home, slack, "bot") as here:
        wait_for_state(here.app, "bot", State.REFUSED)
        here.sleep(HOUR_MS)
        here.says.say(watch.Woke())
        wait_for(here.app, lambda: "wake" in here.kinds("bot"), what="the wake in the log")
        assert here.states("bot")[-3:] == [State.REFUSED, State.ASLEEP, State.REFUSED]


def test_an_announcement_that_comes_after_the_sleep_is_no_second_sleep(home: Path, slack: Simulator) -> None:
    gate = threading.Event()
    with machine(home, slack, "bot") as here:
        wait_for_state(here.app, "bot", State.ONLINE)
        keeper = here.app.bots["bot"].keeper
        # Holds up the keeper's thread, as a machine does that sleeps before anyone has heard of it.
        keeper.ask(ev.RouteAppeared()).add_done_callback(lambda _: gate.wait(PATIENCE_S))
        here.says.say(watch.SleepAnnounced(lambda: None))
        here.sleep(HOUR_MS)
        gate.set()
        here.says.say(watch.Woke())
        wait_for(here.app, lambda: here.kinds("bot").count("start") == 2, what="a new start")
    assert here.kinds("bot").count("sleep") == here.kinds("bot").count("wake") == 1


class Pictures:
    """A tray that keeps what it is to show."""

    host = "nowhere"
    shown = True

    def __init__(self) -> None:
        # Guards the list; show() wakes those who wait. Set by stop(): run() returns.
        self._changed = threading.Condition()
        self._shown: list[TrayView] = []
        self._ended = threading.Event()

    def run(self) -> None:
        self._ended.wait(PATIENCE_S)

    def show(self, view: TrayView) -> None:
        with self._changed:
            self._shown.append(view)
            self._changed.notify_all()

    def stop(self) -> None:
        self._ended.set()

    def wait_for(self, so: Callable[[TrayView], bool]) -> TrayView:
        with self._changed:
            assert self._changed.wait_for(lambda: self._shown and so(self._shown[-1]), PATIENCE_S)
            return self._shown[-1]


def test_after_the_clock_was_set_the_shown_times_are_right(home: Path, slack: Simulator) -> None:
    tray = Pictures()
    with machine(home, slack, "bot") as here:
        wait_for_state(here.app, "bot", State.ONLINE)
        main = threading.Thread(target=here.app.use_tray, args=(tray, {}))
        main.start()
        before = tray.wait_for(lambda view: "online" in view.tooltip)
        here.clocks.stepped += 10 * 60_000
        here.says.say(watch.ClockSet(10 * 60_000))
        after = tray.wait_for(lambda view: view.tooltip != before.tooltip)
        assert "online" in after.tooltip
        assert here.kinds("bot") == ["start"], "nothing but the shown times has changed"
        here.app.end()
        main.join(PATIENCE_S)
        assert not main.is_alive()


def test_a_shutdown_ends_the_program_and_says_why(home: Path, slack: Simulator) -> None:
    with machine(home, slack, "bot") as here:
        wait_for_state(here.app, "bot", State.ONLINE)
        here.says.say(watch.SystemShutdown())
        assert here.app.ended.wait(PATIENCE_S)
        here.app.end()  # SIGTERM comes as well, and changes nothing about the cause
    assert [stop.cause for stop in events(here.profile, "bot", "stop")] == ["system_shutdown"]


class Noted:
    """Stands for a keeper: what it was given."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def post(self, event: ev.Event) -> None:
        self.given.append(event)

    def check_addresses(self) -> None:
        self.given.append("addresses")


@pytest.mark.parametrize(
    ("signal", "given"),
    [
        (watch.RouteAppeared(), ev.RouteAppeared()),
        (watch.AddressesChanged(), "addresses"),
        (watch.Woke(), ev.Woke(0)),
    ],
)
def test_every_keeper_is_told(signal: watch.Signal, given: object) -> None:
    keepers = [Noted(), Noted()]
    surroundings = Surroundings(
        lambda: keepers,  # type: ignore[arg-type,return-value]
        None,  # type: ignore[arg-type]
        on_clock_set=lambda: None,
        on_shutdown=lambda: None,
    )
    surroundings.hear(signal)
    assert [keeper.given for keeper in keepers] == [[given], [given]]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_link_that_loses_its_address_is_suspect_at_once_and_may_prove_itself(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profile_folder = home / "profile"

    def test() -> None:
        ip("link set lo up")
        with Simulator() as slack:
            slack.add_bot(token_of("bot"), "bot")
            profile = write_profile(profile_folder, {"bot": slack.api_url})
            with running(profile, watched=True) as app:
                wait_for_state(app, "bot", State.ONLINE)
                ip("address del 127.0.0.1/8 dev lo")
                wait_for(app, lambda: app.board.picture().bots["bot"].status.suspect, what="suspicion")
                ip("address add 127.0.0.1/8 dev lo")
                wait_for(app, lambda: not app.board.picture().bots["bot"].status.suspect, what="proof")
                assert app.board.picture().bots["bot"].status.state is State.ONLINE
            assert [event.kind for event in events(profile, "bot", "start", "stop")] == ["start", "stop"]

    with caplog.at_level("DEBUG", "traymon.keeper.shell.keeper"):
        on_its_own_network(test)
    assert str(ev.LocalAddressVanished(1)) in caplog.text, "else it was only the silence that made it suspect"


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_network_that_comes_back_is_tried_at_once(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    clocks = RunningClocks()

    def wait_ms(app: App) -> int:
        return (app.board.picture().bots["bot"].status.next_try or 0) - clocks.now()

    def test() -> None:
        ip("link set lo up")
        with Simulator() as slack:
            slack.add_bot(token_of("bot"), "bot")
            profile = write_profile(home / "profile", {"bot": slack.api_url})
            ip("address del 127.0.0.1/8 dev lo", "link add near type veth peer name far")
            ip("link set far up", "address add 198.51.100.2/24 dev near")
            app = App(profile, load(profile.config_file, {}), clocks=clocks)
            app.start()
            try:
                wait_for_state(app, "bot", State.OFFLINE)
                # After an hour the next try by itself is over 11 s away.
                clocks.pass_by(HOUR_MS)
                wait_for(app, lambda: wait_ms(app) > 10_000, what="a long wait")
                ip("address add 127.0.0.1/8 dev lo", "link set near up", "route add default via 198.51.100.1")
                wait_for_state(app, "bot", State.ONLINE)
            finally:
                app.stop()

    with caplog.at_level("DEBUG", "traymon.keeper.shell.keeper"):
        on_its_own_network(test)
    assert f"{ev.RouteAppeared()}: [OpenLink(" in caplog.text
