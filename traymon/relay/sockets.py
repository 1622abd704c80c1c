"""The WebSocket of one attached program.

Every message waits in a queue of its own until the program takes it, so none waits for another program. A queue that
grows beyond its bounds means a program that does not read: it is cut. Pings are answered here, and sent as Slack does.

That a program has read a message is proven by the pong to a ping sent behind it: what lies in a socket's buffer, a
program that hangs never reads. RFC 6455, 5.5.3, has every client echo a ping's payload, and allows one pong for all
pings that wait; so each names how many messages came before it.

How a program is cut decides whether it comes back. botkit 0.4.2 and its like reconnect only where no close frame came
(their 1006); all other clients tried do so too. So over RTM traymon says why in an ``error`` event, as Slack does, and
hangs up. Clients of Socket Mode come back after any close code, and soonest after a close frame: there it says why.
"""

import asyncio
import contextlib
import json
import logging
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import cast

from aiohttp import WSMsgType, web

_log = logging.getLogger(__name__)

MOST_WAITING = 5_000
MOST_WAITING_BYTES = 8 * 1024 * 1024
"""Of messages that wait for one program. Slack's busiest workspaces send tens a second: this is minutes of them. One
message may be larger by itself. Programs of a bot share the bytes of what they all get."""
LARGEST_MESSAGE = 1024 * 1024
"""Bytes that a program may send at once. RTM takes 16 KB (the hub answers what is larger); a response in Socket Mode
can hold a view of 250 KB."""
PING_EACH_S = 10.0
"""@slack/socket-mode and slack-go take 30 s without a ping of the server's for its death."""
MOST_UNANSWERED = 6
"""Pings without a sign of life, a minute: the program hangs, and whoever looks should know that nobody answers. Pings,
not seconds: a machine that slept or a traymon that stood still says nothing of the program."""
_CUT_LIMIT_S = 2.0
"""For the last bytes to a program that is cut, and its own close frame."""

_BREATH_S = 0.05
# struct linger: two ints, but two shorts in Winsock.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

SLOW = "too slow: it did not read what Slack sent"
SILENT = "silent: it answered no ping for a minute"

_PROOF = b"traymon "
_LONGEST_NUMBER = 20  # digits of any number that is given
OnTaken = Callable[[], None]

_DATA = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})


class Code(Enum):
    """Close codes (RFC 6455, 7.4.1, and IANA's registry for the second)."""

    GOING_AWAY = 1001
    TRY_AGAIN_LATER = 1013


