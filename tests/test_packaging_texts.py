"""The texts of the Linux packages: made by their command, and read by what reads them on a system."""

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.required import need_programs
from tests.support import PATIENCE_S
from traymon import __version__
from traymon.cli import _COMMANDS, cli

ROOT = Path(__file__).parent.parent
MAN = {"en": "usr/share/man/man1", "ja": "usr/share/man/ja/man1"}
METAINFO = "usr/share/metainfo/io.github.traymon.traymon.metainfo.xml"
DESKTOP = "usr/share/applications/traymon.desktop"
UNIT = "usr/lib/systemd/user/traymon.service"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/traymon",
    "zsh": "usr/share/zsh/vendor-completions/_traymon",
    "fish": "usr/share/fish/vendor_completions.d/traymon.fish",
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="texts of Linux packages")


def run(*command: str | Path, given: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        input=given,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def only_where(program: str) -> None:
    """What ``.ci/run`` does not install may be missing there, too."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, in a folder."""
    folder = tmp_path_factory.mktemp("texts")
    done = run(sys.executable, ROOT / "packaging/texts.py", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def page(texts: Path, name: str, language: str = "en") -> str:
    return gzip.decompress((texts / MAN[language] / f"{name}.1.gz").read_bytes()).decode()


def test_these_files_and_no_others_are_written(texts: Path) -> None:
    names = ["traymon", *(f"traymon-{name}" for name in _COMMANDS)]
    pages = {f"{folder}/{name}.1.gz" for folder in MAN.values() for name in names}
    found = {path.relative_to(texts).as_posix() for path in texts.rglob("*") if path.is_file()}
    assert found == pages | {METAINFO, DESKTOP, UNIT, *COMPLETIONS.values()}


def test_without_a_folder_it_says_how_to_use_it() -> None:
    done = run(sys.executable, ROOT / "packaging/texts.py")
    assert done.returncode == 1
    assert "FOLDER" in done.stderr


# Manual pages


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_page_says_all_that_the_help_says(texts: Path, name: str) -> None:
    command = cli.get_command(cli.make_context("traymon", ["status"]), name)
    assert command is not None
    below = command.commands.values() if hasattr(command, "commands") else ()
    source = page(texts, f"traymon-{name}").replace("\\-", "-")
    for each in (command, *below):
        options = [option for option in each.params if not getattr(option, "hidden", False)]
        assert all(opt in source for option in options for opt in option.opts if opt.startswith("-"))
    assert f".B traymon {name}" in source
    assert '.SH "EXAMPLES"' in source
    assert ".BR traymon (1)" in source


@pytest.mark.parametrize("language", MAN)
def test_the_first_page_leads_to_the_others(texts: Path, language: str) -> None:
    source = page(texts, "traymon", language)
    assert all(f".BR traymon\\-{name} (1)" in source for name in _COMMANDS)
    assert f'"traymon {__version__}"' in source.splitlines()[0]


def test_japanese_pages_are_in_japanese(texts: Path) -> None:
    source = page(texts, "traymon-status", "ja")
    assert '.SH "オプション"' in source
    assert "Exit code" not in source
    assert "Ask once" not in source


@pytest.mark.parametrize("language", MAN)
def test_groff_has_nothing_to_say_about_them(texts: Path, language: str) -> None:
    only_where("groff")
    folder = texts / MAN[language]
    for path in sorted(folder.iterdir()):
        source = gzip.decompress(path.read_bytes()).decode()
        # "break": lines that cannot be filled; Japanese has no spaces.
        done = run("groff", "-Kutf8", "-mja", "-man", "-Tutf8", "-ww", "-Wbreak", "-z", given=source)
        assert (path.name, done.returncode, done.stderr) == (path.name, 0, "")


@pytest.mark.parametrize("language", MAN)
def test_whatis_finds_a_name_and_what_it_is(texts: Path, language: str) -> None:
    only_where("lexgrog")
    for path in sorted((texts / MAN[language]).iterdir()):
        done = run("lexgrog", path, LC_ALL="C.UTF-8")
        assert re.search(rf'"{path.name.removesuffix(".1.gz")} - \S', done.stdout), done.stdout + done.stderr


HOSTILE = [
    ".so /etc/passwd",
    "'ig",
    "\\fBbold\\fP",
    "a -- b --c",
    'say "this"',
    "`x` ^ ~",
    "C:\\new",
    "\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_looks_like_a_request_is_shown_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only_where("groff")
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    from manpages import escaped

    done = run("groff", "-Kutf8", "-man", "-Tutf8", "-P-cbou", given=f".TH A 1\n.PP\n{escaped(text)}\n")
    assert text in [line.strip() for line in done.stdout.splitlines()]


@given(st.text(st.characters(exclude_characters="\n\r", exclude_categories=("Cs", "Cc"))))
def test_no_text_is_a_request_or_has_an_escape_of_its_own(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "packaging"))
        from manpages import escaped
    shown = escaped(text)
    assert not shown.startswith((".", "'"))
    assert not re.search(r"\\(?![e&-]|\((?:aq|ga|ha|ti|dq))", shown)


# Completion


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which this traymon is found, with two bots."""
    program = tmp_path / "bin" / "traymon"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m traymon "$@"\n')
    program.chmod(0o755)
    config = tmp_path / ".config" / "traymon" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "".join(f'[bots.{name}]\ntransport = "rtm"\ntoken = "keyring"\n' for name in ("anna", "bo"))
    )
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(config.parent.parent),
        "PYTHONPATH": str(ROOT),
    }


OFFERED = [
    ("traymon re", ["reconnect", "relay", "remove", "report", "resume"]),
    ("traymon log --f", ["--follow", "--format"]),
    ("traymon log --format ", ["csv", "json", "text"]),
    ("traymon autostart ", ["off", "on", "status"]),
    ("traymon pause a", ["anna"]),
    ("traymon pause nobody", []),
]

BASH = r"""
source "$1"
line=$2
read -ra COMP_WORDS <<< "$line"
[[ $line == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
declared=$(complete -p traymon)
[[ $declared =~ -F\ ([^ ]+) ]] || exit 9
"${BASH_REMATCH[1]}" traymon
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_bash_completes(texts: Path, shell: dict[str, str], line: str, offered: list[str]) -> None:
    need_programs("bash")
    done = run("bash", "--norc", "-c", BASH, "bash", texts / COMPLETIONS["bash"], line, **shell)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == offered


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_fish_completes(texts: Path, shell: dict[str, str], line: str, offered: list[str]) -> None:
    only_where("fish")
    script = "source $argv[1]; complete -C $argv[2]"
    done = run("fish", "--no-config", "-c", script, texts / COMPLETIONS["fish"], line, **shell)
    assert done.returncode == 0, done.stderr
    found = [row.split("\t")[0] for row in done.stdout.splitlines()]
    assert sorted(found) == offered


ZSH = r"""
# Stands in for compsys, which only runs while a person types: takes down what would be offered.
compdef() { :; }
compadd() { [[ $1 == -U ]] && print -rl -- "${completions[@]}"; }
_describe() { print -rl -- "${completions_with_descriptions[@]%%:*}"; }
source $1
words=(${(s: :)2}); [[ $2 == *" " ]] && words+=("")
CURRENT=$#words
_traymon_completion
"""


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_zsh_completes(texts: Path, shell: dict[str, str], line: str, offered: list[str]) -> None:
    only_where("zsh")
    done = run("zsh", "-f", "-c", ZSH, "zsh", texts / COMPLETIONS["zsh"], line, **shell)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == offered


# The desktop and systemd


def test_the_desktop_file_is_valid(texts: Path) -> None:
    need_programs("desktop-file-validate")
    done = run("desktop-file-validate", texts / DESKTOP)
    assert (done.returncode, done.stdout) == (0, "")


def ini(path: Path) -> RawConfigParser:
    parser = RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(path, encoding="utf-8")
    return parser


def test_what_the_desktop_starts_can_be_parsed(texts: Path) -> None:
    entries = ini(texts / DESKTOP)
    lines = [entries[section]["Exec"] for section in entries.sections()]
    assert len(lines) == 3
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "traymon"
        parse(arguments)


def parse(arguments: list[str]) -> None:
    """Raises UsageError for what traymon does not know."""
    ctx = cli.make_context("traymon", list(arguments))
    if arguments:
        name, command, rest = cli.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert command is not None
        command.make_context(name, rest, parent=ctx)


def test_the_metadata_is_valid(texts: Path) -> None:
    only_where("appstreamcli")
    done = run("appstreamcli", "validate-tree", "--no-net", texts, LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stdout


def test_one_summary_for_all(texts: Path) -> None:
    summary = ini(texts / DESKTOP)["Desktop Entry"]["Comment"]
    assert f"<summary>{summary}</summary>" in (texts / METAINFO).read_text("utf-8")
    told = summary[0].lower() + summary[1:]
    assert f"Description: {told}\n" in (ROOT / "packaging/debian/control").read_text("utf-8")
    assert told.replace("-", "\\-") in page(texts, "traymon")


def test_the_unit_starts_traymon_without_a_tray(texts: Path) -> None:
    service = ini(texts / UNIT)["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/usr/bin/traymon"
    assert "--no-tray" in arguments
    parse(arguments)
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 30


def test_systemd_takes_the_unit(texts: Path, tmp_path: Path) -> None:
    only_where("systemd-analyze")
    unit = (texts / UNIT).read_text("utf-8")
    # Neither traymon nor its manual page need be installed here.
    unit = unit.replace("/usr/bin/traymon", shlex.quote(sys.executable)).replace("man:traymon(1) ", "")
    (tmp_path / "traymon.service").write_text(unit)
    (tmp_path / "run").mkdir(mode=0o700)
    done = run(
        "systemd-analyze",
        "--user",
        "verify",
        tmp_path / "traymon.service",
        XDG_RUNTIME_DIR=str(tmp_path / "run"),
        HOME=str(tmp_path),
    )
    assert "traymon.service" not in done.stdout + done.stderr
