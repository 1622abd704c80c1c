"""Both bots live through the night in virtual time: Botkit as it was, traymon as its real core decides.

Time is a number that jumps to the next thing that happens, so fifteen hours take a moment. What happens is written
through the real session log, whose clock is that number: the replay's log and report are made as any other.
"""

import heapq
import itertools
import random
import threading
from collections.abc import Callable, Sequence
from typing import cast

from traymon.cli.replay import facts
from traymon.keeper.core import Core
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.keeper.core.effects import (
    Anomaly,
    DropLink,
    Effect,
    EnterState,
    Note,
    NoteKind,
    OpenLink,
    SendPing,
)
from traymon.keeper.core.states import State
from traymon.paths import Profile
from traymon.sessionlog.recorder import SessionLog

BOTKIT = "botkit"
TRAYMON = "traymon"

NO_CAUSE = cast("Cause", "unknown")
"""What Botkit knew. No cause of traymon's, which always names one: in the log unknown names stay what they are."""

_COMMIT_LIMIT_S = 20.0
"""For one entry to reach the disk, which takes milliseconds."""
_JITTER_SEED = 2016
"""Of the shortening of traymon's waits by up to a quarter: each replay is the same."""


class NotWrittenError(Exception):
    """The session log could not be written: one sentence that says why."""


class VirtualClock:
    """Both clocks of the session log, and of the night, in UTC ms. The night moves it; the log's thread reads it."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        """The clock that counts sleep: nobody sleeps or sets a clock in this night."""
        return self._at

    wall = now

    def move(self, at: int) -> None:
        """Time only goes forward."""
        self._at = max(self._at, at)


class Night:
    """Plays from Botkit's start to the moment at which it was found. ``back_at`` (UTC ms): Slack's return."""

    def __init__(self, profile: Profile, *, back_at: int | None = None, until: int = facts.FOUND_AT) -> None:
        self._back_at = facts.slack_back_at() if back_at is None else back_at
        self._until = until
        self._clock = VirtualClock(facts.STARTED_AT - facts.CONNECT_MS)
        self._log = SessionLog(profile.db, profile.text_log, self._clock, self._on_fault)
        self._fault: str | None = None
        self._core = Core(random.Random(_JITTER_SEED).random)
        self._gone: set[int] = set()
        """Links that the core let go, or heard the end of."""
        self._order = itertools.count()
        self._coming: list[tuple[int, int, Callable[[], None]]] = []

    def play(self) -> None:
        """Write the whole night. Raises NotWrittenError."""
        self._log.open()
        try:
            self._happens(self._clock.now(), lambda: self._give(ev.Started()))
            self._happens(facts.CLOSED_AT, self._slack_hangs_up)
            self._plan_botkit()
            self._run()
        finally:
            closed = self._log.close(_COMMIT_LIMIT_S)
        if not closed:
            raise NotWrittenError(self._fault or "")

    # Time

    def _happens(self, at: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (at, next(self._order), what))

    def _run(self) -> None:
        while True:
            due = self._core.deadline
            coming = self._coming[0][0] if self._coming else None
            at = min((each for each in (due, coming) if each is not None), default=self._until)
            self._clock.move(min(at, self._until))
            if at >= self._until:
                return
            if at == coming:
                heapq.heappop(self._coming)[2]()
            else:
                self._give(ev.Tick())

    # traymon

    def _give(self, event: ev.Event) -> None:
        effects = self._core.receive(event, self._clock.now())
        self._record(TRAYMON, [effect for effect in effects if isinstance(effect, EnterState | Note)])
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case OpenLink(link):
                self._attempt(link)
            case SendPing(link, ping):
                self._link_event(facts.ROUND_TRIP_MS, ev.PongReceived(link, ping))
            case DropLink(link):
                self._gone.add(link)
            case Anomaly(what):
                raise AssertionError(what)
            case Note(NoteKind.STOP, at):
                # Route and name are known at once; the connection is refused within a round trip.
                self._happens(at + facts.ROUND_TRIP_MS, self._probes_found)
            case _:
                pass

    def _attempt(self, link: int) -> None:
        arrives = self._clock.now() + facts.ROUND_TRIP_MS // 2
        if facts.CLOSED_AT <= arrives < self._back_at:
            self._link_event(facts.ROUND_TRIP_MS, ev.LinkEnded(link, facts.REFUSAL))
            return
        after = 0
        steps: tuple[ev.LinkEvent, ...] = (ev.ApiAnswered(link), ev.LinkOpened(link), ev.HelloReceived(link))
        for trips, event in zip(facts.CONNECT_ROUND_TRIPS.values(), steps, strict=True):
            after += trips * facts.ROUND_TRIP_MS
            self._link_event(after, event)

    def _link_event(self, after_ms: int, event: ev.LinkEvent) -> None:
        def come() -> None:
            if event.link not in self._gone:
                if isinstance(event, ev.LinkEnded):
                    self._gone.add(event.link)
                self._give(event)

        self._happens(self._clock.now() + after_ms, come)

    def _slack_hangs_up(self) -> None:
        link = self._core.status.link
        assert link is not None
        self._gone.add(link)
        self._give(ev.LinkEnded(link, facts.DROP))

    def _probes_found(self) -> None:
        self._record(TRAYMON, [Note(NoteKind.WHY, self._clock.now(), facts=facts.PROBES.facts())])

    # Botkit

    def _plan_botkit(self) -> None:
        up_ms = facts.CLOSED_AT - facts.STARTED_AT
        close = Failure(NO_CAUSE, Phase.LIVE, facts.CLOSE_EVENT, close_code=1006)
        told: dict[str, Fact] = {"cause": str(NO_CAUSE)}
        began = self._clock.now()
        self._botkit(began, EnterState(State.CONNECTING, began))
        self._botkit(
            facts.STARTED_AT,
            EnterState(State.ONLINE, facts.STARTED_AT),
            Note(NoteKind.START, facts.STARTED_AT, facts={"link": 1}),
        )
        self._botkit(
            facts.CLOSED_AT,
            EnterState(State.OFFLINE, facts.CLOSED_AT, NO_CAUSE, close),
            Note(NoteKind.LINK_END, facts.CLOSED_AT, close, {**told, "link": 1, "lived_ms": up_ms}),
            Note(NoteKind.STOP, facts.CLOSED_AT, close, {**told, "up_ms": up_ms}),
        )
        attempts = facts.botkit_attempts()
        for each in attempts:
            which = {**told, "attempt": each.number, "of": len(attempts), "delay_ms": each.delay_ms}
            self._botkit(each.failed_at, Note(NoteKind.FAIL, each.failed_at, facts=which))
        last = attempts[-1].failed_at
        self._botkit(last, Note(NoteKind.WARNING, last, facts={"said": facts.GAVE_UP}))

    def _botkit(self, at: int, *entries: EnterState | Note) -> None:
        self._happens(at, lambda: self._record(BOTKIT, entries))

    # The log

    def _record(self, bot: str, entries: Sequence[EnterState | Note]) -> None:
        """Write, and wait until it is on disk: the log is to be written at the time at which things happen."""
        if not entries:
            return
        # Set by the log's thread, waited for here.
        written = threading.Event()
        self._log.record(bot, "rtm", entries, written.set)
        if not written.wait(_COMMIT_LIMIT_S):
            raise NotWrittenError(self._fault or "")

    def _on_fault(self, sentence: str | None) -> None:
        self._fault = sentence
