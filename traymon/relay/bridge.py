"""One bot's links and programs, joined by the hub that decides: what comes from either goes through it."""

import asyncio
import itertools
import logging
import queue
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from traymon import words
from traymon.desktop.clocks import Clocks
from traymon.relay.bots import RelayedBot
from traymon.relay.calling import Asking, Caller, Spawn
from traymon.relay.core import RtmHub, SocketHub
from traymon.relay.core import events as ev
from traymon.relay.core.effects import CutProgram, ProgramNote, ProgramNoteKind, Settled, ToProgram, ToSlack
from traymon.relay.core.rtm import FIRST_ID, LAST_ID
from traymon.relay.methods import Transport
from traymon.relay.programs import Program
from traymon.relay.sockets import SILENT, SLOW, Code, OnTaken, ProgramSocket
from traymon.relay.translation import PresentedRtmHub
from traymon.relay.translation.events import Why
from traymon.relay.translation.signals import (
    Call,
    Called,
    Give,
    NotGiven,
    PresentedEffect,
    PresentedEvent,
    SocketAttached,
    Taken,
)
from traymon.slackwire import frames
from traymon.slackwire.api import ConnectAnswer, Identity

_log = logging.getLogger(__name__)

Send = Callable[[int, str], bool]
"""Sends a text on a link, by its number; whether the system took it. May block for 2 s."""
OnPrograms = Callable[[str, Sequence[Program]], None]
"""Told the bot's name and its attached programs, whenever one has come or gone. Must not block."""

# Numbers of programs; any loop's, one at a time by itertools' own atomicity.
_numbers = itertools.count(1)
_WHY_CUT = {
    SLOW: words.mark(
        "{bot}: a program ({program}) was cut off, because it did not read what Slack sent; it can attach again."
    ),
    SILENT: words.mark(
        "{bot}: a program ({program}) was cut off, because it answered no ping for a minute; it can attach again."
    ),
}
_NONSENSE = words.mark(
    "{bot}: a program ({program}) was cut off, because it went on sending what no client of Slack sends: look into "
    "its own log."
)
_UP = frozenset({ProgramNoteKind.SENT, ProgramNoteKind.ACKED})
_JOIN_LIMIT_S = 0.2
_MOST_KINDS = 200
"""Of events, that are counted: Slack has some fifty that RTM has not."""


class Attached:
    """A program that is attached, and what it has had and done so far. Changed on the loop only."""

    def __init__(self, number: int, name: str, since: int, socket: ProgramSocket) -> None:
        self.number = number
        self.name = name
        self.since = since
        self.socket = socket
        self.events = 0
        self.sends = 0
        self.last_send: int | None = None

    def snapshot(self) -> Program:
        """As it is now. Any thread."""
        return Program(self.number, self.name, self.since, self.events, self.sends, self.last_send)


