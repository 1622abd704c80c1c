"""What passes over a bot's links, for whoever shares them: the relay."""

import threading
from typing import Protocol

from traymon.slackwire import frames

RELIEF_LIMIT_S = 5.0
"""A link that another one relieved is kept this long at most for the replies and acknowledgements still due on it."""


class Traffic(Protocol):
    """Told of one bot's links, on their own threads, of each link in order. Nothing here may block.

    Links are known by number; a higher one is younger. Two may be up at a time, in a handover or on suspicion.
    """

    def up(self, link: int, hello: frames.Hello) -> None:
        """Slack greeted: from now on the link can be sent on."""

    def message(self, link: int, text: bytes) -> None:
        """Slack sent this, byte for byte. What concerns the link alone (hello, pong, goodbye …) does not come here."""

    def relieve(self, link: int) -> threading.Event:
        """Another link took over: nothing new is to be sent on this one. The event is to be set once nothing is due
        on it any more; after :data:`RELIEF_LIMIT_S` the link is closed anyway."""

    def down(self, link: int) -> None:
        """The link has ended, or is being closed. Nothing comes after it."""
