"""The menu as numbered nodes: what stays the same from one menu to the next, and what is told of a change."""

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from traymon.tray.base import MenuItem, walk
from traymon.tray.dbusmenu import ROOT, Change, MenuModel
from traymon.tray.pystray_api import Menu, pystray, text_by, to_menu

NOW = 1_482_186_600_000


def a_menu(*items: MenuItem, now: int = NOW) -> Any:
    return to_menu(items, lambda _: None, text_by(lambda: now))


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


def test_an_item_that_is_hidden_keeps_its_place() -> None:
    model = MenuModel()
    model.update(a_menu(MenuItem("why", "Why", visible=False), MenuItem("quit", "Quit")))
    assert [plain(child.value[1]) for child in (model.layout(ROOT, -1, []) or (0, {}, []))[2]] == [
        {"label": "Why", "visible": False},
        {"label": "Quit"},
    ]
    change = model.update(a_menu(MenuItem("why", "Why"), MenuItem("quit", "Quit")))
    assert change == Change(removed=((1, ["visible"]),))


@dataclass(frozen=True)
class SinceStart:
    started: int

    def __call__(self, now: int) -> str:
        return f"for {(now - self.started) // 1000}_s"


def test_the_same_menu_again_tells_how_time_went_by() -> None:
    time = NOW
    item = MenuItem("since", "since", label_at=SinceStart(NOW))
    menu = to_menu(
        (item, MenuItem("m", "M", submenu=(item,)), MenuItem("q", "Q")), lambda _: None, text_by(lambda: time)
    )
    model = MenuModel()
    assert model.update(menu).layout == ROOT
    assert not model.update(menu)
    time += 5000
    change = model.update(menu)
    assert change.layout is None
    assert not change.removed
    assert {number: plain(values) for number, values in change.updated} == {
        1: {"label": "for 5__s"},
        3: {"label": "for 5__s"},
    }
    assert not model.update(menu)


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
        visible=st.booleans(),
        label_at=st.none() | st.just(SinceStart(0)),
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
    for step, items in enumerate(menus):
        revision = model.revision
        now = NOW + 1000 * step
        change = model.update(a_menu(*items, now=now))
        host.follow(model, change)
        fresh = Host(model)
        assert host.seen() == fresh.seen()
        assert (model.revision > revision) == (change.layout is not None)
        assert len(model.numbers()) - 1 == sum(1 for _ in walk(items))
        assert not model.update(a_menu(*copy.deepcopy(items), now=now))
