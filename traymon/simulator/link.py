"""One WebSocket as Slack serves it, and the faults that can strike it while it lives."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Literal

from aiohttp import WSMsgType, web

from traymon.simulator import faults
from traymon.simulator.bots import Bot
from traymon.simulator.clock import now_ms
from traymon.simulator.tap import Tap
from traymon.simulator.truth import Ledger
from traymon.slackwire import frames

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
# RFC 6455, 7.1.1: the server closes TCP first; it gives the client a moment to answer the close frame.
_CLOSE_WAIT_S = 1.0
# Slack's limit for a message over RTM, 16 KB; beyond, it disconnects the client.
LARGEST_MESSAGE = 16 * 1024
# An acknowledgement may carry a modal, of up to 250 KB.
LARGEST_ACKNOWLEDGEMENT = 1024 * 1024
# Slack answers what comes too fast with an error, and disconnects who goes on; after how many it does not tell.
_REFUSALS = 20
_MALFORMED = {
    "opcode": bytes([0x83, 0x02]) + b"hi",  # 0x3 is reserved
    "reserved": bytes([0xF1, 0x02]) + b"{}",  # RSV1–3 without an extension
    "masked": bytes([0x81, 0x82])
    + b"\x01\x02\x03\x04"
    + b"{}",  # servers must not mask (a lenient client reads it)
    "long_control": bytes([0x89, 126]) + (200).to_bytes(2, "big") + bytes(200),  # a ping of over 125 bytes
    "utf8": bytes([0x81, 0x02]) + b"\xff\xfe",
}


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented, unmasked frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


class ServedLink:
    """The server's end of one link. Everything here runs on the loop's thread.

    Frames go out through the tap, never through aiohttp's writer, so that a fault keeps its place among them.
    """

    def __init__(
        self,
        *,
        bot: Bot,
        token: str,
        transport: Literal["rtm", "socket"],
        tap: Tap,
        ledger: Ledger,
        next_ts: Callable[[], str],
        echo_time: Callable[[], bool],
        on_ack: Callable[["ServedLink", Mapping[str, object]], None],
        peer: str,
    ) -> None:
        self.bot = bot
        self.token = token
        self.transport = transport
        self.greeted = False
        self.over = False
        """Ended, though its socket may be open still."""
        self.serial = ledger.opened(token, transport, peer)
        self._tap = tap
        self._ledger = ledger
        self._next_ts = next_ts
        self._echo_time = echo_time
        self._on_ack = on_ack
        self._refusals = 0
        self._mute = False
        self._close_sent = False  # after a close frame no other may follow (RFC 6455, 5.5.1)
        self._last_id = 0
        self._timers: list[asyncio.TimerHandle] = []

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Read until the link is over and its TCP connection gone."""
        try:
            while await self._serve_one(socket):
                pass
            await self._tap.lost.wait()
        finally:
            for timer in self._timers:
                timer.cancel()
            self._ended(self._tap.lost_by)
            self._ledger.gone(self.serial)

    def hello(self, num_connections: int) -> None:
        """Greet; ``num_connections`` counts the app's Socket Mode links, this one included."""
        self.greeted = True
        if self.transport == "socket":
            text = frames.socket_hello(self.bot.app_id, num_connections, 18_060, "simulator")
        else:
            text = frames.hello()
        self.text(text)
        self._ledger.hello(self.serial)

    def mute(self) -> None:
        """Answer no ping and no message, as a link without ``hello`` may."""
        self._mute = True

    def text(self, text: str) -> None:
        """Send a text frame."""
        self._send(_TEXT, text.encode())

    def ping(self) -> None:
        """Send a WebSocket ping, as Slack does in Socket Mode."""
        self._send(_PING, b"simulator")

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something on this link, unless it ends before."""
        self._timers.append(asyncio.get_running_loop().call_later(delay_ms / 1000, action))

    def close(self, code: int | None, reason: str = "", *, by: str = "close") -> None:
        """Send a close frame; the socket goes when it is answered, or a second later."""
        payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
        self._send(_CLOSE, payload)
        self._ended(by, code)
        if not self._tap.stalled:
            asyncio.get_running_loop().call_later(_CLOSE_WAIT_S, self._tap.close)

    def end(self, how: faults.Fin | faults.Rst | faults.Close, *, by: str | None = None) -> None:
        """End the link at once."""
        match how:
            case faults.Fin():
                self._ended(by or "fin")
                self._tap.fin()
            case faults.Rst():
                self._ended(by or "rst")
                self._tap.rst()
            case faults.Close(code, reason):
                self.close(code, reason, by=by or "close")

    def strike(self, fault: faults.LinkFault) -> None:
        """Let a fault happen now."""
        match fault:
            case faults.Fin() | faults.Rst() | faults.Close():
                self.end(fault)
            case faults.Silence(for_ms):
                self._tap.stall()
                if for_ms is not None:
                    self.later(for_ms, self._tap.resume)
            case faults.SayGoodbye():
                self._goodbye(fault)
            case faults.Migrate():
                self.text(frames.team_migration())
                self.close(1000, by="migration")
            case faults.HugeFrame(size):
                self.text(_huge(size))
            case faults.JsonNull():
                self.text("null")
            case faults.BinaryFrame(data):
                self._send(_BINARY, data)
            case faults.GarbageText(text):
                self.text(text)
            case faults.MalformedFrame(kind):
                self._write(_MALFORMED[kind])

    def _ended(self, by: str, code: int | None = None) -> None:
        self.over = True
        self._ledger.ended(self.serial, by, code)

    def _goodbye(self, fault: faults.SayGoodbye) -> None:
        self.text(frames.disconnect(fault.reason) if self.transport == "socket" else frames.goodbye())
        if fault.close_after_ms is not None:
            self.later(fault.close_after_ms, lambda: self.close(fault.code, by="goodbye"))

    async def _serve_one(self, socket: web.WebSocketResponse) -> bool:
        """Take one message; whether more can come."""
        message = await socket.receive()
        match message.type:
            case WSMsgType.TEXT:
                self._take(message.data)
            case WSMsgType.BINARY:
                self._ledger.odd("a binary frame from the client")
            case WSMsgType.PING:
                self._ledger.pinged(self.serial, frame=True)
                if not self._mute:
                    self._send(_PONG, bytes(message.data))
            case WSMsgType.PONG:
                pass
            case WSMsgType.CLOSE:
                self._answer_close(message.data)
                return False
            case WSMsgType.ERROR:
                self._broken(message.data)
                return False
            case _:
                return False
        return True

    def _answer_close(self, code: int | None) -> None:
        # aiohttp gives 0 for a close frame without a code.
        self._ended("client_close", code or None)
        if self._tap.stalled:
            return  # the network that swallowed the client's frames swallows the answer too
        self._send(_CLOSE, code.to_bytes(2, "big") if code else b"")
        self._tap.close()

    def _broken(self, error: object) -> None:
        # An exception of the connection itself is told by the tap.
        if not self._tap.lost.is_set():
            self._ledger.odd(f"the client broke the protocol: {error}")
            self._ended("client_error")
            self._tap.close()

    def _take(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._ledger.odd("a text from the client that is no JSON object")
            return
        if message.get("type") == "ping" and self.transport == "rtm":
            self._ledger.pinged(self.serial, frame=False)
            self._check_id(message.get("id"))
            self._pong(message)
            return
        self._ledger.text(self.token, self.serial, text)
        if self.transport == "rtm":
            self._take_rtm(message)
        elif isinstance(message.get("envelope_id"), str):
            self._on_ack(self, message)

    def _take_rtm(self, message: Mapping[str, object]) -> None:
        match message.get("type"):
            case "message":
                self._ledger.sent_by_client(self.serial)
                self._check_id(message.get("id"))
                self._reply(message)
            case "presence_sub":
                users = message.get("ids")
                if isinstance(users, list) and all(isinstance(user, str) for user in users):
                    self._ledger.subscribed(self.serial, tuple(users))
                else:
                    self._ledger.odd("a presence_sub without a list of users")

    def _pong(self, ping: dict[str, object]) -> None:
        number = ping.get("id")
        if self._mute or not isinstance(number, int):
            return
        self.text(frames.pong(number, ping.get("time") if self._echo_time() else None))

    def _reply(self, message: Mapping[str, object]) -> None:
        number, text = message.get("id"), message.get("text")
        number = number if isinstance(number, int) else None
        if self._mute:
            return
        if self.bot.sends is not None and self.bot.sends.take(now_ms()) is not None:
            self._too_fast(number)
            return
        self._refusals = 0
        if not isinstance(text, str) or not text:
            self.text(frames.not_sent(number, 2, "message text is missing"))
        elif not message.get("channel"):
            self.text(frames.not_sent(number, 3, "message channel is missing"))
        elif number is not None:
            self.text(frames.sent(number, self._next_ts(), text))

    def _too_fast(self, number: int | None) -> None:
        # Undocumented; the code and the words that slack-go and others look for.
        self.text(frames.not_sent(number, -1, "slow down, too many messages..."))
        self._refusals += 1
        if self._refusals > _REFUSALS:
            self.close(1008, by="rate_limited")

    def _check_id(self, number: object) -> None:
        """Ids are positive and unique on a connection; clients count upwards."""
        if not isinstance(number, int) or isinstance(number, bool) or number <= self._last_id:
            self._ledger.odd("a message id that is not positive, not new or not ascending")
        else:
            self._last_id = number

    def _send(self, opcode: int, payload: bytes) -> None:
        if not self._close_sent:
            self._close_sent = opcode == _CLOSE
            self._write(encode_frame(opcode, payload))

    def _write(self, data: bytes) -> None:
        if self._tap.write(data):
            self._ledger.sent(self.serial)


def _huge(size: int) -> str:
    empty = json.dumps({"type": "message", "text": ""})
    return json.dumps({"type": "message", "text": "x" * max(0, size - len(empty))})
