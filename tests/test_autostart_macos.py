"""A LaunchAgent: real files, with launchctl stood in for by what it prints and does."""

import plistlib
import sys

import pytest

from traymon.desktop.autostart import AutostartError, Kind
from traymon.desktop.autostart.macos import LABEL, MacAutostart

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of files")

DOMAIN = "gui/501"


class Launchctl:
    """launchd's list of what was switched on or off, as ``print-disabled`` prints it."""

    def __init__(self) -> None:
        self.off: dict[str, bool] = {"com.apple.other": True, f"{LABEL}.other": True}
        self.old_words = False
        self.fails = False
        self.asked: list[str] = []

    def __call__(self, arguments):
        verb, *rest = arguments
        self.asked.append(verb)
        if self.fails:
            return None
        if verb == "enable":
            domain, _, label = rest[0].rpartition("/")
            assert domain == DOMAIN
            self.off[label] = False
            return ""
        assert (verb, rest) == ("print-disabled", [DOMAIN])
        words = {True: "true", False: "false"} if self.old_words else {True: "disabled", False: "enabled"}
        lines = "".join(f'\t\t"{label}" => {words[off]}\n' for label, off in self.off.items())
        return f"disabled services = {{\n{lines}\t}}\nlogin item associations = {{\n}}\n"


@pytest.fixture
def launchctl():
    return Launchctl()


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "bin" / "traymon"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    return [str(program), "run", "--at-login"]


@pytest.fixture
def autostart(tmp_path, command, launchctl):
    return MacAutostart("default", command, home=tmp_path, launchctl=launchctl, domain=DOMAIN)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def write(file, **agent):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(plistlib.dumps(agent))
    return file.read_bytes()


def test_on_and_off_and_as_before(autostart, file, command, launchctl):
    assert autostart.state().kind is Kind.OFF
    autostart.turn_on()
    assert autostart.state().is_on
    agent = plistlib.loads(file.read_bytes())
    assert (agent["Label"], agent["ProgramArguments"], agent["RunAtLoad"]) == (LABEL, command, True)
    assert "KeepAlive" not in agent, "who quits traymon does not want it back at once"
    assert file.stat().st_mode & 0o777 == 0o644
    assert autostart.where == str(file)
    autostart.turn_off()
    assert autostart.state().kind is Kind.OFF
    assert list(file.parent.iterdir()) == []
    autostart.turn_off()
    assert set(launchctl.asked) <= {"print-disabled"}, "nothing is started or ended now"


def test_profiles_have_agents_of_their_own(tmp_path, command, launchctl, autostart):
    other = MacAutostart("work-12", command, home=tmp_path, launchctl=launchctl, domain=DOMAIN)
    other.turn_on()
    assert plistlib.loads((tmp_path / "Library" / "LaunchAgents" / f"{LABEL}.work-12.plist").read_bytes())[
        "Label"
    ] == (f"{LABEL}.work-12")
    assert autostart.state().kind is Kind.OFF


@pytest.mark.parametrize("old_words", [False, True])
def test_switched_off_in_the_systems_settings(autostart, launchctl, old_words):
    launchctl.old_words = old_words
    autostart.turn_on()
    assert autostart.state().is_on, "another label that begins the same does not count"
    launchctl.off[LABEL] = True
    state = autostart.state()
    assert state.kind is Kind.DISABLED
    assert "Login Items" in state.why
    autostart.turn_on()
    assert autostart.state().is_on
    assert launchctl.off[LABEL] is False


def test_a_choice_that_cannot_be_changed_is_told(autostart, launchctl):
    autostart.turn_on()
    launchctl.off[LABEL] = True
    launchctl.asked.clear()
    autostart._launchctl = lambda arguments: launchctl(arguments) if arguments[0] != "enable" else None
    with pytest.raises(AutostartError, match="Login Items"):
        autostart.turn_on()


def test_without_an_answer_the_file_counts(autostart, launchctl):
    launchctl.fails = True
    autostart.turn_on()
    assert autostart.state().is_on


def test_the_key_disabled_counts_where_nothing_else_was_chosen(autostart, file, command, launchctl):
    write(file, Label=LABEL, ProgramArguments=command, RunAtLoad=True, Disabled=True)
    assert autostart.state().kind is Kind.DISABLED
    launchctl.off[LABEL] = False
    assert autostart.state().is_on
    del launchctl.off[LABEL]
    autostart.turn_on()
    assert autostart.state().is_on


def test_an_agent_that_is_only_loaded_does_not_start(autostart, file, command):
    write(file, Label=LABEL, ProgramArguments=command)
    state = autostart.state()
    assert state.kind is Kind.DISABLED
    assert "RunAtLoad" in state.why
    autostart.turn_on()
    assert autostart.state().is_on


@pytest.mark.parametrize(
    "agent",
    [
        {"ProgramArguments": ["/usr/bin/env", "A=secret", "traymon"]},
        {"ProgramArguments": []},
        {"ProgramArguments": "traymon"},
        {},
    ],
)
def test_an_agent_changed_by_hand_is_told_and_left(autostart, file, agent):
    content = write(file, Label=LABEL, RunAtLoad=True, **agent)
    state = autostart.state()
    assert state.kind is Kind.BROKEN
    assert "secret" not in state.why
    for change in (autostart.turn_on, autostart.turn_off):
        with pytest.raises(AutostartError) as caught:
            change()
        assert str(caught.value) == state.why
        assert file.read_bytes() == content
    autostart.turn_on(replace=True)
    assert autostart.state().is_on
    write(file, Label=LABEL, RunAtLoad=True, **agent)
    autostart.turn_off(replace=True)
    assert autostart.state().kind is Kind.OFF


def test_program_counts_before_the_arguments(autostart, file, command):
    write(file, Label=LABEL, Program="/bin/false", ProgramArguments=command, RunAtLoad=True)
    assert autostart.state().kind is Kind.BROKEN


def test_an_agent_of_a_traymon_that_is_gone_is_ours(autostart, file, command, tmp_path):
    gone = str(tmp_path / "old" / "traymon")
    for change, kind in (("turn_on", Kind.ON), ("turn_off", Kind.OFF)):
        write(file, Label=LABEL, ProgramArguments=[gone, *command[1:]], RunAtLoad=True)
        state = autostart.state()
        assert state.kind is Kind.BROKEN
        assert gone in state.why
        getattr(autostart, change)()
        assert autostart.state().kind is kind


@pytest.mark.parametrize(
    "content", [b"", b"no list", b"<plist><dict></plist>", b"bplist00", plistlib.dumps([1])]
)
def test_a_file_that_is_no_agent(autostart, file, content):
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert autostart.state().kind is Kind.BROKEN
    for change in (autostart.turn_on, autostart.turn_off):
        with pytest.raises(AutostartError):
            change()
    assert file.read_bytes() == content
    autostart.turn_on(replace=True)
    assert autostart.state().is_on


def test_a_folder_in_the_files_place(autostart, file):
    file.mkdir(parents=True)
    assert autostart.state().kind is Kind.BROKEN
    with pytest.raises(AutostartError, match="could not be changed"):
        autostart.turn_on(replace=True)
    assert [each.name for each in file.parent.iterdir()] == [file.name], "no draft is left"
