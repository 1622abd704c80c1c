"""Slack's Web API byte by byte, and a relay before it that passes everything on: for the tests of relay.passing."""

import asyncio
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from tests.slackservers import RawServer, http_answer
from tests.support import PATIENCE_S
from traymon.relay.bots import RelayedBot
from traymon.relay.passing import IDLE_LIMIT_S, Passing
from traymon.slack.endpoint import Endpoint

LOCAL = "xoxb-local-0123456789abcdef"
LOCAL_APP = "xapp-local-fedcba9876543210"
REAL = "xoxb-98765432109-87654321098-TheRealBotTokenOfSlack"
REAL_APP = "xapp-1-A0123-987-TheRealAppLevelTokenOfSlack"
OK = http_answer(b'{"ok":true}', headers="Content-Type: application/json\r\n")


@dataclass(frozen=True)
class Received:
    """One request as Slack got it."""

    head: bytes
    body: bytes
    """Without its chunks' frames."""

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        pairs = [line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line]
        return [(name, value.strip()) for name, _, value in pairs]

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Slack:
    """Records what comes, and answers each request with ``answer``, or as ``script`` does with the open socket."""

    def __init__(
        self,
        answer: bytes = OK,
        script: Callable[[socket.socket, Received], None] | None = None,
        wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock,
    ) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self._answer = answer
        self._script = script
        self._wrap = wrap
        self.server = RawServer(self._serve)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.stop()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/api/"

    def next(self) -> Received:
        return self.received.get(timeout=PATIENCE_S)

    def _serve(self, sock: socket.socket) -> None:
        with self._wrap(sock) as own:
            request = read_request(own)
            self.received.put(request)
            if self._script is not None:
                self._script(own, request)
            else:
                own.sendall(self._answer)


def read_request(sock: socket.socket) -> Received:
    """One request with its whole body."""
    stream = sock.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.readline() or _gone()
    request = Received(head, b"")
    if request.header(b"Transfer-Encoding") == b"chunked":
        return Received(head, b"".join(_chunks(stream)))
    length = int(request.header(b"Content-Length") or 0)
    body = stream.read(length)
    if len(body) < length:
        _gone()
    return Received(head, body)


def _chunks(stream):
    while size := int(stream.readline() or _gone(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def _gone():
    raise ConnectionError("the relay hung up")


def a_bot(
    api_url: str = "http://127.0.0.1:9/api/",
    *,
    endpoint: Endpoint | None = None,
    read_token: Callable[[], str] = lambda: REAL,
    read_app_token: Callable[[], str] = lambda: REAL_APP,
) -> RelayedBot:
    return RelayedBot(
        name="deploybot",
        transport="socket",
        endpoint=endpoint or Endpoint(api_url),
        read_token=read_token,
        read_app_token=read_app_token,
        identity=lambda: None,
        local_token=LOCAL,
        local_app_token=LOCAL_APP,
    )


class Relay:
    """Passes all that it is asked on, for one bot; a context manager. Its loop's clock can be moved on."""

    def __init__(self, bot: RelayedBot, *, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        self.bot = bot
        self.said: list[str] = []
        self.unhandled: list[dict[str, object]] = []
        self.port = 0
        self._idle_limit_s = idle_limit_s
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Runs the loop, all that is served, and the passing; others touch it by `do` only.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="test-relay")

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *args):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        assert self.unhandled == []

    def advance(self, seconds: float) -> None:
        """Let the loop's clock jump."""
        clock = self._loop.time
        done = threading.Event()

        def jump() -> None:
            self._loop.time = lambda: clock() + seconds
            done.set()

        self._loop.call_soon_threadsafe(jump)
        assert done.wait(PATIENCE_S)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda loop, context: self.unhandled.append(context))
        self._stop = asyncio.Event()
        passing = Passing(self.said.append, idle_limit_s=self._idle_limit_s)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await passing.handle(request, self.bot)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(
            app, handler_cancellation=True, auto_decompress=False, access_log=None, shutdown_timeout=0
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            await runner.cleanup()
            await passing.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes, read all until the relay hangs up."""
        with self.connect() as sock:
            sock.sendall(request)
            return read_all(sock)

    def call(
        self,
        method: str = "chat.postMessage",
        body: bytes = b"",
        *headers: str,
        verb: str = "POST",
        authorized: bool = True,
    ) -> bytes:
        """A call with the local token in its header, and what came back."""
        lines = [
            f"{verb} /api/{method} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Connection: close",
            *headers,
        ]
        if authorized:
            lines.append(f"Authorization: Bearer {LOCAL}")
        if body and not any(line.lower().startswith("transfer-encoding") for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        return self.exchange("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def read_all(sock: socket.socket) -> bytes:
    """Until the other side ends, however it does."""
    data = b""
    try:
        while more := sock.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


def parsed(answer: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """An answer's status line, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    return (
        line,
        [(name, value.strip()) for name, _, value in (each.partition(b":") for each in headers)],
        body,
    )


def dechunked(body: bytes) -> bytes:
    """The content of a chunked body that is there as a whole."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert body == b"\r\n"
            return whole
        whole, body = whole + body[:length], body[length + 2 :]
