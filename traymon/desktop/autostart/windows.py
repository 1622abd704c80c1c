"""Windows: a value of the user's ``Run`` key, and what the Task Manager keeps of it.

Never run on Windows so far: the logic is tested with the registry stood in for. Sources: Microsoft's page "Run and
RunOnce Registry Keys" (260 characters at most); ``StartupApproved`` is not documented, its twelve bytes are as
they were traced many times: the first is odd where the Task Manager or the Settings switched the entry off, the last
eight say when.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Protocol

from traymon import words
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

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
POLICIES = r"Software\Microsoft\Windows\CurrentVersion\Policies\Explorer"
NO_USER_RUN = "DisableCurrentUserRun"
"""An administrator's policy (for the machine or the user): the user's Run key is not read."""
LONGEST = 260
"""Characters of a value of ``Run``; Windows ignores a longer one."""


class Registry(Protocol):
    """What is needed of the registry. Keys are below the user's hive, with ``machine`` below the machine's."""

    def get(self, key: str, name: str, *, machine: bool = False) -> object:
        """A value, or ``None`` where there is none. Raises OSError."""

    def set_text(self, key: str, name: str, value: str) -> None:
        """Write a string (REG_SZ) of the user's, making the key if need be. Raises OSError."""

    def delete(self, key: str, name: str) -> None:
        """Delete a value of the user's; one that is not there is fine. Raises OSError."""


class WindowsAutostart:
    """The :class:`~traymon.desktop.autostart.base.Autostart` of Windows."""

    def __init__(self, profile: str, command: Sequence[str], registry: Registry) -> None:
        self._command = list(command)
        self._registry = registry
        self._name = "traymon" if profile == "default" else f"traymon ({profile})"

    @property
    def where(self) -> str:
        """The value in the registry."""
        return rf"HKEY_CURRENT_USER\{RUN}\{self._name}"

    def state(self) -> AutostartState:
        """What Windows would do."""
        try:
            value = self._registry.get(RUN, self._name)
            if value is None:
                return AutostartState(Kind.OFF)
            why = self._not_ours(value)
            if why:
                return AutostartState(Kind.BROKEN, why)
            if self._forbidden():
                return AutostartState(Kind.DISABLED, _forbidden())
            if self._switched_off():
                return AutostartState(
                    Kind.DISABLED, switched_off(words.gettext("Task Manager, Startup apps"))
                )
        except OSError as error:
            return AutostartState(Kind.BROKEN, unreadable(self.where, error.strerror or type(error).__name__))
        return AutostartState(Kind.ON)

    def turn_on(self, *, replace: bool = False) -> None:
        """Write the value, and forget that it was switched off."""
        command = subprocess.list2cmdline(self._command)
        if len(command) > LONGEST:
            raise AutostartError(
                words.gettext(
                    "Windows starts no command of more than {limit} characters at login: install traymon in a "
                    "folder with a shorter path."
                ).format(limit=LONGEST)
            )
        with os_errors(self.where):
            self._refuse_others(replace)
            if self._forbidden():
                raise AutostartError(_forbidden())
            if self._registry.get(RUN, self._name) != command:
                self._registry.set_text(RUN, self._name, command)
            if self._switched_off():
                self._registry.delete(APPROVED, self._name)

    def turn_off(self, *, replace: bool = False) -> None:
        """Delete the value, and the Task Manager's note on it: a later entry must not be born switched off."""
        with os_errors(self.where):
            if self._registry.get(RUN, self._name) is None:
                return
            self._refuse_others(replace)
            self._registry.delete(RUN, self._name)
            self._registry.delete(APPROVED, self._name)

    def _refuse_others(self, replace: bool) -> None:
        value = self._registry.get(RUN, self._name)
        if value is None or replace or self._whose(value) is not Whose.OTHER:
            return
        raise AutostartError(self._not_ours(value))

    def _not_ours(self, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            return unreadable(self.where, words.gettext("without a command"))
        match self._whose(value):
            case Whose.OTHER:
                return other(self.where, split(value)[0])
            case Whose.GONE:
                return gone(self.where, split(value)[0])
        return ""

    def _whose(self, value: object) -> Whose:
        if not isinstance(value, str) or not value.strip():
            return Whose.OTHER
        return whose(split(value), self._command)

    def _switched_off(self) -> bool:
        approved = self._registry.get(APPROVED, self._name)
        return isinstance(approved, bytes) and len(approved) > 0 and approved[0] & 1 == 1

    def _forbidden(self) -> bool:
        return any(
            self._registry.get(POLICIES, NO_USER_RUN, machine=machine) == 1 for machine in (False, True)
        )


def _forbidden() -> str:
    return words.gettext(
        "This machine's administrator does not let programs start at login from a user's own list "
        "(DisableCurrentUserRun): ask for it, or start traymon by hand."
    )


def split(command: str) -> list[str]:
    """The arguments of a command line, by the rules of Microsoft's C runtime ("Parsing C command-line arguments").

    The undoing of :func:`subprocess.list2cmdline`. The program itself has no escapes: it ends at the next quote.
    """
    command = command.lstrip(" \t")
    first = re.match(r'"([^"]*)"?|[^ \t]*', command)
    assert first is not None, "the pattern matches the empty text, too"
    arguments = [first[1] if first[1] is not None else first[0]]
    word, started, is_quoted = "", False, False
    for slashes, char in re.findall(r"(\\*)([^\\]|$)", command[first.end() :], re.DOTALL):
        if char == '"':
            word += "\\" * (len(slashes) // 2)
            started = True
            if len(slashes) % 2:
                word += '"'
            else:
                is_quoted = not is_quoted
            continue
        word += slashes
        started = started or bool(slashes)
        if char in (" ", "\t") and not is_quoted:
            if started:
                arguments.append(word)
            word, started = "", False
        elif char:
            word, started = word + char, True
    if started:
        arguments.append(word)
    return arguments


if sys.platform == "win32":
    import contextlib
    import winreg

    class SystemRegistry:
        """The :class:`Registry` itself."""

        def get(self, key: str, name: str, *, machine: bool = False) -> object:
            """A value, or ``None``."""
            hive = winreg.HKEY_LOCAL_MACHINE if machine else winreg.HKEY_CURRENT_USER
            try:
                with winreg.OpenKey(hive, key) as opened:
                    value: object = winreg.QueryValueEx(opened, name)[0]
            except FileNotFoundError:
                return None
            return value

        def set_text(self, key: str, name: str, value: str) -> None:
            """Write a string."""
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
                winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)

        def delete(self, key: str, name: str) -> None:
            """Delete a value."""
            with (
                contextlib.suppress(FileNotFoundError),
                winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, 0, winreg.KEY_SET_VALUE) as opened,
            ):
                winreg.DeleteValue(opened, name)
