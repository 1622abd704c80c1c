"""Showing a file in the person's own viewer, an address in the browser."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from traymon import words

_SETTLE_S = 2.0
"""An opener that cannot open a file says so at once; one that is the viewer itself runs on until it is closed."""


def open_file(path: Path) -> str | None:
    """Show ``path`` in the program that the system has for it. ``None``, or what the problem is, for a person.

    Waits at most 2 s; must not be called on a thread that draws.
    """
    if not path.exists():
        return words.gettext("there is no such file yet")
    return _open(str(path))


def open_address(url: str) -> str | None:
    """Show ``url`` in the browser. As :func:`open_file`.

    It becomes an argument of the browser's process, which other users of the machine can read.
    """
    return _open(url)


def _open(what: str) -> str | None:
    if sys.platform == "win32":
        try:
            os.startfile(what)  # noqa: S606 - the person's own choice of a viewer
        except OSError as error:
            return error.strerror or type(error).__name__
        return None
    opener = _opener()
    if opener is None:
        return words.gettext("there is no desktop to show it on")
    return _run([opener, what])


def _opener() -> str | None:
    if sys.platform == "darwin":
        return "/usr/bin/open"
    # Without a display xdg-open would put a text browser into the terminal.
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    return shutil.which("xdg-open")


def _run(command: list[str]) -> str | None:
    try:
        process = subprocess.Popen(  # noqa: S603 - the system's opener and a file of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return error.strerror or type(error).__name__
    # Waits for the opener, so that it does not stay as a zombie. Daemon: the viewer may outlive traymon.
    threading.Thread(target=process.wait, name="viewer", daemon=True).start()
    try:
        code = process.wait(_SETTLE_S)
    except subprocess.TimeoutExpired:
        return None
    return None if code == 0 else words.gettext("{opener} failed").format(opener=os.path.basename(command[0]))
