"""Programs as the relay may meet them: prompt, slow, forgetful, rude; each life of one is written down."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.soak.relay.tap import Tap
from tests.support import PATIENCE_S
from traymon.simulator.clock import now_ms

FAR_AWAY = 1 << 60


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledgement that a program sent, written down before it went. ``at``: ms."""

    envelope_id: str
    payload: object
    at: int


@dataclass(slots=True)
class Life:
    """One attachment of a program. Marks count the tap's events, times are ms.

    For certain it was attached from the moment when it had read its ``hello`` until it began to leave. It may have
    been from the moment when it asked, and until the relay learnt of its end.
    """

    name: str
    asked: int
    greeted: int = FAR_AWAY
    greeted_at: int = FAR_AWAY
    leaving: int = FAR_AWAY
    """What had come when it began to leave politely: it left once it had all of that."""
    leaving_at: int = FAR_AWAY
    rude: bool = False
    """It hung up, whatever was on its way."""
    received: list[int] = field(default_factory=list)
    """RTM: numbers of events."""
    sent: dict[int, str] = field(default_factory=dict)
    """RTM: texts by id; of a ping the empty one."""
    replies: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    given: list[tuple[str, int]] = field(default_factory=list)
    """Socket Mode: envelopes, and when it had read each."""
    acks: list[Ack] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What no program may see."""

    def is_answered(self) -> bool:
        """Whether every message has its reply."""
        return self.sent.keys() <= self.replies.keys()


@dataclass(slots=True)
class Place:
    """Where a bot's programs find the relay."""

    base_url: str
    method: str
    token: str = field(repr=False)


