"""rtnetlink's messages: what they mean, whole and torn."""

import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchkit import ip, on_its_own_network
from traymon.desktop.watch import netlink
from traymon.desktop.watch.netlink import Changes, attributes, leads_away, messages

NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH = 16, 17, 20, 21, 24, 25, 28
RUNNING = 0x40


def message(kind: int, body: bytes) -> bytes:
    length = 16 + len(body)
    return struct.pack("=IHHII", length, kind, 0, 0, 0) + body + b"\0" * (-length % 4)


def link(index: int, flags: int, family: int = socket.AF_UNSPEC) -> bytes:
    return struct.pack("=BxHiII", family, 1, index, flags, 0)


def route(
    *, family: int = socket.AF_INET, table: int = 254, kind: int = 1, flags: int = 0, to: str | None = None
) -> bytes:
    body = struct.pack("=BBBBBBBBI", family, 0 if to is None else 64, 0, 0, table, 3, 0, kind, flags)
    if to is not None:
        value = socket.inet_pton(family, to)
        body += struct.pack("=HH", 4 + len(value), 1) + value
    return body + struct.pack("=HHI", 8, 4, 2)  # RTA_OIF


def test_a_carrier_that_comes_back_is_a_route() -> None:
    changes = Changes()
    assert not changes.take(message(NEWLINK, link(2, RUNNING))), "the first word on it is no news"
    assert not changes.take(message(NEWLINK, link(2, RUNNING))), "nor the same again"
    assert changes.take(message(NEWLINK, link(2, 0)))
    assert not changes.route_came
    assert changes.take(message(NEWLINK, link(2, RUNNING)))
    assert changes.route_came
    changes.forget()
    assert not changes.route_came


def test_an_interface_that_is_unplugged_is_forgotten() -> None:
    changes = Changes()
    changes.take(message(NEWLINK, link(2, RUNNING)))
    assert changes.take(message(DELLINK, link(2, 0)))
    assert not changes.take(message(DELLINK, link(2, 0)))
    assert not changes.take(message(NEWLINK, link(2, 0))), "another one of the same number"
    assert not changes.route_came


def test_a_bridge_speaking_of_its_ports_is_no_news() -> None:
    changes = Changes()
    changes.take(message(NEWLINK, link(2, RUNNING)))
    assert not changes.take(message(NEWLINK, link(2, 0, family=7)))
    assert not changes.take(message(DELLINK, link(2, 0, family=7)))


@pytest.mark.parametrize(
    ("body", "leads"),
    [
        (route(), True),
        (route(family=socket.AF_INET6, to="2001:db8::"), True),
        (route(table=51), True),
        (route(table=255), False),  # to this machine itself
        (route(kind=7), False),  # unreachable
        (route(kind=2), False),  # local
        (route(flags=0x200), False),  # an answer kept by the kernel
        (route(family=socket.AF_INET6, to="fe80::"), False),
        (b"", False),
        (route()[:11], False),
    ],
)
def test_which_routes_lead_away(body: bytes, leads: bool) -> None:
    assert leads_away(body) is leads
    changes = Changes()
    assert changes.take(message(NEWROUTE, body)) is leads
    assert changes.route_came is leads


def test_addresses_and_lost_routes_are_a_reason_to_look() -> None:
    changes = Changes()
    assert changes.take(message(NEWADDR, b"\0" * 8))
    assert changes.take(message(DELROUTE, route()))
    assert not changes.address_left
    assert changes.take(message(DELADDR, b"\0" * 8))
    assert changes.address_left
    assert not changes.route_came
    assert not Changes().take(message(NEWNEIGH, b"\0" * 12))


def test_every_message_of_a_datagram_counts() -> None:
    changes = Changes()
    assert changes.take(message(NEWROUTE, route()) + message(DELADDR, b"\0" * 9) + message(NEWADDR, b""))
    assert changes.route_came
    assert changes.address_left


def test_after_a_loss_addresses_may_be_gone() -> None:
    changes = Changes()
    changes.lost()
    assert changes.address_left


@given(st.lists(st.tuples(st.integers(0, 100), st.binary(max_size=30))))
def test_whole_messages_come_out_as_they_went_in(parts: list[tuple[int, bytes]]) -> None:
    datagram = b"".join(message(kind, body) for kind, body in parts)
    assert list(messages(datagram)) == parts
    assert list(messages(datagram[:-1]))[: len(parts) - 1] == parts[:-1]


kinds = st.sampled_from([NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE, NEWNEIGH])


@given(st.one_of(st.binary(max_size=200), st.builds(message, kinds, st.binary(max_size=60))))
def test_nothing_that_comes_is_too_strange(datagram: bytes) -> None:
    Changes().take(datagram)
    list(attributes(datagram))


def all_of(opened: socket.socket) -> list[bytes | None]:
    seen = []
    with contextlib.suppress(BlockingIOError):
        while True:
            seen.append(netlink.receive(opened))
    return seen


def test_a_full_buffer_is_a_loss_and_not_an_end() -> None:
    def test() -> None:
        with netlink.open_socket() as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel makes it some 2 KiB
            ip("link set lo up", *(f"address add 198.51.100.{last}/32 dev lo" for last in range(1, 100)))
            assert None in all_of(opened)
            ip("address del 198.51.100.1/32 dev lo")
            after = netlink.receive(opened)
            assert after is not None
            assert Changes().take(after)

    on_its_own_network(test)


def test_a_socket_that_is_gone_is_an_error() -> None:
    opened = netlink.open_socket()
    opened.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        netlink.receive(opened)
