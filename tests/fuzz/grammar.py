"""What a wrong Slack may send: valid messages by slackwire's builders, bent by a grammar of known traps and at random.

Everything comes from the case's own generator of random numbers, so that a case is known by its seed and number.
"""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from traymon.slackwire import api, frames

PORT = "@PORT"
"""Stands for the test server's port: five characters, as a port that the system chooses has."""
ACCEPT = b"@ACCEPT@@@@@@@@@@@@@@@@@@@@@"
"""Stands for the right ``Sec-WebSocket-Accept``; as long as that is."""
TICKET = "T1CKET-of-the-l1nk"
URL = f"ws://127.0.0.1:{PORT}/{TICKET}"


class Target(StrEnum):
    """Where the wrong bytes come."""

    API = "api"
    HANDSHAKE = "handshake"
    FRAMES = "frames"
    CALL = "call"
    """An answer to ``auth.test`` or ``users.getPresence``, which no link waits for."""


class End(StrEnum):
    """What follows the wrong bytes."""

    FIN = "fin"
    RST = "rst"
    HOLD = "hold"
    """Nothing more comes; limits are waited for in earnest."""
    SKIP = "skip"
    """Nothing more comes; the core's clock is moved on."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``pieces`` are sent one by one."""

    seed: int
    number: int
    transport: str
    target: Target
    method: str
    pieces: tuple[bytes, ...]
    end: End

    @property
    def name(self) -> str:
        """As it is printed, and how it is run alone."""
        return f"--seed {self.seed} --case {self.number}"

    def __str__(self) -> str:
        data = b"".join(self.pieces)
        shown = repr(data if len(data) <= 4_000 else data[:2_000] + b" ... " + data[-500:])
        return (
            f"{self.name}: {self.transport}, {self.target.value} ({self.method}), {len(data)} bytes in "
            f"{len(self.pieces)} pieces, then {self.end.value}: {shown}"
        )


def case(seed: int, number: int) -> Case:
    """Case ``number`` of the run with ``seed``."""
    rng = random.Random(f"{seed}/{number}")
    transport = rng.choice(["rtm", "socket"])
    target = rng.choices(list(Target), weights=[35, 15, 45, 5])[0]
    method = "rtm.connect" if transport == "rtm" else "apps.connections.open"
    if target is Target.CALL:
        method = rng.choice(["auth.test", "users.getPresence"])
    if target is Target.FRAMES:
        data = stream(rng, transport)
    elif target is Target.HANDSHAKE:
        data = handshake(rng, transport)
    else:
        data = http_answer(rng, body(rng, method))
    end = rng.choices(list(End), weights=[80, 15, 0.4, 4.6])[0]
    if target is Target.CALL and end is End.SKIP:
        end = End.FIN
    return Case(seed, number, transport, target, method, tuple(cut(rng, data)), end)


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """``data`` in pieces: mostly one, at times a few, at times byte by byte."""
    how = rng.random()
    if how < 0.75 or len(data) < 2:
        return [data]
    if how < 0.8 and len(data) < 200:
        return [bytes([byte]) for byte in data]
    places = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 4))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


# Values and JSON

CODES = [
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "missing_scope", "accesslimited",
    "ratelimited", "internal_error", "fatal_error", "service_unavailable", "migration_in_progress",
    "not_allowed_token_type", "method_deprecated", "invalid_arguments", "a_code_that_nobody_knows",
]  # fmt: skip
REASONS = ["warning", "refresh_requested", "link_disabled", "too_many_websockets", "", "why_not"]
TYPES = ["hello", "pong", "goodbye", "disconnect", "error", "team_migration_started", "message", "events_api"]


def value(rng: random.Random) -> object:
    """One JSON value that hardly belongs where it is put."""
    return rng.choice(
        [
            None, True, False, 0, -1, 1, 2, 7, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, 0.5,
            -0.0, 1e308,
            float("inf"), float("nan"), "", " ", "0", "1", "true", "null", "\x00", "\ud800", "\udfff\ud800",
            "💥", "\u202e",
            "a" * 5_000, "é" * 300, "\r\nX: y", "%s%n{0}", "<b>", [], {}, [[]], [None], {"": None},
            {"a": {"b": [1]}},
            deep_list(60), rng.choice(TYPES), rng.choice(CODES), rng.choice(REASONS), rng.random() * 10**9,
            rng.randint(-(10**12), 10**12),
        ]
    )  # fmt: skip


