"""The relay's port and tokens: chosen once, private, the same for whoever asks."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.relay.tokens import RelaySettings, load_or_make
from traymon.slackwire.tokens import kind_of

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "relay.json"


def test_they_are_made_once_and_kept(file: Path) -> None:
    said: list[str] = []
    first = load_or_make(file, said.append)
    assert load_or_make(file, said.append) == first
    assert 20_000 <= first.port < 30_000
    assert first.base_url == f"http://127.0.0.1:{first.port}/api/"
    assert said == []
    assert [each.name for each in file.parent.iterdir()] == ["relay.json"]


@POSIX
def test_the_file_is_private_and_made_so_again(file: Path) -> None:
    settings = load_or_make(file, print)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    assert load_or_make(file, print) == settings
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_port_that_a_person_wrote_counts(file: Path) -> None:
    settings = load_or_make(file, print)
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "port": 4711}))
    changed = load_or_make(file, print)
    assert (changed.port, changed.secret) == (4711, settings.secret)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"port": 4711}',
        b'{"port": "4711", "secret": ""}',
        b'{"port": 0, "secret": "' + b"00" * 32 + b'"}',
        b'{"port": 65536, "secret": "' + b"00" * 32 + b'"}',
        b'{"port": 4711, "secret": "' + b"00" * 31 + b'"}',
        b'{"port": 4711, "secret": "' + b"zz" * 32 + b'"}',
    ],
)
def test_a_damaged_file_is_moved_aside_and_said(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    said: list[str] = []
    settings = load_or_make(file, said.append)
    assert len(said) == 1
    assert "traymon relay" in said[0]
    assert file.with_name("relay.json.damaged").read_bytes() == content
    assert load_or_make(file, said.append) == settings
    assert len(said) == 1


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_cannot_be_read_is_left_alone(file: Path) -> None:
    load_or_make(file, print)
    file.chmod(0)
    os.chmod(file.parent, 0o500)
    said: list[str] = []
    assert load_or_make(file, said.append).port
    assert len(said) == 1
    os.chmod(file.parent, 0o700)


def test_where_nothing_can_be_written_there_are_tokens_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    said: list[str] = []
    settings = load_or_make(tmp_path / "state" / "relay.json", said.append)
    assert settings.tokens_of("bot").token
    assert len(said) == 1


def test_all_who_make_them_at_the_same_time_have_the_same(file: Path) -> None:
    found: list[RelaySettings] = []
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        found.append(load_or_make(file, print))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


@given(names=st.lists(st.text(), min_size=2, unique=True), secret=st.binary(min_size=32, max_size=32))
def test_each_bot_has_tokens_of_its_own_that_look_like_slacks(names: list[str], secret: bytes) -> None:
    settings = RelaySettings(4711, secret)
    tokens = [settings.tokens_of(name) for name in names]
    assert [settings.tokens_of(name) for name in names] == tokens
    every = [each.token for each in tokens] + [each.app_token for each in tokens]
    assert len(set(every)) == 2 * len(names)
    assert {(kind_of(each.token), kind_of(each.app_token)) for each in tokens} == {("bot", "app")}
    # Nothing in them has to be encoded, wherever a client puts them.
    assert all(token.isascii() and token.replace("-", "").isalnum() for token in every)
    assert not any(secret.hex() in token for token in every)


def test_nothing_of_it_is_in_a_repr(file: Path) -> None:
    settings = load_or_make(file, print)
    text = repr(settings) + repr(settings.tokens_of("bot"))
    assert settings.secret.hex() not in text
    assert settings.tokens_of("bot").token not in text
    assert repr(settings.secret) not in text
