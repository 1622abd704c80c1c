"""``traymon setup``: a bot's name and token, checked with Slack, kept safely, and written into the configuration."""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from traymon import words
from traymon.cli.output import FAILED, Context, Sentence

if TYPE_CHECKING:
    from traymon.config import BotConfig
    from traymon.secrets import Secret
    from traymon.setup.checking import Candidate, Step
    from traymon.setup.configfile import BotTable, Programs, Transport

_DEFAULT_PLACE = "keyring"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the person chose; ``places`` are those of the tokens asked for, as the configuration names them."""

    name: str
    transport: "Transport"
    places: Mapping[str, str]
    api_url: str | None
    programs: "Programs | None" = None

    @property
    def table(self) -> "BotTable":
        from traymon.setup.configfile import BotTable

        token, app_token = self.places.get("token"), self.places.get("app_token")
        return BotTable(self.name, self.transport, token, app_token, self.api_url, self.programs)


@click.command()
@click.option("--name", metavar="BOT", help="The bot's name in traymon; asked for when missing.")
@click.option(
    "--transport",
    type=click.Choice(["rtm", "socket"]),
    help="rtm for classic apps, the default; socket for Socket Mode.",
)
@click.option(
    "--relay",
    type=click.Choice(["rtm"]),
    help="For a program that speaks RTM alone: Socket Mode towards Slack, RTM towards the program. Asks for both "
    "tokens, the app-level one first.",
)
@click.option(
    "--keep",
    metavar="PLACE",
    default=_DEFAULT_PLACE,
    show_default=True,
    help="Where the token is kept: keyring, env:NAME or file:PATH.",
)
@click.option(
    "--keep-bot", metavar="PLACE", help="With --relay rtm, the same for the bot token; keyring where missing."
)
@click.option(
    "--api-url", metavar="URL", help="Of the Web API, where it is not slack.com's (GovSlack, a proxy)."
)
@click.option("--no-check", is_flag=True, help="Do not ask Slack whether the token is good.")
@click.option(
    "--page", is_flag=True, help="Do it on a page in the browser, with a guide to getting the token."
)
@click.pass_obj
def setup(
    context: Context,
    name: str | None,
    transport: "Transport | None",
    relay: "Programs | None",
    keep: str,
    keep_bot: str | None,
    api_url: str | None,
    no_check: bool,
    page: bool,
) -> None:
    """Set up a bot, or give it another token. The token is asked for without being shown."""
    nothing_said = name is None and keep == _DEFAULT_PLACE and not no_check and relay is None
    if page and not nothing_said:
        raise click.UsageError(words.gettext("The page itself asks for all but --api-url."))
    if page or (nothing_said and _started_from_desktop()):
        _on_a_page(context, api_url)
        return
    _check_usage(transport, relay, keep_bot)
    from traymon.config import check_name

    name = name if name is not None else click.prompt(words.gettext("Name of the bot"), default="bot")
    check_name(name)
    if relay is not None:
        places = {"app_token": keep, "token": keep_bot or _DEFAULT_PLACE}
        choice = _Choice(name, "socket", places, api_url, relay)
    else:
        transport = transport or "rtm"
        choice = _Choice(name, transport, {"token" if transport == "rtm" else "app_token": keep}, api_url)
    _in_the_terminal(context, choice, no_check=no_check)


def _check_usage(transport: "Transport | None", relay: "Programs | None", keep_bot: str | None) -> None:
    if relay is not None and transport == "rtm":
        raise click.UsageError(words.gettext("--relay rtm is for Socket Mode: leave out --transport rtm."))
    if relay is None and keep_bot is not None:
        raise click.UsageError(
            words.gettext("--keep-bot goes with --relay rtm: for one token, --keep says where it is kept.")
        )


def _started_from_desktop() -> bool:
    """Whether nobody can type here, no script has anything to say, and there is a desktop for a browser."""
    if sys.platform in {"win32", "darwin"}:
        return sys.stdin is None
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    if sys.stdin is None:
        return True
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    # Desktops start programs with /dev/null; a script has a pipe or a file.
    return stat.S_ISCHR(mode) and not sys.stdin.isatty()


# --------------------------------------------------------------------------------------------------- in the terminal


def _in_the_terminal(context: Context, choice: _Choice, *, no_check: bool) -> None:
    from traymon.setup.configfile import preview_bot, set_bot

    path = context.profile.config_file
    bot = preview_bot(path, choice.table)
    typed = {which: _typed(choice, which) for which in choice.places}
    wanted = _candidate(bot, typed, choice.programs)
    if not no_check:
        _check(wanted)
    for which in choice.places:
        _keep(bot, which, wanted, context.profile.name)
    set_bot(path, choice.table)
    click.echo(
        words.gettext("{bot} is set up in {file}.").format(bot=bot.name, file=words.printable(str(path)))
    )
    if bot.transport == "socket":
        click.echo(words.point_your_program(bot.name))
    _tell_running(context, bot.name)


def _typed(choice: _Choice, which: str) -> str:
    """A token: from the environment where it is kept there, typed unseen, or from standard input of a script."""
    from traymon.secrets import read

    if choice.places[which].startswith("env:"):
        return read(choice.places[which], choice.name, which)
    if sys.stdin is not None and sys.stdin.isatty():
        shape = "xoxb-…" if which == "token" else "xapp-…"
        prompt = words.gettext("Token ({shape}), not shown").format(shape=shape)
        return str(click.prompt(prompt, hide_input=True))
    return sys.stdin.readline() if sys.stdin is not None else ""


def _candidate(bot: "BotConfig", typed: Mapping[str, str], programs: "Programs | None") -> "Candidate":
    from traymon.setup.checking import CheckFailed, candidate
    from traymon.slack.endpoint import Endpoint

    endpoint = Endpoint(bot.api_url, proxy=bot.proxy, ca_file=bot.ca_file)
    token, app_token = typed.get("token", ""), typed.get("app_token", "")
    try:
        return candidate(bot.transport, endpoint, token, app_token, _say, programs)
    except CheckFailed as error:
        if bot.transport == "rtm" and error.kind == "app":
            raise Sentence(
                words.gettext("This is an app-level token, which is for Socket Mode: add --transport socket.")
            ) from None
        raise Sentence(str(error)) from None


def _check(wanted: "Candidate") -> None:
    """Ask Slack whether the token is good, and say so."""
    from traymon.setup.checking import CheckFailed, check

    try:
        check(wanted, _say)
    except CheckFailed as error:
        if error.step.offer:
            text = words.gettext(
                "Nothing was changed: {why} For such a program, run traymon setup --relay rtm."
            )
        else:
            text = words.gettext("Nothing was changed: {why}")
        raise Sentence(text.format(why=error)) from None


def _say(step: "Step") -> None:
    from traymon.setup.checking import Outcome

    if step.outcome in {Outcome.OK, Outcome.WARNING}:
        click.echo(step.text)


def _keep(bot: "BotConfig", which: str, wanted: "Candidate", profile: str) -> None:
    from traymon.secrets import SecretUnavailable
    from traymon.setup.keeping import keep

    place: str | None
    secret: Secret | None
    place, secret = (bot.token, wanted.token) if which == "token" else (bot.app_token, wanted.app_token)
    assert place is not None
    assert secret is not None
    try:
        keep(place, bot.name, which, secret, profile=profile)
    except SecretUnavailable as error:
        raise Sentence(
            words.gettext("{why} Or run setup again with --keep file:PATH or --keep env:NAME.").format(
                why=error
            )
        ) from None


def _tell_running(context: Context, bot: str) -> None:
    """Let a running traymon take the bot in at once, or say how to start."""
    from traymon.desktop.control import ControlError, NotRunning

    try:
        sentences = _taken_in(context.profile.control_address, bot)
    except NotRunning:
        sentences = [words.gettext("Start it with “traymon”.")]
    except ControlError as error:
        sentences = [str(error)]
    for sentence in sentences:
        click.echo(words.printable(sentence))


def _taken_in(control: str, bot: str) -> list[str]:
    """Have the running traymon read the configuration anew; what it says to that. Raises ControlError."""
    from traymon.desktop.control import ControlError, ask

    answer = ask(control, {"do": "reload", "bot": bot})
    if answer.get("ok") and not answer.get("say"):
        # It holds the bot already, just so: then it is the token that is new.
        answer = ask(control, {"do": "reconnect", "bot": bot})
    if not answer.get("ok"):
        raise ControlError(words.gettext("Restart traymon to take the bot in: traymon quit, then traymon."))
    return [str(sentence) for sentence in answer.get("say", [])]


# --------------------------------------------------------------------------------------------------------- on a page


def _on_a_page(context: Context, api_url: str | None) -> None:
    """Serve the set-up page until it has done its work; it needs no running traymon, but tells one."""
    from traymon.config import DEFAULT_API_URL
    from traymon.desktop.control import ask
    from traymon.desktop.opening import open_address
    from traymon.setup import SetupPage

    control = context.profile.control_address
    done: list[str] = []

    def on_done(bot: str) -> None:
        done.append(bot)
        _taken_in(control, bot)

    def status(bot: str) -> Mapping[str, Any] | None:
        bots = ask(control, {"do": "status"}).get("bots", [])
        return next((each for each in bots if each.get("name") == bot), None)

    page = SetupPage(context.profile, on_done, status, api_url=api_url or DEFAULT_API_URL)
    try:
        address = page.address()
        if open_address(address) is None:
            click.echo(words.gettext("The page is open in your browser; Ctrl-C ends it."))
        else:
            # On standard output alone, which is this person's: it works once.
            click.echo(words.gettext("Open this address in a browser on this computer; it works once:"))
            click.echo(address)
        while not page.wait(1.0):  # with a limit: on Windows Ctrl-C is heard only in between
            pass
    finally:
        page.close()
    if not done:
        raise Sentence(
            words.gettext("The page was not used for long and has ended; nothing was set up."), FAILED
        )
    file = words.printable(str(context.profile.config_file))
    click.echo(words.gettext("{bot} is set up in {file}.").format(bot=words.printable(done[-1]), file=file))
