"""The real command over real networks that misbehave: its log is held against what the network passed.

``TRAYMON_LONG_TROUBLE=1`` lets each trouble last its full minute; ``TRAYMON_NETWORK_SEED`` is another roll of the dice.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bad_networks import BOTS, OTHER_ADDRESS, RTM, SCENARIOS, SOCKET
from tests.forwarder import Progress
from tests.privatenet import NEAR, run_inside
from tests.required import cannot
from traymon.keeper.core import Policy
from traymon.keeper.core.causes import Cause
from traymon.sessionlog.rows import Event
from traymon.sessionlog.view import LogView

POLICY = Policy()
SEED = int(os.environ.get("TRAYMON_NETWORK_SEED", "1006"))
TROUBLE_S = 60 if os.environ.get("TRAYMON_LONG_TROUBLE") == "1" else 26
"""A silent link is given up 24 s after Slack's last ping in Socket Mode, at the latest."""
pytestmark = pytest.mark.timeout(90 + 3 * TROUBLE_S)
SLACK_MS = 4_000
"""For what takes milliseconds on an idle machine, while ten traymons share two cores."""
STAMP_MS = 600
"""Between the network's stamp of a byte and traymon's stamp of its frame; the same reason."""
ATTEMPT_MS = 500
"""On the ordinary network here: some ten round trips of 50 ms, one after the other."""

DEAD = {
    # The way back: ms after the trouble's end, of promise 4.
    "cable_pulled": 1_000 + ATTEMPT_MS,
    "route_gone": 1_000 + ATTEMPT_MS,
    "up_dropped": 1_000 + ATTEMPT_MS + 5_000,
    "down_dropped": 1_000 + ATTEMPT_MS + 5_000,
}
REPLACED = ("nat_forgot", "address_changed")
HARMLESS = ("stalled", "loss_10", "slow")
RAGGED = ("loss_30", "loss_70")


@dataclass(frozen=True)
class Session:
    """From a start to its stop in the log, UTC ms, and when the stop could be read there."""

    begun: int
    ended: int
    stop: Event
    told: int


class Outcome:
    """What happened, what traymon logged."""

    def __init__(self, printed: str) -> None:
        self.facts: dict[str, Any] = json.loads(printed)
        self.log = LogView(Path(self.facts["db"]))
        self._told = {line.rpartition("#")[2]: at for at, line in self.facts["lines"]}

    def events(self, bot: str, *kinds: str) -> list[Event]:
        return [e for e in self.log.events(bot=bot) if not kinds or e.kind in kinds]

    def sessions(self, bot: str) -> list[Session]:
        """Those that ended in trouble; the last one was ended by the test."""
        told = self.events(bot, "start", "stop")
        assert [e.kind for e in told] == ["start", "stop"] * (len(told) // 2)
        assert told[-1].cause == Cause.QUIT
        pairs = zip(told[:-2:2], told[1:-2:2], strict=True)
        return [Session(a.at, b.at, b, self._told[str(b.id)]) for a, b in pairs]

    def links(self, bot: str) -> list[dict[str, Any]]:
        return [link for link in self.facts["links"] if link["bot"] == bot and link["hello_wall"]]

    def came(self, link: dict[str, Any]) -> list[int]:
        """When something came to this machine over the link's connection, UTC ms."""
        (flow,) = [flow for flow in self.facts["flows"] if flow["near"] == link["peer"]]
        lost_address = self.facts["scenario"] == "address_changed" and link["peer"].startswith(f"{NEAR}:")
        return [at for at in flow["down"] if not lost_address or at < self.mark("trouble")]

    def greeted(self, bot: str, until: int) -> list[dict[str, Any]]:
        """The bot's links whose hello had arrived by then, oldest first."""
        return [
            link
            for link in self.links(bot)
            if any(link["hello_wall"] <= at <= until for at in self.came(link))
        ]

    def mark(self, name: str) -> int:
        return int(self.facts["marks"][name])


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Outcome]"]]:
    """All scenarios at the same time, each in namespaces of its own."""

    def play(name: str, folder: Path) -> Outcome:
        options = "--trouble", str(TROUBLE_S), "--seed", str(SEED)
        limit_s = 60 + 2.5 * TROUBLE_S
        return Outcome(run_inside("tests.bad_networks", name, str(folder), *options, limit_s=limit_s))

    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        cannot("needs /dev/net/tun")
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("networks")
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {name: pool.submit(play, name, folder / name) for name in SCENARIOS}


