"""The doctor over real sockets: each check failing once, what stands on it, and nothing secret or changed."""

import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.slackservers import Certificates, frame, header, http_answer, read_frame, read_head, serve, upgrade
from tests.support import (
    PATIENCE_S,
    app_token_of,
    events,
    running,
    token_of,
    wait_for_state,
    write_profile,
)
from traymon.config import BotConfig
from traymon.desktop.instance import acquire_profile
from traymon.doctor import Examination, Finding, Outcome, Result, Section, bot, check_name, machine
from traymon.doctor.bot import CHECKS, BotExamination
from traymon.doctor.tokens import judge
from traymon.keeper.core import State
from traymon.paths import Profile
from traymon.secrets import SecretUnavailable
from traymon.sessionlog.schema import MIGRATIONS, latest, open_for_writing
from traymon.simulator import Simulator
from traymon.simulator import faults as f

TOKEN, APP_TOKEN = "xoxb-test-a", "xapp-test-a"
QUICK_S = 0.4
"""For what is never answered."""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No proxy of the machine's, and the tokens in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("BOT_TOKEN", TOKEN)
    monkeypatch.setenv("APP_TOKEN", APP_TOKEN)


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "a", app_token=APP_TOKEN)
        yield simulator


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(bot, "STEP_LIMIT_S", QUICK_S)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def refusing_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def rtm(api_url, **settings):
    return BotConfig(
        **{"name": "a", "transport": "rtm", "token": "env:BOT_TOKEN", "api_url": api_url, **settings}
    )


def socket_mode(api_url, **settings):
    tokens = {"token": None, "app_token": "env:APP_TOKEN"}
    return BotConfig(**{"name": "a", "transport": "socket", "api_url": api_url, **tokens, **settings})


def examine(config, *, held=False, limit_s=PATIENCE_S):
    """All results of one bot, by check."""
    examination = BotExamination(config, "test", running=held, deadline=time.monotonic() + limit_s)
    examination.run()
    return {result.check: result for result in examination.section.results(time.monotonic())}


def outcomes(results):
    return {check: result.outcome.value for check, result in results.items()}


def assert_fails_alone(results, check, *texts):
    """``check`` failed for that reason, and nothing else did: what stands on it was not tried."""
    seen = outcomes(results)
    assert [*seen] == [*CHECKS]
    assert [name for name, outcome in seen.items() if outcome == "failed"] == [check], results
    for text in texts:
        assert text in results[check].text
    after = CHECKS[CHECKS.index(check) + 1 :]
    assert all(seen[name] == "skipped" for name in after)
    assert all(f"needs “{check_name(check)}”" in results[name].text for name in after if name != "tls")


# All is well


def test_all_is_well_with_rtm(slack):
    results = examine(rtm(slack.api_url))
    seen = outcomes(results)
    assert {name for name, outcome in seen.items() if outcome == "skipped"} == {"route", "tls", "scopes"}
    assert set(seen.values()) == {"ok", "skipped"}
    assert "Simulated" in results["api"].text
    truth = slack.truth()
    assert [call.method for call in truth.calls_of(TOKEN)] == ["auth.test", "rtm.connect"]
    assert len(truth.links_of(TOKEN)) == 1
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, PATIENCE_S)
    assert truth.oddities == ()


def test_all_is_well_with_socket_mode(slack):
    results = examine(socket_mode(slack.api_url))
    assert set(outcomes(results).values()) == {"ok", "skipped"}
    assert "counts 1 of this app" in results["hello"].text
    assert "may have given it" in results["websocket"].text
    assert [call.method for call in slack.truth().calls_of(APP_TOKEN)] == ["apps.connections.open"]


def for_rtm_programs(api_url, **settings):
    return socket_mode(api_url, token="env:BOT_TOKEN", relay="rtm", **settings)


