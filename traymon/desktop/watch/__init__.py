"""What the machine says about itself: one interface (:mod:`signals`), and watchers for each system behind it."""

import sys

from traymon.desktop.clocks import Clocks
from traymon.desktop.watch.signals import (
    SLEEP_DELAY_S,
    AddressesChanged,
    ClockSet,
    RouteAppeared,
    Signal,
    SleepAnnounced,
    SystemShutdown,
    Watcher,
    Woke,
)

__all__ = [
    "SLEEP_DELAY_S",
    "AddressesChanged",
    "ClockSet",
    "RouteAppeared",
    "Signal",
    "SleepAnnounced",
    "SystemShutdown",
    "Watcher",
    "Woke",
    "system_watchers",
]


def system_watchers(clocks: Clocks) -> list[Watcher]:
    """All that this system offers; each signal comes from one of them."""
    if sys.platform == "linux":
        from traymon.desktop.watch.linux import LinuxWatcher

        return [LinuxWatcher(clocks)]
    from traymon.desktop.watch.clockwatch import ClockWatcher

    watchers: list[Watcher] = [ClockWatcher(clocks)]
    if sys.platform == "win32":
        from traymon.desktop.watch.network import NetworkWatcher
        from traymon.desktop.watch.windows import IpHelper, PowerProfile, PowerWatcher

        watchers += [PowerWatcher(PowerProfile()), NetworkWatcher(IpHelper())]
    elif sys.platform == "darwin":
        from traymon.desktop.watch.macos import IoKit, PowerWatcher, RouteSocket, open_route_socket
        from traymon.desktop.watch.network import NetworkWatcher

        watchers += [PowerWatcher(IoKit()), NetworkWatcher(RouteSocket(open_route_socket))]
    return watchers
