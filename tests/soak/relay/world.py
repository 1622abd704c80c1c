"""The run itself: the app, its bots, the programs, what Slack sends, and what goes wrong."""

import asyncio
import contextlib
import os
import random
import re
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp

from tests.relay_kit import BRISK
from tests.soak.many_bots import Cost
from tests.soak.relay import verdict
from tests.soak.relay.programs import Life, Place, RtmProgram, SocketProgram
from tests.soak.relay.tap import Tap
from tests.support import PATIENCE_S, app_token_of, token_of, wait_for, wait_for_state, write_profile
from traymon.app import App
from traymon.config import load
from traymon.keeper.core import Core, State
from traymon.keeper.shell.traffic import Traffic
from traymon.paths import Profile
from traymon.relay.core import RtmHub, SocketHub
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.simulator.envelopes import Kind

POLICY = replace(
    BRISK, quiet_before_ping=1_000, answer_limit_min=500, answer_limit_max=1_000, silence_limit=4_000
)
"""Quick to suspect a silent link, so that a short run has many handovers."""
GROWTH_KB = 1024
"""Of what traymon's own code holds, over the run."""
LATENCY_MS = 100
"""Of what traymon sends: a link that it closes in a handover still brings events for so long."""
EVENTS_PER_S = 15
"""Each of one to five events."""
ENVELOPES_PER_S = 6
RTM, SOCKET = "talker", "socket"
TOKENS = {RTM: token_of(RTM), SOCKET: app_token_of(SOCKET)}

LINK_FAULTS: list[Callable[[random.Random], f.LinkFault]] = [
    lambda _: f.Fin(),
    lambda _: f.Rst(),
    lambda _: f.Silence(),
    lambda rng: f.Silence(for_ms=rng.randrange(300, 3_000)),
    lambda rng: f.Silence(for_ms=rng.randrange(300, 3_000)),
    lambda rng: f.Close(rng.choice([1000, 1001, 1011, 4000]), "soak"),
    lambda rng: f.SayGoodbye(rng.choice([0, 300, 2_000])),
    lambda rng: f.SayGoodbye(rng.choice([2_000, 5_000])),
    lambda _: f.SayGoodbye(5_000),
    lambda _: f.Migrate(),
    lambda _: f.JsonNull(),
    lambda _: f.GarbageText(),
    lambda _: f.MalformedFrame("opcode"),
]
CALL_FAULTS: list[f.CallFault | f.HandshakeFault] = [
    f.HttpStatus(503),
    f.GarbageAnswer(),
    f.HandshakeStatus(403),
    f.WrongAccept(),
    f.DropBeforeHello(),
    f.SpentUrl(),
    f.HangUp(),
    f.LateHello(400),
]


@dataclass(slots=True)
class World:
    """One run's parts."""

    seed: int
    slack: Simulator
    app: App
    taps: dict[str, Tap]
    faults: Counter[str]

    def place(self, bot: str) -> Place:
        """Where the programs of ``bot`` find it."""
        relay = self.app.relaying._relay
        assert relay is not None
        own = relay.tokens_of(bot)
        if bot == RTM:
            return Place(relay.base_url, "rtm.connect", own.token)
        return Place(relay.base_url, "apps.connections.open", own.app_token)


@contextmanager
def world(home: Path, seed: int) -> Iterator[World]:
    """App and simulator, both bots online; ended afterwards."""
    # Slack's 1 and 5 minutes are 1.2 and 6 s here.
    with Simulator(seed, redelivery_factor=0.02, latency_ms=LATENCY_MS) as slack:
        for bot in (RTM, SOCKET):
            slack.add_bot(token_of(bot), bot, app_token=app_token_of(bot))
        slack.limit_sends(token_of(RTM))
        profile = _profile(home, slack)
        taps: dict[str, Tap] = {}

        def core(_: Callable[[], float], *, spare_on_suspicion: bool) -> Core:
            return Core(random.Random(seed).random, POLICY, spare_on_suspicion=spare_on_suspicion)

        with patch("traymon.app.bots.Core", core):
            app = App(profile, load(profile.config_file, {}), watchers=[])
            lend = app.relaying.lend

            def tapped(bot: Any, *given: Any, **options: Any) -> Traffic:
                taps[bot.name] = Tap(lend(bot, *given, **options))
                return taps[bot.name]

            with patch.object(app.relaying, "lend", tapped):
                app.start()
        try:
            for bot in (RTM, SOCKET):
                wait_for_state(app, bot, State.ONLINE)
            yield World(seed, slack, app, taps, Counter())
        finally:
            app.stop()


def _profile(home: Path, slack: Simulator) -> Profile:
    profile = write_profile(home, dict.fromkeys((RTM, SOCKET), slack.api_url), socket_mode={SOCKET})
    text = profile.config_file.read_text()
    profile.config_file.write_text(text.replace('transport = "rtm"', 'transport = "rtm"\nrelay = true'))
    return profile


# What happens


