"""The beginning of a call of the Web API: read ahead, as the token may stand in the body."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message

from aiohttp import StreamReader, web
from aiohttp.http import HttpProcessingError

from traymon.relay import exchange
from traymon.relay.exchange import Found

LOOK = 512 * 1024
"""Bytes of a body in which a token is looked for. Clients put it first, but for botkit 0.4.2, which puts it last in a
form; and a message of Slack's longest, 40,000 characters, has up to 360,000 bytes in a form."""
LOOK_LIMIT_S = 10.0
"""A caller that sends this part more slowly is judged by what came."""

Find = Callable[[bytes, bool], list[Found]]
"""Tokens in a body; the second argument says whether it is the whole."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a call before it is passed on."""

    head: bytes = field(repr=False)
    """What was read of the body; the rest is still in the request."""
    in_query: tuple[Found, ...]
    in_body: tuple[Found, ...]
    in_headers: tuple[Found, ...]

    @property
    def tokens(self) -> list[str]:
        """All tokens, in the order in which they count: that of the Authorization header first."""
        return [found.token for found in (*self.in_headers, *self.in_query, *self.in_body)]


async def read_opening(request: web.BaseRequest) -> Opening:
    """Read as much of the body as is looked into. Never fails: what keeps the rest from coming shows when that is read.

    In bodies of another type than forms and JSON, and in encoded ones, there is no token, and nothing is read.
    """
    find = _finder(request)
    head = b""
    if find is not None:
        head = await _read(request.content)
    return Opening(
        head,
        in_query=tuple(exchange.in_pairs(query_of(request))),
        in_body=tuple(find(head, request.content.at_eof())) if find else (),
        in_headers=tuple(
            found
            for name, value in request.raw_headers
            if name.lower() == b"authorization"
            for found in exchange.in_authorization(value)
        ),
    )


def query_of(request: web.BaseRequest) -> bytes:
    """The query as it came, without its question mark."""
    return request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape")


async def _read(content: StreamReader) -> bytes:
    head = bytearray()
    # Whatever is wrong with the body is still wrong when the rest of it is read.
    with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError, HttpProcessingError):
        async with asyncio.timeout(LOOK_LIMIT_S):
            while piece := await content.read(LOOK - len(head)):
                head += piece
    return bytes(head)


def _finder(request: web.BaseRequest) -> Find | None:
    """How tokens are found in a body of this type; ``None`` where there can be none."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return None
    match request.content_type:
        case "application/x-www-form-urlencoded":
            return lambda body, whole: exchange.in_pairs(body, whole=whole)
        case "application/json":
            return lambda body, whole: exchange.in_json(body)
        case "multipart/form-data":
            boundary = _boundary(request.headers["Content-Type"])
            return (lambda body, whole: exchange.in_multipart(body, boundary)) if boundary else None
    return None


def _boundary(content_type: str) -> str:
    head = Message()
    head["Content-Type"] = content_type
    return head.get_boundary("")
