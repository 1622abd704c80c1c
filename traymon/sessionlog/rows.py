"""The rows of the session log as data, and how facts become JSON text and come back."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from traymon.keeper.core.causes import Fact, Failure
from traymon.keeper.core.states import State

MACHINE = ""
"""The bot of events that concern all bots of a run, such as a step of the wall clock."""

LONGEST_TEXT = 2_000
"""Characters kept of one foreign text. A close reason has at most 123 bytes (RFC 6455, 5.5); an HTTP body may not."""

_INTEGER_LIMIT = 2**63  # SQLite's integers


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a bot's time in one state. Times are UTC ms; ``ended_at`` is ``None`` while the span is open.

    ``cause`` and what follows it say why the span ended. ``lasted_ms`` comes from the clock that counts sleep and is
    the truth about the length, also where the wall clock was set meanwhile.
    """

    id: int
    bot: str
    state: State
    started_at: int
    lasted_ms: int
    seen_at: int
    ended_at: int | None
    cause: str | None
    close_code: int | None
    detail: str
    evidence: Mapping[str, Fact]
    attempts: int
    transport: str
    run: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a bot, at ``at`` (UTC ms). ``id`` is ``None`` where no store numbered it.

    ``cause`` is the event's own where its facts name one (a stop), else that of the failure it tells of.
    """

    id: int | None
    at: int
    bot: str
    kind: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    cause: str | None = None
    phase: str | None = None
    close_code: int | None = None
    detail: str = ""
    evidence: Mapping[str, Fact] = field(default_factory=dict)
    run: int = 0


def clean(text: str) -> str:
    """``text`` as the store can keep it: lone surrogates escaped, of bounded length."""
    return text[:LONGEST_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")


def close_code(code: int | None) -> int | None:
    """A close code that fits a column; what cannot be one is left out."""
    return code if code is not None and 0 <= code < _INTEGER_LIMIT else None


def facts_text(facts: Mapping[str, Fact]) -> str:
    """``facts`` as JSON."""
    return _dump({clean(str(name)): _plain(value) for name, value in facts.items()})


def detail_text(facts: Mapping[str, Fact], failure: Failure | None) -> str:
    """What an event's ``detail`` column holds: ``{"facts": …, "failure": …}``, empty parts left out."""
    whole: dict[str, object] = {}
    if facts:
        whole["facts"] = {clean(str(name)): _plain(value) for name, value in facts.items()}
    if failure is not None:
        whole["failure"] = {
            "cause": str(failure.cause),
            "phase": str(failure.phase),
            "detail": clean(failure.detail),
            "close_code": close_code(failure.close_code),
            "evidence": {clean(str(name)): _plain(value) for name, value in failure.evidence.items()},
        }
    return _dump(whole)


def read_facts(text: str) -> dict[str, Fact]:
    """The facts in a column; nothing where another program wrote something else there."""
    try:
        value = _read(text)
    except ValueError:
        return {}
    return _facts_of(value)


def read_event(id: int | None, at: int, bot: str, kind: str, text: str, run: int) -> Event:
    """The event of a row. Unknown causes and kinds stay what they are: plain text."""
    try:
        whole = _read(text)
    except ValueError:
        whole = {}
    whole = whole if isinstance(whole, dict) else {}
    failure = whole.get("failure")
    failure = failure if isinstance(failure, dict) else {}
    facts = _facts_of(whole.get("facts"))
    code = failure.get("close_code")
    return Event(
        id=id,
        at=at,
        bot=bot,
        kind=kind,
        facts=facts,
        cause=_text_or_none(facts.get("cause")) or _text_or_none(failure.get("cause")),
        phase=_text_or_none(failure.get("phase")),
        close_code=code if isinstance(code, int) else None,
        detail=_text_or_none(failure.get("detail")) or "",
        evidence=_facts_of(failure.get("evidence")),
        run=run,
    )


def _facts_of(value: object) -> dict[str, Fact]:
    if not isinstance(value, dict):
        return {}
    return {
        str(name): fact for name, fact in value.items() if fact is None or isinstance(fact, str | int | float)
    }


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _plain(value: Fact) -> Fact:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return value


_read = msgspec.json.Decoder().decode
"""Seven times as fast as the standard library's, and a report of three months reads 30,000."""


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
