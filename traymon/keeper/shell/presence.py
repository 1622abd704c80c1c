"""How Slack shows the bots, asked now and then: forced away by someone, and how many links it counts.

RTM only. The dot beside a Socket Mode bot is a setting of its app and says nothing of a link, and its links do not
count among a user's connections.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Failure
from traymon.keeper.core.policy import Policy
from traymon.keeper.core.states import UP
from traymon.keeper.core.status import Status
from traymon.keeper.shell.board import Board, Picture
from traymon.secrets import SecretUnavailable
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint
from traymon.slack.errors import SlackError
from traymon.slack.webapi import WebApi
from traymon.slackwire.api import ConnectAnswer

_log = logging.getLogger(__name__)

FIRST_AFTER_MS = Policy().count_settles
"""After a session's start; until then the core would not believe the count."""
EVERY_MS = 5 * 60_000
"""users.getPresence is Tier 3: over 50 calls a minute for each app and workspace, and the bot's own program calls too.
What it tells changes seldom, and nothing is decided by it."""
JITTER = 0.25
"""Each wait is shortened by up to this part, so that many bots do not ask in step."""
CALL_LIMIT_S = 5.0
"""For each step of a call. The other bots' questions stand behind it, and a link that is up has a quick API."""
_NO_SCOPE = "missing_scope"


class Kept(Protocol):
    """A keeper, as far as it matters here."""

    @property
    def bot(self) -> str:
        """Its name on the board."""

    @property
    def identity(self) -> ConnectAnswer | None:
        """Who the bot is at Slack."""

    def post(self, event: ev.Event) -> None:
        """Something happened just now."""


@dataclass(slots=True)
class _Asked:
    """One bot. Times are ms of the clock that counts sleep."""

    keeper: Kept
    endpoint: Endpoint
    read_token: Callable[[], str]
    session: int | None = None
    due: int | None = None
    not_before: int = 0  # Slack's Retry-After
    without_scope: str | None = field(default=None, repr=False)  # the token that may not ask


class PresenceWatch:
    """Asks for every bot that was given to :meth:`watch`, while it is up, and posts the answers to its keeper.

    ``now`` is the clock that counts sleep, in ms; ``random`` returns uniform floats in [0, 1).
    """

    def __init__(self, board: Board, now: Callable[[], int], random: Callable[[], float]) -> None:
        self._board = board
        self._now = now
        self._random = random
        # One reference to a tuple, which the app replaces and the thread reads; what is in it is only the thread's.
        self._bots: tuple[_Asked, ...] = ()
        self._begun = False
        self._cancel = Cancel()
        # One for all bots: it sleeps nearly always, and a call that hangs only holds up other questions, never a link.
        # It reads the board, asks Slack, posts to keepers. Daemon: a name look-up that hangs must not hang the exit.
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def watch(self, keeper: Kept, endpoint: Endpoint, read_token: Callable[[], str]) -> None:
        """Ask for this RTM bot too. ``read_token`` raises SecretUnavailable.

        This and :meth:`forget` are called by one thread at a time.
        """
        self._bots = (*self._bots, _Asked(keeper, endpoint, read_token))
        if self._begun:
            self.start()

    def start(self) -> None:
        """Begin to ask; without bots there is nothing to begin until the first comes."""
        self._begun = True
        if self._bots and self._thread.ident is None and not self._cancel.cancelled:
            self._thread.start()

    def forget(self, bot: str) -> None:
        """Ask for this bot no more; one that is not known is no error."""
        self._bots = tuple(asked for asked in self._bots if asked.keeper.bot != bot)

    def stop(self, limit_s: float) -> bool:
        """Call off what is under way; whether the thread ended within ``limit_s``. Harmless where none was begun."""
        self._cancel.cancel()
        self._board.poke()
        if self._thread.ident is not None:
            self._thread.join(limit_s)
        return not self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        seen: Picture | None = None
        while not self._cancel.cancelled:
            seen = self._board.wait(seen, lambda: self._cancel.cancelled, self._patience_s())
            for asked in self._bots:
                try:
                    self._look_at(asked, seen)
                except Exception:  # noqa: BLE001 - a bug met with one bot must not end it for all
                    _log.exception("%s: an unexpected error while asking for its presence", asked.keeper.bot)

    def _patience_s(self) -> float | None:
        due = min((asked.due for asked in self._bots if asked.due is not None), default=None)
        return None if due is None else max(0, due - self._now()) / 1000

    def _look_at(self, asked: _Asked, picture: Picture) -> None:
        shown = picture.bots.get(asked.keeper.bot)
        status = shown.status if shown else None
        self._plan(asked, status)
        now = self._now()
        if asked.due is None or asked.due > now or status is None or self._cancel.cancelled:
            return
        if status.suspect:  # the core believes no presence then
            asked.due = now + FIRST_AFTER_MS
            return
        asked.due = now + round(EVERY_MS * (1 - JITTER * self._random()))
        self._ask(asked)

    def _plan(self, asked: _Asked, status: Status | None) -> None:
        """A session that began sets the clock; without one there is nothing to ask."""
        session = status.session_since if status and status.state in UP else None
        if session != asked.session:
            asked.session = session
            asked.due = None if session is None else max(session + FIRST_AFTER_MS, asked.not_before)

    def _ask(self, asked: _Asked) -> None:
        identity = asked.keeper.identity
        if identity is None:
            return
        try:
            token = asked.read_token()
        except SecretUnavailable:
            return  # the link needs it more, and says so
        if token == asked.without_scope:
            return
        try:
            api = WebApi(asked.endpoint, token)
            presence = api.users_get_presence(identity.self_id, CALL_LIMIT_S, self._cancel)
        except SlackError as error:
            self._failed(asked, token, error.failure)
        else:
            asked.keeper.post(ev.PresenceSeen(not presence.active, presence.connection_count))

    def _failed(self, asked: _Asked, token: str, failure: Failure) -> None:
        """Errors are silent: the link is well without an answer, and where it is not, it says so itself."""
        if failure.retry_after_ms is not None and asked.due is not None:
            asked.not_before = self._now() + failure.retry_after_ms
            asked.due = max(asked.due, asked.not_before)
        if failure.detail == _NO_SCOPE:
            asked.without_scope = token
            asked.keeper.post(ev.PresenceRefused(failure))
