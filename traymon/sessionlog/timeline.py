"""From the clock that counts sleep to UTC, and how steps of the wall clock change what is shown.

A run reads the wall clock once, at its start: its *line* is ``wall + (at - anchor)``. What is stored lies on that
line, so that spans tile to the millisecond whatever happens to the wall clock. When someone sets the clock, an event
of kind ``clock`` with the fact ``step_ms`` says so, and what lies after it is *shown* that much later.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from traymon.keeper.core.effects import NoteKind
from traymon.sessionlog.rows import MACHINE, Event, read_event


@dataclass(frozen=True, slots=True)
class Anchor:
    """One instant on both clocks: ``wall`` in UTC ms, ``at`` in ms of the clock that counts sleep."""

    wall: int
    at: int

    def line(self, at: int) -> int:
        """Where ``at`` lies on the run's line, in UTC ms."""
        return self.wall + at - self.at


class Steps:
    """The steps of the wall clock in all runs."""

    def __init__(self, clock_events: Iterable[Event] = ()) -> None:
        self._steps: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        for event in clock_events:
            self.add(event)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._steps)

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> "Steps":
        """All steps in the store. Raises sqlite3.Error."""
        rows = connection.execute(
            "SELECT id, at, bot, kind, detail, run FROM events WHERE kind = 'clock' ORDER BY run, at"
        )
        return cls(read_event(*row) for row in rows)

    def add(self, event: Event) -> None:
        """Take in one more event; any but a step of the clock changes nothing."""
        step = event.facts.get("step_ms")
        if event.kind == NoteKind.CLOCK and isinstance(step, int):
            self._steps[event.run, event.bot].append((event.at, step))

    def shift(self, run: int, bot: str, at: int) -> int:
        """By how many ms ``at`` on the line of ``run`` is shown later. A bot's own steps count, and the machine's."""
        if not self._steps:
            return 0
        heard = {bot, MACHINE}
        return sum(step for who in heard for when, step in self._steps.get((run, who), ()) if when <= at)

    def total(self, run: int) -> int:
        """By how many ms the machine's wall clock was set in ``run``."""
        return sum(step for _, step in self._steps.get((run, MACHINE), ()))

    def shown(self, event: Event) -> Event:
        """``event`` at the time at which it is shown."""
        shift = self.shift(event.run, event.bot, event.at)
        return replace(event, at=event.at + shift) if shift else event

    def widest(self) -> int:
        """No shift is larger than this, either way."""
        return sum(abs(step) for steps in self._steps.values() for _, step in steps)
