"""The wiring of one process: log, keepers, control socket and tray, from the first to the last."""

import contextlib
import logging
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from typing import Any, Literal

from traymon import words
from traymon.config import BotConfig, Config, load
from traymon.desktop.clocks import Clocks, system_clocks
from traymon.desktop.control import ControlError, ControlServer, ask
from traymon.desktop.instance import AlreadyRunning, acquire_profile
from traymon.desktop.opening import open_file
from traymon.desktop.terminal import Terminal
from traymon.desktop.watch import Watcher, system_watchers
from traymon.keeper.core import Core, State
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Fact, Failure
from traymon.keeper.core.effects import TellUser
from traymon.keeper.core.states import UP
from traymon.keeper.core.status import Status
from traymon.keeper.shell import Board, Keeper, Picture, Shown
from traymon.keeper.shell.presence import PresenceWatch
from traymon.keeper.shell.surroundings import Surroundings
from traymon.paths import Profile
from traymon.secrets import SecretUnavailable
from traymon.secrets import read as read_secret
from traymon.sessionlog.recorder import SessionLog
from traymon.sessionlog.view import LogView, Outage
from traymon.slack.diagnosis import diagnose
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector
from traymon.slack.socket import SocketConnector
from traymon.tray.base import Tray, TrayView
from traymon.tray.view import BotView, view

