"""Fifty bots in one traymon, random faults for minutes; then its log is held against what Slack's side knows.

``python -m tests.soak --bots 50 --faults 300 --traffic 3600``; ``make soak`` runs the long form, the tests a short one.
The traymon under test is the real command in a process of its own; the simulator and the faults are here.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.support import PATIENCE_S, start, token_of, write_profile
from traymon.keeper.core import Policy
from traymon.keeper.core.states import UP
from traymon.paths import Profile
from traymon.sessionlog.rows import Span
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.simulator.truth import LinkRecord

TOLERANCE_MS = 2_500
"""How far the log's starts and stops may be from Slack's own times: scheduling on two busy cores, not policy."""
TICK_S = 0.05
QUIET_MS = Policy().quiet_before_ping

LINK_FAULTS: list[Callable[[random.Random], f.LinkFault]] = [
    lambda _: f.Fin(),
    lambda _: f.Rst(),
    lambda _: f.Silence(),
    lambda rng: f.Silence(for_ms=rng.randrange(500, 9_000)),
    lambda rng: f.Close(rng.choice([1000, 1001, 1011, 4000]), "soak"),
    lambda rng: f.SayGoodbye(rng.choice([0, 500, 5_000])),
    lambda _: f.HugeFrame(300_000),
    lambda _: f.JsonNull(),
    lambda _: f.MalformedFrame("opcode"),
]
CALL_FAULTS: list[f.CallFault | f.HandshakeFault] = [
    f.HttpStatus(503),
    f.HttpStatus(429, retry_after="2"),
    f.GarbageAnswer(),
    f.HandshakeStatus(403),
    f.WrongAccept(),
    f.DropBeforeHello(),
    f.SpentUrl(),
    f.HangUp(),
]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process holds: resident memory in MB, open descriptors, threads, and CPU seconds so far."""

    rss_mb: float
    descriptors: int
    threads: int
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> "Cost":
        """Read from /proc (Linux)."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(
            rss_mb=int(status["VmRSS"].split()[0]) / 1024,
            descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            threads=int(status["Threads"]),
            cpu_s=(int(fields[11]) + int(fields[12])) / 100,
        )


@dataclass(slots=True)
class Soak:
    """One run: the simulator, the traymon under test, and a seeded source of faults."""

    slack: Simulator
    profile: Profile
    process: subprocess.Popen[str]
    names: list[str]
    rng: random.Random
    silenced: list[tuple[str, int]] = field(default_factory=list)
    """Which token's links fell silent, and when (UTC ms): from then on they may be up or not."""

    def all_online(self) -> bool:
        """Whether every bot has exactly one link at Slack."""
        return all(self.slack.open_links(token_of(name)) == 1 for name in self.names)

    def settle(self) -> Cost:
        """Wait until all is calm, then say what the process holds."""
        assert self.slack.wait(self.all_online, 120), "not every bot came back"
        calm = time.monotonic() + 15  # spares of silent links are let go, closers end
        while time.monotonic() < calm or not self.all_online():
            threading.Event().wait(0.5)
        return Cost.of(self.process.pid)

    def break_things(self, seconds: float) -> int:
        """Random faults for ``seconds``; how many."""
        ends, done = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            token = token_of(self.rng.choice(self.names))
            if self.rng.random() < 0.3:
                self.slack.arm(self.rng.choice(CALL_FAULTS), token=token)
            fault = self.rng.choice(LINK_FAULTS)(self.rng)
            if isinstance(fault, f.Silence):
                self.silenced.append((token, wall_ms()))
            done += bool(self.slack.strike(token, fault))
            if self.rng.random() < 0.005:
                self.slack.refuse()
                threading.Event().wait(self.rng.random() * 5)
                self.slack.accept()
            threading.Event().wait(self.rng.expovariate(1 / TICK_S) * 50 / len(self.names))
        self.slack.disarm()
        return done

    def talk(self, seconds: float) -> Iterator[Cost]:
        """Events for every bot, a look at the costs each tenth of the time."""
        begun = time.monotonic()
        for part in range(10):
            while time.monotonic() < begun + (part + 1) * seconds / 10:
                for name in self.names:
                    self.slack.push(token_of(name), {"type": "message", "channel": "C1", "text": "x" * 400})
                threading.Event().wait(0.5)
            yield Cost.of(self.process.pid)


