"""The gate in front of aiohttp: how many come in, how long they may take, and who gives way."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support import PATIENCE_S
from traymon.relay.gate import Gate

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A server behind a gate; requests are answered when the test lets them be."""

    def __init__(self, most: int, head_limit_s: float) -> None:
        self.begun = asyncio.Semaphore(0)
        self.answers = asyncio.Semaphore(0)
        self.attach = False
        self.server = web.Server(self._handle)
        self.gate = Gate(self.server, most=most, head_limit_s=head_limit_s)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        door = self.gate.door_of(request.transport)
        assert door is not None
        door.begin()
        if self.attach:
            door.attached()
        try:
            self.begun.release()
            await self.answers.acquire()
            return web.Response(text="answer")
        finally:
            door.end()

    async def connect(self, first: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection(*self.listening.getsockname())
        writer.write(first)
        return reader, writer


@asynccontextmanager
async def serving(most: int = 3, head_limit_s: float = PATIENCE_S) -> AsyncIterator[Served]:
    served = Served(most, head_limit_s)
    accepting = asyncio.create_task(served.gate.run(served.listening))
    try:
        yield served
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        served.listening.close()
        await served.server.shutdown(0.01)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work()

    asyncio.run(bounded())


async def gone(streams: Streams) -> None:
    """Until the other side has hung up."""
    with contextlib.suppress(ConnectionError):
        assert await streams[0].read() == b""


async def answered(streams: Streams) -> None:
    head = await streams[0].readuntil(b"\r\n\r\n")
    assert b" 200 " in head
    assert await streams[0].readexactly(6) == b"answer"


def test_the_oldest_without_a_request_gives_way() -> None:
    async def work() -> None:
        async with serving() as served:
            busy = await served.connect(REQUEST)
            await served.begun.acquire()
            silent = [await served.connect(b"GET / HT") for _ in range(2)]
            newest = await served.connect(REQUEST)
            await served.begun.acquire()
            await gone(silent[0])
            served.answers.release()
            served.answers.release()
            await answered(busy)
            await answered(newest)
            silent[1][1].write(b"TP/1.1\r\nHost: x\r\n\r\n")
            served.answers.release()
            await answered(silent[1])

    run(work)


def test_where_all_have_a_request_the_newcomer_waits() -> None:
    async def work() -> None:
        async with serving() as served:
            busy = [await served.connect(REQUEST) for _ in range(3)]
            for _ in busy:
                await served.begun.acquire()
            late = await served.connect(REQUEST)
            for _ in range(50):
                await asyncio.sleep(0)
            assert served.begun.locked()
            served.answers.release()
            await served.begun.acquire()  # now its turn has come
            for _ in range(3):
                served.answers.release()
            for each in (*busy, late):
                await answered(each)

    run(work)


def test_attached_programs_do_not_count() -> None:
    async def work() -> None:
        async with serving() as served:
            served.attach = True
            attached = [await served.connect(REQUEST) for _ in range(5)]
            for _ in attached:
                await served.begun.acquire()
            served.attach = False
            others = [await served.connect(REQUEST) for _ in range(3)]
            for _ in others:
                await served.begun.acquire()
            for _ in range(8):
                served.answers.release()
            for each in (*attached, *others):
                await answered(each)

    run(work)


def test_a_head_has_a_time_limit_however_it_trickles() -> None:
    async def work() -> None:
        async with serving(head_limit_s=0.2) as served:
            silent = await served.connect()
            slow = await served.connect()

            async def trickle() -> None:
                with contextlib.suppress(ConnectionError):
                    while not slow[1].is_closing():
                        slow[1].write(b"X")
                        await asyncio.sleep(0.01)

            trickling = asyncio.create_task(trickle())
            await gone(silent)
            await gone(slow)
            trickling.cancel()

    run(work)


def test_between_two_requests_a_connection_may_rest_but_the_next_head_has_the_limit_too() -> None:
    async def work() -> None:
        async with serving(head_limit_s=1) as served:
            kept = await served.connect(REQUEST)
            served.answers.release()
            await answered(kept)
            await asyncio.sleep(1.2)  # longer than a head may take; nothing is waited for here
            kept[1].write(REQUEST)
            served.answers.release()
            await answered(kept)
            kept[1].write(b"GET")
            await gone(kept)

    run(work)


def test_a_request_under_way_has_no_limit_here() -> None:
    async def work() -> None:
        async with serving(head_limit_s=1) as served:
            busy = await served.connect(REQUEST)
            await served.begun.acquire()
            await gone(await served.connect())  # so long has passed
            served.answers.release()
            await answered(busy)

    run(work)


def test_a_head_without_an_end_is_not_collected() -> None:
    async def work() -> None:
        async with serving() as served:
            endless = await served.connect()
            with contextlib.suppress(ConnectionError):
                for _ in range(2_000):
                    endless[1].write(b"A" * 1024)
                    await endless[1].drain()
                await gone(endless)

    run(work)


def test_who_leaves_makes_room() -> None:
    async def work() -> None:
        async with serving(most=1) as served:
            for _ in range(5):
                _, writer = await served.connect(REQUEST)
                await served.begun.acquire()
                writer.close()
                served.answers.release()
            last = await served.connect(REQUEST)
            served.answers.release()
            await answered(last)

    run(work)
