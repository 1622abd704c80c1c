"""``python -m tests.bad_networks SCENARIO FOLDER``: the real command over a network that misbehaves.

For :func:`tests.privatenet.run_inside`. traymon runs on the near side, Slack's stand-in on the far one, a forwarder
lies between. What really happened is printed as JSON; ``test_bad_networks.py`` holds traymon's log against it.
"""

import argparse
import dataclasses
import json
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.forwarder import BLOCKED, Forwarder, Weather
from tests.privatenet import GATEWAY, NEAR, PrivateNet, command
from tests.privateslack import ADDRESSES, API
from tests.support import PATIENCE_S, app_token_of, start, token_of, write_profile
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator

ORDINARY = Weather(latency_ms=25, jitter_ms=5)
SLOW = Weather(latency_ms=850, jitter_ms=300)
"""Each way: round trips of 2 s."""
RTM, SOCKET = ("rtm1", "rtm2", "rtm3"), ("socket1", "socket2", "socket3")
BOTS = (*RTM, *SOCKET)
OTHER_ADDRESS = "198.51.100.7"

CALM_S = 6.0
"""Between the last hello and the trouble, so that it meets links at rest whose round trips are known."""
STALL_S = 8.0
"""Shorter than the 10 s after which an unanswered ping ends a link."""


@dataclass
class Stage:
    """Everything in place, and what is noted on the way."""

    net: PrivateNet
    forwarder: Forwarder
    trouble_s: float
    marks: dict[str, int] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Now, UTC ms, is the moment so called."""
        self.marks[name] = wall_ms()

    @contextmanager
    def trouble(self, seconds: float | None = None) -> Iterator[None]:
        """The block makes the trouble, which then lasts; what follows the block ends it."""
        self.mark("trouble")
        yield
        pass_time(self.trouble_s if seconds is None else seconds)
        self.mark("over")


def cable_pulled(stage: Stage) -> None:
    """The cable is pulled, and put back."""
    with stage.trouble():
        stage.net.unplug()
    stage.net.plug_in()


def route_gone(stage: Stage) -> None:
    """The default route goes, and returns; the cable stays."""
    with stage.trouble():
        command("ip route delete default")
    command(f"ip route add default via {GATEWAY}")


def address_changed(stage: Stage) -> None:
    """Another network: the old address goes, another one comes, with a route."""
    with stage.trouble():
        command(f"ip address delete {NEAR}/24 dev near")
        command(f"ip address add {OTHER_ADDRESS}/24 dev near")
        command(f"ip route replace default via {GATEWAY}")


def up_dropped(stage: Stage) -> None:
    """Nothing that this machine sends arrives."""
    with stage.trouble():
        stage.forwarder.weather(up=BLOCKED)
    stage.forwarder.weather(up=ORDINARY)


def down_dropped(stage: Stage) -> None:
    """Nothing arrives at this machine."""
    with stage.trouble():
        stage.forwarder.weather(down=BLOCKED)
    stage.forwarder.weather(down=ORDINARY)


def nat_forgot(stage: Stage) -> None:
    """A NAT on the way loses its table: the old connections are dead both ways, new ones are not."""
    with stage.trouble():
        stage.forwarder.forget_flows()


def stalled(stage: Stage) -> None:
    """For a while nothing moves, then all of it: a full buffer, a handover of a phone's."""
    for _ in range(2):
        with stage.trouble(STALL_S):
            stage.forwarder.pause()
        stage.forwarder.resume()
        pass_time(CALM_S)


def _losing(part: float) -> Callable[[Stage], None]:
    def losing(stage: Stage) -> None:
        rain = dataclasses.replace(ORDINARY, loss=part)
        with stage.trouble(stage.trouble_s * 1.2):
            stage.forwarder.weather(up=rain, down=rain)
        stage.forwarder.weather(up=ORDINARY, down=ORDINARY)

    return losing


def slow(stage: Stage) -> None:
    """Round trips of 2 s, from the start."""
    with stage.trouble():
        pass


SCENARIOS: dict[str, Callable[[Stage], None]] = {
    "cable_pulled": cable_pulled,
    "route_gone": route_gone,
    "address_changed": address_changed,
    "up_dropped": up_dropped,
    "down_dropped": down_dropped,
    "nat_forgot": nat_forgot,
    "stalled": stalled,
    "loss_10": _losing(0.1),
    "loss_30": _losing(0.3),
    "loss_70": _losing(0.7),
    "slow": slow,
}


