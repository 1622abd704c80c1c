"""What notifications say."""

import pytest

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.notifications import sentences
from traymon.notifications.facts import BotNow
from traymon.notifications.sentences import Trouble

NOW = 1_482_186_550_000
HUNG_UP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006)
HOSTILE = "<b>\x1b[31m\u202eevil\n"


def trouble(name: str = "deploybot", failure: Failure | None = HUNG_UP, since: int = NOW) -> Trouble:
    return Trouble(BotNow(name, "Acme", State.OFFLINE, since, failure), since)


def test_hostile_names_and_reasons_are_text_on_one_line() -> None:
    said = Failure(Cause.CLOSED_BY_SLACK, Phase.LIVE, HOSTILE, 4000)
    texts = [
        *sentences.outage([trouble(HOSTILE, said)], NOW),
        *sentences.person([trouble(HOSTILE, said)]),
        *sentences.program([trouble(HOSTILE)]),
        *sentences.back([trouble(HOSTILE)], 1000, NOW),
        sentences.names([trouble(HOSTILE).bot]),
    ]
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n")), text
    assert "<b>\\x1b[31m\\u202eevil\\n" in texts[0]
    assert "“<b>\\x1b[31m\\u202eevil\\n”" in texts[1]
    assert texts[1].count("\n") == 1


def test_explanation_is_used_where_there_is_one() -> None:
    bot = BotNow("a", None, State.OFFLINE, NOW, HUNG_UP, explanation="Route fine, Slack silent.")
    assert sentences.outage([Trouble(bot, NOW)], NOW)[1].endswith("\nRoute fine, Slack silent.")


@pytest.mark.parametrize("code", ["token_revoked", "not_allowed_token_type", "legacy_custom_bots_deprecated"])
def test_a_refused_token_names_the_menu_and_the_command(code: str) -> None:
    title, body = sentences.person([trouble(failure=Failure(Cause.REFUSED_TOKEN, Phase.API, code))])
    assert title == "deploybot (Acme) needs you"
    assert "“Set up a bot…” in the menu" in body
    assert "traymon setup" in body
    assert ('relay = "rtm"' in body) is (code != "token_revoked")


@pytest.mark.parametrize("cause", Cause)
def test_that_traymon_keeps_trying_is_said_once(cause: Cause) -> None:
    for evidence in ({}, {"http_status": 503}):
        body = sentences.outage([trouble(failure=Failure(cause, Phase.API, evidence=evidence))], NOW)[1]
        assert body.count("keeps trying") == 1


def test_outage_without_a_known_cause() -> None:
    title, body = sentences.outage([trouble(failure=None)], NOW)
    assert title == "deploybot (Acme) is offline"
    assert body.startswith("Since ")
    assert "\n" not in body
    assert sentences.back([trouble(failure=None)], 0, NOW)[1].endswith(".")


def test_several_say_the_common_cause_once_and_different_ones_each() -> None:
    _, same = sentences.outage([trouble("a"), trouble("b")], NOW)
    assert same.count("hung up") == 1
    assert same.endswith("a (Acme), b (Acme)")
    other = Failure(Cause.DNS, Phase.DNS)
    _, different = sentences.outage([trouble("a"), trouble("b", other)], NOW)
    assert "a (Acme): hung up without a close frame" in different
    assert "b (Acme): Slack's name cannot be looked up" in different


@pytest.mark.parametrize("count", [5, 50])
def test_many_are_counted_and_some_named(count: int) -> None:
    many = [trouble(f"bot{number}", since=NOW - number) for number in range(count)]
    for title, body in (
        sentences.outage(many, NOW),
        sentences.person(many),
        sentences.program(many),
        sentences.back(many, 1000, NOW),
    ):
        assert str(count) in title
        assert "bot3" in body
        assert "bot4" not in body
        assert f"and {count - 4} more" in body


def test_unshown() -> None:
    assert sentences.unshown(1).startswith("1 more outage was ")
    assert sentences.unshown(2).startswith("2 more outages were ")
