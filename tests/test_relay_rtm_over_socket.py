"""RTM presented over a Socket Mode link, over real sockets: what programs as raw as they get see, and what Slack sees.

Slack's 3 s for an acknowledgement are no matter here (``ACK_LIMIT_MS``): on a slow machine they would pass.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.relay_kit import Client, Held, Relayed, program, received, relayed
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.simulator import HangUp, HttpStatus, SayGoodbye, Simulator, SlackCode

TOKEN, APP_TOKEN = token_of("bot"), app_token_of("bot")
ACK_LIMIT_MS = 3_600_000
Link = aiohttp.ClientWebSocketResponse


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator(ack_limit_ms=ACK_LIMIT_MS) as simulator:
        yield simulator


@pytest.fixture
def whole(slack: Simulator, tmp_path: Path) -> Iterator[Relayed]:
    with relayed(slack, tmp_path) as made:
        yield made


@pytest.fixture
def held(whole: Relayed) -> Held:
    held = whole.add("bot", "socket", presents_rtm=True)
    whole.link_up("bot")
    return held


def message(number: int, text: str, channel: str = "C0GENERAL") -> str:
    return json.dumps({"id": number, "type": "message", "channel": channel, "text": text})


def acknowledged(slack: Simulator) -> list[str]:
    """Events whose delivery was acknowledged, in the order of their deliveries."""
    return [each.event_id for each in slack.truth().deliveries_of(APP_TOKEN) if each.acked_at is not None]


def posts(slack: Simulator) -> list[str]:
    return [str(each.arguments["text"]) for each in slack.truth().requests_of(TOKEN, "chat.postMessage")]


async def until(slack: Simulator, so: Any) -> None:
    assert await asyncio.to_thread(slack.wait, so, PATIENCE_S)


async def without_pongs(client: Client) -> Link:
    """A program whose WebSocket answers no ping by itself."""
    link = await client.session.ws_connect((await client.call("rtm.connect"))["url"], autoping=False)
    assert (await received(link))["type"] == "hello"
    return link


async def event_and_ping(link: Link) -> tuple[dict[str, Any], bytes]:
    """The next event, and the payload of the ping behind it."""
    event = await received(link)
    ping = await link.receive(PATIENCE_S)
    assert ping.type is WSMsgType.PING
    return event, ping.data


# Who gets in, and what it is told


def test_rtm_is_answered_with_who_the_bot_is_and_socket_mode_stays(held: Held, whole: Relayed) -> None:
    async def talk(client: Client) -> None:
        who = await client.call("auth.test")
        for method in ("rtm.connect", "rtm.start"):
            answer = await client.call(method)
            assert answer["self"] == {"id": who["user_id"], "name": "bot"}
            assert answer["team"] == {"id": who["team_id"], "name": "Simulated", "domain": "simulated"}
        app = Client(client.session, client.base_url, held.app_token)
        links = [await client.attach(), await app.attach("apps.connections.open")]
        assert len(whole.relay.programs("bot")) == len(links)
        assert (await client.call("apps.connections.open"))["error"] == "not_allowed_token_type"
        assert (await app.call("rtm.connect"))["error"] == "not_allowed_token_type"

    program(whole, held.token, talk)


def test_a_socket_mode_bot_presents_no_rtm_by_itself(whole: Relayed) -> None:
    held = whole.add("bot", "socket")
    answer = program(whole, held.token, lambda client: client.call("rtm.connect"))
    assert answer["error"] == "not_allowed_token_type"


def test_who_the_bot_is_is_asked_until_slack_tells(slack: Simulator, tmp_path: Path) -> None:
    slack.arm(SlackCode("account_inactive"), None, method="auth.test")

    async def refused(client: Client) -> None:
        headers = {"Authorization": f"Bearer {client.token}"}
        async with client.session.post(client.base_url + "rtm.connect", headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "service_unavailable")

    with relayed(slack, tmp_path, identity_wait_s=0.1) as whole:
        held = whole.add("bot", "socket", presents_rtm=True)
        program(whole, held.token, refused)
        for _ in range(int(PATIENCE_S * 10)):  # each waits for a tenth of a second
            if whole.said:
                break
            program(whole, held.token, refused)
        program(whole, held.token, refused)
        (sentence,) = whole.said
        assert "account_inactive" in sentence

    slack.disarm()
    slack.arm(HangUp(), 1, method="auth.test")
    with relayed(slack, tmp_path) as whole:
        held = whole.add("bot", "socket", presents_rtm=True)
        assert program(whole, held.token, lambda client: client.call("rtm.connect"))["self"]["name"] == "bot"
        assert whole.said == []


# Events


def test_an_event_is_acknowledged_when_a_program_has_read_it(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(client: Client) -> None:
        link = await without_pongs(client)
        for number in range(3):
            slack.say(APP_TOKEN, f"hello {number}")
        heard = [await event_and_ping(link) for _ in range(3)]
        assert [event["text"] for event, _ in heard] == ["hello 0", "hello 1", "hello 2"]
        assert acknowledged(slack) == []
        await link.pong(heard[0][1])
        await until(slack, lambda: acknowledged(slack) == ["Ev000000001"])
        await link.pong(b"unasked")
        await link.pong(heard[2][1])  # for the second, too: RFC 6455, 5.5.3
        await until(slack, lambda: len(acknowledged(slack)) == 3)
        assert whole.relay.programs("bot")[0].events == 3

    program(whole, held.token, talk)


def test_a_program_that_dies_before_it_has_read_an_event_gets_it_when_it_is_back(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(client: Client) -> None:
        link = await without_pongs(client)
        slack.say(APP_TOKEN, "hello 1")
        assert (await event_and_ping(link))[0]["text"] == "hello 1"
        link._response.connection.transport.abort()  # type: ignore[union-attr]
        await asyncio.to_thread(whole.wait_for, lambda: len(whole.told[-1][1]) == 0)
        assert slack.redeliver(APP_TOKEN) == 1
        again = await client.attach()
        # A slow machine may have taken longer than the relay keeps what nobody took; Slack delivers again.
        slack.redeliver(APP_TOKEN)
        assert (await received(again))["text"] == "hello 1"
        listening = asyncio.create_task(received(again))
        await until(slack, lambda: acknowledged(slack))
        slack.say(APP_TOKEN, "the end")
        assert (await listening)["text"] == "the end"

    program(whole, held.token, talk)


def test_a_program_that_answers_no_ping_holds_up_no_other(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(client: Client) -> None:
        silent, lively = await without_pongs(client), await client.attach()
        for number in range(3):
            slack.say(APP_TOKEN, f"hello {number}")
        assert [(await received(lively))["text"] for _ in range(3)] == ["hello 0", "hello 1", "hello 2"]
        listening = asyncio.create_task(received(lively))  # it answers pings meanwhile
        await until(slack, lambda: len(acknowledged(slack)) == 3)
        assert (await event_and_ping(silent))[0]["text"] == "hello 0"
        listening.cancel()

    program(whole, held.token, talk)


def test_redeliveries_come_once_and_are_acknowledged(held: Held, whole: Relayed, slack: Simulator) -> None:
    payload = {
        "event_id": "EvTwice",
        "event": {"type": "message", "channel": "C1", "ts": "1.1", "user": "U1", "text": "once"},
    }

    async def talk(client: Client) -> None:
        link = await client.attach()
        for _ in range(3):
            slack.deliver(APP_TOKEN, payload)
        slack.say(APP_TOKEN, "the end")
        assert [(await received(link))["text"] for _ in range(2)] == ["once", "the end"]
        listening = asyncio.create_task(received(link))
        await until(slack, lambda: len(acknowledged(slack)) == 4)
        listening.cancel()

    program(whole, held.token, talk)


def test_what_rtm_never_had_is_acknowledged_and_counted(held: Held, whole: Relayed, slack: Simulator) -> None:
    async def talk(client: Client) -> None:
        link = await client.attach()
        for _ in range(2):
            slack.happen(APP_TOKEN, {"type": "app_home_opened", "user": "U1", "tab": "home"})
        slack.happen(APP_TOKEN, {"type": "message", "text": "without a channel"})
        slack.say(APP_TOKEN, "the end")
        assert (await received(link))["text"] == "the end"
        await until(slack, lambda: len(acknowledged(slack)) >= 3)

    program(whole, held.token, talk)
    assert whole.relay.not_given("bot") == {"app_home_opened": 2, "misshapen message": 1}


def test_a_planned_disconnect_loses_and_doubles_nothing(held: Held, whole: Relayed, slack: Simulator) -> None:
    async def talk(client: Client) -> None:
        link = await client.attach()
        wanted = [f"hello {number}" for number in range(9)]
        for text in wanted[:3]:
            slack.say(APP_TOKEN, text)
        assert slack.strike(APP_TOKEN, SayGoodbye()) == 1
        for text in wanted[3:6]:
            slack.say(APP_TOKEN, text)
        heard: list[str] = []

        async def listen(last: str) -> None:
            while last not in heard:
                heard.append((await received(link))["text"])

        listening = asyncio.create_task(listen("the end"))
        await until(slack, lambda: len([each for each in slack.truth().links if each.hello_at]) == 2)
        for text in wanted[6:]:
            slack.say(APP_TOKEN, text)
        # What was on its way over the old link when that was closed, Slack delivers again.
        await until(slack, lambda: slack.open_links(APP_TOKEN) == 1)
        slack.redeliver(APP_TOKEN)
        await until(slack, lambda: len(set(acknowledged(slack))) == len(wanted))
        slack.say(APP_TOKEN, "the end")
        await listening
        assert Counter(heard) == Counter([*wanted, "the end"])

    program(whole, held.token, talk)


# What a program sends


def test_messages_go_up_in_order_and_wait_as_long_as_slack_says(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    slack.arm(HttpStatus(429, retry_after="1"), method="chat.postMessage")

    async def talk(client: Client) -> None:
        link = await client.attach()
        for number in (5, 6, 7):
            await link.send_str(message(number, f"answer {number}"))
        replies = [await received(link) for _ in range(3)]
        assert [(reply["ok"], reply["reply_to"], reply["text"]) for reply in replies] == [
            (True, number, f"answer {number}") for number in (5, 6, 7)
        ]
        (seen,) = whole.relay.programs("bot")
        assert (seen.events, seen.sends) == (0, 3)

    program(whole, held.token, talk)
    assert posts(slack) == ["answer 5", "answer 5", "answer 6", "answer 7"]
    refused, again = slack.truth().requests_of(TOKEN, "chat.postMessage")[:2]
    assert again.at - refused.at >= 1_000


def test_a_message_that_did_not_go_up_and_one_that_may_have_are_told_apart(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.arm(HangUp(), method="chat.postMessage")
        await link.send_str(message(1, "perhaps"))
        perhaps = await received(link)
        slack.arm(SlackCode("not_in_channel"), method="chat.postMessage")
        await link.send_str(message(2, "no"))
        no = await received(link)
        slack.refuse()
        await link.send_str(message(3, "not sent"))
        not_sent = await received(link)
        assert [each["reply_to"] for each in (perhaps, no, not_sent)] == [1, 2, 3]
        assert [each["ok"] for each in (perhaps, no, not_sent)] == [False] * 3
        assert no["error"]["msg"] == "not_in_channel"
        assert len({json.dumps(each["error"]) for each in (perhaps, no, not_sent)}) == 3

    program(whole, held.token, talk)
    assert posts(slack) == ["perhaps", "no"]


def test_a_message_needs_no_link(held: Held, whole: Relayed, slack: Simulator) -> None:
    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.arm(SlackCode("internal_error"), None, method="apps.connections.open")
        assert slack.fin(APP_TOKEN) == 1
        await until(slack, lambda: slack.open_links(APP_TOKEN) == 0)
        await link.send_str(message(1, "all the same"))
        assert (await received(link))["ok"] is True

    program(whole, held.token, talk)
    assert posts(slack) == ["all the same"]


def test_a_token_that_is_revoked_while_the_link_lives_on_is_said(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.arm(SlackCode("token_revoked"), 2, token=TOKEN, method="chat.postMessage")
        for number in (1, 2):
            await link.send_str(message(number, "no"))
            reply = await received(link)
            assert (reply["reply_to"], reply["error"]["msg"]) == (number, "token_revoked")
        assert "token_revoked" in whole.relay.trouble("bot")
        await link.send_str(message(3, "taken again"))
        assert (await received(link))["ok"] is True
        assert whole.relay.trouble("bot") == ""

    program(whole, held.token, talk)
    (sentence,) = whole.said
    assert "token_revoked" in sentence


# Beside a program of Socket Mode


def test_a_socket_mode_program_alone_gets_events_as_ever(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    async def talk(app: Client) -> None:
        link = await app.attach("apps.connections.open")
        slack.say(APP_TOKEN, "hello 1")
        envelope = await received(link)
        assert envelope["payload"]["event"]["text"] == "hello 1"
        await link.send_str(json.dumps({"envelope_id": envelope["envelope_id"]}))
        await until(slack, lambda: len(acknowledged(slack)) == 1)

    program(whole, held.app_token, talk)


def test_commands_go_to_a_socket_mode_program_and_fail_visibly_without_one(
    held: Held, whole: Relayed, slack: Simulator
) -> None:
    def answer_to(envelope_id: str) -> list[object]:
        given = slack.truth().deliveries_of(APP_TOKEN)
        return [each.response for each in given if each.envelope_id == envelope_id and each.acked_at]

    async def acknowledge(link: Link) -> None:
        while True:
            envelope = await received(link)
            body = {"envelope_id": envelope["envelope_id"], "payload": {"text": envelope["type"]}}
            await link.send_str(json.dumps(body))

    async def talk(client: Client) -> None:
        rtm = await client.attach()
        alone = slack.deliver(APP_TOKEN, {"command": "/do"}, "slash_commands")
        slack.say(APP_TOKEN, "hello 1")
        assert (await received(rtm))["text"] == "hello 1"
        listening = asyncio.create_task(received(rtm))
        await until(slack, lambda: acknowledged(slack))
        assert answer_to(alone) == []
        app = Client(client.session, client.base_url, held.app_token)
        answering = asyncio.create_task(acknowledge(await app.attach("apps.connections.open")))
        for kind in ("slash_commands", "interactive"):
            given = slack.deliver(APP_TOKEN, {"type": "any"}, kind)  # type: ignore[arg-type]
            await until(slack, lambda given=given: answer_to(given))
            assert answer_to(given) == [{"text": kind}]
        slack.say(APP_TOKEN, "the end")
        assert (await listening)["text"] == "the end"
        answering.cancel()

    program(whole, held.token, talk)
