"""How what people do with the log grows with it: logs of a year, with few entries and with many.

Every command is timed whole, from its start as a process to its end. ``traymon log`` prints into nothing: for people
what the text log's files still hold, as JSON all that is in the store. ``traymon report`` writes to a file; without
``--all`` it shows the newest 5,000 spans at most.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.app import TRAYMON, profile_on, running_app
from tests.bench.baseline import bare_process, python_alone, wall_time
from tests.bench.desktop import Desktop
from tests.bench.process import rss_kb, time_and_peak
from tests.bench.slack import SlackProcess
from tests.bench.table import Growth, Row, megabytes, milliseconds, number
from tests.sessionlog_kit import a_run, batch, session
from tests.support import PATIENCE_S
from traymon.desktop.clocks import system_clocks
from traymon.paths import Profile
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.store import Store

SIZES = (1_000, 10_000, 100_000)
"""Spans: a bot that drops daily makes the first number in a year, one that flaps every ten minutes the last."""
BOT = "bot"
STARTS = 3
CALLS = 5
SETTLE_S = 5
REPORT_S = 1.0
"""Design, Budgets: the page of 90 days or 5,000 spans."""

_DAY_MS = 86_400_000
_YEAR_MS = 365 * _DAY_MS
_AT_ONCE = 500
"""Sessions in one commit: a commit waits for the disk."""


def write_log(profile: Profile, spans: int) -> None:
    """A year of sessions of one bot, up for 98 % of the time, with their text log. Raises what the store raises."""
    profile.state_dir.mkdir(parents=True, exist_ok=True)
    clocks = system_clocks()
    began = 1_000_000
    store = Store(profile.db, a_run(wall=clocks.wall() - _YEAR_MS, at=began))
    count = spans // 2
    cycle = _YEAR_MS // count
    for first in range(0, count, _AT_ONCE):
        store.write(
            [
                batch(*session(began + number * cycle, cycle * 98 // 100, cycle // 50), bot=BOT)
                for number in range(first, min(first + _AT_ONCE, count))
            ],
            now=began + first * cycle,
        )
    store.close()
    # The text log is made of the store at every start; here once, so that no start measured has to.
    log = SessionLog(profile.db, profile.text_log, clocks, on_fault=print)
    log.open(PATIENCE_S)
    if not log.close(10 * PATIENCE_S):
        raise TimeoutError("the text log was not written in time")


def measure(desktop: Desktop, growth: Growth) -> Iterator[Row]:
    """Fill in ``growth``, and give the rows that have a budget."""
    for spans in SIZES:
        with SlackProcess([BOT]) as slack:
            profile = profile_on(desktop, [BOT], slack.api_url)
            write_log(profile, spans)
            growth.put("size of the store", spans, megabytes(profile.db.stat().st_size / 1024))
            growth.put("opening the store", spans, milliseconds(_opening(profile.db)))
            _running(desktop, profile, spans, growth)
            yield from _reading(desktop, profile, spans, growth)


def _opening(db: Path) -> float:
    """Seconds, in this process: the file is opened, its version looked at, and what a dead run left is repaired."""
    took = []
    for turn in range(CALLS):
        began = time.monotonic()
        store = Store(db, a_run(f"opening {turn}", system_clocks().wall(), system_clocks().now()))
        took.append(time.monotonic() - began)
        store.close()
    return statistics.median(took)


def _running(desktop: Desktop, profile: Profile, spans: int, growth: Growth) -> None:
    """The app above that log: its start, and what it needs at rest."""
    icons, bares = [], []
    for turn in range(STARTS):
        bares.append(bare_process()[0])
        with running_app(desktop, profile) as app:
            app.wait_online()
            icons.append(app.icon_after_s)
            if turn == STARTS - 1:
                threading.Event().wait(SETTLE_S)
                growth.put("RSS with a tray", spans, megabytes(rss_kb(app.pid)))
                growth.put(
                    "status",
                    spans,
                    milliseconds(_median(lambda: wall_time(*app.status_command, env=app.env))),
                )
    against = statistics.median(icons) / statistics.median(bares)
    growth.put("start to first icon, x bare process", spans, number(against))


def _reading(desktop: Desktop, profile: Profile, spans: int, growth: Growth) -> Iterator[Row]:
    """The commands that read the log."""
    command = (str(TRAYMON), "--config", str(profile.config_file))
    page = profile.state_dir / "page.html"

    def run(*words: str) -> Callable[[], float]:
        return lambda: wall_time(*command, *words, env=desktop.env)

    growth.put("log", spans, milliseconds(_median(run("log"), STARTS)))
    growth.put("log --format json", spans, milliseconds(_median(run("log", "--format", "json"), STARTS)))
    growth.put("log --since 24h", spans, milliseconds(_median(run("log", "--since", "24h"))))
    report_s = _median(run("report", "--output", str(page)), STARTS)
    growth.put("report", spans, milliseconds(report_s))
    growth.put("its page", spans, megabytes(page.stat().st_size / 1024))
    took, peak_kb = time_and_peak(*command, "report", "--all", "--output", str(page), env=desktop.env)
    growth.put("report --all", spans, milliseconds(took))
    growth.put("its page with --all", spans, megabytes(page.stat().st_size / 1024))
    growth.put("its peak RSS", spans, megabytes(peak_kb))
    if spans == max(SIZES):
        yield Row(
            "traymon report, 5,000 spans shown of 100,000; baseline: python -c pass",
            report_s,
            milliseconds,
            _median(python_alone),
            REPORT_S,
            "design",
        )


def _median(measured: Callable[[], float], calls: int = CALLS) -> float:
    return statistics.median(measured() for _ in range(calls))