def test_all_is_well_with_a_program_of_rtm_on_socket_mode(slack):
    results = examine(for_rtm_programs(slack.api_url))
    assert set(outcomes(results).values()) == {"ok", "skipped"}
    assert "An app-level token (xapp-…)" in results["token"].text
    assert "A bot token (xoxb-…)" in results["token"].text
    assert "Slack accepts the token for Socket Mode. Slack knows the token as a" in results["api"].text
    truth = slack.truth()
    assert [call.method for call in truth.calls_of(APP_TOKEN)] == ["apps.connections.open"]
    assert [call.method for call in truth.calls_of(TOKEN)] == ["auth.test"]


@pytest.mark.parametrize(
    ("token", "check", "said"),
    [
        ("", "token", "is not set"),
        ("xapp-test-a", "token", "RTM needs a bot token"),
        ("xoxb-wrong", "api", "does not know this token"),
    ],
)
def test_a_program_of_rtm_needs_the_bot_token_too(slack, monkeypatch, token, check, said):
    monkeypatch.setenv("BOT_TOKEN", token)
    results = examine(for_rtm_programs(slack.api_url))
    assert outcomes(results)[check] == "failed"
    assert said in results[check].text
    assert not token or all(token not in result.text for result in results.values())


@pytest.mark.parametrize(
    ("scopes", "outcome"), [("channels:history", Outcome.WARNING), ("chat:write", Outcome.OK)]
)
def test_a_program_of_rtm_must_be_able_to_post(scopes, outcome):
    found = bot._scopes({"x-oauth-scopes": scopes}, for_rtm_programs("https://slack.com/api/"))
    assert found.outcome is outcome
    assert ("lacks the scope chat:write" in found.text) is (outcome is Outcome.WARNING)


def test_a_socket_mode_link_that_is_held_gets_no_second(slack):
    results = examine(socket_mode(slack.api_url), held=True)
    assert outcomes(results)["api"] == "ok"
    assert {outcomes(results)[check] for check in ("websocket", "hello", "ping")} == {"skipped"}
    assert "would take from the first" in results["websocket"].text
    assert slack.truth().links == ()


def test_an_rtm_link_that_is_held_gets_one(slack):
    assert outcomes(examine(rtm(slack.api_url), held=True))["ping"] == "ok"


# The token


def test_without_a_token_the_way_is_tried_all_the_same(slack, monkeypatch):
    monkeypatch.delenv("BOT_TOKEN")
    results = examine(rtm(slack.api_url))
    seen = outcomes(results)
    assert seen["token"] == "failed"
    assert "BOT_TOKEN is not set" in results["token"].text
    assert seen["tcp"] == "ok"
    assert {seen[check] for check in CHECKS[CHECKS.index("api") :]} == {"skipped"}
    assert slack.truth().calls == ()


@pytest.mark.parametrize(
    ("token", "transport", "outcome", "text"),
    [
        ("xoxb-1", "rtm", "ok", "bot token"),
        ("xoxp-1", "rtm", "warning", "person's"),
        ("xoxe.xoxb-1", "rtm", "warning", "12 hours"),
        ("xoxe-1", "rtm", "failed", "refresh token"),
        ("xoxc-1", "rtm", "failed", "browser's session"),
        ("xapp-1", "rtm", "failed", "app-level token"),
        ("hunter2", "rtm", "warning", "does not begin"),
        ("xapp-1", "socket", "ok", "app-level token"),
        ("xoxb-1", "socket", "failed", "connections:write"),
        ("xoxp-1", "socket", "failed", "connections:write"),
        ("hunter2", "socket", "warning", "does not begin"),
    ],
)
def test_kinds_of_tokens(token, transport, outcome, text):
    found = judge(token, transport, "keyring")
    assert found.outcome.value == outcome
    assert text in found.text
    assert token not in found.text


def test_the_wrong_kind_is_not_sent(slack, monkeypatch):
    monkeypatch.setenv("BOT_TOKEN", APP_TOKEN)
    results = examine(rtm(slack.api_url))
    assert outcomes(results)["token"] == "failed"
    assert slack.truth().calls == ()


# The way


