"""How long an answer may take: the retransmission timer of RFC 6298, section 2."""


class RoundTrip:
    """Smoothed round trip and its variation, in ms."""

    def __init__(self) -> None:
        self._srtt: float | None = None
        self._rttvar = 0.0

    def measured(self, sample: int) -> None:
        """Take in one measured round trip of ``sample`` ms (RFC 6298 2.2 and 2.3)."""
        if self._srtt is None:
            self._srtt, self._rttvar = float(sample), sample / 2
            return
        self._rttvar = 0.75 * self._rttvar + 0.25 * abs(self._srtt - sample)
        self._srtt = 0.875 * self._srtt + 0.125 * sample

    def answer_limit(self, least: int, most: int) -> int:
        """SRTT + 4 * RTTVAR within bounds; ``most`` while nothing was measured yet."""
        if self._srtt is None:
            return most
        return round(min(max(self._srtt + 4 * self._rttvar, least), most))
