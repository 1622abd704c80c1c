"""Which tray is chosen; the trays themselves are tested in real desktops (tests/desktop)."""

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from traymon.tray import choose
from traymon.tray.base import FIRST_VIEW
from traymon.tray.choose import LinuxTray, NoTray, bus_address, choose_tray, display_opens, first_icon

PATIENCE_S = 20.0

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the choice is Linux's")


def test_neither_bus_nor_display_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    tray = choose_tray(lambda _: None, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert isinstance(tray, NoTray)
    assert "neither a D-Bus session bus nor an X display" in tray.host
    tray.show(FIRST_VIEW)
    thread = threading.Thread(target=tray.run)
    thread.start()
    tray.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, tray.host)
    ]


def test_a_display_that_does_not_open_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4999")
    assert not display_opens()
    assert isinstance(choose_tray(lambda _: None, {"DISPLAY": ":4999"}), NoTray)
    monkeypatch.setenv("DISPLAY", "nonsense")
    assert not display_opens()


def test_a_display_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread asks: where it hung, nothing could end traymon."""
    monkeypatch.setattr(choose, "LOOK_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections and says nothing
        display = f"127.0.0.1:{hanging.getsockname()[1] - 6000}"
        monkeypatch.setenv("DISPLAY", display)
        asked: queue.SimpleQueue[object] = queue.SimpleQueue()
        asking = threading.Thread(
            target=lambda: asked.put(choose_tray(lambda _: None, {"DISPLAY": display})), daemon=True
        )
        asking.start()
        assert isinstance(asked.get(timeout=PATIENCE_S), LinuxTray)
    for thread in threading.enumerate():
        if thread.name == "look for a display":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_where_the_bus_is(tmp_path: Path) -> None:
    assert bus_address({}) is None
    assert bus_address({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}) == "unix:path=/x"
    assert bus_address({"XDG_RUNTIME_DIR": str(tmp_path)}) is None
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        assert bus_address({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix:path={tmp_path}/bus"


@pytest.mark.parametrize(
    "address", ["unix:path=/nonexistent/bus", "nonsense", "unix:path", "tcp:host=127.0.0.1,port=1", ";"]
)
def test_a_bus_that_cannot_be_used_is_quiet(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tray = choose_tray(lambda _: None, {"DBUS_SESSION_BUS_ADDRESS": address})
    assert isinstance(tray, LinuxTray)
    said = threading.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    logger = logging.getLogger("traymon.tray.choose")
    handler = Heard()
    logger.addHandler(handler)
    thread = threading.Thread(target=tray.run)
    thread.start()
    try:
        tray.show(FIRST_VIEW)
        assert said.wait(PATIENCE_S)
    finally:
        tray.stop()
        thread.join(PATIENCE_S)
        logger.removeHandler(handler)
    assert not thread.is_alive()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, tray.host)
    ]


def test_stopped_before_it_ran() -> None:
    tray = choose_tray(lambda _: None, {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"})
    tray.stop()
    tray.run()


@pytest.fixture
def trays_begun(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The names of the threads of trays that the test has begun and that have not ended."""
    monkeypatch.setattr(choose, "LEAVE_S", PATIENCE_S)
    before = set(threading.enumerate())
    return lambda: [
        thread.name for thread in {*threading.enumerate()} - before if thread.name.startswith("tray")
    ]


def test_the_first_icon_needs_a_bus(trays_begun: Callable[[], list[str]]) -> None:
    with first_icon(lambda _: None, {"DISPLAY": ":4999"}) as tray:
        assert tray is None
    assert trays_begun() == []


@pytest.mark.parametrize("runs", [False, True])
def test_the_first_icon_is_looked_for_before_the_tray_runs_and_gone_at_the_end(
    runs: bool, trays_begun: Callable[[], list[str]]
) -> None:
    """Also where nothing runs it: the configuration of a bot may turn out to be unusable only then."""
    chosen: list[str] = []
    with first_icon(chosen.append, {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}) as tray:
        assert isinstance(tray, LinuxTray)
        assert trays_begun() == ["tray on the bus"]
        if runs:
            tray.stop()
            tray.run()
    assert trays_begun() == []
    assert chosen == []


def test_a_bus_that_hangs_holds_up_the_first_icon_for_no_longer_than_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trays_begun: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(choose, "FIRST_ICON_S", 0.05)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "bus"))
        hanging.listen()  # takes connections and says nothing
        with first_icon(lambda _: None, {"XDG_RUNTIME_DIR": str(tmp_path)}) as tray:
            assert tray is not None
            assert not tray.shown
    assert trays_begun() == []


def test_choosing_opens_no_display_and_leaves_the_environment_alone() -> None:
    """In a process of its own: pystray, imported plainly, fails here."""
    code = (
        "import os, sys\n"
        "from traymon.tray.choose import choose_tray\n"
        "assert 'pystray' not in sys.modules and 'dbus_fast' not in sys.modules\n"
        "tray = choose_tray(print, {'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/nonexistent'})\n"
        "import traymon.tray.sni, traymon.tray.native\n"
        "assert 'PYSTRAY_BACKEND' not in os.environ\n"
        "assert 'pystray._xorg' not in sys.modules\n"
    )
    environ = {**os.environ, "DISPLAY": ":4999"}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=PATIENCE_S)