def test_a_proxy_that_refuses():
    def script(sock):
        read_head(sock)
        sock.sendall(http_answer(b"", status="407 No", headers="Proxy-Authenticate: Basic realm=x\r\n"))

    with serve(script) as proxy:
        results = examine(rtm("https://slack.invalid/api/", proxy=f"http://127.0.0.1:{proxy.port}"))
    # The proxy itself answers; what it does not open is the way to Slack.
    assert outcomes(results)["proxy"] == "ok"
    assert f"127.0.0.1:{proxy.port}" in results["proxy"].text
    assert outcomes(results)["tcp"] == "failed"
    assert "http://user:password@" in results["tcp"].text
    assert "the proxy looks the name up" in results["dns"].text


def test_a_proxy_that_is_down(refusing_port):
    results = examine(rtm("https://slack.invalid/api/", proxy=f"http://me:hunter2@127.0.0.1:{refusing_port}"))
    assert outcomes(results)["proxy"] == "failed"
    assert "Check “proxy”" in results["proxy"].text
    assert outcomes(results)["api"] == "skipped"
    assert "hunter2" not in str(results)


def test_a_name_that_cannot_be_looked_up():
    results = examine(rtm("https://a..b/api/"))
    assert outcomes(results)["dns"] == "failed"
    assert "a..b cannot be looked up" in results["dns"].text
    assert check_name("dns") in results["tcp"].text


def test_a_port_that_refuses(refusing_port):
    results = examine(rtm(f"http://127.0.0.1:{refusing_port}/api/"))
    assert_fails_alone(results, "tcp", "refuses connections", "Check the firewall")


def test_tls_that_is_trusted_names_its_issuer(certificates):
    with Simulator(tls=certificates.server()) as slack:
        slack.add_bot(TOKEN, "a")
        results = examine(rtm(slack.api_url, ca_file=certificates.ca_file))
    assert outcomes(results)["ping"] == "ok"
    assert "trustme" in results["tls"].text


def test_tls_that_is_not_trusted_names_its_issuer(certificates):
    with Simulator(tls=certificates.server()) as slack:
        slack.add_bot(TOKEN, "a")
        results = examine(rtm(slack.api_url))
        assert slack.truth().calls == ()
    assert_fails_alone(results, "tls", "issued by", "trustme", "ca_file")


# The Web API


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (f.SlackCode("invalid_auth"), "traymon setup"),
        (f.SlackCode("account_inactive"), "Ask the workspace's admins"),
        (f.HttpStatus(503), "HTTP 503"),
        (f.Portal(), "sign in to the network"),
        (f.Hang(), "did not answer in time"),
        (f.HangUp(), "slack-status.com"),
    ],
)
def test_the_web_api_fails(slack, impatient, fault, text):
    slack.arm(fault, method="auth.test")
    assert_fails_alone(examine(rtm(slack.api_url)), "api", text)


def test_socket_mode_is_refused(slack):
    slack.arm(f.SlackCode("missing_scope"), method="apps.connections.open")
    assert_fails_alone(examine(socket_mode(slack.api_url)), "api", "connections:write")


def answering(monkeypatch, headers, *, after=lambda sock: None):
    """A server for :func:`serve` in Slack's place, down to its headers; ``after`` goes on with a link."""

    def script(sock):
        first = sock.recv(1, socket.MSG_PEEK)
        if not first:  # the probe of the way
            return
        if sock.recv(4, socket.MSG_PEEK).startswith(b"GET"):
            upgrade(sock)
            after(sock)
            return
        head = read_head(sock)
        host = header(head, "Host")
        who = {"ok": True, "user_id": "U1", "user": "a", "team_id": "T1", "team": "Acme"}
        connect = {"ok": True, "url": f"ws://{host}/link", "self": {"id": "U1", "name": "a"}}
        body = who if b"auth.test" in head else connect
        sock.sendall(http_answer(json.dumps(body).encode(), headers=headers))

    return serve(script)


def hello(sock):
    sock.sendall(frame(b'{"type":"hello"}'))


