"""What the set-up page does, step by step: check the tokens, keep them, and watch the bot come online.

Everything here runs on a worker thread and tells its steps as they come; it knows nothing of HTTP.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from traymon import words
from traymon.config import DEFAULT_API_URL, ConfigError, check_api_url, check_name, load
from traymon.desktop.control import ControlError, NotRunning
from traymon.paths import Profile
from traymon.secrets import Secret, SecretUnavailable
from traymon.setup import configfile
from traymon.setup.checking import Candidate, Checked, CheckFailed, Outcome, Step, Tell, candidate, check
from traymon.setup.configfile import BotTable, Programs, Transport
from traymon.setup.keeping import keep, token_file
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint

WATCH_LIMIT_S = 120.0
"""How long the page waits for the bot to come online: several of an attempt's 30 s. After that the icon tells."""
WATCH_PAUSE_S = 0.3
"""Between two looks at the bot's state: a person sees no delay."""
_FALLBACK_NAME = "bot"
"""For a bot whose name Slack did not tell: an app-level token belongs to an app, not to a bot."""

Place = Literal["keyring", "file", "env"]
End = Literal["passed", "failed", "taken", "no_keyring", "kept", "online"]
"""How a request ended. ``kept``: the bot is set up, but not known to be online."""


class CheckRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends to have tokens checked. Nothing of it is in a repr."""

    transport: Transport
    token: str = ""
    app_token: str = ""
    api_url: str = DEFAULT_API_URL
    programs: Programs | None = None

    def __repr__(self) -> str:
        return f"CheckRequest({self.transport!r})"


class KeepRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends to have the tokens that passed kept under a name."""

    name: str
    place: Place = "keyring"
    variable: str = ""
    app_variable: str = ""
    """With ``env``: the variables of the bot token and of the app-level one."""
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended; ``name`` is a name proposed for the bot, ``checked`` the tokens that passed."""

    end: End
    name: str = ""
    checked: Checked | None = None


class Steps:
    """The work of one set-up page. Its methods may block for minutes; one runs at a time."""

    def __init__(
        self,
        profile: Profile,
        on_done: Callable[[str], None],
        status: Callable[[str], Mapping[str, Any] | None],
        *,
        watch_limit_s: float = WATCH_LIMIT_S,
    ) -> None:
        self._profile = profile
        self._on_done = on_done
        self._status = status
        self._watch_limit_s = watch_limit_s

    def check(self, request: CheckRequest, tell: Tell, cancel: Cancel) -> Result:
        """Look at the tokens and ask Slack. Raises AbandonedError after a ``cancel``."""
        try:
            api_url = check_api_url(request.api_url.strip(), words.gettext("The address of the Web API"))
        except ConfigError as error:
            return _fail(tell, "address", str(error))
        endpoint = Endpoint(api_url)
        try:
            wanted = candidate(
                request.transport, endpoint, request.token, request.app_token, tell, request.programs
            )
            checked = check(wanted, tell, cancel)
        except CheckFailed:
            return Result("failed")
        return Result("passed", _proposed(checked.name), checked)

    def keep(self, checked: Checked, request: KeepRequest, tell: Tell, gone: threading.Event) -> Result:
        """Keep the tokens, write the configuration, and watch the bot until it is online or ``gone`` is set."""
        name = request.name.strip()
        path = self._profile.config_file
        wanted = checked.candidate
        if _bad_name(name):
            text = words.gettext("Give the bot a name that can be shown, of at most 80 characters.")
            return _fail(tell, "name", text)
        try:
            known = configfile.names(path)
            table = self._table(name, wanted, request)
            configfile.preview_bot(path, table)
        except ConfigError as error:
            return _fail(tell, "config", _sentence(error))
        if name in known and not request.replace:
            return Result("taken", name)
        try:
            self._keep_tokens(table, wanted, tell)
        except SecretUnavailable as error:
            tell(Step("keep", Outcome.FAILED, words.printable(str(error))))
            return Result("no_keyring", name)
        except OSError as error:
            return _fail(tell, "keep", _not_written(error))
        from_environment = [] if path.exists() else load(path, os.environ).bots
        try:
            configfile.set_bot(path, table)
        except ConfigError as error:
            return _fail(tell, "config", _sentence(error))
        except OSError as error:
            return _fail(tell, "config", _not_written(error))
        text = words.gettext("Written into {file}.").format(file=words.printable(str(path)))
        tell(Step("config", Outcome.OK, text))
        if from_environment and not (table.token or table.app_token or "").startswith("env:"):
            text = words.gettext(
                "So far traymon took its bot from SLACK_BOT_TOKEN or SLACK_APP_TOKEN in the environment; from now on "
                "only the configuration counts."
            )
            tell(Step("environment", Outcome.WARNING, text))
        return self._bring_online(name, tell, gone, watch=not _unset(table))

    # Keeping

    def _table(self, name: str, wanted: Candidate, request: KeepRequest) -> BotTable:
        def place(which: str, secret: Secret | None, variable: str) -> str | None:
            if secret is None:
                return None
            if request.place == "file":
                return f"file:{token_file(self._profile.tokens, name, which)}"
            return f"env:{variable.strip()}" if request.place == "env" else "keyring"

        return BotTable(
            name,
            wanted.transport,
            token=place("token", wanted.token, request.variable),
            app_token=place("app_token", wanted.app_token, request.app_variable),
            api_url=wanted.endpoint.api_url,
            programs=wanted.programs,
        )

    def _keep_tokens(self, table: BotTable, wanted: Candidate, tell: Tell) -> None:
        for which, place, secret in (
            ("app_token", table.app_token, wanted.app_token),
            ("token", table.token, wanted.token),
        ):
            if place is None or secret is None:
                continue
            if place == "keyring":
                text = words.gettext("Putting it into the keyring, which may ask you for its password …")
                tell(Step("keep", Outcome.RUNNING, text))
            keep(place, table.name, which, secret, profile=self._profile.name)
        tell(_kept(table))

    # Online

    def _bring_online(self, bot: str, tell: Tell, gone: threading.Event, *, watch: bool) -> Result:
        tell(
            Step(
                "online", Outcome.RUNNING, words.gettext("Waiting for {bot} to come online …").format(bot=bot)
            )
        )
        try:
            self._on_done(bot)
        except NotRunning:
            text = words.gettext("Now start traymon: it brings {bot} online.").format(bot=bot)
            tell(Step("online", Outcome.WARNING, text))
            return Result("kept", bot)
        except ControlError as error:
            tell(Step("online", Outcome.WARNING, words.printable(str(error))))
            return Result("kept", bot)
        if not watch:
            text = words.gettext("{bot} comes online when traymon finds its token.").format(bot=bot)
            tell(Step("online", Outcome.WARNING, text))
            return Result("kept", bot)
        return self._watch(bot, tell, gone)

    def _watch(self, bot: str, tell: Tell, gone: threading.Event) -> Result:
        said = ""
        for _ in range(max(1, round(self._watch_limit_s / WATCH_PAUSE_S))):
            try:
                status = self._status(bot)
            except ControlError:  # it ended, or is busy: it may be back at the next look
                status = None
            step = _standing(bot, status)
            if step.outcome is not Outcome.RUNNING:
                tell(step)
                return Result("online" if step.outcome is Outcome.OK else "kept", bot)
            if step.text != said:
                said = step.text
                tell(step)
            if gone.wait(WATCH_PAUSE_S):
                break
        text = words.gettext(
            "{bot} is not online yet. traymon keeps trying; its icon shows when it is, and why it is not."
        ).format(bot=bot)
        tell(Step("online", Outcome.WARNING, text))
        return Result("kept", bot)


def _standing(bot: str, status: Mapping[str, Any] | None) -> Step:
    """How the bot stands, from traymon's own status of it."""
    state = None if status is None else status.get("state")
    if status is None or state is None:
        text = words.gettext("Waiting for {bot} to come online …").format(bot=bot)
        return Step("online", Outcome.RUNNING, text)
    why = words.printable(str(status.get("explanation") or ""))
    if state in {"online", "away"}:
        return Step("online", Outcome.OK, words.gettext("{bot} is online.").format(bot=bot))
    if state == "refused" and not status.get("attempting"):
        return Step("online", Outcome.FAILED, why or words.gettext("Slack refuses the token."))
    if state == "paused":
        text = words.gettext("{bot} is paused: choose Resume in traymon's menu.").format(bot=bot)
        return Step("online", Outcome.WARNING, text)
    text = words.gettext("{bot}: {state}.").format(bot=bot, state=words.state(str(state)))
    return Step("online", Outcome.RUNNING, f"{text} {why}".strip())


