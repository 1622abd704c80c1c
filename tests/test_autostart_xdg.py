"""XDG autostart: real files, and for each of them what a desktop would do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from traymon.desktop.autostart import AutostartError, Kind, entry
from traymon.desktop.autostart.command import login_command
from traymon.desktop.autostart.xdg import XdgAutostart
from traymon.paths import Profile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


class Desk:
    """A home folder, and what is installed."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "bin" / "traymon"
        self.program.parent.mkdir()
        self.program.write_text("#!/bin/sh\n")
        self.program.chmod(0o700)
        self.command = [str(self.program), "run", "--at-login"]
        self.file = folder / "config" / "autostart" / "traymon.desktop"
        self.shared = folder / "xdg" / "autostart" / "traymon.desktop"
        self.environ = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CONFIG_DIRS": f"relative:{folder / 'none'}:{folder / 'xdg'}",
            "XDG_CURRENT_DESKTOP": "XFCE",
            "PATH": str(folder / "bin"),
        }

    @property
    def autostart(self) -> XdgAutostart:
        """Made anew, as by another start of the program."""
        return XdgAutostart("default", self.command, self.environ)

    def write(self, *lines: str, file: Path | None = None, command: str | None = None) -> str:
        """An entry that starts ``command`` (this traymon), with more lines."""
        file = file or self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        own = entry.escaped(entry.quoted(self.command))
        text = "\n".join(["[Desktop Entry]", "Type=Application", "Name=x", f"Exec={command or own}", *lines])
        file.write_text(text + "\n")
        return text + "\n"


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_on_and_off_and_as_before(desk):
    assert desk.autostart.state().kind is Kind.OFF
    desk.autostart.turn_on()
    assert desk.autostart.state() == desk.autostart.state()
    assert desk.autostart.state().is_on
    assert desk.autostart.state().why == ""
    keys = entry.read_entry(desk.file.read_text())
    assert entry.split_exec(entry.unescaped(keys["Exec"])) == desk.command
    assert keys["TryExec"] == str(desk.program)
    before = desk.file.stat()
    desk.autostart.turn_on()
    assert desk.file.stat().st_ino == before.st_ino, "what is right is not written again"
    desk.autostart.turn_off()
    assert desk.autostart.state().kind is Kind.OFF
    assert list(desk.file.parent.iterdir()) == []
    desk.autostart.turn_off()


def test_where_the_entry_is(desk, tmp_path):
    assert desk.autostart.where == str(desk.file)
    for wrong in ("", "relative"):
        desk.environ["XDG_CONFIG_HOME"] = wrong
        assert desk.autostart.where == str(tmp_path / ".config" / "autostart" / "traymon.desktop")
    other = XdgAutostart("work-12", desk.command, desk.environ)
    assert other.where.endswith("/traymon-work-12.desktop")


@pytest.mark.parametrize(
    "line",
    ["Hidden=true", "X-GNOME-Autostart-enabled=false", "Hidden = true\nX-GNOME-Autostart-enabled=false"],
)
def test_switched_off_in_the_desktops_settings(desk, line):
    text = desk.write(line, "X-Mine=1")
    state = desk.autostart.state()
    assert state.kind is Kind.DISABLED
    assert "settings" in state.why
    desk.autostart.turn_on()
    assert desk.autostart.state().is_on
    assert desk.file.read_text() == text.replace(f"{line}\n", ""), "nothing but the switch is taken out"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("OnlyShowIn=GNOME;KDE;", "OnlyShowIn"),
        ("NotShowIn=XFCE;", "NotShowIn"),
        ("TryExec=/none/traymon", "/none/traymon"),
        ("TryExec=not-in-the-path", "not-in-the-path"),
    ],
)
def test_passed_over_for_what_somebody_wrote_there(desk, line, named):
    text = desk.write(line)
    state = desk.autostart.state()
    assert state.kind is Kind.DISABLED
    assert named in state.why
    with pytest.raises(AutostartError, match="--replace"):
        desk.autostart.turn_on()
    assert desk.file.read_text() == text
    desk.autostart.turn_on(replace=True)
    assert desk.autostart.state().is_on


@pytest.mark.parametrize(
    "line",
    [
        "Hidden=false",
        "X-GNOME-Autostart-enabled=true",
        "OnlyShowIn=XFCE;",
        "NotShowIn=KDE;",
        "TryExec=traymon",
        "X-GNOME-Autostart-Delay=10",
        "[Other]\nHidden=true",
    ],
)
def test_what_does_not_keep_it_from_starting(desk, line):
    desk.write(line)
    assert desk.autostart.state().is_on


@pytest.mark.parametrize(
    "command",
    ["/usr/bin/env A=secret traymon run", "sh -c 'sleep 10; traymon'", "traymon run --at-login --more"],
)
def test_an_entry_changed_by_hand_is_told_and_left(desk, command):
    text = desk.write(command=command)
    state = desk.autostart.state()
    assert state.kind is Kind.BROKEN
    assert command.split()[0] in state.why
    assert "secret" not in state.why
    for change in (desk.autostart.turn_on, desk.autostart.turn_off):
        with pytest.raises(AutostartError) as caught:
            change()
        assert str(caught.value) == state.why
        assert desk.file.read_text() == text
    desk.autostart.turn_on(replace=True)
    assert desk.autostart.state().is_on
    desk.write(command=command)
    desk.autostart.turn_off(replace=True)
    assert desk.autostart.state().kind is Kind.OFF


