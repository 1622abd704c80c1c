"""The core over simulated hours and years of random trouble, every step under an independent witness."""

import os
import random
import tempfile
from contextlib import contextmanager
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import currently_in_test_context, given, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.coredriver import (
    DAY,
    FIN,
    HANGS,
    HOUR,
    MINUTE,
    NO_ROUTE,
    QUIET_REFUSAL,
    REFUSAL,
    REFUSED_CONNECT,
    RST,
    SECOND,
    SERVER_ERROR,
    TOO_MANY,
    UNREACHABLE,
    Plan,
    World,
    fails,
    rate_limited,
)
from tests.corewitness import Witness
from tests.script import FAILURES, PlayedWorld, Recorder, Script, Step, words_of
from traymon.keeper.core import Core, Policy, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import OpenLink

BAD_HANDSHAKE, NO_HELLO = FAILURES["bad_handshake"], FAILURES["no_hello"]
DISABLED, MIGRATION = FAILURES["disabled"], FAILURES["migration"]
ENDS = (FIN, RST, UNREACHABLE, MIGRATION, TOO_MANY)

PRINTED_STEPS = 400
"""A longer history goes into a file."""


def tell_history(script: Script) -> None:
    """Tell whoever reads of the failure how to see it again: by Hypothesis, for the shrunken example only."""
    text = str(script)
    if len(script.steps) > PRINTED_STEPS:
        # One name: of all the examples that are tried, the last is the one that is told.
        file = Path(tempfile.gettempdir(), f"traymon-{os.getpid()}.script")
        file.write_text(text)
        text = f"({len(script.steps)} lines: they are in {file} already)"
    (note if currently_in_test_context() else print)(f"{REPLAY_HINT}\n{text}")


REPLAY_HINT = "To see it again, save these lines and run `python -m tests.replay FILE`:"

RARELY = Policy(quiet_before_ping=20 * MINUTE, ping_while_busy=40 * MINUTE)
"""Pings so rare that years pass quickly: all other numbers are the real ones."""


