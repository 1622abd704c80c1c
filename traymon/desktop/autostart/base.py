"""What all systems share: the states of a start at login, the interface, and the sentences."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from traymon import words


class Kind(StrEnum):
    """Whether traymon starts at login. The names are data."""

    ON = "on"
    OFF = "off"
    DISABLED = "disabled_by_system"
    """Our entry is there, but the system passes over it: somebody switched it off in the system's own settings."""
    BROKEN = "broken"
    """There is an entry, but it does not start this traymon."""


@dataclass(frozen=True, slots=True)
class AutostartState:
    """``why`` is a sentence for a person; empty where it is simply on or off."""

    kind: Kind
    why: str = ""

    @property
    def is_on(self) -> bool:
        """Whether this traymon starts at the next login."""
        return self.kind is Kind.ON


class AutostartError(Exception):
    """What was asked for was not done. The message is one sentence for a person."""


class Autostart(Protocol):
    """The start of one profile at login. Each call looks anew; none takes longer than 5 s, most some milliseconds."""

    @property
    def where(self) -> str:
        """Where the entry is or would be, for a person."""

    def state(self) -> AutostartState:
        """What the system would do at the next login. Raises nothing."""

    def turn_on(self, *, replace: bool = False) -> None:
        """Start at login from now on; what the system's own settings switched off is switched on.

        An entry that is not ours is written over only with ``replace``. Raises :class:`AutostartError`, and nothing
        is changed then.
        """

    def turn_off(self, *, replace: bool = False) -> None:
        """Take our entry away; without one, do nothing.

        An entry that is not ours is taken away only with ``replace``. Raises :class:`AutostartError`.
        """


@contextlib.contextmanager
def os_errors(where: str) -> Iterator[None]:
    """An entry that cannot be written or removed is an :class:`AutostartError`."""
    try:
        yield
    except OSError as error:
        raise AutostartError(
            words.gettext(
                "The entry that starts traymon at login could not be changed ({where}: {problem}): check its "
                "permissions and try again."
            ).format(where=words.printable(where), problem=error.strerror or type(error).__name__)
        ) from None


def other(where: str, program: str) -> str:
    """The entry starts something else. Of its command only the program is shown: the rest may hold a secret."""
    return words.gettext(
        "{where} starts {program} in a way that this traymon did not write, so traymon leaves it alone: change it "
        "there, or give “traymon autostart” the option --replace."
    ).format(where=words.printable(where), program=words.printable(program))


def gone(where: str, program: str) -> str:
    """The entry starts a traymon that was moved or removed."""
    return words.gettext(
        "{where} starts {program}, which is not there any more: “traymon autostart on” writes it anew."
    ).format(where=words.printable(where), program=words.printable(program))


def unreadable(where: str, problem: str) -> str:
    """The entry is there, but says nothing that can be used."""
    return words.gettext(
        "{where} is no entry that starts anything ({problem}): remove it, or give “traymon autostart” the option "
        "--replace."
    ).format(where=words.printable(where), problem=words.printable(problem))


def switched_off(where: str) -> str:
    """The system's own settings passed over our entry."""
    return words.gettext(
        "It is switched off in the system's settings for programs that start at login ({where}); “traymon autostart "
        "on” switches it on again."
    ).format(where=words.printable(where))
