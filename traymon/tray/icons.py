"""The icons as pictures, in the sizes that panels ask for.

They are drawn in SVG (``assets/icons``) and rendered beforehand (``assets/render.py``), so that running traymon needs
no SVG library.
"""

import io
from functools import lru_cache
from pathlib import Path

from PIL import Image, PngImagePlugin

from traymon.tray.base import IconName

SIZES = (16, 22, 24, 32, 48, 64)
"""Sizes (pixels) that were rendered; others are scaled from the next larger one."""

TEMPLATE_SIZES = (22, 44)
"""Sizes (pixels) of the pictures without the light rim, of which macOS uses the alpha alone."""


def icon_image(name: IconName, size: int, *, template: bool = False) -> Image.Image:
    """One icon, ``size`` pixels wide and high, as RGBA. Cached and shared: do not draw on it.

    Raises FileNotFoundError for an icon that was never rendered, ValueError for a size below one.
    """
    return _icon_image(name, size, template)


@lru_cache(maxsize=64)
def _icon_image(name: IconName, size: int, template: bool) -> Image.Image:
    if size < 1:
        raise ValueError("an icon has at least one pixel")
    sizes = TEMPLATE_SIZES if template else SIZES
    source = next((known for known in sizes if known >= size), sizes[-1])
    file = f"{name.value}-template-{source}.png" if template else f"{name.value}-{source}.png"
    # Not Image.open, which loads the readers of four other formats first.
    content = io.BytesIO((_folder() / "icons" / "png" / file).read_bytes())
    with PngImagePlugin.PngImageFile(content) as picture:
        image = picture.convert("RGBA")
    return image if source == size else image.resize((size, size), Image.Resampling.LANCZOS)


def _folder() -> Path:
    """``traymon/assets`` in an installed package, else ``assets`` beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "assets"
    return packaged if packaged.is_dir() else package.parent / "assets"
