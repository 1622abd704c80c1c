"""pystray, imported without its side effects, and our menu in its terms.

Importing pystray opens an X display or loads GTK, or raises ``ValueError`` for a missing typelib, unless told which
backend to take. On Linux traymon brings backends of its own, so pystray's empty one is asked for; elsewhere its
native one. Import this module late, when an icon is about to be shown: it costs a native backend.
"""

import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from traymon.tray.base import Clock, MenuItem

_VARIABLE = "PYSTRAY_BACKEND"
_OWN_BACKENDS = sys.platform not in ("win32", "darwin")


def _load() -> types.ModuleType:
    before = os.environ.get(_VARIABLE)
    if _OWN_BACKENDS:
        os.environ[_VARIABLE] = "dummy"
    try:
        import pystray
    finally:
        # Programs that traymon starts (a viewer for the log) are not to inherit it.
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
    return pystray  # type: ignore[no-any-return]


pystray: Any = _load()
from pystray import _base  # noqa: E402 - only after _load() has chosen the backend

BaseIcon: Any = _base.Icon
Menu: Any = pystray.Menu

Text = Callable[[MenuItem], str]
"""How an item's label reads now."""


class Entry(pystray.MenuItem):  # type: ignore[misc] # pystray has no types
    """A pystray menu item that knows our item's ``id``: the same id is the same item, whatever its label."""

    def __init__(self, item: MenuItem, choose: Callable[[str], None], text: Text) -> None:
        action = to_menu(item.submenu, choose, text) if item.submenu else lambda: choose(item.id)
        super().__init__(
            item.label,
            action,
            checked=None if item.checked is None else lambda _: bool(item.checked),
            default=item.default,
            enabled=item.enabled,
            visible=item.visible,
        )
        self.item_id = item.id
        # pystray asks for the text whenever it builds the menu.
        self._text = lambda _: text(item)


def to_menu(items: tuple[MenuItem, ...], choose: Callable[[str], None], text: Text) -> Any:
    """A ``pystray.Menu`` that calls ``choose`` with the id of the item chosen; ``text`` gives the labels."""
    return Menu(*(Menu.SEPARATOR if item.separator else Entry(item, choose, text) for item in items))


def text_by(clock: Clock) -> Text:
    """Labels as they read when they are asked for."""
    return lambda item: item.text(clock())


def keyed(menu: Any) -> Iterator[tuple[str, Any]]:
    """The items of a pystray menu, hidden ones too, each with a key by which it is found again in a later menu.

    An :class:`Entry` is known by its id. pystray's separators are all one object: they are known by their number, and
    so are items that others made.
    """
    for index, item in enumerate(menu.items if menu is not None else ()):
        if isinstance(item, Entry):
            yield item.item_id, item
        else:
            yield f"#{index}{'-' if item is Menu.SEPARATOR else ''}", item
