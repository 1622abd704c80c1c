"""Windows: power events of the power manager, network changes of the IP helper.

Never run on Windows so far: the logic is tested with these calls stood in for, and the calls are typed and read against
Microsoft's pages ("PowerRegisterSuspendResumeNotification", "NotifyUnicastIpAddressChange", "NotifyRouteChange2").
Shutdown is not told of here, as Windows tells it to windows and consoles only: the stop is then logged as an estimate.
"""

import logging
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from traymon.desktop.watch import signals

_log = logging.getLogger(__name__)

PBT_APMSUSPEND = 0x4
PBT_APMRESUMESUSPEND = 0x7
PBT_APMRESUMEAUTOMATIC = 0x12


class PowerEvents(Protocol):
    """The power manager's events."""

    def register(self, on_event: Callable[[int], None]) -> None:
        """Have ``on_event`` called with each event's type, on a thread of the system's. Raises OSError.

        Windows waits with its sleep until the call has returned, for about two seconds.
        """

    def unregister(self) -> None:
        """No more calls. Without :meth:`register`, nothing."""


class PowerWatcher:
    """A :class:`~traymon.desktop.watch.signals.Watcher` of sleep and wake."""

    def __init__(self, events: PowerEvents, delay_s: float = signals.SLEEP_DELAY_S) -> None:
        self._events = events
        self._delay_s = delay_s

    def start(self, tell: Callable[[signals.Signal], None]) -> None:
        """Begin."""

        def on_event(kind: int) -> None:
            try:
                self._on_event(kind, tell)
            except Exception:  # noqa: BLE001 - the caller is Windows
                _log.exception("the power event %#x could not be handled", kind)

        try:
            self._events.register(on_event)
        except OSError as error:
            _log.debug("Windows does not tell of sleep (%s); the clocks do", error)

    def stop(self) -> None:
        """End."""
        self._events.unregister()

    def _on_event(self, kind: int, tell: Callable[[signals.Signal], None]) -> None:
        if kind == PBT_APMSUSPEND:
            # Set by whoever handles the signal; the system's thread waits for it, and Windows for that thread.
            done = threading.Event()
            tell(signals.SleepAnnounced(done.set))
            done.wait(self._delay_s)
        elif kind in (PBT_APMRESUMEAUTOMATIC, PBT_APMRESUMESUSPEND):
            tell(signals.Woke())


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _DEVICE_NOTIFY_CALLBACK = 2
    _AF_UNSPEC = 0

    _PowerCallback = ctypes.WINFUNCTYPE(wintypes.ULONG, wintypes.LPVOID, wintypes.ULONG, wintypes.LPVOID)
    _ChangeCallback = ctypes.WINFUNCTYPE(None, wintypes.LPVOID, wintypes.LPVOID, ctypes.c_int)

    class _SubscribeParameters(ctypes.Structure):
        _fields_ = (("Callback", _PowerCallback), ("Context", wintypes.LPVOID))

    class PowerProfile:
        """:class:`PowerEvents` by powrprof.dll (Windows 8 or newer), which needs no window."""

        def __init__(self) -> None:
            self._handle = wintypes.HANDLE()
            self._parameters: _SubscribeParameters | None = None

        def register(self, on_event: Callable[[int], None]) -> None:
            """See :class:`PowerEvents`."""

            def called(_context: object, kind: int, _setting: object) -> int:
                on_event(kind)
                return 0

            library = ctypes.WinDLL("powrprof")
            # Kept here: Windows goes on using it until unregister().
            self._parameters = _SubscribeParameters(_PowerCallback(called), None)
            status = library.PowerRegisterSuspendResumeNotification(
                wintypes.DWORD(_DEVICE_NOTIFY_CALLBACK),
                ctypes.byref(self._parameters),
                ctypes.byref(self._handle),
            )
            if status:
                raise OSError(status, "PowerRegisterSuspendResumeNotification")

        def unregister(self) -> None:
            """See :class:`PowerEvents`."""
            if self._handle.value:
                ctypes.WinDLL("powrprof").PowerUnregisterSuspendResumeNotification(self._handle)
                self._handle = wintypes.HANDLE()

    class IpHelper:
        """A :class:`~traymon.desktop.watch.network.ChangeSource` by iphlpapi.dll."""

        def __init__(self) -> None:
            # Set by the system's threads and by close(); wait() waits for it, forget() clears it.
            self._changed = threading.Event()
            self._closed = False
            self._handles: list[wintypes.HANDLE] = []
            self._callback = _ChangeCallback(lambda *_: self._changed.set())

        def wait(self) -> bool:
            """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
            if not self._handles:
                self._register()
            self._changed.wait()
            return not self._closed

        def _register(self) -> None:
            library = ctypes.WinDLL("iphlpapi")
            for name in ("NotifyUnicastIpAddressChange", "NotifyRouteChange2"):
                handle = wintypes.HANDLE()
                status = getattr(library, name)(
                    wintypes.USHORT(_AF_UNSPEC),
                    self._callback,
                    None,
                    wintypes.BOOLEAN(False),
                    ctypes.byref(handle),
                )
                if status:
                    raise OSError(status, name)
                self._handles.append(handle)

        def forget(self) -> None:
            """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
            if not self._closed:
                self._changed.clear()

        def close(self) -> None:
            """See :class:`~traymon.desktop.watch.network.ChangeSource`."""
            self._closed = True
            self._changed.set()
            handles, self._handles = self._handles, []
            for handle in handles:
                ctypes.WinDLL("iphlpapi").CancelMibChangeNotify2(handle)
