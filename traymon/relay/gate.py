"""The gate: how many may come in at a time, and how long they may take to say what they want.

aiohttp bounds neither, so connections are accepted here and handed to it.

1. At most 64 connections at a time, attached programs not counted. Where one more comes, the oldest that has no
   request under way gives way; where all have one, the newcomer waits.
2. The head of a request has 10 s, and 512 KB.
3. Descriptors that the links may need are not taken: nobody comes in when few are left.
"""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from typing import cast

_log = logging.getLogger(__name__)

MOST_CONNECTIONS = 64
HEAD_LIMIT_S = 10.0
_LARGEST_HEAD = 512 * 1024
"""Bytes before a request is understood. One read of asyncio's can bring 256 KB, most of it the body."""
_RESERVE = 32
"""Descriptors left to the links, the log, the probes and the keyring's child: a handover of a bot needs three."""
_PAUSE_S = 1.0
"""After the system refused a connection: what asyncio's own servers wait."""
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door(asyncio.Protocol):
    """One connection, between asyncio's transport and aiohttp's protocol. Runs on the loop."""

    def __init__(self, gate: "Gate", inner: asyncio.Protocol) -> None:
        self._gate = gate
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self.idle = True
        """Whether no request is under way."""

    # For whoever serves

    def begin(self) -> None:
        """A request's head is complete."""
        self.idle = False
        self._received = 0
        self._stop_timer()

    def end(self) -> None:
        """It has been answered."""
        self.idle = True
        self._gate.freed()

    def attached(self) -> None:
        """This connection is a program's WebSocket from now on."""
        self._gate.pass_through(self)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # For the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gate.came_in(self, transport)
        self._start_timer()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.idle:
            self._received += len(data)
            if self._received > _LARGEST_HEAD:
                self.abort()
                return
            if self._timer is None:
                self._start_timer()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._transport is not None:
            self._gate.left(self, self._transport)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._gate.head_limit_s, self.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Gate:
    """Lets connections in. Belongs to the relay's loop."""

    def __init__(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        most: int = MOST_CONNECTIONS,
        head_limit_s: float = HEAD_LIMIT_S,
    ) -> None:
        """``make_protocol`` gives aiohttp's protocol for one connection."""
        self._make_protocol = make_protocol
        self._most = most
        self.head_limit_s = head_limit_s
        # All that count, oldest first.
        self._doors: dict[Door, None] = {}
        self._by_transport: dict[asyncio.BaseTransport, Door] = {}
        self._freed = asyncio.Event()

    def door_of(self, transport: asyncio.BaseTransport | None) -> Door | None:
        """The door of a connection; ``None`` when it is gone."""
        return None if transport is None else self._by_transport.get(transport)

    async def run(self, listening: socket.socket) -> None:
        """Accept from ``listening`` until cancelled, or until the socket fails: then OSError is raised."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _SHORT:
                    _log.debug("the relay cannot take a connection: %s", error.strerror)
                    self._dismiss_one()
                    await asyncio.sleep(_PAUSE_S)
                elif error.errno != errno.ECONNABORTED:
                    raise
                continue
            try:
                await self._let_in(accepted)
            except BaseException:
                accepted.close()
                raise

    async def _let_in(self, accepted: socket.socket) -> None:
        while len(self._doors) >= self._most and not self._dismiss_one():
            self._freed.clear()
            await self._freed.wait()
        if self._is_short(accepted.fileno()) and not self._dismiss_one():
            accepted.close()
            return
        door = Door(self, self._make_protocol())
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: door, accepted)
        except OSError:  # it has gone again
            accepted.close()

    def _is_short(self, descriptor: int) -> bool:
        """Whether too few descriptors are left. A new one is the lowest that is free, so its number tells how many are
        in use; each connection may need another one on its way to Slack."""
        limit = _descriptor_limit()
        return limit is not None and descriptor + len(self._doors) + _RESERVE >= limit

    def _dismiss_one(self) -> bool:
        """Drop the oldest connection that has no request under way; whether there was one."""
        door = next((each for each in self._doors if each.idle), None)
        if door is None:
            return False
        del self._doors[door]
        door.abort()
        return True

    # For doors

    def came_in(self, door: Door, transport: asyncio.BaseTransport) -> None:
        """A connection is open."""
        self._doors[door] = None
        self._by_transport[transport] = door

    def pass_through(self, door: Door) -> None:
        """A connection does not count any more."""
        self._doors.pop(door, None)
        self.freed()

    def left(self, door: Door, transport: asyncio.BaseTransport) -> None:
        """A connection is gone."""
        self._by_transport.pop(transport, None)
        self.pass_through(door)

    def freed(self) -> None:
        """There may be room."""
        self._freed.set()


if sys.platform == "win32":

    def _descriptor_limit() -> int | None:
        return None  # handles are not counted by process

else:
    import resource

    def _descriptor_limit() -> int | None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if soft == resource.RLIM_INFINITY else soft
