"""Opening a file: the system's opener is asked, and what goes wrong is said."""

import sys
import threading

import pytest

from traymon.desktop import opening
from traymon.desktop.opening import open_file

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="puts a program of its own in place of xdg-open"
)


@pytest.fixture
def opener(tmp_path, monkeypatch):
    """Let a script be the desktop's xdg-open."""

    def use(script):
        path = tmp_path / "bin" / "xdg-open"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    yield use
    for thread in threading.enumerate():
        if thread.name == "viewer":
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a log; $(x).log"
    path.touch()
    return path


def test_the_file_is_shown(opener, file, tmp_path):
    opener(f'printf %s "$1" > "{tmp_path}/shown"')
    assert open_file(file) is None
    assert (tmp_path / "shown").read_text() == str(file)


def test_an_opener_that_fails_is_named(opener, file):
    opener("exit 4")
    assert open_file(file) == "xdg-open failed"


def test_a_viewer_that_stays_open_is_no_failure(opener, file, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_SETTLE_S", 0.1)
    opener(f'while [ ! -e "{tmp_path}/closed" ]; do sleep 0.05; done')
    assert open_file(file) is None
    (tmp_path / "closed").touch()


def test_an_opener_that_cannot_be_started_is_a_problem(opener, file, tmp_path):
    opener("")
    (tmp_path / "bin" / "xdg-open").write_bytes(b"\x7fELF rubbish")
    assert open_file(file)


def test_nothing_to_show_or_nowhere_to_show_it(opener, file, tmp_path, monkeypatch):
    opener("exit 0")
    assert open_file(tmp_path / "none") == "there is no such file yet"
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert open_file(file) == "there is no desktop to show it on"
