"""What the core knows, as an immutable snapshot for everyone who shows it."""

from dataclasses import dataclass

from traymon.keeper.core.causes import Failure
from traymon.keeper.core.states import State


@dataclass(frozen=True, slots=True)
class Status:
    """All times are milliseconds of the clock that counts sleep."""

    state: State
    since: int
    """Start of the present stretch of this state."""
    session_since: int | None = None
    """While online or away: when the session began."""
    failure: Failure | None = None
    """While not online: why, as the latest attempt or drop has it. Online: a warning, such as a refused spare."""
    next_try: int | None = None
    """When the next attempt is due; ``None`` while one is under way or none is meant."""
    attempting: bool = False
    attempts: int = 0
    """Attempts of the present outage so far."""
    suspect: bool = False
    link: int | None = None
    """The number of the link that carries the session."""
    connections: int | None = None
    """How many links Slack counts for the bot, that one included: by presence in RTM (others are programs), by
    ``hello`` in Socket Mode (others may be leftovers of dead links). ``None``: not known."""
