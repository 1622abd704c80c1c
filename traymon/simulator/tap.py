"""Raw access to one TCP connection, between asyncio's transport and aiohttp's protocol.

aiohttp parses HTTP and WebSocket frames; the tap sees how the connection really ends (FIN or RST), can end it in
ways that no HTTP server would, and can hold back bytes as a stalled network does.
"""

import asyncio
import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from typing import cast

# How long a half-closed socket waits for the client to close its side: an attentive client needs milliseconds.
_LINGER_S = 5.0
# struct linger: two ints, but two shorts in Winsock.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Tap(asyncio.Protocol):
    """Everything here runs on the loop's thread."""

    def __init__(
        self, inner: asyncio.Protocol, latency_ms: int, taps: dict[asyncio.BaseTransport, "Tap"]
    ) -> None:
        self._inner = inner
        self._latency_s = latency_ms / 1000
        self._taps = taps
        self._held: deque[bytes] = deque()
        self._held_out: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self._half_closed = False
        self.stalled = False
        self.lost = asyncio.Event()
        self.lost_by = "client_fin"
        """Once ``lost`` is set: how the client ended the connection, if it was the client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._taps[transport] = self
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._forward_one)
        else:
            self._forward_one()

    def eof_received(self) -> None:
        self._forward_all()
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.lost_by = "client_rst"
        self._forward_all()
        if self._transport is not None:
            self._taps.pop(self._transport, None)
        self._inner.connection_lost(exc)
        self.lost.set()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def write(self, data: bytes) -> bool:
        """Put bytes on the wire as they are; ``False`` when they were held back or nobody is there."""
        if self.stalled:
            self._held_out.append(data)
            return False
        if self._transport is None or self._half_closed or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True

    def stall(self) -> None:
        """Let nothing through in either direction until :meth:`resume`; the socket stays open."""
        self.stalled = True

    def resume(self) -> None:
        """Deliver what was held back, in order, and go on."""
        self.stalled = False
        while self._held_out:
            self.write(self._held_out.popleft())
        self._forward_all()

    def fin(self) -> None:
        """FIN: no more bytes from this side. The socket itself goes when the client's FIN comes, or after 5 s."""
        if self._transport is None or self._half_closed or self._transport.is_closing():
            return
        self._half_closed = True
        if self._transport.can_write_eof():
            try:
                self._transport.write_eof()
            except OSError:  # the client reset the connection, and the loop was not told yet
                self._transport.abort()
                return
            asyncio.get_running_loop().call_later(_LINGER_S, self.close)
        else:  # TLS cannot half-close
            self._transport.close()

    def rst(self) -> None:
        """RST: closing with a linger time of nought sends it."""
        if self._transport is None:
            return
        sock = cast("socket.socket | None", self._transport.get_extra_info("socket"))
        if sock is not None and not self._transport.is_closing():
            with suppress(OSError):  # the client was faster
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def abort(self) -> None:
        """Close at once; what was not yet sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close after what was written is out."""
        if self._transport is not None:
            self._transport.close()

    def _forward_one(self) -> None:
        if self._held and not self.stalled:
            self._inner.data_received(self._held.popleft())

    def _forward_all(self) -> None:
        while self._held:
            self._inner.data_received(self._held.popleft())
