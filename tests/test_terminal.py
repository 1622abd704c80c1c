"""Lines for a terminal: in order, and never in the way."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, token_of, write_profile
from traymon.desktop.terminal import MOST_WAITING, Terminal, unhurried_stderr
from traymon.simulator import Simulator


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


def test_a_terminal_that_takes_nothing_keeps_neither_the_bots_nor_the_end_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that traymon can say, on streams that took their last byte before it began."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # without a buffer nothing is locked
    token = token_of("bot")
    with Simulator() as slack, _full_pipe() as full:
        slack.add_bot(token, "bot")
        profile = write_profile(home, {"bot": slack.api_url})
        config = str(profile.config_file)
        command = [sys.executable, "-m", "traymon", "--debug", "--config", config, "run", "--no-tray"]
        traymon = subprocess.Popen(command, stdout=full, stderr=full)
        try:
            assert slack.wait(lambda: slack.open_links(token) == 1, PATIENCE_S)
            slack.fin(token)
            assert slack.wait(lambda: len(slack.truth().links_of(token)) == 2, PATIENCE_S)
            traymon.terminate()
            assert traymon.wait(PATIENCE_S) == 0
        finally:
            traymon.kill()
            traymon.wait()


def test_the_demo_ends_too_where_nobody_takes_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with _full_pipe() as full:
        command = [sys.executable, "-m", "traymon", "demo", "--no-tray", "--seconds", "1"]
        demo = subprocess.Popen(command, stdout=full, stderr=subprocess.DEVNULL)
        try:
            assert demo.wait(PATIENCE_S) == 0
        finally:
            demo.kill()
            demo.wait()


def test_what_goes_to_standard_error_comes_in_order_and_the_stream_is_itself_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = sys.stderr
    with unhurried_stderr():
        assert sys.stderr is not before
        print("one", "two", file=sys.stderr)
        sys.stderr.write("three\n")
        sys.stderr.flush()
    assert sys.stderr is before
    assert capfd.readouterr().err == "one two\nthree\n"


@contextmanager
def _full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes nothing more."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        for size in (65_536, 1):
            try:
                while True:
                    os.write(writer, b"x" * size)
            except BlockingIOError:
                pass
        os.set_blocking(writer, True)
        yield writer
    finally:
        os.close(reader)
        os.close(writer)
