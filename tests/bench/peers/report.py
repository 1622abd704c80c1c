"""The table: each cell is the time to be back and the calls made to the API meanwhile."""

import math
import textwrap
from collections.abc import Sequence
from statistics import median

from tests.bench.peers.kinds import KINDS, Kind
from tests.bench.peers.ordeals import GOODBYE_MS, ORDEALS, WARNING_MS, Ordeal
from tests.bench.peers.outcome import LIMIT_S, Outcome
from tests.bench.peers.round import Round
from tests.bench.slack import LATENCY_MS

_WIDTH = 120
LEVEL = 1.2
"""Up to this multiple of the best, and of a bare reconnect, counts as level (design, Budgets)."""
LEVEL_S = 0.05
"""And so does this much: scheduling on few cores."""


def table(rounds: Sequence[Round], missing: dict[str, str]) -> str:
    """Rows are ordeals, columns are clients; ``missing``: why a kind did not take part, by its name."""
    heads = [
        (
            "",
            *(("RTM" if kind.transport == "rtm" else "Socket Mode") for kind in KINDS),
            "traymon",
            "traymon",
        ),
        ("back in s, calls", *(kind.title for kind in KINDS), "noticed in s", "in its log"),
    ]
    body = [_line(ordeal, rounds, missing) for ordeal in ORDEALS]
    widths = [max(len(row[column]) for row in (*heads, *body)) for column in range(len(heads[0]))]
    rows = [*heads, tuple("-" * width for width in widths), *body]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def notes(rounds: Sequence[Round]) -> str:
    """What stands under the table."""
    bares = [took for one in rounds for took in one.bares_s[1:]]
    paragraphs = (
        f"Each cell is the median of {len(rounds)} round(s), all clients side by side, {LATENCY_MS} ms round trips, "
        "sessions over a minute old. Back: from the fault, or from the end of the outage, until the server sent the "
        "next hello; at goodbye the time without a link "
        f"(announced {GOODBYE_MS / 1000:g} s ahead over RTM, {WARNING_MS / 1000:g} s in Socket Mode). "
        f"Never: not back {LIMIT_S} s later. Calls: all calls to the Web API from the fault until then. "
        "*: holds more than one link in the end.",
        "Traymon, over RTM / in Socket Mode. Noticed: until it asked for a new link or had the stop in its log, "
        "whichever came first. In its log: until the stop (at goodbye the handover) was committed and in its text log. "
        "After silence a second RTM link takes over at once, while the old one keeps its chance until 10 s after the "
        "ping; only then the stop is logged, dated back to the last frame.",
        f"A bare rtm.connect, handshake and hello took {median(bares):.3f} s (median of {len(bares)}, "
        f"{min(bares):.3f} to {max(bares):.3f} s). The simulators used {max(one.cpu for one in rounds):.0%} of one "
        "processor.",
        "Why traymon asks later where Slack itself answers with errors (503; 429 likewise) or fails after the "
        "API was reached: such trouble is Slack's own, and each call adds to it. rtm.connect is allowed about once "
        "a minute, and who spends it on errors is refused when Slack is well again. So the next call comes 5 s later, "
        "then after a tenth of the outage's age, a minute at most, never before Retry-After, and out of a budget of "
        "six calls and one more each 15 s. The calls made stand beside the times.",
        "With the workaround of 2016 botkit makes two tries at once, its own a second after the other: where the first "
        "one hangs, the second is back early; where neither does, the bot holds two links (*) and answers twice.",
        "A timer that was started by the fault can ring just when the 60 s end (the minute of 2016, slack_sdk's 5 s, "
        "the 15 s of traymon's budget): luck. What traymon promises after refused connections is 2 % of the outage, "
        "at least 1 s, plus an attempt.",
        _behind(rounds),
    )
    return "\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in paragraphs)


def _line(ordeal: Ordeal, rounds: Sequence[Round], missing: dict[str, str]) -> tuple[str, ...]:
    cells = [missing.get(kind.name) or _cell(_of(ordeal, kind, rounds)) for kind in KINDS]
    own = [_of(ordeal, kind, rounds) for kind in KINDS if kind.is_traymon]
    noticed = " / ".join(_seconds([one.noticed_s for one in outcomes]) for outcomes in own)
    logged = " / ".join(_seconds([one.logged_s for one in outcomes]) for outcomes in own)
    return (ordeal.title, *cells, noticed, logged)


def _of(ordeal: Ordeal, kind: Kind, rounds: Sequence[Round]) -> list[Outcome]:
    found = (one.outcomes.get((ordeal.name, kind.name)) for one in rounds)
    return [outcome for outcome in found if outcome is not None]


def _cell(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "not online"
    calls = f"{median(one.calls for one in outcomes):g}"
    return f"{_seconds([one.back_s for one in outcomes], 'never')}, {calls}{_twice(outcomes)}"


def _twice(outcomes: Sequence[Outcome]) -> str:
    return "*" if any(one.links > 1 for one in outcomes) else ""


def _seconds(values: Sequence[float], none: str = "-") -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return none
    if len(finite) < len(values):
        return f"{_short(median(finite))} or {none}"
    return _short(median(values))


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def _behind(rounds: Sequence[Round]) -> str:
    """In which rows traymon is not first, and by how much, within each transport."""
    found = []
    for ordeal in ORDEALS:
        for transport, name in (("rtm", "RTM"), ("socket", "Socket Mode")):
            own, best, whose = _best(ordeal, rounds, transport)
            if own > best * LEVEL + LEVEL_S:
                found.append(f"{ordeal.title} ({name}: {_short(own)} s, {whose} {_short(best)} s)")
    if not found:
        return "traymon is first or level in every row."
    return "traymon is not first in: " + "; ".join(found) + "."


def _best(ordeal: Ordeal, rounds: Sequence[Round], transport: str) -> tuple[float, float, str]:
    """Traymon's time, the best peer's and its name; infinite where there is none."""
    own, best, whose = math.inf, math.inf, ""
    for kind in KINDS:
        outcomes = _of(ordeal, kind, rounds)
        if kind.transport != transport or not outcomes:
            continue
        back_s = median(one.back_s for one in outcomes)
        if kind.is_traymon:
            own = back_s
        elif back_s < best:
            best, whose = back_s, kind.title + _twice(outcomes)
    return own, best, whose
