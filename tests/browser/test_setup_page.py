"""The set-up page in a real Chromium, against the simulator and a real traymon: as a person goes through it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.support import PATIENCE_S, token_of, write_profile
from traymon.app import App
from traymon.config import load
from traymon.paths import Profile
from traymon.relay.tokens import load_or_make
from traymon.setup import SetupPage
from traymon.setup.manifest import rtm_manifest
from traymon.simulator import Simulator
from traymon.simulator import faults as f

expect.set_options(timeout=PATIENCE_S * 1000)

BOT, APP = "xoxb-canary-1", "xapp-canary-2"

KEYRING = """
import json
from pathlib import Path
from keyring.backend import KeyringBackend

class InAFile(KeyringBackend):
    priority = 9
    path = Path(__file__).with_name("keyring.json")
    def _all(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}
    def set_password(self, service, username, password):
        self.path.write_text(json.dumps({**self._all(), f"{service} {username}": password}))
    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")
    def delete_password(self, service, username):
        pass
"""


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(BOT, "deploybot", "Acme", app_token=APP)
        yield simulator


@pytest.fixture
def profile(tmp_path):
    return Profile.throwaway(tmp_path / "p")


@pytest.fixture
def keyring(tmp_path, monkeypatch):
    """A keyring that takes everything; what it holds."""
    (tmp_path / "in_a_file.py").write_text(KEYRING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "in_a_file.InAFile")
    return lambda: json.loads((tmp_path / "keyring.json").read_text())


@pytest.fixture
def quiet_page(chromium):
    """A page of which Chromium may report errors: what is refused here is meant to be."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE_S * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture
def no_keyring(monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def setup_page(profile, slack):
    """The page of a traymon that runs and holds no bot yet."""
    app = App(profile, load(profile.config_file, {}), watchers=[])
    app.start()

    def status(bot):
        return next((each for each in app.status() if each["name"] == bot), None)

    page = SetupPage(profile, lambda _: app.reload(), status, open_url=lambda _: None, api_url=slack.api_url)
    yield page
    page.close()
    app.stop()


def steps(page, which="check"):
    """How each step ended, once none is under way."""
    listed = page.locator(f"#{which}-steps li")
    expect(page.locator(f"#{which}-button")).not_to_have_attribute("aria-disabled", "true")
    return [item.get_attribute("data-outcome") for item in listed.all()]


def way(page, name):
    """The choice of that way to connect; its accessible name is its whole card."""
    return page.locator(f"input[name=transport][value={name}]")


def pass_check(page, *, token=BOT, app_token=None):
    way(page, "rtm" if app_token is None else "socket").check()
    if app_token is not None:
        page.get_by_label("App-level token (xapp-…)", exact=True).fill(app_token)
    page.locator("#token").fill(token)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.get_by_label("Name of the bot in traymon")).to_be_focused()


def keep(page):
    page.get_by_role("button", name="Keep it and go online").click()


def online(page, name="deploybot"):
    expect(page.get_by_role("heading", name=f"{name} is online.")).to_be_focused()


# Good tokens


def test_rtm_from_the_first_look_to_online(page, axe, requests, slack, profile, setup_page, keyring, caplog):
    page.goto(setup_page.address())
    assert axe(page) == []
    pass_check(page, token=f" '{BOT}'\n")
    assert steps(page) == ["ok", "ok", "ok"]
    expect(page.locator("#check-steps")).to_contain_text("deploybot in Acme")
    expect(page.get_by_label("Name of the bot in traymon")).to_have_value("deploybot")
    assert axe(page) == []
    keep(page)
    online(page)
    assert steps(page, "keep") == ["ok", "ok", "ok"]
    assert axe(page) == []
    assert slack.wait(lambda: slack.open_links(BOT) == 1, PATIENCE_S)
    (bot,) = load(profile.config_file, {}).bots
    assert (bot.name, bot.transport, bot.token, bot.api_url) == ("deploybot", "rtm", "keyring", slack.api_url)
    assert keyring() == {f"traymon ({profile.name}) deploybot/token": BOT}
    assert setup_page.wait(PATIENCE_S)
    # Nothing left the page for anywhere else, and the token is in none of what stays.
    host = urlsplit(page.url).netloc
    assert {urlsplit(url).netloc for url in requests if not url.startswith("data:")} == {host}
    inputs = page.evaluate("[...document.querySelectorAll('input')].map(input => input.value)")
    kept = [page.content(), *requests, *inputs, caplog.text, profile.config_file.read_text()]
    assert "canary" not in "".join(kept)


