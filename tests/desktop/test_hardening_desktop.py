"""A desktop that breaks under the running program: what a person sees, and that the bot is held all the while."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.desktop.kit import PATIENCE_S, Program, eventually
from tests.desktop.panel_stand_in import PanelStandIn
from tests.stage import ONLINE, Stage, staged
from traymon.simulator import Simulator

DEATHS = 100
StartBus = Callable[[str], tuple[Program, str]]


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(home, slack, monkeypatch) as stage:
        stage.configure(f'token = "file:{stage.keep_token()}"')
        yield stage


@contextmanager
def panel_on(address: str) -> Iterator[PanelStandIn]:
    panel = PanelStandIn(address)
    try:
        yield panel
    finally:
        panel.close()


def wait_for_menu(panel: PanelStandIn, start: str) -> None:
    """Until the menu of the item that registers next has an entry that begins so."""
    item = panel.registered.get(timeout=PATIENCE_S)

    def seen() -> bool:
        return any(str(entry.get("label", "")).startswith(start) for entry in panel.menu(item).values())

    eventually(seen, start)


def used(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a process."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def test_a_tray_host_that_dies_a_hundred_times(stage: Stage, session_bus: str) -> None:
    stage.env["DBUS_SESSION_BUS_ADDRESS"] = session_bus
    process = stage.start("run")
    stage.hold()
    before = 0, 0
    for death in range(DEATHS):
        with panel_on(session_bus) as panel:
            panel.registered.get(timeout=PATIENCE_S)
        if death == DEATHS // 10:
            before = used(process.pid)
    stage.wait_for_answer(ONLINE, "No panel with a tray is there")
    with panel_on(session_bus) as panel:
        wait_for_menu(panel, "bot (Simulated): online since ")
    few = DEATHS // 10  # of what comes and goes by itself
    eventually(lambda: used(process.pid)[0] < before[0] + few, "that no descriptor is left open")
    eventually(lambda: used(process.pid)[1] < before[1] + few, "that no thread is left")
    for line in stage.end(process).splitlines():
        assert line.startswith(
            "traymon: No panel with a tray is there; traymon runs on and shows its icon as soon"
        )
    assert len(stage.slack.truth().links_of(stage.token)) == 1
    stage.assert_whole()


def test_a_session_bus_that_dies_and_comes_back(stage: Stage, start_bus: StartBus, tmp_path: Path) -> None:
    address = f"unix:path={tmp_path / 'bus'}"
    daemon, _ = start_bus(address)
    stage.env["DBUS_SESSION_BUS_ADDRESS"] = address
    process = stage.start("run")
    with panel_on(address) as panel:
        wait_for_menu(panel, "bot (Simulated): online since ")
        stage.hold()
        daemon.kill()
    stage.wait_for_answer(ONLINE, "No panel with a tray is there")
    stage.hold_again()
    assert stage.status(ONLINE).returncode == 0
    (tmp_path / "bus").unlink(missing_ok=True)
    start_bus(address)
    with panel_on(address) as panel:
        wait_for_menu(panel, "Last outage: ")
    stage.end(process)
    stage.assert_whole(stops=2)
