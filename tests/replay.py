"""``python -m tests.replay SCRIPT``: play a script of :mod:`tests.script` against the simulator, with a real keeper.

Keeper, links and session log are the real ones, and so is Slack's side, as far as a simulator on loopback can be it;
the witness of :mod:`tests.corewitness` watches the core. What had to be played otherwise is named in the output.

Time is real where something is under way: an attempt, a ping that is not answered. Where all waits for the core's next
deadline, the clocks that the keeper sees are moved there. Of a step's time while the bot is online, what is over
ten minutes is left out.
"""

import argparse
import queue
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.coredriver import MINUTE, Peer, Plan
from tests.corewitness import Witness
from tests.script import (
    PlayedWorld,
    Script,
    Step,
    event_of,
    failure_named,
    link_of,
    logged,
    name_of,
    names_link,
)
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.desktop.clocks import system_clocks
from traymon.desktop.watch.clockwatch import SLEPT_MS
from traymon.keeper.core import Core
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure
from traymon.keeper.core.effects import DropLink, OpenLink, SendPing
from traymon.keeper.core.states import UP
from traymon.keeper.shell import Board, Keeper
from traymon.keeper.shell.runner import Connector
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.cancel import Cancel
from traymon.slack.connector import OnAnswered
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import SlackError
from traymon.slack.link import Link
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.slackwire.api import ConnectAnswer

CALM_LIMIT_MS = 10 * MINUTE
"""Of a step's time while the bot is online, so much is played. All that the policy counts while online is shorter."""
SHORT_MS = 20
"""An attempt's steps that take less than this are played as fast as they go: about what they take by themselves."""
PROMPT_MS = 300
"""Pongs that take less than this come at once: SRTT + 4 * RTTVAR stays below its least value (RFC 6298) either way."""
LOOK_EACH_S = 0.02
NOTICE_S = 5.0
"""For what was done to a link to be seen by the keeper."""


class Clocks:
    """The system's clocks, and time added by hand. Written by the player's thread, read by all."""

    def __init__(self) -> None:
        self._system = system_clocks()
        self.slept = self.skipped = 0

    def now(self) -> int:
        return self._system.now() + self.skipped + self.slept

    def awake(self) -> int:
        return self._system.awake() + self.skipped

    def wall(self) -> int:
        return self._system.wall() + self.skipped + self.slept


class Stage:
    """The core under watch, in the place of the core: it is what the keeper drives, and the witness's world.

    The keeper's thread drives it, the player's looks at it.
    """

    def __init__(self, script: Script, core: type[Core], on_open: Callable[[int], None]) -> None:
        self.core = core(script.rolls().__next__, script.policy, spare_on_suspicion=script.spares)
        self.watchers: list[Callable] = []
        self.peers: dict[int, Peer] = {}
        self.now = 0
        self.witness = Witness(self, script.policy)
        self.violation: Exception | None = None
        self._on_open = on_open
        self._unanswered: dict[int, int] = {}
        self._seen: list[tuple[type, int | None]] = []
        # Guards all of the above, and tells the player that an event was handled. The keeper's thread holds it for
        # a whole event, the player's while it looks; whoever holds it may take it again.
        self.changed = threading.Condition(threading.RLock())

    # What the keeper sees

    @property
    def deadline(self) -> int | None:
        with self.changed:
            return self.core.deadline

    @property
    def status(self):
        with self.changed:
            return self.core.status

    @property
    def calm(self) -> bool:
        with self.changed:
            return self.core.calm

    def receive(self, event: ev.Event, now: int) -> list:
        with self.changed:
            self.now = max(self.now, now)
            if isinstance(event, ev.LinkEnded):
                self.peers[event.link].ended = True
            effects = self.core.receive(event, self.now)
            for effect in effects:
                self._take_down(effect)
            self._follow(event)
            self._watch(event, effects)
            self._seen.append((type(event), getattr(event, "link", None)))
            self.changed.notify_all()
            return effects

    def _take_down(self, effect: object) -> None:
        match effect:
            case OpenLink(number):
                self.peers[number] = Peer(number, Plan(), self.now)
                self._on_open(number)
            case DropLink(number):
                self.peers[number].dropped = True
                self._unanswered.pop(number, None)
            case SendPing(number, ping):
                self._unanswered[number] = ping

    def _follow(self, event: ev.Event) -> None:
        match event:
            case ev.PongReceived(link, ping) if self._unanswered.get(link, ping + 1) <= ping:
                del self._unanswered[link]
            case ev.LinkEnded(link):
                self._unanswered.pop(link, None)

    def _watch(self, event: ev.Event, effects: list) -> None:
        if self.violation is None:
            try:
                for watch in self.watchers:
                    watch(event, self.now, effects)
            except Exception as error:
                self.violation = error

    # What the player asks

    def wait(self, so: Callable[[], object], timeout_s: float) -> bool:
        """Until ``so()``, looked at after each event."""
        with self.changed:
            return bool(self.changed.wait_for(so, timeout_s))

    def count(self, *kinds: type, link: int | None = None) -> int:
        """How many events of these kinds were handled, of this link or of all."""
        with self.changed:
            return sum(kind in kinds and link in (None, of) for kind, of in self._seen)

    def idle(self) -> bool:
        """Whether nothing is under way: all waits for the core's deadline."""
        with self.changed:
            return not self.status.attempting and not self._unanswered

    def there(self, link: int) -> bool:
        """Whether the link is neither let go nor known to have ended."""
        with self.changed:
            peer = self.peers.get(link)
            return peer is not None and not (peer.dropped or peer.ended)


