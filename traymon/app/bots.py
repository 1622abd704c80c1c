"""The bots of one process: a keeper each, made from the configuration and made anew when it changes."""

import random
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from traymon.app.relaying import Relaying
from traymon.app.token import Prompt, Token
from traymon.config import BotConfig
from traymon.desktop.clocks import Clocks
from traymon.keeper.core import Core
from traymon.keeper.core.causes import Cause
from traymon.keeper.shell import Board, Keeper
from traymon.keeper.shell.presence import PresenceWatch
from traymon.sessionlog.recorder import SessionLog
from traymon.slack.diagnosis import diagnose
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector


@dataclass(frozen=True, slots=True)
class Kept:
    """One bot, held."""

    config: BotConfig
    keeper: Keeper
    token: Token


class Bots:
    """Every bot that is held. Any thread may read; :meth:`hold` and :meth:`stop` are the app's own."""

    def __init__(
        self,
        profile: str,
        log: SessionLog,
        board: Board,
        clocks: Clocks,
        *,
        say_token: Callable[[str], None],
        relaying: Relaying,
    ) -> None:
        """``say_token`` is told why a token cannot be had, each reason once."""
        self._profile = profile
        self._log = log
        self._board = board
        self._clocks = clocks
        self._say_token = say_token
        self._relaying = relaying
        self._prompt = Prompt()
        self._presence = PresenceWatch(board, clocks.now, random.Random().random)
        # One reference to a dict that nobody changes: readers on any thread see all of it or all of the next.
        self._kept: dict[str, Kept] = {}
        # Held by whoever reads a configuration anew: two at a time would end each other's keepers.
        self._changing = threading.Lock()
        self._stopped = False  # under _changing

    def __getitem__(self, bot: str) -> Kept:
        return self._kept[bot]

    def get(self, bot: str) -> Kept | None:
        """The bot of that name, if it is held."""
        return self._kept.get(bot)

    def names(self) -> list[str]:
        """Of all that are held, in the configuration's order."""
        return list(self._kept)

    def keepers(self) -> list[Keeper]:
        """Of all that are held."""
        return [kept.keeper for kept in self._kept.values()]

    def waiting(self) -> dict[str, str]:
        """Of each bot whose token cannot be read yet, what that waits for."""
        return {name: kept.token.waits_for for name, kept in self._kept.items() if kept.token.waits_for}

    def hold(self, wanted: Iterable[BotConfig], limit_s: float) -> list[str]:
        """Hold exactly these: begin what is new, end what is gone, and both for what has changed.

        Ending takes up to ``limit_s``. Returns the names of the bots that began.
        """
        with self._changing:
            if self._stopped:
                return []
            self._relaying.settle(settled=False)
            before, now = self._kept, {config.name: config for config in wanted}
            gone = [kept for name, kept in before.items() if now.get(name) != kept.config]
            _end(gone, Cause.USER, limit_s)
            for kept in gone:
                self._presence.forget(kept.config.name)
                self._relaying.end(kept.config.name)
                self._board.forget(kept.config.name)
                if kept.config.name not in now:
                    # A later bot of that name is another one, and nobody paused it.
                    self._log.set_setting(paused_setting(kept.config.name), "0")
            stays = {name: kept for name, kept in before.items() if kept not in gone}
            self._kept = {
                name: stays[name] if name in stays else self._make(config) for name, config in now.items()
            }
            self._relaying.settle(settled=True)
            self._presence.start()
            began = [name for name in now if name not in stays]
            for name in began:
                self._begin(self._kept[name])
            return began

    def stop(self, cause: Cause, limit_s: float) -> None:
        """End all, at the same time."""
        with self._changing:
            self._stopped = True
            # First, so that no link waits for what programs still expect of it.
            self._relaying.stop(limit_s / 4)
            _end(self._kept.values(), cause, limit_s)
            self._presence.stop(limit_s)

    def _make(self, bot: BotConfig) -> Kept:
        rtm = bot.transport == "rtm"
        endpoint = Endpoint(bot.api_url, proxy=bot.proxy, ca_file=bot.ca_file)
        token = self._token(bot, "token")
        own = token if rtm else self._token(bot, "app_token")
        traffic = None
        if bot.relay:
            traffic = self._relaying.lend(
                bot,
                endpoint,
                read_token=token.read,
                read_app_token=own.read,
                identity=lambda: keeper.identity,
                send=lambda link, text: keeper.send(link, text),
            )
        keeper = Keeper(
            bot.name,
            bot.transport,
            (RtmConnector if rtm else SocketConnector)(endpoint, own.read),
            Core(random.Random().random, spare_on_suspicion=rtm),
            self._log,
            self._board,
            self._clocks,
            diagnose=lambda cancel: diagnose(endpoint, cancel=cancel),
            traffic=traffic,
        )
        if rtm:
            self._presence.watch(keeper, endpoint, token.read)
        return Kept(bot, keeper, own)

    def _token(self, bot: BotConfig, which: Literal["token", "app_token"]) -> Token:
        source = bot.token if which == "token" else bot.app_token
        return Token(source, bot.name, self._profile, self._say_token, which=which, prompt=self._prompt)

    def _begin(self, kept: Kept) -> None:
        kept.keeper.start(paused=self._log.setting(paused_setting(kept.config.name)) == "1")


def _end(kept: Collection[Kept], cause: Cause, limit_s: float) -> None:
    for each in kept:
        each.keeper.stop(cause)
    for each in kept:
        each.keeper.join(limit_s)


def paused_setting(bot: str) -> str:
    """The name under which the store remembers that ``bot`` is paused."""
    return f"paused:{bot}"
