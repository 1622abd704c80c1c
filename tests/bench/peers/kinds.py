"""Who takes part: traymon, and the clients that pip and npm install; each client is one bot with a token of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".bench" / "peers"
"""Where npm installs; git ignores it."""
NPM_PACKAGES = {"@slack/rtm-api": "7.0.4", "@slack/socket-mode": "3.1.0", "botkit": "0.4.2"}
OVERRIDES = {"botbuilder": "3.4.4"}
"""Of the days of botkit 0.4.2; the newest that its range allows requires a module that it does not name."""
INSTALL_LIMIT_S = 300
_NODE_CLIENT = str(Path(__file__).with_name("node_client.cjs"))
_PYTHON_CLIENT = (sys.executable, "-m", "tests.bench.peers.python_client")


@dataclass(frozen=True, slots=True)
class Kind:
    """One column of the table."""

    name: str
    """In tokens and file names."""
    title: str
    transport: Literal["rtm", "socket"]
    command: Sequence[str] = ()
    """Empty: traymon, whose bots share one process."""

    @property
    def is_traymon(self) -> bool:
        """Whether it is the one with a log of its own."""
        return not self.command

    @property
    def needs_node(self) -> bool:
        """Whether npm has to install it."""
        return bool(self.command) and self.command[0] == "node"


KINDS = (
    Kind("traymon", "traymon", "rtm"),
    Kind("rtm_v2", "slack_sdk rtm_v2", "rtm", (*_PYTHON_CLIENT, "rtm_v2")),
    Kind("rtm-api", "rtm-api 7", "rtm", ("node", _NODE_CLIENT, "rtm-api")),
    Kind("botkit", "botkit 0.4.2", "rtm", ("node", _NODE_CLIENT, "botkit")),
    Kind("botkit-2016", "botkit + 2016", "rtm", ("node", _NODE_CLIENT, "botkit-2016")),
    Kind("traymon-socket", "traymon", "socket"),
    Kind("sdk-socket", "slack_sdk", "socket", (*_PYTHON_CLIENT, "socket")),
    Kind("socket-mode", "socket-mode 3", "socket", ("node", _NODE_CLIENT, "socket-mode")),
)


def install() -> str | None:
    """Have npm install what is not there yet; why the clients of npm cannot take part, if they cannot."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no node and npm"
    wanted = json.dumps({"private": True, "dependencies": NPM_PACKAGES, "overrides": OVERRIDES}, indent=2)
    manifest, done = FOLDER / "package.json", FOLDER / "installed.json"
    if done.is_file() and done.read_text() == wanted:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    manifest.write_text(wanted)
    print(f"peers: npm installs {', '.join(NPM_PACKAGES)} into {FOLDER.relative_to(ROOT)}.", file=sys.stderr)
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    try:
        subprocess.run(
            ["npm", "install", *options], cwd=FOLDER, check=True, timeout=INSTALL_LIMIT_S, stdout=sys.stderr
        )
    except (subprocess.SubprocessError, OSError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return "npm failed"
    done.write_text(wanted)
    return None


def environment(home: Path, **more: str) -> dict[str, str]:
    """For any client: nothing of the user's, no proxy on the way to loopback."""
    kept: Mapping[str, str] = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "STATE")}
    return {
        **kept,
        **folders,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "NODE_PATH": str(FOLDER / "node_modules"),
        **more,
    }
