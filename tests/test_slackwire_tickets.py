"""traymon.slackwire.tickets: once, within 30 s, in bounded memory."""

import itertools
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.slackwire.tickets import LIFETIME_MS, Tickets


def counted(**limits: int) -> Tickets:
    numbers = itertools.count()
    return Tickets(lambda: f"t{next(numbers)}", **limits)


def test_a_ticket_works_once() -> None:
    tickets = Tickets(lambda: secrets.token_urlsafe(32))
    ticket = tickets.issue(1_000)
    assert tickets.redeem(ticket, 1_001)
    assert not tickets.redeem(ticket, 1_002)


@pytest.mark.parametrize(
    ("age", "good"), [(0, True), (LIFETIME_MS, True), (LIFETIME_MS + 1, False), (10**9, False)]
)
def test_a_ticket_works_for_thirty_seconds(age: int, good: bool) -> None:
    tickets = counted()
    ticket = tickets.issue(5_000)
    assert tickets.redeem(ticket, 5_000 + age) is good
    assert LIFETIME_MS == 30_000


def test_another_text_is_no_ticket_and_spends_none() -> None:
    tickets = counted()
    ticket = tickets.issue(0)
    for guess in ("", ticket + "x", ticket.upper(), "t1"):
        assert not tickets.redeem(guess, 0)
    assert tickets.redeem(ticket, 0)


def test_expired_tickets_are_forgotten() -> None:
    tickets = counted()
    for now in range(0, 10 * LIFETIME_MS, 1_000):
        tickets.issue(now)
    assert len(tickets) == 31  # of 0, 1 … 30 s ago


def test_a_flood_pushes_out_the_oldest_only() -> None:
    tickets = counted(limit=3)
    issued = [tickets.issue(0) for _ in range(5)]
    assert len(tickets) == 3
    assert [tickets.redeem(t, 0) for t in issued] == [False, False, True, True, True]
    with pytest.raises(ValueError, match="room for one"):
        Tickets(str, limit=0)


def test_tickets_are_not_in_the_repr() -> None:
    tickets = counted()
    ticket = tickets.issue(0)
    assert ticket not in repr(tickets)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20_000), st.integers(0, 30)), max_size=60),
    st.integers(1, 8),
)
def test_against_a_model(steps: list[tuple[bool, int, int]], limit: int) -> None:
    tickets = counted(limit=limit)
    issued: list[tuple[str, int]] = []
    spent: set[str] = set()
    now = 0
    for issue, passed, pick in steps:
        now += passed
        if issue or not issued:
            issued.append((tickets.issue(now), now))
        else:
            ticket, at = issued[pick % len(issued)]
            good = tickets.redeem(ticket, now)
            if good:
                assert now - at <= LIFETIME_MS
                assert ticket not in spent
            spent.add(ticket)
        assert len(tickets) <= limit