@pytest.fixture(params=SCENARIOS)
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, "Future[Outcome]"]) -> Outcome:
    """Of each scenario in turn."""
    return outcomes[request.param].result()


def test_it_recovers_and_ends_in_peace(outcome: Outcome) -> None:
    """Every bot has one connection in the end, as the kernel counts them, and Slack saw nothing odd."""
    assert outcome.facts["trouble"] == ""
    assert outcome.facts["established"] == len(BOTS)
    assert outcome.facts["oddities"] == []
    assert outcome.facts["code"] == 0
    assert "Traceback" not in outcome.facts["said"]
    assert "should not happen" not in outcome.facts["said"]


@pytest.mark.parametrize("bot", BOTS)
def test_online_only_with_proof_of_life(outcome: Outcome, bot: str) -> None:
    """Promises 3 and 6: a session begins with Slack's hello, ends with the last byte that came, and is not shown any
    longer than the limits allow."""
    for session in outcome.sessions(bot):
        known = outcome.greeted(bot, session.ended + STAMP_MS)
        hellos = [min(at for at in outcome.came(link) if at >= link["hello_wall"]) for link in known]
        assert min(abs(session.begun - hello) for hello in hellos) <= STAMP_MS
        last = max(at for link in known for at in outcome.came(link) if at <= session.ended + STAMP_MS)
        assert abs(session.ended - last) <= STAMP_MS
        spare = any(session.ended < link["opened_wall"] <= session.told for link in outcome.links(bot))
        limit = POLICY.silence_limit_answered if spare else POLICY.silence_limit
        assert session.told - last <= POLICY.quiet_before_ping + limit + SLACK_MS


@pytest.mark.parametrize("bot", BOTS)
def test_every_outage_is_a_real_one(outcome: Outcome, bot: str) -> None:
    """After a logged stop nothing came over what had been the bot's link, for as long as a ping is waited for."""
    for session in outcome.sessions(bot):
        link = outcome.greeted(bot, session.ended)[-1]
        silent = session.ended + STAMP_MS, session.ended + POLICY.silence_limit
        assert [at for at in outcome.came(link) if silent[0] <= at <= silent[1]] == []


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", HARMLESS)
def test_a_bad_network_is_no_outage(outcomes: dict[str, "Future[Outcome]"], name: str, bot: str) -> None:
    kinds = {e.kind for e in outcomes[name].result().events(bot) if e.cause != Cause.QUIT}
    assert kinds <= {"start", "handover", "link_end", "program"}
    assert outcomes[name].result().sessions(bot) == []


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", [*DEAD, *REPLACED])
def test_one_trouble_is_one_outage(outcomes: dict[str, "Future[Outcome]"], name: str, bot: str) -> None:
    (session,) = outcomes[name].result().sessions(bot)
    assert session.stop.cause == Cause.KEEPALIVE_TIMEOUT
    assert session.stop.evidence["silent_ms"] >= POLICY.silence_limit  # type: ignore[operator]


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", DEAD)
def test_it_is_back_soon_after_the_network(
    outcomes: dict[str, "Future[Outcome]"], name: str, bot: str
) -> None:
    """Promise 4: within 2 % of the outage, at least 1 s, or at once where the return is signalled, plus an attempt."""
    outcome = outcomes[name].result()
    back = outcome.events(bot, "start")[1].at - outcome.mark("over")
    assert 0 < back <= DEAD[name] + SLACK_MS


@pytest.mark.parametrize("bot", RTM)
@pytest.mark.parametrize("name", REPLACED)
def test_another_link_was_opened_on_suspicion(
    outcomes: dict[str, "Future[Outcome]"], name: str, bot: str
) -> None:
    """Promise 4: after silence within 4 s, the answer limit and one attempt."""
    outcome = outcomes[name].result()
    old, new = outcome.links(bot)
    down = outcome.events(bot, "start")[1].at - outcome.sessions(bot)[0].ended
    assert down <= POLICY.quiet_before_ping + POLICY.answer_limit_min + ATTEMPT_MS + SLACK_MS
    assert new["hello_wall"] - max(outcome.came(old)) < POLICY.silence_limit, (
        "the old one had its full chance"
    )


