"""One link's thread with real links: what becomes an event, what ends it, and how it parts from Slack."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Farewell
from traymon.keeper.shell.runner import LinkRunner
from traymon.keeper.shell.traffic import Traffic
from traymon.simulator import Simulator
from traymon.simulator import faults as f
from traymon.slack.connector import SlackConnector
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.slackwire.api import ConnectAnswer
from traymon.slackwire.frames import Hello

RTM, APP = token_of("bot"), app_token_of("bot")
STEP_MS = round(PATIENCE_S * 1000)


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator(socket_ping_ms=STEP_MS) as simulator:
        simulator.add_bot(RTM, "bot", app_token=APP)
        yield simulator


@dataclass
class Running:
    """A runner of link 5, and what it posts."""

    runner: LinkRunner
    events: "queue.Queue[ev.Event]"
    answers: list[ConnectAnswer | None] = field(default_factory=list)

    def next(self) -> ev.Event:
        return self.events.get(timeout=PATIENCE_S)

    def end(self) -> Failure:
        """How the link ended; other events before that are passed over."""
        while True:
            event = self.next()
            if isinstance(event, ev.LinkEnded):
                assert event.link == 5
                return event.failure


@contextmanager
def run(connector: SlackConnector, traffic: Traffic | None = None) -> Iterator[Running]:
    events: queue.Queue[ev.Event] = queue.Queue()
    answers: list[ConnectAnswer | None] = []
    runner = LinkRunner("bot", 5, connector, events.put, answers.append, traffic)
    runner.start(STEP_MS, STEP_MS)
    try:
        yield Running(runner, events, answers)
    finally:
        runner.drop(Farewell.ABORT)
        runner.join(PATIENCE_S)
        assert not runner.is_alive()


@pytest.fixture
def rtm(slack: Simulator) -> Iterator[Running]:
    with run(RtmConnector(Endpoint(slack.api_url), lambda: RTM)) as running:
        yield running
    assert slack.wait(lambda: slack.open_links(RTM) == 0, PATIENCE_S)


@pytest.fixture
def socket(slack: Simulator) -> Iterator[Running]:
    with run(SocketConnector(Endpoint(slack.api_url), lambda: APP)) as running:
        yield running
    assert slack.wait(lambda: slack.open_links(APP) == 0, PATIENCE_S)


class Heard:
    """A relay's ear: what it is told of a link, in order."""

    def __init__(self) -> None:
        self.told: queue.Queue[object] = queue.Queue()
        self.settled = threading.Event()

    def up(self, link: int, hello: Hello) -> None:
        self.told.put(("up", link, hello.num_connections))

    def message(self, link: int, text: bytes) -> None:
        self.told.put((link, text))

    def relieve(self, link: int) -> threading.Event:
        self.told.put(("relieve", link))
        return self.settled

    def down(self, link: int) -> None:
        self.told.put(("down", link))

    def next(self) -> object:
        return self.told.get(timeout=PATIENCE_S)


def test_traffic_passes_both_ways_and_a_relieved_link_stays_until_its_replies_are_in(
    slack: Simulator,
) -> None:
    heard, message = Heard(), {"type": "message", "channel": "C1", "text": "Grüße  "}
    with run(RtmConnector(Endpoint(slack.api_url), lambda: RTM), heard) as running:
        up(running, None)
        assert heard.next() == ("up", 5, None)
        slack.push(RTM, message)
        link, text = heard.next()  # type: ignore[misc]
        assert (link, json.loads(text)) == (5, message)
        running.runner.ping(1)
        closer = running.runner.drop(Farewell.RELIEVE)
        assert closer is not None
        assert heard.next() == ("relieve", 5), "the pong is traymon's own"
        slack.push(RTM, message)
        assert heard.next() == (5, text)
        assert running.runner.send('{"type":"typing","channel":"C1","id":1}')
        assert slack.wait(lambda: any("typing" in said for said in slack.received(RTM)), PATIENCE_S)
        heard.settled.set()
        assert heard.next() == ("down", 5)
        closer.join(PATIENCE_S)
        assert not running.runner.send("{}")


