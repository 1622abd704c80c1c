"""Tokens found where they count, and exchanged with every other byte kept: by Python's own readers of each."""

import json
import re
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.relay import exchange

LOCAL = "xoxb-1234-local"
REAL = "xoxb-98765432109-Real0Token1For2Slack-much.longer"
BOUNDARY = "----------------------------42"


def real(token: str) -> str | None:
    return REAL if token == LOCAL else None


tokens = st.sampled_from([LOCAL, "xoxp-other", ""])
texts = st.text(st.characters(codec="utf-8"), max_size=30)
keys = st.sampled_from(["token", "text", "tokens", "Token", "channel"])


# ------------------------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("value", [b"Bearer %s", b"bearer   %s", b" BEARER\t%s "])
def test_a_bearers_token_is_exchanged_and_its_scheme_kept(value):
    data = value % LOCAL.encode()
    found = exchange.in_authorization(data)
    assert [each.token for each in found] == [LOCAL]
    assert exchange.exchanged(data, found, real) == value % REAL.encode()


@pytest.mark.parametrize(
    "value", [b"", b"Bearer", b"Basic " + LOCAL.encode(), b"Bearer a b", b"Bearer\xff x"]
)
def test_other_authorizations_hold_no_token(value):
    assert exchange.in_authorization(value) == []


# -------------------------------------------------------------------------------------------------- queries and forms


@given(st.lists(st.tuples(keys, tokens | texts), max_size=6))
def test_in_a_form_only_the_values_of_token_change(pairs):
    data = urlencode(pairs).encode()
    changed = exchange.exchanged(data, exchange.in_pairs(data), real)
    wanted = [(key, REAL if key == "token" and value == LOCAL else value) for key, value in pairs]
    assert parse_qsl(changed.decode(), keep_blank_values=True) == wanted
    if wanted == pairs:
        assert changed == data


@given(st.binary(max_size=200))
def test_bytes_that_are_no_form_do_no_harm(data):
    found = exchange.in_pairs(data)
    assert exchange.exchanged(data, found, real) == data
    assert exchange.exchanged(data, found, lambda token: None) == data


@given(st.lists(st.booleans(), min_size=len(LOCAL), max_size=len(LOCAL)), st.booleans())
def test_a_token_is_found_however_it_is_percent_encoded(encoded, key_too):
    value = "".join(f"%{ord(c):02x}" if yes else c for c, yes in zip(LOCAL, encoded, strict=True))
    data = f"a=1&{'%74oken' if key_too else 'token'}={value}&text=x%20y+z".encode()
    changed = exchange.exchanged(data, exchange.in_pairs(data), real)
    assert parse_qsl(changed.decode()) == [("a", "1"), ("token", REAL), ("text", "x y z")]
    assert changed.endswith(b"&text=x%20y+z")


@given(st.integers(min_value=0, max_value=60))
def test_a_pair_that_is_cut_short_does_not_count(size):
    data = f"text=hello&token={LOCAL}&channel=C1".encode()[:size]
    found = exchange.in_pairs(data, whole=False)
    assert [each.token for each in found] == ([LOCAL] if f"{LOCAL}&".encode() in data else [])


def test_what_is_too_long_for_a_token_is_not_decoded():
    data = b"token=" + b"x" * 20_000 + b"&" + b"%74" * 20_000 + b"=" + LOCAL.encode()
    assert exchange.in_pairs(data) == []


# ---------------------------------------------------------------------------------------------------------------- JSON


values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | tokens,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(keys | texts, values, max_size=5), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_in_json_only_the_outermost_token_changes(value, ascii_only, indent):
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    changed = exchange.exchanged(data, exchange.in_json(data), real)
    wanted = value | {"token": REAL} if value.get("token") == LOCAL else value
    assert json.loads(changed) == wanted
    if wanted is value:
        assert changed == data


@given(st.lists(st.booleans(), min_size=len(LOCAL), max_size=len(LOCAL)), st.booleans())
def test_a_token_is_found_behind_unicode_escapes(escaped, key_too):
    spelled = "".join(f"\\u{ord(c):04X}" if yes else c for c, yes in zip(LOCAL, escaped, strict=True))
    key = "\\u0074oken" if key_too else "token"
    data = f'{{"text":"日本\\ud83d","{key}" : "{spelled}","n":1e5}}'.encode()
    changed = exchange.exchanged(data, exchange.in_json(data), real)
    assert changed == f'{{"text":"日本\\ud83d","{key}" : "{REAL}","n":1e5}}'.encode()


