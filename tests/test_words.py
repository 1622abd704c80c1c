"""Words: every name in the data has words, and nothing that comes from outside acts on a terminal."""

import io
import re
import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import Answer
from traymon.keeper.core.states import State
from traymon.slackwire.codes import Verdict, verdict
from traymon.words import causes, running

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202egnp\r\n\u2028"
FACTS = {"host": HOSTILE, "http_status": 503, "issuer": HOSTILE, "error": HOSTILE, "silent_ms": 14_000}
ODD_FACTS = ({**FACTS, "http_status": 407, "proxy_wants": HOSTILE}, {"first_bytes": HOSTILE})


def is_harmless(text: str) -> bool:
    joiners = "\u200c\u200d"
    return all(
        unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} or char in joiners for char in text
    )


@pytest.mark.parametrize("name", list(State))
def test_every_state_has_words(name):
    assert words.state(name)
    assert name.value in causes._STATES


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_words(cause):
    assert cause.value in causes._SHORT
    assert len(words.short_cause(cause)) <= 40
    sentence = words.cause(cause)
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert not re.search(r"[a-z]_[a-z]", sentence)


def test_nothing_has_words_that_is_no_cause_or_state():
    assert set(causes._SHORT) == set(causes._SENTENCES) == {cause.value for cause in Cause}
    assert set(causes._STATES) == {state.value for state in State}


@pytest.mark.parametrize("cause", list(Cause))
def test_what_comes_from_outside_is_escaped_in_every_cause(cause):
    for evidence in (FACTS, {**FACTS, "http_status": 407}, *ODD_FACTS):
        for detail in ("", HOSTILE):
            sentence = words.cause(cause, detail=detail, close_code=4000, evidence=evidence)
            assert is_harmless(sentence)


def test_a_long_close_reason_is_cut():
    assert len(words.cause("closed_by_slack", detail="x" * 5_000)) < 200


def test_braces_from_outside_are_no_placeholders():
    assert "{host}" in words.cause("closed_by_slack", detail="{host}")


def test_unknown_names_of_a_newer_log_are_shown_as_they_are():
    assert words.cause("solar_flare", detail="X9") == "solar_flare: “X9”"
    assert words.short_cause("solar_flare") == "solar_flare"
    assert words.short_cause("unknown") == "the cause is not known"
    assert words.cause("unknown", detail="1006") == "The cause is not known: “1006”."
    assert words.state("levitating") == "levitating"


def test_every_refusal_with_words_of_its_own_is_a_refusal():
    for code in causes._REFUSALS.keys() - {"link_disabled"}:
        assert verdict(code) in {Verdict.REFUSED, Verdict.REFUSED_MAYBE}, code


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("not_allowed_token_type", 'app with Socket Mode for it and set relay = "rtm"'),
        ("legacy_custom_bots_deprecated", 'app with Socket Mode for it and set relay = "rtm"'),
        ("token_revoked", "new one"),
        ("missing_scope", "scope"),
        ("invalid_auth", "network"),
        ("link_disabled", "Turn it on"),
        ("some_new_code", "some_new_code"),
    ],
)
def test_a_refusal_names_the_code_and_its_fix(code, fix):
    sentence = words.cause("refused_token", detail=code)
    assert code in sentence
    assert fix in sentence


@pytest.mark.parametrize("transport", ["rtm", "socket"])
def test_who_is_sent_to_set_up_is_told_the_menu_and_the_command(transport):
    sentences = [words.cause("no_token"), words.cause("refused_token", detail="some_new_code")]
    sentences += [
        words.cause("refused_token", detail=code, evidence={"transport": transport})
        for code in causes._REFUSALS
    ]
    to_set_up = [each for each in sentences if "traymon setup" in each or "Set up" in each]
    assert len(to_set_up) >= 10
    for each in to_set_up:
        assert "“Set up a bot…”" in each
        assert "traymon setup" in each


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("not_allowed_token_type", "app-level token (xapp-…)"),
        ("missing_scope", "connections:write"),
        ("no_permission", "connections:write"),
        ("token_revoked", "Give traymon a new one"),
    ],
)
def test_in_socket_mode_a_refusal_is_about_the_apps_token(code, fix):
    text = words.cause("refused_token", detail=code, evidence={"transport": "socket"})
    assert code in text
    assert fix in text
    assert "for RTM" not in text