async def _say_things(world: World, ended: asyncio.Event) -> None:
    """Numbered events over RTM; some without a time stamp, some large."""
    rng, number = random.Random(f"{world.seed}/events"), 0
    while not ended.is_set():
        for _ in range(rng.choice([1, 1, 2, 5])):
            number += 1
            event: dict[str, object] = {
                "type": "message",
                "n": number,
                "channel": "C1",
                "text": f"ä {number}",
            }
            if rng.random() < 0.7:
                event["ts"] = f"1700000000.{number:06}"
            if rng.random() < 0.05:
                event["blocks"] = "x" * rng.randrange(30_000)
            await asyncio.to_thread(world.slack.push, TOKENS[RTM], event)
        await asyncio.sleep(rng.expovariate(EVENTS_PER_S))


async def _deliver_things(world: World, ended: asyncio.Event) -> None:
    """Numbered envelopes of all kinds; some come twice under one id."""
    rng, number = random.Random(f"{world.seed}/envelopes"), 0
    while not ended.is_set():
        number += 1
        if rng.random() < 0.7:
            payload: dict[str, object] = {"type": "event_callback", "event_id": f"Ev{number:06}", "n": number}
            sent = await asyncio.to_thread(world.slack.deliver, TOKENS[SOCKET], payload)
            if rng.random() < 0.05:
                await asyncio.to_thread(world.slack.repeat, sent)
        else:
            kinds: tuple[Kind, ...] = ("slash_commands", "interactive")
            payload = {"n": number, "command": "/n"}
            await asyncio.to_thread(world.slack.deliver, TOKENS[SOCKET], payload, rng.choice(kinds))
        await asyncio.sleep(rng.expovariate(ENVELOPES_PER_S))


async def _break_things(world: World, ended: asyncio.Event) -> None:
    """Drops, silences, goodbyes, failing attempts, clicks on reconnect, a Slack that refuses to be called."""
    rng, slack = random.Random(f"{world.seed}/faults"), world.slack
    while not ended.is_set():
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        bot = rng.choice((RTM, SOCKET))
        draw = rng.random()
        if draw < 0.35:
            world.faults["click"] += 1
            await asyncio.to_thread(world.app.reconnect, bot)
        elif draw < 0.38:
            world.faults["refusal"] += 1
            await asyncio.to_thread(slack.refuse)
            await asyncio.sleep(rng.random())
            await asyncio.to_thread(slack.accept)
        else:
            if rng.random() < 0.15:
                await asyncio.to_thread(slack.arm, rng.choice(CALL_FAULTS), token=TOKENS[bot])
            fault = rng.choice(LINK_FAULTS)(rng)
            if await asyncio.to_thread(slack.strike, TOKENS[bot], fault):
                world.faults[type(fault).__name__] += 1
    await asyncio.to_thread(slack.disarm)


async def _go_to_lunch(lunch: asyncio.Event, ended: asyncio.Event) -> None:
    """Now and then no program is attached, for longer than Slack waits for an acknowledgement."""
    while not ended.is_set():
        await asyncio.sleep(9)
        lunch.set()
        await asyncio.sleep(3.5)
        lunch.clear()


async def _live(world: World, seconds: float, look: Callable[[], None]) -> dict[str, list[Life]]:
    """All of it for ``seconds``, with a look at each tenth; the lives of the programs, by bot."""
    ended, lunch, no_lunch = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as http:
        talkers = [
            RtmProgram(
                f"t{index}",
                f"{world.seed}/t{index}",
                world.place(RTM),
                world.taps[RTM],
                http,
                ended,
                no_lunch,
                steady=index == 0,
            )
            for index in range(5)
        ]
        answerers = [
            SocketProgram(
                f"s{index}",
                f"{world.seed}/s{index}",
                world.place(SOCKET),
                world.taps[SOCKET],
                http,
                ended,
                lunch,
                steady=index == 0,
            )
            for index in range(4)
        ]
        causes = [each(world, ended) for each in (_say_things, _deliver_things, _break_things)]
        works = [each.run() for each in [*talkers, *answerers]] + [*causes, _go_to_lunch(lunch, ended)]
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
            for _ in range(10):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds / 10):
                        await ended.wait()  # a program sets it that saw what none may see
                look()
            ended.set()
    return {
        RTM: [life for each in talkers for life in each.lives],
        SOCKET: [life for each in answerers for life in each.lives],
    }


# What must be so afterwards


def _threads() -> Counter[str]:
    """The names of all threads, without the numbers of links; those of the run's own loop and executor left out."""
    names = (re.sub(r"\d+", "#", thread.name) for thread in threading.enumerate())
    return Counter(name for name in names if not name.startswith("asyncio_"))


def _is_at_rest(world: World) -> bool:
    """Whether the relay waits for nothing any more."""
    relay = world.app.relaying._relay
    assert relay is not None
    rtm, socket = (relay._endpoint.bridges[bot] for bot in (RTM, SOCKET))
    assert isinstance(rtm._hub, RtmHub)
    assert isinstance(socket._hub, SocketHub)
    return not (
        rtm.programs()
        or socket.programs()
        or rtm._relieved
        or socket._relieved
        or rtm._hub._sent
        or rtm._hub._waiting.count
        or socket._hub._open
        or relay._endpoint._owners
        or any(world.slack.open_links(token) != 1 for token in TOKENS.values())
    )


