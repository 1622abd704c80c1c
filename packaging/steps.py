"""What the builds of all packages share: the version, and running tools."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """The one place where it stands."""
    text = (ROOT / "traymon" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found is not None, "traymon/__init__.py has no version"
    return found[1]


def wheel_in(out: Path) -> Path:
    """The wheel that was built. Ends with a sentence where there is none."""
    wheel = out / f"traymon-{version()}-py3-none-any.whl"
    if not wheel.exists():
        sys.exit(f"{wheel} is not there: run python packaging/build.py wheel first.")
    return wheel


def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """A step of a build; one that fails ends the build with its exit code."""
    words = [str(part) for part in command]
    done = subprocess.run(words, env=env, cwd=cwd, check=False)  # noqa: S603 - the build's own tools
    if done.returncode != 0:
        sys.exit(done.returncode)


def uv(*arguments: str | Path) -> None:
    """The uv of this Python's environment."""
    run(sys.executable, "-m", "uv", *arguments)


def environment(folder: Path, *packages: str | Path) -> Path:
    """The Python of a new virtual environment in ``folder``, with these packages."""
    uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    uv("pip", "install", "--quiet", "--no-config", "--python", python, *packages)
    return python
