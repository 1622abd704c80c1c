"""RTM for programs over Socket Mode towards Slack, without sockets, clocks or threads.

:class:`PresentedRtmHub` decides, as the hubs in :mod:`traymon.relay.core` do; what becomes of an event stands in
:mod:`~traymon.relay.translation.events`, what of a message that a program sends in
:mod:`~traymon.relay.translation.sends`. ``docs/rtm-over-socket-mode.md`` tells programs' authors.
"""

from traymon.relay.translation.hub import PresentedRtmHub

__all__ = ["PresentedRtmHub"]
