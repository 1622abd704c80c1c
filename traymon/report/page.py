"""The report as one HTML file that needs nothing else: no font, picture, style or script from anywhere.

Its policy (CSP) allows exactly one style and one script, by their hashes, and no request at all. What comes from
outside is escaped twice: :func:`traymon.words.printable` makes it harmless, the template makes it text. The page is
complete without the script, which only filters the lists and keeps the place when the timeline is zoomed.
"""

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from importlib import resources
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import UP, State
from traymon.report import charts
from traymon.report.model import DETACHED, BotFigures, Figures, OutageRow, Period, Piece, Session, Tally
from traymon.report.moments import Moments
from traymon.report.recent import RECENT, tally

_DAY = 86_400_000
_WEEK = 7 * _DAY
_NO_CLOSE_FRAME = 1006
"""Never sent (RFC 6455, 7.4.1): it stands for a link that ended without a close frame."""

_SELF_EVIDENT = frozenset({Cause.QUIT, Cause.SLEPT, Cause.USER})
"""What these are called says all that there is to say."""

_TOLD_IN_WORDS = ("probe_", "phase")
_LEGEND = (State.ONLINE, State.AWAY, State.OFFLINE, State.PAUSED, State.ASLEEP, State.UNKNOWN)


def render(figures: Figures, zone: tzinfo | None = None) -> str:
    """The page, in the language in use. ``zone``: that of the figures; ``None`` is this machine's own."""
    moments = Moments(zone)
    style, script = _part("style.css"), _part("script.js")
    page = _template(
        "template.html.j2"
    ).render(
        language=words.language_in_use(),
        policy=_policy(style, script),
        # Both are files of this package, and the policy's hashes are over exactly these characters.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        made_at=moments.whole(figures.made_at),
        since=moments.whole(figures.since),
        until=moments.whole(figures.until),
        zone=words.printable(figures.zone),
        kept_from=_kept_from(figures, moments),
        bots=[_bot(bot, figures, moments, number) for number, bot in enumerate(figures.bots, 1)],
        causes=_causes(figures),
        legend=_legend(),
        symbols=[charts.tick_symbol(name, step) for name, _, step in charts.LEVELS[1:]],
    )
    return page.lstrip()  # macros leave empty lines


@functools.cache
def _template(name: str) -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(gettext=words.gettext, ngettext=words.ngettext, number=words.number)
    return environment.from_string(_part(name))


