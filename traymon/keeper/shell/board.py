"""What may be shown of each bot: a change only after the session log has it, or marked as not logged yet."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from traymon.keeper.core.status import Status

LOG_PATIENCE_MS = 2_000
"""A change that the disk has not taken by then is shown as "not logged yet" (design: promise 2)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One bot as everyone may see it. ``logged`` is false where the log lags behind what is shown."""

    status: Status
    logged: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that may be shown at one moment: the bots, in the order in which they appeared, and what is wrong
    with the log, in one sentence."""

    bots: dict[str, Shown]
    fault: str | None = None


@dataclass(slots=True)
class _Proposal:
    status: Status
    committed: bool
    proposed_at: int


class Board:
    """The bots' latest states for the tray, the control socket and the terminal.

    ``now`` is the clock that counts sleep, in ms.
    """

    def __init__(
        self, now: Callable[[], int], on_shown: Callable[[str, Status], None] = lambda *_: None
    ) -> None:
        """``on_shown`` is told of every status that may be shown, of each bot in order; it must do no more than put
        it into a queue."""
        self._now = now
        self._on_shown = on_shown
        # Guards everything below. Keepers propose, the store thread commits, viewers read and wait; nobody does
        # anything slow while holding it.
        self._changed = threading.Condition()
        self._shown: dict[str, Status] = {}
        self._proposals: dict[str, deque[_Proposal]] = {}
        self._fault: str | None = None

    def propose(self, bot: str, status: Status, *, needs_commit: bool) -> Callable[[], None]:
        """Show ``status`` once all earlier ones are committed, and this one too if it ``needs_commit``.

        Returns the function that says "committed".
        """
        proposal = _Proposal(status, not needs_commit, self._now())
        with self._changed:
            self._proposals.setdefault(bot, deque()).append(proposal)
            self._settle(bot)

        def committed() -> None:
            with self._changed:
                proposal.committed = True
                self._settle(bot)

        return committed

    def _settle(self, bot: str) -> None:
        """Show what is committed, and wake those who wait: also for what still lags, as they time its patience."""
        waiting = self._proposals.get(bot)
        while waiting and waiting[0].committed:
            status = self._shown[bot] = waiting.popleft().status
            self._on_shown(bot, status)
        self._changed.notify_all()

    def forget(self, bot: str) -> None:
        """The bot is no longer held: nothing of it is shown any more."""
        with self._changed:
            self._shown.pop(bot, None)
            self._proposals.pop(bot, None)
            self._changed.notify_all()

    def set_fault(self, sentence: str | None) -> None:
        """The session log is not well, or well again."""
        with self._changed:
            self._fault = sentence
            self._changed.notify_all()

    def picture(self) -> Picture:
        """What may be shown at this moment."""
        with self._changed:
            return self._picture()

    def _picture(self) -> Picture:
        late = self._now() - LOG_PATIENCE_MS
        shown = {bot: Shown(status) for bot, status in self._shown.items()}
        for bot, waiting in self._proposals.items():
            if waiting and waiting[0].proposed_at <= late:
                shown[bot] = Shown(waiting[-1].status, logged=False)
        return Picture(shown, self._fault)

    def wait(
        self,
        seen: Picture | None,
        ended: Callable[[], bool] = lambda: False,
        timeout_s: float | None = None,
    ) -> Picture:
        """Block until the picture differs from ``seen``, or ``ended()`` after a :meth:`poke`, or the time is over."""
        until = None if timeout_s is None else self._now() + timeout_s * 1000
        with self._changed:
            while True:
                picture = self._picture()
                left = None if until is None else until - self._now()
                if picture != seen or ended() or (left is not None and left <= 0):
                    return picture
                waits = [ms for ms in (self._patience_left(), left) if ms is not None]
                self._changed.wait(min(waits) / 1000 if waits else None)

    def _patience_left(self) -> float | None:
        """Milliseconds until a change that waits for the disk is to be shown all the same."""
        now = self._now()
        oldest = [waiting[0].proposed_at for waiting in self._proposals.values() if waiting]
        return min((at + LOG_PATIENCE_MS - now for at in oldest if at + LOG_PATIENCE_MS > now), default=None)

    def poke(self) -> None:
        """Make those who wait look at once whether they are to end."""
        with self._changed:
            self._changed.notify_all()
