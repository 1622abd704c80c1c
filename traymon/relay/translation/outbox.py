"""Messages of programs on their way to Slack, by ``chat.postMessage``.

Rules
-----
1. Of the messages to one channel the next one is called for when the one before is answered: so their order stands,
   whoever sent them. Channels do not wait for each other.
2. Slack takes one a second and channel, and short bursts. When it says no more for now, all channels wait as long as
   it says, as the limit may be the workspace's.
3. Each message gets exactly one reply, within :data:`REPLY_LIMIT` of its sending where it never went up, and of its
   call where it did. What can no longer be called for in that time is told so, and never called for.
4. A message goes up once. It is called for again only after Slack said that it was not taken.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from traymon.keeper.core.budget import CallBudget
from traymon.relay.core.effects import ProgramNote, ProgramNoteKind, ToProgram
from traymon.relay.core.limits import (
    MINUTE,
    MOST_WAITING,
    MOST_WAITING_OF_ONE,
    REPLY_LIMIT,
    SEND_BURST,
    SEND_EACH,
)
from traymon.relay.core.rtm import SILENT, TOO_FAST, Trouble
from traymon.relay.translation.sends import POST, Posted, RateLimited, outcome, reply
from traymon.relay.translation.signals import Call, Called, PresentedEffect

SHORTEST_PAUSE = SEND_EACH
"""Where Slack says too many but not until when, which it always does (https://docs.slack.dev/apis/web-api/rate-limits)."""
MOST_CHANNELS = 1_000
"""Whose rate is remembered. A channel that was forgotten may burst once more than it should."""
REMEMBER_SENT = 10 * MINUTE
MOST_SENT = 1_000
"""Messages whose sender is known, so that it does not get them as events: they come within a second as a rule, and
within ten minutes where Slack delivers again."""

# What ids of conversations begin with (https://docs.slack.dev/apis/web-api/using-the-conversations-api).
_CONVERSATIONS = ("C", "G", "D")


@dataclass(frozen=True, slots=True)
class Message:
    """What a program sent."""

    program: int
    id: str | None
    """Its JSON, whatever it is."""
    at: int
    arguments: Mapping[str, str | bool] = field(repr=False)

    @property
    def channel(self) -> str:
        return str(self.arguments["channel"])


class Outbox:
    """One bot's. ``do`` takes effects; ``is_attached`` tells whether a program is there for its reply."""

    def __init__(self, do: Callable[[PresentedEffect], None], is_attached: Callable[[int], bool]) -> None:
        self._do = do
        self._is_attached = is_attached
        self._ref = 0
        self._waiting: OrderedDict[str, deque[Message]] = (
            OrderedDict()
        )  # by channel; whose turn is next comes first
        self._called: dict[int, tuple[Message, int]] = {}  # by ref, with the time of the call; in order
        self._busy: set[str] = set()  # channels with a call under way
        self._budgets: OrderedDict[str, CallBudget] = OrderedDict()  # the one used last at the end
        self._paused_until = 0
        self._sent: OrderedDict[tuple[str, str], tuple[int, int]] = (
            OrderedDict()
        )  # channel, ts -> when, program

    def post(self, message: Message, now: int) -> None:
        """A program sent this."""
        waiting = [each for queue in self._waiting.values() for each in queue]
        own = sum(each.program == message.program for each in waiting)
        if len(waiting) >= MOST_WAITING or own >= MOST_WAITING_OF_ONE:
            self._reply(message, TOO_FAST)
        else:
            self._waiting.setdefault(message.channel, deque()).append(message)
        self.go_on(now)

    def called(self, event: Called, now: int) -> int | None:
        """A call is over; the program that may have learnt what is its own."""
        message, _ = self._called.pop(event.ref, (None, 0))
        if message is None:
            return None  # too late: the program was told that nobody knows
        self._busy.discard(message.channel)
        result = outcome(event.answer, event.failure, message.arguments)
        if event.retry_after_ms is not None or isinstance(result, RateLimited):
            pause = event.retry_after_ms if event.retry_after_ms is not None else SHORTEST_PAUSE
            self._paused_until = max(self._paused_until, now + pause)
            self._waiting.setdefault(message.channel, deque()).appendleft(message)
        else:
            if isinstance(result, Posted):
                self._remember(message.program, result, now)
            self._reply(message, result)
        self.go_on(now)
        return message.program

    def go_on(self, now: int) -> None:
        """Do what is due at ``now``."""
        self._give_up(now)
        if self._paused_until > now:
            return
        for channel in list(self._waiting):
            if channel not in self._busy and self._budget(channel).available_at(now) <= now:
                self._call(channel, now)

    def _call(self, channel: str, now: int) -> None:
        queue = self._waiting[channel]
        message = queue.popleft()
        if not queue:
            del self._waiting[channel]
        self._budget(channel).take(now)
        self._busy.add(channel)
        self._ref += 1
        self._called[self._ref] = message, now
        self._do(Call(self._ref, POST, message.arguments))

    def _give_up(self, now: int) -> None:
        for ref, (message, at) in list(self._called.items()):
            if at + REPLY_LIMIT <= now:
                del self._called[ref]
                self._busy.discard(message.channel)
                self._reply(message, SILENT)
        for channel, queue in list(self._waiting.items()):
            # A message that was tried stands before younger ones, and none stands before an older one.
            while queue and queue[0].at + REPLY_LIMIT <= max(now, self._paused_until):
                self._reply(queue.popleft(), TOO_FAST)
            if not queue:
                del self._waiting[channel]
        while self._sent and next(iter(self._sent.values()))[0] + REMEMBER_SENT < now:
            self._sent.popitem(last=False)

    def _reply(self, message: Message, result: Posted | Trouble) -> None:
        if isinstance(result, Posted):
            self._do(ProgramNote(message.program, ProgramNoteKind.SENT))
        elif self._is_attached(message.program):
            self._do(ProgramNote(message.program, ProgramNoteKind.NOT_SENT))
        if self._is_attached(message.program):
            self._do(ToProgram(message.program, reply(message.id, result)))

    def _budget(self, channel: str) -> CallBudget:
        budget = self._budgets.setdefault(channel, CallBudget(SEND_BURST, SEND_EACH))
        self._budgets.move_to_end(channel)
        if len(self._budgets) > MOST_CHANNELS:
            self._budgets.popitem(last=False)
        return budget

    # Whose a message is that Slack tells of

    def _remember(self, program: int, posted: Posted, now: int) -> None:
        self._sent[posted.channel, posted.ts] = now, program
        if len(self._sent) > MOST_SENT:
            self._sent.popitem(last=False)

    def is_sender(self, program: int, place: tuple[str, str]) -> bool:
        """Whether the message at ``place`` (channel, ts) is known to be this program's."""
        return self._sent.get(place, (0, None))[1] == program

    def may_be_sender(self, program: int, channel: str) -> bool:
        """Whether a message in ``channel`` may be one of this program's whose call is not answered yet."""
        return any(
            message.program == program
            and (message.channel == channel or not message.channel.startswith(_CONVERSATIONS))
            for message, _ in self._called.values()
        )

    def deadline(self, now: int) -> int | None:
        """When :meth:`go_on` is due."""
        times = [at + REPLY_LIMIT for _, at in self._called.values()]
        for channel, queue in self._waiting.items():
            times.append(queue[0].at + REPLY_LIMIT)
            if channel not in self._busy:
                times.append(max(self._paused_until, self._budget(channel).available_at(now)))
        return min(times, default=None)
