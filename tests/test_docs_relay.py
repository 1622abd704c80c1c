"""docs/relay.md: its lines are those that ``traymon relay`` prints, and those that the clients' tests run with."""

import re
from pathlib import Path

import pytest

from traymon.relay.libraries import LIBRARIES, Library

ROOT = Path(__file__).parent.parent
PROGRAMS = {
    "botkit to 0.4": ("botkit.cjs", "bot.api.api_url ="),
    "@slack/rtm-api": ("rtm_api.cjs", "new RTMClient("),
    "slack_sdk, RTM": ("rtm_v2.py", "RTMClient(token=BOT_TOKEN, base_url="),
    "@slack/socket-mode": ("socket_mode.cjs", "clientOptions: { slackApiUrl"),
    "@slack/bolt": ("bolt.cjs", "clientOptions: { slackApiUrl"),
    "slack_sdk, Socket Mode": ("socket_sync.py", "web_client=WebClient(token=BOT_TOKEN, base_url="),
    "slack_bolt": ("bolt.py", "client=WebClient(token=BOT_TOKEN, base_url="),
}
"""By library: the program that test_relay_clients.py runs, and what it does as the line says."""
NOT_RUN = {"botkit 0.5 to 0.7"}


def test_the_table_is_that_of_the_command() -> None:
    text = (ROOT / "docs" / "relay.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| `(.+)` \|$", text, re.MULTILINE)
    assert rows == [(each.name, each.code) for each in LIBRARIES]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_each_line_is_run(library: Library) -> None:
    if library.name in NOT_RUN:
        return
    program, deed = PROGRAMS[library.name]
    assert deed in (ROOT / "tests" / "programs" / program).read_text()
    assert program in (ROOT / "tests" / "clients.py").read_text()
