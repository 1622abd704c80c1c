"""Runs cases through the real keeper, core, link thread, Web API client and WebSocket, and holds them to the promises.

Promises: whatever comes, it ends as a typed failure or a frame; nothing is raised that nobody foresaw; no anomaly;
no secret is written; never online without a ``hello``; refused only where Slack refused; back at the next honest
answer.
"""

import contextlib
import logging
import random
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz import grammar, reference
from tests.fuzz.grammar import Case, End, Target
from tests.fuzz.slack import WrongOnce
from traymon import words
from traymon.keeper.core import Core, Policy, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Anomaly, Effect, EnterState, Note, NoteKind
from traymon.keeper.shell import Board, Keeper
from traymon.sessionlog import rows, textlog
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import SlackError
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.slack.webapi import WebApi
from traymon.slackwire import codes

TOKEN = "xoxb-fuzz-n0b0dy"
STEP_MS = 250
"""A step's limit: short, as some cases wait for it in earnest, and far above what a step takes here."""
PATIENCE_S = 20.0
"""For a case, which takes milliseconds."""
LOOK_S = 0.003
POLICY = Policy(step_limit=STEP_MS, tcp_limit_offline=STEP_MS, late_tick=10**12)
"""Retries and budget are the real ones: their waits are skipped by moving the clock, which is no freeze."""


