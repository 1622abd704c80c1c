"""The service manager that started traymon: it is told by the protocol of sd_notify(3), datagrams to a Unix socket.

Written here, as it is a dozen lines: the libraries for it are bindings to libsystemd, or keep the socket's name in the
environment, where every child process would find it.
"""

import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import MutableMapping

_log = logging.getLogger(__name__)

SEND_LIMIT_S = 2.0
"""For the manager to take a message. It does so at once; only one that hangs lets its socket's queue fill up."""
MOST_STATUS_BYTES = 1_000
"""Of a status. systemd drops messages of more than 4096 bytes (PIPE_BUF)."""


class ServiceManager:
    """Who waits for this process's word. Its methods may be called from any thread, and raise nothing.

    ``watchdog_s``: so many seconds without :meth:`alive`, and it ends this process; ``None``: it does not watch it.
    """

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        """``address`` is that of ``NOTIFY_SOCKET``: a path, or ``@`` and a name without a file."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    def ready(self) -> None:
        """The service does what it is for; also after :meth:`reloading`."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is being read anew, until :meth:`ready`."""
        # systemd tells by the moment whether this answers what it asked for (sd_notify(3), since systemd 253).
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service ends of its own will."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """All is well."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """What ``systemctl status`` shows of the service: ``text`` on one line, as far as there is room for it."""
        line = " ".join(text.split()).encode("utf-8", "replace")[:MOST_STATUS_BYTES]
        self._tell(f"STATUS={line.decode('utf-8', 'ignore')}")

    def _tell(self, message: str) -> None:
        if sys.platform == "win32":
            return  # no Unix sockets, and no manager that would listen there
        try:
            # A socket each time: the manager makes its own anew when it starts again, and what is told is little.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_LIMIT_S)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            _log.warning("the service manager could not be told %s: %s", message.partition("=")[0], error)


def from_environment(environ: MutableMapping[str, str]) -> ServiceManager | None:
    """The manager that ``environ`` tells of, if there is one: sd_notify(3), sd_watchdog_enabled(3).

    Takes what it reads out of ``environ``, so that no child process speaks for this one.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    watchdog_usec = environ.pop("WATCHDOG_USEC", "")
    watched = environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
    if sys.platform == "win32" or not address.startswith(("/", "@")) or len(address) < 2:
        return None
    watchdog_s = None
    with contextlib.suppress(ValueError):
        watchdog_s = int(watchdog_usec) / 1e6 if watched and int(watchdog_usec) > 0 else None
    return ServiceManager(address, watchdog_s)
