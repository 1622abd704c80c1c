"""A Slack on loopback that is wrong once, as its case says, and honest from then on."""

import base64
import contextlib
import hashlib
import json
import socket
import threading
from itertools import pairwise

from tests.fuzz import grammar
from tests.fuzz.grammar import Case, End, Target
from tests.slackservers import RawServer, frame, header, http_answer, read_frame, reset
from traymon.slackwire import api, frames


class WrongOnce:
    """The server of one case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        # Guards what follows: each connection is served by a thread of its own, and the case looks on from another.
        self._lock = threading.Lock()
        self._begun = False
        self.over = False
        """The wrong connection has ended, on both sides."""
        self.waiting = False
        """All wrong bytes were sent, and nothing follows."""
        self.sent_link = b""
        """What was sent after the wrong link's handshake; noted before it is sent."""
        self.sent = b""
        """The wrong bytes as sent, noted before."""
        self.honest_hellos = 0
        self._server = RawServer(self._serve)
        self.port = self._server.port
        self.api_url = f"http://127.0.0.1:{self.port}/api/"

    def stop(self) -> None:
        """End all connections and threads."""
        self._server.stop()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = _head(sock)
        if head.startswith(b"POST"):
            self._api(sock, head)
        elif head.startswith(b"GET"):
            self._link(sock, head)

    def _is_wrong(self, *targets: Target) -> bool:
        with self._lock:
            wrong = not self._begun and self._case.target in targets
            self._begun = self._begun or wrong
        return wrong

    def _api(self, sock: socket.socket, head: bytes) -> None:
        self._read_body(sock, head)
        if self._is_wrong(Target.API, Target.CALL):
            return self._be_wrong(sock, self._filled(b""))
        whole = (
            api.connect_body(self._url, "U1", "bot", "T1", "team", "domain")
            if b"/rtm.connect" in head
            else api.socket_body(self._url)
        )
        sock.sendall(http_answer(json.dumps(whole).encode()))
        return None

    @property
    def _url(self) -> str:
        return grammar.URL.replace(grammar.PORT, str(self.port))

    def _read_body(self, sock: socket.socket, head: bytes) -> None:
        """Read the request to its end: a close with bytes unread would be a reset."""
        start, _, rest = head.partition(b"\r\n\r\n")
        for line in start.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                left = int(line.split(b":")[1]) - len(rest)
                while left > 0 and (data := sock.recv(left)):
                    left -= len(data)

    def _link(self, sock: socket.socket, head: bytes) -> None:
        accept = _accept(head)
        if self._is_wrong(Target.HANDSHAKE):
            pieces = self._filled(accept)
            self.sent_link = b"".join(pieces)
            return self._be_wrong(sock, pieces)
        answer = (
            b"HTTP/1.1 101 x\r\nUpgrade:websocket\r\nConnection:Upgrade\r\nSec-WebSocket-Accept:"
            + accept
            + b"\r\n\r\n"
        )
        if self._is_wrong(Target.FRAMES):
            pieces = self._filled(accept)
            self.sent_link = b"".join(pieces)
            sock.sendall(answer)
            return self._be_wrong(sock, pieces)
        with self._lock:
            self.honest_hellos += 1
        sock.sendall(answer + frame(grammar.hello(self._case.transport).encode()))
        self._answer(sock)
        return None

    def _answer(self, sock: socket.socket) -> None:
        """Be honest on an open link until its end."""
        with contextlib.suppress(ConnectionError):
            while True:
                opcode, payload = read_frame(sock)
                if opcode == 8:
                    sock.sendall(frame(payload, opcode=8))
                    return
                if opcode == 9:
                    sock.sendall(frame(payload, opcode=10))
                elif opcode == 1 and (ping := json.loads(payload)).get("type") == "ping":
                    sock.sendall(frame(frames.pong(ping["id"]).encode()))

    def _filled(self, accept: bytes) -> list[bytes]:
        """The case's pieces, with what only this run knows. What stands for it is as long, so the cuts stay."""
        data = b"".join(self._case.pieces)
        data = data.replace(grammar.PORT.encode(), b"%05d" % self.port).replace(grammar.ACCEPT, accept)
        cuts = [0]
        for piece in self._case.pieces:
            cuts.append(cuts[-1] + len(piece))
        return [data[start:end] for start, end in pairwise(cuts)]

    def _be_wrong(self, sock: socket.socket, pieces: list[bytes]) -> None:
        self.sent = b"".join(pieces)
        try:
            for piece in pieces:
                sock.sendall(piece)
            if self._case.end is End.RST:
                reset(sock)
                return
            if self._case.end is End.FIN:
                sock.shutdown(socket.SHUT_WR)
            self.waiting = True
            while sock.recv(65_536):
                pass
        finally:
            self.over = True


def _head(sock: socket.socket) -> bytes:
    """A request's head; what is no HTTP (a TLS handshake) ends it at once."""
    head = b""
    while b"\r\n\r\n" not in head and head[:1] in (b"", b"P", b"G") and (data := sock.recv(4_096)):
        head += data
    return head


def _accept(head: bytes) -> bytes:
    """RFC 6455 4.2.2 (5)."""
    key = (header(head, "Sec-WebSocket-Key") or "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key.encode()).digest())
