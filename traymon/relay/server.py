"""The relay of one process: a thread, a loop on it, and the endpoint that programs talk to.

Whatever befalls it, links are held: link threads only hand over what they have, and nothing here is waited for.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from traymon.desktop.clocks import Clocks
from traymon.keeper.shell.traffic import Traffic
from traymon.relay.bots import RelayedBot
from traymon.relay.bridge import OnPrograms, Send
from traymon.relay.endpoint import IDENTITY_WAIT_S, PORT_RETRY_S, Endpoint
from traymon.relay.identities import Identities
from traymon.relay.programs import Program
from traymon.relay.sockets import MOST_UNANSWERED, PING_EACH_S
from traymon.relay.tokens import LocalTokens, RelaySettings, load_or_make

_START_LIMIT_S = 10.0
_ANSWER_LIMIT_S = 10.0
"""For the loop, which takes milliseconds: longer means that it hangs."""

T = TypeVar("T")


class Relay:
    """The endpoint of one process, for all its bots. Its methods may be called from any thread but the relay's own."""

    def __init__(
        self,
        settings_file: Path,
        clocks: Clocks,
        *,
        on_programs: OnPrograms,
        say: Callable[[str], None],
        port_retry_s: float = PORT_RETRY_S,
        identity_wait_s: float = IDENTITY_WAIT_S,
        ping_each_s: float = PING_EACH_S,
        most_unanswered: int = MOST_UNANSWERED,
    ) -> None:
        """``settings_file`` is made where it is missing; beside it stands who the bots are.

        ``on_programs`` is told, on the relay's thread, which programs a bot has whenever one came or went;
        ``say`` takes sentences for people, on any thread."""
        self.settings: RelaySettings = load_or_make(settings_file, say)
        self._loop = asyncio.new_event_loop()
        self._endpoint = Endpoint(
            self.settings,
            Identities(settings_file.with_name("relay-bots.json")),
            self._loop,
            clocks,
            on_programs,
            say,
            port_retry_s=port_retry_s,
            identity_wait_s=identity_wait_s,
            ping_each_s=ping_each_s,
            most_unanswered=most_unanswered,
        )
        # Runs the loop, on which hubs, gate and aiohttp live. Daemon: a program that hangs must not hold up the exit.
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stopping = asyncio.Event()
        self._stop_limit_s = 0.0

    @property
    def base_url(self) -> str:
        """What programs take for ``https://slack.com/api/``."""
        return self.settings.base_url

    def tokens_of(self, bot: str) -> LocalTokens:
        """The tokens of the bot of that name's programs."""
        return self.settings.tokens_of(bot)

    def start(self) -> None:
        """Open the port and serve. A port that cannot be had is said, and tried again."""
        self._thread.start()
        self._ready.result(_START_LIMIT_S)

    def settle(self, *, settled: bool) -> None:
        """Whether all bots are there. Until the first time that they are, and while they change, a program whose token
        is not known is asked to come back instead of being refused: some give up for good after a refusal."""
        self._endpoint.settling = not settled

    def add(self, bot: RelayedBot, send: Send) -> Traffic:
        """Lend the link of ``bot``: the result is for its keeper, whose own ``send`` is. After :meth:`start`.

        A bot of that name that was there before is removed.
        """
        self.remove(bot.name)
        return self._do(lambda: self._endpoint.add(bot, send)).traffic

    def remove(self, bot: str) -> None:
        """The bot of that name is held no more: its programs are sent away."""
        with contextlib.suppress(RuntimeError):  # the relay has ended
            bridge = self._do(lambda: self._endpoint.remove(bot))
            if bridge is not None:
                bridge.join()

    def programs(self, bot: str) -> tuple[Program, ...]:
        """The programs that are attached to the bot of that name, the oldest first."""
        bridge = self._endpoint.bridges.get(bot)
        return () if bridge is None else bridge.programs()

    def not_given(self, bot: str) -> Mapping[str, int]:
        """Events that no program of RTM could be given, by Slack's word for them: how many each."""
        bridge = self._endpoint.bridges.get(bot)
        return {} if bridge is None else bridge.not_given

    def workspace(self, bot: str) -> str | None:
        """The bot's workspace, as Slack called it when its link was last up; ``None``: it never said."""
        return self._endpoint.workspace(bot)

    def trouble(self, bot: str) -> str:
        """What keeps the bot's programs from working, in one sentence for people; empty where nothing does."""
        bridge = self._endpoint.bridges.get(bot)
        return self._endpoint.trouble or ("" if bridge is None else bridge.trouble)

    def stop(self, limit_s: float) -> None:
        """End within about ``limit_s``. Programs are cut in the way that brings each of them back; idempotent."""
        bridges = list(self._endpoint.bridges.values())

        def stop() -> None:
            self._stop_limit_s = limit_s
            self._stopping.set()

        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(stop)
        if self._thread.ident is None:
            self._loop.close()
            return
        self._thread.join(limit_s * 2)
        for bridge in bridges:
            bridge.join()

    def _do(self, work: Callable[[], T]) -> T:
        """Have something done on the loop. Raises RuntimeError when it has ended."""

        async def run() -> T:
            return work()

        task = run()
        try:
            return asyncio.run_coroutine_threadsafe(task, self._loop).result(_ANSWER_LIMIT_S)
        finally:
            task.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await self._endpoint.start()
        self._ready.set_result(None)
        await self._stopping.wait()
        await self._endpoint.stop(self._stop_limit_s)
