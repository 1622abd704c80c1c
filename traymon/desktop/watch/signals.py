"""What the machine says about itself, as signals: sleep, wake, network, a set clock, shutdown.

Every system has watchers of its own behind :class:`Watcher`. None of them is needed for the bots to be held: a dead
link is found by its silence and a sleep by the clocks all the same, only later. So whatever a watcher cannot use, it
goes on without, and says so in the debug log alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

SLEEP_DELAY_S = 1.0
"""How long the machine's falling asleep is held up at most, for the log's sake (design: "a delay lock, at most 1 s").
Systems allow more (login1 5 s), but a closed lid must not be answered by a warm bag."""


@dataclass(frozen=True, slots=True)
class RouteAppeared:
    """A way into the network came, came back or became another one: what failed for want of it may work now."""


@dataclass(frozen=True, slots=True)
class AddressesChanged:
    """This machine may have lost an address: :func:`traymon.desktop.watch.network.still_ours` says of each whether."""


@dataclass(frozen=True, slots=True)
class SleepAnnounced:
    """The machine is about to sleep, and waits until ``done()`` is called, for :data:`SLEEP_DELAY_S` at most.

    ``done`` may be called from any thread, also late or more than once.
    """

    done: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Woke:
    """The machine is awake again, or stayed awake though it had said that it would sleep. May be told twice."""


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The time of day jumped by ``step_ms`` milliseconds."""

    step_ms: int


@dataclass(frozen=True, slots=True)
class SystemShutdown:
    """The machine shuts down or restarts. It waits (login1: 5 s) until the watchers are stopped."""


Signal = RouteAppeared | AddressesChanged | SleepAnnounced | Woke | ClockSet | SystemShutdown


class Watcher(Protocol):
    """Tells of some signals from :meth:`start` to :meth:`stop`."""

    def start(self, tell: Callable[[Signal], None]) -> None:
        """Begin. ``tell`` is called on a thread of the watcher's or the system's and must return at once."""

    def stop(self) -> None:
        """End, within a second; safe to call twice, and without :meth:`start`."""
