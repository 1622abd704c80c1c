"""What set-up writes into ``config.toml``, and what it leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.config import ConfigError, load
from traymon.setup.configfile import BotTable, names, preview_bot, remove_bot, set_bot

COMMENTED = """\
# mine
language = "ja"  # the whole family's

[bots.other]
token = 'env:OTHER' # keep
# the end
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.toml"


def test_where_there_is_no_file_one_is_made_that_only_its_owner_reads(path):
    path = path.parent / "folder" / "c.toml"
    bot = set_bot(path, BotTable("a", "rtm", token="keyring"))
    assert (bot.name, bot.transport, bot.token) == ("a", "rtm", "keyring")
    assert load(path, {}).bots == (bot,)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_all_else_stays_to_the_letter(path):
    path.write_text(COMMENTED)
    set_bot(path, BotTable("a", "socket", token="keyring", app_token="env:APP"))
    assert path.read_text().startswith(COMMENTED)
    assert names(path) == ["other", "a"]
    before = path.read_text()
    set_bot(path, BotTable("a", "socket", token="keyring", app_token="env:APP"))
    assert path.read_text() == before


def test_a_preview_writes_nothing(path):
    path.write_text(COMMENTED)
    assert preview_bot(path, BotTable("a", "rtm", token="env:A")).token == "env:A"
    assert path.read_text() == COMMENTED


def test_another_way_to_connect_takes_out_what_does_not_fit(path):
    path.write_text('[bots.a]\ntransport = "socket"\napp_token = "env:APP"\nproxy = "http://p:3128"\n')
    bot = set_bot(path, BotTable("a", "rtm", token="env:BOT"))
    assert (bot.transport, bot.app_token, bot.proxy) == ("rtm", None, "http://p:3128")
    path.write_text('[bots.a]\nrelay = false\ntoken = "env:BOT"\n')
    bot = set_bot(path, BotTable("a", "socket", app_token="env:APP"))
    assert (bot.transport, bot.token, bot.relay) == ("socket", "env:BOT", True)


def test_a_program_of_rtm_is_presented_rtm_until_another_way_is_chosen(path):
    path.write_text('[bots.a] # mine\ntoken = "env:BOT"\nrelay = true # lends\n')
    table = BotTable("a", "socket", token="env:BOT", app_token="env:APP", programs="rtm")
    bot = set_bot(path, table)
    assert (bot.transport, bot.token, bot.app_token, bot.relay) == ("socket", "env:BOT", "env:APP", "rtm")
    assert 'relay = "rtm" # lends' in path.read_text()
    assert set_bot(path, BotTable("a", "socket", app_token="env:OTHER")).relay == "rtm", "only a new token"
    assert set_bot(path, BotTable("a", "socket", app_token="env:APP", programs="socket")).relay is True
    set_bot(path, table)
    assert set_bot(path, BotTable("a", "rtm", token="env:BOT")).relay is True, "the program goes on"


def test_the_address_is_written_only_where_it_differs(path):
    default = "https://slack.com/api/"
    set_bot(path, BotTable("a", "rtm", token="keyring", api_url=default))
    assert "api_url" not in path.read_text()
    other = "https://slack-gov.com/api/"
    assert set_bot(path, BotTable("a", "rtm", token="keyring", api_url=other)).api_url == other
    assert set_bot(path, BotTable("a", "rtm", token="keyring")).api_url == other
    assert set_bot(path, BotTable("a", "rtm", token="keyring", api_url=default)).api_url == default


@pytest.mark.parametrize(
    "content",
    [
        b"[bots.a",
        b"\xff\xfe",
        b"[bots.a]\nrelayy = true",
        b"[bots.a]\ntoken = 'env:T'\n[bots.b]\ntoken = 'env:T'",
    ],
)
def test_a_file_with_a_fault_is_left_alone(path, content):
    path.write_bytes(content)
    for change in (
        lambda: set_bot(path, BotTable("c", "rtm", token="keyring")),
        lambda: remove_bot(path, "a"),
        lambda: names(path),
    ):
        with pytest.raises(ConfigError):
            change()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "table",
    [
        BotTable("", "rtm", token="keyring"),
        BotTable("a\nb", "rtm", token="keyring"),
        BotTable("a", "rtm", token="env:1 2"),
        BotTable("a", "rtm", token="env:OTHER"),
        BotTable("a", "rtm", token="keyring", api_url="http://example.com/"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(path, table):
    path.write_text(COMMENTED)
    with pytest.raises(ConfigError):
        set_bot(path, table)
    assert path.read_text() == COMMENTED


def test_a_bot_is_taken_out_and_nothing_else(path):
    path.write_text(COMMENTED)
    set_bot(path, BotTable("a", "rtm", token="keyring"))
    assert remove_bot(path, "a")
    assert path.read_text().rstrip() == COMMENTED.rstrip()
    assert not remove_bot(path, "a")
    assert remove_bot(path, "other")
    assert load(path, {}).bots == ()
    assert "# mine" in path.read_text()


def test_without_a_file_nothing_is_taken_out_and_none_is_made(path):
    assert not remove_bot(path, "a")
    assert not path.exists()


@pytest.mark.parametrize(
    "written",
    [
        'bots.a.token = "env:A"\nbots.b.token = "env:B"\n',
        'bots = {a = {token = "env:A"}, b = {token = "env:B"}}\n',
        '[bots]\na = {token = "env:A"}\n[bots.b]\ntoken = "env:B"\n',
        '[bots.a]\ntoken = "env:A"\n\n[bots]\n[bots.b]\ntoken = "env:B"\n',
        '[bots.b]\ntoken = "env:B"\n[bots.a]\ntoken = "env:A"\n# the end',
        '\ufeff[bots.b]\r\ntoken = "env:B"\r\n[bots.a]\r\ntoken = "env:A"\r\n',
    ],
)
def test_however_the_tables_are_written(path, written):
    path.write_text(written)
    set_bot(path, BotTable("a", "rtm", token="env:C"))
    set_bot(path, BotTable("c", "rtm", token="env:D"))
    assert {bot.name: bot.token for bot in load(path, {}).bots} == {"a": "env:C", "b": "env:B", "c": "env:D"}
    assert remove_bot(path, "a")
    assert {bot.name for bot in load(path, {}).bots} == {"b", "c"}


def test_a_link_stays_a_link(path, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    path.symlink_to(tmp_path / "dotfiles" / "real.toml")
    set_bot(path, BotTable("a", "rtm", token="keyring"))
    assert path.is_symlink()
    assert names(tmp_path / "dotfiles" / "real.toml") == ["a"]


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)


@given(bots=st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_any_name_that_can_be_shown_comes_back_and_goes(tmp_path_factory, bots):
    path = tmp_path_factory.mktemp("names") / "c.toml"
    for number, bot in enumerate(bots):
        set_bot(path, BotTable(bot, "rtm", token=f"env:T{number}"))
    assert names(path) == bots
    for bot in bots:
        assert remove_bot(path, bot)
    assert names(path) == []