def deep_list(depth: int) -> object:
    """Lists in lists."""
    nested: object = []
    for _ in range(depth):
        nested = [nested]
    return nested


def url(rng: random.Random) -> object:
    """A link's address, wrong in one way or another. None of another host is ever asked for (see ``run.guarded``)."""
    return rng.choice(
        [
            URL, f"ws://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}/?{TICKET}#x",
            f"ws://localhost:{PORT}/{TICKET}",
            f"WS://127.0.0.1:{PORT}/{TICKET}", f"wss://127.0.0.1:{PORT}/{TICKET}",
            f"http://127.0.0.1:{PORT}/", "ws://",
            "ws:///x", "ws://[::1", f"ws://[::1]:{PORT}/", "ws://127.0.0.1:0/", "ws://127.0.0.1:99999/",
            "ws://127.0.0.1:x/",
            "ws://127.0.0.1:-1/", "ws://127.0.0.1:1/", f"ws://u:p@127.0.0.1:{PORT}/", "//127.0.0.1/",
            "127.0.0.1", "ws://a b/",
            "ws://a\r\nHost: b/", "ws://" + "a" * 300 + ".invalid/", "ws://" + ".".join("a" * 60) + "/",
            "ws://é.invalid/",
            "ws://\ud800/", "ws://..", "ws://a..b/", "ws://xn--/", "ws://%00/", "ws://１２７.0.0.1/", "ws://0/",
            "ws://0x7f.1/",
            f"ws://127.0.0.1:{PORT}/" + "x" * 20_000, f"ws://127.0.0.1:{PORT}/é💥",
            f"ws://127.0.0.1:{PORT}/\x7f",
            f"ws://127.0.0.1:{PORT}\\@x/", f"ws://127.0.0.1:{PORT}/\ud800", f"ws://127.0.0.1:{PORT}/\u2028",
            f" {URL}", f"{URL} ",
            "ws://[fe80::1%25x]/", "ws://[v1.x]/", "ws://[1.2.3.4]/", "javascript:0",
            "wss://slack.invalid/link",
        ]
    )  # fmt: skip


def bent(rng: random.Random, whole: object) -> object:
    """``whole`` with one to three of its parts replaced, removed, wrapped or added."""
    holder: list[object] = [json.loads(json.dumps(whole))]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(_places(holder))
        parent, key = rng.choice(places)
        match rng.randrange(6):
            case 0 | 1 | 2:
                parent[key] = (
                    url(rng)
                    if key == "url" and str(parent[key]).startswith("ws") and rng.random() < 0.85
                    else value(rng)
                )
            case 3 if isinstance(parent, dict):
                del parent[key]
            case 4:
                parent[key] = [parent[key]] if rng.random() < 0.5 else {str(key): parent[key]}
            case _:
                if isinstance(parent, dict):
                    name = rng.choice(
                        ["ok", "error", "type", "url", "reply_to", "reason", "self", "", "\x00"]
                    )
                    parent[name] = value(rng)
    return holder[0]


def _places(parent: object) -> "list[tuple[object, object]]":
    keys = (
        parent.keys() if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
    )
    found: list[tuple[object, object]] = []
    for key in list(keys):
        found.append((parent, key))
        found += _places(parent[key])
    return found


def text(rng: random.Random, whole: object) -> bytes:
    """``whole`` as JSON, or as something that nearly is."""
    plain = json.dumps(whole).encode()
    how = rng.random()
    if how < 0.72:
        return plain
    return rng.choice(_TEXTS)(rng, plain, whole)


