"""What the tests of the watchers share: signals collected, a network namespace of a test's own."""

import ctypes
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.required import cannot
from tests.support import PATIENCE_S
from traymon.desktop.watch import Signal, Watcher

_CLONE_NEWNET = 0x40000000


class Heard:
    """Signals, as they come from a watcher's threads, and whatever else is noted among them."""

    def __init__(self) -> None:
        # Guards the list; tell() and note() wake those who wait.
        self._changed = threading.Condition()
        self._all: list[object] = []

    def tell(self, signal: Signal) -> None:
        self.note(signal)

    def note(self, what: object) -> None:
        with self._changed:
            self._all.append(what)
            self._changed.notify_all()

    def all(self) -> list[object]:
        with self._changed:
            return list(self._all)

    def wait_for(self, *kinds: object, after: int = 0) -> list[object]:
        """Until each of ``kinds`` (a type, or a value) came, not counting the first ``after`` things."""

        def came() -> bool:
            return all(any(_is(each, kind) for each in self._all[after:]) for kind in kinds)

        with self._changed:
            assert self._changed.wait_for(came, PATIENCE_S), f"waited for {kinds}, heard {self._all}"
            return self._all[after:]


def _is(what: object, kind: object) -> bool:
    return isinstance(what, kind) if isinstance(kind, type) else what == kind


@contextmanager
def watching(watcher: Watcher, heard: Heard) -> Iterator[Heard]:
    """A watcher for as long as the block lasts; its threads end with it."""
    before = set(threading.enumerate())
    watcher.start(heard.tell)
    try:
        yield heard
    finally:
        watcher.stop()
        left = set(threading.enumerate()) - before
        for thread in left:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in left), left


def on_its_own_network(test: Callable[[], None]) -> None:
    """Run ``test`` on a thread with an empty network of its own, which is gone when that thread has ended.

    Threads and processes that it starts are in there too.
    """
    if shutil.which("ip") is None:
        cannot("needs the package: iproute2")
    with ThreadPoolExecutor(1, "inside") as inside:
        if not inside.submit(_leave).result():
            cannot("needs root, for a network namespace")
        inside.submit(test).result()


def _leave() -> bool:
    return ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) == 0  # type: ignore[no-any-return]


def ip(*commands: str) -> None:
    """Run ``ip`` with each of these lines, in one go."""
    run = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True)
    assert run.returncode == 0, (commands, run.stderr)


class HandClocks:
    """Clocks that a test sets by hand, in ms; ``hold_up`` are standstills of the reader, one a reading of ``now``."""

    def __init__(self, hold_up: Sequence[int] = ()) -> None:
        self.slept = 0
        self.stepped = 0
        self._base = time.monotonic_ns() // 1_000_000
        self._hold_up = list(hold_up)
        self.passed = 0
        self.looks = 0

    def now(self) -> int:
        self.looks += 1
        if self._hold_up:
            self.passed += self._hold_up.pop(0)
        return self._base + self.passed + self.slept

    def awake(self) -> int:
        return self._base + self.passed

    def wall(self) -> int:
        return 1_700_000_000_000 + self.passed + self.slept + self.stepped
