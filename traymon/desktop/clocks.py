"""The machine's three clocks, in whole milliseconds.

===========  =====================================  =========================  =====================
clock        Linux                                  macOS                      Windows
===========  =====================================  =========================  =====================
``now``      ``CLOCK_BOOTTIME``                     ``CLOCK_MONOTONIC``        ``GetTickCount64``
``awake``    ``CLOCK_MONOTONIC``                    ``CLOCK_UPTIME_RAW``       ``QueryUnbiasedInterruptTime``
``wall``     the time of day, UTC                   the same                   the same
===========  =====================================  =========================  =====================

The first counts time asleep, the second does not: what the first grows more than the second was sleep. Neither
follows a set clock. Only differences of ``now`` and of ``awake`` mean anything; both start at the machine's boot.

Sources: clock_gettime(2) of Linux; clock_gettime(3) of macOS, whose ``CLOCK_MONOTONIC`` goes on during sleep while
``CLOCK_UPTIME_RAW`` stands still; Microsoft's pages on both functions (the first counts milliseconds and includes
sleep, the second counts 100 ns and excludes it).
"""

import sys
import time
from typing import Protocol

_NS_PER_MS = 1_000_000


class Clocks(Protocol):
    """All in milliseconds. Safe to call from any thread."""

    def now(self) -> int:
        """The clock that counts sleep: every duration and deadline in traymon is measured by it."""

    def awake(self) -> int:
        """The clock that stands still while the machine sleeps."""

    def wall(self) -> int:
        """The time of day since 1970-01-01 UTC: jumps when the clock is set."""


if sys.platform == "win32":
    import ctypes

    _kernel32 = ctypes.WinDLL("kernel32")
    _kernel32.GetTickCount64.restype = ctypes.c_ulonglong
    _HUNDRED_NS_PER_MS = 10_000

    def _counts_sleep() -> int:
        return int(_kernel32.GetTickCount64())

    def _counts_awake() -> int:
        ticks = ctypes.c_ulonglong()
        _kernel32.QueryUnbiasedInterruptTime(ctypes.byref(ticks))
        return ticks.value // _HUNDRED_NS_PER_MS

elif sys.platform == "darwin":

    def _counts_sleep() -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _NS_PER_MS

    def _counts_awake() -> int:
        return time.clock_gettime_ns(time.CLOCK_UPTIME_RAW) // _NS_PER_MS

else:

    def _counts_sleep() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_MS

    def _counts_awake() -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _NS_PER_MS


class _SystemClocks:
    __slots__ = ()

    def now(self) -> int:
        return _counts_sleep()

    def awake(self) -> int:
        return _counts_awake()

    def wall(self) -> int:
        return time.time_ns() // _NS_PER_MS


def system_clocks() -> Clocks:
    """The clocks of this machine."""
    return _SystemClocks()