_log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 5.0
"""For a keeper's answer to a click. It answers at once; only a process that was stopped takes longer."""
REDRAW_PAUSE_S = 0.15
"""After a change is drawn: a burst of changes (fifty bots at a start) is drawn a few times, not fifty."""
STOP_LIMIT_S = 2.0
"""SIGTERM and SIGINT end everything within this time."""


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
        # In a terminal the log's own lines say why a token is missing.
        self._say_token = say if on_line is None else lambda _: None
        self.board = Board(self._clocks.now)
        self.log = SessionLog(
            profile.db, profile.text_log, self._clocks, on_fault=self._log_fault, on_line=on_line
        )
        self.keepers: dict[str, Keeper] = {}
        self._presence = PresenceWatch(self.board, self._clocks.now, random.Random().random)
        self._tokens: dict[str, _Token] = {}
        self._control = ControlServer(profile.control_address, self._handle)
        # Set once when the process is to end; the main thread, the UI thread and the demo wait for it.
        self.ended = threading.Event()
        self._cause = Cause.QUIT  # why it ends; written by whoever knows of something else
        self._watchers = system_watchers(self._clocks) if watchers is None else watchers
        self._surroundings = Surroundings(
            lambda: list(self.keepers.values()),
            self.log,
            on_clock_set=self._clock_set,
            on_shutdown=lambda: self.end(Cause.SYSTEM_SHUTDOWN),
        )
        self._tray: Tray | None = None
        self._outages: dict[str, tuple[object, Outage | None]] = {}
        # Set when all shown times are wrong; the UI thread draws them anew and clears it.
        self._redraw = threading.Event()
        # Draws what the board says. Daemon, and joined in stop(): it only hands views to the tray.
        self._ui = threading.Thread(target=self._follow_board, name="tray view", daemon=True)

    def start(self) -> None:
        """Open the log and begin to keep every bot. Nothing here waits for Slack, a keyring or a tray."""
        self.log.open()
        for bot in self._config.bots:
            self._keep(bot)
        self._presence.start()
        try:
            self._control.start()
        except OSError as error:
            self._say(_not_to_be_asked(self.profile, error))
        for watcher in self._watchers:
            watcher.start(self._surroundings.hear)

    def _keep(self, bot: BotConfig) -> None:
        rtm = bot.transport == "rtm"
        source = bot.token if rtm else bot.app_token
        assert source is not None, "the configuration gives each bot the token of its transport"
        endpoint = Endpoint(bot.api_url, proxy=bot.proxy, ca_file=bot.ca_file)
        token = _Token(
            source, bot.name, self.profile.name, self._say_token, which="token" if rtm else "app_token"
        )
        self._tokens[bot.name] = token
        connector = (RtmConnector if rtm else SocketConnector)(endpoint, token.read)
        core = Core(random.Random().random, spare_on_suspicion=rtm)
        keeper = Keeper(
            bot.name,
            bot.transport,
            connector,
            core,
            self.log,
            self.board,
            self._clocks,
            diagnose=lambda cancel: diagnose(endpoint, cancel=cancel),
        )
        self.keepers[bot.name] = keeper
        if rtm:
            self._presence.watch(keeper, endpoint, token.read)
        else:
            self._say(words.socket_mode_preview(bot.name))
        keeper.start(paused=self.log.setting(_paused(bot.name)) == "1")

    def end(self, cause: Cause = Cause.QUIT) -> None:
        """Ask for the end, from any thread. A shutdown of the machine is the cause even if a signal came as well."""
        if cause is not Cause.QUIT:
            self._cause = cause
        self.ended.set()
        if self._tray is not None:
            self._tray.stop()

    def stop(self) -> None:
        """End all bots, at the same time, and close the log. A machine that shuts down waits until here."""
        self.ended.set()
        self._control.stop()
        for keeper in self.keepers.values():
            keeper.stop(self._cause)
        self._presence.stop(STOP_LIMIT_S)
        for keeper in self.keepers.values():
            keeper.join(STOP_LIMIT_S)
        self.log.close(STOP_LIMIT_S)
        for watcher in self._watchers:
            watcher.stop()
        self.board.poke()
        if self._ui.is_alive():
            self._ui.join(STOP_LIMIT_S)

    # What people ask

    def reconnect(self, bot: str | None = None) -> list[str]:
        """New links: of one bot, or of all that need one, or, if none does, of all that are online."""
        shown = self.board.picture().bots
        states = {name: shown[name].status.state for name in self.keepers if name in shown}
        chosen = _to_reconnect(states) or list(self.keepers)
        if bot is not None:
            chosen = [self._keeper(bot).bot]
        for name in chosen:
            self._tokens[name].clicked(forget=states.get(name) is State.REFUSED)
        return self._ask([self.keepers[name] for name in chosen], ev.ReconnectClicked())

    def pause(self, bot: str | None = None) -> list[str]:
        """Keep the bots offline, over restarts too, until :meth:`resume`."""
        return self._set_paused(bot, True)

    def resume(self, bot: str | None = None) -> list[str]:
        """End a pause."""
        return self._set_paused(bot, False)

    def _set_paused(self, bot: str | None, paused: bool) -> list[str]:
        keepers = list(self.keepers.values()) if bot is None else [self._keeper(bot)]
        for keeper in keepers:
            self.log.set_setting(_paused(keeper.bot), "1" if paused else "0")
        return self._ask(keepers, ev.PauseClicked() if paused else ev.ResumeClicked())

    def _keeper(self, bot: str) -> Keeper:
        keeper = self.keepers.get(bot)
        if keeper is None:
            raise UnknownBotError(words.no_such_bot(bot, list(self.keepers)))
        return keeper

    def _ask(self, keepers: Sequence[Keeper], event: ev.Event) -> list[str]:
        answers = [(keeper.bot, keeper.ask(event)) for keeper in keepers]
        return [words.answer(bot, *_told(answer)) for bot, answer in answers]

    def status(self) -> list[dict[str, Any]]:
        """Every bot, as ``traymon status --json`` prints it."""
        return [self._status_of(bot, shown) for bot, shown in self.board.picture().bots.items()]

    def _status_of(self, bot: str, shown: Shown) -> dict[str, Any]:
        status = shown.status
        failure = status.failure
        return {
            "name": bot,
            "workspace": self._workspace(bot),
            "state": status.state.value,
            "since": _iso(self._wall(status.session_since or status.since)),
            "cause": failure.cause.value if failure else None,
            "explanation": _explain(failure, self.keepers[bot].findings),
            "transport": self.keepers[bot].transport,
            "next_try": _iso(self._wall(status.next_try)),
            "attempting": status.attempting,
            "logged": shown.logged,
            "connections": status.connections,
            "programs": [],
        }

    def _workspace(self, bot: str) -> str | None:
        identity = self.keepers[bot].identity
        return identity.team_name if identity else None

    def _programs(self, bot: str, status: Status) -> int | None:
        """How many links Slack counts beside ours. In Socket Mode those may be leftovers of dead links: not known."""
        if self.keepers[bot].transport != "rtm" or status.connections is None:
            return None
        return status.connections - 1

    def _wall(self, at: int | None) -> int | None:
        """UTC ms of an instant of the clock that counts sleep."""
        return None if at is None else self._clocks.wall() - (self._clocks.now() - at)

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
                case "open_log":
                    self.open_log()
                    return {"ok": True, "say": []}
                case "quit":
                    self.end()
                    return {"ok": True, "say": []}
        except UnknownBotError as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": words.unknown_request()}

    def _status_answer(self) -> dict[str, Any]:
        """``starting`` are the bots of which nothing may be shown yet: the log has not taken their first state."""
        bots = self.status()
        shown = {bot["name"] for bot in bots}
        return {
            "bots": bots,
            "starting": [name for name in self.keepers if name not in shown],
            "fault": self.board.picture().fault,
            "tray": self._tray_host(),
        }

    def _tray_host(self) -> str | None:
        return self._tray.host if self._tray is not None else None

    # The tray

    def use_tray(self, tray: Tray) -> None:
        """Show everything in ``tray`` until it stops; call from the main thread."""
        self._tray = tray
        self._ui.start()
        if not self.ended.is_set():
            tray.run()

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
                self.open_log()
            case "quit":
                self.end()

    def open_log(self) -> None:
        """Show the text log in the person's own viewer."""
        problem = open_file(self.profile.text_log)
        if problem:
            self._say(words.cannot_open_log(str(self.profile.text_log), problem))

    def _follow_board(self) -> None:
        assert self._tray is not None
        seen: Picture | None = None
        while not self.ended.is_set():
            seen = self.board.wait(seen, lambda: self.ended.is_set() or self._redraw.is_set())
            self._redraw.clear()
            try:
                self._tray.show(self._view(seen))
            except Exception:  # noqa: BLE001 - a bad picture must not end the showing
                _log.exception("the tray could not be drawn; the next change tries again")
            self.ended.wait(REDRAW_PAUSE_S)

    def _clock_set(self) -> None:
        self._redraw.set()
        self.board.poke()

    def _last_outage(self, bot: str, shown: Shown) -> Outage | None:
        """From the log, looked up anew only where the bot's state has changed. The UI thread's alone.

        While the log lags it is not looked at: it has nothing new, and a disk that hangs must not keep an icon green.
        """
        known = self._outages.get(bot)
        if not shown.logged:
            return known[1] if known is not None else None
        key = (shown.status.state, shown.status.since)
        if known is None or known[0] != key:
            known = self._outages[bot] = (key, LogView(self.profile.db).last_outage(bot))
        return known[1]

    def _view(self, picture: Picture) -> TrayView:
        bots = [
            BotView(
                name=bot,
                workspace=self._workspace(bot),
                state=each.status.state,
                since_wall_ms=self._wall(each.status.session_since or each.status.since) or 0,
                failure=each.status.failure,
                next_try_wall_ms=self._wall(each.status.next_try),
                attempting=each.status.attempting,
                suspect=each.status.suspect,
                last_outage=self._last_outage(bot, each),
                not_logged_yet=not each.logged,
                programs=self._programs(bot, each.status),
            )
            for bot, each in picture.bots.items()
        ]
        return view(bots, self._clocks.wall(), [picture.fault] if picture.fault else [])

    def _log_fault(self, sentence: str | None) -> None:
        """The session log is not well, or well again. Runs on the store thread."""
        self.board.set_fault(sentence)
        if sentence:
            self._say(sentence)


