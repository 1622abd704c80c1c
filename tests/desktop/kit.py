"""Real desktops for tests: an X server, a session bus, panels, and a tray of ours under test."""

import contextlib
import io
import logging
import os
import queue
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.required import cannot
from traymon.tray.base import IconName, MenuItem, Tray, TrayView

PACKAGES = {
    "Xvfb": "xvfb",
    "openbox": "openbox",
    "dbus-daemon": "dbus",
    "xfce4-panel": "xfce4-panel",
    "xfconf-query": "xfconf",
    "trayer": "trayer",
    "tint2": "tint2",
    "xdotool": "xdotool",
    "import": "imagemagick",
    "dunst": "dunst",
}

PATIENCE_S = 60.0
"""For anything that a desktop does; generous, as two cores are shared. Nothing waits this long when all is well."""


def need(*programs: str) -> None:
    """Skip the test where a program is missing; fail it where the desktop is required."""
    missing = sorted({PACKAGES[program] for program in programs if shutil.which(program) is None})
    if missing:
        cannot(f"needs the packages: {' '.join(missing)}")


def eventually(seen: Callable[[], Any], what: str) -> Any:
    """The first true value of ``seen()``: for what only looking can tell, such as pixels."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (value := seen()):
        assert time.monotonic() < end, f"not seen within {PATIENCE_S:g} s: {what}"
        pause.wait(0.05)
    return value


class Program:
    """A child process of the test, ended by it."""

    def __init__(
        self, *command: str, env: Mapping[str, str], log: Path, pass_fds: tuple[int, ...] = ()
    ) -> None:
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=pass_fds
            )

    def kill(self) -> None:
        """As a crash: the program cannot clean up."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def send(self, what: signal.Signals) -> None:
        """A signal."""
        self._process.send_signal(what)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(PATIENCE_S)

    def end(self) -> None:
        """Ask it to end; make it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def reporting(
    start: Callable[[int], Program], other_reader: int | None = None
) -> Iterator[tuple[Program, str]]:
    """Run a program that writes one line to a descriptor when it is ready; gives that line too.

    With ``other_reader``, a fifo, the line comes from there.
    """
    reader, writer = os.pipe()
    if other_reader is not None:
        os.close(reader)
        reader = other_reader
    try:
        program = start(writer)
    finally:
        os.close(writer)
    try:
        yield program, _line(reader)
    finally:
        os.close(reader)
        program.end()


def _line(reader: int) -> str:
    """One line from a descriptor; fails when none comes."""
    line = b""
    end = time.monotonic() + PATIENCE_S
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        assert ready, "the program was not ready in time; see its log"
        piece = os.read(reader, 100)
        assert piece, "the program ended before it was ready; see its log"
        line += piece
    return line.decode().strip()


class Screen:
    """An X display with a window manager."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self.env = dict(env)
        self.folder = folder

    def shot(self, width: int = 120, height: int = 40) -> Image.Image:
        """The upper left corner as it is seen."""
        png = subprocess.run(
            ["import", "-silent", "-window", "root", "png:-"], env=self.env, capture_output=True, check=True
        ).stdout
        return Image.open(io.BytesIO(png)).convert("RGB").crop((0, 0, width, height))

    def click(self, x: int, y: int, button: int) -> None:
        """Point and press, as a person does."""
        subprocess.run(
            ["xdotool", "mousemove", str(x), str(y), "click", str(button)], env=self.env, check=True
        )

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> Program:
        """A program on this display."""
        return Program(*command, env={**self.env, **(env or {})}, log=self.folder / f"{command[0]}.log")


def silhouette(shot: Image.Image) -> Image.Image:
    """What stands out from the panel, as black and white: the colour of the first pixel is the panel's."""
    panel = Image.new("RGB", shot.size, shot.getpixel((1, 1)))
    far = ImageChops.difference(shot, panel).convert("L")
    return far.point(lambda value: 255 if value > 40 else 0)


def area(mask: Image.Image) -> int:
    """White pixels."""
    return mask.histogram()[255]


def unlike(one: Image.Image, other: Image.Image) -> float:
    """How much of two silhouettes is not common to both: 0 (the same) to 1."""
    union = area(ImageChops.lighter(one, other))
    return 1.0 if union == 0 else area(ImageChops.difference(one, other)) / union


class TrayUnderTest:
    """A tray run in a thread, and what was chosen in it."""

    def __init__(self, make: Callable[[Callable[[str], None]], Tray]) -> None:
        # Ids chosen, from the tray's click thread to the test.
        self.chosen: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.tray = make(self.chosen.put)
        # Stands for the main thread; joined in close().
        self._thread = threading.Thread(target=self.tray.run, name="tray under test")
        self._thread.start()

    def close(self) -> None:
        """Stop the tray; its thread must end."""
        self.tray.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def next_choice(self) -> str:
        """The id chosen next."""
        return self.chosen.get(timeout=PATIENCE_S)


@contextlib.contextmanager
def running(make: Callable[[Callable[[str], None]], Tray]) -> Iterator[TrayUnderTest]:
    """A tray for as long as the block lasts."""
    under_test = TrayUnderTest(make)
    try:
        yield under_test
    finally:
        under_test.close()


def assert_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A panel, bus or display that is not there is said in a sentence (a warning at most)."""
    loud = [each for each in caplog.records if each.levelno > logging.WARNING]
    assert not loud, loud


def a_view(icon: IconName, label: str = "deploy_bot: online", pause: str = "pause:deploy_bot") -> TrayView:
    """A view as one bot makes it, and one item with a check mark and one with a submenu."""
    return TrayView(
        icon,
        title=f"deploy_bot: {icon}",
        tooltip=f"deploy_bot (Acme): {icon} since 07:29:10\nWhy: “<b>” & 漢字 – no",
        menu=(
            MenuItem("state:deploy_bot", label, enabled=False),
            MenuItem("reconnect", "Reconnect", default=True),
            MenuItem(pause, "Resume" if pause.startswith("resume") else "Pause"),
            MenuItem("s1", "", separator=True),
            MenuItem("notify", "Notifications", checked=True),
            MenuItem("more", "More", submenu=(MenuItem("inner", "Inner"),)),
            MenuItem("log", "View session log"),
            MenuItem("quit", "Quit"),
        ),
    )