class Way:
    """A connector's way to Slack: what no server can make is made here, on each link's own thread.

    Slow steps, pings that leave late or never, and failures of the network.
    """

    def __init__(self, inner: Connector, opened: Callable[[int], None]) -> None:
        self._inner = inner
        self._opened = opened
        # How the attempts go that were asked for and not yet begun: (link, plan, whether its failure is made here).
        # The keeper's thread puts one before it starts the link's thread, which takes it.
        self._due: queue.SimpleQueue[tuple[int, Plan, bool]] = queue.SimpleQueue()
        self._timers: list[
            threading.Timer
        ] = []  # pings under way; appended to by keepers' threads, joined at the end

    def expect(self, link: int, plan: Plan, *, fails_here: bool) -> None:
        """The next attempt is ``link``'s and goes so."""
        self._due.put((link, plan, fails_here))

    def open(self, *, on_answered: OnAnswered, cancel: Cancel, **limits: float) -> Link:
        """As the real one. Raises SlackError."""
        number, plan, fails_here = self._due.get_nowait()

        def fail_in_time() -> None:
            if plan.failure is not None:
                _pass(plan.fails_after, cancel)
                if fails_here:
                    raise SlackError(plan.failure)

        def answered(answer: ConnectAnswer | None) -> None:
            on_answered(answer)
            _pass(plan.handshake, cancel)
            if plan.handshake is None or plan.hello is None:
                fail_in_time()

        if plan.api is None:
            fail_in_time()
        link = self._inner.open(on_answered=answered, cancel=cancel, **limits)
        self._opened(number)
        if plan.pong is None or plan.pong >= PROMPT_MS:
            link.send_ping = partial(self._ping_late, link.send_ping, plan.pong)
        return link

    def _ping_late(self, send: Callable[[int], None], delay_ms: int | None, ping: int) -> None:
        if delay_ms is not None:
            # Sends one ping. It ends by itself, within the delay.
            timer = threading.Timer(delay_ms / 1000, _send, (send, ping))
            self._timers.append(timer)
            timer.start()

    def end(self) -> None:
        """No ping is under way any more."""
        for timer in self._timers:
            timer.cancel()
            timer.join()


def _pass(ms: int | None, cancel: Cancel) -> None:
    """Let ``ms`` pass; raises AbandonedError when the attempt is called off."""
    if ms is not None and ms >= SHORT_MS:
        # Set by whoever calls the attempt off.
        called_off = threading.Event()
        with cancel.watch(called_off.set):
            called_off.wait(ms / 1000)
        cancel.check()


def _send(send: Callable[[int], None], ping: int) -> None:
    with suppress(SlackError):  # the link is gone meanwhile
        send(ping)


@dataclass
class Outcome:
    """What came of a replay."""

    events: list[tuple[str, str | None]]
    """Kind and cause of each event in the session log."""
    violation: Exception | None
    """The first promise that the witness saw broken."""
    otherwise: list[str]
    """What could not be played as the script says, in sentences."""


