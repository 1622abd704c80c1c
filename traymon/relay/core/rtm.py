"""RTM: every program gets every event; what programs send goes up under ids of traymon's own.

Rules
-----
1. An event goes, byte for byte, to every program that is attached, in the order in which it came first. Where two
   links were up together, an equal frame of the second one is a copy and goes to nobody.
2. What concerns a link alone never reaches a program; ``hello`` and ``pong`` are the hub's own.
3. Messages go up on the youngest link that is up and not relieved, under ids that are unique for the bot, at Slack's
   rate. The reply comes back under the program's own id, to that program alone.
4. A message that cannot go up gets an error reply at once: no link, too long, too many. So does one whose link ends
   before Slack replied; then nobody knows whether Slack took it, and the error says so. No message gets two replies.
5. ``typing`` has no reply and is worthless later: where it cannot go up now, it is dropped.
6. ``presence_sub`` replaces the whole list of a connection and is lost with it: the programs' lists are united, and
   sent whenever the link that is sent on has another one.
"""

import json
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from traymon.keeper.core.budget import CallBudget
from traymon.relay.core import events as ev
from traymon.relay.core import jsontext
from traymon.relay.core.copies import Copies
from traymon.relay.core.effects import (
    CutProgram,
    DropKind,
    Dropped,
    Effect,
    ProgramNote,
    ProgramNoteKind,
    Settled,
    ToProgram,
    ToSlack,
)
from traymon.relay.core.limits import (
    LARGEST_MESSAGE,
    MOST_WAITING,
    MOST_WAITING_OF_ONE,
    REPLY_LIMIT,
    SEND_BURST,
    SEND_EACH,
)
from traymon.relay.core.tolerance import Tolerance
from traymon.slackwire import frames

FIRST_ID = 1_000_000_000
"""Ids below are for traymon's own pings, which start at 1 on each link."""
LAST_ID = 2**31 - 1
"""Slack says "positive integer" only; 32 bits with a sign are safe. All ids have ten digits."""

LINK_ONLY = frozenset(
    {"hello", "goodbye", "reconnect_url", "pong", "disconnect", "error", "team_migration_started"}
)
"""Types of frames that are about the link that brings them."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error reply tells: a code of Slack's and a text."""

    code: int
    text: str


# Slack documents no codes; it uses 2 for what is wrong with a message ("message text is missing"), and -1 with these
# very words for a rate above its limit (slack-go and others look for them).
TOO_LONG = Trouble(2, "msg_too_long")
NO_TYPE = Trouble(2, "message type is missing")
NO_IDS = Trouble(2, "ids must be a list of user ids")
TOO_FAST = Trouble(-1, "slow down, too many messages...")
OFFLINE = Trouble(-1, "not connected to Slack; the message was not sent")
LOST = Trouble(-1, "the connection to Slack ended before its reply; the message may have been sent")
SILENT = Trouble(-1, "no reply from Slack within 30 seconds; the message may have been sent")


@dataclass(slots=True)
class _Link:
    """A link that is up."""

    number: int
    met: set[int]
    """The links that were up together with this one."""
    relieved: bool = False
    settled: bool = False
    broken: bool = False
    """A send failed: it is about to end."""
    subscribed: tuple[str, ...] = ()
    """The list of the latest presence_sub."""


@dataclass(slots=True)
class _Program:
    tolerance: Tolerance
    subscribes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Message:
    """Something that goes up, once it may."""

    program: int
    text: str
    id_at: tuple[slice, ...]
    """Where its id stands; nowhere when it has none."""
    id: str | None
    """Its JSON, whatever it is."""
    has_reply: bool

    def under(self, own_id: int) -> str:
        """The text as it goes up."""
        if self.id_at:
            return jsontext.replaced(self.text, [(place, str(own_id)) for place in self.id_at])
        start = self.text.index("{") + 1
        return jsontext.replaced(self.text, [(slice(start, start), f'"id":{own_id},')])


