"""``traymon demo --replay``: Botkit's night of 2016 in the log and the report, beside what traymon would have done.

Both are made from one throw-away session log, and so is every figure in the last sentences.
"""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from traymon import words
from traymon.cli import screen
from traymon.cli.output import FAILED, Sentence
from traymon.cli.replay import facts
from traymon.cli.replay.night import BOTKIT, TRAYMON, Night, NotWrittenError
from traymon.keeper.core import Policy
from traymon.keeper.core.effects import SILENT_KINDS, NoteKind
from traymon.paths import Profile
from traymon.sessionlog.rows import Event
from traymon.sessionlog.textlog import log_text
from traymon.sessionlog.view import LogView
from traymon.words import demo as said

_WIDEST = 100
"""Columns of a sentence: longer rows are hard to read, however wide the terminal is."""
_PAGE = "night-of-2016.html"


def run_replay(page: Path | None, *, show: bool) -> int:
    """Tell the night in the terminal, and write its report to ``page`` (by default into a new folder for temporary
    files); with ``show``, open it. Raises Sentence where the log of the night cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="traymon-demo-") as folder:
        profile = Profile.throwaway(Path(folder))
        try:
            Night(profile).play()
        except NotWrittenError as error:
            raise Sentence(said.replay_not_written(str(error)), FAILED) from None
        view = LogView(profile.db)
        for line in (*_beginning(), *_botkit(view), *_traymon(view), *_end(view)):
            _say(line)
        text = _report(profile)
    page = Path(tempfile.mkdtemp(prefix="traymon-")) / _PAGE if page is None else page
    page.write_text(text, encoding="utf-8")
    _say(said.replay_page(str(page)))
    if show:
        _open(page)
    return 0


def _beginning() -> Iterator[str]:
    yield said.replay_intro()
    yield ""
    yield said.replay_assumed()
    trips = sum(facts.CONNECT_ROUND_TRIPS.values())
    yield said.replay_point(said.replay_which())
    yield said.replay_point(said.replay_refused(len(facts.RETRY_DELAYS_MS)))
    yield said.replay_point(said.replay_round_trip(facts.ROUND_TRIP_MS, trips))
    yield said.replay_point(said.replay_found_assumed(f"{_moment(facts.FOUND_AT):%H:%M}"))


def _botkit(view: LogView) -> Iterator[str]:
    """Its console: in its own words where it said something."""
    yield ""
    yield said.replay_botkit()
    for event in view.events(BOTKIT):
        text = _console(event)
        if text is not None:
            yield f"  {screen.faint(_stamp(event.at))}  {text}"
    yield f"  {screen.faint(_stamp(facts.FOUND_AT))}  {said.replay_found()}"


def _console(event: Event) -> str | None:
    match event.kind:
        case NoteKind.START:
            return said.replay_start()
        case NoteKind.STOP:
            return said.replay_close(event.detail, int(event.facts["up_ms"] or 0))
        case NoteKind.FAIL:
            return said.replay_attempt(
                *(int(event.facts[name] or 0) for name in ("attempt", "of", "delay_ms"))
            )
        case NoteKind.WARNING:
            return words.printable(str(event.facts["said"]))
        case _:
            return None


def _traymon(view: LogView) -> Iterator[str]:
    """The lines of its text log, at the times of the place instead of this machine's."""
    yield ""
    yield said.replay_traymon()
    for event in view.events(TRAYMON):
        if event.kind not in SILENT_KINDS:
            line = f"{_stamp(event.at)}  {event.kind:<5}  {event.bot}  {log_text(event)}  #{event.id}"
            yield f"  {screen.log_line(line)}"


def _end(view: LogView) -> Iterator[str]:
    botkit, traymon = (view.totals(bot, facts.CLOSED_AT).down_ms for bot in (BOTKIT, TRAYMON))
    _, _, longest_wait_ms = Policy().retry_unreached
    yield ""
    yield said.replay_outcome(botkit, traymon)
    yield said.replay_bound(longest_wait_ms + facts.CONNECT_MS)


def _report(profile: Profile) -> str:
    from traymon.report.page import render
    from traymon.report.store import read

    titles = {BOTKIT: said.replay_botkit_title(), TRAYMON: said.replay_traymon_title()}
    found = read(profile.db, now_ms=facts.FOUND_AT, zone=facts.ZONE, running=True, workspaces=titles)
    return render(found, facts.ZONE)


def _open(page: Path) -> None:
    from traymon.desktop.opening import open_file

    problem = open_file(page)
    if problem is not None:
        _say(said.replay_not_shown(problem))


def _say(line: str) -> None:
    """A sentence, folded for a terminal; the lines of a log stay whole, to be found and copied."""
    is_point = line.startswith(said.replay_point(""))
    if not screen.is_terminal() or (line.startswith(" ") and not is_point):
        click.echo(line)
        return
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    for row in screen.folded(line, width, hanging=2 if is_point else 0):
        click.echo(row)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, facts.ZONE)


def _stamp(at: int) -> str:
    return _moment(at).isoformat(sep=" ")
