"""The clock of the simulator's records: the one that counts sleep, as in the program it judges."""

import sys
import time

if sys.platform == "linux":

    def now_ms() -> int:
        """Milliseconds of CLOCK_BOOTTIME, which goes on while the machine sleeps."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

elif sys.platform == "darwin":

    def now_ms() -> int:
        """Milliseconds of CLOCK_MONOTONIC, which on macOS goes on while the machine sleeps."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000

else:

    def now_ms() -> int:
        """Milliseconds of Python's monotonic clock."""
        return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    """UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000
