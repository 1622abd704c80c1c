"""Signs of life that change nothing but when the next ping is due: kept until the keeper wakes by itself.

A busy link brings thousands of frames a second, a quiet one an answer each four seconds. Waking the keeper's thread for
each of them takes more than all else that it does: measured with ten bots at rest, 115 wake-ups a minute each, and 47
without.
"""

import threading
from dataclasses import dataclass

from traymon.desktop.clocks import Clocks
from traymon.desktop.watch.clockwatch import SLEPT_MS
from traymon.keeper.core import events as ev

Proof = ev.FrameReceived | ev.PongReceived
"""The events that may wait."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A proof, and when it came."""

    at: int
    slept: int
    """All that the machine had slept by then, in ms: what one clock counts and the other does not."""
    proof: Proof


class Proofs:
    """Those of one bot. Link threads note, the keeper's thread takes."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        # Guards the two below; held for a few steps, never while waiting.
        self._lock = threading.Lock()
        self._noted: list[Noted] = []
        self._slept = self._sleep_until(clocks.now())

    def note(self, proof: Proof) -> bool:
        """One came just now. Of frames in a row only the last is kept: what it proves includes the others.

        Returns whether it is the first since the machine slept: the keeper should know of that.
        """
        at = self._clocks.now()
        noted = Noted(at, self._sleep_until(at), proof)
        with self._lock:
            if self._noted and isinstance(proof, ev.FrameReceived) and self._noted[-1].proof == proof:
                self._noted.pop()
            self._noted.append(noted)
            before, self._slept = self._slept, noted.slept
        return noted.slept - before > SLEPT_MS

    def take(self) -> tuple[list[Noted], list[Noted]]:
        """What came before the machine last slept, as far as it was not taken yet, and what came since."""
        if not self._noted:  # one look, without the lock: what is put there meanwhile is taken the next time
            return [], []
        slept = self._sleep_until(self._clocks.now())
        with self._lock:
            noted, self._noted = self._noted, []
        before = [each for each in noted if slept - each.slept > SLEPT_MS]
        return before, noted[len(before) :]

    def _sleep_until(self, at: int) -> int:
        return at - self._clocks.awake()
