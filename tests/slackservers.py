"""Small servers on loopback for the tests of traymon.slack: what the simulator cannot do, byte by byte."""

import base64
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

LIMIT_S = 10.0
"""For what happens within milliseconds; a test that waits this long has failed."""


class RawServer:
    """Accepts connections, on a loopback port of the system's choice unless told another ``address``.

    Each is served by ``script`` in a thread of its own.
    """

    def __init__(
        self,
        script: Callable[[socket.socket], None],
        *,
        family: int = socket.AF_INET,
        address: tuple[str, int] | None = None,
    ) -> None:
        self._script = script
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server(address or (host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        # Set at the end of the test: scripts that hold a connection open wait for it.
        self.over = threading.Event()
        # One for each connection; joined at the end, so that no script outlives its test.
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(LIMIT_S)
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive(), "a server's script does not end"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            self._script(sock)


@contextmanager
def serve(script: Callable[[socket.socket], None], *, family: int = socket.AF_INET) -> Iterator[RawServer]:
    server = RawServer(script, family=family)
    try:
        yield server
    finally:
        server.stop()


def read_head(sock: socket.socket) -> bytes:
    """An HTTP request's head (or all that comes)."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            break
        head += data
    return head


def header(head: bytes, name: str) -> str | None:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return None


def http_answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def upgrade(sock: socket.socket, *, headers: str = "") -> bytes:
    """Answer a WebSocket handshake; gives the request's head."""
    head = read_head(sock)
    key = (header(head, "Sec-WebSocket-Key") or "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    sock.sendall(
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
        ).encode()
    )
    return head


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True) -> bytes:
    first = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        return first + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return first + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return first + b"\x7f" + struct.pack("!Q", len(payload)) + payload


def read_frame(sock: socket.socket) -> tuple[int, bytes]:
    """One frame of a client: its opcode and unmasked payload."""
    first, second = _exactly(sock, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", _exactly(sock, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", _exactly(sock, 8))
    assert second & 0x80, "a client masks its frames"
    mask = _exactly(sock, 4)
    data = _exactly(sock, length)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError("the client hung up")
        data += more
    return data


class Certificates:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
        return context


def tunnel(client: socket.socket, host: str, port: int) -> None:
    """What a proxy does after CONNECT, until either side ends."""
    with socket.create_connection((host, port)) as upstream:
        back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
        back.start()
        _pump(client, upstream)
        back.join(LIMIT_S)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