@dataclass(frozen=True, slots=True)
class _Sent:
    """Something that went up, until its reply."""

    program: int | None
    """``None``: the hub's own."""
    id: str | None
    link: int
    at: int
    has_reply: bool


@dataclass(slots=True)
class _Waiting:
    """Messages above the rate, of each program in order; programs take turns."""

    by_program: OrderedDict[int, deque[_Message]] = field(default_factory=OrderedDict)
    count: int = 0

    def put(self, message: _Message) -> bool:
        """Whether there was room."""
        own = self.by_program.get(message.program, ())
        if self.count >= MOST_WAITING or len(own) >= MOST_WAITING_OF_ONE:
            return False
        self.by_program.setdefault(message.program, deque()).append(message)
        self.count += 1
        return True

    def take(self) -> _Message:
        """The next one. There must be one."""
        program, messages = self.by_program.popitem(last=False)
        message = messages.popleft()
        if messages:
            self.by_program[program] = messages
        self.count -= 1
        return message


class RtmHub:
    """One bot's programs and links."""

    def __init__(self, first_id: int = FIRST_ID) -> None:
        """``first_id``: where ids of traymon's own begin, from :data:`FIRST_ID` to :data:`LAST_ID`.

        Give another one at each start of the process: Slack may repeat the reply to the last message sent before.
        """
        self._next_id = first_id
        self._now = 0
        self._links: dict[int, _Link] = {}  # those that are up
        self._programs: dict[int, _Program] = {}
        self._copies = Copies()
        self._budget = CallBudget(SEND_BURST, SEND_EACH)
        self._waiting = _Waiting()
        self._sent: dict[str, _Sent] = {}  # by id, in the order of sending
        self._wanted: tuple[str, ...] = ()  # users whose presence the programs want, all together
        self._effects: list[Effect] = []
        self._deadline: int | None = None

    @property
    def deadline(self) -> int | None:
        """When a :class:`~traymon.relay.core.events.Tick` is due, or ``None``."""
        return self._deadline

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        """Take in what happened at ``now`` (ms). Never raises; what cannot be here any more changes nothing."""
        self._now = max(now, self._now)
        self._effects = []
        self._take_in(event)
        # After the event: a reply that comes at its very deadline is a reply.
        self._give_up_replies()
        self._send_what_waits()
        self._settle()
        self._deadline = self._next_deadline()
        return self._effects

    def _take_in(self, event: ev.Event) -> None:
        match event:
            case ev.FromSlack(link, text):
                self._from_slack(link, text)
            case ev.FromProgram(program, text):
                self._from_program(program, text)
            case ev.LinkUp(link):
                self._link_up(link)
            case ev.LinkRelieved(link):
                if link in self._links:
                    self._links[link].relieved = True
            case ev.LinkDown(link):
                self._link_down(link)
            case ev.Attached(program):
                self._programs[program] = _Program(Tolerance(program))
                self._do(ToProgram(program, frames.hello().encode()))
            case ev.Detached(program):
                self._forget(program)
            case ev.SendFailed(link, text):
                self._send_failed(link, text)
            case _:
                pass  # a Tick: nothing but time

    def _do(self, *effects: Effect) -> None:
        self._effects += effects

    # Links

    def _link_up(self, number: int) -> None:
        for other in self._links.values():
            other.met.add(number)
        self._links[number] = _Link(number, met=set(self._links))

    def _link_down(self, number: int) -> None:
        self._links.pop(number, None)
        for own_id, sent in list(self._sent.items()):
            if sent.link == number:
                self._lose(own_id, LOST)

    def _sending_link(self) -> _Link | None:
        usable = (each for each in self._links.values() if not each.relieved and not each.broken)
        return max(usable, key=lambda each: each.number, default=None)

    def _settle(self) -> None:
        for link in self._links.values():
            if link.relieved and not link.settled:
                link.settled = not any(
                    each.link == link.number and each.has_reply for each in self._sent.values()
                )
                if link.settled:
                    self._do(Settled(link.number))

    # From Slack

    def _from_slack(self, number: int, text: bytes) -> None:
        link, head = self._links.get(number), jsontext.head(text)
        if link is None or head is None:
            self._do(Dropped(DropKind.UNREADABLE))
        elif jsontext.string(head.type) in LINK_ONLY:
            self._do(Dropped(DropKind.LINK_ONLY))
        elif _is_number(head.reply_to):
            self._reply(bytes(head.reply_to).decode(), text)
        elif self._copies.is_copy(text, number, None if _has_moment(head) else link.met, self._now):
            self._do(Dropped(DropKind.COPY))
        else:
            self._do(*(ToProgram(program, text, event=True) for program in self._programs))

    def _reply(self, own_id: str, text: bytes) -> None:
        sent = self._sent.pop(own_id, None)
        if sent is None:
            self._do(Dropped(DropKind.STRAY_REPLY))
        elif sent.program in self._programs:
            try:
                mine = jsontext.with_value(text.decode(), "reply_to", sent.id or "null")
            except (ValueError, RecursionError):
                self._do(Dropped(DropKind.UNREADABLE))
            else:
                self._do(ToProgram(sent.program, mine.encode()))

    def _give_up_replies(self) -> None:
        for own_id, sent in list(self._sent.items()):  # a minute's sends at most
            if sent.at + REPLY_LIMIT <= self._now:
                self._lose(own_id, SILENT)

    def _lose(self, own_id: str, why: Trouble) -> None:
        """The reply to what was sent under ``own_id`` will not come."""
        sent = self._sent.pop(own_id)
        if sent.has_reply:
            self._refuse(sent, why)

    def _send_failed(self, number: int, text: str) -> None:
        if number in self._links:
            self._links[number].broken = True
        own_id = next((each.value_at for each in jsontext.members(text) if each.key == "id"), slice(0))
        if text[own_id] in self._sent:
            self._lose(text[own_id], LOST)

    # From programs

    def _from_program(self, number: int, text: bytes) -> None:
        program = self._programs.get(number)
        if program is None:
            return
        try:
            decoded = text.decode()
            members = jsontext.members(decoded)
        except (ValueError, RecursionError):
            self._garbage(number)
            return
        kind, own_id = jsontext.text_value(members, "type"), jsontext.last(members, "id")
        message = _Message(
            program=number,
            text=decoded,
            id_at=tuple(each.value_at for each in members if each.key == "id"),
            id=None if own_id is None else decoded[own_id.value_at],
            has_reply=kind not in ("typing", "presence_query"),
        )
        if kind is None:
            self._refuse(message, NO_TYPE)
            self._garbage(number)
        elif kind == "ping":
            self._do(ToProgram(number, pong(decoded, members)))
        elif len(message.under(FIRST_ID).encode()) > LARGEST_MESSAGE:
            self._refuse(message, TOO_LONG)
        elif kind == "presence_sub":
            self._subscribe(message, jsontext.text_values(members, "ids"))
        elif kind == "typing":
            self._send_now_or_never(message)
        else:
            self._send(message)

    def _garbage(self, program: int) -> None:
        effects = self._programs[program].tolerance.garbage(self._now)
        self._do(*effects)
        if isinstance(effects[-1], CutProgram):
            self._forget(program)

    def _forget(self, program: int) -> None:
        """Nothing goes to it any more. What it had sent is sent all the same: it was taken."""
        if self._programs.pop(program, None) is not None:
            self._unite()

    def _refuse(self, message: "_Message | _Sent", why: Trouble) -> None:
        """An error reply of Slack's shape."""
        if message.program in self._programs:
            text = frames.not_sent(None if message.id is None else 0, why.code, why.text)
            text = jsontext.with_value(text, "reply_to", message.id or "")
            self._do(
                ToProgram(message.program, text.encode()),
                ProgramNote(message.program, ProgramNoteKind.NOT_SENT),
            )

    # Up

    def _send(self, message: _Message) -> None:
        if self._sending_link() is None:
            self._refuse(message, OFFLINE)
        elif not self._waiting.put(message):
            self._refuse(message, TOO_FAST)

    def _send_now_or_never(self, message: _Message) -> None:
        link = self._sending_link()
        if link is not None and not self._something_waits(link) and self._may_send():
            self._waiting.put(message)

    def _may_send(self) -> bool:
        return self._budget.available_at(self._now) <= self._now

    def _send_what_waits(self) -> None:
        link = self._sending_link()
        if link is None:
            while self._waiting.count:
                message = self._waiting.take()
                self._refuse(message, OFFLINE)
            return
        while self._something_waits(link) and self._may_send():
            self._budget.take(self._now)
            if link.subscribed != self._wanted:
                self._send_subscription(link)
            else:
                self._send_message(link, self._waiting.take())

    def _something_waits(self, link: _Link) -> bool:
        return link.subscribed != self._wanted or self._waiting.count > 0

    def _send_message(self, link: _Link, message: _Message) -> None:
        own_id = self._new_id()
        sent = _Sent(message.program, message.id, link.number, self._now, message.has_reply)
        self._sent[str(own_id)] = sent
        self._do(ToSlack(link.number, message.under(own_id)))
        if message.has_reply:
            self._do(ProgramNote(message.program, ProgramNoteKind.SENT))

    def _new_id(self) -> int:
        own_id = self._next_id
        self._next_id = own_id + 1 if own_id < LAST_ID else FIRST_ID
        return own_id

    # Presence

    def _subscribe(self, message: _Message, users: list[str] | None) -> None:
        if users is None:
            self._refuse(message, NO_IDS)
            return
        self._programs[message.program].subscribes = tuple(users)
        self._unite()

    def _unite(self) -> None:
        """All programs' lists in one, as far as one message can hold it; who came first comes first."""
        users: dict[str, None] = {}
        room = LARGEST_MESSAGE - len(_subscription(FIRST_ID, ()))
        for program in self._programs.values():
            for user in program.subscribes:
                size = len(json.dumps(user)) + 1
                if user not in users and size > room:
                    self._do(Dropped(DropKind.TOO_MUCH))
                elif user not in users:
                    users[user] = None
                    room -= size
        self._wanted = tuple(users)

    def _send_subscription(self, link: _Link) -> None:
        own_id = self._new_id()
        link.subscribed = self._wanted
        self._sent[str(own_id)] = _Sent(None, None, link.number, self._now, has_reply=False)
        self._do(ToSlack(link.number, _subscription(own_id, self._wanted)))

    def _next_deadline(self) -> int | None:
        oldest = next(iter(self._sent.values()), None)
        times = [] if oldest is None else [oldest.at + REPLY_LIMIT]
        link = self._sending_link()
        if link is not None and self._something_waits(link):
            times.append(self._budget.available_at(self._now))
        return min(times, default=None)


_BEGINNINGS_OF_NUMBERS = frozenset(b"%c" % each for each in b"-0123456789")


def _is_number(raw: msgspec.Raw) -> bool:
    return bytes(raw)[:1] in _BEGINNINGS_OF_NUMBERS


def _has_moment(head: jsontext.Head) -> bool:
    """Whether the frame carries a time stamp of its own, and so comes once by nature."""
    return jsontext.string(head.ts) is not None or jsontext.string(head.event_ts) is not None


def pong(ping: str, members: Sequence[jsontext.Member]) -> bytes:
    """The ping with all its fields, as its answer (https://docs.slack.dev/legacy/legacy-rtm-api, "Ping and Pong")."""
    changes = []
    for each in members:
        if each.key == "id":
            changes.append((each.key_at, '"reply_to"'))
        elif each.key == "type":
            changes.append((each.value_at, '"pong"'))
    return jsontext.replaced(ping, changes).encode()


def _subscription(own_id: int, users: tuple[str, ...]) -> str:
    return json.dumps({"id": own_id, "type": "presence_sub", "ids": users}, separators=(",", ":"))
