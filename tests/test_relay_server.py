"""The relay over real sockets, between the simulator and programs as raw as they get."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.relay_kit import Client, Relayed, program, received, relayed
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.desktop.clocks import system_clocks
from traymon.relay.endpoint import MOST_PROGRAMS
from traymon.relay.server import Relay
from traymon.relay.tokens import load_or_make
from traymon.simulator import Simulator

TOKEN, APP_TOKEN = token_of("bot"), app_token_of("bot")


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def whole(slack: Simulator, tmp_path: Path) -> Iterator[Relayed]:
    with relayed(slack, tmp_path) as made:
        yield made


def message(number: int, text: str) -> str:
    return json.dumps({"id": number, "type": "message", "channel": "C0GENERAL", "text": text})


# What programs get and give


def test_an_rtm_program_gets_events_and_its_messages_go_up(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.say(TOKEN, "hello 1")
        heard = await received(link)
        assert (heard["type"], heard["text"]) == ("message", "hello 1")
        await link.send_str(message(7, "answer 1"))
        reply = await received(link)
        assert (reply["ok"], reply["reply_to"], reply["text"]) == (True, 7, "answer 1")
        (seen,) = whole.relay.programs("bot")
        assert (seen.events, seen.sends) == (1, 1)
        assert seen.last_send is not None
        await link.close()

    program(whole, held.token, talk)
    whole.wait_for(lambda: [len(programs) for _, programs in whole.told] == [1, 0])


def test_a_socket_mode_program_gets_envelopes_and_acknowledges(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot", "socket")
    whole.link_up("bot")

    async def talk(client: Client) -> None:
        link = await client.attach("apps.connections.open")
        slack.say(APP_TOKEN, "hello 1")
        envelope = await received(link)
        assert envelope["payload"]["event"]["text"] == "hello 1"
        await link.send_str(json.dumps({"envelope_id": envelope["envelope_id"]}))
        assert slack.wait(lambda: slack.texts(APP_TOKEN), PATIENCE_S)
        await link.close()

    program(whole, held.app_token, talk)
    (acknowledgement,) = slack.texts(APP_TOKEN)
    assert json.loads(acknowledgement.text).keys() == {"envelope_id"}


def test_every_program_gets_every_event_and_the_replies_to_its_own_messages(
    whole: Relayed, slack: Simulator
) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        links = [await client.attach() for _ in range(3)]
        slack.say(TOKEN, "hello 1")
        assert [(await received(link))["text"] for link in links] == ["hello 1"] * 3
        for at, link in enumerate(links):
            await link.send_str(message(1, f"answer {at}"))
        replies = [await received(link) for link in links]
        assert [(reply["reply_to"], reply["text"]) for reply in replies] == [
            (1, "answer 0"),
            (1, "answer 1"),
            (1, "answer 2"),
        ]

    program(whole, held.token, talk)


def test_what_is_not_answered_here_is_passed_on(whole: Relayed) -> None:
    held = whole.add("bot")
    answer = program(whole, held.token, lambda client: client.call("auth.test"))
    assert (answer["ok"], answer["user"]) == (True, "bot")


def test_two_bots_share_the_address_and_nothing_else(whole: Relayed, slack: Simulator) -> None:
    first, second = whole.add("one"), whole.add("two")

    async def talk(client: Client) -> None:
        link = await client.attach()
        other = await Client(client.session, client.base_url, second.token).attach()
        slack.say(token_of("two"), "for two")
        slack.say(token_of("one"), "for one")
        assert (await received(link))["text"] == "for one"
        assert (await received(other))["text"] == "for two"

    program(whole, first.token, talk)


def test_a_program_has_the_name_that_it_gives_itself(whole: Relayed) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        header = {"Authorization": f"Bearer {held.token}", "User-Agent": "Python/3.12 answerer/1.0"}
        answers = [
            await client.call("rtm.connect", headers=header),
            await client.call("rtm.connect", headers=header, params={"client": "mine"}),
            await client.call("rtm.connect", headers=header),
        ]
        urls = [answer["url"] for answer in answers]
        urls[2] += "?client=%1b[31mred"
        links = [await client.session.ws_connect(url) for url in urls]
        assert [(await received(link))["type"] for link in links] == ["hello"] * 3
        names = [seen.name for seen in whole.relay.programs("bot")]
        assert names == ["answerer/1.0", "mine", "\\x1b[31mred"]

    program(whole, held.token, talk)


# Whatever befalls the link


def test_a_program_never_sees_that_the_link_was_lost(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.refuse()
        slack.fin(TOKEN)
        assert slack.wait(lambda: not slack.open_links(TOKEN), PATIENCE_S)
        number, reply = 0, {"ok": True}
        while reply["ok"]:  # until the relay, too, has heard of it
            number += 1
            await link.send_str(message(number, "lost"))
            reply = await received(link)
        assert (reply["reply_to"], reply["error"]["code"]) == (number, -1)
        late = await client.attach()  # who the bot is, is known
        slack.accept()
        assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == 2, PATIENCE_S)
        assert slack.wait(lambda: slack.truth().links_of(TOKEN)[1].hello_at, PATIENCE_S)
        slack.say(TOKEN, "hello again")
        assert (await received(link))["text"] == "hello again"
        assert (await received(late))["text"] == "hello again"

    program(whole, held.token, talk)


def test_a_handover_gives_each_event_once(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        link = await client.attach()
        slack.say(TOKEN, "before")
        slack.goodbye(TOKEN)
        assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == 2, PATIENCE_S)
        assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
        slack.say(TOKEN, "after")
        assert [(await received(link))["text"] for _ in range(2)] == ["before", "after"]
        await link.send_str(message(1, "answer"))
        assert (await received(link))["ok"] is True

    program(whole, held.token, talk)


def test_a_program_that_comes_before_the_first_link_waits_for_it(whole: Relayed, slack: Simulator) -> None:
    slack.refuse()
    # Through the loop of the simulator, which refuses connections and lets bots be added.
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        attaching = asyncio.create_task(client.attach())
        await client.call("no.such.method")  # a round trip later the first call has been taken
        assert not attaching.done()
        slack.accept()
        link = await attaching
        slack.say(TOKEN, "hello 1")
        assert (await received(link))["text"] == "hello 1"

    program(whole, held.token, talk)


def test_a_program_waits_no_longer_than_its_client_would(slack: Simulator, tmp_path: Path) -> None:
    slack.refuse()
    with relayed(slack, tmp_path, identity_wait_s=0.01) as whole:
        held = whole.add("bot")

        async def talk(client: Client) -> None:
            header = {"Authorization": f"Bearer {held.token}"}
            async with client.session.post(f"{client.base_url}rtm.connect", headers=header) as answer:
                assert answer.status == 503
                assert (await answer.json())["error"] == "service_unavailable"

        program(whole, held.token, talk)
        slack.accept()


def test_after_a_restart_a_program_may_attach_before_the_link_is_up(slack: Simulator, tmp_path: Path) -> None:
    with relayed(slack, tmp_path) as whole:
        held = whole.add("bot")
        first = program(whole, held.token, lambda client: client.call("rtm.connect"))
    assert slack.wait(lambda: not slack.open_links(TOKEN), PATIENCE_S)
    slack.refuse()
    with relayed(slack, tmp_path) as whole:
        held = whole.add("bot")

        async def talk(client: Client) -> None:
            second = await client.call("rtm.connect")
            assert {**second, "url": ""} == {**first, "url": ""}
            link = await client.attach()
            await link.send_str(message(1, "too early"))
            assert (await received(link))["ok"] is False

        program(whole, held.token, talk)
        slack.accept()


def test_programs_that_took_the_bot_for_another_must_ask_again(slack: Simulator, tmp_path: Path) -> None:
    known = {"self_id": "U0OLD", "self_name": "old", "team_id": "T1", "team_name": "", "team_domain": ""}
    (tmp_path / "relay-bots.json").write_text(json.dumps({"bot": known}))
    slack.refuse()
    with relayed(slack, tmp_path) as whole:
        held = whole.add("bot")

        async def talk(client: Client) -> None:
            assert (await client.call("rtm.connect"))["self"]["id"] == "U0OLD"
            link = await client.attach()
            slack.accept()
            assert (await link.receive(PATIENCE_S)).type in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )
            assert (await client.call("rtm.connect"))["self"]["name"] == "bot"

        program(whole, held.token, talk)


# The methods that lead in


def test_rtm_start_is_answered_in_every_way_that_old_clients_ask(whole: Relayed) -> None:
    held = whole.add("bot")
    whole.link_up("bot")

    async def talk(client: Client) -> None:
        url, token = f"{client.base_url}rtm.start", held.token
        ways: list[tuple[str, dict[str, Any]]] = [
            ("POST", {"data": {"simple_latest": "1", "token": token}}),
            ("GET", {"params": {"token": token}}),
            ("POST", {"json": {"token": token}}),
            ("POST", {"headers": {"Authorization": f"Bearer {token}"}}),
            ("POST", {"headers": {"Authorization": f"Bearer {token}"}, "data": {"token": token}}),
        ]
        for verb, options in ways:
            async with client.session.request(verb, url, **options) as answer:
                assert answer.status == 200
                body = await answer.json()
            assert body["ok"] is True
            assert body["self"]["name"] == "bot"
            assert body["team"]["id"]
            assert body["url"].startswith("ws://127.0.0.1:")
            assert [body[key] for key in ("users", "channels", "groups", "ims", "mpims", "bots")] == [[]] * 6

    program(whole, held.token, talk)


def test_tokens_are_told_apart(whole: Relayed) -> None:
    rtm, socket_mode = whole.add("rtm"), whole.add("sock", "socket")
    whole.link_up("rtm")

    async def talk(client: Client) -> None:
        async def error(method: str, token: str) -> str:
            header = {"Authorization": f"Bearer {token}"} if token else {}
            async with client.session.post(client.base_url + method, headers=header) as answer:
                assert answer.status == 200
                return str((await answer.json()).get("error"))

        lent = whole.relay.tokens_of("rtm")
        for method in ("rtm.connect", "rtm.start", "apps.connections.open", "chat.postMessage"):
            assert await error(method, "") == "not_authed"
            for wrong in (TOKEN, token_of("rtm"), lent.app_token, rtm.token[:-1], rtm.token + "0"):
                assert await error(method, wrong) == "invalid_auth"
        assert await error("rtm.connect", rtm.token) == "None"
        assert await error("rtm.start", rtm.token) == "None"
        assert await error("apps.connections.open", socket_mode.app_token) == "None"
        for method, token in (
            ("rtm.connect", socket_mode.token),
            ("rtm.connect", socket_mode.app_token),
            ("apps.connections.open", socket_mode.token),
            ("apps.connections.open", rtm.token),
        ):
            assert await error(method, token) == "not_allowed_token_type"

    program(whole, rtm.token, talk)


def test_half_a_surrogate_pair_is_just_a_wrong_token(whole: Relayed) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        json_type = {"Content-Type": "application/json"}
        answer = await client.call("rtm.connect", headers=json_type, data=b'{"token": "\\ud800"}')
        assert answer["error"] == "invalid_auth"

    program(whole, held.token, talk)


class Later:
    """The system's clocks, moved by hand."""

    def __init__(self) -> None:
        self._system = system_clocks()
        self.by_ms = 0

    def now(self) -> int:
        return self._system.now() + self.by_ms

    def awake(self) -> int:
        return self._system.awake()

    def wall(self) -> int:
        return self._system.wall()


