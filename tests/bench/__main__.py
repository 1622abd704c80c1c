"""``make bench``: each budget of the design that exists today, beside a raw baseline of the same run.

Nothing is asserted: over its budget is a number in the table, not a failure.

    python -m tests.bench [start] [one] [many] [fifty] [relay] [peers]

Nothing else should run meanwhile. Numbers of another machine mean nothing; only those of one run can be compared.
"""

import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.bench import relay
from tests.bench.app import RunningApp, running_app
from tests.bench.baseline import bare_process, bare_reconnect, wall_time
from tests.bench.desktop import Desktop, desktop, missing_packages
from tests.bench.peers import __main__ as peers
from tests.bench.process import rss_kb, use
from tests.bench.slack import LATENCY_MS, SlackProcess
from tests.bench.table import Row, megabytes, milliseconds, number, percent, render, times
from tests.support import token_of

STARTS = 9
STATUS_CALLS = 10
MANY = 11
FIFTY = 50
SETTLE_S = 10
"""Online for so long before memory is read."""
REST_S = 10
"""More before idling is measured: soon after a session's start Slack is asked how it shows each bot, and redrawn."""
IDLE_S = 30
STABLE_S = 61
"""A session older than a minute is followed by a try at once (keeper.core.policy.stable_after)."""
RECONNECTS = 10

MB_KB = 1024
RSS_FACTOR = 1.4
START_FACTOR = 1.7
RECONNECT_FACTOR = 1.2
IDLE_CPU = 0.002
WAKEUPS_PER_MINUTE = 80
STATUS_S = 0.2


class Bench:
    """The parts, in the order in which they are run; what one learns for another stands here."""

    def __init__(self, on: Desktop) -> None:
        self._desktop = on
        self._bare_kb: float | None = None
        self._one_kb: float | None = None

    def start(self) -> Iterator[Row]:
        """Start to first icon, by turns with the bare process."""
        with SlackProcess(["bot"]) as slack:
            icons, bares = [], []
            for _ in range(STARTS):
                bares.append(bare_process())
                with running_app(self._desktop, ["bot"], slack.api_url) as app:
                    slack.greeted()
                    icons.append(app.icon_after_s)
        # The first of each finds cold caches.
        bare_s = median(took for took, _ in bares[1:])
        self._bare_kb = median(kb for _, kb in bares)
        yield times(
            f"start to first icon, median of {STARTS - 1}",
            median(icons[1:]),
            milliseconds,
            bare_s,
            START_FACTOR,
        )

    def one(self) -> Iterator[Row]:
        """One bot at rest, and what asking it costs."""
        with SlackProcess(["bot"]) as slack, running_app(self._desktop, ["bot"], slack.api_url) as app:
            slack.greeted()
            self._one_kb = _settled_kb(app)
            yield times("RSS with a tray, 1 bot", self._one_kb, megabytes, self._bare(), RSS_FACTOR)
            yield from _idle(app, 1)
            asked, passed = [], []
            for _ in range(STATUS_CALLS):
                asked.append(wall_time(*app.status_command, env=app.env))
                passed.append(wall_time(sys.executable, "-c", "pass"))
        what = f"traymon status, median of {STATUS_CALLS}; baseline: python -c pass"
        yield Row(what, median(asked), milliseconds, median(passed), STATUS_S, "design")

    def many(self) -> Iterator[Row]:
        """Several bots: what a further one costs, and how fast a dropped one is back."""
        bots = [f"bot{n}" for n in range(MANY)]
        with SlackProcess(bots) as slack, running_app(self._desktop, bots, slack.api_url) as app:
            slack.greeted()
            yield self._per_further_bot(_settled_kb(app), MANY)
            yield from _idle(app, MANY)
            _wait(STABLE_S - SETTLE_S - REST_S - IDLE_S)
            backs, bares = [], []
            for bot in bots[:RECONNECTS]:
                bares.append(bare_reconnect(slack.api_url, token_of(bots[-1])))
                backs.append(slack.hang_up(bot))
        what = f"FIN to the next hello, median of {RECONNECTS}, {LATENCY_MS} ms round trips"
        yield times(what, median(backs), milliseconds, median(bares), RECONNECT_FACTOR)

    def fifty(self) -> Iterator[Row]:
        """Fifty bots in one process."""
        bots = [f"bot{n}" for n in range(FIFTY)]
        with SlackProcess(bots) as slack, running_app(self._desktop, bots, slack.api_url) as app:
            took_s = (slack.greeted() - app.started_at_ms) / 1000
            yield Row(f"start to the hello of the last of {FIFTY} bots", took_s, milliseconds)
            yield self._per_further_bot(_settled_kb(app), FIFTY)
            yield from _idle(app, FIFTY)

    def _per_further_bot(self, kb: float, bots: int) -> Row:
        if self._one_kb is None:
            return Row(f"RSS with a tray, {bots} bots", kb, megabytes)
        each = (kb - self._one_kb) / (bots - 1)
        return Row(f"RSS for each further bot, at {bots} bots", each, megabytes, limit=MB_KB, budget="design")

    def _bare(self) -> float:
        if self._bare_kb is None:
            self._bare_kb = median(bare_process()[1] for _ in range(3))
        return self._bare_kb


PARTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "start": Bench.start,
    "one": Bench.one,
    "many": Bench.many,
    "fifty": Bench.fifty,
}


RELAY = "relay"
"""With a table of its own: what the relay adds and carries. Needs no desktop."""
PEERS = "peers"
"""Likewise: traymon beside other clients."""


def _settled_kb(app: RunningApp) -> int:
    _wait(SETTLE_S)
    if not app.all_online():
        raise RuntimeError("not all bots are online")
    return rss_kb(app.pid)


def _idle(app: RunningApp, bots: int) -> Iterator[Row]:
    _wait(REST_S)
    used = use(app.pid, IDLE_S)
    whose = "1 bot" if bots == 1 else f"{bots} bots"
    # The budget is that of one bot at rest; more of them may cost as much each.
    yield Row(f"idle CPU, {whose}, each", used.cpu / bots, percent, limit=IDLE_CPU, budget="design")
    each = used.wakeups_per_minute / bots
    yield Row(f"wake-ups a minute, {whose}, each", each, number, limit=WAKEUPS_PER_MINUTE, budget="design")


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def main(wanted: Sequence[str]) -> int:
    """Measure the wanted parts, or all, and print their tables. 1 when something could not be measured."""
    parts = (*PARTS, RELAY, PEERS)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        print(f"No such part: {' '.join(unknown)}. Parts: {' '.join(parts)}", file=sys.stderr)
        return 1
    failed = 0
    if budgets := [name for name in wanted or PARTS if name in PARTS]:
        failed |= _budgets(budgets)
    if RELAY in wanted or not wanted:
        failed |= _relay()
    if PEERS in wanted or not wanted:
        failed |= peers.main()
    return failed


def _relay() -> int:
    print("relay: what it adds to a frame, and what it carries.", file=sys.stderr, flush=True)
    rows: list[Row] = []
    failed = False
    try:
        for row in relay.measure():
            rows.append(row)
    except Exception:
        traceback.print_exc()
        failed = True
    print(f"\n{render(rows)}\n", flush=True)
    return 1 if failed else 0


def _budgets(wanted: Sequence[str]) -> int:
    missing = missing_packages()
    if missing:
        print(f"The bench needs these packages: {' '.join(missing)}", file=sys.stderr)
        return 1
    rows: list[Row] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="traymon-bench-") as folder, desktop(Path(folder)) as on:
        bench = Bench(on)
        for name in wanted:
            print(f"{name}: {PARTS[name].__doc__}", file=sys.stderr, flush=True)
            try:
                rows += PARTS[name](bench)
            except Exception:
                # What was measured so far took minutes: it is shown all the same.
                traceback.print_exc()
                failed = True
    print(render(rows), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
