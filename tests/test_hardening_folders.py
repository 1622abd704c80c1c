"""Folders that break under a running traymon, or were broken before: what a person sees, and that nothing is lost."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stage import ONLINE, Stage, mounted, sentence, staged
from traymon.desktop.instance import AlreadyRunning, acquire_profile
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts, and folders where Linux has them")


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(home, slack, monkeypatch) as stage:
        stage.configure(f'token = "file:{stage.keep_token()}"')
        yield stage


def test_a_home_that_cannot_be_written(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    own = home / "person"
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.delenv("XDG_STATE_HOME")
    with mounted(own, "rw") as remount, staged(own, slack, monkeypatch) as stage:
        stage.configure(f'token = "file:{stage.keep_token()}"')
        remount("ro")
        process = stage.start()
        stage.hold(logged=False)
        shown = stage.status(ONLINE, '"logged": false').stdout
        assert "Not in the session log yet." in shown
        at_login = stage.traymon("autostart", "on")
        assert at_login.returncode == 1
        assert "Read-only file system" in sentence(at_login.stderr)
        assert stage.traymon("log").returncode == 0
        remount("rw")
        said = sentence(stage.end(process))
        assert said in shown
        assert f"The session log {stage.profile.db} cannot be written (Read-only file system)" in said
        assert "traymon holds the bots all the same" in said
        stage.assert_whole()


@pytest.mark.parametrize("which", ["state", "log", "both"])
def test_a_folder_that_is_removed(stage: Stage, which: str) -> None:
    profile = stage.profile
    folder = {"state": profile.state_dir, "log": profile.log_dir, "both": profile.state_dir.parents[1]}[which]
    assert which != "both" or profile.log_dir.is_relative_to(folder)
    process = stage.start()
    stage.hold()
    folder.rename(folder.with_name("removed"))
    shutil.rmtree(folder.with_name("removed"))
    stage.hold_again()
    said = f"The text log {profile.text_log} was" if which == "log" else f"The session log {profile.db} was"
    shown = stage.status(ONLINE, said).stdout
    with pytest.raises(AlreadyRunning):
        acquire_profile(profile)
    ended = [sentence(line) for line in stage.end(process).splitlines(keepends=True)]
    removed = [each for each in ended if "was removed while traymon ran: traymon has" in each]
    assert removed[-1] in shown
    stage.assert_whole(stops=2)
    assert len(stage.slack.truth().links_of(stage.token)) == 2


def test_the_folder_of_the_control_socket_is_removed(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    assert Path(stage.profile.control_address).is_relative_to(stage.profile.runtime_dir)
    shutil.rmtree(stage.profile.runtime_dir)
    asked = stage.traymon("status")
    assert asked.returncode == 3
    assert sentence(asked.stderr) == (
        f"traymon runs (process {process.pid}), but takes no questions at {stage.profile.control_address}: it may be "
        f"starting or ending; if that lasts, end it with “kill {process.pid}” and start it again."
    )
    second = stage.traymon("run", "--no-tray")
    assert second.returncode == 1
    assert f"already runs for this profile (process {process.pid})" in sentence(second.stderr)
    stage.hold_again()
    assert stage.end(process) == ""
    stage.assert_whole(stops=2)
