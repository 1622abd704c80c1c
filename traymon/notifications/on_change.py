"""The person's own command, run on every change of a bot's state: ``on_change`` of the configuration."""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from traymon import words
from traymon.keeper.core.states import State
from traymon.notifications.facts import BotNow

_log = logging.getLogger(__name__)

TIME_LIMIT_S = 30.0
"""A command that runs longer hangs; changes that follow wait for it."""
GRACE_S = 2.0
"""Between asking a command to end and making it."""
MOST_WAITING = 100
"""Changes that wait for the command. Bots change a few times a minute at worst, so more wait only behind one that
hangs each time."""
_MOST_OUTPUT = 8_192
"""Bytes of the command's output that go to the log; the rest is read and dropped."""
OUTPUT_S = 1.0
"""For the rest of the output once a command has ended; a child that it left behind may hold the pipe for ever."""
_LOOK_S = 0.05
"""How often a running command is looked at: as seldom as subprocess itself does."""

_TOKEN = re.compile(r"\bx(?:ox[a-z]|app)[-.]", re.IGNORECASE)
_TOKEN_NAMES = frozenset({"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"})


@dataclass(frozen=True, slots=True)
class _Change:
    bot: BotNow
    previous: State


class OnChange:
    """Runs one command after the other, in the order of the changes, on a thread of its own.

    ``argv`` is the command and its arguments; no shell reads them. ``session_log`` is the path of the text log,
    ``without`` are the environment variables that hold tokens beside those that look like it. ``say`` is told, in a
    sentence and each once, that the command cannot be run, fails, hangs or is too slow.
    """

    def __init__(
        self,
        argv: Sequence[str],
        say: Callable[[str], None],
        *,
        session_log: str = "",
        without: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._say = say
        self._session_log = session_log
        self._whole_environ = dict(os.environ if environ is None else environ)
        self._time_limit_s = time_limit_s
        self._grace_s = grace_s
        # Guards all below: whoever sees a change adds, use() sets the command, the worker takes, stop() ends. Nothing
        # slow is done in it.
        self._news = threading.Condition()
        self._argv = list(argv)
        self._environ = _without_tokens(self._whole_environ, frozenset(without))
        self._states: dict[str, State] = {}
        self._waiting: deque[_Change] = deque()
        # What came when no more could wait: one change a bot, up to its newest state, so that the command learns in
        # the end how each bot is.
        self._late: dict[str, _Change] = {}
        self._end_at: float | None = None  # time.monotonic(), seconds; None until stop()
        self._said: set[str] = set()  # kinds of complaints
        # Runs the command. Daemon, and joined in stop(): it must not keep the process alive.
        self._worker = threading.Thread(target=self._work, name="on_change", daemon=True)

    def start(self) -> None:
        """Begin. Changes told before are not lost."""
        with self._news:
            if self._argv and self._end_at is None and self._worker.ident is None:
                self._worker.start()

    def use(self, argv: Sequence[str], *, without: Iterable[str] = ()) -> None:
        """Run this command from now on, or none where ``argv`` is empty; what runs already is not ended. After
        :meth:`start`, from any thread."""
        with self._news:
            if self._argv != list(argv):
                self._said = set()
            self._argv = list(argv)
            self._environ = _without_tokens(self._whole_environ, frozenset(without))
            if not self._argv:
                self._waiting.clear()
                self._late.clear()
        self.start()

    def changed(self, bots: Sequence[BotNow]) -> None:
        """How all bots are now: the command is run for those whose state differs from the last time; never blocks.

        A bot's first state counts as a change from ``unknown``, as traymon did not run before.
        """
        for bot in bots:
            with self._news:
                previous = self._states.get(bot.name, State.UNKNOWN)
            self.entered(bot, previous)

    def entered(self, bot: BotNow, previous: State) -> None:
        """A bot has gone from ``previous`` to its present state; never blocks."""
        with self._news:
            self._states[bot.name] = bot.state
            if not self._argv or self._end_at is not None or bot.state is previous:
                return
            late = self._late.get(bot.name)
            full = late is not None or len(self._waiting) >= MOST_WAITING
            if full:
                self._late[bot.name] = _Change(bot, previous if late is None else late.previous)
            else:
                self._waiting.append(_Change(bot, previous))
            self._news.notify()
        if full:
            self._complain(
                "full",
                words.gettext(
                    "The on_change command is slower than the bots change: some changes are left out; the session "
                    "log has all. Make the command quicker, or let it do its work in the background."
                ),
            )

    def stop(self, limit_s: float) -> None:
        """Run what waits as far as ``limit_s`` seconds allow, end what still runs then, and end."""
        with self._news:
            self._end_at = time.monotonic() + limit_s
            self._news.notify()
        if self._worker.is_alive():
            self._worker.join(limit_s)

    # On the worker

    def _work(self) -> None:
        while (change := self._next()) is not None:
            try:
                self._run(change)
            except Exception:  # noqa: BLE001 - the next change must be told all the same
                _log.exception("on_change failed; traymon goes on")

    def _next(self) -> _Change | None:
        with self._news:
            while True:
                if self._end_at is not None and self._left() <= 0:
                    return None
                if self._waiting:
                    return self._waiting.popleft()
                if self._late:
                    change = self._late.pop(next(iter(self._late)))
                    if change.bot.state is not change.previous:
                        return change
                elif self._end_at is not None:
                    return None
                else:
                    self._news.wait()

    def _left(self) -> float:
        """Seconds that a command may still take; the last ones before the end are for ending it."""
        if self._end_at is None:
            return self._time_limit_s
        return self._end_at - min(self._grace_s, 0.5) - time.monotonic()

    def _run(self, change: _Change) -> None:
        with self._news:
            argv, environ = self._argv, self._environ
        if not argv:
            return
        try:
            process = _start(argv, {**environ, **self._facts(change)})
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._complain("start", _cannot_start(argv[0], problem))
            return
        output = _Output(process)
        code = self._wait(process)
        text = output.text()
        if code is None and self._end_at is None:
            self._complain("slow", _too_slow(argv[0], self._time_limit_s))
        elif code:
            self._complain("code", _failed(argv[0], code))
        _log.debug("on_change: %s %s, exit code %s: %s", change.bot.name, change.bot.state, code, text)

    def _wait(self, process: "subprocess.Popen[bytes]") -> int | None:
        """Its exit code; ``None`` where it had to be ended."""
        begun = time.monotonic()
        while (code := process.poll()) is None:
            with self._news:
                left = min(self._time_limit_s - (time.monotonic() - begun), self._left())
                if left > 0:
                    # News of stop() shorten the time; news of changes do no harm.
                    self._news.wait(min(left, _LOOK_S))
            if left <= 0:
                _end(process, self._grace())
                return None
        return code

    def _grace(self) -> float:
        with self._news:
            if self._end_at is None:
                return self._grace_s
            return max(0.0, min(self._grace_s, self._end_at - time.monotonic() - 0.1))

    def _facts(self, change: _Change) -> dict[str, str]:
        bot = change.bot
        return {
            "TRAYMON_BOT": words.printable(bot.name),
            "TRAYMON_STATE": bot.state.value,
            "TRAYMON_PREVIOUS_STATE": change.previous.value,
            "TRAYMON_SINCE": _iso(bot.since_wall_ms),
            "TRAYMON_CAUSE": bot.cause.value if bot.cause is not None else "",
            "TRAYMON_EXPLANATION": words.printable(bot.why),
            "TRAYMON_TRANSPORT": bot.transport,
            "TRAYMON_WORKSPACE": words.printable(bot.workspace or ""),
            "TRAYMON_SESSION_LOG": self._session_log,
        }

    def _complain(self, kind: str, sentence: str) -> None:
        with self._news:
            said, self._said = kind in self._said, self._said | {kind}
        if not said:
            self._say(sentence)


class _Output:
    """What a command writes, its beginning kept: on a thread, as a pipe that nobody reads stops the command."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._kept = bytearray()
        # Reads until the last process that holds the pipe ends. Daemon: a command may leave one behind that goes on.
        self._reader = threading.Thread(target=self._read, name="on_change output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        with pipe:
            while piece := pipe.read1(_MOST_OUTPUT):  # type: ignore[attr-defined] # a BufferedReader
                self._kept += piece[: _MOST_OUTPUT - len(self._kept)]

    def text(self) -> str:
        """What it wrote, once it has ended; escaped."""
        self._reader.join(OUTPUT_S)
        return words.printable(bytes(self._kept).decode("utf-8", "replace").strip())


def _start(argv: Sequence[str], environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """In a group of its own, so that all that it starts can be ended with it. Raises OSError and ValueError."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        flags = 0
    return subprocess.Popen(  # noqa: S603 - the person's own command, a list
        argv,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=sys.platform != "win32",
        creationflags=flags,
    )


def _end(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """End the command and its children: ask first, and after ``grace_s`` seconds make them.

    The process is not waited for in between: until it is, its number, which is its group's, cannot be another's.
    """
    if sys.platform == "win32":
        taskkill = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        subprocess.run(  # noqa: S603 - the system's own program and a number
            [taskkill, "/T", "/F", "/PID", str(process.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=grace_s + 1,
            check=False,
        )
        process.kill()
    else:
        with contextlib.suppress(OSError):  # macOS refuses signals to what has just ended
            os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic() + grace_s
        while time.monotonic() < end and not _has_ended(process):
            time.sleep(_LOOK_S)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it has, without taking note of it: see :func:`_end`. Python has no means for that on macOS."""
    if sys.platform in ("win32", "darwin"):
        return False
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _without_tokens(environ: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """What the command may know of traymon's own environment: all but Slack's tokens."""
    hidden = {name.upper() for name in _TOKEN_NAMES | names}  # as Windows writes them
    return {
        name: value
        for name, value in environ.items()
        if name.upper() not in hidden and not _TOKEN.search(value)
    }


def _iso(wall_ms: int) -> str:
    try:
        return words.local_time(wall_ms).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return ""


def _cannot_start(command: str, problem: str) -> str:
    return words.gettext(
        "The on_change command {command} cannot be run ({problem}): traymon goes on without it; correct “on_change” in "
        "the configuration."
    ).format(command=words.printable(command), problem=words.printable(problem))


def _too_slow(command: str, limit_s: float) -> str:
    return words.gettext(
        "The on_change command {command} was ended after {limit}: traymon waits no longer for it; let it do long work "
        "in the background."
    ).format(command=words.printable(command), limit=words.duration(round(limit_s * 1000)))


def _failed(command: str, code: int) -> str:
    return words.gettext(
        "The on_change command {command} failed with exit code {code}: traymon goes on; --debug shows what it wrote."
    ).format(command=words.printable(command), code=code)
