"""``traymon config``: where the configuration is, and whether it can be used."""

import os

import click

from traymon import words
from traymon.cli.output import FAILED, Context, Sentence


@click.group()
def config() -> None:
    """The configuration file."""


@config.command()
@click.pass_obj
def path(context: Context) -> None:
    """Print the configuration file's path, whether it exists or not."""
    click.echo(str(context.profile.config_file))


@config.command()
@click.pass_obj
def check(context: Context) -> None:
    """Read the configuration and every token that it names, and say what is wrong. No token is shown."""
    from traymon.config import ConfigError, load

    try:
        loaded = load(context.profile.config_file, os.environ, must_exist=context.named)
    except ConfigError as error:
        raise Sentence(str(error), FAILED) from None
    if not loaded.bots:
        raise Sentence(words.no_bots(str(context.profile.config_file)), FAILED)
    problems = 0
    for bot in loaded.bots:
        click.echo(f"{bot.name}: {bot.transport}, {bot.api_url}")
        for which, source in (("token", bot.token), ("app_token", bot.app_token)):
            if source is None:
                continue
            # Socket Mode needs the app token only, unless it presents RTM; a bot token is read where there is one.
            needed = which == "app_token" or bot.transport == "rtm" or bot.relay == "rtm"
            optional = not needed and source == "keyring"
            problems += _check_token(context, source, bot.name, which, optional=optional)
        if bot.ca_file is not None and not bot.ca_file.is_file():
            click.echo("  " + words.gettext("ca_file: there is no file {path}").format(path=bot.ca_file))
            problems += 1
    if problems:
        raise SystemExit(FAILED)


def _check_token(context: Context, source: str, bot: str, which: str, *, optional: bool) -> int:
    """Print what is known of one token; the number of problems."""
    from traymon.secrets import SecretUnavailable, read

    try:
        read(source, bot, which, profile=context.profile.name)
    except SecretUnavailable as error:
        if optional and not error.waits:
            return 0
        click.echo(f"  {which}: {words.printable(str(error))}")
        return 1
    click.echo(
        "  " + words.gettext("{which}: found ({source})").format(which=which, source=words.printable(source))
    )
    return 0
