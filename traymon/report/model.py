"""The figures of the report as data: everything that the page shows, nothing of how.

All moments are UTC ms as they are to be shown (steps of the wall clock accounted for), all lengths are ms of the clock
that counts sleep. Both are whole numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from traymon.keeper.core.causes import Fact
from traymon.keeper.core.states import State

ATTACHED = "attached"
DETACHED = "detached"
"""The two states of the pieces in a bot's lane of programs."""

DAY = "day"
WEEK = "week"
MONTH = "month"
"""The kinds of :class:`Period`. A week begins on Monday (ISO 8601)."""

_HALF_HOUR_MS = 1_800_000
LIFETIME_EDGES_MS = tuple(
    halves * _HALF_HOUR_MS for halves in (*range(21), 24, 32, 48, 2 * 48, 4 * 48, 7 * 48)
)
"""Where the bins of links' lifetimes begin: half-hours up to 10 h, as what matters happens there (Slack ends a link
after 8 h at most, the bot of 2016 lived 6 to 8), then 10, 12, 16 and 24 h, 2, 4 and 7 days."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How a stretch of a bot's time was spent, in ms.

    ``up_ms`` is online and away, ``down_ms`` offline, connecting and refused. ``answered_ms`` is the part of ``up_ms``
    in which a program was attached, ``watched_ms`` the part in which traymon knew whether one was; ``answered_ms`` is
    ``None`` where it never knew. ``sessions`` and ``outages`` are those that began in it; in the tally of a whole
    report, all that it tells of.
    """

    up_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    paused_ms: int = 0
    asleep_ms: int = 0
    answered_ms: int | None = None
    watched_ms: int = 0
    outages: int = 0
    sessions: int = 0

    @property
    def uptime_awake(self) -> float | None:
        """Up of the time in which this machine was awake and traymon ran unpaused, 0 to 1; ``None``: there was none."""
        return _share(self.up_ms, self.up_ms + self.down_ms)

    @property
    def uptime_known(self) -> float | None:
        """Up of all time whose state is known, paused and asleep included, 0 to 1; ``None``: there was none."""
        return _share(self.up_ms, self.known_ms)

    @property
    def known_ms(self) -> int:
        """All but ``unknown_ms``."""
        return self.up_ms + self.down_ms + self.paused_ms + self.asleep_ms

    @property
    def whole_ms(self) -> int:
        """All of it."""
        return self.known_ms + self.unknown_ms

    @property
    def answered(self) -> float | None:
        """Answered of the time in which it was known whether a program was attached, 0 to 1; ``None``: never."""
        return None if self.answered_ms is None else _share(self.answered_ms, self.watched_ms)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Period:
    """A local day, week or month from ``label_at`` to ``ends_at`` (excluded).

    It begins at the first instant whose local date is its own (23 and 25 hours are possible lengths of a day). Its
    tally counts what the report covers of it: the first and the last period may be there in part. Where the clock was
    set back into it, more time may have passed than it is long.
    """

    label_at: int
    ends_at: int
    kind: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Piece:
    """A band of a timeline from ``at`` to ``until``; neighbours in one state are joined.

    Bands follow one another as time passed: where the clock was set back they overlap, and a later one is the one that
    was true last. Where the clock was set forward, or the log knows nothing, is a hole.
    ``state`` is a :class:`~traymon.keeper.core.states.State`, or ``attached`` or ``detached`` in the lane of programs.
    ``cause`` says why it ended, where the log does.
    """

    at: int
    until: int
    state: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """From Slack's ``hello`` to the last proof of life. ``ended_at`` is ``None`` while it lasts.

    ``number`` counts the sessions shown, from 1 for the oldest; ``log_number`` is the number of the stop in the text
    log (``#1234``), of the start while the session lasts, ``None`` where the log has neither. ``cause``,
    ``close_code``, ``detail`` and ``evidence`` say why it ended, ``detail`` in the other side's own words.
    ``links`` is how many links handovers joined into it. ``estimated``: traymon died, and the end is its last sign of
    life. ``cut``: it may have begun before what was read, so ``started_at`` and ``lasted_ms`` are the least.
    ``dropped``: it was lost, neither ended by the user or the system nor by traymon's own end.
    """

    number: int
    started_at: int
    ended_at: int | None
    lasted_ms: int
    cause: str | None = None
    close_code: int | None = None
    detail: str = ""
    evidence: Mapping[str, Fact] = field(default_factory=dict)
    links: int = 1
    estimated: bool = False
    cut: bool = False
    dropped: bool = False
    log_number: int | None = None


@dataclass(frozen=True, slots=True)
class OutageRow:
    """A run of offline, connecting and refused in which something failed. ``ended_at`` is ``None`` while it lasts.

    ``number`` counts the outages shown, from 1 for the oldest. ``cause`` and what follows it say why the session before
    it ended, or where there was none, why its first attempt failed. ``causes`` are all causes seen in it, each once, in
    order, that one first. ``attempts`` leaves out those of the span that still lasts. ``recovered``: a session followed
    at once; else it was ended by a pause, a sleep or traymon's own end. ``cut`` as in :class:`Session`.
    """

    number: int
    started_at: int
    ended_at: int | None
    lasted_ms: int
    cause: str | None = None
    causes: tuple[str, ...] = ()
    attempts: int = 0
    close_code: int | None = None
    detail: str = ""
    evidence: Mapping[str, Fact] = field(default_factory=dict)
    recovered: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class LinkLife:
    """One WebSocket: it ended at ``at``, had lived for ``lasted_ms``, and ``ended_how`` names the cause."""

    at: int
    lasted_ms: int
    ended_how: str


@dataclass(frozen=True, slots=True)
class Bins:
    """A histogram: ``counts[cause][i]`` lie from ``edges_ms[i]`` to the next edge (excluded); the last bin is open."""

    edges_ms: tuple[int, ...] = LIFETIME_EDGES_MS
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HourOfDay:
    """``counts[cause][hour]``: the dropped sessions by the local hour (0 to 23) of their end."""

    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BotFigures:
    """All that the report says of one bot. Lists are in order of time, oldest first.

    ``state`` is that of now (``unknown`` where traymon does not run or no longer holds the bot), since ``since_at``
    (``None``: the log is silent). ``days``, ``weeks`` and ``months`` are those in which something is known, so there
    may be gaps. ``longest`` counts a session that still lasts, ``shortest`` only those that are over.
    """

    bot: str
    transport: str
    state: State
    since_at: int | None
    tally: Tally
    workspace: str | None = None
    days: tuple[Period, ...] = ()
    weeks: tuple[Period, ...] = ()
    months: tuple[Period, ...] = ()
    pieces: tuple[Piece, ...] = ()
    sessions: tuple[Session, ...] = ()
    outages: tuple[OutageRow, ...] = ()
    longest: Session | None = None
    shortest: Session | None = None
    links: tuple[LinkLife, ...] = ()
    lifetimes: Bins = field(default_factory=Bins)
    hours: HourOfDay = field(default_factory=HourOfDay)
    programs: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """The report. It covers ``since`` to ``until``; ``zone`` names the local time that days and hours are in.

    ``truncated``: the log holds more, from before ``first_kept`` (else ``None``).
    """

    made_at: int
    since: int
    until: int
    zone: str
    bots: tuple[BotFigures, ...] = ()
    truncated: bool = False
    first_kept: int | None = None
