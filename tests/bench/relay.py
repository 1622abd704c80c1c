"""What the relay costs: its part in the time of a frame, what it carries, and a large body through it.

Slack, the relay with its keeper, and the programs are processes of their own. The children (``python -m
tests.bench.relay lend …`` and ``… attach …``) write a line when they are ready and answer each line of their input.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import aiohttp

from tests.bench.process import peak_kb
from tests.bench.table import Row, megabytes
from tests.relay_kit import Forgetful
from tests.support import PATIENCE_S, token_of
from traymon.desktop.clocks import system_clocks
from traymon.keeper.core import Core
from traymon.keeper.shell import Board, Keeper
from traymon.paths import Profile
from traymon.relay.bots import RelayedBot
from traymon.relay.server import Relay
from traymon.relay.tokens import load_or_make
from traymon.simulator import Simulator
from traymon.simulator.faults import Answer
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector

FRAMES = 2_000
FRAME_EACH_S = 0.004
"""Apart enough for each to be alone: what is measured is the way, not a queue."""
WARM_UP = 200
"""Frames that do not count: the first find code that has never run."""
PROGRAMS = (1, 5, 20)
EVENTS = 3_000
BATCH = 100
"""Events that are under way at a time: far from the queue of 5,000 at which a program is cut."""
BODY = 64 * 1024 * 1024
FLAT_KB = BODY / 1024 / 8
_PIECE = bytes(65_536)

ADDED_LIMIT_S = 0.002
"""Design, Budgets."""

RELAYED, DIRECT = token_of("relayed"), token_of("direct")


def measure() -> Iterator[Row]:
    """All rows, in turn. Takes about a minute."""
    with Simulator() as slack, tempfile.TemporaryDirectory(prefix="traymon-bench-") as folder:
        for token in (RELAYED, DIRECT):
            slack.add_bot(token, token)
        with _child("lend", slack.api_url, folder) as relay:
            base_url, local = relay.first.split()
            yield from _latency(slack, base_url, local)
            for count in PROGRAMS:
                yield _throughput(slack, base_url, local, count)
            yield from _bodies(slack, base_url, local, relay.pid)


@contextmanager
def attached(profile: Profile, bot: str) -> Iterator[None]:
    """While it lasts, a program is on the relay of the traymon that runs for ``profile``."""
    settings = load_or_make(profile.relay_settings, print)
    with _child("attach", settings.base_url, settings.tokens_of(bot).token, "1"):
        yield


def _latency(slack: Simulator, base_url: str, local: str) -> Iterator[Row]:
    """The same frames to a program on the relay and to one with a link of its own."""
    with (
        _child("attach", slack.api_url, RELAYED, "1") as direct,
        _child("attach", base_url, local, "1") as lent,
    ):
        for count in (WARM_UP, FRAMES):
            for _ in range(count):
                _push(slack, RELAYED)
                _pause(FRAME_EACH_S)
            own, through = ([int(lag) for lag in child.ask(str(count)).split()] for child in (direct, lent))
    added = sorted(b - a for a, b in zip(own, through, strict=True))
    what = f"the relay adds to a frame, {FRAMES:,} frames; baseline: the way without it"
    yield Row(f"{what}, p50", median(added) / 1e9, _exactly, median(own) / 1e9, ADDED_LIMIT_S, "design")
    yield Row(f"{what}, p99", _p99(added) / 1e9, _exactly, _p99(own) / 1e9, ADDED_LIMIT_S, "design")


def _throughput(slack: Simulator, base_url: str, local: str, count: int) -> Row:
    """Events a second until the last of all programs has each; baseline: each program on a link of its own."""
    with _child("attach", slack.api_url, DIRECT, str(count)) as programs:
        direct = _rate(slack, DIRECT, programs)
    with _child("attach", base_url, local, str(count)) as programs:
        relayed = _rate(slack, RELAYED, programs)
    whose = "1 program" if count == 1 else f"{count} programs"
    return Row(
        f"events a second to {whose}, {BATCH} at a time; baseline: direct", relayed, _each_second, direct
    )


def _rate(slack: Simulator, token: str, programs: "_Child") -> float:
    began = time.monotonic()
    for number in range(-1, EVENTS // BATCH):
        if number == 0:
            began = time.monotonic()  # the first batch does not count
        for _ in range(BATCH):
            _push(slack, token)
        programs.ask(str(BATCH))
    return EVENTS / (time.monotonic() - began)


def _bodies(slack: Simulator, base_url: str, local: str, pid: int) -> Iterator[Row]:
    """A large body up, and one down."""
    for what, transfer in (("up", _upload), ("down", _download)):
        took = []
        before = peak_kb(pid)
        for url, token in ((slack.api_url, DIRECT), (base_url, local)):
            slack.arm(Answer(_PIECE, repeat=BODY // len(_PIECE)), method="bench.download")
            began = time.monotonic()
            transfer(url, token)
            took.append(time.monotonic() - began)
            slack.disarm()
        yield Row(f"64 MB {what} through the relay; baseline: direct", took[1], _exactly, took[0])
        grown = peak_kb(pid) - before
        yield Row(
            f"the relay's peak RSS grown by 64 MB {what}", grown, megabytes, None, FLAT_KB, "flat: an eighth"
        )


def _upload(url: str, token: str) -> None:
    pieces = (_PIECE for _ in range(BODY // len(_PIECE)))
    _call(url, token, "api.test", pieces, {"Content-Length": str(BODY)})


def _download(url: str, token: str) -> None:
    if _call(url, token, "bench.download", (), {}) != BODY:
        raise RuntimeError("the body did not come whole")


def _call(
    url: str, token: str, method: str, body: Iterator[bytes] | Sequence[bytes], extra: dict[str, str]
) -> int:
    """Call a method; the size of its answer."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream", **extra}
    try:
        connection.request("POST", parts.path + method, body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"HTTP status {answer.status}")
        return sum(map(len, iter(lambda: answer.read(65_536), b"")))
    finally:
        connection.close()


