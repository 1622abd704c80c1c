"""The command as a person calls it, with a profile of its own, against the simulator: for tests of what people see."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.required import need_programs
from tests.sessionlog_kit import assert_pairs, assert_projected, assert_tiles
from tests.support import PATIENCE_S, events
from traymon.desktop.control import NotRunning, ask
from traymon.paths import Profile
from traymon.simulator import Simulator

_numbers = itertools.count()
ONLINE, OFFLINE = '"state": "online"', '"state": "offline"'


@dataclass
class Stage:
    """One bot of the simulator's, its profile, and the command as a person would call it."""

    slack: Simulator
    token: str
    profile: Profile
    env: dict[str, str]
    program: tuple[str, ...] = (sys.executable, "-m", "traymon")
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def configure(self, *settings: str, name: str = "bot") -> None:
        """Add a bot of the simulator's with these settings."""
        table = [f"[bots.{json.dumps(name)}]", f'api_url = "{self.slack.api_url}"', *settings]
        with self.profile.config_file.open("a") as file:
            file.write("\n".join(table) + "\n")

    def keep_token(self, token: str | None = None, mode: int = 0o600) -> Path:
        """A file with the token, beside the configuration."""
        path = self.profile.config_file.with_name("token" if token is None else f"token-{token[-5:]}")
        path.write_text(token or self.token)
        path.chmod(mode)
        return path

    def start(self, *words: str, **popen: Any) -> subprocess.Popen[str]:
        """``traymon run --no-tray``, or the ``words`` given, from no terminal."""
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        process = subprocess.Popen(
            self._command(*(words or ("run", "--no-tray"))),
            env=self.env,
            text=True,
            **{**options, **popen},
        )
        self.started.append(process)
        return process

    def traymon(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        done = subprocess.run(
            self._command(*words),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def _command(self, *words: str) -> list[str]:
        return [*self.program, "--config", str(self.profile.config_file), *words]

    def hold(self, token: str | None = None, bot: str = "bot", *, logged: bool = True) -> None:
        """Wait until Slack's side sees the bot by one open link, and, with ``logged``, the log has its start."""
        token = token or self.token
        assert self.slack.wait(lambda: self.slack.open_links(token) == 1, PATIENCE_S), "no link"
        until = time.monotonic() + PATIENCE_S
        while logged and not self._is_up(bot):
            assert time.monotonic() < until, "no start in the log"
            threading.Event().wait(0.02)

    def hold_again(self, *, logged: bool = True) -> None:
        """Slack hangs up; wait until it has greeted the next link, and, with ``logged``, until that is in the log."""
        known = self._greeted()
        assert self.slack.fin(self.token) == 1
        assert self.slack.wait(lambda: self._greeted() > known, PATIENCE_S)
        if logged:
            self.wait_for_log()

    def wait_for_log(self, bot: str = "bot") -> None:
        """Until the log has a start for each link that Slack greeted: only those were sessions."""
        until = time.monotonic() + PATIENCE_S
        while len(events(self.profile, bot, "start")) < self._greeted():
            assert time.monotonic() < until, "a start is not in the log"
            threading.Event().wait(0.05)

    def _greeted(self) -> int:
        return sum(link.hello_wall is not None for link in self.slack.truth().links_of(self.token))

    def _is_up(self, bot: str) -> bool:
        return [event.kind for event in events(self.profile, bot, "start", "stop")][-1:] == ["start"]

    def status(self, *parts: str) -> subprocess.CompletedProcess[str]:
        """``traymon status``, once all ``parts`` are in what the running one answers (as JSON)."""
        self.wait_for_answer(*parts)
        return self.traymon("status")

    def wait_for_answer(self, *parts: str) -> None:
        """Until all ``parts`` are in what the running one answers (as JSON)."""
        until = time.monotonic() + PATIENCE_S
        while not all(part in self._answer() for part in parts):
            assert time.monotonic() < until, self._answer()
            threading.Event().wait(0.05)

    def _answer(self) -> str:
        """Asked from here, as a command's start costs more than all the rest."""
        try:
            return json.dumps(
                ask(self.profile.control_address, {"do": "status"}, PATIENCE_S), ensure_ascii=False
            )
        except NotRunning:
            return ""

    def end(self, process: subprocess.Popen[str], how: int = signal.SIGTERM) -> str:
        """End a run as a person does; what it said on standard error."""
        process.send_signal(how)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert "Traceback" not in (said or "")
        return said or ""

    def assert_logged(self, bot: str = "bot", *, stops: int = 1) -> None:
        """Each session has its start and its stop in the log, the last one because traymon was told to end."""
        told = events(self.profile, bot, "start", "stop")
        assert [event.kind for event in told] == ["start", "stop"] * stops
        assert told[-1].cause == "quit"

    def assert_whole(self, bot: str = "bot", *, stops: int = 1) -> None:
        """:meth:`assert_logged`, and nothing is missing: spans tile, and the text log has every event's line."""
        self.assert_logged(bot, stops=stops)
        assert_tiles(self.profile.db)
        assert_pairs(self.profile.db)
        assert_projected(self.profile.db, self.profile.text_log)


@contextlib.contextmanager
def staged(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage in ``home``, whose configuration is still empty; whatever it started ends with it."""
    # Short, so that the control socket is below it: of a long path it would be elsewhere.
    runtime = tempfile.mkdtemp(prefix="traymon-test-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would hide what a buffer does at the end
    token = f"xoxb-test-{next(_numbers)}"
    slack.add_bot(token, "bot")
    config = home / "config" / "c.toml"
    config.parent.mkdir()
    config.touch()
    stage = Stage(slack, token, Profile.default(config), dict(os.environ))
    yield stage
    for process in stage.started:
        process.kill()
        process.communicate()
    shutil.rmtree(runtime)


def sentence(said: str) -> str:
    """The one sentence on standard error."""
    assert re.fullmatch(r"traymon: [^\n]+[.?]\n", said), said
    return said.removeprefix("traymon: ").rstrip("\n")


def a_line(stream: IO[str] | None) -> str:
    """The next line that a process says, once it does."""
    assert stream is not None
    return stream.readline()


# Surroundings


@contextlib.contextmanager
def session_bus(stage: Stage) -> Iterator[None]:
    """A session bus of the test's own."""
    need_programs("dbus-daemon", "gnome-keyring-daemon")
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        env=stage.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        stage.env["DBUS_SESSION_BUS_ADDRESS"] = a_line(bus.stdout).strip()
        yield
    finally:
        bus.terminate()
        bus.communicate()


@contextlib.contextmanager
def keyring(stage: Stage, *options: str, given: str = "") -> Iterator[None]:
    """GNOME's keyring on the stage's bus."""
    daemon = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--components=secrets", *options],
        env=stage.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert daemon.stdin is not None
        daemon.stdin.write(given)
        daemon.stdin.close()
        daemon.stdin = None
        a_line(daemon.stdout)  # its environment: it is up
        yield
    finally:
        daemon.terminate()
        daemon.communicate()


Breaking = Callable[[Path], AbstractContextManager[Callable[[], object]]]
"""Makes a folder unusable; gives what mends it."""


@contextlib.contextmanager
def a_file_in_its_place(folder: Path) -> Iterator[Callable[[], object]]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()
    yield folder.unlink


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Callable[[], object]]:
    """By its mode, or, where that keeps nobody out (root), by a mount."""
    folder.mkdir(parents=True)
    if os.getuid() != 0:
        folder.chmod(0o500)
        yield lambda: folder.chmod(0o700)
        return
    with mounted(folder, "ro") as remount:
        yield lambda: remount("rw")


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], object]]:
    """A file system of 1 MB in memory; gives what mounts it again with other options."""

    def mount(options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", f"size=1m,mode=700,{options}", "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    folder.mkdir(parents=True, exist_ok=True)
    if mount(options) != 0:
        pytest.skip("may not mount a file system")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
