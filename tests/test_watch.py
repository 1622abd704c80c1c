"""What this system's watchers are, and that they all do nothing wrong when nothing happens."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.watchkit import Heard, watching
from traymon.desktop.clocks import system_clocks
from traymon.desktop.watch import SLEEP_DELAY_S, system_watchers


@pytest.fixture(autouse=True)
def no_system_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")


def test_this_systems_watchers_begin_and_end() -> None:
    watchers = system_watchers(system_clocks())
    assert watchers
    for watcher in watchers:
        with watching(watcher, Heard()):
            pass


def test_the_machine_is_held_up_no_longer_than_promised() -> None:
    assert SLEEP_DELAY_S <= 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux's")
def test_the_bus_library_is_loaded_only_by_a_watcher_that_runs() -> None:
    code = (
        "import sys; from traymon.desktop.clocks import system_clocks; from traymon.desktop import watch; "
        "watch.system_watchers(system_clocks()); sys.exit('dbus_fast' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
