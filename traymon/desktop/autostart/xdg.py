"""Linux and its kin: an entry in ``autostart`` (freedesktop.org's Desktop Application Autostart Specification)."""

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traymon import words
from traymon.desktop import files
from traymon.desktop.autostart import entry
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

_SWITCHES = ("Hidden", "X-GNOME-Autostart-enabled")
"""What desktops write into an entry that a person switches off in their settings: KDE, Xfce and LXQt the first; GNOME,
Cinnamon and MATE the second."""

_OUR_OFF = "X-Traymon-Off"
"""Tells what :meth:`XdgAutostart.turn_off` hid from what a person hid in the desktop's settings."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry that counts. ``problem``: why it is none; then ``keys`` and ``command`` are empty."""

    path: Path
    text: str = ""
    keys: Mapping[str, str] | None = None
    command: Sequence[str] = ()
    problem: str = ""


class XdgAutostart:
    """The :class:`~traymon.desktop.autostart.base.Autostart` of XDG desktops."""

    def __init__(self, profile: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environ = environ
        name = "traymon.desktop" if profile == "default" else f"traymon-{profile}.desktop"
        home = Path(environ.get("HOME") or Path.home())
        config = environ.get("XDG_CONFIG_HOME", "")
        self._path = (Path(config) if os.path.isabs(config) else home / ".config") / "autostart" / name
        # A distribution's package may bring an entry for all users; the user's own of the same name counts instead.
        shared = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        self._shared = [Path(folder) / "autostart" / name for folder in shared if os.path.isabs(folder)]

    @property
    def where(self) -> str:
        """The user's own entry."""
        return str(self._path)

    def state(self) -> AutostartState:
        """What the desktop would do; on which one, ``XDG_CURRENT_DESKTOP`` says."""
        found = self._counting()
        if found is None or self._is_our_off(found):
            return AutostartState(Kind.OFF)
        where = str(found.path)
        if found.problem:
            return AutostartState(Kind.BROKEN, unreadable(where, found.problem))
        match whose(found.command, self._command):
            case Whose.OTHER:
                return AutostartState(Kind.BROKEN, other(where, found.command[0]))
            case Whose.GONE:
                return AutostartState(Kind.BROKEN, gone(where, found.command[0]))
        why = self._passed_over(found)
        return AutostartState(Kind.DISABLED, why) if why else AutostartState(Kind.ON)

    def turn_on(self, *, replace: bool = False) -> None:
        """Write the entry, or take only the switch out of one that the desktop's settings switched off."""
        found = self._counting()
        if found is not None and not replace:
            text = entry.without_keys(found.text, (*_SWITCHES, _OUR_OFF))
            if not self._is_ours(found):
                raise AutostartError(self.state().why)
            if whose(found.command, self._command) is Whose.OURS:
                if text != found.text:
                    self._write(text)
                state = self.state()
                if state.kind is not Kind.ON:
                    raise AutostartError(state.why)
                return
        self._write(self._text())

    def turn_off(self, *, replace: bool = False) -> None:
        """Remove the entry; where one for all users is left, an own one hides it."""
        found = self._counting()
        if found is None or self._is_our_off(found):
            return
        if not (replace or self._is_ours(found)):
            raise AutostartError(self.state().why)
        if any(path.exists() for path in self._shared):
            self._write(self._text(hidden=True))
            return
        with os_errors(str(self._path)), contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    # Reading

    def _counting(self) -> _Found | None:
        """The entry that the desktop reads: the user's, else the first of those for all users."""
        for path in (self._path, *self._shared):
            if path.exists() or path.is_symlink():
                return _read(path)
        return None

    def _is_ours(self, found: _Found) -> bool:
        return not found.problem and whose(found.command, self._command) is not Whose.OTHER

    def _is_our_off(self, found: _Found) -> bool:
        """Whether it is what :meth:`turn_off` writes where an entry for all users must be hidden."""
        keys = found.keys or {}
        return entry.is_true(keys.get("Hidden")) and entry.is_true(keys.get(_OUR_OFF))

    def _passed_over(self, found: _Found) -> str:
        """Why the desktop does not start an entry that is ours, or an empty text."""
        keys, where = found.keys or {}, str(found.path)
        if entry.is_true(keys.get("Hidden")) or entry.is_false(keys.get("X-GNOME-Autostart-enabled")):
            return switched_off(where)
        if not entry.shown_in(keys, self._environ.get("XDG_CURRENT_DESKTOP", "")):
            return words.gettext(
                "{where} is not meant for this desktop (OnlyShowIn, NotShowIn): change it there, or give “traymon "
                "autostart” the option --replace."
            ).format(where=words.printable(where))
        needed = entry.unescaped(keys.get("TryExec", ""))
        if needed and shutil.which(needed, path=self._environ.get("PATH")) is None:
            return words.gettext(
                "{where} counts only where {program} can be started (TryExec), which is not so: change it there, or "
                "give “traymon autostart” the option --replace."
            ).format(where=words.printable(where), program=words.printable(needed))
        return ""

    # Writing

    def _text(self, *, hidden: bool = False) -> str:
        more = {"Hidden": "true", _OUR_OFF: "true"} if hidden else {}
        try:
            return entry.desktop_entry(
                self._command, comment=words.gettext("Keeps Slack bots online"), more=more
            )
        except entry.EntryError as error:
            raise AutostartError(
                words.gettext(
                    "traymon cannot be started at login from where it is ({problem}): install it in another folder."
                ).format(problem=error)
            ) from None

    def _write(self, text: str) -> None:
        """Put ``text`` in place of the user's entry as a whole; a link stays a link, as in kept dot files."""
        path = Path(os.path.realpath(self._path))
        with os_errors(str(path)):
            files.replace(path, text.encode())


def _read(path: Path) -> _Found:
    try:
        text = path.read_bytes().decode("utf-8")
        keys = entry.read_entry(text)
        command = entry.split_exec(entry.unescaped(keys.get("Exec", "")))
    except OSError as error:
        return _Found(path, problem=error.strerror or type(error).__name__)
    except UnicodeDecodeError:
        return _Found(path, problem=words.gettext("it is not UTF-8"))
    except entry.EntryError as error:
        return _Found(path, problem=str(error))
    if not command or keys.get("Type", "Application") != "Application":
        return _Found(path, problem=words.gettext("without a command"))
    return _Found(path, text, keys, command)