class _Token:
    """One bot's token, read once: a reconnect must not wait for the keyring again."""

    def __init__(
        self,
        source: str,
        bot: str,
        profile: str,
        say: Callable[[str], None],
        *,
        which: Literal["token", "app_token"],
    ) -> None:
        """``say`` is told why there is no token, each reason once."""
        self._which = which
        self._source = source
        self._bot = bot
        self._profile = profile
        self._say = say
        # All are written by those threads and by clicks; each is one reference, and a read too many does no harm.
        self._value: str | None = None
        self._may_prompt = True
        self._said = ""

    def read(self) -> str:
        """The token. Raises SecretUnavailable. Runs on link threads and that of presence.

        The keyring may ask for its password once at the start and once a click; else it is only looked at.
        """
        value = self._value
        if value is None:
            unlock, self._may_prompt = self._may_prompt, False
            try:
                value = read_secret(
                    self._source, self._bot, self._which, profile=self._profile, unlock=unlock
                )
            except SecretUnavailable as error:
                self._tell(str(error))
                raise
            self._value = value
        return value

    def _tell(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            self._say(f"{self._bot}: {reason}")

    def clicked(self, *, forget: bool) -> None:
        """A person wants to get on: the keyring may ask once more, and a refused token is read anew."""
        self._may_prompt = True
        if forget:
            self._value = None


def _to_reconnect(states: Mapping[str, State]) -> list[str]:
    """All that are neither online nor paused; if there are none, all that are online."""
    awake = [name for name, state in states.items() if state is not State.PAUSED]
    return [name for name in awake if states[name] not in UP] or awake


class UnknownBotError(Exception):
    """One sentence for a person: no bot of that name, and which there are."""


def _paused(bot: str) -> str:
    return f"paused:{bot}"


def _told(answer: "Future[list[TellUser]]") -> tuple[str, int]:
    try:
        told = answer.result(ANSWER_LIMIT_S)
    except FutureTimeout:
        return "late", 0
    return (told[-1].answer.value, told[-1].wait_ms) if told else ("now", 0)


def _explain(failure: Failure | None, findings: Mapping[str, Fact]) -> str | None:
    if failure is None:
        return None
    return words.cause(
        failure.cause.value,
        detail=failure.detail,
        close_code=failure.close_code,
        evidence={**findings, **failure.evidence},
    )


def _iso(wall_ms: int | None) -> str | None:
    if wall_ms is None:
        return None
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().isoformat(timespec="seconds")


def _not_to_be_asked(profile: Profile, error: OSError) -> str:
    return words.gettext(
        "traymon cannot take questions at {address} ({problem}): the bots are held all the same, but “traymon status” "
        "and its kin do not reach them; check that folder and start traymon again."
    ).format(address=profile.control_address, problem=error.strerror or str(error))


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None], *, outlives_terminal: bool = False) -> Iterator[None]:
    """While it lasts, SIGTERM and SIGINT (and SIGBREAK on Windows) call ``end``, on a thread of its own. Main thread
    only; afterwards they do nothing any more.

    SIGHUP comes when a terminal is closed or an ssh session breaks. With ``outlives_terminal`` it changes nothing:
    the bots are not to go offline with the window in which traymon was started.
    """
    # From the interpreter's handler, which writes the signal's number at once, to the thread below. A handler in
    # Python waits for the main thread to run it: where that one was just about to wait for something, it would not.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    ending: set[int] = set()

    def listen() -> None:
        while number := reader.recv(1):
            if number[0] in ending:
                end()

    # Calls ``end`` in the handler's stead. Daemon: most runs of it wait until the process ends.
    listener = threading.Thread(target=listen, name="signals", daemon=True)
    with reader, writer:
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        listener.start()
        try:
            for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is None or (
                    name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN
                ):  # nohup
                    continue
                if not (name == "SIGHUP" and outlives_terminal):
                    ending.add(number)
                # Not SIG_IGN, which a viewer started from here would inherit.
                signal.signal(number, lambda *_: None)
            yield
        finally:
            signal.set_wakeup_fd(before)
            writer.shutdown(socket.SHUT_RDWR)
            listener.join(STOP_LIMIT_S)


