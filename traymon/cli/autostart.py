"""``traymon autostart``: whether traymon starts at login."""

import os
from typing import TYPE_CHECKING

import click

from traymon import words
from traymon.cli.output import FAILED, USAGE, Context, Sentence

if TYPE_CHECKING:
    from traymon.desktop.autostart import Autostart

_REPLACE = words.mark("Also where the entry starts something else, or was changed by hand.")


@click.group(help=words.mark("Start traymon when you log in, or not."))
def autostart() -> None:
    """The commands below."""


@autostart.command(help=words.mark("Start traymon at each login, from the next one on."))
@click.option("--replace", is_flag=True, help=_REPLACE)
@click.pass_obj
def on(context: Context, replace: bool) -> None:
    """``traymon autostart on``."""
    from traymon.desktop.autostart import AutostartError

    config_file = context.profile.config_file
    if context.named and not config_file.exists():
        raise Sentence(
            words.gettext("{file} does not exist: check the path, or make it with traymon setup.").format(
                file=words.printable(str(config_file))
            ),
            USAGE,
        )
    entry = system(context)
    try:
        entry.turn_on(replace=replace)
    except AutostartError as error:
        raise Sentence(str(error)) from None
    click.echo(
        words.gettext("traymon starts when you log in ({where}).").format(where=words.printable(entry.where))
    )
    _warn_of_environment(context)


@autostart.command(help=words.mark("Do not start traymon at login any more. One that runs now runs on."))
@click.option("--replace", is_flag=True, help=_REPLACE)
@click.pass_obj
def off(context: Context, replace: bool) -> None:
    """``traymon autostart off``."""
    from traymon.desktop.autostart import AutostartError

    try:
        system(context).turn_off(replace=replace)
    except AutostartError as error:
        raise Sentence(str(error)) from None
    click.echo(words.gettext("traymon does not start when you log in."))


@autostart.command(help=words.mark("Say whether traymon starts at login. Exit code 1 when it does not."))
@click.pass_obj
def status(context: Context) -> None:
    """``traymon autostart status``."""
    from traymon.desktop.autostart import Kind

    entry = system(context)
    state = entry.state()
    click.echo(
        {
            Kind.ON: words.gettext("on: traymon starts when you log in ({where})."),
            Kind.OFF: words.gettext("off: traymon does not start when you log in."),
            Kind.DISABLED: words.gettext("off, though there is an entry."),
            Kind.BROKEN: words.gettext("off, though there is an entry."),
        }[state.kind].format(where=words.printable(entry.where))
    )
    if state.why:
        click.echo(state.why)
    raise SystemExit(0 if state.is_on else FAILED)


def system(context: Context) -> "Autostart":
    """The profile's entry. Raises Sentence where nothing can be started at login."""
    from traymon.desktop.autostart import AutostartError, system_autostart

    try:
        return system_autostart(context.profile)
    except AutostartError as error:
        raise Sentence(str(error)) from None


def _warn_of_environment(context: Context) -> None:
    """A token in an environment variable of this shell may not be there at login."""
    from traymon.config import ConfigError, load

    try:
        config = load(context.profile.config_file, os.environ)
    except ConfigError as error:
        click.echo(words.gettext("The configuration cannot be used yet: {why}").format(why=error))
        return
    for bot in config.bots:
        for source in (bot.token, bot.app_token):
            kind, _, name = (source or "").partition(":")
            if kind == "env":
                click.echo(
                    words.gettext(
                        "{bot}: its token is in the environment variable {name}, which must be set at login, too, "
                        "not in a terminal only; traymon setup can keep it in the keyring."
                    ).format(bot=words.printable(bot.name), name=words.printable(name))
                )
