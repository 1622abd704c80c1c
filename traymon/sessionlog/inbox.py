"""What waits for the store thread: bounded, so that a full disk never becomes a full memory."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from traymon.sessionlog.store import Batch, Loss


@dataclass(frozen=True, slots=True)
class Work:
    """What the store thread takes at once. ``losses`` are older than ``batches``."""

    batches: Sequence[Batch] = ()
    losses: dict[str, Loss] = field(default_factory=dict)
    closing: bool = False

    def __bool__(self) -> bool:
        return bool(self.batches or self.losses)


class Inbox:
    """Batches in the order in which they came; beyond ``most_entries`` the oldest are given up and counted."""

    def __init__(self, most_entries: int) -> None:
        self._most_entries = most_entries
        # Guards everything below. Keepers put and leave at once; the store thread takes, and is the only one to wait.
        self._changed = threading.Condition()
        self._batches: deque[Batch] = deque()
        self._entries = 0
        self._number = 0
        self._losses: dict[str, Loss] = {}
        self._closing = False
        self._poked = False

    def put(self, batch: Batch) -> bool:
        """Take in one batch; false after :meth:`close`."""
        with self._changed:
            if self._closing:
                return False
            self._number += 1
            self._batches.append(replace(batch, number=self._number))
            self._entries += _size(batch)
            self._trim()
            self._changed.notify()
            return True

    def poke(self) -> None:
        """Make :meth:`take` return, though nothing came."""
        with self._changed:
            self._poked = True
            self._changed.notify()

    def close(self) -> None:
        """Nothing more comes in; what is there can still be taken."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def take(self, limit_s: float, most: int, *, hold: bool) -> Work:
        """Wait until there is something, :meth:`poke`, :meth:`close` or ``limit_s``; at most ``most`` batches.

        ``hold``: nothing can be written now, so leave everything here until the limit has passed.
        """

        def due() -> bool:
            return self._closing or (not hold and bool(self._batches or self._losses or self._poked))

        with self._changed:
            self._changed.wait_for(due, max(0.0, limit_s))
            self._poked = False
            if hold and not self._closing:
                return Work()
            batches = [self._batches.popleft() for _ in range(min(most, len(self._batches)))]
            self._entries -= sum(_size(batch) for batch in batches)
            losses, self._losses = self._losses, {}
            return Work(batches, losses, self._closing)

    def give_back(self, work: Work) -> None:
        """The work could not be done: it is first again."""
        with self._changed:
            newer, self._losses = self._losses, work.losses
            if newer:
                # What came after it has been given up meanwhile, so it is too: losses stay older than what is kept.
                self._give_up(work.batches)
                for bot, loss in newer.items():
                    self._losses.setdefault(bot, Loss(loss.transport)).absorb(loss)
            else:
                self._batches.extendleft(reversed(work.batches))
                self._entries += sum(_size(batch) for batch in work.batches)
                self._trim()

    def release_lost(self) -> list[Callable[[], None]]:
        """The callbacks of lost batches, each once: whoever waits for a lost commit would wait for ever."""
        with self._changed:
            return [callback for loss in self._losses.values() for callback in loss.release()]

    def left(self) -> int:
        """How many entries wait here or are lost and not yet noted."""
        with self._changed:
            return self._entries + sum(loss.entries for loss in self._losses.values())

    def _trim(self) -> None:
        while self._entries > self._most_entries and self._batches:
            oldest = self._batches.popleft()
            self._entries -= _size(oldest)
            self._give_up([oldest])

    def _give_up(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._losses.setdefault(batch.bot, Loss(batch.transport)).add(batch)


def _size(batch: Batch) -> int:
    return max(1, len(batch.entries))
