"""Lines for whoever watches in a terminal."""

import contextlib
import queue
import threading
from types import TracebackType
from typing import Self, TextIO

MOST_WAITING = 1_000
"""Lines kept for a terminal that takes none (Ctrl-S); what comes then is dropped here, and stands in the log."""
CLOSE_LIMIT_S = 1.0


class Terminal:
    """Prints lines in order, on a thread of its own: a terminal that stands still holds up nobody."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        # Anyone puts, the printing thread takes; None ends it.
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        # Writes to the stream. Daemon: a stopped terminal must not keep the process from ending.
        self._thread = threading.Thread(target=self._print, name="terminal", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print ``text`` as soon as the terminal takes it; never blocks."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(text)

    def close(self) -> None:
        """Print what is left, within a second."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_LIMIT_S)
        self._thread.join(CLOSE_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _print(self) -> None:
        while (text := self._lines.get()) is not None:
            # A reader that went away, or no stream at all, is no reason to end.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                print(text, file=self._stream, flush=True)
