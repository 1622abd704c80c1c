"""``traymon doctor``: tries everything that a bot stands on, step by step, and says what to do about what fails.

It looks and asks, and changes nothing: no file is made, no icon shown, no keyring unlocked, no message sent. What it
tells is made where the program itself makes it; a check that passes here took the way that the bots take.
"""

from traymon.doctor.examine import LIMIT_S, Examination
from traymon.doctor.results import Finding, Outcome, Result, Section, check_name

__all__ = ["LIMIT_S", "Examination", "Finding", "Outcome", "Result", "Section", "check_name"]