def test_socket_mode_with_both_tokens(page, axe, slack, profile, setup_page, keyring):
    page.goto(setup_page.address())
    expect(way(page, "socket")).to_be_checked()
    pass_check(page, app_token=APP)
    assert steps(page) == ["ok", "ok", "ok", "ok"]
    page.get_by_label("Name of the bot in traymon").fill("helper")
    keep(page)
    online(page, "helper")
    assert slack.wait(lambda: slack.open_links(APP) == 1, PATIENCE_S)
    (bot,) = load(profile.config_file, {}).bots
    assert (bot.name, bot.transport, bot.token, bot.app_token) == ("helper", "socket", "keyring", "keyring")
    assert sorted(keyring().values()) == [APP, BOT]


def test_socket_mode_with_the_app_s_token_alone(page, setup_page, profile, keyring):
    page.goto(setup_page.address())
    pass_check(page, token="", app_token=APP)
    expect(page.get_by_label("Name of the bot in traymon")).to_have_value("bot")
    keep(page)
    online(page, "bot")
    assert list(keyring().values()) == [APP]


def test_a_token_is_hidden_but_no_password_that_the_browser_would_keep(page, setup_page):
    page.goto(setup_page.address())
    expect(page.locator("input[type=password]")).to_have_count(0)
    for field in ("#app_token", "#token"):
        expect(page.locator(field)).to_have_css("-webkit-text-security", "disc")
        expect(page.locator(field)).to_have_attribute("autocomplete", "off")
        # Else some browsers send what is typed to a spell checker far away.
        expect(page.locator(field)).to_have_attribute("spellcheck", "false")


def test_with_the_keyboard_alone(page, setup_page, keyring):
    page.goto(setup_page.address())
    press = page.keyboard.press
    press("Tab")
    expect(way(page, "socket")).to_be_focused()
    press("ArrowDown")
    expect(way(page, "rtm")).to_be_checked()
    _tab_to(page, "#token")
    page.keyboard.insert_text(BOT)
    press("Enter")
    expect(page.get_by_label("Name of the bot in traymon")).to_be_focused()
    page.keyboard.insert_text("typed")  # over the proposed name, which is selected
    _tab_to(page, "#keep-button")
    press("Space")
    online(page, "typed")


def rtm_connect(profile, bot):
    """What the relay answers a program of RTM; it asks it to come again while it does not know who the bot is."""
    settings = load_or_make(profile.relay_settings, lambda _: None)
    headers = {"Authorization": f"Bearer {settings.tokens_of(bot).token}"}
    request = urllib.request.Request(f"{settings.base_url}rtm.connect", method="POST", headers=headers)
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pause = threading.Event()
    for _ in range(round(PATIENCE_S / 0.1)):
        with contextlib.suppress(OSError), directly.open(request, timeout=PATIENCE_S) as answer:
            said = json.load(answer)
            if said["ok"]:
                return said
        pause.wait(0.1)
    raise AssertionError("the relay does not let a program of RTM connect")


