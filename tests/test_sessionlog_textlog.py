"""The text log: what a line says, and a file that loses and doubles nothing."""

import os
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sessionlog_kit import WALL, text
from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import SILENT_KINDS, NoteKind
from traymon.sessionlog.rows import Event
from traymon.sessionlog.textlog import TextLog, line


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def said(kind: str, cause: str | None = None, **facts: str | int | bool) -> str:
    whole = line(Event(7, WALL, "deploybot", kind, facts, cause))
    assert whole is not None
    found = re.fullmatch(r"\S+ \S+  (\S+) +deploybot  (.*)  #7", whole)
    assert found
    assert found[1] == kind
    return found[2]


# What a line says


@pytest.mark.usefixtures("tokyo")
def test_the_line_of_2016() -> None:
    event = Event(
        1234,
        WALL,
        "deploybot",
        "stop",
        {"up_ms": 56_402_000, "cause": "abrupt_close"},
        "abrupt_close",
        "live",
        1006,
    )
    assert line(event) == (
        "2016-12-20 07:29:10+09:00  stop   deploybot  after 15h 40m 02s  1006 abrupt_close: "
        f"{words.cause('abrupt_close', close_code=1006).rstrip('.')}  #1234"
    )


def test_an_end_without_a_close_frame_is_a_1006_though_nobody_sent_one() -> None:
    assert said("stop", "abrupt_close", up_ms=1000).startswith("after 1s  1006 abrupt_close: ")
    assert said("stop", "reset", up_ms=1000).startswith("after 1s  reset: ")


def test_a_start_says_how_long_the_bot_was_down() -> None:
    assert said("start") == "online"
    assert said("start", down_ms=42_000, attempts=1) == "online after 42s"
    assert said("start", down_ms=42_000, attempts=3) == "online after 42s, 3 attempts"
    assert said("start", down_ms=42_000, same_link=True) == "online after 42s, same link"


def test_an_estimate_says_that_it_is_one() -> None:
    assert said("stop", "traymon_died", up_ms=90_000, estimated=True).startswith(
        "after about 1m 30s  traymon_died: "
    )


def test_a_handover_says_why_and_that_there_was_no_gap() -> None:
    assert said("handover", reason="goodbye", lived_ms=28_800_000) == (
        "after 8h 00m 00s  goodbye: the next link took over without a gap"
    )


def test_clocks() -> None:
    assert said("clock", step_ms=3_600_000) == "the clock was set forward by 1h 00m 00s"
    assert said("clock", step_ms=-6_000) == "the clock was set back by 6s"
    assert said("clock", frozen_ms=12_000) == "traymon stood still for 12s"


@pytest.mark.parametrize(
    "kind", sorted(set(NoteKind) - SILENT_KINDS - {"fail", "cause", "refused", "warning", "program"})
)
def test_every_kind_says_something_of_itself(kind: str) -> None:
    assert len(said(kind, "quit" if kind == "stop" else None, up_ms=5, step_ms=6, reason="user")) > 5


@pytest.mark.parametrize("kind", ["fail", "cause", "refused", "warning"])
def test_a_failure_says_its_cause_and_what_that_means(kind: str) -> None:
    assert re.match(r"connect_refused: .{30,}", said(kind, "connect_refused"))


def test_other_facts_stand_for_themselves() -> None:
    assert said("program", attached=2, name="hubot\x1b[2J") == "attached=2, name=hubot\\x1b[2J"
    assert said("warning", lost_entries=12) == "12 entries were lost while the log could not be written"


def test_a_warning_of_strange_links_says_what_they_may_be() -> None:
    assert said("warning", connections=3) == words.strange_links(3)
    assert "counts 3 links" in words.strange_links(3)


def test_presence_that_may_not_be_asked_for_is_no_refusal() -> None:
    assert said("warning", "refused_token", about="presence") == words.no_presence(None)
    event = Event(
        7, WALL, "bot", "warning", {"about": "presence"}, "refused_token", evidence={"needed": "users:\x1b"}
    )
    assert "lacks the scope users:\\x1b; the link is not affected" in str(line(event))
    assert "lacks the scope users:read" in words.no_presence(None)


@pytest.mark.parametrize("kind", sorted(SILENT_KINDS))
def test_silent_kinds_have_no_line(kind: str) -> None:
    assert line(Event(1, WALL, "bot", kind)) is None


def test_what_concerns_all_bots_names_none_and_what_has_no_number_says_so() -> None:
    assert line(Event(None, WALL, "", "clock", {"step_ms": 1})).endswith("  #-")  # type: ignore[union-attr]
    assert "  clock  -  the clock" in line(Event(1, WALL, "", "clock", {"step_ms": 1}))  # type: ignore[operator]


TEXTS = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)
FACTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.booleans() | st.none(), max_size=4)
EVENTS = st.builds(
    Event,
    id=st.integers(1, 10**15),
    at=st.integers(-(10**18), 10**18) | st.integers(0, 2 * 10**12),
    bot=TEXTS,
    kind=st.sampled_from([*NoteKind, "later\x07"]),
    facts=FACTS,
    cause=st.none() | st.sampled_from(list(Cause)) | TEXTS,
    phase=st.none(),
    close_code=st.none() | st.integers(0, 5000),
    detail=TEXTS,
    evidence=FACTS,
)


