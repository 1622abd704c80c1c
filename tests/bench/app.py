"""``traymon run`` with its tray, as a person starts it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.desktop import REGISTERED, Desktop
from tests.support import PATIENCE_S, write_profile
from traymon.simulator.clock import now_ms

TRAYMON = Path(sys.executable).with_name("traymon")
"""The installed command."""


class RunningApp:
    """A traymon that shows its icon."""

    def __init__(self, command: list[str], process: subprocess.Popen[bytes], env: dict[str, str]) -> None:
        self._command = command
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

    def all_online(self) -> bool:
        """Whether the app says so itself."""
        return subprocess.run(self.status_command, env=self.env, stdout=subprocess.DEVNULL).returncode == 0


@contextmanager
def running_app(desktop: Desktop, bots: list[str], api_url: str) -> Iterator[RunningApp]:
    """A traymon with a profile of its own; the icon is there when the block begins."""
    folder = desktop.folder / f"app-{time.monotonic_ns()}"
    profile = write_profile(folder, dict.fromkeys(bots, api_url))
    command = [str(TRAYMON), "--config", str(profile.config_file)]
    with (folder / "stderr").open("wb") as said:
        started_at_ms, wall_s = now_ms(), time.time()
        process = subprocess.Popen(
            [*command, "run"],
            env=desktop.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    app = RunningApp(command, process, desktop.env)
    app.started_at_ms = started_at_ms
    try:
        app.icon_after_s = desktop.watch.wait(REGISTERED) - wall_s
        yield app
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    if process.returncode != 0:
        raise RuntimeError(f"traymon ended with {process.returncode}: {(folder / 'stderr').read_text()}")
