"""pip, pipx and uv install the wheel, and pip the source distribution; what they put there runs."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.packages.chroot import INSTALLING_S
from tests.packages.conftest import Packages
from traymon import __version__

pytestmark = pytest.mark.timeout(4 * INSTALLING_S)


def run(*command: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run to the end; what it said."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALLING_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def environment(folder: Path, *packages: str | Path) -> Path:
    """The commands of a new virtual environment with packages in it."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *packages)
    return folder / "bin"


def works(traymon: Path, home: Path) -> None:
    """Its version, its help in another language, and a short demo without a tray."""
    (home / "home").mkdir()
    env = {"HOME": str(home / "home"), "LANG": "C.UTF-8"}
    assert run(traymon, "--version", env=env) == f"traymon {__version__}\n"
    assert "使い方" in run(traymon, "--help", env={**env, "LANG": "ja_JP.UTF-8"})
    said = run(traymon, "demo", "--no-tray", "--seconds", "6", env=env)
    assert "online after" in said
    assert "1006 abrupt_close" in said


def test_pip_installs_the_wheel(packages: Packages, tmp_path: Path) -> None:
    works(environment(tmp_path / "venv", packages.wheel) / "traymon", tmp_path)


def test_pip_installs_the_source_distribution(packages: Packages, tmp_path: Path) -> None:
    source = packages.one(f"traymon-{__version__}.tar.gz")
    works(environment(tmp_path / "venv", source) / "traymon", tmp_path)


def test_pipx_installs_and_uninstalls(packages: Packages, tmp_path: Path) -> None:
    pipx = environment(tmp_path / "venv", "pipx") / "pipx"
    places = {"PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man"}
    env = {name: str(tmp_path / folder) for name, folder in places.items()}
    run(pipx, "install", "--python", sys.executable, packages.wheel, env=env)
    works(tmp_path / "bin/traymon", tmp_path)
    run(pipx, "uninstall", "traymon", env=env)
    assert list((tmp_path / "bin").iterdir()) == []


def test_uv_installs_and_uninstalls(packages: Packages, tmp_path: Path) -> None:
    uv = environment(tmp_path / "venv", "uv") / "uv"
    env = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    run(uv, "tool", "install", "--no-config", "--python", sys.executable, packages.wheel, env=env)
    works(tmp_path / "bin/traymon", tmp_path)
    run(uv, "tool", "uninstall", "traymon", env=env)
    assert list((tmp_path / "bin").iterdir()) == []
