"""One link: every way in which it can fail to open, live and end, each under its own name."""

import contextlib
import socket
import threading
import time
import traceback

import pytest
from websocket import _handshake

from tests.slackservers import (
    LIMIT_S,
    Certificates,
    frame,
    header,
    http_answer,
    read_frame,
    read_head,
    reset,
    serve,
    tunnel,
    upgrade,
)
from traymon.keeper.core.causes import Cause, Phase
from traymon.simulator import (
    BinaryFrame,
    Close,
    DropBeforeHello,
    Fin,
    GarbageText,
    HandshakeGarbage,
    HandshakeHang,
    HandshakeStatus,
    HugeFrame,
    JsonNull,
    MalformedFrame,
    Migrate,
    NoHello,
    PortalHandshake,
    Rst,
    SayGoodbye,
    Silence,
    Simulator,
    SpentUrl,
    UnrequestedSubprotocol,
    WrongAccept,
)
from traymon.slack import link as link_module
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.link import Link, PingSeen, PongSeen
from traymon.slack.webapi import WebApi
from traymon.slackwire.frames import ErrorFrame, Goodbye, Hello, Malformed, Other, Pong, TeamMigration

TOKEN = "xoxb-canary-1"
HELLO = frame(b'{"type":"hello"}')


@pytest.fixture(scope="module", params=["plain", "tls"])
def slack(request, tmp_path_factory):
    """Slack's stand-in, once in the clear and once with TLS: a link must not behave otherwise."""
    certificates = Certificates(tmp_path_factory.mktemp("ca")) if request.param == "tls" else None
    with Simulator(tls=certificates.server() if certificates else None) as simulator:
        simulator.add_bot(TOKEN, "deploybot")
        simulator.endpoint = Endpoint(simulator.api_url, ca_file=certificates and certificates.ca_file)
        yield simulator
        assert simulator.truth().oddities == ()


@pytest.fixture
def connect(slack):
    """Opens links to the simulator; what a test leaves open is aborted."""
    slack.disarm()
    with contextlib.ExitStack() as stack:

        def open_link(step_limit_s=LIMIT_S, **options):
            url = WebApi(slack.endpoint, TOKEN).rtm_connect(LIMIT_S, LIMIT_S).url
            limits = {"step_limit_s": step_limit_s, "tcp_limit_s": LIMIT_S}
            options = {"transport": "rtm", **limits, **options}
            return stack.enter_context(Link.open(url, slack.endpoint, **options))

        yield open_link
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)


@pytest.fixture
def link(connect):
    link = connect()
    assert link.receive() == Hello()
    return link


@contextlib.contextmanager
def linked(script, *, transport="rtm", hello=True):
    """A link to a server that runs ``script`` once the handshake is done."""

    def serve_link(sock):
        upgrade(sock)
        if hello:
            sock.sendall(HELLO)
        script(sock)

    with serve(serve_link) as server, raw_link(server.port, transport=transport) as link:
        if hello:
            assert link.receive() == Hello()
        yield link


def raw_link(port, *, transport="rtm", limit_s=LIMIT_S, endpoint=None, **options):
    url = f"ws://127.0.0.1:{port}/link/canary-ticket?a=b"
    limits = {"step_limit_s": limit_s, "tcp_limit_s": LIMIT_S}
    return Link.open(url, endpoint or Endpoint(), transport=transport, **limits, **options)


def end_of(link):
    """The failure that the link ends with; frames before it are skipped."""
    with pytest.raises(SlackError) as caught:
        read_on(link)
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert "During handling" not in shown
    return caught.value.failure


def read_on(link):
    while True:
        link.receive()


def refusal(call, *args, **options):
    with pytest.raises(SlackError) as caught:
        call(*args, **options)
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert "During handling" not in shown
    return caught.value.failure


def in_thread(work):
    results = []

    def run():
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def reading(link):
    """A reader thread that has begun to wait."""
    thread, results = in_thread(lambda: read_on(link))
    limit = time.monotonic() + LIMIT_S
    while link._wire._users == 0:
        assert time.monotonic() < limit
        time.sleep(0)
    return thread, results


# A link that lives


def test_hello_ping_pong(link, slack):
    link.send_ping(7)
    assert link.receive() == Pong(7)
    assert link.local_address == "127.0.0.1"
    assert slack.open_links(TOKEN) == 1


