"""``python -m traymon.simulator --token xoxb-… [--port-file F]``: the simulator as a process of its own."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from traymon.simulator.server import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the API URL is printed once the port is open."""
    parser = argparse.ArgumentParser(
        prog="python -m traymon.simulator", description="A Slack stand-in on 127.0.0.1, for tests and trials."
    )
    parser.add_argument("--token", action="append", required=True, help="a bot's invented token; repeatable")
    parser.add_argument("--app-token", help="the first bot's invented app-level token, for Socket Mode")
    parser.add_argument("--port", type=int, default=0, help="default: the system's choice")
    parser.add_argument("--port-file", type=Path, help="written once the port is open")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Simulator(options.seed, port=options.port) as slack:
        for index, token in enumerate(options.token):
            slack.add_bot(token, f"bot{index + 1}", app_token=None if index else options.app_token)
        sys.stdout.write(f"{slack.api_url}\n")
        sys.stdout.flush()
        if options.port_file:
            _write_whole(options.port_file, f"{slack.port}\n")
        ended.wait()
    return 0


def _write_whole(path: Path, text: str) -> None:
    """Whoever waits for the file never reads half of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