def _push(slack: Simulator, token: str) -> None:
    event = {"type": "message", "channel": "C0GENERAL", "user": "U0SOMEBODY", "text": "x" * 100}
    slack.push(token, {**event, "sent": time.monotonic_ns()})


def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _p99(values: Sequence[int]) -> float:
    return quantiles(values, n=100)[98]


def _exactly(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _each_second(count: float) -> str:
    return f"{count:,.0f} /s"


# ------------------------------------------------------------------------------------------------------- the children


class _Child:
    """One child. One question at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        self.first = self._line()

    def ask(self, what: str) -> str:
        """Its answer to a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("a child of the bench said nothing")
        return line


@contextmanager
def _child(*arguments: str) -> Iterator[_Child]:
    command = [sys.executable, "-m", "tests.bench.relay", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield _Child(process)
        finally:
            process.stdin.close()  # it ends with its input
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def lend(api_url: str, folder: str) -> None:
    """Hold the relayed bot and lend its link; writes the base URL and the local token."""
    clocks = system_clocks()
    relay = Relay(
        Path(folder) / "relay.json",
        clocks,
        on_programs=lambda bot, programs: None,
        say=lambda sentence: print(sentence, file=sys.stderr),
    )
    endpoint = Endpoint(api_url)
    own = relay.tokens_of("relayed")
    keepers: list[Keeper] = []
    bot = RelayedBot(
        "relayed",
        "rtm",
        endpoint,
        read_token=lambda: RELAYED,
        read_app_token=lambda: "",
        identity=lambda: keepers[0].identity,
        local_token=own.token,
        local_app_token="",
    )
    relay.start()
    traffic = relay.add(bot, lambda link, text: keepers[0].send(link, text))
    keepers.append(
        Keeper(
            "relayed",
            "rtm",
            RtmConnector(endpoint, lambda: RELAYED),
            Core(lambda: 0.5),
            Forgetful(),
            Board(clocks.now),
            clocks,
            traffic=traffic,
        )
    )
    keepers[0].start()
    print(relay.base_url, own.token, flush=True)
    sys.stdin.read()
    keepers[0].stop()
    relay.stop(2)
    keepers[0].join(PATIENCE_S)


class _Programs:
    """Programs that note how long each event was on its way, in ns."""

    def __init__(self, count: int) -> None:
        self._lags: list[list[int]] = [[] for _ in range(count)]
        self._news = asyncio.Event()

    async def attach(self, session: aiohttp.ClientSession, base_url: str, token: str) -> None:
        """All of them; each is greeted."""
        self._tasks = []
        for lags in self._lags:
            async with session.post(
                f"{base_url}rtm.connect", headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                url = (await answer.json())["url"]
            socket = await session.ws_connect(url)
            if json.loads(await socket.receive_str())["type"] != "hello":
                raise RuntimeError("not greeted")
            self._tasks.append(asyncio.create_task(self._read(socket, lags)))

    async def lags(self, count: int) -> list[int]:
        """Those of the first program, once each has had ``count`` events more."""
        async with asyncio.timeout(PATIENCE_S):
            while any(len(lags) < count for lags in self._lags):
                self._news.clear()
                await self._news.wait()
        first = self._lags[0][:count]
        for lags in self._lags:
            del lags[:count]
        return first

    def end(self) -> None:
        """Read no more."""
        for task in self._tasks:
            task.cancel()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, lags: list[int]) -> None:
        async for message in socket:
            now = time.monotonic_ns()
            sent = json.loads(message.data).get("sent")
            if sent is not None:
                lags.append(now - sent)
                self._news.set()


async def attach(base_url: str, token: str, count: str) -> None:
    """Attach that many programs; answers a number of events with the first one's lags."""
    loop = asyncio.get_running_loop()
    programs = _Programs(int(count))
    async with aiohttp.ClientSession(trust_env=False) as session:
        await programs.attach(session, base_url, token)
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(*await programs.lags(int(line)), flush=True)
        programs.end()


CHILDREN: dict[str, Callable[..., None]] = {
    "lend": lend,
    "attach": lambda *arguments: asyncio.run(attach(*arguments)),
}

if __name__ == "__main__":
    CHILDREN[sys.argv[1]](*sys.argv[2:])