class Bridge:
    """Belongs to the relay's loop, but for :attr:`traffic`, which is for link threads, and :meth:`programs`."""

    def __init__(
        self,
        bot: RelayedBot,
        send: Send,
        loop: asyncio.AbstractEventLoop,
        clocks: Clocks,
        on_programs: OnPrograms,
        *,
        on_identity: Callable[["Bridge", ConnectAnswer | Identity], None],
        spawn: Spawn,
        say: Callable[[str], None],
    ) -> None:
        """``on_identity`` is told on the loop who the bot is, at each link; ``say`` takes sentences for people."""
        self.bot = bot
        self.speaks: frozenset[Transport] = frozenset(
            {bot.transport, "rtm"} if bot.presents_rtm else {bot.transport}
        )
        """What programs may attach with."""
        self._say = say
        self._said: set[str] = set()  # why programs were cut off: each reason is told once
        self._on_identity = on_identity
        self._clocks = clocks
        self._loop = loop
        self._on_programs = on_programs
        self._hub = _hub_of(bot)
        self._caller = Caller(bot)
        self._spawn = spawn
        # Messages that are on their way by the Web API.
        self._calls: set[asyncio.Task[None]] = set()
        self._asking: Asking | None = None
        if bot.presents_rtm:
            self._asking = Asking(bot, self._caller, spawn, self._know, self._troubled)
        self.trouble = ""
        """Why the programs of a bot that presents RTM cannot write, in one sentence; replaced as a whole."""
        self.not_given: Mapping[str, int] = {}
        """Events that were acknowledged though no program got them, by Slack's word for them: RTM has no such, or they
        were misshapen. Replaced as a whole at each change, so that any thread may read it."""
        # Replaced as a whole at each change, so that any thread may read it.
        self._attached: dict[int, Attached] = {}
        # Of links that another one took over: to be set once nothing is due on them.
        self._relieved: dict[int, threading.Event] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._sender = _Sender(f"{bot.name} relay", send, self._failed)
        self._closed = False
        self.link_came = asyncio.Event()
        """Set once a link has been up: from then on Slack has said who the bot is."""
        self.traffic = _Lines(self)

    def programs(self) -> tuple[Program, ...]:
        """Those that are attached, the oldest first. Any thread."""
        return tuple(each.snapshot() for each in self._attached.values())

    # Programs

    def attach(self, name: str, socket: ProgramSocket, transport: Transport) -> int:
        """A program's WebSocket is open; its number. ``transport`` is what it speaks, one of :attr:`speaks`."""
        number = next(_numbers)
        self._attached = {**self._attached, number: Attached(number, name, self._clocks.now(), socket)}
        as_socket = self.bot.presents_rtm and transport == "socket"
        self.feed(SocketAttached(number, name) if as_socket else ev.Attached(number, name))
        self.tell()
        return number

    def detach(self, number: int) -> None:
        """It is gone; harmless for one that is gone already."""
        if number in self._attached:
            self._attached = {key: each for key, each in self._attached.items() if key != number}
            self.feed(ev.Detached(number))
            self.tell()

    def from_program(self, number: int, text: bytes) -> None:
        """A program sent this."""
        self.feed(ev.FromProgram(number, text))

    def silent(self, number: int) -> None:
        """A program has given no sign of life for too long."""
        if program := self._attached.get(number):
            self._cut(program, Code.TRY_AGAIN_LATER.value, SILENT)
            self.detach(number)

    def end_programs(self) -> None:
        """Send all away, so that they come back."""
        for each in self._attached.values():
            each.socket.end()

    def close(self) -> None:
        """Nothing goes up any more; links that wait for what is due on them need not."""
        self._closed = True
        self._sender.stop()
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls:
            call.cancel()
        for event in self._relieved.values():
            event.set()
        # At once: whoever comes back is another's, and must not be taken for gone with these.
        gone, self._attached = self._attached, {}
        for each in gone.values():
            each.socket.abort()
        if gone:
            self.tell()

    def join(self) -> None:
        """Wait a moment for the sender's thread, which may be waiting for a full socket. Not on the loop."""
        self._sender.join(_JOIN_LIMIT_S)

    # Anything that happens

    def feed(self, event: PresentedEvent) -> None:
        """Let the hub decide, and do what it asks."""
        if self._closed:
            return
        # Leavings that carrying out the effects brings about come after all of them.
        gone: dict[int, None] = {}
        for effect in self._decide(event):
            self._carry_out(effect, gone)
        self._set_timer()
        for number in gone:
            self.detach(number)

    def _decide(self, event: PresentedEvent) -> Sequence[PresentedEffect]:
        now = self._clocks.now()
        if isinstance(self._hub, PresentedRtmHub):
            return self._hub.receive(event, now)
        return self._hub.receive(cast("ev.Event", event), now)  # no other gives cause for the rest

    def _carry_out(self, effect: PresentedEffect, gone: dict[int, None]) -> None:
        match effect:
            case ToProgram(number, text, event):
                self._give(number, text, gone, is_event=event)
            case Give(number, text, ref):
                self._give(number, text, gone, is_event=True, on_taken=lambda: self.feed(Taken(number, ref)))
            case Call():
                self._call(effect)
            case ToSlack(link, text):
                self._sender.put(link, text)
            case Settled(link):
                if (settled := self._relieved.pop(link, None)) is not None:
                    self._sender.then(settled)
            case CutProgram(number, code, reason):
                if program := self._attached.get(number):
                    self._cut(program, code, reason)
                    gone[number] = None
            case ProgramNote(number, kind):
                if kind in _UP and (program := self._attached.get(number)):
                    program.sends += 1
                    program.last_send = self._clocks.now()
            case NotGiven(kind, why):
                self._count(kind, why)
            case _:
                _log.debug("%s: %s", self.bot.name, effect)

    def _give(
        self,
        number: int,
        text: bytes,
        gone: dict[int, None],
        *,
        is_event: bool,
        on_taken: OnTaken | None = None,
    ) -> None:
        if program := self._attached.get(number):
            program.events += is_event
            if not program.socket.give(text, on_taken):
                self._cut(program, Code.TRY_AGAIN_LATER.value, SLOW)
                gone[number] = None

    def _call(self, call: Call) -> None:
        async def post() -> None:
            answer = await self._caller.call(call.method, call.arguments)
            if self._asking is not None:
                self._asking.posted(answer)
            self.feed(Called(call.ref, answer.body, answer.failure, answer.retry_after_ms))

        task = self._spawn(post())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _troubled(self, sentence: str) -> None:
        self.trouble = sentence
        if sentence:
            self._say(sentence)
        self.tell()

    def _count(self, kind: str, why: Why) -> None:
        name = kind if why is Why.NO_COUNTERPART else f"{why.value} {kind}".strip()
        if name in self.not_given or len(self.not_given) < _MOST_KINDS:
            self.not_given = {**self.not_given, name: self.not_given.get(name, 0) + 1}
        _log.debug("%s: no program gets %s", self.bot.name, words.printable(name))

    def _cut(self, program: Attached, code: int, reason: str) -> None:
        program.socket.cut(code, reason)
        _log.debug("%s: program %s is cut off: %s", self.bot.name, program.name, reason)
        if reason not in self._said:
            self._said.add(reason)
            sentence = words.gettext(_WHY_CUT.get(reason, _NONSENSE))
            self._say(
                sentence.format(bot=words.printable(self.bot.name), program=words.printable(program.name))
            )

    def _set_timer(self) -> None:
        deadline = self._hub.deadline
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None:
            wait_s = max(0, deadline - self._clocks.now()) / 1000
            self._timer = self._loop.call_later(wait_s, self._tick)

    def _tick(self) -> None:
        self._timer = self._timer_at = None
        self.feed(ev.Tick())

    def tell(self) -> None:
        """Something that is shown of the programs has changed."""
        try:
            self._on_programs(self.bot.name, self.programs())
        except Exception:  # noqa: BLE001 - whoever shows programs must not end the relay
            _log.exception("%s: telling of its programs failed", self.bot.name)

    # For link threads and the sender's

    def on_loop(self, work: Callable[[], None]) -> bool:
        """Have ``work`` done on the loop, after all that was before; ``False`` when the relay has ended."""
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            return False
        return True

    def link_is_up(self, event: ev.LinkUp) -> None:
        """On the loop."""
        if not self._closed:
            if (who := self.bot.identity()) is not None:
                self._know(who)
            if self._asking is not None:
                self._asking.ask()
            self.link_came.set()
            self.feed(event)

    async def identity_came(self) -> None:
        """Until Slack has said who the bot is. Whoever waits is to set a limit."""
        if self._asking is not None:
            await self._asking.until_known()
        else:
            await self.link_came.wait()

    def _know(self, who: ConnectAnswer | Identity) -> None:
        if not self._closed:
            self._on_identity(self, who)

    def relieve(self, link: int, settled: threading.Event) -> None:
        """Another link took over. On the loop."""
        if self._closed:
            settled.set()
            return
        self._relieved[link] = settled
        self.feed(ev.LinkRelieved(link))

    def link_ended(self, link: int) -> None:
        """On the loop."""
        if (settled := self._relieved.pop(link, None)) is not None:
            settled.set()
        self.feed(ev.LinkDown(link))

    def _failed(self, link: int, text: str) -> None:
        self.on_loop(lambda: self.feed(ev.SendFailed(link, text)))


