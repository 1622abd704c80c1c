"""What the board says, shown: in the tray and by notifications, from a thread of its own."""

import logging
import threading
from collections.abc import Callable

from traymon import words
from traymon.app.bots import Bots
from traymon.app.relaying import Relaying
from traymon.app.status import programs, wall, workspace
from traymon.desktop.clocks import Clocks
from traymon.keeper.shell import Board, Picture, Shown
from traymon.paths import Profile
from traymon.report.calendar import SystemZone
from traymon.report.store import today
from traymon.sessionlog.view import LogUnreadableError, LogView, Outage
from traymon.tray.base import Tray, TrayView
from traymon.tray.view import BotView, Choices, ProgramView, Today, view

_log = logging.getLogger(__name__)

REDRAW_PAUSE_S = 0.15
"""After a change is drawn: a burst of changes (fifty bots at a start) is drawn a few times, not fifty."""


class Showing:
    """Follows the board for as long as the tray is there."""

    def __init__(
        self,
        profile: Profile,
        bots: Bots,
        relaying: Relaying,
        board: Board,
        clocks: Clocks,
        ended: threading.Event,
        *,
        choices: Callable[[], Choices],
        on_picture: Callable[[Picture], None],
    ) -> None:
        """``choices`` are what the menu ticks; ``on_picture`` is told of every picture too, and must not wait."""
        self._profile = profile
        self._bots = bots
        self._relaying = relaying
        self._board = board
        self._clocks = clocks
        self._ended = ended
        self._choices = choices
        self._on_picture = on_picture
        self._tray: Tray | None = None
        # What the log told of each bot, and for what it was asked. Only the UI thread's.
        self._told: dict[str, tuple[object, Outage | None, Today | None]] = {}
        # Set when everything is to be drawn anew though the board did not change; the UI thread clears it.
        self._redraw = threading.Event()
        # Draws what the board says. Daemon, and joined in join(): it only hands views to the tray.
        self._ui = threading.Thread(target=self._follow_board, name="tray view", daemon=True)

    @property
    def host(self) -> str | None:
        """Where the icon is, for a person; ``None`` without a tray."""
        return self._tray.host if self._tray is not None else None

    def run(self, tray: Tray) -> None:
        """Show everything in ``tray`` until it stops; call from the main thread."""
        self._tray = tray
        self._ui.start()
        if not self._ended.is_set():
            tray.run()

    def redraw(self) -> None:
        """All shown times are wrong, or something else than the board has changed. From any thread."""
        self._redraw.set()
        self._board.poke()

    def end(self) -> None:
        """Let the tray go; from any thread."""
        if self._tray is not None:
            self._tray.stop()

    def join(self, limit_s: float) -> None:
        """Wait for the end."""
        self._board.poke()
        if self._ui.is_alive():
            self._ui.join(limit_s)

    # The UI thread

    def _follow_board(self) -> None:
        assert self._tray is not None
        seen: Picture | None = None
        while not self._ended.is_set():
            seen = self._board.wait(seen, lambda: self._ended.is_set() or self._redraw.is_set())
            self._redraw.clear()
            try:
                self._on_picture(seen)
                self._tray.show(self.view(seen))
            except Exception:  # noqa: BLE001 - a bad picture must not end the showing
                _log.exception("the tray could not be drawn; the next change tries again")
            self._ended.wait(REDRAW_PAUSE_S)

    def view(self, picture: Picture) -> TrayView:
        """What the tray shows of ``picture``. Only the UI thread calls it, and tests."""
        bots = [
            bot for name, shown in picture.bots.items() if (bot := self._bot_view(name, shown)) is not None
        ]
        faults = [picture.fault] if picture.fault else []
        return view(bots, self._clocks.wall(), faults, self._choices())

    def _bot_view(self, bot: str, shown: Shown) -> BotView | None:
        kept = self._bots.get(bot)
        if kept is None:
            return None  # just taken out of the configuration
        status = shown.status
        last_outage, day = self._from_log(bot, shown)
        return BotView(
            name=bot,
            workspace=workspace(kept.keeper, self._relaying),
            state=status.state,
            since_wall_ms=wall(self._clocks, status.session_since or status.since) or 0,
            failure=status.failure,
            next_try_wall_ms=wall(self._clocks, status.next_try),
            attempting=status.attempting,
            suspect=status.suspect,
            last_outage=last_outage,
            not_logged_yet=not shown.logged,
            programs=programs(kept.keeper, status, self._relaying.programs(bot)),
            attached=self._attached(bot),
            trouble=self._relaying.trouble(bot),
            today=day,
        )

    def _attached(self, bot: str) -> tuple[ProgramView, ...] | None:
        programs = self._relaying.programs(bot)
        if programs is None:
            return None
        return tuple(ProgramView(each.name, wall(self._clocks, each.since) or 0) for each in programs)

    def _from_log(self, bot: str, shown: Shown) -> tuple[Outage | None, Today | None]:
        """The last outage and the day so far, looked up anew only where the bot's state or the day has changed.

        While the log lags it is not looked at: it has nothing new, and a disk that hangs must not keep an icon green.
        """
        known = self._told.get(bot)
        now = self._clocks.wall()
        if shown.logged:
            key = (shown.status.state, shown.status.since, _local_day(now))
            if known is None or known[0] != key:
                log = LogView(self._profile.db)
                known = self._told[bot] = (key, log.last_outage(bot), _today(log, bot, now))
        return (None, None) if known is None else known[1:]


def _local_day(wall_ms: int) -> object:
    return words.local_time(wall_ms).date()


def _today(log: LogView, bot: str, now: int) -> Today | None:
    try:
        tally = today(log, bot, now, SystemZone(), running=True)
    except LogUnreadableError:
        return None
    return Today(tally.up_ms, tally.down_ms, now)
