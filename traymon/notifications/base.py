"""What every way to notify has in common."""

from collections.abc import Callable
from typing import Protocol

from traymon.notifications.facts import Show

OnClosed = Callable[[str, bool], None]
"""Called with a notification's key, and whether the person closed it."""
OnClick = Callable[[str, str], None]
"""Called with a notification's key and what was clicked: an action's name, or ``default`` for the text itself."""


class Notifier(Protocol):
    """A place for notifications. Nothing here raises; where nothing can be shown, nothing is."""

    def start(self, on_closed: OnClosed, on_click: OnClick) -> None:
        """Begin. Both callbacks come from a thread of the notifier's and must return at once."""

    def show(self, show: Show) -> None:
        """Show it soon."""

    def close(self, key: str) -> None:
        """Take it off the screen, soon; one that is not there is no matter."""

    def stop(self, limit_s: float) -> None:
        """Finish what was asked for, within ``limit_s`` seconds, and end."""


class NoNotifier:
    """Where the system has no notifications."""

    def start(self, on_closed: OnClosed, on_click: OnClick) -> None:
        """Nothing."""

    def show(self, show: Show) -> None:
        """Nothing."""

    def close(self, key: str) -> None:
        """Nothing."""

    def stop(self, limit_s: float) -> None:
        """Nothing."""
