"""What programs take for Slack: one HTTP and WebSocket server on loopback, for all bots.

1. Only this machine can reach it, no web page gets in (:mod:`traymon.relay.guard`), and every call needs a token that
   traymon made. It tells the bot; it is compared in constant time.
2. ``rtm.connect``, ``rtm.start`` and ``apps.connections.open`` lead to a WebSocket here, by a ticket that works once
   and for 30 s; of a Socket Mode bot that presents RTM, each to one of its kind. Every other method is passed on to
   Slack (:mod:`traymon.relay.passing`).
3. Nothing of a token or a ticket is logged: there is no access log, and of an unexpected error only its type is told.
"""

import asyncio
import contextlib
import hmac
import logging
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from aiohttp import web
from aiohttp.http import HttpVersion11

from traymon import words
from traymon.desktop.clocks import Clocks
from traymon.relay.bots import RelayedBot
from traymon.relay.bridge import Bridge, OnPrograms, Send
from traymon.relay.gate import Door, Gate
from traymon.relay.guard import is_welcome
from traymon.relay.identities import Identities, Known
from traymon.relay.methods import TRANSPORT_OF, Transport, connect_answer
from traymon.relay.opening import read_opening
from traymon.relay.passing import Passing, refusal
from traymon.relay.programs import name_of
from traymon.relay.sockets import ProgramSocket
from traymon.relay.tokens import HOST, RelaySettings
from traymon.slackwire.api import ConnectAnswer, Identity, socket_body
from traymon.slackwire.tickets import Tickets

_log = logging.getLogger(__name__)
# Without a parent, so that no configuration of the root logger reaches it: aiohttp writes requests into its log.
_silent = logging.Logger("traymon.relay.http", logging.CRITICAL + 1)

PORT_RETRY_S = 30.0
"""A port that somebody else has is tried again after this long."""
MOST_PROGRAMS = 32
"""Attached to one bot at a time. Slack allows an app ten; each costs a descriptor."""
IDENTITY_WAIT_S = 20.0
"""So long a program waits where nobody knows yet who its bot is. slack_sdk gives up after 30 s."""
_KEEP_ALIVE_S = 75.0
"""For connections between two requests: longer than Node's clients keep theirs, so that they close first."""
_LONGEST_LINE = 16 * 1024
"""Bytes of a request's line (a GET carries its arguments there) and of each header."""
_BACKLOG = 128
_MOST_TICKETS = 256
_MOST_TOKENS = 8
"""Of one call that are looked at: clients give one, some two."""

Kind = Literal["bot", "app"]


