"""``traymon remove``: take a bot out, and say what stays, and where."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from traymon import words
from traymon.cli import completing
from traymon.cli.output import USAGE, Context, Sentence
from traymon.config import BotConfig, load
from traymon.desktop.control import ControlError, NotRunning, ask
from traymon.paths import Profile
from traymon.secrets import SecretUnavailable, delete

TOKENS = ("token", "app_token")
"""The entries of a bot in the keyring."""


@click.command(
    help=words.mark("Take BOT out of the configuration, and delete the token kept for it. Its log stays.")
)
@click.argument("bot", shell_complete=completing.bots)
@click.option("-y", "--yes", is_flag=True, help=words.mark("Do not ask."))
@click.option("--keep-token", is_flag=True, help=words.mark("Leave the bot's token where it is kept."))
@click.pass_obj
def remove(context: Context, bot: str, yes: bool, keep_token: bool) -> None:
    """``traymon remove BOT``."""
    from traymon.setup.configfile import remove_bot

    profile = context.profile
    config = load(profile.config_file, os.environ, must_exist=context.named)
    found = next((each for each in config.bots if each.name == bot), None)
    if found is None:
        raise Sentence(words.no_such_bot(bot, [each.name for each in config.bots]), USAGE)
    if not profile.config_file.exists():
        raise Sentence(
            words.gettext(
                "{bot} comes from the environment and stands in no file: unset SLACK_BOT_TOKEN and SLACK_APP_TOKEN."
            ).format(bot=words.printable(bot))
        )
    shown = words.printable(bot)
    if not yes:
        click.confirm(words.gettext("Remove {bot}?").format(bot=shown), abort=True)
    # The token first: should that fail, the bot is still there and can be removed once more.
    gone = [] if keep_token else _delete_tokens(found, profile)
    remove_bot(profile.config_file, bot)
    click.echo(
        words.gettext("{bot} is removed from {file}.").format(
            bot=shown, file=words.printable(str(profile.config_file))
        )
    )
    for sentence in gone:
        click.echo(sentence)
    stays(_after_removal(context, found, keep_token=keep_token))
    _tell_running(context)


def _delete_tokens(bot: BotConfig, profile: Profile) -> list[str]:
    """Delete what traymon keeps of the bot; a sentence for each thing that is gone."""
    gone = []
    for file in own_token_files(bot, profile):
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Sentence(not_deleted(file, error)) from None
        gone.append(
            words.gettext("The token in the file {file} is deleted.").format(file=words.printable(str(file)))
        )
    with contextlib.suppress(OSError):  # it is not empty, or not there
        profile.tokens.rmdir()
    if not in_keyring(bot):
        return gone
    try:
        count = sum(delete(bot.name, which, profile=profile.name) for which in TOKENS)
    except SecretUnavailable as error:
        raise Sentence(
            words.gettext("{why} {bot} is not removed; with --keep-token it is, but for that.").format(
                why=error, bot=words.printable(bot.name)
            )
        ) from None
    if count:
        text = words.ngettext(
            "Its token in the keyring is deleted.", "Its {count} tokens in the keyring are deleted.", count
        )
        gone.append(text.format(count=count))
    return gone


def own_token_files(bot: BotConfig, profile: Profile) -> list[Path]:
    """The files with the bot's tokens that set-up's page made: any others are the person's own."""
    from traymon.setup.keeping import token_file

    made = {which: token_file(profile.tokens, bot.name, which) for which in TOKENS}
    sources = {"token": bot.token, "app_token": bot.app_token}
    return [file for which, file in made.items() if sources[which] == f"file:{file}"]


def not_deleted(file: Path, error: OSError) -> str:
    """A sentence on a file that stays against the person's wish."""
    return words.gettext("{file} could not be deleted ({problem}).").format(
        file=words.printable(str(file)), problem=error.strerror or type(error).__name__
    )


def in_keyring(bot: BotConfig) -> bool:
    """Only then is the keyring touched: it may ask for its password, or there may be none."""
    return "keyring" in (bot.token, bot.app_token)


def _after_removal(context: Context, bot: BotConfig, *, keep_token: bool) -> Iterator[str]:
    if context.profile.db.exists():
        yield words.gettext("its log, in {folder}").format(
            folder=words.printable(str(context.profile.state_dir))
        )
    if keep_token and in_keyring(bot):
        yield kept_in_keyring(context)
    yield from kept_elsewhere([bot])
    yield words.gettext("the token at Slack, which is good until it is revoked at api.slack.com/apps")


def kept_in_keyring(context: Context) -> str:
    service = "traymon" if context.profile.name == "default" else f"traymon ({context.profile.name})"
    return words.gettext("tokens in the keyring, under the name “{service}”").format(service=service)


def kept_elsewhere(bots: Iterable[BotConfig]) -> Iterator[str]:
    """The files and variables that still hold tokens: not traymon's to delete."""
    for source in [source for bot in bots for source in (bot.token, bot.app_token)]:
        kind, _, place = (source or "").partition(":")
        if kind == "file" and os.path.exists(place):
            yield words.gettext("the token in the file {file}").format(file=words.printable(place))
        elif kind == "env":
            yield words.gettext("the token in the environment variable {name}").format(
                name=words.printable(place)
            )


def stays(things: Iterable[str]) -> None:
    """Print what was not taken out, and where it is."""
    things = list(things)
    if things:
        click.echo(words.gettext("This stays:"))
    for thing in things:
        click.echo(f"  {thing}")


def _tell_running(context: Context) -> None:
    """A running traymon lets the bot go at once."""
    try:
        answer = ask(context.profile.control_address, {"do": "reload"})
    except NotRunning:
        return
    except ControlError as error:
        click.echo(words.printable(str(error)))
        return
    if answer.get("ok"):
        for sentence in answer.get("say") or []:
            click.echo(words.printable(str(sentence)))
    else:
        click.echo(words.gettext("Restart traymon to let the bot go: traymon quit, then traymon."))
