"""Answering one HTTP request in the ways of :mod:`traymon.simulator.faults`: whole, late, in drops, or not at all."""

import asyncio
import base64
import hashlib
import json

from aiohttp import web

from traymon.simulator import faults
from traymon.simulator.tap import Tap

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_BALANCER_PAGE = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
_LOGIN_PAGE = "<!DOCTYPE html><title>Hotel Wi-Fi</title><form>Room: <input name=room></form>"


def json_response(
    body: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """An answer of the Web API."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def login_page() -> web.StreamResponse:
    """What a captive portal shows."""
    return web.Response(text=_LOGIN_PAGE, content_type="text/html")


def redirect_to_portal(host: str) -> web.StreamResponse:
    """The captive portal's redirect, to plain HTTP."""
    return web.Response(status=302, headers={"Location": f"http://{host}/portal"})


async def never(tap: Tap) -> web.StreamResponse:
    """Wait for the client to leave; what is returned reaches nobody."""
    await tap.lost.wait()
    return web.Response()


async def raw(tap: Tap, data: bytes, *, then_fin: bool = True) -> web.StreamResponse:
    """Send bytes that aiohttp never would."""
    tap.write(data)
    if then_fin:
        tap.fin()
    return await never(tap)


async def answer_call(
    tap: Tap, request: web.BaseRequest, fault: faults.CallFault | None, body: dict[str, object]
) -> web.StreamResponse:
    """Answer an API call with ``body``, unless ``fault`` says otherwise."""
    match fault:
        case faults.HttpStatus():
            return _status(fault)
        case faults.GarbageAnswer(garbage, content_type):
            return web.Response(body=garbage, content_type=content_type)
        case faults.JsonAnswer(value):
            return json_response(value)
        case faults.Hang():
            return await never(tap)
        case faults.Dribble(interval_ms):
            return await _dribble(tap, json.dumps(body).encode(), interval_ms / 1000)
        case faults.HangUp(how):
            (tap.rst if isinstance(how, faults.Rst) else tap.fin)()
            return await never(tap)
        case faults.Answer():
            return await _own(request, fault)
        case faults.SlowAnswer(delay_ms):
            await asyncio.sleep(delay_ms / 1000)
            return json_response(body)
        case _:
            return json_response(body)


def without(body: dict[str, object], path: str) -> dict[str, object]:
    """The answer without one key: ``self.id`` leaves out ``id`` of ``self``."""
    key, _, rest = path.partition(".")
    inner = body.get(key)
    if rest and isinstance(inner, dict):
        return {**body, key: without(inner, rest)}
    return {k: v for k, v in body.items() if k != key}


async def refuse_upgrade(
    tap: Tap, request: web.BaseRequest, fault: faults.HandshakeFault
) -> web.StreamResponse | None:
    """Answer an upgrade wrongly; ``None`` when ``fault`` lets the handshake itself succeed."""
    match fault:
        case faults.HandshakeStatus(status, body):
            return web.Response(status=status, body=body, content_type="text/plain")
        case faults.HandshakeGarbage(data):
            return await raw(tap, data)
        case faults.HandshakeHang():
            return await never(tap)
        case faults.WrongAccept():
            return await raw(tap, _switching(b"bm90IHdoYXQgeW91IGFza2Vk"), then_fin=False)
        case faults.UnrequestedSubprotocol(name):
            extra = b"Sec-WebSocket-Protocol: " + name.encode() + b"\r\n"
            return await raw(tap, _switching(_accept(request), extra), then_fin=False)
        case faults.PortalHandshake():
            return redirect_to_portal(request.headers.get("Host", "127.0.0.1"))
        case _:
            return None


def _status(fault: faults.HttpStatus) -> web.StreamResponse:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
    if fault.body is None and fault.status == 429:
        return json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
    return web.Response(
        status=fault.status,
        body=_BALANCER_PAGE if fault.body is None else fault.body,
        headers=headers,
        content_type="text/html",
    )


async def _own(request: web.BaseRequest, answer: faults.Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status)
    for name, value in answer.headers:
        response.headers.add(name, value)
    response.content_length = len(answer.body) * answer.repeat
    await response.prepare(request)
    if request.method != "HEAD":
        for _ in range(answer.repeat):
            await response.write(answer.body)
    await response.write_eof()
    return response


async def _dribble(tap: Tap, body: bytes, interval_s: float) -> web.StreamResponse:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    tap.write(head)
    for byte in body:
        try:
            await asyncio.wait_for(tap.lost.wait(), interval_s)
        except TimeoutError:
            tap.write(bytes([byte]))
        else:
            break
    tap.fin()
    return await never(tap)


def _accept(request: web.BaseRequest) -> bytes:
    key = request.headers.get("Sec-WebSocket-Key", "").encode()
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _switching(accept: bytes, extra: bytes = b"") -> bytes:
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n" + extra + b"\r\n"
    )