def _judge(world: World, lives: dict[str, list[Life]]) -> list[str]:
    truth = world.slack.truth()
    rtm, socket = lives[RTM], lives[SOCKET]
    oddities = [each for each in truth.oddities if "not ascending" not in each]
    return [
        *verdict.on_lives(rtm + socket),
        *verdict.on_events(world.taps[RTM], rtm),
        *verdict.on_replies(rtm, world.slack.texts(TOKENS[RTM])),
        *verdict.on_envelopes(world.taps[SOCKET], socket),
        *_unsettled_acknowledgements(world, socket),
        # Ids ascend among messages, not among messages and traymon's own pings.
        *(f"Slack saw {oddity}" for oddity in oddities),
        *(f"Slack ended {link}" for link in truth.links if link.ended_by == "rate_limited"),
    ]


def _unsettled_acknowledgements(world: World, lives: Sequence[Life]) -> list[str]:
    truth = world.slack.truth()
    token = TOKENS[SOCKET]
    return verdict.on_acknowledgements(lives, truth.deliveries_of(token), truth.links_of(token))


def _tell(world: World, lives: dict[str, list[Life]], report: Callable[[str], None]) -> None:
    """The figures of the run."""
    events, envelopes = world.taps[RTM], world.taps[SOCKET]
    rtm, socket = lives[RTM], lives[SOCKET]
    replies = Counter(
        "pong" if reply.get("type") == "pong" else "sent" if reply.get("ok") else reply["error"]["msg"]
        for life in rtm
        for each in life.replies.values()
        for reply in each
    )
    deliveries = world.slack.truth().deliveries_of(TOKENS[SOCKET])
    acked = [each for each in deliveries if each.acked_at is not None]
    report(f"faults: {dict(world.faults)}")
    report(
        f"RTM: {events.ups} links, {events.reliefs} handovers; {len(events.order)} events received, "
        f"{events.copies} copies ({len(events.uncertain)} uncertain); {len(rtm)} lives of programs, "
        f"{sum(life.rude for life in rtm)} rude, given {sum(len(life.received) for life in rtm)}; "
        f"sends by their reply: {dict(replies)}"
    )
    report(
        f"Socket Mode: {envelopes.ups} links, {envelopes.reliefs} handovers; {len(deliveries)} deliveries, "
        f"{len(envelopes.envelopes)} envelopes received; {len(socket)} lives of programs, "
        f"{sum(life.rude for life in socket)} rude, given {sum(len(life.given) for life in socket)}; "
        f"{sum(len(life.acks) for life in socket)} acknowledgements of programs, {len(acked)} deliveries "
        f"acknowledged, {sum(each.response is None for each in acked)} of them redeliveries; "
        f"{sum(each.attempt > 0 for each in deliveries)} redelivered"
    )


def _own_kb() -> int:
    """What traymon's own code for links and programs has allocated and not freed."""
    own = [
        tracemalloc.Filter(True, f"*/traymon/{name}/*") for name in ("relay", "keeper", "slack", "slackwire")
    ]
    traces = tracemalloc.take_snapshot().filter_traces(own).statistics("filename")
    return sum(each.size for each in traces) // 1024


@contextmanager
def _traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def run(home: Path, *, seconds: float, seed: int, report: Callable[[str], None]) -> None:
    """The whole run. Raises AssertionError with the first of what was found; ``report`` gets all."""
    report(f"seed {seed}: {seconds:.0f} s")
    own_kb: list[int] = []

    def look() -> None:
        own_kb.append(_own_kb())
        report(f"{Cost.of(os.getpid())}, traymon's own {own_kb[-1]} KB")

    with _traced(), world(home, seed) as parts:
        before = _threads()
        lives = asyncio.run(_live(parts, seconds, look))
        parts.slack.wait(lambda: not _unsettled_acknowledgements(parts, lives[SOCKET]), PATIENCE_S)
        found = _judge(parts, lives)
        _tell(parts, lives, report)
        for sentence in found:
            report(sentence)
        assert not found, f"{len(found)} faults, the first: {found[0]}"
        wait_for(parts.app, lambda: _is_at_rest(parts), what="the relay at rest")
        # The relay's threads for sending begin with the first message.
        wait_for(
            parts.app,
            lambda: not _threads() - before - Counter([f"{RTM} relay", f"{SOCKET} relay"]),
            what=f"no threads but {before}",
        )
    # The ids of acknowledged events are kept for ten minutes, 100 bytes each.
    grown_kb = min(own_kb[-3:]) - min(own_kb[:3])
    assert grown_kb < GROWTH_KB, f"memory grows: {own_kb}"
    report("every event, reply and acknowledgement is where it belongs")
