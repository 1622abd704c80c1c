"""A bot that lends its link, as the app puts it together: programs in status, log, tray and report."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket

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
from traymon.cli.asking import _lines as status_lines
from traymon.desktop.control import ask
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.relay.tokens import HOST, load_or_make
from traymon.report.store import read
from traymon.simulator import Simulator
from traymon.simulator.faults import SlackCode
from traymon.tray.base import IconName


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(token_of("bot"), "bot", app_token=app_token_of("bot"))
        yield simulator


def lending(folder: Path, slack: Simulator) -> Profile:
    profile = write_profile(folder, {"bot": slack.api_url})
    text = profile.config_file.read_text()
    profile.config_file.write_text(text.replace('transport = "rtm"', 'transport = "rtm"\nrelay = true'))
    return profile


@contextmanager
def program(app: App, name: str) -> Iterator[websocket.WebSocket]:
    """What any client of RTM does, given nothing but base URL and token."""
    assert app.relaying._relay is not None
    url = f"{app.relaying._relay.base_url}rtm.connect"
    token = app.relaying._relay.tokens_of("bot").token
    request = urllib.request.Request(
        url, data=b"", headers={"Authorization": f"Bearer {token}", "User-Agent": name}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        connect = json.loads(answer.read())
    link = websocket.create_connection(connect["url"], timeout=PATIENCE_S, header=[f"User-Agent: {name}"])
    try:
        assert json.loads(link.recv())["type"] == "hello"
        yield link
    finally:
        link.close()


def _printed(profile: Profile) -> str:
    """What ``traymon status`` prints for the person."""
    answer = ask(profile.control_address, {"do": "status"}, PATIENCE_S)
    return "\n".join(line for bot in answer["bots"] for line in status_lines(bot, None))


def _is_cut(link: websocket.WebSocket) -> bool:
    try:
        while link.recv():
            pass
    except (websocket.WebSocketException, OSError):
        pass  # without a close frame, so that every library comes back
    return True


def test_programs_are_seen_everywhere(slack: Simulator, tmp_path: Path) -> None:
    profile = lending(tmp_path, slack)
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        assert app.showing.view(app.board.picture()).icon is IconName.ONLINE_NO_PROGRAM
        with program(app, "answerer/1.0") as link:
            slack.push(token_of("bot"), {"type": "message", "channel": "C1", "text": "hello"})
            assert json.loads(link.recv())["text"] == "hello"
            link.send('{"id":1,"type":"message","channel":"C1","text":"answer"}')
            assert json.loads(link.recv())["reply_to"] == 1
            (seen,) = app.status()[0]["programs"]
            assert (seen["name"], seen["events"], seen["sends"]) == ("answerer/1.0", 1, 1)
            assert app.showing.view(app.board.picture()).icon is IconName.ONLINE
            assert "Attached: answerer/1.0 since" in _printed(profile)
        wait_for(app, lambda: app.relaying.programs("bot") == (), what="the program to be gone")
        assert "No program is attached" in _printed(profile)
        wait_for(app, lambda: app.relaying.programs("bot") == (), what="the program to be gone")
        wait_for(app, lambda: len(events(profile, "bot", "program")) == 3, what="three lines on programs")
    told = [(e.facts["what"], e.facts["attached"]) for e in events(profile, "bot", "program")]
    assert told == [("none", 0), ("attached", 1), ("detached", 0)]
    lines = profile.text_log.read_text()
    assert "answerer/1.0 is attached" in lines
    assert "answerer/1.0 left after" in lines
    tally = read(profile.db).bots[0].tally
    assert tally.answered_ms is not None
    assert 0 < tally.answered_ms < tally.up_ms


def test_a_port_that_somebody_else_has_is_seen_everywhere(slack: Simulator, tmp_path: Path) -> None:
    profile = lending(tmp_path, slack)
    settings = load_or_make(profile.relay_settings, pytest.fail)
    with socket.create_server((HOST, settings.port)), running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        view = app.showing.view(app.board.picture())
        assert view.icon is IconName.ONLINE_NO_PROGRAM
        assert "Programs cannot reach the relay: port" in view.tooltip
        assert "Programs cannot reach the relay: port" in app.status()[0]["trouble"]
        assert "Programs cannot reach the relay: port" in _printed(profile)


def presenting_rtm(folder: Path, slack: Simulator) -> Profile:
    profile = write_profile(folder, {"bot": slack.api_url})
    text = profile.config_file.read_text()
    token_file = folder / "app-token"
    token_file.write_text(app_token_of("bot"))
    token_file.chmod(0o600)
    profile.config_file.write_text(
        text.replace(
            'transport = "rtm"',
            f'transport = "socket"\nrelay = "rtm"\napp_token = "file:{token_file.as_posix()}"',
        )
    )
    return profile


def test_a_bot_token_that_slack_refuses_is_seen_though_the_link_is_up(
    slack: Simulator, tmp_path: Path
) -> None:
    profile = presenting_rtm(tmp_path, slack)
    slack.arm(SlackCode("token_revoked"), None, token=token_of("bot"), method="auth.test")
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        wait_for(app, lambda: app.status()[0]["trouble"], what="the trouble")
        assert "Slack refuses the bot's token (token_revoked)" in _printed(profile)
        view = app.showing.view(app.board.picture())
        assert view.icon is IconName.ONLINE_NO_PROGRAM
        assert "Slack refuses the bot's token (token_revoked)" in view.tooltip


def test_a_program_of_rtm_rides_on_socket_mode(slack: Simulator, tmp_path: Path) -> None:
    profile = presenting_rtm(tmp_path, slack)
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        assert app.showing.view(app.board.picture()).icon is IconName.ONLINE_NO_PROGRAM
        with program(app, "answerer/1.0") as link:
            assert app.showing.view(app.board.picture()).icon is IconName.ONLINE
            slack.happen(app_token_of("bot"), {"type": "app_home_opened", "user": "U1"})
            slack.say(app_token_of("bot"), "hello")
            assert json.loads(link.recv())["text"] == "hello"
            link.send('{"id":1,"type":"message","channel":"C1","text":"answer"}')
            assert json.loads(link.recv())["reply_to"] == 1
            assert app.status()[0]["workspace"] == "Simulated"
            (seen,) = app.status()[0]["programs"]
            assert (seen["name"], seen["events"], seen["sends"]) == ("answerer/1.0", 1, 1)
            assert "Slack sent what no program of RTM can be given: app_home_opened × 1." in _printed(profile)
        wait_for(app, lambda: app.relaying.programs("bot") == (), what="the program to be gone")
        wait_for(app, lambda: len(events(profile, "bot", "program")) == 3, what="three lines on programs")
    told = [(e.facts["what"], e.facts["attached"]) for e in events(profile, "bot", "program")]
    assert told == [("none", 0), ("attached", 1), ("detached", 0)]


def test_port_and_token_stay_over_restarts_and_a_bot_that_lends_no_more_sends_its_programs_away(
    slack: Simulator, tmp_path: Path
) -> None:
    profile = lending(tmp_path, slack)
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        first = app.relaying._relay
        assert first is not None
        before = first.base_url, first.tokens_of("bot").token
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        assert app.relaying._relay is not None
        assert (app.relaying._relay.base_url, app.relaying._relay.tokens_of("bot").token) == before
        with program(app, "answerer/1.0") as link:
            text = profile.config_file.read_text()
            profile.config_file.write_text(text.replace("relay = true\n", ""))
            app.reload()
            assert _is_cut(link)
        wait_for_state(app, "bot", State.ONLINE)
        assert app.status()[0]["relay"] is False
        assert app.relaying.programs("bot") is None
