"""This machine's ways into the network, asked of the system without sending a single packet."""

import errno
import logging
import socket
import threading
from collections.abc import Callable, Set
from contextlib import suppress
from typing import Protocol

from traymon.desktop.watch import signals

_log = logging.getLogger(__name__)

SETTLE_S = 0.25
"""From the first change of a burst to the look: a cable plugged in makes a dozen changes within some 100 ms, and
promise 4 (back within 1 s of a signal) leaves room for this."""

_OUTSIDE = ((socket.AF_INET, "198.41.0.4"), (socket.AF_INET6, "2001:503:ba3e::2:30"))
"""Addresses far away, for the system to choose a route to: a.root-servers.net, which no network treats as special and
which has not moved since 1993 (https://www.iana.org/domains/root/servers). Nothing is ever sent to them."""
_SOME_PORT = 53


def way_out() -> frozenset[str]:
    """The addresses of this machine from which it would speak to the outside, at most one per IP version.

    Empty means that there is no way out. Connecting a datagram socket only makes the system choose a route
    (connect(2)): that way VPNs, several routing tables, half routes (0.0.0.0/1) and metrics all count.
    """
    found = set()
    for family, there in _OUTSIDE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((there, _SOME_PORT))
            found.add(str(probe.getsockname()[0]))
    return frozenset(found)


def still_ours(address: str) -> bool:
    """Whether this machine has ``address``, numeric IPv4 or IPv6. Where the system gives no clear answer: true."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


class WayOut:
    """Remembers the way out from look to look. Pure; for one thread."""

    def __init__(self, way: Set[str]) -> None:
        self._way = way

    def look(
        self, way: Set[str], *, route_came: bool = False, address_left: bool = False
    ) -> list[signals.Signal]:
        """What is to be told once a burst of changes is over and ``way`` is the way out.

        ``route_came`` counts as well: behind a proxy in the same network there need not be a way out.
        """
        new = way - self._way
        self._way = way
        told: list[signals.Signal] = []
        if address_left:
            told.append(signals.AddressesChanged())  # first: a link on the old address needs the route
        if new or route_came:
            told.append(signals.RouteAppeared())
        return told


class ChangeSource(Protocol):
    """Says that something about the network changed, but not what."""

    def wait(self) -> bool:
        """Block until something changed since the last :meth:`forget`; false after :meth:`close`. Raises OSError."""

    def forget(self) -> None:
        """What has changed so far is known."""

    def close(self) -> None:
        """Wake :meth:`wait`, for good. From any thread."""


class NetworkWatcher:
    """A :class:`~traymon.desktop.watch.signals.Watcher` for systems that tell of changes without their meaning.

    ``way`` stands for :func:`way_out` in tests.
    """

    def __init__(
        self,
        source: ChangeSource,
        *,
        way: Callable[[], Set[str]] = way_out,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._source = source
        self._way = way
        self._settle_s = settle_s
        # Set once, by stop(); the thread waits for it while a burst passes.
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, tell: Callable[[signals.Signal], None]) -> None:
        """Begin."""
        # Waits in the source. Daemon, and joined in stop(): a source that cannot be woken must not hold up the end.
        self._thread = threading.Thread(target=self._run, args=(tell,), name="network watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._source.close()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self, tell: Callable[[signals.Signal], None]) -> None:
        try:
            known = WayOut(self._way())
            while self._source.wait() and not self._ended.wait(self._settle_s):
                self._source.forget()
                for signal in known.look(self._way(), address_left=True):
                    tell(signal)
        except Exception:  # noqa: BLE001 - the bots are held without it, and a watch that fails must not fail for ever
            _log.exception("the network is not watched any more; dead links are found by their silence")
