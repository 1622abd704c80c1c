"""Tokens: read from where they are kept, refused where others could read them, shown nowhere."""

import copy
import logging
import os
import pickle
import stat
import subprocess
import sys
import traceback

import pytest

from tests.required import need_programs
from traymon import secrets
from traymon.secrets import Secret, SecretUnavailable, clean, read, redacted

CANARY = "xoxb-canary-123"


# Holding


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>9}",
        "{} {!r}".format(*[secret] * 2),
        repr([secret]),
    ]
    assert CANARY not in "".join(shown)
    assert secret.reveal() == CANARY


def test_a_secret_is_not_in_a_traceback_or_a_log(caplog):
    secret = Secret(CANARY)
    try:
        raise ValueError(secret)
    except ValueError:
        text = traceback.format_exc()
        logging.getLogger("test").exception("with %s", secret)
    assert CANARY not in text + caplog.text


@pytest.mark.parametrize("steal", [pickle.dumps, copy.deepcopy, vars, dict])
def test_a_secret_cannot_be_carried_off(steal):
    with pytest.raises(TypeError):
        steal(Secret(CANARY))


def test_secrets_can_be_compared():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("ü\ud800") == Secret("ü\ud800")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET {CANARY} x", CANARY),
        ("xapp-1-A0-999-abcdef", "abcdef"),
        ("'xoxe.xoxp-1-Mi0y'", "Mi0y"),
        ('url="wss://wss-primary.slack.com/link/?ticket=12-34"', "ticket"),
        ("http://user:hunter2@proxy:3128/", "hunter2"),
    ],
)
def test_redacted(text, secret):
    assert secret in text
    assert secret not in redacted(text)
    assert "•••" in redacted(text)


def test_redacting_leaves_other_text():
    for text in ("xbox-one", "a@b.example", "https://slack.com/api/", "box: 1"):
        assert redacted(text) == text


@pytest.mark.parametrize("token", ["", " \n", "a b", "ü", "a\x1bb", "x" * 5_000, "a\x00"])
def test_what_cannot_be_a_token_is_refused_without_being_repeated(token):
    with pytest.raises(SecretUnavailable) as caught:
        clean(token)
    assert not token.strip() or token not in str(caught.value)
    assert not caught.value.waits


# Environment and files


def test_the_environment(monkeypatch):
    monkeypatch.setenv("A_TOKEN", f" {CANARY}\n")
    assert read("env:A_TOKEN", "a", "token") == CANARY
    monkeypatch.delenv("A_TOKEN")
    with pytest.raises(SecretUnavailable, match="A_TOKEN is not set"):
        read("env:A_TOKEN", "a", "token")


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"\ufeff{CANARY}\n")
    path.chmod(0o600)
    return path


def test_a_private_file(token_file):
    assert read(f"file:{token_file}", "a", "token") == CANARY
    token_file.chmod(0o400)
    assert read(f"file:{token_file}", "a", "token") == CANARY


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660, 0o777])
def test_a_file_that_others_can_read_or_write_is_refused(token_file, mode):
    token_file.chmod(mode)
    with pytest.raises(SecretUnavailable, match="chmod 600") as caught:
        read(f"file:{token_file}", "a", "token")
    assert not caught.value.waits


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_refused(token_file):
    os.chown(token_file, 12345, -1)
    with pytest.raises(SecretUnavailable, match="could be read by others"):
        read(f"file:{token_file}", "a", "token")


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    with pytest.raises(SecretUnavailable) as caught:
        read(f"file:{tmp_path / 'none'}", "a", "token")
    assert caught.value.waits


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(SecretUnavailable):
            read(f"file:{path}", "a", "token")


def test_a_huge_file_is_no_token(token_file):
    token_file.write_text("x" * 100_000)
    with pytest.raises(SecretUnavailable, match="does not look like a token"):
        read(f"file:{token_file}", "a", "token")


