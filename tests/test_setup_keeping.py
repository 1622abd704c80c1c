"""Where tokens are kept: a private file, a real keyring, or nowhere."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from traymon.secrets import Secret, SecretUnavailable, read
from traymon.setup import keeping
from traymon.setup.keeping import keep, token_file

CANARY = "xoxb-canary-123"

KEPT_BY_CHILD = """
from keyring.backend import KeyringBackend
from pathlib import Path
import keyring.errors

class Kept(KeyringBackend):
    priority = 9
    def set_password(self, service, username, password):
        Path("{folder}/kept").write_text(f"{{service}} {{username}} {{password}}")
    def get_password(self, service, username):
        return None
    def delete_password(self, service, username):
        pass

class Locked(Kept):
    def set_password(self, service, username, password):
        raise keyring.errors.KeyringLocked

class Closed(Kept):
    def set_password(self, service, username, password):
        raise keyring.errors.InitError("Failed to create the collection: Prompt dismissed..")

class Odd(Kept):
    def set_password(self, service, username, password):
        raise RuntimeError(password)

class Hangs(Kept):
    def set_password(self, service, username, password):
        import threading
        threading.Event().wait()
"""


@pytest.fixture
def backend(monkeypatch, tmp_path):
    """Lets the child use one of the keyrings above."""
    (tmp_path / "kept_by_child.py").write_text(KEPT_BY_CHILD.format(folder=tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def use(name):
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)

    return use


def test_a_file_that_only_its_owner_reads(tmp_path):
    path = token_file(tmp_path / "tokens", "a", "token")
    keep(f"file:{path}", "a", "token", Secret(CANARY), profile="default")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read(f"file:{path}", "a", "token") == CANARY


@pytest.mark.parametrize("bot", ["../../etc/passwd", "a b", "ボット", ".hidden", "x" * 80, "a/b", "con"])
def test_a_file_s_name_is_harmless_and_each_bot_s_own(bot):
    path = token_file(Path("/tokens"), bot, "token")
    assert path.parent == Path("/tokens")
    assert path.name.isascii()
    assert path.name[0] not in ".~"
    assert len(path.name) < 80
    others = {token_file(Path("/tokens"), other, "token") for other in (bot + "-", bot + "_", "-" + bot)}
    assert path not in others
    assert path != token_file(Path("/tokens"), bot, "app_token")


def test_the_environment_is_the_person_s_own():
    before = dict(os.environ)
    keep("env:A_TOKEN", "a", "token", Secret(CANARY), profile="default")
    assert dict(os.environ) == before


def test_the_keyring_gets_it_through_a_pipe(backend, tmp_path, monkeypatch):
    backend("kept_by_child.Kept")
    witness = tmp_path / "python"
    witness.write_text(
        f'#!/bin/sh\nenv > "{tmp_path}/environ"\necho "$@" > "{tmp_path}/argv"\nexec {sys.executable} "$@"\n'
    )
    witness.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(witness))
    keep("keyring", "a", "app_token", Secret(CANARY), profile="work")
    assert (tmp_path / "kept").read_text() == f"traymon (work) a/app_token {CANARY}"
    assert "traymon.setup.keeping a app_token work" in (tmp_path / "argv").read_text()
    assert CANARY not in (tmp_path / "argv").read_text() + (tmp_path / "environ").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("keyring.backends.fail.Keyring", "No keyring is ready on this machine: log in"),
        ("kept_by_child.Locked", "stayed locked"),
        ("kept_by_child.Closed", "stayed locked"),
        ("kept_by_child.Odd", "RuntimeError"),
        ("kept_by_child.None", "cannot be used"),
    ],
)
def test_a_keyring_that_does_not_take_it_is_a_sentence(backend, name, said):
    backend(name)
    with pytest.raises(SecretUnavailable, match=said) as caught:
        keep("keyring", "a", "token", Secret(CANARY), profile="default")
    assert CANARY not in str(caught.value)


def test_a_keyring_that_hangs_is_given_up(backend, monkeypatch):
    backend("kept_by_child.Hangs")
    monkeypatch.setattr(keeping, "_PROMPT_LIMIT_S", 0.5)
    with pytest.raises(SecretUnavailable, match="did not answer"):
        keep("keyring", "a", "token", Secret(CANARY), profile="default")


def test_no_python_to_start_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(SecretUnavailable, match="cannot be used"):
        keep("keyring", "a", "token", Secret(CANARY), profile="default")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_child_reads_no_terminal():
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "traymon.setup.keeping", "a", "token", "default", "en"],
            stdin=terminal,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == 2
    assert b"by hand" in done.stderr
