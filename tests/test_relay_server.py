"""The relay over real sockets, between the simulator and programs as raw as they get."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay_kit import Client, Relayed, program, relayed
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.simulator import Simulator


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def whole(slack: Simulator, tmp_path: Path) -> Iterator[Relayed]:
    with relayed(slack, tmp_path) as made:
        yield made


def test_an_rtm_program_gets_events_and_its_messages_go_up(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        socket = await client.attach()
        slack.say(token_of("bot"), "hello 1")
        heard = json.loads(await socket.receive_str(timeout=PATIENCE_S))
        assert (heard["type"], heard["text"]) == ("message", "hello 1")
        await socket.send_str(
            json.dumps({"id": 7, "type": "message", "channel": "C0GENERAL", "text": "answer 1"})
        )
        reply = json.loads(await socket.receive_str(timeout=PATIENCE_S))
        assert (reply["ok"], reply["reply_to"], reply["text"]) == (True, 7, "answer 1")
        (seen,) = whole.relay.programs("bot")
        assert (seen.events, seen.sends) == (1, 1)
        assert seen.last_send is not None
        await socket.close()

    program(whole, held.token, talk)
    whole.wait_for(lambda: [len(programs) for _, programs in whole.told] == [1, 0])


def test_a_socket_mode_program_gets_envelopes_and_acknowledges(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot", "socket")

    async def talk(client: Client) -> None:
        socket = await client.attach("apps.connections.open")
        assert slack.wait(lambda: slack.open_links(app_token_of("bot")), PATIENCE_S)
        slack.say(app_token_of("bot"), "hello 1")
        envelope = json.loads(await socket.receive_str(timeout=PATIENCE_S))
        assert envelope["payload"]["event"]["text"] == "hello 1"
        await socket.send_str(json.dumps({"envelope_id": envelope["envelope_id"]}))
        assert slack.wait(lambda: slack.texts(app_token_of("bot")), PATIENCE_S)
        await socket.close()

    program(whole, held.app_token, talk)
    assert json.loads(slack.texts(app_token_of("bot"))[0].text).keys() == {"envelope_id"}


def test_what_is_not_answered_here_is_passed_on(whole: Relayed) -> None:
    held = whole.add("bot")
    answer = program(whole, held.token, lambda client: client.call("auth.test"))
    assert (answer["ok"], answer["user"]) == (True, "bot")
