"""The menu as com.canonical.dbusmenu has it: numbered nodes with properties, and what changed from one to the next.

Pure data; the bus is in :mod:`traymon.tray.sni`. Rules, from the interface's own description (libdbusmenu,
``dbus-menu.xml``): node 0 is the root; a property that has its default value is left out; an underscore in a label
marks an access key and is doubled to be shown.

A number stands for one item for as long as the menu lives, also while the item is gone. So a click that was on its
way while the menu changed chooses what the person saw, and an open menu is rebuilt only when items came or went: one
that is hidden for now is there, with ``visible`` false.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbus_fast import Variant

from traymon.tray.pystray_api import Menu, keyed

ROOT = 0

Properties = Mapping[str, Variant]
Layout = tuple[int, dict[str, Variant], list[Variant]]


@dataclass(frozen=True, slots=True)
class Node:
    """One item. ``item`` is pystray's, ``None`` for the root."""

    id: int
    properties: Properties
    children: "tuple[Node, ...]" = ()
    item: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a new menu means to those who show it.

    ``layout`` is the node whose children changed (0 when several did), ``None`` when no item came, went or moved.
    ``updated`` and ``removed`` are properties of items that stayed: new values, and names that have their default
    again.
    """

    layout: int | None = None
    updated: tuple[tuple[int, dict[str, Variant]], ...] = ()
    removed: tuple[tuple[int, list[str]], ...] = ()

    def __bool__(self) -> bool:
        return self.layout is not None or bool(self.updated) or bool(self.removed)


class MenuModel:
    """The menu shown at present. Belongs to the thread of the bus."""

    def __init__(self) -> None:
        self.revision = 1
        self._numbers: dict[tuple[int, str], int] = {}
        self._nodes: dict[int, Node] = {}
        self._take(Node(ROOT, _ROOT_PROPERTIES))

    def update(self, menu: Any) -> Change:
        """Take over ``menu`` (a ``pystray.Menu`` or ``None``) and say what is different; of the same menu as before,
        that is labels which tell of the time gone by.
        """
        before = self._nodes
        self._take(Node(ROOT, _ROOT_PROPERTIES, self._children(ROOT, menu)))
        change = _difference(before, self._nodes)
        if change.layout is not None:
            self.revision += 1
        return change

    def node(self, number: int) -> Node | None:
        """The item of that number, if it is in the menu now."""
        return self._nodes.get(number)

    def numbers(self) -> list[int]:
        """The numbers of all items in the menu now, the root's among them."""
        return list(self._nodes)

    def layout(self, parent: int, depth: int, names: Collection[str]) -> Layout | None:
        """The tree below ``parent``, ``depth`` levels deep (-1: all of it); ``None`` where there is no such item.

        ``names`` are the properties asked for; none means all.
        """
        node = self._nodes.get(parent)
        return None if node is None else _layout(node, depth, names)

    def _take(self, root: Node) -> None:
        self.root = root
        self._nodes = {}
        pending = [root]
        while pending:
            node = pending.pop()
            self._nodes[node.id] = node
            pending.extend(node.children)

    def _children(self, parent: int, menu: Any) -> tuple[Node, ...]:
        return tuple(self._node(parent, key, item) for key, item in keyed(menu))

    def _node(self, parent: int, key: str, item: Any) -> Node:
        number = self._numbers.setdefault((parent, key), len(self._numbers) + 1)
        children = self._children(number, item.submenu) if item.submenu is not None else ()
        return Node(number, properties(item), children, item)


_ROOT_PROPERTIES: Properties = {"children-display": Variant("s", "submenu")}


def properties(item: Any) -> dict[str, Variant]:
    """The properties of a pystray item that differ from their defaults."""
    if item is Menu.SEPARATOR:
        return {"type": Variant("s", "separator")}
    found = {"label": Variant("s", item.text.replace("_", "__"))}
    if not item.enabled:
        found["enabled"] = Variant("b", False)
    if not item.visible:
        found["visible"] = Variant("b", False)
    if item.checked is not None:
        found["toggle-type"] = Variant("s", "radio" if item.radio else "checkmark")
        found["toggle-state"] = Variant("i", 1 if item.checked else 0)
    if item.submenu is not None:
        found["children-display"] = Variant("s", "submenu")
    return found


def chosen_properties(node: Node, names: Collection[str]) -> dict[str, Variant]:
    """The node's properties among ``names``; all when none is named."""
    return {name: value for name, value in node.properties.items() if not names or name in names}


def _layout(node: Node, depth: int, names: Collection[str]) -> Layout:
    children = () if depth == 0 else node.children
    below = [Variant("(ia{sv}av)", list(_layout(child, depth - 1, names))) for child in children]
    return node.id, chosen_properties(node, names), below


def _difference(before: Mapping[int, Node], after: Mapping[int, Node]) -> Change:
    stayed = [(before[number], node) for number, node in after.items() if number in before]
    moved = [new.id for old, new in stayed if _numbers(old) != _numbers(new)]
    updated = []
    removed = []
    for old, new in stayed:
        changed = {name: value for name, value in new.properties.items() if old.properties.get(name) != value}
        gone = [name for name in old.properties if name not in new.properties]
        if changed:
            updated.append((new.id, changed))
        if gone:
            removed.append((new.id, gone))
    layout = None if not moved else moved[0] if len(moved) == 1 else ROOT
    return Change(layout, tuple(updated), tuple(removed))


def _numbers(node: Node) -> list[int]:
    return [child.id for child in node.children]