@pytest.mark.parametrize(
    ("scopes", "outcome", "text"),
    [
        ("bot,identify", "ok", "bot, identify."),
        ("rtm:stream, users:read", "ok", "users:read"),
        ("rtm:stream", "warning", "lacks the scope users:read"),
        (TOKEN + ",\x1b[31m", "skipped", "did not say"),
    ],
)
def test_scopes(monkeypatch, impatient, scopes, outcome, text):
    with answering(monkeypatch, f"X-OAuth-Scopes: {scopes}\r\n") as server:
        result = examine(rtm(f"http://127.0.0.1:{server.port}/api/"))["scopes"]
    assert result.outcome.value == outcome
    assert text in result.text
    assert TOKEN not in result.text


@pytest.mark.parametrize(
    ("ahead_s", "outcome", "text"),
    [
        (0, "ok", "agrees"),
        (30, "ok", "agrees"),
        (120, "warning", "behind"),
        (-120, "warning", "ahead"),
        (400, "failed", "behind"),
        (-86_400, "failed", "ahead"),
    ],
)
def test_the_clock(monkeypatch, impatient, ahead_s, outcome, text):
    date = formatdate(time.time() + ahead_s, usegmt=True)
    with answering(monkeypatch, f"Date: {date}\r\n") as server:
        results = examine(rtm(f"http://127.0.0.1:{server.port}/api/"))
    assert results["clock"].outcome.value == outcome
    assert text in results["clock"].text
    assert results["websocket"].outcome is Outcome.OK, "a wrong clock keeps no link from opening"


@pytest.mark.parametrize(
    "date", ["", "soon", "Mon, 32 Foo 2016 07:29:10 GMT", "Tue, 20 Dec 99999 07:29:10 GMT"]
)
def test_a_date_that_is_none(monkeypatch, impatient, date):
    with answering(monkeypatch, f"Date: {date}\r\n") as server:
        assert examine(rtm(f"http://127.0.0.1:{server.port}/api/"))["clock"].outcome is Outcome.SKIPPED


# The link


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (f.HandshakeStatus(403), "HTTP status 403"),
        (f.HandshakeGarbage(), "does not speak WebSocket"),
        (f.HandshakeHang(), "did not finish the WebSocket handshake"),
        (f.SlackCode("not_allowed_token_type"), 'relay = "rtm"'),
        (f.HttpStatus(429, "30"), "asks to wait"),
    ],
)
def test_the_websocket_fails(slack, impatient, fault, text):
    slack.arm(fault, **({"method": "rtm.connect"} if isinstance(fault, f.SlackCode | f.HttpStatus) else {}))
    assert_fails_alone(examine(rtm(slack.api_url)), "websocket", text)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (f.NoHello(), "“hello” did not come in time"),
        (f.SpentUrl(), "expired"),
        (f.DropBeforeHello(f.Fin()), "hung up without a close frame"),
        (f.DropBeforeHello(f.Close(1011, "out of order")), "out of order"),
    ],
)
def test_the_hello_fails(slack, impatient, fault, text):
    slack.arm(fault)
    assert_fails_alone(examine(rtm(slack.api_url)), "hello", text)


@pytest.mark.parametrize(
    ("reason", "text"), [("link_disabled", "switched off"), ("too_many_websockets", "too many")]
)
def test_socket_mode_disconnects_instead_of_a_hello(impatient, monkeypatch, reason, text):
    def script(sock):
        if not sock.recv(1, socket.MSG_PEEK):
            return
        if sock.recv(4, socket.MSG_PEEK).startswith(b"GET"):
            upgrade(sock)
            sock.sendall(frame(json.dumps({"type": "disconnect", "reason": reason}).encode()))
            sock.recv(1)
            return
        host = header(read_head(sock), "Host")
        sock.sendall(http_answer(json.dumps({"ok": True, "url": f"ws://{host}/link"}).encode()))

    with serve(script) as server:
        assert_fails_alone(examine(socket_mode(f"http://127.0.0.1:{server.port}/api/")), "hello", text)


def test_the_ping_is_not_answered(monkeypatch, impatient):
    def silent(sock):
        hello(sock)
        read_frame(sock)
        sock.recv(1)

    with answering(monkeypatch, "", after=silent) as server:
        results = examine(rtm(f"http://127.0.0.1:{server.port}/api/"))
    assert_fails_alone(results, "ping", "Nothing came any more", "slack-status.com")


