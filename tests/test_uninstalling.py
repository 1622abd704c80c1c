"""``traymon uninstall``: everything that traymon put here goes, when asked, and nothing else."""

import os
import sys
import threading
import time

import keyring.errors
import pytest
from click.testing import CliRunner

from tests.keyrings import MemoryKeyring, used
from tests.support import PATIENCE_S, running, start, token_of, wait_for_state, write_profile
from traymon.cli import cli
from traymon.desktop.control import NotRunning, ask
from traymon.desktop.files import replace
from traymon.desktop.instance import acquire_profile
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.report.child import write_in_child
from traymon.setup.keeping import token_file
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at this very system's folders")


@pytest.fixture
def ring():
    backend = MemoryKeyring(a__token="xoxb-canary-1", old__token="xoxb-2", other__token="xoxb-3")
    with used(backend):
        yield backend


@pytest.fixture
def profile(home, ring):
    """One that was used: a bot in the keyring, a log with an earlier bot in it, its start at login."""
    profile = Profile.default()
    with Simulator() as slack:
        slack.add_bot(token_of("old"), "old")
        written = write_profile(home / "made", {"old": slack.api_url})
        profile.config_file.parent.mkdir(parents=True)
        lending = written.config_file.read_text().replace('"rtm"', '"rtm"\nrelay = true')
        profile.config_file.write_text(lending)
        with running(profile) as app:
            wait_for_state(app, "old", State.ONLINE)
            assert write_in_child(profile, {}) is None
    profile.diagnostics.touch()
    assert profile.relay_settings.exists()
    profile.config_file.write_text("[bots.a]\n")
    for path in (f"{profile.db}.damaged-20161220", f"{profile.text_log}.1"):
        with open(path, "w") as file:
            file.write("x")
    assert run("autostart", "on").exit_code == 0
    return profile