class Player:
    """Plays one script. For one thread, but for :meth:`_arm` and :meth:`_opened`."""

    def __init__(self, script: Script, core: type[Core], slack: Simulator, folder: Path) -> None:
        self._script = script
        self._slack = slack
        self._token = token_of("bot") if script.spares else app_token_of("bot")
        slack.add_bot(token_of("bot"), "bot", app_token=app_token_of("bot"))
        self._plans = deque(script.plans())  # taken from by the keeper's thread
        self._serials: dict[int, int] = {}  # the simulator's number of a link; written by the link's thread
        self._silent: set[int] = set()
        self.otherwise: list[str] = []
        self._clocks = Clocks()
        self._stage = Stage(script, core, self._arm)
        connector = RtmConnector if script.spares else SocketConnector
        self._way = Way(connector(Endpoint(slack.api_url), lambda: self._token), self._opened)
        self._db = folder / "sessions.sqlite3"
        self._log = SessionLog(self._db, folder / "sessions.log", self._clocks, on_fault=self._say)
        board = Board(self._clocks.now)
        self._keeper = Keeper("bot", script.transport, self._way, self._stage, self._log, board, self._clocks)

    def play(self, on_step: Callable[[Step], None]) -> Outcome:
        """Play it all, then the keeper's end."""
        self._log.open()
        try:
            for step in self._script.steps:
                self._let_pass(step.after)
                if self._stage.violation is not None:
                    break
                on_step(step)
                self._happen(step)
        finally:
            self._keeper.stop()
            assert self._keeper.join(PATIENCE_S)
            self._way.end()
            assert self._log.close(PATIENCE_S)
        events = [(event.kind, event.cause) for event in LogView(self._db).events(bot="bot")]
        return Outcome(events, self._stage.violation, self.otherwise)

    def _say(self, sentence: object) -> None:
        self.otherwise.append(str(sentence))

    # Attempts

    def _arm(self, link: int) -> None:
        """Let the simulator meet the attempt as its plan says. Runs on the keeper's thread, before the attempt."""
        plan = self._plans.popleft() if self._plans else Plan()
        self._slack.disarm()
        self._slack.accept()
        fault, fails_here = _fault_of(plan)
        if fault is REFUSE:
            self._slack.refuse()
        else:
            for each in fault:
                self._slack.arm(each, token=self._token)
        if fails_here:
            self._say(f"attempt {link}: {name_of(plan.failure)} was made in front of the real connector")
        self._way.expect(link, plan, fails_here=fails_here)

    def _opened(self, link: int) -> None:
        """The link is there: the simulator's latest. Runs on the link's thread."""
        known = max(self._serials.values(), default=0)
        # The client reads the 101 before the simulator has written the link down.
        assert self._slack.wait(lambda: self._latest() > known, PATIENCE_S)
        self._serials[link] = self._latest()

    def _latest(self) -> int:
        return max((each.serial for each in self._slack.truth().links_of(self._token)), default=0)

    # Time

    def _let_pass(self, ms: int) -> None:
        stage, clocks = self._stage, self._clocks
        if stage.status.state in UP and ms > CALM_LIMIT_MS:
            self._say(f"{ms - CALM_LIMIT_MS} ms of {ms} online were left out")
            ms = CALM_LIMIT_MS
        until = clocks.now() + ms
        while stage.violation is None:
            with stage.changed:
                left = until - clocks.now()
                if left <= 0:
                    return
                jump = left if stage.deadline is None else min(left, stage.deadline - clocks.now())
                if stage.idle() and jump > 0:
                    clocks.skipped += jump
                else:
                    # A pong may have come that does not wake the keeper by itself.
                    stage.changed.wait(min(left / 1000, LOOK_EACH_S))
            self._tick()

    def _tick(self) -> None:
        """Wake the keeper, and wait until it has looked at its clocks and its core."""
        self._post(ev.Tick())

    def _post(self, event: ev.Event) -> None:
        before = self._stage.count(type(event))
        self._keeper.post(event)
        self._await(lambda: self._stage.count(type(event)) > before, event)

    def _await(self, so: Callable[[], bool], what: object) -> None:
        if not self._stage.wait(so, NOTICE_S):
            self._say(f"{what} was not noticed within {NOTICE_S:.0f} s")

    # Steps

    def _happen(self, step: Step) -> None:
        link = link_of(step, self._stage.status.link)
        if names_link(step) and not self._stage.there(link):
            self._say(f"'{step}': there is no such link")
            return
        match step.what:
            case "start":
                self._keeper.start(paused=bool(step.args))
                self._await(lambda: self._stage.count(ev.Started), step)
            case "freeze":
                self._clocks.skipped += int(step.args[0])
                self._tick()
            case "wake" if int(step.args[0]) > SLEPT_MS:
                before = self._stage.count(ev.Woke)
                self._clocks.slept += int(step.args[0])
                self._keeper.post(ev.Tick())
                self._await(lambda: self._stage.count(ev.Woke) > before, step)
            case "silence" | "speech":
                self._slack.strike(
                    self._token, f.Silence(None if step.what == "silence" else 0), self._serials[link]
                )
                (self._silent.add if step.what == "silence" else self._silent.discard)(link)
            case "end" | "frame" | "goodbye":
                self._happen_on_link(step, link)
            case _:
                event = event_of(step, link)
                if step.what in ("hello", "pong"):
                    self._say(f"'{step}' was told to the keeper, and not sent by the simulator")
                if event is not None:
                    self._post(event)

    def _happen_on_link(self, step: Step, link: int) -> None:
        """Slack does it; where it cannot, the keeper is told that it was done."""
        event = event_of(step, link)
        fault = _link_fault(step, socket=not self._script.spares)
        if fault is None or (link in self._silent and not isinstance(fault, f.Fin | f.Rst)):
            self._say(f"'{step}' was told to the keeper, and not done by the simulator")
            self._post(event)
            if isinstance(event, ev.LinkEnded):
                self._slack.strike(self._token, f.Rst(), self._serials[link])
            return
        before = self._stage.count(type(event), link=link)
        self._slack.strike(self._token, fault, self._serials[link])
        self._await(
            lambda: self._stage.count(type(event), link=link) > before or not self._stage.there(link), step
        )


