"""Notifications on a real server (dunst), and what becomes of them when it ends, restarts or was never there."""

import contextlib
import dataclasses
import heapq
import itertools
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.desktop.kit import PATIENCE_S, Program, Screen, assert_quiet, eventually, need, reporting
from tests.desktop.notification_witness import Witness
from traymon.keeper.core import Core
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Anomaly, EnterState, Note, OpenLink, SendPing
from traymon.keeper.core.states import State
from traymon.notifications.center import Center
from traymon.notifications.facts import Action, BotNow, Kind, Quit, Seen, Show, Tick, Urgency
from traymon.notifications.freedesktop import FreedesktopNotifier
from traymon.notifications.policy import Numbers, Policy
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.view import LogView

BUS_CONF = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that starts no programs: what runs is the test's affair."""

DUNSTRC = """\
[global]
    width = 380
    notification_limit = 20
    history_length = 100
    markup = full
    idle_threshold = 0
[urgency_low]
    timeout = {timeout}
[urgency_normal]
    timeout = {timeout}
[urgency_critical]
    timeout = 0
"""

HUNG_UP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006)
DNS = Failure(Cause.DNS, Phase.DNS, evidence={"host": "slack.com"})
REVOKED = Failure(Cause.REFUSED_TOKEN, Phase.API, "token_revoked")
MINUTE = 60_000
HOUR = 60 * MINUTE
WALL = 1_482_186_550_000

OUTAGE = Show(
    key="outage:1",
    kind=Kind.OUTAGE,
    replaces=False,
    pops=True,
    title="deploybot is offline",
    body="Slack hung up.",
    urgency=Urgency.NORMAL,
    actions=(Action.RECONNECT, Action.LOG),
    bots=("deploybot",),
)
BACK = dataclasses.replace(
    OUTAGE,
    kind=Kind.BACK,
    replaces=True,
    title="deploybot is back after 3m 04s",
    body="All is well.",
    actions=(Action.LOG,),
)

StartBus = Callable[..., tuple[Program, str]]


@pytest.fixture
def start_plain_bus(folders: tuple[dict[str, str], Path], tmp_path: Path) -> Iterator[StartBus]:
    """Starts a bus that starts nothing, and gives its address; the old address on request."""
    need("dbus-daemon")
    env, home = folders
    stack = contextlib.ExitStack()

    def start(address: str = f"unix:tmpdir={home / 'run'}") -> tuple[Program, str]:
        conf = tmp_path / "bus.conf"
        conf.write_text(BUS_CONF.format(address=address.partition(",guid=")[0]))

        def daemon(ready: int) -> Program:
            options = (f"--config-file={conf}", "--nofork", "--nopidfile", f"--print-address={ready}")
            return Program("dbus-daemon", *options, env=env, log=home / "dbus.log", pass_fds=(ready,))

        return stack.enter_context(reporting(daemon))

    with stack:
        yield start


@pytest.fixture
def bus(start_plain_bus: StartBus) -> str:
    return start_plain_bus()[1]


@pytest.fixture
def witness(bus: str) -> Iterator[Witness]:
    witness = Witness(bus)
    yield witness
    witness.close()


@pytest.fixture
def start_dunst(
    display: Screen, bus: str, witness: Witness, programs: list[Program], tmp_path: Path
) -> Callable[..., Program]:
    """Starts dunst, and waits until it is on the bus. Notifications stay unless ``timeout`` (seconds) says else."""
    need("dunst")

    def start(timeout: int = 0) -> Program:
        rc = tmp_path / "dunstrc"
        rc.write_text(DUNSTRC.format(timeout=timeout))
        programs.append(display.start("dunst", "-conf", str(rc), env={"DBUS_SESSION_BUS_ADDRESS": bus}))
        witness.wait_for_server()
        return programs[-1]

    return start


@pytest.fixture
def dunst(start_dunst: Callable[..., Program]) -> Program:
    return start_dunst()


