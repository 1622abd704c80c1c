"""What strangers on this machine and broken programs can do to the relay: little, and nothing to the link.

The relay is a process of its own here, so that its memory and descriptors can be seen and its limits lowered.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.relay_kit import Client, received
from tests.support import PATIENCE_S, token_of
from traymon.relay.gate import MOST_CONNECTIONS
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

TOKEN = token_of("bot")
FLAT_MB = 32.0
"""What bounds of connections and queues add up to, and the allocator's habits; without bounds it is hundreds."""


class Child:
    """The process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        begun = self._read()
        self.base_url, self.token = begun["base_url"], begun["token"]
        parts = urlsplit(self.base_url)
        self.address = (parts.hostname, parts.port)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))

    def look(self) -> dict[str, Any]:
        """Its memory, descriptors and programs, just now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def stuff(self, count: int, first: bytes = b"") -> list[socket.socket]:
        """Connections that say no more than ``first``."""
        sockets = []
        for _ in range(count):
            stranger = socket.create_connection(self.address, PATIENCE_S)
            with contextlib.suppress(ConnectionError):
                stranger.sendall(first)
            sockets.append(stranger)
        return sockets


@contextmanager
def child(slack: Simulator, folder: Path, descriptors: int = 0) -> Iterator[Child]:
    """The process, with its link up."""
    command = [sys.executable, str(Path(__file__).with_name("relay_child.py"))]
    process = subprocess.Popen(
        [*command, str(folder), slack.api_url, str(descriptors)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        running = Child(process)
        assert slack.wait(lambda: slack.open_links(TOKEN), PATIENCE_S)
        yield running
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "bot")
        yield simulator
        # No link was ever in trouble.
        assert {link.ended_by for link in simulator.truth().links_of(TOKEN)} == {"client_close"}


def works(running: Child, slack: Simulator, attached: int = 1) -> None:
    """A program attaches, hears and answers."""

    async def talk() -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            client = Client(session, running.base_url, running.token)
            links = [await client.attach() for _ in range(attached)]
            for link in links:
                slack.say(TOKEN, "hello 1")
                assert (await received(link))["text"] == "hello 1"
            for link in links[1:]:
                await link.close()
            assert (await client.call("auth.test"))["ok"] is True

    asyncio.run(talk())


@pytest.mark.parametrize("first", [b"", b"GET /api/rtm.connect HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_500_half_open_connections_keep_no_program_out(
    first: bytes, slack: Simulator, tmp_path: Path
) -> None:
    with child(slack, tmp_path) as running:
        works(running, slack)
        before = running.look()
        strangers = running.stuff(500, first)
        works(running, slack)
        during = running.look()
        assert during["descriptors"] <= before["descriptors"] + MOST_CONNECTIONS + 8
        assert during["rss_mb"] < before["rss_mb"] + FLAT_MB
        for stranger in strangers:
            stranger.close()
        works(running, slack)


def test_descriptors_that_the_link_may_need_are_not_taken(slack: Simulator, tmp_path: Path) -> None:
    limit = 100
    with child(slack, tmp_path, descriptors=limit) as running:
        works(running, slack)
        strangers = running.stuff(200)
        works(running, slack)
        seen = running.look()
        assert seen["descriptors"] < limit - 20
        # A handover opens a second link, and so it shows whether there is room for one.
        slack.goodbye(TOKEN)
        assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == 2, PATIENCE_S)
        assert slack.wait(lambda: slack.truth().links_of(TOKEN)[1].hello_at, PATIENCE_S)
        for stranger in strangers:
            stranger.close()
        works(running, slack)


def test_heads_and_bodies_have_limits(slack: Simulator, tmp_path: Path) -> None:
    mb = 1024 * 1024
    with child(slack, tmp_path) as running:
        works(running, slack)
        before = running.look()
        for head in (
            b"GET /api/" + b"x" * mb,
            b"GET /api/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * mb,
            b"GET /api/x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Y: z\r\n" * (mb // 8),
            os.urandom(mb),
            b"\x16\x03\x01" + b"\0" * mb,  # TLS
        ):
            assert b" 200 " not in sent(running, head)
        # A call without a token is answered without its body having been taken in.
        body = b"POST /api/chat.postMessage HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\n\r\n"
        assert b"not_authed" in sent(running, body + b"x" * (16 * mb))
        assert running.look()["rss_mb"] < before["rss_mb"] + FLAT_MB
        works(running, slack)


def sent(running: Child, data: bytes) -> bytes:
    """What the relay answers; it may hang up before it has all."""
    with socket.create_connection(running.address, PATIENCE_S) as stranger:
        answer = b""
        with contextlib.suppress(OSError):  # ENOTCONN, after a reset, is no ConnectionError
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while piece := stranger.recv(65_536):
                answer += piece
        return answer


def test_a_program_that_never_reads_is_cut_and_nobody_waits_for_it(slack: Simulator, tmp_path: Path) -> None:
    events, text = 3_000, "x" * 10_000  # 30 MB, beyond what the system's buffers and the queue hold

    async def talk(running: Child) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            client = Client(session, running.base_url, running.token)
            good = await client.attach()
            reader, writer = await stuck(client)
            before = running.look()
            assert before["programs"] == 2

            async def listen() -> int:
                heard = 0
                while heard < events:
                    assert (await received(good))["text"] == text
                    heard += 1
                return heard

            listening = asyncio.create_task(listen())
            for _ in range(events // 100):
                await asyncio.to_thread(lambda: [slack.say(TOKEN, text) for _ in range(100)])
            assert await listening == events
            while (after := running.look())["programs"] != 1:
                await asyncio.sleep(0.02)
            assert after["rss_mb"] < before["rss_mb"] + FLAT_MB
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
            writer.close()

    with child(slack, tmp_path) as running:
        asyncio.run(talk(running))
        works(running, slack)


async def stuck(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An attached program that reads nothing beyond its hello."""
    url = urlsplit((await client.call("rtm.connect"))["url"])
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (url.hostname, url.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    writer.write(
        f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head
    await reader.readuntil(b"hello")
    return reader, writer
