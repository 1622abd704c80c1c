"""``traymon relay``: what a bot's own program needs to ride on traymon's link."""

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from traymon import words
from traymon.cli import completing
from traymon.cli.output import FAILED, Context, Sentence

if TYPE_CHECKING:
    from traymon.config import BotConfig
    from traymon.relay.tokens import LocalTokens


@click.command()
@click.argument("bot", required=False, shell_complete=completing.bots)
@click.option("--token", "show_token", is_flag=True, help="Print the token for BOT's programs, too.")
@click.pass_obj
def relay(context: Context, bot: str | None, show_token: bool) -> None:
    """Say how BOT's own program gets its messages over traymon's link: one line for each known library.

    The program gives the base URL that is printed, and in place of Slack's token one of traymon's own. Whether traymon
    runs does not matter. Exit code 1 when BOT, or each bot, lends its link to no program.
    """
    from traymon.config import load
    from traymon.relay.tokens import load_or_make

    bots = load(context.profile.config_file, os.environ, must_exist=context.named).bots
    if not bots:
        raise Sentence(words.no_bots(str(context.profile.config_file)), FAILED)
    if bot is not None and bot not in [each.name for each in bots]:
        raise Sentence(words.no_such_bot(bot, [each.name for each in bots]), FAILED)
    chosen = [each for each in bots if bot in (None, each.name)]
    lending = [each for each in chosen if each.relay]
    settings = load_or_make(context.profile.relay_settings, words.to_terminal(sys.stderr))
    if lending:
        click.echo(words.gettext("Base URL: {url}").format(url=settings.base_url))
    for each in chosen:
        if not each.relay:
            click.echo(_off(each, context), err=not lending)
    for each in lending:
        _print_bot(each, settings.base_url, settings.tokens_of(each.name) if show_token else None)
    if not lending:
        raise SystemExit(FAILED)


def _print_bot(bot: "BotConfig", base_url: str, tokens: "LocalTokens | None") -> None:
    name = words.printable(bot.name)
    click.echo()
    if tokens is None:
        click.echo(
            words.gettext(
                "{bot}: your program needs this line, and in place of Slack's token the one that “traymon relay "
                "{bot} --token” prints."
            ).format(bot=name)
        )
    else:
        click.echo(
            words.gettext(
                "{bot}: your program needs this line, and these tokens in place of Slack's."
            ).format(bot=name)
        )
        _print_tokens(bot, tokens)
    _print_lines(["rtm", "socket"] if bot.relay == "rtm" else [bot.transport], base_url)


def _print_tokens(bot: "BotConfig", tokens: "LocalTokens") -> None:
    click.echo("  " + words.gettext("token: {token}").format(token=tokens.token))
    if bot.transport == "socket":
        click.echo("  " + words.gettext("app-level token: {token}").format(token=tokens.app_token))


def _print_lines(spoken: Sequence[str], base_url: str) -> None:
    """``spoken``: what programs may speak to traymon, ``rtm``, ``socket`` or both."""
    from traymon.relay.libraries import lines, slack_go

    shown = [line for each in spoken for line in lines(each, base_url)]
    shown.append(("slack-go", slack_go(base_url)))
    width = max(len(name) for name, _ in shown)
    for name, line in shown:
        click.echo(f"  {name:<{width}}  {line}")


def _off(bot: "BotConfig", context: Context) -> str:
    return words.gettext(
        "{bot} lends its link to no program: write relay = true under {table} in {file}, and start traymon again."
    ).format(
        bot=words.printable(bot.name),
        table=f"[bots.{_key(bot.name)}]",
        file=words.printable(str(context.profile.config_file)),
    )


def _key(name: str) -> str:
    """As TOML has it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
