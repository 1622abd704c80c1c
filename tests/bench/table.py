"""The table that the bench prints: what was measured, the raw baseline of the same run, the budget, the verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Show = Callable[[float], str]


def megabytes(kilobytes: float) -> str:
    """From kB, as /proc counts them (1,024 bytes), to MB of 1,024 kB."""
    return f"{kilobytes / 1024:.1f} MB"


def milliseconds(seconds: float) -> str:
    """From seconds."""
    return f"{seconds * 1000:.0f} ms"


def percent(part: float) -> str:
    """From a part of one."""
    return f"{part * 100:.3f} %"


def number(count: float) -> str:
    """A count that was averaged."""
    return f"{count:.1f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. ``limit`` is the largest value within the budget, ``None`` where the design sets none."""

    what: str
    measured: float
    show: Show
    baseline: float | None = None
    limit: float | None = None
    budget: str = ""
    """The limit in the design's words."""

    @property
    def verdict(self) -> str:
        """``within``, or over by how much of the limit."""
        if self.limit is None:
            return ""
        if self.measured <= self.limit:
            return f"within ({self.measured / self.limit * 100:.0f} % of it)"
        return f"OVER by {(self.measured / self.limit - 1) * 100:.0f} %"

    def cells(self) -> tuple[str, ...]:
        """As text, one for each column."""
        baseline = "" if self.baseline is None else self.show(self.baseline)
        limit = "" if self.limit is None else f"{self.budget} = {self.show(self.limit)}"
        return self.what, self.show(self.measured), baseline, limit, self.verdict


def times(what: str, measured: float, show: Show, baseline: float, factor: float) -> Row:
    """A row whose budget is a multiple of the baseline."""
    return Row(what, measured, show, baseline, baseline * factor, f"{factor:g} x baseline")


def render(rows: Sequence[Row]) -> str:
    """All rows, in columns."""
    head = ("what", "measured", "baseline", "budget", "verdict")
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
