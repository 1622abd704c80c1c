"""Clients of RTM as published, each in a conversation over a link of Socket Mode: botkit 0.4.2, @slack/rtm-api 7 and
slack_sdk rtm_v2.

The app subscribes to its own messages, too, and Slack's limits of time are no matter here: on a slow machine they would
pass.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from tests.clients import BOTKIT, CLIENTS, RTM_API, Client, Running, by_name, launched, need_node
from tests.relay_kit import Relayed, relayed
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.relay.translation import hub
from traymon.simulator import HttpStatus, SayGoodbye, Simulator
from traymon.simulator.truth import RequestRecord

RTM_V2 = next(client for client in CLIENTS if client.name == "rtm-v2")
TALKERS = tuple(replace(client, options=("talk",)) for client in (BOTKIT, RTM_API, RTM_V2))
FIRST_ID = {BOTKIT.name: 2, RTM_V2.name: 101}
"""Of the messages that the programs send."""
HOUR_MS = 3_600_000
CHANNEL = "C0GENERAL"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator(seed=7, ack_limit_ms=HOUR_MS) as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "OWN_LIMIT", HOUR_MS)
        yield simulator


@pytest.fixture(scope="module")
def whole(slack: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    need_node()
    with relayed(slack, tmp_path_factory.mktemp("relay")) as made:
        for client in TALKERS:
            made.add(client.name, "socket", presents_rtm=True)
            slack.hear_itself(app_token_of(client.name))
            made.link_up(client.name)
        yield made


@pytest.fixture(scope="module")
def programs(whole: Relayed) -> Iterator[dict[str, Running]]:
    with ExitStack() as stack:
        running = {client.name: stack.enter_context(started(whole, client)) for client in TALKERS}
        for client in TALKERS:
            whole.wait_for(lambda name=client.name: len(whole.relay.programs(name)) == 1)
            if client.name == BOTKIT.name:
                running[client.name].wait_for(lambda lines: "rtm_open" in lines, PATIENCE_S)
        yield running


def started(whole: Relayed, client: Client) -> Any:
    return launched(client, whole.relay.base_url, whole.relay.tokens_of(client.name).token)


def frames(lines: list[str]) -> list[dict[str, Any]]:
    """What a program got, but for greetings and pongs."""
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [each for each in found if each.get("type") not in ("hello", "pong")]


def unacknowledged(slack: Simulator, client: Client) -> list[str]:
    """Events that Slack holds for lost."""
    given = slack.truth().deliveries_of(app_token_of(client.name))
    taken = {each.event_id for each in given if each.acked_at is not None}
    return [each.event_id for each in given if each.event_id and each.event_id not in taken]


class Talk:
    """One conversation: what happens at Slack, and all that the program is to get."""

    def __init__(self, slack: Simulator, client: Client, program: Running) -> None:
        self._slack = slack
        self._app = app_token_of(client.name)
        self._token = token_of(client.name)
        self._client = client
        self._program = program
        self.expected = frames(program.lines())

    def happens(self, *events: dict[str, Any], seen: dict[str, Any] | None = None) -> None:
        """The events, of which the program gets the first, or what is ``seen``."""
        for event in events:
            self._slack.happen(self._app, event)
        self.gets(seen or events[0])

    def gets(self, *frames_: dict[str, Any]) -> None:
        self.expected += frames_
        self._program.wait_for(lambda lines: len(frames(lines)) >= len(self.expected), PATIENCE_S)
        assert frames(self._program.lines()) == self.expected

    def asks(self, number: int, own_id: int, **more: str) -> str:
        """A person says "hello N", and the program's own library is told what became of its answer; its ``ts``."""
        self.happens_first(message(self._slack.next_ts(), f"hello {number}", **more))
        self._program.wait_for(lambda lines: len(frames(lines)) > len(self.expected), PATIENCE_S)
        reply = frames(self._program.lines())[len(self.expected)]
        if self._client.name == RTM_API.name:  # which gives pings numbers from the same row
            line = f"answered answer {number}: answer {number}"
            self._program.wait_for(lambda lines: line in lines, PATIENCE_S)
        else:
            assert reply.get("reply_to") == own_id, self._program.tail()
        assert (reply["ok"], reply["text"]) == (True, f"answer {number}")
        self.gets(reply)
        return str(reply["ts"])

    def happens_first(self, event: dict[str, Any]) -> None:
        """An event that the program answers at once."""
        self._slack.happen(self._app, event)
        self._program.wait_for(lambda lines: len(frames(lines)) > len(self.expected), PATIENCE_S)
        self.expected.append(event)
        assert frames(self._program.lines())[: len(self.expected)] == self.expected


