"""The simulator's record of HTTP requests, answers of a test's own, uploads and downloads; and RTM's limits."""

import hashlib
import http.client
import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.simulator_client import APP_TOKEN, PATIENCE_S, TOKEN, call, last_link, online
from traymon import simulator as sim
from traymon.simulator import RequestRecord, Simulator
from traymon.simulator.files import Files
from traymon.simulator.requests import LARGEST_READ

BOUNDARY = "edge"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator(seed=1) as simulator:
        simulator.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
        yield simulator
        bugs = [odd for odd in simulator.truth().oddities if "bug of the simulator" in odd]
    assert not bugs


def ask(
    slack: Simulator,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    verb: str = "POST",
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request with these headers and no other of the client's own choice."""
    with closing(http.client.HTTPConnection("127.0.0.1", slack.port, timeout=PATIENCE_S)) as connection:
        connection.request(verb, path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Each part: the rest of its Content-Disposition, and its content."""
    body = b""
    for disposition, content in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def last_request(slack: Simulator, method: str | None = None) -> RequestRecord:
    return slack.truth().requests_of(TOKEN, method)[-1]


class TestRecords:
    @pytest.mark.parametrize(
        ("headers", "body", "arguments"),
        [
            (
                {"Content-Type": "application/x-www-form-urlencoded"},
                f"token={TOKEN}&text=a+%26%C3%A9&empty=".encode(),
                {"text": "a &é", "empty": ""},
            ),
            (
                {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {TOKEN}"},
                '{"text":"é","token":"ignored","blocks":[1]}'.encode(),
                {"text": "é", "blocks": [1]},
            ),
            (
                MULTIPART,
                multipart(('name="token"', TOKEN.encode()), ('name="f"; filename="a.bin"', b"\x00\xff")),
                {"f": b"\x00\xff"},
            ),
        ],
    )
    def test_a_request_as_it_came(
        self, slack: Simulator, headers: dict[str, str], body: bytes, arguments: dict[str, object]
    ) -> None:
        ask(slack, "/api/no.such.method?page=2", body, {**headers, "X-Own": "1"})
        record = last_request(slack)
        assert (record.method, record.verb, record.target) == (
            "no.such.method",
            "POST",
            "/api/no.such.method?page=2",
        )
        assert record.arguments == {"page": "2", **arguments}
        assert (record.header("content-type"), record.header("x-own")) == (headers["Content-Type"], "1")
        assert record.header("x-other") is None
        assert (record.body, record.size) == (body, len(body))
        assert record.sha256 == hashlib.sha256(body).hexdigest()
        assert slack.truth().calls_of(TOKEN)[-1].answer == "unknown_method"
        assert TOKEN not in repr(slack.truth())

    @pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
    def test_any_verb(self, slack: Simulator, verb: str) -> None:
        response, _ = ask(slack, "/api/auth.test", headers={"Authorization": f"Bearer {TOKEN}"}, verb=verb)
        assert response.status == 200
        assert last_request(slack).verb == verb

    def test_what_is_too_long_to_keep_is_measured(self, slack: Simulator) -> None:
        content = b"y" * (LARGEST_READ + 1)
        body = multipart(('name="token"', TOKEN.encode()), ('name="f"; filename="a.bin"', content))
        response, answer = ask(slack, "/api/api.test", body, MULTIPART)
        assert (response.status, json.loads(answer)) == (200, {"ok": True, "args": {}})
        record = last_request(slack, "api.test")
        assert (record.body, record.size) == (b"", len(body))
        assert record.sha256 == hashlib.sha256(body).hexdigest()

    def test_a_form_that_is_too_long_to_keep_has_no_arguments(self, slack: Simulator) -> None:
        body = f"token={TOKEN}&text=".encode() + b"y" * LARGEST_READ
        _, answer = ask(slack, "/api/api.test", body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert json.loads(answer)["error"] == "not_authed"

    def test_a_client_that_leaves_in_the_middle_of_a_body(self, slack: Simulator) -> None:
        with socket.create_connection(("127.0.0.1", slack.port), timeout=PATIENCE_S) as raw:
            raw.sendall(b"POST /api/auth.test HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert call(slack, "auth.test")["ok"] is True
        assert [record.method for record in slack.truth().requests] == ["auth.test"]

    def test_multipart_without_parts(self, slack: Simulator) -> None:
        headers = {**MULTIPART, "Authorization": f"Bearer {TOKEN}"}
        ask(slack, "/api/api.test", b"no parts", headers)
        assert last_request(slack).arguments == {}


class TestAnswers:
    def test_an_answer_of_a_tests_own(self, slack: Simulator) -> None:
        slack.arm(
            sim.Answer(b"teapot", 418, (("X-One", "1"), ("X-One", "2"), ("Content-Type", "text/x"))),
            method="conversations.list",
            times=None,
        )
        for _ in range(2):
            response, body = ask(slack, f"/api/conversations.list?token={TOKEN}", verb="GET")
            assert (response.status, body, response.getheader("Content-Type")) == (418, b"teapot", "text/x")
            assert response.headers.get_all("X-One") == ["1", "2"]
        response, body = ask(slack, "/api/conversations.list", verb="HEAD")
        assert (body, response.getheader("Content-Length")) == (b"", "6")
        assert slack.truth().calls[-1].answer == "Answer"

    def test_a_large_answer(self, slack: Simulator) -> None:
        slack.arm(sim.Answer(b"z" * 65_536, repeat=64))
        _, body = ask(slack, "/api/conversations.history")
        assert hashlib.sha256(body).digest() == hashlib.sha256(b"z" * 4_194_304).digest()

    def test_small_methods(self, slack: Simulator) -> None:
        assert call(slack, "api.test", foo="bar") == {"ok": True, "args": {"foo": "bar"}}
        me = call(slack, "auth.test")["user_id"]
        assert call(slack, "users.info", user=me)["user"]["name"] == "deploybot"
        assert call(slack, "users.info", user="U0")["error"] == "user_not_found"
        assert call(slack, "reactions.add", name="eyes") == {"ok": True}


class TestFiles:
    def upload(self, slack: Simulator, body: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        asked = call(slack, "files.getUploadURLExternal", filename="log.txt", length="5")
        path = urllib.parse.urlsplit(asked["upload_url"]).path
        response, answer = ask(slack, path, body, headers)
        assert (response.status, answer) == (200, f"OK - {len(body)}".encode())
        return call(slack, "files.completeUploadExternal", files=json.dumps([{"id": asked["file_id"]}]))

    @pytest.mark.parametrize(
        ("body", "headers"),
        [(b"bytes", None), (multipart(('name="f"; filename="log.txt"', b"bytes")), MULTIPART)],
    )
    def test_there_and_back(self, slack: Simulator, body: bytes, headers: dict[str, str] | None) -> None:
        (file,) = self.upload(slack, body, headers)["files"]
        assert last_request(slack, "upload").body == body
        path = urllib.parse.urlsplit(file["url_private"]).path
        response, content = ask(slack, path, None, {"Authorization": f"Bearer {TOKEN}"}, "GET")
        assert (response.status, content) == (200, b"bytes")
        assert call(slack, "files.info", file=file["id"])["file"] == file
        for token in ("", APP_TOKEN, "xoxb-wrong"):
            response, _ = ask(slack, path, None, {"Authorization": f"Bearer {token}"}, "GET")
            assert (response.status, response.getheader("Location")) == (302, "/portal")

    def test_what_does_not_exist(self, slack: Simulator) -> None:
        authorized = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(slack, "/upload/v1/nobody", b"x")[0].status == 404
        for path in ("/files-pri/T1-F000000001/a", "/files-pri/x", "/files-pri/"):
            assert ask(slack, path, None, authorized, "GET")[0].status == 404
        assert call(slack, "files.info", file="F1")["error"] == "file_not_found"
        asked = call(slack, "files.getUploadURLExternal", filename="log.txt", length="5")
        not_yet = call(slack, "files.completeUploadExternal", files=json.dumps([{"id": asked["file_id"]}]))
        assert not_yet["error"] == "file_not_found"

    @pytest.mark.parametrize("files", ["", "{", "[1]", "[{}]", "7"])
    def test_arguments_that_are_none(self, slack: Simulator, files: str) -> None:
        assert call(slack, "files.completeUploadExternal", files=files)["error"] == "invalid_arguments"
        assert (
            call(slack, "files.getUploadURLExternal", filename="a", length="x")["error"]
            == "invalid_arguments"
        )

    def test_the_oldest_are_forgotten(self, slack: Simulator) -> None:
        files = Files(lambda: "ticket")
        first = files.create(None, "a", 1)  # type: ignore[arg-type]
        for _ in range(1_000):
            last = files.create(None, "a", 1)  # type: ignore[arg-type]
        assert files.find(first.file_id) is None
        assert files.find(last.file_id) is last


class TestRtmLimits:
    def test_messages_beyond_a_burst_are_refused_and_then_the_link_is_closed(self, slack: Simulator) -> None:
        slack.limit_sends(TOKEN, burst=2, refill_s=3_600)
        with closing(online(slack)) as link:
            replies = []
            for number in range(1, 24):
                link.send(json.dumps({"id": number, "type": "message", "channel": "C1", "text": "x"}))
                replies.append(json.loads(link.recv()))
            assert [reply["ok"] for reply in replies] == [True, True] + [False] * 21
            assert {reply["reply_to"] for reply in replies} == set(range(1, 24))
            assert replies[-1]["error"] == {"code": -1, "msg": "slow down, too many messages..."}
            assert link.recv_data(control_frame=True)[0] == 8
        record = last_link(slack)
        assert (record.ended_by, record.close_code, record.sends) == ("rate_limited", 1008, 23)
        slack.limit_sends(TOKEN, None)
        with closing(online(slack)) as link:
            link.send(json.dumps({"id": 1, "type": "message", "channel": "C1", "text": "x"}))
            assert json.loads(link.recv())["ok"] is True

    def test_presence_sub_is_known_until_the_link_ends(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            assert slack.truth().links[0].presence_sub is None
            for users in (["U1", "U2"], []):
                link.send(json.dumps({"type": "presence_sub", "ids": users}))
                assert slack.wait(lambda u=users: slack.truth().links[0].presence_sub == tuple(u), PATIENCE_S)
            link.send(json.dumps({"type": "presence_sub", "ids": "U1"}))
            assert slack.wait(lambda: slack.truth().oddities, PATIENCE_S)

    def test_a_person_says_something(self, slack: Simulator) -> None:
        with closing(online(slack)) as link:
            ts = slack.say(TOKEN, "hello", channel="C1", user="U1")
            event = json.loads(link.recv())
            link.send(json.dumps({"id": 1, "type": "message", "channel": "C1", "text": "yes"}))
            assert slack.wait(lambda: slack.texts(TOKEN), PATIENCE_S)
        assert (event["type"], event["text"], event["channel"], event["user"], event["ts"]) == (
            "message",
            "hello",
            "C1",
            "U1",
            ts,
        )
        (text,) = slack.texts(TOKEN)
        assert (text.link, json.loads(text.text)["text"]) == (slack.truth().links[0].serial, "yes")
