"""Clients of Slack's as published on npm and PyPI, each a program of its own that answers "hello N" with "answer N".

They get nothing but a base URL and tokens, as the bots of people who use them do.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.required import cannot
from traymon.simulator import Simulator

PROGRAMS = Path(__file__).with_name("programs")
NODE_MODULES = Path(__file__).with_name("node") / "node_modules"
_LINES_KEPT = 200
_END_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Client:
    """One library, and the program that uses it."""

    name: str
    library: str
    transport: str
    program: str
    options: tuple[str, ...] = ()
    takes_commands: bool = False
    """Whether the program answers slash commands in the acknowledgement."""

    @property
    def command(self) -> list[str]:
        """What starts it."""
        if self.program.endswith(".cjs"):
            # Its libraries are years older than node; what node thinks of that belongs in no test.
            return ["node", "--no-deprecation", str(PROGRAMS / self.program), *self.options]
        return [sys.executable, str(PROGRAMS / self.program), *self.options]


BOTKIT = Client("botkit", "botkit 0.4.2", "rtm", "botkit.cjs")
RTM_API = Client("rtm-api", "@slack/rtm-api 7", "rtm", "rtm_api.cjs")
CLIENTS = (
    BOTKIT,
    RTM_API,
    Client("rtm-api-web", "@slack/rtm-api 7, posting", "rtm", "rtm_api.cjs", ("web",)),
    Client("socket-mode", "@slack/socket-mode 3", "socket", "socket_mode.cjs", takes_commands=True),
    Client("bolt-js", "@slack/bolt 5", "socket", "bolt.cjs", takes_commands=True),
    Client("rtm-v2", "slack_sdk rtm_v2", "rtm", "rtm_v2.py"),
    Client("builtin", "slack_sdk Socket Mode", "socket", "socket_sync.py", ("builtin",), True),
    Client("aiohttp", "slack_sdk on aiohttp", "socket", "socket_aiohttp.py", takes_commands=True),
    Client(
        "websocket-client",
        "slack_sdk on websocket-client",
        "socket",
        "socket_sync.py",
        ("websocket_client",),
        True,
    ),
    Client("bolt-python", "slack_bolt", "socket", "bolt.py", takes_commands=True),
)


def by_name(client: Client) -> str:
    """For pytest's ids."""
    return client.name


def need_node() -> None:
    """Skip, or fail in CI, where node or npm's packages are missing."""
    if shutil.which("node") and (NODE_MODULES / "botkit").is_dir():
        return
    cannot("needs node and npm's packages: make test installs them into tests/node")


class Running:
    """A running program and the last lines of its output."""

    def __init__(self, client: Client, process: subprocess.Popen[str]) -> None:
        self.client = client
        self.process = process
        # Guards the lines and is notified at each: the reader adds, tests wait.
        self._changed = threading.Condition()
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        assert process.stdout is not None
        # Reads the output until the program ends; joined by `stop`.
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()

    def lines(self) -> list[str]:
        """The last lines so far."""
        with self._changed:
            return list(self._lines)

    def wait_for(self, so: Callable[[list[str]], object], timeout_s: float) -> None:
        """Until ``so(lines)``, looked at after each line."""
        with self._changed:
            done = self._changed.wait_for(lambda: so(list(self._lines)), timeout_s)
        assert done, f"{self.client.library} said only: {self.tail()}"

    def tail(self) -> str:
        """For messages."""
        return "\n".join(self.lines()[-30:])

    def stop(self) -> None:
        """End it as a person would, else by force."""
        assert self.process.stdin is not None
        self.process.terminate()
        try:
            self.process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_END_LIMIT_S)
        self._reader.join(_END_LIMIT_S)
        self.process.stdin.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            with self._changed:
                self._lines.append(line.rstrip())
                self._changed.notify_all()


@contextmanager
def launched(client: Client, api_url: str, bot_token: str, app_token: str = "") -> Iterator[Running]:
    """The client's program, told nothing but where Slack is and its tokens."""
    environment = {
        **_inherited(os.environ),
        "SLACK_API_URL": api_url,
        "SLACK_BOT_TOKEN": bot_token,
        **({"SLACK_APP_TOKEN": app_token} if client.transport == "socket" else {}),
        "NODE_PATH": str(NODE_MODULES),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        client.command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    running = Running(client, process)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def all_launched(where: Callable[[Client], tuple[str, str, str]]) -> Iterator[dict[str, Running]]:
    """All clients at once: ``where`` gives each its API URL, bot token and app token."""
    need_node()
    with ExitStack() as stack:
        yield {client.name: stack.enter_context(launched(client, *where(client))) for client in CLIENTS}


def answers(slack: Simulator, client: Client, bot_token: str) -> list[str]:
    """What the bot said at Slack, in order: by ``chat.postMessage``, or over RTM."""
    posts = slack.truth().requests_of(bot_token, "chat.postMessage")
    said = [(post.at, str(post.arguments.get("text"))) for post in posts]
    if client.transport == "rtm":
        said += [(text.at, _text(text.text)) for text in slack.texts(bot_token)]
    return [text for _, text in sorted(said) if text.startswith("answer ")]


def _text(message: str) -> str:
    value = json.loads(message)
    return str(value.get("text")) if isinstance(value, dict) else ""


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """No proxy (botkit and slack_sdk go through one to loopback, too) and no tokens of whoever runs the tests."""
    return {
        name: value
        for name, value in environment.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("SLACK_", "PYTHON", "NODE_"))
    }
