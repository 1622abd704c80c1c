"""What the relay's tests need: bots of the simulator's, held by real keepers, and the relay that lends their links."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiohttp

from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.desktop.clocks import Clocks, system_clocks
from traymon.keeper.core import Core
from traymon.keeper.core.effects import EnterState, Note
from traymon.keeper.core.policy import Policy
from traymon.keeper.shell import Board, Keeper
from traymon.relay.bots import RelayedBot
from traymon.relay.programs import Program
from traymon.relay.server import Relay
from traymon.simulator import Simulator
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector

T = TypeVar("T")

BRISK = Policy(
    stable_after=1,
    retry_unreached=(0.02, 200, 1_000),
    retry_reached=(0.1, 200, 1_000),
    budget_size=100,
    spare_interval=0,
)
"""A drop may follow the last at once: real waits are the core's own tests' subject."""


class Forgetful:
    """A session log that keeps nothing."""

    def record(
        self,
        bot: str,
        transport: str,
        entries: Sequence[EnterState | Note],
        on_committed: Callable[[], None] | None = None,
    ) -> None:
        if on_committed is not None:
            on_committed()


@dataclass
class Held:
    """A bot: its keeper, and what its programs need."""

    keeper: Keeper
    token: str
    app_token: str


@dataclass
class Relayed:
    """A relay and the bots whose links it lends."""

    relay: Relay
    slack: Simulator
    board: Board
    bots: dict[str, Held] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    told: list[tuple[str, tuple[Program, ...]]] = field(default_factory=list)
    # Guards nothing by itself: notified whenever programs come or go.
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(
        self, name: str, transport: Literal["rtm", "socket"] = "rtm", *, presents_rtm: bool = False
    ) -> Held:
        """A bot of Slack's, held and lent."""
        self.slack.add_bot(token_of(name), name, app_token=app_token_of(name))
        endpoint = Endpoint(self.slack.api_url)
        own = self.relay.tokens_of(name)
        keepers: list[Keeper] = []
        bot = RelayedBot(
            name,
            transport,
            endpoint,
            read_token=lambda: token_of(name),
            read_app_token=lambda: app_token_of(name),
            identity=lambda: keepers[0].identity,
            local_token=own.token,
            local_app_token=own.app_token if transport == "socket" else "",
            presents_rtm=presents_rtm,
        )
        traffic = self.relay.add(bot, lambda link, text: keepers[0].send(link, text))
        rtm = transport == "rtm"
        connector = (
            RtmConnector(endpoint, lambda: token_of(name))
            if rtm
            else SocketConnector(endpoint, lambda: app_token_of(name))
        )
        core = Core(lambda: 0.5, BRISK, spare_on_suspicion=rtm)
        keeper = Keeper(
            name, transport, connector, core, Forgetful(), self.board, system_clocks(), traffic=traffic
        )
        keepers.append(keeper)
        keeper.start()
        self.bots[name] = held = Held(keeper, own.token, own.app_token)
        return held

    def link_up(self, name: str) -> None:
        """Until the bot's link is up and the relay has heard of it."""
        bridge = self.relay._endpoint.bridges[name]
        waited = asyncio.run_coroutine_threadsafe(bridge.link_came.wait(), self.relay._loop)
        assert waited.result(PATIENCE_S)

    def on_programs(self, bot: str, programs: Sequence[Program]) -> None:
        with self.changed:
            self.told.append((bot, tuple(programs)))
            self.changed.notify_all()

    def wait_for(self, so: Callable[[], object]) -> None:
        """Until ``so()``, looked at whenever a program comes or goes."""
        with self.changed:
            assert self.changed.wait_for(so, PATIENCE_S), self.told


@contextmanager
def relayed(
    slack: Simulator, folder: Path, *, clocks: Clocks | None = None, **options: Any
) -> Iterator[Relayed]:
    """A relay without bots; :meth:`Relayed.add` adds them."""
    clocks = clocks or system_clocks()
    said: list[str] = []
    known: list[Relayed] = []
    relay = Relay(
        folder / "relay.json",
        clocks,
        on_programs=lambda bot, programs: known[0].on_programs(bot, programs),
        say=said.append,
        **options,
    )
    whole = Relayed(relay, slack, Board(clocks.now), said=said)
    known.append(whole)
    relay.start()
    relay.settle(settled=True)
    try:
        yield whole
    finally:
        for held in whole.bots.values():
            held.keeper.stop()
        whole.relay.stop(2)
        for held in whole.bots.values():
            assert held.keeper.join(PATIENCE_S)
        names = {thread.name for thread in threading.enumerate()}
        assert "relay" not in names, names


async def received(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next message."""
    return dict(json.loads(await socket.receive_str(timeout=PATIENCE_S)))


class Client:
    """A program as raw as it gets: a session, and what Slack's clients do with it."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, token: str) -> None:
        self.session = session
        self.base_url = base_url
        self.token = token

    async def call(self, method: str, **options: Any) -> dict[str, Any]:
        """A method's answer."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        async with self.session.post(self.base_url + method, **options) as answer:
            return dict(await answer.json())

    async def attach(self, method: str = "rtm.connect", **options: Any) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket that has got its hello."""
        answer = await self.call(method, **options)
        socket = await self.session.ws_connect(answer["url"])
        assert (await received(socket))["type"] == "hello"
        return socket


def program(whole: Relayed, token: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run ``work`` as a program with this token would."""

    async def run() -> T:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            return await work(Client(session, whole.relay.base_url, token))

    return asyncio.run(run())
