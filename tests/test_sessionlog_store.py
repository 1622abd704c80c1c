"""The synchronous layer: spans that tile, starts that have a stop, and what a died run left."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings

from tests.sessionlog_kit import (
    ABRUPT,
    HISTORIES,
    REFUSED,
    WALL,
    Beat,
    Died,
    HandClock,
    Teller,
    a_run,
    assert_pairs,
    assert_tiles,
    batch,
    put,
    rows,
    session,
    spans,
    start,
    stop,
)
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.sessionlog.store import STEP_MS, Batch, Loss, Run, Store
from traymon.sessionlog.timeline import Anchor

T = 1_000_000  # the anchor of a_run() on the clock that counts sleep: T + 5 is shown at WALL + 5


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def test_a_state_lasts_from_its_own_instant_to_the_next_ones(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.CONNECTING, T + 5))
    put(store, EnterState(State.ONLINE, T + 305, attempts=1), start(T + 305))
    put(store, stop(T + 9000, 8695), EnterState(State.OFFLINE, T + 9000, Cause.ABRUPT_CLOSE, ABRUPT))
    put(store, EnterState(State.UNKNOWN, T + 9500, Cause.QUIT, attempts=2))
    store.close()
    assert spans(db, "state, started_at, lasted_ms, cause, attempts, transport") == [
        ("connecting", WALL + 5, 300, None, 1, "rtm"),
        ("online", WALL + 305, 8695, "abrupt_close", 0, "rtm"),
        ("offline", WALL + 9000, 500, "quit", 2, "rtm"),
    ]
    assert spans(db, "evidence")[1] == ('{"phase":"live","error":"EOF"}',)
    assert_tiles(db)


def test_a_stop_dated_back_takes_the_heartbeat_back_with_it(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    store.beat(T + 20_000, durable=True)
    assert spans(db, "lasted_ms, seen_at, ended_at") == [(20_000, WALL + 20_000, None)]
    put(store, stop(T + 12_000, 12_000), EnterState(State.OFFLINE, T + 12_000))
    store.close()
    assert spans(db, "lasted_ms, seen_at, ended_at")[0] == (12_000, WALL + 12_000, WALL + 12_000)
    assert_tiles(db)


def test_nothing_is_dated_before_the_open_span(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T + 100))
    put(store, EnterState(State.OFFLINE, T + 50))
    store.beat(T + 20, durable=False)
    store.close()
    assert spans(db) == [("online", WALL + 100, 0), ("offline", WALL + 100, 0)]
    assert_tiles(db)


def test_bots_have_lines_of_their_own(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), bot="a")
    put(store, EnterState(State.PAUSED, T + 10), bot="b")
    put(store, EnterState(State.OFFLINE, T + 30), bot="a")
    store.beat(T + 40, durable=True)
    store.close()
    assert spans(db, bot="a") == [("online", WALL, 30), ("offline", WALL + 30, 10)]
    assert spans(db, bot="b") == [("paused", WALL + 10, 30)]


def test_a_bot_that_ends_and_begins_in_one_run_was_unknown_between(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T))
    put(store, EnterState(State.UNKNOWN, T + 10, Cause.QUIT))
    put(store, EnterState(State.CONNECTING, T + 25))
    store.close()
    assert spans(db) == [("online", WALL, 10), ("unknown", WALL + 10, 15), ("connecting", WALL + 25, 0)]
    assert_tiles(db)


def died(db: Path, *, seen: int, run: Run | None = None) -> None:
    """A run that was up since T, last seen at ``seen``, and gone without a word."""
    store = Store(db, run or a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    store.beat(seen, durable=True)
    store.close()


def test_a_died_run_ends_at_its_last_heartbeat_and_says_that_this_is_an_estimate(db: Path) -> None:
    died(db, seen=T + 20_000)
    store = Store(db, a_run("second", WALL + 60_000, T + 60_000))
    assert [event.facts for event in store.repaired] == [
        {"up_ms": 20_000, "cause": "traymon_died", "estimated": True}
    ]
    assert store.repaired[0].at == WALL + 20_000
    put(store, EnterState(State.CONNECTING, T + 60_007))
    store.close()
    assert spans(db, "state, started_at, lasted_ms, cause, run") == [
        ("online", WALL, 20_000, "traymon_died", 1),
        ("unknown", WALL + 20_000, 40_007, None, 2),
        ("connecting", WALL + 60_007, 0, None, 2),
    ]
    assert_pairs(db)
    assert_tiles(db)


def test_an_event_after_the_last_heartbeat_is_a_sign_of_life(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    store.beat(T + 2_000, durable=True)
    put(store, Note(NoteKind.HANDOVER, T + 3_000))
    store.close()
    second = Store(db, a_run("second", WALL + 60_000, T + 60_000))
    second.close()
    assert [event.at for event in second.repaired] == [WALL + 3_000]
    assert_tiles(db)


def test_a_run_that_died_offline_has_no_session_to_stop(db: Path) -> None:
    store = Store(db, a_run())
    put(store, *session(T, 500))
    store.close()
    second = Store(db, a_run("second", WALL + 60_000, T + 60_000))
    assert second.repaired == []
    second.close()
    assert spans(db, "state, cause") == [("online", "abrupt_close"), ("offline", "traymon_died")]


def test_a_run_that_quit_leaves_nothing_to_repair(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    put(store, stop(T + 9, 9, Cause.QUIT, None), EnterState(State.UNKNOWN, T + 9, Cause.QUIT))
    store.close()
    second = Store(db, a_run("second", WALL + 60_000, T + 60_000))
    second.close()
    assert second.repaired == []
    assert spans(db, "cause, ended_at") == [("quit", WALL + 9)]


def test_a_bot_that_is_configured_no_more_gets_no_span(db: Path) -> None:
    died(db, seen=T + 10)
    store = Store(db, a_run("second", WALL + 60_000, T + 60_000))
    put(store, EnterState(State.CONNECTING, T + 60_000), bot="another")
    store.close()
    assert [state for state, *_ in spans(db)] == ["online"]


# The wall clock between two runs


def begin_again(db: Path, run: Run, at: int) -> list[tuple[object, ...]]:
    died(db, seen=T + 1_000)
    store = Store(db, run)
    put(store, EnterState(State.CONNECTING, at))
    store.close()
    return spans(db, "state, started_at, lasted_ms, run")[1:]


def test_a_clock_set_back_by_an_instant_between_runs_makes_no_overlap(db: Path) -> None:
    after = begin_again(db, a_run("second", WALL + 1_000 - STEP_MS, T + 1_010), T + 1_010)
    assert after == [("connecting", WALL + 1_000, 0, 2)]


def test_after_a_reboot_the_wall_clock_tells_the_gap(db: Path) -> None:
    after = begin_again(db, a_run("second", WALL + 61_000, 5_000, boot_id="another boot"), 5_000)
    assert after == [("unknown", WALL + 1_000, 60_000, 2), ("connecting", WALL + 61_000, 0, 2)]


def test_in_one_boot_a_clock_set_forward_between_runs_makes_no_longer_gap(db: Path) -> None:
    after = begin_again(db, a_run("second", WALL + 3_600_000, T + 61_000), T + 61_000)
    assert after == [("unknown", WALL + 1_000, 60_000, 1), ("connecting", WALL + 3_600_000, 0, 2)]
    assert_tiles(db)


def test_in_one_boot_a_clock_set_back_between_runs_makes_no_shorter_gap(db: Path) -> None:
    after = begin_again(db, a_run("second", WALL - 3_600_000, T + 61_000), T + 61_000)
    assert after == [("unknown", WALL + 1_000, 60_000, 1), ("connecting", WALL - 3_600_000, 0, 2)]


def test_after_a_reboot_with_a_clock_set_back_nothing_is_made_up(db: Path) -> None:
    after = begin_again(db, a_run("second", WALL - 3_600_000, 5_000, boot_id="another boot"), 5_000)
    assert after == [("connecting", WALL - 3_600_000, 0, 2)]


def test_a_step_in_a_run_counts_for_the_gap_after_it(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    put(store, Note(NoteKind.CLOCK, T + 100, facts={"step_ms": 3_600_000}), bot="")
    put(store, stop(T + 500, 500), EnterState(State.UNKNOWN, T + 500, Cause.QUIT))
    store.close()
    second = Store(db, a_run("second", WALL + 3_601_500, 5_000, boot_id="another boot"))
    put(second, EnterState(State.CONNECTING, 5_000))
    second.close()
    assert spans(db)[1] == ("unknown", WALL + 3_600_500, 1_000)
    assert_tiles(db)


def test_events_after_a_step_are_shown_later(db: Path) -> None:
    store = Store(db, a_run())
    put(store, Note(NoteKind.PAUSE, T + 99))
    put(store, Note(NoteKind.CLOCK, T + 100, facts={"step_ms": -7_000}), bot="")
    put(store, Note(NoteKind.RESUME, T + 101))
    assert [event.at - WALL for event in store.events_after(0, 9)] == [99, 100 - 7_000, 101 - 7_000]
    assert [at - WALL for (at,) in rows(db, "SELECT at FROM events")] == [99, 100, 101]
    store.close()


# Faults


def test_a_reopened_file_goes_on_with_the_same_run(db: Path) -> None:
    died(db, seen=T + 10)
    store = Store(db, a_run())
    put(store, EnterState(State.OFFLINE, T + 30))
    store.close()
    assert spans(db) == [("online", WALL, 30), ("offline", WALL + 30, 0)]
    assert rows(db, "SELECT count(*) FROM runs") == [(1,)]
    assert store.repaired == []


def test_a_batch_that_reached_the_disk_in_spite_of_an_error_is_not_written_twice(db: Path) -> None:
    first, second = batch(*session(T, 5), number=1), batch(*session(T + 10, 5), number=2)
    store = Store(db, a_run())
    store.write([first], now=T)
    store.close()
    again = Store(db, a_run())
    again.write([first, second], now=T)
    again.write([second], now=T)
    again.close()
    assert rows(db, "SELECT kind FROM events") == [("start",), ("stop",)] * 2
    assert_tiles(db)


def test_a_row_that_sqlite_never_takes_is_given_up_and_keeps_out_no_other(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    too_large = EnterState(State.OFFLINE, T + 50, attempts=2**63)
    store.write([batch(too_large), batch(EnterState(State.REFUSED, T + 90), bot="deploybot")], now=T)
    store.close()
    assert spans(db) == [("online", WALL, 50), ("unknown", WALL + 50, 40), ("refused", WALL + 90, 0)]
    assert rows(db, "SELECT kind, detail FROM events")[1] == ("warning", '{"facts":{"lost_entries":1}}')
    assert_tiles(db)


def lost(*batches: Batch) -> dict[str, Loss]:
    loss = Loss("rtm")
    for each in batches:
        loss.add(each)
    return {"deploybot": loss}


def test_of_lost_entries_the_stop_is_kept_and_the_time_is_unknown(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    away = batch(EnterState(State.AWAY, T + 50), Note(NoteKind.AWAY, T + 50))
    ended = batch(stop(T + 70, 70), EnterState(State.OFFLINE, T + 70))
    missed = batch(*session(T + 80, 10))
    kept = batch(EnterState(State.CONNECTING, T + 200))
    added = store.write([kept], lost(away, ended, missed), now=T + 300)
    store.close()
    assert [(event.kind, event.at - WALL) for event in added] == [("stop", 70), ("warning", 50)]
    assert added[1].facts == {"lost_entries": 8}
    assert spans(db) == [("online", WALL, 50), ("unknown", WALL + 50, 150), ("connecting", WALL + 200, 0)]
    assert_pairs(db)
    assert_tiles(db)


def test_a_session_whose_stop_is_not_lost_gets_none_made_up(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T), start(T))
    flips = batch(EnterState(State.AWAY, T + 50), EnterState(State.ONLINE, T + 60))
    store.write([batch(stop(T + 90, 90), EnterState(State.OFFLINE, T + 90))], lost(flips), now=T + 95)
    store.close()
    assert rows(db, "SELECT kind, at FROM events WHERE kind = 'stop'") == [("stop", WALL + 90)]
    assert_pairs(db)


def test_where_only_notes_are_lost_the_states_stay_known(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.ONLINE, T))
    store.write([], lost(batch(Note(NoteKind.HANDOVER, T + 5))), now=T + 9)
    store.close()
    assert spans(db, "state, ended_at") == [("online", None)]
    assert rows(db, "SELECT kind, at FROM events") == [("warning", WALL + 9)]


def test_losses_follow_one_another(db: Path) -> None:
    (first,) = lost(batch(Note(NoteKind.AWAY, T))).values()
    (later,) = lost(batch(stop(T + 70, 70), EnterState(State.OFFLINE, T + 70))).values()
    (last,) = lost(batch(*session(T + 90, 5))).values()
    first.absorb(later)
    first.absorb(last)
    assert (first.entries, first.since, first.stop) == (7, T + 70, stop(T + 70, 70))


def test_a_new_file_in_the_middle_of_a_run_knows_the_present_state(db: Path) -> None:
    store = Store(db, a_run())
    store.resume("deploybot", "rtm", EnterState(State.ONLINE, T + 5))
    store.resume("deploybot", "rtm", EnterState(State.ONLINE, T + 5))
    put(store, EnterState(State.OFFLINE, T + 25))
    store.close()
    assert spans(db) == [("online", WALL + 5, 20), ("offline", WALL + 25, 0)]


def test_events_are_numbered_above_the_text_logs_last_line(db: Path) -> None:
    store = Store(db, a_run(), number_above=41)
    put(store, Note(NoteKind.PAUSE, T))
    store.number_above(7)
    put(store, Note(NoteKind.RESUME, T))
    store.number_above(99)
    put(store, Note(NoteKind.PAUSE, T))
    assert [event.id for event in store.events_after(0, 9)] == [42, 43, 100]
    assert [event.id for event in store.events_after(42, 1)] == [43]
    store.close()
    reopened = Store(db, a_run("second"), number_above=50)
    put(reopened, Note(NoteKind.RESUME, T))
    reopened.close()
    assert rows(db, "SELECT max(id) FROM events") == [(101,)]


def test_choices_are_kept_and_each_change_is_an_event_without_its_value(db: Path) -> None:
    store = Store(db, a_run())
    for value in ("1", "1", "0"):
        store.write([], settings={"paused.deploybot": value}, now=T)
    assert store.settings() == {"paused.deploybot": "0"}
    store.close()
    assert (
        rows(db, "SELECT kind, bot, detail FROM events")
        == [("setting", "", '{"facts":{"name":"paused.deploybot"}}')] * 2
    )


def test_evidence_keeps_the_failures_own_words(db: Path) -> None:
    store = Store(db, a_run())
    put(store, EnterState(State.CONNECTING, T))
    put(store, EnterState(State.OFFLINE, T + 9, Cause.CONNECT_REFUSED, REFUSED, attempts=1))
    store.close()
    assert spans(db, "cause, detail, close_code, evidence, attempts")[0] == (
        "connect_refused",
        "",
        None,
        '{"phase":"tcp","host":"slack.com"}',
        1,
    )


# Any history


@settings(max_examples=60)
@given(HISTORIES)
@example([Died(0, False), Died(0, True)])
def test_whatever_happens_spans_tile_and_starts_have_stops(history: Sequence[object]) -> None:
    with TemporaryDirectory() as folder:
        db = Path(folder) / "s.db"
        clock, teller, runs, boots = HandClock(), Teller(), 1, 1
        store = Store(db, a_run(boot_id="boot 1"))
        began = {}
        for move in history:
            if isinstance(move, Died):
                store.close()
                teller.forget()
                clock.pass_by(move.off_ms)
                if move.reboot:
                    clock.reboot(move.off_ms)
                    boots += 1
                runs += 1
                store = Store(db, Run(str(runs), Anchor(clock.wall(), clock.now()), f"boot {boots}"))
                continue
            clock.pass_by(move.after_ms)
            if isinstance(move, Beat):
                store.beat(clock.now(), durable=True)
                continue
            put(store, *teller.entries(move, clock.now()), bot=move.bot, now=clock.now())
            began.setdefault(move.bot, clock.wall())
            assert_tiles(db)
        store.close()
        Store(db, a_run("last", clock.wall(), clock.now(), f"boot {boots}")).close()
        assert_tiles(db)
        assert_pairs(db)
        assert rows(db, "SELECT count(*) FROM spans WHERE ended_at IS NULL") == [(0,)]
        for bot, at in began.items():
            # No clock was set, so the tiles reach over all runs: from the first instant to the last sign of life.
            line = spans(db, "started_at, lasted_ms", bot)
            assert line[0][0] == at
            assert sum(lasted for _, lasted in line) == line[-1][0] + line[-1][1] - at
