"""Keyrings of the test's own process, in place of the system's."""

from collections.abc import Iterator
from contextlib import contextmanager

import keyring
import keyring.errors
from keyring.backend import KeyringBackend


class MemoryKeyring(KeyringBackend):
    """Entries in a dictionary by service and user; ``problem`` is raised by everything while it is set."""

    priority = 1  # type: ignore[assignment]

    def __init__(self, **entries: str) -> None:
        super().__init__()
        self.entries = {("traymon", f"{name.replace('__', '/')}"): token for name, token in entries.items()}
        self.problem: Exception | None = None
        self.calls = 0

    def _called(self) -> None:
        self.calls += 1
        if self.problem is not None:
            raise self.problem

    def get_password(self, service: str, username: str) -> str | None:
        self._called()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._called()
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._called()
        if self.entries.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError(username)


@contextmanager
def used(backend: KeyringBackend) -> Iterator[None]:
    """While it lasts, ``backend`` is the process's keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    try:
        yield
    finally:
        keyring.set_keyring(before)
