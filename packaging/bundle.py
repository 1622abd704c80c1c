"""The one-folder program, which brings its Python along: built by PyInstaller for the system that builds it.

On Linux it runs where glibc is as new as on the system that built it, so it is built on an old one.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import licences
from steps import ROOT, environment, run, version

__all__ = ["build", "icon_for", "version", "write_licences"]

_HERE = Path(__file__).resolve().parent
_SYSTEMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}


def build(wheel: Path, version: str, out: Path, work: Path) -> None:
    """Build it in an environment of its own, and pack it into an archive in ``out``."""
    home = work / "bundle-environment"
    python = environment(home, wheel, "-r", _HERE / "pyinstaller/requirements.txt")
    built = work / "bundle"
    where = ("--distpath", built, "--workpath", work / "bundle-work")
    command = (python, "-P", "-m", "PyInstaller", "--noconfirm", "--log-level=WARN", *where)
    # Elsewhere, as a checkout in the present folder would be taken for the installed traymon.
    run(*command, _HERE / "pyinstaller/traymon.spec", cwd=home)
    name = f"traymon-{version}-{_SYSTEMS[sys.platform]}-{platform.machine().lower()}"
    _pack(built, name, out)


def _pack(built: Path, name: str, out: Path) -> None:
    if sys.platform == "darwin":
        # Keeps the links and modes inside, which zip files of Python's do not.
        run("ditto", "-c", "-k", "--keepParent", built / "traymon.app", out / f"{name}.zip")
        return
    kind = "zip" if sys.platform == "win32" else "gztar"
    shutil.make_archive(str(out / name), kind, built, "traymon")


# What follows is called by traymon.spec, inside the environment.


def icon_for(system: str, folder: Path) -> str | None:
    """The path of the icon for programs of this system, made in ``folder``; Linux has none in its programs."""
    import icons

    folder.mkdir(parents=True, exist_ok=True)
    if system == "win32":
        icons.write_ico(folder / "traymon.ico")
        return str(folder / "traymon.ico")
    if system == "darwin":
        icons.write_icns(folder / "traymon.icns")
        return str(folder / "traymon.icns")
    return None


def write_licences(binaries: Iterable[tuple[str, str, str]], folder: Path) -> Path:
    """The licences of traymon, Python, the loader, the libraries, and what of the system is among ``binaries``.

    ``binaries`` are PyInstaller's: name in the bundle, source, kind.
    """
    parts = _with_requirements("traymon")
    own = (ROOT / "LICENSE").read_text(encoding="utf-8")
    loader = licences.texts_of([distribution("pyinstaller")])
    sources = {Path(source) for _, source, _ in binaries}
    system = _of_system(source for source in sources if Path(sys.prefix) not in source.parents)
    texts = [
        f"traymon\n\n{own}",
        "What is bundled with it has licences of its own.",
        _python(),
        loader,
        licences.texts_of(part for part in parts if part.name != "traymon"),
        system,
    ]
    path = folder / "LICENCES.txt"
    path.write_text("\n\n".join(filter(None, texts)), encoding="utf-8")
    return path


def _with_requirements(name: str) -> list[Distribution]:
    """A distribution and all that it requires here."""
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    open_names = [name]
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # required by an extra that is not used
            continue
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                open_names.append(requirement.name.lower().replace("_", "-"))
    return list(found.values())


def _python() -> str:
    """Python's own licence, where the installation that builds has it."""
    import sysconfig

    places = [
        Path(sys.base_prefix),
        Path(sysconfig.get_path("stdlib")),
        Path("/usr/share/doc/libpython3-stdlib"),
    ]
    for place in places:
        for name in ("LICENSE.txt", "LICENSE", "copyright"):
            if (place / name).is_file():
                return f"Python {platform.python_version()}\n\n{(place / name).read_text(encoding='utf-8')}"
    sys.exit("Python's own licence was not found, which a bundle must bring along.")


def _of_system(files: Iterable[Path]) -> str:
    """The licences of the system's libraries: Debian's packages have them in one place each."""
    if sys.platform != "linux" or shutil.which("dpkg") is None:
        return ""
    owners: dict[str, list[str]] = {}
    for file in files:
        for path in (file, file.resolve(), Path("/usr") / file.relative_to("/")):
            command = ["dpkg", "-S", str(path)]
            said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - dpkg
            if said.returncode == 0:
                owners.setdefault(said.stdout.split(":")[0], []).append(file.name)
                break
    texts = []
    for package, names in sorted(owners.items()):
        text = Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8")
        texts.append(f"{package} ({', '.join(sorted(names))})\n\n{text}")
    return "\n\n".join(texts)