def test_a_ticket_works_once_and_for_half_a_minute(slack: Simulator, tmp_path: Path) -> None:
    clocks = Later()
    with relayed(slack, tmp_path, clocks=clocks) as whole:
        held = whole.add("bot")
        whole.link_up("bot")

        async def talk(client: Client) -> None:
            async def refused(url: str) -> None:
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await client.session.ws_connect(url)
                assert caught.value.status == 403

            url = (await client.call("rtm.connect"))["url"]
            stolen = await client.session.ws_connect(url)
            await refused(url)
            await stolen.close()
            await refused(url)
            await refused(url.rpartition("/")[0] + "/")
            await refused(url.rpartition("/")[0] + "/guessed")
            url = (await client.call("rtm.connect"))["url"]
            clocks.by_ms += 30_001
            await refused(url)
            # A ticket is spent by any use of it.
            url = (await client.call("rtm.connect"))["url"]
            async with client.session.get(url.replace("ws:", "http:")) as answer:
                assert answer.status == 400
            await refused(url)

        program(whole, held.token, talk)


def test_a_bot_has_a_limit_of_programs(whole: Relayed) -> None:
    held = whole.add("bot")
    whole.link_up("bot")

    async def talk(client: Client) -> None:
        links = [await client.attach() for _ in range(MOST_PROGRAMS)]
        assert len(whole.relay.programs("bot")) == MOST_PROGRAMS
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.attach()
        assert caught.value.status == 503
        await links[0].close()
        await asyncio.to_thread(
            whole.wait_for, lambda: whole.told and len(whole.told[-1][1]) == MOST_PROGRAMS - 1
        )
        await client.attach()

    program(whole, held.token, talk)


