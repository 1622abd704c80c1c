"""Configuration: what is right is understood, what is wrong is one sentence that names the place and the fix."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.config import DEFAULT_API_URL, BotConfig, ConfigError, as_json, load, parse

FOLDER = Path("/etc/traymon")
CANARY = "xoxb-canary-123"


def sentence(text):
    with pytest.raises(ConfigError) as caught:
        parse(text, FOLDER)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def only_bot(text):
    (bot,) = parse(text, FOLDER).bots
    return bot


# What is right


def test_an_empty_table_is_an_rtm_bot_from_the_keyring():
    assert only_bot("[bots.deploybot]") == BotConfig(name="deploybot", transport="rtm", token="keyring")


def test_everything_can_be_set():
    bot = only_bot(
        """
        [bots."Bot 2"]
        transport = "socket"
        token = "env:BOT_TOKEN"
        app_token = "file:secrets/app"
        api_url = "https://slack-gov.com/api"
        relay = true
        proxy = "http://user:pw@proxy.example:3128"
        ca_file = "ca.pem"
        """
    )
    assert bot == BotConfig(
        name="Bot 2",
        transport="socket",
        token="env:BOT_TOKEN",
        app_token="file:/etc/traymon/secrets/app",
        api_url="https://slack-gov.com/api/",
        relay=True,
        proxy="http://user:pw@proxy.example:3128",
        ca_file=Path("/etc/traymon/ca.pem"),
    )


def test_socket_mode_always_has_the_relay_and_an_app_token():
    bot = only_bot('[bots.a]\ntransport = "socket"')
    assert bot.relay
    assert (bot.token, bot.app_token) == ("keyring", "keyring")


def test_a_socket_mode_bot_may_present_rtm_to_its_programs():
    bot = only_bot('[bots.a]\ntransport = "socket"\nrelay = "rtm"')
    assert bot.relay == "rtm"
    assert bot.token == "keyring"
    assert (
        as_json(parse('[bots.a]\ntransport = "socket"\nrelay = "rtm"', FOLDER))["bots"][0]["relay"] == "rtm"
    )


def test_bots_stand_in_the_order_of_the_file():
    assert [bot.name for bot in parse("[bots.b]\n[bots.a]\n[bots.c]", FOLDER).bots] == ["b", "a", "c"]


def test_the_home_folder_may_be_written_short(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert only_bot('[bots.a]\ntoken = "file:~/.bot"').token == "file:/home/ada/.bot"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/api", "http://localhost/api/", "http://[::1]:1/api/"])
def test_plain_http_is_for_this_very_machine(url):
    assert only_bot(f'[bots.a]\napi_url = "{url}"').api_url == url.rstrip("/") + "/"


# Files and the environment


def test_a_file_is_read_with_its_byte_order_mark(tmp_path):
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[bots.a]\r\n")
    assert [bot.name for bot in load(tmp_path / "config.toml", {}).bots] == ["a"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"SLACK_BOT_TOKEN": ""}, None),
        ({"SLACK_BOT_TOKEN": CANARY}, ("rtm", "env:SLACK_BOT_TOKEN", None, False)),
        ({"SLACK_APP_TOKEN": CANARY}, ("socket", None, "env:SLACK_APP_TOKEN", True)),
        (
            {"SLACK_APP_TOKEN": CANARY, "SLACK_BOT_TOKEN": CANARY},
            ("socket", "env:SLACK_BOT_TOKEN", "env:SLACK_APP_TOKEN", True),
        ),
    ],
)
def test_without_a_file_the_environment_makes_the_bot(tmp_path, environ, expected):
    config = load(tmp_path / "none.toml", environ)
    found = [(bot.name, bot.transport, bot.token, bot.app_token, bot.relay) for bot in config.bots]
    assert found == ([] if expected is None else [("bot", *expected)])
    assert CANARY not in repr(config)


def test_a_file_outdoes_the_environment(tmp_path):
    (tmp_path / "config.toml").write_text("[bots.a]")
    assert load(tmp_path / "config.toml", {"SLACK_BOT_TOKEN": CANARY}).bots[0].name == "a"


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.toml", {"SLACK_BOT_TOKEN": CANARY}, must_exist=True)


def test_faults_name_the_file(tmp_path):
    path = tmp_path / "config.toml"
    for content in (b"[bots.a]\nrelayy = true", b"\xff\xfe[\x00", b"["):
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


# What is wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[bots.a]\ntransprot = 'rtm'", ["transprot", "bots.a", "did you mean “transport”"]),
        ("[bots.a]\nRelay = true", ["Relay", "did you mean “relay”"]),
        ("[bot.a]", ["“bot”", "did you mean “bots”"]),
        ("[bots.a]\nqqqqq = 1", ["qqqqq", "known are", "api_url"]),
        ("bots = 3", ["[bots.NAME]"]),
        ("[[bots]]", ["[bots.NAME]"]),
        ("[bots]\na = 1", ["bots.a", "table"]),
        ("[bots.a]\nrelay = 'yes'", ["bots.a.relay", 'true, false or "rtm"']),
        ("[bots.a]\nrelay = 1", ["bots.a.relay", 'true, false or "rtm"']),
        ("[bots.a]\nrelay = 'rtm'", ["bots.a.relay", "Socket Mode only", 'transport = "socket"']),
        ("[bots.a]\ntoken = 3", ["bots.a.token", "text in quotes"]),
        ("[bots.a]\ntransport = 'events'", ["bots.a.transport", '"rtm" or "socket"']),
        ("[bots.a]\ntransport = 1", ["bots.a.transport"]),
        ("[bots.a]\n[bots.b]\n[bots.a]", ["two bots are named “a”", "line 3"]),
        ("[bots.a]\nrelay = true\nrelay = false", ["given twice", "line 3"]),
        ("[bots.a", ["not valid TOML", "end of document"]),
        ("[bots.a]\ntransport = 'socket'\nrelay = false", ["relay", "program"]),
        ("[bots.a]\napp_token = 'keyring'", ["app_token", "Socket Mode"]),
        ("[bots.a]\ntoken = 'keychain'", ["bots.a.token", '"keyring"', '"env:NAME"']),
        ("[bots.a]\ntoken = 'env:'", ['"env:NAME"']),
        ("[bots.a]\ntoken = 'env:A=B'", ['"env:NAME"']),
        ("[bots.a]\ntoken = 'file:'", ['"file:PATH"']),
        ("[bots.a]\ntoken = 'env:T'\n[bots.b]\ntoken = 'env:T'", ["bots.a.token", "bots.b.token", "env:T"]),
        ("[bots.a]\ntoken = 'file:x'\n[bots.b]\ntoken = 'file:/etc/traymon/x'", ["same token"]),
        (
            "[bots.a]\ntransport = 'socket'\ntoken = 'env:T'\napp_token = 'env:T'",
            ["bots.a.token", "bots.a.app_token", "same token"],
        ),
        ('[bots."a\\u001b[2J"]', ["a\\x1b[2J", "cannot be shown"]),
        ('[bots."a\\u202eb"]', ["cannot be shown"]),
        ('[bots.""]', ["empty"]),
        ('[bots." a"]', ["space"]),
        (f"[bots.{'a' * 81}]", ["too long"]),
        ('["bots\\u001b"]', ["bots\\x1b"]),
    ],
)
def test_a_fault_is_one_sentence_with_place_and_fix(text, words):
    message = sentence(text)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "url",
    [
        "slack.com/api",
        "ftp://slack.com/api/",
        "http://slack.com/api/",
        "http://10.0.0.1/api/",
        "http://localhost.example/api/",
        "https:///api/",
        "https://user:pw@slack.com/api/",
        "https://slack.com/api/?token=x",
        "https://slack.com:port/api/",
        "https://slack.com:99999/api/",
        "https://slack.com\\\\@evil.example/api/",
        "https://sla ck.com/",
        "https://[::1/",
        "",
    ],
)
def test_an_api_url_that_cannot_be_used(url):
    assert "bots.a.api_url" in sentence(f'[bots.a]\napi_url = "{url}"')


@pytest.mark.parametrize(
    "proxy", ["proxy.example:3128", "socks5://h:1", "https://h:1", "http://h:1/proxy.pac", "http://", ""]
)
def test_a_proxy_that_cannot_be_used(proxy):
    assert "bots.a.proxy" in sentence(f'[bots.a]\nproxy = "{proxy}"')


@pytest.mark.parametrize(
    "text",
    [
        f"[bots.a]\ntoken = '{CANARY}'",
        f"[bots.a]\ntransport = 'socket'\napp_token = '{CANARY}'",
        f"[bots.a]\ntoken = ['{CANARY}']",
        f"[bots.a]\ntransport = '{CANARY}'",
        f"[bots.a]\nproxy = 'socks5://u:{CANARY}@h'",
        f"[bots.a]\napi_url = 'https://{CANARY}@h'",
        f"[bots.a]\nrelay = '{CANARY}'",
    ],
)
def test_no_message_repeats_a_secret_in_the_wrong_place(text):
    assert CANARY not in sentence(text)


def test_a_token_in_the_file_is_told_where_to_go():
    assert "traymon setup" in sentence(f"[bots.a]\ntoken = '{CANARY}'")


def test_a_proxys_password_is_in_no_repr_and_no_report():
    config = parse("[bots.a]\nproxy = 'http://u:canary@h:1'", FOLDER)
    assert "canary" not in repr(config)
    assert as_json(config)["bots"][0]["proxy"] == "http://h:1"


def test_deep_nesting_is_a_sentence():
    sentence("a = " + "[" * 5_000)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_one_sentence(text):
    message = ""
    try:
        parse(text, FOLDER)
    except ConfigError as error:
        message = str(error)
    assert message == "" or (message.isprintable() and message[-1] in ".?")


VALUES = st.one_of(
    st.text(max_size=20),
    st.booleans(),
    st.integers(),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["rtm", "socket", "keyring", "env:A", "file:x", DEFAULT_API_URL, "http://h:1"]),
)


@given(
    st.dictionaries(
        st.sampled_from(["transport", "token", "app_token", "api_url", "relay", "proxy", "ca_file"]), VALUES
    )
)
def test_any_values_are_a_whole_bot_or_one_sentence(settings):
    import tomlkit

    text = tomlkit.dumps({"bots": {"a": settings}})
    assert tomllib.loads(text)["bots"]["a"] == settings
    message = ""
    try:
        (bot,) = parse(text, FOLDER).bots
    except ConfigError as error:
        message = str(error)
    assert "bots.a" in message or (
        bot.api_url.endswith("/")
        and bot.relay in ({"rtm", True} if bot.transport == "socket" else {True, False})
    )
