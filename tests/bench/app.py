"""``traymon run`` with its tray, as a person starts it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from tests.bench.desktop import REGISTERED, Desktop
from tests.support import PATIENCE_S, write_profile
from traymon.paths import Profile
from traymon.simulator.clock import now_ms

TRAYMON = Path(sys.executable).with_name("traymon")
"""The installed command."""


class RunningApp:
    """A traymon that shows its icon."""

    def __init__(
        self, command: list[str], profile: Profile, process: subprocess.Popen[bytes], env: dict[str, str]
    ) -> None:
        self._command = command
        self.profile = profile
        self.env = env
        self.pid = process.pid
        self.started_at_ms = 0
        """Of the clock that counts sleep, when the process was started."""
        self.icon_after_s = 0.0
        """From the start of the process until its icon registers on the bus."""

    @property
    def status_command(self) -> list[str]:
        """``traymon status``; its exit code is 0 while all bots are online."""
        return [*self._command, "status"]

    def wait_online(self) -> None:
        """Until all bots are. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE_S
        while not self.all_online():
            if time.monotonic() > until:
                raise TimeoutError("not all bots are online")

    def all_online(self) -> bool:
        """Whether the app says so itself."""
        asked = subprocess.run(
            self.status_command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return asked.returncode == 0


def profile_on(desktop: Desktop, bots: list[str], api_url: str, *, relay: bool = False) -> Profile:
    """A profile of its own, with its files where a traymon on that desktop puts them. ``relay``: all bots lend."""
    folder = desktop.folder / f"profile-{time.monotonic_ns()}"
    config_file = write_profile(folder, dict.fromkeys(bots, api_url)).config_file
    if relay:
        text = config_file.read_text()
        config_file.write_text(text.replace("\ntransport", "\nrelay = true\ntransport"))
    with patch.dict(os.environ, desktop.env):
        return Profile.default(config_file)


@contextmanager
def running_app(desktop: Desktop, profile: Profile) -> Iterator[RunningApp]:
    """A traymon; the icon is there when the block begins."""
    command = [str(TRAYMON), "--config", str(profile.config_file)]
    stderr = profile.config_file.with_name("stderr")
    with stderr.open("wb") as said:
        started_at_ms, wall_s = now_ms(), time.time()
        process = subprocess.Popen(
            [*command, "run"],
            env=desktop.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    app = RunningApp(command, profile, process, desktop.env)
    app.started_at_ms = started_at_ms
    try:
        app.icon_after_s = desktop.watch.wait(REGISTERED, wall_s) - wall_s
        yield app
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    if process.returncode != 0:
        raise RuntimeError(f"traymon ended with {process.returncode}: {stderr.read_text()}")
