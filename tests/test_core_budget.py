"""The token bucket: never more calls than allowed, in any window, whatever is given back."""

from itertools import combinations_with_replacement

from hypothesis import given
from hypothesis import strategies as st

from traymon.keeper.core.budget import CallBudget

SIZE, REFILL = 6, 15_000


def test_a_full_bucket_gives_its_size_at_once_then_one_each_refill():
    budget = CallBudget(SIZE, REFILL)
    times = []
    now = 500
    for _ in range(SIZE + 3):
        now = budget.available_at(now)
        budget.take(now)
        times.append(now - 500)
    assert times == [0] * SIZE + [REFILL, 2 * REFILL, 3 * REFILL]


def test_a_reserve_is_left_alone():
    budget = CallBudget(SIZE, REFILL)
    for _ in range(3):
        assert budget.available_at(0, reserve=3) == 0
        budget.take(0)
    assert budget.available_at(0, reserve=3) == REFILL
    assert budget.available_at(0) == 0


def test_asking_costs_nothing():
    budget = CallBudget(1, REFILL)
    budget.take(0)
    assert [budget.available_at(at) for at in (0, 5_000, 14_999, 15_000, 16_000)] == [15_000] * 4 + [16_000]


def test_what_is_given_back_can_be_taken_again():
    budget = CallBudget(1, REFILL)
    budget.take(100)
    budget.give_back(130)
    assert budget.available_at(130) == 130
    budget.take(130)
    assert budget.available_at(130) == 130 + REFILL


def test_giving_back_never_fills_above_the_brim():
    budget = CallBudget(2, REFILL)
    budget.take(0)
    budget.give_back(10 * REFILL)
    for _ in range(2):
        budget.take(10 * REFILL)
    assert budget.available_at(10 * REFILL) == 11 * REFILL


@given(
    st.integers(1, 8),
    st.integers(1, 20_000),
    st.lists(st.tuples(st.integers(0, 40_000), st.booleans(), st.integers(0, 9_000)), max_size=60),
)
def test_no_window_ever_holds_more_than_size_and_refills(size, refill, plan):
    """``plan``: wait so long, then call as soon as allowed; some calls turn out, later, not to have reached Slack."""
    budget = CallBudget(size, refill)
    now, reached = 0, []
    for pause, counts, turns_out in plan:
        now = budget.available_at(now + pause)
        budget.take(now)
        if counts:
            reached.append(now)
        else:
            now += turns_out
            budget.give_back(now)
    for (i, first), (j, last) in combinations_with_replacement(enumerate(reached), 2):
        assert j - i + 1 <= size + (last - first) / refill
