"""Equal frames of two links, against a model that keeps everything and looks through it."""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from traymon.relay.core.copies import Copies
from traymon.relay.core.limits import COPY_WINDOW, MOST_REMEMBERED

steps = st.lists(
    st.tuples(
        st.integers(1, 3), st.sampled_from([b"a", b"b"]), st.sampled_from([0, 1, 5_000, 10_000, 10_001])
    ),
    max_size=30,
)
MET = {1: {2}, 2: {1, 3}, 3: {2}}


@given(steps, st.booleans())
@example([(1, b"a", 0), (3, b"a", 0), (2, b"a", 0), (3, b"a", 0)], True)
def test_the_nth_copy_pairs_with_the_nth(steps, meeting):
    copies, now, given_frames = Copies(), 0, []
    for link, text, pause in steps:
        now += pause
        met = MET[link] if meeting else None
        passed = max(
            (i for i, each in enumerate(given_frames) if each[1] == text and link in each[2]), default=-1
        )
        twin = next(
            (
                links
                for i, (at, other, links) in enumerate(given_frames)
                if i > passed and at + COPY_WINDOW >= now and other == text and (met is None or links & met)
            ),
            None,
        )
        assert copies.is_copy(text, link, met, now) == (twin is not None)
        if twin is None:
            given_frames.append((now, text, {link}))
        else:
            twin.add(link)
        assert len(copies) == sum(at + COPY_WINDOW >= now for at, _, _ in given_frames)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from([b"a", b"b", b"c"])), max_size=40))
def test_of_two_links_that_bring_the_same_each_frame_is_given_once(order):
    """Whoever is ahead: what both have brought was given once, what one alone has brought was given."""
    copies, brought, given_count = Copies(), {1: Counter(), 2: Counter()}, Counter()
    for link, text in order:
        brought[link][text] += 1
        given_count[text] += not copies.is_copy(text, link, {3 - link}, 0)
    assert given_count == brought[1] | brought[2]


def test_one_link_says_the_same_as_often_as_it_likes():
    copies = Copies()
    assert not any(copies.is_copy(b"typing", 1, set(), 0) for _ in range(1_000))
    assert all(copies.is_copy(b"typing", 2, {1}, 0) for _ in range(1_000))
    assert not copies.is_copy(b"typing", 2, {1}, 0)


def test_it_forgets():
    copies = Copies()
    copies.is_copy(b"a", 1, None, 0)
    copies.is_copy(b"a", 1, None, COPY_WINDOW)
    assert len(copies) == 2
    copies.is_copy(b"b", 1, None, 2 * COPY_WINDOW + 1)
    assert len(copies) == 1
    assert not copies.is_copy(b"a", 2, None, 2 * COPY_WINDOW + 1)


def test_it_remembers_no_more_than_so_many():
    copies = Copies()
    for number in range(MOST_REMEMBERED + 10):
        copies.is_copy(b"%d" % number, 1, None, 0)
    assert len(copies) == MOST_REMEMBERED
    assert not copies.is_copy(b"0", 2, None, 0)
    assert copies.is_copy(b"%d" % (MOST_REMEMBERED - 1), 2, None, 0)
