"""How signals end the process, and make it read its configuration anew."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

STOP_LIMIT_S = 2.0
"""SIGTERM and SIGINT end everything within this time."""


@contextlib.contextmanager
def ended_by_signals(
    end: Callable[[], None], *, on_hangup: Callable[[], None] | None = None
) -> Iterator[None]:
    """While it lasts, SIGTERM and SIGINT (and SIGBREAK on Windows) call ``end``, on a thread of its own. Main thread
    only; afterwards they do nothing any more.

    SIGHUP comes when a terminal is closed or an ssh session breaks, and when a person wants the configuration read
    anew. With ``on_hangup`` it calls that and ends nothing: the bots are not to go offline with the window in which
    traymon was started.
    """
    # From the interpreter's handler, which writes the signal's number at once, to the thread below. A handler in
    # Python waits for the main thread to run it: where that one was just about to wait for something, it would not.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    ending: set[int] = set()

    def listen() -> None:
        while number := reader.recv(1):
            if number[0] in ending:
                end()
            elif on_hangup is not None:
                on_hangup()

    # Calls ``end`` in the handler's stead. Daemon: most runs of it wait until the process ends.
    listener = threading.Thread(target=listen, name="signals", daemon=True)
    with reader, writer:
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        listener.start()
        try:
            for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is None or (
                    name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN
                ):  # nohup
                    continue
                if not (name == "SIGHUP" and on_hangup is not None):
                    ending.add(number)
                # Not SIG_IGN, which a viewer started from here would inherit.
                signal.signal(number, lambda *_: None)
            yield
        finally:
            signal.set_wakeup_fd(before)
            writer.shutdown(socket.SHUT_RDWR)
            listener.join(STOP_LIMIT_S)
