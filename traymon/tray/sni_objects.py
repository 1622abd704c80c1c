"""What a tray icon looks like on the session bus: the objects that panels read and call.

Each panel calls what it knows; what none of those tried uses (overlays, movies, scrolling) is there and empty. All of
this runs on the bus thread.
"""

from typing import TYPE_CHECKING, Annotated, Any

from dbus_fast import DBusError, PropertyAccess
from dbus_fast.annotations import (
    DBusBool,
    DBusInt32,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
    DBusUInt32,
    DBusVariant,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from traymon import words
from traymon.tray.dbusmenu import Change, chosen_properties

if TYPE_CHECKING:
    from traymon.tray.sni import Icon

ITEM_PATH = "/StatusNotifierItem"
MENU_PATH = "/StatusNotifierItem/Menu"

_READ = PropertyAccess.READ
_Pixmaps = Annotated[list[list[Any]], DBusSignature("a(iiay)")]
_ToolTip = Annotated[list[Any], DBusSignature("(sa(iiay)ss)")]


class ItemObject(ServiceInterface):
    """org.kde.StatusNotifierItem."""

    def __init__(self, icon: "Icon") -> None:
        super().__init__("org.kde.StatusNotifierItem")
        self._icon = icon

    @dbus_property(_READ, "Category")
    def category(self) -> DBusStr:
        return "Communications"

    @dbus_property(_READ, "Id")
    def id(self) -> DBusStr:
        return str(self._icon.name)

    @dbus_property(_READ, "Title")
    def title(self) -> DBusStr:
        return str(self._icon.title)

    @dbus_property(_READ, "Status")
    def status(self) -> DBusStr:
        return self._icon.status

    @dbus_property(_READ, "WindowId")
    def window_id(self) -> DBusInt32:
        return 0

    @dbus_property(_READ, "IconThemePath")
    def icon_theme_path(self) -> DBusStr:
        return ""

    @dbus_property(_READ, "IconName")
    def icon_name(self) -> DBusStr:
        return ""

    @dbus_property(_READ, "IconPixmap")
    def icon_pixmap(self) -> _Pixmaps:
        return self._icon.pixmaps

    @dbus_property(_READ, "OverlayIconName")
    def overlay_icon_name(self) -> DBusStr:
        return ""

    @dbus_property(_READ, "OverlayIconPixmap")
    def overlay_icon_pixmap(self) -> _Pixmaps:
        return []

    @dbus_property(_READ, "AttentionIconName")
    def attention_icon_name(self) -> DBusStr:
        return ""

    @dbus_property(_READ, "AttentionIconPixmap")
    def attention_icon_pixmap(self) -> _Pixmaps:
        return self._icon.pixmaps

    @dbus_property(_READ, "AttentionMovieName")
    def attention_movie_name(self) -> DBusStr:
        return ""

    @dbus_property(_READ, "ToolTip")
    def tool_tip(self) -> _ToolTip:
        # Hosts set the first in bold above the second, which the specification lets carry markup; ours is plain.
        first, _, rest = (self._icon.tooltip or str(self._icon.title)).partition("\n")
        return ["", [], first, words.as_markup(rest)]

    @dbus_property(_READ, "ItemIsMenu")
    def item_is_menu(self) -> DBusBool:
        return False

    @dbus_property(_READ, "Menu")
    def menu(self) -> DBusObjectPath:
        return MENU_PATH

    @dbus_method("Activate")
    def activate(self, x: DBusInt32, y: DBusInt32) -> None:
        self._icon.activate_default()

    @dbus_method("SecondaryActivate")
    def secondary_activate(self, x: DBusInt32, y: DBusInt32) -> None:
        self._icon.on_other_click()

    @dbus_method("ContextMenu")
    def context_menu(self, x: DBusInt32, y: DBusInt32) -> None:
        # Only hosts that know no dbusmenu ask this.
        self._icon.on_other_click()

    @dbus_method("Scroll")
    def scroll(self, delta: DBusInt32, orientation: DBusStr) -> None:
        pass

    @dbus_method("ProvideXdgActivationToken")
    def provide_xdg_activation_token(self, token: DBusStr) -> None:
        pass

    @dbus_signal("NewIcon")
    def new_icon(self) -> None:
        pass

    @dbus_signal("NewTitle")
    def new_title(self) -> None:
        pass

    @dbus_signal("NewToolTip")
    def new_tool_tip(self) -> None:
        pass

    @dbus_signal("NewStatus")
    def new_status(self) -> DBusStr:
        return self._icon.status


_Layout = Annotated[tuple[int, list[Any]], DBusSignature("u(ia{sv}av)")]
_Ids = Annotated[list[int], DBusSignature("ai")]
_Names = Annotated[list[str], DBusSignature("as")]
_PropertiesOfItems = Annotated[list[list[Any]], DBusSignature("a(ia{sv})")]
_Events = Annotated[list[list[Any]], DBusSignature("a(isvu)")]
_Updates = Annotated[tuple[list[list[Any]], list[list[Any]]], DBusSignature("a(ia{sv})a(ias)")]
_IdLists = Annotated[tuple[list[int], list[int]], DBusSignature("aiai")]
_RevisionAndParent = Annotated[tuple[int, int], DBusSignature("ui")]


def _no_such_item(number: int) -> DBusError:
    return DBusError("org.freedesktop.DBus.Error.InvalidArgs", f"the menu has no item {number}")


class MenuObject(ServiceInterface):
    """com.canonical.dbusmenu, version 3 (libdbusmenu's ``dbus-menu.xml``)."""

    def __init__(self, icon: "Icon") -> None:
        super().__init__("com.canonical.dbusmenu")
        self._icon = icon

    @dbus_property(_READ, "Version")
    def version(self) -> DBusUInt32:
        return 3

    @dbus_property(_READ, "TextDirection")
    def text_direction(self) -> DBusStr:
        return "ltr"

    @dbus_property(_READ, "Status")
    def status(self) -> DBusStr:
        return "normal"

    @dbus_property(_READ, "IconThemePath")
    def icon_theme_path(self) -> _Names:
        return []

    @dbus_method("GetLayout")
    def get_layout(self, parent: DBusInt32, depth: DBusInt32, names: _Names) -> _Layout:
        self._icon.refresh_menu()
        layout = self._icon.model.layout(parent, depth, names)
        if layout is None:
            raise _no_such_item(parent)
        return self._icon.model.revision, list(layout)

    @dbus_method("GetGroupProperties")
    def get_group_properties(self, ids: _Ids, names: _Names) -> _PropertiesOfItems:
        model = self._icon.model
        nodes = [model.node(number) for number in ids or model.numbers()]
        return [[node.id, chosen_properties(node, names)] for node in nodes if node is not None]

    @dbus_method("GetProperty")
    def get_property(self, number: DBusInt32, name: DBusStr) -> DBusVariant:
        node = self._icon.model.node(number)
        if node is None or name not in node.properties:
            raise _no_such_item(number)
        return node.properties[name]

    @dbus_method("Event")
    def event(self, number: DBusInt32, kind: DBusStr, data: DBusVariant, timestamp: DBusUInt32) -> None:
        if kind == "clicked":
            self._icon.choose(number)

    @dbus_method("EventGroup")
    def event_group(self, events: _Events) -> _Ids:
        for number, kind, _, _ in events:
            if kind == "clicked":
                self._icon.choose(number)
        return [number for number, *_ in events if self._icon.model.node(number) is None]

    @dbus_method("AboutToShow")
    def about_to_show(self, number: DBusInt32) -> DBusBool:
        # What changes is told by signals, before this answer; "true" would have the host fetch the menu once more.
        self._icon.refresh_menu()
        return False

    @dbus_method("AboutToShowGroup")
    def about_to_show_group(self, ids: _Ids) -> _IdLists:
        self._icon.refresh_menu()
        return [], [number for number in ids if self._icon.model.node(number) is None]

    @dbus_signal("ItemsPropertiesUpdated")
    def items_properties_updated(self, change: Change) -> _Updates:
        return [list(each) for each in change.updated], [list(each) for each in change.removed]

    @dbus_signal("LayoutUpdated")
    def layout_updated(self, parent: int) -> _RevisionAndParent:
        return self._icon.model.revision, parent
