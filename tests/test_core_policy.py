"""The numbers, held to the sentences of the design, and the function that spaces attempts."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.policy import Policy, earliest_by_slack

POLICY = Policy()
DAY = 24 * 3_600_000


def delay(age: int, *, reached: bool, random: float = 0.0, too_many: bool = False) -> int:
    return POLICY.retry_delay(reached=reached, outage_age=age, random=random, too_many=too_many)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, 1_000), (50_000, 1_000), (100_000, 2_000), (600_000, 12_000), (750_000, 15_000), (DAY, 15_000)],
)
def test_unreached_waits_two_percent_from_one_to_fifteen_seconds(age, expected):
    assert delay(age, reached=False) == expected


@pytest.mark.parametrize(
    ("age", "expected"), [(0, 5_000), (50_000, 5_000), (100_000, 10_000), (600_000, 60_000), (DAY, 60_000)]
)
def test_reached_waits_ten_percent_from_five_to_sixty_seconds(age, expected):
    assert delay(age, reached=True) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, 60_000), (120_000, 60_000), (600_000, 300_000), (1_800_000, 900_000), (DAY, 900_000)],
)
def test_too_many_links_wait_half_of_the_outage_from_one_to_fifteen_minutes(age, expected):
    assert delay(age, reached=True, too_many=True) == expected


@given(st.integers(0, 400 * DAY), st.booleans(), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_at_most_a_quarter(age, reached, too_many, random):
    full = delay(age, reached=reached, too_many=too_many)
    assert 0.75 * full - 1 <= delay(age, reached=reached, random=random, too_many=too_many) <= full


@given(st.integers(0, DAY), st.integers(0, DAY), st.booleans(), st.booleans())
def test_a_longer_outage_never_retries_faster(one, other, reached, too_many):
    young, old = sorted((one, other))
    assert delay(young, reached=reached, too_many=too_many) <= delay(old, reached=reached, too_many=too_many)


def test_silence_is_noticed_within_the_promise():
    assert POLICY.answer_limit_max < POLICY.silence_limit <= 10_000 < POLICY.silence_limit_answered
    assert POLICY.quiet_before_ping + POLICY.answer_limit_max <= 7_000


def test_steps_fit_into_an_attempt():
    assert POLICY.tcp_limit_offline < POLICY.step_limit <= POLICY.attempt_limit


def test_the_reserve_leaves_something_on_both_sides():
    assert 0 < POLICY.budget_reserve < POLICY.budget_size


def test_every_number_is_a_time_a_count_or_a_part():
    for field in fields(POLICY):
        value = getattr(POLICY, field.name)
        assert value if isinstance(value, tuple) else value > 0, field.name


def test_retry_after_moves_the_next_call():
    limited = Failure(Cause.RATE_LIMITED, Phase.API, reached_slack=True, retry_after_ms=30_000)
    assert earliest_by_slack(limited, 1_000) == 31_000
    assert earliest_by_slack(Failure(Cause.SLACK_ERROR, Phase.API), 1_000) == 1_000
