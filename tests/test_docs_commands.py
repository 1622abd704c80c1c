"""The commands of README and docs, run as they stand there: beside a running traymon that holds two bots."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docpages import PAGES, ROOT, commands
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses modes")

Words = tuple[str, ...]

GIVEN = {"BOT": "deploybot", "FILE": "report.html"}
ELSEWHERE = {
    "": "runs until it is ended, as below",
    "run": "the same",
    "demo": "a minute or more; test_replay.py and test_language.py run it",
    "setup": "asks; test_setup_command.py answers",
    "quit": "comes last, below",
    "uninstall": "needs the end of traymon, below",
}
"""Commands that are not run among the others, and why."""
NEEDS_MORE = {"--follow", "--watch", "--open", "--page", "--config"}
"""Run until Ctrl-C, need a desktop, or another configuration: test_cli_log.py, test_cli_watch.py, tests/desktop."""
MAY_SAY_NO = {"status", "doctor", "autostart status"}
"""Exit code 1 is an answer: a bot may still be connecting, no tray is there, nothing may start at login."""


def lines() -> list[Words]:
    """Every command line of traymon's in the docs, once, without the program's name."""
    found = [command for page in PAGES for command in commands(page, frozenset({"traymon"}))]
    every = dict.fromkeys(command.words[1:] for command in found if command.program == "traymon")
    return [words for words in every if is_run(words)]


def is_run(words: Words) -> bool:
    mention = words == ("remove",)  # a command's name, without what it needs
    return not (mention or "=" in words or NEEDS_MORE & set(words) or name_of(words) in ELSEWHERE)


def name_of(words: Words) -> str:
    return " ".join(word for word in words if word.islower() and word.isalpha())


def call(*words: str) -> "subprocess.CompletedProcess[str]":
    """One command to its end; yes to whatever it asks."""
    command = [sys.executable, "-m", "traymon", *(GIVEN.get(word, word) for word in words)]
    return subprocess.run(
        command, input="y\n", capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.fixture
def bots(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    """A running traymon with the two bots of docs/configuration.md, both online, in a home of their own."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    tokens = {
        "deploybot": token_of("deploybot"),
        "newsbot": token_of("newsbot"),
        "newsbot.app": app_token_of("newsbot"),
    }
    folder = home / ".config" / "traymon"
    folder.mkdir(parents=True)
    for name, token in tokens.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(token)
    with Simulator() as slack:
        slack.add_bot(tokens["deploybot"], "deploybot")
        slack.add_bot(tokens["newsbot"], "newsbot", app_token=tokens["newsbot.app"])
        (folder / "config.toml").write_text(
            f'[bots.deploybot]\nrelay = true\ntoken = "file:deploybot"\napi_url = "{slack.api_url}"\n'
            f'[bots.newsbot]\ntransport = "socket"\ntoken = "file:newsbot"\napp_token = "file:newsbot.app"\n'
            f'api_url = "{slack.api_url}"\n'
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "traymon", "run", "--no-tray"], stdout=subprocess.DEVNULL, text=True
        )
        try:
            for token in (tokens["deploybot"], tokens["newsbot.app"]):
                assert slack.wait(lambda token=token: slack.open_links(token) == 1, PATIENCE_S)  # type: ignore[misc]
            yield process
        finally:
            process.kill()
            process.wait()


def test_every_command_of_the_docs_runs(bots: "subprocess.Popen[str]", home: Path) -> None:
    told = lines()
    assert len(told) > 15
    for words in sorted(told, key=lambda words: name_of(words) == "remove"):
        done = call(*words)
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == 0 or (done.returncode == 1 and name_of(words) in MAY_SAY_NO), (words, done)
    assert (home / "report.html").exists()
    assert call("quit").returncode == 0
    assert bots.wait(PATIENCE_S) == 0


def test_what_is_not_run_is_named_in_the_docs() -> None:
    named = {name_of(each.words[1:]) for page in PAGES for each in commands(page, frozenset({"traymon"}))}
    assert ELSEWHERE.keys() | MAY_SAY_NO <= named | {"run"}