def _unset(table: BotTable) -> list[str]:
    """The environment variables that the bot needs and this process does not have."""
    places = [place for place in (table.app_token, table.token) if place is not None]
    names = [place.removeprefix("env:") for place in places if place.startswith("env:")]
    return [name for name in names if not os.environ.get(name)]


def _kept(table: BotTable) -> Step:
    places = [place for place in (table.app_token, table.token) if place is not None]
    if unset := _unset(table):
        text = words.gettext(
            "Set {variables} in the environment in which traymon starts, then start traymon again."
        ).format(variables=", ".join(unset))
        return Step("keep", Outcome.WARNING, text)
    if places[0].startswith("env:"):
        return Step("keep", Outcome.OK, words.gettext("It stays in the environment, where traymon reads it."))
    if places[0].startswith("file:"):
        files = ", ".join(place.removeprefix("file:") for place in places)
        text = words.gettext("Kept in {file}, which only you can read.").format(file=words.printable(files))
        return Step("keep", Outcome.OK, text)
    return Step("keep", Outcome.OK, words.gettext("Kept in the keyring."))


def _proposed(name: str) -> str:
    """A name for the bot: what Slack calls it, where that can be one."""
    return _FALLBACK_NAME if _bad_name(name) else name


def _bad_name(name: str) -> bool:
    try:
        check_name(name)
    except ConfigError:
        return True
    return False


def _fail(tell: Tell, step: str, text: str) -> Result:
    tell(Step(step, Outcome.FAILED, words.printable(text)))
    return Result("failed")


def _sentence(error: ConfigError) -> str:
    """A fault in the configuration, which its owner mends in the file."""
    return words.gettext("Nothing was changed: {why}").format(why=error)


def _not_written(error: OSError) -> str:
    return words.gettext("{file} cannot be written ({problem}): check its folder and the disk.").format(
        file=error.filename or "", problem=error.strerror or type(error).__name__
    )
