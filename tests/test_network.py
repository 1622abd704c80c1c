"""The way out and this machine's addresses, as the system itself says; and when that is told."""

import queue
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkit import Heard, ip, on_its_own_network, watching
from traymon.desktop import watch
from traymon.desktop.watch.network import NetworkWatcher, WayOut, still_ours, way_out


def test_loopback_is_ours_and_a_strangers_address_is_not() -> None:
    assert still_ours("127.0.0.1")
    assert still_ours("127.1.2.3")
    assert not still_ours("203.0.113.77")  # RFC 5737: nobody's
    assert not still_ours("2001:db8::77") or not socket.has_ipv6  # RFC 3849: nobody's


@pytest.mark.parametrize("nonsense", ["", "fe80::1%nowhere"])
def test_where_the_system_has_no_answer_the_address_stays_ours(nonsense: str) -> None:
    assert still_ours(nonsense)


def test_the_way_out_follows_routes_of_every_kind() -> None:
    def test() -> None:
        assert way_out() == frozenset()
        ip("link set lo up", "link add near type veth peer name far", "link set near up", "link set far up")
        assert way_out() == frozenset()
        ip("address add 198.51.100.2/24 dev near")
        assert still_ours("198.51.100.2")
        assert way_out() == frozenset(), "a network is no way out of it"
        ip("route add default via 198.51.100.1")
        assert way_out() == {"198.51.100.2"}
        ip("route del default")
        assert way_out() == frozenset()
        ip("route add 0.0.0.0/1 via 198.51.100.1", "route add 128.0.0.0/1 via 198.51.100.1")
        assert way_out() == {"198.51.100.2"}, "as OpenVPN does it"
        ip("route flush root 0.0.0.0/0", "address add 2001:db8::2/64 dev near nodad")
        ip("route add default via 2001:db8::1 dev near")
        assert way_out() == {"2001:db8::2"}
        ip("route add unreachable default metric 1")
        assert way_out() == {"2001:db8::2"}
        ip("link set near down")
        assert way_out() == frozenset()
        ip("address del 198.51.100.2/24 dev near")
        assert not still_ours("198.51.100.2")

    on_its_own_network(test)


addresses = st.frozensets(st.sampled_from(["198.51.100.2", "203.0.113.2", "2001:db8::2"]))


@given(addresses, addresses, st.booleans(), st.booleans())
def test_what_is_told_of_two_looks(
    before: frozenset[str], after: frozenset[str], came: bool, left: bool
) -> None:
    way = WayOut(before)
    told = way.look(after, route_came=came, address_left=left)
    assert (watch.AddressesChanged() in told) == left
    assert (watch.RouteAppeared() in told) == (came or bool(after - before))
    assert way.look(after) == [], "told once"


class ByHand:
    """A source that a test moves."""

    def __init__(self) -> None:
        # True: something changed; False: closed. The test puts, the watcher takes.
        self._moves: queue.Queue[bool | OSError] = queue.Queue()
        self.forgotten = 0

    def move(self, what: bool | OSError = True) -> None:
        self._moves.put(what)

    def wait(self) -> bool:
        move = self._moves.get()
        if isinstance(move, OSError):
            raise move
        return move

    def forget(self) -> None:
        self.forgotten += 1

    def close(self) -> None:
        self._moves.put(False)


def test_a_watcher_tells_of_a_new_way_out_once() -> None:
    source, ways = ByHand(), [{"a"}, {"a"}, {"a", "b"}, {"a", "b"}]
    last: list[set[str]] = []

    def way() -> set[str]:
        last.append(ways[min(len(last), len(ways) - 1)])
        return last[-1]

    heard = Heard()
    with watching(NetworkWatcher(source, way=way, settle_s=0), heard):
        for _ in range(3):
            source.move()
            heard.wait_for(watch.AddressesChanged, after=len(heard.all()))
    assert heard.all().count(watch.RouteAppeared()) == 1
    assert source.forgotten == 3


def test_a_watcher_ends_inside_a_burst() -> None:
    source = ByHand()
    with watching(NetworkWatcher(source, way=frozenset, settle_s=3600), Heard()):
        source.move()


def test_a_source_that_fails_ends_the_watch_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    source = ByHand()
    source.move(OSError("no such call"))
    with watching(NetworkWatcher(source, way=frozenset, settle_s=0), Heard()) as heard:
        pass
    assert heard.all() == []
    assert "the network is not watched any more" in caplog.text
