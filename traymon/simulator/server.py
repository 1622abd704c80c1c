"""The simulator itself: one thread, one event loop, one port for Slack's Web API and its WebSockets."""

import asyncio
import concurrent.futures
import json
import random
import secrets
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Literal, Self, TypeVar, cast

from aiohttp import web

from traymon.simulator import bots, clock, envelopes, faults, http, requests, webapi
from traymon.simulator.files import Files, StoredFile
from traymon.simulator.link import LARGEST_ACKNOWLEDGEMENT, LARGEST_MESSAGE, ServedLink
from traymon.simulator.tap import Tap
from traymon.simulator.truth import Ledger, TextRecord, Truth
from traymon.slackwire import frames
from traymon.slackwire.tickets import Tickets

T = TypeVar("T")

_LOOPBACK = "127.0.0.1"
# A command to the loop is done in microseconds; this long means that the loop hangs.
_COMMAND_LIMIT_S = 10.0
# Slack's limit of Socket Mode connections for one app.
_SOCKETS_PER_APP = 10
# Slack pings Socket Mode links; clients take 30 s without one for death.
_SOCKET_PING_MS = 10_000
# URLs whose owner is remembered, so that a spent one is answered as that owner's.
_URLS_KEPT = 4_096


class Simulator:
    """A Slack stand-in on 127.0.0.1, with faults at will and a record of what really happened.

    A context manager; every public method may be called from any thread while it runs, :meth:`truth`,
    :meth:`open_links`, :meth:`received` and :meth:`texts` also afterwards. Only those four may be called in the
    predicate of :meth:`wait`: the others wait for the loop, and the loop may be waiting for the predicate's lock.

    ``seed`` decides ids and every choice that Slack would make. ``port`` 0 lets the system choose. ``latency_ms``
    delays all that clients send (a round trip takes that much longer). ``tls`` serves https and wss.
    ``socket_ping_ms`` is the interval of the pings on Socket Mode links. ``address`` is the IPv4 address to serve on,
    ``name`` what URLs call it (default: the address): for a network that a test made. ``ack_limit_ms`` is Slack's
    limit for the acknowledgement of an envelope; ``redelivery_factor`` shortens the 1 and 5 minutes after which it
    delivers an event again.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        port: int = 0,
        latency_ms: int = 0,
        tls: ssl.SSLContext | None = None,
        socket_ping_ms: int = _SOCKET_PING_MS,
        address: str = _LOOPBACK,
        name: str = "",
        ack_limit_ms: int = envelopes.ACK_LIMIT_MS,
        redelivery_factor: float = 1.0,
    ) -> None:
        self._ledger = Ledger()
        self._name = name or address
        self._slack = _Slack(
            seed,
            self._ledger,
            tls=tls,
            latency_ms=latency_ms,
            socket_ping_ms=socket_ping_ms,
            address=address,
            name=self._name,
            ack_limit_ms=ack_limit_ms,
            redelivery_factor=redelivery_factor,
        )
        self._wanted_port = port
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop | None = None
        # Runs the event loop, from `start` to `stop`. All serving happens on it; others reach it by `_do` only.
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Open the port and serve; raises ``OSError`` when the port cannot be had."""
        ready: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._slack.main(self._wanted_port, ready)),
            name="traymon-simulator",
            daemon=True,
        )
        self._thread.start()
        try:
            self._loop = ready.result(_COMMAND_LIMIT_S)
        except BaseException:
            self._thread.join()
            raise
        return self

    def stop(self) -> None:
        """Drop all connections, close the port, end the thread. A second call does nothing."""
        if self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(self._slack.stopping.set)
        self._thread.join(_COMMAND_LIMIT_S)
        if self._thread.is_alive():
            raise RuntimeError("the simulator's loop does not end")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port; the same through :meth:`refuse` and :meth:`accept`."""
        return self._slack.port

    @property
    def api_url(self) -> str:
        """What a client takes for ``https://slack.com/api/``."""
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}/api/"

    # Who is there

    def add_bot(
        self, token: str, name: str, team: str = "Simulated", *, app_token: str | None = None
    ) -> None:
        """Make a bot known; ``app_token`` (``xapp-…``) lets it use Socket Mode too."""
        self._do(lambda: self._slack.add_bot(token, name, team, app_token))

    def remove_bot(self, token: str) -> None:
        """Forget a bot: its tokens are ``invalid_auth`` from now on; live links stay."""
        self._do(lambda: self._slack.remove_bot(token))

    def set_away(self, token: str, away: bool) -> None:
        """Force the bot away, or no longer (``users.setPresence``)."""
        self._do(lambda: setattr(self._slack.known(token), "manual_away", away))

    def rate_limit(self, token: str, burst: int | None = 3, refill_s: float = 60) -> None:
        """Apply Tier 1 to a bot's ``rtm.connect`` and ``apps.connections.open``; ``None`` takes it off again."""
        limit = None if burst is None else bots.Bucket(burst, refill_s)
        self._do(lambda: setattr(self._slack.known(token), "tier1", limit))

    def hear_itself(self, token: str) -> None:
        """Let the app get what it posts as events of Socket Mode, too, as one that subscribes to messages does."""
        self._do(lambda: setattr(self._slack.known(token), "hears_itself", True))

    def limit_sends(self, token: str, burst: int | None = 10, refill_s: float = 1) -> None:
        """Refuse RTM messages beyond one a second and a burst, and close on who goes on; ``None`` takes it off."""
        limit = None if burst is None else bots.Bucket(burst, refill_s)
        self._do(lambda: setattr(self._slack.known(token), "sends", limit))

    def haunt(self, app_token: str, ghosts: int) -> None:
        """Let that many dead links stay registered: ``num_connections`` counts them, they swallow what they get."""
        self._do(lambda: self._slack.envelopes.haunt(app_token, ghosts))

    def echo_time(self, on: bool = True) -> None:
        """Whether pongs echo the ping's ``time``; some of Slack's servers do, some do not (the default here)."""
        self._do(lambda: setattr(self._slack, "echo", on))

    # What goes wrong

    def strike(self, token: str, fault: faults.LinkFault, serial: int | None = None) -> int:
        """Let a fault happen on the token's live links, or on one of them; how many were struck."""
        return self._do(lambda: self._slack.strike(token, fault, serial))

    def fin(self, token: str) -> int:
        """Hang up without a close frame."""
        return self.strike(token, faults.Fin())

    def rst(self, token: str) -> int:
        """Reset the TCP connection."""
        return self.strike(token, faults.Rst())

    def silence(self, token: str, for_ms: int | None = None) -> int:
        """Let nothing through, either way, for ``for_ms`` or for ever."""
        return self.strike(token, faults.Silence(for_ms))

    def close(self, token: str, code: int | None = 1000, reason: str = "") -> int:
        """Send a close frame."""
        return self.strike(token, faults.Close(code, reason))

    def goodbye(self, token: str, close_after_ms: int | None = 5_000) -> int:
        """Announce the end, and close that much later unless the client left."""
        return self.strike(token, faults.SayGoodbye(close_after_ms))

    def arm(
        self,
        fault: faults.CallFault | faults.HandshakeFault,
        times: int | None = 1,
        *,
        token: str | None = None,
        method: str | None = None,
    ) -> None:
        """Let the next ``times`` calls or handshakes (``None``: all, until :meth:`disarm`) meet a fault.

        ``token`` and ``method`` narrow it down. What was armed first is met first. Raises ``ValueError`` for
        what could never be met.
        """
        self._do(lambda: self._slack.armoury.arm(fault, times, token, method))

    def disarm(self) -> None:
        """Forget all that is armed."""
        self._do(self._slack.armoury.disarm)

    def expire_urls(self) -> None:
        """Let every URL that is not yet used be too old."""
        self._do(self._slack.expire_urls)

    def refuse(self) -> None:
        """Close the listening socket: connections are refused. Live links stay."""
        self._do(self._slack.refuse)

    def accept(self) -> None:
        """Listen again, on the same port; raises ``OSError`` when somebody else took it."""
        self._await(self._slack.accept)

    # What Slack sends, and what is true

    def push(self, token: str, event: Mapping[str, object]) -> int:
        """Send an event: over RTM to all the token's links, in Socket Mode to any one; to how many."""
        return self._do(lambda: self._slack.broadcast(token, event))

    def deliver(
        self,
        app_token: str,
        payload: Mapping[str, object],
        kind: envelopes.Kind = "events_api",
        *,
        accepts_response_payload: bool | None = None,
    ) -> str:
        """Give an envelope to any one Socket Mode link; its ``envelope_id``.

        What is not acknowledged within 3 s, or meets no link, has failed; an event is then delivered again under a
        new id: at once, after 1 and after 5 minutes. By default all but events accept a response.
        """
        return self._do(
            lambda: self._slack.envelopes.deliver(app_token, kind, payload, accepts_response_payload)
        )

    def repeat(self, envelope_id: str) -> None:
        """Deliver an envelope once more, same id and attempt, as Slack sometimes does."""
        self._do(lambda: self._slack.envelopes.repeat(envelope_id))

    def redeliver(self, app_token: str) -> int:
        """Let the waits of all events that are not acknowledged be over: delivered again now; how many."""
        return self._do(lambda: self._slack.envelopes.redeliver(app_token))

    def say(self, token: str, text: str, *, channel: str = "C0GENERAL", user: str = "U0SOMEBODY") -> str:
        """Let a person say something in a channel; the message's ``ts``.

        With a bot token every RTM link gets it, with an app-level token one Socket Mode link, as an event.
        """
        return self._do(lambda: self._slack.say(token, text, channel, user))

    def happen(self, app_token: str, event: Mapping[str, object]) -> str:
        """Let an event of the Events API happen, for any one Socket Mode link; its ``event_id``."""
        return self._do(lambda: self._slack.happen(app_token, event))

    def next_ts(self) -> str:
        """A ``ts`` for a message that is told of by :meth:`happen`."""
        return self._do(self._slack.next_ts)

    def truth(self) -> Truth:
        """What happened so far; immutable."""
        return self._ledger.truth()

    def received(self, token: str) -> tuple[str, ...]:
        """The texts that the token's links sent, JSON pings left out; the last 1,000."""
        return self._ledger.received(token)

    def texts(self, token: str) -> tuple[TextRecord, ...]:
        """The same, with the link and the moment of each."""
        return self._ledger.texts(token)

    def open_links(self, token: str) -> int:
        """How many WebSockets of the token the server holds, greeted or not."""
        return self._ledger.open_links(token)

    def wait(self, predicate: Callable[[], object], timeout_s: float) -> bool:
        """Wait until ``predicate()`` is true, evaluated after every change of the truth; whether it came true."""
        return self._ledger.wait(predicate, timeout_s)

    def _do(self, work: Callable[[], T]) -> T:
        """Run something on the loop's thread and return its result."""

        async def run() -> T:
            return work()

        return self._await(run)

    def _await(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._loop is None:
            raise RuntimeError("the simulator is not running")

        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_COMMAND_LIMIT_S)


