"""What is loaded until the first icon is shown: modules are counted, as times differ from machine to machine.

Each process here is one of its own, that prints what it has loaded at that moment.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from traymon.paths import Profile

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the early icon is Linux's")

PATIENCE_S = 60.0

AT_FIRST_ICON = """
import json, os, sys
before = set(sys.modules)
from traymon.cli import main
from traymon.tray.choose import LinuxTray

def begun(tray, limit_s):
    import traymon.tray.sni
    print(json.dumps(sorted({*sys.modules} - before)), flush=True)
    os._exit(0)

LinuxTray.begin = begun
sys.argv = ["traymon", "--config", sys.argv[1], "run"]
main()
"""

RUNNING = """
import json, sys
before = set(sys.modules)
import traymon.tray.sni, traymon.notifications.freedesktop, traymon.desktop.watch.linux, traymon.slack.connector
from traymon.tray.base import IconName
from traymon.tray.pixmaps import pixmap
from traymon.app import App
pixmap(IconName.ONLINE, 22)
print(json.dumps(sorted({*sys.modules} - before)), flush=True)
"""

MOST_BEFORE_THE_ICON = 290
"""Modules: 234 with CPython 3.11, and 430 in a running traymon. Many more mean that something comes too early."""

LATE = (
    # What holds the bots: half a second on a slow machine.
    *("traymon.app.app", "traymon.slack", "traymon.sessionlog", "traymon.keeper.shell", "traymon.relay"),
    *("slack_sdk", "websocket", "sqlite3", "multiprocessing"),
)
"""What the first icon does not need."""

NEVER_UNASKED = (
    "PIL",  # icons are read without it, until several bots differ
    "aiohttp",  # the relay's and the set-up page's
    "jinja2",  # the report's and the set-up page's, in processes of their own
    "keyring",  # tokens are read by a child
    "tomlkit",  # set-up's
    "html",  # a table of all named characters
    "importlib.metadata",  # and with it zipfile and csv
    "pyperclip",
    "traymon.simulator",
    "traymon.doctor",
    "traymon.report.page",
)
"""What a running traymon with one RTM bot does without until somebody asks for it."""


def loaded(code: str, *arguments: str) -> list[str]:
    """The modules that a process has loaded, beyond what any Python has, when it says so."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environ |= {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    said = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    found = json.loads(said.stdout)
    assert isinstance(found, list)
    return found


def among(names: tuple[str, ...], modules: list[str]) -> set[str]:
    """Which of ``names``, or of the modules within them, are there."""
    return {name for name in names for each in modules if each == name or each.startswith(f"{name}.")}


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of no bots, with all folders its own."""
    for kind in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{kind}", str(tmp_path / kind))
    profile = Profile.throwaway(tmp_path)
    profile.config_file.write_text("")
    return profile.config_file


def test_the_first_icon_waits_for_nothing_that_holds_the_bots(config_file: Path) -> None:
    modules = loaded(AT_FIRST_ICON, str(config_file))
    assert "traymon.tray.sni" in modules
    assert among(LATE, modules) == set()
    assert among(NEVER_UNASKED, modules) == set()
    assert len(modules) <= MOST_BEFORE_THE_ICON


def test_what_is_seldom_needed_is_not_loaded_by_a_running_traymon() -> None:
    modules = loaded(RUNNING)
    assert {"slack_sdk", "sqlite3", "traymon.app.app"} <= set(modules)
    assert among(NEVER_UNASKED, modules) == set()
