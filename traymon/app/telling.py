"""Changes told to the person who does not look at the icon: notifications, and the command of ``on_change``."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from traymon.app.bots import Bots
from traymon.app.relaying import Relaying
from traymon.app.status import explanation, wall, workspace
from traymon.config import Config
from traymon.desktop.clocks import Clocks
from traymon.keeper.core import State
from traymon.keeper.core.status import Status
from traymon.keeper.shell import Picture
from traymon.notifications.base import NoNotifier, Notifier
from traymon.notifications.center import Center
from traymon.notifications.facts import BotNow, Kind
from traymon.notifications.on_change import OnChange
from traymon.paths import Profile


class Telling:
    """Hands what the board says on; nothing here waits, but :meth:`stop`."""

    def __init__(
        self,
        profile: Profile,
        config: Config,
        bots: Bots,
        relaying: Relaying,
        clocks: Clocks,
        say: Callable[[str], None],
    ) -> None:
        self._bots = bots
        self._relaying = relaying
        self._clocks = clocks
        self._say = say
        self._on_change = OnChange(
            config.on_change,
            say,
            session_log=str(profile.text_log),
            without=_token_variables(config),
        )
        # Only the store thread's, which shows what it has committed, and the keepers' where nothing is to commit; the
        # board's lock is held then.
        self._states: dict[str, State] = {}
        self._center: Center | None = None

    def start(self) -> None:
        """Begin to run the person's command."""
        self._on_change.start()

    def configured(self, config: Config) -> None:
        """The configuration was read anew: what it says of the command holds from the next change on."""
        self._on_change.use(config.on_change, without=_token_variables(config))

    def use_notifications(
        self, notifier: Notifier, on_action: Callable[[str, str | None], None], *, enabled: bool
    ) -> None:
        """Show notifications from now on."""
        center = Center(notifier, on_action, clocks=self._clocks)
        center.set_enabled(enabled)
        center.start()
        self._center = center

    def entered(self, bot: str, status: Status) -> None:
        """The board's ``on_shown``: for the command, which misses no state in between."""
        previous = self._states.get(bot, State.UNKNOWN)
        if status.state is previous:
            return
        self._states[bot] = status.state
        now = self._now(bot, status)
        if now is not None:
            self._on_change.entered(now, previous)

    def changed(self, picture: Picture) -> None:
        """How all bots are now; for notifications, which only want the newest."""
        if self._center is not None:
            found = (self._now(bot, shown.status) for bot, shown in picture.bots.items())
            self._center.changed([now for now in found if now is not None])

    def tell(self, title: str, sentence: str) -> None:
        """A word for the person who just did something."""
        if self._center is not None:
            self._center.notice(title, sentence)
        else:
            self._say(f"{title}: {sentence}")

    def set_enabled(self, on: bool) -> None:
        """The person's choice about notifications."""
        if self._center is not None:
            self._center.set_enabled(on)

    def stop(self, limit_s: float) -> None:
        """End both; what hangs is left behind."""
        if self._center is not None:
            self._center.stop(limit_s)
        self._on_change.stop(limit_s)

    def _now(self, bot: str, status: Status) -> BotNow | None:
        kept = self._bots.get(bot)
        if kept is None:
            return None  # just taken out of the configuration
        return BotNow(
            name=bot,
            workspace=workspace(kept.keeper, self._relaying),
            state=status.state,
            since_wall_ms=wall(self._clocks, status.session_since or status.since) or 0,
            failure=status.failure,
            next_try_wall_ms=wall(self._clocks, status.next_try),
            unattended=self._relaying.programs(bot) == (),
            transport=kept.keeper.transport,
            explanation=explanation(status.failure, kept.keeper.findings) or "",
        )


def system_notifier(tray: object, bus_address: str | None, say: Callable[[str], None]) -> Notifier:
    """This system's notifications; those of Windows and macOS come from the ``tray``."""
    if sys.platform in ("win32", "darwin"):
        from traymon.notifications.native import NativeNotifier
        from traymon.tray.native import NativeTray

        return (
            NativeNotifier(tray.notify, tray.remove_notification)
            if isinstance(tray, NativeTray)
            else NoNotifier()
        )
    from traymon.notifications.freedesktop import FreedesktopNotifier

    return FreedesktopNotifier(bus_address, say=say, picture=_picture)


def _picture(kind: Kind) -> Path | None:
    """The icon that says the same."""
    from traymon.tray.base import IconName
    from traymon.tray.pixmaps import icon_file

    icons = {
        Kind.PERSON: IconName.REFUSED,
        Kind.OUTAGE: IconName.OFFLINE,
        Kind.PROGRAM: IconName.ONLINE_NO_PROGRAM,
        Kind.BACK: IconName.ONLINE,
    }
    return icon_file(icons[kind]) if kind in icons else None


def _token_variables(config: Config) -> Iterable[str]:
    """The environment variables that the configuration takes tokens from."""
    sources = [source for bot in config.bots for source in (bot.token, bot.app_token) if source]
    return [source.removeprefix("env:") for source in sources if source.startswith("env:")]
