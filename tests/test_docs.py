"""README and docs: every command in them is one, every setting can be used, and every link leads somewhere."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from tests.docpages import LOG, PAGES, ROOT, Command, blocks, commands, spans, text_of
from tests.required import need_programs
from traymon.cli import cli
from traymon.config import Config, ConfigError, _Entry, parse
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import NoteKind

PATIENCE_S = 60.0
SYSTEMS = frozenset(
    {"cd", "chmod", "git", "grep", "journalctl", "kill", "loginctl", "man", "pkill", "systemctl", "tail"}
)
"""The system's own: nothing to be checked here."""
INSTALLERS = frozenset({"apt", "apt-get", "dpkg", "pip", "pipx", "sudo", "uv"})
"""tests/packages runs these."""
TRAYMON, MAKE, PYTHON, MAKE_FOR_WINDOWS = "traymon", "make", "python", "packaging/make.ps1"
PROGRAMS = SYSTEMS | INSTALLERS | {TRAYMON, MAKE, PYTHON, MAKE_FOR_WINDOWS}
LANGUAGES = frozenset({"sh", "toml", "mermaid", LOG, "text", "ini", "powershell"})

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ALL = [command for page in PAGES for command in commands(page, PROGRAMS)]


def of(program: str) -> pytest.MarkDecorator:
    """Each command line of the program, once."""
    found = {command.words: command for command in ALL if command.program == program}
    assert found, program
    return pytest.mark.parametrize("command", found.values(), ids=str)


# Commands


def test_every_command_line_is_of_a_program_that_is_known_here() -> None:
    assert [str(command) for command in ALL if command.program not in PROGRAMS] == []


PLACEHOLDERS = {
    "BOT": "deploybot",
    "FILE": "file.toml",
    "WHEN": "2h",
    "PLACE": "keyring",
    "URL": "https://slack.com/api/",
}


@of(TRAYMON)
def test_every_command_of_traymon_is_one(command: Command) -> None:
    words = [PLACEHOLDERS.get(word, word) for word in command.words[1:] if word != "…"]
    if words[:1] == ["="]:
        return  # no command: an assignment in a program
    try:
        parsed(cli, words)
    except click.exceptions.Exit:
        pass  # --help, --version
    except click.MissingParameter:
        assert not command.whole, "a line to be copied must be whole"
    except click.ClickException as error:
        pytest.fail(f"{command}: {error.format_message()}")


def parsed(group: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Read ``words`` as ``group`` does, down to its last command; nothing is run. Raises ClickException."""
    context = group.make_context(group.name, list(words), parent=parent)
    held = "_protected_args" if hasattr(context, "_protected_args") else "protected_args"  # click 8.2, before
    rest = [*getattr(context, held), *context.args]
    if isinstance(group, click.Group) and rest:
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None
        found.name = name
        parsed(found, rest, context)


def test_a_command_that_is_none_is_found_out() -> None:
    for wrong in (
        ["stats"],
        ["status", "--jsn"],
        ["log", "--format", "xml"],
        ["autostart", "maybe"],
        ["remove"],
    ):
        with pytest.raises(click.UsageError):
            parsed(cli, wrong)


def options_of(command: click.Command) -> set[str]:
    own = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    if not isinstance(command, click.Group):
        return own
    context = click.Context(command)
    found = (command.get_command(context, name) for name in command.list_commands(context))
    return own.union(*(options_of(each) for each in found if each is not None))


@pages
def test_every_option_that_is_named_is_one(page: Path) -> None:
    """``--docs`` and its kin belong to a python -m, and stand in its line, not alone."""
    alone = {word for span in spans(page) for word in re.findall(r"^--[a-z-]+", span)}
    assert alone <= options_of(cli)
    for row in text_of(page).splitlines():
        cells = row.split("|")
        named = re.match(r" `traymon (\w+)[^`]*` $", cells[1]) if len(cells) > 3 else None
        if named:
            found = cli.get_command(click.Context(cli), named[1])
            assert found is not None
            assert set(re.findall(r"`(--[a-z-]+)", cells[2])) <= options_of(found), row


@of(MAKE)
def test_every_target_of_make_is_one(command: Command) -> None:
    need_programs("make")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    arguments = ["make", "--dry-run", "--no-print-directory", *command.words[1:]]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr


@of(MAKE_FOR_WINDOWS)
def test_every_target_for_windows_is_one(command: Command) -> None:
    script = (ROOT / "packaging" / "make.ps1").read_text(encoding="utf-8")
    targets = re.search(r"ValidateSet\(([^)]+)\)", script)
    assert targets is not None
    assert f'"{command.words[1]}"' in targets[1]


@of(PYTHON)
def test_every_module_that_is_run_is_there(command: Command) -> None:
    assert command.words[1] == "-m"
    assert importlib.util.find_spec(command.words[2]) is not None
    for word in command.words[3:]:
        assert word.startswith("--") or (ROOT / word).exists(), command


def test_what_is_cloned_is_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    cloned = [command for command in ALL if command.words[:2] == ("git", "clone")]
    assert cloned
    assert [str(command) for command in cloned if command.words[2] not in project] == []


# Blocks and settings


@pages
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pages
def test_every_configuration_can_be_used(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            parse(block.text, tmp_path)


@pages
def test_every_setting_that_is_named_can_be_used(page: Path, tmp_path: Path) -> None:
    for span in spans(page):
        setting = re.match(r"(\w+) = ", span)
        if setting and setting[1] in {*_Entry.__struct_fields__, *Config.__struct_fields__}:
            assert usable(setting[1], span, tmp_path), f"{page.name}: {span}"


def usable(name: str, line: str, folder: Path) -> bool:
    """Whether a line of the configuration can be used, with either transport."""
    if name in Config.__struct_fields__:
        tables = [line]
    elif name == "transport":
        tables = [f"[bots.a]\n{line}"]
    else:
        tables = [f'[bots.a]\ntransport = "{transport}"\n{line}' for transport in ("rtm", "socket")]
    for table in tables:
        try:
            parse(table, folder)
        except ConfigError:
            continue
        return True
    return False


def test_a_setting_that_cannot_be_used_is_found_out(tmp_path: Path) -> None:
    assert usable("relay", "relay = true", tmp_path)
    assert not usable("relay", 'relay = "yes"', tmp_path)
    assert not usable("transport", 'transport = "both"', tmp_path)


@pages
def test_every_line_of_a_log_is_one_that_traymon_writes(page: Path) -> None:
    for line in (line for block in blocks(page) if block.language == LOG for line in block.text.splitlines()):
        told = re.fullmatch(r"\S+ \S+  (\w+) +deploybot  (.+)  #\d+", line)
        assert told is not None, line
        assert told[1] in set(NoteKind)
        cause = re.search(r"(?:  |^)(?:\d{4} )?(\w+): ", told[2])
        assert (cause is not None) == (told[1] in {NoteKind.STOP, NoteKind.FAIL}), line
        assert cause is None or cause[1] in set(Cause)


# Links


def anchor(heading: str) -> str:
    """A heading's, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in (one or other for one, other in _LINK.findall(text_of(page))):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, part = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if part:
            assert part in map(anchor, _HEADING.findall(text_of(target))), link


def test_every_picture_is_shown_somewhere() -> None:
    texts = "".join(map(text_of, PAGES))
    unused = [
        path.name for path in (ROOT / "docs/pictures").iterdir() if f"pictures/{path.name}" not in texts
    ]
    assert unused == []
