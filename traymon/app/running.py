"""One process from its start to its end: the lock, the icon, the terminal, the signals, the tray on the main thread.

The icon comes before what holds the bots is even imported: that takes longer than all that a first icon needs.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from traymon import words
from traymon.app.signals import ended_by_signals
from traymon.config import load
from traymon.desktop.instance import AlreadyRunning, acquire_profile
from traymon.desktop.terminal import Terminal
from traymon.paths import Profile
from traymon.tray.choose import choose_tray, first_icon

if TYPE_CHECKING:
    from traymon.app.app import App
    from traymon.app.service import Service
    from traymon.tray.base import WholeTray

_NOTIFY = "NOTIFY_SOCKET"
"""Where a service manager that started this process wants to be told; see :mod:`traymon.desktop.systemd`."""


def run_app(profile: Profile, *, use_tray: bool, at_login: bool = False) -> int:
    """``traymon run``: keep every configured bot until told to end. Returns the exit code.

    Raises :class:`~traymon.config.ConfigError` for a configuration that cannot be used.
    """
    config = load(profile.config_file, os.environ)
    say = words.to_terminal(sys.stderr)
    try:
        lock = _locked(profile, say)
    except AlreadyRunning as running:
        if at_login:
            return 0
        return _second_start(profile, running, say, as_service=_NOTIFY in os.environ and not use_tray)
    with lock, contextlib.ExitStack() as stack:
        asked = _Asked()
        stack.enter_context(ended_by_signals(asked.end, on_hangup=asked.reload))
        # Clicks are kept until the tray runs, and then there is the app.
        icon = (
            stack.enter_context(first_icon(lambda item: app.chosen(item), os.environ)) if use_tray else None
        )
        terminal = stack.enter_context(Terminal(sys.stdout))
        in_terminal = sys.stdout is not None and sys.stdout.isatty()
        from traymon.app.app import App

        app = App(profile, config, on_line=terminal.line if in_terminal else None, say=say)
        if not config.bots:
            say(words.no_bots(str(profile.config_file)))
        service = _service_of(app)
        run_to_end(
            app,
            use_tray=use_tray,
            icon=icon,
            service=service,
            when_started=lambda: asked.answer_by(app, service),
            at_login=at_login,
        )
    return 0


class _Asked:
    """What signals ask for: the app does it, and what is asked before that has started it does then."""

    def __init__(self) -> None:
        # Guards the rest, which the thread of the signals and the main thread use.
        self._lock = threading.Lock()
        self._app: App | None = None
        self._service: Service | None = None
        self._before: list[Callable[[App], None]] = []

    def end(self) -> None:
        """SIGTERM and its kin."""
        self._ask(lambda app: app.end())

    def reload(self) -> None:
        """SIGHUP."""
        self._ask(self._reload)

    def _reload(self, app: "App") -> None:
        with self._service.reloading() if self._service is not None else contextlib.nullcontext():
            app.reload_or_say()

    def answer_by(self, app: "App", service: "Service | None") -> None:
        """From now on ``app``, which has started, does what is asked; ``service`` is told of it."""
        with self._lock:
            self._app = app
            self._service = service
            before = self._before
        for ask in before:
            ask(app)

    def _ask(self, what: "Callable[[App], None]") -> None:
        with self._lock:
            app = self._app
            if app is None:
                self._before.append(what)
        if app is not None:
            what(app)


def _service_of(app: "App") -> "Service | None":
    """What tells the service manager of ``app``, where one has started this process."""
    if _NOTIFY not in os.environ:
        return None
    from traymon.app.service import Service
    from traymon.desktop.systemd import from_environment

    manager = from_environment(os.environ)
    return None if manager is None else Service(manager, app)


def _locked(profile: Profile, say: Callable[[str], None]) -> contextlib.AbstractContextManager[object]:
    """The profile's lock, or, where none can be had, nothing: rather two that hold a bot than none.

    Raises :class:`AlreadyRunning`.
    """
    try:
        return acquire_profile(profile)
    except OSError as error:
        problem = error
    from traymon.desktop.control import ControlError, ask

    with contextlib.suppress(ControlError):
        ask(profile.control_address, {"do": "status"})
        raise AlreadyRunning(None)
    say(
        words.gettext(
            "{file} cannot be locked ({problem}), so traymon cannot tell whether another one runs: it holds the bots "
            "all the same; check the folder, and that only one runs."
        ).format(file=profile.lock_file, problem=problem.strerror or type(problem).__name__)
    )
    return contextlib.nullcontext()


def run_to_end(
    app: "App",
    *,
    use_tray: bool,
    icon: "WholeTray | None" = None,
    service: "Service | None" = None,
    when_started: Callable[[], None] = lambda: None,
    at_login: bool = False,
) -> None:
    """Start ``app``, show its tray on this (the main) thread, and stop it when it is told to end.

    ``icon`` is the tray whose icon is shown already; else one is chosen when the bots are held. ``service`` is told,
    without a tray also how the bots are. ``when_started`` must not wait.
    """
    try:
        app.start()
        when_started()
        if service is not None:
            service.ready()
        if use_tray:
            app.use_tray(icon or choose_tray(app.chosen, os.environ), os.environ, at_login=at_login)
        elif service is not None:
            service.show_status()
        app.ended.wait()
    finally:
        if service is not None:
            service.stopping()
        app.stop()


def _second_start(
    profile: Profile, running: AlreadyRunning, say: Callable[[str], None], *, as_service: bool
) -> int:
    """From a terminal: a sentence, and for a service manager, which tries again. From the desktop: the running one's
    log, as the person wants to see something."""
    if as_service:
        say(str(running))
        return 1
    if sys.stdin is not None and sys.stdin.isatty():
        say(str(running))
        return 1
    from traymon.desktop.control import ControlError, ask

    with contextlib.suppress(ControlError):
        if ask(profile.control_address, {"do": "open_log"}).get("ok"):
            return 0
    say(str(running))
    return 1
