"""The set-up page's server: on loopback, for one person, for a few minutes.

Who may talk to it
------------------
1. The address that is opened holds a ticket that works once: addresses show up in the arguments of a browser's process,
   which other users of the machine can read. A ticket that comes a second time ends the page that it opened.
2. The ticket is exchanged for a cookie, for the path of a folder with a random name: a browser sends cookies to every
   port of a host, and no other server here can know that path.
3. ``Host`` is this very server, or the request is refused: else any web page could have its name lead here (DNS
   rebinding). ``Origin``, where there is one, too, and a POST needs it. There is no CORS.
4. Tokens come in the body of a POST and are nowhere else: not in an address, an answer, a log, or the page.
5. Once a bot is kept, after 15 minutes without use, or when traymon ends, the server is gone, and its port too.
"""

import asyncio
import concurrent.futures
import contextlib
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import msgspec
from aiohttp import web

from traymon import words
from traymon.setup.checking import Checked, Outcome, Step, Tell
from traymon.setup.document import Document
from traymon.setup.steps import CheckRequest, KeepRequest, Result, Steps
from traymon.slack.cancel import Cancel
from traymon.slack.errors import AbandonedError

_log = logging.getLogger(__name__)
# Without a parent, so that no configuration of the root logger reaches it: aiohttp writes requests into its log.
_silent = logging.Logger("traymon.setup.http", logging.CRITICAL + 1)

HOST = "127.0.0.1"
_BODY_LIMIT = 32 * 1024
"""Bytes of a request: two tokens of 4 KB, a name, an address."""
_FAREWELL_S = 0.5
"""For answers under way at the end, twice: part of the 2 s that a clean end of traymon may take."""
_START_LIMIT_S = 10.0
"""For the loop and its port, which take milliseconds."""
_COOKIE = "traymon"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

T = TypeVar("T")
Work = Callable[[Tell, Cancel, threading.Event], Result]


