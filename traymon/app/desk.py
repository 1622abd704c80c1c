"""What a person does with traymon itself, from its menu: look at the log, set up, choose, ask for help."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from traymon import __version__, words
from traymon.config import ConfigError
from traymon.desktop.autostart import Autostart, AutostartError, system_autostart
from traymon.desktop.control import ControlError
from traymon.desktop.opening import open_file
from traymon.paths import Profile
from traymon.report.child import write_in_child
from traymon.sessionlog.recorder import SessionLog
from traymon.setup.page import SetupPage
from traymon.tray.view import Choices

_log = logging.getLogger(__name__)

NOTIFICATIONS = "notifications"
"""The setting's name in the store: "0" where the person wants none."""


class Desk:
    """Every method runs on a thread that may wait: the tray's worker, or a client's of the control socket."""

    def __init__(
        self,
        profile: Profile,
        log: SessionLog,
        *,
        tell: Callable[[str, str], None],
        status: Callable[[], Mapping[str, Any]],
        reload: Callable[[], object],
        reconnect: Callable[[str], object],
        changed: Callable[[], None],
    ) -> None:
        """``tell`` shows a person a title and a sentence; ``status`` is what the control socket answers.

        ``reload`` takes the configuration in, ``reconnect`` has a bot use it at once; ``changed`` is called when a
        choice was made that the menu shows.
        """
        self._profile = profile
        self._log = log
        self._tell = tell
        self._status = status
        self._reload = reload
        self._reconnect = reconnect
        self._changed = changed
        self._setup = SetupPage(profile, self._set_up_done, self._status_of)
        # One reference, written by clicks and at the start, read when the menu is made.
        self.choices = Choices()

    def look(self) -> None:
        """See how the choices stand that others may change as well."""
        state = None
        why = ""
        try:
            state = self._autostart().state()
        except AutostartError as error:
            why = str(error)
        self.choices = Choices(
            notifications=self.wants_notifications,
            autostart=None if state is None else state.is_on,
            why=why,
        )
        self._changed()

    @property
    def wants_notifications(self) -> bool:
        """The person's choice; at first, yes."""
        return self._log.setting(NOTIFICATIONS) != "0"

    def close(self) -> None:
        """End the set-up page, if it is open."""
        self._setup.close()

    # What the menu offers

    def open_report(self) -> None:
        """Make the report anew, and show it; where that cannot be, the text log."""
        problem = write_in_child(self._profile, self._workspaces()) or open_file(self._profile.report)
        if problem:
            _log.info("%s", words.cannot_open_log(str(self._profile.report), problem))
            self.open_text_log()

    def open_text_log(self) -> None:
        """Show the text log in the person's own viewer."""
        if not self._profile.text_log.exists():
            self._tell(
                words.gettext("The session log"),
                words.gettext("There is no text log yet: it begins with the first entry of a bot."),
            )
            return
        problem = open_file(self._profile.text_log)
        if problem:
            sentence = words.cannot_open_log(str(self._profile.text_log), problem)
            self._tell(words.gettext("The session log"), sentence)

    def copy_diagnostics(self) -> None:
        """Put what an issue needs on the clipboard; where there is none, into a file, and show that."""
        from traymon.desktop.clipboard import copy
        from traymon.doctor.diagnostics import diagnostics, last_lines

        text = diagnostics(self._profile, self._status(), last_lines(self._profile))
        title = words.gettext("Diagnostics")
        problem = copy(text)
        if problem is None:
            self._tell(
                title,
                words.gettext("They are on the clipboard, without tokens and names: ready for an issue."),
            )
            return
        path = self._profile.diagnostics
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self._tell(title, f"{problem} {words.cannot_open_log(str(path), error.strerror or '')}")
            return
        open_file(path)
        self._tell(title, words.gettext("{problem} They are in {path}.").format(problem=problem, path=path))

    def toggle_notifications(self) -> bool:
        """Notifications from now on, or none; what it is now."""
        wanted = not self.wants_notifications
        self._log.set_setting(NOTIFICATIONS, "1" if wanted else "0")
        self.look()
        return wanted

    def toggle_autostart(self) -> None:
        """Start at login from now on, or not."""
        title = words.gettext("Start at login")
        try:
            autostart = self._autostart()
            if autostart.state().is_on:
                autostart.turn_off()
            else:
                autostart.turn_on()
        except AutostartError as error:
            self._tell(title, str(error))
        self.look()

    def set_up(self) -> None:
        """Open the set-up page in the browser."""
        try:
            problem = self._setup.open()
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem:
            self._tell(
                words.gettext("Set up a bot"),
                words.gettext(
                    "The page could not be opened ({problem}): run traymon setup in a terminal."
                ).format(problem=problem),
            )

    def about(self) -> None:
        """Which traymon this is, and where its things are."""
        self._tell(
            f"traymon {__version__}",
            words.gettext("Configuration: {config}\nSession log: {log}").format(
                config=self._profile.config_file, log=self._profile.text_log
            ),
        )

    # For the pages

    def _set_up_done(self, bot: str) -> None:
        held = self._status_of(bot) is not None
        try:
            self._reload()
            if held:
                self._reconnect(bot)  # the token may be another one
        except ConfigError as error:
            raise ControlError(str(error)) from None

    def _status_of(self, bot: str) -> Mapping[str, Any] | None:
        return next((each for each in self._bots() if each.get("name") == bot), None)

    def _bots(self) -> list[Mapping[str, Any]]:
        return list(self._status().get("bots") or [])

    def _workspaces(self) -> dict[str, str]:
        return {str(bot["name"]): str(bot["workspace"]) for bot in self._bots() if bot.get("workspace")}

    def _autostart(self) -> Autostart:
        return system_autostart(self._profile)
