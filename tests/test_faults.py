"""Every fault that the simulator can do, over real sockets: each bot meets its own, and is back by itself.

All bots run in one app at the same time: what takes ten seconds is waited for once, and one bot's trouble must not
touch another's.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import (
    PATIENCE_S,
    app_token_of,
    events,
    running,
    token_of,
    wait_for,
    wait_for_state,
    write_profile,
)
from traymon.app import App
from traymon.keeper.core import State, Status
from traymon.keeper.core.causes import Cause
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector


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

SOCKET_DROPS = {
    "socketfin": Drop(f.Fin(), Cause.ABRUPT_CLOSE, 1006),
    "socketrst": Drop(f.Rst(), Cause.RESET, 1006),
    "socketsilence": Drop(f.Silence(), Cause.KEEPALIVE_TIMEOUT),
    "socketclose": Drop(f.Close(1011, "server error"), Cause.CLOSED_BY_SLACK, 1011),
}

PLANNED: dict[str, tuple[f.LinkFault, Cause]] = {
    "goodbye": (f.SayGoodbye(), Cause.GOODBYE),
    "warning": (f.SayGoodbye(reason="warning"), Cause.REFRESH),
    "refresh": (f.SayGoodbye(reason="refresh_requested"), Cause.REFRESH),
}

DISABLED, CROWDED = "disabled", "crowded"  # Socket Mode: link_disabled, too_many_websockets
SESSION = ("start", "link_end", "stop", "handover", "fail")
AWAY, ATTENDED = "forcedaway", "attended"  # RTM: what presence tells

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

SOCKET_MODE = {*SOCKET_DROPS, "warning", "refresh", DISABLED, CROWDED, "socketuntouched"}
UNTOUCHED = ["untouched", "socketuntouched"]
LIVE = [*DROPS, *SOCKET_DROPS, *HARMLESS, *PLANNED, DISABLED, CROWDED, ATTENDED, *UNTOUCHED]
NAMES = [*LIVE, *ATTEMPTS, *REFUSALS, AWAY]


@dataclass(frozen=True)
class Outcome:
    """What is left when every bot is done."""

    app: App
    profile: Profile
    slack: Simulator

    def status(self, name: str) -> Status:
        """What is shown of the bot."""
        return self.app.board.picture().bots[name].status


def link_token(name: str) -> str:
    """The token that the bot's links go by at the simulator."""
    return app_token_of(name) if name in SOCKET_MODE else token_of(name)


def _sessions(profile: Profile, bot: str) -> int:
    return len(events(profile, bot, "start"))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """All bots, after all faults."""
    folder: Path = tmp_path_factory.mktemp("faults")
    with Simulator() as slack:
        for name in NAMES:
            slack.add_bot(token_of(name), name, app_token=app_token_of(name))
        slack.set_away(token_of(AWAY), True)
        for name, (fault, _) in ATTEMPTS.items():
            slack.arm(fault, token=token_of(name))
        for name, refusal in REFUSALS.items():
            slack.arm(refusal, times=None, token=token_of(name))
        profile = write_profile(folder, dict.fromkeys(NAMES, slack.api_url), socket_mode=SOCKET_MODE)
        with running(profile) as app, _program(slack, ATTENDED):
            for name in LIVE:
                wait_for_state(app, name, State.ONLINE)
            for name, drop in {**DROPS, **SOCKET_DROPS}.items():
                assert slack.strike(link_token(name), drop.fault) == 1
            for name, harmless in HARMLESS.items():
                assert slack.strike(token_of(name), harmless) == 1
            for name, (planned, _) in PLANNED.items():
                assert slack.strike(link_token(name), planned) == 1
            slack.strike(link_token(DISABLED), f.SayGoodbye(None, reason="link_disabled"))
            slack.strike(link_token(CROWDED), f.SayGoodbye(None, reason="too_many_websockets"))
            for name in (*DROPS, *SOCKET_DROPS):
                wait_for(app, lambda name=name: _sessions(profile, name) == 2, what=f"{name} back")  # type: ignore[misc]
            for name in ATTEMPTS:
                wait_for_state(app, name, State.ONLINE)
            for name in (*REFUSALS, DISABLED):
                wait_for_state(app, name, State.REFUSED)
            wait_for_state(app, CROWDED, State.OFFLINE)
            wait_for_state(app, AWAY, State.AWAY)
            for name in ("untouched", ATTENDED):
                wait_for(app, lambda name=name: _counted(app, name), what=f"{name} counted")  # type: ignore[misc]
            yield Outcome(app, profile, slack)


@contextmanager
def _program(slack: Simulator, name: str) -> Iterator[None]:
    """The bot's own program, with a link of its own."""
    connector = RtmConnector(Endpoint(slack.api_url), lambda: token_of(name))
    with connector.open(step_limit_s=PATIENCE_S, tcp_limit_s=PATIENCE_S, on_answered=lambda _: None) as link:
        link.receive()
        yield


def _counted(app: App, name: str) -> bool:
    return app.board.picture().bots[name].status.connections is not None


