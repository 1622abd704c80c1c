"""``traymon remove``: the bot, its token, and what stays is said."""

import keyring.errors
import pytest
from click.testing import CliRunner

from tests.keyrings import MemoryKeyring, used
from tests.support import events, running, token_of, wait_for, wait_for_state, write_profile
from traymon.cli import cli
from traymon.cli.output import Context
from traymon.cli.removing import remove
from traymon.desktop.files import replace
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.simulator import Simulator

CONFIG = """\
# mine
[bots.a]
token = "keyring"

[bots.b] # the other one
transport = "socket"
"""


@pytest.fixture
def ring():
    backend = MemoryKeyring(a__token="xoxb-canary-1", b__token="xoxb-2", b__app_token="xapp-2")
    with used(backend):
        yield backend


@pytest.fixture
def config(home):
    path = home / ".config" / "traymon" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG)
    return path


def run(*arguments, given=""):
    return CliRunner().invoke(cli, ["remove", *arguments], input=given)


def test_the_bot_and_its_token_go_and_nothing_else(config, ring):
    done = run("a", given="y\n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "a is removed" in done.stdout
    assert "Its token in the keyring is deleted." in done.stdout
    assert "api.slack.com/apps" in done.stdout, "the token itself is still good"
    assert "canary" not in done.output
    assert "bots.a" not in config.read_text()
    assert "[bots.b] # the other one" in config.read_text()
    assert set(ring.entries) == {("traymon", "b/token"), ("traymon", "b/app_token")}
    done = run("b", "--yes")
    assert done.exit_code == 0
    assert "Its 2 tokens in the keyring are deleted." in done.stdout
    assert ring.entries == {}


def test_a_file_that_set_up_made_goes_and_one_that_the_person_named_stays(config, ring):
    made = config.parent / "tokens" / "a.token"
    named = config.parent / "tokens" / "mine"
    for file in (made, named):
        replace(file, b"xoxb-canary-1")
    config.write_text(f'[bots.a]\ntoken = "file:{made}"\n[bots.b]\ntoken = "file:{named}"\n')
    kept = run("a", "--yes", "--keep-token")
    assert str(made) in kept.stdout
    assert made.exists()
    config.write_text(f'[bots.a]\ntoken = "file:{made}"\n[bots.b]\ntoken = "file:{named}"\n')
    done = run("a", "--yes")
    assert f"The token in the file {made} is deleted." in done.stdout
    assert str(made) not in done.stdout.partition("This stays:")[2]
    assert not made.exists()
    assert str(named) in run("b", "--yes").stdout
    assert named.exists()
    assert len(ring.entries) == 3, "no bot of theirs was kept there"


@pytest.mark.parametrize("given", ["n\n", "\n", ""])
def test_who_does_not_say_yes_keeps_the_bot(config, ring, given):
    before = dict(ring.entries)
    assert run("a", given=given).exit_code == 1
    assert config.read_text() == CONFIG
    assert ring.entries == before


@pytest.mark.parametrize("problem", [keyring.errors.NoKeyringError(), RuntimeError("xoxb-canary-1")])
def test_a_token_that_cannot_be_removed_keeps_the_bot(config, ring, problem):
    ring.problem = problem
    done = run("a", "--yes")
    assert done.exit_code == 1
    assert "--keep-token" in done.stderr
    assert "canary" not in done.output
    assert config.read_text() == CONFIG
    done = run("a", "--yes", "--keep-token")
    assert done.exit_code == 0
    assert "tokens in the keyring, under the name “traymon”" in done.stdout
    assert "deleted" not in done.stdout
    assert "bots.a" not in config.read_text()


def test_a_token_that_was_never_kept_is_no_problem(config, ring):
    ring.entries.clear()
    done = run("a", "--yes")
    assert done.exit_code == 0
    assert "deleted" not in done.stdout


def test_a_bot_without_the_keyring_does_not_touch_it(config, ring, home):
    token = home / "a.token"
    token.write_text("xoxb-canary-1")
    config.write_text(f'[bots.a]\ntoken = "file:{token}"\n[bots.b]\ntoken = "env:B_TOKEN"\n')
    for bot, place in (("a", str(token)), ("b", "B_TOKEN")):
        done = run(bot, "--yes")
        assert done.exit_code == 0
        assert place in done.stdout, "it says what stays"
    assert ring.calls == 0
    assert token.exists()


def test_an_unknown_bot(config, ring):
    done = run("c", "--yes")
    assert done.exit_code == 2
    assert "there is: a, b" in done.stderr
    assert config.read_text() == CONFIG


def test_a_bot_of_the_environment(home, monkeypatch, ring):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary-1")
    done = run("bot", "--yes")
    assert done.exit_code == 1
    assert "SLACK_BOT_TOKEN" in done.stderr


def test_a_broken_configuration_is_left(config, ring):
    config.write_text(CONFIG + "bad = ")
    assert run("a", "--yes").exit_code == 2
    assert ring.calls == 0
    assert config.read_text() == CONFIG + "bad = "


def test_a_running_traymon_lets_the_bot_go(home):
    with Simulator() as slack:
        for bot in ("a", "b"):
            slack.add_bot(token_of(bot), bot)
        write_profile(home, {"a": slack.api_url, "b": slack.api_url})
        profile = Profile.default(home / "config.toml")
        with running(profile) as app:
            for bot in ("a", "b"):
                wait_for_state(app, bot, State.ONLINE)
            done = CliRunner().invoke(remove, ["a", "--yes"], obj=Context(profile, debug=False, named=True))
            assert done.exit_code == 0, done.output
            assert "its log" in done.stdout
            wait_for(app, lambda: app.bots.names() == ["b"])
            assert slack.open_links(token_of("b")) == 1
        assert events(profile, "a", "stop"), "its log stays"
