"""``traymon log``: the session log, for people and for programs."""

import csv
import io
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from traymon import words
from traymon.cli import completing, screen
from traymon.cli.output import FAILED, Context, Sentence, leave_streams
from traymon.sessionlog.rows import MACHINE, Event
from traymon.sessionlog.textlog import KEPT_FILES, line, log_text
from traymon.sessionlog.view import LogUnreadableError, LogView

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
    """A moment: ``today``, ``yesterday`` (from midnight on), an age as ``2h`` or ``1h30m``, or a date and time in ISO
    8601, local where it has no offset.
    """

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """UTC milliseconds."""
        text = str(value).strip()
        try:
            return int(_moment(text.lower()).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            self.fail(
                words.gettext(
                    "“{value}” is no time: write today, yesterday, an age such as 90m, 2h or 1h30m, or a date such as "
                    "2016-12-20, 2016-12-20T07:29 or 2016-12-20T07:29+09:00."
                ).format(value=words.printable(text)),
                param,
                ctx,
            )


_AGE = re.compile(r"(?:\d{1,9}[smhdw]\s*)+")
_DAYS_AGO = {"today": 0, "yesterday": 1}


def _moment(text: str) -> datetime:
    """Raises ValueError, OverflowError or OSError where ``text`` is none."""
    if text in _DAYS_AGO:
        day = date.today() - timedelta(days=_DAYS_AGO[text])  # noqa: DTZ011 - the day that people here have
        return datetime.combine(day, datetime.min.time()).astimezone()
    if _AGE.fullmatch(text):
        age_s = sum(int(count) * _UNITS_S[unit] for count, unit in re.findall(r"(\d+)([smhdw])", text))
        return datetime.now().astimezone() - timedelta(seconds=age_s)
    return datetime.fromisoformat(text.upper()).astimezone()


@click.command()
@click.option("--bot", metavar="BOT", shell_complete=completing.bots, help="Of this bot only.")
@click.option(
    "--since",
    type=Since(),
    help="From then on: today, yesterday, an age such as 90m, 2h or 1h30m, or a date, with a time or without.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="For people, for a spreadsheet, or for programs.",
)
@click.option("--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.pass_obj
def log(context: Context, bot: str | None, since: int | None, form: str, follow: bool) -> None:
    """Print the session log: every start and stop with its cause. JSON is one object on each line."""
    try:
        view = LogView(context.profile.db)
        if bot is not None:
            _check_bot(context, view, bot)
        if form == "text" and bot is None and since is None and not follow and _print_files(context):
            return
        write = {"text": _write_text, "csv": _write_csv, "json": _write_json}[form]
        if form == "csv":
            _write_row(_COLUMNS)
        if not follow:
            for event in view.events(bot, since):
                write(event)
        else:
            for event in _Following(view, bot, since).events():
                write(event)
    except KeyboardInterrupt:
        if not follow:
            raise
    except BrokenPipeError:
        if not follow:
            raise
        leave_streams()  # what the reader did not want any more


def _check_bot(context: Context, view: LogView, bot: str) -> None:
    """Raise Sentence where neither the configuration nor the log knows ``bot``."""
    known = _configured(context)
    if bot not in known:
        known |= {event.bot for event in view.events() if event.bot != MACHINE}
    if bot not in known:
        raise Sentence(words.no_such_bot(bot, sorted(known)), FAILED)


def _configured(context: Context) -> set[str]:
    from traymon.config import ConfigError, load

    try:
        return {bot.name for bot in load(context.profile.config_file, os.environ, must_exist=False).bots}
    except (ConfigError, OSError):
        return set()  # the log is there all the same, and is likely read because of it


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
            if screen.is_terminal():
                for text in file:
                    click.echo(screen.log_line(text.rstrip("\r\n")))
            else:
                shutil.copyfileobj(file, sys.stdout)
    return found


class _Following:
    """The events so far, then each new one; ends when the reader of a pipe leaves.

    It goes by the events' numbers, which only grow: also where the database is moved aside and a new one begun, or the
    wall clock is set back.
    """

    def __init__(self, view: LogView, bot: str | None, since: int | None) -> None:
        self._view = view
        self._bot = bot
        self._since = since
        self._last: Event | None = None
        self._fault: str | None = None

    def events(self) -> Iterator[Event]:
        """Raises LogUnreadableError where the log cannot be read at first; later that is told, and waited for."""
        yield from self._shown(self._view.events(None, self._since))
        sys.stdout.flush()
        while not screen.reader_left(_LOOK_EACH_S):
            try:
                found = self._new()
            except LogUnreadableError as error:
                if str(error) != self._fault:
                    words.to_terminal(sys.stderr)(str(error))
                self._fault = str(error)
                continue
            self._fault = None
            yield from self._shown(found)
            sys.stdout.flush()

    def _new(self) -> list[Event]:
        if self._last is None:
            return self._view.events(None, self._since)
        # The clock may have been set back since; one that was set forward does no harm.
        recent = min(self._last.at, time.time_ns() // 1_000_000) - _OVERLAP_MS
        found = self._above(self._view.events(None, recent))
        if found and (found[-1].id or 0) - self._number() > len(found):
            # Some are dated earlier: a machine that slept was first told of by another bot.
            found = self._above(self._view.events(None, None))
        return found

    def _above(self, events: list[Event]) -> list[Event]:
        return [event for event in events if (event.id or 0) > self._number()]

    def _number(self) -> int:
        return 0 if self._last is None else self._last.id or 0

    def _shown(self, events: list[Event]) -> Iterator[Event]:
        for event in events:
            self._last = event
            if self._bot is None or event.bot == self._bot:
                yield event


def _write_text(event: Event) -> None:
    text = line(event)
    if text is not None:
        click.echo(screen.log_line(text))


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
    click.echo(screen.ascii_only(msgspec.json.encode(record).decode()))


def _write_csv(event: Event) -> None:
    _write_row(_record(event).values())


_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


def _cell(value: object) -> str:
    """Escaped, and never the start of a formula: spreadsheets run what begins with = + - @, in their wide forms too
    (OWASP, CSV injection)."""
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
