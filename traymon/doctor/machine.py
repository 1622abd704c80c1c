"""The checks of this machine that need no desktop: another traymon, the keyring, the session log and its folders."""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traymon import secrets, words
from traymon.config import BotConfig
from traymon.desktop.control import ControlError, NotRunning, ask
from traymon.desktop.instance import AlreadyRunning, acquire
from traymon.doctor.results import Finding, Outcome
from traymon.paths import Profile
from traymon.sessionlog.view import LogUnreadableError, LogView

ASK_LIMIT_S = 1.5
"""For each step of a question to the running traymon, which answers at once unless it is stopped."""
DATABASE_LIMIT_S = 10.0
"""For reading the whole file once: hundreds of MB, where years of sessions take some MB."""
_STEPS = 10_000
"""SQLite's own steps between two looks at the clock: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Running:
    """Whether traymon runs for the profile, and where it says its icon is."""

    runs: bool
    finding: Finding
    tray: str | None = None


def look_for_running(profile: Profile) -> Running:
    """Ask the running traymon, if there is one. Raises nothing; takes some seconds at most."""
    try:
        answer = ask(profile.control_address, {"do": "status"}, ASK_LIMIT_S)
    except NotRunning:
        return _by_lock(profile)
    except ControlError as error:
        text = words.gettext("{problem} End it and start it again.").format(problem=error)
        return Running(True, Finding(Outcome.WARNING, text))
    tray = answer.get("tray")
    states = ", ".join(
        f"{bot.get('name')}: {words.state(str(bot.get('state')))}" for bot in answer.get("bots") or []
    )
    text = words.gettext("traymon runs for this profile and answers ({states}).").format(
        states=states or words.gettext("no bots yet")
    )
    return Running(True, Finding(Outcome.OK, text), tray if isinstance(tray, str) else None)


def _by_lock(profile: Profile) -> Running:
    # Only files that are there: the doctor makes none.
    beside = profile.runtime_dir / profile.lock_file.name
    locks = [path for path in (profile.lock_file, beside) if path.is_file()]
    try:
        if locks:
            acquire(*locks).release()
    except AlreadyRunning:
        text = words.gettext(
            "traymon runs for this profile, but cannot be asked. End its process and start it again."
        )
        return Running(True, Finding(Outcome.WARNING, text))
    except OSError:
        pass  # nothing is known of others; the folders' own check says why
    return Running(False, Finding(Outcome.OK, words.gettext("No traymon runs for this profile.")))


def keyring(bots: Sequence[BotConfig], profile: str) -> Finding:
    """Whether the keyring can be read without a question to the person. Raises SecretUnavailable where it matters."""
    needed = any("keyring" in (bot.token if bot.transport == "rtm" else bot.app_token,) for bot in bots)
    problem = None
    try:
        # An entry that is not there: that answer comes from a keyring that is open.
        secrets.read("keyring", "doctor", "token", profile=profile)
    except secrets.SecretUnavailable as error:
        problem = error if error.waits else None
    if problem is None:
        return Finding(Outcome.OK, words.gettext("Ready: {backend}.").format(backend=_backend()))
    if needed:
        raise problem
    text = words.gettext("Not needed, as no bot keeps its token there ({problem})")
    return Finding(Outcome.SKIPPED, text.format(problem=problem))


def _backend() -> str:
    import keyring as library

    return str(library.get_keyring().name)


def database(db: Path) -> Finding:
    """Whether the session log's file can be read, is of this version and is whole."""
    try:
        size = db.stat().st_size
        LogView(db).totals(since=time.time_ns() // 1_000_000)
    except FileNotFoundError:
        return Finding(
            Outcome.SKIPPED, words.gettext("There is none yet; traymon makes it at its first start.")
        )
    except OSError as error:
        return Finding(Outcome.FAILED, _unusable(db, error))
    except LogUnreadableError as error:
        return Finding(Outcome.FAILED, str(error))
    try:
        version, verdict = _quick_check(db)
    except sqlite3.OperationalError as error:
        text = words.gettext("It can be read, but was not checked to the end ({problem}).")
        return Finding(Outcome.WARNING, text.format(problem=error))
    except sqlite3.DatabaseError as error:
        verdict, version = str(error), 0
    if verdict != "ok":
        text = words.gettext(
            "{path} is damaged ({problem}). Restart traymon: it moves a damaged file aside and goes on with a new one."
        )
        return Finding(Outcome.FAILED, text.format(path=db, problem=verdict.splitlines()[0]))
    text = words.gettext("Whole; version {version}, {size:.1f} MB.")
    return Finding(Outcome.OK, text.format(version=version, size=size / 1_000_000))


def _quick_check(db: Path) -> tuple[int, str]:
    uri = f"{db.absolute().as_uri()}?mode=ro"
    limit = time.monotonic() + DATABASE_LIMIT_S
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > limit, _STEPS)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return version, str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])


def folders(profile: Profile) -> Finding:
    """Whether the text log and the session log can be written, by writing beside them."""
    for folder in dict.fromkeys((profile.log_dir, profile.state_dir)):
        try:
            _write_in(folder)
        except OSError as error:
            return Finding(Outcome.FAILED, _unusable(folder, error))
    return Finding(Outcome.OK, words.gettext("{path} can be written.").format(path=profile.log_dir))


def _write_in(folder: Path) -> None:
    """A file that goes by itself, in ``folder`` or, while that is not there, in the one that it will be made in."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(bytes(4096))


def _unusable(path: Path, error: OSError) -> str:
    return words.gettext("{path} cannot be used ({problem}): check its permissions and the disk.").format(
        path=path, problem=error.strerror or type(error).__name__
    )