def test_events_in_order(link, slack):
    for number in range(20):
        slack.push(TOKEN, {"type": f"event_{number}"})
    assert [link.receive() for _ in range(20)] == [Other(f"event_{n}") for n in range(20)]


def test_a_text_reaches_slack(link, slack):
    link.send_text('{"id": 1, "type": "message", "channel": "C1", "text": "¡hola! 🎉"}')
    assert slack.wait(lambda: slack.received(TOKEN), LIMIT_S)
    assert "🎉" in slack.received(TOKEN)[-1]
    assert isinstance(link.receive(), Other)


@pytest.mark.parametrize(
    ("fault", "frame_seen"),
    [
        (HugeFrame(5_000_000), Other("message")),
        (JsonNull(), Other(None)),
        (GarbageText(), Malformed("not JSON", '{"type":"mess')),
        (BinaryFrame(b"\xff"), Malformed("not UTF-8", "\\xff")),
        (SayGoodbye(close_after_ms=None), Goodbye()),
        (Migrate(), TeamMigration()),
    ],
    ids=["5 MB", "null", "garbage", "binary", "goodbye", "migration"],
)
def test_odd_frames_are_survived(link, slack, fault, frame_seen):
    slack.strike(TOKEN, fault)
    got = link.receive()
    assert type(got) is type(frame_seen)
    if not isinstance(fault, HugeFrame):
        assert got == frame_seen
    if not isinstance(fault, Migrate):
        link.send_ping(1)
        assert link.receive() == Pong(1)


def test_late_frames_still_come(link, slack):
    slack.strike(TOKEN, Silence(for_ms=50))
    link.send_ping(3)
    assert link.receive() == Pong(3)


def test_frame_pings_are_seen_and_answered():
    answers = []

    def script(sock):
        sock.sendall(frame(b"abc", opcode=9))
        answers.append(read_frame(sock))
        sock.sendall(frame(b"def", opcode=10))

    with linked(script) as link:
        assert link.receive() == PingSeen(b"abc")
        assert link.receive() == PongSeen(b"def")
    assert answers == [(10, b"abc")]


def test_socket_mode_pings_by_frame():
    def script(sock):
        opcode, payload = read_frame(sock)
        assert opcode == 9
        sock.sendall(frame(payload, opcode=10))
        link_done.wait(LIMIT_S)

    link_done = threading.Event()
    with linked(script, transport="socket") as link:
        link.send_ping(12)
        assert link.receive() == PongSeen(b"12")
        link_done.set()


def test_fragments_with_a_ping_between():
    def script(sock):
        sock.sendall(
            frame(b'{"type":', fin=False) + frame(b"", opcode=9) + frame(b'"x"', opcode=0, fin=False)
        )
        sock.sendall(frame(b"}", opcode=0))
        read_frame(sock)

    with linked(script) as link:
        assert link.receive() == PingSeen(b"")
        assert link.receive() == Other("x")


def test_a_frame_in_single_bytes():
    def script(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(b'{"type":"slow"}'):
            sock.sendall(bytes([byte]))

    with linked(script) as link:
        assert link.receive() == Other("slow")


# The end of a link


@pytest.mark.parametrize(
    ("fault", "cause", "code", "detail"),
    [
        (Fin(), Cause.ABRUPT_CLOSE, 1006, ""),
        (Rst(), Cause.RESET, 1006, ""),
        (Close(1000, "bye"), Cause.CLOSED_BY_SLACK, 1000, "bye"),
        (Close(1001), Cause.CLOSED_BY_SLACK, 1001, ""),
        (Close(1011, "é" * 61), Cause.CLOSED_BY_SLACK, 1011, "é" * 61),
        (Close(4321), Cause.CLOSED_BY_SLACK, 4321, ""),
        (Close(None), Cause.CLOSED_BY_SLACK, 1005, ""),
        (SayGoodbye(close_after_ms=0), Cause.CLOSED_BY_SLACK, 1000, ""),
    ],
    ids=repr,
)
def test_each_end_has_its_cause(link, slack, fault, cause, code, detail):
    slack.strike(TOKEN, fault)
    got = end_of(link)
    assert (got.cause, got.phase, got.close_code, got.detail) == (cause, Phase.LIVE, code, detail)
    assert got.reached_slack
    assert got.evidence["host"] == "127.0.0.1"
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)


