"""One instance: a living holder keeps others out, a dead one keeps out nobody."""

import os
import subprocess
import sys

import pytest

from traymon.desktop import instance
from traymon.desktop.instance import AlreadyRunning, acquire
from traymon.paths import Profile

HOLDER = """
import sys
from pathlib import Path
from traymon.desktop.instance import acquire
lock = acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Start processes that hold a lock until they are ended."""
    started = []

    def start(lock_file):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lock_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def read_only():
    """Make a file one that cannot be written: by its mode, or, where that keeps nobody out (root), by a mount."""
    mounts = []

    def make(file):
        file.chmod(0o400)
        if os.access(file, os.W_OK):
            for options in (["--bind", file, file], ["-o", "remount,ro,bind", file]):
                if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
                    pytest.skip("may not mount")
                mounts.append(file)

    yield make
    for file in mounts[:1]:
        subprocess.run(["umount", "--lazy", file], check=True)


def test_a_second_process_is_kept_out_and_told_by_whom(tmp_path, hold):
    lock_file = tmp_path / "new" / "folder" / "traymon.lock"
    holder = hold(lock_file)
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}") as caught:
        acquire(lock_file)
    assert caught.value.pid == holder.pid
    assert "traymon quit" in str(caught.value)


def test_a_killed_holder_leaves_a_file_that_blocks_nobody(tmp_path, hold):
    lock_file = tmp_path / "traymon.lock"
    holder = hold(lock_file)
    holder.kill()
    holder.wait()
    assert lock_file.read_text() == f"{holder.pid}\n"
    with acquire(lock_file):
        assert lock_file.read_text() == f"{os.getpid()}\n"


def test_release_lets_the_next_one_in_and_may_be_repeated(tmp_path, hold):
    lock = acquire(tmp_path / "lock")
    with pytest.raises(AlreadyRunning):
        acquire(tmp_path / "lock")
    lock.release()
    lock.release()
    hold(tmp_path / "lock")


def test_a_child_process_does_not_inherit_the_lock(tmp_path):
    with acquire(tmp_path / "lock"):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
    try:
        acquire(tmp_path / "lock").release()
    finally:
        child.kill()
        child.communicate()


def test_profiles_do_not_disturb_each_other(tmp_path):
    with acquire(tmp_path / "one"), acquire(tmp_path / "other"):
        pass


def test_rubbish_in_the_file_is_no_pid(tmp_path):
    (tmp_path / "lock").write_bytes(b"\xff\x00 not a number")
    with acquire(tmp_path / "lock") as held:
        assert held is not None
        (tmp_path / "lock").write_bytes(b"rubbish")
        with pytest.raises(AlreadyRunning) as caught:
            acquire(tmp_path / "lock")
    assert caught.value.pid is None
    assert "process" not in str(caught.value)


def test_one_usable_file_of_several_is_enough_and_any_held_one_keeps_others_out(tmp_path, hold):
    (tmp_path / "file").touch()
    unusable, other = tmp_path / "file" / "lock", tmp_path / "other"
    with acquire(unusable, other):
        with pytest.raises(AlreadyRunning):
            acquire(tmp_path / "first", other)
        with acquire(tmp_path / "first"):
            pass  # the attempt that failed has let go of it
    holder = hold(other)
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
        acquire(unusable, other)
    with pytest.raises(OSError, match="Not a directory"):
        acquire(unusable, tmp_path / "file" / "another")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no file that is open for reading only")
def test_a_file_that_has_become_read_only_is_locked_all_the_same(tmp_path, hold, read_only):
    holder = hold(tmp_path / "lock")
    read_only(tmp_path / "lock")
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
        acquire(tmp_path / "lock")


def test_where_no_lock_can_be_had_it_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        acquire(tmp_path / "file" / "lock")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps folders private by the profile")
def test_folder_and_file_are_the_users_own(tmp_path):
    with acquire(tmp_path / "state" / "lock"):
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "state" / "lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="can be seen on Linux only")
def test_who_holds_it_can_be_seen_without_touching_anything(tmp_path):
    profile = Profile.throwaway(tmp_path)
    assert instance.holder(profile) is None
    assert list(tmp_path.iterdir()) == []
    with instance.acquire_profile(profile):
        assert instance.holder(profile) == os.getpid()
        assert instance.holder(profile) == os.getpid()
    assert instance.holder(profile) is None
    instance.acquire_profile(profile).release()