class Clock:
    """Three clocks in step that the case moves on."""

    def __init__(self) -> None:
        self._ahead = 0

    def now(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self._ahead

    awake = wall = now

    def skip(self, ms: int) -> None:
        """Let ``ms`` pass at once."""
        self._ahead += max(0, ms)


@dataclass
class Witness:
    """Sees all that the core takes in and gives out, and writes the log's lines as the session log would."""

    seen: list[ev.Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def record(
        self, bot: str, transport: str, entries: Sequence[EnterState | Note], on_committed: Any = None
    ) -> None:
        for entry in entries:
            if isinstance(entry, Note):
                self._write(bot, entry)
        if on_committed is not None:
            on_committed()

    def _write(self, bot: str, note: Note) -> None:
        text = rows.detail_text(note.facts, note.failure)
        event = rows.read_event(1, note.at, bot, note.kind, text, 1)
        line = textlog.line(event)
        if line is not None:
            line.encode()
            self.lines.append(line)
            if words.printable(line.rstrip("\n")) != line.rstrip("\n"):
                self.problems.append(f"a line of the log that cannot be printed: {line!r}")
        if note.failure is not None:
            self._explain(note.failure)

    def _explain(self, failure: Failure) -> None:
        sentence = words.cause(
            failure.cause, detail=failure.detail, close_code=failure.close_code, evidence=failure.evidence
        )
        self.lines.append(sentence)
        if words.printable(sentence) != sentence:
            self.problems.append(f"a sentence that cannot be printed: {sentence!r}")


class WatchedCore(Core):
    """The real core, watched."""

    witness: Witness

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        effects = super().receive(event, now)
        self.witness.seen.append(event)
        self.witness.effects += effects
        return effects


class Complaints(logging.Handler):
    """What traymon logs as its own error or warning, and what ends a thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))

    def taken(self) -> list[str]:
        said, self.said = self.said, []
        return said


@contextlib.contextmanager
def guarded() -> Iterator[Complaints]:
    """Around all cases: complaints are collected, and no wrong address leads away from the test's own servers."""
    complaints = Complaints()
    log = logging.getLogger("traymon")
    ours, hook = socket.getaddrinfo, threading.excepthook
    log.addHandler(complaints)
    propagates, log.propagate = log.propagate, False
    threading.excepthook = lambda args: complaints.said.append(f"{args.thread} died of {args.exc_value!r}")
    socket.getaddrinfo = _local_only(ours)
    try:
        yield complaints
    finally:
        socket.getaddrinfo, threading.excepthook, log.propagate = ours, hook, propagates
        log.removeHandler(complaints)


_ports: set[int] = set()
"""Where the cases' servers are."""


def _local_only(ours: Any) -> Any:
    """Numbers of this machine, and only a case's own port: no foreign name is looked up, no foreign port tried."""

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host == "localhost":
            host = "127.0.0.1"
        found = ours(host, port, *args, flags=socket.AI_NUMERICHOST, **more)
        for *_, where in found:
            if not where[0].startswith("127."):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if where[1] not in _ports:
                raise OSError(111, "Connection refused")
        return found

    return getaddrinfo


def run(case: Case, complaints: Complaints) -> list[str]:
    """What is wrong after ``case``, in sentences; empty where all is well."""
    slack = WrongOnce(case)
    _ports.add(slack.port)
    try:
        problems = _call(case, slack) if case.target is Target.CALL else _keep(case, slack)
    except Exception as error:
        problems = [f"{type(error).__name__} came out: {error}"]
    finally:
        slack.stop()
        _ports.discard(slack.port)
    said = complaints.taken()
    problems += said
    if any(TOKEN in line or grammar.TICKET in line for line in said):
        problems.append("a secret was logged")
    return problems


def _call(case: Case, slack: WrongOnce) -> list[str]:
    """One call without a link: it returns what it promises, or a typed failure."""
    api = WebApi(Endpoint(slack.api_url), TOKEN)
    try:
        if case.method == "auth.test":
            answer: object = api.auth_test(STEP_MS / 1000)
        else:
            answer = api.users_get_presence("U1", STEP_MS / 1000)
    except SlackError as error:
        return _of_failure(error.failure, slack, case.transport) + _secrets(
            [repr(error.failure), str(error)], slack
        )
    return _secrets([repr(answer)], slack)


def _keep(case: Case, slack: WrongOnce) -> list[str]:
    """The whole keeper, from its start until it is online by an honest link."""
    clock, witness = Clock(), Witness()
    rng = random.Random(case.name)
    make = RtmConnector if case.transport == "rtm" else SocketConnector
    core = WatchedCore(rng.random, POLICY, spare_on_suspicion=case.transport == "rtm")
    core.witness = witness
    board = Board(clock.now)
    connector = make(Endpoint(slack.api_url), lambda: TOKEN)
    keeper = Keeper("bot", case.transport, connector, core, witness, board, clock)
    keeper.start()
    try:
        problems = _drive(case, slack, keeper, board, clock)
    finally:
        keeper.stop()
        if not keeper.join(PATIENCE_S):
            problems = ["the keeper did not end"]
    return problems + _judge(case, slack, witness)


def _drive(case: Case, slack: WrongOnce, keeper: Keeper, board: Board, clock: Clock) -> list[str]:
    """Let time pass, and a person act where only a person can, until the bot is back."""
    until = time.monotonic() + PATIENCE_S
    picture = None
    while time.monotonic() < until:
        picture = board.wait(picture, timeout_s=LOOK_S)
        shown = picture.bots.get("bot")
        if shown is None:
            continue
        status = shown.status
        if status.state is State.ONLINE and slack.over and slack.honest_hellos and not status.suspect:
            return []
        if status.state is State.REFUSED:
            keeper.post(ev.TokenChanged())
        elif status.next_try is not None and not status.attempting:
            clock.skip(status.next_try - clock.now())
            keeper.post(ev.Tick())
        elif slack.waiting and not slack.over and case.end is not End.FIN:
            if status.session_since is not None:
                clock.skip(1_000)
            elif case.end is End.SKIP and not reference.read(slack.sent_link).hello:
                clock.skip(POLICY.attempt_limit)
            keeper.post(ev.Tick())
    return [f"not back after {PATIENCE_S} s: {picture}"]


def _judge(case: Case, slack: WrongOnce, witness: Witness) -> list[str]:
    """Hold what traymon said to what was sent."""
    problems = list(witness.problems)
    notes = [effect for effect in witness.effects if isinstance(effect, Note)]
    ends = [event.failure for event in witness.seen if isinstance(event, ev.LinkEnded)]
    problems += [f"anomaly: {effect.what}" for effect in witness.effects if isinstance(effect, Anomaly)]
    for failure in ends:
        problems += _of_failure(failure, slack, case.transport)
    for note in notes:
        failure = note.failure
        if failure is None:
            continue
        if note.kind is NoteKind.STOP and failure.phase not in (Phase.LIVE, Phase.LOCAL):
            problems.append(f"a session's end that claims to be of an attempt: {failure}")
        if note.kind in (NoteKind.FAIL, NoteKind.CAUSE) and failure.phase is Phase.LIVE:
            problems.append(f"an attempt's failure that claims to be of a session: {failure}")
    problems += _of_link(case, slack, notes, ends)
    texts = [repr(x) for x in (*witness.seen, *witness.effects) if getattr(x, "failure", None) is not None]
    return problems + _secrets([*texts, *witness.lines], slack)


def _of_link(case: Case, slack: WrongOnce, notes: list[Note], ends: list[Failure]) -> list[str]:
    """The wrong link, read a second time."""
    problems = []
    data = slack.sent_link
    bodies = [data]
    if case.target is Target.HANDSHAKE:  # whatever a lenient reader may take for the end of the head
        bodies = [data[gap.end() :] for gap in re.finditer(rb"\n\r?\n", data)]
    readings = [reference.read(body) for body in bodies]
    first_start = next((at for at, note in enumerate(notes) if note.kind is NoteKind.START), None)
    starts = sum(note.kind in (NoteKind.START, NoteKind.HANDOVER) for note in notes)
    told = any(reading.hello for reading in readings)
    if starts > slack.honest_hellos + told:
        problems.append("a start without a hello")
    if first_start is None:
        problems.append("no start in the log")
    codes_sent = {reading.close_code for reading in readings} - {None}
    for failure in ends:
        if failure.cause is Cause.CLOSED_BY_SLACK and failure.close_code not in codes_sent:
            problems.append(f"a close code that nobody sent: {failure}")
    if case.target is Target.FRAMES and case.end is not End.RST:
        problems += _of_frames(readings[0], starts, slack, ends)
    return problems


def _of_frames(reading: reference.Reading, starts: int, slack: WrongOnce, ends: list[Failure]) -> list[str]:
    """What a strict reader got, traymon must have got too."""
    problems = []
    causes = {failure.cause for failure in ends}
    if causes & {Cause.API_TIMEOUT, Cause.HANDSHAKE_TIMEOUT}:
        return []  # a machine so slow that the wrong link was not even opened
    first = reference.kind_of(reading.messages[0], strict=True) if reading.messages else None
    if first == "hello" and starts <= slack.honest_hellos:
        problems.append("a hello that was not heard")
    return problems


_REFUSALS = [*(code for code in grammar.CODES if "REFUSED" in codes.verdict(code).name), "invalid_"]


def _of_failure(failure: Failure, slack: WrongOnce, transport: str) -> list[str]:
    """One failure by itself."""
    problems = []
    if "exception" in failure.evidence:
        problems.append(f"an exception that nobody foresaw: {failure}")
    if failure.cause is Cause.REFUSED_TOKEN and not _was_refused(slack, transport):
        problems.append(f"refused, but Slack did not refuse: {failure}")
    return problems


def _was_refused(slack: WrongOnce, transport: str) -> bool:
    """Whether a word of refusal was among what was sent, in the place where it is one."""
    if slack.sent_link:
        link = b"".join(reference.read(slack.sent_link).messages)
        return transport == "socket" and b"link_disabled" in _plain(link)
    whole = re.sub(rb"\r\n[0-9a-fA-F]{1,4}(;[^\r\n]*)?\r\n", b"", slack.sent)  # where it came in chunks
    return any(code.encode() in _plain(data) for code in _REFUSALS for data in (slack.sent, whole))


def _plain(data: bytes) -> bytes:
    """JSON text with its escaped ASCII as itself."""
    return re.sub(rb"\\u00([0-7][0-9a-fA-F])", lambda found: bytes([int(found[1], 16)]), data)


def _secrets(texts: Sequence[str], slack: WrongOnce) -> list[str]:
    """A ticket outside of any object is nobody's secret any more: what is so broken is shown as what it is."""
    ticket = grammar.TICKET[:6]
    kept = b"{" in slack.sent.partition(ticket.encode())[0] or ticket.encode() not in slack.sent
    return [f"a secret in {text[:500]}" for text in texts if TOKEN in text or (kept and ticket in text)]
