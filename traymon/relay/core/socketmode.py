"""Socket Mode: each envelope goes to one program, and its acknowledgement back to where the envelope came from."""

from traymon.relay.core import events as ev
from traymon.relay.core.effects import Effect


class SocketHub:
    """One bot's programs and links."""

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        """Take in what happened at ``now``; never raises."""
        raise NotImplementedError

    @property
    def deadline(self) -> int | None:
        """When a :class:`~traymon.relay.core.events.Tick` is due, or ``None``."""
        raise NotImplementedError