def up(running: Running, connections: int | None) -> None:
    assert running.next() == ev.ApiAnswered(5)
    assert running.next() == ev.LinkOpened(5)
    assert running.next() == ev.HelloReceived(5, connections)
    if connections is not None:
        assert running.next() == ev.FrameReceived(5)  # Slack's own ping


def test_rtm_comes_up_with_who_the_bot_is(rtm: Running) -> None:
    up(rtm, None)
    (answer,) = rtm.answers
    assert answer is not None
    assert answer.self_name == "bot"


def test_socket_mode_comes_up_with_slacks_count(socket: Running) -> None:
    up(socket, 1)
    assert socket.answers == [None]


@pytest.mark.parametrize("transport", ["rtm", "socket"])
def test_the_answer_to_a_ping_bears_its_number(transport: str, request: pytest.FixtureRequest) -> None:
    running: Running = request.getfixturevalue(transport)
    up(running, 1 if transport == "socket" else None)
    for number in (1, 2):
        running.runner.ping(number)
        assert running.next() == ev.PongReceived(5, number)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "", "spring_cleaning"])
def test_a_disconnect_is_a_planned_end(slack: Simulator, socket: Running, reason: str) -> None:
    up(socket, 1)
    slack.strike(APP, f.SayGoodbye(None, reason=reason))
    assert socket.next() == ev.GoodbyeReceived(5, Cause.REFRESH)
    socket.runner.ping(3)
    assert socket.next() == ev.PongReceived(5, 3)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [("link_disabled", Cause.REFUSED_TOKEN), ("too_many_websockets", Cause.TOO_MANY_LINKS)],
)
def test_some_disconnects_are_final_and_the_link_is_closed_in_peace(
    slack: Simulator, socket: Running, reason: str, cause: Cause
) -> None:
    up(socket, 1)
    slack.strike(APP, f.SayGoodbye(None, reason=reason))
    assert socket.end() == Failure(cause, Phase.LIVE, reason, reached_slack=True)
    assert slack.wait(lambda: slack.open_links(APP) == 0, PATIENCE_S)
    link = slack.truth().links_of(APP)[-1]
    assert (link.ended_by, link.close_code) == ("client_close", 1000)


def test_one_link_too_many_gets_no_hello(slack: Simulator) -> None:
    connector = SocketConnector(Endpoint(slack.api_url), lambda: APP)
    others = [
        connector.open(step_limit_s=PATIENCE_S, tcp_limit_s=PATIENCE_S, on_answered=lambda _: None)
        for _ in range(10)
    ]
    try:
        for other in others:
            other.receive()
        with run(connector) as running:
            assert running.end() == Failure(
                Cause.TOO_MANY_LINKS, Phase.HELLO, "too_many_websockets", reached_slack=True
            )
    finally:
        for other in others:
            other.close()


def test_goodbye_is_rtms_planned_end(slack: Simulator, rtm: Running) -> None:
    up(rtm, None)
    slack.goodbye(RTM, None)
    assert rtm.next() == ev.GoodbyeReceived(5, Cause.GOODBYE)


def test_a_link_that_was_let_go_says_goodbye_to_slack(slack: Simulator, socket: Running) -> None:
    up(socket, 1)
    closer = socket.runner.drop(Farewell.CLOSE)
    assert closer is not None
    closer.join(PATIENCE_S)
    socket.runner.join(PATIENCE_S)
    assert slack.truth().links_of(APP)[-1].ended_by == "client_close"


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ({"type": "error", "error": {"code": 2, "msg": "no"}}, Cause.SLACK_ERROR),
        ({"type": "team_migration_started"}, Cause.TEAM_MIGRATION),
    ],
    ids=["error", "migration"],
)
def test_what_slack_says_on_a_live_link_is_no_failed_attempt(
    slack: Simulator, rtm: Running, event: dict[str, object], cause: Cause
) -> None:
    up(rtm, None)
    slack.push(RTM, event)
    got = rtm.end()
    assert (got.cause, got.phase) == (cause, Phase.LIVE)
