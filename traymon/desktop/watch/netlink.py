"""What Linux tells of routes, addresses and carriers by rtnetlink: rtnetlink(7), and <linux/rtnetlink.h> for numbers.

NetworkManager, systemd-networkd and a person's ``ip`` command all end in the same kernel, so nobody else is asked.
"""

import errno
import socket
import struct
import sys
from collections.abc import Iterator

assert sys.platform == "linux"

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40
_RTMGRP_IPV6_IFADDR, _RTMGRP_IPV6_ROUTE = 0x100, 0x400
GROUPS = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_IFADDR | _RTMGRP_IPV6_ROUTE

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_DELADDR = 20, 21
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ROUTE = struct.Struct(
    "=BBBBBBBBI"
)  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type

_IFF_RUNNING = 0x40
_RTN_UNICAST = 1
_RT_TABLE_LOCAL = 255
_RTM_F_CLONED = 0x200
_RTA_DST = 1
_LINK_LOCAL = b"\xfe\x80"

LARGEST = 1 << 16
"""Bytes of one datagram at most; the kernel's dumps come in 32 KiB (netlink(7))."""


def open_socket() -> socket.socket:
    """A socket that gets every change; not blocking. Raises OSError."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        opened.setblocking(False)
        opened.bind((0, GROUPS))
        ask_for_links(opened)
    except OSError:
        opened.close()
        raise
    return opened


def ask_for_links(opened: socket.socket) -> None:
    """Have the kernel send the present state of every interface. Raises OSError."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    header = _HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
    opened.send(header + body)


class Changes:
    """What the datagrams of one burst mean, all together. Pure; for one thread."""

    def __init__(self) -> None:
        self._carriers: dict[int, bool] = {}
        self.route_came = False
        """A route that can lead to another machine was added, or an interface got its carrier back."""
        self.address_left = False

    def take(self, datagram: bytes) -> bool:
        """Take in one datagram; whether it is a reason to look at the network."""
        reason = False
        for kind, body in messages(datagram):
            reason = self._message(kind, body) or reason
        return reason

    def lost(self) -> None:
        """Datagrams were lost: anything may have happened."""
        self.address_left = True

    def forget(self) -> None:
        """The burst is over."""
        self.route_came = self.address_left = False

    def _message(self, kind: int, body: bytes) -> bool:
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            return self._carrier(body, exists=kind == _RTM_NEWLINK)
        if kind == _RTM_NEWROUTE:
            leads = leads_away(body)
            self.route_came = self.route_came or leads
            return leads
        if kind == _RTM_DELADDR:
            self.address_left = True
            return True
        return kind in (_RTM_DELROUTE, _RTM_NEWADDR)

    def _carrier(self, body: bytes, *, exists: bool) -> bool:
        """An interface that is seen for the first time says nothing: its routes and addresses speak for it."""
        if len(body) < _LINK.size:
            return False
        family, _, index, flags, _ = _LINK.unpack_from(body)
        if family != socket.AF_UNSPEC:
            return False  # a bridge speaking of its ports
        if not exists:
            return self._carriers.pop(index, False)
        running = bool(flags & _IFF_RUNNING)
        before = self._carriers.get(index, running)
        self._carriers[index] = running
        self.route_came = self.route_came or (running and not before)
        return running != before


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages in it, each as type and body; what is not whole is left out."""
    while len(datagram) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(datagram)
        if not _HEADER.size <= length <= len(datagram):
            return
        yield kind, datagram[_HEADER.size : length]
        datagram = datagram[_aligned(length) :]


def leads_away(route: bytes) -> bool:
    """Whether this rtmsg is a route to other machines: not to this one, not a cached answer, not link-local."""
    if len(route) < _ROUTE.size:
        return False
    _, _, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(route)
    if kind != _RTN_UNICAST or table == _RT_TABLE_LOCAL or flags & _RTM_F_CLONED:
        return False
    return not any(
        kind == _RTA_DST and value[:2] == _LINK_LOCAL for kind, value in attributes(route[_ROUTE.size :])
    )


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The rtattrs in it, each as type and value; what is not whole is left out."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def receive(opened: socket.socket) -> bytes | None:
    """The next datagram; ``None`` where some were lost. Raises BlockingIOError when there is none, and OSError."""
    try:
        return opened.recv(LARGEST)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        return None
