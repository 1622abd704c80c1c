"""``traymon setup`` beside a traymon that runs, and when it opens the page by itself."""

import contextlib
import io
import os
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from tests.support import PATIENCE_S, start, token_of, write_profile
from traymon.cli import cli
from traymon.cli import setup as command
from traymon.desktop.control import ControlError, NotRunning, ask
from traymon.paths import Profile
from traymon.simulator import Simulator

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
            (bot,) = ask(profile.control_address, {"do": "status"}, PATIENCE_S)["bots"]
            state = bot["state"]
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


@pytest.mark.parametrize("more", [["--name", "a"], ["--keep", "env:A"], ["--no-check"]])
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

    def answer(address, request, limit_s):
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
