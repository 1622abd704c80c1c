"""What is started at login, and ``traymon autostart``."""

import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from traymon.cli import cli
from traymon.desktop.autostart import AutostartError, command, system_autostart
from traymon.desktop.autostart.command import Whose, login_command, whose
from traymon.paths import Profile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="writes the entry of this very system")


def run(*arguments):
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def file(home):
    return home / ".config" / "autostart" / "traymon.desktop"


# The command


def test_the_installed_script_is_started(tmp_path, monkeypatch):
    script = tmp_path / "traymon"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    monkeypatch.setattr(command.sysconfig, "get_path", lambda name, scheme=None: str(tmp_path))
    assert login_command(Profile.default()) == [str(script), "run", "--at-login"]
    script.chmod(0o600)
    assert login_command(Profile.default())[0] == sys.executable


def test_without_a_script_the_interpreter_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr(command.sysconfig, "get_path", lambda name, scheme=None: str(tmp_path))
    assert login_command(Profile.default()) == [sys.executable, "-P", "-m", "traymon", "run", "--at-login"]


def test_another_profile_is_named_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    profile = Profile.default(Path("work.toml"))
    assert login_command(profile)[-4:] == ["--config", str(tmp_path / "work.toml"), "run", "--at-login"]


def test_what_is_not_installed_cannot_be_started(tmp_path, monkeypatch):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(command.sysconfig, "get_path", lambda name, scheme=None: str(tmp_path))
    monkeypatch.setattr(metadata, "distribution", none)
    with pytest.raises(AutostartError, match="not installed"):
        system_autostart(Profile.default())
    done = run("autostart", "status")
    assert done.exit_code == 1
    assert "not installed" in done.stderr


def test_whose(tmp_path):
    own = [sys.executable, "-P", "-m", "traymon", "run", "--at-login"]
    gone = str(tmp_path / "traymon")
    assert whose(own, own) is Whose.OURS
    assert whose([gone, "run", "--at-login"], own) is Whose.GONE
    assert whose([gone, "-P", "-m", "traymon", "run", "--at-login"], own) is Whose.GONE
    assert whose([gone, "--config", "/other", "run", "--at-login"], own) is Whose.OTHER
    assert whose([gone, "run"], own) is Whose.OTHER
    assert whose([sys.executable, "run", "--at-login"], own) is Whose.OTHER
    assert whose([], own) is Whose.OTHER


# The command line


def test_on_off_and_status(file):
    done = run("autostart", "status")
    assert (done.exit_code, done.stdout) == (1, "off: traymon does not start when you log in.\n")
    done = run("autostart", "on")
    assert (done.exit_code, done.stderr) == (0, "")
    assert str(file) in done.stdout
    done = run("autostart", "status")
    assert (done.exit_code, done.stdout) == (0, f"on: traymon starts when you log in ({file}).\n")
    assert run("autostart", "off").exit_code == 0
    assert run("autostart", "off").exit_code == 0
    assert run("autostart", "status").exit_code == 1
    assert not file.exists()


def test_an_entry_that_is_not_ours(file):
    file.parent.mkdir(parents=True)
    file.write_text("[Desktop Entry]\nType=Application\nExec=sleep 9\n")
    done = run("autostart", "status")
    assert done.exit_code == 1
    assert "starts sleep" in done.stdout
    for change in ("on", "off"):
        done = run("autostart", change)
        assert done.exit_code == 1
        assert "--replace" in done.stderr
        assert "sleep 9" in file.read_text()
    assert run("autostart", "on", "--replace").exit_code == 0
    assert run("autostart", "status").exit_code == 0


def test_what_the_desktop_switched_off_is_said(file):
    run("autostart", "on")
    file.write_text(file.read_text() + "Hidden=true\n")
    done = run("autostart", "status")
    assert done.exit_code == 1
    assert "switched off" in done.stdout
    run("autostart", "on")
    assert run("autostart", "status").exit_code == 0


def test_a_configuration_of_its_own(home, file):
    config = home / "work.toml"
    done = run("--config", str(config), "autostart", "on")
    assert done.exit_code == 2
    assert "does not exist" in done.stderr
    config.write_text("")
    assert run("--config", str(config), "autostart", "on").exit_code == 0
    assert run("--config", str(config), "autostart", "status").exit_code == 0
    assert run("autostart", "status").exit_code == 1, "the default profile has an entry of its own"
    assert [each.name for each in file.parent.iterdir()] == [
        f"traymon-{Profile.default(config).name}.desktop"
    ]


def test_a_token_that_may_not_be_there_at_login_is_told(monkeypatch, file):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary")
    done = run("autostart", "on")
    assert "SLACK_BOT_TOKEN" in done.stdout
    assert "canary" not in done.output + file.read_text()


def test_a_broken_configuration_is_told(home):
    config = home / ".config" / "traymon" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("bots = 1")
    done = run("autostart", "on")
    assert done.exit_code == 0
    assert "cannot be used yet" in done.stdout
