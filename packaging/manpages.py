"""The manual pages, made from what the commands say of themselves when asked for help.

    python packaging/manpages.py LANGUAGE FOLDER     traymon.1 and a page for each command, as FOLDER/*.1

Not made with click-man, which leaves out examples and epilogues and escapes only hyphens. The macros are
those of man(7).
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import about
import click

from traymon.cli import cli
from traymon.cli.examples import Example, examples_of
from traymon.cli.language import in_language, speak, unfolded

_HEADINGS = {
    "en": (
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMANDS",
        "EXAMPLES",
        "SEE ALSO",
        "User Commands",
    ),
    "ja": ("名前", "書式", "説明", "オプション", "コマンド", "例", "関連項目", "ユーザーコマンド"),
}
"""As manual pages of that language have them; lexgrog(1) looks for the first."""

LANGUAGES = tuple(_HEADINGS)


class Page:
    """One manual page, line by line."""

    def __init__(self, name: str, language: str) -> None:
        (
            self._name,
            self._synopsis,
            self._description,
            self._options,
            self._commands,
            self._examples,
            self._see_also,
            manual,
        ) = _HEADINGS[language]
        title = " ".join(
            _quoted(part)
            for part in (name.upper(), "1", about.released() or "", f"traymon {about.version()}", manual)
        )
        self.lines = [f".TH {title}"]

    def text(self) -> str:
        """The page's source."""
        return "\n".join(self.lines) + "\n"

    def head(self, name: str, summary: str, ctx: click.Context) -> None:
        """Name and synopsis."""
        usage = " ".join(ctx.command.collect_usage_pieces(ctx))
        self._section(self._name, [f"{escaped(name)} \\- {escaped(summary)}"])
        self._section(self._synopsis, [f".B {escaped(ctx.command_path)}", escaped(usage)])

    def description(self, *texts: str | None) -> None:
        """Whole paragraphs."""
        paragraphs = [each for text in texts if text for each in unfolded(text).split("\n\n")]
        self._section(self._description, _paragraphs(paragraphs))

    def options(self, ctx: click.Context) -> None:
        """Every option that is shown."""
        self._section(self._options, _options(ctx))

    def commands(self, entries: Sequence[tuple[str, str]]) -> None:
        """The pages of the commands, and what each is about."""
        lines = [line for name, about in entries for line in (".TP", f".BR {_page(name)}", escaped(about))]
        self._section(self._commands, lines)

    def subcommand(self, ctx: click.Context) -> None:
        """A command of a command has no page of its own."""
        self.lines += [
            f".SS {_quoted(escaped(ctx.command_path))}",
            *_paragraphs([unfolded(ctx.command.help or "")]),
        ]
        self.lines += _options(ctx)

    def examples(self, examples: Sequence[Example]) -> None:
        """Each as it is typed, and what it does."""
        lines = [
            line for each in examples for line in (".TP", f".B {escaped(each.line)}", escaped(each.about))
        ]
        self._section(self._examples, lines)

    def see_also(self, names: Sequence[str]) -> None:
        """Other pages."""
        self._section(
            self._see_also, [f".BR {_page(name)}{',' if name != names[-1] else ''}" for name in names]
        )

    def begin_commands(self) -> None:
        """The heading of what :meth:`subcommand` adds."""
        self.lines.append(f".SH {_quoted(self._commands)}")

    def _section(self, heading: str, lines: Sequence[str]) -> None:
        if lines:
            self.lines += [f".SH {_quoted(heading)}", *lines]


def escaped(text: str) -> str:
    """``text`` as groff shows it: nothing in it is a request, and a hyphen can be copied into a shell."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for char, name in (("'", "aq"), ("`", "ga"), ("^", "ha"), ("~", "ti"), ('"', "dq")):
        text = text.replace(char, f"\\({name}")
    return f"\\&{text}" if text.startswith(".") else text


def _quoted(text: str) -> str:
    return f'"{text}"'


def _page(name: str) -> str:
    return f"{escaped(name)} (1)"


def _paragraphs(paragraphs: Sequence[str]) -> list[str]:
    return "\n.PP\n".join(map(escaped, paragraphs)).splitlines()


def _options(ctx: click.Context) -> list[str]:
    records = [
        record
        for option in ctx.command.get_params(ctx)
        if isinstance(option, click.Option) and (record := option.get_help_record(ctx))
    ]
    return [
        line
        for names, about in records
        for line in (".TP", f".B {escaped(names)}", escaped(" ".join(about.replace("\b", "").split())))
    ]


def _summary(command: click.Command) -> str:
    """The first sentence of its help, without the full stop."""
    first = unfolded(command.help or "").split("\n\n")[0]
    return first.split(". ")[0].split("。")[0].rstrip(".")


def _commands_of(ctx: click.Context) -> Iterator[click.Context]:
    group = ctx.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield command.context_class(command, info_name=name, parent=ctx)


def pages(language: str) -> Iterator[tuple[str, str]]:
    """Each page's name (``traymon-status``) and source, in the language that was chosen."""
    root = cli.context_class(
        cli, info_name="traymon", help_option_names=cli.context_settings["help_option_names"]
    )
    commands = list(_commands_of(root))
    names = [f"traymon-{ctx.info_name}" for ctx in commands]
    page = Page("traymon", language)
    page.head("traymon", about.SUMMARIES[language], root)
    page.description(cli.help, cli.epilog)
    page.commands([(name, _summary(ctx.command)) for name, ctx in zip(names, commands, strict=True)])
    page.options(root)
    page.examples(examples_of(()))
    page.see_also(names)
    yield "traymon", page.text()
    for name, ctx in zip(names, commands, strict=True):
        yield name, _command_page(name, ctx, language)


def _command_page(name: str, ctx: click.Context, language: str) -> str:
    page = Page(name, language)
    page.head(name, _summary(ctx.command), ctx)
    page.description(ctx.command.help, ctx.command.epilog)
    page.options(ctx)
    if isinstance(ctx.command, click.Group):
        page.begin_commands()
        for below in _commands_of(ctx):
            page.subcommand(below)
    page.examples(examples_of([str(ctx.info_name)]))
    page.see_also(["traymon"])
    return page.text()


def main() -> None:
    """Write the pages of one language: a process speaks one."""
    language, folder = sys.argv[1], Path(sys.argv[2])
    # No configuration of whoever builds this has a say.
    speak(["--config", "/dev/null"], {"LANGUAGE": language, "LANG": f"{language}.UTF-8"})
    in_language(cli)
    for name, text in pages(language):
        (folder / f"{name}.1").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