def _hub_of(bot: RelayedBot) -> RtmHub | SocketHub | PresentedRtmHub:
    if bot.presents_rtm:
        return PresentedRtmHub()
    if bot.transport == "rtm":
        return RtmHub(FIRST_ID + secrets.randbelow(LAST_ID - FIRST_ID))
    return SocketHub()


class _Lines:
    """The keeper's :class:`~traymon.keeper.shell.traffic.Traffic`: carries what happens to the relay's loop."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def up(self, link: int, hello: frames.Hello) -> None:
        bridge = self._bridge
        event = ev.LinkUp(link, hello.num_connections, hello.approximate_connection_time_s, hello.app_id)
        bridge.on_loop(lambda: bridge.link_is_up(event))

    def message(self, link: int, text: bytes) -> None:
        bridge = self._bridge
        bridge.on_loop(lambda: bridge.feed(ev.FromSlack(link, text)))

    def relieve(self, link: int) -> threading.Event:
        bridge = self._bridge
        settled = threading.Event()
        if not bridge.on_loop(lambda: bridge.relieve(link, settled)):
            settled.set()
        return settled

    def down(self, link: int) -> None:
        bridge = self._bridge
        bridge.on_loop(lambda: bridge.link_ended(link))


class _Sender:
    """Sends one bot's messages in order, on a thread of its own: a full socket of one bot holds up no other."""

    def __init__(self, name: str, send: Send, failed: Callable[[int, str], None]) -> None:
        self._send = send
        self._failed = failed
        # Put by the loop, taken by the thread. The hub bounds what goes up: in RTM to Slack's rate, in Socket Mode to
        # one acknowledgement an envelope.
        self._queue: queue.SimpleQueue[tuple[int, str] | threading.Event | None] = queue.SimpleQueue()
        # Starts with the first message. Daemon: a socket that takes nothing must not hold up the exit.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def put(self, link: int, text: str) -> None:
        """Send ``text`` on ``link``, or tell that it failed."""
        self._start()
        self._queue.put((link, text))

    def then(self, event: threading.Event) -> None:
        """Set ``event`` once all that was put is sent."""
        if self._thread.ident is None:
            event.set()
        else:
            self._queue.put(event)

    def stop(self) -> None:
        """End after what was put."""
        self._queue.put(None)

    def join(self, limit_s: float) -> None:
        """Wait for the thread."""
        if self._thread.ident is not None:
            self._thread.join(limit_s)

    def _start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            elif not self._send(*item):
                self._failed(*item)
