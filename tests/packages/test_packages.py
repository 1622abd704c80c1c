"""Packages without building the long ones: wheel and source distribution, and what the builds of the others consist of.

``make test-packages`` installs and runs all of them.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from traymon import __version__
from traymon.desktop.autostart.command import login_command
from traymon.paths import Profile

ROOT = Path(__file__).resolve().parents[2]
_SHIPPED = {".css", ".j2", ".js", ".mo", ".po", ".png", ".py"}


def load(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of packaging/, which finds its neighbours as when it is run."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    spec = importlib.util.spec_from_file_location(f"packaging_{Path(path).stem}", ROOT / "packaging" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Wheel and source distribution


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, the wheel made from it, and both unpacked (``source``, ``wheel``)."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("built")
    # Building compiles the catalogues in place: not in the checkout, where another test may be reading them.
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (folder / "checkout").mkdir()
    for name in (
        "pyproject.toml",
        ".gitignore",
        *pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"],
    ):
        copy(ROOT / name, folder / "checkout" / name)
    build(folder / "checkout", "sdist", folder)
    with tarfile.open(folder / f"traymon-{__version__}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    source = (folder / f"traymon-{__version__}").rename(folder / "source")
    build(source, "wheel", folder)
    with zipfile.ZipFile(folder / f"traymon-{__version__}-py3-none-any.whl") as wheel:
        wheel.extractall(folder / "wheel")
    return folder


def copy(source: Path, target: Path) -> None:
    """A file or a folder, as version control has it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.mo", "node_modules"))
    else:
        shutil.copy(source, target)


def build(source: Path, kind: str, target: Path) -> None:
    """As pip does it: the back end of pyproject.toml, called in the folder of the source."""
    call = f"import sys, hatchling.build as back; back.build_{kind}(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", call, str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_the_program_and_nothing_else(built: Path) -> None:
    shipped = files(built / "wheel")
    own = {name for name in shipped if not name.startswith(f"traymon-{__version__}.dist-info/")}
    assert {Path(name).suffix for name in own} == _SHIPPED
    assert all(name.startswith("traymon/") for name in own)
    modules = {f"traymon/{name}" for name in files(ROOT / "traymon") if name.endswith(".py")}
    assert {name for name in own if name.endswith(".py")} == modules
    pictures = {name for name in own if name.endswith(".png")}
    assert pictures == {f"traymon/assets/{name}" for name in files(ROOT / "assets") if name.endswith(".png")}
    sources = {name.removesuffix(".po") for name in own if name.endswith(".po")}
    assert {name.removesuffix(".mo") for name in own if name.endswith(".mo")} == sources != set()


def test_the_wheel_says_what_it_is(built: Path) -> None:
    about = built / "wheel" / f"traymon-{__version__}.dist-info"
    metadata = message_from_string((about / "METADATA").read_text(encoding="utf-8"))
    assert (metadata["Name"], metadata["Version"]) == ("traymon", __version__)
    assert metadata["License-Expression"] == "MIT"
    assert "traymon = traymon.cli:main" in (about / "entry_points.txt").read_text()
    assert (about / "licenses/LICENSE").exists()


def test_the_source_distribution_holds_what_developing_needs(built: Path) -> None:
    shipped = files(built / "source")
    wanted = {
        "pyproject.toml",
        "hatch_build.py",
        "Makefile",
        "LICENSE",
        "packaging/build.py",
        "assets/render.py",
    }
    assert wanted <= shipped
    assert not [
        name for name in shipped if name.startswith(("build/", "dist/", ".venv/")) or "__pycache__" in name
    ]


def test_what_is_in_the_wheel_runs(built: Path, home: Path) -> None:
    """With the libraries of this environment, but no other traymon: in Japanese, and with its icons."""
    env = {**os.environ, "PYTHONPATH": str(built / "wheel"), "LANG": "ja_JP.UTF-8"}
    code = (
        "import traymon.tray.icons as icons; icons.application_icon(32); print(icons.__file__);"
        "import sys; sys.argv[1:] = ['--help']; from traymon.cli import main; main()"
    )
    said = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert said.startswith(str(built / "wheel"))
    assert "使い方" in said


# The bundled program


def test_the_bundle_starts_every_child_that_traymon_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    start = load("pyinstaller/start.py", monkeypatch)
    code = {
        path.relative_to(ROOT / "traymon").as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "traymon").rglob("*.py")
    }
    starters = {name for name, text in code.items() if re.search(r"\[\s*sys\.executable\b", text)}
    assert starters == {"desktop/autostart/command.py", "report/child.py", "secrets.py", "setup/keeping.py"}
    modules = re.findall(r'"-P",\s+"-m",\s+"([\w.]+)"', "".join(code[name] for name in starters))
    assert set(modules) - {"traymon"} == set(start.CHILDREN)


def test_a_child_of_the_bundle_does_what_python_would(home: Path) -> None:
    """The program's beginning needs no bundle to be tried."""
    child = ["-P", "-m", "traymon.secrets", "look", "bot", "token", "default", "en"]
    env = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "PYTHONPATH": str(ROOT)}
    said = [
        subprocess.run(
            [sys.executable, *command], cwd=home, env=env, capture_output=True, timeout=60, check=True
        ).stdout
        for command in (child, [str(ROOT / "packaging/pyinstaller/start.py"), *child])
    ]
    assert said[0] == said[1]
    assert b"keyring" in said[0]


