"""The Debian packages on clean systems: they install, run with an icon, and go without a trace."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.desktop.kit import Program, Screen, area, eventually, silhouette, unlike
from tests.packages.chroot import INSTALLING_S, chroot
from tests.packages.conftest import Packages
from tests.support import PATIENCE_S
from traymon import __version__

pytestmark = pytest.mark.timeout(4 * INSTALLING_S)

DISPLAYS = Path("/tmp/.X11-unix")
BROUGHT = {
    "/usr/bin/traymon",
    "/usr/lib/traymon/bin/traymon",
    "/usr/share/icons/hicolor/48x48/apps/traymon.png",
    "/usr/share/icons/hicolor/scalable/apps/traymon.svg",
    "/usr/share/doc/traymon/changelog.Debian.gz",
    "/usr/share/doc/traymon/copyright",
    "/usr/share/applications/traymon.desktop",
    "/usr/share/metainfo/io.github.traymon.traymon.metainfo.xml",
    "/usr/share/bash-completion/completions/traymon",
    "/usr/share/zsh/vendor-completions/_traymon",
    "/usr/share/fish/vendor_completions.d/traymon.fish",
    "/usr/lib/systemd/user/traymon.service",
    "/usr/share/man/man1/traymon.1.gz",
    "/usr/share/man/ja/man1/traymon-log.1.gz",
}


def panel(display: Screen) -> Image.Image:
    """What stands in the panel, in black and white."""
    return silhouette(display.shot(30, 22))


def icon(display: Screen) -> Image.Image:
    """What stands in the panel, once something does and stays as it is."""
    looks: list[Image.Image] = []

    def stays() -> bool:
        looks.append(panel(display))
        last = looks[-10:]
        return len(last) == 10 and area(last[-1]) > 60 and all(unlike(last[-1], old) < 0.02 for old in last)

    eventually(stays, "an icon in the panel that stays")
    return looks[-1]


@pytest.mark.parametrize(("suite", "release"), [("bookworm", "deb12"), ("trixie", "deb13")])
def test_it_installs_runs_and_goes(
    suite: str,
    release: str,
    packages: Packages,
    display: Screen,
    trayer: Callable[[], Program],
    tmp_path: Path,
) -> None:
    machine = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    package = packages.one(f"traymon_{__version__}-1~{release}_{machine.stdout.strip()}.deb")
    trayer()
    with chroot(suite, tmp_path / "system", DISPLAYS) as debian:
        debian.run("apt-get", "update", "-qq", timeout_s=INSTALLING_S)
        debian.run("useradd", "--create-home", "ann")
        debian.put(package, "/root/traymon.deb")
        needed = subprocess.run(["dpkg-deb", "-f", str(package), "Depends"], capture_output=True, text=True)
        debian.install(*sorted(set(re.findall(r"[a-z][a-z0-9-]+", needed.stdout))))
        before = debian.files()

        debian.install("/root/traymon.deb")
        assert debian.files() >= BROUGHT
        assert debian.run("traymon", "--version", user="ann").stdout == f"traymon {__version__}\n"

        assert area(panel(display)) == 0
        demo = ("traymon", "demo", "--seconds", "12")
        command = debian.command(demo, {"DISPLAY": display.env["DISPLAY"]}, user="ann")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as running:
            icon(display)
            said, _ = running.communicate(timeout=PATIENCE_S + 12)
        assert running.returncode == 0, said
        eventually(lambda: area(panel(display)) == 0, "the empty panel")
        assert "online after" in said
        assert "1006 abrupt_close" in said

        autostart = ("traymon", "autostart")
        debian.run(*autostart, "on", user="ann")
        entry = debian.run("cat", "/home/ann/.config/autostart/traymon.desktop").stdout
        program = re.search(r"^TryExec=(.+)$", entry, re.MULTILINE)
        assert program is not None
        debian.run("test", "-x", program[1])
        debian.run(*autostart, "off", user="ann")
        # Root may write byte code, which must go, too.
        debian.run("traymon", "doctor", check=False)

        # What ann's desktop keeps is hers.
        hers = {path for path in debian.files() if path.startswith("/home/ann/")}
        assert not [path for path in hers if "traymon" in path]
        debian.run("apt-get", "purge", "-y", "-qq", "traymon")
        assert debian.files() - before - hers == set()
        assert before - debian.files() == set()
