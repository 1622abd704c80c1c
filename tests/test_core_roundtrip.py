"""RFC 6298's retransmission timer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.keeper.core.roundtrip import RoundTrip

FAR = 10**9


def limit(*samples: int, least: int = 0, most: int = FAR) -> int:
    roundtrip = RoundTrip()
    for sample in samples:
        roundtrip.measured(sample)
    return roundtrip.answer_limit(least, most)


def test_nothing_measured_gives_the_most():
    assert limit(least=1_000, most=3_000) == 3_000


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # 2.2: SRTT = R, RTTVAR = R/2, so R + 4 * R/2.
        ([100], 300),
        # 2.3: RTTVAR = 3/4 * 50 + 1/4 * |100 - 200| = 62.5 first, then SRTT = 7/8 * 100 + 1/8 * 200 = 112.5.
        ([100, 200], 362),
        # RTTVAR = 3/4 * 62.5 + 1/4 * |112.5 - 40| = 65; SRTT = 7/8 * 112.5 + 1/8 * 40 = 103.4375.
        ([100, 200, 40], 363),
    ],
)
def test_worked_examples(samples, expected):
    assert limit(*samples) == expected


def test_a_steady_path_nears_its_round_trip():
    assert limit(*[400] * 60) == 400


@given(st.lists(st.integers(0, 60_000), min_size=1), st.integers(0, 2_000), st.integers(2_000, 5_000))
def test_always_within_bounds(samples, least, most):
    assert least <= limit(*samples, least=least, most=most) <= most


@given(st.lists(st.integers(0, 60_000), min_size=1))
def test_never_below_the_smallest_sample(samples):
    assert limit(*samples) >= min(samples) - 1  # rounding


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8), st.integers(1_500, 60_000))
def test_a_slow_answer_only_widens_the_limit(samples, slow):
    assert limit(*samples, slow) >= limit(*samples)