def test_the_bundle_gives_its_libraries_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    start = load("pyinstaller/start.py", monkeypatch)
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/traymon/_internal", raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/traymon/_internal")
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG", raising=False)
    start._leave_no_libraries_to_others()
    assert "LD_LIBRARY_PATH" not in os.environ
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/traymon/_internal:/opt/mine")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/mine")
    start._leave_no_libraries_to_others()
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/mine"
    start._leave_no_libraries_to_others()
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/mine"


def test_the_bundle_trusts_what_the_system_trusts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start = load("pyinstaller/start.py", monkeypatch)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "/mine")
        monkeypatch.delenv(name)
    there = tmp_path / "authorities.pem"
    there.touch()
    monkeypatch.setattr(start, "_AUTHORITIES", (str(tmp_path / "missing.pem"), str(there)))
    start._find_authorities()
    assert os.environ["SSL_CERT_FILE"] == str(there)
    monkeypatch.setenv("SSL_CERT_FILE", "/mine")
    start._find_authorities()
    assert os.environ["SSL_CERT_FILE"] == "/mine"


@pytest.mark.parametrize("name", ["traymonw.exe", None])
def test_what_is_bundled_starts_at_login_without_a_console(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str | None
) -> None:
    program = tmp_path / "traymon.exe"
    if name is not None:
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    command = login_command(Profile.default())
    assert command == [str(tmp_path / (name or "traymon.exe")), "run", "--at-login"]


def test_its_icons_for_windows_and_macos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    icons = load("icons.py", monkeypatch)
    icons.write_ico(tmp_path / "traymon.ico")
    icons.write_icns(tmp_path / "traymon.icns")
    with Image.open(tmp_path / "traymon.ico") as ico:
        assert {(16, 16), (32, 32), (48, 48), (256, 256)} <= ico.info["sizes"]
    with Image.open(tmp_path / "traymon.icns") as icns:
        assert {(size[0] * size[2]) for size in icns.info["sizes"]} >= {32, 128, 256}


def test_the_description_of_the_bundle_is_python() -> None:
    path = ROOT / "packaging/pyinstaller/traymon.spec"
    compile(path.read_text(encoding="utf-8"), path, "exec")


# Licences


def part(folder: Path, name: str, metadata: str, **texts: str) -> None:
    about = folder / f"{name}-1.0.dist-info"
    (about / "licenses").mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n")
    for file, text in texts.items():
        (about / "licenses" / file).write_text(text)
    record = [f"{about.name}/licenses/{file},,\n" for file in texts]
    (about / "RECORD").write_text("".join(record))


def test_the_licence_of_every_part_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    licences = load("licences.py", monkeypatch)
    part(
        tmp_path,
        "beta",
        "License-Expression: MIT\nHome-page: https://example.com/beta",
        LICENSE="Do what you like.",
    )
    part(
        tmp_path,
        "alpha",
        "Classifier: License :: OSI Approved :: BSD License\nProject-URL: Source, https://example.com/alpha",
    )
    part(tmp_path, "traymon", "License-Expression: MIT")
    text = licences.texts_of(licences.in_folder(tmp_path))
    assert re.findall(r"^(\w+) 1\.0$", text, re.MULTILINE) == ["alpha", "beta"]
    for said in (
        "BSD License",
        "https://example.com/alpha",
        "Licence: MIT",
        "https://example.com/beta",
        "Do what you like.",
    ):
        assert said in text


def test_a_part_without_a_licence_is_not_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    licences = load("licences.py", monkeypatch)
    part(tmp_path, "gamma", "Summary: says nothing")
    with pytest.raises(licences.UnknownLicenceError, match="gamma"):
        licences.texts_of(licences.in_folder(tmp_path))


def test_every_library_that_traymon_uses_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, licences = load("bundle.py", monkeypatch), load("licences.py", monkeypatch)
    pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    parts = [each for each in bundle._with_requirements("traymon") if each.name != "traymon"]
    assert {"aiohttp", "pystray", "slack_sdk", "msgspec"} <= {each.name for each in parts}
    assert "pytest" not in {each.name for each in parts}
    assert licences.texts_of(parts)


# One version


def test_the_version_stands_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("steps.py", monkeypatch).version() == __version__
    texts = [*(ROOT / "packaging").rglob("*"), ROOT / "pyproject.toml", *(ROOT / ".github").rglob("*.yml")]
    scripts = [
        path for path in texts if path.is_file() and path.suffix in {".py", ".spec", ".yml", ".toml", ""}
    ]
    assert not [
        path
        for path in scripts
        if re.search(rf'["=]{re.escape(__version__)}\b', path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("script", ["postinst", "prerm"])
def test_the_scripts_of_the_debian_package_are_shell(script: str) -> None:
    path = ROOT / "packaging/debian" / script
    assert path.read_text().startswith("#!/bin/sh\nset -e\n")
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=60)
