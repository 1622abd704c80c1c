"""The wiring of one process: log, bots, control socket and what people see, from the first to the last."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from traymon import words
from traymon.app.bots import Bots, Kept, paused_setting
from traymon.app.desk import Desk
from traymon.app.relaying import Relaying
from traymon.app.showing import Showing
from traymon.app.status import status_of
from traymon.app.telling import Telling, system_notifier
from traymon.config import Config, ConfigError, load
from traymon.desktop.clocks import Clocks, system_clocks
from traymon.desktop.control import ControlServer
from traymon.desktop.login import LoginNotices, no_token, no_tray
from traymon.desktop.watch import Watcher, system_watchers
from traymon.keeper.core import State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import TellUser
from traymon.keeper.core.states import UP
from traymon.keeper.shell import Board, Keeper
from traymon.keeper.shell.surroundings import Surroundings
from traymon.paths import Profile
from traymon.sessionlog.recorder import SessionLog
from traymon.tray.base import WholeTray
from traymon.tray.choose import bus_address

ANSWER_LIMIT_S = 5.0
"""For a keeper's answer to a click. It answers at once; only a process that was stopped takes longer."""
STOP_LIMIT_S = 2.0
"""SIGTERM and SIGINT end everything within this time."""
TELLING_LIMIT_S = 0.5
"""For the desktop to take notifications away, and for a person's command: neither is worth waiting for at the end."""


class UnknownBotError(Exception):
    """One sentence for a person: no bot of that name, and which there are."""


