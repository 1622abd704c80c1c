"""A web page in a real Chromium that tries to use the relay: even with token and ticket it gets nothing."""

import contextlib
import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.relay_kit import Relayed, relayed
from tests.support import PATIENCE_S, token_of
from traymon.simulator import Simulator

TRY_ALL = """
async ([base, token, url]) => {
  const seen = {};
  const attempt = async (name, work) => {
    try { seen[name] = await work(); } catch (error) { seen[name] = String(error); }
  };
  const said = {token, channel: 'C0GENERAL', text: 'by a page'};
  const post = {method: 'POST', body: new URLSearchParams(said)};
  const authorized = {headers: {Authorization: `Bearer ${token}`}};
  await attempt('fetch', async () => (await fetch(`${base}auth.test?token=${token}`)).text());
  await attempt('with header', async () => (await fetch(`${base}auth.test`, authorized)).text());
  await attempt('post', async () =>
    (await fetch(`${base}chat.postMessage`, post)).text());
  await attempt('opaque', async () =>
    (await fetch(`${base}chat.postMessage`, {...post, mode: 'no-cors'})).type);
  await attempt('beacon', async () =>
    navigator.sendBeacon(`${base}chat.postMessage`, new URLSearchParams(said)));
  await attempt('form', () => new Promise((resolve) => {
    const form = document.createElement('form');
    const frame = document.createElement('iframe');
    frame.name = 'frame';
    document.body.append(frame, form);
    Object.assign(form, {action: `${base}chat.postMessage`, method: 'POST', target: 'frame'});
    for (const [key, value] of Object.entries(said)) {
      const input = document.createElement('input');
      Object.assign(input, {name: key, value});
      form.append(input);
    }
    frame.onload = () => resolve('loaded');
    form.submit();
  }));
  await attempt('script', () => new Promise((resolve) => {
    const script = document.createElement('script');
    script.src = `${base}rtm.connect?token=${token}`;
    script.onload = () => resolve('loaded');
    script.onerror = () => resolve('error');
    document.body.append(script);
  }));
  await attempt('socket', () => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve('open');
    socket.onerror = () => resolve('error');
  }));
  return seen;
}
"""


class Quiet(http.server.BaseHTTPRequestHandler):
    """An empty page, for any address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"<!doctype html><title>Evil</title><body>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def site() -> Iterator[int]:
    """A web site on this machine; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def whole(slack: Simulator, tmp_path: Path) -> Iterator[Relayed]:
    with relayed(slack, tmp_path) as made:
        made.add("bot")
        made.link_up("bot")
        yield made


def called(whole: Relayed, method: str) -> dict[str, Any]:
    """As a program does; Playwright's loop runs on this thread, so without one."""
    request = urllib.request.Request(
        whole.relay.base_url + method, headers={"Authorization": f"Bearer {whole.bots['bot'].token}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return dict(json.loads(answer.read()))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_gets_nothing(
    host: str, page: Page, problems: list[str], whole: Relayed, slack: Simulator
) -> None:
    token = whole.bots["bot"].token
    url = called(whole, "rtm.connect")["url"]
    before = len(slack.truth().requests_of(token_of("bot"), "chat.postMessage"))
    with site() as port:
        page.goto(f"http://{host}:{port}/")
        seen = page.evaluate(TRY_ALL, [whole.relay.base_url, token, url])
        page.goto("about:blank")
    assert seen["beacon"] in (True, False)
    assert seen["opaque"] == "opaque"  # a page is not even told that it was refused
    assert seen["socket"] == "error"
    assert seen["script"] == "error"
    for name in ("fetch", "with header", "post"):
        assert "Failed to fetch" in seen[name], seen
    # A call that was let through would have passed before this one.
    assert called(whole, "auth.test")["ok"] is True
    assert len(slack.truth().requests_of(token_of("bot"), "chat.postMessage")) == before
    assert whole.relay.programs("bot") == ()
    assert problems != []
    page.close()
    problems.clear()  # the console says what was refused


def test_a_page_whose_name_leads_here_gets_nothing(page: Page, problems: list[str], whole: Relayed) -> None:
    """As with DNS rebinding: the browser takes the relay for the page's own site, and only Host tells."""
    port, token = whole.relay.settings.port, whole.bots["bot"].token
    answer = page.goto(f"http://evil.localhost:{port}/api/auth.test?token={token}")
    assert answer is not None
    assert answer.status == 403
    assert "bot" not in answer.text()
    page.close()  # it has a word to say of each refusal, of the one for its favicon some time later
    problems.clear()
