"""The budget of calls that reach Slack: a token bucket in whole milliseconds."""


class CallBudget:
    """``size`` calls at once, one more each ``refill`` ms. A call that never reached Slack is given back."""

    def __init__(self, size: int, refill: int) -> None:
        self._refill = refill
        self._full = size * refill
        # One call costs `refill` ms of credit, and credit grows by a millisecond a millisecond: no fractions.
        self._credit = self._full
        self._as_of: int | None = None

    def _settle(self, now: int) -> None:
        if self._as_of is not None:
            self._credit = min(self._full, self._credit + now - self._as_of)
        self._as_of = now

    def available_at(self, now: int, reserve: int = 0) -> int:
        """The first instant, not before ``now``, at which a call leaves ``reserve`` calls in the bucket."""
        self._settle(now)
        return now + max(0, (1 + reserve) * self._refill - self._credit)

    def take(self, now: int) -> None:
        """Pay for one call. The caller has asked :meth:`available_at` before."""
        self._settle(now)
        self._credit -= self._refill

    def give_back(self, now: int) -> None:
        """The call never reached Slack."""
        self._settle(now)
        self._credit = min(self._full, self._credit + self._refill)
