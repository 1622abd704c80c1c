"""What the least program of the kind would need, measured in the same run."""

import json
import os
import subprocess
import sys
import time

import websocket
from slack_sdk import WebClient

from tests.bench.process import rss_kb

IMPORTS = "import pystray, PIL.Image, slack_sdk"
"""What any tray app for Slack in Python has to load (design, Budgets)."""
_THEN_WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def bare_process() -> tuple[float, int]:
    """A process that imports and then waits: seconds from its start until it has, and its RSS in kB."""
    # The dummy backend loads no GTK and opens no display.
    env = {**os.environ, "PYSTRAY_BACKEND": "dummy"}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTS}; {_THEN_WAIT}"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        took = time.monotonic() - began
        return took, rss_kb(process.pid)


def wall_time(*command: str, env: dict[str, str] | None = None) -> float:
    """Seconds from the start of a command to its end."""
    began = time.monotonic()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def python_alone() -> float:
    """Seconds that Python takes to do nothing."""
    return wall_time(sys.executable, "-c", "pass")


def bare_reconnect(api_url: str, token: str) -> float:
    """Seconds for ``rtm.connect``, the WebSocket's handshake and ``hello``, by the libraries alone."""
    began = time.monotonic()
    answer = WebClient(token, base_url=api_url, retry_handlers=[]).rtm_connect()
    link = websocket.create_connection(str(answer["url"]), timeout=10)
    try:
        while json.loads(link.recv()).get("type") != "hello":
            pass
        return time.monotonic() - began
    finally:
        link.close()
