"""RTM: every program gets every event; what programs send goes up under ids of traymon's own."""

from traymon.relay.core import events as ev
from traymon.relay.core.effects import Effect

FIRST_ID = 1_000_000_000


class RtmHub:
    """One bot's programs and links."""

    def __init__(self, first_id: int = FIRST_ID) -> None:
        """``first_id``: where ids of traymon's own begin."""

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        """Take in what happened at ``now``; never raises."""
        raise NotImplementedError

    @property
    def deadline(self) -> int | None:
        """When a :class:`~traymon.relay.core.events.Tick` is due, or ``None``."""
        raise NotImplementedError
