"""``traymon setup``: a bot's name and token, checked with Slack, kept safely, and written into the configuration."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traymon import words
from traymon.cli.output import Context, Sentence

if TYPE_CHECKING:
    from traymon.config import BotConfig
    from traymon.setup.configfile import BotTable, Transport

_STEP_LIMIT_S = 10.0
"""For each step of the check (name, TCP, TLS, answer), as for an attempt to connect."""
_WHICH = {"rtm": "token", "socket": "app_token"}
_PREFIX = {"rtm": "xox", "socket": "xapp-"}


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the person chose; ``keep`` is the token's place as the configuration names it."""

    name: str
    transport: "Transport"
    keep: str
    api_url: str | None

    @property
    def which(self) -> str:
        return _WHICH[self.transport]

    @property
    def table(self) -> "BotTable":
        from traymon.setup.configfile import BotTable

        token, app_token = (self.keep, None) if self.transport == "rtm" else (None, self.keep)
        return BotTable(self.name, self.transport, token, app_token, self.api_url)


@click.command()
@click.option("--name", metavar="BOT", help="The bot's name in traymon; asked for when missing.")
@click.option(
    "--transport",
    type=click.Choice(["rtm", "socket"]),
    default="rtm",
    show_default=True,
    help="rtm for classic apps, socket for Socket Mode.",
)
@click.option(
    "--keep",
    metavar="PLACE",
    default="keyring",
    show_default=True,
    help="Where the token is kept: keyring, env:NAME or file:PATH.",
)
@click.option(
    "--api-url", metavar="URL", help="Of the Web API, where it is not slack.com's (GovSlack, a proxy)."
)
@click.option("--no-check", is_flag=True, help="Do not ask Slack whether the token is good.")
@click.pass_obj
def setup(
    context: Context, name: str | None, transport: "Transport", keep: str, api_url: str | None, no_check: bool
) -> None:
    """Set up a bot, or give it another token. The token is asked for without being shown."""
    from traymon.config import check_name
    from traymon.setup.configfile import preview_bot, set_bot

    name = name if name is not None else click.prompt(words.gettext("Name of the bot"), default="bot")
    check_name(name)
    choice = _Choice(name, transport, keep, api_url)
    path = context.profile.config_file
    bot = preview_bot(path, choice.table)
    token = _token(choice)
    if not no_check:
        _check(bot, token)
    _keep(bot, choice, token, context.profile.name)
    set_bot(path, choice.table)
    click.echo(words.gettext("{bot} is set up in {file}.").format(bot=name, file=words.printable(str(path))))
    if transport == "socket":
        click.echo(words.socket_mode_preview(name))
    _tell_running(context, name)


def _token(choice: _Choice) -> str:
    """The token: from the environment where it is kept there, typed unseen, or from standard input of a script."""
    from traymon.secrets import SecretUnavailable, clean, read

    if choice.keep.startswith("env:"):
        return read(choice.keep, choice.name, choice.which)
    if sys.stdin is not None and sys.stdin.isatty():
        shape = "xoxb-…" if choice.transport == "rtm" else "xapp-…"
        text = click.prompt(words.gettext("Token ({shape}), not shown").format(shape=shape), hide_input=True)
    else:
        text = sys.stdin.readline() if sys.stdin is not None else ""
    token = clean(text, words.gettext("The token"))
    if not token.startswith(_PREFIX[choice.transport]):
        raise SecretUnavailable(_wrong_kind(choice.transport, token))
    return token


def _wrong_kind(transport: str, token: str) -> str:
    if transport == "rtm" and token.startswith("xapp-"):
        return words.gettext("This is an app-level token, which is for Socket Mode: add --transport socket.")
    if transport == "socket" and token.startswith("xox"):
        return words.gettext(
            "Socket Mode needs the app-level token (xapp-…), which is under “Basic Information” of the app at "
            "api.slack.com/apps."
        )
    return words.gettext("This is no token of Slack's: they begin with xoxb- (bots) or xapp- (apps).")


def _check(bot: "BotConfig", token: str) -> None:
    """Ask Slack whether the token is good, and say so. The URL that comes with a "yes" to an app's is left unused."""
    from traymon.slack.endpoint import Endpoint
    from traymon.slack.errors import SlackError
    from traymon.slack.webapi import WebApi

    try:
        api = WebApi(Endpoint(bot.api_url, proxy=bot.proxy, ca_file=bot.ca_file), token)
        if bot.transport == "socket":
            api.connections_open(_STEP_LIMIT_S, _STEP_LIMIT_S)
            known = words.gettext("Slack accepts it for Socket Mode.")
        else:
            found = api.auth_test(_STEP_LIMIT_S)
            known = words.gettext("Slack knows it: {user} in {team}.").format(
                user=words.printable(found.user), team=words.printable(found.team)
            )
    except SlackError as error:
        failure = error.failure
        sentence = words.cause(
            failure.cause, detail=failure.detail, close_code=failure.close_code, evidence=failure.evidence
        )
        raise Sentence(
            words.gettext("The token was not checked, and nothing was changed: {why}").format(why=sentence)
        ) from None
    click.echo(known)


def _keep(bot: "BotConfig", choice: _Choice, token: str, profile: str) -> None:
    from traymon.secrets import SecretUnavailable, store
    from traymon.setup.files import write_private

    place = bot.token if choice.which == "token" else bot.app_token
    assert place is not None
    if place.startswith("file:"):
        write_private(Path(place.removeprefix("file:")), f"{token}\n")
    elif place == "keyring":
        try:
            store(choice.name, choice.which, token, profile=profile)
        except SecretUnavailable as error:
            raise Sentence(
                words.gettext("{why} Or run setup again with --keep file:PATH or --keep env:NAME.").format(
                    why=error
                )
            ) from None


def _tell_running(context: Context, name: str) -> None:
    """Let a running traymon try the new token at once, or say how to start."""
    from traymon.desktop.control import ControlError, NotRunning, ask

    try:
        answer = ask(context.profile.control_address, {"do": "reconnect", "bot": name}, 5.0)
    except NotRunning:
        click.echo(words.gettext("Start it with “traymon”."))
    except ControlError as error:
        click.echo(words.printable(str(error)))
    else:
        sentences = answer.get("say") or [
            words.gettext("Restart traymon to take the bot in: traymon quit, then traymon.")
        ]
        for sentence in sentences:
            click.echo(words.printable(str(sentence)))