class _Slack:
    """The server. After construction everything here runs on the loop's thread."""

    def __init__(
        self,
        seed: int,
        ledger: Ledger,
        *,
        tls: ssl.SSLContext | None,
        latency_ms: int,
        socket_ping_ms: int,
        address: str,
        name: str,
        ack_limit_ms: int,
        redelivery_factor: float,
    ) -> None:
        self.port = 0
        self.echo = False
        self.armoury = faults.Armoury()
        self.stopping = asyncio.Event()
        self._seed = seed
        self._choice = random.Random(seed)
        self._ledger = ledger
        self._tls = tls
        self._latency_ms = latency_ms
        self._socket_ping_ms = socket_ping_ms
        self._address = address
        self._name = name
        self._bots: dict[str, bots.Bot] = {}
        self._links: list[ServedLink] = []
        self._taps: dict[asyncio.BaseTransport, Tap] = {}
        self.envelopes = envelopes.Envelopes(
            ledger, self._choice, self._greeted, ack_limit_ms, redelivery_factor
        )
        self._files = Files(_draw)
        self._events = 0
        self._tickets = Tickets(_draw)
        self._urls: dict[str, tuple[bots.Bot, str, Literal["rtm", "socket"]]] = {}
        self._last_ts = 0
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    # Life

    async def main(self, port: int, ready: "concurrent.futures.Future[asyncio.AbstractEventLoop]") -> None:
        """Serve until ``stopping`` is set."""
        holder: socket.socket | None = None
        try:
            self._web = web.Server(self._serve, access_log=None, auto_decompress=False)
            holder = _hold_port(self._address, port)
            self.port = holder.getsockname()[1] if holder else port
            await self.accept()
        except OSError as exc:
            if holder:
                holder.close()
            ready.set_exception(exc)
            return
        try:
            ready.set_result(asyncio.get_running_loop())
            await self.stopping.wait()
        finally:
            self.refuse()
            if holder:
                holder.close()
            for link in self._links:
                self._ledger.ended(link.serial, "stop")
            taps = list(self._taps.values())
            for tap in taps:
                tap.abort()
            await asyncio.gather(*(tap.lost.wait() for tap in taps))
            await self._web.shutdown(timeout=1)

    def refuse(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def accept(self) -> None:
        """Listen on the port, the system's choice at first."""
        if self._listener is not None:
            return
        server = self._web
        assert server is not None, "accept comes after main"
        sock = _bound(self._address, self.port)
        self.port = sock.getsockname()[1]
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Tap(cast(asyncio.Protocol, server()), self._latency_ms, self._taps),
            sock=sock,
            ssl=self._tls,
        )

    # Commands

    def add_bot(self, token: str, name: str, team: str, app_token: str | None) -> None:
        bot = bots.make_bot(self._seed, token, name, team, app_token)
        self._bots[token] = bot
        if app_token:
            self._bots[app_token] = bot

    def remove_bot(self, token: str) -> None:
        bot = self.known(token)
        self._bots = {t: b for t, b in self._bots.items() if b is not bot}

    def known(self, token: str) -> bots.Bot:
        bot = self._bots.get(token)
        if bot is None:
            raise LookupError("no bot was added with this token")
        return bot

    def strike(self, token: str, fault: faults.LinkFault, serial: int | None) -> int:
        struck = [link for link in self._live(token) if serial in (None, link.serial)]
        for link in struck:
            link.strike(fault)
        return len(struck)

    def expire_urls(self) -> None:
        self._tickets = Tickets(_draw)

    def say(self, token: str, text: str, channel: str, user: str) -> str:
        bot = self.known(token)
        ts = self.next_ts()
        event = {
            "type": "message",
            "channel": channel,
            "user": user,
            "text": text,
            "team": bot.team_id,
            "ts": ts,
            "event_ts": ts,
        }
        if token != bot.app_token:
            self.broadcast(token, event)
            return ts
        self.happen(token, {**event, "channel_type": "channel"})
        return ts

    def happen(self, app_token: str, event: Mapping[str, object]) -> str:
        self._events += 1
        event_id = f"Ev{self._events:09d}"
        payload = envelopes.event_payload(self.known(app_token), event, event_id, clock.wall_ms() // 1000)
        self.envelopes.deliver(app_token, "events_api", payload, None)
        return event_id

    # What the Web API's methods ask for

    def bot_of(self, token: str) -> bots.Bot | None:
        """The bot that a token of either kind belongs to."""
        return self._bots.get(token)

    def url_for(self, bot: bots.Bot, token: str, transport: Literal["rtm", "socket"]) -> str:
        """A fresh WebSocket URL."""
        ticket = self._tickets.issue(clock.now_ms())
        self._urls[ticket] = (bot, token, transport)
        while len(self._urls) > _URLS_KEPT:
            del self._urls[next(iter(self._urls))]
        return f"{'wss' if self._tls else 'ws'}://{self._name}:{self.port}/link/{ticket}"

    def address(self, path: str) -> str:
        """An absolute URL of ours."""
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}{path}"

    def create_file(self, bot: bots.Bot, name: str, length: int) -> StoredFile:
        """A file that is to be uploaded."""
        return self._files.create(bot, name, length)

    def find_file(self, file_id: str) -> StoredFile | None:
        """A file by its id."""
        return self._files.find(file_id)

    def live_links(self, token: str) -> int:
        """How many links with that token were greeted and live."""
        return len(self._greeted(token))

    def next_ts(self) -> str:
        """A new message's ``ts``: seconds and six digits, unique."""
        self._last_ts = max(self._last_ts + 1, clock.wall_ms() * 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def wall_ms(self) -> int:
        """UTC milliseconds."""
        return clock.wall_ms()

    def broadcast(self, token: str, event: Mapping[str, object]) -> int:
        """Send an event to the token's greeted links: to all over RTM, to any one in Socket Mode."""
        links = self._greeted(token)
        if links and links[0].transport == "socket":
            links = [self._choice.choice(links)]
        text = json.dumps(event)
        for link in links:
            link.text(text)
        return len(links)

    def posted(self, bot: bots.Bot, event: Mapping[str, object]) -> None:
        """Tell a bot's links of a message that it posted itself: over RTM always, in Socket Mode if it wants it."""
        self.broadcast(bot.token, event)
        if bot.hears_itself and bot.app_token is not None:
            self.happen(bot.app_token, {**event, "app_id": bot.app_id, "channel_type": "channel"})

    def _live(self, token: str) -> list[ServedLink]:
        return [link for link in self._links if link.token == token and not link.over]

    def _greeted(self, token: str) -> list[ServedLink]:
        return [link for link in self._live(token) if link.greeted]

    # HTTP

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        tap = self._taps.get(request.transport) if request.transport else None
        if tap is None:  # the client left before its request was looked at
            return web.Response(status=499)
        try:
            return await self._route(tap, request)
        except (web.HTTPException, ConnectionError, web.PayloadAccessError):
            raise
        except Exception as exc:
            self._ledger.odd(f"a bug of the simulator: {exc!r}")
            raise

    async def _route(self, tap: Tap, request: web.BaseRequest) -> web.StreamResponse:
        _, _, first = request.path.partition("/")
        first, _, rest = first.partition("/")
        if first == "api" and rest:
            return await self._call(tap, request, rest)
        if first == "link" and rest:
            return await self._upgrade(tap, request, rest)
        if first == "upload" and request.method == "POST":
            return await self._upload(request, rest.removeprefix("v1/"))
        if first == "files-pri" and rest:
            return await self._download(request)
        if request.path == "/portal":
            return http.login_page()
        return web.Response(status=404, text="Not Found\n")

    async def _call(self, tap: Tap, request: web.BaseRequest, method: str) -> web.StreamResponse:
        body_read = await requests.read_body(request)
        call = requests.read_call(request, method, body_read)
        self._ledger.requested(requests.record_of(request, body_read, call.token, method, call.arguments))
        fault = self.armoury.for_call(call.token, method)
        if isinstance(fault, faults.Portal):
            self._ledger.called(call.token, method, "Portal")
            return http.redirect_to_portal(request.headers.get("Host", "127.0.0.1"))
        if isinstance(fault, faults.SlackCode):
            self._ledger.called(call.token, method, fault.code)
            return http.json_response({"ok": False, "error": fault.code})
        body, retry_after = webapi.answer(self, call, clock.now_ms())
        if fault is None or isinstance(fault, faults.SlowAnswer):
            self._ledger.called(call.token, method, str(body.get("error", "ok")))
        else:
            self._ledger.called(call.token, method, type(fault).__name__)
        if isinstance(fault, faults.WrongShape):
            return http.json_response(http.without(body, fault.missing))
        if retry_after is not None and fault is None:
            return http.json_response(body, status=429, headers={"Retry-After": str(retry_after)})
        return await http.answer_call(tap, request, fault, body)

    async def _upload(self, request: web.BaseRequest, ticket: str) -> web.StreamResponse:
        """The address says whose file it is: Slack asks for no token here. Raw, or one file of a form."""
        body = await requests.read_body(request)
        sent = requests.read_call(request, "upload", body).arguments
        form = next((value for value in sent.values() if isinstance(value, bytes)), None)
        file = self._files.take_in(ticket, body.head if form is None else form, body.size)
        if file is None:
            return web.Response(status=404, text="Not Found\n")
        self._ledger.requested(requests.record_of(request, body, file.bot.token, "upload", sent))
        return web.Response(text=f"OK - {body.size}")

    async def _download(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await requests.read_body(request)
        token = requests.bearer(request)
        self._ledger.requested(requests.record_of(request, body, token, "download", {}))
        bot = self._bots.get(token)
        file = self._files.find(request.path.split("/")[2].partition("-")[2])
        if bot is None or token == bot.app_token:  # a browser is sent to log in
            return web.Response(status=302, headers={"Location": "/portal"})
        if file is None or file.size is None or request.path != file.path:
            return web.Response(status=404, text="Not Found\n")
        return web.Response(body=file.content, content_type="application/octet-stream")

    # WebSocket

    async def _upgrade(self, tap: Tap, request: web.BaseRequest, ticket: str) -> web.StreamResponse:
        good = self._tickets.redeem(ticket, clock.now_ms())
        owner = self._urls.get(ticket)
        if owner is None:
            return web.Response(status=404, text="Not Found\n")
        bot, token, transport = owner
        fault = self.armoury.for_handshake(token)
        refusal = await http.refuse_upgrade(tap, request, fault) if fault else None
        if refusal is not None:
            return refusal
        # autoping and autoclose off: a silenced link must answer neither. One byte over the limit is read as such.
        ws = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=LARGEST_MESSAGE if transport == "rtm" else LARGEST_ACKNOWLEDGEMENT,
            timeout=1,
        )
        await ws.prepare(request)
        link = ServedLink(
            bot=bot,
            token=token,
            transport=transport,
            tap=tap,
            ledger=self._ledger,
            next_ts=self.next_ts,
            echo_time=lambda: self.echo,
            on_ack=self.envelopes.acknowledged,
            peer=_peer(request),
        )
        self._links.append(link)
        try:
            self._greet(link, faults.SpentUrl() if not good else fault)
            await link.serve(ws)
        finally:
            self._links.remove(link)
        return ws

    def _greet(self, link: ServedLink, fault: faults.HandshakeFault | None) -> None:
        match fault:
            case faults.SpentUrl():
                link.mute()
                link.text(frames.spent_url())
                link.close(1000, by="spent_url")
            case faults.NoHello(answers_pings):
                if not answers_pings:
                    link.mute()
            case faults.LateHello(delay_ms):
                link.later(delay_ms, lambda: self._hello(link))
            case faults.DropBeforeHello(how):
                link.end(how)
            case _:
                self._hello(link)

    def _hello(self, link: ServedLink) -> None:
        if link.transport == "rtm":
            link.hello(0)
            return
        if self.live_links(link.token) >= _SOCKETS_PER_APP:
            link.text(frames.disconnect("too_many_websockets"))
            link.close(1000, by="too_many_websockets")
            return
        link.hello(self.envelopes.registered(link.token) + 1)
        self._ping_forever(link)

    def _ping_forever(self, link: ServedLink) -> None:
        link.ping()
        link.later(self._socket_ping_ms, lambda: self._ping_forever(link))


def _peer(request: web.BaseRequest) -> str:
    name = request.transport.get_extra_info("peername") if request.transport else None
    return f"{name[0]}:{name[1]}" if name else ""


def _draw() -> str:
    return secrets.token_urlsafe(32)


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let others take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _hold_port(address: str, port: int) -> socket.socket | None:
    """A second socket, bound and never listening, that keeps the port ours while we refuse connections.

    Without it the port, which lies in the range for outgoing connections, could go to another process, or a client
    that keeps trying could be given it as its own port and connect to itself. Only Linux lets a listener and a
    bound socket share a port in this way (socket(7), SO_REUSEADDR).
    """
    return _bound(address, port) if sys.platform == "linux" else None
