"""The menu as numbered nodes: what stays the same from one menu to the next, and what is told of a change."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from traymon.tray.base import MenuItem, walk
from traymon.tray.dbusmenu import ROOT, Change, MenuModel
from traymon.tray.pystray_api import Menu, pystray, to_menu


def a_menu(*items: MenuItem) -> Any:
    return to_menu(items, lambda _: None)


def plain(properties: Any) -> dict[str, Any]:
    return {name: value.value for name, value in properties.items()}


def test_an_empty_model() -> None:
    model = MenuModel()
    number, properties, children = model.layout(ROOT, -1, []) or (None, {}, None)
    assert (number, plain(properties), children) == (ROOT, {"children-display": "submenu"}, [])
    assert model.layout(7, -1, []) is None
    assert not model.update(None)


def test_labels_change_without_a_new_layout() -> None:
    model = MenuModel()
    assert model.update(a_menu(MenuItem("a", "A_1"), MenuItem("b", "B", enabled=False))).layout == ROOT
    change = model.update(a_menu(MenuItem("a", "A_2"), MenuItem("b", "B")))
    assert change.layout is None
    assert [(number, plain(values)) for number, values in change.updated] == [(1, {"label": "A__2"})]
    assert change.removed == ((2, ["enabled"]),)
    assert not model.update(a_menu(MenuItem("a", "A_2"), MenuItem("b", "B")))


def test_only_the_submenu_that_changed_is_laid_out_anew() -> None:
    model = MenuModel()
    model.update(a_menu(MenuItem("a", "A"), MenuItem("m", "M", submenu=(MenuItem("x", "X"),))))
    number = next(n for n in model.numbers() if (node := model.node(n)) and node.children and n != ROOT)
    change = model.update(
        a_menu(MenuItem("a", "A"), MenuItem("m", "M", submenu=(MenuItem("x", "X"), MenuItem("y", "Y"))))
    )
    assert change == Change(layout=number)


def test_a_number_is_never_given_to_another_item() -> None:
    model = MenuModel()
    model.update(a_menu(MenuItem("pause", "Pause")))
    (pause,) = set(model.numbers()) - {ROOT}
    model.update(a_menu(MenuItem("resume", "Resume")))
    assert model.node(pause) is None
    model.update(a_menu(MenuItem("resume", "Resume"), MenuItem("pause", "Pause")))
    node = model.node(pause)
    assert node is not None
    assert node.properties["label"].value == "Pause"


def test_marks_separators_and_items_of_others() -> None:
    model = MenuModel()
    menu = Menu(
        pystray.MenuItem("one", lambda: None, checked=lambda _: True, radio=True),
        Menu.SEPARATOR,
        pystray.MenuItem("two", lambda: None, checked=lambda _: False),
    )
    model.update(menu)
    _, _, children = model.layout(ROOT, -1, []) or (0, {}, [])
    assert [plain(child.value[1]) for child in children] == [
        {"label": "one", "toggle-type": "radio", "toggle-state": 1},
        {"type": "separator"},
        {"label": "two", "toggle-type": "checkmark", "toggle-state": 0},
    ]


LEAVES = st.lists(
    st.builds(MenuItem, id=st.sampled_from("ghi"), label=st.sampled_from(["x", "y_"]), enabled=st.booleans()),
    max_size=3,
    unique_by=lambda item: item.id,
)
ITEMS: st.SearchStrategy[tuple[MenuItem, ...]] = st.lists(
    st.builds(
        MenuItem,
        id=st.sampled_from("abcdef"),
        label=st.sampled_from(["x", "y_", "__"]),
        enabled=st.booleans(),
        checked=st.none() | st.booleans(),
        submenu=st.just(()) | LEAVES.map(tuple),
    ),
    max_size=4,
    unique_by=lambda item: item.id,
).map(tuple)


class Host:
    """A panel that knows only what it was told: it starts from one layout and follows the changes."""

    def __init__(self, model: MenuModel) -> None:
        self.known: dict[int, dict[str, Any]] = {}
        self.children: dict[int, list[int]] = {}
        self.fetch(model, ROOT)

    def fetch(self, model: MenuModel, parent: int) -> None:
        layout = model.layout(parent, -1, [])
        assert layout is not None
        self._take(layout)

    def _take(self, layout: Any) -> None:
        number, properties, children = layout
        self.known[number] = dict(properties)
        self.children[number] = [child.value[0] for child in children]
        for child in children:
            self._take(child.value)

    def follow(self, model: MenuModel, change: Change) -> None:
        for number, values in change.updated:
            self.known[number].update(values)
        for number, names in change.removed:
            for name in names:
                del self.known[number][name]
        if change.layout is not None:
            self.fetch(model, change.layout)

    def seen(self, number: int = ROOT) -> Any:
        return number, self.known[number], [self.seen(child) for child in self.children[number]]


@given(st.lists(ITEMS, min_size=1, max_size=6))
def test_a_panel_that_follows_the_changes_shows_the_menu(menus: list[tuple[MenuItem, ...]]) -> None:
    model = MenuModel()
    host = Host(model)
    for items in menus:
        revision = model.revision
        change = model.update(a_menu(*items))
        host.follow(model, change)
        fresh = Host(model)
        assert host.seen() == fresh.seen()
        assert (model.revision > revision) == (change.layout is not None)
        # pystray hides a submenu without items, and its item with it.
        shown = sum(1 for each in walk(items) if not each.separator)
        assert len(model.numbers()) - 1 <= shown
        assert not model.update(a_menu(*copy.deepcopy(items)))
