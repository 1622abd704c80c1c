"""Signs of life that wait for the keeper: which are kept, in which order, and what a sleep between them means."""

import threading

from traymon.keeper.core import events as ev
from traymon.keeper.shell.proofs import Noted, Proofs


class HandClocks:
    """Set by hand, in ms."""

    def __init__(self) -> None:
        self.time = 1_000_000
        self.slept = 7_000

    def now(self) -> int:
        return self.time

    def awake(self) -> int:
        return self.time - self.slept

    def wall(self) -> int:
        return self.time


def test_each_pong_is_kept_and_of_frames_in_a_row_the_last() -> None:
    clocks = HandClocks()
    proofs = Proofs(clocks)
    came: list[ev.FrameReceived | ev.PongReceived] = [
        ev.FrameReceived(1),
        ev.FrameReceived(1),
        ev.PongReceived(1, 4),
        ev.FrameReceived(1),
        ev.FrameReceived(1),
        ev.FrameReceived(2),
        ev.FrameReceived(1),
    ]
    for proof in came:
        clocks.time += 1
        assert not proofs.note(proof)
    before, since = proofs.take()
    assert before == []
    assert [(each.at - 1_000_000, each.proof) for each in since] == [
        (2, ev.FrameReceived(1)),
        (3, ev.PongReceived(1, 4)),
        (5, ev.FrameReceived(1)),
        (6, ev.FrameReceived(2)),
        (7, ev.FrameReceived(1)),
    ]
    assert proofs.take() == ([], [])


def test_the_first_proof_after_a_sleep_is_told_of_and_those_before_it_stand_apart() -> None:
    clocks = HandClocks()
    proofs = Proofs(clocks)
    assert not proofs.note(ev.PongReceived(1, 1))
    clocks.time += 60_000
    clocks.slept += 60_000
    assert proofs.note(ev.FrameReceived(1))
    clocks.time += 10
    assert not proofs.note(ev.PongReceived(1, 2)), "told once"
    before, since = proofs.take()
    assert before == [Noted(1_000_000, 7_000, ev.PongReceived(1, 1))]
    assert [each.proof for each in since] == [ev.FrameReceived(1), ev.PongReceived(1, 2)]


def test_what_is_taken_after_a_sleep_came_before_it() -> None:
    clocks = HandClocks()
    proofs = Proofs(clocks)
    proofs.note(ev.FrameReceived(1))
    clocks.time += 60_000
    clocks.slept += 60_000
    before, since = proofs.take()
    assert [each.proof for each in before] == [ev.FrameReceived(1)]
    assert since == []


def test_two_links_note_while_the_keeper_takes_and_no_pong_is_lost() -> None:
    proofs = Proofs(HandClocks())
    each_sends = 2_000

    def link(number: int) -> None:
        for ping in range(each_sends):
            proofs.note(ev.PongReceived(number, ping))
            proofs.note(ev.FrameReceived(number))

    links = [threading.Thread(target=link, args=(number,)) for number in (1, 2)]
    for thread in links:
        thread.start()
    taken: list[Noted] = []
    while any(thread.is_alive() for thread in links):
        taken += proofs.take()[1]
    taken += proofs.take()[1]
    for number in (1, 2):
        pings = [
            each.proof.ping
            for each in taken
            if isinstance(each.proof, ev.PongReceived) and each.proof.link == number
        ]
        assert pings == list(range(each_sends))