_TEXTS: list[Callable[[random.Random, bytes, object], bytes]] = [
    lambda rng, plain, _: plain[: rng.randrange(len(plain) + 1)],
    lambda rng, plain, _: plain + rng.choice([b"x", b"\x00", b"}", b" ", plain]),
    lambda rng, plain, _: shaken(rng, plain),
    lambda rng, plain, _: shaken(rng, plain),
    lambda rng, plain, _: b"\xef\xbb\xbf" + plain,
    lambda rng, plain, _: plain.decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"])),
    lambda rng, plain, _: plain.replace(b'"', b"'"),
    lambda rng, plain, _: plain[:-1] + b',"' + rng.choice([b"ok", b"type", b"url"]) + b'":' + b"false}",
    lambda rng, plain, _: plain.replace(b"true", rng.choice([b"1", b"True", b"tru", b'"true"', b"null"])),
    lambda rng, plain, _: b"[" * (n := rng.choice([50, 2_000, 100_000])) + b"]" * n,
    lambda rng, plain, _: b'{"a":' * rng.choice([50, 2_000, 50_000]) + plain,
    lambda rng, plain, _: plain[:-1] + b',"more":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    lambda rng, plain, _: plain[:-1] + b',"more":' + b"9" * rng.choice([25, 4_000, 5_000]) + b"}",
    lambda rng, plain,
    _: plain[:-1] + b',"more":"' + rng.choice([b"\xff", b"\xed\xa0\x80", b"\xc0\x80"]) + b'"}',
    lambda rng, plain, _: plain[:-1] + b',"more":"' + b"x" * rng.choice([10_000, 300_000]) + b'"}',
    lambda rng, plain, _: b" \r\n\t" * 50 + plain + b"\n" * 50,
    lambda rng, plain,
    _: rng.choice([b"", b" ", b"null", b"true", b"0", b'""', b"[]", b"{}", b"NaN", b"-", b"\x00"]),
    lambda rng, plain, _: b"<!DOCTYPE html><html><title>Sign in</title></html>",
    lambda rng, plain,
    whole: "".join(f"\\u{ord(c):04x}" if c.isalpha() else c for c in plain.decode()).encode(),
    lambda rng, plain, _: rng.randbytes(rng.randrange(1, 300)),
]  # fmt: skip


def shaken(rng: random.Random, data: bytes) -> bytes:
    """``data`` with one to four changes at random places."""
    bent_data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(bent_data) + 1)
        match rng.randrange(7):
            case 0 if bent_data:
                bent_data[at % len(bent_data)] ^= 1 << rng.randrange(8)
            case 1 if bent_data:
                bent_data[at % len(bent_data)] = rng.choice(b'\x00\xff\r\n "{}[]:,0-\\')
            case 2:
                bent_data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                del bent_data[at : at + rng.randint(1, 20)]
            case 4:
                bent_data[at:at] = bent_data[at : at + rng.randint(1, 40)]
            case 5:
                bent_data[at:at] = rng.choice(
                    [b"\r\n", b"\r\n\r\n", b"\n", b"\x00", b"0\r\n", b"\xff\xfe", b"-1"]
                )
            case _:
                if rng.random() < 0.3:
                    del bent_data[at:]
    return bytes(bent_data)


# The Web API and HTTP


def body(rng: random.Random, method: str) -> bytes:
    """An answer's body."""
    match method:
        case "rtm.connect":
            whole = api.connect_body(URL, "U1", "bot", "T1", "team", "domain")
        case "apps.connections.open":
            whole = api.socket_body(URL)
        case "auth.test":
            whole = api.identity_body(api.Identity("U1", "bot", "T1", "team", "https://t.slack.com/", "B1"))
        case _:
            whole = api.presence_body(api.Presence(True, False, 1, 1))
    if rng.random() < 0.3:
        more = rng.choice([{}, {"needed": "users:read", "provided": "bot"}, {"needed": value(rng)}])
        whole = api.error_body(rng.choice(CODES), **more)
    if rng.random() < 0.7:
        return text(rng, bent(rng, whole))
    return text(rng, whole)


