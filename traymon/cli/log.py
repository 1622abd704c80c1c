"""``traymon log``: the session log, for people and for programs."""

import csv
import io
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from traymon import words
from traymon.cli.output import Context
from traymon.sessionlog.rows import Event
from traymon.sessionlog.textlog import KEPT_FILES, line, log_text
from traymon.sessionlog.view import LogView

_LOOK_EACH_S = 0.5
_OVERLAP_MS = 60_000
"""A new event may be dated before the last one seen (a stop is dated back to the last proof of life)."""
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_COLUMNS = ("at", "bot", "kind", "cause", "close_code", "detail", "text", "number")


if TYPE_CHECKING:
    _IntType = click.ParamType[int]
else:
    _IntType = click.ParamType  # generic since click 8.2 only


class Since(_IntType):
    """A moment: ``2016-12-20``, ``2016-12-20 07:00`` (local, or with an offset), or an age as ``90m`` or ``3d``."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """UTC milliseconds."""
        text = str(value).strip()
        age = re.fullmatch(r"(\d{1,9})([smhdw])", text)
        try:
            if age:
                moment = datetime.now().astimezone() - timedelta(seconds=int(age[1]) * _UNITS_S[age[2]])
            else:
                moment = datetime.fromisoformat(text).astimezone()
            return int(moment.timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            self.fail(
                words.gettext("“{value}” is no date like 2016-12-20 and no age like 90m or 3d.").format(
                    value=words.printable(text)
                ),
                param,
                ctx,
            )


@click.command()
@click.option("--bot", metavar="BOT", help="Of this bot only.")
@click.option(
    "--since", type=Since(), help="From then on: a date, a date and time, or an age such as 90m, 12h, 3d."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True
)
@click.option("--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.pass_obj
def log(context: Context, bot: str | None, since: int | None, form: str, follow: bool) -> None:
    """Print the session log: every start and stop with its cause. JSON is one object on each line."""
    if form == "text" and bot is None and since is None and not follow and _print_files(context):
        return
    write = {"text": _write_text, "csv": _write_csv, "json": _write_json}[form]
    if form == "csv":
        _write_row(_COLUMNS)
    try:
        for event in _events(LogView(context.profile.db), bot, since, follow=follow):
            write(event)
            if follow:
                sys.stdout.flush()
    except KeyboardInterrupt:
        if not follow:
            raise


def _print_files(context: Context) -> bool:
    """The text log as it is, the rotated files before it: it may know what no database could keep.

    Whether there is any; where its folder cannot be had, the database knows everything.
    """
    found = False
    newest = context.profile.text_log
    older = [newest.with_name(f"{newest.name}.{number}") for number in range(KEPT_FILES, 0, -1)]
    for path in (*older, newest):
        try:
            file = path.open("r", encoding="utf-8", errors="backslashreplace", newline="")
        except (FileNotFoundError, NotADirectoryError):
            continue
        found = True
        with file:
            shutil.copyfileobj(file, sys.stdout)
    return found


def _events(view: LogView, bot: str | None, since: int | None, *, follow: bool) -> Iterator[Event]:
    last = 0
    while True:
        for event in view.events(bot, since):
            number = event.id or 0
            if number > last:
                last = number
                since = max(since or 0, event.at - _OVERLAP_MS) if follow else since
                yield event
        if not follow:
            return
        time.sleep(_LOOK_EACH_S)


def _write_text(event: Event) -> None:
    text = line(event)
    if text is not None:
        click.echo(text)


def _record(event: Event) -> dict[str, Any]:
    return {
        "at": _iso(event.at),
        "bot": event.bot or None,
        "kind": event.kind,
        "cause": event.cause,
        "close_code": event.close_code,
        "detail": event.detail,
        "text": log_text(event),
        "number": event.id,
    }


def _write_json(event: Event) -> None:
    # ASCII only: no control sequence, C1 included, gets to a terminal unescaped.
    record = {**_record(event), "facts": dict(event.facts), "evidence": dict(event.evidence)}
    click.echo(_ascii(msgspec.json.encode(record).decode()))


def _ascii(text: str) -> str:
    """JSON text with everything beyond ASCII as ``\\uXXXX``."""
    return re.sub(r"[^\x20-\x7e]", lambda found: _utf16(found[0]), text)


def _utf16(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _write_csv(event: Event) -> None:
    _write_row(_record(event).values())


_FORMULA = re.compile(r"^\s*[=+\-@]")


def _cell(value: object) -> str:
    """Escaped, and never the start of a formula: spreadsheets run what begins with = + - @."""
    text = "" if value is None else words.printable(str(value))
    return f"'{text}" if _FORMULA.match(text) else text


def _write_row(values: Iterable[object]) -> None:
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow([_cell(value) for value in values])
    click.echo(row.getvalue(), nl=False)


def _iso(at: int) -> str:
    try:
        return datetime.fromtimestamp(at / 1000).astimezone().isoformat(timespec="milliseconds")
    except (OverflowError, OSError, ValueError):
        return f"?{at}"
