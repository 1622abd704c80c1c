"""macOS: a LaunchAgent of the user's (launchd.plist(5), launchctl(1)).

Never run on macOS so far: the logic is tested with ``launchctl`` stood in for. The file alone decides about the next
login. It is neither loaded nor unloaded here: loading would start a second traymon at once, and unloading would end the
one that runs.
"""

import contextlib
import plistlib
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from traymon import words
from traymon.desktop import files
from traymon.desktop.autostart.base import (
    AutostartError,
    AutostartState,
    Kind,
    gone,
    os_errors,
    other,
    switched_off,
    unreadable,
)
from traymon.desktop.autostart.command import Whose, whose

LABEL = "io.github.traymon"
_ANSWER_LIMIT_S = 5.0
"""launchctl answers within milliseconds."""

Launchctl = Callable[[Sequence[str]], str | None]
"""Runs ``launchctl`` with arguments; what it printed, or ``None`` where it failed."""


class _NoAgentError(Exception):
    """The file holds no property list."""


def launchctl(arguments: Sequence[str]) -> str | None:
    """The real one; waits 5 s at most."""
    try:
        done = subprocess.run(  # noqa: S603 - the system's own tool by its full path
            ["/bin/launchctl", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


class MacAutostart:
    """The :class:`~traymon.desktop.autostart.base.Autostart` of macOS."""

    def __init__(
        self,
        profile: str,
        command: Sequence[str],
        *,
        home: Path | None = None,
        launchctl: Launchctl = launchctl,
        domain: str,
    ) -> None:
        """``domain`` is launchd's for the user's desktop, ``gui/501``."""
        self._command = list(command)
        self._launchctl = launchctl
        self._label = LABEL if profile == "default" else f"{LABEL}.{profile}"
        self._path = (home or Path.home()) / "Library" / "LaunchAgents" / f"{self._label}.plist"
        self._domain = domain

    @property
    def where(self) -> str:
        """The agent's file."""
        return str(self._path)

    def state(self) -> AutostartState:
        """What launchd would do at the next login."""
        try:
            agent = self._read()
        except OSError as error:
            return self._broken(unreadable(self.where, error.strerror or type(error).__name__))
        except _NoAgentError:
            return self._broken(unreadable(self.where, words.gettext("it is no property list")))
        if agent is None:
            return AutostartState(Kind.OFF)
        why = self._not_ours(agent)
        if why:
            return self._broken(why)
        # What launchctl or the settings chose counts instead of the file's own key.
        chosen = self._chosen()
        if chosen is False or (chosen is None and agent.get("Disabled") is True):
            return AutostartState(Kind.DISABLED, switched_off(words.gettext("Login Items")))
        if agent.get("RunAtLoad") is not True:
            return AutostartState(
                Kind.DISABLED, unreadable(self.where, words.gettext("RunAtLoad is not set"))
            )
        return AutostartState(Kind.ON)

    def turn_on(self, *, replace: bool = False) -> None:
        """Write the agent's file, and let launchd read it again if it was switched off."""
        self._refuse_others(replace)
        if not self.state().is_on:
            self._write(plistlib.dumps(self._agent()))
        if self._chosen() is False:
            self._launchctl(["enable", f"{self._domain}/{self._label}"])
        state = self.state()
        if not state.is_on:
            raise AutostartError(state.why)

    def turn_off(self, *, replace: bool = False) -> None:
        """Remove the agent's file; a traymon that runs is not ended by that."""
        if not self._path.exists():
            return
        self._refuse_others(replace)
        with os_errors(self.where), contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _agent(self) -> dict[str, Any]:
        return {
            "Label": self._label,
            "ProgramArguments": self._command,
            "RunAtLoad": True,
            # Only where there is a menu bar; with the priority of what a person works with.
            "LimitLoadToSessionType": "Aqua",
            "ProcessType": "Interactive",
        }

    def _refuse_others(self, replace: bool) -> None:
        if replace:
            return
        try:
            agent = self._read()
        except (OSError, _NoAgentError):
            raise AutostartError(self.state().why) from None
        if agent is not None and _command(agent, self._command) is Whose.OTHER:
            raise AutostartError(self._not_ours(agent))

    def _not_ours(self, agent: dict[str, Any]) -> str:
        match _command(agent, self._command):
            case Whose.OTHER:
                arguments = _arguments(agent)
                if not arguments:
                    return unreadable(self.where, words.gettext("without a command"))
                return other(self.where, arguments[0])
            case Whose.GONE:
                return gone(self.where, _arguments(agent)[0])
        return ""

    def _broken(self, why: str) -> AutostartState:
        return AutostartState(Kind.BROKEN, why)

    def _chosen(self) -> bool | None:
        """Whether launchd was told to use the agent (true) or to pass over it (false); ``None``: neither."""
        said = self._launchctl(["print-disabled", self._domain]) or ""
        found = re.search(rf'"{re.escape(self._label)}"\s*=>\s*(\w+)', said)
        # Up to macOS 12 "true" (disabled) or "false", later words.
        return None if found is None else found[1] in ("enabled", "false")

    def _read(self) -> dict[str, Any] | None:
        """Raises OSError and _NoAgentError."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            agent = plistlib.loads(content)
        except (ValueError, ExpatError, TypeError, LookupError, AttributeError, OverflowError):
            raise _NoAgentError from None
        if not isinstance(agent, dict):
            raise _NoAgentError
        return agent

    def _write(self, content: bytes) -> None:
        with os_errors(self.where):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            # launchd reads none that others may write; this is what it is given.
            files.replace(self._path, content, mode=0o644)


def _arguments(agent: dict[str, Any]) -> list[str]:
    arguments = agent.get("ProgramArguments")
    if isinstance(arguments, list) and all(isinstance(each, str) for each in arguments):
        return arguments
    return []


def _command(agent: dict[str, Any], own: Sequence[str]) -> Whose:
    # "Program" is what is started where both are given.
    return Whose.OTHER if "Program" in agent else whose(_arguments(agent), own)
