"""Every wait on a wire has a limit, and any thread can end it."""

import gc
import os
import socket
import ssl
import threading
import time

import pytest

from tests.slackservers import LIMIT_S, Certificates
from traymon.slack.wire import TooMuchError, Wire, WireAbortedError, printable_bytes


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    with theirs:
        theirs.settimeout(LIMIT_S)
        yield wire, theirs
    wire.abort()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tls_pair(certificates):
    """A wire with TLS and the server's side of it."""
    ours, theirs = socket.socketpair()
    wire, served = Wire(ours), []

    def shake_hands():
        theirs.settimeout(LIMIT_S)
        served.append(certificates.server("slack.test").wrap_socket(theirs, server_side=True))

    server = threading.Thread(target=shake_hands)
    server.start()
    wire.start_tls(ssl.create_default_context(cafile=certificates.ca_file), "slack.test", LIMIT_S)
    server.join(LIMIT_S)
    with served[0]:
        yield wire, served[0]
    wire.abort()


def in_thread(work):
    """Run ``work``; its result or error is the list's only item once the thread has ended."""
    results = []

    def run():
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_bytes_come_and_go(pair):
    wire, theirs = pair
    wire.send_all(b"to them", LIMIT_S)
    assert theirs.recv(100) == b"to them"
    theirs.sendall(b"to us")
    assert wire.recv(2) == b"to"
    assert wire.recv(100) == b" us"
    theirs.close()
    assert wire.recv(1) == b""


@pytest.mark.parametrize("kind", ["pair", "tls_pair"])
def test_reading_ahead_hands_out_what_is_asked_for(kind, request):
    wire, theirs = request.getfixturevalue(kind)
    wire.read_ahead = True
    wire.deadline = time.monotonic() + LIMIT_S
    wire.allowance = 8
    theirs.sendall(b"abcdefghi")
    assert [wire.recv(1), wire.recv(2)] == [b"a", b"bc"]
    assert wire.recv(4) == b"defg"
    assert wire.first_bytes == "abcdefg"
    assert wire.recv(1) == b"h"
    with pytest.raises(TooMuchError):
        wire.recv(1)


def test_after_abort_nothing_that_was_read_ahead_is_handed_out(pair):
    wire, theirs = pair
    wire.read_ahead = True
    theirs.sendall(b"ab")
    assert wire.recv(1) == b"a"
    wire.abort()
    with pytest.raises(WireAbortedError):
        wire.recv(1)


def test_a_read_ends_at_the_deadline(pair):
    wire, _ = pair
    start = time.monotonic()
    wire.deadline = start + 0.05
    with pytest.raises(TimeoutError):
        wire.recv(1)
    assert time.monotonic() - start >= 0.05


def test_a_deadline_is_for_the_step_not_for_the_read(pair):
    """A server that dribbles: each read succeeds, the step still ends."""
    wire, theirs = pair
    over = threading.Event()

    def dribble():
        while not over.wait(0.01):
            theirs.sendall(b".")

    thread, _ = in_thread(dribble)

    def read_on():
        while True:
            wire.recv(1)

    wire.deadline = time.monotonic() + 0.2
    with pytest.raises(TimeoutError):
        read_on()
    over.set()
    thread.join(LIMIT_S)


def test_an_answer_without_end_is_refused(pair):
    wire, theirs = pair
    wire.allowance = 10
    theirs.sendall(b"x" * 11)
    with pytest.raises(TooMuchError):
        wire.recv(100)


def test_the_first_bytes_are_kept_as_evidence(pair):
    wire, theirs = pair
    theirs.sendall(b"SSH-2.0\r\n" + b"x" * 100)
    for _ in range(20):
        wire.recv(5)
    assert wire.first_bytes == "SSH-2.0\\x0d\\x0a" + "x" * 39


def test_a_secret_that_comes_back_is_no_evidence(pair):
    wire, theirs = pair
    wire.secret = b"canary-token"
    theirs.sendall(b"x" * 40 + b"canary-token" + b"y" * 100)
    for _ in range(8):
        wire.recv(10)
    assert wire.first_bytes == "x" * 40 + "***" + "y" * 5


def test_bytes_are_printable():
    assert printable_bytes(b"a\\\x1b\xff~") == "a\\x5c\\x1b\\xff~"


def test_abort_wakes_a_reader_at_once(pair):
    wire, _ = pair
    reader, results = in_thread(lambda: wire.recv(1))
    wait_until_inside(wire)
    wire.abort()
    reader.join(LIMIT_S)
    assert [type(result) for result in results] == [WireAbortedError]


def test_abort_wakes_a_sender_at_once(pair):
    wire, _ = pair
    sender, results = in_thread(lambda: wire.send_all(b"x" * 50_000_000, 60))
    wait_until_inside(wire)
    wire.abort()
    sender.join(LIMIT_S)
    assert [type(result) for result in results] == [WireAbortedError]


def test_after_abort_nothing_works_and_nothing_raises_twice(pair):
    wire, _ = pair
    wire.abort()
    wire.abort()
    wire.close()
    for use in (lambda: wire.recv(1), lambda: wire.send_all(b"x", 1), lambda: wire.local_address):
        with pytest.raises(WireAbortedError):
            use()