def run_app(profile: Profile, *, use_tray: bool) -> int:
    """``traymon run``: keep every configured bot until told to end. Returns the exit code.

    Raises :class:`~traymon.config.ConfigError` for a configuration that cannot be used.
    """
    config = load(profile.config_file, os.environ)
    say = words.to_terminal(sys.stderr)
    try:
        lock = _locked(profile, say)
    except AlreadyRunning as running:
        return _second_start(profile, running, say)
    with lock, Terminal(sys.stdout) as terminal:
        in_terminal = sys.stdout is not None and sys.stdout.isatty()
        app = App(profile, config, on_line=terminal.line if in_terminal else None, say=say)
        if not config.bots:
            say(words.no_bots(str(profile.config_file)))
        run_to_end(app, use_tray=use_tray, outlives_terminal=True)
    return 0


def _locked(profile: Profile, say: Callable[[str], None]) -> contextlib.AbstractContextManager[object]:
    """The profile's lock, or, where none can be had, nothing: rather two that hold a bot than none.

    Raises :class:`AlreadyRunning`.
    """
    try:
        return acquire_profile(profile)
    except OSError as error:
        problem = error
    with contextlib.suppress(ControlError):
        ask(profile.control_address, {"do": "status"}, ANSWER_LIMIT_S)
        raise AlreadyRunning(None)
    say(
        words.gettext(
            "{file} cannot be locked ({problem}), so traymon cannot tell whether another one runs: it holds the bots "
            "all the same; check the folder, and that only one runs."
        ).format(file=profile.lock_file, problem=problem.strerror or type(problem).__name__)
    )
    return contextlib.nullcontext()


def run_to_end(
    app: App,
    *,
    use_tray: bool,
    beside: Callable[[], None] | None = None,
    outlives_terminal: bool = False,
) -> None:
    """Start ``app``, show its tray on this (the main) thread, and stop it when it is told to end.

    ``beside`` runs on a thread of its own meanwhile: the demo's script.
    """
    with ended_by_signals(app.end, outlives_terminal=outlives_terminal):
        try:
            app.start()
            if beside is not None:
                # Plays the script. Daemon: it ends with app.ended, or with the process.
                threading.Thread(target=beside, name="script", daemon=True).start()
            if use_tray:
                from traymon.tray.choose import choose_tray

                app.use_tray(choose_tray(app.chosen, os.environ))
            app.ended.wait()
        finally:
            app.stop()


def _second_start(profile: Profile, running: AlreadyRunning, say: Callable[[str], None]) -> int:
    """From a terminal: a sentence. From the desktop: the running one's log, as the person wants to see something."""
    if sys.stdin is not None and sys.stdin.isatty():
        say(str(running))
        return 1
    with contextlib.suppress(ControlError):
        ask(profile.control_address, {"do": "open_log"}, ANSWER_LIMIT_S)
        return 0
    say(str(running))
    return 1
