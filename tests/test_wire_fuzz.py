"""Whatever bytes come from Slack, traymon tells the truth and comes back: ten thousand cases; the judge is judged."""

import struct
import threading
from collections.abc import Iterator

import pytest

from tests.fuzz import grammar, reference, run
from tests.fuzz.grammar import Case, End, Target

SEED, CASES = 2016, 10_000


@pytest.fixture(scope="module")
def complaints() -> Iterator[run.Complaints]:
    with run.guarded() as guarded:
        yield guarded


@pytest.mark.timeout(900)  # a minute of one core, more where others want it too
def test_wrong_bytes_everywhere(complaints: run.Complaints) -> None:
    threads = threading.active_count()
    for number in range(CASES):
        case = grammar.case(SEED, number)
        problems = run.run(case, complaints)
        assert not problems, "\n".join([f"python -m tests.fuzz {case.name}", str(case), *problems])
    for thread in threading.enumerate():
        if thread.name.startswith("look up"):
            thread.join(10)
    assert threading.active_count() <= threads


def test_a_case_is_known_by_its_seed_and_number() -> None:
    assert grammar.case(1, 2) == grammar.case(1, 2)
    assert len({grammar.case(1, number).pieces for number in range(50)}) > 40
    assert grammar.case(1, 2).pieces != grammar.case(2, 2).pieces


def case_of(data: bytes, target: Target = Target.FRAMES, transport: str = "rtm") -> Case:
    return Case(0, 0, transport, target, "rtm.connect", (data,), End.FIN)


NOTHING_VALID = "a close frame that says nothing valid"
HELLO = grammar.frame(b'{"type":"hello"}', 1)


@pytest.mark.parametrize(
    ("case", "lie"),
    [
        (case_of(HELLO), "a hello that was not heard"),
        (case_of(HELLO + b"\x88\x02\x03\xe8"), "a close code that nobody sent"),
        (case_of(b'{"ok":false,"error":"invalid_auth"}', Target.API), "refused, but Slack did not refuse"),
    ],
    ids=["no start", "close code", "refusal"],
)
def test_the_judge_finds_a_lie(
    case: Case, lie: str, complaints: run.Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second reading is told of other bytes than were sent, traymon's true word must look like a lie."""
    if case.target is Target.API:
        body = case.pieces[0]
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        case = case_of(answer, Target.API)
        monkeypatch.setattr(run, "_plain", lambda data: b"")
        assert run.run(case, complaints)[0].startswith(lie)
        return
    assert run.run(case, complaints) == []
    if lie.startswith("a close"):
        monkeypatch.setattr(reference, "read", lambda data: reference.Reading((b'{"type":"hello"}',)))
    else:
        monkeypatch.setattr(reference, "read", lambda data: reference.Reading((b'{"type":"hello"}',) * 2))
        monkeypatch.setattr(run.grammar, "hello", lambda transport: '{"type":"hello"}')
        case = case_of(b"")
    assert any(problem.startswith(lie) for problem in run.run(case, complaints))


@pytest.mark.parametrize(
    ("data", "reading"),
    [
        (HELLO, reference.Reading((b'{"type":"hello"}',))),
        (HELLO[:-1], reference.Reading(())),
        (grammar.frame(b"a", 1, fin=False) + grammar.frame(b"b", 0), reference.Reading((b"ab",))),
        (
            grammar.frame(b"a", 1, fin=False) + HELLO,
            reference.Reading((), broken="a message within a message"),
        ),
        (grammar.frame(b"a", 0), reference.Reading((), broken="a continuation of nothing")),
        (grammar.frame(b"a", 1, mask=b"abcd"), reference.Reading((), broken="a mask")),
        (grammar.frame(b"a", 3), reference.Reading((), broken="a reserved opcode")),
        (grammar.frame(b"a", 1, rsv=4), reference.Reading((), broken="a reserved bit")),
        (grammar.frame(b"\xff", 1), reference.Reading((), broken="not UTF-8")),
        (grammar.frame(b"\xff", 2), reference.Reading((b"\xff",))),
        (
            grammar.frame(b"", 9, fin=False),
            reference.Reading((), broken="a control frame too long or in parts"),
        ),
        (grammar.frame(b"", 8), reference.Reading((), close_code=1005)),
        (grammar.frame(struct.pack("!H", 1001) + b"x", 8) + HELLO, reference.Reading((), close_code=1001)),
        (
            grammar.frame(struct.pack("!H", 1006), 8),
            reference.Reading((), broken=NOTHING_VALID),
        ),
    ],
)
def test_the_second_reading_is_strict(data: bytes, reading: reference.Reading) -> None:
    assert reference.read(data) == reading
