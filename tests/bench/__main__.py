"""``make bench``: every budget of the design beside a raw baseline of the same run, and how costs grow.

Nothing is asserted: over its budget is a number in the table, not a failure.

    python -m tests.bench [start] [one] [lent] [many] [fifty] [logs] [relay] [peers]

Nothing else should run meanwhile. Numbers of another machine mean nothing; only those of one run can be compared.
"""

import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median

from tests.bench import logs, relay
from tests.bench.app import RunningApp, profile_on, running_app
from tests.bench.baseline import bare_process, bare_reconnect, python_alone, wall_time
from tests.bench.desktop import Desktop, desktop, missing_packages
from tests.bench.peers import __main__ as peers
from tests.bench.process import rss_kb, use
from tests.bench.slack import LATENCY_MS, SlackProcess
from tests.bench.table import Growth, Row, megabytes, milliseconds, number, percent, render, times
from tests.support import token_of

STARTS = 9
STATUS_CALLS = 10
MANY = 10
FIFTY = 50
SETTLE_S = 10
"""Online for so long before memory is read."""
REST_S = 10
"""More before idling is measured: soon after a session's start Slack is asked how it shows each bot, and redrawn."""
IDLE_S = 30
STABLE_S = 61
"""A session older than a minute is followed by a try at once (keeper.core.policy.stable_after)."""

MB_KB = 1024
RSS_FACTOR = 1.4
LENT_RSS_FACTOR = 2.2
START_FACTOR = 1.7
RECONNECT_FACTOR = 1.2
IDLE_CPU = 0.002
WAKEUPS_PER_MINUTE = 80
STATUS_S = 0.2


class Bench:
    """The parts, in the order in which they are run; what one learns for another stands here."""

    def __init__(self, on: Desktop | None) -> None:
        self._on = on
        self._bare_kb: float | None = None
        self._one_kb: float | None = None
        self.by_bots = Growth("bots")
        self.by_spans = Growth("spans in the log")

    @property
    def _desktop(self) -> Desktop:
        assert self._on is not None
        return self._on

    def start(self) -> Iterator[Row]:
        """Start to first icon, by turns with the bare process."""
        with SlackProcess(["bot"]) as slack:
            icons, bares = [], []
            for _ in range(STARTS):
                bares.append(bare_process())
                with self._running(["bot"], slack) as app:
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
        with SlackProcess(["bot"]) as slack, self._running(["bot"], slack) as app:
            slack.greeted()
            self._began(app, slack, 1)
            self._one_kb = self._settled_kb(app, 1)
            yield times("RSS with a tray, 1 bot", self._one_kb, megabytes, self._bare(), RSS_FACTOR)
            yield from self._idle(app, 1)
            asked, passed = [], []
            for _ in range(STATUS_CALLS):
                asked.append(wall_time(*app.status_command, env=app.env))
                passed.append(python_alone())
        what = f"traymon status, median of {STATUS_CALLS}; baseline: python -c pass"
        yield Row(what, median(asked), milliseconds, median(passed), STATUS_S, "design")

    def lent(self) -> Iterator[Row]:
        """One bot that lends its link to one program."""
        with (
            SlackProcess(["bot"]) as slack,
            self._running(["bot"], slack, relay=True) as app,
        ):
            slack.greeted()
            app.wait_online()
            with relay.attached(app.profile, "bot"):
                kb = _settled_kb(app)
        yield times(
            "RSS with a tray and a program on the relay", kb, megabytes, self._bare(), LENT_RSS_FACTOR
        )

    def many(self) -> Iterator[Row]:
        """Several bots: what a further one costs, and how fast a dropped one is back."""
        bots = [f"bot{n}" for n in range(MANY)]
        with SlackProcess(bots) as slack, self._running(bots, slack) as app:
            self._began(app, slack, MANY)
            yield self._per_further_bot(self._settled_kb(app, MANY), MANY)
            yield from self._idle(app, MANY)
            _wait(STABLE_S - SETTLE_S - REST_S - IDLE_S)
            backs, bares = [], []
            for bot in bots:
                bares.append(bare_reconnect(slack.api_url, token_of(bots[-1])))
                backs.append(slack.hang_up(bot))
        what = f"FIN to the next hello, median of {MANY}, {LATENCY_MS} ms round trips"
        yield times(what, median(backs), milliseconds, median(bares), RECONNECT_FACTOR)

    def fifty(self) -> Iterator[Row]:
        """Fifty bots in one process."""
        bots = [f"bot{n}" for n in range(FIFTY)]
        with SlackProcess(bots) as slack, self._running(bots, slack) as app:
            self._began(app, slack, FIFTY)
            yield self._per_further_bot(self._settled_kb(app, FIFTY), FIFTY)
            yield from self._idle(app, FIFTY)

    def logs(self) -> Iterator[Row]:
        """Logs of a year: 1,000, 10,000 and 100,000 spans, and what reads them."""
        yield from logs.measure(self._desktop, self.by_spans)

    def relay(self) -> Iterator[Row]:
        """What the relay adds to a frame, and what it carries."""
        yield from relay.measure()

    def _running(
        self, bots: list[str], slack: SlackProcess, *, relay: bool = False
    ) -> AbstractContextManager[RunningApp]:
        profile = profile_on(self._desktop, bots, slack.api_url, relay=relay)
        return running_app(self._desktop, profile)

    def _began(self, app: RunningApp, slack: SlackProcess, bots: int) -> None:
        took_s = (slack.greeted() - app.started_at_ms) / 1000
        self.by_bots.put("start to first icon", bots, milliseconds(app.icon_after_s))
        self.by_bots.put("start to the last one's hello", bots, milliseconds(took_s))

    def _settled_kb(self, app: RunningApp, bots: int) -> int:
        kb = _settled_kb(app)
        self.by_bots.put("RSS with a tray", bots, megabytes(kb))
        status_s = median(wall_time(*app.status_command, env=app.env) for _ in range(STATUS_CALLS))
        self.by_bots.put("traymon status", bots, milliseconds(status_s))
        return kb

    def _idle(self, app: RunningApp, bots: int) -> Iterator[Row]:
        _wait(REST_S)
        used = use(app.pid, IDLE_S)
        self.by_bots.put("idle CPU, all together", bots, percent(used.cpu))
        self.by_bots.put("wake-ups a minute, all together", bots, number(used.wakeups_per_minute))
        whose = "1 bot" if bots == 1 else f"{bots} bots"
        # The budget is that of one bot at rest; more of them may cost as much each.
        yield Row(f"idle CPU, {whose}, each", used.cpu / bots, percent, limit=IDLE_CPU, budget="design")
        each = used.wakeups_per_minute / bots
        yield Row(
            f"wake-ups a minute, {whose}, each", each, number, limit=WAKEUPS_PER_MINUTE, budget="design"
        )

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
    "lent": Bench.lent,
    "many": Bench.many,
    "fifty": Bench.fifty,
    "logs": Bench.logs,
    "relay": Bench.relay,
}


