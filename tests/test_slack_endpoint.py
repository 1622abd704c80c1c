"""One decision about proxy and trust, and no password in it for anyone to see."""

import os
import queue
import ssl
import sys
import threading
from base64 import b64encode
from pathlib import Path

import pytest

from tests.slackservers import Certificates
from traymon.keeper.core.causes import Cause, Phase
from traymon.slack import endpoint as endpoint_module
from traymon.slack.endpoint import Endpoint, Proxy, Target
from traymon.slack.errors import SlackError

PATIENCE_S = 30

SLACK = Target("slack.com", 443, True)
PLAIN = Target("slack.test", 80, False)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://slack.com/api/", Target("slack.com", 443, True)),
        ("wss://wss-primary.slack.com/link/?ticket=x", Target("wss-primary.slack.com", 443, True)),
        ("http://127.0.0.1:8080/api/", Target("127.0.0.1", 8080, False)),
        ("ws://[::1]:99/", Target("::1", 99, False)),
        ("ws://host/", Target("host", 80, False)),
    ],
)
def test_targets(url, target):
    assert Target.of(url) == target


@pytest.mark.parametrize(
    "url", ["", "slack.com", "ftp://canary/", "https:///x", "https://h:canary/", "ws://[::1"]
)
def test_what_is_no_target_is_not_quoted(url):
    with pytest.raises(ValueError, match="not a URL") as caught:
        Target.of(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("slack.com", False),
        ("localhost.slack.com", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host, loopback):
    assert Target(host, 1, False).loopback is loopback


def test_without_any_setting_there_is_no_proxy():
    assert Endpoint().proxy_for(SLACK) is None


def test_the_bots_own_proxy_comes_first(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://env:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert Endpoint(proxy="http://own:3128").proxy_for(SLACK) == Proxy("own", 3128)


def test_the_environment_decides_by_encryption(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:1")
    monkeypatch.setenv("http_proxy", "plain:2")
    assert Endpoint().proxy_for(SLACK) == Proxy("secure", 1)
    assert Endpoint().proxy_for(PLAIN) == Proxy("plain", 2)


def test_all_proxy_is_the_last_resort(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    assert Endpoint().proxy_for(SLACK) == Proxy("all", 1)


@pytest.mark.parametrize("no_proxy", ["slack.com", ".slack.com,other", "*", "wss-primary.slack.com:443"])
def test_no_proxy_is_obeyed(monkeypatch, no_proxy):
    monkeypatch.setenv("HTTPS_PROXY", "http://env:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert Endpoint().proxy_for(Target("wss-primary.slack.com", 443, True)) is None


def test_no_proxy_for_another_host_changes_nothing(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://env:1")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert Endpoint().proxy_for(SLACK) == Proxy("env", 1)


def test_loopback_never_goes_through_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://env:1")
    own = Endpoint(proxy="http://own:1")
    for host in ("127.0.0.1", "localhost", "::1"):
        assert own.proxy_for(Target(host, 80, False)) is None
        assert Endpoint().proxy_for(Target(host, 80, False)) is None


def test_credentials_are_used_and_never_shown():
    own = Endpoint(proxy="http://me:p%40ss%3Acanary@own:3128")
    proxy = own.proxy_for(SLACK)
    assert proxy.authorization == "Basic " + b64encode(b"me:p@ss:canary").decode()
    assert "canary" not in repr(own) + repr(proxy)
    assert proxy.authorization not in repr(proxy)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("socks5://me:canary@own:1", "socks5 proxies are not supported, only http"),
        ("https://me:canary@own:1", "https proxies are not supported, only http"),
        ("http://me:canary@:1", "its address names no host"),
        ("http://me:canary@own:port", "its address is no URL"),
    ],
)
def test_a_proxy_that_cannot_be_used_says_so(url, reason):
    with pytest.raises(SlackError) as caught:
        Endpoint(proxy=url).proxy_for(SLACK)
    failure = caught.value.failure
    assert (failure.cause, failure.phase, failure.evidence) == (Cause.PROXY, Phase.PROXY, {"error": reason})
    assert "canary" not in f"{caught.value!r} {caught.value}"


# Trust


def test_one_context_for_the_process():
    assert Endpoint().ssl_context() is Endpoint("https://other/").ssl_context()
    assert Endpoint().ssl_context().verify_mode is ssl.CERT_REQUIRED
    assert Endpoint().ssl_context().check_hostname


def test_one_context_for_a_ca_file_even_when_many_ask_at_once(tmp_path):
    ca_file = Certificates(tmp_path).ca_file
    contexts = []
    threads = [
        threading.Thread(target=lambda: contexts.append(Endpoint(ca_file=ca_file).ssl_context()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(contexts) == 8
    assert len(set(map(id, contexts))) == 1
    assert contexts[0] is not Endpoint().ssl_context()
    assert len(contexts[0].get_ca_certs()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such file there")
def test_a_ca_file_that_hangs_holds_up_no_other_bot(tmp_path):
    """A pipe that nobody writes to hangs as a dead network mount does."""
    os.mkfifo(tmp_path / "ca.pem")
    refused = threading.Event()

    def trust_it():
        with pytest.raises(SlackError):
            Endpoint(ca_file=tmp_path / "ca.pem").ssl_context()
        refused.set()

    hanging = threading.Thread(target=trust_it)
    other = threading.Thread(target=Endpoint().ssl_context)
    hanging.start()
    pipe = _opened_by_a_reader(tmp_path / "ca.pem")  # so it has begun
    try:
        other.start()
        other.join(PATIENCE_S)
        assert not other.is_alive()
        assert not refused.is_set()
    finally:
        os.close(pipe)
        hanging.join(PATIENCE_S)
    assert refused.is_set()


def _opened_by_a_reader(pipe):
    """The writing end, as soon as there is somebody who reads."""
    opened = queue.SimpleQueue()
    threading.Thread(target=lambda: opened.put(os.open(pipe, os.O_WRONLY)), daemon=True).start()
    return opened.get(timeout=PATIENCE_S)


def test_a_ca_file_that_is_not_there_says_so_and_is_looked_for_again(tmp_path):
    own = Endpoint(ca_file=tmp_path / "ca.pem")
    with pytest.raises(SlackError) as caught:
        own.ssl_context()
    failure = caught.value.failure
    assert (failure.cause, failure.phase) == (Cause.TLS, Phase.TLS)
    assert failure.evidence["error"] == "ca_file cannot be read (No such file or directory)"
    Certificates(tmp_path)
    assert own.ssl_context()


def test_a_ca_file_without_certificates_says_so(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SlackError) as caught:
        Endpoint(ca_file=tmp_path / "ca.pem").ssl_context()
    assert caught.value.failure.evidence["error"] == "ca_file holds no certificate that can be read"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there the system itself is asked")
def test_a_python_that_looks_elsewhere_finds_the_systems_certificates(tmp_path, monkeypatch):
    """As in a Python that was built on another distribution: its compiled-in paths hold nothing."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    ca_file = Certificates(tmp_path).ca_file
    monkeypatch.setattr(endpoint_module, "_CA_FILES", (Path("/nowhere/ca.pem"), ca_file))
    assert len(endpoint_module._system_context().get_ca_certs()) == 1
