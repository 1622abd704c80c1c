"""The help of every command: complete, with examples that can be typed as they stand."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from traymon import words
from traymon.cli import cli, completing
from traymon.cli.examples import _EXAMPLES, examples_of
from traymon.cli.language import in_language, unfolded


def walk(ctx: click.Context) -> Iterator[click.Context]:
    """Every command's context, from the program's own down."""
    yield ctx
    group = ctx.command
    for name in group.list_commands(ctx) if isinstance(group, click.Group) else ():
        command = group.get_command(ctx, name)  # type: ignore[attr-defined]
        yield from walk(command.context_class(command, info_name=name, parent=ctx))


def path_of(ctx: click.Context) -> tuple[str, ...]:
    return tuple(ctx.command_path.split()[1:])


FULL_STOP = (".", "。")
"""A test before may have left a command's help in Japanese."""

in_language(cli)
COMMANDS = list(walk(cli.context_class(cli, info_name="traymon")))
each_command = pytest.mark.parametrize("ctx", COMMANDS, ids=lambda ctx: ctx.command_path)


@each_command
def test_it_says_what_it_does(ctx: click.Context) -> None:
    summary = unfolded(ctx.command.help or "").split("\n\n")[0]
    assert summary.endswith(FULL_STOP)
    assert "``" not in summary, "a docstring for programmers"


@each_command
def test_every_option_says_what_it_does(ctx: click.Context) -> None:
    silent = [
        option.name
        for option in ctx.command.get_params(ctx)
        if isinstance(option, click.Option)
        and not option.hidden
        and not (option.help or "").endswith(FULL_STOP)
    ]
    assert silent == []


@each_command
def test_every_argument_is_spoken_of(ctx: click.Context) -> None:
    arguments = [each for each in ctx.command.params if isinstance(each, click.Argument)]
    told = [str(each.name).upper() in unfolded(ctx.command.help or "") for each in arguments]
    assert all(told)


@each_command
def test_it_has_an_example_of_itself(ctx: click.Context) -> None:
    examples = examples_of(path_of(ctx))
    assert examples
    assert all(each.line.startswith(ctx.command_path) or not path_of(ctx) for each in examples)
    shown = ctx.get_help()
    assert "Examples:" in shown
    assert all(each.line in shown and each.about.endswith(FULL_STOP) for each in examples)


def test_there_are_no_examples_of_other_commands() -> None:
    assert {" ".join(path_of(ctx)) for ctx in COMMANDS} >= set(_EXAMPLES)


LINES = [each.line for ctx in COMMANDS for each in examples_of(path_of(ctx))]


@pytest.mark.parametrize("line", sorted(set(LINES)))
def test_click_takes_every_example(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert program == "traymon"
    ctx: click.Context | None = None
    command: click.Command = cli
    while True:
        ctx = command.make_context(command.name, arguments, parent=ctx)
        # What a group leaves is the command below it.
        arguments = [*ctx._protected_args, *ctx.args]
        if not arguments:
            break
        assert isinstance(command, click.Group), f"{command.name} takes no {arguments}"
        _, below, arguments = command.resolve_command(ctx, arguments)
        assert below is not None
        command = below
    assert not isinstance(command, click.Group) or command is cli, "an example that only shows help"


def test_examples_are_in_the_language_in_use() -> None:
    words.choose("ja", {})
    try:
        told = [each.about for each in examples_of(())]
    finally:
        words.choose("en", {})
    assert all(about.endswith("。") for about in told)


# Completion


def offered(*arguments: str) -> list[str]:
    """What a shell would offer for the last argument."""
    *before, incomplete = arguments
    return [
        item.value for item in ShellComplete(cli, {}, "traymon", "_X").get_completions(before, incomplete)
    ]


@pytest.fixture
def configured(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    names = ["deploybot", "demo", '"two words"', '"$(reboot)"']
    path.write_text("".join(f'[bots.{name}]\ntransport = "rtm"\ntoken = "keyring"\n' for name in names))
    return str(path)


@pytest.mark.parametrize(
    "command",
    [
        ["pause"],
        ["resume"],
        ["reconnect"],
        ["doctor"],
        ["relay"],
        ["remove"],
        ["log", "--bot"],
        ["report", "--bot"],
    ],
)
def test_bots_are_offered_by_name(configured: str, command: list[str]) -> None:
    assert offered("--config", configured, *command, "de") == ["deploybot", "demo"]
    assert offered("--config", configured, *command, "dep") == ["deploybot"]


def test_what_would_need_quotes_is_not_offered(configured: str) -> None:
    assert offered("--config", configured, "pause", "") == ["deploybot", "demo"]


@pytest.mark.parametrize("text", ["[bots", "[bots.x]\ntoken = 1\n", None])
def test_where_there_is_no_telling_nothing_is_offered(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text)
    assert offered("--config", str(path), "pause", "") == []


def test_a_folder_in_the_place_of_the_configuration_offers_nothing(tmp_path: Path) -> None:
    ctx = click.Context(cli)
    ctx.params["config_file"] = tmp_path
    assert completing.bots(ctx, cli.params[0], "") == []


def test_commands_and_options_are_offered() -> None:
    assert offered("re") == ["reconnect", "resume", "report", "relay", "remove"]
    assert offered("log", "--f") == ["--format", "--follow"]
    assert offered("log", "--format", "") == ["text", "csv", "json"]
    assert "--at-login" not in offered("run", "--")
