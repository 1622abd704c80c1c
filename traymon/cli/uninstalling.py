"""``traymon uninstall``: take out what traymon put on this machine, and say what stays, and where.

Only files of known names are deleted, and folders only when they are empty: with ``--config`` any folder may be the
configuration's.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click

from traymon import words
from traymon.cli.autostart import system
from traymon.cli.output import FAILED, Context, Sentence
from traymon.cli.removing import (
    TOKENS,
    in_keyring,
    kept_elsewhere,
    kept_in_keyring,
    not_deleted,
    own_token_files,
    stays,
)
from traymon.config import Config, ConfigError, load
from traymon.desktop.control import ControlError
from traymon.desktop.instance import AlreadyRunning, InstanceLock, acquire_profile
from traymon.secrets import SecretUnavailable, delete


@click.command(
    help=words.mark(
        "Take out traymon's start at login and its tokens and, asked, the configuration and the logs."
    )
)
@click.option(
    "-y", "--yes", is_flag=True, help=words.mark("Do not ask; without --purge, configuration and logs stay.")
)
@click.option("--purge", is_flag=True, help=words.mark("Delete the configuration and the logs, too."))
@click.pass_obj
def uninstall(context: Context, yes: bool, purge: bool) -> None:
    """``traymon uninstall``."""
    work = _Uninstalling(context, ask=not yes, purge=purge)
    try:
        if not yes and not click.confirm(
            words.gettext("Take out traymon's start at login, and delete the tokens that it keeps?")
        ):
            raise Sentence(words.gettext("Nothing was taken out."))
        with _alone(context, ask=not yes) as ended:
            work.run(ended=ended)
    except click.Abort:
        work.tell_aborted()
        raise
    stays(work.kept)
    raise SystemExit(FAILED if work.failed else 0)


class _Uninstalling:
    """One uninstalling. ``gone`` says what went so far, ``kept`` what stays; ``failed``: something that should have
    gone is among it."""

    def __init__(self, context: Context, *, ask: bool, purge: bool) -> None:
        self._context = context
        self._profile = context.profile
        self._ask = ask
        self._purge = purge
        self.gone: list[str] = []
        self.kept: list[str] = []
        self.failed = False

    def run(self, *, ended: bool) -> None:
        """Everything, one after the other: what fails keeps nothing else from going.

        ``ended``: a running traymon was ended for it. Raises click.Abort where a question is not answered.
        """
        if ended:
            self.gone.append(words.gettext("the traymon that was running"))
        config = self._config()
        self._take_out_start()
        self._take_out_tokens(config)
        self._take_out(
            self._files_of_configuration(),
            words.gettext("Delete the configuration, too?"),
            words.gettext("the configuration {file}"),
        )
        self._take_out(
            self._files_of_log(),
            words.gettext("Delete the log of all sessions, too?"),
            words.gettext("the log {file}"),
        )
        self._clean_up()
        if config is not None:
            self.kept += kept_elsewhere(config.bots)
        self.kept += self._others()
        self.kept.append(
            words.gettext("the program itself: pipx uninstall traymon, or pip uninstall traymon")
        )

    def tell_aborted(self) -> None:
        """Say what is gone already and what is not, where a person broke off."""
        click.echo()  # the question that was not answered has no end of line
        if not self.gone:
            click.echo(words.gettext("Nothing was taken out."))
            return
        click.echo(words.gettext("This is gone:"))
        for thing in self.gone:
            click.echo(f"  {thing}")
        for files, named in (
            (self._files_of_configuration(), words.gettext("the configuration {file}")),
            (self._files_of_log(), words.gettext("the log {file}")),
        ):
            self.kept += _named(files, named)
        if self._profile.state_dir.is_dir():
            self.kept.append(
                words.gettext("what traymon works with, in {folder}").format(
                    folder=words.printable(str(self._profile.state_dir))
                )
            )
        stays(dict.fromkeys(self.kept))

    def _files_of_configuration(self) -> list[Path]:
        return _there([self._profile.config_file])

    def _files_of_log(self) -> list[Path]:
        return _there(_made_by_log(self._profile.db) + _made_by_log(self._profile.text_log))

    def _config(self) -> Config | None:
        try:
            return load(self._profile.config_file, {})
        except ConfigError as error:
            click.echo(words.gettext("The configuration cannot be used ({why})").format(why=error))
            return None

    def _take_out_start(self) -> None:
        from traymon.desktop.autostart import AutostartError

        try:
            entry = system(self._context)
            was_on = entry.state().is_on
            entry.turn_off()
            if was_on:
                self.gone.append(words.gettext("the start at login"))
        except (AutostartError, Sentence) as error:
            self.failed = True
            self.kept.append(str(error))

    def _take_out_tokens(self, config: Config | None) -> None:
        """Of all bots that are or were kept here. Without a keyring's bot in the configuration, the keyring is not
        touched."""
        made = [file for bot in config.bots for file in own_token_files(bot, self._profile)] if config else []
        for file in _there(made):
            if self._delete(file):
                self.gone += _named([file], words.gettext("the token in the file {file}"))
            else:
                self.failed = True
        bots = [bot.name for bot in config.bots if in_keyring(bot)] if config is not None else []
        if not bots and config is not None:
            return
        count = 0
        try:
            for bot in {*bots, *self._bots_in_log()}:
                for which in TOKENS:
                    count += delete(bot, which, profile=self._profile.name)
        except SecretUnavailable as error:
            self.failed = True
            self.kept.append(f"{kept_in_keyring(self._context)} ({error})")
        if count:
            self.gone.append(kept_in_keyring(self._context))

    def _bots_in_log(self) -> set[str]:
        from traymon.sessionlog.view import LogUnreadableError, LogView

        with contextlib.suppress(LogUnreadableError):
            return {span.bot for span in LogView(self._profile.db).spans()}
        return set()

    def _take_out(self, files: list[Path], question: str, named: str) -> None:
        """Delete ``files`` if the person wants that; else, and where it fails, they stay."""
        if not files:
            return
        left = files
        if self._purge or (self._ask and click.confirm(question)):
            left = [file for file in files if not self._delete(file)]
            self.failed = self.failed or bool(left)
            self.gone += _named([file for file in files if file not in left], named)
        self.kept += _named(left, named)

    def _delete(self, file: Path) -> bool:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            click.echo(not_deleted(file, error), err=True)
            return False
        return True

    def _clean_up(self) -> None:
        """What would be made anew: locks, the control socket, the report, the relay's tokens; and folders that are
        empty now."""
        profile = self._profile
        settings = profile.relay_settings
        working = [profile.lock_file, profile.runtime_dir / profile.lock_file.name, profile.report]
        working += [profile.diagnostics, settings, settings.with_name("relay-bots.json")]
        working += [settings.with_name(f"{settings.name}.damaged")]
        if os.name == "posix":
            working += [Path(profile.control_address), Path(f"{profile.control_address}.key")]
        for file in working:
            self._delete(file)
        folders = []
        for folder in (profile.runtime_dir, profile.log_dir, profile.state_dir):
            folders.append(folder)
            if folder.parent.name == "profiles":  # beside those of other configuration files
                folders += [folder.parent, folder.parent.parent]
        folders.append(profile.tokens)
        if profile.name == "default":
            folders.append(profile.config_file.parent)
        for folder in folders:
            with contextlib.suppress(OSError):  # it is not empty, or not there
                folder.rmdir()

    def _others(self) -> Iterator[str]:
        """What belongs to other configuration files."""
        folder = self._profile.state_dir / "profiles"
        if self._profile.name == "default" and folder.is_dir():
            yield words.gettext(
                "what belongs to other configuration files, in {folder} (traymon --config FILE uninstall)"
            ).format(folder=words.printable(str(folder)))


def _made_by_log(file: Path) -> list[Path]:
    """``file``, its companions (-wal, -shm), earlier parts, and copies moved aside or made before a change."""
    if not file.parent.is_dir():
        return []
    return sorted(each for each in file.parent.iterdir() if each.name.startswith(file.name))


def _there(files: list[Path]) -> list[Path]:
    return [file for file in files if file.exists() or file.is_symlink()]


def _named(files: list[Path], named: str) -> list[str]:
    return [named.format(file=words.printable(str(file))) for file in files]


@contextlib.contextmanager
def _alone(context: Context, *, ask: bool) -> Iterator[bool]:
    """While it lasts, nobody else runs the profile: a running traymon is ended, after asking where ``ask``.

    Gives whether one was ended.
    """
    ended = False
    try:
        lock = _locked(context)
    except AlreadyRunning:
        if ask and not click.confirm(words.gettext("traymon is running. End it?")):
            raise Sentence(
                words.gettext("Nothing was taken out, as traymon runs: end it with “traymon quit”.")
            ) from None
        lock = _locked_after_end(context)
        ended = True
    with lock:
        yield ended


def _locked(context: Context) -> "InstanceLock | contextlib.nullcontext[None]":
    """Raises AlreadyRunning."""
    try:
        return acquire_profile(context.profile)
    except OSError:
        return contextlib.nullcontext()  # folders that cannot be written: nothing can run there


def _locked_after_end(context: Context) -> "InstanceLock | contextlib.nullcontext[None]":
    from traymon.cli.asking import quit_

    try:
        click.get_current_context().invoke(quit_)
        return _locked(context)
    except (ControlError, AlreadyRunning):
        raise Sentence(
            words.gettext(
                "Nothing was taken out, as traymon runs and could not be told to end: end it, then try again."
            )
        ) from None
