"""Waking a thread that waits in ``select``."""

import contextlib
import socket


class Waker:
    """One end is waited for by the thread that owns it, the other is written by any thread and signal handler."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def wake(self) -> None:
        """Make the wait end, or the next one. Does nothing after :meth:`close`."""
        # A full buffer means that it has been woken many times already.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        """Forget all wakings so far. Only the waiting thread."""
        with contextlib.suppress(OSError):
            while self._reader.recv(4096):
                pass

    def fileno(self) -> int:
        """For ``select``."""
        return self._reader.fileno()

    def close(self) -> None:
        """Let go of the sockets. Only the waiting thread, when it waits no more."""
        self._reader.close()
        self._writer.close()
