"""What is shown of a bot is in the log first, or is marked as not logged yet."""

import threading

from traymon.keeper.core import State, Status
from traymon.keeper.shell.board import LOG_PATIENCE_MS, Board, Picture, Shown


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


CONNECTING = Status(State.CONNECTING, since=1)
ONLINE = Status(State.ONLINE, since=2)
OFFLINE = Status(State.OFFLINE, since=3)


def test_a_change_is_shown_only_once_it_is_committed() -> None:
    board = Board(HandClock())
    committed = board.propose("bot", ONLINE, needs_commit=True)
    assert board.picture().bots == {}
    committed()
    assert board.picture().bots == {"bot": Shown(ONLINE)}


def test_what_needs_no_commit_still_waits_for_what_came_before() -> None:
    board = Board(HandClock())
    committed = board.propose("bot", CONNECTING, needs_commit=True)
    board.propose("bot", ONLINE, needs_commit=False)
    assert board.picture().bots == {}
    committed()
    assert board.picture().bots == {"bot": Shown(ONLINE)}


def test_a_disk_that_takes_too_long_is_not_waited_for() -> None:
    clock = HandClock()
    board = Board(clock)
    board.propose("bot", CONNECTING, needs_commit=True)()
    board.propose("bot", ONLINE, needs_commit=True)
    clock.ms += LOG_PATIENCE_MS - 1
    assert board.picture().bots["bot"] == Shown(CONNECTING)
    clock.ms += 1
    assert board.picture().bots["bot"] == Shown(ONLINE, logged=False)


def test_commits_that_come_late_make_it_logged_again() -> None:
    clock = HandClock()
    board = Board(clock)
    first = board.propose("bot", ONLINE, needs_commit=True)
    second = board.propose("bot", OFFLINE, needs_commit=True)
    clock.ms += LOG_PATIENCE_MS
    assert board.picture().bots["bot"] == Shown(OFFLINE, logged=False)
    first()
    second()
    assert board.picture().bots["bot"] == Shown(OFFLINE)


def test_one_bot_waits_for_no_other() -> None:
    board = Board(HandClock())
    board.propose("slow", ONLINE, needs_commit=True)
    board.propose("quick", ONLINE, needs_commit=True)()
    assert list(board.picture().bots) == ["quick"]


def test_waiting_ends_with_the_next_change_of_anything_shown() -> None:
    board = Board(HandClock())
    pictures: list[Picture] = []
    seen = board.picture()
    waiter = threading.Thread(target=lambda: pictures.append(board.wait(seen)))
    waiter.start()
    board.set_fault("The disk is full.")
    waiter.join(10)
    assert pictures == [Picture({}, "The disk is full.")]


def test_waiting_ends_when_told_so() -> None:
    board = Board(HandClock())
    ended = threading.Event()
    waiter = threading.Thread(target=lambda: board.wait(board.picture(), ended.is_set))
    waiter.start()
    ended.set()
    board.poke()
    waiter.join(10)
    assert not waiter.is_alive()


def test_waiting_takes_no_longer_than_asked() -> None:
    board = Board(HandClock())
    assert board.wait(board.picture(), timeout_s=0) == Picture({})
