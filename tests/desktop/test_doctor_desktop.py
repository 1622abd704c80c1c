"""What the doctor says of tray and notifications, on real buses and displays."""

from collections.abc import Callable

import pytest
from dbus_fast import Message, MessageType

from tests.desktop.kit import Program, Screen, eventually
from tests.desktop.panel_stand_in import PanelStandIn
from traymon.doctor import Outcome, desktop


class Notifier(PanelStandIn):
    """A panel that shows notifications too."""

    def _on_message(self, message: Message) -> Message | None:
        if message.member == "GetServerInformation" and message.message_type is MessageType.METHOD_CALL:
            return Message.new_method_return(message, "ssss", ["stand-in", "traymon", "1", "1.2"])
        return super()._on_message(message)


@pytest.mark.parametrize(("host", "outcome"), [(True, Outcome.OK), (False, Outcome.WARNING)])
def test_a_panel_on_the_bus(session_bus: str, host: bool, outcome: Outcome) -> None:
    panel = PanelStandIn(session_bus, host=host)
    try:
        found = desktop.tray({"DBUS_SESSION_BUS_ADDRESS": session_bus}, None)
        assert found.outcome is outcome
        assert panel.registered.empty(), "no icon is shown"
    finally:
        panel.close()


def test_what_the_running_traymon_says_of_its_tray(session_bus: str) -> None:
    panel = PanelStandIn(session_bus)
    try:
        found = desktop.tray({"DBUS_SESSION_BUS_ADDRESS": session_bus}, "The icon is in the panel.")
        assert found.text == "The icon is in the panel."
    finally:
        panel.close()


def test_no_panel(session_bus: str) -> None:
    for environ in ({}, {"DBUS_SESSION_BUS_ADDRESS": session_bus}, {"DBUS_SESSION_BUS_ADDRESS": "nonsense"}):
        found = desktop.tray(environ, None)
        assert found.outcome is Outcome.WARNING
        assert "AppIndicator" in found.text


def test_an_old_style_tray(
    display: Screen, trayer: Callable[[], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"DISPLAY": display.env["DISPLAY"]}
    monkeypatch.setenv("DISPLAY", environ["DISPLAY"])
    assert desktop.tray(environ, None).outcome is Outcome.WARNING
    trayer()
    eventually(lambda: desktop.tray(environ, None).outcome is Outcome.OK, "the tray's host")


def test_notifications(session_bus: str) -> None:
    environ = {"DBUS_SESSION_BUS_ADDRESS": session_bus}
    assert desktop.notifier({}).outcome is Outcome.WARNING
    notifier = Notifier(session_bus)
    try:
        notifier._do(notifier._bus.request_name("org.freedesktop.Notifications"))
        found = desktop.notifier(environ)
        assert found.outcome is Outcome.OK
        assert "stand-in" in found.text
    finally:
        notifier.close()


def test_a_bus_that_nobody_answers_at(tmp_path: object) -> None:
    found = desktop.notifier({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/none"})
    assert found.outcome is Outcome.WARNING