def _tab_to(page, selector):
    """As many Tabs as it takes, and no fewer elements than a person passes."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


# Bad ones


def test_the_wrong_kind_of_token_says_so_and_the_right_one_goes_through(page, axe, setup_page, slack):
    page.goto(setup_page.address())
    field = page.get_by_label("App-level token (xapp-…)", exact=True)
    for wrong, said in (
        ("", "The token is empty"),
        ("hunter2", "no token of Slack's"),
        (BOT, "needs the app-level token"),
        ("xoxd-1", "browser's session token"),
    ):
        field.fill(wrong)
        page.get_by_role("button", name="Check with Slack").click()
        expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text(said)
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
    assert axe(page) == []
    assert slack.truth().calls == ()
    pass_check(page, token="", app_token=APP)
    assert steps(page) == ["ok", "ok"]


REFUSALS = [
    (f.SlackCode("token_revoked"), "auth.test", "install the app again"),
    (f.SlackCode("invalid_auth"), "auth.test", "copy it again"),
    (f.SlackCode("missing_scope"), "rtm.connect", "add the scope under “OAuth & Permissions”"),
    (f.SlackCode("not_allowed_token_type"), "rtm.connect", "choose Socket Mode"),
    (f.GarbageAnswer(b"<script>alert(1)</script>"), "auth.test", "sign"),
    (
        f.SlackCode("<img src=x onerror=alert(1)>\u202e\x1b"),
        "auth.test",
        "<img src=x onerror=alert(1)>\\u202e\\x1b",
    ),
]


def test_what_slack_has_against_it_is_told_and_another_try_helps(page, setup_page, slack):
    page.goto(setup_page.address())
    way(page, "rtm").check()
    page.locator("#token").fill(BOT)
    for fault, method, said in REFUSALS:
        slack.arm(fault, method=method)
        page.get_by_role("button", name="Check with Slack").click()
        expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text(said)
        expect(page.locator("#token")).to_be_focused()
        expect(page.locator("#naming")).to_be_hidden()
        way(page, "socket").check()
        way(page, "rtm").check()
        expect(page.locator("#check-steps li")).to_have_count(0)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.locator("#naming")).to_be_visible()


@pytest.mark.parametrize("code", ["not_allowed_token_type", "legacy_custom_bots_deprecated"])
def test_a_bot_that_may_not_use_rtm_keeps_its_program(page, axe, setup_page, slack, profile, keyring, code):
    page.goto(setup_page.address())
    way(page, "rtm").check()
    page.locator("#token").fill(BOT)
    slack.arm(f.SlackCode(code), method="rtm.connect")
    page.get_by_role("button", name="Check with Slack").click()
    refused = page.locator("#check-steps li[data-outcome=failed]")
    expect(refused).to_contain_text("A program that speaks RTM alone can stay as it is")
    assert axe(page) == []
    refused.get_by_role("button", name="Keep the RTM program").click()
    expect(way(page, "rtm-program")).to_be_checked()
    expect(page.get_by_role("heading", name="Get the token at Slack")).to_be_focused()
    expect(page.locator("#token")).to_have_value("")
    app = json.loads(page.locator("#manifest-rtm-program").text_content())
    assert app == rtm_manifest()
    link = page.get_by_role("link", name="Make an app at Slack")
    assert json.loads(parse_qs(urlsplit(link.get_attribute("href")).query)["manifest_json"][0]) == app
    page.get_by_label("App-level token (xapp-…)", exact=True).fill(APP)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text(
        "bot token (xoxb-…) is missing"
    )
    expect(page.locator("#token")).to_be_focused()
    assert axe(page) == []
    page.locator("#token").fill(BOT)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.get_by_label("Name of the bot in traymon")).to_be_focused()
    keep(page)
    online(page)
    (bot,) = load(profile.config_file, {}).bots
    assert (bot.name, bot.transport, bot.relay) == ("deploybot", "socket", "rtm")
    assert sorted(keyring().values()) == [APP, BOT]
    answer = rtm_connect(profile, "deploybot")
    assert answer["url"].startswith("ws://127.0.0.1:")
    assert answer["self"]["name"] == "deploybot"


def test_slack_that_cannot_be_reached(page, setup_page, slack):
    page.goto(setup_page.address())
    slack.refuse()
    page.locator("#app_token").fill(APP)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text("Check the firewall")


def test_an_address_that_is_not_safe(page, setup_page, slack):
    page.goto(setup_page.address())
    page.locator("#app_token").fill(APP)
    page.get_by_label("Address of the Web API").fill("http://example.com/")
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.get_by_label("Address of the Web API")).to_be_focused()
    expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text("https://")
    assert slack.truth().calls == ()


def test_what_was_checked_counts_no_more_once_it_is_changed(page, setup_page):
    page.goto(setup_page.address())
    pass_check(page, token="", app_token=APP)
    page.locator("#app_token").fill("x")
    expect(page.locator("#naming")).to_be_hidden()
    expect(page.locator("#check-steps li")).to_have_count(0)


# Where to keep it, under which name


def test_without_a_keyring_a_file_is_offered(page, axe, setup_page, profile, no_keyring):
    page.goto(setup_page.address())
    pass_check(page)
    keep(page)
    expect(page.get_by_role("alert").filter(has_text="No keyring is ready")).to_be_visible()
    expect(page.get_by_role("radio", name="In a file")).to_be_focused()
    assert axe(page) == []
    assert not profile.config_file.exists()
    keep(page)
    online(page)
    assert (profile.config_file.parent / "tokens" / "deploybot.token").read_text() == f"{BOT}\n"


def test_without_a_keyring_the_environment_is_offered(
    page, axe, setup_page, profile, no_keyring, monkeypatch
):
    monkeypatch.delenv("MY_BOT", raising=False)
    page.goto(setup_page.address())
    pass_check(page)
    keep(page)
    page.get_by_role("radio", name="In the environment").check()
    expect(page.get_by_label("Variable of the app-level token")).to_be_hidden()
    page.get_by_label("Variable of the bot token").fill("MY_BOT")
    assert axe(page) == []
    keep(page)
    expect(page.get_by_role("heading", name="deploybot comes online when")).to_be_focused()
    expect(page.locator("#keep-steps")).to_contain_text("Set MY_BOT in the environment")
    assert load(profile.config_file, {}).bots[0].token == "env:MY_BOT"


def test_a_name_that_is_taken_is_asked_about(page, axe, setup_page, profile, slack, no_keyring):
    written = write_profile(profile.config_file.parent, {"deploybot": slack.api_url})
    assert written.config_file == profile.config_file
    page.goto(setup_page.address())
    pass_check(page)
    keep(page)
    alert = page.get_by_role("alert").filter(has_text="There is a bot of this name already")
    expect(alert).to_be_visible()
    expect(page.get_by_label("Name of the bot in traymon")).to_be_focused()
    assert axe(page) == []
    page.get_by_label("Replace the bot of this name").check()
    keep(page)
    expect(page.get_by_role("radio", name="In a file")).to_be_focused()
    keep(page)
    online(page)
    assert len(load(profile.config_file, {}).bots) == 1


def test_a_configuration_with_a_fault_is_named(page, setup_page, profile, keyring):
    profile.config_file.parent.mkdir(parents=True, exist_ok=True)
    profile.config_file.write_text("[bots.a")
    page.goto(setup_page.address())
    pass_check(page)
    keep(page)
    expect(page.locator("#keep-steps li[data-outcome=failed]")).to_contain_text("config.toml")
    profile.config_file.write_text("")
    keep(page)
    online(page)


# What it looks like


@pytest.mark.parametrize(
    ("scheme", "width", "scale"), [("light", 1280, 1), ("dark", 640, 2), ("light", 320, 1)]
)
def test_every_part_fits_and_can_be_read(
    open_page, axe, text_fits, setup_page, no_keyring, scheme, width, scale
):
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=scale)
    page.goto(setup_page.address())
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    assert (axe(page), text_fits(page)) == ([], True)
    pass_check(page)
    keep(page)
    page.get_by_role("radio", name="In the environment").check()
    assert (axe(page), text_fits(page)) == ([], True)
    page.get_by_role("radio", name="In a file").check()
    keep(page)
    online(page)
    assert (axe(page), text_fits(page)) == ([], True)


def test_the_choice_shows_its_own_steps(page, setup_page):
    page.goto(setup_page.address())
    link = page.locator("[data-for=socket]").get_by_role("link", name="Make an app at Slack")
    expect(link).to_have_attribute(
        "href", _starting("https://api.slack.com/apps?new_app=1&manifest_json=%7B")
    )
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    way(page, "rtm").check()
    expect(link).to_be_hidden()
    expect(page.get_by_role("link", name="Open my apps at Slack")).to_be_visible()
    expect(page.get_by_label("App-level token (xapp-…)", exact=True)).to_be_hidden()


def _starting(text):
    return re.compile("^" + re.escape(text))


def test_the_manifest_is_copied(open_page, setup_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(setup_page.address())
    page.get_by_text("Or paste the manifest yourself").filter(visible=True).click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["settings"]["socket_mode_enabled"] is True


def test_without_a_script_it_says_what_to_do(open_page, setup_page):
    page = open_page(java_script_enabled=False)
    page.goto(setup_page.address())
    expect(page.get_by_text("This page needs JavaScript.")).to_be_visible()


def test_the_page_may_be_loaded_again_but_not_opened_twice(page, quiet_page, setup_page):
    address = setup_page.address()
    page.goto(address)
    page.reload()
    expect(page.get_by_role("heading", name="Set up a bot")).to_be_visible()
    quiet_page.goto(address)
    expect(quiet_page.get_by_role("heading", name="This address was used already")).to_be_visible()


def test_a_page_that_was_opened_anew_elsewhere_says_how_to_open_it_again(page, quiet_page, setup_page):
    quiet_page.goto(setup_page.address())
    page.goto(setup_page.address())
    expect(page.get_by_role("heading", name="Set up a bot")).to_be_visible()
    quiet_page.reload()
    expect(quiet_page.get_by_role("heading", name="This page is closed")).to_be_visible()
    expect(quiet_page.get_by_text("choose “Set up a bot…”")).to_be_visible()


def test_a_traymon_that_ended_is_missed(quiet_page, setup_page):
    page = quiet_page
    page.goto(setup_page.address())
    setup_page.close()
    page.locator("#app_token").fill(APP)
    page.get_by_role("button", name="Check with Slack").click()
    expect(page.locator("#check-steps li[data-outcome=failed]")).to_contain_text("does not answer any more")


def test_a_foreign_page_gets_nothing(quiet_page, setup_page, slack):
    """From another origin of this very machine, with the browser that has the cookie."""
    page = quiet_page
    page.goto(setup_page.address())
    own = page.url
    page.goto(slack.api_url.replace("/api/", "/portal"))
    outcome = page.evaluate(
        """url => fetch(url + 'check', {method: 'POST', mode: 'no-cors', credentials: 'include',
             headers: {'Content-Type': 'text/plain'}, body: '{"transport": "rtm"}'})
             .then(() => 'answered', error => error.message)""",
        own,
    )
    assert outcome == "Failed to fetch"
    page.evaluate(
        """url => new Promise(done => {const frame = document.createElement('iframe'); frame.src = url;
             frame.onload = done; document.body.append(frame)})""",
        own,
    )
    assert page.frames[1].get_by_role("heading").count() == 0
    assert slack.truth().calls == ()


# From the command line


@contextlib.contextmanager
def command(home, *arguments):
    """``traymon --debug … setup --page`` with a home of its own, without a desktop: it tells its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "traymon", "--debug", *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_command_serves_the_page_until_it_is_done_and_the_token_is_nowhere(page, home, slack, no_keyring):
    config = home / "c" / "config.toml"
    slack.add_bot(token_of("canary"), "deploybot", "Acme")
    with command(home, "--config", str(config), "setup", "--page", "--api-url", slack.api_url) as process:
        said = process.stdout.readline()
        page.goto(process.stdout.readline().strip())
        pass_check(page, token=token_of("canary"))
        keep(page)
        expect(page.get_by_role("radio", name="In a file")).to_be_focused()
        argv = Path(f"/proc/{process.pid}/cmdline").read_text()
        keep(page)
        expect(
            page.get_by_role("heading", name="Now start traymon: it brings deploybot online.")
        ).to_be_focused()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "it works once" in said
    assert f"deploybot is set up in {config}" in out
    everything = [said, out, err, argv, page.content()]
    everything += [
        path.read_text() for path in home.rglob("*") if path.is_file() and path.parent.name != "tokens"
    ]
    assert "canary" not in "".join(everything)
    assert load(config, {}).bots[0].token == f"file:{config.parent}/tokens/deploybot.token"