def message(ts: str, text: str, **more: Any) -> dict[str, Any]:
    plain = {"type": "message", "channel": CHANNEL, "channel_type": "channel", "user": "U0ADA", "text": text}
    return {**plain, "ts": ts, "event_ts": ts, **more}


@pytest.mark.parametrize("client", TALKERS, ids=by_name)
def test_a_conversation(slack: Simulator, programs: dict[str, Running], client: Client) -> None:
    talk = Talk(slack, client, programs[client.name])
    first_id = FIRST_ID.get(client.name, 0)
    answer = talk.asks(1, first_id)
    talk.asks(2, first_id + 1, thread_ts=answer)

    ts = slack.next_ts()
    mentioned = message(ts, "<@U0BOT> good morning")
    talk.happens(mentioned, {**mentioned, "type": "app_mention"})
    edited = {**mentioned, "text": "good evening", "edited": {"user": "U0ADA", "ts": slack.next_ts()}}
    talk.happens(message(slack.next_ts(), "", subtype="message_changed", hidden=True, message=edited))
    talk.happens(
        {
            "type": "reaction_added",
            "user": "U0ADA",
            "reaction": "wave",
            "item": {"type": "message", "channel": CHANNEL, "ts": answer},
            "event_ts": slack.next_ts(),
        }
    )
    joined = {"type": "member_joined_channel", "user": "U0BOB", "channel": CHANNEL, "channel_type": "C"}
    talk.happens(joined)
    talk.happens(message(slack.next_ts(), "<@U0BOB> has joined the channel", subtype="channel_join"))
    welcome = message(slack.next_ts(), "welcome")
    for _ in range(2):
        slack.deliver(app_token_of(client.name), {"event_id": "EvTwice", "event": welcome})
    talk.gets(welcome)
    talk.asks(3, first_id + 2)

    token = token_of(client.name)
    said = [each.arguments["text"] for each in slack.truth().requests_of(token, "chat.postMessage")]
    assert said == ["answer 1", "answer 2", "answer 3"]
    deliveries = slack.truth().deliveries_of(app_token_of(client.name))
    assert len(deliveries) == 11 + len(said), "ten events, one of them twice, and its own messages"
    assert slack.wait(lambda: not unacknowledged(slack, client), PATIENCE_S)


@pytest.mark.parametrize("client", TALKERS, ids=by_name)
def test_it_never_notices_a_planned_disconnect(
    slack: Simulator, whole: Relayed, programs: dict[str, Running], client: Client
) -> None:
    app = app_token_of(client.name)
    program, attached = programs[client.name], whole.relay.programs(client.name)
    before = len(frames(program.lines()))

    def greeted() -> int:
        return sum(1 for link in slack.truth().links_of(app) if link.hello_at)

    links = greeted()
    slack.say(app, "good bye")
    assert slack.strike(app, SayGoodbye()) == 1
    slack.say(app, "good bye?")
    assert slack.wait(lambda: greeted() > links, PATIENCE_S)
    slack.say(app, "welcome")
    # What was on its way over the old link when that was closed, Slack delivers again.
    assert slack.wait(lambda: slack.open_links(app) == 1, PATIENCE_S)
    slack.redeliver(app)
    program.wait_for(lambda lines: len(frames(lines)) >= before + 3, PATIENCE_S)
    assert slack.wait(lambda: not unacknowledged(slack, client), PATIENCE_S)
    heard = [frame["text"] for frame in frames(program.lines())[before:]]
    assert sorted(heard) == ["good bye", "good bye?", "welcome"]
    assert [each.number for each in whole.relay.programs(client.name)] == [each.number for each in attached]