# The child process


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Let another program stand in for the interpreter that reads the keyring."""

    def use(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    if sys.platform == "win32":
        pytest.skip("uses a shell script")
    return use


def test_a_keyring_that_hangs_is_given_up_and_waited_for(child, monkeypatch):
    monkeypatch.setattr(secrets, "_READ_LIMIT_S", 0.2)
    child("exec sleep 60")
    with pytest.raises(SecretUnavailable, match="did not answer") as caught:
        read("keyring", "a", "token")
    assert caught.value.waits


@pytest.mark.parametrize("script", ["exit 1", "echo rubbish", "echo null", "kill -9 $$"])
def test_a_child_that_fails_is_waited_for(child, script):
    child(script)
    with pytest.raises(SecretUnavailable) as caught:
        read("keyring", "a", "token")
    assert caught.value.waits


def test_no_python_to_start_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(SecretUnavailable):
        read("keyring", "a", "token")


def test_without_a_bus_there_is_no_keyring_and_it_is_waited_for(monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SecretUnavailable, match="No keyring is ready") as caught:
        read("keyring", "a", "token")
    assert caught.value.waits
    with pytest.raises(SecretUnavailable, match="No keyring is ready"):
        _in_child("secrets.store('a', 'token', 'xoxb-canary-123')")


def _in_child(statement):
    """Run a statement in a fresh process: keyring chooses its backend once in each."""
    script = f"""
from traymon import secrets
try:
    {statement}
except secrets.SecretUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    if done.stdout:
        raise SecretUnavailable(done.stdout.strip())


# A real keyring

KEYRING_SCRIPT = """
import sys
import secretstorage
from traymon import secrets

CANARY = "xoxb-canary-123"

def why(**options):
    try:
        return secrets.read("keyring", "a", "token", **options)
    except secrets.SecretUnavailable as error:
        return f"waits={error.waits}: {error}"

def lock():
    bus = secretstorage.dbus_init()
    secretstorage.Collection(bus).lock()
    bus.close()

print("empty", why())
secrets.store("a", "token", CANARY)
secrets.store("a", "app_token", "xapp-other")
secrets.store("a", "token", "xoxb-elsewhere", profile="work-1")
print("kept", why() == CANARY, secrets.read("keyring", "a", "app_token"), why(profile="work-1"))
secrets.store("a", "token", "xoxb-newer")
print("newer", why())
print("deleted", secrets.delete("a", "token", profile="work-1"), secrets.delete("a", "token", profile="work-1"))
lock()
print("locked", why())
"""


@pytest.fixture
def keyring_bus(tmp_path):
    """The environment of a session bus with an unlocked gnome-keyring on it, all in folders of the test's."""
    need_programs("dbus-daemon", "gnome-keyring-daemon")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environ = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "DISPLAY", "WAYLAND"))
        },
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    keyring = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    keyring.stdin.write(b"password")
    keyring.stdin.close()
    keyring.stdout.readline()  # its environment: it is up
    yield environ
    for process in (keyring, bus):
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_a_real_keyring(keyring_bus):
    done = subprocess.run(
        [sys.executable, "-c", KEYRING_SCRIPT],
        env=keyring_bus,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "empty waits=False: The keyring holds no token for a: choose “Set up a bot…” in the menu, "
        "or run traymon setup.",
        "kept True xapp-other xoxb-elsewhere",
        "newer xoxb-newer",
        "deleted True False",
        "locked waits=True: The keyring is locked: unlock it; traymon waits for that.",
    ]


def test_the_token_is_in_no_argument_and_no_environment(keyring_bus, tmp_path):
    """A stand-in for the interpreter writes down what the child is given, and runs the real one."""
    witness = tmp_path / "python"
    witness.write_text(
        f'#!/bin/sh\nenv > "{tmp_path}/environ"\necho "$@" > "{tmp_path}/argv"\nexec {sys.executable} "$@"\n'
    )
    witness.chmod(0o700)
    script = f"""
import sys
from traymon import secrets
secrets.store("a", "token", "{CANARY}")
sys.executable = "{witness}"
print(secrets.read("keyring", "a", "token"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=keyring_bus,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == f"{CANARY}\n"
    assert "look a token default" in (tmp_path / "argv").read_text()
    assert CANARY not in (tmp_path / "argv").read_text() + (tmp_path / "environ").read_text()


def test_the_child_does_not_write_a_token_to_a_terminal():
    if sys.platform == "win32":
        pytest.skip("needs a pseudo-terminal")
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "traymon.secrets", "look", "a", "token", "default", "en"],
            stdout=terminal,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert stat.S_ISCHR(os.fstat(terminal).st_mode)
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == 2
    assert b"by hand" in done.stderr
