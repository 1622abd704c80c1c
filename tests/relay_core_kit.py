"""What the tests of the relay's hubs share: a hub driven by hand, and the weight of one."""

import json

from traymon.relay.core import RtmHub, SocketHub
from traymon.relay.core import events as ev
from traymon.relay.core.effects import ToProgram, ToSlack


class Bot:
    """A hub, driven by hand; ``now`` moves only by :meth:`wait`, which ticks at every deadline on the way."""

    def __init__(self, hub: RtmHub | SocketHub) -> None:
        self.hub = hub
        self.now = 1_000_000
        self.log = []

    def give(self, event):
        effects = self.hub.receive(event, self.now)
        self.log += effects
        return effects

    def wait(self, ms: int) -> list:
        until, effects = self.now + ms, []
        while self.hub.deadline is not None and self.hub.deadline <= until:
            assert self.hub.deadline > self.now, "a deadline that has been met must be over"
            self.now = self.hub.deadline
            effects += self.give(ev.Tick())
        self.now = until
        return effects + self.give(ev.Tick())

    def attach(self, *programs: int) -> None:
        for program in programs:
            assert isinstance(self.give(ev.Attached(program))[0], ToProgram)

    def says(self, program: int, text: str | bytes | dict):
        if isinstance(text, dict):
            text = json.dumps(text)
        return self.give(ev.FromProgram(program, text.encode() if isinstance(text, str) else text))

    def slack(self, link: int, text: str | dict):
        text = text if isinstance(text, str) else json.dumps(text)
        return self.give(ev.FromSlack(link, text.encode()))


def up(effects) -> list[str]:
    return [each.text for each in effects if isinstance(each, ToSlack)]


def heard(effects, program: int) -> list[str]:
    return [each.text.decode() for each in effects if isinstance(each, ToProgram) and each.program == program]


def leaves(value: object) -> int:
    """How much a hub holds: the values in all its containers and own objects."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values())) + len(value)
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        parts = getattr(value, "__dict__", None) or {
            name: getattr(value, name) for name in getattr(value, "__slots__", ())
        }
        return (
            sum(map(leaves, parts.values())) if parts and type(value).__module__.startswith("traymon") else 1
        )
    return sum(map(leaves, value)) + len(value)
