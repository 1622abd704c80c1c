"""Tokens: where they are kept, and how they are held so that they never get into a log or a traceback.

A keyring is read by a short child process, ``python -m traymon.secrets``, which gives the token through a pipe: the
keyring libraries' memory goes with it, and one that hangs is ended. The token is in no argument and no environment.
A locked keyring is only looked at: unlocking asks the user for a password, which nobody wants every few seconds.
"""

import contextlib
import hmac
import os
import re
import stat
import subprocess
import sys
from typing import Any, NoReturn

import msgspec

from traymon import words

_SERVICE = "traymon"
_READ_LIMIT_S = 10.0
"""For looking into a keyring without unlocking: a D-Bus call and the start of a Python, a tenth of it as a rule."""
_PROMPT_LIMIT_S = 120.0
"""With unlocking: time for a person to type a password."""
_LONGEST_TOKEN = 4096
"""Bytes; Slack's tokens have some 60 to 350."""


class SecretUnavailable(Exception):  # noqa: N818 - a plain statement of what is so
    """A token cannot be had. The message is one sentence for a person and never holds the token.

    ``waits`` is true where that may change by itself (a keyring that is locked or not there yet): then it is worth
    trying again. Else a person must act.
    """

    def __init__(self, sentence: str, *, waits: bool = False) -> None:
        super().__init__(sentence)
        self.waits = waits


class Secret:
    """Holds a token (or another secret text) so that printing, formatting or pickling never shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "•••"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("•••", spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be copied out of this process")


# Slack's tokens (xoxb-, xapp-, xoxe.xoxp- …); link addresses, which hold a ticket; passwords in addresses.
_SECRET_TEXT = re.compile(
    r"""\bx(?:ox[a-z]|app)[-.][\w.%-]+ | (?<=://)[^/\s@]+(?=@) | \bwss?://[^\s"'<>]+ """,
    re.VERBOSE | re.IGNORECASE,
)


def redacted(text: str) -> str:
    """``text`` with everything in it that looks like a token, a link's address or a password made unreadable.

    The last net, for what others echo, for tracebacks and debug output. Nothing that knows a secret may count on it.
    """
    return _SECRET_TEXT.sub("•••", text)


def read(source: str, bot: str, which: str, *, profile: str = "default", unlock: bool = False) -> str:
    """The token of ``bot`` that ``source`` names: ``keyring``, ``env:NAME`` or ``file:PATH``.

    ``which`` is ``token`` or ``app_token``; it and ``profile`` tell a keyring's entries apart. With ``unlock`` a
    locked keyring may ask the user for its password (once). Raises :class:`SecretUnavailable`; takes 10 s at most,
    with ``unlock`` 2 min.
    """
    kind, _, rest = source.partition(":")
    if kind == "env":
        token = os.environ.get(rest, "")
        if not token.strip():
            raise SecretUnavailable(
                words.gettext(
                    "The environment variable {name} is not set: set it and start traymon again."
                ).format(name=rest)
            )
    elif kind == "file":
        token = _from_file(rest)
    else:
        token = _from_child(bot, which, profile, unlock)
    return clean(
        token, words.gettext("The {which} of {bot} ({source})").format(which=which, bot=bot, source=source)
    )


def clean(token: str, what: str | None = None) -> str:
    """``token`` without surrounding white space. Raises :class:`SecretUnavailable` where it cannot be sent."""
    token = token.strip()
    what = what or words.gettext("The token")
    if not token:
        raise SecretUnavailable(words.gettext("{what} is empty: run traymon setup.").format(what=what))
    if len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise SecretUnavailable(
            words.gettext("{what} does not look like a token: copy it again and run traymon setup.").format(
                what=what
            )
        )
    return token


# --------------------------------------------------------------------------------------------------------------- files


def _from_file(path: str) -> str:
    """The token in a file that only its owner, this user, can read."""
    # Not to block: the path may name a FIFO.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise SecretUnavailable(
            words.gettext(
                "The token's file {path} cannot be read ({problem}): make it, or correct its path."
            ).format(path=path, problem=error.strerror),
            waits=isinstance(error, FileNotFoundError),
        ) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise SecretUnavailable(
                words.gettext("The token's file {path} is no ordinary file: name one.").format(path=path)
            )
        if sys.platform != "win32" and (found.st_uid != os.getuid() or found.st_mode & 0o077):
            raise SecretUnavailable(
                words.gettext(
                    "The token's file {path} could be read by others: make it yours and run chmod 600 on it."
                ).format(path=path)
            )
        content = os.read(descriptor, _LONGEST_TOKEN + 8)
    except OSError as error:
        raise SecretUnavailable(
            words.gettext(
                "The token's file {path} cannot be read ({problem}); traymon tries again later."
            ).format(path=path, problem=error.strerror),
            waits=True,
        ) from None
    finally:
        os.close(descriptor)
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


# ------------------------------------------------------------------------------------------------------------ keyrings


class _Found(msgspec.Struct):
    """What the child says: a token, or why there is none."""

    token: str | None = None
    sentence: str = ""
    waits: bool = False

    def __repr__(self) -> str:
        return f"_Found({self.sentence!r})"


_NO_KEYRING = words.mark(
    "No keyring is ready on this machine: log in to the desktop, or keep the token elsewhere "
    '(token = "env:NAME" or "file:PATH" in the configuration).'
)