def test_the_descriptor_is_closed_by_whoever_leaves_last():
    before = descriptors()
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    reader, _ = in_thread(lambda: wire.recv(1))
    wait_until_inside(wire)
    wire.abort()
    reader.join(LIMIT_S)
    theirs.close()
    assert ours.fileno() == -1
    if before is not None:
        assert descriptors() <= before


def test_a_send_that_is_not_taken_ends(pair):
    wire, _ = pair
    with pytest.raises(TimeoutError):
        wire.send_all(b"x" * 50_000_000, 0.1)


def test_a_send_behind_a_stuck_send_ends_too(pair):
    wire, _ = pair
    first, _ = in_thread(lambda: wire.send_all(b"x" * 50_000_000, LIMIT_S))
    wait_until_inside(wire)
    with pytest.raises(TimeoutError):
        wire.send_all(b"y", 0.1)
    wire.abort()
    first.join(LIMIT_S)


def test_a_send_does_not_wait_for_a_reader(pair):
    wire, theirs = pair
    reader, results = in_thread(lambda: wire.recv(100))
    wait_until_inside(wire)
    wire.send_all(b"meanwhile", LIMIT_S)
    assert theirs.recv(100) == b"meanwhile"
    theirs.sendall(b"answer")
    reader.join(LIMIT_S)
    assert results == [b"answer"]


def test_as_a_file(pair):
    wire, theirs = pair
    theirs.sendall(b"one\ntwo\nthree")
    theirs.close()
    with wire.makefile() as file:
        assert file.readlines() == [b"one\n", b"two\n", b"three"]
    with pytest.raises(ValueError, match="closed"):
        file.read()


# TLS


def test_tls_bytes_come_and_go(tls_pair):
    wire, theirs = tls_pair
    wire.send_all(b"to them", LIMIT_S)
    assert theirs.recv(100) == b"to them"
    theirs.sendall(b"to us")
    assert wire.recv(2) == b"to"
    assert wire.recv(100) == b" us"


def test_tls_end_with_a_word_and_without(tls_pair, certificates):
    wire, theirs = tls_pair
    theirs.shutdown(socket.SHUT_RDWR)  # no close_notify
    assert wire.recv(1) == b""


def test_tls_end_with_close_notify(tls_pair):
    wire, theirs = tls_pair
    goodbye, _ = in_thread(theirs.unwrap)
    assert wire.recv(1) == b""
    wire.abort()
    goodbye.join(LIMIT_S)


def test_tls_reads_and_writes_at_the_same_time(tls_pair):
    """Both directions at full speed; TLS objects bear one thread at a time, so this breaks without the locks."""
    wire, theirs = tls_pair
    size, chunk = 4_000_000, bytes(range(256)) * 64

    def they_send():
        sent = 0
        while sent < size:
            theirs.sendall(chunk)
            sent += len(chunk)

    def read_all():
        got = bytearray()
        while len(got) < size:
            got += wire.recv(65_536)
        return bytes(got)

    sender, _ = in_thread(they_send)
    reader, results = in_thread(read_all)
    pings, _ = in_thread(lambda: [wire.send_all(b"p" * 100, LIMIT_S) for _ in range(100)])
    for thread in (sender, reader, pings):
        thread.join(LIMIT_S)
    assert results == [chunk * -(-size // len(chunk))]
    got = b""
    while len(got) < 10_000:
        got += theirs.recv(65_536)
    assert got == b"p" * 10_000


def test_tls_abort_wakes_a_reader(tls_pair):
    wire, _ = tls_pair
    reader, results = in_thread(lambda: wire.recv(1))
    wait_until_inside(wire)
    wire.abort()
    reader.join(LIMIT_S)
    assert [type(result) for result in results] == [WireAbortedError]


def test_tls_handshake_has_a_limit(pair):
    wire, _ = pair
    with pytest.raises(TimeoutError):
        wire.start_tls(ssl.create_default_context(), "slack.test", 0.1)


def test_tls_handshake_with_something_else(pair):
    wire, theirs = pair
    theirs.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        wire.start_tls(ssl.create_default_context(), "slack.test", LIMIT_S)
    assert caught.value.reason == "WRONG_VERSION_NUMBER"


def test_tls_handshake_that_is_hung_up_on(pair):
    wire, theirs = pair
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ssl.SSLError):
        wire.start_tls(ssl.create_default_context(), "slack.test", LIMIT_S)


def test_tls_tells_the_server_why_it_is_not_trusted(pair, certificates):
    wire, theirs = pair

    def serve():
        certificates.server("slack.test").wrap_socket(theirs, server_side=True)

    server, results = in_thread(serve)
    with pytest.raises(ssl.SSLCertVerificationError):
        wire.start_tls(ssl.create_default_context(), "slack.test", LIMIT_S)
    wire.abort()
    server.join(LIMIT_S)
    assert results[0].reason in ("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE")


def wait_until_inside(wire):
    """Until another thread is inside the wire. What it does there next, it does within microseconds or waits."""
    limit = time.monotonic() + LIMIT_S
    while wire._users == 0:
        assert time.monotonic() < limit
        os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0)


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
