"""README and docs as the tests see them: their blocks, their command lines, and what stands between backticks."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(path for path in ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  \w+ ")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_OWN_PLACE = re.compile(r"\.venv[/\\](?:bin|Scripts)[/\\]")
SHELL, LOG = "sh", "log"


@dataclass(frozen=True)
class Block:
    """What stands between fences; ``language`` as the fence says, else what the text is."""

    page: Path
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command line; ``words`` begins with the program. ``whole``: it is a line to be copied, no mention."""

    page: Path
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page.name}: {' '.join(self.words)}"

    @property
    def program(self) -> str:
        return self.words[0]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """Every fenced block."""
    return [Block(page, given or _kind(text), text) for given, text in _BLOCK.findall(text_of(page))]


def _kind(text: str) -> str:
    return LOG if _LOG_LINE.match(text) else SHELL


def spans(page: Path) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return _SPAN.findall(_BLOCK.sub("", text_of(page)))


def commands(page: Path, programs: frozenset[str]) -> list[Command]:
    """Every command line of a block, and every span that begins with one of ``programs``."""
    found = [
        Command(page, words, whole=True)
        for block in blocks(page)
        if block.language == SHELL and not block.text.startswith("#!")
        for line in block.text.splitlines()
        for words in command_words(line)
    ]
    for span in spans(page):
        found += [Command(page, words, whole=False) for words in command_words(span) if words[0] in programs]
    return found


def command_words(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line, without variables set before and a redirection behind them."""
    for part in re.split(r" && | \| ", line.partition(" > ")[0]):
        try:
            words = shlex.split(_OWN_PLACE.sub("", part.strip()).replace("\\", "/"), comments=True)
        except ValueError:
            continue  # prose with an apostrophe
        while words and _ASSIGNMENT.fullmatch(words[0]):
            del words[0]
        if words:
            yield tuple(words)