@pytest.mark.parametrize("kind", ["opcode", "reserved", "masked", "long_control", "utf8"])
def test_a_malformed_frame_ends_the_link(link, slack, kind):
    slack.strike(TOKEN, MalformedFrame(kind))
    got = end_of(link)
    assert (got.cause, got.phase, got.close_code) == (Cause.PROTOCOL_ERROR, Phase.LIVE, None)
    assert got.evidence["error"]
    assert slack.wait(lambda: slack.truth().links_of(TOKEN)[-1].ended_by, LIMIT_S)
    assert slack.truth().links_of(TOKEN)[-1].close_code == (1007 if kind == "utf8" else 1002)


@pytest.mark.parametrize(
    "payload", [b"\x03", b"\x03\xee", b"\x03\xe8\xff\xfe"], ids=["one byte", "1006", "reason"]
)
def test_close_frames_that_nobody_may_send(payload):
    with linked(lambda sock: sock.sendall(frame(payload, opcode=8))) as link:
        got = end_of(link)
    # A reason that is not UTF-8 is shown as well as can be: the code matters more.
    wanted = Cause.CLOSED_BY_SLACK if len(payload) > 2 else Cause.PROTOCOL_ERROR
    assert got.cause is wanted


@pytest.mark.parametrize(
    "first",
    [frame(b"x", fin=False) + frame(b"y"), frame(b"y", opcode=0), frame(b"x", opcode=9, fin=False)],
    ids=["text in fragments", "continues nothing", "ping in fragments"],
)
def test_fragments_that_nobody_may_send(first):
    with linked(lambda sock: sock.sendall(first)) as link:
        assert end_of(link).cause is Cause.PROTOCOL_ERROR


