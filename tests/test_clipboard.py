"""The clipboard: each tool where its display is, and a sentence where there is none."""

import os
import subprocess
import sys

import pytest

from tests.required import need_programs
from traymon.desktop import clipboard
from traymon.desktop.clipboard import copy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has tools for it")

TEXT = "Ünicode ✓\n`code`\n"


@pytest.fixture
def tool(tmp_path):
    """Puts a tool into PATH that keeps what it is given, and runs ``more``."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def add(name, more="exit 0"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\necho "$0" "$@" >> "{tmp_path}/called"\n/bin/cat > "{tmp_path}/text"\n{more}\n'
        )
        program.chmod(0o700)
        return folder

    return add


def called(tmp_path):
    lines = (tmp_path / "called").read_text().splitlines()
    return [os.path.basename(line) for line in lines]


@pytest.mark.parametrize(
    ("display", "name", "line"),
    [
        ("DISPLAY", "xclip", "xclip -selection clipboard -in"),
        ("DISPLAY", "xsel", "xsel --clipboard --input"),
        ("WAYLAND_DISPLAY", "wl-copy", "wl-copy"),
    ],
)
def test_each_tool(tool, tmp_path, display, name, line):
    environ = {"PATH": str(tool(name)), display: "x"}
    assert copy(TEXT, environ) is None
    assert called(tmp_path) == [line]
    assert (tmp_path / "text").read_text() == TEXT


def test_one_that_fails_gives_way_to_the_next(tool, tmp_path):
    tool("xclip", "exit 1")
    environ = {"PATH": str(tool("xsel")), "DISPLAY": "x"}
    assert copy(TEXT, environ) is None
    assert [line.split()[0] for line in called(tmp_path)] == ["xclip", "xsel"]


def test_where_none_takes_it(tool):
    environ = {"PATH": str(tool("xclip", "exit 1")), "DISPLAY": "x"}
    assert copy(TEXT, environ) == "The clipboard did not take it (xclip)."


def test_one_that_hangs_is_not_waited_for(tool, monkeypatch):
    monkeypatch.setattr(clipboard, "_LIMIT_S", 0.2)
    environ = {"PATH": str(tool("xclip", "exec /bin/sleep 60")), "DISPLAY": "x"}
    assert copy(TEXT, environ) == "The clipboard did not take it (xclip)."


def test_without_a_desktop(tool):
    assert "no desktop" in copy(TEXT, {"PATH": str(tool("xclip"))})


@pytest.mark.parametrize(("display", "program"), [("DISPLAY", "xclip"), ("WAYLAND_DISPLAY", "wl-clipboard")])
def test_without_a_tool_it_says_which_to_install(tmp_path, display, program):
    assert copy(TEXT, {"PATH": str(tmp_path), display: "x"}) == (
        f"The clipboard needs one more program: install {program}."
    )


def test_what_stays_behind_does_not_keep_our_output_open(tool, tmp_path):
    """xclip leaves a process that serves the clipboard; with our pipe in its hands, "traymon | tee" would never end."""
    os.mkfifo(tmp_path / "end")
    # The one that stays has what the tool was given as output, and ends only when we let it.
    folder = tool("xclip", f'/bin/cat "{tmp_path}/end" &\nexit 0')
    script = "from traymon.desktop.clipboard import copy; print(copy('x'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": str(folder), "DISPLAY": "x", "WAYLAND_DISPLAY": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "None\n"
    with open(tmp_path / "end", "w"):
        pass


def test_a_real_clipboard(tmp_path):
    need_programs("Xvfb", "xclip")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "320x200x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with open(reader) as told:
            environ = {**os.environ, "DISPLAY": f":{told.readline().strip()}", "WAYLAND_DISPLAY": ""}
        assert copy(TEXT, environ) is None
        asked = ["xclip", "-selection", "clipboard", "-out"]
        done = subprocess.run(asked, env=environ, capture_output=True, timeout=60, check=True)
        assert done.stdout.decode() == TEXT
    finally:
        server.terminate()
        server.wait(60)