@given(EVENTS)
def test_nothing_foreign_breaks_a_line_or_acts_on_a_terminal(event: Event) -> None:
    whole = line(event)
    if whole is not None:
        assert whole.endswith(f"  #{event.id}")
        assert len(whole.splitlines()) == 1
        assert {unicodedata.category(char) for char in whole}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
        assert "\u202e" not in whole


# The file


@pytest.fixture
def log(tmp_path: Path) -> TextLog:
    return TextLog(tmp_path / "logs" / "sessions.log", most_bytes=100, kept=3)


def whole_content(log: TextLog) -> str:
    """All kept files, oldest first."""
    files = [log.path.with_name(f"{log.path.name}.{number}") for number in (3, 2, 1)]
    return "".join(text(path) for path in [*files, log.path] if path.exists())


def test_lines_are_appended_to_a_private_file(log: TextLog) -> None:
    log.append("one  #1")
    log.append("two  #2")
    assert text(log.path) == "one  #1\ntwo  #2\n"
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_no_file_has_no_number(log: TextLog) -> None:
    assert log.last_number() == 0
    assert not log.path.parent.exists()


@pytest.mark.parametrize("torn", ["", "t", "three  #3", "\0\0\0\0", "three " * 30_000, "three\r"])
def test_a_torn_tail_is_dropped(log: TextLog, torn: str) -> None:
    log.append("one  #1")
    log.append("two  #2")
    with log.path.open("a") as file:
        file.write(torn)
    assert log.last_number() == 2
    assert text(log.path) == "one  #1\ntwo  #2\n"


def test_a_file_that_is_one_torn_line_becomes_empty(log: TextLog) -> None:
    log.path.parent.mkdir()
    log.path.write_text("never ended  #9")
    assert log.last_number() == 0
    assert text(log.path) == ""


def test_lines_of_others_and_unnumbered_ones_are_kept_and_passed_over(log: TextLog) -> None:
    foreign = (
        "mine  #12\r\n# a person's note\nbeside a newer database  #-\nissue #77 is not a number of ours\n"
    )
    log.path.parent.mkdir()
    log.path.write_bytes(foreign.encode() + b"\xff\xfe " + b"long" * 60_000 + b"\n")
    size = log.path.stat().st_size
    assert log.last_number() == 12
    assert log.path.stat().st_size == size


def test_a_full_file_is_rotated_and_the_oldest_goes(log: TextLog) -> None:
    for number in range(1, 51):
        log.append(f"{'x' * 30}  #{number}")  # 35 or 36 bytes: two lines a file
    assert sorted(path.name for path in log.path.parent.iterdir()) == [
        "sessions.log",
        "sessions.log.1",
        "sessions.log.2",
        "sessions.log.3",
    ]
    assert re.findall(r"#(\d+)", whole_content(log)) == ["43", "44", "45", "46", "47", "48", "49", "50"]
    assert all(path.stat().st_size <= 100 for path in log.path.parent.iterdir())


def test_a_line_longer_than_a_file_is_written_all_the_same(log: TextLog) -> None:
    log.append("y" * 300 + "  #1")
    log.append("z" * 300 + "  #2")
    assert re.findall(r"#(\d+)", whole_content(log)) == ["1", "2"]


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_a_rotation_cut_short_loses_and_doubles_nothing(log: TextLog, moves: int) -> None:
    names = [f"{log.path}.3", f"{log.path}.2", f"{log.path}.1", str(log.path)]
    log.path.parent.mkdir()
    for number, name in enumerate(names[1:], 1):
        Path(name).write_text(f"{'x' * 90}  #{number}\n")
    # A rotation moves the oldest first; the process is killed after that many moves.
    for source, target in list(zip(names[1:], names, strict=False))[:moves]:
        os.replace(source, target)
    assert log.last_number() == 3
    log.append("new  #4")
    assert log.last_number() == 4
    assert re.findall(r"#(\d+)", whole_content(log)) == ["1", "2", "3", "4"]


def test_someone_elses_rotation_is_no_trouble(log: TextLog) -> None:
    log.append("one  #1")
    log.path.rename(f"{log.path}.1")
    assert log.last_number() == 1
    log.append("two  #2")
    assert text(log.path) == "two  #2\n"


FULL_DISK = """
import resource, sys
from pathlib import Path
from traymon.sessionlog.textlog import TextLog
log = TextLog(Path(sys.argv[1]))
log.append("one  #1")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size + 5, hard))
for text in ("two  #2", "three  #3"):
    try:
        log.append(text)
    except OSError as error:
        print("failed", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(log.last_number(), flush=True)
log.append("two  #2")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit that stands for a full disk is POSIX's")
def test_a_line_that_does_not_fit_is_not_written_in_part(tmp_path: Path) -> None:
    path = tmp_path / "sessions.log"
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["failed", "failed", "1"]
    assert text(path) == "one  #1\ntwo  #2\n"
