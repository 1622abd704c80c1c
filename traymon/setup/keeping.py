"""Where a token is kept: the keyring, a private file, or the person's own environment.

The keyring is written by a short child process, ``python -m traymon.setup.keeping``, which reads the token from a pipe:
the keyring libraries' memory goes with it, and one that hangs is ended. The token is in no argument and no environment.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from traymon import words
from traymon.desktop import files
from traymon.secrets import Secret, SecretUnavailable

_PROMPT_LIMIT_S = 120.0
"""The keyring may ask its owner to unlock it: time to type a password."""
_LONGEST_NAME = 40
"""Characters of a bot's name in a file's name."""


class _Answer(msgspec.Struct):
    """What the child says; ``sentence`` is empty where the token is kept, or where there is no keyring at all."""

    sentence: str = ""
    there_is_one: bool = True


def keep(place: str, bot: str, which: str, token: Secret, *, profile: str) -> None:
    """Keep ``token`` at ``place`` (``keyring``, ``file:PATH``; ``env:NAME`` is for its user to set).

    ``which`` is ``token`` or ``app_token``. Raises SecretUnavailable where there is no keyring or it stays locked,
    OSError where the file cannot be written. A keyring may take two minutes: it asks for its password.
    """
    if place.startswith("file:"):
        files.replace(Path(place.removeprefix("file:")), f"{token.reveal()}\n".encode(), durable=True)
    elif place == "keyring":
        _keep_in_keyring(bot, which, token, profile)


def token_file(folder: Path, bot: str, which: str) -> Path:
    """Where set-up puts a token in a file: in ``folder``, under a name made of the bot's."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", bot).lstrip(".")[:_LONGEST_NAME]
    if stem != bot:  # two bots never share a file
        stem = f"{stem}-{hashlib.sha256(bot.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return folder / f"{stem}.{which}"


def _keep_in_keyring(bot: str, which: str, token: Secret, profile: str) -> None:
    # -P: a module of the same name in the folder where traymon was started must not be taken for a library.
    module = ["-P", "-m", "traymon.setup.keeping"]
    command = [sys.executable, *module, bot, which, profile, words.language_in_use()]
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and module; no token among the arguments
            command,
            input=token.reveal().encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PROMPT_LIMIT_S,
            check=False,
        )
        answer = msgspec.json.decode(child.stdout, type=_Answer)
    except subprocess.TimeoutExpired:
        raise SecretUnavailable(
            words.gettext("The keyring did not answer: unlock it and try again, or keep the token elsewhere.")
        ) from None
    except (OSError, msgspec.DecodeError):
        raise SecretUnavailable(
            words.gettext("The keyring cannot be used: keep the token elsewhere.")
        ) from None
    if not answer.there_is_one:
        raise SecretUnavailable(
            words.gettext(
                "No keyring is ready on this machine: log in to the desktop, or keep the token elsewhere."
            )
        )
    if answer.sentence:
        raise SecretUnavailable(answer.sentence)


def main(arguments: list[str]) -> int:
    """Keep what comes on standard input, a pipe from the process that asks, in the keyring."""
    import keyring
    from keyring.backends.fail import Keyring as NoKeyring

    from traymon.secrets import store

    bot, which, profile, language = arguments
    words.choose(language, {})
    if sys.stdin is None or sys.stdin.isatty():
        sentence = words.gettext("This is a part of traymon that is not meant to be called by hand.")
        sys.stderr.write(f"{sentence}\n")
        return 2
    token = sys.stdin.buffer.read().decode()
    try:
        store(bot, which, token, profile=profile)
        answer = _Answer()
    except SecretUnavailable as error:
        answer = _Answer(str(error), there_is_one=not isinstance(keyring.get_keyring(), NoKeyring))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