@contextmanager
def soaking(home: Path, bots: int, seed: int) -> Iterator[Soak]:
    """``bots`` bots, all online; traymon is ended at the end."""
    with Simulator(seed) as slack:
        names = [f"bot{number:02}" for number in range(bots)]
        for name in names:
            slack.add_bot(token_of(name), name)
        profile = Profile.default(write_profile(home, dict.fromkeys(names, slack.api_url)).config_file)
        process = start(profile)
        soak = Soak(slack, profile, process, names, random.Random(seed))
        try:
            assert slack.wait(soak.all_online, PATIENCE_S)
            yield soak
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        assert "should not happen" not in said, said


def disagreements(soak: Soak) -> list[str]:
    """Where the log differs from the truth of Slack's side, in sentences; empty when every log is exact."""
    found = []
    truth = soak.slack.truth()
    for name in soak.names:
        token = token_of(name)
        spans = LogView(soak.profile.db).spans(bot=name)
        for one, following in pairwise(spans):
            if one.ended_at != following.started_at:
                found.append(f"{name}: a hole or an overlap after span {one.id}")
        logged = _joined((span.started_at, _end(span)) for span in spans if span.state in UP)
        lives = [(link.hello_wall, _gone(link)) for link in truth.links_of(token) if link.hello_wall]
        silences = [at for silent, at in soak.silenced if silent == token]
        differing = _compare(name, logged, lives, silences)
        if differing:
            differing += [f"  {link}" for link in truth.links_of(token)]
            differing += [f"  {event}" for event in LogView(soak.profile.db).events(bot=name)]
            differing += [f"  silence at {at}" for at in silences]
        found += differing
    return found


def _end(span: Span) -> int:
    return span.started_at + span.lasted_ms


def _joined(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Intervals without the seams between those that touch."""
    joined: list[tuple[int, int]] = []
    for begun, ended in sorted(intervals):
        if joined and begun <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ended))
        else:
            joined.append((begun, ended))
    return joined


def _gone(link: LinkRecord) -> int:
    """When the client could know of the end: a FIN that Slack sends into a silence arrives after it. UTC ms."""
    if link.ended_wall is None or link.ended_at is None or link.gone_at is None:
        return wall_ms()
    return link.ended_wall + link.gone_at - link.ended_at


def _compare(
    name: str, logged: list[tuple[int, int]], lives: list[tuple[int, int]], silences: list[int]
) -> list[str]:
    """Logged uptime lies within the lives of links; and a life, up to its first silence, within logged uptime."""
    found = []
    possible = _joined(lives)
    for begun, ended in logged:
        if not _inside(begun, ended, possible):
            found.append(
                f"{name}: logged as up from {begun} to {ended}, but no link lived so long: {possible}"
            )
    # The last sign of life before a silence is up to a ping's wait older.
    certain = [(a, min([b, *(at - QUIET_MS for at in silences if a - TOLERANCE_MS <= at)])) for a, b in lives]
    for begun, ended in certain:
        if ended - begun > 2 * TOLERANCE_MS and not _inside(begun, ended, logged):
            found.append(f"{name}: linked from {begun} to {ended}, but not logged as up: {logged}")
    return found


def _inside(begun: int, ended: int, intervals: list[tuple[int, int]]) -> bool:
    return any(a - TOLERANCE_MS <= begun and ended <= b + TOLERANCE_MS for a, b in intervals)


def wall_ms() -> int:
    """Now, UTC ms."""
    return time.time_ns() // 1_000_000


def report(line: str) -> None:
    """A line for whoever waits."""
    print(line, flush=True)


def run(home: Path, *, bots: int, fault_s: float, traffic_s: float, seed: int) -> None:
    """The whole soak; raises AssertionError with what was found."""
    report(f"seed {seed}: {bots} bots, {fault_s:.0f} s of faults, {traffic_s:.0f} s of traffic")
    with soaking(home, bots, seed) as soak:
        before = soak.settle()
        report(f"at rest: {before}")
        count = soak.break_things(fault_s)
        after = soak.settle()
        report(f"after {count} faults: {after}")
        assert after.descriptors <= before.descriptors + 2, "descriptors were left behind"
        assert after.threads <= before.threads, "threads were left behind"
        costs = []
        for cost in soak.talk(traffic_s) if traffic_s else ():
            costs.append(cost)
            report(f"traffic: {cost}")
        if costs:
            assert costs[-1].rss_mb <= costs[1].rss_mb * 1.03 + 1, "memory grows with traffic"
            assert costs[-1].descriptors <= costs[0].descriptors + 2
        cpu = Cost.of(soak.process.pid).cpu_s
        report(f"CPU in all: {cpu:.1f} s")
    found = disagreements(soak)
    for sentence in found:
        report(sentence)
    assert not found, f"{len(found)} disagreements between log and truth"
    report("every log agrees with the truth")


if __name__ == "__main__":
    sys.exit("run it as python -m tests.soak")