def test_each_of_several_outermost_tokens_is_exchanged():
    data = f'{{"token":"{LOCAL}","token":"xoxp-other","token":"{LOCAL}"}}'.encode()
    changed = exchange.exchanged(data, exchange.in_json(data), real)
    assert changed == f'{{"token":"{REAL}","token":"xoxp-other","token":"{REAL}"}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"token"',
        f'["token", "{LOCAL}"]'.encode(),
        f'{{"token":"{LOCAL}"'.encode(),
        f'{{"token":"{LOCAL}"}}'.encode("utf-16"),
        b'{"token":5}',
        b'{"token":["x"]}',
        b'{"a":' + b"[" * 200_000,
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_object_with_a_token_has_none(data):
    assert exchange.in_json(data) == []


# ----------------------------------------------------------------------------------------------------------- multipart


def field(name: str, value: bytes, extra: str = "", *, quoted: bool = True) -> bytes:
    name = f'"{name}"' if quoted else name
    return f"Content-Disposition: form-data; name={name}{extra}\r\n\r\n".encode() + value


def multipart(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    return (
        b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
        + f"--{boundary}--\r\n".encode()
    )


@given(
    st.lists(
        st.tuples(keys, st.one_of(tokens.map(str.encode), st.binary(max_size=40))), min_size=1, max_size=5
    ),
    st.booleans(),
)
def test_in_a_multipart_form_only_the_fields_called_token_change(parts, quoted):
    data = multipart(*(field(name, value, quoted=quoted) for name, value in parts))
    changed = exchange.exchanged(data, exchange.in_multipart(data, BOUNDARY), real)
    wanted = [
        (name, REAL.encode() if name == "token" and value == LOCAL.encode() else value)
        for name, value in parts
    ]
    assert changed == multipart(*(field(name, value, quoted=quoted) for name, value in wanted))


def test_pythons_own_reader_sees_the_real_token():
    data = multipart(
        field("channels", b"C1"),
        field("token", LOCAL.encode()),
        field("file", b"\0\r\n--x", '; filename="a"'),
    )
    changed = exchange.exchanged(data, exchange.in_multipart(data, BOUNDARY), real)
    head = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + changed)
    assert [part.get_payload(decode=True) for part in message.get_payload()] == [
        b"C1",
        REAL.encode(),
        b"\0\r\n--x",
    ]


@pytest.mark.parametrize(
    "part",
    [
        field("token", LOCAL.encode(), '; filename="token"'),
        field("token", LOCAL.encode() + b"\r\n"),
        field("token", b"eG94Yi0=", "\r\nContent-Transfer-Encoding: base64"),
        f"Content-Disposition: attachment; name=token\r\n\r\n{LOCAL}".encode(),
        b"\r\n" + LOCAL.encode(),
        LOCAL.encode(),
        b"",
        b"Content-Disposition: form-data; name=token\r\nX: " + b"x" * 9_000 + b"\r\n\r\n" + LOCAL.encode(),
        field("token", b"x" * 9_000),
    ],
)
def test_files_and_odd_parts_are_no_token_fields(part):
    data = multipart(part)
    assert exchange.exchanged(data, exchange.in_multipart(data, BOUNDARY), real) == data


def test_a_part_may_be_the_last_without_an_end_to_the_body():
    data = multipart(field("token", LOCAL.encode()))[: -len("\r\n")]
    assert [each.token for each in exchange.in_multipart(data, BOUNDARY)] == [LOCAL]


def test_a_longer_boundary_that_begins_alike_is_no_boundary():
    data = multipart(field("token", LOCAL.encode() + f"\r\n--{BOUNDARY}9\r\nmore".encode()))
    assert [each.token for each in exchange.in_multipart(data, BOUNDARY)] == [
        f"{LOCAL}\r\n--{BOUNDARY}9\r\nmore"
    ]
    cut = data[: data.index(b"9\r\nmore")]
    assert exchange.in_multipart(cut, BOUNDARY) == []


def test_what_follows_the_end_is_not_looked_at():
    data = multipart(field("text", b"x")) + multipart(field("token", LOCAL.encode()))
    assert exchange.in_multipart(data, BOUNDARY) == []


@given(st.integers(min_value=0, max_value=400))
def test_a_part_that_is_cut_short_does_not_count(size):
    whole = multipart(field("text", b"hi"), field("token", LOCAL.encode()), field("more", b"x" * 100))
    ends = whole.index(field("token", LOCAL.encode())) + len(
        field("token", LOCAL.encode()) + b"\r\n--" + BOUNDARY.encode()
    )
    found = exchange.in_multipart(whole[:size], BOUNDARY)
    assert [each.token for each in found] == ([LOCAL] if size >= ends + 2 else [])


def test_no_token_is_shown():
    for found in (
        exchange.in_authorization(b"Bearer " + LOCAL.encode()),
        exchange.in_pairs(b"token=" + LOCAL.encode()),
        exchange.in_json(json.dumps({"token": LOCAL}).encode()),
        exchange.in_multipart(multipart(field("token", LOCAL.encode())), BOUNDARY),
    ):
        assert len(found) == 1
        assert not re.search("xoxb|local", repr(found))
