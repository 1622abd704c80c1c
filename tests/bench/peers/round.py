"""One round: every client is started, grows older than a minute, and meets one ordeal."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.app import TRAYMON
from tests.bench.peers.kinds import Kind, environment
from tests.bench.peers.ordeals import APART_S, ORDEALS, OUTAGE_S, Ordeal
from tests.bench.peers.outcome import Case, Outcome, Said
from tests.bench.slack import LATENCY_MS
from tests.support import PATIENCE_S, app_token_of, token_of, write_profile
from traymon.simulator import Simulator
from traymon.simulator.clock import now_ms

STABLE_S = 61
"""A session older than a minute is followed by a try at once (keeper.core.policy.stable_after)."""
TICK_S = 0.1
"""Between two looks at the simulators' records, which carry the times."""
LOG_TICK_S = 0.01
BARE = "bare"

Key = tuple[str, str]
"""Names of an ordeal and of a kind."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round brought."""

    outcomes: Mapping[Key, Outcome]
    """Without those clients that were not online when their ordeal came."""
    bares_s: Sequence[float]
    """Bare reconnects, by turns with FIN, RST and the close frame."""
    cpu: float
    """Part of one processor that this process used, all simulators included."""


def play(folder: Path, kinds: Sequence[Kind]) -> Round:
    """Play one round in an empty folder."""
    with ExitStack() as stack:
        slacks = {ordeal.name: stack.enter_context(Simulator(latency_ms=LATENCY_MS)) for ordeal in ORDEALS}
        for name, slack in slacks.items():
            for kind in kinds:
                bot = _bot(name, kind)
                slack.add_bot(token_of(bot), bot, app_token=app_token_of(bot))
        log = stack.enter_context(_traymon(folder, kinds, slacks))
        for name, slack in slacks.items():
            for kind in kinds:
                if not kind.is_traymon:
                    stack.enter_context(_client(folder, kind, _bot(name, kind), slack.api_url))
        bare = stack.enter_context(_Bare(folder, slacks[ORDEALS[0].name]))
        _wait_for_all(kinds, slacks)
        bare.reconnect()  # the first one finds cold caches
        cpu, began = time.process_time(), time.monotonic()
        cases = _strikes(kinds, slacks, bare)
        _wait_for_end(cases, slacks)
        used = (time.process_time() - cpu) / (time.monotonic() - began)
        said = log.said()
        truths = {name: slack.truth() for name, slack in slacks.items()}
    return Round({key: case.outcome(truths[key[0]], said) for key, case in cases.items()}, bare.took_s, used)


def _bot(ordeal: str, kind: Kind) -> str:
    return f"{ordeal}-{kind.name}"


def _tokens(bot: str, kind: Kind) -> tuple[str, ...]:
    return (token_of(bot), app_token_of(bot)) if kind.transport == "socket" else (token_of(bot),)


def _wait_for_all(kinds: Sequence[Kind], slacks: Mapping[str, Simulator]) -> None:
    """Until every client was greeted and the last of them more than a minute ago."""
    last = 0
    deadline = time.monotonic() + PATIENCE_S
    for name, slack in slacks.items():
        for kind in kinds:
            token = _tokens(_bot(name, kind), kind)[-1]

            def greeted(slack: Simulator = slack, token: str = token) -> list[int]:
                return [link.hello_at for link in slack.truth().links_of(token) if link.hello_at is not None]

            if not slack.wait(greeted, max(0, deadline - time.monotonic())):
                print(f"peers: {_bot(name, kind)} did not come online", file=sys.stderr)
            last = max([last, *greeted()])
    _sleep_until(last + STABLE_S * 1000)


def _strikes(kinds: Sequence[Kind], slacks: Mapping[str, Simulator], bare: "_Bare") -> dict[Key, Case]:
    cases: dict[Key, Case] = {}
    ends: list[tuple[int, Ordeal]] = []
    for ordeal in ORDEALS:
        slack = slacks[ordeal.name]
        if ordeal.begin is not None:
            ordeal.begin(slack)
            ends.append((now_ms() + OUTAGE_S * 1000, ordeal))
        for kind in kinds:
            if ordeal.prompt and not ordeal.planned:
                bare.reconnect()
            case = _strike(ordeal, kind, slack)
            if case is not None:
                cases[ordeal.name, kind.name] = case
            if ordeal.prompt:
                _sleep_until(now_ms() + round(APART_S * 1000))
    for at, ordeal in ends:
        _sleep_until(at)
        assert ordeal.end is not None
        ordeal.end(slacks[ordeal.name])
        ended_at = now_ms()
        for kind in kinds:
            if case := cases.get((ordeal.name, kind.name)):
                cases[ordeal.name, kind.name] = replace(case, counts_from=ended_at)
    return cases


