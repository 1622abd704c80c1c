"""README and docs: every command in them is one, and every link leads somewhere."""

import re
import shlex
from pathlib import Path

import click
import pytest

from traymon.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
_COMMAND = re.compile(r"`(?:\.venv[/\\](?:bin|Scripts)[/\\])?traymon((?: [^`]*)?)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """A heading's, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pages
def test_every_command_of_traymon_is_one(page: Path) -> None:
    for arguments in _COMMAND.findall(page.read_text(encoding="utf-8")):
        if "=" in arguments and "--" not in arguments:
            continue  # "traymon =" and its kin are no commands
        words = [word for word in shlex.split(arguments) if word != "…"]
        command: click.Command = cli
        try:
            # Parses everything, asks and runs nothing.
            context = cli.make_context("traymon", words, resilient_parsing=True)
            while isinstance(command, click.Group):
                name = next((word for word in words if word in command.list_commands(context)), None)
                if name is None:
                    assert not [word for word in words if word.islower() and not word.startswith("-")]
                    break
                found, words = command.get_command(context, name), words[words.index(name) + 1 :]
                assert found is not None
                command = found
                context = command.make_context(name, words, parent=context, resilient_parsing=True)
        except click.ClickException as error:
            pytest.fail(f"traymon{arguments}: {error.format_message()}")


@pages
def test_every_target_of_make_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"[`&] ?(?:[A-Z_]+=\S+ )?make ([a-z]+)", text)
    assert set(named) <= targets


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in (one or other for one, other in _LINK.findall(page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, part = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if part:
            headings = _HEADING.findall(target.read_text(encoding="utf-8"))
            assert part in map(anchor, headings), link


def test_every_picture_is_shown_somewhere() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    unused = [
        path.name for path in (ROOT / "docs/pictures").iterdir() if f"pictures/{path.name}" not in texts
    ]
    assert unused == []
