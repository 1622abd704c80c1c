"""``traymon setup`` beside a traymon that runs, and when it opens the page by itself."""

import contextlib
import io
import os
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from tests.support import PATIENCE_S, app_token_of, start, token_of, write_profile
from traymon.cli import cli
from traymon.cli import setup as command
from traymon.config import load
from traymon.desktop.control import ControlError, NotRunning, ask
from traymon.paths import Profile
from traymon.simulator import Simulator
from traymon.simulator import faults as f

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and modes")


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(token_of("a"), "a")
        yield simulator


@pytest.fixture
def running(home, slack):
    """A traymon with the bot ``a``, online; its profile."""
    written = write_profile(home, {"a": slack.api_url})
    process = start(written)
    try:
        assert slack.wait(lambda: slack.open_links(token_of("a")) == 1, PATIENCE_S)
        profile = Profile.default(written.config_file)
        wait_until(profile, lambda state: state is not None)
        yield profile
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def setup(profile, slack, name, token):
    place = f"file:{profile.config_file.parent}/{name}.token"
    arguments = ["--config", str(profile.config_file), "setup", "--name", name, "--keep", place]
    return subprocess.run(
        [sys.executable, "-m", "traymon", *arguments, "--api-url", slack.api_url],
        input=f"{token}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_running_traymon_takes_a_new_bot_in_and_leaves_the_others(running, slack):
    slack.add_bot(token_of("b"), "b")
    done = setup(running, slack, "b", token_of("b"))
    assert done.returncode == 0, done.stderr
    assert "Restart" not in done.stdout
    # Of those set-up tries one itself, and parts from it.
    assert slack.wait(lambda: len(slack.truth().links_of(token_of("b"))) == 2, PATIENCE_S)
    assert slack.wait(lambda: slack.open_links(token_of("b")) == 1, PATIENCE_S)
    assert len(slack.truth().links_of(token_of("a"))) == 1


def wait_until(profile, is_so):
    """Until the one bot's state is so; the link may be up before traymon answers."""
    pause = threading.Event()
    for _ in range(round(PATIENCE_S / 0.05)):
        state = None
        with contextlib.suppress(NotRunning):
            bots = ask(profile.control_address, {"do": "status"}, PATIENCE_S)["bots"]
            state = bots[0]["state"] if bots else None
        if is_so(state):
            return
        pause.wait(0.05)
    raise AssertionError(state)


def test_a_bot_whose_token_was_refused_comes_online_with_a_new_one(running, slack):
    slack.remove_bot(token_of("a"))
    slack.fin(token_of("a"))
    wait_until(running, lambda state: state == "refused")
    new = token_of("a-new")
    slack.add_bot(new, "a")
    done = setup(running, slack, "a", new)
    assert done.returncode == 0, done.stderr
    assert slack.wait(lambda: len(slack.truth().links_of(new)) == 2, PATIENCE_S)
    assert slack.wait(lambda: slack.open_links(new) == 1, PATIENCE_S)


def set_up(config, slack, *more, given):
    arguments = ["--config", str(config), "setup", "--name", "a", "--api-url", slack.api_url, *more]
    return CliRunner().invoke(cli, arguments, input=given)


def test_a_bot_whose_token_is_refused_for_rtm_is_shown_the_way_and_takes_it(home, slack):
    config = home / "c.toml"
    bot, app = token_of("a"), app_token_of("a")
    slack.remove_bot(bot)
    slack.add_bot(bot, "a", app_token=app)
    slack.arm(f.SlackCode("not_allowed_token_type"), method="rtm.connect")
    refused = set_up(config, slack, "--keep", f"file:{home}/bot", given=f"{bot}\n")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("traymon: Nothing was changed: Slack does not let this app use RTM")
    assert refused.stderr.endswith("run traymon setup --relay rtm.\n")
    assert not config.exists()
    places = ["--keep", f"file:{home}/app", "--keep-bot", f"file:{home}/bot"]
    done = set_up(config, slack, "--relay", "rtm", *places, given=f"{app}\n{bot}\n")
    assert done.exit_code == 0, done.output
    assert "traymon relay a" in done.stdout
    assert not {app, bot} & set(done.output.split())
    (read,) = load(config, {}).bots
    assert (read.transport, read.relay) == ("socket", "rtm")
    assert (read.app_token, read.token) == (f"file:{home}/app", f"file:{home}/bot")
    assert ((home / "app").read_text(), (home / "bot").read_text()) == (f"{app}\n", f"{bot}\n")


def test_both_tokens_are_needed_for_a_program_of_rtm(home, slack):
    places = ["--keep", f"file:{home}/app", "--keep-bot", f"file:{home}/bot"]
    done = set_up(home / "c.toml", slack, "--relay", "rtm", *places, given=f"{app_token_of('a')}\n\n")
    assert (done.exit_code, done.stderr.startswith("traymon: The bot token (xoxb-…) is missing")) == (1, True)
    assert not (home / "app").exists()
    assert slack.truth().calls == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--relay", "rtm", "--transport", "rtm"], "is for Socket Mode"),
        (["--keep-bot", "env:A"], "goes with --relay rtm"),
    ],
)
def test_options_that_do_not_go_together(home, slack, more, said):
    done = set_up(home / "c.toml", slack, *more, given="")
    assert (done.exit_code, said in done.stderr) == (2, True)


@pytest.mark.parametrize("more", [["--name", "a"], ["--keep", "env:A"], ["--no-check"], ["--relay", "rtm"]])
def test_the_page_asks_for_itself(tmp_path, more):
    result = CliRunner().invoke(cli, ["--config", str(tmp_path / "c.toml"), "setup", "--page", *more])
    assert result.exit_code == 2
    assert "The page itself asks" in result.output


def test_the_page_is_for_those_who_cannot_type(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with open(os.devnull) as nothing, open(__file__) as script:
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", ":7")
        monkeypatch.setattr(sys, "stdin", nothing)
        assert command._started_from_desktop()
        monkeypatch.setattr(sys, "stdin", None)
        assert command._started_from_desktop()
        monkeypatch.setattr(sys, "stdin", script)
        assert not command._started_from_desktop()
        monkeypatch.setattr(sys, "stdin", io.StringIO("xoxb-1\n"))
        assert not command._started_from_desktop()
        monkeypatch.setattr(sys, "stdin", nothing)
        monkeypatch.delenv("DISPLAY")
        assert not command._started_from_desktop()


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [
        ([{"ok": True, "say": ["b: held."]}], ["reload"], ["b: held."]),
        ([{"ok": True, "say": []}, {"ok": True, "say": ["Now."]}], ["reload", "reconnect"], ["Now."]),
        ([{"ok": False, "error": "?"}], ["reload"], None),
    ],
)
def test_what_the_running_one_is_asked(monkeypatch, answers, asked, said):
    seen = []

    def answer(address, request):
        assert (address, request["bot"]) == ("address", "b")
        seen.append(request["do"])
        return answers[len(seen) - 1]

    monkeypatch.setattr(f"{ask.__module__}.ask", answer)
    if said is None:
        with pytest.raises(ControlError, match="Restart traymon"):
            command._taken_in("address", "b")
    else:
        assert command._taken_in("address", "b") == said
    assert seen == asked
