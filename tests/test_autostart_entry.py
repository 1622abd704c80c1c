"""Desktop entries: whatever command is put into one comes out again, by our rules and by GLib's."""

import ctypes
import ctypes.util
import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.required import cannot
from traymon.desktop.autostart import entry
from traymon.desktop.autostart.entry import EntryError

# Characters with a meaning somewhere on the way come up more often than by chance.
_char = st.one_of(
    st.sampled_from(" \t\n\r\"'\\><~|&;$*?#()`%=[];sntfFuUü漢\u2028\x85\xa0"),
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)),
)
_argument = st.text(_char, max_size=12)
_program = st.text(_char.filter(lambda char: char not in "=%"), min_size=1, max_size=12)
_command = st.builds(lambda program, rest: [program, *rest], _program, st.lists(_argument, max_size=4))


@given(_command)
@example(["/a b/traymon", "--config", "", "run"])
@example(["/x", "%f", "100%", "%%", "a%"])
@example(["\\", '"', "`$(x)`", "\\n", "a\nb"])
def test_a_command_comes_out_as_it_went_in(command):
    text = entry.desktop_entry(command, comment="Keeps bots online")
    keys = entry.read_entry(text)
    assert entry.split_exec(entry.unescaped(keys["Exec"])) == command
    assert entry.unescaped(keys["TryExec"]).strip() == command[0].strip()


@given(st.text(_char, max_size=40))
def test_any_comment_stays_one_value(comment):
    keys = entry.read_entry(entry.desktop_entry(["/x"], comment=comment))
    assert keys["Exec"] == "/x"
    assert entry.unescaped(keys["Comment"]).strip() == comment.strip()


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text):
    try:
        entry.split_exec(entry.unescaped(entry.read_entry(f"[Desktop Entry]\nExec={text}").get("Exec", "")))
        entry.read_entry(text)
    except EntryError:
        pass


# By the rules of others


@pytest.fixture(scope="module")
def glib():
    name = ctypes.util.find_library("glib-2.0")
    if name is None:
        cannot("no GLib")
    library = ctypes.CDLL(name)
    library.g_key_file_new.restype = ctypes.c_void_p
    library.g_key_file_free.argtypes = [ctypes.c_void_p]
    library.g_key_file_load_from_data.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_void_p,
    ]
    library.g_key_file_get_string.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
    ]
    library.g_key_file_get_string.restype = ctypes.c_void_p
    library.g_shell_parse_argv.argtypes = [
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.POINTER(ctypes.c_char_p)),
        ctypes.c_void_p,
    ]
    library.g_strfreev.argtypes = [ctypes.POINTER(ctypes.c_char_p)]
    library.g_free.argtypes = [ctypes.c_void_p]
    return library


def glib_command(glib, text: str) -> list[str]:
    """The command as GLib reads it: the key file's string, then the shell's words; field codes are not expanded."""
    file = glib.g_key_file_new()
    content = text.encode()
    assert glib.g_key_file_load_from_data(file, content, len(content), 0, None), "GLib does not read it"
    string = glib.g_key_file_get_string(file, b"Desktop Entry", b"Exec", None)
    assert string, "GLib finds no Exec"
    count, words = ctypes.c_int(), ctypes.POINTER(ctypes.c_char_p)()
    try:
        parsed = glib.g_shell_parse_argv(
            ctypes.string_at(string), ctypes.byref(count), ctypes.byref(words), None
        )
        assert parsed, f"GLib cannot split it: {ctypes.string_at(string)!r}"
        found = [words[at].decode() for at in range(count.value)]
        glib.g_strfreev(words)
    finally:
        glib.g_free(string)
        glib.g_key_file_free(file)
    return found


@given(_command)
def test_glib_reads_the_same_command(glib, command):
    text = entry.desktop_entry(command, comment="")
    assert [each.replace("%%", "%") for each in glib_command(glib, text)] == command


