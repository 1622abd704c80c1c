"""``traymon doctor``."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from traymon import words
from traymon.cli import completing
from traymon.cli.output import FAILED, Context, Sentence

if TYPE_CHECKING:
    from traymon.config import BotConfig
    from traymon.doctor import Result, Section

_NAME_WIDTH = 14
"""Columns for the checks' names; a longer one pushes the rest to the right."""


@click.command()
@click.argument("bot", required=False, shell_complete=completing.bots)
@click.option("--json", "as_json", is_flag=True, help="For programs; times in milliseconds.")
@click.pass_obj
def doctor(context: Context, bot: str | None, as_json: bool) -> None:
    """Try everything that BOT (or every bot) and the tray stand on, and say what to do about what fails.

    Nothing is changed. Each bot gets one more link for a moment; a Socket Mode bot none while traymon runs. Exit code
    1 when a check fails.
    """
    from traymon.doctor import Examination, Outcome, Result

    bots, config = _configured(context)
    if bot is not None:
        chosen = [each for each in bots if each.name == bot]
        if not chosen and config.outcome is Outcome.OK:
            raise Sentence(words.no_such_bot(bot, [each.name for each in bots]), FAILED)
        bots = chosen
    examination = Examination(context.profile, bots, os.environ)
    examination.start()
    results: list[Result] = [config]
    if as_json:
        answer: dict[str, Any] = {"config": _as_json(config), "bots": [], "machine": []}
        for section in examination.sections:
            found = list(section.results(examination.deadline))
            _add_json(answer, section, found)
            results += found
        answer = {"ok": _failures(results) == 0, **answer}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        click.echo(_line(config))
        for section in examination.sections:
            click.echo(_heading(section))
            for result in section.results(examination.deadline):
                click.echo(_line(result))
                results.append(result)
        click.echo(_summary(results))
    raise SystemExit(FAILED if _failures(results) else 0)


def _configured(context: Context) -> tuple[Sequence["BotConfig"], "Result"]:
    """The bots, and what is to be said of the configuration."""
    from traymon.config import ConfigError, load
    from traymon.doctor import Outcome, Result

    file = words.printable(str(context.profile.config_file))
    try:
        bots = load(context.profile.config_file, os.environ, must_exist=context.named).bots
    except ConfigError as error:
        return (), Result("config", Outcome.FAILED, 0, str(error))
    if not bots:
        return (), Result("config", Outcome.FAILED, 0, words.no_bots(file))
    names = ", ".join(words.printable(bot.name) for bot in bots)
    return bots, Result("config", Outcome.OK, 0, f"{file}: {names}.")


def _heading(section: "Section") -> str:
    if not section.name:
        return "\n" + words.gettext("This machine")
    return "\n" + words.gettext("{bot} ({transport})").format(
        bot=words.printable(section.name), transport=section.transport
    )


def _line(result: "Result") -> str:
    """``  ok       TCP             0.2 s   slack.com:443 takes connections.``"""
    from traymon.doctor import check_name

    outcome = {
        "ok": words.gettext("ok"),
        "warning": words.gettext("warning"),
        "failed": words.gettext("FAILED"),
        "skipped": words.gettext("skipped"),
    }[result.outcome.value]
    took = f"{result.ms} ms" if result.ms < 1000 else f"{result.ms / 1000:.1f} s"
    name = words.padded(check_name(result.check), _NAME_WIDTH)
    return f"  {words.padded(outcome, 8)} {name} {took:>7}  {result.text}"


def _summary(results: Sequence["Result"]) -> str:
    failed = _failures(results)
    warned = sum(result.outcome.value == "warning" for result in results)
    if not failed and not warned:
        return "\n" + words.gettext("Everything that was tried works.")
    return "\n" + words.gettext("Failed: {failed}; warnings: {warned}.").format(failed=failed, warned=warned)


def _failures(results: Sequence["Result"]) -> int:
    return sum(result.outcome.value == "failed" for result in results)


def _as_json(result: "Result") -> dict[str, Any]:
    return {"check": result.check, "result": result.outcome.value, "ms": result.ms, "text": result.text}


def _add_json(answer: dict[str, Any], section: "Section", found: Sequence["Result"]) -> None:
    checks = [_as_json(result) for result in found]
    if section.name:
        answer["bots"].append({"name": section.name, "transport": section.transport, "checks": checks})
    else:
        answer["machine"] = checks
