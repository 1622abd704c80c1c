"""A bot's token, as its links get it."""

from collections.abc import Callable
from typing import Literal

from traymon.secrets import SecretUnavailable
from traymon.secrets import read as read_secret


class Token:
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
        self.waits_for: str | None = None
        """What a token that cannot be read yet waits for, in a sentence."""

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
        self._may_prompt = True
        if forget:
            self._value = None
