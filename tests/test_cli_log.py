"""``traymon log``: as real processes, in a pseudo-terminal, in a pipe, over rotation, damage and restarts."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tests.sessionlog_kit import HandClock
from tests.support import MEASURED, PATIENCE_S
from traymon.cli import screen
from traymon.cli.log import Since, _cell
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.paths import Profile
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.textlog import line
from traymon.sessionlog.view import LogView

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e=cmd()\r\n,\"';"
HARMFUL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
ANSI = re.compile(r"\x1b\[[\d;]*m")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and pseudo-terminals")


class Home:
    """A profile of its own with a log, and the command that reads it."""

    def __init__(self, folder):
        self.config = folder / "config.toml"
        (folder / "run").mkdir(mode=0o700)
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
        self.clock = HandClock()
        self.configure("a", "b")

    @property
    def profile(self):
        home = self.environ["HOME"]
        state = os.path.join(home, ".local", "state", "traymon")
        return Profile("default", self.config, *map(type(self.config), (state, f"{state}/log", "/none")))

    def configure(self, *bots):
        self.config = type(self.config)(self.environ["HOME"]) / ".config" / "traymon" / "config.toml"
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            "".join(f'[bots."{bot}"]\ntoken = "env:TOKEN_{n}"\n' for n, bot in enumerate(bots))
        )

    def command(self, *arguments):
        return [sys.executable, "-m", "traymon", "log", *arguments]

    def call(self, *arguments, **environ):
        done = subprocess.run(
            self.command(*arguments),
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def in_terminal(self, *arguments, **environ):
        """Everything that the command writes to a terminal."""
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            self.command(*arguments), env={**self.environ, **environ}, stdout=theirs, start_new_session=True
        )
        os.close(theirs)
        seen = b""
        try:
            while more := _read(ours):
                seen += more
        finally:
            os.close(ours)
        assert process.wait(PATIENCE_S) == 0
        return seen.decode().replace("\r\n", "\n")

    @contextmanager
    def follow(self, *arguments):
        with subprocess.Popen(
            self.command("--follow", *arguments),
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
    def recording(self, **options):
        """A run of the session log; ``record`` waits until it is on disk."""
        profile = self.profile
        log = SessionLog(profile.db, profile.text_log, self.clock, lambda sentence: None, **options)
        log.open()
        with closing(_Recorder(log, self.clock)) as recorder:
            yield recorder


class _Recorder:
    def __init__(self, log, clock):
        self._log = log
        self._clock = clock

    def session(self, bot, *, lasted_ms=1_000, back_ms=0):
        """Start and stop; both written now, the stop dated back."""
        start = self._clock.now() - lasted_ms
        failure = Failure(Cause.CLOSED_BY_SLACK, Phase.LIVE, detail=HOSTILE, close_code=4000)
        end = self._clock.now() - back_ms
        written = threading.Event()
        self._log.record(
            bot,
            "rtm",
            [
                EnterState(State.ONLINE, start),
                Note(NoteKind.START, start),
                EnterState(State.OFFLINE, end, Cause.CLOSED_BY_SLACK, failure),
                Note(NoteKind.STOP, end, failure, {"cause": "closed_by_slack", "up_ms": 1_000}),
            ],
            written.set,
        )
        assert written.wait(PATIENCE_S)

    def close(self):
        assert self._log.close(PATIENCE_S)


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # EIO: the other side is closed
        return b""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    with home.recording() as log:
        log.session("a")
        log.session("b")
    return home


# Colours


def test_a_terminal_gets_colours_and_the_same_words(home):
    plain = home.call().stdout
    shown = home.in_terminal()
    assert ANSI.sub("", shown) == plain
    assert click.style("start", fg="green") in shown
    assert click.style("stop ", fg="red") in shown
    assert not HARMFUL.search(ANSI.sub("", shown))
    assert home.in_terminal("--bot", "a") == "".join(
        f"{text}\n" for text in shown.splitlines() if "  a  " in text
    )


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_whoever_wants_no_colours_gets_none(home, environ):
    assert home.in_terminal(**environ) == home.call(**environ).stdout
    assert "\x1b" not in home.in_terminal("--since", "2016-12-01", **environ)


def test_an_empty_no_color_means_nothing(home):
    assert "\x1b[" in home.in_terminal(NO_COLOR="")


def test_hostile_text_in_the_file_itself_does_nothing_to_a_terminal(home):
    with home.profile.text_log.open("a") as file:
        file.write(f"2016-12-20 07:29:10+09:00  stop   a  {HOSTILE[:-6]}  #9\n\x1b[2J\n")
    shown = home.in_terminal()
    assert not HARMFUL.search(ANSI.sub("", shown))
    assert "\\x1b]0;owned\\x07" in shown


@pytest.mark.parametrize("kind", list(NoteKind))
def test_every_line_keeps_its_words_in_colour(kind, monkeypatch):
    monkeypatch.setattr(screen, "has_colour", lambda: True)
    with LogOf(kind) as event:
        text = line(event)
        if text is not None:
            coloured = screen.log_line(text)
            assert coloured != text
            assert click.unstyle(coloured) == text


class LogOf:
    """An event of a kind, of a bot with spaces in its name."""

    def __init__(self, kind):
        from traymon.sessionlog.rows import Event

        self._event = Event(7, 1_482_186_550_000, "my  own bot", kind, {"x": "  start  b"})

    def __enter__(self):
        return self._event

    def __exit__(self, *_):
        pass


# Since


def moment(text):
    return datetime.fromtimestamp(Since().convert(text, None, None) / 1000, UTC)


TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture
def morning():
    with time_machine.travel(datetime(2016, 12, 20, 7, 29, 10, tzinfo=TOKYO), tick=False):
        yield


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("today", "2016-12-20T00:00+09:00"),
        ("Yesterday", "2016-12-19T00:00+09:00"),
        ("2h", "2016-12-20T05:29:10+09:00"),
        ("1h30m", "2016-12-20T05:59:10+09:00"),
        ("15h 40m 02s", "2016-12-19T15:49:08+09:00"),
        ("1w", "2016-12-13T07:29:10+09:00"),
        ("2016-12-20", "2016-12-20T00:00+09:00"),
        ("2016-12-20 07:00", "2016-12-20T07:00+09:00"),
        ("2016-12-20t07:00", "2016-12-20T07:00+09:00"),
        ("2016-12-20T07:00Z", "2016-12-20T07:00+00:00"),
        ("2016-12-20T07:00:00-05:00", "2016-12-20T07:00-05:00"),
    ],
)
def test_since_is_understood(text, meant):
    assert moment(text) == datetime.fromisoformat(meant)


@time_machine.travel(datetime(2026, 3, 30, 12, tzinfo=ZoneInfo("Europe/Berlin")), tick=False)
def test_yesterday_begins_at_midnight_also_where_that_day_had_23_hours():
    assert moment("yesterday") == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert moment("today") - moment("yesterday") == timedelta(hours=23)


@pytest.mark.parametrize(
    "text", ["soon", "", "5", "h", "-1h", "1y", "2016-13-01", "12/20/2016", "9" * 12 + "d", HOSTILE]
)
def test_since_says_what_it_takes(text):
    with pytest.raises(click.BadParameter) as caught:
        Since().convert(text, None, None)
    said = caught.value.message
    assert all(form in said for form in ("today", "yesterday", "2h", "1h30m", "2016-12-20T07:29+09:00"))
    assert not HARMFUL.search(said)


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("smhdw")), min_size=1, max_size=4))
def test_ages_add_up(parts):
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False):
        age = sum((timedelta(**{unit[letter]: count}) for count, letter in parts), timedelta())
        assert moment("".join(f"{count}{letter}" for count, letter in parts)) == datetime.now(UTC) - age


def test_since_bounds_what_is_printed(home):
    assert home.call("--since", "2016-12-20T07:29:09+09:00").stdout.count("\n") == 4
    assert home.call("--since", "2016-12-20 07:29:10+09:00").stdout.count("stop") == 2
    assert home.call("--since", "2016-12-19T22:29:10.001Z").stdout == ""
    assert home.call("--since", "yesterday").stdout == ""


# Bots


def test_a_bot_that_nobody_knows_is_told_who_there_is(home):
    home.configure("c")
    for arguments in (["--bot", "zzz"], ["--bot", HOSTILE], ["--bot", "zzz", "--follow"]):
        done = home.call(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("; there is: a, b, c.\n")
        assert not HARMFUL.search(done.stderr)
    assert home.call("--bot", "c").returncode == 0
    assert home.call("--bot", "a").stdout.count("\n") == 2


def test_a_configuration_at_fault_does_not_hide_the_log(home):
    home.config.write_text("[bots")
    assert home.call("--bot", "a").stdout.count("\n") == 2
    assert home.call("--bot", "c").stderr.endswith("; there is: a, b.\n")


# Tables


def test_csv_holds_hostile_text_as_one_harmless_cell(home):
    done = home.call("--format", "csv")
    _, *rows = csv.reader(io.StringIO(done.stdout))
    assert [row[5] for row in rows if row[2] == "stop"] == [
        "\\x1b]0;owned\\x07\\x9b31m\\u202e=cmd()\\r\\n,\"';"
    ] * 2
    assert {len(row) for row in rows} == {8}
    assert not HARMFUL.search(done.stdout)


@given(st.text(max_size=20), st.sampled_from(["", "=", "+", "-", "@", "＝", "＋", "－", "＠", " =", "\t@"]))
def test_no_cell_starts_a_formula(text, start):
    cell = _cell(start + text)
    assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    assert not HARMFUL.search(cell)
    assert "\n" not in cell


# Following


def numbers(lines):
    return [int(text.rpartition("#")[2]) for text in lines]


def test_following_goes_on_over_restarts_and_rotation(home):
    with home.follow() as process:
        seen = [process.stdout.readline() for _ in range(4)]
        home.clock.pass_by(3_600_000)
        with home.recording(text_bytes=1) as log:  # each line rotates
            log.session("a")
            log.session("b", back_ms=900)
        seen += [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")
    assert numbers(seen) == list(range(1, 9))


def test_following_goes_on_after_a_clock_that_was_ahead_is_set_right(tmp_path):
    home = Home(tmp_path)
    ahead = 7_200_000
    home.clock = HandClock(wall=time.time_ns() // 1_000_000 + ahead)
    with home.follow() as process, home.recording() as log:
        log.session("a")
        seen = [process.stdout.readline() for _ in range(2)]
        home.clock.set_wall(-ahead)
        home.clock.pass_by(2_000)
        log.session("a")
        seen += [process.stdout.readline() for _ in range(3)]
    assert numbers(seen) == [1, 2, 3, 4, 5]
    assert sum("clock" in text for text in seen) == 1


def test_following_outlives_a_database_that_is_damaged_and_begun_anew(home):
    db = home.profile.db
    with home.follow("--format", "json", "--bot", "b") as process:
        first = [json.loads(process.stdout.readline())["kind"] for _ in range(2)]
        db.write_bytes(b"rubbish" * 1_000)
        assert "cannot be read" in process.stderr.readline()
        with home.recording() as log:  # moves it aside
            log.session("a")
            log.session("b")
        found = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    assert first == [each["kind"] for each in found] == ["start", "stop"]
    assert [each["number"] for each in found] == [7, 8]


def test_following_shows_also_what_is_dated_long_before_the_last_line(home):
    """Two bots wake from one sleep: the second's stop lies hours before what the first one has told since."""
    with home.follow() as process:
        seen = [process.stdout.readline() for _ in range(4)]
        home.clock.pass_by(8 * 3_600_000)
        with home.recording() as log:
            log.session("a")
            seen += [process.stdout.readline() for _ in range(2)]
            log.session("b", lasted_ms=7 * 3_600_000)
            seen += [process.stdout.readline() for _ in range(2)]
    assert numbers(seen) == list(range(1, 9))


def test_following_ends_with_its_reader(home):
    with home.follow() as process:
        assert "start" in process.stdout.readline()
        process.stdout.close()  # nothing more comes into the log: the pipe itself tells
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE_S) == 0


def test_following_an_empty_log_shows_the_first_line(tmp_path):
    home = Home(tmp_path)
    with home.follow("--bot", "a") as process:
        with home.recording() as log:
            log.session("b")
            log.session("a")
        seen = [process.stdout.readline() for _ in range(2)]
    assert numbers(seen) == [3, 4]


def test_the_log_agrees_with_the_store(home):
    shown = [json.loads(text)["number"] for text in home.call("--format", "json").stdout.splitlines()]
    assert shown == [event.id for event in LogView(home.profile.db).events()]
