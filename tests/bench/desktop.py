"""A real desktop for the bench: an X server, a session bus, Xfce's panel, and a watch on that bus."""

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from tests.desktop.kit import PACKAGES, PATIENCE_S, Program, reporting

PANEL_SETTINGS = Path(__file__).parents[1] / "desktop" / "xfce4-panel.xml"
REGISTERED = "RegisterStatusNotifierItem"
_MONITORING = "NameLost"  # a monitor gives up its name on the bus when it begins
_PANEL_UP = "NameOwnerChanged"


def missing_packages() -> list[str]:
    """What is to be installed before a desktop can be had."""
    programs = ("Xvfb", "dbus-daemon", "dbus-monitor", "xfce4-panel", "xfconf-query")
    return sorted({PACKAGES.get(name, "dbus") for name in programs if shutil.which(name) is None})


class Desktop:
    """A desktop that is up. ``env`` is for what is to run on it, ``folder`` for what it writes."""

    def __init__(self, env: Mapping[str, str], folder: Path, watch: "BusWatch") -> None:
        self.env = dict(env)
        self.folder = folder
        self.watch = watch


class BusWatch:
    """Sees, as the bus does, when an icon registers and when the panel takes the watcher's name."""

    def __init__(self, address: str, env: Mapping[str, str]) -> None:
        rules = (
            f"member='{REGISTERED}'",
            f"member='{_PANEL_UP}',arg0='org.kde.StatusNotifierWatcher'",
        )
        self._monitor = subprocess.Popen(
            ["dbus-monitor", "--address", address, "--profile", *rules],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # Members seen and when the bus sent them (UTC seconds); from the reader to whoever waits.
        self._seen: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        assert self._monitor.stdout is not None
        # Reads the monitor's lines, until its end. Daemon: close() ends the monitor and thereby this.
        self._reader = threading.Thread(target=self._read, args=(self._monitor.stdout,), daemon=True)
        self._reader.start()

    def wait(self, member: str, since: float = 0.0) -> float:
        """When ``member`` was first sent after ``since`` (UTC seconds); what comes before it is forgotten.

        A panel that restarts makes an icon register once more: that is not the next program's.
        """
        while True:
            try:
                seen, at = self._seen.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise TimeoutError(f"{member} was not seen on the bus within {PATIENCE_S:g} s") from None
            if seen == member and at >= since:
                return at

    def close(self) -> None:
        """End the monitor."""
        self._monitor.terminate()
        self._monitor.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                cells = line.rstrip("\n").split("\t")
                if len(cells) == 8 and not line.startswith("#"):
                    self._seen.put((cells[7], float(cells[1])))


@contextlib.contextmanager
def desktop(folder: Path) -> Iterator[Desktop]:
    """A desktop in ``folder``, for as long as the block lasts."""
    env = _environment(folder)

    def x_server(ready: int) -> Program:
        screen = ("-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset")
        command = ("Xvfb", "-displayfd", str(ready), *screen)
        return Program(*command, env=env, log=folder / "Xvfb.log", pass_fds=(ready,))

    def bus(ready: int) -> Program:
        place = (f"--address=unix:tmpdir={folder / 'run'}", f"--print-address={ready}")
        command = ("dbus-daemon", "--session", "--nofork", "--nopidfile", *place)
        return Program(*command, env=env, log=folder / "dbus.log", pass_fds=(ready,))

    with reporting(x_server) as (_, display), reporting(bus) as (_, address), contextlib.ExitStack() as stack:
        env |= {"DISPLAY": f":{display}", "DBUS_SESSION_BUS_ADDRESS": address}
        watch = BusWatch(address, env)
        stack.callback(watch.close)
        watch.wait(_MONITORING)
        panel = Program("xfce4-panel", "--disable-wm-check", env=env, log=folder / "panel.log")
        stack.callback(panel.end)
        watch.wait(_PANEL_UP)
        yield Desktop(env, folder, watch)


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's: every folder lies in ``folder``."""
    (folder / "run").mkdir(mode=0o700)
    settings = folder / "config/xfce4/xfconf/xfce-perchannel-xml"
    settings.mkdir(parents=True)
    shutil.copy(PANEL_SETTINGS, settings)
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "NO_AT_BRIDGE": "1",
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        **{f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "STATE")},
    }