@pytest.mark.parametrize("start", ["{}", "{} -P -m traymon"])
def test_an_entry_of_a_traymon_that_is_gone_is_ours(desk, tmp_path, start):
    gone = tmp_path / "old" / "python"
    for change, kind in (("turn_on", Kind.ON), ("turn_off", Kind.OFF)):
        desk.write(command=start.format(gone) + " run --at-login")
        state = desk.autostart.state()
        assert state.kind is Kind.BROKEN
        assert f"{gone}, which is not there any more" in state.why
        getattr(desk.autostart, change)()
        assert desk.autostart.state().kind is kind


def test_an_entry_of_another_traymon_that_is_there_is_not_ours(desk, tmp_path):
    other = tmp_path / "other"
    shutil.copy(desk.program, other)
    desk.write(command=f"{other} run --at-login")
    assert desk.autostart.state().kind is Kind.BROKEN
    with pytest.raises(AutostartError):
        desk.autostart.turn_on()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[Desktop Entry]\nType=Application\n",
        b'[Desktop Entry]\nExec="x\n',
        b"[Other]\nExec=x\n",
    ],
)
def test_a_file_that_starts_nothing(desk, content):
    desk.file.parent.mkdir(parents=True)
    desk.file.write_bytes(content)
    assert desk.autostart.state().kind is Kind.BROKEN
    with pytest.raises(AutostartError, match="starts anything"):
        desk.autostart.turn_on()
    assert desk.file.read_bytes() == content
    desk.autostart.turn_on(replace=True)
    assert desk.autostart.state().is_on


def test_a_folder_in_the_entrys_place(desk):
    desk.file.mkdir(parents=True)
    assert desk.autostart.state().kind is Kind.BROKEN
    with pytest.raises(AutostartError, match="could not be changed"):
        desk.autostart.turn_on(replace=True)
    assert [each.name for each in desk.file.parent.iterdir()] == ["traymon.desktop"], "no draft is left"


def test_a_folder_that_cannot_be_made(desk, tmp_path):
    (tmp_path / "config").write_text("a file")
    assert desk.autostart.state().kind is Kind.OFF
    with pytest.raises(AutostartError, match="could not be changed"):
        desk.autostart.turn_on()


def test_a_link_stays_a_link(desk, tmp_path):
    kept = tmp_path / "dotfiles" / "traymon.desktop"
    desk.write("Hidden=true", file=kept)
    desk.file.parent.mkdir(parents=True)
    desk.file.symlink_to(kept)
    desk.autostart.turn_on()
    assert desk.file.is_symlink()
    assert "Hidden" not in kept.read_text()
    desk.autostart.turn_off()
    assert not desk.file.is_symlink()
    assert kept.exists()


def test_a_command_that_no_entry_can_hold(desk, tmp_path):
    autostart = XdgAutostart("default", [f"{tmp_path}/a=b/traymon", "run"], desk.environ)
    with pytest.raises(AutostartError, match="another folder"):
        autostart.turn_on()
    assert not desk.file.exists()


# An entry for all users, as a distribution's package brings it


def test_an_entry_for_all_users_is_hidden_and_shown_again(desk):
    text = desk.write(file=desk.shared)
    assert desk.autostart.state().is_on
    desk.autostart.turn_on()
    assert not desk.file.exists()
    desk.autostart.turn_off()
    assert desk.autostart.state().kind is Kind.OFF
    assert entry.is_true(entry.read_entry(desk.file.read_text())["Hidden"])
    desk.autostart.turn_off()
    desk.autostart.turn_on()
    assert desk.autostart.state().is_on
    desk.autostart.turn_off()
    assert desk.autostart.state().kind is Kind.OFF
    assert desk.shared.read_text() == text


def test_an_entry_for_all_users_that_is_switched_off_gets_an_own_one(desk):
    text = desk.write("X-GNOME-Autostart-enabled=false", file=desk.shared)
    assert desk.autostart.state().kind is Kind.DISABLED
    desk.autostart.turn_on()
    assert desk.autostart.state().is_on
    assert desk.file.exists()
    assert desk.shared.read_text() == text


# The real command


def test_the_entry_starts_this_very_program(home):
    """As a desktop does: the Exec line split, in the home folder, with a short PATH."""
    autostart = XdgAutostart("default", login_command(Profile.default()), {"HOME": str(home)})
    autostart.turn_on()
    keys = entry.read_entry(Path(autostart.where).read_text(encoding="utf-8"))
    *start, run, at_login = entry.split_exec(entry.unescaped(keys["Exec"]))
    assert (run, at_login) == ("run", "--at-login")
    assert os.access(keys["TryExec"], os.X_OK)
    # What a folder of that name would do to "python -m traymon" started from there.
    (home / "traymon").mkdir()
    (home / "traymon" / "__init__.py").write_text("raise SystemExit('the wrong traymon')")
    done = subprocess.run(
        [*start, "--version"],
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("traymon ")
