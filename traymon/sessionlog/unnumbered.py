"""The text log without a store: beside a database that a newer traymon wrote, lines are all that can be kept."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from traymon.keeper.core.effects import Note
from traymon.sessionlog.inbox import Work
from traymon.sessionlog.rows import detail_text, read_event
from traymon.sessionlog.textlog import TextLog, line
from traymon.sessionlog.timeline import Anchor, Steps

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str | None
    on_written: Callable[[], None] | None = None


class UnnumberedLines:
    """Lines that end with ``#-``, in order; the oldest go where more than ``most`` wait. One thread only."""

    def __init__(self, anchor: Anchor, most: int) -> None:
        self._anchor = anchor
        self._most = most
        self._steps = Steps()
        self._waiting: deque[_Line] = deque()

    def add(self, work: Work) -> None:
        """Make lines of ``work``; states have none."""
        for loss in work.losses.values():
            self._waiting.extend(_Line(None, callback) for callback in loss.release())
        for batch in work.batches:
            notes = [entry for entry in batch.entries if isinstance(entry, Note)]
            self._waiting.extend(_Line(self._text(batch.bot, note)) for note in notes)
            self._waiting.append(_Line(None, batch.on_committed))
        while len(self._waiting) > self._most:
            lost = self._waiting.popleft()
            _log.error("a line of the text log is lost: %s", lost.text)
            if lost.on_written is not None:
                call(lost.on_written)

    def left(self) -> int:
        """How many lines are still to be written."""
        return sum(each.text is not None for each in self._waiting)

    def shift(self) -> int:
        """By how many ms the wall clock was set in this run."""
        return self._steps.total(0)

    def flush(self, text_log: TextLog, on_line: Callable[[str], None] | None) -> None:
        """Append all that waits. Raises OSError; what was not written waits on."""
        if self._waiting:
            text_log.last_number()  # drops a torn tail, which a line must not be joined to
        while self._waiting:
            first = self._waiting[0]
            if first.text is not None:
                text_log.append(first.text)
            self._waiting.popleft()
            if first.text is not None and on_line is not None:
                call(on_line, first.text)
            if first.on_written is not None:
                call(first.on_written)

    def _text(self, bot: str, note: Note) -> str | None:
        at = self._anchor.line(note.at)
        event = read_event(None, at, bot, note.kind, detail_text(note.facts, note.failure), 0)
        self._steps.add(event)
        return line(self._steps.shown(event))


def call(callback: Callable[..., None], *args: object) -> None:
    """Call someone else's function: its errors are logged, and end nothing here."""
    try:
        callback(*args)
    except Exception:  # noqa: BLE001 - it may raise anything
        _log.exception("an error in a callback of the session log")