class Notifying:
    """A notifier under test, and what it tells."""

    def __init__(self, address: str | None) -> None:
        # From the notifier's thread to the test.
        self.closed: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self.clicked: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.notifier = FreedesktopNotifier(address, say=self.said.put, first_retry_s=0.1)
        self.notifier.start(
            lambda key, by_person: self.closed.put((key, by_person)),
            lambda key, what: self.clicked.put((key, what)),
        )

    def stop(self) -> None:
        self.notifier.stop(PATIENCE_S)
        thread = self.notifier._thread
        assert thread is None or not thread.is_alive()


@pytest.fixture
def notifying(bus: str) -> Iterator[Notifying]:
    notifying = Notifying(bus)
    yield notifying
    notifying.stop()


# One notification


def test_as_the_server_gets_it(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    seen = witness.next()
    assert (seen.app, seen.replaces, seen.title, seen.body) == (
        "traymon",
        0,
        "deploybot is offline",
        "Slack hung up.",
    )
    assert seen.actions == ["default", "Reconnect", "reconnect", "Reconnect", "log", "View log"]
    assert seen.hints == {
        "urgency": 1,
        "desktop-entry": "traymon",
        "category": "network.disconnected",
        "resident": True,
    }
    assert seen.expires == -1
    assert witness.displayed() == 1


def test_change_in_place_and_return(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    first = witness.next()
    notifying.notifier.show(dataclasses.replace(OUTAGE, replaces=True, pops=False, body="No network."))
    second = witness.next()
    notifying.notifier.show(BACK)
    third = witness.next()
    assert second.replaces == third.replaces == first.number
    assert second.number == third.number == first.number
    assert third.hints["transient"] is True
    assert "resident" not in third.hints
    assert third.hints["category"] == "network.connected"
    assert witness.displayed() == 1
    witness.dunst("NotificationCloseAll")
    eventually(lambda: witness.displayed() == 0, "the end")
    assert [entry["summary"] for entry in witness.history()] == [BACK.title]


def test_only_a_refusal_is_critical(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    refused = dataclasses.replace(OUTAGE, key="person:2", kind=Kind.PERSON, urgency=Urgency.CRITICAL)
    notifying.notifier.show(refused)
    notifying.notifier.show(dataclasses.replace(OUTAGE, key="program:3", kind=Kind.PROGRAM))
    hints = [witness.next().hints for _ in range(2)]
    assert [each["urgency"] for each in hints] == [2, 1]
    assert [each["category"] for each in hints] == ["network.error", "presence.offline"]


def test_do_not_disturb_is_kept(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    witness.pause()
    for body in ("One.", "Two."):
        notifying.notifier.show(dataclasses.replace(OUTAGE, replaces=True, body=body))
        assert witness.next().body == body
    assert witness.displayed() == 0


def test_click_on_text_and_on_actions(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    witness.next()
    witness.dunst("NotificationAction", "u", 0)  # dunstctl action
    assert notifying.clicked.get(timeout=PATIENCE_S) == (OUTAGE.key, "default")


def test_click_after_it_was_closed_still_counts(
    dunst: Program, witness: Witness, notifying: Notifying
) -> None:
    """dunst closes a notification that is not resident and tells of the click, in the order that it likes."""
    notifying.notifier.show(OUTAGE)
    witness.next()
    notifying.notifier.show(BACK)
    witness.next()
    witness.dunst("NotificationAction", "u", 0)
    assert notifying.clicked.get(timeout=PATIENCE_S) == (OUTAGE.key, "default")


def test_signals_in_the_servers_name_do_not_count(
    dunst: Program, witness: Witness, notifying: Notifying
) -> None:
    notifying.notifier.show(OUTAGE)
    number = witness.next().number
    witness.forge("ActionInvoked", "us", number, "log")
    witness.forge("NotificationClosed", "uu", number, 2)
    witness.dunst("NotificationAction", "u", 0)
    assert notifying.clicked.get(timeout=PATIENCE_S) == (OUTAGE.key, "default")
    assert notifying.closed.empty()


def test_others_notifications_are_none_of_ours(
    dunst: Program, witness: Witness, notifying: Notifying
) -> None:
    notifying.notifier.show(OUTAGE)
    witness.next()
    witness.notify("someone else's")
    witness.next()
    witness.dunst("NotificationCloseLast")
    witness.dunst("NotificationCloseLast")
    assert notifying.closed.get(timeout=PATIENCE_S) == (OUTAGE.key, True)
    assert notifying.closed.empty()


def test_dismissed_by_person(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    witness.next()
    witness.dunst("NotificationCloseLast")
    assert notifying.closed.get(timeout=PATIENCE_S) == (OUTAGE.key, True)


def test_time_over(start_dunst: Callable[..., Program], witness: Witness, notifying: Notifying) -> None:
    start_dunst(timeout=1)
    notifying.notifier.show(OUTAGE)
    first = witness.next()
    assert notifying.closed.get(timeout=PATIENCE_S) == (OUTAGE.key, False)
    # Its number is nobody's any more: what follows under the key is a new one.
    notifying.notifier.show(BACK)
    back = witness.next()
    assert (back.replaces, back.title) == (0, BACK.title)
    assert back.number != first.number


def test_taken_away(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    number = witness.next().number
    notifying.notifier.close(OUTAGE.key)
    assert witness.closings.get(timeout=PATIENCE_S) == number
    eventually(lambda: witness.displayed() == 0, "the end")
    notifying.notifier.close(OUTAGE.key)
    notifying.notifier.close("outage:77")
    notifying.stop()
    assert witness.closings.empty()


def test_stop_takes_away_what_it_is_told_to(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(OUTAGE)
    witness.next()
    notifying.notifier.close(OUTAGE.key)
    notifying.stop()
    assert witness.displayed() == 0
    notifying.notifier.show(OUTAGE)
    assert witness.displayed() == 0


HOSTILE = (
    "<b>bold</b> <img src='file:///etc/passwd'> <a href=\"http://evil.example\">x</a> &amp; &lt; "
    "\\u202e שלום 漢字 %s %b"
)


def test_hostile_text_stays_text(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    notifying.notifier.show(dataclasses.replace(OUTAGE, title=HOSTILE, body=HOSTILE))
    seen = witness.next()
    assert seen.title == HOSTILE, "titles have no markup"
    assert "&lt;b&gt;bold&lt;/b&gt;" in seen.body
    assert "&amp;amp; &amp;lt;" in seen.body
    assert "<" not in seen.body
    witness.dunst("NotificationCloseAll")
    (entry,) = eventually(witness.history, "the history")
    # What dunst rendered: its own escaping of the title, and ours of the body, taken back.
    assert entry["summary"] == HOSTILE
    assert "&lt;b&gt;bold&lt;/b&gt;" in entry["message"]
    assert "&lt;a href=" in entry["message"]


def test_picture(dunst: Program, witness: Witness, bus: str) -> None:
    picture = Path(__file__).parents[2] / "assets" / "icons" / "png" / "offline-64.png"
    asked: list[Kind] = []

    def choose(kind: Kind) -> Path:
        asked.append(kind)
        return picture

    notifier = FreedesktopNotifier(bus, picture=choose)
    notifier.start(lambda _key, _by_person: None, lambda _key, _what: None)
    notifier.show(OUTAGE)
    assert witness.next().icon == picture.as_uri()
    assert asked == [Kind.OUTAGE]
    notifier.stop(PATIENCE_S)


def test_answer_to_a_person(dunst: Program, witness: Witness, bus: str) -> None:
    center = Center(FreedesktopNotifier(bus), lambda _what, _bot: None, policy=Policy(enabled=False))
    center.start()
    center.notice("Copied", "The diagnostics are in the clipboard.")
    seen = witness.next()
    assert (seen.title, seen.actions) == ("Copied", [])
    assert seen.hints == {"urgency": 1, "desktop-entry": "traymon", "transient": True}
    center.notice("Copied", "Again.")
    assert witness.next().replaces == seen.number
    center.stop(PATIENCE_S)


# A server that is not there, ends, restarts


def test_nothing_begins_before_there_is_something_to_show(notifying: Notifying) -> None:
    notifying.notifier.close("outage:1")
    assert notifying.notifier._thread is None


def test_absent_server_is_said_once_and_waited_for(
    witness: Witness,
    notifying: Notifying,
    start_dunst: Callable[..., Program],
    caplog: pytest.LogCaptureFixture,
) -> None:
    notifying.notifier.show(OUTAGE)
    sentence = notifying.said.get(timeout=PATIENCE_S)
    assert sentence.startswith("Notifications cannot be shown (")
    notifying.notifier.show(dataclasses.replace(OUTAGE, body="Newer."))
    start_dunst()
    assert witness.next().body == "Newer.", "only the newest is still of use"
    assert notifying.said.empty()
    assert_quiet(caplog)


def test_what_is_over_before_it_could_be_shown_is_not_shown(
    witness: Witness, notifying: Notifying, start_dunst: Callable[..., Program]
) -> None:
    notifying.notifier.show(OUTAGE)
    notifying.said.get(timeout=PATIENCE_S)
    notifying.notifier.show(BACK)
    other = dataclasses.replace(OUTAGE, key="outage:2")
    notifying.notifier.show(other)
    closed = dataclasses.replace(OUTAGE, key="outage:3")
    notifying.notifier.show(closed)
    notifying.notifier.close(closed.key)
    last = dataclasses.replace(OUTAGE, key="outage:4", title="last")
    notifying.notifier.show(last)
    start_dunst()
    assert [witness.next().title for _ in range(2)] == [other.title, "last"]


def test_server_killed_and_restarted(
    start_dunst: Callable[..., Program],
    witness: Witness,
    notifying: Notifying,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = start_dunst()
    notifying.notifier.show(OUTAGE)
    witness.next()
    eventually(lambda: OUTAGE.key in notifying.notifier._shown, "the server's answer")
    first.kill()
    assert notifying.closed.get(timeout=PATIENCE_S) == (OUTAGE.key, False)
    witness.wait_for_server(False)
    start_dunst()
    # To the new server, the old one's number would be someone else's notification.
    notifying.notifier.show(dataclasses.replace(BACK))
    assert witness.next().replaces == 0
    witness.dunst("NotificationAction", "u", 0)
    assert notifying.clicked.get(timeout=PATIENCE_S) == (BACK.key, "default")
    assert_quiet(caplog)


def test_bus_that_goes_away_and_comes_back(
    start_plain_bus: StartBus,
    display: Screen,
    programs: list[Program],
    folders: tuple[dict[str, str], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    need("dunst")
    place = f"unix:path={folders[1] / 'run' / 'notify-bus'}"
    first_bus, address = start_plain_bus(place)
    notifying = Notifying(place)

    def watch() -> Witness:
        witness = Witness(address)
        programs.append(display.start("dunst", env={"DBUS_SESSION_BUS_ADDRESS": place}))
        witness.wait_for_server()
        return witness

    witness = watch()
    notifying.notifier.show(OUTAGE)
    witness.next()
    witness.close()
    first_bus.kill()
    assert notifying.closed.get(timeout=PATIENCE_S) == (OUTAGE.key, False)
    notifying.notifier.show(dataclasses.replace(OUTAGE, key="outage:2", title="again"))
    notifying.said.get(timeout=PATIENCE_S)
    (folders[1] / "run" / "notify-bus").unlink(missing_ok=True)
    _, address = start_plain_bus(place)
    witness = watch()
    assert witness.next().title == "again"
    notifying.stop()
    witness.close()
    assert_quiet(caplog)


@pytest.mark.parametrize("address", [None, "unix:path=/nowhere/bus", "nonsense"])
def test_no_bus_at_all(address: str | None, caplog: pytest.LogCaptureFixture) -> None:
    notifying = Notifying(address)
    notifying.notifier.show(OUTAGE)
    assert "cannot be shown" in notifying.said.get(timeout=PATIENCE_S)
    notifying.notifier.show(dataclasses.replace(OUTAGE, key="outage:2"))
    notifying.notifier.close(OUTAGE.key)
    notifying.stop()
    assert notifying.said.empty()
    assert_quiet(caplog)


# All together


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.ms = 5 * HOUR

    def now(self) -> int:
        return self.ms

    awake = now

    def wall(self) -> int:
        return WALL + self.ms


def a_bot(state: State, clock: Clock, failure: Failure | None = None) -> BotNow:
    return BotNow("deploybot", "Acme", state, clock.wall(), failure)


def test_forty_flaps_in_an_hour(dunst: Program, witness: Witness, notifying: Notifying) -> None:
    """The hour is virtual, the server is not: at most four notifications, the first after tells of the others."""
    clock, policy = Clock(), Policy()

    def hear(event: Seen | Tick | Quit) -> None:
        for effect in policy.receive(event, clock.now()):
            if isinstance(effect, Show):
                notifying.notifier.show(effect)
                shown.append(witness.next())
            else:
                notifying.notifier.close(effect.key)

    def wait(ms: int) -> None:
        until = clock.ms + ms
        while (due := policy.deadline) is not None and due <= until:
            clock.ms = due
            hear(Tick())
        clock.ms = until

    def become(state: State, failure: Failure | None = None) -> None:
        hear(Seen((a_bot(state, clock, failure),), clock.wall()))

    shown: list[object] = []
    become(State.ONLINE)
    for _ in range(40):
        become(State.OFFLINE, HUNG_UP)
        wait(45_000)
        become(State.ONLINE)
        wait(45_000)
    assert len(shown) == 4
    wait(HOUR)
    become(State.OFFLINE, HUNG_UP)
    wait(MINUTE)
    assert "38 more outages were not shown" in shown[4].body  # type: ignore[attr-defined]
    witness.dunst("NotificationCloseAll")
    eventually(lambda: witness.displayed() == 0, "the end")
    # Both outages that were shown have become their returns.
    assert [entry["summary"] for entry in witness.history()] == [
        "deploybot (Acme) is offline",
        "deploybot (Acme) is back after 45s",
        "deploybot (Acme) is back after 45s",
    ]
    hear(Quit())


def test_center_from_outage_to_click_to_return(dunst: Program, witness: Witness, bus: str) -> None:
    clock = Clock()
    actions: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    center = Center(
        FreedesktopNotifier(bus),
        lambda what, bot: actions.put((what, bot)),
        policy=Policy(Numbers(patience=50, patience_at_start=50, on_screen=HOUR)),
    )
    center.start()
    center.changed([a_bot(State.OFFLINE, clock, HUNG_UP)])
    first = witness.next()
    assert first.title == "deploybot (Acme) is offline"
    center.changed([a_bot(State.OFFLINE, clock, DNS)])
    second = witness.next()
    assert (second.replaces, "slack.com" in second.body) == (first.number, True)
    witness.dunst("NotificationAction", "u", 0)
    assert actions.get(timeout=PATIENCE_S) == ("reconnect", "deploybot")
    center.changed([a_bot(State.ONLINE, clock)])
    back = witness.next()
    assert back.title.startswith("deploybot (Acme) is back after ")
    center.changed([a_bot(State.REFUSED, clock, REVOKED)])
    assert witness.next().hints["urgency"] == 2
    center.stop(PATIENCE_S)
    eventually(lambda: witness.displayed() <= 1, "the refusal taken away")


class BadNight:
    """An hour in which Slack's server hangs up again and again and is away for a while: the real core lives through it
    in virtual time, the real log is written, and the policy of notifications is told what the tray is told."""

    UP_MS = 40_000
    AWAY_MS = 30_000
    TRIP_MS = 100

    def __init__(self, folder: Path, tell: Callable[[Show], None]) -> None:
        self.clock = Clock()
        self.db = folder / "sessions.sqlite3"
        self._tell = tell
        self._log = SessionLog(self.db, folder / "sessions.log", self.clock, on_fault=lambda _: None)
        self._core = Core(lambda: 0.5)
        self._policy = Policy()
        self._coming: list[tuple[int, int, ev.LinkEvent]] = []
        self._slack_is_there = True
        self._order = itertools.count()

    def play(self, flaps: int) -> None:
        """Every flap is a hang-up of a link that has been up for :attr:`UP_MS`."""
        self._log.open()
        self._give(ev.Started())
        for _ in range(flaps):
            self._until(lambda: self._core.status.state is State.ONLINE)
            self._wait(self.UP_MS)
            link = self._core.status.link
            assert link is not None
            self._slack_is_there = False
            self._give(ev.LinkEnded(link, HUNG_UP))
            assert self._core.status.state is State.OFFLINE
            self._wait(self.AWAY_MS)
            self._slack_is_there = True
        self._until(lambda: self._core.status.state is State.ONLINE)
        assert self._log.close(PATIENCE_S)

    def _wait(self, ms: int) -> None:
        end = self.clock.ms + ms
        self._until(lambda: self.clock.ms >= end, end)

    def _until(self, so: Callable[[], bool], end: int | None = None) -> None:
        while not so():
            due = [self._core.deadline, self._policy.deadline, end, *(at for at, _, _ in self._coming[:1])]
            self.clock.ms = max(self.clock.ms, min(each for each in due if each is not None))
            if self._coming and self._coming[0][0] <= self.clock.ms:
                self._give(heapq.heappop(self._coming)[2])
            else:
                self._give(ev.Tick())
                self._hear(Tick())

    def _give(self, event: ev.Event) -> None:
        effects = self._core.receive(event, self.clock.ms)
        entries = [effect for effect in effects if isinstance(effect, EnterState | Note)]
        if entries:
            self._log.record("deploybot", "rtm", entries)
            failure = self._core.status.failure
            self._hear(Seen((a_bot(self._core.status.state, self.clock, failure),), self.clock.wall()))
        for effect in effects:
            if isinstance(effect, SendPing):
                self._comes(ev.PongReceived(effect.link, effect.ping))
            elif isinstance(effect, OpenLink) and self._slack_is_there:
                link = effect.link
                for answer in (ev.ApiAnswered(link), ev.LinkOpened(link), ev.HelloReceived(link)):
                    self._comes(answer)
            elif isinstance(effect, OpenLink):
                self._comes(ev.LinkEnded(effect.link, Failure(Cause.CONNECT_REFUSED, Phase.TCP)))
            assert not isinstance(effect, Anomaly), effect

    def _comes(self, event: ev.LinkEvent) -> None:
        heapq.heappush(self._coming, (self.clock.ms + self.TRIP_MS, next(self._order), event))

    def _hear(self, event: Seen | Tick) -> None:
        for effect in self._policy.receive(event, self.clock.ms):
            if isinstance(effect, Show):
                self._tell(effect)


def test_a_bad_night_of_forty_flaps_pops_up_four_times_and_the_log_has_them_all(
    dunst: Program, witness: Witness, notifying: Notifying, tmp_path: Path
) -> None:
    shown: list[int] = []

    def tell(show: Show) -> None:
        notifying.notifier.show(show)
        witness.next()
        shown.append(night.clock.ms)

    night = BadNight(tmp_path, tell)
    night.play(40)
    begun, ended = 5 * HOUR, night.clock.ms
    assert ended - begun <= HOUR, "forty within an hour"
    assert 1 <= len(shown) <= 4
    told = LogView(night.db).events("deploybot")
    stops = [event for event in told if event.kind == "stop"]
    assert [stop.cause for stop in stops] == [HUNG_UP.cause] * 40 + ["quit"] * (len(stops) - 40)
    assert sum(event.kind == "start" for event in told) == 41
    assert LogView(night.db).totals("deploybot").outages == 40
    lines = (tmp_path / "sessions.log").read_text().splitlines()
    assert sum("  stop   deploybot" in line for line in lines) == len(stops)
