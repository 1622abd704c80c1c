"""The language of a command, chosen before any other module says something, and what click says in it."""

import gettext
import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from traymon import words
from traymon.paths import Profile
from traymon.words.language import translations

_CLICK = "click"
"""The catalogue of click's own messages: it brings none."""


_INDENT = 2
"""Of what an example is about, against the example, in columns."""


def speak(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Choose the language for the command line ``arguments``. Raises nothing."""
    words.choose(_configured(_config_file(arguments)), environ)
    _teach_click()


class _Formatter(click.HelpFormatter):
    """Folds text without spaces too: click takes a Japanese sentence for one word, and its characters for narrow."""

    def write_text(self, text: str) -> None:
        super().write_text(_folded(text, self.width - self.current_indent))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        # As click reckons it.
        first = min(max((len(name) for name, _ in rows), default=0), col_max) + col_spacing
        width = max(self.width - first - 2, 10)
        super().write_dl([(name, _folded(text, width)) for name, text in rows], col_max, col_spacing)


class _Context(click.Context):
    formatter_class = _Formatter

    def get_help(self) -> str:
        """With examples at the end."""
        from traymon.cli.examples import examples_of

        examples = examples_of(self._path())
        if not examples:
            return super().get_help()
        formatter = self.make_formatter()
        with formatter.section(words.gettext("Examples")):
            formatter.write_dl(examples, col_max=_INDENT)
        return f"{super().get_help()}\n\n{formatter.getvalue().rstrip()}"

    def _path(self) -> list[str]:
        """The names of the commands, without the program's."""
        parent = self.parent
        return [*parent._path(), self.info_name or ""] if isinstance(parent, _Context) else []


def _folded(text: str, width: int) -> str:
    """Paragraphs with wide characters in rows of their own, with click's mark for "leave it as it is"."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        "\b\n" + "\n".join(words.wrapped(each, width)) if words.columns(each) > len(each) else each
        for each in paragraphs
    )


def in_language(command: click.Command) -> click.Command:
    """``command`` with its help texts in the language in use: click has them from docstrings and ``help=``, which the
    translators' tools find there (``tests/catalogue.py``). A second call changes nothing."""
    command.context_class = _Context
    command.help, command.short_help, command.epilog = map(
        _translated, (command.help, command.short_help, command.epilog)
    )
    if command.help and not command.short_help:
        # What stands beside its name: click would cut it off at 45 characters.
        command.short_help = re.split(r"[.:](?:\s|$)|。", command.help, maxsplit=1)[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            parameter.help = _translated(parameter.help)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        in_language(below)
    return command


def unfolded(text: str) -> str:
    """A docstring's text with a line for each paragraph: where its source is folded says nothing."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _translated(text: str | None) -> str | None:
    if not text:
        return text
    message = unfolded(text)
    ours = words.gettext(message)
    if ours != message:
        return ours
    theirs = translations(_CLICK, words.language_in_use()).gettext(message)
    return theirs if theirs != message else text


def _config_file(arguments: Sequence[str]) -> Path | None:
    """What ``--config`` names. click looks for faults later; here they only mean that there is no such file."""
    for at, argument in enumerate(arguments):
        if argument == "--config" and at + 1 < len(arguments):
            return Path(arguments[at + 1])
        if argument.startswith("--config="):
            return Path(argument.removeprefix("--config="))
        if not argument.startswith("-"):
            break
    return None


def _configured(named: Path | None) -> str | None:
    """The configuration's ``language``. ``None`` where there is none, or no telling: then the locale decides, and what
    is wrong with the file is said by whoever needs it."""
    try:
        text = Profile.default(named).config_file.read_bytes()
        # Spares most commands the TOML parser, which takes longer to load than all else here.
        language = tomllib.loads(text.decode("utf-8-sig")).get("language") if b"language" in text else None
    except (OSError, ValueError, RecursionError):
        return None
    return language if isinstance(language, str) else None


def _teach_click() -> None:
    """Let click find its messages: it asks the standard library's gettext, which knows no catalogue of ours and no
    language but the environment's. Its modules have imported that by name, so it is replaced in each."""
    catalogue = translations(_CLICK, words.language_in_use())
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "click":
            continue
        if getattr(module, "_", None) is gettext.gettext:
            setattr(module, "_", catalogue.gettext)  # noqa: B010 - the types know no such name
        if getattr(module, "ngettext", None) is gettext.ngettext:
            setattr(module, "ngettext", catalogue.ngettext)  # noqa: B010
