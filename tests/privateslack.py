"""Slack as far as one link needs it, a company's proxy and their certificates, in a private internet."""

import json
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

from tests.privatenet import PrivateNet
from tests.slackservers import frame, header, http_answer, read_head, tunnel, upgrade

API, LINK, PROXY = "slack.com", "wss-primary.slack.com", "proxy.example"
ADDRESSES = {API: "203.0.113.10", LINK: "203.0.113.20", PROXY: "203.0.113.80"}
PROXY_PORT = 3128
TICKET, PASSWORD = "canary-ticket", "canary-password"

Script = Callable[[socket.socket], None]


class World:
    """The private internet with a Slack in it, its certificates and a proxy."""

    def __init__(self, folder: Path) -> None:
        self.net = PrivateNet(folder, ADDRESSES)
        self.ca = trustme.CA()
        # A company's own, that looks into what it lets pass.
        self.inspector = trustme.CA(
            organization_name="Example Ltd", organization_unit_name="Example Inspection CA"
        )
        self.trust = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.trust))
        self.inspectors_trust = folder / "inspector.pem"
        self.inspector.cert_pem.write_to_path(str(self.inspectors_trust))
        self.good = context_of(self.ca.issue_cert(API, LINK))
        self.inspected = context_of(self.inspector.issue_cert(API, LINK))
        self.proxy_saw: list[str] = []

    @contextmanager
    def slack(
        self, *, api: Script | None = None, link: Script | None = None, tls: ssl.SSLContext | None = None
    ) -> Iterator[None]:
        """Slack's two hosts. A script of ``link`` gets the connection once it is encrypted."""
        with ExitStack() as stack:
            for name, script in ((API, api or self.answer), (LINK, link or self.greet)):
                serve = self.net.serve(ADDRESSES[name], 443, encrypted(tls or self.good, script))
                stack.enter_context(serve)
            yield

    def answer(self, sock: socket.socket) -> None:
        """A call that goes well."""
        say(
            {
                "ok": True,
                "url": f"wss://{LINK}/link/?ticket={TICKET}",
                "self": {"id": "U1", "name": "deploybot"},
                "team": {"id": "T1", "name": "Example", "domain": "example"},
            }
        )(sock)

    def greet(self, sock: socket.socket) -> None:
        """A link that comes up."""
        upgrade(sock)
        sock.sendall(frame(b'{"type":"hello"}'))
        sock.recv(1)

    @contextmanager
    def proxy(self, script: Script) -> Iterator[None]:
        """A proxy, and a firewall that lets nobody past it."""
        nobody_past = [f"ip daddr {ADDRESSES[name]} reject with tcp reset" for name in (API, LINK)]
        with self.net.firewall(*nobody_past), self.net.serve(ADDRESSES[PROXY], PROXY_PORT, script):
            yield

    def pass_on(self, sock: socket.socket) -> None:
        """What a proxy does that lets everything pass."""
        self.tunnel(sock, read_head(sock))

    def want_password(self, sock: socket.socket) -> None:
        """A proxy with a password: user ``me``, :data:`PASSWORD`."""
        head = read_head(sock)
        if header(head, "Proxy-Authorization") == "Basic " + b64encode(f"me:{PASSWORD}".encode()).decode():
            self.tunnel(sock, head)
        else:
            sock.sendall(http_answer(b"", status="407 No", headers='Proxy-Authenticate: Basic realm="x"\r\n'))

    def tunnel(self, sock: socket.socket, head: bytes) -> None:
        """Let the other end of the tunnel be Slack's."""
        host, port = self.asked(head)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        tunnel(sock, ADDRESSES[host], port)

    def asked(self, head: bytes) -> tuple[str, int]:
        """Where a CONNECT wants to go; it is noted."""
        where = head.split()[1].decode()
        self.proxy_saw.append(where)
        host, _, port = where.partition(":")
        return host, int(port)

    def inspect(self, sock: socket.socket) -> None:
        """A proxy that answers in Slack's place, with a certificate of its own."""
        host, _ = self.asked(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        encrypted(self.inspected, self.answer if host == API else self.greet)(sock)


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def encrypted(context: ssl.SSLContext, script: Script) -> Script:
    def serve(sock: socket.socket) -> None:
        # Else what is sent last may wait for an answer to what was sent before, and a reset overtakes it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(sock, server_side=True) as tls:
            script(tls)

    return serve


def say(answer: Mapping[str, object] | bytes) -> Script:
    """Read a request, body included, and answer it."""

    def script(sock: socket.socket) -> None:
        head = read_head(sock)
        body = head.partition(b"\r\n\r\n")[2]
        while len(body) < int(header(head, "Content-Length") or 0) and (more := sock.recv(4096)):
            body += more
        sock.sendall(answer if isinstance(answer, bytes) else http_answer(json.dumps(answer).encode()))

    return script


def greeting_then(end: Script) -> Script:
    """A link that comes up and then ends so."""

    def script(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(frame(b'{"type":"hello"}'))
        end(sock)

    return script


@contextmanager
def without_names(world: World, *names: str) -> Iterator[None]:
    """A name server that does not know these."""
    known = world.net.name_server.names
    world.net.name_server.names = {name: known[name] for name in known if name not in names}
    yield
    world.net.name_server.names = known


def hang(sock: socket.socket) -> None:
    """Take the request and never answer."""
    while sock.recv(4096):
        pass


def proxied(login: str = "") -> str:
    return f"http://{login}{PROXY}:{PROXY_PORT}"
