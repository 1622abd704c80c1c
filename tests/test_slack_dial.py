"""Name, TCP, proxy, TLS: each step ends by its limit and fails under its own name."""

import socket
import ssl
import threading
import time

import pytest

from tests.slackservers import LIMIT_S, Certificates, http_answer, read_head, serve, tunnel
from traymon.keeper.core.causes import Cause, Phase
from traymon.slack import dial as dial_module
from traymon.slack import errors as errors_module
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Limits, connect, dial, resolve
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import AbandonedError, SlackError

QUICK = Limits(step_s=0.2, tcp_s=0.2)
PATIENT = Limits(step_s=LIMIT_S, tcp_s=LIMIT_S)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def silent_port():
    """A port whose SYNs are dropped: the listener's queue is full (Linux)."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


@pytest.fixture
def refusing_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def proxied(monkeypatch):
    """Let the test's loopback host count as one that a proxy may lead to."""
    monkeypatch.setattr(Target, "loopback", False)


def failure(target, endpoint=None, limits=QUICK, cancel=None, **options):
    options = {"tunnel": True, "reached": False, **options}
    with pytest.raises(SlackError) as caught:
        dial(target, endpoint or Endpoint(), limits, cancel or Cancel(), **options)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.failure


def inet(*ports):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


# Names


def test_a_name_is_looked_up():
    assert ("127.0.0.1", 80) in [address[4] for address in resolve("localhost", 80, LIMIT_S, Cancel())]


def test_a_name_that_is_none():
    got = failure(Target("a..b", 80, False), limits=PATIENT)
    assert (got.cause, got.phase) == (Cause.DNS, Phase.DNS)


def test_a_name_server_that_does_not_answer(monkeypatch):
    """The system's look-up has no limit of its own, and a real one that hangs takes half a minute."""
    hung, over = threading.Event(), threading.Event()

    def hang(*_args, **_options):
        hung.set()
        over.wait(LIMIT_S)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(dial_module.socket, "getaddrinfo", hang)
    monkeypatch.setattr(errors_module, "has_route", lambda: True)
    got = failure(Target("slack.test", 443, True))
    assert (got.cause, got.phase, got.reached_slack) == (Cause.DNS, Phase.DNS, False)

    hung.clear()
    cancel = Cancel()
    canceller = threading.Thread(target=lambda: (hung.wait(LIMIT_S), cancel.cancel()))
    canceller.start()
    with pytest.raises(AbandonedError):
        resolve("slack.test", 443, LIMIT_S, cancel)
    canceller.join(LIMIT_S)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("look up"):
            thread.join(LIMIT_S)


# TCP


def test_refused(refusing_port):
    got = failure(Target("127.0.0.1", refusing_port, False), limits=PATIENT)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.CONNECT_REFUSED, Phase.TCP, False)
    assert got.evidence["host"] == "127.0.0.1"


def test_refused_after_the_api_was_reached(refusing_port):
    assert failure(Target("127.0.0.1", refusing_port, False), reached=True).reached_slack


def test_unanswered(silent_port):
    start = time.monotonic()
    got = failure(Target("127.0.0.1", silent_port, False), limits=Limits(step_s=LIMIT_S, tcp_s=0.3))
    assert (got.cause, got.phase) == (Cause.CONNECT_TIMEOUT, Phase.TCP)
    assert 0.3 <= time.monotonic() - start < LIMIT_S


def test_unanswered_and_called_off(silent_port):
    cancel = Cancel()
    timer = threading.Timer(0.05, cancel.cancel)
    timer.start()
    start = time.monotonic()
    with pytest.raises(AbandonedError):
        connect(inet(silent_port), LIMIT_S, cancel)
    assert time.monotonic() - start < LIMIT_S / 2
    timer.join()


def test_the_next_address_is_tried_beside_one_that_does_not_answer(silent_port):
    with (
        serve(lambda sock: None) as server,
        connect(inet(silent_port, server.port), LIMIT_S, Cancel()) as sock,
    ):
        assert sock.getpeername()[1] == server.port


