"""What may stand in a public issue, and what may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon import words
from traymon.doctor.redacting import Redactor


@pytest.fixture
def redactor():
    redactor = Redactor(Path("/home/alice"))
    redactor.hide("bot", ["Deploy", "deploy-bot", "a\x1b[31mb", "x", "bot", ""])
    redactor.hide("team", ["Acme Corp", None])
    redactor.hide("host", ["proxyhost"])
    return redactor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # Secrets
        ("token xoxb-1-canary is bad", "token ••• is bad"),
        ("wss://wss-primary.slack.com/link/?ticket=1-2", "•••"),
        ("http://alice:hunter2@proxyhost:3128/", "http://•••@host-1:3128/"),
        ("mail alice.b+c@acme.example now", "mail ••• now"),
        ("key=0123456789abcdef0123456789abcdef.", "key=•••."),
        # Names
        ("Deploy and deploy-bot, DEPLOY", "bot-1 and bot-2, bot-1"),
        ("redeployed Deploys", "redeployed Deploys"),
        (r"the bot a\x1b[31mb", "the bot bot-3"),
        ("acme corp's", "team-1's"),
        ("max x", "max x"),
        # Hosts and addresses
        (
            "slack.com wss-primary.slack.com acme.slack.com",
            "slack.com wss-primary.slack.com host-2",
        ),
        (
            "b.example.org, b.example.org and c.example.org.",
            "host-2, host-2 and host-3.",
        ),
        ("https://slack.com/api/auth.test", "https://slack.com/api/auth.test"),
        ("see https://wiki.example.org/a/b?c=d", "see https://host-2/•••"),
        ("http://buildserver:8080", "http://host-2:8080"),
        ("例え.テスト", "host-2"),
        (
            "10.1.2.3:443 [2001:db8::1]:443 fe80::1%eth0 127.0.0.1 ::1",
            "address-1:443 [address-2]:443 address-3 127.0.0.1 ::1",
        ),
        # Places and ids
        ("/home/alice/.config/x", "~/.config/x"),
        ("/home/bob/x /Users/carol/y", "~/x ~/y"),
        (r"C:\Users\dave\z", r"~\z"),
        ("U012ABCDEF of T0123456 in CONNECTED", "U… of T… in CONNECTED"),
        # What must stay readable
        ("2016-12-20 07:29:10+09:00  stop  after 15h 40m 02s  1006 abrupt_close: Slack", None),
        ("2016-12-20T07:29:10+09:00 python 3.11.2 traymon 0.1.0 0.4s 98.5 %", None),
        ("rtm.connect users.getPresence config.toml sessions.log org.kde.StatusNotifierWatcher", None),
        ("approximate_connection_time=21600, x_rate_limit_remaining_calls", None),
        ("one\ntwo\x1b", r"one\ntwo\x1b"),
    ],
)
def test_text(redactor, text, shown):
    assert redactor.text(text) == (text if shown is None else shown)


def test_a_home_that_is_the_root_hides_no_path():
    assert Redactor(Path("/")).text("/etc/x") == "/etc/x"


def test_names_keep_their_stand_in(redactor):
    assert redactor.name("Deploy") == "bot-1"
    redactor.hide("bot", ["deploy", "new"])
    assert redactor.name("DEPLOY") == "bot-1"
    assert redactor.name("bot") == "bot-5"
    assert redactor.name("new") == "bot-6"
    assert redactor.name(r"a\x1b[31mb") == "bot-3"
    assert redactor.name("unknown") == "•••"


@given(st.text(max_size=80), st.text(min_size=2, max_size=12))
def test_any_text_and_any_name(text, name):
    redactor = Redactor(Path("/home/alice"))
    redactor.hide("bot", [name])
    shown = redactor.text(text)
    assert shown == words.printable(shown), "what is shown is harmless"
    assert redactor.text(shown) is not None
    if name.strip():
        assert redactor.name(name) == "bot-1"