REFUSE = object()
"""In the place of faults: nobody listens."""

_API_FAULTS: dict[Cause, Callable[[Failure], f.CallFault]] = {
    Cause.SLACK_ERROR: lambda _: f.HttpStatus(503),
    Cause.RATE_LIMITED: lambda failure: f.HttpStatus(429, str(-(-failure.retry_after_ms // 1000))),
    Cause.REFUSED_TOKEN: lambda failure: f.SlackCode(failure.detail),
    Cause.ABRUPT_CLOSE: lambda _: f.HangUp(f.Fin()),
    Cause.RESET: lambda _: f.HangUp(f.Rst()),
}
_LATER_FAULTS: dict[tuple[bool, Cause], f.HandshakeFault] = {
    (False, Cause.NOT_WEBSOCKET): f.HandshakeStatus(403),
    (True, Cause.URL_EXPIRED): f.SpentUrl(),
    (True, Cause.ABRUPT_CLOSE): f.DropBeforeHello(f.Fin()),
    (True, Cause.RESET): f.DropBeforeHello(f.Rst()),
    (True, Cause.CLOSED_BY_SLACK): f.DropBeforeHello(f.Close()),
}
"""By whether the handshake was done, and the cause."""


def _fault_of(plan: Plan) -> tuple[Any, bool]:
    """The simulator's faults for an attempt, and whether it must fail without the simulator."""
    failure = plan.failure
    if plan.api is None:
        if failure is None:
            return [f.Hang()], False
        if failure.cause is Cause.CONNECT_REFUSED:
            return REFUSE, False
        fault = _API_FAULTS.get(failure.cause)
        return ([fault(failure)], False) if fault else ([], True)
    slow = [f.SlowAnswer(plan.api)] if plan.api >= SHORT_MS else []
    if plan.handshake is not None and plan.hello is not None:
        return slow + ([f.LateHello(plan.hello)] if plan.hello >= SHORT_MS else []), False
    opened = plan.handshake is not None
    if failure is None:
        return [*slow, f.NoHello() if opened else f.HandshakeHang()], False
    later = _LATER_FAULTS.get((opened, failure.cause))
    return ([*slow, later], False) if later else (slow, True)


def _link_fault(step: Step, *, socket: bool) -> f.LinkFault | None:
    """What the simulator does to a live link, if it can."""
    match step.what, step.args[1:]:
        case "frame", _:
            return f.HugeFrame(64)
        case "goodbye", (cause,):
            return f.SayGoodbye(None) if (cause == Cause.REFRESH) is socket else None
        case "end", (("disabled" | "too_many") as name,):
            return f.SayGoodbye(None, reason=failure_named(name).detail) if socket else None
        case "end", (name,):
            return {"fin": f.Fin(), "rst": f.Rst(), "close": f.Close(), "migration": f.Migrate()}.get(name)
    return None


def play(
    script: Script, core: type[Core] = Core, on_step: Callable[[Step], None] = lambda _: None
) -> Outcome:
    """Play ``script`` with a real keeper, against a simulator of its own."""
    with tempfile.TemporaryDirectory(prefix="traymon-replay-") as folder, Simulator() as slack:
        return Player(script, core, slack, Path(folder)).play(on_step)


def main() -> int:
    """Play the file that is named; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__.split("\n\n")[0])
    parser.add_argument("script", type=Path, help="the file, as tests/script.py says")
    try:
        script = Script.parse(parser.parse_args().script.read_text())
    except (OSError, ValueError) as error:
        parser.error(str(error))
    outcome = play(script, on_step=lambda step: print(step, flush=True))
    for sentence in outcome.otherwise:
        print(f"otherwise: {sentence}")
    for kind, cause in outcome.events:
        print(f"logged: {kind} {cause or ''}".rstrip())
    if outcome.events != (virtual := _in_virtual_time(script)):
        print(f"in virtual time it is logged so: {virtual}")
    print(f"broken: {outcome.violation}" if outcome.violation else "every promise was kept")
    return 1 if outcome.violation else 0


def _in_virtual_time(script: Script) -> list[tuple[str, str | None]]:
    world = PlayedWorld(script)
    try:
        world.play()
    except AssertionError as error:
        print(f"broken in virtual time: {error}")
    return logged(world.notes())


if __name__ == "__main__":
    sys.exit(main())
