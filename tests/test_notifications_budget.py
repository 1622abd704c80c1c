"""How many notifications may still pop up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.notifications.budget import PopUpBudget


@given(st.lists(st.integers(0, 60), max_size=80))
def test_never_more_than_the_size_in_any_window(gaps: list[int]) -> None:
    budget, now, taken = PopUpBudget(4, 100), 0, []
    for gap in gaps:
        now += gap
        assert budget.free(now) == 4 - sum(at > now - 100 for at in taken)
        if budget.free(now):
            budget.take(now)
            taken.append(now)
        else:
            with pytest.raises(ValueError):
                budget.take(now)
        for count in range(5):
            when = budget.when(count, now)
            assert when >= now
            assert 4 - sum(at > when - 100 for at in taken) >= count
            assert when == now or 4 - sum(at > when - 1 - 100 for at in taken) < count