class Trouble(World):
    """A world in which everything goes wrong now and then, by the dice of ``seed``."""

    def __init__(
        self, seed: int, *, spares: bool = True, policy: Policy | None = None, core: type[Core] = Core
    ) -> None:
        super().__init__(spares=spares, policy=policy, core=core)
        self.history = Recorder(self, policy, spares=spares)
        self.failed = False
        self.dice = random.Random(seed)
        self.core._random = self._roll
        self.late_events = True
        self.weather = self.fine
        self.fine_from = 0
        self.witness = Witness(self, policy)
        self._tick_for: int | None = None
        self._tick_at = 0
        self.give(ev.Started(paused=self.dice.random() < 0.1))

    # Its history, for `python -m tests.replay`

    def give(self, event):
        with self.replayable():
            self.history.take(event)
            return super().give(event)

    @contextmanager
    def replayable(self):
        """What fails here is told with the history that led to it."""
        try:
            yield
        except Exception:
            if not self.failed:
                self.failed = True
                self.history.add("rest")
                tell_history(self.history.script)
            raise

    def hush(self, number: int, silent: bool = True) -> None:
        """The link falls silent, or no longer is."""
        self.history.add("silence" if silent else "speech", number)
        self.peers[number].silent = silent

    def _roll(self) -> float:
        roll = round(self.dice.random(), 4)
        self.history.add("roll", roll)
        return roll

    # How attempts go

    def fine(self) -> Plan:
        dice = self.dice
        return Plan(
            dice.randint(1, 800), dice.randint(1, 800), dice.randint(1, 200), pong=dice.randint(1, 900)
        )

    def slow(self) -> Plan:
        dice = self.dice
        return Plan(
            dice.randint(1, 9_900),
            dice.randint(1, 9_900),
            dice.randint(1, 9_900),
            pong=dice.randint(1, 12_000),
        )

    def unplugged(self) -> Plan:
        failure = self.dice.choice([NO_ROUTE, REFUSED_CONNECT])
        return fails(failure, self.dice.randint(0, 4_000))

    def troubled(self) -> Plan:
        dice = self.dice
        return dice.choice(
            [
                fails(SERVER_ERROR, dice.randint(0, 9_000)),
                fails(rate_limited(dice.randint(0, 200) * SECOND)),
                Plan(handshake=None, failure=BAD_HANDSHAKE, fails_after=dice.randint(0, 9_000)),
                Plan(hello=None, failure=NO_HELLO, fails_after=dice.randint(0, 9_000)),
                Plan(hello=None, failure=TOO_MANY, fails_after=dice.randint(0, 9_000)),
                HANGS,
                Plan(handshake=None),
                Plan(hello=None),
                Plan(api=None, failure=FIN, fails_after=40_000),
                self.fine(),
            ]
        )

    def refusing(self) -> Plan:
        return fails(self.dice.choice([REFUSAL, QUIET_REFUSAL]), self.dice.randint(0, 2_000))

    def mute(self) -> Plan:
        return Plan(pong=None)

    def _carry_out(self, effect):
        if self.now > self.fine_from:
            self.weather = self.fine
        self.plan = self.weather()
        super()._carry_out(effect)
        if isinstance(effect, OpenLink):
            self.history.add("attempt", *words_of(self.peers[effect.link].plan))

    # Time: ticks come late, a little as a rule, and much when the process stood still

    def step(self, until: int) -> bool:
        due = self.core.deadline
        if due != self._tick_for:
            self._tick_for, self._tick_at = due, (due or 0) + self._lateness()
        coming = self._coming[0][0] if self._coming else None
        if coming is not None and (due is None or coming <= self._tick_at):
            if coming > until:
                return False
            return super().step(max(until, coming)) if due is None or coming <= due else self._arrive_late()
        if due is None or self._tick_at > until:
            return False
        self.now = max(self.now, self._tick_at)
        self.give(ev.Tick())
        return True

    def _arrive_late(self) -> bool:
        at, _, event = self._pop()
        self.now = max(self.now, at)
        self._arrive(event)
        return True

    def _lateness(self) -> int:
        x = self.dice.random()
        if x < 0.95:
            return self.dice.randint(0, 30)
        return self.dice.randint(0, 2_000) if x < 0.998 else self.dice.randint(2_000, 90_000)

    def skip(self, duration: int) -> None:
        """The process, or the whole machine, stands still; what came meanwhile is read afterwards."""
        self.now += duration
        self._delay_until(self.now)

    # What happens to links, people and the machine

    def happening(self) -> None:
        """Something happens now."""
        self.dice.choice(self.HAPPENINGS)(self)

    def live(self) -> int | None:
        """A link that is there and had its hello, if there is one."""
        there = [x for x in self.witness.there() if x.hello_at is not None]
        return self.dice.choice(there).number if there else None

    def at_live(self, event_of) -> None:
        number = self.live()
        if number is not None:
            self.give(event_of(number))

    def weather_changes(self) -> None:
        self.weather = self.dice.choice(
            [self.fine] * 2
            + [self.slow, self.unplugged, self.troubled, self.mute]
            + [self.refusing] * (self.dice.random() < 0.3)
        )
        self.fine_from = self.now + round(10_000 * 10 ** self.dice.uniform(0, 3))

    def drop(self) -> None:
        number = self.live()
        if number is not None:
            self.end_link_number(number, self.dice.choice(ENDS))

    def disabled(self) -> None:
        number = self.live()
        if number is not None and self.dice.random() < 0.2:
            self.end_link_number(number, DISABLED)

    def silence(self) -> None:
        number = self.live()
        if number is not None:
            self.hush(number)
            if self.dice.random() < 0.5:
                self.after(self.dice.randint(0, 20_000), ev.LinkEnded(number, UNREACHABLE))

    def speech(self) -> None:
        number = self.live()
        if number is not None:
            self.hush(number, silent=False)
            self.give(ev.FrameReceived(number))

    def chatter(self) -> None:
        number = self.live()
        for i in range(self.dice.randint(1, 30)):
            if number is not None:
                self.after(i * self.dice.randint(1, 2_000), ev.FrameReceived(number))

    def goodbye(self) -> None:
        number = self.live()
        if number is not None and not self.peers[number].silent:
            self.give(ev.GoodbyeReceived(number, self.dice.choice([Cause.GOODBYE, Cause.REFRESH])))
            self.after(self.dice.randint(0, 30_000), ev.LinkEnded(number, FIN))

    def second_hello(self) -> None:
        self.at_live(ev.HelloReceived)

    def strange_pong(self) -> None:
        self.at_live(lambda number: ev.PongReceived(number, self.dice.choice([-1, 0, 1, 2, 10**6])))

    def address_vanishes(self) -> None:
        self.at_live(ev.LocalAddressVanished)

    def route(self) -> None:
        self.give(ev.RouteAppeared())

    def click(self) -> None:
        for _ in range(self.dice.choice([1, 1, 1, 2, 9])):
            self.give(ev.ReconnectClicked())
            self.run(self.dice.randint(0, 3_000))

    def pause(self) -> None:
        self.give(ev.PauseClicked())
        self.run(round(self.dice.expovariate(1 / (2 * MINUTE))))
        if self.dice.random() < 0.9:
            self.give(ev.ResumeClicked())

    def token(self) -> None:
        self.give(ev.TokenChanged())

    def presence(self) -> None:
        self.give(ev.PresenceSeen(self.dice.random() < 0.5))

    def freeze(self) -> None:
        stood = self.dice.randint(2_000, 10 * MINUTE)
        self.history.freeze(stood)
        self.skip(stood)

    def sleep(self) -> None:
        dice = self.dice
        if dice.random() < 0.6:
            self.give(ev.SleepAnnounced())
            self.run(dice.randint(0, 1_000))
            if dice.random() < 0.1:
                return  # called off, and nobody says so
        number = self.live()
        if number is not None and dice.random() < 0.7:
            self.hush(number)
        slept = round(2_000 * 10 ** dice.uniform(0, 4))
        self.skip(slept)
        self.give(ev.Woke(slept))
        if dice.random() < 0.3:
            self.run(dice.randint(0, 50))
            self.give(ev.Woke(dice.choice([0, slept])))

    def late_event(self) -> None:
        gone = [x.number for x in self.witness.recent() if x.gone]
        if gone:
            number = self.dice.choice(gone)
            kinds = (
                ev.FrameReceived,
                ev.HelloReceived,
                ev.ApiAnswered,
                ev.GoodbyeReceived,
                ev.LocalAddressVanished,
            )
            self.give(self.dice.choice(kinds)(number))
            self.give(ev.PongReceived(number, 1))

    def illegal(self) -> None:
        for event in illegal_events(self):
            self.witness.illegal(event)

    HAPPENINGS = (
        weather_changes, weather_changes, weather_changes, drop, drop, disabled, silence, silence,
        speech, chatter, goodbye, goodbye, second_hello, strange_pong, address_vanishes, route, click, pause, token,
        token, presence, freeze, sleep, late_event, illegal,
    )  # fmt: skip

    def live_through(self, happenings: int, mean_peace: int) -> None:
        """So many things happen, ``mean_peace`` ms apart on average."""
        for _ in range(happenings):
            self.happening()
            self.run(min(round(self.dice.expovariate(1 / mean_peace)), 20 * mean_peace))

    def ends_well(self) -> None:
        """Whatever was: once all is well again, the bot is online soon; and after the end nothing stirs."""
        self.weather = self.fine
        self.run(30 * SECOND)
        if self.state is State.PAUSED:
            self.give(ev.ResumeClicked())
        if self.state is State.REFUSED:
            self.give(ev.TokenChanged())
        self.run(Policy().retry_too_many[2] + MINUTE)  # the longest that is ever waited, then an attempt
        with self.replayable():
            assert self.state in (State.ONLINE, State.AWAY)
        self.give(ev.QuitAsked())
        self.run(HOUR)
        assert self.undropped == []


