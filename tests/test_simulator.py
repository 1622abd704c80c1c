"""traymon.simulator, judged by clients that are not traymon's: urllib, http.client, websocket-client, raw sockets."""

import http.client
import itertools
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
import websocket
from websocket import ABNF

from tests.simulator_client import (
    APP_TOKEN,
    OTHER,
    PATIENCE_S,
    TOKEN,
    call,
    connect,
    last_link,
    online,
    ping,
    request,
)
from traymon import simulator as sim
from traymon.simulator import Simulator
from traymon.simulator.bots import Bucket
from traymon.simulator.clock import now_ms
from traymon.simulator.faults import Armoury

NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator(seed=1) as simulator:
        simulator.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
        yield simulator
        bugs = [odd for odd in simulator.truth().oddities if "bug of the simulator" in odd]
    assert not bugs


class TestWebApi:
    @pytest.mark.parametrize("method", ["rtm.connect", "rtm.start"])
    def test_connect(self, slack: Simulator, method: str) -> None:
        answer = call(slack, method)
        assert answer["ok"] is True
        assert answer["url"].startswith(f"ws://127.0.0.1:{slack.port}/link/")
        assert answer["self"]["name"] == "deploybot"
        assert answer["self"]["id"].startswith("U")
        assert answer["team"]["name"] == "Simulated"
        assert answer["team"]["id"].startswith("T")
        assert answer["team"]["domain"] == "simulated"

    def test_auth_test(self, slack: Simulator) -> None:
        answer = call(slack, "auth.test")
        assert answer["user_id"] == call(slack, "rtm.connect")["self"]["id"]
        assert answer["bot_id"].startswith("B")
        assert answer["url"] == "https://simulated.slack.com/"

    def test_ids_depend_on_the_seed_only(self) -> None:
        identities = []
        for seed in (1, 1, 2):
            with Simulator(seed) as slack:
                slack.add_bot(TOKEN, "a")
                identities.append(call(slack, "auth.test"))
        assert identities[0] == identities[1] != identities[2]

    @pytest.mark.parametrize(
        ("token", "error"), [(None, "not_authed"), ("xoxb-wrong", "invalid_auth"), ("", "not_authed")]
    )
    def test_a_wrong_token(self, slack: Simulator, token: str | None, error: str) -> None:
        assert call(slack, "rtm.connect", token) == {"ok": False, "error": error}
        assert slack.truth().calls[-1].answer == error

    def test_a_token_of_the_wrong_kind(self, slack: Simulator) -> None:
        assert call(slack, "rtm.connect", APP_TOKEN)["error"] == "not_allowed_token_type"
        assert call(slack, "apps.connections.open", TOKEN)["error"] == "not_allowed_token_type"

    def test_an_unknown_method(self, slack: Simulator) -> None:
        assert call(slack, "rtm.disconnect")["error"] == "unknown_method"

    def test_a_bot_that_was_removed(self, slack: Simulator) -> None:
        slack.remove_bot(TOKEN)
        assert call(slack, "auth.test")["error"] == "invalid_auth"
        assert call(slack, "apps.connections.open", APP_TOKEN)["error"] == "invalid_auth"
        with pytest.raises(LookupError):
            slack.set_away(TOKEN, True)

    def test_where_a_token_may_stand(self, slack: Simulator) -> None:
        url = slack.api_url + "auth.test"
        as_json = {"Content-Type": "application/json"}

        def ok(body: bytes | None, headers: Mapping[str, str] | None = None, query: str = "") -> object:
            with urllib.request.urlopen(
                urllib.request.Request(url + query, data=body, headers=dict(headers or {})),
                timeout=PATIENCE_S,
            ) as response:
                answer = json.load(response)
            return answer["ok"] or answer["error"]

        assert ok(None, {"Authorization": f"Bearer {TOKEN}"}) is True
        assert ok(None, query=f"?token={TOKEN}") is True
        assert ok(f"token={TOKEN}".encode()) is True
        assert ok(b"{}", {**as_json, "Authorization": f"Bearer {TOKEN}"}) is True
        assert ok(json.dumps({"token": TOKEN}).encode(), as_json) == "not_authed"
        assert ok(b"{", {**as_json, "Authorization": f"Bearer {TOKEN}"}) == "invalid_json"
        assert ok(b"[]", {**as_json, "Authorization": f"Bearer {TOKEN}"}) == "json_not_object"

    def test_presence_follows_the_links(self, slack: Simulator) -> None:
        assert call(slack, "users.getPresence")["presence"] == "away"
        with closing(online(slack)):
            answer = call(slack, "users.getPresence", user=call(slack, "auth.test")["user_id"])
            assert (answer["presence"], answer["connection_count"]) == ("active", 1)
            slack.set_away(TOKEN, True)
            answer = call(slack, "users.getPresence")
            assert (answer["presence"], answer["manual_away"]) == ("away", True)
        assert call(slack, "users.getPresence", user="U0")["error"] == "user_not_found"

    def test_a_posted_message_comes_back_over_rtm(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            answer = call(slack, "chat.postMessage", channel="C1", text="done")
            event = json.loads(link.recv())
        assert answer["ok"] is True
        assert (event["type"], event["channel"], event["text"]) == ("message", "C1", "done")
        assert event["ts"] == answer["ts"]
        assert call(slack, "chat.postMessage", channel="C1")["error"] == "no_text"
        assert call(slack, "chat.postMessage", text="x")["error"] == "channel_not_found"

    def test_tier_one(self, slack: Simulator) -> None:
        slack.add_bot(OTHER, "other")
        slack.rate_limit(TOKEN, burst=2, refill_s=60)
        assert [call(slack, "rtm.connect")["ok"] for _ in range(2)] == [True, True]
        with pytest.raises(urllib.error.HTTPError) as caught:
            call(slack, "rtm.connect")
        with caught.value as error:
            assert error.code == 429
            assert 58 <= int(error.headers["Retry-After"]) <= 60
            assert json.load(error) == {"ok": False, "error": "ratelimited"}
        assert call(slack, "auth.test")["ok"] is True
        assert call(slack, "rtm.connect", OTHER)["ok"] is True
        slack.rate_limit(TOKEN, None)
        assert call(slack, "rtm.connect")["ok"] is True
        answers = [c.answer for c in slack.truth().calls_of(TOKEN, "rtm.connect")]
        assert answers == ["ok", "ok", "ratelimited", "ok"]

    def test_the_bucket_refills(self) -> None:
        tier = Bucket(burst=2, refill_s=60)
        assert [tier.take(0), tier.take(0), tier.take(0)] == [None, None, 60]
        assert tier.take(59_000) == 1
        assert tier.take(60_000) is None
        assert [tier.take(10**9) for _ in range(3)] == [None, None, 60]

    @pytest.mark.parametrize("path", ["/", "/api/", "/nothing", "/link/never-issued"])
    def test_other_paths(self, slack: Simulator, path: str) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{slack.port}{path}", timeout=PATIENCE_S)
        caught.value.close()
        assert caught.value.code == 404


class TestRtm:
    def test_hello_ping_and_close(self, slack: Simulator) -> None:
        link = online(slack)
        assert ping(link, 1) == {"type": "pong", "reply_to": 1}
        slack.echo_time()
        assert ping(link, 2) == {"type": "pong", "reply_to": 2, "time": 1234}
        link.ping("payload")
        assert link.recv_data(control_frame=True) == (ABNF.OPCODE_PONG, b"payload")
        assert slack.open_links(TOKEN) == 1
        link.close()
        record = last_link(slack)
        assert (record.ended_by, record.close_code, record.transport) == ("client_close", 1000, "rtm")
        assert (record.pings, record.frame_pings) == (2, 1)
        assert slack.open_links(TOKEN) == 0
        assert slack.truth().oddities == ()

    def test_the_truth_is_in_order_and_on_both_clocks(self, slack: Simulator) -> None:
        before, wall_before = now_ms(), time.time_ns() // 1_000_000
        online(slack).close()
        record = last_link(slack)
        moments = [record.opened_at, record.hello_at, record.last_sent_at, record.ended_at, record.gone_at]
        assert None not in moments
        first, hello, last, ended, gone = (moment or 0 for moment in moments)
        assert before <= first <= hello <= ended <= gone <= now_ms()
        assert hello <= last
        walls = [record.opened_wall, record.hello_wall or 0, record.ended_wall or 0]
        assert wall_before <= walls[0] <= walls[1] <= walls[2] <= time.time_ns() // 1_000_000
        called = slack.truth().calls[0]
        assert before <= called.at <= first
        assert TOKEN not in repr(slack.truth())

    @pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
    def test_the_clock_is_the_one_that_counts_sleep(self) -> None:
        assert abs(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 - now_ms()) < 1_000

    def test_a_url_works_once(self, slack: Simulator) -> None:
        url = call(slack, "rtm.connect")["url"]
        websocket.create_connection(url, timeout=PATIENCE_S).close()
        self.assert_spent(url)
        assert last_link(slack).ended_by == "spent_url"

    def test_a_url_that_is_too_old(self, slack: Simulator) -> None:
        url = call(slack, "rtm.connect")["url"]
        slack.expire_urls()
        self.assert_spent(url)

    def test_a_url_that_slack_calls_spent(self, slack: Simulator) -> None:
        slack.arm(sim.SpentUrl())
        self.assert_spent(call(slack, "rtm.connect")["url"])

    @staticmethod
    def assert_spent(url: str) -> None:
        with closing(websocket.create_connection(url, timeout=PATIENCE_S)) as link:
            assert json.loads(link.recv()) == {
                "type": "error",
                "error": {"code": 1, "msg": "Socket URL has expired"},
            }
            assert link.recv_data(control_frame=True)[0] == ABNF.OPCODE_CLOSE

    def test_sends(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:

            def send(**message: object) -> dict[str, Any]:
                link.send(json.dumps(message))
                answer: dict[str, Any] = json.loads(link.recv())
                return answer

            first = send(id=1, type="message", channel="C1", text="one")
            second = send(id=2, type="message", channel="C1", text="two")
            assert (first["ok"], first["reply_to"], first["text"]) == (True, 1, "one")
            assert float(second["ts"]) > float(first["ts"])
            link.send(json.dumps({"id": 3, "type": "typing", "channel": "C1"}))
            link.send(json.dumps({"type": "presence_sub", "ids": ["U1"]}))
            assert send(id=4, type="message", channel="C1")["error"] == {
                "code": 2,
                "msg": "message text is missing",
            }
            assert send(id=5, type="message", text="x")["ok"] is False
            assert [json.loads(text)["type"] for text in slack.received(TOKEN)] == [
                "message",
                "message",
                "typing",
                "presence_sub",
                "message",
                "message",
            ]

    @pytest.mark.parametrize(
        "bad",
        [
            '{"id":1,"type":"ping"}',
            '{"id":0,"type":"ping"}',
            '{"id":true,"type":"ping"}',
            "no json",
            "[]",
            "[" * 5000,
        ],
    )
    def test_a_client_that_misbehaves_is_noted(self, slack: Simulator, bad: str) -> None:
        with closing(online(slack)) as link:
            ping(link, 1)
            link.send(bad)
            assert slack.wait(lambda: slack.truth().oddities, PATIENCE_S)

    @pytest.mark.parametrize(
        ("break_it", "code"),
        [
            (lambda link: link.sock.sendall(b"\x83\x80\x00\x00\x00\x00"), 1002),  # a reserved opcode
            (lambda link: link.send("x" * (16 * 1024 + 1)), 1009),
        ],
    )
    def test_a_client_that_breaks_the_protocol_is_closed(
        self, slack: Simulator, break_it: Callable[[websocket.WebSocket], object], code: int
    ) -> None:
        with closing(online(slack)) as link:
            break_it(link)
            opcode, payload = link.recv_data(control_frame=True)
        if opcode == ABNF.OPCODE_CLOSE and len(payload) >= 2:
            assert int.from_bytes(payload[:2], "big") == code
        assert last_link(slack).ended_by == "client_error"
        assert slack.truth().oddities

    def test_every_link_gets_every_event(self, slack: Simulator) -> None:
        slack.add_bot(OTHER, "other")
        with (
            closing(online(slack)) as one,
            closing(online(slack)) as two,
            closing(online(slack, OTHER)) as third,
        ):
            assert slack.push(TOKEN, {"type": "reaction_added"}) == 2
            assert json.loads(one.recv()) == json.loads(two.recv()) == {"type": "reaction_added"}
            assert ping(third, 1)["type"] == "pong"
            assert (slack.open_links(TOKEN), slack.open_links(OTHER)) == (2, 1)
        assert slack.push("xoxb-nobody", {"type": "x"}) == 0

    def test_how_clients_end(self, slack: Simulator) -> None:
        link = online(slack)
        link.sock.close()
        assert last_link(slack).ended_by == "client_fin"
        link = online(slack)
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        link.sock.close()
        assert last_link(slack).ended_by == "client_rst"
        link = online(slack)
        link.send_close(status=4001, reason=b"bye")
        assert last_link(slack).close_code == 4001
        link.shutdown()

    def test_a_close_frame_and_fin_in_one_breath_is_a_close(self, slack: Simulator) -> None:
        for _ in range(20):
            link = online(slack)
            link.send_close()
            link.sock.close()
            assert last_link(slack).ended_by == "client_close"

    def test_a_malformed_upgrade_is_refused_and_leaves_no_link(self, slack: Simulator) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(
                call(slack, "rtm.connect")["url"].replace("ws", "http", 1), timeout=PATIENCE_S
            )
        caught.value.close()
        assert caught.value.code == 400
        assert slack.truth().links == ()


class TestStrikes:
    def test_fin(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            assert slack.fin(TOKEN) == 1
            with pytest.raises(websocket.WebSocketConnectionClosedException):
                link.recv()
        record = last_link(slack)
        assert (record.ended_by, record.close_code) == ("fin", None)
        assert slack.fin(TOKEN) == 0

    def test_a_strike_at_a_client_that_just_reset(self, slack: Simulator) -> None:
        for fault in (sim.Fin(), sim.Rst()) * 10:
            link = online(slack)
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            link.sock.close()
            slack.strike(TOKEN, fault)
            assert last_link(slack).ended_by in ("client_rst", "fin", "rst")

    def test_after_fin_nothing_is_answered(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.fin(TOKEN)
            link.send('{"id":1,"type":"ping"}')
            assert slack.wait(lambda: slack.truth().links[-1].pings == 1, PATIENCE_S)
            with pytest.raises(websocket.WebSocketConnectionClosedException):
                link.recv()

    def test_rst(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            assert slack.rst(TOKEN) == 1
            with pytest.raises(ConnectionResetError):
                link.recv()
        assert last_link(slack).ended_by == "rst"

    @pytest.mark.parametrize(
        ("code", "payload"),
        [
            (1000, b"\x03\xe8bye"),
            (1001, b"\x03\xe9bye"),
            (1011, b"\x03\xf3bye"),
            (4321, b"\x10\xe1bye"),
            (None, b""),
        ],
    )
    def test_close(self, slack: Simulator, code: int | None, payload: bytes) -> None:
        with closing(online(slack)) as link:
            slack.close(TOKEN, code, "bye")
            assert link.recv_data(control_frame=True) == (ABNF.OPCODE_CLOSE, payload)
        record = last_link(slack)
        assert (record.ended_by, record.close_code) == ("close", code)

    def test_a_close_frame_that_nobody_answers_ends_the_socket(self, slack: Simulator) -> None:
        raw = socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S)
        with closing(connect(slack, socket=raw)) as link, closing(raw):
            link.recv()
            slack.close(TOKEN, 1001)
            received = b""
            while chunk := raw.recv(100):
                received += chunk
            assert received == b"\x88\x02\x03\xe9"
            link.shutdown()

    def test_silence_swallows_both_directions_for_ever(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            ping(link, 1)
            assert slack.silence(TOKEN) == 1
            last = slack.truth().links[-1].last_sent_at
            link.send('{"id":2,"type":"ping"}')
            link.ping()
            slack.push(TOKEN, {"type": "x"})
            link.settimeout(0.2)
            with pytest.raises(websocket.WebSocketTimeoutException):
                link.recv()
            record = slack.truth().links[-1]
            assert (record.pings, record.gone_at, record.last_sent_at) == (1, None, last)
            link.send_close()
            with pytest.raises(websocket.WebSocketTimeoutException):
                link.recv()
            link.shutdown()
        assert last_link(slack).ended_by == "client_close"

    def test_silence_that_ends_delivers_late_and_in_order(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.silence(TOKEN, for_ms=150)
            began = time.monotonic()
            link.send('{"id":2,"type":"ping"}')
            slack.push(TOKEN, {"type": "first"})
            slack.push(TOKEN, {"type": "second"})
            assert [json.loads(link.recv())["type"] for _ in range(3)] == ["first", "second", "pong"]
            assert time.monotonic() - began >= 0.1
            assert ping(link, 3)["reply_to"] == 3

    def test_goodbye_then_a_close(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.goodbye(TOKEN, close_after_ms=50)
            assert json.loads(link.recv()) == {"type": "goodbye"}
            assert link.recv_data(control_frame=True)[0] == ABNF.OPCODE_CLOSE
        assert last_link(slack).ended_by == "goodbye"

    def test_a_client_that_leaves_after_goodbye(self, slack: Simulator) -> None:
        link = online(slack)
        slack.goodbye(TOKEN, close_after_ms=60_000)
        link.recv()
        link.close()
        assert last_link(slack).ended_by == "client_close"

    def test_migration(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.strike(TOKEN, sim.Migrate())
            assert json.loads(link.recv()) == {"type": "team_migration_started"}
            assert link.recv_data(control_frame=True)[0] == ABNF.OPCODE_CLOSE
        assert last_link(slack).ended_by == "migration"

    def test_odd_frames_leave_the_link_alive(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.strike(TOKEN, sim.HugeFrame(5_000_000))
            slack.strike(TOKEN, sim.JsonNull())
            slack.strike(TOKEN, sim.BinaryFrame(b"\x00\xff"))
            slack.strike(TOKEN, sim.GarbageText("{"))
            huge = link.recv()
            assert len(huge) == 5_000_000
            assert json.loads(huge)["type"] == "message"
            assert link.recv() == "null"
            assert link.recv_data() == (ABNF.OPCODE_BINARY, b"\x00\xff")
            assert link.recv() == "{"
            assert ping(link, 1)["reply_to"] == 1

    @pytest.mark.parametrize("kind", ["opcode", "reserved", "long_control", "utf8"])
    def test_malformed_frames_break_a_strict_client(self, slack: Simulator, kind: Any) -> None:
        with closing(online(slack)) as link:
            slack.strike(TOKEN, sim.MalformedFrame(kind))
            with pytest.raises((websocket.WebSocketProtocolException, websocket.WebSocketPayloadException)):
                link.recv()

    def test_a_masked_frame_is_masked(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            slack.strike(TOKEN, sim.MalformedFrame("masked"))
            assert link.sock.recv(100)[:2] == b"\x81\x82"

    def test_one_link_of_two(self, slack: Simulator) -> None:
        with closing(online(slack)) as one, closing(online(slack)) as two:
            serial = slack.truth().links[0].serial
            assert slack.strike(TOKEN, sim.Fin(), serial) == 1
            with pytest.raises(websocket.WebSocketConnectionClosedException):
                one.recv()
            assert ping(two, 1)["reply_to"] == 1
            assert call(slack, "users.getPresence")["connection_count"] == 1


class TestRefuse:
    def test_connections_are_refused_and_live_links_stay(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            port = slack.port
            slack.refuse()
            slack.refuse()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            assert ping(link, 1)["reply_to"] == 1
            slack.accept()
            slack.accept()
            assert slack.port == port
            assert call(slack, "auth.test")["ok"] is True

    @pytest.mark.skipif(sys.platform != "linux", reason="the port is held on Linux only")
    def test_the_port_stays_ours_meanwhile(self, slack: Simulator) -> None:
        slack.refuse()
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", slack.port))
        slack.accept()
        assert call(slack, "auth.test")["ok"] is True


class TestCallFaults:
    def status(self, slack: Simulator, method: str = "rtm.connect") -> tuple[int, Mapping[str, str], bytes]:
        try:
            response = urllib.request.urlopen(request(slack, method), timeout=PATIENCE_S)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return response.status, response.headers, response.read()

    def test_rate_limited(self, slack: Simulator) -> None:
        slack.arm(sim.HttpStatus(429, retry_after="7"))
        status, headers, body = self.status(slack)
        assert (status, headers["Retry-After"], json.loads(body)["error"]) == (429, "7", "ratelimited")
        assert self.status(slack)[0] == 200

    @pytest.mark.parametrize("code", [500, 502, 503])
    def test_server_errors(self, slack: Simulator, code: int) -> None:
        slack.arm(sim.HttpStatus(code))
        status, headers, body = self.status(slack)
        assert (status, headers["Content-Type"]) == (code, "text/html")
        assert body.startswith(b"<html>")
        assert slack.truth().calls[-1].answer == "HttpStatus"

    def test_bodies(self, slack: Simulator) -> None:
        for fault, expected in [
            (sim.GarbageAnswer(), b'{"ok": tru'),
            (sim.GarbageAnswer(b"\xff\xfe", "text/html"), b"\xff\xfe"),
            (sim.JsonAnswer(None), b"null"),
            (sim.JsonAnswer([1]), b"[1]"),
        ]:
            slack.arm(fault)
            status, _, body = self.status(slack)
            assert (status, body) == (200, expected)

    def test_wrong_shapes(self, slack: Simulator) -> None:
        slack.arm(sim.WrongShape())
        slack.arm(sim.WrongShape("self.id"))
        slack.arm(sim.WrongShape("self"))
        assert set(call(slack, "rtm.connect")) == {"ok", "self", "team"}
        assert set(call(slack, "rtm.connect")["self"]) == {"name"}
        assert "self" not in call(slack, "rtm.connect")

    def test_codes_for_as_long_as_told(self, slack: Simulator) -> None:
        slack.arm(sim.SlackCode("migration_in_progress"), times=2)
        slack.arm(sim.SlackCode("account_inactive"), times=None)
        errors = [call(slack, "rtm.connect").get("error") for _ in range(5)]
        assert errors == ["migration_in_progress"] * 2 + ["account_inactive"] * 3
        slack.disarm()
        assert call(slack, "rtm.connect")["ok"] is True
        assert [c.answer for c in slack.truth().calls][:2] == ["migration_in_progress"] * 2

    def test_faults_for_one_method_or_bot(self, slack: Simulator) -> None:
        slack.add_bot(OTHER, "other")
        slack.arm(sim.SlackCode("fatal_error"), token=TOKEN, method="rtm.connect")
        assert call(slack, "auth.test")["ok"] is True
        assert call(slack, "rtm.connect", OTHER)["ok"] is True
        assert call(slack, "rtm.connect")["error"] == "fatal_error"

    def test_a_hang_lasts_until_the_client_leaves(self, slack: Simulator) -> None:
        slack.arm(sim.Hang())
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(request(slack, "rtm.connect"), timeout=0.2)
        assert slack.truth().calls[-1].answer == "Hang"
        assert call(slack, "rtm.connect")["ok"] is True

    @pytest.mark.parametrize("how", [sim.Fin(), sim.Rst()])
    def test_a_connection_that_ends(self, slack: Simulator, how: sim.Fin | sim.Rst) -> None:
        slack.arm(sim.HangUp(how))
        expected = ConnectionResetError if isinstance(how, sim.Rst) else http.client.RemoteDisconnected
        with pytest.raises(expected):
            urllib.request.urlopen(request(slack, "rtm.connect"), timeout=PATIENCE_S)

    def test_a_dribble_defeats_a_read_time_out_and_is_right_at_last(self, slack: Simulator) -> None:
        slack.arm(sim.Dribble(interval_ms=1))
        with urllib.request.urlopen(request(slack, "rtm.connect"), timeout=PATIENCE_S) as response:
            sizes = []
            body = b""
            while chunk := response.read1():
                sizes.append(len(chunk))
                body += chunk
        assert json.loads(body)["ok"] is True
        assert len(sizes) > len(body) / 4

    def test_a_slow_answer(self, slack: Simulator) -> None:
        slack.arm(sim.SlowAnswer(100))
        began = time.monotonic()
        assert call(slack, "rtm.connect")["ok"] is True
        assert time.monotonic() - began >= 0.1

    def test_a_captive_portal(self, slack: Simulator) -> None:
        slack.arm(sim.Portal())
        connection = http.client.HTTPConnection("127.0.0.1", slack.port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request("POST", "/api/rtm.connect", headers={"Authorization": f"Bearer {TOKEN}"})
            response = connection.getresponse()
            assert (response.status, response.getheader("Location")) == (
                302,
                f"http://127.0.0.1:{slack.port}/portal",
            )
        slack.arm(sim.Portal())
        status, headers, body = self.status(slack)
        assert status == 200
        assert headers["Content-Type"].startswith("text/html")
        assert b"Wi-Fi" in body

    def test_what_could_never_be_met_is_an_error(self, slack: Simulator) -> None:
        with pytest.raises(ValueError, match="at least one"):
            slack.arm(sim.Hang(), times=0)
        with pytest.raises(ValueError, match="calls no method"):
            slack.arm(sim.NoHello(), method="rtm.connect")
        assert Armoury().for_call(TOKEN, "rtm.connect") is None


class TestHandshakeFaults:
    @pytest.mark.parametrize("code", [403, 408, 503])
    def test_a_status(self, slack: Simulator, code: int) -> None:
        slack.arm(sim.HandshakeStatus(code))
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            connect(slack)
        assert caught.value.status_code == code
        assert slack.truth().links == ()
        online(slack).close()

    def test_garbage(self, slack: Simulator) -> None:
        slack.arm(sim.HandshakeGarbage())
        with pytest.raises((websocket.WebSocketException, ValueError, IndexError)):
            connect(slack)

    def test_garbage_is_sent_as_it_is(self, slack: Simulator) -> None:
        slack.arm(sim.HandshakeGarbage(b"SSH-2.0-x\r\n"))
        assert self.raw_answer(slack) == b"SSH-2.0-x\r\n"

    def test_a_hang(self, slack: Simulator) -> None:
        slack.arm(sim.HandshakeHang())
        url = call(slack, "rtm.connect")["url"]
        with pytest.raises(websocket.WebSocketTimeoutException):
            websocket.create_connection(url, timeout=0.2)

    def test_a_wrong_accept(self, slack: Simulator) -> None:
        slack.arm(sim.WrongAccept())
        with pytest.raises(websocket.WebSocketException, match="Invalid WebSocket Header"):
            connect(slack)

    def test_an_unrequested_subprotocol(self, slack: Simulator) -> None:
        slack.arm(sim.UnrequestedSubprotocol("chat"))
        answer = self.raw_answer(slack, stop=b"\r\n\r\n")
        # The key and the answer to it are the example of RFC 6455, 1.3.
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
        assert b"Sec-WebSocket-Protocol: chat\r\n" in answer

    def test_a_captive_portal(self, slack: Simulator) -> None:
        slack.arm(sim.PortalHandshake())
        with pytest.raises(websocket.WebSocketException):
            connect(slack)

    def test_no_hello(self, slack: Simulator) -> None:
        slack.arm(sim.NoHello())
        with closing(connect(slack)) as link:
            assert ping(link, 1)["type"] == "pong"
            assert call(slack, "users.getPresence")["connection_count"] == 0
        slack.arm(sim.NoHello(answers_pings=False))
        with closing(connect(slack)) as link:
            link.send('{"id":1,"type":"ping"}')
            link.ping()
            link.settimeout(0.2)
            with pytest.raises(websocket.WebSocketTimeoutException):
                link.recv()
            link.shutdown()
        assert slack.truth().links[-1].hello_at is None

    def test_a_late_hello(self, slack: Simulator) -> None:
        slack.arm(sim.LateHello(100))
        began = time.monotonic()
        with closing(connect(slack)) as link:
            assert json.loads(link.recv()) == {"type": "hello"}
        assert time.monotonic() - began >= 0.1

    @pytest.mark.parametrize(
        ("how", "error", "by"),
        [
            (sim.Fin(), websocket.WebSocketConnectionClosedException, "fin"),
            (sim.Rst(), ConnectionResetError, "rst"),
            (sim.Close(1011), None, "close"),
        ],
    )
    def test_a_drop_before_hello(
        self, slack: Simulator, how: Any, error: type[Exception] | None, by: str
    ) -> None:
        slack.arm(sim.DropBeforeHello(how))
        with closing(connect(slack)) as link:
            if error:
                with pytest.raises(error):
                    link.recv()
            else:
                assert link.recv_data(control_frame=True) == (ABNF.OPCODE_CLOSE, b"\x03\xf3")
        record = last_link(slack)
        assert (record.hello_at, record.ended_by) == (None, by)

    def raw_answer(self, slack: Simulator, stop: bytes | None = None) -> bytes:
        path = urllib.parse.urlsplit(call(slack, "rtm.connect")["url"]).path
        with socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S) as raw:
            raw.sendall(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            received = b""
            while (stop is None or stop not in received) and (chunk := raw.recv(1000)):
                received += chunk
        return received


class TestSocketMode:
    def open(self, slack: Simulator) -> tuple[websocket.WebSocket, dict[str, Any]]:
        link = connect(slack, "apps.connections.open", APP_TOKEN)
        return link, json.loads(link.recv())

    def test_hello_pings_and_acks(self) -> None:
        with Simulator(socket_ping_ms=50) as slack:
            slack.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
            link, hello = self.open(slack)
            with closing(link):
                assert hello["type"] == "hello"
                assert hello["num_connections"] == 1
                assert hello["connection_info"]["app_id"].startswith("A")
                assert hello["debug_info"]["approximate_connection_time"] == 18_060
                pings = [link.recv_data(control_frame=True)[0] for _ in range(3)]
                assert pings == [ABNF.OPCODE_PING] * 3
                link.send('{"envelope_id":"e1"}')
                assert slack.wait(lambda: slack.received(APP_TOKEN), PATIENCE_S)
            assert slack.received(APP_TOKEN) == ('{"envelope_id":"e1"}',)
            assert last_link(slack).transport == "socket"

    def test_a_payload_goes_to_any_one_link(self, slack: Simulator) -> None:
        links = [self.open(slack)[0] for _ in range(3)]
        for number in range(12):
            assert slack.push(APP_TOKEN, {"type": "events_api", "envelope_id": str(number)}) == 1
        slack.strike(APP_TOKEN, sim.Close())
        got: list[list[str]] = []
        for link in links:
            with closing(link):
                got.append([json.loads(text)["envelope_id"] for text in iter(link.recv, "")])
        assert sorted(itertools.chain(*got), key=int) == [str(n) for n in range(12)]
        assert all(part == sorted(part, key=int) for part in got)

    def test_disconnect(self, slack: Simulator) -> None:
        link, _ = self.open(slack)
        with closing(link):
            slack.strike(APP_TOKEN, sim.SayGoodbye(20, reason="warning"))
            message = json.loads(link.recv())
            assert (message["type"], message["reason"]) == ("disconnect", "warning")
            assert link.recv_data()[0] == ABNF.OPCODE_CLOSE
        assert last_link(slack).ended_by == "goodbye"

    def test_the_eleventh_link_is_one_too_many(self, slack: Simulator) -> None:
        links = [self.open(slack) for _ in range(10)]
        assert [hello["num_connections"] for _, hello in links] == list(range(1, 11))
        extra, message = self.open(slack)
        with closing(extra):
            assert (message["type"], message["reason"]) == ("disconnect", "too_many_websockets")
        for link, _ in links:
            link.close()


STRANGER = """
import os, sys, threading
from slack_sdk.rtm_v2 import RTMClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import WebClient

base_url, token, app_token = sys.argv[1:]
rtm = RTMClient(token=token, base_url=base_url)
done = [threading.Event(), threading.Event()]

@rtm.on("message")
def answer(client, event):
    client.send({"id": 1, "type": "message", "channel": event["channel"], "text": "heard " + event["text"]})
    done[0].set()

def acknowledge(client, envelope):
    client.send_socket_mode_response(SocketModeResponse(envelope_id=envelope.envelope_id))
    done[1].set()

rtm.connect()
socket_mode = SocketModeClient(app_token=app_token, web_client=WebClient(token=token, base_url=base_url))
socket_mode.socket_mode_request_listeners.append(acknowledge)
socket_mode.connect()
heard = [event.wait(10) for event in done]
os._exit(0 if all(heard) else 1)  # its helper threads do not end otherwise
"""


def test_slacks_own_clients_take_it_for_slack(slack: Simulator) -> None:
    arguments = [slack.api_url, TOKEN, APP_TOKEN]
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    with subprocess.Popen([sys.executable, "-c", STRANGER, *arguments], env=environment) as stranger:
        assert slack.wait(
            lambda: {r.transport for r in slack.truth().links if r.hello_at} == {"rtm", "socket"}, 20
        )
        slack.push(TOKEN, {"type": "message", "channel": "C1", "text": "hi", "user": "U1", "ts": "1.2"})
        slack.push(APP_TOKEN, {"type": "events_api", "envelope_id": "e1", "payload": {}})
        assert stranger.wait(20) == 0
    assert slack.wait(lambda: slack.received(TOKEN) and slack.received(APP_TOKEN), PATIENCE_S)
    assert json.loads(slack.received(TOKEN)[0])["text"] == "heard hi"
    assert json.loads(slack.received(APP_TOKEN)[0]) == {"envelope_id": "e1"}
    assert slack.truth().oddities == ()


class TestLife:
    def test_stop_drops_everything_and_ends_the_thread(self) -> None:
        slack = Simulator().start()
        slack.add_bot(TOKEN, "deploybot")
        slack.arm(sim.Hang(), method="auth.test")
        hung = socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S)
        hung.sendall(f"GET /api/auth.test?token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        idle = socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S)
        link = online(slack)
        assert slack.wait(lambda: slack.truth().calls_of(TOKEN, "auth.test"), PATIENCE_S)
        slack.stop()
        slack.stop()
        with closing(link), pytest.raises((websocket.WebSocketException, OSError)):
            link.recv()
        for sock in (hung, idle):
            with sock:
                assert sock.recv(10) == b""
        assert slack.truth().links[-1].ended_by == "stop"
        assert slack.open_links(TOKEN) == 0
        assert not [t for t in threading.enumerate() if t.name == "traymon-simulator"]
        with pytest.raises(RuntimeError, match="not running"):
            slack.fin(TOKEN)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S)

    def test_a_port_that_is_taken(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(OSError, match="in use"):
                Simulator(port=other.getsockname()[1]).start()
        assert not [t for t in threading.enumerate() if t.name == "traymon-simulator"]

    def test_wait_wakes_at_a_change_and_gives_up_in_time(self, slack: Simulator) -> None:
        assert not slack.wait(lambda: slack.open_links(TOKEN), 0.05)
        opened = threading.Event()

        def client() -> None:
            with closing(online(slack)):
                opened.wait(PATIENCE_S)

        thread = threading.Thread(target=client)
        thread.start()
        try:
            assert slack.wait(lambda: slack.open_links(TOKEN), PATIENCE_S)
        finally:
            opened.set()
            thread.join(PATIENCE_S)
        assert slack.wait(lambda: not slack.open_links(TOKEN), PATIENCE_S)

    def test_two_simulators_share_nothing(self, slack: Simulator) -> None:
        with Simulator() as second:
            assert second.port != slack.port
            assert call(second, "auth.test")["error"] == "invalid_auth"

    def test_latency(self) -> None:
        with Simulator(latency_ms=60) as slack:
            slack.add_bot(TOKEN, "deploybot")
            with closing(online(slack)) as link:
                began = time.monotonic()
                for number in range(1, 4):
                    ping(link, number)
                assert time.monotonic() - began >= 0.18

    def test_tls(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with Simulator(tls=server) as slack:
            slack.add_bot(TOKEN, "deploybot")
            assert slack.api_url.startswith("https://")
            for strike in (slack.fin, slack.rst):
                with urllib.request.urlopen(
                    request(slack, "rtm.connect"), timeout=PATIENCE_S, context=client
                ) as response:
                    url = json.load(response)["url"]
                assert url.startswith("wss://")
                with closing(
                    websocket.create_connection(url, timeout=PATIENCE_S, sslopt={"context": client})
                ) as link:
                    assert json.loads(link.recv()) == {"type": "hello"}
                    strike(TOKEN)
                    # Python's ssl tells a reset as an end of file, by default.
                    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionResetError)):
                        link.recv()
            assert [record.ended_by for record in slack.truth().links] == ["fin", "rst"]

    @pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM kills there")
    def test_as_a_process_of_its_own(self, tmp_path: Path) -> None:
        port_file = tmp_path / "port"
        process = subprocess.Popen(
            [sys.executable, "-m", "traymon.simulator", "--token", TOKEN, "--port-file", str(port_file)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        with process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}auth.test?token={TOKEN}", timeout=PATIENCE_S) as response:
                assert json.load(response)["user"] == "bot1"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        assert url == f"http://127.0.0.1:{port_file.read_text().strip()}/api/"
