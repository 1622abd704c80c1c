"""The one-folder program on systems without Python: it holds a bot, shows its icon, and starts its own children."""

import json
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.desktop.kit import Program, Screen, area, eventually, unlike
from tests.packages.chroot import INSTALLING_S, PATH, Chroot, chroot
from tests.packages.conftest import Packages
from tests.packages.try_debian import DISPLAYS, icon, panel
from tests.support import PATIENCE_S, token_of, write_profile
from traymon import __version__
from traymon.simulator import Simulator

pytestmark = pytest.mark.timeout(4 * INSTALLING_S)

TRAYMON = "/opt/traymon/traymon"
TOKEN = token_of("deploybot")


@pytest.fixture(params=["bookworm", "trixie"])
def debian(
    request: pytest.FixtureRequest, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chroot]:
    """A Debian with the bundle in /opt, and the tests' own folders where they are outside."""
    bundle = packages.one(f"traymon-{__version__}-linux-*.tar.gz")
    own = tmp_path_factory.mktemp("system")
    with chroot(request.param, own / "system", DISPLAYS, tmp_path_factory.getbasetemp()) as system:
        assert system.run("sh", "-c", "command -v python3 python", check=False).stdout == ""
        system.put(bundle, "/root/traymon.tar.gz")
        system.run("tar", "-xzf", "/root/traymon.tar.gz", "-C", "/opt")
        yield system


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "deploybot")
        yield simulator


@pytest.mark.parametrize("host", ["xfce_panel", "trayer"])
def test_it_holds_a_bot_and_shows_it(
    host: str,
    request: pytest.FixtureRequest,
    debian: Chroot,
    slack: Simulator,
    display: Screen,
    session_bus: str,
    programs: list[Program],
    tmp_path: Path,
) -> None:
    config = write_profile(tmp_path, {"deploybot": slack.api_url}).config_file
    env = {"DISPLAY": display.env["DISPLAY"], "DBUS_SESSION_BUS_ADDRESS": session_bus}
    start_panel: Callable[[], Program] = request.getfixturevalue(host)
    start_panel()
    assert area(panel(display)) == 0
    # Started in this namespace by nsenter, so that signals reach traymon itself: each step is an exec.
    own = (TRAYMON, "--config", str(config))
    programs.append(Program(*debian.command([*own, "run"], env), env={"PATH": PATH}, log=tmp_path / "log"))
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    eventually(
        lambda: debian.run(*own, "status", check=False).returncode == 0, "the status of a bot that is online"
    )
    online = icon(display)

    slack.refuse()
    slack.rst(TOKEN)
    eventually(lambda: unlike(icon(display), online) > 0.25, "another icon")
    slack.accept()
    debian.run(*own, "reconnect")
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    eventually(lambda: unlike(icon(display), online) < 0.05, "the earlier icon")

    programs[-1].send(signal.SIGTERM)
    assert programs[-1].wait() == 0
    assert "reset" in debian.run(*own, "log").stdout


def test_its_children_are_itself(debian: Chroot, tmp_path: Path) -> None:
    """Those that a running traymon starts by ``sys.executable -P -m``, with the answers that it reads."""
    child = (TRAYMON, "-P", "-m")
    order = json.dumps({"state_dir": str(tmp_path), "workspaces": {}, "language": "ja"})
    assert debian.run(*child, "traymon.report", stdin=order).stdout == ""
    assert '<html lang="ja"' in (tmp_path / "report.html").read_text(encoding="utf-8")
    found = json.loads(debian.run(*child, "traymon.secrets", "look", "bot", "token", "default", "en").stdout)
    assert "keyring" in found["sentence"]
    kept = json.loads(
        debian.run(*child, "traymon.setup.keeping", "bot", "token", "default", "en", stdin="xoxb-x").stdout
    )
    assert kept["there_is_one"] is False
    assert debian.run(*child, "http.server", check=False).returncode == 2


def test_it_has_all_that_the_wheel_has(debian: Chroot, packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as wheel:
        data = {name for name in wheel.namelist() if not name.endswith(".py") and ".dist-info/" not in name}
    inside = "/opt/traymon/_internal/"
    there = {path.removeprefix(inside) for path in debian.files() if path.startswith(inside)}
    assert data - there == set()
    assert "LICENCES.txt" in there
    # Under the LGPL: as files that can be replaced.
    assert {"pystray/__init__.py", "Xlib/display.py"} <= there


def test_it_starts_at_login_by_its_own_path(debian: Chroot) -> None:
    assert debian.run(TRAYMON, "--version").stdout == f"traymon {__version__}\n"
    debian.run(TRAYMON, "autostart", "on")
    entry = debian.run("cat", "/root/.config/autostart/traymon.desktop").stdout
    assert f"Exec={TRAYMON} run --at-login" in entry
