"""What the core remembers of one link."""

import pytest

from traymon.keeper.core.causes import Cause
from traymon.keeper.core.links import SPARES, TIMEOUTS, LinkRecord, Reason, Stage


@pytest.fixture
def link() -> LinkRecord:
    link = LinkRecord(1, 900)
    link.hello(1_000)
    return link


def test_hello_is_the_first_proof_of_life(link):
    assert link.stage is Stage.LIVE
    assert (link.hello_at, link.last_frame, link.last_ping_at) == (1_000, 1_000, 1_000)
    assert not link.unproven


def test_pings_are_numbered_from_one(link):
    assert [link.pinged(2_000), link.pinged(3_000)] == [1, 2]
    assert link.last_ping_at == 3_000
    assert link.unanswered_since == 2_000
    assert link.unproven


def test_a_frame_proves_life_but_answers_no_ping(link):
    link.pinged(2_000)
    link.suspect = link.frozen = True
    link.proved(2_500)
    assert link.last_frame == 2_500
    assert (link.unproven, link.suspect, link.frozen) == (False, False, False)
    assert link.unanswered_since == 2_000


def test_the_latest_pong_measures(link):
    link.ponged(link.pinged(2_000), 2_400)
    assert link.ever_ponged
    assert link.unanswered_since is None
    assert link.roundtrip.answer_limit(0, 10_000) == 1_200


def test_an_older_pong_measures_nothing_and_leaves_the_newer_ping_unanswered(link):
    first = link.pinged(2_000)
    link.pinged(6_000)
    link.ponged(first, 6_500)
    assert link.roundtrip.answer_limit(0, 10_000) == 10_000
    assert link.unanswered_since == 6_500


def test_a_pong_told_twice_measures_once(link):
    ping = link.pinged(2_000)
    link.ponged(ping, 2_400)
    link.ponged(ping, 9_000)
    assert link.roundtrip.answer_limit(0, 10_000) == 1_200


@pytest.mark.parametrize("unknown", [0, -1, 2, 99])
def test_the_pong_of_an_unknown_ping_answers_nothing(link, unknown):
    link.pinged(2_000)
    link.ponged(unknown, 2_400)
    assert not link.ever_ponged
    assert link.unanswered_since == 2_000


def test_every_unfinished_stage_has_its_timeout():
    assert set(TIMEOUTS) == set(Stage) - {Stage.LIVE}
    assert [TIMEOUTS[x][0] for x in sorted(TIMEOUTS)] == [
        Cause.API_TIMEOUT,
        Cause.HANDSHAKE_TIMEOUT,
        Cause.HELLO_TIMEOUT,
    ]


def test_all_but_planned_links_are_spares():
    assert set(Reason) - SPARES == {Reason.PLANNED}
