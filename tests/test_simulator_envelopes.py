"""Socket Mode's envelopes in the simulator: who gets them, what an acknowledgement is, what comes again."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket

from tests.simulator_client import APP_TOKEN, OTHER, PATIENCE_S, TOKEN, connect, last_link
from traymon.simulator import DeliveryRecord, Fin, Simulator

# An acknowledgement is never late here, and what is not acknowledged fails only when a test says so.
NEVER_MS = 3_600_000


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator(seed=1, ack_limit_ms=NEVER_MS) as simulator:
        simulator.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
        yield simulator
        bugs = [odd for odd in simulator.truth().oddities if "bug of the simulator" in odd]
    assert not bugs


def opened(slack: Simulator) -> tuple[websocket.WebSocket, dict[str, Any]]:
    link = connect(slack, "apps.connections.open", APP_TOKEN)
    return link, json.loads(link.recv())


def acknowledge(link: websocket.WebSocket, envelope: dict[str, Any], **more: object) -> None:
    link.send(json.dumps({"envelope_id": envelope["envelope_id"], **more}))


def deliveries(slack: Simulator) -> tuple[DeliveryRecord, ...]:
    return slack.truth().deliveries_of(APP_TOKEN)


def wait(slack: Simulator, so: Callable[[], object]) -> None:
    assert slack.wait(so, PATIENCE_S)


def test_an_event_its_acknowledgement_and_the_truth(slack: Simulator) -> None:
    link, _ = opened(slack)
    with closing(link):
        ts = slack.say(APP_TOKEN, "hello", channel="C1", user="U1")
        envelope = json.loads(link.recv())
        acknowledge(link, envelope)
        wait(slack, lambda: deliveries(slack)[0].acked_at)
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("events_api", False)
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
    payload = envelope["payload"]
    assert (payload["type"], payload["event"]["text"], payload["event"]["ts"]) == (
        "event_callback",
        "hello",
        ts,
    )
    record = deliveries(slack)[0]
    assert record.envelope_id == envelope["envelope_id"]
    assert (record.kind, record.event_id, record.attempt) == ("events_api", payload["event_id"], 0)
    assert (record.link, record.in_time, record.response) == (slack.truth().links[0].serial, True, None)
    assert record.at <= (record.acked_at or 0)
    assert slack.redeliver(APP_TOKEN) == 0
    assert slack.truth().oddities == ()
    assert APP_TOKEN not in repr(slack.truth())


@pytest.mark.parametrize("kind", ["slash_commands", "interactive"])
def test_a_response_rides_in_the_acknowledgement_and_nothing_comes_again(slack: Simulator, kind: Any) -> None:
    link, _ = opened(slack)
    with closing(link):
        given = slack.deliver(APP_TOKEN, {"command": "/deploy"}, kind)
        envelope = json.loads(link.recv())
        assert envelope == {
            "envelope_id": given,
            "payload": {"command": "/deploy"},
            "type": kind,
            "accepts_response_payload": True,
        }
        assert slack.redeliver(APP_TOKEN) == 0
        large = "x" * 100_000  # a modal is larger than any RTM message may be
        acknowledge(link, envelope, payload={"text": large})
        wait(slack, lambda: deliveries(slack)[0].acked_at)
    assert deliveries(slack)[0].response == {"text": large}
    assert len(deliveries(slack)) == 1


def test_what_a_test_decides_about_responses(slack: Simulator) -> None:
    link, _ = opened(slack)
    with closing(link):
        slack.deliver(APP_TOKEN, {}, "interactive", accepts_response_payload=False)
        assert json.loads(link.recv())["accepts_response_payload"] is False


def test_an_unacknowledged_event_comes_three_times_more(slack: Simulator) -> None:
    link, _ = opened(slack)
    with closing(link):
        slack.say(APP_TOKEN, "hello")
        seen = [json.loads(link.recv())]
        for _ in range(3):
            assert slack.redeliver(APP_TOKEN) == 1
            seen.append(json.loads(link.recv()))
        slack.redeliver(APP_TOKEN)
        assert slack.redeliver(APP_TOKEN) == 0
    assert [envelope["retry_attempt"] for envelope in seen] == [0, 1, 2, 3]
    assert {envelope["retry_reason"] for envelope in seen[1:]} == {"timeout"}
    assert len({envelope["envelope_id"] for envelope in seen}) == 4
    assert len({envelope["payload"]["event_id"] for envelope in seen}) == 1
    assert [record.attempt for record in deliveries(slack)] == [0, 1, 2, 3]


def test_the_redeliveries_come_by_themselves_and_end() -> None:
    with Simulator(ack_limit_ms=20, redelivery_factor=0.000_1) as slack:
        slack.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
        link, _ = opened(slack)
        with closing(link):
            slack.say(APP_TOKEN, "hello")
            attempts = [json.loads(link.recv())["retry_attempt"] for _ in range(4)]
            last = json.loads(link.recv()) if slack.wait(lambda: len(deliveries(slack)) > 4, 0.2) else None
        assert (attempts, last) == ([0, 1, 2, 3], None)
        first, second, *_ = deliveries(slack)
        assert second.at - first.at >= 20


def test_a_late_acknowledgement_changes_nothing() -> None:
    with Simulator(ack_limit_ms=1, redelivery_factor=1_000) as slack:
        slack.add_bot(TOKEN, "deploybot", app_token=APP_TOKEN)
        link, _ = opened(slack)
        with closing(link):
            slack.say(APP_TOKEN, "hello")
            first, again = json.loads(link.recv()), json.loads(link.recv())
            acknowledge(link, first)
            wait(slack, lambda: deliveries(slack)[0].acked_at)
        assert not deliveries(slack)[0].in_time
        assert (again["retry_attempt"], again["payload"]) == (1, first["payload"])
        assert slack.redeliver(APP_TOKEN) == 1


def test_the_same_envelope_again(slack: Simulator) -> None:
    link, _ = opened(slack)
    with closing(link):
        slack.say(APP_TOKEN, "hello")
        first = json.loads(link.recv())
        slack.repeat(first["envelope_id"])
        assert json.loads(link.recv()) == first
        acknowledge(link, first)
        acknowledge(link, first)
        wait(slack, lambda: all(record.acked_at for record in deliveries(slack)))
        assert slack.truth().oddities == ()
        acknowledge(link, first)
        wait(slack, lambda: slack.truth().oddities)
    assert "twice" in slack.truth().oddities[0]
    with pytest.raises(LookupError):
        slack.repeat("e-nobody-knows")


def test_an_acknowledgement_on_another_link_does_not_count(slack: Simulator) -> None:
    one, two = opened(slack)[0], opened(slack)[0]
    with closing(one), closing(two):
        slack.say(APP_TOKEN, "hello")
        wait(slack, lambda: deliveries(slack))
        serials = [record.serial for record in slack.truth().links]
        right, wrong = (one, two) if deliveries(slack)[0].link == serials[0] else (two, one)
        envelope = json.loads(right.recv())
        acknowledge(wrong, envelope)
        wait(slack, lambda: slack.truth().oddities)
        assert deliveries(slack)[0].acked_at is None
        acknowledge(right, envelope)
        wait(slack, lambda: deliveries(slack)[0].in_time)


def test_each_envelope_goes_to_any_one_link(slack: Simulator) -> None:
    links = [opened(slack)[0] for _ in range(3)]
    for number in range(30):
        slack.say(APP_TOKEN, str(number))
    by_link = Counter(record.link for record in deliveries(slack))
    assert by_link.total() == 30
    assert len(by_link) == 3
    texts: list[str] = []
    for link, record in zip(links, slack.truth().links, strict=True):
        with closing(link):
            texts += [
                json.loads(link.recv())["payload"]["event"]["text"] for _ in range(by_link[record.serial])
            ]
    assert sorted(texts, key=int) == [str(number) for number in range(30)]


def test_without_a_link_an_event_waits_for_its_next_attempt(slack: Simulator) -> None:
    slack.say(APP_TOKEN, "hello")
    slack.deliver(APP_TOKEN, {}, "slash_commands")
    assert [record.link for record in deliveries(slack)] == [None, None]
    link, _ = opened(slack)
    with closing(link):
        assert slack.redeliver(APP_TOKEN) == 1
        envelope = json.loads(link.recv())
    assert envelope["retry_attempt"] == 1
    assert envelope["type"] == "events_api"


def test_a_link_that_ended_takes_nothing_more(slack: Simulator) -> None:
    link, _ = opened(slack)
    slack.strike(APP_TOKEN, Fin())
    slack.say(APP_TOKEN, "hello")
    assert deliveries(slack)[0].link is None
    link.close()
    last_link(slack)


def test_registrations_of_dead_links_count_and_swallow(slack: Simulator) -> None:
    slack.haunt(APP_TOKEN, 1_000)
    link, hello = opened(slack)
    with closing(link):
        assert hello["num_connections"] == 1_001
        slack.say(APP_TOKEN, "lost")
        assert deliveries(slack)[0].link is None
        slack.haunt(APP_TOKEN, 0)
        slack.redeliver(APP_TOKEN)
        assert json.loads(link.recv())["payload"]["event"]["text"] == "lost"


def test_an_event_has_an_id_and_a_token_its_bot(slack: Simulator) -> None:
    with pytest.raises(ValueError, match="event_id"):
        slack.deliver(APP_TOKEN, {"type": "event_callback"})
    with pytest.raises(LookupError):
        slack.say(OTHER, "hello")