def illegal_events(world: "Trouble") -> list[ev.Event]:
    """Events that must not come in the present state of things."""
    unborn = len(world.peers) + 1
    events: list[ev.Event] = [
        ev.Started(),
        ev.FrameReceived(unborn),
        ev.LinkEnded(0, FIN),
        ev.HelloReceived(-3),
    ]
    for link in world.witness.there():
        if link.answered:
            events.append(ev.ApiAnswered(link.number))
        if link.hello_at is not None:
            events.append(ev.LinkOpened(link.number))
        elif not link.answered:
            events += [ev.LinkOpened(link.number), ev.HelloReceived(link.number)]
    return events


seeds = st.integers(0, 2**32)


@given(seeds, st.booleans())
@settings(max_examples=40)
def test_stormy_hours(seed, spares):
    world = Trouble(seed, spares=spares)
    world.live_through(300, mean_peace=20 * SECOND)
    world.ends_well()


@given(seeds, st.booleans())
@settings(max_examples=4)
def test_an_unruly_day(seed, spares):
    world = Trouble(seed, spares=spares)
    world.live_through(100, mean_peace=10 * MINUTE)
    world.ends_well()


@given(seeds, st.booleans())
@settings(max_examples=2)
def test_years(seed, spares):
    world = Trouble(seed, spares=spares, policy=RARELY)
    world.live_through(1_100, mean_peace=8 * HOUR)
    world.ends_well()


