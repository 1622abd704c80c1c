"""What several tests need: bots of the simulator's in a profile of their own, and the log as a list."""

import os
import subprocess
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from traymon.app import App
from traymon.config import load
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.sessionlog.rows import Event
from traymon.sessionlog.view import LogView

PATIENCE_S = 60.0
"""For anything that happens by itself: far above what it takes, so that a slow machine fails no test."""

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""Set by `make coverage` for the processes that tests start: to be kept where a test clears the environment."""


def token_of(name: str) -> str:
    """A bot's token; what it looks like is all that matters."""
    return f"xoxb-test-{name}"


def app_token_of(name: str) -> str:
    """A Socket Mode bot's app-level token."""
    return f"xapp-test-{name}"


def write_profile(
    folder: Path,
    bots: Mapping[str, str],
    *,
    tokens: Mapping[str, str] | None = None,
    socket_mode: Container[str] = (),
) -> Profile:
    """A profile in ``folder`` with bots: name → API URL; each has its token of ``tokens``, or :func:`token_of` its
    name, in a private file. Those in ``socket_mode`` have :func:`app_token_of` there."""
    profile = Profile.throwaway(folder)
    profile.config_file.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, api_url in bots.items():
        token_file = profile.config_file.parent / f"{name}.token"
        descriptor = os.open(token_file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            own = app_token_of(name) if name in socket_mode else token_of(name)
            file.write((tokens or {}).get(name) or own)
        transport, which = ("socket", "app_token") if name in socket_mode else ("rtm", "token")
        lines.append(
            f'[bots.{name}]\ntransport = "{transport}"\n{which} = "file:{token_file}"\napi_url = "{api_url}"\n'
        )
    profile.config_file.write_text("\n".join(lines))
    return profile


@contextmanager
def running(profile: Profile, lines: list[str] | None = None, *, watched: bool = False) -> Iterator[App]:
    """The app of ``profile``, without a tray; stopped at the end. ``lines`` collects the text log's lines.

    Only where ``watched`` does it listen to the machine: else this machine's own network would take part in a test.
    """
    on_line = None if lines is None else lines.append
    app = App(profile, load(profile.config_file, {}), on_line=on_line, watchers=None if watched else [])
    app.start()
    try:
        yield app
    finally:
        app.stop()


def wait_for_state(app: App, bot: str, *states: State, timeout_s: float = PATIENCE_S) -> None:
    """Until the board shows ``bot`` in one of ``states``."""
    wait_for(app, lambda: _state(app, bot) in states, timeout_s, f"{bot} in {states}")


def _state(app: App, bot: str) -> State | None:
    shown = app.board.picture().bots.get(bot)
    return None if shown is None else shown.status.state


def wait_for(app: App, so: Callable[[], bool], timeout_s: float = PATIENCE_S, what: str = "") -> None:
    """Until ``so()``, looked at whenever the board's picture changes."""
    left = timeout_s
    picture = app.board.picture()
    while not so():
        before = picture
        picture = app.board.wait(before, timeout_s=1)
        left -= 1 if picture == before else 0.01
        assert left > 0, f"waited in vain for {what or so}: {picture}"


def events(profile: Profile, bot: str, *kinds: str) -> list[Event]:
    """The bot's events in the log, all or of some kinds."""
    return [e for e in LogView(profile.db).events(bot=bot) if not kinds or e.kind in kinds]


def start(profile: Profile, *options: str) -> subprocess.Popen[str]:
    """The command itself, as a person runs it."""
    command = [
        sys.executable,
        "-m",
        "traymon",
        *options,
        "--config",
        str(profile.config_file),
        "run",
        "--no-tray",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
