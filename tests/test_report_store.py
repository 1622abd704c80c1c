"""The figures of logs on disk: what is read of them, and that it is enough."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report_world import BEGINNINGS, SLOW_MACHINES_TOO, STEADY_LIVES, End, Move, World
from tests.sessionlog_kit import (
    HISTORIES,
    WALL,
    Beat,
    Died,
    HandClock,
    Moves,
    Teller,
    a_run,
    commit,
    logging_in,
    put,
    record,
    session,
    start,
)
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.report.figures import Figures, Tally, figures
from traymon.report.store import read, today
from traymon.sessionlog.store import Store
from traymon.sessionlog.view import LogUnreadableError, LogView

T = 1_000_000
TOKYO = ZoneInfo("Asia/Tokyo")
HOUR = 3_600_000
DAY = 24 * HOUR
MIDNIGHT = int(datetime(2016, 12, 19, 15, tzinfo=UTC).timestamp() * 1000)
"""Before 2016-12-20 in Tokyo, seven and a half hours before WALL."""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def test_no_log_is_an_empty_report(db: Path) -> None:
    assert read(db, now_ms=WALL, zone=TOKYO) == Figures(WALL, WALL, WALL, "Asia/Tokyo")
    assert today(LogView(db), "deploybot", WALL, TOKYO) == Tally()
    assert not db.exists()
    assert read(db).bots == ()  # now and here


def test_what_cannot_be_read_is_said(db: Path) -> None:
    db.write_bytes(b"no database" * 1000)
    with pytest.raises(LogUnreadableError):
        read(db)
    with pytest.raises(LogUnreadableError):
        today(LogView(db), "deploybot", WALL, TOKYO)


def a_log_of(db: Path, days: int, *, bot: str = "deploybot", an_hour: bool = False) -> int:
    """A session of half a day each day (or of half an hour each hour), and the rest offline; returns what is now."""
    with closing(Store(db, a_run())) as store:
        unit = HOUR if an_hour else DAY
        batches = [session(T + number * unit, unit // 2) for number in range(days * (DAY // unit))]
        put(store, *(entry for entries in batches for entry in entries), bot=bot)
        now = T + days * DAY
        store.beat(now, durable=True)
    return WALL + now - T


def test_the_last_ninety_days_are_read_and_what_was_under_way_at_their_beginning(db: Path) -> None:
    now = a_log_of(db, 100)
    report = read(db, now_ms=now, zone=TOKYO)
    (bot,) = report.bots
    assert report.truncated
    assert report.first_kept == report.since == MIDNIGHT + 11 * DAY
    assert len(bot.days) == 90
    assert bot.tally.whole_ms == 89 * DAY + (WALL - MIDNIGHT)
    first = bot.sessions[0]
    # At midnight the bot was offline, since half past seven in the evening.
    assert (first.started_at, first.lasted_ms, first.cut) == (WALL + 11 * DAY, DAY // 2, False)
    outage = bot.outages[0]
    assert (outage.started_at, outage.lasted_ms, outage.cut) == (WALL + 10 * DAY + DAY // 2, DAY // 2, False)
    assert (outage.cause, outage.close_code) == ("abrupt_close", None)
    assert bot.days[0].tally.outages == 1  # that one began the day before
    assert bot.tally.outages == len(bot.outages) == 90


def test_all_is_all(db: Path) -> None:
    now = a_log_of(db, 100)
    report = read(db, now_ms=now, zone=TOKYO, all=True)
    assert (report.truncated, report.first_kept, report.since) == (False, None, WALL)
    assert report.bots[0].tally.whole_ms == 100 * DAY
    assert len(report.bots[0].days) == 101
    assert report == figures(LogView(db).spans(), LogView(db).events(), now_ms=now, zone=TOKYO)


def test_of_a_bot_that_flaps_the_newest_spans_are_read(db: Path) -> None:
    now = a_log_of(db, 120, an_hour=True)
    report = read(db, now_ms=now, zone=TOKYO)
    # 90 days of this are 4,320 spans; another bot's as many again.
    assert report.first_kept == MIDNIGHT + 31 * DAY
    with closing(Store(db, a_run())) as store:
        put(
            store,
            *(entry for hour in range(120 * 24) for entry in session(T + 7 + hour * HOUR, HOUR // 2)),
            bot="b",
        )
        store.beat(T + 120 * DAY, durable=True)
    report = read(db, now_ms=now, zone=TOKYO)
    assert report.first_kept is not None
    assert report.first_kept > MIDNIGHT + 31 * DAY
    assert sum(len(bot.pieces) for bot in report.bots) == 5_000
    (alone,) = read(db, now_ms=now, zone=TOKYO, bot="b").bots
    assert (alone.bot, alone.days[0].label_at) == ("b", MIDNIGHT + 31 * DAY)


def test_one_bot_among_others(db: Path) -> None:
    with closing(Store(db, a_run())) as store:
        put(store, EnterState(State.ONLINE, T), start(T))
        put(store, EnterState(State.ONLINE, T), start(T), bot="helper")
        put(store, Note(NoteKind.CLOCK, T + 10, facts={"step_ms": DAY}), bot="")
        store.beat(T + 1_000, durable=True)
    now = WALL + DAY + 1_000
    both, one = read(db, now_ms=now, zone=TOKYO), read(db, now_ms=now, zone=TOKYO, bot="helper")
    assert [bot.bot for bot in both.bots] == ["deploybot", "helper"]
    assert one.bots == both.bots[1:]
    assert [day.tally.up_ms for day in one.bots[0].days] == [10, 990]
    assert read(db, now_ms=now, zone=TOKYO, bot="nobody").bots == ()


def test_a_bot_that_was_removed_while_traymon_runs_is_not_held_unknown(db: Path) -> None:
    with closing(Store(db, a_run())) as store:
        put(store, EnterState(State.ONLINE, T))
        put(store, EnterState(State.ONLINE, T), EnterState(State.UNKNOWN, T + 50), bot="helper")
        store.beat(T + 1_000, durable=True)
    for options in ({}, {"bot": "helper"}):
        helper = read(db, now_ms=WALL + 2_000, zone=TOKYO, **options).bots[-1]
        assert helper.tally == Tally(up_ms=50, sessions=1)
    helper = read(db, now_ms=WALL + DAY, zone=TOKYO, bot="helper").bots[-1]
    assert helper.tally == Tally(up_ms=50, unknown_ms=DAY - 50, sessions=1)
    assert read(db, now_ms=WALL + DAY, zone=TOKYO, bot="helper", running=True).bots[-1].tally.unknown_ms == 0


@settings(max_examples=60, suppress_health_check=SLOW_MACHINES_TOO)
@given(
    st.sampled_from(BEGINNINGS),
    STEADY_LIVES,
    st.none() | st.builds(End, st.booleans(), st.just(1), st.just(False)),
)
def test_today_is_the_last_day_of_the_whole_report(
    beginning: tuple[str, datetime], moves: list[Move], end: End | None
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder) / "sessions.sqlite3", beginning)
        world.live(moves)
        world.close(end=end)
        path, now = Path(folder) / "sessions.sqlite3", world.wall
        day = today(LogView(path), "deploybot", now, world.zone)
        (bot,) = read(path, now_ms=now, zone=world.zone, all=True).bots
    whole = {period.label_at <= now < period.ends_at: period.tally for period in bot.days}.get(True, Tally())
    silent = whole.whole_ms == whole.unknown_ms and day == Tally()  # traymon ended before midnight
    for name in ("up_ms", "down_ms", "unknown_ms", "paused_ms", "asleep_ms"):
        assert getattr(day, name) == getattr(whole, name) or silent, name


@pytest.mark.parametrize("step", [-5 * HOUR, 3 * HOUR])
def test_today_knows_of_a_clock_that_was_set(db: Path, step: int) -> None:
    with closing(Store(db, a_run())) as store:
        put(store, EnterState(State.ONLINE, T - DAY), start(T - DAY))
        put(store, Note(NoteKind.CLOCK, T + HOUR, facts={"step_ms": step}), bot="")
        store.beat(T + 2 * HOUR, durable=True)
    now = WALL + 2 * HOUR + step
    found = today(LogView(db), "deploybot", now, TOKYO)
    assert found == Tally(up_ms=WALL - MIDNIGHT + 2 * HOUR)
    assert found == read(db, now_ms=now, zone=TOKYO).bots[0].days[-1].tally


@settings(max_examples=25, suppress_health_check=SLOW_MACHINES_TOO)
@given(HISTORIES)
def test_what_a_session_log_recorded_adds_up(history: list[Moves | Beat | Died]) -> None:
    with TemporaryDirectory() as name:
        folder, clock = Path(name), HandClock()
        lived = live(folder, clock, history)
        view = LogView(folder / "sessions.sqlite3")
        report = read(folder / "sessions.sqlite3", now_ms=clock.wall(), zone=TOKYO, all=True, running=True)
        spans = view.spans()
    assert lived == (report.bots != ())
    for bot in report.bots:
        mine = [span for span in spans if span.bot == bot.bot]
        totals = {
            "up_ms": (State.ONLINE, State.AWAY),
            "down_ms": (State.CONNECTING, State.OFFLINE, State.REFUSED),
            "unknown_ms": (State.UNKNOWN,),
            "paused_ms": (State.PAUSED,),
            "asleep_ms": (State.ASLEEP,),
        }
        for column, states in totals.items():
            truth = sum(span.lasted_ms for span in mine if span.state in states)
            assert getattr(bot.tally, column) == truth
            for periods in (bot.days, bot.weeks, bot.months):
                assert sum(getattr(period.tally, column) for period in periods) == truth
        for period in bot.days:
            assert period.tally.whole_ms <= period.ends_at - period.label_at
            assert period.tally.up_ms == sum(
                max(0, min(end, period.ends_at) - max(span.started_at, period.label_at))
                for span in mine
                if span.state in (State.ONLINE, State.AWAY) and (end := span.started_at + span.lasted_ms)
            )
        ups = [span.lasted_ms for span in mine if span.state in (State.ONLINE, State.AWAY)]
        assert sum(session.lasted_ms for session in bot.sessions) == sum(ups)
        assert [session.number for session in bot.sessions] == [*range(1, len(bot.sessions) + 1)]
        assert all(session.estimated == (session.cause == Cause.TRAYMON_DIED) for session in bot.sessions)


def live(folder: Path, clock: HandClock, history: list[Moves | Beat | Died]) -> bool:
    """One run of the log after the other; whether anything was recorded."""
    teller, lived, left = Teller(), False, list(history)
    while left:
        with logging_in(folder, clock) as log:
            while left and not isinstance(left[0], Died):
                move = left.pop(0)
                clock.pass_by(move.after_ms)
                if isinstance(move, Moves):
                    record(log, *teller.entries(move, clock.now()), bot=move.bot)
                    lived = True
            commit(log, Note(NoteKind.SETTING, clock.now()), bot="")
        if left:
            died = left.pop(0)
            assert isinstance(died, Died)
            if left:  # else the last heartbeat is to be now
                clock.pass_by(died.off_ms)
            teller.forget()
    return lived
