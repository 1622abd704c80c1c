"""Side probes: each step between this machine and Slack, found out over real sockets and within one limit."""

import socket
import ssl
import threading
import time

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.slackservers import LIMIT_S, Certificates, http_answer, read_head, reset, serve, tunnel
from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.slack import diagnosis as module
from traymon.slack import dial as dial_module
from traymon.slack import errors as errors_module
from traymon.slack.cancel import Cancel
from traymon.slack.diagnosis import Check, Outcome, diagnose
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import AbandonedError

QUICK_S = 0.4
"""For what is never answered."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def far_away(monkeypatch):
    """Let the test's loopback host count as one that needs a route and may have a proxy before it."""
    monkeypatch.setattr(Target, "loopback", False)
    monkeypatch.setattr(module, "has_route", lambda: True)


@pytest.fixture
def refusing_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def secured(context):
    """Shakes hands and waits for the end."""

    def script(sock):
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.recv(1)

    return script


def url(port, *, scheme="https", host="127.0.0.1"):
    return f"{scheme}://{host}:{port}/api/"


def found(endpoint, limit_s=LIMIT_S):
    return diagnose(endpoint, limit_s=limit_s)


def facts(endpoint, limit_s=LIMIT_S):
    return {key.removeprefix("probe_"): fact for key, fact in found(endpoint, limit_s).facts().items()}


def test_all_is_well(certificates, far_away):
    with serve(secured(certificates.server())) as server:
        got = found(Endpoint(url(server.port), ca_file=certificates.ca_file))
    assert [*got.checks] == ["route", "dns", "tcp", "tls"]
    assert {check.outcome for check in got.checks.values()} == {Outcome.OK}
    assert all(0 <= check.ms < LIMIT_S * 1000 for check in got.checks.values())
    assert words.probes(got.facts()) == "route, DNS, TCP and TLS to Slack fine"


def test_this_very_machine_needs_no_route_and_plain_http_no_tls():
    with serve(lambda sock: None) as server:
        got = facts(Endpoint(url(server.port, scheme="http")))
    assert got == {"route": "skipped", "dns": "ok", "tcp": "ok", "tls": "skipped"}


def test_no_request_is_made(certificates):
    """The other side sees handshakes, and then the end."""
    seen = []

    def script(sock):
        with certificates.server().wrap_socket(sock, server_side=True) as tls:
            seen.append(tls.recv(100))

    with serve(script) as server:
        found(Endpoint(url(server.port), ca_file=certificates.ca_file))
    assert seen == [b""]


# The route and the name


def test_without_a_route_nothing_else_is_to_blame(monkeypatch, far_away, refusing_port):
    monkeypatch.setattr(module, "has_route", lambda: False)
    got = found(Endpoint(url(refusing_port))).facts()
    assert (got["probe_route"], got["probe_tcp"]) == ("no_route", "connect_refused")
    assert words.probes(got) == "this machine has no route"


def test_what_is_reached_without_a_way_out_has_a_route(monkeypatch, far_away):
    monkeypatch.setattr(module, "has_route", lambda: False)
    with serve(lambda sock: None) as server:
        assert facts(Endpoint(url(server.port, scheme="http")))["route"] == "ok"


def test_a_name_that_is_none():
    got = found(Endpoint(url(1, host="a..b")))
    assert got.checks["dns"].outcome is Outcome.FAILED
    assert got.checks["dns"].failure.cause is Cause.DNS
    assert {name: got.checks[name] for name in ("tcp", "tls")} == {"tcp": Check(), "tls": Check()}
    assert got.facts()["probe_error"] == "not a host name"


@pytest.fixture
def hung_name_server(monkeypatch):
    """The system's look-up has no limit of its own, and a real one that hangs takes half a minute."""
    asked, over = threading.Event(), threading.Event()

    def hang(*_args, **_options):
        asked.set()
        over.wait(LIMIT_S)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(dial_module.socket, "getaddrinfo", hang)
    monkeypatch.setattr(errors_module, "has_route", lambda: True)
    yield asked
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("look up"):
            thread.join(LIMIT_S)


def test_a_name_server_that_does_not_answer(hung_name_server):
    start = time.monotonic()
    got = found(Endpoint("https://slack.test/api/"), QUICK_S)
    assert QUICK_S <= time.monotonic() - start < LIMIT_S / 2
    assert got.checks["dns"].outcome is Outcome.TIMED_OUT
    assert got.checks["dns"].ms >= QUICK_S * 1000 - 1
    assert (got.facts()["probe_dns"], got.facts()["probe_tcp"]) == ("dns", "skipped")


