"""Calls that the relay does not answer itself: streamed to Slack and back, unchanged but for the token.

The caller proves itself by the token that traymon made for programs. Where that stands, and only there, the real one
goes up; whatever else a call carries, another real token included, passes as it is. What concerns only the connection
to the program (RFC 9110, 7.6.1) stays on this side of the relay.

Each call has a connection of its own, as with slack_sdk: one that was kept may be dead since the machine slept, and
who meets that with a POST cannot know whether to repeat it.
"""

import asyncio
import contextlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from traymon import words
from traymon.keeper.core.causes import Cause, Phase
from traymon.relay import exchange
from traymon.relay.bots import RelayedBot
from traymon.relay.opening import Opening, query_of, read_opening
from traymon.relay.upstream import Upstream, Way, new_session
from traymon.secrets import Secret, SecretUnavailable
from traymon.slack.errors import SlackError, failure_of

IDLE_LIMIT_S = 300.0
"""A call over which nothing moved for so long, in either direction, is ended. Clients give up long before (slack_sdk
after 30 s), and their leaving ends it at once; this is for those that would wait for ever. A slow upload moves."""

LINGER_S = 10.0
"""For what a caller still sends after the answer; as long as aiohttp waits itself."""

_METHOD = re.compile(r"/api/([\w-][\w.-]*(?:/[\w-][\w.-]*)*)/?", re.ASCII)
"""Names as Slack gives them: nothing in them has to be encoded, and no part of a path can climb."""

_OF_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110, 7.6.1 and 11.7: headers for the next hop alone."""
_REMADE = frozenset({b"host", b"content-length", b"expect"})
"""Slack has another address, a body another length with another token, and whoever serves the relay has answered
"100-continue" already."""
_CORS = b"access-control-"
"""Slack tells browsers here which pages may read its answers. That is not for it to say of traymon's address."""

_TROUBLE = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""What a call can end with: the network (time-outs included), a broken answer, headers that cannot be sent."""

Headers = Iterable[tuple[bytes, bytes]]


class Passing:
    """Passes calls on, for all bots. Belongs to the relay's loop.

    Whoever serves requests to it must do so with ``auto_decompress=False``, else bodies arrive unpacked, and with
    ``handler_cancellation=True``, else a caller that leaves while Slack thinks is not noticed before the idle limit.
    """

    def __init__(self, say: Callable[[str], None], *, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        """``say`` is told in a sentence what keeps a bot's calls from Slack: once, and again after one got through."""
        self._say = say
        self._idle_limit_s = idle_limit_s
        self._session: aiohttp.ClientSession | None = None
        self._upstreams: dict[str, Upstream] = {}
        self._said: dict[str, str] = {}

    async def close(self) -> None:
        """End all connections to Slack."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def forget(self, bot: str) -> None:
        """The bot of that name is gone: so are its tokens here."""
        self._upstreams.pop(bot, None)
        self._said.pop(bot, None)

    async def handle(
        self, request: web.BaseRequest, bot: RelayedBot, opening: Opening | None = None
    ) -> web.StreamResponse:
        """Answer ``request``, which has a local token of ``bot``'s, with what Slack answers.

        ``opening`` is what was read of it to find that out. Where Slack cannot be reached the answer has status 503:
        that is what both slack_sdk's ServerErrorRetryHandler and @slack/web-api try again, and its body is of the
        shape that all of them can read.
        """
        opening = opening or await read_opening(request)
        method = _METHOD.fullmatch(request.raw_path.partition("?")[0])
        if method is None or not request.raw_path.isascii() or "#" in request.raw_path:
            return refusal("unknown_method", status=404)
        upstream = self._upstream(bot)
        try:
            real = await self._real(upstream, opening)
            way = await upstream.way()
        except SecretUnavailable as error:
            self._tell(bot, str(error))
            if error.waits:
                return refusal("service_unavailable", str(error), status=503)
            return refusal("not_authed", str(error))
        except SlackError as error:
            return self._unreachable(bot, error.failure.cause)
        if not real:
            return refusal("invalid_auth")
        return await self._pass(request, bot, _Call(request, opening, real), way, method[1])

    def _upstream(self, bot: RelayedBot) -> Upstream:
        known = self._upstreams.get(bot.name)
        if known is None or known.bot is not bot:
            known = self._upstreams[bot.name] = Upstream(bot)
        return known

    async def _real(self, upstream: Upstream, opening: Opening) -> dict[str, Secret]:
        """The real token for each local one of the bot's that the call has. Raises SecretUnavailable."""
        real: dict[str, Secret] = {}
        for token in opening.tokens:
            if _same(token, upstream.bot.local_token):
                real[token] = await upstream.token()
            elif _same(token, upstream.bot.local_app_token):
                real[token] = await upstream.app_token()
        return real

    async def _pass(
        self, request: web.BaseRequest, bot: RelayedBot, call: "_Call", way: Way, method: str
    ) -> web.StreamResponse:
        if self._session is None:
            self._session = new_session()
        response: web.StreamResponse | None = None
        try:
            async with asyncio.timeout(self._idle_limit_s) as idle:
                call.on_move = lambda: self._moved(idle)
                async with self._session.request(
                    request.method,
                    URL(call.target(way.base + method), encoded=True),
                    headers=call.headers(way),
                    data=call.body(),
                    allow_redirects=False,
                    ssl=way.context if way.secure else True,
                    proxy=way.proxy,
                    proxy_headers=way.proxy_headers if way.secure else None,
                ) as answer:
                    self._said.pop(bot.name, None)
                    response = _response(answer)
                    await self._down(request, answer, response, call.on_move)
        except _TROUBLE as error:
            if request.transport is None or request.transport.is_closing():
                return response or web.Response()  # which nobody gets: the caller has left
            if response is not None:
                # Slack's answer broke off, and so does this one: it must not look like the whole.
                request.transport.close()
                return response
            if call.broke:
                return refusal("invalid_request", status=400)
            return self._unreachable(bot, _cause(error))
        await _read_the_rest(request)
        return response

    async def _down(
        self,
        request: web.BaseRequest,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        moved: Callable[[], None],
    ) -> None:
        moved()
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
            moved()
        await response.write_eof()

    def _moved(self, idle: asyncio.Timeout) -> None:
        if not idle.expired():
            idle.reschedule(asyncio.get_running_loop().time() + self._idle_limit_s)

    def _unreachable(self, bot: RelayedBot, cause: Cause) -> web.StreamResponse:
        short = words.short_cause(cause)
        self._tell(
            bot,
            words.gettext(
                "A call of {bot}'s program did not get through to Slack: {cause}. The program is told to try again."
            ).format(bot=words.printable(bot.name), cause=short),
        )
        return refusal("service_unavailable", short, status=503)

    def _tell(self, bot: RelayedBot, sentence: str) -> None:
        if self._said.get(bot.name) != sentence:
            self._said[bot.name] = sentence
            self._say(sentence)


