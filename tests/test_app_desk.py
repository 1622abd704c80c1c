"""What a person does from the menu, and what is told on a change: put together as the app does it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, running, start, token_of, wait_for, wait_for_state, write_profile
from traymon.app import App
from traymon.config import Config
from traymon.keeper.core import State
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="openers are scripts here")


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(token_of("bot"), "bot", team="Acme")
        yield simulator


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a desktop's opener notes what it was to show."""
    noted, folder = tmp_path / "opened", tmp_path / "bin"
    folder.mkdir()
    opener = folder / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" >> "{noted}"\n')
    opener.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":none")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return noted


@pytest.fixture
def app(slack: Simulator, tmp_path: Path) -> Iterator[App]:
    with running(write_profile(tmp_path / "profile", {"bot": slack.api_url})) as app:
        wait_for_state(app, "bot", State.ONLINE)
        yield app


def test_the_report_of_a_running_bot_is_made_anew_and_shown(app: App, opened: Path) -> None:
    app.chosen("log")
    report = app.profile.report
    assert opened.read_text().splitlines() == [str(report)]
    page = report.read_text()
    assert "Acme" in page, "as Slack calls the workspace, which only the running app knows"
    assert report.stat().st_mode & 0o077 == 0
    before = report.stat().st_ino
    app.chosen("log")
    assert report.stat().st_ino != before


def test_where_no_report_can_be_made_the_text_log_is_shown(app: App, opened: Path) -> None:
    app.profile.report.mkdir()
    app.chosen("log")
    assert opened.read_text().splitlines() == [str(app.profile.text_log)]


def test_a_log_that_is_not_there_yet_is_said_and_not_opened(tmp_path: Path, opened: Path) -> None:
    said: list[str] = []
    app = App(write_profile(tmp_path / "profile", {}), Config(()), say=said.append, watchers=[])
    app.start()
    try:
        app.chosen("textlog")
    finally:
        app.stop()
    assert said == ["The session log: There is no text log yet: it begins with the first entry of a bot."]
    assert not opened.exists()


def test_diagnostics_without_a_clipboard_are_a_file(
    app: App, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(opened.parent / "bin"))
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    app.chosen("diagnostics")
    (path,) = opened.read_text().splitlines()
    text = Path(path).read_text()
    assert "traymon diagnostics" in text
    assert "online" in text
    assert token_of("bot") not in text
    assert "Acme" not in text


def test_notifications_stay_off_over_a_restart(slack: Simulator, tmp_path: Path) -> None:
    profile = write_profile(tmp_path, {"bot": slack.api_url})
    with running(profile) as app:
        assert app.desk.wants_notifications
        app.chosen("notifications")
        assert not app.desk.wants_notifications
        assert not app.desk.choices.notifications
    with running(profile) as app:
        assert not app.desk.wants_notifications
        app.chosen("notifications")
        assert app.desk.wants_notifications


def test_start_at_login_is_switched_on_and_off_and_told_where_it_cannot(home: Path, opened: Path) -> None:
    said: list[str] = []
    app = App(write_profile(home / "profile", {}), Config(()), say=said.append, watchers=[])
    app.start()
    try:
        app.desk.look()
        assert app.desk.choices.autostart is False
        app.chosen("autostart")
        assert app.desk.choices.autostart is True
        folder = home / ".config" / "autostart"
        assert [file.suffix for file in folder.iterdir()] == [".desktop"]
        app.chosen("autostart")
        assert app.desk.choices.autostart is False
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        folder.write_text("no folder")
        assert said == []
        app.chosen("autostart")
        assert app.desk.choices.autostart is not True
    finally:
        app.stop()
    assert [sentence.partition(": ")[0] for sentence in said] == ["Start at login"]
    assert "Traceback" not in said[0]


def test_about_says_where_things_are(home: Path) -> None:
    said: list[str] = []
    app = App(write_profile(home / "profile", {}), Config(()), say=said.append, watchers=[])
    app.start()
    try:
        app.chosen("about")
    finally:
        app.stop()
    assert str(app.profile.config_file) in said[0]
    assert str(app.profile.text_log) in said[0]


def test_a_new_token_is_taken_in_for_the_next_link(slack: Simulator, tmp_path: Path) -> None:
    """The configuration did not change: the token's file did. What the set-up page does at its end."""
    slack.add_bot(token_of("new"), "bot", team="Acme")
    profile = write_profile(tmp_path, {"bot": slack.api_url})
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        (profile.config_file.parent / "bot.token").write_text(token_of("new"))
        app.desk._set_up_done("bot")
        assert slack.wait(lambda: slack.open_links(token_of("new")) == 1, PATIENCE_S)
        assert slack.wait(lambda: slack.open_links(token_of("bot")) == 0, PATIENCE_S)
    links = slack.truth().links
    assert [link.token for link in links] == [token_of("bot"), token_of("new")], "no link in between"


def test_on_change_is_run_for_every_state_in_order(slack: Simulator, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    script = tmp_path / "note.py"
    names = ["BOT", "STATE", "PREVIOUS_STATE", "CAUSE", "TRANSPORT"]
    script.write_text(
        "import json, os, sys\n"
        f"facts = [os.environ['TRAYMON_' + name] for name in {names!r}]\n"
        "facts.append('SLACK_BOT_TOKEN' in os.environ)\n"
        f"open({str(noted)!r}, 'a').write(json.dumps(facts) + chr(10))\n"
    )
    profile = write_profile(tmp_path, {"bot": slack.api_url})
    text = profile.config_file.read_text()
    profile.config_file.write_text(f"on_change = {json.dumps([sys.executable, str(script)])}\n{text}")

    def told() -> list[object]:
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        app.pause()
        wait_for_state(app, "bot", State.PAUSED)
        app.resume()
        wait_for(app, lambda: len(told()) >= 5, what="five runs of the command")
    assert told()[:5] == [
        ["bot", "connecting", "unknown", "", "rtm", False],
        ["bot", "online", "connecting", "", "rtm", False],
        ["bot", "paused", "online", "", "rtm", False],
        ["bot", "connecting", "paused", "", "rtm", False],
        ["bot", "online", "connecting", "", "rtm", False],
    ]


def test_on_change_is_read_anew_with_the_rest(slack: Simulator, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    profile = write_profile(tmp_path, {"bot": slack.api_url})
    with running(profile) as app:
        wait_for_state(app, "bot", State.ONLINE)
        text = profile.config_file.read_text()
        command = ["sh", "-c", f'echo "$TRAYMON_STATE" >> "{noted}"']
        profile.config_file.write_text(f"on_change = {json.dumps(command)}\n{text}")
        app.reload()
        app.pause()
        wait_for(app, lambda: noted.exists() and noted.read_text() != "", what="a run of the command")
        assert noted.read_text() == "paused\n"


def test_a_start_at_login_beside_a_running_one_is_no_matter(slack: Simulator, home: Path) -> None:
    profile = write_profile(home, {"bot": slack.api_url})
    first = start(profile)
    try:
        assert slack.wait(lambda: slack.open_links(token_of("bot")) == 1, PATIENCE_S)
        options = ["--config", str(profile.config_file), "run", "--no-tray", "--at-login"]
        second = subprocess.run(
            [sys.executable, "-m", "traymon", *options],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
        assert slack.open_links(token_of("bot")) == 1
    finally:
        first.kill()
        first.communicate(timeout=PATIENCE_S)
