"""The published clients through the relay: messages in, answers out, over whatever befalls the link; and the night of
2016, with botkit once through the relay and once directly.

``TRAYMON_LONG_TROUBLE=1`` keeps traymon's own policy and lets the outage of that night last its 40 s (``make soak``).
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.clients import (
    BOTKIT,
    CLIENTS,
    RTM_API,
    Client,
    Running,
    all_launched,
    answers,
    by_name,
    launched,
    need_node,
)
from tests.relay_kit import Forgetful
from tests.support import PATIENCE_S, app_token_of, token_of
from traymon.desktop.clocks import system_clocks
from traymon.keeper.core import Core
from traymon.keeper.core.policy import Policy
from traymon.keeper.shell import Board, Keeper
from traymon.relay.bots import RelayedBot
from traymon.relay.programs import Program
from traymon.relay.server import Relay
from traymon.simulator import Fin, LinkFault, Rst, SayGoodbye, Silence, Simulator
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector

LONG = os.environ.get("TRAYMON_LONG_TROUBLE") == "1"
OUTAGE_S = 40
# Slack's time for an acknowledgement is no matter here, and on a slow machine it would pass.
ACK_LIMIT_MS = 3_600_000
# Here a drop follows the last one at once. The real waits of seconds are the core's own tests' subject.
BRISK = Policy(
    stable_after=1,
    retry_unreached=(0.02, 200, 1_000),
    retry_reached=(0.1, 200, 1_000),
    budget_size=100,
    spare_interval=0,
)
POLICY = Policy() if LONG else BRISK

pytestmark = pytest.mark.timeout(600 if LONG else 300)


class Relayed:
    """What of traymon takes part: keepers hold a simulator's bots, and a relay lends their links."""

    def __init__(self, slack: Simulator, clients: Sequence[Client], settings_file: Path) -> None:
        # Notified whenever a program came or went; the relay's thread tells, tests wait.
        self._changed = threading.Condition()
        self._clocks = system_clocks()
        self._endpoint = Endpoint(slack.api_url)
        self._clients = clients
        self._settings_file = settings_file
        self._relay: Relay
        self._keepers: list[Keeper] = []

    def start(self) -> None:
        """As traymon begins."""
        self._relay = Relay(self._settings_file, self._clocks, on_programs=self._tell, say=lambda _: None)
        self._relay.start()
        self._keepers = [self._lend(client) for client in self._clients]
        self._relay.settle(settled=True)
        for keeper in self._keepers:
            keeper.start()

    def stop(self) -> None:
        """As traymon ends: the links first, then the relay."""
        for keeper in self._keepers:
            keeper.stop()
        self._relay.stop(5)
        for keeper in self._keepers:
            assert keeper.join(PATIENCE_S)

    def where(self, client: Client) -> tuple[str, str, str]:
        """Base URL, local bot token and local app-level token: all that a program is told."""
        tokens = self._relay.tokens_of(client.name)
        return self._relay.base_url, tokens.token, tokens.app_token

    def attached(self, client: Client) -> list[int]:
        """The numbers of the bot's programs."""
        return [program.number for program in self._relay.programs(client.name)]

    def wait_attached(self, client: Client, program: Running, *, so: bool = True) -> None:
        """Until the bot has a program, or none."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.attached(client)) is so, PATIENCE_S), (
                program.tail()
            )

    def _lend(self, client: Client) -> Keeper:
        endpoint = self._endpoint
        token, app_token = token_of(client.name), app_token_of(client.name)
        tokens = self._relay.tokens_of(client.name)
        rtm = client.transport == "rtm"
        traffic = self._relay.add(
            RelayedBot(
                name=client.name,
                transport="rtm" if rtm else "socket",
                endpoint=endpoint,
                read_token=lambda: token,
                read_app_token=lambda: app_token,
                identity=lambda: keeper.identity,
                local_token=tokens.token,
                local_app_token=tokens.app_token,
            ),
            lambda link, text: keeper.send(link, text),
        )
        keeper = Keeper(
            client.name,
            client.transport,
            RtmConnector(endpoint, lambda: token) if rtm else SocketConnector(endpoint, lambda: app_token),
            Core(lambda: 0.5, POLICY, spare_on_suspicion=rtm),
            Forgetful(),
            Board(self._clocks.now),
            self._clocks,
            traffic=traffic,
        )
        return keeper

    def _tell(self, bot: str, programs: Sequence[Program]) -> None:
        with self._changed:
            self._changed.notify_all()


@contextmanager
def relaying(slack: Simulator, settings_file: Path, *clients: Client) -> Iterator[Relayed]:
    relayed = Relayed(slack, clients, settings_file)
    relayed.start()
    try:
        yield relayed
    finally:
        relayed.stop()


def listens_with(client: Client) -> str:
    """The token whose links bring the bot its messages."""
    return app_token_of(client.name) if client.transport == "socket" else token_of(client.name)


def greeted(slack: Simulator, client: Client) -> int:
    """How many links of the bot were ever greeted."""
    return sum(1 for link in slack.truth().links_of(listens_with(client)) if link.hello_at)


def ask(slack: Simulator, client: Client, number: int) -> None:
    slack.say(listens_with(client), f"hello {number}")


def has_answered(slack: Simulator, client: Client, number: int) -> bool:
    """Whether its last answer is to ``number``, in time."""
    token = token_of(client.name)
    return slack.wait(lambda: answers(slack, client, token)[-1:] == [f"answer {number}"], PATIENCE_S)


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator(seed=1, ack_limit_ms=ACK_LIMIT_MS) as simulator:
        for client in CLIENTS:
            simulator.add_bot(token_of(client.name), client.name, app_token=app_token_of(client.name))
        yield simulator


@pytest.fixture(scope="module")
def relayed(slack: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    need_node()
    with relaying(slack, tmp_path_factory.mktemp("relay") / "relay.json", *CLIENTS) as relay:
        for client in CLIENTS:
            assert slack.wait(lambda c=client: greeted(slack, c), PATIENCE_S)
        yield relay


@pytest.fixture(scope="module")
def programs(relayed: Relayed) -> Iterator[dict[str, Running]]:
    with all_launched(relayed.where) as running:
        for client in CLIENTS:
            relayed.wait_attached(client, running[client.name])
        yield running


@pytest.mark.parametrize("client", CLIENTS, ids=by_name)
def test_each_receives_and_answers(slack: Simulator, programs: dict[str, Running], client: Client) -> None:
    for number in (1, 2):
        ask(slack, client, number)
        assert has_answered(slack, client, number), programs[client.name].tail()
    assert answers(slack, client, token_of(client.name)) == ["answer 1", "answer 2"]


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.takes_commands], ids=by_name)
def test_the_answer_in_an_acknowledgement_goes_up(
    slack: Simulator, programs: dict[str, Running], client: Client
) -> None:
    token = app_token_of(client.name)
    given = slack.deliver(token, {"command": "/do", "text": "it", "team_id": "T1"}, "slash_commands")

    def responses() -> list[object]:
        found = slack.truth().deliveries_of(token)
        return [each.response for each in found if each.envelope_id == given and each.acked_at]

    assert slack.wait(responses, PATIENCE_S), programs[client.name].tail()
    assert responses() == [{"text": "did it"}]


@pytest.mark.parametrize(
    ("number", "fault"), [(3, Fin()), (4, Rst()), (5, SayGoodbye())], ids=["fin", "rst", "goodbye"]
)
def test_all_stay_attached_and_answer_again_once_the_link_is_back(
    slack: Simulator, relayed: Relayed, programs: dict[str, Running], number: int, fault: LinkFault
) -> None:
    before = {client.name: (relayed.attached(client), greeted(slack, client)) for client in CLIENTS}
    for client in CLIENTS:
        assert slack.strike(listens_with(client), fault) == 1
    for client in CLIENTS:
        program, (_, links) = programs[client.name], before[client.name]
        assert slack.wait(lambda c=client, n=links: greeted(slack, c) > n, PATIENCE_S)
        assert slack.wait(lambda c=client: slack.open_links(listens_with(c)) == 1, PATIENCE_S)
        ask(slack, client, number)
        assert has_answered(slack, client, number), program.tail()
    assert {client.name: relayed.attached(client) for client in CLIENTS} == {
        name: attached for name, (attached, _) in before.items()
    }
    for client in CLIENTS:
        assert answers(slack, client, token_of(client.name)).count(f"answer {number}") == 1


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Future[None]"]:
    """The night of 2016, most of which is waiting: it passes beside the other tests from here on."""
    need_node()
    folder = tmp_path_factory.mktemp("night")
    with ThreadPoolExecutor(1, thread_name_prefix="night") as executor:
        yield executor.submit(night_of_2016, folder)


def test_all_come_back_after_a_restart_of_traymon(
    slack: Simulator, relayed: Relayed, programs: dict[str, Running], night: object
) -> None:
    # rtm-api breaks down in any reconnect after a send, whoever it was connected to: see test_programs_direct.
    able = [client for client in CLIENTS if client is not RTM_API]
    before = {client.name: (relayed.attached(client), greeted(slack, client)) for client in able}
    relayed.stop()
    relayed.start()
    for client in able:
        program, (attached, links) = programs[client.name], before[client.name]
        assert slack.wait(lambda c=client, n=links: greeted(slack, c) > n, PATIENCE_S)
        relayed.wait_attached(client, program)
        assert not set(attached) & set(relayed.attached(client))
        ask(slack, client, 6)
        assert has_answered(slack, client, 6), program.tail()
        assert program.process.poll() is None


def test_a_restart_of_a_program_loses_nothing_that_slack_redelivers(
    slack: Simulator, relayed: Relayed, programs: dict[str, Running]
) -> None:
    client = next(client for client in CLIENTS if client.name == "builtin")
    programs[client.name].stop()
    relayed.wait_attached(client, programs[client.name], so=False)
    ask(slack, client, 7)
    with launched(client, *relayed.where(client)) as again:
        relayed.wait_attached(client, again)
        slack.redeliver(listens_with(client))
        assert has_answered(slack, client, 7), again.tail()
        assert answers(slack, client, token_of(client.name)).count("answer 7") == 1


def test_the_night_of_2016(night: "Future[None]") -> None:
    night.result(10 * PATIENCE_S)


def night_of_2016(folder: Path) -> None:
    """The first failure is that night's: a drop, and no Slack for longer than botkit tries."""
    direct = Client("direct", BOTKIT.library, BOTKIT.transport, BOTKIT.program)
    with Simulator(seed=2016) as slack, ExitStack() as stack:
        for client in (BOTKIT, direct):
            slack.add_bot(token_of(client.name), client.name)
        relayed = stack.enter_context(relaying(slack, folder / "relay.json", BOTKIT))
        assert slack.wait(lambda: greeted(slack, BOTKIT), PATIENCE_S)
        program = stack.enter_context(launched(BOTKIT, *relayed.where(BOTKIT)))
        alone = stack.enter_context(launched(direct, slack.api_url, token_of(direct.name)))
        for each in (program, alone):
            each.wait_for(lambda lines: "rtm_open" in lines, PATIENCE_S)
        relayed.wait_attached(BOTKIT, program)
        attached = relayed.attached(BOTKIT)

        def answers_again(number: int, links: int) -> None:
            assert slack.wait(lambda: greeted(slack, BOTKIT) > links, 2 * PATIENCE_S), number
            ask(slack, BOTKIT, number)
            assert has_answered(slack, BOTKIT, number), program.tail()

        for client in (BOTKIT, direct):
            ask(slack, client, 1)
            assert has_answered(slack, client, 1)
        slack.refuse()
        began = time.monotonic()
        slack.fin(token_of(BOTKIT.name))
        slack.fin(token_of(direct.name))
        alone.wait_for(lambda lines: "rtm_reconnect_failed" in lines, PATIENCE_S)
        if LONG:
            threading.Event().wait(began + OUTAGE_S - time.monotonic())
        slack.accept()
        answers_again(2, 1)
        for number, fault in enumerate((Fin(), Rst(), Silence(), SayGoodbye()), start=3):
            links = greeted(slack, BOTKIT)
            slack.strike(token_of(BOTKIT.name), fault)
            answers_again(number, links)

        assert answers(slack, BOTKIT, token_of(BOTKIT.name)) == [f"answer {n}" for n in range(1, 7)]
        assert relayed.attached(BOTKIT) == attached
        assert [line for line in program.lines() if line.startswith("rtm_")] == ["rtm_open"]
        assert greeted(slack, direct) == 1
        assert slack.open_links(token_of(direct.name)) == 0
        assert alone.process.poll() is None  # it runs, and hears nobody