class Server:
    """Serves one set-up page, from :meth:`start` until it has :attr:`ended`. Ends by itself, or by :meth:`stop`."""

    def __init__(self, steps: Steps, page: Document, *, idle_limit_s: float) -> None:
        """``idle_limit_s``: seconds without use after which it ends."""
        self._steps = steps
        self._page = page
        self._idle_limit_s = idle_limit_s
        self._folder = secrets.token_urlsafe(16)
        # Written by open_address(), read on the loop's thread: one reference each.
        self._ticket = ""
        # The rest is the loop's own.
        self._spent: set[str] = set()
        self._cookie = ""
        self._checked: Checked | None = None
        # Calls off the request that is being worked on; ``None`` while none is.
        self._call_off: Callable[[], None] | None = None
        self._last_use = 0.0
        self.port = 0
        # Set on the loop's thread when the end has begun: an address made now would lead nowhere.
        self.ending = threading.Event()
        # Set when port and thread are gone.
        self.ended = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Runs the loop, on which everything here happens. Daemon: a client that hangs must not hold up the exit.
        self._thread = threading.Thread(target=self._run, name="set-up page", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()

    def start(self) -> None:
        """Open a port and serve. Raises OSError where there is none."""
        self._thread.start()
        self._ready.result(_START_LIMIT_S)

    def open_address(self) -> str:
        """An address that opens the page, once; the one before, if it is unused, does not any more."""
        self._ticket = secrets.token_urlsafe(32)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended, after 15 minutes without use
                self._loop.call_soon_threadsafe(self._used)
        return f"http://{HOST}:{self.port}/open/{self._ticket}"

    def stop(self) -> None:
        """End now; returns when port and thread are gone. From any other thread; idempotent."""
        self._end_soon()
        if self._thread.ident is not None:
            self._thread.join(_FAREWELL_S * 4)

    def _end_soon(self) -> None:
        """From any thread."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._stop.set)

    # The thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self.ending.set()
            self.ended.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard], client_max_size=_BODY_LIMIT, logger=_silent)
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/open/{ticket}", self._open)
        app.router.add_get("/{folder}/", self._show)
        app.router.add_get("/{folder}/{file}", self._file)
        app.router.add_post("/{folder}/check", self._check)
        app.router.add_post("/{folder}/keep", self._keep)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_silent,
            handler_cancellation=True,
            shutdown_timeout=_FAREWELL_S,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            self.port = runner.addresses[0][1]
            self._used()
            self._ready.set_result(None)
            await self._until_the_end(self._stop)
        finally:
            self.ending.set()
            self._checked = None
            if self._call_off is not None:
                self._call_off()
            await runner.cleanup()

    async def _until_the_end(self, stop: asyncio.Event) -> None:
        """Until somebody sets ``stop``, or nobody has used the page for long."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            left = self._last_use + self._idle_limit_s - loop.time()
            if self._call_off is not None:
                left = self._idle_limit_s
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await stop.wait()
            except TimeoutError:
                continue

    def _used(self) -> None:
        self._last_use = asyncio.get_running_loop().time()

    # Who may

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        own = f"http://{HOST}:{self.port}"
        origin = request.headers.get("Origin")
        if f"http://{request.headers.get('Host', '')}" != own or origin not in {None, own}:
            return _refused()
        if request.method == "POST" and (origin is None or request.content_type != "application/json"):
            return _refused()
        folder = request.match_info.get("folder")
        if folder is not None:
            if not self._is_admitted(folder, request.cookies.get(_COOKIE, "")):
                is_page = request.method == "GET" and "file" not in request.match_info
                return self._closed() if is_page else _refused()
            self._used()
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - its text, or a frame's, may hold a token
            _log.error("the set-up page met a defect (%s)", type(error).__name__)
            return web.Response(status=500, text="")

    def _is_admitted(self, folder: str, cookie: str) -> bool:
        right = hmac.compare_digest(folder.encode(), self._folder.encode())
        return right and self._cookie != "" and hmac.compare_digest(cookie.encode(), self._cookie.encode())

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Exchange the ticket for the cookie, and go to the page."""
        ticket = request.match_info["ticket"]
        if ticket in self._spent:
            # Two had it, and only one is the person that it was made for.
            self._cookie, self._checked = "", None
            return web.Response(status=410, text=self._page.spent(), content_type="text/html")
        if not self._ticket or not hmac.compare_digest(ticket.encode(), self._ticket.encode()):
            return self._closed()
        self._spent.add(ticket)
        self._ticket = ""
        self._cookie = secrets.token_urlsafe(32)
        self._used()
        folder = f"/{self._folder}/"
        answer = web.Response(status=303, headers={"Location": folder})
        answer.set_cookie(_COOKIE, self._cookie, path=folder, httponly=True, samesite="Strict")
        return answer

    def _closed(self) -> web.Response:
        """For a person whose browser may not in: the same, whatever was wrong."""
        return web.Response(status=403, text=self._page.closed(), content_type="text/html")

    # What the page asks for

    async def _show(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=self._page.html(), content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = self._page.file(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        text, kind = found
        return web.Response(text=text, content_type=kind)

    async def _check(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request, CheckRequest)
        self._checked = None
        result = await self._stream(request, lambda tell, cancel, _: self._steps.check(wanted, tell, cancel))
        if result is not None:
            self._checked = result[1].checked
            await _end(*result)
            return result[0]
        return _taken()

    async def _keep(self, request: web.Request) -> web.StreamResponse:
        wanted = await _body(request, KeepRequest)
        checked = self._checked
        if checked is None:
            return web.Response(status=409, text="")
        kept = False

        def work(tell: Tell, _: Cancel, gone: threading.Event) -> Result:
            def tell_and_note(step: Step) -> None:
                nonlocal kept
                kept = kept or (step.name, step.outcome) == ("config", Outcome.OK)
                tell(step)

            result = self._steps.keep(checked, wanted, tell_and_note, gone)
            if kept and gone.is_set():  # nobody is there to be answered, and the page has done its work
                self._end_soon()
            return result

        try:
            result = await self._stream(request, work)
            if result is None:
                return _taken()
            await _end(*result)
            return result[0]
        finally:
            if kept:
                self._end_soon()

    async def _stream(self, request: web.Request, work: Work) -> tuple[web.StreamResponse, Result] | None:
        """Let ``work`` run on a thread, and send each step as it is told; ``None`` while another does."""
        if self._call_off is not None:
            return None
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        cancel, gone = Cancel(), threading.Event()

        def call_off() -> None:
            cancel.cancel()
            gone.set()

        self._call_off = call_off
        # From the worker's thread, by way of the loop: steps as they are told, the result at last.
        lines: asyncio.Queue[Step | Result] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(line: Step | Result) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        try:
            await answer.prepare(request)
            # Talks to Slack, the keyring and the disk. Daemon: what hangs there must not hold up the exit.
            threading.Thread(target=_work, args=(work, put, cancel, gone), name="set-up", daemon=True).start()
            while not isinstance(line := await lines.get(), Result):
                await _send(answer, asdict(line))
            return answer, line
        finally:
            self._call_off = None
            self._used()
            call_off()


def _work(work: Work, put: Callable[[Step | Result], object], cancel: Cancel, gone: threading.Event) -> None:
    """Do ``work`` on its thread; whatever it raises is a result too."""

    def tell(line: Step | Result) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            put(line)

    try:
        result = work(tell, cancel, gone)
    except AbandonedError:
        result = Result("failed")
    except Exception as error:  # noqa: BLE001 - a person waits for an answer; its text, or a frame's, may hold a token
        _log.error("setting up a bot met a defect (%s)", type(error).__name__)
        text = words.gettext("This is a defect of traymon ({kind}); please report it.")
        tell(Step("defect", Outcome.FAILED, text.format(kind=type(error).__name__)))
        result = Result("failed")
    tell(result)


async def _body(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError:
        raise web.HTTPBadRequest(text="") from None


async def _send(answer: web.StreamResponse, line: dict[str, object]) -> None:
    await answer.write(json.dumps(line).encode() + b"\n")


async def _end(answer: web.StreamResponse, result: Result) -> None:
    await _send(answer, {"end": result.end, "name": result.name})
    await answer.write_eof()


async def _add_headers(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(_HEADERS)


def _refused() -> web.Response:
    return web.Response(status=403, text="")


def _taken() -> web.Response:
    """Another request of the page's is being worked on."""
    return web.Response(status=409, text="")
