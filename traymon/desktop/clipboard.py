"""Putting text on the clipboard."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from traymon import words

_LIMIT_S = 5.0
"""The tools leave a process of theirs behind that serves the clipboard, and end at once themselves."""
_TOOLS = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard", "-in")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
)
"""Where there is such a display, these can be used; the clipboards of X and Wayland need a process that serves them."""


def copy(text: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Put ``text`` on the clipboard. ``None``, or a sentence that says why it is not there.

    Then the caller keeps the text where the person finds it, in a file for example. Waits 5 s at most; not for a thread
    that draws.
    """
    if sys.platform in ("win32", "darwin"):
        return _by_system(text)
    environ = os.environ if environ is None else environ
    tools = [command for display, command in _TOOLS if environ.get(display)]
    if not tools:
        return words.gettext("There is no desktop here whose clipboard could take it.")
    programs = [(shutil.which(name, path=environ.get("PATH")), arguments) for name, *arguments in tools]
    there = [[program, *arguments] for program, arguments in programs if program is not None]
    if any(_run(command, text, environ) for command in there):
        return None
    if there:
        return words.gettext("The clipboard did not take it ({kind}).").format(
            kind=os.path.basename(there[0][0])
        )
    return words.gettext("The clipboard needs one more program: install {program}.").format(
        program="wl-clipboard" if environ.get("WAYLAND_DISPLAY") else "xclip"
    )


def _by_system(text: str) -> str | None:
    import pyperclip  # type: ignore[import-untyped]

    try:
        pyperclip.copy(text)
    except Exception as error:  # noqa: BLE001 - pyperclip raises what the system's library does
        return words.gettext("The clipboard did not take it ({kind}).").format(kind=type(error).__name__)
    return None


def _run(command: list[str], text: str, environ: Mapping[str, str]) -> bool:
    # Not pyperclip, which lets the process that stays behind keep our output open: "traymon | tee" would never end.
    try:
        done = subprocess.run(  # noqa: S603 - one of the tools above
            command,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            timeout=_LIMIT_S,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
