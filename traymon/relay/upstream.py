"""The way to Slack for what the relay passes on: real tokens, proxy and trust, as the bot's link has them.

All of it can be slow: a keyring, a configuration for proxies, a name. So it is done on threads of its own, which the
end of the process does not wait for, and kept for a while.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from traymon.relay.bots import RelayedBot
from traymon.secrets import Secret, SecretUnavailable
from traymon.slack.endpoint import Endpoint, Target
from traymon.slack.errors import SlackError

KEPT_S = 60.0
"""So long a token and a way are used without looking again: a changed token counts from then on."""
FAILED_S = 5.0
"""And so long a failure: a program that asks again and again must not start a process for the keyring each time."""
CONNECT_LIMIT_S = 10.0
"""Design, Policy: for TCP and for TLS, each address."""
_LONGEST_LINE = 64 * 1024
"""Bytes of one header of Slack's: its content security policies are long."""

# aiohttp adds these where the caller sent none; Slack is to get what the caller sent.
_OF_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way:
    """How the Web API of a bot is reached."""

    base: str
    """The API's URL, with a slash at its end."""
    secure: bool
    context: ssl.SSLContext = field(repr=False)
    proxy: URL | None
    proxy_headers: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, endpoint: Endpoint) -> "Way":
        """Decide it; may block. Raises SlackError where proxy or certificates cannot be used."""
        target = Target.of(endpoint.api_url)
        proxy = endpoint.proxy_for(target)
        headers = {}
        if proxy is not None and proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
        return cls(
            base=endpoint.api_url.rstrip("/") + "/",
            secure=target.secure,
            context=endpoint.ssl_context(),
            proxy=URL.build(scheme="http", host=proxy.host, port=proxy.port) if proxy else None,
            proxy_headers=headers,
        )


class Upstream:
    """One bot's real tokens and way. Belongs to the loop."""

    def __init__(self, bot: RelayedBot) -> None:
        self.bot = bot
        self._token = _Kept(lambda: Secret(bot.read_token()))
        self._app_token = _Kept(lambda: Secret(bot.read_app_token()))
        self._way = _Kept(lambda: Way.of(bot.endpoint))

    async def token(self) -> Secret:
        """The bot's own. Raises SecretUnavailable."""
        return await self._token.get()

    async def app_token(self) -> Secret:
        """The app-level one. Raises SecretUnavailable."""
        return await self._app_token.get()

    async def way(self) -> Way:
        """How Slack is reached. Raises SlackError."""
        return await self._way.get()


def new_session() -> aiohttp.ClientSession:
    """A client that adds, follows, remembers and unpacks nothing. To be made on the loop, and closed there."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True, resolver=_Resolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_OF_AIOHTTP,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )


class _Kept(Generic[T]):
    """Something slow to read: read once for all who ask meanwhile, on a thread of its own, and kept for a while."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._reading: asyncio.Task[T | SecretUnavailable | SlackError] | None = None
        self._until = 0.0

    async def get(self) -> T:
        """What was read, also by an earlier call. Raises what reading raised."""
        old = self._reading
        if old is None or (
            old.done() and (old.cancelled() or asyncio.get_running_loop().time() >= self._until)
        ):
            self._reading = asyncio.create_task(self._look())
        assert self._reading is not None
        # A caller that leaves does not end it: others may wait for it, and the next will ask.
        found = await asyncio.shield(self._reading)
        if isinstance(found, SecretUnavailable | SlackError):
            raise found.with_traceback(None)
        return found

    async def _look(self) -> T | SecretUnavailable | SlackError:
        found: T | SecretUnavailable | SlackError
        try:
            found = await in_thread(self._read)
        except (SecretUnavailable, SlackError) as error:
            found = error
        failed = isinstance(found, SecretUnavailable | SlackError)
        self._until = asyncio.get_running_loop().time() + (FAILED_S if failed else KEPT_S)
        return found


async def in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` on a thread of its own, and raise what it raises.

    Not on the loop's executor: its threads are joined at the end, and a hung look-up would hang that.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, trouble = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            trouble = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, trouble)

    # One for each piece of work; it touches nothing but `work` and the loop's own queue.
    threading.Thread(target=run, name="traymon-relay-look-up", daemon=True).start()
    return await done


class _Resolver(AbstractResolver):
    """Looks names up as a link does, by getaddrinfo."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        def look_up() -> list[ResolveResult]:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            return [
                ResolveResult(
                    hostname=host,
                    host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for kind, _, protocol, _, address in found
            ]

        return await in_thread(look_up)

    async def close(self) -> None:
        """Nothing is held."""
