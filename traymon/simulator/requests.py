"""Reading one HTTP request as Slack does, and as it came: arguments for the method, bytes for the record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import cast
from urllib.parse import parse_qsl

from aiohttp import web

from traymon.simulator.clock import now_ms
from traymon.simulator.truth import RequestRecord

LARGEST_READ = 1024 * 1024
"""Bytes of a body that are kept and read; what is longer is counted and hashed only, its arguments are not looked at.
A multipart body's fields are read where they lie within."""
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as read from HTTP."""

    method: str
    token: str = field(repr=False)
    arguments: Mapping[str, object]
    error: str | None = None
    """The code that Slack gives to a request that it cannot read."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body: what was kept of it, and the measure of the whole."""

    head: bytes = field(repr=False)
    size: int
    sha256: str

    @property
    def is_whole(self) -> bool:
        """Whether all of it was kept."""
        return len(self.head) == self.size


async def read_body(request: web.BaseRequest) -> Body:
    """Take in the body, in bounded memory. Raises ``ConnectionError`` when the client leaves before its end."""
    digest = hashlib.sha256()
    head = bytearray()
    size = 0
    async for chunk in request.content.iter_chunked(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        head += chunk[: LARGEST_READ - len(head)]
    return Body(bytes(head), size, digest.hexdigest())


def read_call(request: web.BaseRequest, method: str, body: Body) -> Call:
    """Read token and arguments as Slack does: query, form or JSON body; a JSON body's token does not count."""
    arguments: dict[str, object] = dict(request.query)
    error = None
    if request.content_type == "application/json":
        value, error = _json_arguments(body, request.charset or "utf-8")
        value.pop("token", None)
        arguments |= value
    elif request.content_type == "multipart/form-data":
        arguments |= _multipart_arguments(body, request.headers["Content-Type"])
    elif request.content_type == "application/x-www-form-urlencoded" and body.is_whole:
        arguments |= parse_qsl(body.head.decode("utf-8", "replace"), keep_blank_values=True)
    form_token = arguments.pop("token", "")
    token = bearer(request) or form_token
    return Call(method, token if isinstance(token, str) else "", arguments, error)


def bearer(request: web.BaseRequest) -> str:
    """The token in the Authorization header; empty when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def record_of(
    request: web.BaseRequest, body: Body, token: str, method: str, arguments: Mapping[str, object]
) -> RequestRecord:
    """The request as it came, for the truth."""
    return RequestRecord(
        token=token,
        method=method,
        at=now_ms(),
        verb=request.method,
        target=request.raw_path,
        headers=tuple(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in request.raw_headers
        ),
        arguments=arguments,
        body=body.head if body.is_whole else b"",
        size=body.size,
        sha256=body.sha256,
    )


def _json_arguments(body: Body, charset: str) -> tuple[dict[str, object], str | None]:
    try:
        value = json.loads(body.head.decode(charset) or "{}")
    except (ValueError, RecursionError, LookupError):
        return {}, "invalid_json"
    if not isinstance(value, dict):
        return {}, "json_not_object"
    return value, None


def _multipart_arguments(body: Body, content_type: str) -> dict[str, object]:
    """The fields as text, the files as bytes."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "surrogateescape")
    message = BytesParser().parsebytes(head + body.head)
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    if parts and not body.is_whole:
        parts.pop()  # cut short
    return dict(_field(part) for part in parts)


def _field(part: Message) -> tuple[str, str | bytes]:
    name = part.get_param("name", "", header="content-disposition")
    content = cast(bytes | None, part.get_payload(decode=True)) or b""
    value = content if part.get_filename() is not None else content.decode("utf-8", "replace")
    return str(name), value
