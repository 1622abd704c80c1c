"""traymon.slackwire.frames: reading anything, without raising and without building megabytes of objects."""

import json
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traymon.slackwire import frames
from traymon.slackwire.frames import (
    Disconnect,
    ErrorFrame,
    Frame,
    Goodbye,
    Hello,
    Malformed,
    Other,
    Pong,
    TeamMigration,
    parse,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["hello", "pong", "error", "disconnect", "goodbye"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "reply_to", "reason", "error", "code", "msg", "num_connections", "debug_info"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"type":"hello"}', Hello()),
        ('{"type": "hello", "fast_reconnect": true, "host_id": "gs-1"}', Hello()),
        (
            '{"type":"hello","connection_info":{"app_id":"A1"},"num_connections":2,'
            '"debug_info":{"host":"applink-1","started":"2026-01-01","approximate_connection_time":18060}}',
            Hello(2, 18060, "A1"),
        ),
        ('{"type":"hello","num_connections":"2","debug_info":[],"connection_info":{"app_id":7}}', Hello()),
        ('{"type":"pong","reply_to":7,"time":1403299273342}', Pong(7)),
        ('{"reply_to":7,"type":"pong"}', Pong(7)),
        ('{"type":"pong"}', Other("pong")),
        ('{"type":"pong","reply_to":true}', Other("pong")),
        ('{"type":"pong","reply_to":"7"}', Other("pong")),
        ('{"type":"pong","reply_to":7.5}', Other("pong")),
        ('{"type":"goodbye"}', Goodbye()),
        ('{"type":"\\u0067oodbye"}', Goodbye()),
        ('{"type":"disconnect","reason":"warning","debug_info":{"host":"x"}}', Disconnect("warning")),
        ('{"type":"disconnect","reason":null}', Disconnect("")),
        (
            '{"type":"error","error":{"code":1,"msg":"Socket URL has expired"}}',
            ErrorFrame(1, "Socket URL has expired"),
        ),
        ('{"type":"error","error":{"code":4}}', ErrorFrame(4, "")),
        ('{"type":"error","error":{"code":"1"}}', Other("error")),
        ('{"type":"error"}', Other("error")),
        ('{"type":"team_migration_started"}', TeamMigration()),
        ('{"type":"message","text":"{\\"type\\":\\"goodbye\\"}"}', Other("message")),
        ('{"payload":{"type":"goodbye"},"type":"events_api"}', Other("events_api")),
        ('{"ok":false,"reply_to":1,"error":{"code":2,"msg":"message text is missing"}}', Other(None)),
        ('{"type":7}', Other(None)),
        ('{"type":null}', Other(None)),
        ("{}", Other(None)),
        ("null", Other(None)),
        ("[]", Other(None)),
        ('["hello"]', Other(None)),
        ('"hello"', Other(None)),
        ("-12.5e3", Other(None)),
        (" \n{}\t", Other(None)),
    ],
)
def test_frames_that_slack_sends_or_might(text: str, frame: Frame) -> None:
    assert parse(text) == frame
    assert parse(text.encode()) == frame


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "empty"),
        (b"", "empty"),
        ("   ", "not JSON"),
        ('{"type":"hello"', "not JSON"),
        ('{"type":"hello"}{', "not JSON"),
        ('{"type":"hello",}', "not JSON"),
        ("{'type':'hello'}", "not JSON"),
        ("[1,", "not JSON"),
        ("<html>", "not JSON"),
        ("nul", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"type":"hello","x":"\xc3"}', "not UTF-8"),
        ('{"x":"\ud800"}', "not UTF-8"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_malformed(payload: str | bytes, why: str) -> None:
    frame = parse(payload)
    assert isinstance(frame, Malformed)
    assert frame.why == why


def test_the_first_bytes_can_be_shown_anywhere_and_read_in_one_way() -> None:
    frame = parse(b"<\x1b[2J\\x1b\xc3\xa9\n" + b"a" * 1000)
    assert isinstance(frame, Malformed)
    assert frame.first_bytes == r"<\x1b[2J\x5cx1b\xc3\xa9\x0a" + "a" * 36
    assert parse("é\ud800<") == Malformed("not UTF-8", r"\xc3\xa9\xed\xa0\x80<")


@pytest.mark.parametrize("kind", ["goodbye", "message"])
def test_five_megabytes_are_checked_and_skipped(kind: str) -> None:
    rows = [{"n": n, "text": "x" * 40} for n in range(80_000)]
    text = json.dumps({"rows": rows, "type": kind}).encode()
    assert len(text) > 5_000_000
    tracemalloc.start()
    try:
        frame = parse(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frame == (Goodbye() if kind == "goodbye" else Other("message"))
    # The text once more, for the UTF-8 check; as Python objects it would be five times as much.
    assert peak < 1.5 * len(text)
    assert isinstance(parse(text[:-1]), Malformed)


@given(st.binary(max_size=200) | st.text(st.characters(), max_size=200))
@example('{"type":"\\ud83d"}')
@example('{"text":"\\ud83d","type":"goodbye"}')
@example("9" * 5000)
@example('{"type":"pong","reply_to":' + "9" * 5000 + "}")
def test_it_never_raises(payload: str | bytes) -> None:
    frame = parse(payload)
    if isinstance(frame, Malformed):
        assert frame.first_bytes.isascii()
        assert frame.first_bytes.isprintable()


@given(JSON)
def test_any_json_is_understood_as_json(value: object) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return
    frame = parse(text)
    assert not isinstance(frame, Malformed)
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(frame, Other):
        assert frame.type == (kind if isinstance(kind, str) else None)
    else:
        assert isinstance(kind, str)


@given(st.integers(1, 2**53), st.integers(0, 2**53))
def test_a_ping_is_what_slack_documents(number: int, time_ms: int) -> None:
    assert json.loads(frames.ping(number, time_ms)) == {"id": number, "type": "ping", "time": time_ms}
    assert parse(frames.pong(number)) == parse(frames.pong(number, time_ms)) == Pong(number)
    assert "time" not in json.loads(frames.pong(number))
    assert json.loads(frames.pong(number, time_ms))["time"] == time_ms


def test_parse_understands_what_the_builders_build() -> None:
    assert parse(frames.hello()) == Hello()
    assert parse(frames.socket_hello("A1", 3, 18_060)) == Hello(3, 18_060, "A1")
    assert json.loads(frames.socket_hello("A1", 3, 18_060))["connection_info"] == {"app_id": "A1"}
    assert parse(frames.goodbye()) == Goodbye()
    assert parse(frames.disconnect("refresh_requested")) == Disconnect("refresh_requested")
    assert parse(frames.error_frame(5, "x")) == ErrorFrame(5, "x")
    assert parse(frames.spent_url()) == ErrorFrame(1, "Socket URL has expired")
    assert parse(frames.team_migration()) == TeamMigration()
    assert json.loads(frames.sent(3, "1.2", "hi")) == {"ok": True, "reply_to": 3, "ts": "1.2", "text": "hi"}
    assert json.loads(frames.not_sent(3, 2, "no")) == {
        "ok": False,
        "reply_to": 3,
        "error": {"code": 2, "msg": "no"},
    }
    assert "reply_to" not in json.loads(frames.not_sent(None, 2, "no"))
