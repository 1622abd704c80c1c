"""What the relay decides, without sockets, clocks or threads: which frame goes to which program, and what goes up.

One hub a bot: :class:`RtmHub` where every program gets every event, :class:`SocketHub` where each envelope goes to one
program. ``hub.receive(event, now) -> list[Effect]`` and ``hub.deadline``; ``now`` is milliseconds of the clock that
counts sleep, and a :class:`~traymon.relay.core.events.Tick` is due at the deadline.
"""

from traymon.relay.core.rtm import RtmHub
from traymon.relay.core.socketmode import SocketHub

__all__ = ["RtmHub", "SocketHub"]
