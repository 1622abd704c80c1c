"""What the machine's clocks say when they are compared: it slept, or its time of day was set."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from traymon.desktop.clocks import Clocks
from traymon.desktop.watch import signals

_log = logging.getLogger(__name__)

SLEPT_MS = 2_000
"""The clock that counts sleep gained more than this on the one that does not: the machine slept (design: Clocks)."""
STEP_MS = 5_000
"""The time of day went off by more than this against the clock that counts sleep: it was set (design: Clocks). Smaller
jumps are what a time service does every day, and change no shown time that anyone would notice."""
STANDSTILL_MS = 100
"""A thread that stood still this long between two readings has read nothing that can be compared."""
LOOK_EACH_S = 15.0
"""Where no system call tells of a wake: four wake-ups a minute, each of some 10 µs. A bot that is online looks by
itself each 4 s, with its pings; this is for one that waits."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """All three clocks at one moment, in ms."""

    now: int
    awake: int
    wall: int


@dataclass(frozen=True, slots=True)
class Slept:
    """The machine slept for ``ms``, all together."""

    ms: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """The time of day jumped by ``ms``: forward when positive."""

    ms: int


def compare(before: Reading, after: Reading) -> list[Slept | Stepped]:
    """What happened between two readings, if it was more than inaccuracy. Pure."""
    passed = after.now - before.now
    slept = passed - (after.awake - before.awake)
    stepped = (after.wall - before.wall) - passed
    found: list[Slept | Stepped] = []
    if slept > SLEPT_MS:
        found.append(Slept(slept))
    if abs(stepped) > STEP_MS:
        found.append(Stepped(stepped))
    return found


def read(clocks: Clocks) -> Reading | None:
    """The clocks now; ``None`` where this thread was held up again and again while it read them."""
    for _ in range(_TRIES):
        reading = Reading(clocks.now(), clocks.awake(), clocks.wall())
        if clocks.now() - reading.now <= STANDSTILL_MS:
            return reading
    return None


class ClockWatch:
    """Compares each look with the one before, so that the clocks' small differences never add up. For one thread."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._last = read(clocks)

    def look(self) -> list[Slept | Stepped]:
        """What happened since the last look."""
        reading = read(self._clocks)
        if reading is None:
            return []  # the next look compares with the one before
        last, self._last = self._last, reading
        return compare(last, reading) if last is not None else []


def signals_of(found: list[Slept | Stepped]) -> list[signals.Signal]:
    """The same as others are told it."""
    return [signals.Woke() if isinstance(each, Slept) else signals.ClockSet(each.ms) for each in found]


class ClockWatcher:
    """A :class:`~traymon.desktop.watch.signals.Watcher` that looks at the clocks each ``each_s`` seconds."""

    def __init__(self, clocks: Clocks, each_s: float = LOOK_EACH_S) -> None:
        self._clocks = clocks
        self._each_s = each_s
        # Set once, by stop(); the thread waits for it between its looks.
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, tell: Callable[[signals.Signal], None]) -> None:
        """Begin."""
        # Looks at the clocks. Daemon, and joined in stop(): it holds nothing.
        self._thread = threading.Thread(target=self._run, args=(tell,), name="clock watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self, tell: Callable[[signals.Signal], None]) -> None:
        clocks = ClockWatch(self._clocks)
        while not self._ended.wait(self._each_s):
            for signal in signals_of(clocks.look()):
                try:
                    tell(signal)
                except Exception:  # noqa: BLE001 - one signal that nobody could use must not end the watch
                    _log.exception("%s could not be handled", signal)
