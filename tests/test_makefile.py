"""The Makefile: where it cannot work, it says what to install in one sentence."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def clone(tmp_path):
    """A folder with nothing but the Makefile."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "hatch_build.py"):
        (tmp_path / name).touch()
    return tmp_path


def make(folder, *arguments):
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def python(folder, script):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return f"PYTHON={path}"


def test_without_a_target_it_explains_itself(clone):
    said = make(clone).stdout
    for target in ("demo", "run", "test", "check"):
        assert re.search(rf"^  make {target} .*\S", said, re.MULTILINE)


@pytest.mark.parametrize("target", ["demo", "run", "test", "check"])
def test_no_python(clone, target):
    done = make(clone, target, "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert not (clone / ".venv").exists()


def test_an_old_python(clone):
    done = make(clone, "demo", python(clone, "exit 1"))
    assert done.returncode != 0
    assert "is older" in done.stderr


def test_no_venv(clone):
    done = make(clone, "demo", python(clone, 'case "$2" in *ensurepip*) exit 1;; esac'))
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_virtual_environment_that_fails_half_way_is_not_kept(clone):
    done = make(
        clone,
        "demo",
        python(clone, 'if [ "$1" = -m ]; then mkdir -p .venv/bin; touch .venv/bin/python; exit 1; fi'),
    )
    assert done.returncode != 0
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["demo"], ".venv/bin/traymon demo"),
        (["demo", "SECONDS=40", "NO_TRAY=1"], ".venv/bin/traymon demo --seconds 40 --no-tray"),
        (["run", "NO_TRAY=1"], ".venv/bin/traymon run --no-tray"),
    ],
)
def test_what_is_given_to_make_reaches_traymon(clone, monkeypatch, given, command):
    monkeypatch.setenv("SECONDS", "7")  # a shell may have one of its own
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/python", ".has-traymon"):
        (clone / ".venv" / name).touch()
    done = make(clone, "--dry-run", *given)
    assert done.stdout.split() == command.split()
