"""The commands that talk to the running traymon."""

import time
from datetime import datetime
from typing import Any

import click
import msgspec

from traymon import words
from traymon.cli.output import FAILED, Context, Sentence
from traymon.desktop.control import Message, ask

_ANSWER_LIMIT_S = 5.0
_ENDING_LIMIT_S = 10.0
"""A clean end takes 2 s; a machine under load some more."""

_FINE = frozenset({"online", "away", "paused"})
_UP = frozenset({"online", "away"})


def _asked(context: Context, what: str, **more: object) -> Message:
    """The running traymon's answer; an error of its is ours."""
    answer = ask(context.profile.control_address, {"do": what, **more}, _ANSWER_LIMIT_S)
    if not answer.get("ok"):
        raise Sentence(
            str(answer.get("error", words.gettext("The running traymon gave no answer to that."))), FAILED
        )
    return answer


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs; times in ISO 8601.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Say whether the bots are online. Exit code 1 when none is, or one is not though it should be."""
    answer = _asked(context, "status")
    bots = answer.get("bots") or []
    if as_json:
        shown = {name: value for name, value in answer.items() if name != "ok"}
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    else:
        _print_status(answer, bots)
    states = [bot.get("state") for bot in bots]
    fine = all(state in _FINE for state in states) and any(state in _UP for state in states)
    fine = fine and not answer.get("starting")
    raise SystemExit(0 if fine else FAILED)


def _print_status(answer: Message, bots: list[dict[str, Any]]) -> None:
    starting = answer.get("starting") or []
    if not bots and not starting:
        click.echo(words.gettext("No bot is configured: run traymon setup."))
    for bot in bots:
        for line in _lines(bot):
            click.echo(line)
    for bot in starting:
        click.echo(words.gettext("{bot}: just starting").format(bot=words.printable(str(bot))))
    if answer.get("fault"):
        click.echo(words.printable(str(answer["fault"])))


def _lines(bot: dict[str, Any]) -> list[str]:
    """``deploybot (Acme): offline since 07:29:10``, why, and what comes next."""
    name = words.printable(str(bot.get("name")))
    if bot.get("workspace"):
        name += f" ({words.printable(str(bot['workspace']))})"
    since = words.gettext("{bot}: {state} since {time}").format(
        bot=name, state=words.state(str(bot.get("state"))), time=_time(bot.get("since"))
    )
    lines = [since]
    if bot.get("explanation"):
        lines.append("  " + words.printable(str(bot["explanation"])))
    if bot.get("attempting"):
        lines.append("  " + words.gettext("Trying now."))
    elif bot.get("next_try"):
        lines.append("  " + words.gettext("Next try at {time}.").format(time=_time(bot["next_try"])))
    if bot.get("logged") is False:
        lines.append("  " + words.gettext("Not in the session log yet."))
    return lines


def _time(iso: object) -> str:
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return "?"
    return words.clock_time(int(moment.timestamp() * 1000), now_ms=time.time_ns() // 1_000_000)


def _tell(context: Context, what: str, bot: str | None) -> None:
    for sentence in _asked(context, what, bot=bot).get("say", []):
        click.echo(words.printable(str(sentence)))


@click.command()
@click.argument("bot", required=False)
@click.pass_obj
def reconnect(context: Context, bot: str | None) -> None:
    """Connect anew: BOT, or every bot that is not online, or, when all are, all of them."""
    _tell(context, "reconnect", bot)


@click.command()
@click.argument("bot", required=False)
@click.pass_obj
def pause(context: Context, bot: str | None) -> None:
    """Take BOT (or all) offline until resumed, over restarts too."""
    _tell(context, "pause", bot)


@click.command()
@click.argument("bot", required=False)
@click.pass_obj
def resume(context: Context, bot: str | None) -> None:
    """End the pause of BOT, or of all."""
    _tell(context, "resume", bot)


@click.command("quit")
@click.pass_obj
def quit_(context: Context) -> None:
    """End the running traymon, and wait until it has ended."""
    from traymon.desktop.instance import AlreadyRunning, acquire_profile

    _asked(context, "quit")
    limit = time.monotonic() + _ENDING_LIMIT_S
    while True:
        try:
            # The lock goes with the process, whatever became of its socket.
            acquire_profile(context.profile).release()
        except AlreadyRunning:
            if time.monotonic() > limit:
                raise Sentence(
                    words.gettext(
                        "traymon was told to end, but is still there after {seconds:.0f} s."
                    ).format(seconds=_ENDING_LIMIT_S)
                ) from None
            time.sleep(0.05)
        else:
            return
