"""Calls that traymon makes itself: what each end of one means, and who the bot is."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.passing_kit import REAL, a_bot
from tests.support import PATIENCE_S
from traymon.relay import calling
from traymon.relay.bots import RelayedBot
from traymon.relay.calling import Answer, Asking, Caller
from traymon.relay.translation.outbox import SHORTEST_PAUSE
from traymon.relay.translation.sends import CallFailure
from traymon.secrets import SecretUnavailable
from traymon.simulator import HangUp, HttpStatus, Rst, Simulator, SlackCode
from traymon.simulator.faults import Answer as Answered
from traymon.simulator.faults import CallFault, Dribble, GarbageAnswer, Hang, JsonAnswer, Portal
from traymon.slack.endpoint import Endpoint
from traymon.slackwire.api import Identity

POST = "chat.postMessage"
ARGUMENTS = {"channel": "C1", "text": "grüß dich 👋", "unfurl_links": True}


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(REAL, "deploybot")
        yield simulator


def call(bot: RelayedBot, method: str = POST, arguments: dict[str, object] | None = None) -> Answer:
    async def run() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await Caller(bot).call(method, ARGUMENTS if arguments is None else arguments)

    return asyncio.run(run())


def test_a_call_goes_up_with_the_real_token_as_it_is(slack: Simulator) -> None:
    answer = call(a_bot(slack.api_url))
    assert answer.body is not None
    assert (answer.body["ok"], answer.failure, answer.retry_after_ms) == (True, None, None)
    (request,) = slack.truth().requests_of(REAL, POST)
    assert request.arguments == ARGUMENTS
    assert REAL not in repr(answer)


@pytest.mark.parametrize(
    ("header", "pause"),
    [("2", 2_000), (None, SHORTEST_PAUSE), ("soon", SHORTEST_PAUSE), ("0", SHORTEST_PAUSE)],
)
def test_too_many_requests_say_for_how_long(slack: Simulator, header: str | None, pause: int) -> None:
    slack.arm(HttpStatus(429, retry_after=header))
    assert call(a_bot(slack.api_url)).retry_after_ms == pause


def test_what_slack_refuses_is_an_answer(slack: Simulator) -> None:
    slack.arm(SlackCode("not_in_channel"))
    answer = call(a_bot(slack.api_url))
    assert (answer.body, answer.failure) == ({"ok": False, "error": "not_in_channel"}, None)


@pytest.mark.parametrize(
    "fault",
    [
        HangUp(),
        HangUp(Rst()),
        Hang(),
        Dribble(),
        HttpStatus(502),
        GarbageAnswer(),
        JsonAnswer(None),
        JsonAnswer([]),
        Portal(),
        Answered(b" " * 100_000, repeat=20),
        Answered(b"[" * 1_000, repeat=100),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_nobody_knows_what_became_of_a_call_that_broke_off(
    slack: Simulator, monkeypatch: pytest.MonkeyPatch, fault: CallFault
) -> None:
    endless = isinstance(fault, Hang | Dribble)
    if endless:
        monkeypatch.setattr(calling, "CALL_LIMIT_S", 0.3)
    slack.arm(fault)
    answer = call(a_bot(slack.api_url))
    assert (answer.body, answer.failure) == (None, CallFailure.UNKNOWN)
    assert endless or len(slack.truth().requests_of(REAL, POST)) == 1, "it is made once"


def test_a_call_that_found_no_slack_was_not_made(slack: Simulator) -> None:
    slack.refuse()
    assert call(a_bot(slack.api_url)).failure is CallFailure.NOT_SENT


def test_a_call_to_a_stranger_was_not_made(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    with Simulator(tls=context) as slack:
        slack.add_bot(REAL, "deploybot")
        stranger = call(a_bot(endpoint=Endpoint(slack.api_url)))
        assert stranger.failure is CallFailure.NOT_SENT
        assert slack.truth().requests_of(REAL, POST) == ()
        known = call(a_bot(endpoint=Endpoint(slack.api_url, ca_file=trusted)))
        assert known.failure is None
        nothing = call(a_bot(endpoint=Endpoint(slack.api_url, ca_file=tmp_path / "none.pem")))
        assert nothing.failure is CallFailure.NOT_SENT


def test_without_its_token_a_call_is_not_made_and_says_why(slack: Simulator) -> None:
    def locked() -> str:
        raise SecretUnavailable("The keyring is locked.", waits=True)

    answer = call(a_bot(slack.api_url, read_token=locked))
    assert (answer.failure, answer.why) == (CallFailure.NOT_SENT, "The keyring is locked.")


def test_a_keyring_that_hangs_holds_up_no_reply(slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "LOOK_UP_LIMIT_S", 0.05)
    over = threading.Event()

    def hang() -> str:
        assert over.wait(PATIENCE_S)
        return REAL

    try:
        assert call(a_bot(slack.api_url, read_token=hang)).failure is CallFailure.NOT_SENT
    finally:
        over.set()
    assert slack.truth().requests_of(REAL, POST) == ()


# Who the bot is


def asking(
    bot: RelayedBot, work: Callable[[Asking], Coroutine[Any, Any, None]]
) -> tuple[list[Identity], list[str]]:
    """What was learnt, and what was said."""
    learnt: list[Identity] = []
    said: list[str] = []

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            spawn = asyncio.get_running_loop().create_task
            await work(Asking(bot, Caller(bot), spawn, learnt.append, said.append))

    asyncio.run(run())
    return learnt, said


def test_it_is_asked_until_slack_tells(slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "ASK_AGAIN_S", 0.01)
    for fault in (HangUp(), SlackCode("internal_error"), HttpStatus(429, retry_after="1"), GarbageAnswer()):
        slack.arm(fault)

    async def wait(asking: Asking) -> None:
        await asyncio.gather(asking.until_known(), asking.until_known())
        await asking.until_known()

    (who,), said = asking(a_bot(slack.api_url), wait)
    assert (who.user, said) == ("deploybot", [])
    assert len(slack.truth().requests_of(REAL, "auth.test")) == 5, "whoever waits waits for the same call"


def test_why_slack_does_not_tell_is_said_once_and_that_it_does_again(slack: Simulator) -> None:
    slack.arm(SlackCode("invalid_auth"), 2)
    slack.arm(SlackCode("token_revoked"), 1)

    async def ask(asking: Asking) -> None:
        for _ in range(4):
            await asking.ask()

    (who,), said = asking(a_bot(slack.api_url), ask)
    assert who.user == "deploybot"
    assert ["invalid_auth" in said[0], "token_revoked" in said[1], said[2:]] == [True, True, [""]]


def test_a_token_that_is_not_to_be_had_is_said_once(slack: Simulator) -> None:
    def locked() -> str:
        raise SecretUnavailable("The keyring is locked.", waits=True)

    async def ask(asking: Asking) -> None:
        await asking.ask()
        await asking.ask()

    assert asking(a_bot(slack.api_url, read_token=locked), ask) == ([], ["The keyring is locked."])


def test_a_token_that_is_refused_to_a_message_is_said_once(slack: Simulator) -> None:
    def refused(code: object) -> Answer:
        return Answer({"ok": False, "error": code})

    async def post(asking: Asking) -> None:
        for answer in (Answer({"ok": True}), Answer(failure=CallFailure.UNKNOWN), refused(None), refused([])):
            asking.posted(answer)
        for code in ("not_in_channel", "invalid_blocks", "ratelimited", "token_revoked", "token_revoked"):
            asking.posted(refused(code))

    learnt, (sentence,) = asking(a_bot(slack.api_url), post)
    assert learnt == []
    assert "token_revoked" in sentence
