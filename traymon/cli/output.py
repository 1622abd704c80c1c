"""What all commands share: the profile, errors as one sentence, and what may reach standard error."""

import contextlib
import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import click

from traymon import words
from traymon.paths import Profile

FAILED = 1
"""What was asked about is not so, or what was asked for did not work."""
USAGE = 2
NOT_RUNNING = 3

_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What writing to a file or terminal fails with, where the reader did not just go away."""


@dataclass(frozen=True, slots=True)
class Context:
    """The options that stand before the command. ``named``: the configuration file was given by ``--config``."""

    profile: Profile
    debug: bool
    named: bool


class Sentence(click.ClickException):
    """An error that ends the command with one sentence on standard error."""

    def __init__(self, sentence: str, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it: escaped, on one line."""
        words.to_terminal(sys.stderr)(self.message)


@contextlib.contextmanager
def guarded(*, debug: bool) -> Iterator[None]:
    """Turn every error of ours into its sentence and exit code, and defects into a sentence without a traceback."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a sentence
        known = _known(error)
        if debug:
            text = "".join(traceback.format_exception(error))
            _print_secretless(text)
        raise known or Sentence(
            words.gettext(
                "This is a defect of traymon ({kind}); please report it with what “traymon --debug …” says."
            ).format(kind=type(error).__name__)
        ) from None


def _known(error: Exception) -> Sentence | None:
    # By name first: a command that never imported a module cannot have raised its errors.
    loaded = sys.modules
    if "traymon.config" in loaded:
        from traymon.config import ConfigError

        if isinstance(error, ConfigError):
            return Sentence(str(error), USAGE)
    if "traymon.desktop.control" in loaded:
        from traymon.desktop.control import ControlError, NotRunning

        if isinstance(error, ControlError):
            return Sentence(str(error), NOT_RUNNING if isinstance(error, NotRunning) else FAILED)
    if "traymon.secrets" in loaded:
        from traymon.secrets import SecretUnavailable

        if isinstance(error, SecretUnavailable):
            return Sentence(str(error))
    if "traymon.sessionlog.view" in loaded:
        from traymon.sessionlog.view import LogUnreadableError

        if isinstance(error, LogUnreadableError):
            return Sentence(str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return Sentence(
            words.gettext(
                "{file} cannot be used ({problem}): check its path, its permissions and the disk."
            ).format(file=error.filename, problem=error.strerror or type(error).__name__)
        )
    if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS:
        return Sentence(
            words.gettext("The output could not be written ({problem}): check where it goes.").format(
                problem=error.strerror
            )
        )
    return None


def _print_secretless(text: str) -> None:
    from traymon.secrets import redacted

    say = words.to_terminal(sys.stderr)
    for line in redacted(text).splitlines():
        say(line)


def prepare_streams() -> None:
    """Let no character that the terminal's encoding lacks end a command: it is shown escaped instead.

    A standard stream that was closed (``>&-``) is opened to nowhere: else the session log or a link would get its
    number, and what some library prints would go there.
    """
    if sys.platform != "win32":
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for stream in (sys.stdout, sys.stderr):
        # None without a console (pythonw); another class where a test or a tool put something in place.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def leave_streams() -> None:
    """Drop what a reader that went away did not take: Python would make an error message and status 120 of it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class _Formatter(logging.Formatter):
    """One escaped line for each record, without what looks like a secret; tracebacks only with ``--debug``."""

    def __init__(self, *, debug: bool) -> None:
        super().__init__(
            "traymon: %(message)s" if not debug else "traymon: %(asctime)s %(name)s: %(message)s"
        )
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        from traymon.secrets import redacted

        if not self._debug:
            record = logging.makeLogRecord(
                {**record.__dict__, "exc_info": None, "exc_text": None, "stack_info": None}
            )
        return "\n".join(map(words.printable, redacted(super().format(record)).splitlines()))


class _ToStderr(logging.StreamHandler[Any]):
    """Writes to what ``sys.stderr`` is at that moment: the running traymon puts one there that never blocks."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def log_to_stderr(*, debug: bool) -> None:
    """Let warnings of the program reach standard error, with ``debug`` all that traymon's own modules say."""
    if sys.stderr is None:
        return
    handler = _ToStderr()
    handler.setFormatter(_Formatter(debug=debug))
    logging.getLogger().addHandler(handler)
    logging.getLogger("traymon").setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.raiseExceptions = False  # a closed terminal must not make a traceback of every line
