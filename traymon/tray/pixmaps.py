"""The icons as panels on the bus want them: bare pixels, read without a picture library.

That library takes 3 MB and a fifth of the time until the first icon, and what is needed of it for an icon as it was
rendered is to take a PNG of the plainest kind apart (``assets/render.py`` writes no other). All else, such as the dots
that stand for several bots, is drawn by :mod:`traymon.tray.icons`.
"""

import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from traymon.tray.base import IconName

LARGE = 128
"""Pixels of the largest picture of each icon."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA = b"\x08\x06\x00\x00\x00"
"""Of a PNG's header: 8 bits a channel, red, green, blue and alpha, not interlaced."""


@lru_cache(maxsize=64)
def pixmap(name: IconName, size: int, *, mixed: bool = False) -> list[Any]:
    """Width, height, and the pixels as ARGB32 in network byte order. Cached and shared: do not change it.

    ``mixed``: several bots that are not all alike. Raises FileNotFoundError for an icon that was never rendered.
    """
    if not mixed:
        path = assets() / f"icons/png/outlined/{name}-{size}.png"
        read = plain_png(path.read_bytes()) if path.exists() else None
        if read is not None:
            return [size, size, argb(read)]
    from traymon.tray.icons import icon_image

    return [size, size, argb(icon_image(name, size, mixed=mixed).tobytes())]


def argb(rgba: bytes) -> bytes:
    """The same pixels, alpha first."""
    pixels = bytearray(len(rgba))
    pixels[0::4] = rgba[3::4]
    for channel in range(3):
        pixels[channel + 1 :: 4] = rgba[channel::4]
    return bytes(pixels)


def plain_png(content: bytes) -> bytes | None:
    """The RGBA pixels of a PNG whose rows are stored as they are (filter 0); ``None`` for any other content.

    https://www.w3.org/TR/png-3/
    """
    try:
        width, height, kind = struct.unpack_from(">II5s", content, 16)
        rows = zlib.decompress(b"".join(_data(content)))
    except (struct.error, zlib.error):
        return None
    length = 1 + 4 * width  # the row's filter, then its pixels
    if not content.startswith(_SIGNATURE) or kind != _RGBA or len(rows) != length * height:
        return None
    if any(rows[::length]):
        return None
    return b"".join(rows[at + 1 : at + length] for at in range(0, len(rows), length))


def _data(content: bytes) -> list[bytes]:
    """The compressed data. Raises struct.error where the content is torn."""
    found = []
    at = len(_SIGNATURE)
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IDAT":
            found.append(content[at + 8 : at + 8 + length])
        at += 12 + length  # length, kind, data, checksum
    return found


def icon_file(name: IconName) -> Path:
    """The file of a large icon that reads on any ground: for notifications."""
    return assets() / f"icons/png/outlined/{name}-{LARGE}.png"


def assets() -> Path:
    """``traymon/assets`` in an installed package, else ``assets`` beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "assets"
    return packaged if packaged.is_dir() else package.parent / "assets"
