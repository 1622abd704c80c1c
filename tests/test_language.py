"""The language in use: how it is chosen, what follows from it, and the whole program in Japanese."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tests import support
from traymon import words
from traymon.cli.language import in_language
from traymon.words import language

NIGHT = 1_482_186_550_000  # 2016-12-19 22:29:10 UTC


@pytest.fixture(autouse=True)
def english_again():
    yield
    words.choose("en", {})


@pytest.fixture
def japanese():
    words.choose("ja", {})


def chosen(environ, configured=None, system=()):
    words.choose(configured, environ, system=lambda: system)
    return words.language_in_use()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.eucJP@x"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "JA_jp"}, "ja"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "jam_JM.UTF-8"}, "en"),
        ({"LANG": "../ja"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LC_MESSAGES": "en_GB.UTF-8", "LC_ALL": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_CTYPE": "en_US.UTF-8"}, "ja"),
        # A list, and before the locale; but not where a script asked for plain C.
        ({"LANGUAGE": "de:ja:en", "LANG": "en_US.UTF-8"}, "ja"),
        ({"LANGUAGE": "en:ja", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LANGUAGE": "de", "LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANGUAGE": "::", "LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANGUAGE": "ja", "LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "en"),
        ({"LANGUAGE": "ja", "LANG": "C.UTF-8"}, "ja"),
    ],
)
def test_the_environment_chooses(environ, expected):
    assert chosen(environ) == expected


def test_the_configuration_goes_before_the_environment():
    assert chosen({"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, "ja") == "ja"
    assert chosen({"LANG": "ja_JP.UTF-8"}, "en") == "en"
    assert (
        chosen({"LANG": "ja_JP.UTF-8"}, "tlh") == "ja"
    )  # an error of the configuration, told where it is read


def test_the_systems_own_setting_counts_where_the_environment_says_nothing():
    assert chosen({}, system=["ja-JP", "en-JP"]) == "ja"
    assert chosen({}, system=["de-DE", "ja-JP"]) == "ja"
    assert chosen({"LANG": "en_US.UTF-8"}, system=["ja-JP"]) == "en"
    assert chosen({}, system=[""]) == "en"


@given(st.dictionaries(st.sampled_from(["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"]), st.text()))
def test_no_environment_is_an_error(environ):
    assert chosen(environ) in words.languages()


def test_what_exists_is_named():
    assert words.languages() == ("en", "ja")
    assert words.language_called("ja_JP.UTF-8") == words.language_called("ja-JP") == "ja"
    assert words.language_called("English") is None
    assert words.language_called("") is None


def test_marked_messages_are_translated_where_they_are_used(japanese):
    assert words.state("online") == "オンライン"
    assert words.short_cause("reset") == "接続がリセットされました"
    words.choose("en", {})
    assert words.state("online") == "online"


@pytest.mark.parametrize("content", [b"", b"\xde\x12\x04\x95", b"\xde\x12\x04\x95" + bytes(range(36)), None])
def test_a_catalogue_that_is_damaged_or_gone_leaves_english(tmp_path, monkeypatch, content):
    folder = tmp_path / "ja" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "traymon.mo").write_bytes(content or b"")
    monkeypatch.setattr(language, "_FOLDER", str(tmp_path))
    if content is None:
        (folder / "traymon.mo").unlink()
    assert chosen({"LANG": "ja_JP.UTF-8"}) in {"en", "ja"}
    assert words.gettext("offline") == "offline"
    assert words.ngettext("one", "many", 2) == "many"


def test_without_any_catalogue_there_is_english(tmp_path, monkeypatch):
    monkeypatch.setattr(language, "_FOLDER", str(tmp_path / "nowhere"))
    assert words.languages() == ("en",)
    assert chosen({"LANG": "ja_JP.UTF-8"}) == "en"


def test_the_compiled_catalogues_are_those_of_their_sources():
    """Else what is seen here is not what the sources say: ``make words``."""
    from babel.messages.pofile import read_po

    for source in Path(language._FOLDER).glob("*/LC_MESSAGES/*.po"):
        with source.open("rb") as file:
            messages = [each for each in read_po(file) if each.id and each.string]
        compiled = language.translations(source.stem, source.parent.parent.name)
        for each in messages:
            first, said = (each.id, each.string) if isinstance(each.id, str) else (each.id[0], each.string[0])
            assert said in {compiled.gettext(first), compiled.ngettext(first, first, 1)}, source


# Times and numbers


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0秒"),
        (450, "0.4秒"),
        (42_999, "42秒"),
        (60_000, "1分00秒"),
        (56_402_000, "15時間40分02秒"),
        (274_200_000, "3日04時間10分"),
    ],
)
def test_durations_in_japanese(japanese, ms, text):
    assert words.duration(ms) == text


def test_moments_in_japanese(japanese):
    with time_machine.travel(datetime(2016, 12, 20, tzinfo=UTC), tick=False):
        assert words.clock_time(NIGHT) == words.clock_time(NIGHT, now_ms=NIGHT) == local(NIGHT)
        assert words.clock_time(NIGHT, now_ms=0) == f"2016/12/{day_of(NIGHT)} {local(NIGHT)}"
    assert words.clock_time(10**17) == "?"


def local(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%H:%M:%S")


def day_of(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().day


def test_days_and_months_as_the_language_writes_them():
    night = date(2016, 12, 20)
    assert (words.day(night), words.day(night, weekday=True), words.month(night)) == (
        "2016-12-20",
        "Tue 2016-12-20",
        "2016-12",
    )
    words.choose("ja", {})
    assert (words.day(night), words.day(night, weekday=True), words.month(night)) == (
        "2016/12/20",
        "2016/12/20（火）",
        "2016年12月",
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.00%"),
        (1.0, "100.00%"),
        (0.29, "29.00%"),
        (0.57, "57.00%"),
        (0.99999, "99.99%"),
        (1 - 1e-11, "99.99%"),
        (1 / 3, "33.33%"),
        (1.5, "100.00%"),
    ],
)
def test_a_share_is_never_shown_as_more_than_it_is(share, text):
    assert words.percent(share) == text


def test_numbers():
    assert words.number(5_000) == "5,000"
    assert words.percent(0.5, digits=0) == "50%"
    assert words.percent(0.9999, digits=1) == "99.9%"


# Columns


def test_columns_of_wide_text():
    assert words.columns("bot") == 3
    assert words.columns("ボット") == 6
    assert words.columns("e\u0301") == 1
    assert words.padded("正常", 8) == "正常    "
    assert words.padded("正常です", 4) == "正常です"


def test_wide_text_is_broken_anywhere_but_before_its_punctuation():
    assert words.wrapped("接続しました。次へ", 12) == ["接続しまし", "た。次へ"]
    assert words.wrapped("「traymon status」で", 8) == ["「traymon", "status」", "で"]
    assert words.wrapped("", 8) == [""]


@given(st.text("ab 、。「」ボット接続", max_size=60), st.integers(min_value=4, max_value=30))
def test_wrapping_loses_nothing_and_keeps_its_width(text, width):
    rows = words.wrapped(text, width)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    for row in rows:
        broken = [part for part in row.split(" ") if words.columns(part) > width]
        assert words.columns(row) <= width or broken


# The command


def test_help_texts_follow_the_language(japanese):
    command = click.Command("x", help=words.mark("offline"), params=[click.Option(["--a"], help="online")])
    in_language(command)
    assert command.help == "オフライン"
    option = command.params[0]
    assert isinstance(option, click.Option)
    assert option.help == "オンライン"


def environment(home, **more):
    """Without a locale of this machine's, and so without UTF-8 but for what Python makes of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "LC_"))}
    return {**kept, "XDG_CONFIG_HOME": str(home / "config"), **more}


