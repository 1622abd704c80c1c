"""Which requests are let in: by Host, Origin and what browsers add."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay_kit import Client, Relayed, program, received, relayed
from tests.support import PATIENCE_S
from traymon.simulator import Simulator


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    folder: Path = tmp_path_factory.mktemp("relay")
    with Simulator() as slack, relayed(slack, folder) as made:
        made.add("bot")
        made.link_up("bot")
        yield made


def asked(whole: Relayed, *headers: str, path: str = "/api/auth.test", verb: str = "GET") -> tuple[int, str]:
    """The status of the answer to a request with the right token, and the whole answer."""
    port, token = whole.relay.settings.port, whole.bots["bot"].token
    lines = [f"{verb} {path} HTTP/1.1", f"Authorization: Bearer {token}", "Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stranger:
        stranger.sendall("\r\n".join([*lines, "", ""]).replace("PORT", str(port)).encode())
        answer = b""
        while piece := stranger.recv(65_536):
            answer += piece
    return int(answer.split()[1]), answer.decode()


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "127.0.0.1", "localhost:PORT", "LocalHost", "[::1]:PORT"])
def test_this_machine_is_let_in(host: str, whole: Relayed) -> None:
    status, answer = asked(whole, f"Host: {host}")
    assert status == 200
    assert '"ok": true' in answer
    assert "access-control" not in answer.lower()


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("evil.example",),
        ("evil.example:PORT",),
        ("127.0.0.1.evil.example",),
        ("localhost.evil.example:PORT",),
        ("evil.example#127.0.0.1",),
        ("user@127.0.0.1:PORT",),
        ("127.0.0.1:PORT", "evil.example"),
        ("evil.example", "127.0.0.1:PORT"),
        ("127.0.0.2",),
        ("0.0.0.0:PORT",),
        ("10.0.0.1",),
        ("",),
    ],
)
def test_a_name_of_somebody_elses_is_not(hosts: tuple[str, ...], whole: Relayed) -> None:
    status, answer = asked(whole, *(f"Host: {host}" for host in hosts))
    assert status in (400, 403)
    assert '"ok"' not in answer


@pytest.mark.parametrize("origin", ["https://api.slack.com", "https://slack.com", "http://127.0.0.1:PORT"])
def test_origins_that_clients_send_are_let_in(origin: str, whole: Relayed) -> None:
    assert asked(whole, "Host: 127.0.0.1", f"Origin: {origin}")[0] == 200


@pytest.mark.parametrize(
    "header",
    [
        "Origin: null",
        "Origin: https://evil.example",
        "Origin: https://slack.com.evil.example",
        "Origin: https://slack.com:8443",
        "Origin: http://slack.com",
        "Origin: http://127.0.0.1",
        "Origin: http://127.0.0.1:1",
        "Origin: https://127.0.0.1:PORT",
        "Origin:",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: same-origin",
        "Origin: https://slack.com\r\nSec-Fetch-Site: cross-site",
        "Origin: https://slack.com\r\nOrigin: https://evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/api/auth.test", "/api/rtm.connect", "/link/x", "/"])
def test_pages_are_not(header: str, path: str, whole: Relayed) -> None:
    for verb in ("GET", "POST", "OPTIONS"):
        status, answer = asked(whole, "Host: 127.0.0.1", header, path=path, verb=verb)
        assert status == 403
        assert "access-control" not in answer.lower()
        assert '"ok"' not in answer


def test_a_page_that_learned_a_ticket_gets_nothing_for_it(whole: Relayed) -> None:
    async def talk(client: Client) -> None:
        url = (await client.call("rtm.connect"))["url"]
        ticket = url.rpartition("/")[2]
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        )
        status, _ = asked(
            whole, "Host: 127.0.0.1", upgrade, "Origin: https://evil.example", path=f"/link/{ticket}"
        )
        assert status == 403
        # Nor does it spend it.
        link = await client.session.ws_connect(url)
        assert (await received(link))["type"] == "hello"
        await link.close()

    program(whole, whole.bots["bot"].token, talk)


def test_paths_elsewhere_lead_nowhere(whole: Relayed) -> None:
    for path in (
        "/",
        "/api",
        "/robots.txt",
        "//api/auth.test",
        "/API/auth.test",
        "http://127.0.0.1/api/auth.test",
    ):
        status, answer = asked(whole, "Host: 127.0.0.1", path=path)
        assert status == 404
        assert "bot" not in answer.partition("\r\n\r\n")[2]
