"""Who each bot is at Slack, remembered over restarts: programs may attach before the first link is up.

At log-in a program often starts before the network does, and old clients try no second time.
"""

import contextlib
import logging
import threading
from pathlib import Path

import msgspec

from traymon.desktop import files
from traymon.slackwire.api import ConnectAnswer, Identity

_log = logging.getLogger(__name__)


class Known(msgspec.Struct, frozen=True):
    """What ``rtm.connect`` tells of a bot, but for the URL."""

    self_id: str
    self_name: str
    team_id: str
    team_name: str
    team_domain: str


_file = msgspec.json.Decoder(dict[str, Known])


class Identities:
    """Those of all bots. For the relay's loop, and :meth:`get` for any thread; one of its own writes the file."""

    def __init__(self, file: Path) -> None:
        """``file`` is read now; one that is missing or damaged holds nothing."""
        self._path = file
        # Replaced as a whole, so that any thread may look one up.
        self._known: dict[str, Known] = {}
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeError):
            self._known = _file.decode(file.read_bytes())
        # Held by the thread that writes, so that of two writings the later one wins.
        self._writing = threading.Lock()

    def get(self, bot: str) -> Known | None:
        """Who the bot of that name was when its link was last up."""
        return self._known.get(bot)

    def learn(self, bot: str, who: ConnectAnswer | Identity) -> bool:
        """Remember; whether it was taken for another one until now."""
        now, before = _known(who), self._known.get(bot)
        if now != before:
            self._known = {**self._known, bot: now}
            # Daemon: a disk that hangs must hold up neither programs nor the exit.
            threading.Thread(target=self._write, name="relay identities", daemon=True).start()
        return before is not None and before.self_id != now.self_id

    def _write(self) -> None:
        with self._writing:
            try:
                files.replace(self._path, msgspec.json.encode(self._known))
            except OSError as error:
                _log.debug("the relay cannot remember who its bots are (%s)", error.strerror)


def _known(who: ConnectAnswer | Identity) -> Known:
    if isinstance(who, ConnectAnswer):
        return Known(who.self_id, who.self_name, who.team_id, who.team_name, who.team_domain)
    domain = who.url.partition("://")[2].partition(".")[0]
    return Known(who.user_id, who.user, who.team_id, who.team, domain)