def _from_child(bot: str, which: str, profile: str, unlock: bool) -> str:
    # -P: a module of the same name in the folder where traymon was started must not be taken for a library.
    command = [
        sys.executable,
        "-P",
        "-m",
        "traymon.secrets",
        "unlock" if unlock else "look",
        bot,
        which,
        profile,
        words.language_in_use(),
    ]
    limit = _PROMPT_LIMIT_S if unlock else _READ_LIMIT_S
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and module; no token among the arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SecretUnavailable(
            words.gettext("The keyring did not answer; traymon tries again later."), waits=True
        ) from None
    except OSError as error:
        raise SecretUnavailable(
            words.gettext("The keyring cannot be read ({problem}); traymon tries again later.").format(
                problem=error.strerror
            ),
            waits=True,
        ) from None
    try:
        found = msgspec.json.decode(child.stdout, type=_Found)
    except msgspec.DecodeError:
        raise SecretUnavailable(
            words.gettext("Reading the keyring failed; traymon tries again later."), waits=True
        ) from None
    if found.token is None:
        raise SecretUnavailable(found.sentence, waits=found.waits)
    return found.token


def _entry(bot: str, which: str, profile: str) -> tuple[str, str]:
    """Service and user name of a keyring's entry, as a person finds them in the keyring's own program."""
    service = _SERVICE if profile == "default" else f"{_SERVICE} ({profile})"
    return service, f"{bot}/{which}"


def store(bot: str, which: str, token: str, *, profile: str = "default") -> None:
    """Keep ``token`` in the keyring, which may ask the user to unlock it. Raises :class:`SecretUnavailable`."""
    import keyring
    import keyring.errors

    service, user = _entry(bot, which, profile)
    try:
        keyring.set_password(service, user, token)
    except keyring.errors.NoKeyringError:
        raise SecretUnavailable(words.gettext(_NO_KEYRING)) from None
    except (keyring.errors.KeyringLocked, keyring.errors.InitError):
        # InitError: the window that asks for a new keyring's password was closed.
        raise SecretUnavailable(
            words.gettext("The keyring stayed locked: unlock it and try again, or keep the token elsewhere.")
        ) from None
    except Exception as error:  # noqa: BLE001 - backends raise what they like; `from None`: its frames hold the token
        raise SecretUnavailable(
            words.gettext("The keyring did not take the token ({kind}).").format(kind=type(error).__name__)
        ) from None


def delete(bot: str, which: str, *, profile: str = "default") -> bool:
    """Remove an entry from the keyring; false when there was none. Raises :class:`SecretUnavailable`."""
    import keyring
    import keyring.errors

    service, user = _entry(bot, which, profile)
    try:
        keyring.delete_password(service, user)
    except keyring.errors.PasswordDeleteError:
        return False
    except keyring.errors.NoKeyringError:
        raise SecretUnavailable(words.gettext(_NO_KEYRING)) from None
    except Exception as error:  # noqa: BLE001 - as above
        raise SecretUnavailable(
            words.gettext("The keyring did not remove the token ({kind}).").format(kind=type(error).__name__)
        ) from None
    return True


# ------------------------------------------------------------------------------------------------- in the child process


def _look(bot: str, which: str, profile: str, unlock: bool) -> _Found:
    import keyring
    import keyring.errors

    service, user = _entry(bot, which, profile)
    try:
        if not unlock and _would_ask(keyring.get_keyring(), service, user):
            return _Found(
                sentence=words.gettext("The keyring is locked: unlock it; traymon waits for that."),
                waits=True,
            )
        token = keyring.get_password(service, user)
    except keyring.errors.NoKeyringError:
        return _Found(sentence=words.gettext(_NO_KEYRING), waits=True)
    except keyring.errors.KeyringLocked:
        return _Found(
            sentence=words.gettext("The keyring stayed locked: unlock it; traymon waits for that."),
            waits=True,
        )
    except Exception as error:  # noqa: BLE001 - backends raise what they like
        return _Found(
            sentence=words.gettext("The keyring cannot be read ({kind}).").format(kind=type(error).__name__),
            waits=True,
        )
    if token is None:
        return _Found(
            sentence=words.gettext(
                "The keyring holds no {which} for {bot}: choose “Set up a bot…” in the menu, or run traymon setup."
            ).format(which=which, bot=bot)
        )
    return _Found(token=token)


def _would_ask(backend: Any, service: str, user: str) -> bool:
    """Whether reading would put a window before the user: to unlock the keyring or an entry, or to create one.

    keyring's own get_password does so at once. Only the Secret Service (GNOME, KDE, KeePassXC) can be looked at first.
    """
    for one in getattr(backend, "backends", [backend]):
        if type(one).__module__ != "keyring.backends.SecretService":
            continue
        import secretstorage

        with contextlib.closing(secretstorage.dbus_init()) as connection:
            try:
                collection = secretstorage.Collection(connection)
            except secretstorage.ItemNotFoundException:
                return True
            names = one.schemes[one.scheme]
            wanted = {names["service"]: service, names["username"]: user}
            return collection.is_locked() or any(item.is_locked() for item in collection.search_items(wanted))
    return False


def main(arguments: list[str]) -> int:
    """Write what the keyring holds to standard output, which is a pipe to the process that asked."""
    how, bot, which, profile, language = arguments
    words.choose(language, {})
    if os.isatty(1):
        sentence = words.gettext("This is a part of traymon that is not meant to be called by hand.")
        sys.stderr.write(f"{sentence}\n")
        return 2
    answer = msgspec.json.encode(_look(bot, which, profile, how == "unlock"))
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
