"""How many notifications may still pop up."""

from collections import deque


class PopUpBudget:
    """At most ``size`` in any ``window`` (milliseconds), counted exactly: a bucket that refills would let through more
    after a quiet time."""

    def __init__(self, size: int, window: int) -> None:
        self._size = size
        self._window = window
        self._taken: deque[int] = deque()

    def free(self, now: int) -> int:
        """How many may be taken at ``now``."""
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        return self._size - len(self._taken)

    def take(self, now: int) -> None:
        """One pops up. Raises ValueError where none is left."""
        if self.free(now) < 1:
            raise ValueError("no pop-up is left")
        self._taken.append(now)

    def when(self, count: int, now: int) -> int:
        """The instant from which ``count`` (at most the size) are free if none is taken until then."""
        missing = count - self.free(now)
        return now if missing <= 0 else self._taken[missing - 1] + self._window