class Program:
    """A program with habits of its own, restarted again and again until the end."""

    def __init__(
        self,
        name: str,
        seed: str,
        place: Place,
        tap: Tap,
        http: aiohttp.ClientSession,
        ended: asyncio.Event,
        lunch: asyncio.Event,
        *,
        steady: bool = False,
    ) -> None:
        """While ``lunch`` is set it leaves and stays away. ``steady``: it has no other reason to leave, is neither slow
        nor rude, and acknowledges all."""
        self.name = name
        self.lives: list[Life] = []
        self._rng = random.Random(seed)
        self._place = place
        self._tap = tap
        self._http = http
        self._ended = ended
        self._lunch = lunch
        self._steady = steady
        # Notified whenever something was read.
        self._read = asyncio.Condition()

    async def run(self) -> None:
        """All lives, until the end."""
        while not self._ended.is_set():
            if self._lunch.is_set():
                await asyncio.sleep(0.05)
                continue
            life = Life(f"{self.name}.{len(self.lives)}", self._tap.mark())
            self.lives.append(life)
            try:
                await self._live(life)
            except (aiohttp.ClientError, ConnectionError) as error:
                life.faults.append(f"the relay failed it: {error!r}")
                return
            await self._pause(self._rng.choice([0, 0.05, 0.5, 2]))

    async def _live(self, life: Life) -> None:
        rng = self._rng
        async with self._http.post(
            self._place.base_url + self._place.method,
            headers={"Authorization": f"Bearer {self._place.token}", "User-Agent": f"{self.name}/1"},
        ) as answer:
            url = (await answer.json())["url"]
        async with self._http.ws_connect(url) as socket:
            hello = await socket.receive_json(timeout=PATIENCE_S)
            life.greeted, life.greeted_at = self._tap.mark(), now_ms()
            if hello.get("type") != "hello":
                life.faults.append(f"greeted by {hello}")
            stay_s = None if self._steady else rng.choice([0.05, 0.5, 2, 4, 8])
            life.rude = not self._steady and rng.random() < 0.35
            slow = not self._steady and rng.random() < 0.3
            habits = asyncio.create_task(self._habits(life, socket))
            reader = asyncio.create_task(self._reading(life, socket, slow_s=0.15 if slow else 0))
            try:
                await self._pause(stay_s, lunch=True)
                await self._leave(life)
            finally:
                for task in (habits, reader):
                    task.cancel()
                await asyncio.gather(habits, reader, return_exceptions=True)
                if life.rude:
                    _hang_up(socket, reset=rng.random() < 0.5)

    async def _leave(self, life: Life) -> None:
        """Politely: no more is sent, and what had come by now is waited for. Rudely: nothing is."""
        mark = self._tap.mark()
        life.leaving_at = now_ms()
        if life.rude:
            return
        life.leaving = mark
        wanted = self._tap.order[life.greeted : mark]
        missing: set[int] = set()

        def has_all() -> bool:
            missing.clear()
            missing.update(set(wanted) - set(life.received) if self._is_rtm else ())
            return (not missing and life.is_answered()) or bool(life.faults)

        async with self._read:
            try:
                await asyncio.wait_for(self._read.wait_for(has_all), PATIENCE_S)
            except TimeoutError:
                waits = sorted(life.sent.keys() - life.replies.keys())
                life.faults.append(f"in vain it waited for {sorted(missing)} and the replies to {waits}")

    async def _reading(self, life: Life, socket: aiohttp.ClientWebSocketResponse, slow_s: float) -> None:
        while True:
            if slow_s and life.leaving_at == FAR_AWAY:
                await asyncio.sleep(slow_s)
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                life.faults.append(f"the relay ended it: {message!r}, {socket.close_code}")
                self._ended.set()
            else:
                self._take(life, json.loads(message.data), socket)
            async with self._read:
                self._read.notify_all()
            if life.faults:
                return

    async def _pause(self, seconds: float | None, *, lunch: bool = False) -> None:
        """That long, or until the end; or until it is time for lunch."""
        calls = [asyncio.create_task(self._ended.wait())]
        if lunch:
            calls.append(asyncio.create_task(self._lunch.wait()))
        await asyncio.wait(calls, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for call in calls:
            call.cancel()

    # What an RTM program and one of Socket Mode differ in

    _is_rtm = True

    async def _habits(self, life: Life, socket: aiohttp.ClientWebSocketResponse) -> None:
        raise NotImplementedError

    def _take(self, life: Life, message: Any, socket: aiohttp.ClientWebSocketResponse) -> None:
        raise NotImplementedError


class RtmProgram(Program):
    """Sends messages now and then, under ids that every program and every life of it begins at 1."""

    async def _habits(self, life: Life, socket: aiohttp.ClientWebSocketResponse) -> None:
        rng = self._rng
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(rng.expovariate(1 / 3))
                if life.leaving_at != FAR_AWAY:
                    return
                for _ in range(rng.choice([1, 1, 1, 3])):
                    number = len(life.sent) + 1
                    text = "" if rng.random() < 0.2 else f"{life.name}:{number} – grüße"
                    message: dict[str, object] = {"id": number, "type": "ping"}
                    if text:
                        message = {"id": number, "type": "message", "channel": "C1", "text": text}
                    life.sent[number] = text
                    await socket.send_str(json.dumps(message, ensure_ascii=rng.random() < 0.5))

    def _take(self, life: Life, message: Any, socket: aiohttp.ClientWebSocketResponse) -> None:
        if "reply_to" in message:
            life.replies.setdefault(message["reply_to"], []).append(message)
        elif "n" in message:
            life.received.append(message["n"])
        else:
            life.faults.append(f"no business of a program's: {message}")


class SocketProgram(Program):
    """Acknowledges most envelopes at once, some late, some twice, some never; its payloads say whose they are."""

    _is_rtm = False

    async def _habits(self, life: Life, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._late: set[asyncio.Task[None]] = set()
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._late:
                task.cancel()
            await asyncio.gather(*self._late, return_exceptions=True)

    def _take(self, life: Life, message: Any, socket: aiohttp.ClientWebSocketResponse) -> None:
        if "envelope_id" not in message:
            life.faults.append(f"no business of a program's: {message}")
            return
        life.given.append((message["envelope_id"], now_ms()))
        draw = 0.0 if self._steady else self._rng.random()
        if draw > 0.85:
            return
        wait_s = 0 if draw < 0.6 else self._rng.uniform(0.1, 3.5)
        send = self._acknowledge(life, message["envelope_id"], socket, wait_s, twice=0.5 < draw < 0.55)
        task = asyncio.create_task(send)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _acknowledge(
        self,
        life: Life,
        envelope_id: str,
        socket: aiohttp.ClientWebSocketResponse,
        wait_s: float,
        *,
        twice: bool,
    ) -> None:
        await asyncio.sleep(wait_s)
        for _ in range(1 + twice):
            payload = {
                "by": life.name,
                "count": len(life.acks),
                "text": "für 💚\u2028",
                "deep": [{"a": [1.5, None]}],
            }
            life.acks.append(Ack(envelope_id, payload, now_ms()))
            text = json.dumps({"payload": payload, "envelope_id": envelope_id}, ensure_ascii=False)
            with contextlib.suppress(ConnectionError):
                await socket.send_str(text)


def _hang_up(socket: aiohttp.ClientWebSocketResponse, *, reset: bool) -> None:
    """As a process does that is killed: no close frame."""
    connection = socket._response.connection
    if connection is not None and connection.transport is not None:
        if reset:
            connection.transport.abort()
        else:
            connection.transport.close()
