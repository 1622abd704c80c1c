"""The thread of notifications: what it passes on, and whom it never holds up."""

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support import PATIENCE_S
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.notifications.base import NoNotifier, OnClick, OnClosed
from traymon.notifications.center import Center
from traymon.notifications.facts import BotNow, Kind, Show
from traymon.notifications.policy import Numbers, Policy

WALL = 1_482_186_550_000
REVOKED = Failure(Cause.REFUSED_TOKEN, Phase.API, "token_revoked")
QUICK = Numbers(patience=1, patience_at_start=1)


def bot(state: State, name: str = "deploybot", failure: Failure | None = None) -> BotNow:
    return BotNow(name, None, state, WALL, failure)


class Screen:
    """A notifier that puts what it is asked on a queue."""

    def __init__(self) -> None:
        # From the center's thread to the test.
        self.asked: queue.SimpleQueue[Show | str] = queue.SimpleQueue()
        self.stopped = False
        self.hold = threading.Event()
        self.hold.set()
        self.problem: Exception | None = None

    def start(self, on_closed: OnClosed, on_click: OnClick) -> None:
        self.on_closed, self.on_click = on_closed, on_click

    def show(self, show: Show) -> None:
        self.hold.wait(PATIENCE_S)
        if self.problem:
            raise self.problem
        self.asked.put(show)

    def close(self, key: str) -> None:
        self.asked.put(key)

    def stop(self, limit_s: float) -> None:
        assert limit_s >= 0
        self.stopped = True

    def next_show(self) -> Show:
        show = self.asked.get(timeout=PATIENCE_S)
        assert isinstance(show, Show)
        return show


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def clicks() -> "queue.SimpleQueue[tuple[str, str | None, str]]":
    return queue.SimpleQueue()


@pytest.fixture
def center(screen: Screen, clicks: "queue.SimpleQueue[tuple[str, str | None, str]]") -> Iterator[Center]:
    center = Center(
        screen,
        lambda what, bot: clicks.put((what, bot, threading.current_thread().name)),
        policy=Policy(QUICK),
    )
    center.start()
    yield center
    screen.hold.set()
    center.stop(PATIENCE_S)
    assert screen.stopped
    assert not center._thread.is_alive()


def test_deadline_is_kept_without_further_news(center: Center, screen: Screen) -> None:
    center.changed([bot(State.ONLINE)])
    center.changed([bot(State.OFFLINE)])
    assert screen.next_show().kind is Kind.OUTAGE
    center.changed([bot(State.ONLINE)])
    assert screen.next_show().kind is Kind.BACK


def test_stop_takes_away_what_is_shown(screen: Screen) -> None:
    center = Center(screen, lambda _what, _bot: None, policy=Policy(QUICK))
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    center.start()
    show = screen.next_show()
    center.stop(PATIENCE_S)
    assert screen.asked.get_nowait() == show.key
    center.changed([bot(State.REFUSED, "other", REVOKED)])
    center.stop(PATIENCE_S)
    assert screen.asked.empty()


def test_setting(center: Center, screen: Screen) -> None:
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    show = screen.next_show()
    center.set_enabled(False)
    assert screen.asked.get(timeout=PATIENCE_S) == show.key
    center.set_enabled(True)
    assert screen.next_show().kind is Kind.PERSON


def test_answer_to_a_person_is_shown_whatever_the_setting(center: Center, screen: Screen) -> None:
    center.set_enabled(False)
    center.notice("Copied", "The diagnostics are in the clipboard.")
    show = screen.next_show()
    assert (show.kind, show.title, show.pops, show.actions) == (Kind.NOTICE, "Copied", True, ())
    screen.on_click(show.key, "default")


def test_click_runs_on_a_thread_of_its_own(
    center: Center, screen: Screen, clicks: "queue.SimpleQueue[tuple[str, str | None, str]]"
) -> None:
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    show = screen.next_show()
    screen.on_click(show.key, "default")
    screen.on_click(show.key, "log")
    screen.on_click(show.key, "hostile")
    screen.on_click("person:99", "reconnect")
    screen.on_click(show.key, "reconnect")
    chosen = [clicks.get(timeout=PATIENCE_S) for _ in range(3)]
    assert chosen == [
        ("reconnect", "deploybot", "notification clicks"),
        ("log", "deploybot", "notification clicks"),
        ("reconnect", "deploybot", "notification clicks"),
    ]


def test_click_on_one_about_several_names_none(
    center: Center, screen: Screen, clicks: "queue.SimpleQueue[tuple[str, str | None, str]]"
) -> None:
    center.changed([bot(State.REFUSED, "a", REVOKED), bot(State.REFUSED, "b", REVOKED)])
    screen.on_click(screen.next_show().key, "reconnect")
    assert clicks.get(timeout=PATIENCE_S)[:2] == ("reconnect", None)


def test_failing_click_does_not_end_the_next(screen: Screen) -> None:
    done = threading.Event()
    calls: list[str] = []

    def on_action(what: str, _bot: str | None) -> None:
        calls.append(what)
        if len(calls) == 2:
            done.set()
        raise OSError("the keeper is busy")

    center = Center(screen, on_action, policy=Policy(QUICK))
    center.start()
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    key = screen.next_show().key
    screen.on_click(key, "reconnect")
    screen.on_click(key, "log")
    assert done.wait(PATIENCE_S)
    center.stop(PATIENCE_S)


def test_clicked_notification_still_turns_into_the_return(center: Center, screen: Screen) -> None:
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    key = screen.next_show().key
    screen.on_click(key, "reconnect")
    screen.on_closed(key, True)
    center.changed([bot(State.ONLINE)])
    assert screen.next_show().kind is Kind.BACK


def test_dismissed_notification_does_not(center: Center, screen: Screen) -> None:
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    screen.on_closed(screen.next_show().key, True)
    center.changed([bot(State.ONLINE), bot(State.REFUSED, "other", REVOKED)])
    show = screen.next_show()
    assert (show.kind, show.bots) == (Kind.PERSON, ("other",))


def test_notifier_that_hangs_holds_nobody_up(center: Center, screen: Screen) -> None:
    screen.hold.clear()
    center.changed([bot(State.REFUSED, "first", REVOKED)])
    for number in range(1000):
        center.changed([bot(State.REFUSED, f"bot{number}", REVOKED)])
    screen.hold.set()
    shows: list[Show] = []
    while not shows or shows[-1].bots != ("bot999",):
        item = screen.asked.get(timeout=PATIENCE_S)
        if isinstance(item, Show):
            shows.append(item)
    assert len(shows) <= 3, "pictures are not piled up"


def test_notifier_that_fails_does_not_end_the_thread(
    center: Center, screen: Screen, caplog: pytest.LogCaptureFixture
) -> None:
    screen.problem = RuntimeError("no screen")
    center.changed([bot(State.REFUSED, "a", REVOKED)])
    wait_until(lambda: "a notification failed" in caplog.text)
    screen.problem = None
    center.changed([bot(State.REFUSED, "b", REVOKED)])
    while screen.asked.get(timeout=PATIENCE_S) == "person:1":
        pass  # what failed to be shown is closed all the same


def wait_until(so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(round(PATIENCE_S / 0.01)):
        if so():
            return
        pause.wait(0.01)
    pytest.fail("waited in vain")


def test_without_a_notifier() -> None:
    center = Center(NoNotifier(), lambda _what, _bot: None)
    center.stop(1)
    center.start()
    center.changed([bot(State.REFUSED, failure=REVOKED)])
    center.stop(PATIENCE_S)
    assert not center._thread.is_alive()
