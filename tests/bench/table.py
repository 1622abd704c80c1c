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
    return _columns(("what", "measured", "baseline", "budget", "verdict"), [row.cells() for row in rows])


class Growth:
    """How costs grow with an amount: a line for each cost, a column for each amount."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._cells: dict[str, dict[int, str]] = {}

    def put(self, what: str, amount: int, cost: str) -> None:
        """``cost``, as text, is what ``amount`` makes of it."""
        self._cells.setdefault(what, {})[amount] = cost

    def render(self) -> str:
        """All of them; empty where nothing was measured."""
        amounts = sorted({amount for costs in self._cells.values() for amount in costs})
        lines = [
            (what, *(costs.get(amount, "") for amount in amounts)) for what, costs in self._cells.items()
        ]
        return _columns((self._head, *(f"{amount:,}" for amount in amounts)), lines) if lines else ""


def _columns(head: tuple[str, ...], body: Sequence[tuple[str, ...]]) -> str:
    lines = [head, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
