"""The set-up page's server: who gets in, who does not, what it tells, and that it is gone afterwards."""

import contextlib
import http.client
import json
import logging
import socket
import subprocess
import sys
import threading

import pytest

from tests.support import PATIENCE_S
from traymon.config import load
from traymon.paths import Profile
from traymon.setup import SetupPage
from traymon.simulator import Simulator
from traymon.simulator import faults as f

BOT = "xoxb-canary-1"


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(BOT, "deploybot", "Acme")
        yield simulator


@pytest.fixture
def profile(tmp_path):
    return Profile.throwaway(tmp_path / "p")


@pytest.fixture
def make_page(profile):
    """Makes set-up pages; all are closed at the end, and none leaves a thread behind."""
    pages = []

    def make(*, on_done=lambda _: None, status=lambda _: {"state": "online"}, **options):
        page = SetupPage(profile, on_done, status, open_url=lambda _: None, **options)
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "set-up page"] == []


class Browser:
    """What a browser does with the page's address: it follows it, keeps the cookie, and sends its Origin."""

    def __init__(self, address):
        _, _, host, _, ticket = address.split("/")
        self.host, self.ticket = host, ticket
        self.port = int(host.partition(":")[2])
        self.cookie = self.folder = ""
        self.opened = self.send("GET", f"/open/{ticket}")
        if self.opened.status == 303:
            self.cookie = self.opened.headers["Set-Cookie"].partition(";")[0]
            self.folder = self.opened.headers["Location"]

    def send(self, method, path, body=None, **headers):
        """The answer, read whole as ``text``. ``None`` takes a header out."""
        given = {"Host": self.host, "Cookie": self.cookie}
        if method == "POST":
            given |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            sent = {name: value for name, value in given.items() if value}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
        return answer

    def ask(self, what, **request):
        """The lines of an answer, the last one apart."""
        answer = self.send("POST", self.folder + what, json.dumps(request))
        assert answer.status == 200, answer.status
        *steps, end = [json.loads(line) for line in answer.text.splitlines()]
        return end, {step["name"]: step["outcome"] for step in steps}

    def begin(self, what, **request):
        """Send a request and leave the answer unread: a connection to be closed."""
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        body = json.dumps(request)
        head = (
            f"POST {self.folder}{what} HTTP/1.1\r\nHost: {self.host}\r\nOrigin: http://{self.host}\r\n"
            f"Cookie: {self.cookie}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        sock.sendall((head + body).encode())
        return sock


def is_gone(port):
    """Nobody listens there; or somebody else by now, who does not answer as the page's server does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/open/x")
            return connection.getresponse().headers["Referrer-Policy"] is None
        except (OSError, http.client.HTTPException):
            return True


def check(slack, browser, token=BOT):
    return browser.ask("check", transport="rtm", token=token, api_url=slack.api_url)


# The whole way


def test_from_the_address_to_a_bot_that_is_online(slack, profile, make_page, caplog):
    caplog.set_level(logging.DEBUG)
    done = []
    page = make_page(on_done=done.append)
    browser = Browser(page.address())
    shown = browser.send("GET", browser.folder)
    assert shown.status == 200
    assert "<h1>Set up a bot</h1>" in shown.text
    end, steps = check(slack, browser, f" '{BOT}' ")
    assert end == {"end": "passed", "name": "deploybot"}
    assert steps == {"token": "ok", "identity": "ok", "connect": "ok"}
    end, steps = browser.ask("keep", name="deploybot", place="file")
    assert end == {"end": "online", "name": "deploybot"}
    assert steps == {"keep": "ok", "config": "ok", "online": "ok"}
    assert done == ["deploybot"]
    assert [bot.name for bot in load(profile.config_file, {}).bots] == ["deploybot"]
    assert page.wait(PATIENCE_S)
    assert is_gone(browser.port)
    secrets = [BOT, browser.ticket, browser.cookie.partition("=")[2], browser.folder.strip("/")]
    told = caplog.text + shown.text + profile.config_file.read_text() + page.__repr__()
    assert not [secret for secret in secrets if secret in told]


def test_a_token_that_is_refused_leaves_the_page_open(slack, make_page):
    page = make_page()
    browser = Browser(page.address())
    end, steps = check(slack, browser, "xoxb-wrong")
    assert end["end"] == "failed"
    assert steps == {"token": "ok", "identity": "failed"}
    assert browser.send("POST", browser.folder + "keep", json.dumps({"name": "a"})).status == 409
    assert check(slack, browser)[0]["end"] == "passed"
    check(slack, browser, "xoxb-wrong")  # what passed before counts no more
    assert browser.send("POST", browser.folder + "keep", json.dumps({"name": "a"})).status == 409
    assert not page.wait(0)


# Who gets in


def test_the_wrong_secret_opens_nothing(make_page):
    address = make_page().address()
    wrong = Browser(address[:-1] + ("a" if address[-1] != "a" else "b"))
    assert wrong.opened.status == 403
    assert "This page is closed" in wrong.opened.text
    assert wrong.cookie == ""
    assert Browser(address).opened.status == 303


def test_no_cookie_no_page(make_page):
    browser = Browser(make_page().address())
    name, _, value = browser.cookie.partition("=")
    for cookie in (None, f"{name}=", f"{name}={value}x", f"other={value}"):
        closed = browser.send("GET", browser.folder, Cookie=cookie)
        assert closed.status == 403
        assert "choose “Set up a bot…” in traymon&#39;s menu" in closed.text, "how to open it again"
        for refused in (
            browser.send("GET", browser.folder + "script.js", Cookie=cookie),
            browser.send("POST", browser.folder + "check", "{}", Cookie=cookie),
        ):
            assert (refused.status, refused.text) == (403, "")
    # A wrong folder is answered no differently.
    assert browser.send("GET", "/elsewhere/").text == closed.text
    assert browser.send("GET", "/").status == 404
    assert browser.send("GET", browser.folder).status == 200


def test_the_cookie_is_for_this_folder_and_no_script(make_page):
    browser = Browser(make_page().address())
    parts = browser.opened.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", f"Path={browser.folder}"} <= set(parts)
    assert not [part for part in parts if part.startswith(("Domain", "Expires", "Max-Age"))]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:{port}", "127.0.0.1:{port}.evil"]
)
def test_a_foreign_host_is_refused(make_page, host):
    address = make_page().address()
    browser = Browser(address)
    host = host.format(port=browser.port)
    refused = browser.send("GET", browser.folder, Host=host)
    assert (refused.status, refused.text) == (403, "")
    assert browser.send("POST", browser.folder + "check", "{}", Host=host).status == 403
    assert browser.send("GET", "/open/x", Host=host).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1"]
)
def test_a_foreign_origin_is_refused(make_page, origin):
    browser = Browser(make_page().address())
    origin = origin.format(port=browser.port)
    assert browser.send("GET", browser.folder, Origin=origin).status == 403
    assert browser.send("POST", browser.folder + "check", "{}", Origin=origin).status == 403


def test_a_post_needs_an_origin_and_json(make_page):
    browser = Browser(make_page().address())
    assert browser.send("POST", browser.folder + "check", "{}", Origin=None).status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert browser.send("POST", browser.folder + "check", "{}", Content_Type=kind).status == 403


def test_no_other_page_may_ask(make_page):
    browser = Browser(make_page().address())
    preflight = {"Origin": f"http://{browser.host}", "Access_Control_Request_Method": "POST"}
    answers = [
        browser.send("OPTIONS", browser.folder + "check", **preflight),
        browser.send("GET", browser.folder),
        browser.send("POST", browser.folder + "check", "{}", Origin="http://evil.example"),
    ]
    assert answers[0].status == 405
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_an_address_works_once_and_a_second_use_ends_the_first(make_page):
    page = make_page()
    address = page.address()
    first = Browser(address)
    assert first.send("GET", first.folder).status == 200
    second = Browser(address)
    assert second.opened.status == 410
    assert "used already" in second.opened.text
    assert first.send("GET", first.folder).status == 403
    third = Browser(page.address())
    assert third.send("GET", third.folder).status == 200


def test_opening_again_opens_the_same_page_and_only_the_latest_counts(make_page):
    page = make_page()
    unused = page.address()
    first = Browser(page.address())
    assert Browser(unused).opened.status == 403
    second = Browser(page.address())
    assert (second.port, second.folder) == (first.port, first.folder)
    assert first.send("GET", first.folder).status == 403
    assert second.send("GET", second.folder).status == 200


# What it answers


def test_every_answer_is_for_this_page_only(slack, make_page):
    browser = Browser(make_page().address())
    body = json.dumps({"transport": "rtm", "token": BOT, "api_url": slack.api_url})
    answers = [
        browser.opened,
        browser.send("GET", browser.folder),
        browser.send("GET", browser.folder + "style.css"),
        browser.send("GET", browser.folder + "none"),
        browser.send("GET", browser.folder, Host="evil.example"),
        browser.send("POST", browser.folder + "check", body),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert BOT not in answer.text
    for name in ("page.html.j2", "..%2fpage.py", "server.py"):
        assert browser.send("GET", browser.folder + name).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        ('{"transport": "smoke"}', 400),
        (f'{{"transport": "rtm", "token": ["{BOT}"]}}', 400),
        (f'{{"transport": "rtm", "unknown": "{BOT}"}}', 400),
        ("\ud800".encode("utf-8", "surrogatepass"), 400),
        ('{"transport": "rtm", "token": "' + "x" * 40_000 + '"}', 413),
    ],
)
def test_what_is_no_request_is_refused_without_being_repeated(make_page, body, status):
    browser = Browser(make_page().address())
    answer = browser.send("POST", browser.folder + "check", body)
    assert answer.status == status
    assert "canary" not in answer.text


def test_a_defect_is_a_sentence_and_its_text_is_nowhere(slack, make_page, caplog):
    def on_done(bot):
        raise RuntimeError(BOT)

    browser = Browser(make_page(on_done=on_done).address())
    check(slack, browser)
    answer = browser.send("POST", browser.folder + "keep", json.dumps({"name": "a", "place": "file"}))
    assert "RuntimeError" in answer.text
    assert "RuntimeError" in caplog.text
    assert BOT not in answer.text + caplog.text


# One at a time, and the end


def test_one_check_at_a_time(slack, make_page):
    browser = Browser(make_page().address())
    slack.arm(f.Hang(), method="auth.test")
    request = {"transport": "rtm", "token": BOT, "api_url": slack.api_url}
    with browser.begin("check", **request):
        assert slack.wait(lambda: slack.truth().calls, PATIENCE_S)
        assert browser.send("POST", browser.folder + "check", json.dumps(request)).status == 409


def test_who_goes_away_calls_the_check_off(slack, make_page):
    browser = Browser(make_page().address())
    slack.arm(f.Hang(), method="auth.test")
    request = {"transport": "rtm", "token": BOT, "api_url": slack.api_url}
    with browser.begin("check", **request):
        assert slack.wait(lambda: slack.truth().calls, PATIENCE_S)
    again = threading.Event()
    for _ in range(round(PATIENCE_S / 0.02)):
        answer = browser.send("POST", browser.folder + "check", json.dumps(request))
        if answer.status != 409:
            break
        again.wait(0.02)
    assert answer.status == 200


def test_a_bot_is_kept_and_the_page_ends_though_the_person_left(slack, profile, make_page):
    asked, looked = threading.Event(), threading.Event()

    def status(bot):
        asked.set()
        looked.wait(PATIENCE_S)

    page = make_page(status=status)
    browser = Browser(page.address())
    check(slack, browser)
    with browser.begin("keep", name="a", place="file"):
        assert asked.wait(PATIENCE_S)
    looked.set()
    assert page.wait(PATIENCE_S)
    assert is_gone(browser.port)
    assert [bot.name for bot in load(profile.config_file, {}).bots] == ["a"]


def test_it_ends_when_nobody_uses_it(make_page):
    page = make_page(idle_limit_s=0.1)
    first = page.address()
    assert page.wait(PATIENCE_S)
    assert is_gone(int(first.split(":")[2].partition("/")[0]))
    assert page.address() != first
    assert page.wait(PATIENCE_S)


def test_it_ends_with_traymon_though_a_check_hangs(slack, make_page):
    page = make_page()
    browser = Browser(page.address())
    slack.arm(f.Hang(), method="auth.test")
    with browser.begin("check", transport="rtm", token=BOT, api_url=slack.api_url):
        assert slack.wait(lambda: slack.truth().calls, PATIENCE_S)
        page.close()
        assert page.wait(PATIENCE_S)
        assert is_gone(browser.port)
    page.close()


def test_it_costs_nothing_until_it_is_opened(make_page, profile):
    page = make_page()
    assert page.wait(0)
    page.close()
    script = (
        "import sys; from traymon.setup import SetupPage; "
        "print(*({'aiohttp', 'jinja2', 'tomlkit', 'keyring', 'slack_sdk'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_opens_it_is_given_the_address(profile):
    opened = []
    page = SetupPage(
        profile, lambda _: None, lambda _: None, open_url=lambda url: opened.append(url) or "no browser"
    )
    try:
        assert page.open() == "no browser"
        assert Browser(opened[0]).opened.status == 303
    finally:
        page.close()
