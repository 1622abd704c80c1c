"""The text log without a store."""

from pathlib import Path

from tests.sessionlog_kit import WALL, a_run, batch, session, text
from traymon.keeper.core.effects import Note, NoteKind
from traymon.sessionlog.inbox import Work
from traymon.sessionlog.store import Batch
from traymon.sessionlog.textlog import TextLog
from traymon.sessionlog.unnumbered import UnnumberedLines, call

T = 1_000_000


def lines_of(log: TextLog) -> list[str]:
    return [line[27:] for line in text(log.path).splitlines()]


def test_notes_become_lines_without_a_number_and_then_count_as_written(tmp_path: Path) -> None:
    log, told, seen = TextLog(tmp_path / "s.log"), [], []
    unnumbered = UnnumberedLines(a_run().anchor, 99)
    unnumbered.add(Work([Batch("bot", "rtm", session(T, 5_000), lambda: told.append(text(log.path)))]))
    unnumbered.flush(log, seen.append)
    assert [line.split()[:2] for line in lines_of(log)] == [["start", "bot"], ["stop", "bot"]]
    assert all(line.endswith("  #-") for line in lines_of(log))
    assert told == [text(log.path)]
    assert [line[27:] for line in seen] == lines_of(log)


def test_a_step_of_the_clock_moves_what_comes_after_it(tmp_path: Path) -> None:
    log = TextLog(tmp_path / "s.log")
    unnumbered = UnnumberedLines(a_run(wall=WALL - WALL % 3_600_000).anchor, 99)
    unnumbered.add(Work([batch(Note(NoteKind.CLOCK, T + 5, facts={"step_ms": 600_000}), bot="")]))
    unnumbered.add(Work([batch(Note(NoteKind.PAUSE, T + 10_000))]))
    unnumbered.flush(log, None)
    assert [line[14:19] for line in text(log.path).splitlines()] == ["10:00", "10:10"]


def test_what_cannot_be_written_waits_and_comes_once(tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    blocked, log = TextLog(tmp_path / "in the way" / "s.log"), TextLog(tmp_path / "s.log")
    told: list[int] = []
    unnumbered = UnnumberedLines(a_run().anchor, 99)
    unnumbered.add(Work([Batch("bot", "rtm", [Note(NoteKind.PAUSE, T)], lambda: told.append(1))]))
    for _ in range(2):
        try:
            unnumbered.flush(blocked, None)
        except OSError:
            assert told == []
    assert unnumbered.left() == 1
    unnumbered.flush(log, None)
    unnumbered.flush(log, None)
    assert len(lines_of(log)) == 1
    assert told == [1]
    assert unnumbered.left() == 0


def test_the_oldest_lines_go_and_nobody_waits_for_them(tmp_path: Path) -> None:
    told: list[int] = []
    unnumbered = UnnumberedLines(a_run().anchor, 2)
    for number in range(3):
        note = Note(NoteKind.RESUME if number == 2 else NoteKind.PAUSE, T)
        unnumbered.add(Work([Batch("bot", "rtm", [note], lambda number=number: told.append(number))]))
    assert told == [0, 1]
    unnumbered.flush(TextLog(tmp_path / "s.log"), None)
    assert [line.split()[0] for line in lines_of(TextLog(tmp_path / "s.log"))] == ["resume"]
    assert told == [0, 1, 2]


def test_a_torn_tail_is_not_joined_to(tmp_path: Path) -> None:
    (tmp_path / "s.log").write_text("whole  #1\ntor")
    unnumbered = UnnumberedLines(a_run().anchor, 9)
    unnumbered.add(Work([batch(Note(NoteKind.PAUSE, T))]))
    unnumbered.flush(TextLog(tmp_path / "s.log"), None)
    assert text(tmp_path / "s.log").startswith("whole  #1\n2016-")


def test_a_callback_that_fails_is_logged(caplog) -> None:
    call(lambda: [][0])
    assert "IndexError" in caplog.text