@pytest.mark.parametrize("name", [*DROPS, *SOCKET_DROPS])
def test_a_dropped_link_is_named_and_replaced(outcome: Outcome, name: str) -> None:
    (stop,) = events(outcome.profile, name, "stop")
    drop = {**DROPS, **SOCKET_DROPS}[name]
    assert (stop.cause, stop.close_code) == (drop.cause, drop.code)
    assert outcome.slack.open_links(link_token(name)) == 1


def test_a_silent_socket_mode_link_is_given_up_before_another_is_opened(outcome: Outcome) -> None:
    """Which would take payloads, and so might answer nobody."""
    silent, new = outcome.slack.truth().links_of(link_token("socketsilence"))
    assert silent.last_sent_at is not None
    assert new.opened_at - silent.last_sent_at >= 10_000


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


def kinds_of(outcome: Outcome, bot: str) -> list[str]:
    """All but who is attached to the relay: nobody is, to any of them."""
    return [e.kind for e in events(outcome.profile, bot) if e.kind != "program"]


def test_slacks_retry_after_is_kept(outcome: Outcome) -> None:
    first, second = outcome.slack.truth().calls_of(token_of("wait"), "rtm.connect")
    assert second.at - first.at >= 7_000


@pytest.mark.parametrize("name", PLANNED)
def test_a_planned_end_makes_no_gap(outcome: Outcome, name: str) -> None:
    assert kinds_of(outcome, name) == ["start", "handover", "link_end"]
    assert events(outcome.profile, name, "handover")[0].facts["reason"] == PLANNED[name][1]
    old, new = outcome.slack.truth().links_of(link_token(name))
    assert (old.ended_by, old.close_code) == ("client_close", 1000)
    assert new.hello_at is not None
    assert old.ended_at is not None
    assert new.hello_at <= old.ended_at


def test_socket_mode_that_was_switched_off_is_a_refusal(outcome: Outcome) -> None:
    kinds = [e.kind for e in events(outcome.profile, DISABLED, *SESSION, "refused")]
    assert kinds == ["start", "link_end", "stop", "refused"]
    (refused,) = events(outcome.profile, DISABLED, "refused")
    assert (refused.cause, refused.detail) == (Cause.REFUSED_TOKEN, "link_disabled")
    assert len(outcome.slack.truth().calls_of(link_token(DISABLED))) == 1


def test_a_link_too_many_backs_off_hard(outcome: Outcome) -> None:
    kinds = [e.kind for e in events(outcome.profile, CROWDED, *SESSION)]
    assert kinds == ["start", "link_end", "stop"]
    (stop,) = events(outcome.profile, CROWDED, "stop")
    assert (stop.cause, stop.detail) == (Cause.TOO_MANY_LINKS, "too_many_websockets")
    status = outcome.status(CROWDED)
    assert status.next_try is not None
    assert status.next_try - status.since >= 45_000
    assert len(outcome.slack.truth().calls_of(link_token(CROWDED))) == 1


@pytest.mark.parametrize("name", [DISABLED, CROWDED])
def test_a_link_that_slack_wants_gone_is_closed_in_peace(outcome: Outcome, name: str) -> None:
    (link,) = outcome.slack.truth().links_of(link_token(name))
    assert (link.ended_by, link.close_code) == ("client_close", 1000)


def test_a_bot_that_was_forced_away_is_shown_so(outcome: Outcome) -> None:
    assert [e.kind for e in events(outcome.profile, AWAY)] == ["start", "away"]


def test_slack_tells_whether_a_program_is_there(outcome: Outcome) -> None:
    shown = {bot["name"]: bot for bot in outcome.app.status()}
    assert shown["untouched"]["connections"] == 1
    assert shown[ATTENDED]["connections"] == 2
    assert shown["socketuntouched"]["connections"] == 1


@pytest.mark.parametrize("name", UNTOUCHED)
def test_the_other_bots_never_noticed(outcome: Outcome, name: str) -> None:
    assert kinds_of(outcome, name) == ["start"]


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


def test_ten_other_links_of_the_app_leave_no_place_until_a_person_ends_one(tmp_path: Path) -> None:
    token = app_token_of("bot")
    with Simulator() as slack, ExitStack() as stack:
        slack.add_bot(token_of("bot"), "bot", app_token=token)
        connector = SocketConnector(Endpoint(slack.api_url), lambda: token)
        others = [
            stack.enter_context(
                connector.open(step_limit_s=PATIENCE_S, tcp_limit_s=PATIENCE_S, on_answered=lambda _: None)
            )
            for _ in range(10)
        ]
        for other in others:
            other.receive()
        profile = write_profile(tmp_path, {"bot": slack.api_url}, socket_mode={"bot"})
        with running(profile) as app:
            wait_for_state(app, "bot", State.OFFLINE)
            (fail,) = events(profile, "bot", "fail")
            assert (fail.cause, fail.phase) == (Cause.TOO_MANY_LINKS, "hello")
            others[0].close()
            app.reconnect("bot")
            wait_for_state(app, "bot", State.ONLINE)
            assert app.status()[0]["connections"] == 10
