"""Waking a thread that waits in select."""

import select
import threading

from traymon.tray.waker import Waker

PATIENCE_S = 20.0


def ready(waker: Waker, seconds: float = 0.0) -> bool:
    return bool(select.select([waker], [], [], seconds)[0])


def test_wakes_a_waiting_thread() -> None:
    waker = Waker()
    waiting = threading.Thread(target=select.select, args=([waker], [], [], PATIENCE_S))
    waiting.start()
    waker.wake()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()
    waker.close()


def test_many_wakings_are_one_and_never_block() -> None:
    waker = Waker()
    assert not ready(waker)
    for _ in range(100_000):
        waker.wake()
    assert ready(waker)
    waker.drain()
    assert not ready(waker)
    waker.wake()
    assert ready(waker)
    waker.close()
    waker.wake()
