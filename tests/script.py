"""A bot's history as a script: data that the virtual world writes, and that it or the real simulator plays.

One line a step: how many ms pass before it, then what happens. ``#`` begins a comment. Headers come first::

    transport rtm                   or socket: no second link on suspicion
    policy quiet_before_ping=4000   numbers that differ from the policy's own

============================  ==================================================================================
``start [paused]``            the keeper begins
``attempt KEY=VALUE …``       how the next attempt goes (:class:`~tests.coredriver.Plan`; ``never`` for ``None``).
                              Attempts take these lines in order, whenever they come; without one all goes well
``roll X``                    the next random number of the core's
``end LINK FAILURE``          the link ends: ``fin``, ``rst``, ``close`` … (:data:`FAILURES`)
``silence LINK``              nothing gets through any more; ``speech LINK``: it does again (what was held back
                              comes then from the simulator, and never in virtual time: let a ``frame`` follow)
``frame LINK``                a frame comes; ``hello LINK``, ``pong LINK NUMBER``: one that should not come
``goodbye LINK CAUSE``        Slack announces the end
``address LINK``              this machine loses the address that the link is bound to
``click``, ``pause``, ``resume``, ``token``, ``route``, ``away``, ``active``, ``sleep``
                              the user, the set-up, the system and Slack's presence; ``sleep`` announces one
``wake MS``                   the machine slept for that long, until now: this much more time passes
``woke MS``                   somebody tells of such a sleep, that is over or never was
``freeze MS``                 the process stands still for that long: ticks and all else come late
``rest``                      nothing: time passes
============================  ==================================================================================

``LINK`` is the link's number, or ``live`` for the one that carries the session. Every script ends with the keeper's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from tests.coredriver import (
    FIN,
    NO_ROUTE,
    QUIET_REFUSAL,
    REFUSAL,
    REFUSED_CONNECT,
    RST,
    SERVER_ERROR,
    TOO_MANY,
    UNREACHABLE,
    Plan,
    World,
    rate_limited,
)
from tests.corewitness import Witness
from traymon.keeper.core import Core, Policy
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Note

FAILURES = {
    "fin": FIN,
    "rst": RST,
    "close": Failure(Cause.CLOSED_BY_SLACK, Phase.LIVE, close_code=1000),
    "unreachable": UNREACHABLE,
    "migration": Failure(Cause.TEAM_MIGRATION, Phase.LIVE, reached_slack=True),
    "disabled": replace(REFUSAL, phase=Phase.LIVE, detail="link_disabled"),
    "too_many": TOO_MANY,
    "no_route": NO_ROUTE,
    "refused": REFUSED_CONNECT,
    "server_error": SERVER_ERROR,
    "refusal": REFUSAL,
    "quiet_refusal": QUIET_REFUSAL,
    "bad_handshake": Failure(Cause.NOT_WEBSOCKET, Phase.HANDSHAKE),
    "no_hello": Failure(Cause.URL_EXPIRED, Phase.HELLO, reached_slack=True),
}
"""By name; besides, ``retry_after:MS`` is HTTP 429 with that much to wait."""

LATE_MS = Policy().late_tick
_JUST_BEFORE_MS = 10


def failure_named(name: str) -> Failure:
    """The failure that a script calls so; raises KeyError where it means none."""
    kind, _, ms = name.partition(":")
    return rate_limited(int(ms)) if kind == "retry_after" else FAILURES[name]


def name_of(failure: Failure) -> str:
    """What a script calls ``failure``."""
    if failure.cause is Cause.RATE_LIMITED:
        return f"retry_after:{failure.retry_after_ms}"
    return next(name for name, each in FAILURES.items() if each == failure)


@dataclass(frozen=True)
class Step:
    """``what`` happens, ``after`` ms from the step before."""

    after: int
    what: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([str(self.after), self.what, *self.args])


@dataclass
class Script:
    """What happens to one bot, in order."""

    steps: list[Step] = field(default_factory=list)
    transport: str = "rtm"
    policy: Policy = field(default_factory=Policy)

    @classmethod
    def parse(cls, text: str) -> "Script":
        """Read a script; raises ValueError that names the line which is none."""
        script = cls()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            try:
                script._take(words)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"line {number} is no step: {line!r} ({error})") from error
        return script

    def _take(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["transport", ("rtm" | "socket") as transport]:
                self.transport = transport
            case ["policy", *changes]:
                self.policy = replace(self.policy, **{k: int(v) for k, v in map(_pair, changes)})
            case [after, what, *args]:
                _check(what, tuple(args))
                self.steps.append(Step(int(after), what, tuple(args)))
            case _:
                raise ValueError("see tests/script.py")

    def __str__(self) -> str:
        head = [f"transport {self.transport}"]
        own = asdict(Policy())
        changed = [f"{key}={value}" for key, value in asdict(self.policy).items() if value != own[key]]
        if changed:
            head.append(f"policy {' '.join(changed)}")
        return "\n".join([*head, *map(str, self.steps)]) + "\n"

    @property
    def spares(self) -> bool:
        """Whether a suspicion opens a second link."""
        return self.transport == "rtm"

    def plans(self) -> list[Plan]:
        """How the attempts go, in order."""
        return [plan_of(step.args) for step in self.steps if step.what == "attempt"]

    def rolls(self) -> Iterator[float]:
        """The core's random numbers: those that are given, then nought for ever."""
        yield from [float(step.args[0]) for step in self.steps if step.what == "roll"]
        while True:
            yield 0.0


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def plan_of(words: tuple[str, ...]) -> Plan:
    """The plan that an ``attempt`` line means; raises ValueError, KeyError or TypeError where it means none."""
    values = {}
    for key, value in map(_pair, words):
        values[key] = None if value == "never" else failure_named(value) if key == "failure" else int(value)
    return Plan(**values)


