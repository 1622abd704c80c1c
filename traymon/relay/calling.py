"""Calls of Slack's Web API that traymon makes itself: messages of RTM's programs, and the question who a bot is.

Each call has a connection of its own, as those that are passed on (:mod:`traymon.relay.passing`).
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from traymon import words
from traymon.relay.bots import RelayedBot
from traymon.relay.translation.outbox import SHORTEST_PAUSE
from traymon.relay.translation.sends import CallFailure
from traymon.relay.upstream import CONNECT_LIMIT_S, Upstream, Way, new_session
from traymon.secrets import Secret, SecretUnavailable
from traymon.slack.errors import SlackError, retry_after_ms
from traymon.slackwire.api import Identity, WireError, identity
from traymon.slackwire.codes import Verdict, verdict

_log = logging.getLogger(__name__)

LOOK_UP_LIMIT_S = 5.0
"""For the token and the way, which a keyring or a network mount can hold up."""
CALL_LIMIT_S = 20.0
"""For a call from its connection to the last byte of its answer. With what comes before it is well within the half
minute after which the program is told that nobody knows."""
ASK_AGAIN_S = 1.0
LARGEST_ANSWER = 1024 * 1024
"""Bytes: chat.postMessage answers with the message, of 40,000 characters at most."""
_TOO_MANY_REQUESTS = 429
_REFUSED = frozenset({Verdict.REFUSED, Verdict.REFUSED_MAYBE})
_OF_THE_TOKEN = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "team_disabled",
        "token_expired",
        "token_revoked",
        "user_removed_from_team",
    }
)
"""Errors of any method that no other message will escape (https://docs.slack.dev/reference/methods/chat.postMessage)."""

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Begins a task that the end of the relay waits for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call."""

    body: Mapping[str, object] | None = field(default=None, repr=False)
    """Slack's; ``None`` where there is none, or no JSON object."""
    failure: CallFailure | None = None
    retry_after_ms: int | None = None
    """Of an answer with HTTP status 429."""
    why: str = ""
    """Why the bot's token cannot be had: a sentence for people."""


class Caller:
    """Calls with one bot's token. Belongs to the relay's loop."""

    def __init__(self, bot: RelayedBot) -> None:
        self._upstream = Upstream(bot)

    async def call(self, method: str, arguments: Mapping[str, object]) -> Answer:
        """Call; over after :data:`LOOK_UP_LIMIT_S` and :data:`CALL_LIMIT_S` at most, and never raises."""
        try:
            async with asyncio.timeout(LOOK_UP_LIMIT_S):
                token, way = await self._upstream.token(), await self._upstream.way()
        except SecretUnavailable as error:
            return Answer(failure=CallFailure.NOT_SENT, why=str(error))
        except (TimeoutError, SlackError):
            return Answer(failure=CallFailure.NOT_SENT)
        try:
            return await _post(way, token, method, json.dumps(arguments).encode())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError):
            return Answer(failure=CallFailure.NOT_SENT)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError):  # time-outs included
            return Answer(failure=CallFailure.UNKNOWN)
        except Exception as error:  # noqa: BLE001 - the program is owed a reply; the text may hold a token
            _log.error("a call of the relay's own met a defect (%s)", type(error).__name__)
            return Answer(failure=CallFailure.UNKNOWN)


async def _post(way: Way, token: Secret, method: str, body: bytes) -> Answer:
    headers = {
        "Authorization": f"Bearer {token.reveal()}",
        "Content-Type": "application/json; charset=utf-8",
        "Accept": "application/json",
        "User-Agent": "traymon",
    }
    if not way.secure:
        headers.update(way.proxy_headers)
    limits = aiohttp.ClientTimeout(total=CALL_LIMIT_S, connect=CONNECT_LIMIT_S)
    async with (
        new_session() as session,
        session.post(
            URL(way.base + method, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            ssl=way.context if way.secure else True,
            proxy=way.proxy,
            proxy_headers=way.proxy_headers if way.secure else None,
            timeout=limits,
        ) as answer,
    ):
        pause = None
        if answer.status == _TOO_MANY_REQUESTS:
            pause = retry_after_ms(answer.headers.get("Retry-After")) or SHORTEST_PAUSE
        found = _object(await _read(answer))
        return Answer(found, CallFailure.UNKNOWN if found is None else None, pause)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise ValueError("no method that is called here answers with so much")
    return bytes(body)


def _object(body: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None


def _error(answer: Answer) -> str:
    """Slack's word for why it did not do it, or an empty one."""
    code = None if answer.body is None else answer.body.get("error")
    return code if isinstance(code, str) else ""


class Asking:
    """Asks Slack who a bot is whose link does not tell. Belongs to the relay's loop."""

    def __init__(
        self,
        bot: RelayedBot,
        caller: Caller,
        spawn: Spawn,
        learnt: Callable[[Identity], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        """``learnt`` is told who it is; ``on_trouble``, at each change, why the bot's token is of no use, and an empty
        text once it is: the link needs another token, and lives on without this one."""
        self._bot = bot
        self._caller = caller
        self._spawn = spawn
        self._learnt = learnt
        self._on_trouble = on_trouble
        self._trouble = ""
        self._known = asyncio.Event()
        # The attempt that is under way, if one is: whoever comes meanwhile waits for it.
        self._attempt: asyncio.Task[None] | None = None

    def ask(self) -> "asyncio.Task[None]":
        """Ask, unless that is under way."""
        if self._attempt is None or self._attempt.done():
            self._attempt = self._spawn(self._ask())
        return self._attempt

    async def until_known(self) -> None:
        """Ask again and again. Whoever waits is to set a limit."""
        while not self._known.is_set():
            # Others may wait for it, too.
            await asyncio.wait({self.ask()})
            if not self._known.is_set():
                await asyncio.sleep(ASK_AGAIN_S)

    async def _ask(self) -> None:
        answer = await self._caller.call("auth.test", {})
        code = _error(answer)
        if answer.why:
            self._troubled(answer.why)
        elif code and verdict(code) in _REFUSED:
            self._refused(code)
        elif answer.body is not None:
            try:
                who = identity(answer.body)
            except WireError as error:
                _log.debug("%s: auth.test: %s", self._bot.name, error)
                return
            self._troubled("")
            self._known.set()
            self._learnt(who)

    def posted(self, answer: Answer) -> None:
        """A program's message was answered so."""
        if answer.why:
            self._troubled(answer.why)
        elif (code := _error(answer)) in _OF_THE_TOKEN:
            self._refused(code)
        elif answer.body is not None and answer.body.get("ok") is True:
            self._troubled("")

    def _refused(self, code: str) -> None:
        self._troubled(
            words.gettext(
                "{bot}: Slack refuses the bot's token ({error}), which programs of RTM need. Give traymon a new "
                "one: “Set up a bot…” in the menu, or traymon setup."
            ).format(bot=words.printable(self._bot.name), error=words.printable(code))
        )

    def _troubled(self, sentence: str) -> None:
        if sentence != self._trouble:
            self._trouble = sentence
            self._on_trouble(sentence)
