"""The pure core: events in, effects out. It owns no socket, clock, thread, file or randomness."""

from traymon.keeper.core.machine import Core
from traymon.keeper.core.policy import Policy
from traymon.keeper.core.states import State
from traymon.keeper.core.status import Status

__all__ = ["Core", "Policy", "State", "Status"]
