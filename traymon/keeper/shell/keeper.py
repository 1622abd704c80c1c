"""One bot's keeper: a thread that feeds the core from one queue and carries out what it asks."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import Protocol

from traymon.desktop.clocks import Clocks
from traymon.desktop.watch.clockwatch import ClockWatch, Slept
from traymon.keeper.core import Core, Status
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Fact, Phase
from traymon.keeper.core.effects import (
    Anomaly,
    DropLink,
    Effect,
    EnterState,
    Note,
    NoteKind,
    OpenLink,
    SendPing,
    TellUser,
)
from traymon.keeper.shell.board import Board
from traymon.keeper.shell.prober import Diagnose, Prober
from traymon.keeper.shell.proofs import Noted, Proof, Proofs
from traymon.keeper.shell.runner import Connector, LinkRunner
from traymon.keeper.shell.traffic import Traffic
from traymon.slack.diagnosis import Diagnosis
from traymon.slackwire.api import ConnectAnswer

_log = logging.getLogger(__name__)

EXIT_LIMIT_MS = 1_500
"""For closing all links at the end; a process that was told to stop is gone within 2 s."""


class Log(Protocol):
    """The session log, as a keeper sees it: it takes what is to be written and never blocks."""

    def record(
        self,
        bot: str,
        transport: str,
        entries: Sequence[EnterState | Note],
        on_committed: Callable[[], None] | None = None,
    ) -> None:
        """Write ``entries`` as one transaction, then call ``on_committed`` on a thread of the log's.

        With no entries: call it once all that was recorded before is written.
        """


class _Stop:
    """In the queue: nothing more comes."""


class _Look:
    """In the queue: a proof of life was noted that may matter at once."""


class _AddressCheck:
    """In the queue: this machine may have lost an address."""


_Item = tuple[int, ev.Event | _Stop | _Look | _AddressCheck, "Future[list[TellUser]] | None"]


class Keeper:
    """Keeps ``bot`` online. All public methods may be called from any thread; but for :meth:`send` and
    :meth:`join` they do not block."""

    def __init__(
        self,
        bot: str,
        transport: str,
        connector: Connector,
        core: Core,
        log: Log,
        board: Board,
        clocks: Clocks,
        diagnose: Diagnose | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """``traffic`` is told what passes over the links, and may :meth:`send` on them."""
        self.bot = bot
        self.transport = transport
        self._connector = connector
        self._core = core
        self._log = log
        self._board = board
        self._clocks = clocks
        self._traffic = traffic
        self._prober = Prober(bot, diagnose, self._found) if diagnose else None
        self.findings: Mapping[str, Fact] = {}
        """What the latest side probes found. Written by the probe's thread, read by viewers: one reference."""
        self._clock_watch = ClockWatch(clocks)  # only the keeper's thread
        self._woke_at = 0  # only the keeper's thread
        self._published: Status | None = None
        # By link number. Only the keeper's thread changes it; send() looks one up, which is atomic.
        self._runners: dict[int, LinkRunner] = {}
        # Links that are saying goodbye to Slack; only the keeper's thread.
        self._closers: list[threading.Thread | LinkRunner] = []
        self._anomalies: set[str] = set()  # those already logged; only the keeper's thread
        self.identity: ConnectAnswer | None = None
        """Who the bot is at Slack, from the latest answered attempt. Written by link threads, read by viewers: one
        reference to an immutable value."""
        # Everything that happens to this bot, stamped where it happened. Link threads and users put, the keeper's
        # thread takes. Unbounded: what is put is small, and a bound would make a reader wait for the keeper. Simple:
        # an event wakes the keeper once, where Queue's two locks make it stumble on the one that put() still holds.
        self._events: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._proofs = Proofs(clocks)
        # Whether proofs of life may wait there. The keeper's thread writes it and then takes what is there; link
        # threads note and then read it: whoever comes second sees what the first did.
        self._calm = False
        # Runs the core and owns all of its state. Daemon: the process's end never waits for it beyond stop().
        self._thread = threading.Thread(target=self._run, name=f"{bot} keeper", daemon=True)

    def start(self, *, paused: bool = False) -> None:
        """Begin to keep the bot."""
        self.post(ev.Started(paused))
        self._thread.start()

    def post(self, event: ev.Event) -> None:
        """Something happened just now."""
        if self._calm and isinstance(event, Proof):
            slept = self._proofs.note(event)
            if slept or not self._calm:
                self._events.put((self._clocks.now(), _Look(), None))
            return
        self._events.put((self._clocks.now(), event, None))

    def ask(self, event: ev.Event) -> "Future[list[TellUser]]":
        """Something that a user did; the result says what it brings about."""
        answer: Future[list[TellUser]] = Future()
        self._events.put((self._clocks.now(), event, answer))
        return answer

    def send(self, link: int, text: str) -> bool:
        """Send a message on link number ``link``; whether the system took it. May block for 2 s (a full socket)."""
        runner = self._runners.get(link)
        return runner is not None and runner.send(text)

    def check_addresses(self) -> None:
        """This machine may have lost an address: links that are bound to one it no longer has are suspect."""
        self._events.put((self._clocks.now(), _AddressCheck(), None))

    def stop(self, cause: Cause = Cause.QUIT) -> None:
        """End everything; :meth:`join` waits for it."""
        self.post(ev.QuitAsked(cause))
        self._events.put((self._clocks.now(), _Stop(), None))

    def join(self, limit_s: float) -> bool:
        """Whether the keeper ended within ``limit_s``."""
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    # The keeper's thread

    def _run(self) -> None:
        while True:
            item = self._next_item()
            before_sleep, since = self._proofs.take()
            self._feed_proofs(before_sleep)
            self._look_at_clocks()
            self._feed_proofs(since)
            if item is None:
                self._feed(ev.Tick(), self._clocks.now(), None)
                continue
            at, event, answer = item
            if isinstance(event, _Stop):
                break
            if isinstance(event, _Look):
                continue
            if isinstance(event, _AddressCheck):
                self._check_addresses(at)
            else:
                self._feed(self._still_true(event, at), at, answer)
        if self._prober:
            self._prober.stop()
        limit = self._clocks.awake() + EXIT_LIMIT_MS
        for thread in [*self._closers, *self._runners.values()]:
            thread.join(max(0, limit - self._clocks.awake()) / 1000)

    def _next_item(self) -> _Item | None:
        self._calm = self._core.calm
        if not self._calm:
            self._feed_proofs(list(chain(*self._proofs.take())))
        deadline = self._core.deadline
        wait_s = None if deadline is None else max(0, deadline - self._clocks.now()) / 1000
        try:
            return self._events.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _look_at_clocks(self) -> None:
        for found in self._clock_watch.look():
            if isinstance(found, Slept):
                self._woke_at = self._clocks.now()
                self._feed(ev.Woke(found.ms), self._woke_at, None)

    def _feed_proofs(self, noted: Iterable[Noted]) -> None:
        for each in noted:
            self._feed(each.proof, each.at, None)

    def _still_true(self, event: ev.Event, at: int) -> ev.Event:
        """Where the sleep came before this thread got to its announcement, that is over by now."""
        return ev.Tick() if isinstance(event, ev.SleepAnnounced) and at < self._woke_at else event

    def _check_addresses(self, at: int) -> None:
        for link, runner in list(self._runners.items()):
            if runner.lost_address():
                self._feed(ev.LocalAddressVanished(link), at, None)

    def _feed(self, event: ev.Event, at: int, answer: "Future[list[TellUser]] | None") -> None:
        told: list[TellUser] = []
        try:
            effects = self._core.receive(event, at)
            _log.debug("%s: %s: %s", self.bot, event, effects)
            told = [effect for effect in effects if isinstance(effect, TellUser)]
            self._record(effects)
            for effect in effects:
                self._carry_out(effect)
        except Exception:  # noqa: BLE001 - whatever this was, the next event finds the keeper at its work
            _log.exception("%s: an unexpected error in the keeper; it goes on", self.bot)
        finally:
            if answer is not None:
                with contextlib.suppress(Exception):
                    answer.set_result(told)
        if isinstance(event, ev.LinkEnded):
            self._see_off(self._runners.pop(event.link, None))

    def _record(self, effects: Sequence[Effect]) -> None:
        """Hand entries to the log, and the new status to the board, which shows it once they are committed."""
        entries = [effect for effect in effects if isinstance(effect, EnterState | Note)]
        status = self._core.status
        if entries:
            committed = self._board.propose(self.bot, status, needs_commit=True)
            self._log.record(self.bot, self.transport, entries, committed)
            if self._prober and any(map(_is_a_riddle, entries)):
                self._prober.look()
        elif status != self._published:
            self._board.propose(self.bot, status, needs_commit=False)
        self._published = status

    def _found(self, diagnosis: Diagnosis) -> None:
        """The side probes are done. Runs on their thread."""
        self.findings = diagnosis.facts()
        note = Note(NoteKind.WHY, self._clocks.now(), facts=self.findings)
        self._log.record(self.bot, self.transport, [note])

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case OpenLink(link, step_limit_ms, tcp_limit_ms):
                runner = LinkRunner(self.bot, link, self._connector, self.post, self._remember, self._traffic)
                self._runners[link] = runner
                runner.start(step_limit_ms, tcp_limit_ms)
            case SendPing(link, ping):
                if runner_or_none := self._runners.get(link):
                    runner_or_none.ping(ping)
            case DropLink(link, how):
                runner_or_none = self._runners.get(link)
                self._see_off(runner_or_none.drop(how) if runner_or_none else None)
            case Anomaly(what):
                self._report(what)
            case EnterState() | Note() | TellUser():
                pass  # recorded and told already

    def _see_off(self, closer: threading.Thread | LinkRunner | None) -> None:
        """Wait for ``closer`` at the end, if it still runs by then."""
        self._closers = [each for each in self._closers if each.is_alive()]
        if closer is not None:
            self._closers.append(closer)

    def _remember(self, answer: ConnectAnswer | None) -> None:
        self.identity = answer or self.identity

    def _report(self, what: str) -> None:
        if what not in self._anomalies:
            self._anomalies.add(what)
            _log.error("%s: %s: this should not happen and changed nothing", self.bot, what)


def _is_a_riddle(entry: EnterState | Note) -> bool:
    """A drop, or a failure behind the connect: what failed on the way there has said itself how far it came."""
    if not isinstance(entry, Note) or entry.failure is None:
        return False
    if entry.kind is NoteKind.STOP:
        return True
    return entry.kind in (NoteKind.FAIL, NoteKind.CAUSE) and entry.failure.phase not in _ON_THE_WAY


_ON_THE_WAY = frozenset({Phase.TOKEN, Phase.DNS, Phase.PROXY, Phase.TCP})
