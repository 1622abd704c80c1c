"""What is started at login, and whether a command that stands in an entry is that."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

from traymon import words
from traymon.desktop.autostart.base import AutostartError
from traymon.paths import Profile

_AT_LOGIN = ["run", "--at-login"]
# -P: a folder "traymon" in the home folder, where sessions start, must not be taken for the program.
_AS_MODULE = ["-P", "-m", "traymon"]


class Whose(Enum):
    """What a command in an entry is to this traymon."""

    OURS = auto()
    GONE = auto()
    """Written by a traymon for the same profile, but its program is not there any more: of no use to anybody."""
    OTHER = auto()


def login_command(profile: Profile) -> list[str]:
    """The command that starts ``profile`` at login: by absolute paths, as sessions have another ``PATH``.

    Raises :class:`AutostartError` where traymon is not installed.
    """
    config = [] if profile.name == "default" else ["--config", str(profile.config_file)]
    return [*_program(), *config, *_AT_LOGIN]


def _program() -> list[str]:
    if getattr(sys, "frozen", False):  # packed with its own interpreter
        return [_without_console("traymonw.exe")]
    if sys.platform == "win32":
        return [_without_console("pythonw.exe"), *_AS_MODULE]
    for scheme in (None, sysconfig.get_preferred_scheme("user")):
        folder = sysconfig.get_path("scripts", scheme) if scheme else sysconfig.get_path("scripts")
        script = os.path.join(folder, "traymon")
        if os.access(script, os.X_OK) and os.path.isfile(script):
            return [script]
    from importlib import metadata

    try:
        metadata.distribution("traymon")
    except metadata.PackageNotFoundError:
        raise AutostartError(
            words.gettext(
                "traymon runs from a folder and is not installed, so nothing could start it at login: install it "
                "(pipx install traymon) and try again."
            )
        ) from None
    return [sys.executable, *_AS_MODULE]


def _without_console(name: str) -> str:
    """The program ``name`` beside this one: python.exe and traymon.exe would leave an empty window open on Windows.

    This one itself where there is none.
    """
    windowless = Path(sys.executable).with_name(name)
    return str(windowless if windowless.exists() else sys.executable)


def whose(argv: Sequence[str], own: Sequence[str]) -> Whose:
    """What the command ``argv`` is, where this traymon would write ``own``."""
    if list(argv) == list(own):
        return Whose.OURS
    if argv and _arguments(argv) == _arguments(own) and shutil.which(argv[0]) is None:
        return Whose.GONE
    return Whose.OTHER


def _arguments(argv: Sequence[str]) -> list[str]:
    """What traymon itself is given, whether it is started as a script or as a module."""
    arguments = list(argv[1:])
    return arguments[len(_AS_MODULE) :] if arguments[: len(_AS_MODULE)] == _AS_MODULE else arguments
