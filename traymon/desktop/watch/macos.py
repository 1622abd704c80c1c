"""macOS: sleep and wake by IOKit, network changes by a routing socket.

Never run on macOS so far: the logic is tested with these calls stood in for, and the calls are typed and read against
Apple's Technical Q&A QA1340, <IOKit/pwr_mgt/IOPMLib.h>, <IOKit/IOMessage.h> and route(4). Shutdown is not told of here:
macOS quits programs by SIGTERM, and the stop is logged as ``quit``.
"""

import contextlib
import logging
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from traymon.desktop.watch import signals

_log = logging.getLogger(__name__)

CAN_SYSTEM_SLEEP = 0xE0000270
SYSTEM_WILL_SLEEP = 0xE0000280
SYSTEM_HAS_POWERED_ON = 0xE0000300

_RTM_ADD, _RTM_DELETE = 0x1, 0x2
_RTM_NEWADDR, _RTM_DELADDR, _RTM_IFINFO = 0xC, 0xD, 0xE
_RTF_HOST = 0x4
_ROUTE_HEADER = struct.Struct("=HBBHxxi")  # rt_msghdr: length, version, type, index, flags


class PowerMessages(Protocol):
    """The root power domain's messages."""

    def run(self, on_message: Callable[[int, int], None]) -> None:
        """Call ``on_message`` with each message's type and argument, on this thread, until :meth:`stop`.

        Raises OSError.
        """

    def allow(self, argument: int) -> None:
        """Let the change of that message happen; without it, macOS waits 30 s."""

    def stop(self) -> None:
        """Make :meth:`run` return. From any thread."""


