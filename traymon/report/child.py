"""Having the page made by another process: jinja2 and 5,000 spans would stay in the memory of one that runs all day."""

import subprocess
import sys
from collections.abc import Mapping

import msgspec

from traymon import words
from traymon.paths import Profile

_LIMIT_S = 60.0
"""A page takes a second; a disk that has to wake up some more."""


class Order(msgspec.Struct, frozen=True):
    """The page of the log in the folder ``state_dir``; ``workspaces`` by bot, as Slack calls them."""

    state_dir: str
    workspaces: dict[str, str]
    language: str


def write_in_child(profile: Profile, workspaces: Mapping[str, str]) -> str | None:
    """Make the profile's page anew, for an app that runs. ``None``, or why there is none, for a person.

    Waits for it; must not be called on a thread that draws.
    """
    order = Order(str(profile.state_dir), dict(workspaces), words.language_in_use())
    # -P: a module of the same name in the folder where traymon was started must not be taken for a library.
    command = [sys.executable, "-P", "-m", "traymon.report"]
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return words.gettext("it takes too long")
    except OSError as error:
        return error.strerror or type(error).__name__
    if child.returncode != 0:
        return words.gettext("it failed (exit code {code})").format(code=child.returncode)
    return child.stdout.decode("utf-8", "replace") or None
