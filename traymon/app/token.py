"""A bot's token, as its links get it."""

import threading
from collections.abc import Callable
from typing import Literal

from traymon import words
from traymon.secrets import SecretUnavailable
from traymon.secrets import read as read_secret


class Prompt:
    """The one question that the keyring may put to the person: at the start, and once after each click.

    It opens the keyring for all bots, so it is not asked for each.
    """

    def __init__(self) -> None:
        # Held for a moment by link threads, which take the permission, and by clicks, which give it.
        self._lock = threading.Lock()
        self._allowed = True

    def take(self) -> bool:
        """Whether the caller may have the person asked; from then on nobody else may."""
        with self._lock:
            allowed, self._allowed = self._allowed, False
            return allowed

    def allow(self) -> None:
        """A person wants to get on."""
        with self._lock:
            self._allowed = True


class Token:
    """One bot's token, read once: a reconnect must not wait for the keyring again."""

    def __init__(
        self,
        source: str | None,
        bot: str,
        profile: str,
        say: Callable[[str], None],
        *,
        which: Literal["token", "app_token"],
        prompt: Prompt,
    ) -> None:
        """``source`` is ``None`` where the configuration has none; ``say`` is told why there is no token, each reason
        once."""
        self._prompt = prompt
        self._which = which
        self._source = source
        self._bot = bot
        self._profile = profile
        self._say = say
        # All are written by those threads and by clicks; each is one reference, and a read too many does no harm.
        self._value: str | None = None
        self._said = ""
        self.waits_for: str | None = None
        """What a token that cannot be read yet waits for, in a sentence."""

    def read(self) -> str:
        """The token. Raises SecretUnavailable. Runs on link threads and that of presence.

        The keyring may ask for its password once at the start and once a click; else it is only looked at.
        """
        value = self._value
        if value is None and self._source is None:
            raise SecretUnavailable(words.gettext("The configuration has no bot token for this bot."))
        if value is None:
            assert self._source is not None
            unlock = self._source == "keyring" and self._prompt.take()
            try:
                value = read_secret(
                    self._source, self._bot, self._which, profile=self._profile, unlock=unlock
                )
            except SecretUnavailable as error:
                self.waits_for = str(error) if error.waits else None
                self._tell(str(error))
                raise
            self._value = value
            self.waits_for = None
        return value

    def _tell(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            self._say(f"{self._bot}: {reason}")

    def clicked(self, *, forget: bool) -> None:
        """A person wants to get on: the keyring may ask once more, and a refused token is read anew."""
        self._prompt.allow()
        if forget:
            self._value = None