def test_another_ping_s_answer_is_no_answer(monkeypatch, impatient):
    def wrong(sock):
        hello(sock)
        read_frame(sock)
        sock.sendall(frame(b'{"type":"pong","reply_to":77}'))
        sock.recv(1)

    with answering(monkeypatch, "", after=wrong) as server:
        results = examine(rtm(f"http://127.0.0.1:{server.port}/api/"))
    assert outcomes(results)["ping"] == "failed"


# The limit


def test_what_hangs_is_called_off_at_the_limit(slack):
    slack.arm(f.Hang(), method="auth.test")
    begun = time.monotonic()
    results = examine(rtm(slack.api_url), limit_s=QUICK_S)
    assert time.monotonic() - begun < bot.STEP_LIMIT_S, "the limit of all, not of the step"
    assert_fails_alone(results, "api", "did not end in time")


def test_a_way_for_which_no_time_is_left(slack):
    results = examine(rtm(slack.api_url), limit_s=0)
    assert outcomes(results)["dns"] == "failed"
    assert "did not end in time" in results["dns"].text
    assert slack.truth().calls == ()


@pytest.mark.parametrize(("chained", "rest"), [(True, Outcome.SKIPPED), (False, Outcome.FAILED)])
def test_results_come_by_the_deadline(chained, rest):
    section = Section("a", "rtm", ("dns", "tcp", "tls"), chained=chained)
    section.add("dns", Finding(Outcome.OK, "found"), 3)
    seen = list(section.results(time.monotonic() + 0.05))
    assert seen[0] == Result("dns", Outcome.OK, 3, "found")
    assert [result.outcome for result in seen[1:]] == [Outcome.FAILED, rest]


def test_results_are_given_as_they_come():
    section = Section("a", "rtm", ("dns", "tcp"), chained=True)
    given = section.results(time.monotonic() + PATIENCE_S)
    section.add("tcp", Finding(Outcome.OK, "second"))
    adder = threading.Thread(target=section.add, args=("dns", Finding(Outcome.OK, "first")))
    adder.start()
    assert [result.text for result in given] == ["first", "second"]
    adder.join()


