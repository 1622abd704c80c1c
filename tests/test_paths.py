"""Paths: where a profile's files are, the same every time, and never where others meet them."""

import os
import sys
from pathlib import Path

import pytest

from traymon.paths import Profile, profile_name

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the folders are the platform's")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_default_profile_is_in_the_platforms_folders(home):
    profile = Profile.default(None)
    assert profile.name == "default"
    assert profile.config_file == home / ".config/traymon/config.toml"
    assert profile.db == home / ".local/state/traymon/sessions.sqlite3"
    assert profile.text_log == profile.log_dir / "sessions.log"
    assert profile.lock_file.parent == profile.state_dir


def test_the_xdg_variables_are_obeyed(home, monkeypatch):
    runtime = home / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "s"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    profile = Profile.default(None)
    assert profile.config_file == home / "c/traymon/config.toml"
    assert profile.state_dir == home / "s/traymon"
    assert Path(profile.control_address).parent == runtime / "traymon"


@pytest.mark.parametrize("given", ["relative/run", "/nonexistent/run"])
def test_a_runtime_folder_that_cannot_be_used_gives_way(home, monkeypatch, given):
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    profile = Profile.default(None)
    assert given not in profile.control_address
    assert Path(profile.control_address).is_absolute()


def test_the_lock_does_not_hang_on_the_runtime_folder(home, monkeypatch):
    without = Profile.default(None).lock_file
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    assert Profile.default(None).lock_file == without


def test_another_file_has_a_profile_of_its_own_and_always_the_same(home, monkeypatch):
    work = home / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    one, again = Profile.default(Path("bots.toml")), Profile.default(work / "bots.toml")
    other = Profile.default(home / "bots.toml")
    default = Profile.default(None)
    assert one == again
    assert len({one.name, other.name, default.name}) == 3
    for attribute in ("db", "text_log", "lock_file", "control_address"):
        assert len({str(getattr(profile, attribute)) for profile in (one, other, default)}) == 3
    assert one.config_file == work / "bots.toml"


def test_the_default_file_named_by_hand_is_the_default_profile(home):
    default = Profile.default(None)
    assert Profile.default(default.config_file) == default


def test_a_link_stays_the_name_that_was_given(tmp_path):
    (tmp_path / "a.toml").touch()
    (tmp_path / "b.toml").symlink_to(tmp_path / "a.toml")
    assert profile_name(tmp_path / "a.toml") != profile_name(tmp_path / "b.toml")


def test_a_profiles_name_can_be_a_folder_whatever_the_files_name_is(tmp_path):
    name = profile_name(tmp_path / ("ボット \x1b$(rm) .." + "x" * 200 + ".toml"))
    assert len(name) < 50
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def test_a_throwaway_profile_is_wholly_in_its_folder(tmp_path):
    profile = Profile.throwaway(tmp_path)
    for path in (profile.config_file, profile.db, profile.text_log, profile.lock_file, profile.runtime_dir):
        assert path.is_relative_to(tmp_path)


@pytest.mark.parametrize("length", [10, 60, 90, 200])
def test_a_socket_address_is_short_enough_for_every_system(length):
    folder = Path("/tmp") / ("x" * length) / "y"
    profile = Profile.throwaway(folder)
    assert len(os.fsencode(profile.control_address)) <= 100
    assert profile.control_address == Profile.throwaway(folder).control_address
    short = profile.control_address.startswith(str(profile.runtime_dir))
    assert short == (length <= 60)


def test_two_long_addresses_differ():
    one, other = (Profile.throwaway(Path("/tmp") / ("x" * 150) / name) for name in ("a", "b"))
    assert one.control_address != other.control_address
