"""Where a profile keeps its files.

A profile is one configuration file with its own state folder, lock and control socket. Everything hangs on the
configuration file's path, so that the same ``--config FILE`` always finds the same log and the same running traymon.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_APP = "traymon"
_SOCKET_PATH_BYTES = 100
"""Longest path that a Unix socket is given: the systems' limits are 108 (Linux) and 104 (macOS) with a final NUL."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The files of one profile. Nothing here creates a folder: whoever writes a file creates its folder.

    ``name`` is ``default``, ``throwaway``, or made of the configuration file's name and path.
    """

    name: str
    config_file: Path
    state_dir: Path
    log_dir: Path
    runtime_dir: Path

    @property
    def db(self) -> Path:
        """The session log's SQLite file."""
        return self.state_dir / "sessions.sqlite3"

    @property
    def text_log(self) -> Path:
        """The session log in plain text."""
        return self.log_dir / "sessions.log"

    @property
    def report(self) -> Path:
        """The report, made anew each time it is asked for."""
        return self.state_dir / "report.html"

    @property
    def tokens(self) -> Path:
        """Where set-up puts tokens that no keyring takes: a private folder."""
        return self.config_file.parent / "tokens"

    @property
    def diagnostics(self) -> Path:
        """Where diagnostics are put that the clipboard did not take."""
        return self.state_dir / "diagnostics.md"

    @property
    def relay_settings(self) -> Path:
        """The relay's port and secret, for this user alone."""
        return self.state_dir / "relay.json"

    @property
    def lock_file(self) -> Path:
        """The lock that keeps a profile to one running traymon.

        In the state folder, not the runtime one: an environment without ``XDG_RUNTIME_DIR`` (cron, su) must meet it.
        """
        return self.state_dir / "traymon.lock"

    @property
    def control_address(self) -> str:
        """The address of the control socket: a path, on Windows a pipe's name.

        A path too long for a Unix socket gives way to a short one made of its hash, in a folder of this user's own
        below /tmp.
        """
        if sys.platform == "win32":
            return rf"\\.\pipe\{_APP}-{_digest(str(self.state_dir))}"
        path = self.runtime_dir / "control.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return str(path)
        # Not TMPDIR: it may be long itself, and not every shell of the user's has the same. Who opens a socket there
        # checks that the folder is this user's.
        return f"/tmp/{_APP}-{_user()}/{_digest(str(path))}.sock"  # noqa: S108

    @classmethod
    def default(cls, config: Path | None = None) -> "Profile":
        """The user's own profile, or the one that belongs to the configuration file ``config``.

        The folders are the platform's (``XDG_CONFIG_HOME``, ``XDG_STATE_HOME`` and ``XDG_RUNTIME_DIR`` are obeyed).
        """
        import platformdirs

        config_file = platformdirs.user_config_path(_APP, appauthor=False) / "config.toml"
        state = platformdirs.user_state_path(_APP, appauthor=False)
        log = platformdirs.user_log_path(_APP, appauthor=False)
        runtime = _runtime_folder(state)
        if config is None or _same(config, config_file):
            return cls("default", config_file, state, log, runtime)
        name = profile_name(config)
        inside = Path("profiles") / name
        return cls(name, Path(os.path.abspath(config)), state / inside, log / inside, runtime / inside)

    @classmethod
    def throwaway(cls, folder: Path) -> "Profile":
        """A profile wholly inside ``folder``, as the demo and tests use: it never touches the user's own."""
        return cls("throwaway", folder / "config.toml", folder, folder, folder / "run")


def profile_name(config: Path) -> str:
    """A name for the profile of ``config``: the same for the same absolute path, links not resolved.

    A link stays the name that the person gave: where it points may change with every version of the file.
    """
    path = os.path.normcase(os.path.abspath(config))
    stem = "".join(char if char.isalnum() and char.isascii() else "-" for char in Path(path).stem)[:24]
    return f"{stem}-{_digest(path)}"


def _same(one: Path, other: Path) -> bool:
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))


def _user() -> str:
    if sys.platform == "win32":
        return os.environ.get("USERNAME", "")
    return str(os.getuid())


def _digest(text: str) -> str:
    """Ten hexadecimal digits: a name, no protection."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:10]


def _runtime_folder(state: Path) -> Path:
    """The folder for sockets: private, emptied at log-out; where the system has none, inside the state folder."""
    if sys.platform in {"win32", "darwin"}:
        return state / "run"
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    # The second is where systemd puts it: a shell without the variable (su, cron) must find the same socket.
    for folder in (given, f"/run/user/{_user()}"):
        if os.path.isabs(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder) / _APP
    return state / "run"
