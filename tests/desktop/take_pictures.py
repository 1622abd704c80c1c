"""Takes the pictures of docs/pictures: ``make screenshots``. The demo in Xfce's panel, as anyone sees it.

Not collected with the tests: it is named on pytest's command line, and uses the same desktop as they do.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import Xlib.display
from PIL import Image

from tests.desktop.kit import Program, Screen, eventually, silhouette, unlike
from tests.support import events
from traymon.paths import Profile

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WALLPAPER = 0x3B5268
SCALE = 2  # the panel is small; a picture in a README is not


def demo(display: Screen, bus: str, programs: list[Program], folder: Path) -> Path:
    """The demo on the test's display; its throw-away folder appears in ``folder``."""
    env = {
        "DISPLAY": display.env["DISPLAY"],
        "DBUS_SESSION_BUS_ADDRESS": bus,
        "TMPDIR": str(folder),
        "TZ": "Asia/Tokyo",
    }
    programs.append(display.start(sys.executable, "-m", "traymon", "demo", "--seconds", "60", env=env))
    found = eventually(lambda: list(folder.glob("traymon-demo-*/sessions.sqlite3")), "the demo's log")
    return Path(found[0]).parent


def paint(display: str) -> None:
    """A plain wallpaper."""
    connection = Xlib.display.Display(display)
    root = connection.screen().root
    root.change_attributes(background_pixel=WALLPAPER)
    root.clear_area()
    connection.sync()
    connection.close()


def save(display: Screen, name: str, width: int, height: int) -> None:
    """The upper left part of the screen, enlarged."""
    shot = display.shot(width, height)
    PICTURES.mkdir(parents=True, exist_ok=True)
    shot.resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS).save(
        PICTURES / name, optimize=True
    )


def open_menu(display: Screen) -> None:
    closed = silhouette(display.shot(300, 200))
    display.click(15, 15, 3)
    eventually(lambda: unlike(silhouette(display.shot(300, 200)), closed) > 0.5, "the open menu")


def test_take_the_pictures(
    display: Screen,
    xfce_panel: Callable[[], Program],
    session_bus: str,
    programs: list[Program],
    tmp_path: Path,
) -> None:
    paint(display.env["DISPLAY"])
    xfce_panel()
    folder = demo(display, session_bus, programs, tmp_path)
    profile = Profile.throwaway(folder)
    eventually(lambda: len(events(profile, "demobot", "start")) == 2, "the first outage, over")
    open_menu(display)
    save(display, "panel.png", 470, 210)
    display.click(500, 400, 1)
    eventually(lambda: events(profile, "demobot", "fail"), "the second outage")
    open_menu(display)
    save(display, "panel-offline.png", 470, 210)