def test_glib_starts_it(tmp_path):
    """GNOME's own launcher, with a path of every kind of trouble."""
    gio = shutil.which("gio")
    if gio is None:
        cannot("not installed: gio")
    folder = tmp_path / "a b'c\"d$e`f#g\\h;i&j"
    folder.mkdir()
    program = folder / "pro gram"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    program.chmod(0o700)
    arguments = ["--config", str(folder / "100%.toml"), "", "run", "--at-login"]
    file = tmp_path / "traymon.desktop"
    file.write_text(entry.desktop_entry([str(program), *arguments], comment=""), encoding="utf-8")
    done = subprocess.run([gio, "launch", str(file)], capture_output=True, text=True, timeout=60, check=False)
    if "not supported" in done.stderr or "Unknown command" in done.stderr:
        cannot("this gio cannot launch")
    assert done.returncode == 0, done.stderr
    # It has our pipe, which ends with it.
    assert done.stdout == "\n".join([str(program), *arguments]) + "\n"


def test_the_validator_finds_nothing(tmp_path):
    validator = shutil.which("desktop-file-validate")
    if validator is None:
        cannot("not installed: desktop-file-validate")
    file = tmp_path / "traymon.desktop"
    command = ["/opt/a b/traymon", "--config", "/x/100%$.toml", "run", "--at-login"]
    file.write_text(entry.desktop_entry(command, comment="Ü"), encoding="utf-8")
    done = subprocess.run([validator, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# What cannot be


@pytest.mark.parametrize("command", [[], ["/a=b/traymon"], ["/a%b/traymon"], ["/x", "a\0b"]])
def test_a_command_that_no_entry_can_hold(command):
    with pytest.raises(EntryError):
        entry.quoted(command)


def test_a_path_that_is_no_text():
    with pytest.raises(EntryError, match="UTF-8"):
        entry.desktop_entry([b"/x/\xff".decode("utf-8", "surrogateescape")], comment="")


def test_a_quotation_without_an_end():
    with pytest.raises(EntryError, match="does not end"):
        entry.split_exec('"/usr/bin/tray')


def test_a_file_without_the_group():
    with pytest.raises(EntryError, match="Desktop Entry"):
        entry.read_entry("Exec=/usr/bin/traymon\n")


# Reading what others wrote


def test_only_the_first_group_counts():
    text = "# a comment\n[Desktop Entry]\n Exec = /x  \n#Hidden=true\nName[ja]=名\n\n[Desktop Action new]\nExec=/y\n"
    assert entry.read_entry(text) == {"Exec": "/x", "Name[ja]": "名"}


def test_field_codes_are_left_out():
    assert entry.split_exec('/x %U --a=%f "" %i "b c"') == ["/x", "--a=", "", "b c"]


def test_taking_keys_out_leaves_all_else_as_it_was():
    text = "# top\n[Desktop Entry]\nExec=/x\nHidden = true\nX-Mine=1\n\n[Other]\nHidden=true\n"
    assert entry.without_keys(text, ["Hidden"]) == text.replace("Hidden = true\n", "")


@pytest.mark.parametrize(
    ("keys", "desktop", "shown"),
    [
        ({}, "KDE", True),
        ({}, "", True),
        ({"OnlyShowIn": "GNOME;XFCE;"}, "XFCE", True),
        ({"OnlyShowIn": "GNOME;"}, "ubuntu:GNOME", True),
        ({"OnlyShowIn": "GNOME;"}, "KDE", False),
        ({"OnlyShowIn": "GNOME"}, "", False),
        ({"NotShowIn": "GNOME;"}, "ubuntu:GNOME", False),
        ({"NotShowIn": "GNOME;"}, "KDE", True),
        # The first of the session's desktops that is named decides.
        ({"OnlyShowIn": "ubuntu;", "NotShowIn": "GNOME;"}, "ubuntu:GNOME", True),
        ({"OnlyShowIn": "GNOME;", "NotShowIn": "ubuntu;"}, "ubuntu:GNOME", False),
    ],
)
def test_only_show_in(keys, desktop, shown):
    assert entry.shown_in(keys, desktop) is shown