@functools.cache
def _part(name: str) -> str:
    return resources.files("traymon.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """``style-src`` and ``script-src`` name what is on the page; everything else is forbidden, requests included."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _kept_from(figures: Figures, moments: Moments) -> str | None:
    if not figures.truncated:
        return None
    return moments.whole(figures.since if figures.first_kept is None else figures.first_kept)


def _legend() -> list[tuple[str, Markup]]:
    return [
        (
            words.gettext("offline, connecting or refused") if state is State.OFFLINE else words.state(state),
            charts.swatch(state),
        )
        for state in _LEGEND
    ]


def _causes(figures: Figures) -> list[tuple[str, str]]:
    """What can be filtered by: (name, words with how often), the most frequent first."""
    counted: Counter[str] = Counter()
    for bot in figures.bots:
        for outage in bot.outages:
            counted.update(outage.causes)
        counted.update(session.cause for session in bot.sessions if session.cause is not None)
    ordered = sorted(counted, key=lambda cause: (-counted[cause], cause))
    return [(words.printable(cause), words.short_cause(cause)) for cause in ordered]


# ------------------------------------------------------------------------------------------------------- one bot


def _bot(bot: BotFigures, figures: Figures, moments: Moments, number: int) -> dict[str, Any]:
    timeline = charts.Timeline(bot.pieces, bot.programs, functools.partial(_say, moments))
    looks = charts.series(bot.lifetimes.counts, bot.hours.counts)
    in_zone, drops = charts.dropped_in_six_to_eight(bot.lifetimes)
    reasons = _Reasons()
    outages = {(outage.started_at, outage.cause): outage.number for outage in bot.outages}
    periods = functools.partial(_period, cut_at=_cut_at(figures), moments=moments, timeline=timeline)
    return {
        "id": f"bot-{number}",
        "name": words.printable(bot.bot),
        "workspace": words.printable(bot.workspace) if bot.workspace else "",
        "transport": _transport(bot.transport),
        "state": str(bot.state) if bot.state in set(State) else str(State.UNKNOWN),
        "state_words": words.state(bot.state),
        "now": _now(bot, figures.until),
        "unattended": _unattended(bot),
        "since": None if bot.since_at is None else moments.whole(bot.since_at),
        "last": _last_outage(bot, moments),
        "recent": _recent(bot, figures, moments),
        "answered_known": bot.tally.answered is not None,
        "total": _tally(bot.tally),
        "stretch": _stretch(bot, figures, moments, timeline),
        "days": [periods(each) for each in reversed(bot.days)],
        "weeks": [periods(each) for each in reversed(bot.weeks)],
        "months": [periods(each) for each in reversed(bot.months)],
        "lifetimes": charts.lifetimes(bot.lifetimes, looks),
        "hours": charts.hours(bot.hours, looks),
        "looks": looks,
        "pattern": _pattern(in_zone, drops),
        "outages": _chunks([_outage(each, moments, reasons) for each in reversed(bot.outages)]),
        "sessions": _chunks([_session(each, moments, reasons, outages) for each in reversed(bot.sessions)]),
        "longest": None if bot.longest is None else _record(bot.longest, moments),
        "shortest": None if bot.shortest is None else _record(bot.shortest, moments),
    }


def _transport(transport: str) -> str:
    return {"rtm": "RTM", "socket": "Socket Mode"}.get(transport, words.printable(transport))


def _now(bot: BotFigures, until: int) -> str:
    """The first thing that a reader wants to know, and for how long it is so."""
    if bot.since_at is None:
        return words.state(bot.state)
    lasted = (
        bot.sessions[-1].lasted_ms if bot.state in UP and _running(bot.sessions) else until - bot.since_at
    )
    now = words.gettext("{state} for {duration}").format(
        state=words.state(bot.state), duration=words.duration(lasted)
    )
    return words.no_program(now) if _unattended(bot) else now


def _unattended(bot: BotFigures) -> bool:
    """The link is up, but the log says that no program is attached to it now."""
    if bot.state not in UP or not bot.programs or not bot.pieces:
        return False
    last = bot.programs[-1]
    return last.state == DETACHED and last.until >= bot.pieces[-1].until


def _running(sessions: Sequence[Session]) -> bool:
    return bool(sessions) and sessions[-1].ended_at is None


def _last_outage(bot: BotFigures, moments: Moments) -> dict[str, Any] | None:
    if not bot.outages:
        return None
    outage = bot.outages[-1]
    return {
        "number": outage.number,
        "at": moments.whole(outage.started_at),
        "lasted": words.duration(outage.lasted_ms),
        "lasts": outage.ended_at is None,
        "cause": words.short_cause(outage.cause) if outage.cause else "",
    }


def _recent(bot: BotFigures, figures: Figures, moments: Moments) -> list[dict[str, Any]]:
    """The last day, week and month; where the log was cut within one, all since the cut instead."""
    until, cut_at = figures.until, _cut_at(figures)
    stretches = [
        (length, words.gettext(label))
        for length, label in RECENT
        if cut_at is None or until - length >= cut_at
    ]
    if cut_at is not None and len(stretches) < len(RECENT):
        stretches.append((until - cut_at, words.gettext("since {time}").format(time=moments.whole(cut_at))))
    return [
        {"label": label, "length": length, **_tally(tally(bot, until - length, until))}
        for length, label in stretches
    ]


def _cut_at(figures: Figures) -> int | None:
    """Before this moment (UTC ms) the log holds more than the report; ``None``: the report has all of it."""
    return figures.since if figures.truncated else None


def _tally(each: Tally) -> dict[str, Any]:
    """A tally in words, and the bare numbers for whoever reads the page with a program."""
    return {
        "awake": _percent(each.uptime_awake),
        "known": _percent(each.uptime_known),
        "answered": _percent(each.answered),
        "up": words.duration(each.up_ms),
        "down": words.duration(each.down_ms) if each.down_ms else "",
        "idle": words.duration(each.paused_ms + each.asleep_ms) if each.paused_ms + each.asleep_ms else "",
        "unknown": words.duration(each.unknown_ms) if each.unknown_ms else "",
        "outages": each.outages,
        "sessions": each.sessions,
        "data": {
            "up": each.up_ms,
            "down": each.down_ms,
            "unknown": each.unknown_ms,
            "paused": each.paused_ms,
            "asleep": each.asleep_ms,
            "answered": "" if each.answered_ms is None else each.answered_ms,
            "outages": each.outages,
            "sessions": each.sessions,
        },
    }


def _percent(share: float | None) -> str:
    return "" if share is None else words.percent(share)


def _period(
    period: Period, *, cut_at: int | None, moments: Moments, timeline: charts.Timeline
) -> dict[str, Any]:
    label = {
        "day": lambda: moments.day(period.label_at, weekday=True),
        "week": lambda: words.gettext("{first} to {last}").format(
            first=moments.day(period.label_at), last=moments.day(period.ends_at - 1)
        ),
        "month": lambda: moments.month(period.label_at),
    }[period.kind]()
    hours = round((period.ends_at - period.label_at) / 3_600_000)
    is_day = period.kind == "day"
    note = words.gettext("{hours} h").format(hours=hours) if is_day and hours != 24 else ""
    if cut_at is not None and period.label_at < cut_at:
        note = words.gettext("since {time}").format(time=moments.whole(cut_at))
    band = timeline.band(period.label_at, period.ends_at) if is_day else charts.share_bar(period.tally)
    return {
        "label": label,
        "at": period.label_at,
        "iso": moments.iso(period.label_at),
        "kind": period.kind,
        "note": note,
        "band": band,
        **_tally(period.tally),
    }


def _say(moments: Moments, piece: Piece) -> str:
    """What a person reads who points at a band."""
    return words.gettext("{time}: {state} for {duration}").format(
        time=moments.time(piece.at),
        state=words.state(piece.state),
        duration=words.duration(piece.until - piece.at),
    )


def _stretch(
    bot: BotFigures, figures: Figures, moments: Moments, timeline: charts.Timeline
) -> dict[str, Any]:
    """The last seven days, or the last one where the log is younger."""
    until = figures.until
    levels = charts.LEVELS if until - figures.since > _DAY else charts.LEVELS[1:]
    since = until - levels[0][1]
    counted = tally(bot, since, until)
    said = words.ngettext(
        "Timeline up to {until}: up {share} while awake, {count} outage; the list of outages tells of each.",
        "Timeline up to {until}: up {share} while awake, {count} outages; the list of outages tells of each.",
        counted.outages,
    ).format(
        until=moments.whole(until),
        share=_percent(counted.uptime_awake) or "–",
        count=words.number(counted.outages),
    )
    return {
        "label": said,
        "farthest": levels[0][0],
        "levels": [(name, words.gettext(_LEVEL_WORDS[name])) for name, _, _ in levels],
        "band": timeline.band(since, until),
        "ticks": charts.ticks(moments, since, until, [name for name, _, _ in levels if name != "week"]),
    }


_LEVEL_WORDS = {
    "week": words.mark("7 days"),
    "day": words.mark("1 day"),
    "hours": words.mark("6 hours"),
    "hour": words.mark("1 hour"),
}


def _pattern(in_zone: int, drops: int) -> str:
    """The pattern of 2016 in words."""
    if not drops:
        return ""
    return words.gettext(
        "Of {all} dropped links {count} had lived 6 to 8 hours ({share}). Slack itself ends a link after 8 hours at "
        "most, with a goodbye, which is no drop."
    ).format(
        count=words.number(in_zone), all=words.number(drops), share=words.percent(in_zone / drops, digits=0)
    )


# ------------------------------------------------------------------------------------------------------ the lists


@dataclass(frozen=True, slots=True)
class Why:
    """Why something ended: the data's own name and code, a sentence, the checks, the bare facts."""

    cause: str
    code: str
    short: str
    sentence: str
    checks: str
    facts: str


class _Reasons:
    """Why rows began or ended, as cells. Most of a bad night's rows say the same, so each text is made once."""

    def __init__(self) -> None:
        self._made: dict[object, Markup] = {}
        self._macros: Any = _template("why.html.j2").module

    def whole(self, row: OutageRow | Session) -> Markup:
        """Everything that is known."""
        return self._cell(row, brief=row.cause in _SELF_EVIDENT)

    def brief(self, row: OutageRow | Session) -> Markup:
        """Only what it is called: another row tells the rest."""
        return self._cell(row, brief=True)

    def _cell(self, row: OutageRow | Session, *, brief: bool) -> Markup:
        if row.cause is None:
            return Markup()
        key = (brief, row.cause, row.close_code, *(() if brief else (row.detail, repr(row.evidence))))
        made = self._made.get(key)
        if made is None:
            macro = self._macros.brief if brief else self._macros.why
            made = self._made[key] = Markup(macro(_why(row)))  # noqa: S704 - the template has escaped it
        return made


def _why(row: OutageRow | Session) -> Why:
    cause = row.cause or ""
    code = row.close_code
    if code is None and cause == Cause.ABRUPT_CLOSE:
        code = _NO_CLOSE_FRAME
    found = words.probes(row.evidence)
    facts = [
        f"{name}={value}"
        for name, value in row.evidence.items()
        if value is not None and not name.startswith(_TOLD_IN_WORDS)
    ]
    return Why(
        cause=words.printable(cause),
        code="" if code is None else str(code),
        short=words.short_cause(cause),
        sentence=words.cause(cause, detail=row.detail, close_code=row.close_code, evidence=row.evidence),
        checks=words.gettext("Checked at that moment: {findings}.").format(findings=found) if found else "",
        facts=words.printable(", ".join(facts)),
    )


_CHUNK_ROWS = 100


def _chunks(rows: list[SimpleNamespace]) -> list[list[SimpleNamespace]]:
    """In tables of so many rows, of which a browser lays out only those that are seen: else 5,000 take it a second."""
    return [rows[at : at + _CHUNK_ROWS] for at in range(0, len(rows), _CHUNK_ROWS)]


def _outage(outage: OutageRow, moments: Moments, reasons: _Reasons) -> SimpleNamespace:
    """A row's cells as attributes: that is what the template looks for first, and a page has 85,000 of them."""
    others = [cause for cause in outage.causes if cause != outage.cause]
    return SimpleNamespace(
        number=outage.number,
        iso=moments.iso(outage.started_at),
        when=moments.whole(outage.started_at),
        until=None if outage.ended_at is None else moments.whole(outage.ended_at),
        ms=outage.lasted_ms,
        lasted=words.duration(outage.lasted_ms),
        cut=outage.cut,
        causes=" ".join(words.printable(cause) for cause in outage.causes),
        why=reasons.whole(outage),
        others=[words.short_cause(cause) for cause in others],
        attempts=outage.attempts,
        recovered=outage.recovered,
    )


def _session(
    session: Session, moments: Moments, reasons: _Reasons, outages: Mapping[tuple[int, str | None], int]
) -> SimpleNamespace:
    """``outages``: the number of each by when and why it began: it tells in full why the session before it ended."""
    told = None if session.ended_at is None else outages.get((session.ended_at, session.cause))
    return SimpleNamespace(
        outage=told,
        number=session.number,
        iso=moments.iso(session.started_at),
        when=moments.whole(session.started_at),
        until=None if session.ended_at is None else moments.whole(session.ended_at),
        ms=session.lasted_ms,
        lasted=words.duration(session.lasted_ms),
        cut=session.cut,
        estimated=session.estimated,
        links=session.links,
        cause="" if session.cause is None else words.printable(session.cause),
        why=reasons.whole(session) if told is None else reasons.brief(session),
        log_number=session.log_number,
    )


def _record(session: Session, moments: Moments) -> dict[str, Any]:
    return {
        "number": session.number,
        "ms": session.lasted_ms,
        "lasted": words.duration(session.lasted_ms),
        "when": moments.whole(session.started_at),
    }
