"""What waits for the store thread: in order, bounded, and counted when it must go."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sessionlog_kit import LIMIT_S, batch
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog.inbox import Inbox
from traymon.sessionlog.store import Batch


def away(at: int) -> Batch:
    return batch(EnterState(State.AWAY, at), Note(NoteKind.AWAY, at))


def ats(batches: object) -> list[int]:
    return [each.entries[0].at for each in batches]  # type: ignore[attr-defined]


def test_batches_come_out_in_order_and_numbered() -> None:
    inbox = Inbox(100)
    for at in range(5):
        assert inbox.put(away(at))
    assert ats(inbox.take(0, 3, hold=False).batches) == [0, 1, 2]
    rest = inbox.take(0, 3, hold=False)
    assert ats(rest.batches) == [3, 4]
    assert [each.number for each in rest.batches] == [4, 5]
    assert not inbox.take(0, 3, hold=False)


def test_beyond_the_bound_the_oldest_go_and_are_counted() -> None:
    inbox = Inbox(4)
    for at in range(5):
        inbox.put(away(at))
    assert inbox.left() == 10
    work = inbox.take(0, 9, hold=False)
    assert ats(work.batches) == [3, 4]
    loss = work.losses["deploybot"]
    assert (loss.entries, loss.since, loss.number) == (6, 0, 3)


def test_work_given_back_is_first_again() -> None:
    inbox = Inbox(100)
    for at in range(3):
        inbox.put(away(at))
    work = inbox.take(0, 2, hold=False)
    inbox.put(away(3))
    inbox.give_back(work)
    assert ats(inbox.take(0, 9, hold=False).batches) == [0, 1, 2, 3]


def test_work_given_back_to_a_full_inbox_is_lost_before_newer_work() -> None:
    inbox = Inbox(4)
    inbox.put(away(0))
    inbox.put(away(1))
    work = inbox.take(0, 9, hold=False)
    inbox.put(away(2))
    inbox.give_back(work)
    work = inbox.take(0, 9, hold=False)
    assert ats(work.batches) == [1, 2]
    assert work.losses["deploybot"].since == 0


def test_what_was_taken_is_lost_too_where_what_followed_it_is_lost_meanwhile() -> None:
    inbox = Inbox(4)
    inbox.put(away(0))
    work = inbox.take(0, 9, hold=False)
    for at in range(1, 4):
        inbox.put(away(at))
    inbox.give_back(work)
    work = inbox.take(0, 9, hold=False)
    assert ats(work.batches) == [2, 3]
    loss = work.losses["deploybot"]
    assert (loss.entries, loss.since) == (4, 0)


@given(st.lists(st.sampled_from(["put", "take", "fail", "done"]), max_size=40))
def test_every_entry_is_kept_in_order_or_counted_as_lost(steps: list[str]) -> None:
    inbox, put, seen, counted, taken = Inbox(6), 0, [], 0, None
    for step in [*steps, "done", "take", "done"]:
        if step == "put":
            inbox.put(away(put))
            put += 1
        elif step == "take" and taken is None:
            taken = inbox.take(0, 99, hold=False)
        elif taken is not None and step == "fail":
            inbox.give_back(taken)
            taken = None
        elif taken is not None and step == "done":
            counted += sum(loss.entries for loss in taken.losses.values()) // 2
            for loss in taken.losses.values():
                # Whatever is lost is older than what comes with it.
                assert loss.since is not None
                assert all(loss.since < at for at in ats(taken.batches))
            seen += ats(taken.batches)
            taken = None
    assert seen == sorted(set(seen))
    assert len(seen) + counted == put
    assert inbox.left() == 0


def test_callbacks_of_lost_batches_are_given_out_once() -> None:
    inbox, called = Inbox(1), []
    inbox.put(Batch("bot", "rtm", [Note(NoteKind.PAUSE, 1)], lambda: called.append(1)))
    inbox.put(Batch("bot", "rtm", [Note(NoteKind.PAUSE, 2)], lambda: called.append(2)))
    for callback in [*inbox.release_lost(), *inbox.release_lost()]:
        callback()
    assert called == [1]


def test_nothing_comes_in_after_the_end_but_what_is_there_comes_out() -> None:
    inbox = Inbox(10)
    inbox.put(away(1))
    inbox.close()
    assert not inbox.put(away(2))
    work = inbox.take(LIMIT_S, 9, hold=True)  # the end comes before a fault's waiting
    assert work.closing
    assert ats(work.batches) == [1]


def test_while_holding_nothing_is_taken() -> None:
    inbox = Inbox(10)
    inbox.put(away(1))
    inbox.poke()
    assert not inbox.take(0.01, 9, hold=True)
    assert inbox.left() == 2


@pytest.mark.parametrize("wake", ["put", "poke", "close"])
def test_a_waiting_taker_wakes(wake: str) -> None:
    inbox, woke = Inbox(10), threading.Event()

    def take() -> None:
        inbox.take(10 * LIMIT_S, 9, hold=False)
        woke.set()

    # Waits in take() until one of the three wakes it; only this test knows it.
    taker = threading.Thread(target=take)
    taker.start()
    {"put": lambda: inbox.put(away(1)), "poke": inbox.poke, "close": inbox.close}[wake]()
    assert woke.wait(LIMIT_S)
    taker.join(LIMIT_S)
