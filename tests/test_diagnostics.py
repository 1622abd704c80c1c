"""Diagnostics: enough to mend something, and nothing of whose it is."""

import getpass
import json
import re
import socket

import pytest

from tests.support import running, wait_for_state, write_profile
from traymon.doctor.diagnostics import LAST_LINES, diagnostics, last_lines
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.simulator import Simulator

CANARY = "canary"
SHOWN = {
    "name": "canarybot",
    "workspace": "Canary & Sons",
    "state": "offline",
    "since": "2016-12-20T07:29:10+09:00",
    "cause": "dns",
    "explanation": "canary.slack.com could not be looked up; xoxb-1-canary; see https://canary.example/canary?t=canary",
    "transport": "rtm",
    "next_try": "2016-12-20T07:30:10+09:00",
    "logged": False,
}


@pytest.fixture
def profile(home, monkeypatch):
    """Everything that could say whose it is does so."""
    folder = home / "canaryhome"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", "canaryuser")
    monkeypatch.setenv("LOGNAME", "canaryuser")
    monkeypatch.setenv("HTTPS_PROXY", "http://canary:canary@canaryproxy:3128")
    monkeypatch.setattr(socket, "gethostname", lambda: "canaryhost.canary.example")
    config = folder / "canary.toml"
    config.write_text(
        '[bots.canarybot]\ntoken = "file:canary.token"\nproxy = "http://canary:canary@canaryproxy2:3128"\n'
        'api_url = "https://canaryapi.example/api/"\nca_file = "canary.pem"\n'
        '[bots.canaryother]\ntransport = "socket"\napp_token = "env:CANARY_TOKEN"\n'
    )
    return Profile.default(config)


def test_the_canary_is_nowhere(profile, home):
    assert getpass.getuser() == "canaryuser"
    lines = [
        f"2016-12-20 07:29:10+09:00  why    canarybot  {home}/canaryhome/canary.token of canaryuser on canaryhost  #1",
        "2016-12-20 07:29:10+09:00  stop   canaryformer bot  after 2h 01m 07s  1006 abrupt_close: canarybot  #2",
        "2016-12-20 07:29:10+09:00  fail   canaryother  proxy: canaryproxy:3128 canaryproxy2 canaryapi.example  #3",
        "torn canaryother by canary@canary.example",
    ]
    status = {
        "bots": [SHOWN],
        "starting": ["canaryother"],
        "fault": f"{home}/canaryhome/state cannot be written by canaryuser",
        "tray": "unix:path=/home/canary/bus",
    }
    text = diagnostics(profile, status, lines)
    assert CANARY not in text.lower()
    assert "bot-1: team-1, rtm, offline, since 2016-12-20T07:29:10+09:00, cause dns, next_try" in text
    assert "not logged yet" in text
    assert "token in file, api_url of its own, proxy set, ca_file set" in text
    assert "bot-2: not shown by a running traymon, token in keyring, app_token in env" in text
    assert "why    bot-1  ~/" in text
    assert re.search(r"stop   bot-\d  after 2h 01m 07s  1006 abrupt_close: bot-1  #2", text)


def test_of_a_broken_configuration_the_rest_is_told(profile, home):
    profile.config_file.write_text("[bots.canarybot]\ncanary = 1\n")
    text = diagnostics(profile, {}, [])
    assert CANARY not in text.lower()
    assert "- Configuration: cannot be used\n" in text
    assert "traymon does not run" in text
    assert "(empty)" in text


def test_it_says_what_mending_needs(home, monkeypatch):
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "XFCE")
    monkeypatch.setenv("XDG_SESSION_TYPE", "x11")
    text = diagnostics(Profile.throwaway(home), {"bots": [], "tray": None}, [])
    for expected in (
        r"^- traymon \d+\.\d+\.\d+\S*, Python 3\.\d+\.\d+ \(",
        r"^- System: \w+ .+",
        r"^- Desktop: `XFCE`, session `x11`, language `\w+`",
        r"^- Libraries: aiohttp \d.*, websocket-client \d",
        r"^- Tray: `none`",
        r"^### Bots\nnone",
        r"^### The last 7 days\nnothing",
    ):
        assert re.search(expected, text, re.MULTILINE), expected


def test_foreign_text_is_no_markdown(home):
    """Neither a mention, nor a picture, nor the end of the block that it is in."""
    line = "2016-12-20 07:29:10+09:00  stop   a  1006 closed_by_slack: ```` @someone ![x](http://evil.example/)  #1"
    status = {"bots": [], "fault": "`@someone`\n# big", "tray": "x"}
    text = diagnostics(Profile.throwaway(home), status, [line])
    assert "- Fault: `'@someone'\\n# big`" in text
    assert re.search(r"^`````text\n.*@someone.*\n`````\n$", text, re.MULTILINE)


def test_a_damaged_log_is_told(home):
    profile = Profile.throwaway(home)
    profile.db.write_text("no database at all, " * 100)
    assert "cannot be read" in diagnostics(profile, {}, [])


def test_of_a_real_traymon(home):
    """Status, log and counts as a running one has them."""
    with Simulator() as slack:
        slack.add_bot("xoxb-1-canary", "canarybot", "Canary & Sons")
        profile = write_profile(home, {"canarybot": slack.api_url}, tokens={"canarybot": "xoxb-1-canary"})
        with running(profile) as app:
            wait_for_state(app, "canarybot", State.ONLINE)
            slack.close("xoxb-1-canary", 1011, "xoxb-1-canary of canary.slack.com")
            wait_for_state(app, "canarybot", State.OFFLINE)
            status = json.loads(json.dumps({"bots": app.status(), "tray": None, "fault": None}))
        text = diagnostics(profile, status, last_lines(profile))
    assert CANARY not in text.lower()
    assert "- stop closed_by_slack: 1" in text
    assert re.search(r"start  bot-1  online", text)
    assert "bot-1: team-1, rtm, offline, since" in text


def test_the_last_lines(home):
    profile = Profile.throwaway(home)
    assert last_lines(profile) == []
    for count in (0, 1, LAST_LINES + 5):
        profile.text_log.write_text("".join(f"line {number}\n" for number in range(count)))
        assert last_lines(profile) == [f"line {number}" for number in range(count)][-LAST_LINES:]
    with profile.text_log.open("ab") as file:
        file.write(b"\xff\n" + b"x" * 100_000 + b"\nwhole\ntorn")
    assert last_lines(profile) == ["whole"], "what was read is bounded, and torn lines are left out"
