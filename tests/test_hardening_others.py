"""Others on the machine: another version of traymon, another user, another owner of the keyring."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.required import need_programs
from tests.stage import ONLINE, Stage, a_line, keyring, sentence, session_bus, staged
from tests.support import PATIENCE_S
from traymon.simulator import Simulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and users as POSIX has them")


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(home, slack, monkeypatch) as stage:
        yield stage


# Another version

# What of a traymon others meet: its lock and its socket. It knows one request alone.
ANOTHER = """
import sys, threading
from pathlib import Path
from traymon.desktop import control
from traymon.desktop.instance import acquire_profile
from traymon.paths import Profile
from traymon import words
control.VERSION = int(sys.argv[2])
ended = threading.Event()
def answer(asked):
    if asked["do"] != "quit":
        return {"ok": False, "error": words.unknown_request()}
    ended.set()
    return {"ok": True, "say": []}
profile = Profile.default(Path(sys.argv[1]))
with acquire_profile(profile):
    server = control.ControlServer(profile.control_address, answer)
    server.start()
    print("up", flush=True)
    ended.wait()
    server.stop()
"""


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (0, "The running traymon is of another version than this command: restart it"),
        (2, "The running traymon is of another version than this command: restart it"),
        (1, "The running traymon does not know this request; restart it"),
    ],
)
def test_a_running_traymon_of_another_version(stage: Stage, version: int, says: str) -> None:
    stage.configure(f'token = "file:{stage.keep_token()}"')
    file = str(stage.profile.config_file)
    other = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, file, str(version)], env=stage.env, stdout=subprocess.PIPE, text=True
    )
    stage.started.append(other)
    assert a_line(other.stdout) == "up\n"
    for command in ("status", "reconnect", "pause", "resume"):
        asked = stage.traymon(command)
        assert (asked.returncode, asked.stdout) == (1, "")
        assert sentence(asked.stderr).startswith(says)
    assert stage.traymon("log").returncode == 0
    ended = stage.traymon("quit")
    assert (ended.returncode, ended.stderr) == (0, ""), "the one thing that every version understands"
    assert other.wait(PATIENCE_S) == 0
    process = stage.start()
    stage.hold()
    assert stage.end(process) == ""
    stage.assert_whole()


# A keyring

STORE = (
    "import sys; from traymon.secrets import store; store('bot', 'token', sys.argv[1], profile=sys.argv[2])"
)


def test_a_keyring_that_goes_and_comes_back_locked(stage: Stage) -> None:
    """A link that is up needs it no more, nor does the next: the token was read."""
    stage.configure('token = "keyring"')
    with session_bus(stage):
        with keyring(stage, "--unlock", given="password"):
            subprocess.run(
                [sys.executable, "-c", STORE, stage.token, stage.profile.name], env=stage.env, check=True
            )
            process = stage.start()
            stage.hold()
        stage.hold_again()
        with keyring(stage):
            stage.hold_again()
            assert stage.status(ONLINE).returncode == 0
        assert stage.end(process) == ""
    stage.assert_whole(stops=3)


# Another user

UID = 61_184
"""Of nobody in particular: the first that systemd gives to services for as long as they run (systemd's users)."""


@contextmanager
def of_another_user(slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose command is another user's, and all its files too."""
    if os.getuid() != 0:
        pytest.skip("only root can start a process as another user")
    need_programs("setpriv")
    folder = Path(tempfile.mkdtemp(prefix="traymon-test-"))
    inside = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--")
    program = (*inside, sys.executable, "-m", "traymon")
    try:
        if subprocess.run([*program, "--version"], capture_output=True, check=False).returncode:
            pytest.skip("no other user can read this copy of traymon")
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with staged(folder, slack, monkeypatch) as stage:
            stage.program = program
            stage.configure(f'token = "file:{stage.keep_token()}"')
            for path in (folder, *folder.rglob("*"), Path(stage.env["XDG_RUNTIME_DIR"])):
                os.chown(path, UID, UID)
            yield stage
    finally:
        shutil.rmtree(folder)


def test_two_users_of_one_machine(stage: Stage, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.configure(f'token = "file:{stage.keep_token()}"')
    mine = stage.start()
    stage.hold()
    with of_another_user(slack, monkeypatch) as theirs:
        process = theirs.start()
        theirs.hold()
        assert Path(f"/proc/{process.pid}").stat().st_uid == UID
        prying = Stage(slack, stage.token, stage.profile, stage.env, theirs.program)
        for command, code in (("status", 3), ("quit", 3), ("log", 1)):
            done = prying.traymon(command)
            assert (done.returncode, done.stdout) == (code, "")
            assert sentence(done.stderr)
        assert stage.slack.open_links(stage.token) == 1
        assert theirs.end(process) == ""
        theirs.assert_whole()
    assert stage.status(ONLINE).returncode == 0
    assert stage.end(mine) == ""
    stage.assert_whole()