def test_the_next_address_is_tried_after_one_that_refuses(refusing_port):
    with serve(lambda sock: None) as server:
        start = time.monotonic()
        with connect(inet(refusing_port, server.port), LIMIT_S, Cancel()) as sock:
            assert sock.getpeername()[1] == server.port
        assert time.monotonic() - start < dial_module._STAGGER_S


def test_families_take_turns():
    six = [(socket.AF_INET6, 1, 6, "", (name, 1, 0, 0)) for name in ("a", "b", "c")]
    four = [(socket.AF_INET, 1, 6, "", (name, 1)) for name in ("d",)]
    assert [address[4][0] for address in dial_module._by_turns(six + four)] == ["a", "d", "b", "c"]


def test_of_several_errors_the_one_that_got_furthest_is_told(refusing_port):
    nowhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("255.255.255.255", 9))]
    with pytest.raises(ConnectionRefusedError):
        connect(nowhere + inet(refusing_port) + nowhere, LIMIT_S, Cancel())


def test_no_delay_and_an_address_of_its_own():
    with serve(lambda sock: None) as server:
        wire = dial(
            Target("localhost", server.port, False), Endpoint(), PATIENT, Cancel(), tunnel=True, reached=False
        )
        assert wire.local_address == "127.0.0.1"
        assert wire._raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        wire.abort()


# TLS


def test_a_certificate_of_nobody(certificates):
    with serve(lambda sock: certificates.server("127.0.0.1").wrap_socket(sock, server_side=True)) as server:
        got = failure(Target("127.0.0.1", server.port, True), limits=PATIENT)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.TLS, Phase.TLS, False)
    assert "self" in got.evidence["error"] or "issuer" in got.evidence["error"]


def test_a_certificate_for_another_name(certificates):
    with serve(lambda sock: certificates.server("slack.test").wrap_socket(sock, server_side=True)) as server:
        target = Target("127.0.0.1", server.port, True)
        got = failure(target, Endpoint(ca_file=certificates.ca_file), PATIENT)
    assert got.cause is Cause.TLS
    assert "127.0.0.1" in got.evidence["error"]


def test_tls_that_does_not_answer(certificates):
    with serve(lambda sock: server.over.wait(LIMIT_S)) as server:
        got = failure(Target("127.0.0.1", server.port, True))
    assert (got.cause, got.phase) == (Cause.TLS, Phase.TLS)


def test_tls_that_does_not_answer_and_is_called_off():
    cancel, asked = Cancel(), threading.Event()

    def script(sock):
        sock.recv(1)
        asked.set()
        server.over.wait(LIMIT_S)

    with serve(script) as server:
        canceller = threading.Thread(target=lambda: (asked.wait(LIMIT_S), cancel.cancel()))
        canceller.start()
        assert (
            failure(Target("127.0.0.1", server.port, True), limits=PATIENT, cancel=cancel).cause is Cause.USER
        )
        canceller.join(LIMIT_S)


def test_what_does_not_speak_tls_is_shown():
    def script(sock):
        sock.recv(1)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(10_000)

    with serve(script) as server:
        got = failure(Target("127.0.0.1", server.port, True), limits=PATIENT)
    assert (got.cause, got.phase) == (Cause.TLS, Phase.TLS)
    assert got.evidence["first_bytes"] == "HTTP/1.1 400 Bad Request\\x0d\\x0a\\x0d\\x0a"


def test_a_tls_alert_is_no_foreign_bytes(certificates):
    def script(sock):
        context = certificates.server("127.0.0.1")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-NULL-SHA")
        context.wrap_socket(sock, server_side=True)

    with serve(script) as server:
        got = failure(Target("127.0.0.1", server.port, True), limits=PATIENT)
    assert got.cause is Cause.TLS
    assert "first_bytes" not in got.evidence


# Proxy


def test_a_proxy_that_says_no_to_the_link_lets_the_attempt_count(proxied):
    """The API was reached before, so the next attempt is not one of those that may come quickly."""
    with serve(answering(http_answer(b"", status="403 No"))) as server:
        endpoint = Endpoint(proxy=f"http://127.0.0.1:{server.port}")
        assert failure(Target("slack.test", 443, True), endpoint, PATIENT, reached=True).reached_slack