class ProgramSocket:
    """One program's WebSocket. Belongs to the relay's loop."""

    def __init__(
        self,
        *,
        says_why_in_a_frame: bool,
        ping_each_s: float = PING_EACH_S,
        most_unanswered: int = MOST_UNANSWERED,
    ) -> None:
        """``says_why_in_a_frame``: with Socket Mode; see above."""
        self._says_why_in_a_frame = says_why_in_a_frame
        self._ping_each_s = ping_each_s
        self._most_unanswered = most_unanswered
        # No compression: botkit offers it, and on loopback it only costs.
        self._ws = web.WebSocketResponse(
            compress=False,
            autoping=False,
            autoclose=False,
            max_msg_size=LARGEST_MESSAGE,
            timeout=_CUT_LIMIT_S,
        )
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[bytes, OnTaken | None]] = deque()
        self._waiting_bytes = 0
        self._to_prove = 0  # messages written so far that are to be proven
        # Those that are not yet, by their number. A program that answers no ping proves none: the oldest go.
        self._unproven: deque[tuple[int, OnTaken]] = deque(maxlen=MOST_WAITING)
        self._something = asyncio.Event()  # to be written, or the end
        self._ending = False
        self._unanswered = 0  # pings since the last sign of life
        # Empties the queue, from open() to the end or a cut.
        self._writer: asyncio.Task[None] | None = None
        # Says why the program is sent away, and hangs up. While there is one, nothing else is written.
        self._farewell: asyncio.Task[None] | None = None

    async def open(self, request: web.BaseRequest) -> None:
        """Shake hands. Raises web.HTTPBadRequest for what is no handshake, ConnectionError when the program left."""
        await self._ws.prepare(request)
        self._transport = request.transport
        self._writer = asyncio.create_task(self._write())

    def give(self, text: bytes, on_taken: OnTaken | None = None) -> bool:
        """Send ``text`` as soon as the program takes it; ``False``: too much is waiting, and it must be cut.

        ``on_taken`` is called once the program has read it, if it ever does.
        """
        if self._ending or self._farewell is not None:
            return True
        if self._waiting and (
            len(self._waiting) >= MOST_WAITING or self._waiting_bytes + len(text) > MOST_WAITING_BYTES
        ):
            return False
        self._waiting.append((text, on_taken))
        self._waiting_bytes += len(text)
        self._something.set()
        return True

    def cut(self, code: int, reason: str) -> None:
        """End it at once; what waits for it is dropped."""
        self._forget()
        if self._writer is not None:
            self._writer.cancel()
        self._part(code, reason, says_why=True)

    def end(self) -> None:
        """End it once it has taken what waits for it, because traymon ends: it shall come back."""
        self._ending = True
        self._something.set()

    def abort(self) -> None:
        """End it without another byte."""
        if self._transport is not None:
            self._transport.abort()

    async def serve(
        self, on_message: Callable[[bytes], None], on_silence: Callable[[], None]
    ) -> web.WebSocketResponse:
        """Until the program leaves or is cut, after :meth:`open`.

        ``on_message`` gets what it sends; ``on_silence`` is called when it has been silent for too long, and is to cut
        it.
        """
        pinger = asyncio.create_task(self._ping(on_silence))
        try:
            await self._read(on_message)
        finally:
            pinger.cancel()
            if self._writer is not None:
                self._writer.cancel()
            if self._farewell is not None:
                await asyncio.wait({self._farewell})
                if self._transport is not None:
                    self._transport.close()
            self._forget()
        return self._ws

    async def _read(self, on_message: Callable[[bytes], None]) -> None:
        while True:
            message = await self._ws.receive()
            self._unanswered = 0
            if message.type in _DATA:
                data = message.data
                on_message(data.encode() if isinstance(data, str) else bytes(data))
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self._ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._proven(bytes(message.data))
            else:
                return  # closed by the program, or broken

    def _proof(self) -> bytes:
        """A ping's payload, whose pong proves all that was written before it."""
        return b"%s%d" % (_PROOF, self._to_prove)

    def _proven(self, payload: bytes) -> None:
        number = payload.removeprefix(_PROOF)
        if not payload.startswith(_PROOF) or not number.isdigit() or len(number) > _LONGEST_NUMBER:
            return  # sent unasked
        while self._unproven and self._unproven[0][0] <= int(number):
            self._unproven.popleft()[1]()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self._waiting or not self._ending:
                while self._waiting:
                    text, on_taken = self._waiting.popleft()
                    self._waiting_bytes -= len(text)
                    await self._ws.send_frame(text, WSMsgType.TEXT)
                    if on_taken is not None:
                        self._to_prove += 1
                        self._unproven.append((self._to_prove, on_taken))
                        await self._ws.ping(self._proof())
                self._something.clear()
                if not self._ending:
                    await self._something.wait()
            self._part(Code.GOING_AWAY.value, "traymon ends; come back", says_why=False)

    def _part(self, code: int, reason: str, *, says_why: bool) -> None:
        if self._farewell is None and self._transport is not None:
            self._farewell = asyncio.create_task(self._say_goodbye(self._transport, code, reason, says_why))

    async def _say_goodbye(
        self, transport: asyncio.Transport, code: int, reason: str, says_why: bool
    ) -> None:
        """Whether or not the program takes it, the connection is gone soon."""
        # Also where the last bytes are not taken: closing waits for that, and aborting does not.
        asyncio.get_running_loop().call_later(_CUT_LIMIT_S, transport.abort)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_CUT_LIMIT_S):
                if self._says_why_in_a_frame:
                    # Not aiohttp's close(), which hangs up at once while another task receives: then a program that
                    # still sends would lose this frame. Its own close frame ends it.
                    await self._ws.send_frame(code.to_bytes(2, "big") + reason.encode(), WSMsgType.CLOSE)
                    return
                if says_why:
                    await self._ws.send_frame(_error_event(code, reason), WSMsgType.TEXT)
                while transport.get_write_buffer_size():
                    await asyncio.sleep(_BREATH_S)
                await asyncio.sleep(
                    _BREATH_S
                )  # to read it: with a reset, not every system keeps what is unread
        _reset(transport)

    async def _ping(self, on_silence: Callable[[], None]) -> None:
        with contextlib.suppress(ConnectionError):
            while self._farewell is None:
                await asyncio.sleep(self._ping_each_s)
                if self._unanswered >= self._most_unanswered:
                    on_silence()
                    return
                self._unanswered += 1
                # It waits where the program reads nothing.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._ping_each_s):
                        await self._ws.ping(self._proof())

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._unproven.clear()


def _reset(transport: asyncio.Transport) -> None:
    """End the connection with RST: closing with a linger time of nought sends it."""
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is not None and not transport.is_closing():
        with contextlib.suppress(OSError):  # it has gone
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _error_event(code: int, reason: str) -> bytes:
    """As Slack tells what is wrong with a connection."""
    return json.dumps({"type": "error", "error": {"code": code, "msg": reason}}).encode()