# Beginning and end


def test_a_port_that_is_taken_is_said_and_tried_again(slack: Simulator, tmp_path: Path) -> None:
    port = load_or_make(tmp_path / "relay.json", print).port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with relayed(slack, tmp_path, port_retry_s=0.05) as whole:
            held = whole.add("bot")
            whole.link_up("bot")  # held all the same
            (sentence,) = whole.said
            assert str(port) in sentence
            other.close()

            async def talk(client: Client) -> None:
                while True:
                    try:
                        link = await client.attach()
                    except aiohttp.ClientConnectorError:
                        await asyncio.sleep(0.02)
                    else:
                        break
                slack.say(TOKEN, "hello 1")
                assert (await received(link))["text"] == "hello 1"

            program(whole, held.token, talk)
            assert whole.said == [sentence]


@pytest.mark.parametrize("transport", ["rtm", "socket"])
def test_the_end_cuts_programs_so_that_their_libraries_come_back(
    transport: Any, slack: Simulator, tmp_path: Path
) -> None:
    with relayed(slack, tmp_path) as whole:
        held = whole.add("bot", transport)
        whole.link_up("bot")
        rtm = transport == "rtm"
        method = "rtm.connect" if rtm else "apps.connections.open"

        async def talk(client: Client) -> None:
            link = await client.attach(method)
            _, last = await asyncio.gather(asyncio.to_thread(whole.relay.stop, 2), link.receive(PATIENCE_S))
            # botkit comes back where no close frame came, the clients of Socket Mode sooner where one did.
            assert (last.type is aiohttp.WSMsgType.CLOSE) is not rtm
            assert link.close_code == (1006 if rtm else 1001)

        program(whole, held.token if rtm else held.app_token, talk)
        before = whole.relay.base_url, whole.relay.tokens_of("bot")
    again = Relay(tmp_path / "relay.json", system_clocks(), on_programs=lambda *_: None, say=print)
    assert (again.base_url, again.tokens_of("bot")) == before
    again.stop(1)