def test_through_a_proxy(proxied):
    heads = []

    def proxy(sock):
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
        tunnel(sock, "127.0.0.1", target.port)

    with serve(lambda sock: sock.sendall(b"hello")) as target, serve(proxy) as server:
        endpoint = Endpoint(proxy=f"http://me:secret@127.0.0.1:{server.port}")
        wire = dial(
            Target("127.0.0.1", target.port, False), endpoint, PATIENT, Cancel(), tunnel=True, reached=False
        )
        assert wire.recv(5) == b"hello"
        wire.abort()
    assert heads == [
        f"CONNECT 127.0.0.1:{target.port} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n"
        "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n".encode()
    ]


def test_tls_through_a_proxy(proxied, certificates):
    def proxy(sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        tunnel(sock, "127.0.0.1", target.port)

    def greet(sock):
        with certificates.server("127.0.0.1").wrap_socket(sock, server_side=True) as secured:
            secured.sendall(b"hello")

    with serve(greet) as target, serve(proxy) as server:
        endpoint = Endpoint(proxy=f"http://127.0.0.1:{server.port}", ca_file=certificates.ca_file)
        wire = dial(
            Target("127.0.0.1", target.port, True), endpoint, PATIENT, Cancel(), tunnel=True, reached=False
        )
        assert wire.recv(5) == b"hello"
        wire.abort()


def answering(answer):
    def script(sock):
        read_head(sock)
        sock.sendall(answer)

    return script


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        (
            http_answer(b"no", status="407 No", headers='Proxy-Authenticate: NTLM realm="x"\r\n'),
            {"http_status": 407, "proxy_wants": "NTLM", "proxy_login": True},
        ),
        (
            http_answer(
                b"", status="407 No", headers='Proxy-Authenticate: Negotiate, basic realm="a, NTLM b"\r\n'
            ),
            {"http_status": 407, "proxy_wants": "basic"},
        ),
        (
            http_answer(
                b"",
                status="407 No",
                headers='Proxy-Authenticate: Digest realm="basic x", qop="auth"\r\nproxy-authenticate: NTLM\r\n',
            ),
            {"http_status": 407, "proxy_wants": "Digest"},
        ),
        (http_answer(b"", status="407 No", headers="Proxy-Authenticate: =,,\r\n"), {"http_status": 407}),
        (http_answer(b"no", status="503 No"), {"http_status": 503}),
        (b"SSH-2.0-x\r\n\r\n", {"first_bytes": None}),
        (b"HTTP/1.1 abc\r\n\r\n", {"first_bytes": None}),
        (b"", {"first_bytes": ""}),
        (b"x" * 70_000, {"first_bytes": "x" * 48}),
    ],
    ids=[
        "407",
        "407 with Basic",
        "407 without",
        "407 with nonsense",
        "503",
        "ssh",
        "no number",
        "hung up",
        "endless",
    ],
)
def test_a_proxy_that_says_no(proxied, answer, evidence):
    with serve(answering(answer)) as server:
        endpoint = Endpoint(proxy=f"http://me:canary@127.0.0.1:{server.port}")
        got = failure(Target("slack.test", 443, True), endpoint, PATIENT)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.PROXY, Phase.PROXY, False)
    assert got.evidence["host"] == "slack.test"
    assert got.evidence["proxy_host"] == "127.0.0.1"
    for key, value in evidence.items():
        if value is not None:
            assert got.evidence[key] == value
        else:
            assert got.evidence[key]
    assert "canary" not in repr(got)


def test_a_proxy_that_does_not_answer(proxied):
    with serve(lambda sock: server.over.wait(LIMIT_S)) as server:
        got = failure(Target("slack.test", 443, True), Endpoint(proxy=f"http://127.0.0.1:{server.port}"))
    assert (got.cause, got.phase) == (Cause.PROXY, Phase.PROXY)


def test_a_proxy_that_refuses_is_not_taken_for_slack(proxied, refusing_port):
    got = failure(
        Target("slack.test", 443, True), Endpoint(proxy=f"http://127.0.0.1:{refusing_port}"), PATIENT
    )
    assert (got.cause, got.phase) == (Cause.PROXY, Phase.PROXY)
    assert got.evidence["error"] == "Connection refused"
