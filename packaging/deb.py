"""The Debian packages: one for each release of Debian and architecture, as it bundles its libraries.

Debian 12 has none of aiohttp >= 3.12, keyring >= 25.2, dbus-fast and msgspec, Debian 13 no aiohttp >= 3.12. So all
libraries come along, as wheels, in a virtual environment at /usr/lib/traymon that uses the system's Python. A virtual
environment, so that traymon's child processes and its start at login find the libraries as they do everywhere else.
Wheels are taken for the release's Python, whatever Python builds the package, so one machine builds them all.
"""

import gzip
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import licences
from steps import ROOT, environment, run, uv

_HERE = Path(__file__).resolve().parent
_HOME = Path("usr/lib/traymon")
_MODE = 0o755
_MAINTAINER = "The traymon developers <traymon@users.noreply.github.com>"
_DATE = int(os.environ.get("SOURCE_DATE_EPOCH", "1577836800"))
"""One date for all (seconds, UTC), so that two builds of one tree are the same."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian, and what its packages are told by."""

    suffix: str
    """Of the version. They sort as the releases do, so that an upgrade of Debian upgrades traymon."""
    python: str


RELEASES = (Release("deb12", "3.11"), Release("deb13", "3.13"))
ARCHITECTURES = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""By their names in Debian: what uv calls the wheels. Debian 12 has glibc 2.36, so all of these run."""


def build_all(
    wheel: Path, version: str, out: Path, work: Path, architectures: Sequence[str] | None = None
) -> None:
    """A package for each release, and each architecture or those given, in ``out``."""
    if shutil.which("dpkg-deb") is None:
        sys.exit(
            "dpkg-deb is not there: the Debian packages are built on Debian or Ubuntu, or with its package dpkg."
        )
    python = environment(work / "texts-environment", wheel)
    for release in RELEASES:
        for architecture in architectures or ARCHITECTURES:
            full = f"{version}-1~{release.suffix}"
            root = work / "deb" / f"traymon_{full}_{architecture}"
            shutil.rmtree(root, ignore_errors=True)
            _lay_out(root, wheel, python, release, ARCHITECTURES[architecture], full)
            _describe(root, release, architecture, full)
            # Root owns what is in the package, whoever builds it. Compressed harder it takes a minute, for a megabyte.
            environ = {**os.environ, "SOURCE_DATE_EPOCH": str(_DATE)}
            run(
                "dpkg-deb",
                "--root-owner-group",
                "-Zxz",
                "-z3",
                "--build",
                root,
                out / f"{root.name}.deb",
                env=environ,
            )


def _lay_out(root: Path, wheel: Path, python: Path, release: Release, platform: str, full: str) -> None:
    """The files of the package. ``python`` has traymon, for its texts."""
    bundled = _environment(root / _HOME, wheel, release, platform)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/traymon").symlink_to("../lib/traymon/bin/traymon")
    run(python, _HERE / "texts.py", root)
    _icons(root / "usr/share/icons/hicolor")
    documents = root / "usr/share/doc/traymon"
    documents.mkdir(parents=True, exist_ok=True)
    own = (ROOT / "LICENSE").read_text(encoding="utf-8")
    notice = f"The libraries below /{_HOME} have licences of their own:"
    (documents / "copyright").write_text(f"traymon\n\n{own}\n{notice}\n\n{bundled}", encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_bytes()
    (documents / "NEWS.gz").write_bytes(gzip.compress(changes, mtime=0))
    (documents / "changelog.Debian.gz").write_bytes(gzip.compress(_changelog(full).encode(), mtime=0))
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(_MODE if path.is_dir() or path.parent == root / _HOME / "bin" else 0o644)


def _environment(home: Path, wheel: Path, release: Release, platform: str) -> str:
    """A virtual environment around the system's Python, with traymon and its libraries, and traymon's command only.

    Gives the licences of the libraries.
    """
    packages = home / "lib" / f"python{release.python}" / "site-packages"
    target = ("--target", packages, "--python-version", release.python, "--python-platform", platform)
    uv(
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--only-binary",
        ":all:",
        *target,
        "--python",
        sys.executable,
        wheel,
    )
    shutil.rmtree(packages / "bin")
    for name in (".lock", "CACHEDIR.TAG", ".gitignore"):
        (packages / name).unlink(missing_ok=True)
    bundled = licences.texts_of(licences.in_folder(packages))
    for note in ("direct_url.json", "uv_cache.json", "REQUESTED", "RECORD", "INSTALLER"):
        for path in packages.glob(f"*.dist-info/{note}"):  # of this build; dpkg knows the files
            path.unlink()
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {release.python}\n"
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to("/usr/bin/python3")
    # -P: what lies beside the command is no library.
    (home / "bin/traymon").write_text(
        "#!/usr/lib/traymon/bin/python3 -P\nfrom traymon.cli import main\n\nmain()\n"
    )
    return bundled


def _icons(hicolor: Path) -> None:
    for picture in (ROOT / "assets/traymon").glob("*.png"):
        folder = hicolor / f"{picture.stem}x{picture.stem}" / "apps"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / "traymon.png")
    (hicolor / "scalable/apps").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "assets/traymon.svg", hicolor / "scalable/apps/traymon.svg")


def _changelog(full: str) -> str:
    """Of the package, as Debian's tools read it; traymon's own is NEWS."""
    date = format_datetime(datetime.fromtimestamp(_DATE, UTC))
    return f"traymon ({full}) stable; urgency=medium\n\n  * See NEWS.gz.\n\n -- {_MAINTAINER}  {date}\n"


def _describe(root: Path, release: Release, architecture: str, full: str) -> None:
    """What dpkg is told, in DEBIAN."""
    about = root / "DEBIAN"
    about.mkdir(mode=_MODE)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    files = [path for path in files if about not in path.parents]
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    major, minor = release.python.split(".")
    control = (
        (_HERE / "debian/control")
        .read_text(encoding="utf-8")
        .format(
            version=full,
            maintainer=_MAINTAINER,
            architecture=architecture,
            size=size,
            python=release.python,
            next_python=f"{major}.{int(minor) + 1}",
        )
    )
    (about / "control").write_text(control, encoding="utf-8")
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]  # noqa: S324
    (about / "md5sums").write_text("".join(sums), encoding="utf-8")
    for name in ("postinst", "prerm"):
        shutil.copy(_HERE / "debian" / name, about / name)
        (about / name).chmod(_MODE)