def run(*arguments, given=""):
    return CliRunner().invoke(cli, list(arguments), input=given)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_everything_goes(profile, home, ring):
    (profile.config_file.parent / "mine.txt").write_text("mine")
    made = token_file(profile.tokens, "filed", "app_token")
    replace(made, b"xapp-1")
    with profile.config_file.open("a") as config:
        config.write(f'[bots.filed]\ntransport = "socket"\napp_token = "file:{made}"\n')
    done = run("uninstall", "--purge", given="y\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert files(home) == {"made/config.toml", "made/old.token", ".config/traymon/mine.txt"}
    assert not profile.tokens.exists()
    assert not profile.state_dir.exists()
    assert not profile.runtime_dir.exists()
    assert set(ring.entries) == {("traymon", "other/token")}, "of the bots that are and were here"
    assert "pipx uninstall traymon" in done.stdout
    assert "canary" not in done.output
    again = run("uninstall", "--purge", "--yes")
    assert again.exit_code == 0
    assert not profile.state_dir.exists()


def test_configuration_and_log_stay_unless_asked_for(profile, home, ring):
    kept = {str(profile.config_file), str(profile.db), str(profile.text_log), f"{profile.text_log}.1"}
    done = run("uninstall", "--yes")
    assert done.exit_code == 0
    assert all(each in done.stdout for each in kept)
    assert all(os.path.exists(each) for each in kept)
    assert ("traymon", "a/token") not in ring.entries
    assert run("autostart", "status").exit_code == 1


@pytest.mark.parametrize(
    ("given", "config", "log"),
    [("y\ny\nn\n", False, True), ("y\nn\ny\n", True, False), ("y\nn\nn\n", True, True)],
)
def test_each_is_asked_for(profile, given, config, log):
    done = run("uninstall", given=given)
    assert done.exit_code == 0
    assert (profile.config_file.exists(), profile.db.exists()) == (config, log)
    assert (str(profile.config_file) in done.stdout, str(profile.db) in done.stdout) == (config, log)


@pytest.mark.parametrize("given", ["n\n", ""])
def test_who_does_not_say_yes_keeps_all(profile, home, ring, given):
    before, entries = files(home), dict(ring.entries)
    done = run("uninstall", "--purge", given=given)
    assert done.exit_code == 1
    assert "Nothing was taken out." in done.output
    assert files(home) == before
    assert ring.entries == entries


@pytest.mark.parametrize(("given", "config_goes"), [("y\n", False), ("y\ny\n", True)])
def test_who_breaks_off_is_told_what_is_gone_and_what_stays(profile, home, ring, given, config_goes):
    done = run("uninstall", given=given)  # ends before an answer
    assert done.exit_code == 1
    gone, _, stays = done.stdout.partition("This is gone:")[2].partition("This stays:")
    assert "the start at login" in gone
    assert "tokens in the keyring" in gone
    assert ("traymon", "a/token") not in ring.entries
    assert profile.config_file.exists() is not config_goes
    assert (str(profile.config_file) in gone, str(profile.config_file) in stays) == (
        config_goes,
        not config_goes,
    )
    for kept in (profile.db, profile.text_log, profile.state_dir):
        assert kept.exists()
        assert f"{kept}\n" in stays
    assert run("uninstall", "--purge", "--yes").exit_code == 0
    assert not profile.state_dir.exists()


def test_what_cannot_be_taken_out_is_said_and_the_rest_goes(profile, home, ring):
    ring.problem = keyring.errors.KeyringLocked()
    entry = home / ".config" / "autostart" / "traymon.desktop"
    entry.write_text("[Desktop Entry]\nType=Application\nExec=sleep 9\n")
    done = run("uninstall", "--purge", "--yes")
    assert done.exit_code == 1
    assert "under the name “traymon”" in done.stdout
    assert str(entry) in done.stdout
    assert entry.exists()
    assert not profile.config_file.exists()
    assert not profile.state_dir.exists()


def test_a_broken_configuration_keeps_nothing_from_going(profile, ring):
    profile.config_file.write_text("bots = 1")
    done = run("uninstall", "--purge", "--yes")
    assert done.exit_code == 0
    assert ("traymon", "old/token") not in ring.entries
    assert not profile.config_file.exists()


def test_without_the_keyring_in_the_configuration_it_is_not_touched(profile, home, ring):
    token = home / "a.token"
    token.write_text("x")
    profile.config_file.write_text(f'[bots.a]\ntoken = "file:{token}"\n')
    done = run("uninstall", "--purge", "--yes")
    assert done.exit_code == 0
    assert ring.calls == 0
    assert token.exists()
    assert str(token) in done.stdout, "it says what stays"


def test_other_configurations_stay_and_are_named(profile, home):
    config = home / "work.toml"
    config.write_text("")
    work = Profile.default(config)
    acquire_profile(work).release()
    work.text_log.parent.mkdir(parents=True, exist_ok=True)
    work.text_log.write_text("x")
    done = run("uninstall", "--purge", "--yes")
    assert done.exit_code == 0
    assert str(profile.state_dir / "profiles") in done.stdout
    assert work.text_log.exists()
    done = run("--config", str(config), "uninstall", "--purge", "--yes")
    assert done.exit_code == 0
    assert not config.exists()
    assert not profile.state_dir.exists(), "the common folders go with the last"


def test_a_running_one_is_ended_only_after_asking(home, ring):
    with Simulator() as slack:
        slack.add_bot(token_of("a"), "a")
        write_profile(home, {"a": slack.api_url})
        profile = Profile.default(home / "config.toml")
        options = ["--config", str(profile.config_file), "uninstall"]
        process = start(profile)
        try:
            _wait_until_it_answers(process, profile)
            before = profile.config_file.read_text()
            done = run(*options, "--purge", given="y\nn\n")
            assert done.exit_code == 1
            assert "Nothing was taken out" in done.stderr
            assert profile.config_file.read_text() == before
            assert process.poll() is None
            done = run(*options, given="y\ny\nn\ny\n")
            assert (done.exit_code, done.stderr) == (0, "")
            assert process.wait(PATIENCE_S) == 0, "ended as by traymon quit"
        finally:
            process.kill()
            process.communicate()
    assert profile.config_file.exists()
    assert not profile.state_dir.exists()


def _wait_until_it_answers(process, profile):
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            ask(profile.control_address, {"do": "status"}, PATIENCE_S)
        except NotRunning:
            assert process.poll() is None
            assert time.monotonic() < limit
            threading.Event().wait(0.05)
        else:
            return


def test_one_that_cannot_be_told_to_end_is_left(profile, home):
    before = files(home)
    with acquire_profile(profile):  # runs, but answers nothing
        done = run("uninstall", "--purge", "--yes")
    assert done.exit_code == 1
    assert "could not be told to end" in done.stderr
    assert files(home) - {"state/traymon/traymon.lock", "run/traymon/traymon.lock"} == before - {
        "state/traymon/traymon.lock",
        "run/traymon/traymon.lock",
    }
