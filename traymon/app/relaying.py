"""The relay in this process: begun with the first bot that lends its link; who is attached stands in the log."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from traymon.config import BotConfig
from traymon.desktop.clocks import Clocks
from traymon.keeper.core.causes import Fact
from traymon.keeper.core.effects import Note, NoteKind
from traymon.keeper.shell.traffic import Traffic
from traymon.paths import Profile
from traymon.relay.bots import RelayedBot
from traymon.relay.programs import Program
from traymon.sessionlog.recorder import SessionLog
from traymon.slack.endpoint import Endpoint
from traymon.slackwire.api import ConnectAnswer

if TYPE_CHECKING:
    from traymon.relay.server import Relay


class Relaying:
    """Lends links. :meth:`lend`, :meth:`end` and :meth:`stop` are for one thread at a time; the rest for any."""

    def __init__(
        self,
        profile: Profile,
        log: SessionLog,
        clocks: Clocks,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        """``changed`` is called when a program came or went, or its trouble did; it must not wait."""
        self._profile = profile
        self._log = log
        self._clocks = clocks
        self._say = say
        self._changed = changed
        self._relay: Relay | None = None
        # Of each bot that lends its link, its transport and who was attached at the last look. The first is changed
        # by lend() and end(), the second by the relay's thread only.
        self._transports: dict[str, str] = {}
        self._known: dict[str, tuple[Program, ...]] = {}

    def lend(
        self,
        bot: BotConfig,
        endpoint: Endpoint,
        *,
        read_token: Callable[[], str],
        read_app_token: Callable[[], str],
        identity: Callable[[], ConnectAnswer | None],
        send: Callable[[int, str], bool],
    ) -> Traffic:
        """Lend the link of ``bot``; the result is for its keeper, whose ``send`` and ``identity`` these are."""
        relay = self._begun()
        tokens = relay.tokens_of(bot.name)
        relayed = RelayedBot(
            name=bot.name,
            transport=bot.transport,
            endpoint=endpoint,
            read_token=read_token,
            read_app_token=read_app_token,
            identity=identity,
            local_token=tokens.token,
            local_app_token=tokens.app_token,
            presents_rtm=bot.relay == "rtm",
        )
        self._transports = {**self._transports, bot.name: bot.transport}
        self._note(bot.name, 0, "none")
        return relay.add(relayed, send)

    def settle(self, *, settled: bool) -> None:
        """Whether all bots that are to lend their links do."""
        if self._relay is not None:
            self._relay.settle(settled=settled)

    def end(self, bot: str) -> None:
        """The bot is held no more, or lends its link no more."""
        if self._relay is not None and bot in self._transports:
            self._relay.remove(bot)
            self._transports = {name: kind for name, kind in self._transports.items() if name != bot}

    def programs(self, bot: str) -> tuple[Program, ...] | None:
        """Who is attached; ``None`` where the bot lends no link, so that nothing is known."""
        relay = self._relay
        return relay.programs(bot) if relay is not None and bot in self._transports else None

    def not_given(self, bot: str) -> Mapping[str, int]:
        """Events that its programs of RTM could not be given: how many of each type."""
        relay = self._relay
        return relay.not_given(bot) if relay is not None and bot in self._transports else {}

    def workspace(self, bot: str) -> str | None:
        """The bot's workspace, where the relay knows it: a link of Socket Mode does not tell."""
        relay = self._relay
        return relay.workspace(bot) if relay is not None and bot in self._transports else None

    def trouble(self, bot: str) -> str:
        """What keeps the bot's programs from working, in one sentence for people; empty where nothing does."""
        relay = self._relay
        return relay.trouble(bot) if relay is not None and bot in self._transports else ""

    def stop(self, limit_s: float) -> None:
        """Send all programs away, in the way that brings them back."""
        if self._relay is not None:
            self._relay.stop(limit_s)

    def _begun(self) -> "Relay":
        if self._relay is None:
            # aiohttp costs 15 MB and 150 ms, which only those pay who lend a link.
            from traymon.relay.server import Relay

            self._relay = Relay(
                self._profile.relay_settings, self._clocks, on_programs=self._look, say=self._say
            )
            self._relay.start()
        return self._relay

    # On the relay's thread

    def _look(self, bot: str, programs: Sequence[Program]) -> None:
        before = {program.number: program for program in self._known.get(bot, ())}
        now = {program.number: program for program in programs}
        self._known[bot] = tuple(programs)
        count = len(before)
        for number in before.keys() - now.keys():
            gone = before[number]
            count -= 1
            self._note(bot, count, "detached", program=gone.name, lasted_ms=self._clocks.now() - gone.since)
        for number in now.keys() - before.keys():
            count += 1
            self._note(bot, count, "attached", program=now[number].name)
        self._changed()

    def _note(self, bot: str, attached: int, what: str, **facts: Fact) -> None:
        note = Note(NoteKind.PROGRAM, self._clocks.now(), facts={"attached": attached, "what": what, **facts})
        transport = self._transports.get(bot)
        if transport is not None:
            self._log.record(bot, transport, [note])