WITHOUT_DESKTOP = {"relay"}
PEERS = "peers"
"""With a table of its own: traymon beside other clients."""


def _settled_kb(app: RunningApp) -> int:
    _wait(SETTLE_S)
    if not app.all_online():
        raise RuntimeError("not all bots are online")
    return rss_kb(app.pid)


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def main(wanted: Sequence[str]) -> int:
    """Measure the wanted parts, or all, and print their tables. 1 when something could not be measured."""
    parts = (*PARTS, PEERS)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        print(f"No such part: {' '.join(unknown)}. Parts: {' '.join(parts)}", file=sys.stderr)
        return 1
    failed = 0
    if own := [name for name in wanted or PARTS if name in PARTS]:
        failed |= _measured(own)
    if PEERS in wanted or not wanted:
        failed |= peers.main()
    return failed


def _measured(wanted: Sequence[str]) -> int:
    on_desktop = any(name not in WITHOUT_DESKTOP for name in wanted)
    if on_desktop and (missing := missing_packages()):
        print(f"The bench needs these packages: {' '.join(missing)}", file=sys.stderr)
        return 1
    rows: list[Row] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="traymon-bench-") as folder, ExitStack() as stack:
        bench = Bench(stack.enter_context(desktop(Path(folder))) if on_desktop else None)
        for name in wanted:
            print(f"{name}: {PARTS[name].__doc__}", file=sys.stderr, flush=True)
            try:
                for row in PARTS[name](bench):
                    rows.append(row)
            except Exception:
                # What was measured so far took minutes: it is shown all the same.
                traceback.print_exc()
                failed = True
    for table in (render(rows), bench.by_bots.render(), bench.by_spans.render()):
        if table:
            print(f"\n{table}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