def test_what_waits_for_a_program_reaches_it_before_the_end(whole: Relayed, slack: Simulator) -> None:
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        link = await client.attach()
        for number in range(200):
            slack.say(TOKEN, f"{number} " + "x" * 1000)

        def all_given() -> bool:
            (seen,) = whole.relay.programs("bot")
            return seen.events == 200

        while not all_given():
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(asyncio.to_thread(whole.relay.stop, PATIENCE_S))
        texts = [(await received(link))["text"] for _ in range(200)]
        assert [int(text.split()[0]) for text in texts] == list(range(200))
        await stopping

    program(whole, held.token, talk)


def test_a_program_that_comes_before_its_bot_is_asked_to_come_back(whole: Relayed) -> None:
    """Some clients give up for good when their token is refused."""
    whole.relay.settle(settled=False)
    early = whole.relay.tokens_of("bot").token

    async def come(client: Client) -> None:
        headers = {"Authorization": f"Bearer {client.token}"}
        async with client.session.post(f"{client.base_url}rtm.connect", headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json())["error"] == "service_unavailable"
        await asyncio.to_thread(whole.add, "bot")
        await client.attach()
        whole.relay.settle(settled=True)
        stranger = Client(client.session, client.base_url, "xoxb-stranger")
        assert (await stranger.call("rtm.connect"))["error"] == "invalid_auth"

    program(whole, early, come)


def test_a_bot_that_is_held_no_more_lets_its_programs_go(whole: Relayed, slack: Simulator) -> None:
    held, other = whole.add("bot"), whole.add("other")

    async def talk(client: Client) -> None:
        link = await client.attach()
        stays = await Client(client.session, client.base_url, other.token).attach()
        url = (await client.call("rtm.connect"))["url"]
        await asyncio.to_thread(whole.relay.remove, "bot")
        assert [each for each in whole.told if each[0] == "bot"][-1] == ("bot", ()), "told before it returns"
        await asyncio.to_thread(whole.relay.remove, "bot")
        assert (await link.receive(PATIENCE_S)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert (await client.call("rtm.connect"))["error"] == "invalid_auth"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.session.ws_connect(url)
        slack.say(token_of("other"), "hello 1")
        assert (await received(stays))["text"] == "hello 1"

    program(whole, held.token, talk)
    assert whole.relay.programs("bot") == ()


def test_the_links_outlive_the_relay(whole: Relayed, slack: Simulator) -> None:
    whole.add("bot")
    whole.link_up("bot")
    whole.relay.stop(2)
    whole.relay.stop(2)
    slack.say(TOKEN, "to nobody")
    slack.goodbye(TOKEN)
    assert slack.wait(lambda: len(slack.truth().links_of(TOKEN)) == 2, PATIENCE_S)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)


def test_no_token_and_no_ticket_is_logged(
    whole: Relayed, slack: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    held = whole.add("bot")

    async def talk(client: Client) -> None:
        url = (await client.call("rtm.connect", headers={}, data={"token": held.token}))["url"]
        link = await client.session.ws_connect(url)
        await received(link)
        await link.send_str(json.dumps({"type": "message", "token": held.token}) + "}")
        await client.call("auth.test", params={"token": held.token})
        await client.call("\r\n" + held.token)
        for each in (held.token, TOKEN, url.rpartition("/")[2]):
            assert each not in caplog.text
        for text in (*map(repr, whole.relay.__dict__.values()), repr(whole.relay.settings)):
            assert held.token not in text
            assert whole.relay.settings.secret.hex() not in text

    program(whole, held.token, talk)