def _strike(ordeal: Ordeal, kind: Kind, slack: Simulator) -> Case | None:
    bot = _bot(ordeal.name, kind)
    tokens = _tokens(bot, kind)
    links = slack.truth().links_of(tokens[-1])
    now = now_ms()
    if ordeal.strike(slack, tokens[-1], kind.transport) != 1:
        print(f"peers: {bot} had not one link when its fault came", file=sys.stderr)
        return None
    return Case(bot, tokens, kind.transport, ordeal.planned, now, links[-1].serial, now)


def _wait_for_end(cases: Mapping[Key, Case], slacks: Mapping[str, Simulator]) -> None:
    waiting = dict(cases)
    while waiting:
        _sleep_until(now_ms() + round(TICK_S * 1000))
        truths = {name: slacks[name].truth() for name in {name for name, _ in waiting}}
        waiting = {key: case for key, case in waiting.items() if not case.over(truths[key[0]], now_ms())}


def _sleep_until(at: int) -> None:
    threading.Event().wait(max(0, at - now_ms()) / 1000)


class _TextLog:
    """Follows the text log that traymon appends to after each commit; a context manager."""

    def __init__(self, state: Path) -> None:
        self._state = state
        # Read by :meth:`said` only after the follower ended.
        self._said: list[Said] = []
        self._ended = threading.Event()
        # Reads what is new every few milliseconds, until `_ended`.
        self._follower = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "_TextLog":
        self._follower.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.said()

    def said(self) -> list[Said]:
        """All lines; the following ends."""
        self._ended.set()
        self._follower.join(PATIENCE_S)
        return self._said

    def _follow(self) -> None:
        while not (found := list(self._state.rglob("sessions.log"))):
            if self._ended.wait(LOG_TICK_S):
                return
        with found[0].open() as lines:
            begun = ""
            while not self._ended.wait(LOG_TICK_S):
                *whole, begun = (begun + lines.read()).split("\n")
                for line in whole:
                    _, kind, bot, *_ = re.split(r"\s\s+", line)
                    self._said.append(Said(now_ms(), kind, bot))


@contextmanager
def _traymon(folder: Path, kinds: Sequence[Kind], slacks: Mapping[str, Simulator]) -> Iterator[_TextLog]:
    """The command itself, with all its bots in one process."""
    own = [kind for kind in kinds if kind.is_traymon]
    bots = {_bot(name, kind): slack.api_url for name, slack in slacks.items() for kind in own}
    sockets = {_bot(name, kind) for name in slacks for kind in own if kind.transport == "socket"}
    profile = write_profile(folder / "traymon", bots, socket_mode=sockets)
    (folder / "run").mkdir(mode=0o700)
    command = [str(TRAYMON), "--config", str(profile.config_file), "run", "--no-tray"]
    with (folder / "traymon.err").open("w") as errors:
        process = subprocess.Popen(
            command,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    try:
        with _TextLog(folder / "state") as log:
            yield log
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextmanager
def _client(folder: Path, kind: Kind, bot: str, api_url: str) -> Iterator[None]:
    env = environment(folder, TOKEN=_tokens(bot, kind)[-1], API_URL=api_url)
    with (folder / f"{bot}.out").open("w") as out:
        process = subprocess.Popen(kind.command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()  # some of them do not listen
        process.wait(PATIENCE_S)


class _Bare:
    """Bare reconnects in a process of their own; a context manager."""

    def __init__(self, folder: Path, slack: Simulator) -> None:
        slack.add_bot(token_of(BARE), BARE)
        self.took_s: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.bare"],
            env=environment(folder, TOKEN=token_of(BARE), API_URL=slack.api_url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "_Bare":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE_S)

    def reconnect(self) -> None:
        """Once more; the seconds that it took are added to ``took_s``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.took_s.append(float(json.loads(self._process.stdout.readline())))
