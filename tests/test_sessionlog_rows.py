"""Rows as data, and facts as JSON text and back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.sessionlog import rows

TEXTS = st.text(alphabet=st.characters(exclude_categories=()), max_size=50)
FACTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.floats() | st.booleans() | st.none(), max_size=5)


def test_what_is_written_is_read_again() -> None:
    failure = Failure(
        Cause.CLOSED_BY_SLACK, Phase.LIVE, "go away", 4001, evidence={"silent_ms": 7, "host": "slack.com"}
    )
    event = rows.read_event(
        7, 5, "bot", "stop", rows.detail_text({"up_ms": 3, "cause": "frozen"}, failure), 2
    )
    assert event == rows.Event(
        id=7,
        at=5,
        bot="bot",
        kind="stop",
        facts={"up_ms": 3, "cause": "frozen"},
        cause="frozen",  # the stop's own; the failure is what was seen of it
        phase="live",
        close_code=4001,
        detail="go away",
        evidence={"silent_ms": 7, "host": "slack.com"},
        run=2,
    )


def test_a_failure_gives_the_cause_where_the_facts_name_none() -> None:
    event = rows.read_event(1, 0, "b", "fail", rows.detail_text({}, Failure(Cause.DNS, Phase.DNS)), 1)
    assert (event.cause, event.phase) == ("dns", "dns")


@given(FACTS, TEXTS, FACTS)
def test_whatever_slack_sends_can_be_stored_and_read(facts: dict, detail: str, evidence: dict) -> None:
    failure = Failure(Cause.SLACK_ERROR, Phase.API, detail, evidence=evidence)
    text = rows.detail_text(facts, failure)
    text.encode("utf-8")
    json.loads(
        text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name))
    )  # JSON proper, no NaN
    event = rows.read_event(1, 0, "b", "fail", text, 1)
    assert event.detail == rows.clean(detail)
    assert set(event.facts) == {rows.clean(name) for name in facts}


@given(TEXTS)
def test_text_without_surrogates_is_kept_as_it_is(text: str) -> None:
    if text == text.encode("utf-8", "replace").decode():
        assert rows.clean(text) == text


def test_foreign_text_is_bounded() -> None:
    assert len(rows.clean("x" * 5_000_000)) == rows.LONGEST_TEXT


def test_a_close_code_that_no_column_takes_is_left_out() -> None:
    assert [rows.close_code(code) for code in (None, 1006, 0, -1, 2**63)] == [None, 1006, 0, None, None]


@given(
    st.text(max_size=30)
    | st.sampled_from(['{"facts":[1]}', '{"failure":3}', "[]", "null", '{"facts":{"a":{}}}'])
)
def test_what_another_program_wrote_there_is_no_reason_to_fail(text: str) -> None:
    assert isinstance(rows.read_event(1, 0, "b", "k", text, 1), rows.Event)
    assert isinstance(rows.read_facts(text), dict)
