"""How much nonsense a program may send before it is cut."""

from traymon.keeper.core.budget import CallBudget
from traymon.relay.core.effects import CutProgram, Effect, ProgramNote, ProgramNoteKind
from traymon.relay.core.limits import GARBAGE_BURST, GARBAGE_EACH

_POLICY_VIOLATION = 1008  # RFC 6455 7.4.1
_WHY = "too many messages that no Slack client sends"


class Tolerance:
    """One program's."""

    def __init__(self, program: int) -> None:
        self._program = program
        self._budget = CallBudget(GARBAGE_BURST, GARBAGE_EACH)

    def garbage(self, now: int) -> list[Effect]:
        """It sent something at ``now`` that cannot be dealt with. The last effect may be its being cut."""
        effects: list[Effect] = [ProgramNote(self._program, ProgramNoteKind.GARBAGE)]
        if self._budget.available_at(now) > now:
            effects.append(CutProgram(self._program, _POLICY_VIOLATION, _WHY))
        else:
            self._budget.take(now)
        return effects
