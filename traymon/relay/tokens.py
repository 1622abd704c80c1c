"""The relay's port and the tokens it makes for programs: chosen once, kept in a private file, the same at every start.

A bot's tokens are made of one secret and the bot's name, so that the file never changes once it is there: the running
traymon and ``traymon relay`` beside it cannot come to different ones.
"""

import contextlib
import hmac
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from traymon import words
from traymon.desktop import files

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_PORTS = range(20_000, 30_000)
"""Below the ports that systems give to outgoing connections (RFC 6056: from 49152; Linux: from 32768): one of those
could be taken by anybody's connection when traymon starts."""
_TRIES = 50
_SECRET_BYTES = 32
_LARGEST_FILE = 4096


@dataclass(frozen=True, slots=True)
class LocalTokens:
    """What one bot's programs give in place of Slack's tokens. They look like those: some clients check the prefix."""

    token: str = field(repr=False)
    app_token: str = field(repr=False)


class _File(msgspec.Struct):
    port: int
    secret: str


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The port of the endpoint, and the secret of which its tokens are made."""

    port: int
    secret: bytes = field(repr=False)
    file: Path = field(default=Path("relay.json"), compare=False)
    """Where they stand."""

    @property
    def base_url(self) -> str:
        """What programs take for ``https://slack.com/api/``; the same for all bots."""
        return f"http://{HOST}:{self.port}/api/"

    def tokens_of(self, bot: str) -> LocalTokens:
        """The tokens of the bot of that name."""
        return LocalTokens(
            f"xoxb-traymon-{self._derived('token', bot)}", f"xapp-traymon-{self._derived('app_token', bot)}"
        )

    def _derived(self, which: str, bot: str) -> str:
        # 192 bits of HMAC-SHA256 (RFC 2104 allows a truncation to half): no bot's token tells of another's.
        return hmac.digest(self.secret, f"{which}:{bot}".encode("utf-8", "surrogatepass"), "sha256")[
            :24
        ].hex()


def load_or_make(file: Path, say: Callable[[str], None]) -> RelaySettings:
    """The settings in ``file``; made where there are none. Never raises: what is wrong with the file is said.

    A file that cannot be read is left as it is; one that holds something else is moved aside.
    """
    try:
        return _load(file)
    except FileNotFoundError:
        pass
    except OSError as error:
        say(_unusable(file, error))
        return _fresh(file)
    except ValueError:
        _move_aside(file, say)
    try:
        return _kept(file, _fresh(file))
    except (OSError, ValueError) as error:
        say(_unusable(file, error))
        return _fresh(file)


def _load(file: Path) -> RelaySettings:
    """Raises OSError, and ValueError for a file of anything else."""
    with file.open("rb") as opened:
        if sys.platform != "win32" and os.fstat(opened.fileno()).st_mode & 0o077:
            os.fchmod(opened.fileno(), 0o600)
        data = opened.read(_LARGEST_FILE)
    try:
        found = msgspec.json.decode(data, type=_File)
    except msgspec.MsgspecError:
        raise ValueError("not the relay's settings") from None
    secret = bytes.fromhex(found.secret)
    if len(secret) != _SECRET_BYTES or not 1 <= found.port <= 65_535:
        raise ValueError("not the relay's settings")
    return RelaySettings(found.port, secret, file)


def _fresh(file: Path) -> RelaySettings:
    return RelaySettings(_free_port(), secrets.token_bytes(_SECRET_BYTES), file)


def _free_port() -> int:
    """A port that nobody listens on just now."""
    for _ in range(_TRIES):
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    return secrets.choice(_PORTS)  # whether it can be had shows when it is opened


def _kept(file: Path, settings: RelaySettings) -> RelaySettings:
    """``settings`` as they stand in ``file`` now: whoever was first has made them. Raises OSError, ValueError."""
    text = msgspec.json.encode(_File(settings.port, settings.secret.hex())) + b"\n"
    with files.draft(file, text, durable=True) as made:
        try:
            os.link(made, file)  # unlike a rename, never over another's
        except FileExistsError:
            return _load(file)
        except OSError:  # a file system without hard links
            made.replace(file)
    return settings


def _move_aside(file: Path, say: Callable[[str], None]) -> None:
    aside = file.with_name(f"{file.name}.damaged")
    try:
        os.replace(file, aside)
    except OSError:
        _log.debug("the damaged settings of the relay stay where they are")
        with contextlib.suppress(OSError):
            os.unlink(file)
    say(
        words.gettext(
            "{file} was damaged, so the relay has a new port and new tokens: give your programs what “traymon relay” "
            "prints now."
        ).format(file=words.printable(str(file)))
    )


def _unusable(file: Path, error: Exception) -> str:
    problem = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return words.gettext(
        "{file} cannot be used ({problem}), so the relay has a port and tokens for this run only: check its folder and "
        "start traymon again."
    ).format(file=words.printable(str(file)), problem=problem)