def words_of(plan: Plan) -> list[str]:
    """``plan`` in the words of an ``attempt`` line; what is as always is left out."""
    words, usual = [], Plan()
    for name in (each.name for each in fields(Plan)):
        value = getattr(plan, name)
        if value != getattr(usual, name):
            text = name_of(value) if isinstance(value, Failure) else "never" if value is None else value
            words.append(f"{name}={text}")
    return words


def link_number(word: str) -> int | None:
    """The link that a step names; ``None``: the one that carries the session. Raises ValueError for no number."""
    return None if word == "live" else int(word)


_ARGUMENTS: Mapping[str, tuple[Callable[[str], object], ...]] = {
    "roll": (float,),
    "end": (link_number, failure_named),
    "goodbye": (link_number, Cause),
    "pong": (link_number, int),
    **dict.fromkeys(("silence", "speech", "frame", "hello", "address"), (link_number,)),
    **dict.fromkeys(("wake", "woke", "freeze"), (int,)),
    **dict.fromkeys(("click", "pause", "resume", "token", "route", "away", "active", "sleep", "rest"), ()),
}


def names_link(step: Step) -> bool:
    """Whether ``step`` happens to a link."""
    return _ARGUMENTS.get(step.what, ())[:1] == (link_number,)


def link_of(step: Step, live: int | None) -> int | None:
    """The link that ``step`` happens to, where ``live`` carries the session."""
    return (link_number(step.args[0]) or live) if names_link(step) else None


def _check(what: str, args: tuple[str, ...]) -> None:
    """Raise ValueError, KeyError or TypeError where this is no step."""
    if what == "attempt":
        plan_of(args)
    elif what != "start" or args not in ((), ("paused",)):
        for read, word in zip(_ARGUMENTS[what], args, strict=True):
            read(word)


def event_of(step: Step, link: int | None) -> ev.Event | None:
    """The event that ``step`` brings to the core at once, on ``link``; ``None`` where it brings none."""
    first = step.args[0] if step.args else ""
    match step.what:
        case "start":
            return ev.Started(paused=bool(step.args))
        case "end":
            return ev.LinkEnded(link, failure_named(step.args[1]))
        case "frame":
            return ev.FrameReceived(link)
        case "hello":
            return ev.HelloReceived(link)
        case "pong":
            return ev.PongReceived(link, int(step.args[1]))
        case "goodbye":
            return ev.GoodbyeReceived(link, Cause(step.args[1]))
        case "address":
            return ev.LocalAddressVanished(link)
        case "away" | "active":
            return ev.PresenceSeen(step.what == "away")
        case "wake" | "woke":
            return ev.Woke(int(first))
        case _:
            plain = _PLAIN.get(step.what)
            return plain() if plain else None


_PLAIN = {
    "click": ev.ReconnectClicked,
    "pause": ev.PauseClicked,
    "resume": ev.ResumeClicked,
    "token": ev.TokenChanged,
    "route": ev.RouteAppeared,
    "sleep": ev.SleepAnnounced,
}


class Recorder:
    """Writes down what happens in ``world``; shown each event before the core is (:meth:`take`).

    What answers the core's own doing is no step: how an attempt goes stands in its ``attempt`` line. What comes from
    links that are gone is left out, since nothing it says matters; ticks that are late by less than 2 s, too.
    """

    def __init__(self, world: World, policy: Policy | None = None, *, spares: bool = True) -> None:
        self.script = Script(transport="rtm" if spares else "socket", policy=policy or Policy())
        self._world = world
        self._at = world.now
        self._greeted: set[int] = set()

    def add(self, what: str, *args: object) -> None:
        """This happens now."""
        self._let_pass()
        self._write(self._world.now, what, *args)

    def freeze(self, duration: int) -> None:
        """Everything is about to stand still for ``duration`` ms."""
        self.add("freeze", duration)
        self._at += duration

    def take(self, event: ev.Event) -> None:
        """The core is about to see ``event``."""
        if isinstance(event, ev.Woke):
            slept = 0 < event.slept_ms <= self._world.now - self._at
            if slept:
                self._write(self._world.now - event.slept_ms, "wake", event.slept_ms)
                self._at = self._world.now
            else:
                self.add("woke", event.slept_ms)
            return
        words = self._words_of(event)
        if words:
            self.add(*words)
        else:
            self._let_pass()

    def _words_of(self, event: ev.Event) -> tuple[object, ...]:
        if isinstance(event, ev.LinkEvent):
            return self._words_of_link(event)
        match event:
            case ev.Started(paused):
                return ("start", "paused") if paused else ("start",)
            case ev.PresenceSeen(away):
                return ("away" if away else "active",)
            case _:
                return next(((word,) for word, kind in _PLAIN.items() if isinstance(event, kind)), ())

    def _words_of_link(self, event: ev.LinkEvent) -> tuple[object, ...]:
        link = event.link
        peer = self._world.peers[link]
        if peer.dropped or link not in self._greeted:
            self._greeted |= {link} if isinstance(event, ev.HelloReceived) else set()
            return ()  # gone, or on its way as its plan says
        match event:
            case ev.HelloReceived():
                return ("hello", link)
            case ev.FrameReceived():
                return ("frame", link)
            case ev.PongReceived(_, ping):
                due = self._world.now - (peer.plan.pong or 0)
                return () if any(n == ping and at <= due for at, n in peer.pings) else ("pong", link, ping)
            case ev.GoodbyeReceived(_, cause):
                return ("goodbye", link, cause.value)
            case ev.LinkEnded(_, failure):
                return ("end", link, name_of(failure))
            case ev.LocalAddressVanished():
                return ("address", link)
        return ()

    def _let_pass(self) -> None:
        """Where what was due is this late, everything stood still."""
        due, now = self._world.core.deadline, self._world.now
        if due is not None and now - due > LATE_MS:
            since = max(self._at, due - _JUST_BEFORE_MS)
            if now - since > LATE_MS:
                self._write(since, "freeze", now - since)
                self._at = now

    def _write(self, at: int, what: str, *args: object) -> None:
        self.script.steps.append(Step(max(0, at - self._at), what, tuple(map(str, args))))
        self._at = max(at, self._at)


class PlayedWorld(World):
    """The virtual world, in which happens what a script says."""

    def __init__(self, script: Script, core: type[Core] = Core) -> None:
        super().__init__(spares=script.spares, policy=script.policy, core=core)
        self.core._random = script.rolls().__next__
        self.next_plans.extend(script.plans())
        self.witness = Witness(self, script.policy)
        self._script = script

    def play(self) -> "PlayedWorld":
        """Play it all, then the keeper's end. Raises AssertionError where the witness sees a promise broken."""
        for step in self._script.steps:
            self.run(step.after)
            self._happen(step)
        self.give(ev.QuitAsked())
        return self

    def _happen(self, step: Step) -> None:
        link = link_of(step, self.status.link)
        if names_link(step) and link not in self.undropped:
            return  # as in the real run, nothing happens to a link that is not there
        match step.what:
            case "silence" | "speech":
                self.peers[link].silent = step.what == "silence"
            case "end":
                self.end_link_number(link, failure_named(step.args[1]))
            case "freeze":
                self._stand_still(int(step.args[0]))
            case _:
                if step.what == "wake":
                    self._stand_still(int(step.args[0]))
                event = event_of(step, link)
                if event is not None:
                    self.give(event)

    def _stand_still(self, duration: int) -> None:
        self.now += duration
        self._delay_until(self.now)


def logged(notes: list[Note]) -> list[tuple[str, str | None]]:
    """Kind and cause of each event, as the session log has them."""
    found: list[tuple[str, str | None]] = []
    for note in notes:
        cause = note.facts.get("cause") or (note.failure.cause.value if note.failure else None)
        found.append((note.kind.value, None if cause is None else str(cause)))
    return found
