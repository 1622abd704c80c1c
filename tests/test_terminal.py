"""Lines for a terminal: in order, and never in the way."""

import io
import os
import threading

from traymon.desktop.terminal import MOST_WAITING, Terminal


def test_lines_come_in_order() -> None:
    out = io.StringIO()
    with Terminal(out) as terminal:
        terminal.line("one")
        terminal.line("two")
    assert out.getvalue() == "one\ntwo\n"


def test_a_terminal_that_takes_nothing_holds_up_nobody() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as full:
        terminal = Terminal(full)
        for number in range(3 * MOST_WAITING):  # far more than a pipe holds
            terminal.line(f"{number} {'x' * 100}")
        closer = threading.Thread(target=terminal.close)
        closer.start()
        closer.join(30)
        assert not closer.is_alive()
        os.close(reader)  # wakes the printing thread with a broken pipe
        terminal._thread.join(30)
        full.close = lambda: None  # type: ignore[method-assign] # what it still holds has no reader


def test_a_reader_that_went_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", closefd=False) as gone:
        with Terminal(gone) as terminal:
            terminal.line("nobody hears this")
        assert not terminal._thread.is_alive()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # so that closing flushes somewhere
    os.close(writer)


def test_no_stream_is_no_error() -> None:
    with Terminal(None) as terminal:
        terminal.line("nowhere to go")
    assert not terminal._thread.is_alive()