def test_a_check_that_breaks_is_a_result():
    section = Section("a", "rtm", ("dns",), chained=True)
    assert section.run("dns", lambda: 1 // 0) is Outcome.FAILED
    assert "ZeroDivisionError" in next(section.results(0)).text


def test_no_secret_and_nothing_that_acts_on_a_terminal_is_in_a_result():
    section = Section("a", "rtm", ("dns",), chained=True)
    section.hide("hunter2")
    section.add("dns", Finding(Outcome.OK, "hunter2 \x1b[31m"))
    assert next(section.results(0)).text == "••• \\x1b[31m"


# The machine


@pytest.fixture
def profile(tmp_path):
    return Profile.throwaway(tmp_path / "profile")


def test_no_traymon_runs_and_no_file_is_made(profile):
    found = machine.look_for_running(profile)
    assert not found.runs
    assert found.finding.outcome is Outcome.OK
    assert not profile.state_dir.exists()


def test_a_traymon_that_runs(slack, tmp_path):
    profile = write_profile(tmp_path, {"a": slack.api_url}, tokens={"a": TOKEN})
    with running(profile) as app:
        wait_for_state(app, "a", State.ONLINE)
        found = machine.look_for_running(profile)
        assert found.runs
        assert "a: online" in found.finding.text


def test_a_traymon_that_cannot_be_asked(profile):
    with acquire_profile(profile):
        found = machine.look_for_running(profile)
    assert found.runs
    assert found.finding.outcome is Outcome.WARNING
    assert not machine.look_for_running(profile).runs


def test_keyring(monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    found = machine.keyring([rtm("http://127.0.0.1/api/")], "test")
    assert found.outcome is Outcome.SKIPPED
    for needing in (rtm("http://h/", token="keyring"), socket_mode("http://h/", app_token="keyring")):
        with pytest.raises(SecretUnavailable, match="No keyring is ready"):
            machine.keyring([needing], "test")


def test_keyring_that_is_ready(monkeypatch, tmp_path):
    (tmp_path / "open_keyring.py").write_text(
        "import keyring.backend\n"
        "class Open(keyring.backend.KeyringBackend):\n"
        "    priority = 1\n"
        "    name = 'an open one'\n"
        "    def get_password(self, service, username): return None\n"
        "    def set_password(self, service, username, password): pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "open_keyring.Open")
    import keyring

    before = keyring.get_keyring()
    keyring.core.init_backend()
    try:
        found = machine.keyring([rtm("http://h/", token="keyring")], "test")
    finally:
        keyring.set_keyring(before)
    assert found == Finding(Outcome.OK, "Ready: an open one.")


def test_database(tmp_path):
    db = tmp_path / "sessions.sqlite3"
    assert machine.database(db).outcome is Outcome.SKIPPED
    open_for_writing(db).close()
    found = machine.database(db)
    assert found.outcome is Outcome.OK
    assert f"version {latest(MIGRATIONS)}" in found.text
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert machine.database(db).outcome is Outcome.FAILED
    db.write_bytes(b"this is no database" * 1000)
    assert machine.database(db).outcome is Outcome.FAILED


def test_a_database_with_a_broken_page(tmp_path):
    db = tmp_path / "sessions.sqlite3"
    open_for_writing(db).close()
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(
            "CREATE TABLE more AS SELECT hex(randomblob(2000)) AS x FROM (VALUES (1), (2), (3))"
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = db.stat().st_size
    with db.open("r+b") as file:
        file.seek(size - 4096)
        file.write(b"\xff" * 4096)
    found = machine.database(db)
    assert found.outcome is Outcome.FAILED
    assert "moves a damaged file aside" in found.text


def test_a_check_of_the_database_that_takes_too_long(tmp_path, monkeypatch):
    db = tmp_path / "sessions.sqlite3"
    open_for_writing(db).close()
    monkeypatch.setattr(machine, "DATABASE_LIMIT_S", -1.0)
    monkeypatch.setattr(machine, "_STEPS", 1)
    assert machine.database(db).outcome is Outcome.WARNING


def test_folders(profile):
    assert machine.folders(profile).outcome is Outcome.OK
    assert not profile.log_dir.exists(), "nothing is made"
    profile.state_dir.mkdir(parents=True)
    assert machine.folders(profile).outcome is Outcome.OK
    assert [*profile.state_dir.iterdir()] == []
    profile.state_dir.rmdir()
    profile.state_dir.write_text("in the way")
    found = machine.folders(profile)
    assert found.outcome is Outcome.FAILED
    assert str(profile.state_dir) in found.text


def test_every_check_has_a_name(profile):
    examination = Examination(profile, [rtm("http://127.0.0.1:9/api/")], {})
    examination.start()
    assert [section.name for section in examination.sections] == ["a", ""]
    for section in examination.sections:
        for result in section.results(examination.deadline):
            assert check_name(result.check)
            assert result.text.endswith((".", ")"))


# The command


def traymon(profile, *arguments):
    command = [sys.executable, "-m", "traymon", "--config", str(profile.config_file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_the_command(home, slack, refusing_port):
    slack.add_bot(token_of("b"), "b", app_token=app_token_of("b"))
    profile = write_profile(
        home / "p",
        {"a": slack.api_url, "b": slack.api_url, "dead": f"http://127.0.0.1:{refusing_port}/api/"},
        tokens={"a": TOKEN},
        socket_mode=("b",),
    )
    done = traymon(profile, "doctor", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr == ""
    assert answer.keys() == {"ok", "config", "bots", "machine"}
    assert answer["ok"] is False
    assert [(each["name"], each["transport"]) for each in answer["bots"]] == [
        ("a", "rtm"),
        ("b", "socket"),
        ("dead", "rtm"),
    ]
    for checks in [*(each["checks"] for each in answer["bots"]), answer["machine"], [answer["config"]]]:
        for check in checks:
            assert [*check] == ["check", "result", "ms", "text"]
            assert check["result"] in {"ok", "warning", "failed", "skipped"}
            assert isinstance(check["ms"], int)
            assert check["text"]
    assert [check["check"] for check in answer["bots"][0]["checks"]] == [*CHECKS]
    assert {check["result"] for check in answer["bots"][1]["checks"]} <= {"ok", "skipped"}
    assert "tcp" in [check["check"] for check in answer["bots"][2]["checks"] if check["result"] == "failed"]

    one = traymon(profile, "doctor", "a")
    assert one.returncode == 0, one.stdout
    assert "FAILED" not in one.stdout
    assert "dead (rtm)" not in one.stdout
    assert len([line for line in one.stdout.splitlines() if line.startswith("  ")]) == 1 + len(CHECKS) + 6
    unknown = traymon(profile, "doctor", "zed")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There is no bot “zed”" in unknown.stderr


def test_the_command_beside_the_running_traymon(home, slack):
    slack.add_bot(token_of("b"), "b", app_token=app_token_of("b"))
    written = write_profile(
        home / "p", {"a": slack.api_url, "b": slack.api_url}, tokens={"a": TOKEN}, socket_mode=("b",)
    )
    profile = Profile.default(written.config_file)
    with running(profile) as app:
        for name in ("a", "b"):
            wait_for_state(app, name, State.ONLINE)
        done = traymon(profile, "doctor")
        assert done.returncode == 0, done.stdout
        assert "traymon runs for this profile" in done.stdout
        assert len(slack.truth().links_of(app_token_of("b"))) == 1, "no second link in Socket Mode"
        assert len(slack.truth().links_of(TOKEN)) == 2
    assert len(events(profile, "a", "start")) == 1, "the kept link is not disturbed"


@pytest.mark.parametrize("text", ["[bots.a]\ntransprot = 1\n", ""])
def test_a_configuration_that_cannot_be_used(home, text):
    config = home / "c.toml"
    config.write_text(text)
    done = traymon(Profile.default(config), "doctor", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["config"]["result"] == "failed"
    assert answer["bots"] == []
    assert len(answer["machine"]) == 6


def test_what_slack_calls_the_bot_is_shown_without_what_looks_like_a_secret():
    with Simulator() as slack:
        slack.add_bot(TOKEN, "a xoxb-other-canary", "T \x1b[31m xapp-1-canary")
        text = examine(rtm(slack.api_url))["api"].text
    assert "canary" not in text
    assert "a •••" in text
    assert "\\x1b" in text


def test_the_canary_is_nowhere(home, monkeypatch):
    canary = "xoxb-4242424242-canary"
    wrongs = {
        "http": f.HttpStatus(500, body=canary.encode()),
        "code": f.SlackCode("internal_error " + canary),
        "refused": f.SlackCode("invalid_auth"),
        "forbidden": f.HandshakeStatus(403, canary.encode()),
        "ssh": f.HandshakeGarbage(canary.encode() + b"\r\n\r\n"),
        "closed": f.DropBeforeHello(f.Close(1011, f"{canary} is to blame")),
    }
    with Simulator() as slack:
        tokens = {name: f"{canary}-{name}" for name in wrongs}
        for name, wrong in wrongs.items():
            slack.add_bot(tokens[name], name)
            slack.arm(wrong, token=tokens[name])
        profile = write_profile(home / "p", dict.fromkeys(wrongs, slack.api_url), tokens=tokens)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "traymon",
                "--debug",
                "--config",
                str(profile.config_file),
                "doctor",
                "--json",
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    answer = json.loads(done.stdout)
    assert all("failed" in {check["result"] for check in each["checks"]} for each in answer["bots"])
    said = done.stdout + done.stderr
    assert "4242424242" not in said
    assert "/link/" not in said
    kept = {
        path for path in Path(home).rglob("*") if path.is_file() and path.suffix not in {".token", ".toml"}
    }
    assert kept == set(), "nothing is written"