def test_evidence_makes_the_sentence_more_exact():
    assert "Zscaler" in words.cause("tls", evidence={"host": "slack.com", "issuer": "Zscaler"})
    assert "HTTP status 403" in words.cause("not_websocket", evidence={"http_status": 403})
    assert "Put them into" in words.cause("proxy", evidence={"http_status": 407, "proxy_wants": "basic"})
    assert "does not accept" in words.cause("proxy", evidence={"http_status": 407, "proxy_login": True})
    for scheme in ("NTLM", "Negotiate", "Kerberos"):
        said = words.cause("proxy", evidence={"http_status": 407, "proxy_login": True, "proxy_wants": scheme})
        assert f"sign-in by {scheme}, which traymon does not support" in said
    assert "came to nothing: “x”" in words.cause("tls", evidence={"answered": False, "error": "x"})
    assert "does not speak TLS: “HTTP”" in words.cause("tls", evidence={"first_bytes": "HTTP", "error": "x"})
    assert "for 14s" in words.cause("keepalive_timeout", evidence={"silent_ms": 14_000})
    assert "slack.example" in words.cause("dns", evidence={"host": "slack.example"})
    assert "with code 1001: “bye”" in words.cause("closed_by_slack", close_code=1001, detail="bye.")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (99, "0s"),
        (450, "0.4s"),
        (999, "0.9s"),
        (1_000, "1s"),
        (42_999, "42s"),
        (60_000, "1m 00s"),
        (56_402_000, "15h 40m 02s"),
        (86_399_999, "23h 59m 59s"),
        (274_200_000, "3d 04h 10m"),
    ],
)
def test_duration(ms, text):
    assert words.duration(ms) == text


@given(st.integers(min_value=0, max_value=10**13))
def test_no_duration_says_more_than_it_was(ms):
    units = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
    parts = words.duration(ms).split()
    said = sum(round(float(part[:-1]) * units[part[-1]]) for part in parts)
    assert 0 <= ms - said < (60_000 if "d" in parts[0] else 1_000)


def test_clock_time_is_local_and_names_the_day_when_it_is_another():
    day = 1_482_186_550_000  # 2016-12-19 22:29:10 UTC
    with time_machine.travel(datetime(2016, 12, 20, 9, tzinfo=ZoneInfo("Asia/Tokyo")), tick=False):
        assert words.clock_time(day) == "07:29:10"
        assert words.clock_time(day, now_ms=day + 3_600_000) == "07:29:10"
        assert words.clock_time(day, now_ms=day + 86_400_000) == "2016-12-20 07:29:10"
        assert words.clock_time(day, now_ms=day - 8 * 3_600_000) == "2016-12-20 07:29:10"


@pytest.mark.parametrize("ms", [10**17, -(10**17), 10**30])
def test_a_moment_outside_the_calendar_is_no_error(ms):
    assert words.clock_time(ms) == "?"


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_printable_lets_nothing_through_and_is_stable(text):
    once = words.printable(text)
    assert is_harmless(once)
    assert words.printable(once) == once
    once.encode("utf-8")


def test_printable_keeps_what_people_write():
    for text in ("deploybot", "ボット", "naïve – “x”", "👩\u200d💻", "C:\\bots"):
        assert words.printable(text) == text
    assert words.printable("a\nb\x1b[2J\x9b\u202e\ud800") == r"a\nb\x1b[2J\x9b\u202e\ud800"


# The running app


def test_every_answer_has_words():
    assert set(running._ANSWERS) == {answer.value for answer in Answer} | {"late"}
    for kind in running._ANSWERS:
        said = words.answer(HOSTILE, kind, 1_500)
        assert is_harmless(said)
        assert "{" not in said
    assert "in 2s" in words.answer("a", "waiting", 1_500)  # never sooner than it will be


def test_a_bot_that_there_is_not():
    assert "deploybot, newsbot" in words.no_such_bot("x", ["deploybot", "newsbot"])
    assert "traymon setup" in words.no_such_bot("x", [])
    assert is_harmless(words.no_such_bot(HOSTILE, [HOSTILE]))


def test_a_sentence_for_the_terminal_is_one_escaped_line():
    stream = io.StringIO()
    words.to_terminal(stream)(f"what {HOSTILE}")
    assert stream.getvalue().startswith("traymon: what ")
    assert stream.getvalue().endswith("\n")
    assert is_harmless(stream.getvalue()[:-1])


def test_a_terminal_that_is_gone_is_no_error():
    closed = io.StringIO()
    closed.close()
    full = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for stream in (None, closed, full):
        words.to_terminal(stream)("naïve")
    full.close()