def test_a_frame_above_the_limit_is_refused_by_its_length():
    """Nothing of it is read: the server announces a terabyte and sends nothing."""

    def script(sock):
        sock.sendall(b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
        codes.append(read_frame(sock)[1])

    codes = []
    with linked(script) as link:
        got = end_of(link)
    assert (got.cause, got.evidence["error"]) == (Cause.PROTOCOL_ERROR, "a message of more than 32 MB")
    assert codes == [(1009).to_bytes(2, "big")]


def test_fragments_above_the_limit_are_refused_together(monkeypatch):
    monkeypatch.setattr(link_module, "MESSAGE_LIMIT", 1_000)

    def script(sock):
        sock.sendall(frame(b"x" * 600, fin=False) + frame(b"x" * 600, opcode=0, fin=False))
        read_frame(sock)

    with linked(script) as link:
        assert end_of(link).cause is Cause.PROTOCOL_ERROR


def test_an_end_within_a_frame_is_abrupt():
    with linked(lambda sock: sock.sendall(frame(b"x" * 100)[:50])) as link:
        assert end_of(link).cause is Cause.ABRUPT_CLOSE


def test_before_hello_the_phase_says_so(connect, slack):
    slack.arm(DropBeforeHello(Fin()))
    got = end_of(connect())
    assert (got.cause, got.phase, got.close_code) == (Cause.ABRUPT_CLOSE, Phase.HELLO, 1006)


def test_a_spent_url(connect, slack):
    slack.arm(SpentUrl())
    link = connect()
    assert link.receive() == ErrorFrame(1, "Socket URL has expired")
    assert end_of(link).phase is Phase.HELLO


def test_disconnect_is_no_word_of_rtm():
    """Nothing in the open messages of a workspace may pass for Socket Mode's "switched off"."""
    with linked(lambda sock: sock.sendall(frame(b'{"type":"disconnect","reason":"link_disabled"}'))) as link:
        assert link.receive() == Other("disconnect")


def test_a_link_ends_once(link, slack):
    slack.strike(TOKEN, Close(1001, "first"))
    first = end_of(link)
    assert end_of(link) == first
    assert refusal(link.send_ping, 1) == first
    link.abort()
    link.close()
    assert end_of(link) == first


def test_a_close_frame_outranks_the_reset_behind_it(monkeypatch):
    """The reader is late: the frame waits in the socket while a send of ours meets the reset."""
    closed, failed = threading.Event(), threading.Event()

    def script(sock):
        sock.sendall(frame(b"\x03\xe9late", opcode=8))
        reset(sock)
        closed.set()

    with linked(script) as link:
        assert closed.wait(LIMIT_S)
        reader, results = in_thread(lambda: (failed.wait(LIMIT_S), read_on(link)))
        monkeypatch.setattr(link._ended, "wait", lambda _: (failed.set(), reader.join(LIMIT_S)))
        sent = refusal(send_until_it_fails, link)
        got = results[0].failure
        assert sent == got
    # A system may throw away what it had received (RFC 1122 4.2.2.13 lets it); Linux keeps it.
    assert (got.cause, got.close_code) == (Cause.CLOSED_BY_SLACK, 1001)


def test_a_reset_that_a_send_meets_is_a_reset_for_the_reader_too():
    """The system reports a reset once; the reader would see an end like a FIN."""
    gone, go_on = threading.Event(), threading.Event()

    def script(sock):
        go_on.wait(LIMIT_S)
        reset(sock)
        gone.set()

    with linked(script) as link:
        go_on.set()
        assert gone.wait(LIMIT_S)
        got = refusal(send_until_it_fails, link)
        assert (got.cause, got.close_code) == (Cause.RESET, 1006)
        assert end_of(link).cause is Cause.RESET


def send_until_it_fails(link):
    for number in range(1, 1_000):
        link.send_ping(number)


def test_a_hang_up_that_a_send_meets_is_no_reset():
    gone, read = threading.Event(), threading.Event()

    def script(sock):
        sock.close()
        gone.set()

    with linked(script) as link:
        assert gone.wait(LIMIT_S)
        reader, results = in_thread(lambda: (read.wait(LIMIT_S), read_on(link)))
        sender, sent = in_thread(lambda: send_until_it_fails(link))
        read.set()
        reader.join(LIMIT_S)
        sender.join(LIMIT_S)
        assert results[0].failure.cause is Cause.ABRUPT_CLOSE
        assert sent[0].failure == results[0].failure


def test_a_send_that_is_not_taken_ends_the_link(monkeypatch):
    assert link_module.SEND_LIMIT_S == 2.0
    monkeypatch.setattr(link_module, "SEND_LIMIT_S", 0.2)
    over = threading.Event()
    with linked(lambda sock: over.wait(LIMIT_S)) as link:
        start = time.monotonic()
        got = refusal(link.send_text, "x" * 30_000_000)
        assert time.monotonic() - start < LIMIT_S / 2
        assert (got.cause, got.evidence["error"]) == (Cause.KEEPALIVE_TIMEOUT, "a send was not taken")
        assert end_of(link) == got
        over.set()


def test_threads_may_send_at_the_same_time(link, slack):
    before = len(slack.received(TOKEN))

    def send(who):
        for number in range(50):
            link.send_text(f'{{"id": {who * 50 + number + 1}, "type": "typing", "channel": "C1"}}')

    threads = [in_thread(lambda who=who: send(who))[0] for who in range(4)]
    for thread in threads:
        thread.join(LIMIT_S)
    link.send_ping(999)
    while link.receive() != Pong(999):
        pass
    assert len(slack.received(TOKEN)) == before + 200


# Ending it ourselves


def test_abort_wakes_the_reader_at_once(link, slack):
    reader, results = reading(link)
    link.abort()
    reader.join(LIMIT_S)
    assert isinstance(results[0], AbandonedError)
    with pytest.raises(AbandonedError):
        link.send_text("x")
    link.abort()


def test_abort_of_a_silent_link(link, slack):
    slack.strike(TOKEN, Silence())
    reader, results = reading(link)
    link.abort()
    reader.join(LIMIT_S)
    assert isinstance(results[0], AbandonedError)


def test_close_while_a_reader_waits(link, slack):
    reader, results = reading(link)
    start = time.monotonic()
    link.close(LIMIT_S)
    assert time.monotonic() - start < LIMIT_S / 2
    reader.join(LIMIT_S)
    assert isinstance(results[0], AbandonedError)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)
    record = slack.truth().links_of(TOKEN)[-1]
    assert (record.ended_by, record.close_code) == ("client_close", 1000)


def test_close_while_nobody_reads(link, slack):
    slack.push(TOKEN, {"type": "unread"})
    link.close(LIMIT_S)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, LIMIT_S)
    assert slack.truth().links_of(TOKEN)[-1].ended_by == "client_close"
    link.close(LIMIT_S)
    assert end_of(link).cause is Cause.USER