STATUS_LINES = [
    "HTTP/1.0 200 OK", "HTTP/1.1 200", "HTTP/1.1  200  OK", "HTTP/2 200", "HTTP/0.9 200 OK",
    "http/1.1 200 ok", "ICY 200 OK",
    "HTTP/1.1 20 ?", "HTTP/1.1 2000 ?", "HTTP/1.1 -1 ?", "HTTP/1.1 099 ?", "HTTP/1.1 ٢٠٠ ?", "HTTP/1.1 0x0 ?",
    "HTTP/1.1", "HTTP/", "", " ",
    "HTTP/1.1 200 \xff\x00", "HTTP/1.1 200 " + "x" * 70_000, "HTTP/1.1 100 Continue",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 103 Early", "HTTP/1.1 201 ?", "HTTP/1.1 204 ?", "HTTP/1.1 206 ?", "HTTP/1.1 301 ?",
    "HTTP/1.1 302 ?", "HTTP/1.1 304 ?",
    "HTTP/1.1 400 ?", "HTTP/1.1 401 ?", "HTTP/1.1 403 ?", "HTTP/1.1 404 ?", "HTTP/1.1 407 ?",
    "HTTP/1.1 408 ?", "HTTP/1.1 418 ?",
    "HTTP/1.1 429 ?", "HTTP/1.1 429 ?", "HTTP/1.1 429 ?", "HTTP/1.1 500 ?", "HTTP/1.1 502 ?",
    "HTTP/1.1 503 ?", "HTTP/1.1 511 ?", "HTTP/1.1 599 ?",
    "HTTP/1.1 600 ?", "HTTP/1.1 999 ?", "SSH-2.0-OpenSSH_9", "220 mail ESMTP",
]  # fmt: skip
HEADERS = [
    "Content-Type: application/json; charset=utf-8", "Content-Type: text/html",
    "Content-Type: text/html; charset=\xff",
    "Content-Type:", "Retry-After: 0", "Retry-After: 1", "Retry-After: 30", "Retry-After: 86400",
    "Retry-After: 86401",
    "Retry-After: 99999999999999999999", "Retry-After: -5", "Retry-After: 1.5", "Retry-After: \xb2",
    "Retry-After: soon",
    "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", "Location: http://portal.invalid/",
    "Location: https://x.invalid/",
    "Location: /", "Location: \xff", "Location:", "Set-Cookie: a=b", "Set-Cookie: =;;=\x00",
    "Connection: keep-alive", "Connection: close",
    "Content-Encoding: gzip", "Content-Encoding: br", "Content-Length: 5", "Content-Length: -1",
    "Content-Length: x",
    "Content-Length: 99999999999999999999", "Content-Length: 1_0", "Content-Length: +3", "Content-Length: ",
    "Content-Length: 3, 4",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
    "Trailer: x", "NoColon", ": empty",
    "X: " + "y" * 70_000, "X:\x00", " folded", "\tfolded: x", "X : y", "X: a\rb", "Upgrade: websocket",
    "WWW-Authenticate: x",
    "Proxy-Authenticate: Basic", "Date: never", "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Sec-WebSocket-Accept: x", "\xff\xfe: \xff", "=?utf-8?q?x?=: =?utf-8?q?=ff?=",
]  # fmt: skip


def headers(rng: random.Random) -> str:
    """Some header lines."""
    lines = [rng.choice(HEADERS) for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 4]))]
    if rng.random() < 0.01:
        lines += ["X: y"] * 300
    end = "\r\n" if rng.random() < 0.95 else "\n"
    return "".join(line + end for line in lines)


