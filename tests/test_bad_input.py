"""Bad input and broken surroundings as a person meets them: the real command, its sentence, its exit code, the link.

Each test breaks one thing and asks the same: does one sentence say what happened and what to do, is the bot held all
the same where it can be, and is everything in the log once the thing is mended?
"""

import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from tests.stage import (
    OFFLINE,
    ONLINE,
    Breaking,
    Stage,
    a_file_in_its_place,
    a_line,
    keyring,
    mounted,
    read_only,
    sentence,
    session_bus,
    staged,
)
from tests.support import PATIENCE_S, events
from traymon.paths import Profile
from traymon.simulator import Simulator
from traymon.simulator import faults as f

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="signals, modes and terminals as POSIX has them"
)


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def bare(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose configuration is still empty."""
    with staged(home, slack, monkeypatch) as bare:
        yield bare


@pytest.fixture
def stage(bare: Stage) -> Stage:
    """A stage with a bot that can be held."""
    bare.configure(f'token = "file:{bare.keep_token()}"')
    return bare


# --------------------------------------------------------------------------------------------------- configuration


FAULTS: dict[str | bytes, str] = {
    '[bots.bot]\ntokne = "keyring"': "unknown setting “tokne” in [bots.bot]: did you mean “token”?",
    "[bot.a]": "unknown setting “bot” at the top: did you mean “bots”?",
    '[bots.bot]\nrelay = "yes"': 'bots.bot.relay must be true, false or "rtm".',
    "[bots.bot]\ntoken = 5": 'bots.bot.token must be text in quotes ("…").',
    "[bots.bot]\n[bots.bot]": "two bots are named “bot” (at line 2): give each a name of its own.",
    "[bots.bot\ntoken": "it is not valid TOML",
    '[bots."\\u001b[2J\\u202e\\n"]': "the bot's name “\\x1b[2J\\u202e\\n” holds characters",
    b"[bots.b\xfct]": "is not text in UTF-8: save it as UTF-8.",
    f'[bots.bot]\ntoken = "xoxb-{"4" * 20}"': "holds a token itself",
}


def test_a_configuration_at_fault(bare: Stage) -> None:
    """All at the same time: each is a process of its own with a profile of its own."""
    runs = []
    for number, text in enumerate(FAULTS):
        file = bare.profile.config_file.with_name(f"{number}.toml")
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        bare.profile = Profile.default(file)
        runs.append((text, bare.profile, bare.start()))
    for text, profile, process in runs:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (2, ""), text
        assert FAULTS[text] in sentence(err)
        assert str(profile.config_file) in err
        assert "4444" not in err
        assert profile.config_file.read_bytes() == (text if isinstance(text, bytes) else text.encode())
        assert not profile.state_dir.exists()


# ---------------------------------------------------------------------------------------------------------- tokens


def with_another(stage: Stage) -> str:
    """A second bot, whose token is fine; its token."""
    token = f"{stage.token}-other"
    stage.slack.add_bot(token, "other")
    stage.configure(f'token = "file:{stage.keep_token(token)}"', name="other")
    return token


def test_a_token_that_is_not_in_the_environment(bare: Stage) -> None:
    bare.configure('token = "env:NO_SUCH_TOKEN"')
    other = with_another(bare)
    process = bare.start()
    bare.hold(other, "other")
    reason = "The environment variable NO_SUCH_TOKEN is not set: set it and start traymon again."
    assert reason in bare.status(OFFLINE, ONLINE).stdout
    assert sentence(bare.end(process)) == f"bot: {reason}"
    bare.assert_logged("other")
    (failed,) = events(bare.profile, "bot", "fail")
    assert (failed.cause, failed.detail) == ("no_token", reason)


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_tokens_file_that_cannot_be_used_is_waited_for(bare: Stage, mode: int | None) -> None:
    path = bare.keep_token(mode=mode or 0o600)
    if mode is None:
        path.unlink()
    bare.configure(f'token = "file:{path}"')
    other = with_another(bare)
    process = bare.start()
    bare.hold(other, "other")
    shown = bare.status(OFFLINE).stdout
    assert str(path) in shown
    assert ("make it, or correct its path" if mode is None else "chmod 600") in shown
    bare.keep_token()
    bare.hold()
    assert f"bot: The token's file {path}" in sentence(bare.end(process))
    bare.assert_logged("bot")
    bare.assert_logged("other")


def test_no_keyring_is_waited_for(bare: Stage) -> None:
    bare.configure('token = "keyring"')
    other = with_another(bare)
    process = bare.start()
    bare.hold(other, "other")
    shown = bare.status(OFFLINE, '"next_try": "20').stdout
    reason = (
        "No keyring is ready on this machine: log in to the desktop, or keep the token elsewhere "
        '(token = "env:NAME" or "file:PATH" in the configuration).'
    )
    told = f"bot: offline since {shown[19:27]}\n  {reason}\n"
    assert f"{told}  Next try at " in shown or f"{told}  Trying now." in shown
    assert process.poll() is None
    assert sentence(bare.end(process)) == f"bot: {reason}"
    bare.assert_logged("other")


def test_a_locked_keyring_is_waited_for(bare: Stage) -> None:
    bare.configure('token = "keyring"')
    store = "import sys; from traymon.secrets import store; store('bot', 'token', sys.argv[1], profile=sys.argv[2])"
    with session_bus(bare):
        with keyring(bare, "--unlock", given="password"):
            subprocess.run(
                [sys.executable, "-c", store, bare.token, bare.profile.name], env=bare.env, check=True
            )
        with keyring(bare):
            process = bare.start()
            shown = bare.status(OFFLINE, "lock").stdout
            assert "unlock it; traymon waits for that." in shown
            assert bare.slack.open_links(bare.token) == 0
            with keyring(bare, "--replace", "--unlock", given="password"):
                bare.hold()
            said = bare.end(process)
    lines = said.splitlines()
    assert any(re.fullmatch(r"traymon: bot: The keyring .*unlock it; .*\.", line) for line in lines)
    # While it is replaced on a busy machine it may also not answer in time.
    assert all(line.startswith("traymon: bot: ") and "keyring" in line for line in lines)
    bare.assert_logged()


# ----------------------------------------------------------------------------------------------------- the session log


def test_a_newer_database_is_left_alone(stage: Stage) -> None:
    db = stage.profile.db
    db.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE tomorrow (x)")
        connection.execute("PRAGMA user_version = 999")
    before = db.read_bytes()
    process = stage.start()
    stage.hold(logged=False)
    shown = stage.status(ONLINE).stdout
    said = sentence(stage.end(process))
    assert said in shown
    assert said == (
        f"The session log {db} was written by a newer traymon: the bots are held and the text log is written, but "
        "nothing else; update traymon."
    )
    assert db.read_bytes() == before
    lines = stage.profile.text_log.read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["start", "stop"]
    assert stage.traymon("log").stdout.splitlines() == lines
    unreadable = stage.traymon("log", "--format", "json")
    assert unreadable.returncode == 1
    assert "newer traymon" in sentence(unreadable.stderr)


@pytest.mark.parametrize("how", ["garbage", "cut"])
def test_a_damaged_database_is_moved_aside(stage: Stage, how: str) -> None:
    process = stage.start()
    stage.hold()
    stage.end(process)
    db = stage.profile.db
    whole = db.read_bytes()
    damaged = os.urandom(5_000) if how == "garbage" else whole[: len(whole) // 2]
    db.write_bytes(damaged)

    process = stage.start()
    stage.hold()
    shown = stage.status(ONLINE).stdout
    said = sentence(stage.end(process))
    assert said in shown
    (aside,) = db.parent.glob(f"{db.name}.damaged-*Z")
    assert aside.read_bytes() == damaged
    assert "traymon began a new one and kept the old as" in said
    assert str(aside) in said
    stage.assert_logged()
    lines = stage.profile.text_log.read_text().splitlines()
    assert [(line.split()[2], line.rsplit("#")[1]) for line in lines] == [
        (kind, str(number)) for number, kind in enumerate(["start", "stop"] * 2, 1)
    ]


@pytest.mark.parametrize("broken", [a_file_in_its_place, read_only])
def test_a_log_folder_that_cannot_be_written(stage: Stage, broken: Breaking) -> None:
    with broken(stage.profile.log_dir) as mend:
        process = stage.start()
        stage.hold()
        shown = stage.status(ONLINE, "The text log").stdout
        read = stage.traymon("log")
        assert (read.returncode, read.stderr) == (0, "")
        assert "online" in read.stdout, "the database knows it"
        mend()
        said = sentence(stage.end(process))
        assert said in shown
        assert f"The text log {stage.profile.text_log} cannot be written" in said
        assert (
            "nothing is lost, and it catches up as soon as it can; free some disk space or check the folder"
            in said
        )
        stage.assert_logged()
        lines = stage.profile.text_log.read_text().splitlines()
        assert [line.split()[2] for line in lines] == ["start", "stop"]


@pytest.mark.parametrize("broken", [a_file_in_its_place, read_only])
def test_a_state_folder_that_cannot_be_written(stage: Stage, broken: Breaking) -> None:
    with broken(stage.profile.state_dir) as mend:
        process = stage.start()
        stage.hold(logged=False)
        second = stage.traymon("run", "--no-tray")
        assert second.returncode == 0, "it asked the one that runs"
        shown = stage.status(ONLINE, '"logged": false').stdout
        assert "Not in the session log yet." in shown
        assert stage.slack.open_links(stage.token) == 1
        mend()
        said = stage.end(process).splitlines(keepends=True)
        problem = sentence(said[0])
        assert problem in shown
        assert f"The session log {stage.profile.db} cannot be written" in problem
        assert "traymon holds the bots all the same and keeps the entries in memory until it can" in problem
        assert "check the folder" in problem
        assert "There is no text log yet" in sentence("".join(said[1:])), "the second start asked for it"
        stage.assert_logged()


def test_a_full_disk(stage: Stage) -> None:
    folder = stage.profile.state_dir
    with mounted(folder, "rw"):
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4_096):
                pass
        process = stage.start()
        stage.hold(logged=False)
        shown = stage.status(ONLINE, '"logged": false').stdout
        assert "Not in the session log yet." in shown
        ballast.unlink()
        said = sentence(stage.end(process))
        assert said in shown
        assert "traymon holds the bots all the same" in said
        assert "free some disk space" in said
        stage.assert_logged()


def test_no_folder_for_the_control_socket(stage: Stage) -> None:
    with a_file_in_its_place(stage.profile.runtime_dir):
        process = stage.start()
        stage.hold()
        asked = stage.traymon("status")
        assert asked.returncode == 3
        assert f"end it with “kill {process.pid}”" in sentence(asked.stderr)
        second = stage.traymon("run", "--no-tray")
        assert second.returncode == 1
        assert f"already runs for this profile (process {process.pid})" in sentence(second.stderr)
        said = sentence(stage.end(process))
    assert f"cannot take questions at {stage.profile.control_address}" in said
    assert "the bots are held all the same" in said
    assert "check that folder and start traymon again" in said
    stage.assert_logged()


def test_no_folder_at_all(stage: Stage) -> None:
    """Nothing can be locked, written or asked: the bot is held, and each of the three is one sentence."""
    with (
        a_file_in_its_place(stage.profile.runtime_dir),
        a_file_in_its_place(stage.profile.state_dir) as mend,
    ):
        process = stage.start("--debug", "run", "--no-tray")
        said = [a_line(process.stderr)]
        while "HelloReceived" not in said[-1]:
            assert said[-1]
            said.append(a_line(process.stderr))
        lock, log, control = (sentence(line) for line in said if not re.match(r"traymon: \d", line))
        assert "cannot tell whether another one runs: it holds the bots all the same" in lock
        assert "The session log" in log
        assert "cannot take questions" in control
        stage.hold(logged=False)
        mend()
        stage.end(process)
    stage.assert_logged()


# --------------------------------------------------------------------------------------------------------- desktops


@pytest.mark.parametrize(
    ("desktop", "why"),
    [
        ({}, "There is no tray"),
        ({"DISPLAY": ":9797"}, "There is no tray"),
        ({"DISPLAY": "no display"}, "There is no tray"),
        ({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"}, "No panel with a tray is there"),
        ({"DBUS_SESSION_BUS_ADDRESS": "no address"}, "No panel with a tray is there"),
        (
            {"DISPLAY": ":9797", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/bus"},
            "No panel with a tray is there",
        ),
    ],
)
def test_no_desktop(stage: Stage, desktop: dict[str, str], why: str) -> None:
    stage.env |= desktop
    process = stage.start("run")
    stage.hold()
    said = sentence(a_line(process.stderr))
    assert why in said
    assert "traymon runs on" in said
    assert stage.end(process) == ""
    stage.assert_logged()


# ------------------------------------------------------------------------------------------------------ two at a time


def test_a_second_start_from_a_terminal_is_told(stage: Stage) -> None:
    first = stage.start()
    stage.hold()
    master, terminal = os.openpty()
    try:
        second = stage.start(stdin=terminal, stdout=terminal)
        _, said = second.communicate(timeout=PATIENCE_S)
    finally:
        os.close(terminal)
        os.close(master)
    assert second.returncode == 1
    assert sentence(said) == (
        f"traymon already runs for this profile (process {first.pid}): use its tray icon, or end it with "
        "“traymon quit”."
    )
    assert stage.slack.open_links(stage.token) == 1
    assert stage.end(first) == ""


def test_a_second_start_from_no_terminal_shows_the_first_one(stage: Stage) -> None:
    first = stage.start()
    stage.hold()
    second = stage.traymon("run", "--no-tray")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert stage.slack.open_links(stage.token) == 1
    said = sentence(stage.end(first))
    assert "there is no desktop to show it on" in said
    assert f"read it at {stage.profile.text_log}" in said


def test_what_a_killed_one_left_blocks_nobody(stage: Stage) -> None:
    nothing = stage.traymon("status")
    process = stage.start()
    stage.hold()
    process.kill()
    process.communicate()
    left = stage.traymon("status")
    for done in (nothing, left):
        assert (done.returncode, done.stdout) == (3, "")
        assert sentence(done.stderr) == "traymon is not running: start it with “traymon”."
    process = stage.start()
    stage.hold()
    assert stage.status(ONLINE).returncode == 0
    assert stage.end(process) == ""
    stage.assert_logged(stops=2)
    assert events(stage.profile, "bot", "stop")[0].cause == "traymon_died"


def test_rubbish_at_the_control_socket(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    address = stage.profile.control_address
    for rubbish in (b"", b"\xff" * 4_096, struct.pack("!i", 2_000_000_000), b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)
            with contextlib.suppress(BrokenPipeError):
                client.sendall(rubbish)
    key = Path(f"{address}.key").read_bytes()
    asked = [b"", b"\x80\x04]", b"[]", b"[" * 100_000, b"{}", b'{"version":1}', b'{"version":2,"do":"pause"}']
    asked += [b'{"version":1,"do":{"quit":1}}', b'{"version":1,"do":"pause","bot":["bot"]}']
    for question in asked:
        with Client(address, authkey=key) as own:
            own.send_bytes(question)
            answer = json.loads(own.recv_bytes())
        assert not answer["ok"]
        assert answer["error"].endswith((".", "both the same version.")), "a sentence"
    assert stage.status(ONLINE).returncode == 0
    assert stage.slack.open_links(stage.token) == 1
    assert len(stage.slack.truth().links_of(stage.token)) == 1, "and it was never another"
    assert stage.end(process) == ""
    stage.assert_logged()


# ------------------------------------------------------------------------------------- streams, terminals and signals


def broken_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_went_away(bare: Stage, stream: str) -> None:
    bare.configure('token = "env:NO_SUCH_TOKEN"')  # makes it say something
    other = with_another(bare)
    writer = broken_pipe()
    try:
        process = bare.start(**{stream: writer})
    finally:
        os.close(writer)
    bare.hold(other, "other")
    assert "bot: offline" in bare.status(OFFLINE).stdout
    bare.end(process)
    bare.assert_logged("other")


@pytest.mark.parametrize("closed", [[1], [0, 1, 2]])
def test_streams_that_were_closed_before_the_start(stage: Stage, closed: list[int]) -> None:
    process = stage.start(preexec_fn=lambda: os.closerange(closed[0], closed[-1] + 1))
    stage.hold()
    open_files = {}
    if sys.platform == "linux":
        open_files = {number: os.readlink(f"/proc/{process.pid}/fd/{number}") for number in closed}
    assert set(open_files.values()) <= {"/dev/null"}, (
        "no link and no database behind what others may write to"
    )
    stage.end(process)
    stage.assert_logged()


def test_a_terminal_that_is_closed(stage: Stage) -> None:
    master, terminal = os.openpty()
    process = stage.start(
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=_make_it_the_controlling_terminal,
    )
    os.close(terminal)
    shown = b""
    while b"\n" not in shown:
        shown += os.read(master, 4_096)
    assert re.fullmatch(rb"\S+ \S+  start  bot  online after \S+  #1\r\n", shown)
    os.close(master)  # the system sends SIGHUP now, and every write fails
    assert stage.traymon("reconnect").returncode == 0
    assert stage.slack.wait(lambda: len(stage.slack.truth().links_of(stage.token)) == 2, PATIENCE_S)
    stage.hold()
    stage.end(process)
    stage.assert_logged()


def _make_it_the_controlling_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_hang_up_changes_nothing(stage: Stage) -> None:
    process = stage.start()
    stage.hold()
    process.send_signal(signal.SIGHUP)
    assert stage.status(ONLINE).returncode == 0
    assert len(stage.slack.truth().links_of(stage.token)) == 1
    assert stage.end(process) == ""
    stage.assert_logged()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(stage: Stage, number: int) -> None:
    process = stage.start()
    stage.hold()
    assert stage.end(process, number) == ""
    stage.assert_logged()
    (link,) = stage.slack.truth().links_of(stage.token)
    assert link.ended_wall is not None


def test_a_signal_in_the_midst_of_an_attempt(stage: Stage) -> None:
    stage.slack.arm(f.Hang(), token=stage.token, times=None)
    process = stage.start()
    asked = lambda: [call for call in stage.slack.truth().calls if call.token == stage.token]  # noqa: E731
    assert stage.slack.wait(asked, PATIENCE_S)
    assert stage.end(process) == ""
    assert stage.slack.open_links(stage.token) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_no_success(stage: Stage) -> None:
    stage.profile.text_log.parent.mkdir(parents=True)
    stage.profile.text_log.write_text("a line  #1\n")
    with open("/dev/full", "w") as full:
        process = stage.start("log", stdout=full)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert sentence(said) == "The output could not be written (No space left on device): check where it goes."


# ------------------------------------------------------------------------------------------------------ hostile texts

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\r\n=1+1<script>"
ACTING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
"""What could act on a terminal, hide or reorder; the line's end apart."""


def test_what_others_send_is_only_shown(bare: Stage) -> None:
    token, name = f"{bare.token}-hostile", '=HYPERLINK("http://x","<b>y</b>")'
    bare.slack.add_bot(token, "hostile", team=HOSTILE)
    bare.configure(f'token = "file:{bare.keep_token(token)}"', name=name)
    master, terminal = os.openpty()
    try:
        process = bare.start("--debug", "run", "--no-tray", stdout=terminal)
        bare.hold(token, name)
        online = bare.status(ONLINE).stdout
        assert bare.slack.close(token, 4_000, HOSTILE) == 1
        offline = bare.status(OFFLINE).stdout
        said = bare.end(process)
        terminal_lines = os.read(master, 65_536).decode().replace("\r\n", "\n")
    finally:
        os.close(terminal)
        os.close(master)
    text, table, data = (bare.traymon("log", "--format", form).stdout for form in ("text", "csv", "json"))
    everything = [online, offline, said, terminal_lines, text, table, data]
    assert [shown for shown in everything if ACTING.search(shown)] == []
    assert f"{name} (\\x1b]0;owned\\x07\\x9b2J\\u202e\\r\\n=1+1<script>): online" in online
    assert "\\x1b]0;owned" in offline
    assert terminal_lines == text == bare.profile.text_log.read_text()

    rows = list(csv.DictReader(io.StringIO(table)))
    assert {"start", "stop"} <= {row["kind"] for row in rows}
    assert {row["bot"] for row in rows} == {f"'{name}"}
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in {"=", "+", "-", "@"}]
    stop = next(row for row in map(json.loads, data.splitlines()) if row["kind"] == "stop")
    assert (stop["bot"], stop["close_code"], stop["detail"]) == (name, 4_000, HOSTILE), (
        "the data is what was sent"
    )
