"""One running traymon for each profile, by a lock that the operating system lets go when its holder dies.

The lock is on an open file, not the file's existence: a file left behind by a crash or a power cut blocks nothing.
"""

import contextlib
import os
import sys
from pathlib import Path
from types import TracebackType

from traymon import words
from traymon.paths import Profile


class AlreadyRunning(Exception):  # noqa: N818 - a plain statement of what is so
    """Another traymon holds the profile. ``pid`` is its process, where it could be read."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        if pid is None:
            sentence = words.gettext(
                "traymon already runs for this profile: use its tray icon, or end it with “traymon quit”."
            )
        else:
            sentence = words.gettext(
                "traymon already runs for this profile (process {pid}): use its tray icon, or end it with “traymon "
                "quit”."
            ).format(pid=pid)
        super().__init__(sentence)


if sys.platform == "win32":
    import msvcrt

    # The locked byte cannot be read by others: far behind the text, which they shall read.
    _LOCKED_BYTE = 1 << 20

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        # flock, not lockf: POSIX locks are lost when any descriptor of the file is closed in the process.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class InstanceLock:
    """The held lock; :meth:`release` or the end of the process lets it go."""

    def __init__(self, descriptors: list[int]) -> None:
        self._descriptors = descriptors

    def release(self) -> None:
        """Let the profile go; a second call does nothing. The file stays: removing it would race with a starter."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> "InstanceLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire_profile(profile: Profile) -> InstanceLock:
    """Take ``profile``'s lock, as :func:`acquire` does.

    A second lock lies beside the control socket: it counts while the state folder, where the first one is, cannot be
    used, as such a folder must keep nobody from holding the bots.
    """
    return acquire(profile.lock_file, profile.runtime_dir / profile.lock_file.name)


def holder(profile: Profile) -> int | None:
    """The process that holds ``profile``'s lock, as far as it can be seen: of this user's, and on Linux only.

    The lock itself is not tried, as that could keep one out that is just starting.
    """
    try:
        descriptor = os.open(profile.lock_file, os.O_RDONLY)
    except OSError:
        return None
    try:
        pid, locked = _read_pid(descriptor), os.fstat(descriptor)
    finally:
        os.close(descriptor)
    files = Path(f"/proc/{pid}/fd")
    try:
        opened = list(files.iterdir())
    except OSError:
        return None
    for file in opened:
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.path.samestat(file.stat(), locked):
                return pid
    return None


def acquire(*lock_files: Path) -> InstanceLock:
    """Take every one of ``lock_files`` that can be had, creating it and its folder (for this user only) if missing.

    Raises :class:`AlreadyRunning` when another process holds one of them, and :class:`OSError` when no lock can be
    had at all (folders that cannot be written, file systems without locks): then nothing is known of others.
    """
    lock = InstanceLock(held := [])
    problems = []
    for lock_file in lock_files:
        try:
            held.append(_acquire(lock_file))
        except OSError as error:
            problems.append(error)
        except AlreadyRunning:
            lock.release()
            raise
    if not held:
        raise problems[0]
    return lock


def _acquire(lock_file: Path) -> int:
    with contextlib.suppress(FileExistsError):  # should it be no folder, opening the file says so
        lock_file.parent.mkdir(parents=True, mode=0o700)
    descriptor = _open(lock_file)
    try:
        if not _try_lock(descriptor):
            raise AlreadyRunning(_read_pid(descriptor))
        # Only a help for people; a full disk must not keep traymon from starting.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(lock_file: Path) -> int:
    try:
        return os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        # A file system that has become read-only: the file that is there can be locked all the same.
        with contextlib.suppress(OSError):
            return os.open(lock_file, os.O_RDONLY)
        raise


def _read_pid(descriptor: int) -> int | None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return int(os.read(descriptor, 20))
    except (OSError, ValueError):
        return None
