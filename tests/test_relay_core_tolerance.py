"""How much nonsense a program may send."""

from traymon.relay.core.effects import CutProgram, ProgramNote, ProgramNoteKind
from traymon.relay.core.limits import GARBAGE_BURST, GARBAGE_EACH
from traymon.relay.core.tolerance import Tolerance

NOTE = ProgramNote(7, ProgramNoteKind.GARBAGE)


def test_a_burst_is_borne_and_what_follows_is_not():
    tolerance = Tolerance(7)
    for _ in range(GARBAGE_BURST):
        assert tolerance.garbage(0) == [NOTE]
    note, cut = tolerance.garbage(GARBAGE_EACH - 1)
    assert note == NOTE
    assert (cut.program, cut.code) == (7, 1008)
    assert isinstance(cut, CutProgram)
    assert 0 < len(cut.reason.encode()) <= 123  # RFC 6455 5.5: what fits into a close frame


def test_a_rare_oddity_is_borne_for_ever():
    tolerance = Tolerance(7)
    for day in range(1_000):
        assert tolerance.garbage(day * GARBAGE_EACH) == [NOTE]