def refusal(error: str, why: str = "", *, status: int = 200) -> web.Response:
    """An answer of the relay's own, in the shape of Slack's; ``why`` is for whoever reads the program's log."""
    body: dict[str, object] = {"ok": False, "error": error}
    if why:
        body["response_metadata"] = {"messages": [f"[ERROR] traymon: {why}"]}
    return web.json_response(body, status=status)


class _Call:
    """One call as it goes up."""

    def __init__(self, request: web.BaseRequest, opening: Opening, real: Mapping[str, Secret]) -> None:
        self._request = request
        self._opening = opening
        self._real = real
        self._head = exchange.exchanged(opening.head, opening.in_body, self._token)
        self.broke = False
        """Whether the caller's body came to an untimely end."""
        self.on_move: Callable[[], None] = lambda: None

    def target(self, url: str) -> str:
        """``url`` with the caller's query."""
        query = query_of(self._request)
        if not query:
            return url
        return f"{url}?{exchange.exchanged(query, self._opening.in_query, self._token).decode()}"

    def headers(self, way: Way) -> CIMultiDict[str]:
        """The caller's own."""
        headers = CIMultiDict[str]()
        spellings: dict[bytes, bytes] = {}
        for name, value in _end_to_end(self._request.raw_headers, _REMADE):
            if name.lower() == b"authorization":
                value = exchange.exchanged(value, exchange.in_authorization(value), self._token)
            # aiohttp's client keeps only the last of several headers whose names differ in case.
            headers.add(_text(spellings.setdefault(name.lower(), name)), _text(value))
        length = self._request.content_length
        if length is not None:
            headers["Content-Length"] = str(length + len(self._head) - len(self._opening.head))
        if not way.secure:
            headers.update(way.proxy_headers)
        return headers

    def body(self) -> AsyncIterator[bytes] | None:
        """The body, or ``None`` when there is none."""
        return self._pieces() if self._request.body_exists else None

    async def _pieces(self) -> AsyncIterator[bytes]:
        if self._head:
            yield self._head
        try:
            while piece := await self._request.content.readany():
                self.on_move()
                yield piece
        except Exception:
            self.broke = True
            raise

    def _token(self, found: str) -> str | None:
        real = self._real.get(found)
        return None if real is None else real.reveal()


async def _read_the_rest(request: web.BaseRequest) -> None:
    """Take what the caller still sends: Slack may answer before it has all, and who cannot send reads no answer."""
    with contextlib.suppress(*_TROUBLE):
        async with asyncio.timeout(LINGER_S):
            while await request.content.readany():
                pass


def _response(answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Slack's answer, before its body."""
    headers = CIMultiDict[str]()
    for name, value in _end_to_end(answer.raw_headers):
        if not name.lower().startswith(_CORS):
            headers.add(_text(name), _text(value))
    return web.StreamResponse(status=answer.status, reason=answer.reason or "", headers=headers)


def _end_to_end(headers: Headers, remade: frozenset[bytes] = frozenset()) -> Iterator[tuple[bytes, bytes]]:
    """The headers that are for the other end, but for those that are made anew."""
    headers = list(headers)
    kept_back = _OF_CONNECTION | remade
    for name, value in headers:
        if name.lower() == b"connection":
            kept_back |= {option.strip().lower() for option in value.split(b",")}
    return ((name, value) for name, value in headers if name.lower() not in kept_back)


def _text(raw: bytes) -> str:
    """A header as aiohttp takes it. It writes UTF-8: what is not, is taken for the older Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _same(given: str, known: str) -> bool:
    """In a time that tells nothing of where they differ."""
    # What was found in JSON can hold half a surrogate pair.
    return bool(known) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


def _cause(error: BaseException) -> Cause:
    """Why Slack was not reached, as far as the client's error shows."""
    match error:
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return Cause.PROXY
        case aiohttp.ClientConnectorCertificateError():
            return Cause.TLS
        case aiohttp.ClientConnectorDNSError():
            phase = Phase.DNS
        case aiohttp.ClientConnectorSSLError():
            phase = Phase.TLS
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            phase = Phase.TCP
        case aiohttp.ServerDisconnectedError():
            return Cause.ABRUPT_CLOSE
        case _:
            phase = Phase.API
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return failure_of(inner, phase, reached=phase is Phase.API).cause
