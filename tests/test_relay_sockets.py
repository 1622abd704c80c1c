"""One program's WebSocket: pings, bounds, and how it is cut, seen by a client as raw as it gets."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.relay_kit import Client, Relayed, program, received, relayed
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.relay import sockets
from traymon.relay.sockets import LARGEST_MESSAGE, ProgramSocket
from traymon.simulator import Simulator

TOKEN = token_of("bot")
GONE = (WSMsgType.CLOSED, WSMsgType.ERROR)


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def whole(slack: Simulator, tmp_path: Path) -> Iterator[Relayed]:
    with relayed(slack, tmp_path) as made:
        yield made


async def to_the_end(link: aiohttp.ClientWebSocketResponse) -> tuple[list[dict[str, Any]], aiohttp.WSMessage]:
    """The messages up to the end, and what ended it."""
    heard = []
    while (message := await link.receive(PATIENCE_S)).type is WSMsgType.TEXT:
        heard.append(json.loads(message.data))
    return heard, message


def test_pings_are_answered_here_with_their_own_payload(whole: Relayed) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        url = (await client.call("rtm.connect"))["url"]
        link = await client.session.ws_connect(url, autoping=False)
        await received(link)
        await link.ping(b"session:1.5")
        pong = await link.receive(PATIENCE_S)
        assert (pong.type, pong.data) == (WSMsgType.PONG, b"session:1.5")
        await link.send_str('{"id": 3, "type": "ping", "time": 12}')
        assert await received(link) == {"reply_to": 3, "type": "pong", "time": 12}

    program(whole, held.token, talk)


def test_pings_come_as_from_slack_and_silence_ends_it(slack: Simulator, tmp_path: Path) -> None:
    with relayed(slack, tmp_path, ping_each_s=0.05, most_unanswered=30) as whole:
        held = whole.add("bot")

        async def talk(client: Client) -> None:
            lively = await client.attach()
            listening = asyncio.create_task(lively.receive(PATIENCE_S))  # it answers pings meanwhile
            url = (await client.call("rtm.connect"))["url"]
            silent = await client.session.ws_connect(url, autoping=False)
            await received(silent)
            pings = 0
            while (message := await silent.receive(PATIENCE_S)).type is WSMsgType.PING:
                pings += 1
            assert pings == 30
            error = json.loads(message.data)
            assert (error["type"], error["error"]["code"]) == ("error", 1013)
            assert "ping" in error["error"]["msg"]
            assert (await silent.receive(PATIENCE_S)).type in GONE
            assert len(whole.relay.programs("bot")) == 1
            assert len(whole.said) == 1
            slack.say(TOKEN, "hello 1")
            assert json.loads((await listening).data)["text"] == "hello 1"

        program(whole, held.token, talk)


def test_compression_is_not_accepted(whole: Relayed) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        url = (await client.call("rtm.connect"))["url"]
        link = await client.session.ws_connect(url, compress=15)
        assert link.compress == 0
        assert (await received(link))["type"] == "hello"

    program(whole, held.token, talk)


@pytest.mark.parametrize("fragments", [1, 16])
def test_a_giant_message_ends_it(fragments: int, whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        other = await client.attach()
        link = await client.attach()
        for number in range(fragments):
            # RFC 6455, 5.4: all fragments but the last come without FIN, and here the last never comes.
            giant(link, b"x" * (2 * LARGEST_MESSAGE // fragments), first=number == 0, whole=fragments == 1)
        await to_the_end(link)
        slack.say(TOKEN, "hello 1")
        assert (await received(other))["text"] == "hello 1"
        await asyncio.to_thread(whole.wait_for, lambda: len(whole.told[-1][1]) == 1)

    program(whole, held.token, talk)


def giant(link: aiohttp.ClientWebSocketResponse, payload: bytes, *, first: bool, whole: bool) -> None:
    """Send a frame by hand, masked with noughts."""
    head = bytes([0x80 * whole | first, 0x80 | 127]) + len(payload).to_bytes(8, "big")
    by_hand(link, head + bytes(4) + payload)


def by_hand(link: aiohttp.ClientWebSocketResponse, data: bytes) -> None:
    """Send bytes as they are."""
    connection = link._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.write(data)


@pytest.mark.parametrize("transport", ["rtm", "socket"])
def test_nonsense_is_tolerated_and_a_flood_of_it_is_not(
    transport: Any, whole: Relayed, slack: Simulator
) -> None:
    rtm = transport == "rtm"
    held = whole.add("bot", transport)
    whole.link_up("bot")

    async def talk(client: Client) -> None:
        method = "rtm.connect" if rtm else "apps.connections.open"
        link, other = await client.attach(method), await client.attach(method)
        await link.send_bytes(b"\xff\xfe")
        await link.send_str("not JSON")
        await link.send_str('{"type": "message"')
        assert len(whole.relay.programs("bot")) == 2
        await other.close()
        # In one piece: it may be cut before it has sent many.
        by_hand(link, b"\x81\x82\0\0\0\0[]" * 60)
        heard, end = await to_the_end(link)
        if rtm:
            assert heard[-1]["error"]["code"] == 1008
            assert end.type in GONE
        else:
            assert (end.type, end.data) == (WSMsgType.CLOSE, 1008)
        await asyncio.to_thread(whole.wait_for, lambda: whole.told[-1][1] == ())
        assert len(whole.said) == 1
        again = await client.attach(method)
        slack.say(TOKEN if rtm else app_token_of("bot"), "hello 1")
        await received(again)

    program(whole, held.token if rtm else held.app_token, talk)


def test_frames_that_break_the_protocol_end_it(whole: Relayed) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        for frame in (
            b"\x83\x80\0\0\0\0",
            b"\xf1\x80\0\0\0\0",
            b"\x89\xfe\x01\x00" + bytes(4 + 256),
            b"\x80\x80\0\0\0\0",
        ):
            link = await client.attach()
            by_hand(link, frame)
            await to_the_end(link)
            assert link.close_code in (1002, 1006)
        await asyncio.to_thread(whole.wait_for, lambda: whole.told[-1][1] == ())

    program(whole, held.token, talk)


# The queue, without a connection


@pytest.mark.parametrize(
    ("text", "fits"),
    [(b"", sockets.MOST_WAITING), (bytes(1024 * 1024), sockets.MOST_WAITING_BYTES // 1024**2)],
)
def test_the_queue_is_bounded_in_messages_and_in_bytes(text: bytes, fits: int) -> None:
    async def fill() -> int:
        link = ProgramSocket(says_why_in_a_frame=False)
        return next(count for count in range(fits + 2) if not link.give(text))

    assert asyncio.run(fill()) == fits


def test_one_message_may_be_larger_than_the_queue() -> None:
    async def fill() -> list[bool]:
        link = ProgramSocket(says_why_in_a_frame=False)
        return [link.give(bytes(sockets.MOST_WAITING_BYTES + 1)), link.give(b"")]

    assert asyncio.run(fill()) == [True, False]