@pytest.mark.parametrize("with_reader", [False, True])
def test_close_of_a_silent_link_gives_up(link, slack, with_reader):
    slack.strike(TOKEN, Silence())
    reader = reading(link)[0] if with_reader else None
    start = time.monotonic()
    link.close(0.1)
    assert 0.1 <= time.monotonic() - start < LIMIT_S / 2
    if reader is not None:
        reader.join(LIMIT_S)


def test_nothing_follows_our_close_frame():
    """RFC 6455 5.5.1: no pong, no second close frame."""
    seen = []

    def script(sock):
        seen.append(read_frame(sock))
        sock.sendall(frame(b"ping", opcode=9) + frame(b"\x03\xe8", opcode=8))
        sock.settimeout(LIMIT_S)
        with contextlib.suppress(ConnectionError):
            seen.append(read_frame(sock))

    with linked(script) as link:
        link.close(LIMIT_S)
    assert seen == [(8, b"\x03\xe8")]


def test_a_failure_before_the_close_stays_the_failure(link, slack):
    slack.strike(TOKEN, Fin())
    got = end_of(link)
    link.close()
    assert end_of(link) == got


# The handshake


@pytest.mark.parametrize(
    ("fault", "cause", "evidence"),
    [
        (HandshakeStatus(403), Cause.NOT_WEBSOCKET, {"http_status": 403}),
        (HandshakeStatus(500), Cause.NOT_WEBSOCKET, {"http_status": 500}),
        (HandshakeStatus(429), Cause.RATE_LIMITED, {"http_status": 429}),
        (HandshakeStatus(407), Cause.PROXY, {"http_status": 407}),
        (HandshakeGarbage(), Cause.NOT_WEBSOCKET, {"first_bytes": "SSH-2.0-OpenSSH_9.6\\x0d\\x0a"}),
        (WrongAccept(), Cause.NOT_WEBSOCKET, {}),
        (UnrequestedSubprotocol(), Cause.NOT_WEBSOCKET, {}),
        (PortalHandshake(), Cause.CAPTIVE_PORTAL, {"http_status": 302}),
    ],
    ids=repr,
)
def test_a_handshake_that_fails(connect, slack, fault, cause, evidence):
    slack.arm(fault)
    got = refusal(connect)
    assert (got.cause, got.phase, got.reached_slack) == (cause, Phase.HANDSHAKE, True)
    assert got.evidence["host"] == "127.0.0.1"
    assert evidence.items() <= got.evidence.items()


def test_a_handshake_that_is_not_answered(connect, slack):
    slack.arm(HandshakeHang())
    start = time.monotonic()
    got = refusal(connect, step_limit_s=0.2)
    assert (got.cause, got.phase) == (Cause.HANDSHAKE_TIMEOUT, Phase.HANDSHAKE)
    assert 0.2 <= time.monotonic() - start < LIMIT_S / 2


def test_no_hello_is_the_keepers_affair(connect, slack):
    slack.arm(NoHello())
    connect(step_limit_s=0.3).close()


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (b"", Cause.ABRUPT_CLOSE),
        (b"\x15\x03\x01\x00\x02\x02\x16", Cause.NOT_WEBSOCKET),
        (b"HTTP/1.1 banana\r\n\r\n", Cause.NOT_WEBSOCKET),
        (b"\r\nHTTP/1.1 101 x\r\n\r\n", Cause.NOT_WEBSOCKET),
        (b"HTTP/1.1 101 x\r\nbroken\r\n\r\n", Cause.NOT_WEBSOCKET),
        (b"HTTP/1.1 101 \xff\xff\r\n\xff\r\n\r\n", Cause.NOT_WEBSOCKET),
        (b"HTTP/1.1 403 No\r\nContent-Length: banana\r\n\r\n", 403),
        (http_answer(b"<html>", status="200 OK"), 200),
        (http_answer(b"", status="308 x", headers="Location: wss://canary/\r\n"), 308),
        (http_answer(b"", status="302 x"), 302),
        (http_answer(b"<html>" * 9, status="403 x")[:-1], 403),
        (b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 60_000, Cause.NOT_WEBSOCKET),
        (b"HTTP/1.1 403 x\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 400_000, 403),
    ],
    ids=[
        "nothing",
        "tls",
        "no number",
        "an empty line first",
        "no colon",
        "not utf-8",
        "no length",
        "200",
        "redirect",
        "redirect nowhere",
        "half a page",
        "endless head",
        "endless page",
    ],
)
def test_answers_that_are_no_handshake(answer, wanted):
    def script(sock):
        read_head(sock)
        sock.sendall(answer)

    with serve(script) as server:
        got = refusal(raw_link, server.port)
        assert server.accepted == 1
    assert (got.phase, got.reached_slack) == (Phase.HANDSHAKE, True)
    if isinstance(wanted, int):
        assert (got.cause, got.evidence["http_status"]) == (Cause.NOT_WEBSOCKET, wanted)
    else:
        assert got.cause is wanted
        assert "http_status" not in got.evidence