def test_answers_wait_as_long_as_slack_says_and_keep_their_order(
    slack: Simulator, programs: dict[str, Running]
) -> None:
    token = token_of(BOTKIT.name)

    def posts() -> list[RequestRecord]:
        return slack.truth().requests_of(token, "chat.postMessage")[before:]

    before = len(slack.truth().requests_of(token, "chat.postMessage"))
    slack.arm(HttpStatus(429, retry_after="1"), token=token, method="chat.postMessage")
    for number in (4, 5):
        slack.say(app_token_of(BOTKIT.name), f"hello {number}")
    assert slack.wait(lambda: len(posts()) == 3, PATIENCE_S), programs[BOTKIT.name].tail()
    assert [each.arguments["text"] for each in posts()] == ["answer 4", "answer 4", "answer 5"]
    assert posts()[1].at - posts()[0].at >= 1_000
    programs[BOTKIT.name].wait_for(
        lambda lines: "answer 5" in [each.get("text") for each in frames(lines)], PATIENCE_S
    )


def test_a_command_finds_the_socket_mode_program_beside_the_one_of_rtm(
    slack: Simulator, whole: Relayed, programs: dict[str, Running]
) -> None:
    name = RTM_V2.name
    beside = replace(next(each for each in CLIENTS if each.name == "builtin"), name=name)
    command = {"command": "/do", "text": "it", "team_id": "T1"}

    def responses(envelope_id: str) -> list[object]:
        found = slack.truth().deliveries_of(app_token_of(name))
        return [each.response for each in found if each.envelope_id == envelope_id and each.acked_at]

    alone = slack.deliver(app_token_of(name), command, "slash_commands")
    slack.say(app_token_of(name), "good day")
    assert slack.wait(lambda: not unacknowledged(slack, RTM_V2), PATIENCE_S)
    assert responses(alone) == [], "so that whoever gave it sees that it failed"
    tokens = whole.relay.tokens_of(name)
    with launched(beside, whole.relay.base_url, tokens.token, tokens.app_token) as program:
        whole.wait_for(lambda: len(whole.relay.programs(name)) == 2)
        together = slack.deliver(app_token_of(name), command, "slash_commands")
        assert slack.wait(lambda: responses(together), PATIENCE_S), program.tail()
        assert responses(together) == [{"text": "did it"}]
    whole.wait_for(lambda: len(whole.relay.programs(name)) == 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no process")
def test_what_a_program_died_of_hanging_on_comes_to_the_next(
    slack: Simulator, whole: Relayed, programs: dict[str, Running]
) -> None:
    client, app = TALKERS[2], app_token_of("rtm-v2")
    process = programs[client.name].process
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    slack.say(app, "hello 9")
    (lost,) = unacknowledged(slack, client)
    process.kill()
    whole.wait_for(lambda: whole.relay.programs(client.name) == ())
    assert unacknowledged(slack, client) == [lost]
    with started(whole, client) as again:
        whole.wait_for(lambda: len(whole.relay.programs(client.name)) == 1)
        slack.redeliver(app)
        again.wait_for(lambda lines: len(frames(lines)) >= 2, PATIENCE_S)
        assert slack.wait(lambda: not unacknowledged(slack, client), PATIENCE_S)
        heard, reply = frames(again.lines())
        assert (heard["text"], reply["text"], reply["reply_to"]) == ("hello 9", "answer 9", 109)
