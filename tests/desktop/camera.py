"""What the pictures of docs/pictures are taken with: a light and a dark desktop, looks that stay, small files."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import Xlib.display
from PIL import Image, ImageChops, ImageDraw, ImageFont

from tests.desktop.kit import Program, Screen, eventually
from tests.desktop.notification_witness import Witness

PANEL = 30
"""The panel's height at 100 %; the icon is in its first square."""
STILL = 4
"""So many looks at the same show that nothing moves any more."""


@dataclass(frozen=True)
class Desk:
    """How a desktop looks, and how many pixels it uses for one."""

    name: str
    theme: str
    wallpaper: int
    scale: int = 2

    @property
    def env(self) -> dict[str, str]:
        """For programs made with GTK."""
        return {"GTK_THEME": self.theme, "GDK_SCALE": str(self.scale)}

    @property
    def icon(self) -> tuple[int, int]:
        """The middle of the icon."""
        return PANEL * self.scale // 2, PANEL * self.scale // 2


LIGHT = Desk("light", "Adwaita", 0xB9C4CE)
DARK = Desk("dark", "Adwaita:dark", 0x1F2B38)


class Camera:
    """Looks at the upper left corner of a display."""

    def __init__(self, display: Screen, desk: Desk, width: int, height: int) -> None:
        """Width and height of what is looked at in pixels of a desktop at 100 %."""
        self.display = display
        self.desk = desk
        self._size = (width * desk.scale, height * desk.scale)
        self._paint()
        self.point(width, height)

    def _paint(self) -> None:
        connection = Xlib.display.Display(self.display.env["DISPLAY"])
        root = connection.screen().root
        root.change_attributes(background_pixel=self.desk.wallpaper)
        root.clear_area()
        connection.sync()
        connection.close()

    def point(self, x: int, y: int) -> None:
        """Move the mouse; in pixels of a desktop at 100 %."""
        at = [str(x * self.desk.scale), str(y * self.desk.scale)]
        subprocess.run(["xdotool", "mousemove", *at], env=self.display.env, check=True)

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        subprocess.run(["xdotool", "key", "--delay", "60", *keys], env=self.display.env, check=True)

    def look(self) -> Image.Image:
        """What is seen now."""
        return self.display.shot(*self._size)

    def still(self, *unlike: Image.Image) -> Image.Image:
        """What is seen, once it stays and is none of the pictures ``unlike``."""
        seen: list[Image.Image] = []

        def stays() -> Image.Image | None:
            seen.append(self.look())
            same = len(seen) >= STILL and all(same_picture(seen[-1], each) for each in seen[-STILL:])
            return seen[-1] if same and not any(same_picture(seen[-1], each) for each in unlike) else None

        found = eventually(stays, "a picture that stays")
        assert isinstance(found, Image.Image)
        return found

    def panel(self, programs: list[Program], bus: str, **env: str) -> Program:
        """Xfce's panel in the desk's theme, and the time to draw it."""
        empty = self.look()
        own = {"DBUS_SESSION_BUS_ADDRESS": bus, **self.desk.env, **env}
        programs.append(self.display.start("xfce4-panel", "--disable-wm-check", env=own))
        self.still(empty)
        return programs[-1]

    def open_menu(self) -> Image.Image:
        """A right click; again where the panel had yet to read the menu."""
        closed = self.still()

        def opened() -> Image.Image | None:
            self.display.click(*self.desk.icon, 3)
            below = (0, PANEL * self.desk.scale, *self._size)
            for _ in range(20):
                if not same_picture(self.look().crop(below), closed.crop(below)):
                    return self.still()
            return None

        eventually(opened, "the open menu")
        # Away from the icon, which would show its tooltip over the menu.
        self.point(*(side // self.desk.scale - 2 for side in self._size))
        return self.still()


def same_picture(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one, other).getbbox() is None


def trimmed(shot: Image.Image, margin: int) -> Image.Image:
    """Without the wallpaper right of and below what is on it, but for a margin. Its last pixel is wallpaper."""
    wall = Image.new("RGB", shot.size, shot.getpixel((shot.width - 1, shot.height - 1)))
    # The panel goes on to the right.
    below = PANEL * 2 + 4
    box = ImageChops.difference(shot, wall).crop((0, below, *shot.size)).getbbox()
    assert box is not None, "only wallpaper"
    return shot.crop((0, 0, min(box[2] + margin, shot.width), min(box[3] + below + margin, shot.height)))


def stacked(pictures: Sequence[Image.Image], gap: int, ground: tuple[int, int, int]) -> Image.Image:
    """One below the other."""
    width = max(each.width for each in pictures)
    whole = Image.new("RGB", (width, sum(each.height + gap for each in pictures) - gap), ground)
    top = 0
    for each in pictures:
        whole.paste(each, (0, top))
        top += each.height + gap
    return whole


# A sheet of icons


_PAPER, _INK, _FAINT = (255, 255, 255), (32, 33, 36), (90, 96, 104)
_NAME_WIDTH, _COLUMN, _LINE, _HEAD = 230, 130, 64, 74


def sheet(names: Sequence[str], columns: Sequence[tuple[str, str, Sequence[Image.Image]]]) -> Image.Image:
    """A line for each name, and for each column what it is: a heading of two lines, and a picture for each name."""
    widths = [max(_COLUMN, *(picture.width + 36 for picture in pictures)) for _, _, pictures in columns]
    whole = Image.new("RGB", (_NAME_WIDTH + sum(widths), _HEAD + _LINE * len(names) + 12), _PAPER)
    draw = ImageDraw.Draw(whole)
    font = ImageFont.truetype("DejaVuSans.ttf", 17)
    small = ImageFont.truetype("DejaVuSans.ttf", 15)
    for line, name in enumerate(names):
        draw.text((20, _HEAD + _LINE * line + _LINE // 2), name, _INK, font, anchor="lm")
    left = _NAME_WIDTH
    for (first, second, pictures), width in zip(columns, widths, strict=True):
        draw.text((left + width // 2, 22), first, _INK, small, anchor="mm")
        draw.text((left + width // 2, 46), second, _FAINT, small, anchor="mm")
        ground = pictures[0].getpixel((1, 1))
        draw.rectangle((left, _HEAD - 8, left + width - 1, whole.height), fill=ground)  # type: ignore[arg-type]
        for line, picture in enumerate(pictures):
            middle = _HEAD + _LINE * line + _LINE // 2
            whole.paste(picture, (left + (width - picture.width) // 2, middle - picture.height // 2))
        left += width
    return whole


# Notifications

_DUNSTRC = """\
[global]
    scale = {scale}
    width = 380
    origin = top-left
    offset = 12x12
    font = Sans 11
    frame_width = 1
    corner_radius = 6
    padding = 12
    horizontal_padding = 14
    min_icon_size = 40
    max_icon_size = 40
    show_indicators = no
    format = "<b>%s</b>\\n%b"
    frame_color = "{frame}"
    background = "{ground}"
    foreground = "{ink}"
    idle_threshold = 0
[urgency_low]
    timeout = 0
[urgency_normal]
    timeout = 0
[urgency_critical]
    timeout = 0
    frame_color = "#c0392b"
"""


def start_dunst(camera: Camera, programs: list[Program], bus: str, witness: Witness, folder: Path) -> None:
    """The notification server in the desk's colours, in the corner that the camera looks at."""
    dark = camera.desk is DARK
    rc = folder / "dunstrc"
    rc.write_text(
        _DUNSTRC.format(
            scale=camera.desk.scale,
            frame="#4a5560" if dark else "#a0a8b0",
            ground="#2b2f33" if dark else "#fafafa",
            ink="#f0f0f0" if dark else "#202124",
        )
    )
    programs.append(camera.display.start("dunst", "-conf", str(rc), env={"DBUS_SESSION_BUS_ADDRESS": bus}))
    witness.wait_for_server()
