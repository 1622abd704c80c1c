"""Lines for whoever watches in a terminal."""

import contextlib
import io
import os
import queue
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TextIO, cast

MOST_WAITING = 1_000
"""Lines kept for a terminal that takes none (Ctrl-S); what comes then is dropped here, and stands in the log."""
CLOSE_LIMIT_S = 1.0


class Terminal:
    """Prints lines in order, on a thread of its own: a terminal that stands still holds up nobody."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = _of_its_own(stream)
        # Anyone puts, the printing thread takes; None ends it.
        self._texts: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        # Writes to the stream. Daemon: a stopped terminal must not keep the process from ending.
        self._thread = threading.Thread(target=self._print, name="terminal", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print ``text`` as soon as the terminal takes it; never blocks."""
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """Print ``text`` as it is, as soon as the terminal takes it; never blocks."""
        with contextlib.suppress(queue.Full):
            self._texts.put_nowait(text)

    def close(self) -> None:
        """Print what is left, within a second."""
        with contextlib.suppress(queue.Full):
            self._texts.put(None, timeout=CLOSE_LIMIT_S)
        self._thread.join(CLOSE_LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _print(self) -> None:
        stream, own = self._stream
        while (text := self._texts.get()) is not None:
            # A reader that went away, or no stream at all, is no reason to end.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                print(text, file=stream, end="", flush=True)
        if own and stream is not None:
            with contextlib.suppress(OSError):  # what a reader that went away did not take
                stream.close()


def _of_its_own(stream: TextIO | None) -> tuple[TextIO | None, bool]:
    """A stream to the same place, and whether it is another one.

    While a write hangs, the stream's buffer is locked: were it ``sys.stdout``, Python could not end before the
    terminal takes it.
    """
    if stream is None:
        return None, False
    try:
        number = os.dup(stream.fileno())
    except (OSError, ValueError):  # no file (io.UnsupportedOperation), or a closed one
        return stream, False
    return open(number, "w", encoding=stream.encoding, errors=stream.errors), True


class _Unhurried(io.TextIOBase):
    """What stands in for ``sys.stderr``."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write(text)
        return len(text)


@contextlib.contextmanager
def unhurried_stderr() -> Iterator[None]:
    """While it lasts, what is written to ``sys.stderr`` holds up no thread; what is too much is dropped.

    Keepers, links and the session log's thread say there what goes wrong. Whoever stops the terminal, or reads the
    pipe behind it no more, must not stop them.
    """
    stream = sys.stderr
    if stream is None:  # pythonw has none
        yield
        return
    with Terminal(stream) as terminal:
        sys.stderr = cast("TextIO", _Unhurried(terminal))
        try:
            yield
        finally:
            sys.stderr = stream
