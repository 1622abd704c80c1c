"""JSON as text: what is read is what Python's json reads, and a change changes nothing else."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traymon.relay.core import jsontext

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
gaps = st.text(" \t\r\n", max_size=2)
keys = st.sampled_from(["id", "type", "reply_to", "", "é", "\\", "{"]) | st.text(max_size=4)


@st.composite
def objects(draw):
    """The text of an object, and its members as (key, value's text)."""
    parts, text = draw(st.lists(st.tuples(keys, values), max_size=5)), []
    told = []
    for key, value in parts:
        escaped = draw(st.booleans())
        body = json.dumps(value, ensure_ascii=draw(st.booleans()))
        told.append((key, body))
        name = json.dumps(key, ensure_ascii=escaped)
        if escaped and key == "id":
            name = '"\\u0069d"'
        text.append(f"{draw(gaps)}{name}{draw(gaps)}:{draw(gaps)}{body}{draw(gaps)}")
    return draw(gaps) + "{" + (",".join(text) or draw(gaps)) + "}" + draw(gaps), told


@given(objects())
def test_every_member_is_found_where_it_stands(made):
    text, told = made
    found = jsontext.members(text)
    assert [(each.key, text[each.value_at]) for each in found] == told
    assert [json.loads(text[each.key_at]) for each in found] == [each.key for each in found]


@given(objects(), values)
def test_a_changed_value_changes_nothing_else(made, new):
    text, told = made
    body = json.dumps(new)
    changed = jsontext.with_value(text, "id", body)
    assert [(each.key, changed[each.value_at]) for each in jsontext.members(changed)] == [
        (key, body if key == "id" else value) for key, value in told
    ]
    if not any(key == "id" for key, _ in told):
        assert changed == text
    # What stood before comes back, byte for byte.
    if sum(key == "id" for key, _ in told) == 1:
        assert jsontext.with_value(changed, "id", next(value for key, value in told if key == "id")) == text


@given(st.text(' {}[]:,"\\0a-', max_size=12) | objects().map(lambda made: made[0][:-1]))
@example('{"a":1}{')
@example('{"a":NaN}')
@example('{"a":1 "b":2}')
@example('{"a":1,}')
@example('{"a" 1}')
@example("[]")
@example("")
def test_it_takes_what_pythons_json_takes_as_an_object(text):
    def refuse(name):
        raise ValueError(name)

    try:
        is_object = isinstance(json.loads(text, parse_constant=refuse), dict)
    except ValueError:
        is_object = False
    if is_object:
        jsontext.members(text)
    else:
        with pytest.raises(ValueError):
            jsontext.members(text)


def test_numbers_of_any_length_pass():
    digits = "9" * 5_000
    assert jsontext.with_value(f'{{"id":{digits},"a":{digits}.5}}', "id", "1") == f'{{"id":1,"a":{digits}.5}}'


def test_half_a_surrogate_pair_in_an_escape_passes():
    parts = jsontext.members('{"type":"message","text":"\\ud83d"}')
    assert jsontext.text_value(parts, "text") == "\ud83d"


def test_the_last_of_several_counts():
    text = '{"type":"a","type":"b"}'
    assert jsontext.text_value(jsontext.members(text), "type") == "b"
    assert jsontext.with_value(text, "type", '"c"') == '{"type":"c","type":"c"}'


@pytest.mark.parametrize(
    ("body", "text", "texts"),
    [
        ('"x"', "x", None),
        ("12", None, None),
        ("1.5", None, None),
        ("null", None, None),
        ("{}", None, None),
        ("[]", None, []),
        ('["a","b"]', None, ["a", "b"]),
        ('["a",1]', None, None),
        ("[[]]", None, None),
    ],
)
def test_texts_and_lists_of_texts_are_told_from_the_rest(body, text, texts):
    parts = jsontext.members(f'{{"it":{body}}}')
    assert jsontext.text_value(parts, "it") == text
    assert jsontext.text_values(parts, "it") == texts
    assert jsontext.text_value(parts, "other") is None
    assert jsontext.text_values(parts, "other") is None


def test_the_head_of_a_frame():
    head = jsontext.head(b'{"type":"a","reply_to": 12 ,"payload":{"event_id":"Ev1"},"ts":1}')
    assert jsontext.string(head.type) == "a"
    assert bytes(head.reply_to) == b"12"
    assert jsontext.event_id(head.payload) == "Ev1"
    assert jsontext.string(head.ts) is None
    assert jsontext.string(head.event_ts) is None
    assert jsontext.event_id(head.ts) is None


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{", b'{"a":"\xff"}', b'{"a":' + b"[" * 100_000])
def test_what_is_no_object_has_no_head(text):
    assert jsontext.head(text) is None
