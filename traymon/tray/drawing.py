"""Bringing a :class:`TrayView` to a pystray icon: the newest one only, and of it only what is different."""

from collections.abc import Callable
from typing import Any, Protocol

from traymon.tray.base import LOG_ITEM, Clock, IconName, Newest, TrayView, time_of_day
from traymon.tray.pystray_api import text_by, to_menu


class OwnIcon(Protocol):
    """What our backends have beyond pystray's ``Icon``."""

    menu: Any

    def set_icon(self, name: IconName, *, mixed: bool) -> None:
        """Show this icon, in the sizes that the panel wants."""

    def post(self, action: Callable[[], None]) -> None:
        """Run ``action`` soon on the thread that owns the icon."""

    def set_text(self, title: str, tooltip: str, *, attention: bool) -> None:
        """Show both texts; ``attention`` when a person must act."""


class Drawer:
    """Draws the newest view on one icon. Belongs to the icon's thread."""

    def __init__(
        self, icon: OwnIcon, choose: Callable[[str], None], newest: Newest, clock: Clock = time_of_day
    ) -> None:
        self._icon = icon
        self._text = text_by(clock)
        self._choose = choose
        self._newest = newest
        self._drawn: TrayView | None = None

    def draw(self) -> None:
        """Bring the icon up to date, changing only what is different."""
        before, view = self._drawn, self._newest.view
        if before is None or (view.icon, view.mixed) != (before.icon, before.mixed):
            self._icon.set_icon(view.icon, mixed=view.mixed)
        if before is None or _texts(view) != _texts(before):
            self._icon.set_text(view.title, view.tooltip, attention=view.icon is IconName.REFUSED)
        if before is None or view.menu != before.menu:
            self._icon.menu = to_menu(view.menu, self._choose, self._text)
        self._drawn = view

    def other_click(self) -> None:
        """A click that is not the left one, where no menu can be shown."""
        self._choose(LOG_ITEM)


def _texts(view: TrayView) -> tuple[str, str, bool]:
    return view.title, view.tooltip, view.icon is IconName.REFUSED
