"""macOS's power messages and routing socket, with the system's calls stood in for."""

import queue
import socket
import struct
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import PATIENCE_S
from tests.watchkit import Heard, watching
from traymon.desktop import watch
from traymon.desktop.watch.macos import (
    CAN_SYSTEM_SLEEP,
    SYSTEM_HAS_POWERED_ON,
    SYSTEM_WILL_SLEEP,
    PowerWatcher,
    RouteSocket,
    open_route_socket,
    says_change,
)
from traymon.desktop.watch.network import NetworkWatcher

ADD, DELETE, GET, NEWADDR, DELADDR, IFINFO = 0x1, 0x2, 0x4, 0xC, 0xD, 0xE
HOST = 0x4


class PowerDomain:
    """macOS's side of the calls: a run loop, and what was allowed."""

    def __init__(self, error: OSError | None = None) -> None:
        self._error = error
        # Messages from the test to the run loop's thread; None ends it.
        self._messages: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        self.allowed: queue.SimpleQueue[int] = queue.SimpleQueue()

    def says(self, kind: int, argument: int = 0) -> None:
        self._messages.put((kind, argument))

    def run(self, on_message: Callable[[int, int], None]) -> None:
        if self._error is not None:
            raise self._error
        while (message := self._messages.get()) is not None:
            on_message(*message)

    def allow(self, argument: int) -> None:
        self.allowed.put(argument)

    def stop(self) -> None:
        self._messages.put(None)


def test_the_sleep_is_allowed_once_the_log_is_written() -> None:
    macos, heard = PowerDomain(), Heard()
    with watching(PowerWatcher(macos, delay_s=PATIENCE_S), heard):
        macos.says(SYSTEM_WILL_SLEEP, 77)
        asleep = heard.wait_for(watch.SleepAnnounced)[0]
        assert isinstance(asleep, watch.SleepAnnounced)
        assert macos.allowed.empty()
        asleep.done()
        assert macos.allowed.get(timeout=PATIENCE_S) == 77
        macos.says(SYSTEM_HAS_POWERED_ON)
        heard.wait_for(watch.Woke())
    assert macos.allowed.empty(), "a wake is not to be allowed"


def test_the_sleep_is_allowed_at_the_limit_and_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: watch.Signal) -> None:
        raise RuntimeError("a bug")

    for tell in (Heard().tell, fails):
        macos = PowerDomain()
        watcher = PowerWatcher(macos, delay_s=0.01)
        watcher.start(tell)
        macos.says(SYSTEM_WILL_SLEEP, 5)
        assert macos.allowed.get(timeout=PATIENCE_S) == 5
        watcher.stop()
    assert caplog.text.count("could not be handled") == 1


def test_an_idle_machine_may_sleep_and_is_not_asleep_yet() -> None:
    macos, heard = PowerDomain(), Heard()
    with watching(PowerWatcher(macos), heard):
        macos.says(CAN_SYSTEM_SLEEP, 3)
        assert macos.allowed.get(timeout=PATIENCE_S) == 3
    assert heard.all() == []


def test_a_macos_without_the_call_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with watching(PowerWatcher(PowerDomain(OSError("refused"))), Heard()):
        pass
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def message(kind: int, flags: int = 0) -> bytes:
    return struct.pack("=HBBHxxi", 92, 5, kind, 1, flags) + b"\0" * 80


@pytest.mark.parametrize(
    ("data", "change"),
    [
        (message(NEWADDR), True),
        (message(DELADDR), True),
        (message(IFINFO), True),
        (message(ADD), True),
        (message(DELETE), True),
        (message(ADD, HOST), False),
        (message(DELETE, HOST | 0x1), False),
        (message(GET), False),
        (message(NEWADDR)[:11], False),
        (b"", False),
    ],
)
def test_which_messages_are_about_the_network(data: bytes, change: bool) -> None:
    assert says_change(data) is change


@given(st.binary(max_size=120))
def test_nothing_that_comes_is_too_strange(data: bytes) -> None:
    says_change(data)


def test_the_routing_socket_moves_the_network_watcher() -> None:
    # Datagrams with borders, as a routing socket has them.
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard = Heard()
    with kernel, watching(NetworkWatcher(RouteSocket(lambda: ours), way=frozenset, settle_s=0), heard):
        kernel.send(message(GET))
        kernel.send(message(ADD, HOST))
        kernel.send(message(NEWADDR))
        heard.wait_for(watch.AddressesChanged())
        before = len(heard.all())
        kernel.send(message(IFINFO))
        heard.wait_for(watch.AddressesChanged(), after=before)
    assert ours.fileno() == -1, "closed by the watcher"


@pytest.mark.skipif(sys.platform == "darwin", reason="there it has one")
def test_other_systems_have_no_such_socket(caplog: pytest.LogCaptureFixture) -> None:
    with watching(NetworkWatcher(RouteSocket(open_route_socket), way=frozenset), Heard()):
        pass
    assert "only macOS" in caplog.text
