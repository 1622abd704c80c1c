"""``traymon demo``: the night of 2016 in a minute, against the built-in Slack stand-in.

Nothing of the user's is touched: the profile is a folder of its own that goes away at the end.
"""

import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from traymon import words
from traymon.app import App, ended_by_signals, run_to_end
from traymon.config import load
from traymon.desktop.terminal import Terminal
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator

BOT = "demobot"
PATIENCE_S = 30.0
"""For the bot to be back after a fault; the script goes on all the same."""
OUTAGE_S = 8.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that the stand-in does to the link, told before it is done."""

    tell: str
    act: Callable[[], object]
    steady_s: float
    """How long the bot is left online before the scene."""


def run_demo(seconds: float | None, *, use_tray: bool) -> int:
    """Play until Ctrl-C, or for ``seconds``; say at the end how long the bot was up and down."""
    with (
        tempfile.TemporaryDirectory(prefix="traymon-demo-") as folder,
        Simulator() as slack,
        Terminal(sys.stdout) as terminal,
    ):
        terminal.line(words.demo_intro())
        token = f"xoxb-demo-{secrets.token_hex(8)}"
        slack.add_bot(token, BOT, team=words.demo_team())
        profile = Profile.throwaway(Path(folder))
        _configure(profile, slack.api_url, token)
        app = App(profile, load(profile.config_file, {}), on_line=terminal.line, say=terminal.line)
        started = time.monotonic()
        # Plays beside the app. Daemon: it ends with app.ended, or with the process.
        script = threading.Thread(
            target=_Script(app, slack, token, seconds, terminal.line).play, name="script", daemon=True
        )
        with ended_by_signals(app.end):
            run_to_end(app, use_tray=use_tray, when_started=script.start)
        elapsed_ms = round((time.monotonic() - started) * 1000)
        totals = LogView(profile.db).totals(bot=BOT)
        terminal.line(
            words.demo_summary(elapsed_ms, totals.up_ms, totals.down_ms, totals.outages, totals.sessions)
        )
    return 0


def _configure(profile: Profile, api_url: str, token: str) -> None:
    token_file = profile.config_file.parent / "token"
    token_file.parent.mkdir(parents=True, exist_ok=True)
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    profile.config_file.write_text(
        f'[bots.{BOT}]\ntransport = "rtm"\ntoken = \'{"file:" + str(token_file)}\'\napi_url = "{api_url}"\n'
    )


class _Script:
    def __init__(
        self, app: App, slack: Simulator, token: str, seconds: float | None, say: Callable[[str], None]
    ) -> None:
        self._say = say
        self._app = app
        self._slack = slack
        self._token = token
        self._ends_at = None if seconds is None else time.monotonic() + seconds

    def play(self) -> None:
        """Runs beside the app, on a thread of its own."""
        link: int | None = None
        for scene in self._scenes():
            link = self._next_link(link)
            if not self._pause(scene.steady_s):
                break
            self._say(words.demo_scene(scene.tell))
            scene.act()
        self._app.end()

    def _scenes(self) -> Iterator[Scene]:
        """For ever, so that whoever watches the icon sees each scene again."""
        slack, token = self._slack, self._token
        while True:
            yield Scene(words.demo_fin(), lambda: slack.fin(token), 4)
            yield Scene(words.demo_refuse(OUTAGE_S), self._outage, 4)
            yield Scene(words.demo_goodbye(), lambda: slack.goodbye(token), 4)
            yield Scene(words.demo_silence(), lambda: slack.silence(token), 8)

    def _outage(self) -> None:
        """Slack is gone: the link is reset, and connections are refused for a while."""
        self._slack.refuse()
        self._slack.rst(self._token)
        self._pause(OUTAGE_S)
        self._slack.accept()

    def _next_link(self, last: int | None) -> int | None:
        """Wait until the bot is online by another link than the ``last``."""
        picture = None
        until = time.monotonic() + PATIENCE_S
        while self._pause(0) and time.monotonic() < until:
            picture = self._app.board.wait(picture, self._app.ended.is_set, timeout_s=1)
            shown = picture.bots.get(BOT)
            if shown is not None and shown.status.link not in (None, last):
                return shown.status.link
        return last

    def _pause(self, seconds: float) -> bool:
        """Whether the demo goes on after ``seconds``."""
        if self._ends_at is not None:
            seconds = min(seconds, self._ends_at - time.monotonic())
        if seconds > 0:
            self._app.ended.wait(seconds)
        over = self._ends_at is not None and time.monotonic() >= self._ends_at
        return not over and not self._app.ended.is_set()
