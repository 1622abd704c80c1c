"""Every fault that the simulator can do, over real sockets: each bot meets its own, and is back by itself.

All bots run in one app at the same time: what takes ten seconds is waited for once, and one bot's trouble must not
touch another's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import events, running, token_of, wait_for, wait_for_state, write_profile
from traymon.app import App
from traymon.keeper.core import State
from traymon.keeper.core.causes import Cause
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f


@dataclass(frozen=True)
class Drop:
    """A fault of a live link: the session ends for ``cause``, and another begins."""

    fault: f.LinkFault
    cause: Cause
    code: int | None = None


DROPS = {
    "fin": Drop(f.Fin(), Cause.ABRUPT_CLOSE, 1006),
    "rst": Drop(f.Rst(), Cause.RESET, 1006),
    "silence": Drop(f.Silence(), Cause.KEEPALIVE_TIMEOUT),
    "close1000": Drop(f.Close(1000, "bye"), Cause.CLOSED_BY_SLACK, 1000),
    "close1001": Drop(f.Close(1001), Cause.CLOSED_BY_SLACK, 1001),
    "close1011": Drop(f.Close(1011, "server error"), Cause.CLOSED_BY_SLACK, 1011),
    "migration": Drop(f.Migrate(), Cause.TEAM_MIGRATION),
    "opcode": Drop(f.MalformedFrame("opcode"), Cause.PROTOCOL_ERROR),
    "reserved": Drop(f.MalformedFrame("reserved"), Cause.PROTOCOL_ERROR),
    "utf8": Drop(f.MalformedFrame("utf8"), Cause.PROTOCOL_ERROR),
}

HARMLESS: dict[str, f.LinkFault] = {
    "huge": f.HugeFrame(5_000_000),
    "null": f.JsonNull(),
    "binary": f.BinaryFrame(),
    "garbagetext": f.GarbageText(),
}

ATTEMPTS: dict[str, tuple[f.CallFault | f.HandshakeFault, Cause]] = {
    "wait": (f.HttpStatus(429, retry_after="7"), Cause.RATE_LIMITED),
    "http500": (f.HttpStatus(500), Cause.SLACK_ERROR),
    "http503": (f.HttpStatus(503), Cause.SLACK_ERROR),
    "garbage": (f.GarbageAnswer(), Cause.SLACK_ERROR),
    "nullanswer": (f.JsonAnswer(None), Cause.SLACK_ERROR),
    "nourl": (f.WrongShape("url"), Cause.SLACK_ERROR),
    "unknowncode": (f.SlackCode("coffee_break"), Cause.SLACK_ERROR),
    "hungapi": (f.Hang(), Cause.API_TIMEOUT),
    "dribble": (f.Dribble(), Cause.API_TIMEOUT),
    "hangup": (f.HangUp(), Cause.ABRUPT_CLOSE),
    "portal": (f.Portal(), Cause.CAPTIVE_PORTAL),
    "hung": (f.HandshakeHang(), Cause.HANDSHAKE_TIMEOUT),
    "http403": (f.HandshakeStatus(403), Cause.NOT_WEBSOCKET),
    "ssh": (f.HandshakeGarbage(), Cause.NOT_WEBSOCKET),
    "accept": (f.WrongAccept(), Cause.NOT_WEBSOCKET),
    "subprotocol": (f.UnrequestedSubprotocol(), Cause.NOT_WEBSOCKET),
    "nohello": (f.NoHello(), Cause.HELLO_TIMEOUT),
    "spent": (f.SpentUrl(), Cause.URL_EXPIRED),
    "early": (f.DropBeforeHello(), Cause.ABRUPT_CLOSE),
}

REFUSALS = {code: f.SlackCode(code) for code in ("invalid_auth", "token_revoked", "not_allowed_token_type")}

NAMES = [*DROPS, *HARMLESS, *ATTEMPTS, *REFUSALS, "goodbye", "untouched"]


@dataclass(frozen=True)
class Outcome:
    """What is left when every bot is done."""

    app: App
    profile: Profile
    slack: Simulator


def _sessions(profile: Profile, bot: str) -> int:
    return len(events(profile, bot, "start"))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """All bots, after all faults."""
    folder: Path = tmp_path_factory.mktemp("faults")
    with Simulator() as slack:
        for name in NAMES:
            slack.add_bot(token_of(name), name)
        for name, (fault, _) in ATTEMPTS.items():
            slack.arm(fault, token=token_of(name))
        for name, refusal in REFUSALS.items():
            slack.arm(refusal, times=None, token=token_of(name))
        profile = write_profile(folder, dict.fromkeys(NAMES, slack.api_url))
        with running(profile) as app:
            live = [*DROPS, *HARMLESS, "goodbye", "untouched"]
            for name in live:
                wait_for_state(app, name, State.ONLINE)
            for name, drop in DROPS.items():
                assert slack.strike(token_of(name), drop.fault) == 1
            for name, harmless in HARMLESS.items():
                assert slack.strike(token_of(name), harmless) == 1
            slack.goodbye(token_of("goodbye"))
            for name in DROPS:
                wait_for(app, lambda name=name: _sessions(profile, name) == 2, what=f"{name} back")  # type: ignore[misc]
            for name in ATTEMPTS:
                wait_for_state(app, name, State.ONLINE)
            for name in REFUSALS:
                wait_for_state(app, name, State.REFUSED)
            yield Outcome(app, profile, slack)


@pytest.mark.parametrize("name", DROPS)
def test_a_dropped_link_is_named_and_replaced(outcome: Outcome, name: str) -> None:
    (stop,) = events(outcome.profile, name, "stop")
    assert (stop.cause, stop.close_code) == (DROPS[name].cause, DROPS[name].code)
    assert outcome.slack.open_links(token_of(name)) == 1


@pytest.mark.parametrize("name", DROPS)
def test_the_way_to_slack_is_looked_at_beside_the_reconnect(outcome: Outcome, name: str) -> None:
    (why,) = events(outcome.profile, name, "why")
    assert (why.facts["probe_dns"], why.facts["probe_tcp"]) == ("ok", "ok")
    up = [span for span in LogView(outcome.profile.db).spans(bot=name) if span.cause == DROPS[name].cause]
    assert [span.evidence["probe_tcp"] for span in up] == ["ok"]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_strange_frame_does_not_end_the_session(outcome: Outcome, name: str) -> None:
    assert [e.kind for e in events(outcome.profile, name)] == ["start"]
    assert outcome.slack.open_links(token_of(name)) == 1


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_failed_attempt_is_named_and_repeated(outcome: Outcome, name: str) -> None:
    kinds = [e.kind for e in events(outcome.profile, name)]
    assert [kind for kind in kinds if kind != "why"] == ["fail", "start"]
    assert kinds.count("why") == 1
    (fail,) = events(outcome.profile, name, "fail")
    assert fail.cause == ATTEMPTS[name][1]
    assert outcome.slack.open_links(token_of(name)) == 1


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_stops_the_loop(outcome: Outcome, name: str) -> None:
    assert [e.kind for e in events(outcome.profile, name)] == ["refused"]
    (refused,) = events(outcome.profile, name)
    assert (refused.cause, refused.detail) == (Cause.REFUSED_TOKEN, name)
    assert len(outcome.slack.truth().calls_of(token_of(name), "rtm.connect")) == 1


def test_slacks_retry_after_is_kept(outcome: Outcome) -> None:
    first, second = outcome.slack.truth().calls_of(token_of("wait"), "rtm.connect")
    assert second.at - first.at >= 7_000


def test_a_goodbye_makes_no_gap(outcome: Outcome) -> None:
    kinds = [e.kind for e in events(outcome.profile, "goodbye")]
    assert kinds == ["start", "handover", "link_end"]
    old, new = outcome.slack.truth().links_of(token_of("goodbye"))
    assert new.hello_at is not None
    assert old.ended_at is not None
    assert new.hello_at <= old.ended_at


def test_the_other_bots_never_noticed(outcome: Outcome) -> None:
    assert [e.kind for e in events(outcome.profile, "untouched")] == ["start"]


def test_no_oddity_at_the_server(outcome: Outcome) -> None:
    assert outcome.slack.truth().oddities == ()


def test_connections_refused_for_a_while(tmp_path: Path) -> None:
    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        profile = write_profile(tmp_path, {"bot": slack.api_url})
        with running(profile) as app:
            wait_for_state(app, "bot", State.ONLINE)
            slack.refuse()
            slack.rst(token_of("bot"))
            wait_for(app, lambda: bool(events(profile, "bot", "fail")), what="a refused attempt")
            slack.accept()
            wait_for_state(app, "bot", State.ONLINE)
            stop, fail = events(profile, "bot", "stop", "fail")
            assert (stop.cause, fail.cause) == (Cause.RESET, Cause.CONNECT_REFUSED)
            assert slack.open_links(token_of("bot")) == 1
