"""Fixtures of the desktop tests: each starts real processes, in folders of the test's own, and ends them."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.desktop.kit import Program, Screen, need, reporting

HERE = Path(__file__).parent

TINT2RC = """\
panel_items = S
panel_position = top left horizontal
panel_size = 100 30
systray_icon_size = 24
rounded = 0
background_color = #203040 100
panel_background_id = 1
"""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    """An environment whose every folder is the test's own."""
    home = tmp_path_factory.mktemp("home")
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    xfconf = home / "config/xfce4/xfconf/xfce-perchannel-xml"
    xfconf.mkdir(parents=True)
    shutil.copy(HERE / "xfce4-panel.xml", xfconf)
    tint2 = home / "config/tint2"
    tint2.mkdir()
    (tint2 / "tint2rc").write_text(TINT2RC)
    env = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(runtime),
        "NO_AT_BRIDGE": "1",
    }
    return env, home


@pytest.fixture(scope="session")
def screen_size() -> str:
    """Of the display, as Xvfb has it."""
    return "800x600x24"


@pytest.fixture(scope="session")
def display(folders: tuple[dict[str, str], Path], screen_size: str) -> Iterator[Screen]:
    """An X server on a free display, with a window manager that is up."""
    need("Xvfb", "openbox", "xdotool", "import")
    env, home = folders

    def server(ready: int) -> Program:
        size = ("-screen", "0", screen_size, "-nolisten", "tcp", "-noreset")
        return Program(
            "Xvfb", "-displayfd", str(ready), *size, env=env, log=home / "Xvfb.log", pass_fds=(ready,)
        )

    with reporting(server) as (_, number):
        screen = Screen({**env, "DISPLAY": f":{number}"}, home)

        fifo = home / "openbox.up"
        os.mkfifo(fifo)

        def manager(_ready: int) -> Program:
            say = f"sh -c 'echo up >{fifo}'"
            return Program("openbox", "--startup", say, env=screen.env, log=home / "openbox.log")

        # openbox closes what it inherits, so its start-up command says by name that it is up. Opened for writing as
        # well, so that the reader waits for the first line instead of seeing an end.
        with reporting(manager, os.open(fifo, os.O_RDWR)):
            yield screen


@pytest.fixture
def start_bus(folders: tuple[dict[str, str], Path]) -> Iterator[Callable[[str], tuple[Program, str]]]:
    """Starts a session bus at the given address, and gives the one to use."""
    need("dbus-daemon")
    env, home = folders
    stack = contextlib.ExitStack()

    def start(address: str = f"unix:tmpdir={home / 'run'}") -> tuple[Program, str]:
        def daemon(ready: int) -> Program:
            options = (
                "--session",
                "--nofork",
                "--nopidfile",
                f"--address={address}",
                f"--print-address={ready}",
            )
            return Program("dbus-daemon", *options, env=env, log=home / "dbus.log", pass_fds=(ready,))

        return stack.enter_context(reporting(daemon))

    with stack:
        yield start


@pytest.fixture
def session_bus(start_bus: Callable[[], tuple[Program, str]]) -> str:
    """The address of a session bus of the test's own."""
    return start_bus()[1]


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs that end with the test."""
    started: list[Program] = []
    yield started
    for program in started:
        program.end()


@pytest.fixture
def xfce_panel(display: Screen, session_bus: str, programs: list[Program]) -> Callable[[], Program]:
    """Starts xfce4-panel, which has a tray of both kinds."""
    need("xfce4-panel", "xfconf-query")

    def start() -> Program:
        panel = display.start(
            "xfce4-panel", "--disable-wm-check", env={"DBUS_SESSION_BUS_ADDRESS": session_bus}
        )
        programs.append(panel)
        return panel

    return start


@pytest.fixture
def trayer(display: Screen, programs: list[Program]) -> Callable[[], Program]:
    """Starts trayer, a tray by XEmbed alone."""
    need("trayer")

    def start() -> Program:
        place = (
            "--edge",
            "top",
            "--align",
            "left",
            "--widthtype",
            "pixel",
            "--width",
            "100",
            "--height",
            "24",
        )
        programs.append(display.start("trayer", *place))
        return programs[-1]

    return start


@pytest.fixture
def tint2(display: Screen, programs: list[Program]) -> Callable[[], Program]:
    """Starts tint2, a panel with a tray by XEmbed."""
    need("tint2")

    def start() -> Program:
        programs.append(display.start("tint2"))
        return programs[-1]

    return start
