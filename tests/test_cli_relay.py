"""``traymon relay``: what a program needs, printed whether or not traymon runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from traymon.cli import cli
from traymon.paths import Profile
from traymon.relay.libraries import LIBRARIES
from traymon.relay.tokens import load_or_make

CONFIG = """
[bots.deploybot]
relay = true
token = "env:DEPLOY"

[bots.sock]
transport = "socket"
app_token = "env:SOCK"

[bots."no program"]
token = "env:NONE"
"""

Call = Callable[..., Result]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture
def call(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command, in a home of its own."""
    config_file.write_text(CONFIG)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--config", str(config_file), "relay", *arguments])

    return call


def settings_of(config_file: Path) -> tuple[str, str, str]:
    settings = load_or_make(Profile.default(config_file).relay_settings, print)
    tokens = settings.tokens_of("sock")
    return settings.base_url, tokens.token, tokens.app_token


def test_each_library_has_its_line_with_the_base_url(call: Call, config_file: Path) -> None:
    done = call("deploybot")
    assert done.exit_code == 0
    base_url = settings_of(config_file)[0]
    assert base_url in done.output.splitlines()[0]
    for library in LIBRARIES:
        assert (library.line(base_url) in done.output) is (library.transport == "rtm")
    assert f'api_root: "{base_url.removesuffix("/api/")}"' in done.output
    assert f'slack.OptionAPIURL("{base_url}")' in done.output


def test_a_bot_that_presents_rtm_has_the_lines_of_both(call: Call, config_file: Path) -> None:
    with config_file.open("a") as file:
        file.write('[bots.old]\ntransport = "socket"\nrelay = "rtm"\n')
    done = call("old", "--token")
    assert done.exit_code == 0
    base_url = settings_of(config_file)[0]
    lines = [line.strip() for line in done.output.splitlines()]
    shown = [library for line in lines for library in LIBRARIES if line.endswith(library.line(base_url))]
    assert shown == sorted(LIBRARIES, key=lambda library: library.transport), "those of RTM first"
    assert sum("slack.OptionAPIURL" in line for line in lines) == 1


def test_the_address_stays_the_same(call: Call) -> None:
    assert call("deploybot").output == call("deploybot").output


def test_a_token_is_printed_on_request_only(call: Call, config_file: Path) -> None:
    call()
    _, token, app_token = settings_of(config_file)
    for arguments in ((), ("sock",), ("deploybot",)):
        done = call(*arguments)
        assert done.exit_code == 0
        assert "xoxb-traymon" not in done.output
        assert "xapp-traymon" not in done.output
    done = call("sock", "--token")
    assert done.exit_code == 0
    assert token in done.output
    assert app_token in done.output
    rtm = call("deploybot", "--token").output
    assert "xoxb-traymon" in rtm
    assert "xapp-traymon" not in rtm


def test_a_bot_that_lends_no_link_says_how_to_change_that(call: Call, config_file: Path) -> None:
    done = call("no program")
    assert done.exit_code == 1
    assert '[bots."no program"]' in done.output
    assert "relay = true" in done.output
    assert str(config_file) in done.output
    assert "Base URL" not in done.output


def test_without_a_name_all_are_told(call: Call) -> None:
    done = call()
    assert done.exit_code == 0
    for name in ("deploybot", "sock", "no program"):
        assert name in done.output


def test_what_is_not_there_is_said(call: Call, config_file: Path) -> None:
    done = call("nobody")
    assert done.exit_code == 1
    assert "deploybot" in done.output
    config_file.write_text("")
    assert call().exit_code == 1


def test_it_costs_no_server() -> None:
    modules = "traymon.relay.libraries, traymon.relay.tokens, traymon.cli.relay"
    script = f"import sys, {modules}; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