def test_called_off(hung_name_server):
    cancel = Cancel()
    canceller = threading.Thread(target=lambda: (hung_name_server.wait(LIMIT_S), cancel.cancel()))
    canceller.start()
    with pytest.raises(AbandonedError):
        diagnose(Endpoint("https://slack.test/api/"), cancel=cancel, limit_s=LIMIT_S)
    canceller.join(LIMIT_S)


# TCP


def test_refused(refusing_port):
    got = found(Endpoint(url(refusing_port)))
    assert got.checks["tcp"].outcome is Outcome.FAILED
    assert got.facts() == {
        "probe_route": "skipped",
        "probe_dns": "ok",
        "probe_tcp": "connect_refused",
        "probe_tls": "skipped",
        "probe_error": "Connection refused",
    }
    assert words.probes(got.facts()) == "DNS fine, but TCP to Slack is refused"


@pytest.fixture
def silent_port():
    """A port whose SYNs are dropped: the listener's queue is full (Linux)."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


def test_unanswered(silent_port):
    got = found(Endpoint(url(silent_port)), QUICK_S)
    assert (got.checks["tcp"].outcome, got.checks["tcp"].fact) == (Outcome.TIMED_OUT, "connect_timeout")
    assert words.probes(got.facts()) == "DNS fine, but TCP to Slack is not answered"


def test_who_had_no_time_is_not_blamed(monkeypatch, silent_port):
    """The look-up took most of the limit, so the silence of the port was too short to tell anything."""
    look_up = socket.getaddrinfo

    def slow(*args, **options):
        time.sleep(QUICK_S * 0.75)  # what is tested: a look-up that takes its time
        return look_up(*args, **options)

    monkeypatch.setattr(dial_module.socket, "getaddrinfo", slow)
    got = found(Endpoint(url(silent_port)), QUICK_S)
    assert (got.checks["dns"].outcome, got.checks["tcp"]) == (Outcome.OK, Check())
    assert words.probes(got.facts()) == "DNS to Slack fine"


# TLS


def test_who_issued_what_is_not_trusted(certificates):
    with serve(secured(certificates.server("127.0.0.1", "slack.test"))) as server:
        got = found(Endpoint(url(server.port)))
        assert server.accepted == 3
    shown = got.facts()
    assert (shown["probe_tcp"], shown["probe_tls"]) == ("ok", "tls")
    assert "issuer" in shown["probe_error"] or "self" in shown["probe_error"]
    assert shown["issuer"].startswith("Testing CA #")
    assert "trustme" in shown["issuer"]
    assert "slack.test" in shown["subject"]
    assert f"issued by {shown['issuer']}" in words.cause("tls", evidence={"host": "slack.test", **shown})
    assert words.probes(shown) == "DNS and TCP fine, but TLS to Slack fails"


def test_for_another_host_the_issuer_is_not_to_blame(certificates):
    with serve(secured(certificates.server("slack.test", "other.test"))) as server:
        shown = found(Endpoint(url(server.port), ca_file=certificates.ca_file)).facts()
    assert shown["probe_tls"] == "tls"
    assert "127.0.0.1" in shown["probe_error"]
    assert "issuer" not in shown
    assert set(shown["subject"].split(", ")) == {"slack.test", "other.test"}


def test_long_and_odd_names_are_cut(tmp_path):
    ca = trustme.CA(organization_name="É" * 60, organization_unit_name="\x1b[2J" * 12)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with serve(secured(context)) as server:
        issuer = found(Endpoint(url(server.port))).facts()["issuer"]
    assert len(issuer) == 100
    assert "\x1b" not in words.cause("tls", evidence={"issuer": issuer})


def test_another_certificate_at_the_second_look_is_not_read(certificates, tmp_path):
    """Behind one address there can be several servers."""
    turns = iter([certificates.server(), certificates.server(), Certificates(tmp_path).server()])

    with serve(lambda sock: secured(next(turns))(sock)) as server:
        shown = found(Endpoint(url(server.port))).facts()
    assert shown["probe_tls"] == "tls"
    assert "issuer" not in shown


def test_tls_that_does_not_answer():
    with serve(lambda sock: server.over.wait(LIMIT_S)) as server:
        got = found(Endpoint(url(server.port)), QUICK_S)
    assert (got.checks["tls"].outcome, got.checks["tls"].fact) == (Outcome.TIMED_OUT, "tls")


def test_tls_that_is_torn_down():
    def script(sock):
        sock.recv(1)
        reset(sock)

    with serve(script) as server:
        shown = found(Endpoint(url(server.port))).facts()
    assert shown["probe_tls"] == "reset"
    assert words.probes(shown) == "DNS and TCP fine, but TLS to Slack is cut off"


def test_certificates_that_cannot_be_read(tmp_path):
    with serve(lambda sock: None) as server:
        shown = found(Endpoint(url(server.port), ca_file=tmp_path / "none.pem")).facts()
    assert (shown["probe_tcp"], shown["probe_tls"]) == ("ok", "tls")
    assert shown["probe_error"].startswith("ca_file cannot be read")


def test_called_off_in_tls():
    cancel, asked = Cancel(), threading.Event()

    def script(sock):
        sock.recv(1)
        asked.set()
        server.over.wait(LIMIT_S)

    with serve(script) as server:
        canceller = threading.Thread(target=lambda: (asked.wait(LIMIT_S), cancel.cancel()))
        canceller.start()
        with pytest.raises(AbandonedError):
            diagnose(Endpoint(url(server.port)), cancel=cancel, limit_s=LIMIT_S)
        canceller.join(LIMIT_S)


# A proxy


def test_through_a_proxy(certificates, far_away):
    heads = []

    def proxy(sock):
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        tunnel(sock, "127.0.0.1", server.port)

    with serve(secured(certificates.server("slack.test"))) as server, serve(proxy) as through:
        endpoint = Endpoint(
            "https://slack.test/api/",
            proxy=f"http://me:secret@127.0.0.1:{through.port}",
            ca_file=certificates.ca_file,
        )
        shown = found(endpoint).facts()
    assert shown == {
        "probe_route": "ok",
        "probe_dns": "skipped",
        "probe_proxy": "ok",
        "probe_tcp": "ok",
        "probe_tls": "ok",
    }
    assert words.probes(shown) == "route, proxy, TCP and TLS to Slack fine"
    assert heads[0].startswith(b"CONNECT slack.test:443 HTTP/1.1\r\n")


def test_an_inspecting_proxy_is_named_through_itself(certificates, far_away):
    context = certificates.server("slack.test")

    def proxy(sock):
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        secured(context)(sock)

    with serve(proxy) as through:
        shown = found(Endpoint("https://slack.test/api/", proxy=f"http://127.0.0.1:{through.port}")).facts()
    assert (shown["probe_proxy"], shown["probe_tcp"], shown["probe_tls"]) == ("ok", "ok", "tls")
    assert "trustme" in shown["issuer"]


@pytest.mark.parametrize("status", ["407 No", "403 No", "504 No"])
def test_a_proxy_that_opens_no_tunnel(far_away, status):
    def proxy(sock):
        read_head(sock)
        sock.sendall(http_answer(b"", status=status))

    with serve(proxy) as through:
        endpoint = Endpoint("https://slack.test/api/", proxy=f"http://me:canary@127.0.0.1:{through.port}")
        got = found(endpoint)
    shown = got.facts()
    assert (shown["probe_proxy"], shown["probe_tcp"], shown["probe_tls"]) == ("ok", "proxy", "skipped")
    assert words.probes(shown) == "route and proxy fine, but the proxy opens no way to Slack"
    assert "canary" not in repr(got)


def test_a_proxy_that_is_down(far_away, refusing_port):
    shown = found(Endpoint("https://slack.test/api/", proxy=f"http://127.0.0.1:{refusing_port}")).facts()
    assert (shown["probe_proxy"], shown["probe_tcp"]) == ("proxy", "skipped")
    assert words.probes(shown) == "route fine, but the proxy cannot be reached"


def test_a_proxy_that_cannot_be_used(far_away):
    shown = found(Endpoint("https://slack.test/api/", proxy="socks5://127.0.0.1")).facts()
    assert shown["probe_proxy"] == "proxy"
    assert "socks5" in shown["probe_error"]


def test_plain_http_through_a_proxy_ends_at_the_proxy(far_away):
    with serve(lambda sock: None) as through:
        endpoint = Endpoint("http://slack.test/api/", proxy=f"http://127.0.0.1:{through.port}")
        assert facts(endpoint) == {
            "route": "ok",
            "dns": "skipped",
            "proxy": "ok",
            "tcp": "skipped",
            "tls": "skipped",
        }


# Words


CHECKS = ("probe_route", "probe_dns", "probe_proxy", "probe_tcp", "probe_tls")


@given(
    st.dictionaries(
        st.sampled_from([*CHECKS, "host", "probe_error"]),
        st.sampled_from(["ok", "skipped", *Cause]) | st.none() | st.integers() | st.text(max_size=5),
    )
)
def test_whatever_was_found_is_one_clause(given_facts):
    said = words.probes(given_facts)
    assert "{" not in said
    assert "\n" not in said
    assert not said.endswith(".")
    assert bool(said) == any(given_facts.get(name) not in (None, "skipped") for name in CHECKS)


def test_nothing_probed_nothing_said():
    assert words.probes({"host": "slack.com"}) == ""
    assert words.probes(dict.fromkeys(CHECKS, "skipped")) == ""