def test_garbage_that_then_hangs_is_no_slow_slack():
    def script(sock):
        read_head(sock)
        sock.sendall(b"220 mail.example.com ESMTP")
        server.over.wait(LIMIT_S)

    with serve(script) as server:
        got = refusal(raw_link, server.port, limit_s=0.2)
    assert (got.cause, got.evidence["first_bytes"]) == (Cause.NOT_WEBSOCKET, "220 mail.example.com ESMTP")


def test_a_handshake_that_dribbles_ends():
    def script(sock):
        read_head(sock)
        while True:
            sock.sendall(b"H")
            server.over.wait(0.02)

    with serve(script) as server:
        start = time.monotonic()
        assert refusal(raw_link, server.port, limit_s=0.3).phase is Phase.HANDSHAKE
        assert time.monotonic() - start < LIMIT_S / 2


def test_a_reset_in_the_handshake():
    def script(sock):
        read_head(sock)
        reset(sock)

    with serve(script) as server:
        got = refusal(raw_link, server.port)
    assert (got.cause, got.phase, got.close_code) == (Cause.RESET, Phase.HANDSHAKE, 1006)


@pytest.mark.parametrize(
    "extra", ["Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: chat\r\n"]
)
def test_what_was_not_asked_for(extra):
    with serve(lambda sock: upgrade(sock, headers=extra)) as server:
        got = refusal(raw_link, server.port)
    assert got.cause is Cause.NOT_WEBSOCKET
    assert got.evidence["error"].startswith("sec-websocket-")


def test_what_is_asked_for_and_what_is_not():
    heads = []
    with serve(lambda sock: heads.append(upgrade(sock))) as server, raw_link(server.port) as link:
        assert end_of(link).cause is Cause.ABRUPT_CLOSE
    (head,) = heads
    assert head.startswith(b"GET /link/canary-ticket?a=b HTTP/1.1\r\n")
    assert header(head, "Host") == f"127.0.0.1:{server.port}"
    assert header(head, "Sec-WebSocket-Version") == "13"
    for name in ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Cookie", "Origin"):
        assert header(head, name) is None


def test_cookies_do_not_outlive_a_link():
    """websocket-client keeps one cookie jar for the process."""
    heads = []

    def script(sock):
        heads.append(upgrade(sock, headers="Set-Cookie: b=1; Domain=127.0.0.1\r\n"))

    assert type(_handshake.CookieJar) is link_module._NoCookies
    with serve(script) as server:
        for _ in range(2):
            raw_link(server.port).abort()
    assert [header(head, "Cookie") for head in heads] == [None, None]


def test_refused(slack):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    got = refusal(raw_link, port)
    assert (got.cause, got.phase, got.reached_slack) == (Cause.CONNECT_REFUSED, Phase.TCP, True)


def test_through_a_proxy_the_websocket_has_a_tunnel(monkeypatch):
    monkeypatch.setattr(Target, "loopback", False)
    heads = []

    def proxy(sock):
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        tunnel(sock, "127.0.0.1", server.port)

    def script(sock):
        upgrade(sock)
        sock.sendall(HELLO)
        link_done.wait(LIMIT_S)

    link_done = threading.Event()
    with serve(script) as server, serve(proxy) as through:
        endpoint = Endpoint(proxy=f"http://127.0.0.1:{through.port}")
        with raw_link(server.port, endpoint=endpoint) as link:
            assert link.receive() == Hello()
            link_done.set()
    assert heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())


def test_called_off_in_the_handshake():
    asked, cancel = threading.Event(), Cancel()

    def script(sock):
        read_head(sock)
        asked.set()
        server.over.wait(LIMIT_S)

    with serve(script) as server:
        canceller, _ = in_thread(lambda: (asked.wait(LIMIT_S), cancel.cancel()))
        with pytest.raises(AbandonedError):
            raw_link(server.port, cancel=cancel)
        canceller.join(LIMIT_S)