class Endpoint:
    """Belongs to the relay's loop, but for :attr:`bridges`, which any thread may read."""

    def __init__(
        self,
        settings: RelaySettings,
        identities: Identities,
        loop: asyncio.AbstractEventLoop,
        clocks: Clocks,
        on_programs: OnPrograms,
        say: Callable[[str], None],
        *,
        port_retry_s: float,
        identity_wait_s: float,
        ping_each_s: float,
        most_unanswered: int,
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._loop = loop
        self._clocks = clocks
        self._on_programs = on_programs
        self._say = say
        self._port_retry_s = port_retry_s
        self._identity_wait_s = identity_wait_s
        self._ping_each_s = ping_each_s
        self._most_unanswered = most_unanswered
        self.bridges: dict[str, Bridge] = {}
        """By bot; replaced as a whole at each change."""
        self.settling = True
        """Bots are still coming: a token that is not known may be that of one of them. Any thread may write it."""
        self._stopping = False
        self._tickets = Tickets(lambda: secrets.token_urlsafe(32), limit=_MOST_TICKETS)
        # Whose ticket it is, what the program calls itself, and what it speaks. Oldest first, no more than there are
        # tickets.
        self._owners: dict[str, tuple[Bridge, str, Transport]] = {}
        self._passing = Passing(say)
        self.trouble = ""
        """Why no program can reach the relay, in one sentence; replaced as a whole, so that any thread may read it."""
        self._server: web.Server | None = None
        self._gate: Gate | None = None
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        # Programs' WebSockets that are being served: waited for at the end.
        self._served: set[asyncio.Task[object]] = set()
        # What bridges do beside their links and programs: ended, and waited for, at the end.
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the port and serve. A port that cannot be had is said, and tried again."""
        self._server = web.Server(
            self._handle,
            handler_cancellation=True,  # a caller that leaves ends its call to Slack
            auto_decompress=False,  # bodies pass as they are
            access_log=None,
            logger=_silent,
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        self._gate = Gate(self._server)
        self._listen_or_say()
        self._accepting = self._loop.create_task(self._accept())

    async def stop(self, limit_s: float) -> None:
        """End within about ``limit_s``; programs get what waits for them, and are cut so that they come back."""
        self._stopping = True
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        for bridge in self.bridges.values():
            bridge.end_programs()
        if self._served:
            await asyncio.wait(self._served, timeout=limit_s / 2)
        for bridge in self.bridges.values():
            bridge.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(limit_s / 4)
        await self._passing.close()
        for task in self._tasks:  # last: until here, a program that asked could have begun one
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Bots

    def add(self, bot: RelayedBot, send: Send) -> Bridge:
        """Lend the link of ``bot``, which is not there yet."""
        bridge = Bridge(
            bot,
            send,
            self._loop,
            self._clocks,
            self._on_programs,
            on_identity=self._learn,
            spawn=self._spawn,
            say=self._say,
        )
        self.bridges = {**self.bridges, bot.name: bridge}
        return bridge

    def remove(self, bot: str) -> Bridge | None:
        """Lend it no more; what lent it, if anything did."""
        bridge = self.bridges.get(bot)
        if bridge is None:
            return None
        self.bridges = {name: each for name, each in self.bridges.items() if name != bot}
        self._passing.forget(bot)
        bridge.end_programs()
        bridge.close()
        return bridge

    # The port

    async def _accept(self) -> None:
        """For ever: whatever fails is tried again."""
        assert self._gate is not None
        while True:
            if self._listening is not None:
                with contextlib.suppress(OSError):
                    await self._gate.run(self._listening)
                self._listening.close()
                self._listening = None
            await asyncio.sleep(self._port_retry_s)
            self._listen_or_say()

    def _listen_or_say(self) -> None:
        port = self._settings.port
        try:
            self._listening = _listening(port)
        except OSError as error:
            self._troubled(
                words.gettext(
                    "Programs cannot reach the relay: port {port} is not to be had ({problem}). traymon tries again "
                    "every {seconds:.0f} s; end what uses the port, or change it in relay.json."
                ).format(
                    port=port, problem=error.strerror or type(error).__name__, seconds=self._port_retry_s
                )
            )
        else:
            self._troubled("")

    def _troubled(self, sentence: str) -> None:
        if sentence == self.trouble:
            return
        self.trouble = sentence
        if sentence:
            self._say(sentence)
        for bridge in self.bridges.values():
            bridge.tell()

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._gate is not None
        door = self._gate.door_of(request.transport)
        if door is None:
            return web.Response(status=503)  # the caller has left
        door.begin()
        try:
            return await self._answer(request, door)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - its text, or a frame's, may hold a token
            _log.error("the relay met a defect (%s)", type(error).__name__)
            return refusal("internal_error", status=500)
        finally:
            door.end()

    async def _answer(self, request: web.BaseRequest, door: Door) -> web.StreamResponse:
        if not is_welcome(request, self._settings.port):
            return _refused()
        if self._stopping:
            return _come_back()
        path = request.raw_path.partition("?")[0]
        if path.startswith("/link/"):
            return await self._link(request, door, path.removeprefix("/link/"))
        if not path.startswith("/api/"):
            return refusal("unknown_method", status=404)
        await _continue(request)
        opening = await read_opening(request)
        found = self._find(opening.tokens)
        if found is None and self.settling:
            return _come_back()
        if found is None:
            return refusal("invalid_auth" if opening.tokens else "not_authed")
        bridge, kind = found
        method = path.removeprefix("/api/").rstrip("/")
        transport = TRANSPORT_OF.get(method)
        if transport is None:
            return await self._passing.handle(request, bridge.bot, opening)
        if transport not in bridge.speaks or (kind == "app") != (transport == "socket"):
            return refusal("not_allowed_token_type")
        return await self._lead_in(request, bridge, method, transport)

    def _find(self, tokens: Sequence[str]) -> tuple[Bridge, Kind] | None:
        """Whose token it is. All are compared, so that the time tells nothing."""
        found: tuple[Bridge, Kind] | None = None
        for token in tokens[:_MOST_TOKENS]:
            for bridge in self.bridges.values():
                if _same(token, bridge.bot.local_token):
                    found = found or (bridge, "bot")
                if bridge.bot.transport == "socket" and _same(token, bridge.bot.local_app_token):
                    found = found or (bridge, "app")
        return found

    async def _lead_in(
        self, request: web.BaseRequest, bridge: Bridge, method: str, transport: Transport
    ) -> web.StreamResponse:
        """Answer with a URL that leads to a WebSocket here."""
        name = name_of(request.query.get("client", ""), request.headers.get("User-Agent", ""))
        if transport == "socket":
            return web.json_response(socket_body(self._url(bridge, name, transport)))
        who = await self._identity(bridge)
        if who is None:
            return refusal(
                "service_unavailable", words.gettext("traymon has not reached Slack yet"), status=503
            )
        url = self._url(bridge, name, transport)
        return web.json_response(connect_answer(who, url, old=method == "rtm.start"))

    def workspace(self, bot: str) -> str | None:
        """Of the bot of that name, as Slack called it when its link was last up. Any thread."""
        who = self._identities.get(bot)
        return None if who is None else who.team_name

    async def _identity(self, bridge: Bridge) -> Known | None:
        """Who the bot is; waited for where Slack has never said it."""
        if self._identities.get(bridge.bot.name) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._identity_wait_s):
                    await bridge.identity_came()
        return self._identities.get(bridge.bot.name)

    def _learn(self, bridge: Bridge, who: ConnectAnswer | Identity) -> None:
        """Slack has said who the bot is. Programs that were told otherwise are to ask again."""
        if self._identities.learn(bridge.bot.name, who):
            bridge.end_programs()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _url(self, bridge: Bridge, name: str, transport: Transport) -> str:
        ticket = self._tickets.issue(self._clocks.now())
        self._owners[ticket] = bridge, name, transport
        while len(self._owners) > _MOST_TICKETS:
            del self._owners[next(iter(self._owners))]
        # Never wss: slack_sdk speaks TLS on port 443 alone.
        return f"ws://{HOST}:{self._settings.port}/link/{ticket}"

    async def _link(self, request: web.BaseRequest, door: Door, ticket: str) -> web.StreamResponse:
        """A program's WebSocket, from the handshake to its end."""
        good = self._tickets.redeem(ticket, self._clocks.now())
        owner = self._owners.pop(ticket, None)
        if not good or owner is None:
            return _refused()
        bridge, name, transport = owner
        if self.bridges.get(bridge.bot.name) is not bridge:
            return _refused()
        if len(bridge.programs()) >= MOST_PROGRAMS:
            return refusal("too_many_websockets", status=503)
        given = request.query.get("client", "")
        socket = ProgramSocket(
            says_why_in_a_frame=transport == "socket",
            ping_each_s=self._ping_each_s,
            most_unanswered=self._most_unanswered,
        )
        await socket.open(request)
        door.attached()
        number = bridge.attach(name_of(given, "") if given else name, socket, transport)
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        try:
            return await socket.serve(
                lambda text: bridge.from_program(number, text), lambda: bridge.silent(number)
            )
        finally:
            self._served.discard(task)
            bridge.detach(number)


async def _continue(request: web.BaseRequest) -> None:
    """Tell who waits for it to send its body (RFC 9110, 10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


def _come_back() -> web.Response:
    """To who comes too early or too late: an answer that clients try again after, as after Slack's own."""
    answer = refusal("service_unavailable", status=503)
    answer.headers["Retry-After"] = "1"
    return answer


def _same(given: str, known: str) -> bool:
    # A token out of JSON can hold half a surrogate pair.
    return known != "" and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


def _refused() -> web.Response:
    # For whoever looks into why a program does not get through; a page gets to see it by no means that matters.
    response = web.Response(status=403, text="traymon: only for programs on this machine, at 127.0.0.1")
    response.force_close()
    return response


def _listening(port: int) -> socket.socket:
    """Raises OSError where the port cannot be had."""
    listening = socket.socket()
    try:
        if sys.platform == "win32":
            # There, SO_REUSEADDR would let two programs have one port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # The port may still be held by connections of the last run that have ended.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening
