"""Ninety days of two bots, as the recorder would have written them: for pictures, measurements and browser tests.

What they went through is made up, and the same for the same seed. Until five weeks ago ``deploybot`` had the
trouble of 2016: links that were cut without a close frame after six to eight hours, and a router that started anew at
four in the night. Since then Slack's own goodbye after eight hours is the rule. There was a power failure, an hour of
forty drops, a Slack that was down, a network that wanted a sign-in; and last night a session of 15 h 40 min 02 s, as
in 2016. ``helper`` is a Socket Mode bot whose token was refused for a day and a half.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog.store import Batch, Run, Store
from traymon.sessionlog.timeline import Anchor

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NOW = 1_482_213_600_000
"""2016-12-20 06:00:00 UTC, which is 15:00 in Tokyo: the afternoon after the night of 2016."""
NIGHT_BEGAN = 1_482_130_148_000
NIGHT_ENDED = 1_482_186_550_000
"""2016-12-19 15:49:08 and 2016-12-20 07:29:10, Tokyo time: the session that all began with, 15 h 40 min 02 s."""

SEED = 2016
HOST = "wss-primary.slack.com"
_BAD_UNTIL = 35 * DAY
"""Before the end of the story: then the router was changed."""
PROBES = {f"probe_{check}": "ok" for check in ("route", "dns", "tcp", "tls")}


def failure(cause: Cause) -> tuple[Failure, Mapping[str, Fact]]:
    """A failure as it is found, and what the side probes said of it."""
    live = {"phase": Phase.LIVE, "reached_slack": True}
    match cause:
        case Cause.NO_ROUTE:
            return Failure(cause, Phase.LIVE, reached_slack=True), {"probe_route": "no_route"}
        case Cause.DNS:
            evidence = {"host": "slack.com", "error": "Temporary failure in name resolution"}
            return Failure(cause, Phase.DNS, evidence=evidence), {"probe_route": "ok", "probe_dns": "dns"}
        case Cause.KEEPALIVE_TIMEOUT:
            found = {"probe_route": "ok", "probe_dns": "ok", "probe_tcp": "connect_timeout"}
            return Failure(cause, **live, evidence={"host": HOST, "silent_ms": 14_200}), found
        case Cause.CLOSED_BY_SLACK:
            return Failure(
                cause, **live, detail="server going away", close_code=1001, evidence={"host": HOST}
            ), {}
        case Cause.SLACK_ERROR:
            evidence = {"host": "slack.com", "http_status": 503}
            return Failure(cause, Phase.API, reached_slack=True, evidence=evidence), PROBES
        case Cause.REFUSED_TOKEN:
            evidence = {"transport": "socket", "host": "slack.com"}
            return Failure(
                cause, Phase.API, detail="token_revoked", reached_slack=True, evidence=evidence
            ), {}
        case Cause.CAPTIVE_PORTAL:
            return Failure(cause, Phase.API, evidence={"host": "slack.com", "http_status": 302}), {}
        case _:
            error = "ECONNRESET" if cause is Cause.RESET else "EOF"
            return Failure(cause, **live, evidence={"host": HOST, "error": error}), PROBES


@dataclass
class Diary:
    """What one bot's recorder is told in one run. ``at``: how far it is told, in UTC ms."""

    bot: str
    transport: str
    at: int
    entries: list[EnterState | Note] = field(default_factory=list)
    link: int = 0
    linked_at: int = 0
    session_at: int | None = None
    down_at: int = 0

    def wake_up(self, takes_ms: int = 420) -> None:
        """Connecting, then online."""
        self.down_at = self.at
        self.entries.append(EnterState(State.CONNECTING, self.at))
        self.at += takes_ms
        self.come_online(attempts=1)

    def come_online(self, attempts: int) -> None:
        """Slack's hello."""
        self.link += 1
        self.linked_at = self.session_at = self.at
        facts = {
            "down_ms": self.at - self.down_at,
            "attempts": attempts,
            "link": self.link,
            "same_link": False,
        }
        self.entries.append(EnterState(State.ONLINE, self.at, attempts=attempts))
        self.entries.append(Note(NoteKind.START, self.at, facts=facts))

    def hand_over(self, at: int, cause: Cause) -> None:
        """The next link takes over."""
        self.at, lived = at, at - self.linked_at
        self.link += 1
        facts = {"reason": cause.value, "link": self.link, "lived_ms": lived}
        self.entries.append(Note(NoteKind.HANDOVER, at, facts=facts))
        self._end_link(self.link - 1, lived, cause)
        self.linked_at = at

    def _end_link(self, link: int, lived: int, cause: Cause) -> None:
        facts = {"link": link, "lived_ms": lived, "cause": cause.value}
        self.entries.append(Note(NoteKind.LINK_END, self.at, facts=facts))

    def stop(self, at: int, cause: Cause, what: Failure | None, state: State) -> None:
        """The session ends and ``state`` begins."""
        assert self.session_at is not None
        self.at = self.down_at = at
        self._end_link(self.link, at - self.linked_at, cause)
        facts = {"cause": cause.value, "up_ms": at - self.session_at}
        self.entries.append(Note(NoteKind.STOP, at, what, facts))
        self.entries.append(EnterState(state, at, cause, what))
        self.session_at = None

    def drop(self, at: int, cause: Cause, outage_ms: int, later: Cause | None = None) -> None:
        """The session is lost for ``outage_ms``; ``later``: what an attempt in between failed with."""
        what, found = failure(cause)
        self.stop(at, cause, what, State.OFFLINE)
        if found:
            self.entries.append(Note(NoteKind.WHY, at + 180, facts=found))
        if later is not None:
            another, _ = failure(later)
            self.entries.append(Note(NoteKind.FAIL, at + min(outage_ms // 2, 4 * SECOND), another))
        self.at = at + outage_ms
        self.come_online(attempts=max(1, min(outage_ms // (9 * SECOND), 120)))

    def away(self, at: int, lasts_ms: int) -> None:
        """Slack shows the bot as away for a while."""
        self.entries += [EnterState(State.AWAY, at), Note(NoteKind.AWAY, at)]
        self.at = at + lasts_ms
        self.entries += [EnterState(State.ONLINE, self.at), Note(NoteKind.ACTIVE, self.at)]

    def rest(self, at: int, lasts_ms: int, state: State) -> None:
        """Paused by its user, or asleep with the machine."""
        cause = Cause.SLEPT if state is State.ASLEEP else Cause.USER
        begins, ends = (
            (NoteKind.SLEEP, NoteKind.WAKE) if state is State.ASLEEP else (NoteKind.PAUSE, NoteKind.RESUME)
        )
        self.stop(at, cause, None, state)
        self.entries.append(Note(begins, at))
        self.at = at + lasts_ms
        self.entries.append(Note(ends, self.at))
        self.wake_up()

    def refuse(self, at: int, lasts_ms: int) -> None:
        """The token is refused until a person has given a new one."""
        what, _ = failure(Cause.REFUSED_TOKEN)
        self.stop(at, Cause.REFUSED_TOKEN, what, State.REFUSED)
        self.entries.append(Note(NoteKind.REFUSED, at, what))
        self.at = at + lasts_ms
        self.wake_up()

    def quit(self, at: int) -> None:
        """traymon ends."""
        self.stop(at, Cause.QUIT, None, State.UNKNOWN)


def write(db: Path, *, now: int = NOW, days: int = 90, seed: int = SEED) -> None:
    """Write the history into ``db``; at ``now`` (UTC ms) traymon still runs. The last night is that of 2016.

    Raises what :class:`~traymon.sessionlog.store.Store` does.
    """
    begin = now - days * DAY + 7 * HOUR
    for number, (start, end, dies) in enumerate(_runs(random.Random(seed), begin, now)):
        sleeps = _sleeps(random.Random(f"{seed} {number} sleep"), start, end)
        store = Store(db, Run(f"run-{number}", Anchor(start, start), "boot"))
        try:
            diaries = [
                _told(Diary("deploybot", "rtm", start), f"{seed} {number} d", end, sleeps, now),
                _told(Diary("helper", "socket", start), f"{seed} {number} h", end, sleeps, now),
            ]
            if end < now and not dies:
                for diary in diaries:
                    diary.quit(end)
            told = [Batch(each.bot, each.transport, each.entries, None, 0) for each in diaries]
            store.write(told, now=end)
            if end == now or dies:
                store.beat(end, durable=True)
        finally:
            store.close()


def _runs(rng: random.Random, begin: int, now: int) -> list[tuple[int, int, bool]]:
    """When traymon ran: from, until, and whether that end was without a word."""
    ends = [(75, False, 4 * MINUTE), (50, True, 3 * HOUR), (31, False, 62 * HOUR), (12, False, 2 * MINUTE)]
    runs, start = [], begin
    for days_ago, dies, gap in ends:
        end = now - days_ago * DAY + rng.randrange(6 * HOUR)
        if end > start:
            runs.append((start, end, dies))
            start = end + gap
    return [*runs, (start, now, False)]


def _sleeps(rng: random.Random, start: int, end: int) -> list[tuple[int, int]]:
    """When the machine slept, and how long: some nights, never in the last one."""
    nights = range(_midnight(start), min(end, NIGHT_BEGAN) - DAY, DAY)
    return [
        (night + rng.randrange(40 * MINUTE), rng.randrange(6 * HOUR, 8 * HOUR))
        for night in nights
        if rng.random() < 0.12
    ]


def _midnight(at: int) -> int:
    """The midnight before ``at`` in Tokyo (UTC+9)."""
    return at - (at + 9 * HOUR) % DAY


def _told(diary: Diary, seed: str, end: int, sleeps: list[tuple[int, int]], now: int) -> Diary:
    """The diary of one run: what was planned, and between, links that end at their age."""
    rng = random.Random(seed)
    plan, link_end = (_plan, _next_cut) if diary.bot == "deploybot" else (_helpers_plan, _next_refresh)
    due = [*plan(rng, diary.at, end, now), *((at, "sleep", lasts) for at, lasts in sleeps)]
    quiet = range(NIGHT_BEGAN - 5 * HOUR, NIGHT_ENDED)
    due = sorted(
        (at, kind, lasts)
        for at, kind, lasts in due
        if diary.at + HOUR < at < end - HOUR and (at not in quiet or kind == "night")
    )
    diary.wake_up()
    for at, kind, lasts in [*due, (end - MINUTE, "end", 0)]:
        while (ends := link_end(rng, diary, now))[0] < at - MINUTE:
            if diary.bot == "helper" or ends[0] not in quiet:
                _happens(diary, rng, *ends, 0)
            else:
                break
        if kind != "end" and at > diary.at + 2 * SECOND:
            _happens(diary, rng, at, kind, lasts)
    return diary


def _happens(diary: Diary, rng: random.Random, at: int, kind: str, lasts: int) -> None:
    match kind:
        case "cut":
            later = Cause.DNS if rng.random() < 0.1 else None
            outage = rng.randrange(14_000, 55_000) if later else rng.randrange(700, 2_600)
            diary.drop(at, Cause.ABRUPT_CLOSE, outage, later)
        case "night":
            diary.drop(at, Cause.ABRUPT_CLOSE, lasts)
        case "hung up":
            diary.drop(at, Cause.ABRUPT_CLOSE, rng.randrange(800, 4_000))
        case "goodbye" | "refresh":
            diary.hand_over(at, Cause(kind))
        case "refused":
            diary.refuse(at, lasts)
        case "router":
            diary.drop(at, Cause.NO_ROUTE, rng.randrange(45_000, 110_000), Cause.DNS)
        case "silent":
            diary.drop(at, Cause.KEEPALIVE_TIMEOUT, rng.randrange(9_000, 70_000))
        case "restart":
            diary.drop(at, Cause.CLOSED_BY_SLACK, rng.randrange(1_500, 9_000))
        case "slack down":
            diary.drop(at, Cause.CLOSED_BY_SLACK, 47 * MINUTE, Cause.SLACK_ERROR)
        case "portal":
            diary.drop(at, Cause.NO_ROUTE, 12 * MINUTE, Cause.CAPTIVE_PORTAL)
        case "flap":
            diary.drop(at, Cause.RESET, rng.randrange(4_000, 30_000))
        case "away":
            diary.away(at, rng.randrange(10 * MINUTE, 3 * HOUR))
        case "sleep":
            diary.rest(at, lasts, State.ASLEEP)
        case "pause":
            diary.rest(at, rng.randrange(20 * MINUTE, 70 * MINUTE), State.PAUSED)


_Planned = list[tuple[int, str, int]]


def _plan(rng: random.Random, start: int, end: int, now: int) -> _Planned:
    """What happens to deploybot when. Hours of the day are Tokyo's."""
    plan: _Planned = [
        (now - 21 * DAY - 4 * HOUR, "slack down", 0),
        (now - 3 * DAY - 2 * HOUR, "portal", 0),
        (NIGHT_BEGAN - 1_200, "night", 1_200),
        (NIGHT_ENDED, "night", 1_140),
        *((now - 9 * DAY - HOUR + number * 88 * SECOND, "flap", 0) for number in range(40)),
    ]
    for midnight in range(_midnight(start), end, DAY):
        plan += _day(rng, midnight, bad=midnight < now - _BAD_UNTIL)
    return plan


def _day(rng: random.Random, midnight: int, *, bad: bool) -> _Planned:
    chances = {
        "router": (0.35 if bad else 0.0, 4 * HOUR, 9 * MINUTE),
        "silent": (0.12, 9 * HOUR, 10 * HOUR),
        "restart": (0.08, 0, DAY),
        "away": (0.05, 12 * HOUR, 4 * HOUR),
        "pause": (0.05, 12 * HOUR, HOUR),
    }
    return [
        (midnight + begins + rng.randrange(within), kind, 0)
        for kind, (chance, begins, within) in chances.items()
        if rng.random() < chance
    ]


def _helpers_plan(rng: random.Random, start: int, end: int, now: int) -> _Planned:
    """What happens to helper when: a token refused over a weekend, and little else."""
    plan: _Planned = [(now - 24 * DAY + 3 * HOUR, "refused", 38 * HOUR)]
    for midnight in range(_midnight(start), end, DAY):
        for kind, chance in (("hung up", 0.15), ("silent", 0.08)):
            if rng.random() < chance:
                plan.append((midnight + rng.randrange(DAY), kind, 0))
    return plan


def _next_cut(rng: random.Random, diary: Diary, now: int) -> tuple[int, str]:
    """When deploybot's link ends by itself."""
    if diary.at >= now - _BAD_UNTIL:
        return diary.linked_at + 8 * HOUR - rng.randrange(4 * MINUTE), "goodbye"
    usual = rng.random() < 0.85
    lives = int(rng.gauss(7 * HOUR, 35 * MINUTE)) if usual else rng.randrange(15 * HOUR)
    return max(diary.at, diary.linked_at + lives) + 2 * MINUTE, "cut"


def _next_refresh(rng: random.Random, diary: Diary, _now: int) -> tuple[int, str]:
    """When Slack asks helper for a new link."""
    return max(diary.at, diary.linked_at + rng.randrange(2 * HOUR, 9 * HOUR)) + MINUTE, "refresh"
