"""The icons as pictures, in the sizes that panels ask for.

They are drawn in SVG (``assets``) and rendered beforehand (``assets/render.py``), so that running traymon needs no SVG
library.
"""

import io
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from PIL import Image, PngImagePlugin

from traymon.tray.base import IconName
from traymon.tray.pixmaps import LARGE, assets


class Look(StrEnum):
    """For what an icon is drawn; the folders in ``assets/icons/png`` bear these names."""

    OUTLINED = "outlined"
    """For a panel that may be light or dark."""
    LIGHT = "light"
    """For a light taskbar of Windows."""
    DARK = "dark"
    """For a dark one."""
    TEMPLATE = "template"
    """Black: macOS takes the alpha alone and paints it itself."""


SIZES = {
    Look.OUTLINED: (16, 22, 24, 32, 44, 48, 64, 96, LARGE),
    Look.LIGHT: (16, 32, 64, LARGE),
    Look.DARK: (16, 32, 64, LARGE),
    Look.TEMPLATE: (18, 36, LARGE),
}
"""Sizes (pixels) that were rendered; others are scaled from the next larger one."""

APPLICATION_SIZES = (16, 24, 32, 48, 64, 128, 256)
"""Pixels of the application's own icon."""

ABOVE_BADGE = 0.78
"""Of the icon's size: what is left of it above the dots that stand for several bots."""


def icon_image(name: IconName, size: int, *, look: Look = Look.OUTLINED, mixed: bool = False) -> Image.Image:
    """One icon, ``size`` pixels wide and high, as RGBA. Cached and shared: do not draw on it.

    ``mixed``: several bots that are not all alike. Raises FileNotFoundError for an icon that was never rendered,
    ValueError for a size below one.
    """
    return _icon_image(name, size, look, mixed)


def application_icon(size: int) -> Image.Image:
    """The application's own icon, as RGBA. Raises ValueError for a size below one."""
    return _sized(size, APPLICATION_SIZES, lambda known: f"traymon/{known}.png")


@lru_cache(maxsize=64)
def _icon_image(name: IconName, size: int, look: Look, mixed: bool) -> Image.Image:
    if not mixed:
        return _sized(size, SIZES[look], lambda known: f"icons/png/{look}/{name}-{known}.png")
    badge = _sized(size, SIZES[look], lambda known: f"badges/png/{look}/mixed-{known}.png")
    side = max(1, round(size * ABOVE_BADGE))
    above = _icon_image(name, LARGE, look, False).resize((side, side), Image.Resampling.LANCZOS)
    image = Image.new("RGBA", (size, size))
    image.paste(above, ((size - side) // 2, 0))
    image.alpha_composite(badge)
    return image


def _sized(size: int, known: tuple[int, ...], path: Callable[[int], str]) -> Image.Image:
    if size < 1:
        raise ValueError("an icon has at least one pixel")
    source = next((each for each in known if each >= size), known[-1])
    # Not Image.open, which loads the readers of four other formats first.
    content = io.BytesIO((assets() / path(source)).read_bytes())
    with PngImagePlugin.PngImageFile(content) as picture:
        image = picture.convert("RGBA")
    return image if source == size else image.resize((size, size), Image.Resampling.LANCZOS)