class Reader:
    """Reads the text log as a person with ``tail -f`` does, and notes when each line was there."""

    def __init__(self, path: Path) -> None:
        self.lines: list[tuple[int, str]] = []
        self._path = path
        self._ended = threading.Event()  # set once, by stop(); the thread waits on it between looks
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        known = 0
        while not self._ended.wait(0.1):
            text = self._path.read_text("utf-8") if self._path.exists() else ""
            whole = text[: text.rfind("\n") + 1].splitlines()
            self.lines += [(wall_ms(), line) for line in whole[known:]]
            known = len(whole)


def wall_ms() -> int:
    """Now, UTC ms."""
    return time.time_ns() // 1_000_000


def pass_time(seconds: float) -> None:
    """Let the trouble last: here time itself is the subject."""
    threading.Event().wait(seconds)


def link_token(bot: str) -> str:
    """The token that the bot's links go by at the simulator."""
    return app_token_of(bot) if bot in SOCKET else token_of(bot)


def established() -> int:
    """How many connections this machine has to port 443, as the kernel says (proc(5): state 01)."""
    lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[2].endswith(":01BB") and line.split()[3] == "01")


def wait_for(so: Callable[[], bool], what: str, limit_s: float = PATIENCE_S) -> None:
    """Until ``so()``, looked at now and then: it asks another process."""
    ends = time.monotonic() + limit_s
    while not so():
        assert time.monotonic() < ends, f"waited in vain: {what}"
        pass_time(0.2)


def run(scenario: str, folder: Path, trouble_s: float, seed: int) -> dict[str, object]:
    """The whole scenario; what happened."""
    net = PrivateNet(folder, ADDRESSES, seed=seed)
    assert net.forwarder is not None
    weather = SLOW if scenario == "slow" else ORDINARY
    net.forwarder.weather(up=weather, down=weather)
    stage = Stage(net, net.forwarder, trouble_s)
    slack = Simulator(seed, port=443, tls=_certified(folder), address=ADDRESSES[API], name=API)
    net.far(slack.start)
    for bot in BOTS:
        slack.add_bot(token_of(bot), bot, app_token=app_token_of(bot))
    profile = Profile.default(
        write_profile(folder, dict.fromkeys(BOTS, slack.api_url), socket_mode=SOCKET).config_file
    )
    reader = Reader(profile.text_log)
    process = start(profile)
    left = -1
    trouble = ""
    try:
        _play(stage, SCENARIOS[scenario], slack, profile)
        left = established()
    except AssertionError as error:
        trouble = str(error)
    said = _end(process)
    reader.stop()
    truth = slack.truth()
    slack.stop()
    flows = net.forwarder.flows()
    counts = net.forwarder.counts()
    net.close()
    return {
        "seed": seed,
        "trouble": trouble,
        "scenario": scenario,
        "db": str(profile.db),
        "marks": stage.marks,
        "links": [
            {**dataclasses.asdict(link), "bot": bot}
            for bot in BOTS
            for link in truth.links_of(link_token(bot))
        ],
        "flows": [dataclasses.asdict(flow) for flow in flows if flow.far.endswith(":443")],
        "counts": counts,
        "lines": reader.lines,
        "established": left,
        "oddities": truth.oddities,
        "code": process.returncode,
        "said": said,
    }


def _play(stage: Stage, trouble: Callable[[Stage], None], slack: Simulator, profile: Profile) -> None:
    def all_online() -> bool:
        """By the log, and by the number of connections: no bot has two."""
        last = {e.bot: e.kind for e in LogView(profile.db).events() if e.kind in ("start", "stop")}
        return [*last.values()] == ["start"] * len(BOTS) and established() == len(BOTS)

    assert slack.wait(lambda: all(slack.open_links(link_token(bot)) for bot in BOTS), PATIENCE_S)
    wait_for(all_online, "all bots online")
    pass_time(CALM_S)
    trouble(stage)
    wait_for(all_online, "all bots online again, with a link each", PATIENCE_S / 2)
    stage.mark("calm")


def _end(process: subprocess.Popen[str]) -> str:
    """Quit traymon; what it wrote to stderr."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()


def _certified(folder: Path) -> ssl.SSLContext:
    """Slack's certificate; what the near side's programs trust is set to fit."""
    authority = trustme.CA()
    trust = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(trust))
    os.environ["SSL_CERT_FILE"] = str(trust)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(API).configure_cert(context)
    return context


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bad_networks")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trouble", type=float, default=24.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1006)
    given = parser.parse_args()
    home = given.folder
    (home / "run").mkdir(mode=0o700, parents=True)
    for name in list(os.environ):
        if name.startswith(("XDG_", "SLACK_", "DBUS_", "DISPLAY", "WAYLAND_")) or name.lower().endswith(
            "_proxy"
        ):
            del os.environ[name]
    os.environ |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
    print(json.dumps(run(given.scenario, home, given.trouble, given.seed)))


if __name__ == "__main__":
    main()
