"""The commands that talk to the running traymon."""

import time
from datetime import datetime
from typing import Any

import click
import msgspec

from traymon import words
from traymon.cli import completing, screen
from traymon.cli.output import FAILED, Context, Sentence
from traymon.desktop.control import Message, NotRunning, ask

_ENDING_LIMIT_S = 10.0
"""A clean end takes 2 s; a machine under load some more."""

_FINE = frozenset({"online", "away", "paused"})
_UP = frozenset({"online", "away"})


def _asked(context: Context, what: str, **more: object) -> Message:
    """The running traymon's answer; an error of its is ours."""
    try:
        answer = ask(context.profile.control_address, {"do": what, **more})
    except NotRunning:
        _say_if_it_runs(context)
        raise
    if not answer.get("ok"):
        raise Sentence(
            str(answer.get("error", words.gettext("The running traymon gave no answer to that."))), FAILED
        )
    return answer


def _say_if_it_runs(context: Context) -> None:
    """Nobody listens: the socket's folder may be gone under a traymon that runs."""
    from traymon.desktop.instance import holder

    pid = holder(context.profile)
    if pid is not None:
        raise NotRunning(
            words.gettext(
                "traymon runs (process {pid}), but takes no questions at {address}: it may be starting or ending; if "
                "that lasts, end it with “kill {pid}” and start it again."
            ).format(pid=pid, address=words.printable(context.profile.control_address))
        )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs; times in ISO 8601.")
@click.option(
    "--watch", is_flag=True, help="Go on showing it until Ctrl-C: in place; into a pipe, a line each change."
)
@click.pass_obj
def status(context: Context, as_json: bool, watch: bool) -> None:
    """Say whether the bots are online. Exit code 1 when none is, or one is not though it should be."""
    if watch:
        from traymon.cli.watch import run

        run(context.profile.control_address, as_json=as_json)
        return
    answer = _asked(context, "status")
    if as_json:
        shown = {name: value for name, value in answer.items() if name != "ok"}
        text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
        click.echo(screen.ascii_only(text))
    else:
        for line in status_lines(answer):
            click.echo(line)
    states = [bot.get("state") for bot in answer.get("bots") or []]
    fine = all(state in _FINE for state in states) and any(state in _UP for state in states)
    fine = fine and not answer.get("starting")
    raise SystemExit(0 if fine else FAILED)


def status_lines(answer: Message, *, relative: bool = False) -> list[str]:
    """The running traymon's answer for people; with ``relative``, how long it has been so, and how long to wait."""
    bots, starting = answer.get("bots") or [], answer.get("starting") or []
    now_ms = time.time_ns() // 1_000_000 if relative else None
    lines = [line for bot in bots for line in _lines(bot, now_ms)]
    lines += [words.gettext("{bot}: just starting").format(bot=words.printable(str(bot))) for bot in starting]
    if not lines:
        lines = [words.gettext("No bot is configured: run traymon setup.")]
    if answer.get("fault"):
        lines.append(words.printable(str(answer["fault"])))
    return lines


def _lines(bot: dict[str, Any], now_ms: int | None) -> list[str]:
    """``deploybot (Acme): offline since 07:29:10``, why, and what comes next."""
    name = words.printable(str(bot.get("name")))
    if bot.get("workspace"):
        name += f" ({words.printable(str(bot['workspace']))})"
    since = words.gettext("{bot}: {state} since {time}").format(
        bot=name, state=screen.state(str(bot.get("state"))), time=_time(bot.get("since"))
    )
    lines = [_with_length(since, bot.get("since"), now_ms)]
    if bot.get("explanation"):
        lines.append("  " + words.printable(str(bot["explanation"])))
    if bot.get("attempting"):
        lines.append("  " + words.gettext("Trying now."))
    elif bot.get("next_try"):
        lines.append("  " + _next_try(bot["next_try"], now_ms))
    lines += [f"  {line}" for line in _programs(bot)]
    if bot.get("logged") is False:
        lines.append("  " + words.gettext("Not in the session log yet."))
    return lines


def _programs(bot: dict[str, Any]) -> list[str]:
    """Who is attached to the relay, where the bot lends its link."""
    if not bot.get("relay"):
        return []
    trouble = [words.printable(str(bot["trouble"]))] if bot.get("trouble") else []
    programs = bot.get("programs") or []
    if not programs:
        return trouble or [
            words.gettext("No program is attached: “traymon relay” says how to point one at traymon.")
        ]
    line = words.gettext("Attached: {program} since {time}; events: {events}, sent: {sends}.")
    lines = [
        line.format(
            program=words.printable(str(each.get("name"))),
            time=_time(each.get("since")),
            events=words.number(int(each.get("events") or 0)),
            sends=words.number(int(each.get("sends") or 0)),
        )
        for each in programs
    ]
    if not_given := bot.get("not_given"):
        counts = [f"{words.printable(str(kind))} × {words.number(int(n))}" for kind, n in not_given.items()]
        lines.append(
            words.gettext("Slack sent what no program of RTM can be given: {events}.").format(
                events=words.gettext(", ").join(counts)
            )
        )
    return trouble + lines


def _with_length(sentence: str, since: object, now_ms: int | None) -> str:
    since_ms = moment_ms(since)
    if now_ms is None or since_ms is None:
        return sentence
    length = words.duration(now_ms - since_ms)
    return words.gettext("{sentence} ({length})").format(sentence=sentence, length=length)


def _next_try(at: object, now_ms: int | None) -> str:
    at_ms = moment_ms(at)
    if now_ms is None or at_ms is None:
        return words.gettext("Next try at {time}.").format(time=_time(at))
    return words.gettext("Next try in {length}.").format(length=words.duration(at_ms - now_ms))


def moment_ms(iso: object) -> int | None:
    """A moment in an answer, as UTC milliseconds; ``None``: it is none."""
    try:
        return int(datetime.fromisoformat(str(iso)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _time(iso: object) -> str:
    at_ms = moment_ms(iso)
    return "?" if at_ms is None else words.clock_time(at_ms, now_ms=time.time_ns() // 1_000_000)


def _tell(context: Context, what: str, bot: str | None) -> None:
    for sentence in _asked(context, what, bot=bot).get("say", []):
        click.echo(words.printable(str(sentence)))


@click.command()
@click.argument("bot", required=False, shell_complete=completing.bots)
@click.pass_obj
def reconnect(context: Context, bot: str | None) -> None:
    """Connect anew: BOT, or every bot that is not online, or, when all are, all of them."""
    _tell(context, "reconnect", bot)


@click.command()
@click.argument("bot", required=False, shell_complete=completing.bots)
@click.pass_obj
def pause(context: Context, bot: str | None) -> None:
    """Take BOT (or all) offline until resumed, over restarts too."""
    _tell(context, "pause", bot)


@click.command()
@click.argument("bot", required=False, shell_complete=completing.bots)
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
