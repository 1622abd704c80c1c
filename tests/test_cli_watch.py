"""``traymon status --watch``: in a real pseudo-terminal and in a pipe, over traymon's end and its next start."""

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import MEASURED, PATIENCE_S, running, wait_for_state, write_profile
from traymon import words
from traymon.cli import screen
from traymon.cli.asking import status_lines
from traymon.cli.watch import _steady
from traymon.desktop.control import ControlServer
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.simulator import Simulator

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\r\n"
HARMFUL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
SINCE = "2016-12-20T07:29:10+09:00"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and pseudo-terminals")


def bot(name="a", state="online", since=SINCE, **more):
    return {"name": name, "state": state, "since": since, "cause": None, **more}


class Traymon:
    """What answers at the control socket of a profile of its own; it can end and come again."""

    def __init__(self, folder):
        (folder / "run").mkdir(mode=0o700)
        self.config = folder / "config.toml"
        kept = {
            name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TZ", MEASURED) if name in os.environ
        }
        self.environ = kept | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PYTHONWARNINGS": "error",
        }
        self._server = None
        # Set by the server's threads at each question, waited for by the test.
        self._asked = threading.Semaphore(0)
        self.answer = {}

    def start(self, *bots, **more):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            address = Profile.default(self.config).control_address
        self.answer = {"ok": True, "bots": list(bots), "starting": [], "fault": None, **more}
        self._server = ControlServer(address, self._answer)
        self._server.start()

    def say(self, *bots, **more):
        self.answer = {"ok": True, "bots": list(bots), "starting": [], "fault": None, **more}

    def _answer(self, question):
        assert question["do"] == "status"
        answer = self.answer
        self._asked.release()
        return dict(answer)

    def wait_until_asked(self, times=1):
        """Until what is said now has been asked for."""
        while self._asked.acquire(blocking=False):
            pass
        for _ in range(times):
            assert self._asked.acquire(timeout=PATIENCE_S)

    def stop(self):
        if self._server is not None:
            self._server.stop()
            self._server = None

    def command(self, *arguments):
        start = [sys.executable, "-m", "traymon", "--config", str(self.config)]
        return [*start, "status", "--watch", *arguments]

    @contextmanager
    def piped(self, *arguments):
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def in_terminal(self, rows=24, columns=80, **environ):
        ours, theirs = os.openpty()
        shown = Terminal(ours)
        shown.resize(rows, columns)
        with subprocess.Popen(
            self.command(),
            env={**self.environ, **environ},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as shown.process:
            os.close(theirs)
            try:
                yield shown
            finally:
                shown.process.kill()
        os.close(ours)


class Terminal:
    """A pseudo-terminal with the command in it, and what the command has written."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self.process = None
        self.written = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, pattern):
        """Read on until ``pattern`` is in what is written from now on; that."""
        begin = len(self.written)
        until = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.written[begin:]):
            left = until - time.monotonic()
            assert left > 0, self.written
            assert select.select([self._descriptor], [], [], left)[0], self.written
            assert self._read(), self.written
        return self.written[begin:]

    def _read(self):
        try:
            more = os.read(self._descriptor, 65_536)
        except OSError:  # EIO: the other side is closed
            return False
        self.written += more.decode(errors="replace").replace("\r\n", "\n")
        return bool(more)

    def signal(self, number):
        """Send it, and read to the end; the exit code."""
        self.process.send_signal(number)
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def traymon(tmp_path):
    traymon = Traymon(tmp_path)
    yield traymon
    traymon.stop()


# In a terminal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_draws_in_place_and_leaves_the_terminal_as_it_was(traymon, number):
    traymon.start(bot(workspace="Acme"))
    with traymon.in_terminal() as terminal:
        first = terminal.read_until(r"a \(Acme\).*since")
        assert first.startswith("\x1b[?1049h\x1b[?25l\x1b[?7l")
        traymon.say(bot(state="offline", explanation="The cable is out."))
        second = terminal.read_until("The cable is out")
        assert "\x1b[H" in second
        assert "?1049" not in second
        assert terminal.signal(number) == 0
        _, _, last = terminal.written.rpartition("\x1b[?7h\x1b[?25h\x1b[?1049l")
        assert click.unstyle(last).startswith("a: offline since")
        assert last.endswith("  The cable is out.\n")
        assert "\x1b[?" not in last


def test_colour_only_repeats_what_a_word_says(traymon):
    traymon.start(bot())
    with traymon.in_terminal() as terminal:
        assert "\x1b[32monline" in terminal.read_until("since")
    with traymon.in_terminal(NO_COLOR="1") as terminal:
        shown = terminal.read_until("since")
        assert "a: online since" in shown
        assert "\x1b[32m" not in shown


def test_it_outlives_traymon_and_shows_the_next_one(traymon):
    with traymon.in_terminal() as terminal:
        terminal.read_until(r"traymon is not running[^\n]*\n[^\n]*Waiting for it since")
        traymon.start(bot())
        terminal.read_until("online")
        traymon.stop()
        terminal.read_until("Waiting for it since")
        traymon.start(bot(state="paused"))
        terminal.read_until("paused")
        assert terminal.signal(signal.SIGINT) == 0


def test_a_resized_terminal_is_drawn_anew_and_nothing_is_too_wide(traymon):
    traymon.start(bot(state="offline", explanation=" ".join(["word"] * 40)))
    with traymon.in_terminal(columns=100) as terminal:
        terminal.read_until("word")
        terminal.resize(10, 30)
        shown = terminal.read_until(r"\x1b\[2J\x1b\[H[^\x00]*word")
        frame = shown.rpartition("\x1b[H")[2]
        assert max(len(click.unstyle(row)) for row in frame.split("\n")) <= 30
        assert terminal.signal(signal.SIGINT) == 0


def test_what_is_higher_than_the_terminal_is_cut(traymon):
    traymon.start(*[bot(f"bot-{n}") for n in range(50)])
    with traymon.in_terminal(rows=5) as terminal:
        shown = terminal.read_until("…")
        assert "bot-3" in shown
        assert "bot-4" not in shown


def test_hostile_names_do_nothing_to_a_terminal(traymon):
    traymon.start(bot(HOSTILE, HOSTILE, workspace=HOSTILE, explanation=HOSTILE, since=HOSTILE))
    with traymon.in_terminal() as terminal:
        shown = terminal.read_until("since")
        assert not HARMFUL.search(re.sub(r"\x1b\[\??[\d;]*[A-Za-z]", "", shown))


def test_a_dumb_terminal_gets_lines(traymon):
    traymon.start(bot())
    with traymon.in_terminal(TERM="dumb") as terminal:
        assert re.fullmatch(r"[\d :+-]+  a  online\n", terminal.read_until("\n"))


# In a pipe


def test_a_pipe_gets_a_line_for_each_change(traymon):
    traymon.start(bot(), bot("b", "paused"))
    with traymon.piped() as process:
        line = process.stdout.readline
        assert [line().split("  ")[1:], line().split("  ")[1:]] == [["a", "online\n"], ["b", "paused\n"]]
        traymon.say(bot(next_try=SINCE), bot("b", "paused"))  # nothing that a line tells
        traymon.wait_until_asked(2)
        later = "2016-12-20T08:00:00+09:00"
        traymon.say(bot(state="offline", since=later, explanation="Why."), bot("b", "paused"))
        assert line().split("  ")[1:] == ["a", "offline", "Why.\n"]
        traymon.stop()
        while "not running" not in line():
            pass  # it may be seen ending, too
        traymon.start(bot(), fault="The disk is full.")
        assert line().split("  ")[1:] == ["a", "online\n"]
        assert line().endswith("  -  The disk is full.\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_the_reader_of_its_pipe(traymon):
    traymon.start(bot())
    with traymon.piped() as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE_S) == 0


def test_json_is_an_object_on_a_line_for_each_change(traymon):
    traymon.start(bot(HOSTILE))
    with traymon.piped("--json") as process:
        text = process.stdout.readline()
        assert not HARMFUL.search(text)
        assert text.isascii()
        assert json.loads(text) == {
            "bots": [bot(HOSTILE)],
            "starting": [],
            "fault": None,
            "running": True,
        }
        traymon.stop()
        ended = json.loads(process.stdout.readline())
        assert (ended["running"], ended["bots"]) == (False, [])


def test_a_real_traymon_is_watched_over_its_restart(tmp_path, traymon, monkeypatch):
    for name, value in traymon.environ.items():
        monkeypatch.setenv(name, value)
    with Simulator() as slack:
        slack.add_bot("xoxb-test-a", "a")
        traymon.config = write_profile(tmp_path, {"a": slack.api_url}).config_file
        profile = Profile.default(traymon.config)
        with traymon.piped() as process:
            assert "not running" in process.stdout.readline()
            for _ in range(2):
                with running(profile) as app:
                    wait_for_state(app, "a", State.ONLINE)
                    shown = process.stdout.readline()
                    while "online" not in shown:  # connecting may be seen, or not
                        assert "  a  " in shown
                        shown = process.stdout.readline()
                while "not running" not in process.stdout.readline():
                    pass  # it may be seen ending, too
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0


# What is shown


def test_relative_times():
    now = time.time()
    moments = [time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now + s)) for s in (-3_600, 42.5)]
    offline = bot(state="offline", since=moments[0], next_try=moments[1])
    first, second = status_lines({"bots": [offline]}, relative=True)
    assert re.search(r"since .*\(1h 00m \d\ds\)$", first)
    assert re.fullmatch(r"  Next try in \d+s\.", second)
    assert "(" not in status_lines({"bots": [offline]})[0]


def test_nothing_to_show_is_said():
    assert status_lines({}) == ["No bot is configured: run traymon setup."]
    assert status_lines({"starting": ["a"]}) == ["a: just starting"]


def test_moments_that_are_read_from_the_clock_anew_are_the_same():
    before = {"bots": [bot(since="2016-12-20T07:29:10+09:00")]}
    jittered, other = ({"bots": [bot(since=f"2016-12-20T07:29:{s}+09:00")]} for s in ("11", "13"))
    assert _steady(jittered, before) == before
    assert _steady(other, before) == {"bots": [bot(since="2016-12-20T07:29:13+09:00")]}
    assert _steady({"bots": [bot(since=None)]}, before) == {"bots": [bot(since=None)]}


WORDS = st.text(st.sampled_from("abc ボト"), max_size=60).map(words.printable)


@given(st.lists(WORDS, max_size=4), st.integers(10, 60))
def test_folding_keeps_everything_and_colours_take_no_room(parts, width):
    line = "  " + " ".join(click.style(part, fg="green") for part in parts)
    rows = screen.folded(line, width)
    plain = [click.unstyle(row) for row in rows]
    assert "".join("".join(plain).split()) == "".join(click.unstyle(line).split())
    assert re.findall(r"\x1b\[\d*m", "".join(rows)) == re.findall(r"\x1b\[\d*m", line)
    longest = max((words.columns(word) for word in click.unstyle(line).split()), default=0)
    assert max(map(words.columns, plain)) <= max(width, longest + 6)