def http_answer(rng: random.Random, content: bytes) -> bytes:
    """``content`` in an answer, right or not."""
    line = "HTTP/1.1 200 OK" if rng.random() < 0.65 else rng.choice(STATUS_LINES)
    head = f"{line}\r\n{headers(rng)}"
    if rng.random() < 0.03:
        head = "HTTP/1.1 100 Continue\r\n\r\n" * rng.randint(1, 3) + head
    if rng.random() < 0.05:
        coded = gzip.compress(content) if rng.random() < 0.5 else zlib.compress(content)
        content = coded if rng.random() < 0.7 else coded[: len(coded) // 2]
        head += f"Content-Encoding: {rng.choice(['gzip', 'deflate', 'x'])}\r\n"
    match rng.randrange(10):
        case 0 | 1:
            data = (head + "Transfer-Encoding: chunked\r\n\r\n").encode("latin-1", "replace") + chunks(
                rng, content
            )
        case 2:
            data = (head + "\r\n").encode("latin-1", "replace") + content
        case 3:
            wrong = rng.choice([0, 1, len(content) - 1, len(content) + 1, len(content) * 2, 10**7, 10**12])
            data = (head + f"Content-Length: {wrong}\r\n\r\n").encode("latin-1", "replace") + content
        case _:
            data = (head + f"Content-Length: {len(content)}\r\n\r\n").encode("latin-1", "replace") + content
    if rng.random() < 0.003:
        data += b" " * (9 << 20)
    how = rng.random()
    if how < 0.12:
        return shaken(rng, data)
    return data[: rng.randrange(len(data) + 1)] if how < 0.17 else data


def chunks(rng: random.Random, content: bytes) -> bytes:
    """``content`` in chunks, right or not."""
    made = b""
    for piece in cut(rng, content):
        size = f"{len(piece):x}".encode() if piece else b"0"
        if rng.random() < 0.2:
            size = rng.choice(
                [
                    b"",
                    b"-1",
                    b"+5",
                    b"0x5",
                    b"zz",
                    b"ffffffffffffffffff",
                    b" 5 ",
                    b"5;x=y",
                    b"5;" + b"x" * 70_000,
                    b"1_0",
                ]
            )
        made += size + b"\r\n" + piece + (b"\r\n" if rng.random() < 0.95 else b"")
    return made + rng.choice(
        [b"0\r\n\r\n"] * 6 + [b"", b"0\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 500]
    )


# The opening handshake


def handshake(rng: random.Random, transport: str) -> bytes:
    """An answer to the WebSocket's request, and at times frames behind it."""
    if rng.random() < 0.4:
        answer = http_answer(
            rng, rng.choice([b"", b"no", b"<html>", text(rng, {"ok": False, "error": "invalid_auth"})])
        )
    else:
        lines = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {ACCEPT.decode()}",
            *(rng.choice(HEADERS) for _ in range(rng.choice([0, 0, 1, 2]))),
        ]
        for _ in range(rng.choice([0, 1, 1, 2])):
            at = rng.randrange(len(lines))
            lines[at] = rng.choice(
                [
                    "", lines[at].lower(), lines[at].upper(), lines[at] * 2, lines[at].replace(": ", ":"),
                    lines[at] + " ",
                    lines[at].replace(":", ""), lines[at][:-1], lines[at] + ", x",
                    lines[at].split(":")[0] + ":", "Upgrade: h2c",
                    "Connection: keep-alive, Upgrade", "Connection: close", "Sec-WebSocket-Accept: ",
                    "Sec-WebSocket-Accept: " + "A" * 27 + "=",
                ]
            )  # fmt: skip
        line = "HTTP/1.1 101 Switching Protocols" if rng.random() < 0.8 else rng.choice(STATUS_LINES)
        answer = "\r\n".join([line, *lines, "", ""]).encode("latin-1", "replace")
        if rng.random() < 0.15:
            answer = shaken(rng, answer)
    if rng.random() < 0.7:
        answer += frame(hello(transport).encode(), 1)
    return answer if rng.random() < 0.93 else answer[: rng.randrange(len(answer) + 1)]


# Frames


def hello(transport: str) -> str:
    """The right first event."""
    return frames.hello() if transport == "rtm" else frames.socket_hello("A1", 1, 18_060, "applink-1")


def message(rng: random.Random, transport: str) -> bytes:
    """One event's text, right or not."""
    right = rng.choice(
        [
            hello(transport), hello("rtm"), hello("socket"),
            frames.pong(rng.choice([0, 1, 2, 10**30, -1]), rng.choice([None, 5])),
            frames.goodbye(), *(frames.disconnect(reason) for reason in rng.sample(REASONS, 3)),
            frames.spent_url(),
            frames.error_frame(rng.choice([1, 2, -1, 2**70]), rng.choice(["", "no", "x" * 9_000, "é\x00"])),
            frames.team_migration(),
            frames.sent(1, "1.2", "hi"), frames.not_sent(None, 2, "no"),
            '{"type":"message","channel":"C1","text":"hi"}',
            '{"envelope_id":"e","type":"events_api","payload":{"event":{"type":"goodbye"}},"accepts_response_payload":false}',
        ]
    )  # fmt: skip
    whole = json.loads(right)
    return text(rng, bent(rng, whole) if rng.random() < 0.6 else whole)


def frame(
    payload: bytes,
    opcode: int,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    width: int | None = None,
) -> bytes:
    """One frame as a server sends it; ``width`` (0, 2 or 8 bytes) is how the length is written."""
    size = len(payload)
    width = width if width is not None else 0 if size < 126 else 2 if size < 65_536 else 8
    second = 0x80 if mask else 0
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if width == 0:
        head = first + bytes([second | min(size, 125)])
    elif width == 2:
        head = first + bytes([second | 126]) + struct.pack("!H", min(size, 65_535))
    else:
        head = first + bytes([second | 127]) + struct.pack("!Q", size)
    if mask:
        head += mask
        key = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + payload


CLOSE_CODES = [
    0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015,
    1016, 2999,
    3000, 4000, 4999, 5000, 65_535,
]  # fmt: skip


def close(rng: random.Random) -> bytes:
    """A close frame, right or not."""
    reason = rng.choice(
        [
            b"",
            b"bye",
            "さようなら".encode(),
            b"\xff\xfe",
            b"x" * 123,
            b"\x1b[31m\r\n\x00",
            b"xoxb-1-2",
            b"\xed\xa0\x80",
        ]
    )
    payload = rng.choice([b"", b"\x03", struct.pack("!H", rng.choice(CLOSE_CODES)) + reason])
    return frame(payload, 8, fin=rng.random() < 0.95, rsv=0 if rng.random() < 0.95 else rng.randrange(8))


def control(rng: random.Random) -> bytes:
    """A ping or pong, right or not."""
    payload = rng.choice(
        [
            b"",
            b"1",
            b"2",
            b"99",
            b"-1",
            b"9" * 100,
            "٣".encode(),
            b"\xb2",
            b"x" * 125,
            b"x" * 126,
            b"Ping from applink",
            b"\x00\xff",
            b"x" * 70_000,
        ]
    )
    return frame(payload, rng.choice([9, 10]), fin=rng.random() < 0.95)


def fragments(rng: random.Random, payload: bytes, opcode: int) -> bytes:
    """One message in parts, right or not."""
    made = b""
    pieces = (
        cut(rng, payload)
        if rng.random() < 0.5
        else [payload[: len(payload) // 2], payload[len(payload) // 2 :]]
    )
    if rng.random() < 0.1:
        pieces += [b""] * rng.choice([1, 200])
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        made += frame(piece, 0 if at else opcode, fin=last if rng.random() < 0.97 else not last)
        if not last and rng.random() < 0.2:
            made += control(rng) if rng.random() < 0.7 else frame(b"{}", 1)
    return made


def item(rng: random.Random, transport: str) -> bytes:
    """One thing on an open link."""
    match rng.choices(range(9), weights=[40, 12, 12, 8, 6, 6, 4, 4, 2])[0]:
        case 0:
            return frame(message(rng, transport), 1 if rng.random() < 0.9 else 2)
        case 1:
            return fragments(rng, message(rng, transport), rng.choice([1, 1, 1, 2]))
        case 2:
            return control(rng)
        case 3:
            return close(rng)
        case 4:
            return frame(
                message(rng, transport),
                rng.randrange(16),
                fin=rng.random() < 0.7,
                rsv=rng.choice([0, 0, rng.randrange(8)]),
            )
        case 5:
            return frame(
                message(rng, transport),
                1,
                mask=rng.choice([None, b"\x00\x00\x00\x00", b"abcd"]),
                width=rng.choice([0, 2, 8]),
            )
        case 6:
            size = rng.choice([2**16, 2**25, 2**25 + 1, 2**31, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
            return (
                bytes([rng.choice([0x81, 0x82, 0x89, 0x01]), 127])
                + struct.pack("!Q", size)
                + rng.randbytes(20)
            )
        case 7:
            return rng.choice([frame(b"1", 9), frame(b"{}", 1), frame(b"", 1), frame(b"", 0)]) * rng.randint(
                2, 200
            )
        case _:
            return rng.randbytes(rng.randrange(1, 100))


def stream(rng: random.Random, transport: str) -> bytes:
    """All that comes on one link: mostly a right hello first, so that there is something to break."""
    made = frame(hello(transport).encode(), 1) if rng.random() < 0.6 else b""
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        made += item(rng, transport)
    if rng.random() < 0.0005:
        made += frame(b" " * (33 << 20), 1)
    how = rng.random()
    if how < 0.12:
        return shaken(rng, made)
    return made[: rng.randrange(len(made) + 1)] if how < 0.2 else made