@pytest.mark.parametrize("bot", SOCKET)
@pytest.mark.parametrize("name", REPLACED)
def test_socket_mode_opens_none_beside_a_silent_link(
    outcomes: dict[str, "Future[Outcome]"], name: str, bot: str
) -> None:
    outcome = outcomes[name].result()
    old, new = outcome.links(bot)
    assert new["opened_wall"] - max(outcome.came(old)) >= POLICY.silence_limit


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", ["cable_pulled", "route_gone"])
def test_without_a_route_it_says_so(outcomes: dict[str, "Future[Outcome]"], name: str, bot: str) -> None:
    outcome = outcomes[name].result()
    (why,) = outcome.events(bot, "why")
    assert why.facts["probe_route"] == Cause.NO_ROUTE
    told = outcome.events(bot, "fail", "cause")
    causes = [e.cause for e in told if e.at < outcome.mark("over")]
    # Slack's last ping may hold up a Socket Mode link until the trouble is nearly over.
    assert causes == [Cause.NO_ROUTE] or (bot in SOCKET and causes == [])
    # The route may return between a name server's silence and the look at the routes.
    assert {e.cause for e in told if e.at >= outcome.mark("over")} <= {Cause.NO_ROUTE, Cause.DNS}


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", ["up_dropped", "down_dropped"])
def test_dropped_packets_are_no_missing_route(
    outcomes: dict[str, "Future[Outcome]"], name: str, bot: str
) -> None:
    """With the name server behind the same network, its silence is what is met first."""
    outcome = outcomes[name].result()
    (why,) = outcome.events(bot, "why")
    assert (why.facts["probe_route"], why.facts["probe_dns"]) == ("ok", Cause.DNS)
    causes = {e.cause for e in outcome.events(bot, "fail", "cause")}
    assert causes <= {Cause.DNS, Cause.CONNECT_TIMEOUT, Cause.API_TIMEOUT, Cause.TLS, Cause.HANDSHAKE_TIMEOUT}


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize("name", REPLACED)
def test_where_only_the_link_is_dead_the_rest_is_found_fine(
    outcomes: dict[str, "Future[Outcome]"], name: str, bot: str
) -> None:
    outcome = outcomes[name].result()
    (why,) = outcome.events(bot, "why")
    assert {why.facts[f"probe_{step}"] for step in ("route", "dns", "tcp", "tls")} == {"ok"}
    assert outcome.events(bot, "fail", "cause") == []


@pytest.mark.parametrize("bot", BOTS)
def test_the_new_link_has_the_new_address(outcomes: dict[str, "Future[Outcome]"], bot: str) -> None:
    _, new = outcomes["address_changed"].result().links(bot)
    assert new["peer"].startswith(f"{OTHER_ADDRESS}:")


@pytest.mark.parametrize("name", RAGGED)
def test_the_loss_was_real(outcomes: dict[str, "Future[Outcome]"], name: str) -> None:
    counts = outcomes[name].result().facts["counts"]
    assert min(counts["lost"].values()) > 20


def test_the_heaviest_loss_makes_outages(outcomes: dict[str, "Future[Outcome]"]) -> None:
    """Else the tests above would have nothing to look at."""
    assert any(outcomes["loss_70"].result().sessions(bot) for bot in BOTS)


# The forwarder's own books


def test_progress_counts_what_closes_a_gap() -> None:
    progress = Progress()
    assert not progress.take(99, 0, syn=True)
    assert progress.take(100, 10)
    assert not progress.take(100, 10), "a repetition"
    assert not progress.take(120, 10), "after a gap"
    assert not progress.take(130, 5)
    assert progress.take(110, 10), "the gap is closed"
    assert not progress.take(120, 15), "known since then"
    assert progress.take(130, 10), "half of it is new"
    assert not progress.take(140, 0), "a bare acknowledgement"


def test_progress_passes_the_end_of_the_numbers() -> None:
    progress = Progress()
    progress.take(2**32 - 11, 0, syn=True)
    assert progress.take(2**32 - 10, 20)
    assert not progress.take(2**32 - 5, 15)
    assert progress.take(10, 1)