class Storm(RuleBasedStateMachine):
    """The same trouble, each step chosen by Hypothesis, so that a failure shrinks to the few steps that it takes."""

    core = Core

    @initialize(seed=st.integers(0, 3), spares=st.booleans())
    def begin(self, seed, spares):
        self.world = Trouble(seed, spares=spares, core=self.core)

    @rule(what=st.sampled_from(Trouble.HAPPENINGS))
    def something_happens(self, what):
        what(self.world)

    @rule(duration=st.sampled_from([0, 1, 100, 1_000, 3_000, 10_000, 30_000, 60_000, 900_000]))
    def time_passes(self, duration):
        self.world.run(duration)

    def teardown(self):
        if hasattr(self, "world") and not self.world.failed:
            self.world.ends_well()


# Where it fails, shrinking its long stretches of time takes minutes: Hypothesis gives itself five.
TestStorm = pytest.mark.timeout(400)(Storm.TestCase)
TestStorm.settings = settings(max_examples=40, stateful_step_count=40)


ATTEMPTS = [
    Plan(),
    Plan(api=700, handshake=700, hello=700),
    Plan(pong=900),
    Plan(pong=None),
    HANGS,
    Plan(handshake=None),
    Plan(hello=None),
    Plan(handshake=None, failure=BAD_HANDSHAKE),
    Plan(hello=None, failure=NO_HELLO),
    *map(fails, [NO_ROUTE, REFUSED_CONNECT, SERVER_ERROR, REFUSAL, QUIET_REFUSAL, rate_limited(30 * SECOND)]),
]
EVENTS = (
    [
        f"end live {name}"
        for name in ("fin", "rst", "close", "unreachable", "migration", "disabled", "too_many")
    ]
    + ["silence live", "speech live", "frame live", "goodbye live goodbye", "hello live", "address live"]
    + ["click", "pause", "resume", "token", "route", "away", "active", "sleep", "wake 60000", "freeze 9000"]
)
"""What a script may hold; all but ``hello`` can be played against the simulator by one transport or the other."""


@st.composite
def scripts(draw) -> Script:
    """Short scripts of all that can happen: an example that fails shrinks to the few lines that it takes."""
    plans = [
        Step(0, "attempt", tuple(words_of(p))) for p in draw(st.lists(st.sampled_from(ATTEMPTS), max_size=6))
    ]
    after = st.sampled_from([0, 100, 3_000, 6_000, 30_000, 90_000])
    happenings = draw(st.lists(st.tuples(after, st.sampled_from([*EVENTS, "rest"])), max_size=12))
    steps = [Step(ms, *_split(what)) for ms, what in happenings]
    return Script([Step(0, "start"), *plans, *steps], draw(st.sampled_from(["rtm", "socket"])))


def _split(what: str) -> tuple[str, tuple[str, ...]]:
    word, *args = what.split()
    return word, tuple(args)


def keeps_its_promises(script: Script, core: type[Core] = Core) -> None:
    """Play ``script`` before the witness; where a promise is broken, the script is told."""
    try:
        PlayedWorld(script, core).play()
    except Exception:
        tell_history(script)
        raise


@given(scripts())
@settings(max_examples=300)
def test_any_script(script):
    assert str(Script.parse(str(script))) == str(script)
    keeps_its_promises(script)


def test_a_month_of_outage_stays_within_the_budget():
    world = World(policy=RARELY)
    witness = Witness(world, RARELY)
    world.plan = fails(SERVER_ERROR)
    world.start().run(30 * DAY)
    assert witness.events > 30 * DAY / MINUTE
    assert world.state is State.OFFLINE
