"""Windows' Run key, with a registry stood in for: what is on, off, switched off and not ours."""

import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traymon.desktop.autostart import AutostartError, Kind
from traymon.desktop.autostart.windows import (
    APPROVED,
    LONGEST,
    NO_USER_RUN,
    POLICIES,
    RUN,
    WindowsAutostart,
    split,
)

# As they were traced: on, switched off by the Task Manager, and both as older entries have them.
ENABLED = [bytes([2]) + bytes(11), bytes([6]) + bytes(11), b""]
DISABLED = [bytes([3, 0, 0, 0]) + b"\x17\x79\xbd\x01\x17\xd9\xd1\x01", bytes([7]) + bytes(11), b"\x01"]


class Registry:
    """The registry as a dictionary; ``refuses``: it can be read, but not written."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], object] = {}
        self.machine: dict[tuple[str, str], object] = {}
        self.refuses = False
        self.writes = 0

    def get(self, key: str, name: str, *, machine: bool = False) -> object:
        return (self.machine if machine else self.values).get((key, name))

    def set_text(self, key: str, name: str, value: str) -> None:
        self._write()
        self.values[key, name] = value

    def delete(self, key: str, name: str) -> None:
        self._write()
        self.values.pop((key, name), None)

    def _write(self) -> None:
        if self.refuses:
            raise PermissionError(13, "Access is denied")
        self.writes += 1


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "Program Files" / "pythonw.exe"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o700)
    return [str(program), "-P", "-m", "traymon", "run", "--at-login"]


@pytest.fixture
def autostart(registry, command):
    return WindowsAutostart("default", command, registry)


def test_on_and_off_and_as_before(autostart, registry, command):
    registry.values[RUN, "OneDrive"] = "theirs"
    before = dict(registry.values)
    assert autostart.state().kind is Kind.OFF
    autostart.turn_on()
    assert autostart.state().is_on
    assert registry.values[RUN, "traymon"] == subprocess.list2cmdline(command)
    written = registry.writes
    autostart.turn_on()
    assert registry.writes == written, "what is right is not written again"
    autostart.turn_off()
    assert autostart.state().kind is Kind.OFF
    assert registry.values == before
    autostart.turn_off()


def test_profiles_have_values_of_their_own(registry, command):
    other = WindowsAutostart("work-12", command, registry)
    other.turn_on()
    assert list(registry.values) == [(RUN, "traymon (work-12)")]
    assert other.where.endswith(r"CurrentVersion\Run\traymon (work-12)")


@pytest.mark.parametrize("approved", ENABLED)
def test_approved(autostart, registry, approved):
    autostart.turn_on()
    registry.values[APPROVED, "traymon"] = approved
    assert autostart.state().is_on
    autostart.turn_on()
    assert registry.values[APPROVED, "traymon"] == approved


@pytest.mark.parametrize("approved", DISABLED)
def test_switched_off_in_the_task_manager(autostart, registry, approved):
    autostart.turn_on()
    registry.values[APPROVED, "traymon"] = approved
    state = autostart.state()
    assert state.kind is Kind.DISABLED
    assert "Task Manager" in state.why
    autostart.turn_on()
    assert autostart.state().is_on


def test_an_entry_is_not_born_switched_off(autostart, registry):
    """Windows leaves its note when an entry goes."""
    autostart.turn_on()
    registry.values[APPROVED, "traymon"] = DISABLED[0]
    autostart.turn_off()
    assert registry.values == {}
    registry.values[APPROVED, "traymon"] = DISABLED[0]
    assert autostart.state().kind is Kind.OFF
    autostart.turn_on()
    assert autostart.state().is_on


@pytest.mark.parametrize("for_machine", [False, True])
def test_an_administrator_who_forbids_it(autostart, registry, for_machine):
    autostart.turn_on()
    (registry.machine if for_machine else registry.values)[POLICIES, NO_USER_RUN] = 1
    state = autostart.state()
    assert state.kind is Kind.DISABLED
    assert NO_USER_RUN in state.why
    with pytest.raises(AutostartError, match="administrator"):
        autostart.turn_on()


@pytest.mark.parametrize("value", ["notepad.exe secret", 'cmd /c "traymon run"', "", b"\x00", 7])
def test_a_value_changed_by_hand_is_told_and_left(autostart, registry, value):
    registry.values[RUN, "traymon"] = value
    state = autostart.state()
    assert state.kind is Kind.BROKEN
    assert "secret" not in state.why
    for change in (autostart.turn_on, autostart.turn_off):
        with pytest.raises(AutostartError) as caught:
            change()
        assert str(caught.value) == state.why
    assert registry.values == {(RUN, "traymon"): value}
    autostart.turn_on(replace=True)
    assert autostart.state().is_on
    registry.values[RUN, "traymon"] = value
    autostart.turn_off(replace=True)
    assert registry.values == {}


def test_a_value_of_a_traymon_that_is_gone_is_ours(autostart, registry, command):
    for change, kind in (("turn_on", Kind.ON), ("turn_off", Kind.OFF)):
        registry.values[RUN, "traymon"] = subprocess.list2cmdline([r"C:\old\pythonw.exe", *command[1:]])
        state = autostart.state()
        assert state.kind is Kind.BROKEN
        assert r"C:\old\pythonw.exe" in state.why
        getattr(autostart, change)()
        assert autostart.state().kind is kind


def test_a_command_that_is_too_long(registry, command):
    autostart = WindowsAutostart("default", [*command, "x" * LONGEST], registry)
    with pytest.raises(AutostartError, match=str(LONGEST)):
        autostart.turn_on()
    assert registry.values == {}


def test_a_registry_that_cannot_be_written(autostart, registry):
    registry.refuses = True
    with pytest.raises(AutostartError, match="Access is denied"):
        autostart.turn_on()
    assert autostart.state().kind is Kind.OFF


_argument = st.text(
    st.one_of(st.sampled_from('\\" \t&%^'), st.characters(exclude_characters="\0")), max_size=10
)
_program = st.text(st.sampled_from("C:\\ abü."), min_size=1, max_size=10).filter(lambda text: text.strip())


@given(_program, st.lists(_argument, max_size=4))
@example("C:\\a b\\", ["", "\\", '"', '\\"', "a\\\\b", "a b\\"])
def test_splitting_undoes_pythons_joining(program, arguments):
    line = subprocess.list2cmdline(arguments)
    assert split(f'"{program}" {line}') == [program, *arguments]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        # Microsoft, "Parsing C command-line arguments", the examples
        (r'x "abc" d e', ["x", "abc", "d", "e"]),
        (r'x a\\b d"e f"g h', ["x", r"a\\b", "de fg", "h"]),
        (r"x a\\\"b c d", ["x", r"a\"b", "c", "d"]),
        (r'x a\\\\"b c" d e', ["x", r"a\\b c", "d", "e"]),
        (r"  C:\x\traymon.exe run", [r"C:\x\traymon.exe", "run"]),
        (r'"C:\x y\traymon.exe" run ', [r"C:\x y\traymon.exe", "run"]),
    ],
)
def test_splitting(line, arguments):
    assert split(line) == arguments