class App:
    """One running traymon. :meth:`start`, then :meth:`wait` or the tray's loop, then :meth:`stop`."""

    def __init__(
        self,
        profile: Profile,
        config: Config,
        *,
        clocks: Clocks | None = None,
        on_line: Callable[[str], None] | None = None,
        say: Callable[[str], None] = lambda _: None,
        watchers: Sequence[Watcher] | None = None,
    ) -> None:
        """``watchers`` tell of the machine; by default all that this system has."""
        self.profile = profile
        self._config = config
        self._clocks = clocks or system_clocks()
        self._say = say
        self.board = Board(self._clocks.now, lambda bot, status: self._telling.entered(bot, status))
        self.log = SessionLog(
            profile.db, profile.text_log, self._clocks, on_fault=self._log_fault, on_line=on_line
        )
        self.relaying = Relaying(profile, self.log, self._clocks, say, lambda: self.showing.redraw())
        self.bots = Bots(
            profile.name,
            self.log,
            self.board,
            self._clocks,
            relaying=self.relaying,
            # In a terminal the log's own lines say why a token is missing.
            say_token=say if on_line is None else lambda _: None,
        )
        self._control = ControlServer(profile.control_address, self._handle)
        # Set once when the process is to end; the main thread, the UI thread and the demo wait for it.
        self.ended = threading.Event()
        self._cause = Cause.QUIT  # why it ends; written by whoever knows of something else
        self._watchers = system_watchers(self._clocks) if watchers is None else watchers
        self._telling = Telling(profile, config, self.bots, self.relaying, self._clocks, say)
        self.desk = Desk(
            profile,
            self.log,
            tell=self._telling.tell,
            status=self._status_answer,
            reload=self.reload,
            reconnect=self.reconnect,
            changed=lambda: self.showing.redraw(),
        )
        self.showing = Showing(
            profile,
            self.bots,
            self.relaying,
            self.board,
            self._clocks,
            self.ended,
            choices=lambda: self.desk.choices,
            on_picture=self._telling.changed,
        )
        self._surroundings = Surroundings(
            self.bots.keepers,
            self.log,
            on_clock_set=self.showing.redraw,
            on_shutdown=lambda: self.end(Cause.SYSTEM_SHUTDOWN),
        )

    def start(self) -> None:
        """Open the log and begin to hold every bot. Nothing here waits for Slack, a keyring or a tray."""
        self.log.open()
        self._telling.start()
        self.bots.hold(self._config.bots, STOP_LIMIT_S)
        try:
            self._control.start()
        except OSError as error:
            self._say(_not_to_be_asked(self.profile, error))
        for watcher in self._watchers:
            watcher.start(self._surroundings.hear)

    def end(self, cause: Cause = Cause.QUIT) -> None:
        """Ask for the end, from any thread. A shutdown of the machine is the cause even if a signal came as well."""
        if cause is not Cause.QUIT:
            self._cause = cause
        self.ended.set()
        self.showing.end()

    def stop(self) -> None:
        """End all bots, at the same time, and close the log. A machine that shuts down waits until here."""
        self.ended.set()
        self._control.stop()
        self.desk.close()
        self.bots.stop(self._cause, STOP_LIMIT_S)
        self.log.close(STOP_LIMIT_S)
        for watcher in self._watchers:
            watcher.stop()
        self.showing.join(STOP_LIMIT_S)
        self._telling.stop(TELLING_LIMIT_S)

    # What people ask

    def reconnect(self, bot: str | None = None) -> list[str]:
        """New links: of one bot, or of all that need one, or, if none does, of all that are online."""
        shown = self.board.picture().bots
        states = {name: shown[name].status.state for name in self.bots.names() if name in shown}
        chosen = _to_reconnect(states) or self.bots.names()
        if bot is not None:
            chosen = [self._kept(bot).config.name]
        kept = [each for name in chosen if (each := self.bots.get(name))]
        for each in kept:
            each.token.clicked(forget=states.get(each.config.name) is State.REFUSED)
        return self._ask([each.keeper for each in kept], ev.ReconnectClicked())

    def pause(self, bot: str | None = None) -> list[str]:
        """Keep the bots offline, over restarts too, until :meth:`resume`."""
        return self._set_paused(bot, True)

    def resume(self, bot: str | None = None) -> list[str]:
        """End a pause."""
        return self._set_paused(bot, False)

    def _set_paused(self, bot: str | None, paused: bool) -> list[str]:
        keepers = self.bots.keepers() if bot is None else [self._kept(bot).keeper]
        for keeper in keepers:
            self.log.set_setting(paused_setting(keeper.bot), "1" if paused else "0")
        return self._ask(keepers, ev.PauseClicked() if paused else ev.ResumeClicked())

    def _kept(self, bot: str) -> Kept:
        kept = self.bots.get(bot)
        if kept is None:
            raise UnknownBotError(words.no_such_bot(bot, self.bots.names()))
        return kept

    def _ask(self, keepers: Sequence[Keeper], event: ev.Event) -> list[str]:
        answers = [(keeper.bot, keeper.ask(event)) for keeper in keepers]
        return [words.answer(bot, *_told(answer)) for bot, answer in answers]

    def reload(self) -> list[str]:
        """Read the configuration anew and hold what it says now. A link whose bot did not change is not touched, but
        its token is read anew for the next.

        Raises :class:`~traymon.config.ConfigError`, and everything stays as it is.
        """
        config = load(self.profile.config_file, os.environ)
        before = self.bots.names()
        self._config = config
        self._telling.configured(config)
        began = self.bots.hold(config.bots, STOP_LIMIT_S)
        for kept in [self.bots[name] for name in self.bots.names() if name not in began]:
            kept.token.clicked(forget=True)
            kept.keeper.post(ev.TokenChanged())
        ended = [name for name in before if name not in self.bots.names()]
        self.showing.redraw()
        return [words.now_held(name) for name in began] + [words.no_longer_held(name) for name in ended]

    def reload_or_say(self) -> None:
        """:meth:`reload` for those who cannot be answered (a signal): a fault is said where traymon speaks."""
        try:
            self.reload()
        except ConfigError as error:
            self._say(str(error))

    def status(self) -> list[dict[str, Any]]:
        """Every bot, as ``traymon status --json`` prints it."""
        picture = self.board.picture()
        found = [(self.bots.get(name), shown) for name, shown in picture.bots.items()]
        return [status_of(kept.keeper, shown, self._clocks, self.relaying) for kept, shown in found if kept]

    # The control socket: runs on one thread per client

    def _handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        bot = request.get("bot")
        if not isinstance(bot, str | None):
            return {"ok": False, "error": words.unknown_request()}
        try:
            match request.get("do"):
                case "status":
                    return {"ok": True, **self._status_answer()}
                case "reconnect":
                    return {"ok": True, "say": self.reconnect(bot)}
                case "pause":
                    return {"ok": True, "say": self.pause(bot)}
                case "resume":
                    return {"ok": True, "say": self.resume(bot)}
                case "reload":
                    return {"ok": True, "say": self.reload()}
                case "open_log":
                    self.desk.open_report()
                    return {"ok": True, "say": []}
                case "quit":
                    self.end()
                    return {"ok": True, "say": []}
        except (UnknownBotError, ConfigError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": words.unknown_request()}

    def _status_answer(self) -> dict[str, Any]:
        """``starting`` are the bots of which nothing may be shown yet: the log has not taken their first state."""
        bots = self.status()
        shown = {bot["name"] for bot in bots}
        return {
            "bots": bots,
            "starting": [name for name in self.bots.names() if name not in shown],
            "fault": self.board.picture().fault,
            "tray": self.showing.host,
        }

    # What people see

    def use_tray(self, tray: WholeTray, environ: Mapping[str, str], *, at_login: bool = False) -> None:
        """Show everything in ``tray`` until it stops; call from the main thread.

        ``at_login`` there is nobody at a terminal: what is still missing is told by notifications.
        """
        notifier = system_notifier(tray, bus_address(environ), self._say)
        self._telling.use_notifications(notifier, self._clicked, enabled=self.desk.wants_notifications)
        # Asks the system how the start at login stands, which may take seconds. Daemon: nothing waits for it.
        threading.Thread(target=self.desk.look, name="choices", daemon=True).start()
        notices = LoginNotices(
            [
                lambda: None if tray.shown else no_tray(environ),
                lambda: no_token(self.bots.waiting()),
            ],
            lambda sentence: self._telling.tell("traymon", sentence),
        )
        if at_login:
            notices.start()
        self.showing.run(tray)
        notices.stop()

    def chosen(self, item: str) -> None:
        """An item of the tray's menu, or a click on the icon. Runs on the tray's own worker thread."""
        what, _, bot = item.partition(":")
        match what:
            case "reconnect":
                self.reconnect(bot or None)
            case "pause":
                self.pause(bot or None)
            case "resume":
                self.resume(bot or None)
            case "log":
                self.desk.open_report()
            case "textlog":
                self.desk.open_text_log()
            case "diagnostics":
                self.desk.copy_diagnostics()
            case "notifications":
                self._telling.set_enabled(self.desk.toggle_notifications())
            case "autostart":
                self.desk.toggle_autostart()
            case "setup":
                self.desk.set_up()
            case "about":
                self.desk.about()
            case "quit":
                self.end()

    def _clicked(self, what: str, bot: str | None) -> None:
        """A click on a notification. Runs on a thread of the notifications' own."""
        if what == "log":
            self.desk.open_report()
        elif bot is None or self.bots.get(bot) is not None:
            self.reconnect(bot)

    def _log_fault(self, sentence: str | None) -> None:
        """The session log is not well, or well again. Runs on the store thread."""
        self.board.set_fault(sentence)
        if sentence:
            self._say(sentence)


def _to_reconnect(states: Mapping[str, State]) -> list[str]:
    """All that are neither online nor paused; if there are none, all that are online."""
    awake = [name for name, state in states.items() if state is not State.PAUSED]
    return [name for name in awake if states[name] not in UP] or awake


def _told(answer: "Future[list[TellUser]]") -> tuple[str, int]:
    try:
        told = answer.result(ANSWER_LIMIT_S)
    except FutureTimeout:
        return "late", 0
    return (told[-1].answer.value, told[-1].wait_ms) if told else ("now", 0)


def _not_to_be_asked(profile: Profile, error: OSError) -> str:
    return words.gettext(
        "traymon cannot take questions at {address} ({problem}): the bots are held all the same, but “traymon status” "
        "and its kin do not reach them; check that folder and start traymon again."
    ).format(address=profile.control_address, problem=error.strerror or str(error))