class PowerWatcher:
    """A :class:`~traymon.desktop.watch.signals.Watcher` of sleep and wake."""

    def __init__(self, messages: PowerMessages, delay_s: float = signals.SLEEP_DELAY_S) -> None:
        self._messages = messages
        self._delay_s = delay_s
        self._thread: threading.Thread | None = None

    def start(self, tell: Callable[[signals.Signal], None]) -> None:
        """Begin."""
        # IOKit's messages come to the run loop of a thread. Daemon, and joined in stop(): it holds nothing.
        self._thread = threading.Thread(target=self._run, args=(tell,), name="power watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._messages.stop()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self, tell: Callable[[signals.Signal], None]) -> None:
        try:
            self._messages.run(lambda kind, argument: self._on_message(kind, argument, tell))
        except OSError as error:
            _log.debug("macOS does not tell of sleep (%s); the clocks do", error)

    def _on_message(self, kind: int, argument: int, tell: Callable[[signals.Signal], None]) -> None:
        try:
            if kind == SYSTEM_WILL_SLEEP:
                # Set by whoever handles the signal; this thread waits for it, and macOS for this thread.
                done = threading.Event()
                tell(signals.SleepAnnounced(done.set))
                done.wait(self._delay_s)
            elif kind == SYSTEM_HAS_POWERED_ON:
                tell(signals.Woke())
        except Exception:  # noqa: BLE001 - the caller is macOS
            _log.exception("the power message %#x could not be handled", kind)
        finally:
            if kind in (CAN_SYSTEM_SLEEP, SYSTEM_WILL_SLEEP):
                self._messages.allow(argument)


def says_change(message: bytes) -> bool:
    """Whether a routing socket's message is about an address, an interface or a route to more than one machine."""
    if len(message) < _ROUTE_HEADER.size:
        return False
    _, _, kind, _, flags = _ROUTE_HEADER.unpack_from(message)
    if kind in (_RTM_ADD, _RTM_DELETE):
        return not flags & _RTF_HOST  # macOS keeps one for each machine spoken to
    return kind in (_RTM_NEWADDR, _RTM_DELADDR, _RTM_IFINFO)


def open_route_socket() -> socket.socket:
    """A routing socket. Raises OSError; needs no privilege."""
    if sys.platform == "darwin":
        return socket.socket(socket.AF_ROUTE, socket.SOCK_RAW, socket.AF_UNSPEC)
    raise OSError("only macOS has routing sockets of this kind")


class RouteSocket:
    """A :class:`~traymon.desktop.watch.network.ChangeSource` by a routing socket, which ``open_socket`` makes."""

    LARGEST = 2048

    def __init__(self, open_socket: Callable[[], socket.socket]) -> None:
        self._open_socket = open_socket
        self._opened: socket.socket | None = None  # only the thread in wait()
        # close() closes the first, wait() sees it at the second.
        self._wake, self._woken = socket.socketpair()

    def wait(self) -> bool:
        """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
        if self._opened is None:
            self._opened = self._open_socket()
            self._opened.setblocking(False)
        with selectors.DefaultSelector() as either:
            either.register(self._opened, selectors.EVENT_READ)
            either.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in either.select()}
                if self._woken in ready:
                    self._opened.close()
                    self._woken.close()
                    return False
                if any(map(says_change, self._waiting(self._opened))):
                    return True

    def forget(self) -> None:
        """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
        if self._opened is not None:
            self._waiting(self._opened)

    def _waiting(self, opened: socket.socket) -> list[bytes]:
        found = []
        with contextlib.suppress(BlockingIOError):
            while message := opened.recv(self.LARGEST):
                found.append(message)
        return found

    def close(self) -> None:
        """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
        self._wake.close()


if sys.platform == "darwin":
    import ctypes

    _IOKIT = "/System/Library/Frameworks/IOKit.framework/IOKit"
    _CORE_FOUNDATION = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"
    _LOOK_S = 3600.0
    """The run loop looks this often whether it is to end: only for an end that came before it had begun to run."""

    _Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)

    class IoKit:
        """:class:`PowerMessages` by IOKit and a run loop."""

        def __init__(self) -> None:
            self._io = ctypes.CDLL(_IOKIT)
            self._cf = ctypes.CDLL(_CORE_FOUNDATION)
            self._root = 0
            self._loop: int | None = None
            # Set once, by stop(); run() looks at it between rounds of its loop.
            self._ended = threading.Event()
            pointer, port = ctypes.c_void_p, ctypes.c_uint32
            self._io.IORegisterForSystemPower.argtypes = (
                pointer,
                ctypes.POINTER(pointer),
                _Callback,
                ctypes.POINTER(port),
            )
            self._io.IORegisterForSystemPower.restype = port
            self._io.IONotificationPortGetRunLoopSource.argtypes = (pointer,)
            self._io.IONotificationPortGetRunLoopSource.restype = pointer
            self._io.IOAllowPowerChange.argtypes = (port, ctypes.c_long)
            self._io.IODeregisterForSystemPower.argtypes = (ctypes.POINTER(port),)
            self._io.IOServiceClose.argtypes = (port,)
            self._io.IONotificationPortDestroy.argtypes = (pointer,)
            self._cf.CFRunLoopGetCurrent.restype = pointer
            self._cf.CFRunLoopAddSource.argtypes = (pointer, pointer, pointer)
            self._cf.CFRunLoopRunInMode.argtypes = (pointer, ctypes.c_double, ctypes.c_bool)
            self._cf.CFRunLoopStop.argtypes = (pointer,)

        def run(self, on_message: Callable[[int, int], None]) -> None:
            """See :class:`PowerMessages`."""
            port, notifier = ctypes.c_void_p(), ctypes.c_uint32()
            callback = _Callback(lambda _ref, _service, kind, argument: on_message(kind, argument or 0))
            self._root = self._io.IORegisterForSystemPower(
                None, ctypes.byref(port), callback, ctypes.byref(notifier)
            )
            if not self._root:
                raise OSError("IORegisterForSystemPower")
            mode = ctypes.c_void_p.in_dll(self._cf, "kCFRunLoopDefaultMode")
            self._loop = self._cf.CFRunLoopGetCurrent()
            self._cf.CFRunLoopAddSource(self._loop, self._io.IONotificationPortGetRunLoopSource(port), mode)
            while not self._ended.is_set():
                self._cf.CFRunLoopRunInMode(mode, _LOOK_S, False)
            self._loop = None
            self._io.IODeregisterForSystemPower(ctypes.byref(notifier))
            self._io.IOServiceClose(self._root)
            self._io.IONotificationPortDestroy(port)

        def allow(self, argument: int) -> None:
            """See :class:`PowerMessages`."""
            self._io.IOAllowPowerChange(self._root, argument)

        def stop(self) -> None:
            """See :class:`PowerMessages`."""
            self._ended.set()
            if self._loop is not None:
                self._cf.CFRunLoopStop(self._loop)