def traymon(home, *arguments, **environ):
    return subprocess.run(
        [sys.executable, "-m", "traymon", *arguments],
        env=environment(home, **environ),
        capture_output=True,
        encoding="utf-8",
        timeout=support.PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("where", ["LANG", "LC_ALL", "LANGUAGE"])
def test_a_command_speaks_the_locales_language_installed_or_not(home, where):
    done = traymon(home, "status", **{where: "ja_JP.UTF-8"})
    assert done.returncode == 3
    assert done.stderr == "traymon: " + in_japanese("traymon is not running: start it with “traymon”.") + "\n"


def in_japanese(message):
    found = language.translations("traymon", "ja").gettext(message)
    assert found != message
    return found


def test_the_configurations_language_goes_before_the_locale(home):
    file = home / "config" / "traymon" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('language = "ja"\n')
    expected = in_japanese("traymon is not running: start it with “traymon”.")
    assert expected in traymon(home, "status", LANG="en_US.UTF-8").stderr
    other = home / "other.toml"
    other.write_text('language = "en"\n')
    assert "is not running" in traymon(home, "--config", str(other), "status", LANG="ja_JP.UTF-8").stderr
    assert "is not running" in traymon(home, f"--config={other}", "status", LANG="ja_JP.UTF-8").stderr


@pytest.mark.parametrize("content", [b"language = ", b"\xff\xfe", b"language = 3", b"[language]", None])
def test_a_configuration_with_a_fault_leaves_the_locales_language(home, content):
    file = home / "faulty.toml"
    if content is not None:
        file.write_bytes(content)
    done = traymon(home, "--config", str(file), "config", "path", LANG="ja_JP.UTF-8")
    assert (done.returncode, done.stderr) == (0, "")


def test_click_speaks_japanese(home):
    shown = traymon(home, "--help", LANG="ja_JP.UTF-8").stdout
    for part in ("使い方:", "オプション:", "コマンド:", "この説明を表示して終了します。"):
        assert part in shown
    assert max(map(words.columns, shown.splitlines())) <= 80
    wrong = traymon(home, "status", "--nonsense", LANG="ja_JP.UTF-8")
    assert wrong.returncode == 2
    assert "エラー: " in wrong.stderr
    assert "オプションはありません" in wrong.stderr


def test_json_is_the_same_in_every_language(home):
    done = traymon(home, "doctor", "--json", LANG="ja_JP.UTF-8")
    answer = json.loads(done.stdout)
    assert answer["config"]["check"] == "config"
    assert answer["config"]["result"] == "failed"
    assert "ボット" in answer["config"]["text"]


def test_the_demo_in_japanese(home):
    done = traymon(home, "demo", "--no-tray", "--seconds", "10", LANG="ja_JP.UTF-8")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("traymon デモ: ")
    starts = [line for line in lines if "  start  demobot  " in line and "オンライン" in line]
    stops = [line for line in lines if "  stop   demobot  " in line]
    assert starts
    assert len(stops) == len(starts)
    for line in starts + stops:
        assert datetime.fromisoformat(line.split("  ")[0]), "a text log's times are data"
    # However far the script came: each stop has its cause by name, which is data, and in words.
    known = (
        "1006 abrupt_close: Slack がクローズフレームなしで接続を切りました",
        "quit: traymon の終了が指示されました",
    )
    assert all(any(cause in line for cause in known) for line in stops)
    assert "セッション" in lines[-1]
