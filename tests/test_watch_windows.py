"""Windows' power events, with the system's calls stood in for."""

import threading
from collections.abc import Callable

import pytest

from tests.support import PATIENCE_S
from tests.watchkit import Heard
from traymon.desktop import watch
from traymon.desktop.watch.windows import (
    PBT_APMRESUMEAUTOMATIC,
    PBT_APMRESUMESUSPEND,
    PBT_APMSUSPEND,
    PowerWatcher,
)


class PowerManager:
    """Windows' side of the calls: it waits for each callback."""

    def __init__(self, error: OSError | None = None) -> None:
        self._error = error
        self.on_event: Callable[[int], None] | None = None

    def register(self, on_event: Callable[[int], None]) -> None:
        if self._error is not None:
            raise self._error
        self.on_event = on_event

    def unregister(self) -> None:
        self.on_event = None

    def says(self, kind: int) -> threading.Thread:
        """On a thread of the system's, as Windows does it."""
        assert self.on_event is not None
        thread = threading.Thread(target=self.on_event, args=(kind,))
        thread.start()
        return thread


def test_the_sleep_waits_until_the_log_is_written() -> None:
    windows, heard = PowerManager(), Heard()
    watcher = PowerWatcher(windows, delay_s=PATIENCE_S)
    watcher.start(heard.tell)
    suspend = windows.says(PBT_APMSUSPEND)
    asleep = heard.wait_for(watch.SleepAnnounced)[0]
    assert isinstance(asleep, watch.SleepAnnounced)
    assert suspend.is_alive(), "Windows goes on as soon as the call returns"
    asleep.done()
    suspend.join(PATIENCE_S)
    assert not suspend.is_alive()
    watcher.stop()
    assert windows.on_event is None


def test_the_sleep_waits_no_longer_than_the_limit() -> None:
    windows, heard = PowerManager(), Heard()
    watcher = PowerWatcher(windows, delay_s=0.01)
    watcher.start(heard.tell)
    suspend = windows.says(PBT_APMSUSPEND)
    suspend.join(PATIENCE_S)
    assert not suspend.is_alive()
    assert len(heard.all()) == 1


@pytest.mark.parametrize("kind", [PBT_APMRESUMEAUTOMATIC, PBT_APMRESUMESUSPEND])
def test_both_words_for_a_wake_are_heard(kind: int) -> None:
    windows, heard = PowerManager(), Heard()
    PowerWatcher(windows).start(heard.tell)
    windows.says(kind).join(PATIENCE_S)
    assert heard.all() == [watch.Woke()]


def test_other_power_events_say_nothing() -> None:
    windows, heard = PowerManager(), Heard()
    PowerWatcher(windows).start(heard.tell)
    windows.says(0xA).join(PATIENCE_S)  # mains or battery
    assert heard.all() == []


def test_a_windows_without_the_call_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    watcher = PowerWatcher(PowerManager(OSError(120, "not supported")))
    watcher.start(Heard().tell)
    watcher.stop()
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_nothing_is_thrown_at_windows(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: watch.Signal) -> None:
        raise RuntimeError("a bug")

    windows = PowerManager()
    PowerWatcher(windows).start(fails)
    assert windows.on_event is not None
    windows.on_event(PBT_APMSUSPEND)
    assert "0x4 could not be handled" in caplog.text
