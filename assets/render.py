"""Render the icons of ``icons/*.svg`` and ``badges/*.svg`` to the PNGs that traymon ships: ``make icons``.

For developers only; needs resvg_py. Every SVG has one element with ``id="halo"``, a light rim that sets the icon off
from a dark panel, and no colours but those of :data:`ON_DARK`. Each is rendered in four looks:

- ``outlined``, as drawn, for panels of which nothing is known (Linux);
- ``light`` and ``dark``, without the rim, for a light and a dark taskbar (Windows);
- ``template``, black and without the rim: macOS takes a menu bar icon's alpha alone and paints it itself.
"""

import io
import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import resvg_py
from PIL import Image

HERE = Path(__file__).resolve().parent
FOLDERS = ("icons", "badges")

LARGE = 128
"""Pixels: from this one a smaller icon over a badge is scaled, and any size that is not rendered."""

LOOKS = {
    # What panels ask for (16, 22, 24), twice that on dense screens, and what Windows and docks take beyond.
    "outlined": (16, 22, 24, 32, 44, 48, 64, 96, LARGE),
    "light": (16, 32, 64, LARGE),
    "dark": (16, 32, 64, LARGE),
    # A menu bar icon of macOS, 18 points high, on a plain and on a Retina screen.
    "template": (18, 36, LARGE),
}
"""Sizes (pixels) of each look."""

APPLICATION_SIZES = (16, 24, 32, 48, 64, 128, 256)
"""Pixels of the application's own icon, in the desktop's menu and in About."""

ON_DARK = {
    "#1a8f4c": "#43d17f",
    "#2474c9": "#6bb3ff",
    "#7d4fc7": "#b894ff",
    "#d5303e": "#ff6b74",
    "#c8620a": "#ffa94d",
    "#b8500a": "#ffb454",
    "#5d6b7c": "#b4c0cf",
    "#3c4858": "#e3e9f0",
}
"""Each colour of the sources, and what it is on a dark taskbar. The sources' have a contrast of 3 to 1 with a light
panel, these with a dark one (WCAG 2.1, 1.4.11)."""

_SVG = "http://www.w3.org/2000/svg"


def names(folder: str) -> list[str]:
    """The pictures of a folder that have a source."""
    return sorted(path.stem for path in (HERE / folder).glob("*.svg"))


def render(folder: str, name: str, size: int, look: str) -> bytes:
    """The PNG of one icon or badge, ``size`` pixels wide and high."""
    svg = (HERE / folder / f"{name}.svg").read_text(encoding="utf-8")
    if look != "outlined":
        svg = _without_halo(svg)
        for colour, on_dark in ON_DARK.items():
            svg = svg.replace(colour, {"light": colour, "dark": on_dark, "template": "#000"}[look])
    return _png(svg, size)


def render_application(size: int) -> bytes:
    """The PNG of the application's icon."""
    return _png((HERE / "traymon.svg").read_text(encoding="utf-8"), size)


def _png(svg: str, size: int) -> bytes:
    """Its rows stored as they are: so the running traymon can take it apart by itself (traymon/tray/pixmaps.py)."""
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    rgba = Image.open(io.BytesIO(png)).convert("RGBA").tobytes()
    stride = 4 * size
    rows = b"".join(b"\0" + rgba[at : at + stride] for at in range(0, len(rgba), stride))
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    chunks = _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _without_halo(svg: str) -> str:
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - our own files
    halo = root.find("*[@id='halo']")
    if halo is None:
        raise ValueError('an icon needs one top-level element with id="halo"')
    root.remove(halo)
    return ET.tostring(root, encoding="unicode")


def pictures() -> dict[str, bytes]:
    """Every PNG, by its path below ``assets``."""
    made = {f"traymon/{size}.png": render_application(size) for size in APPLICATION_SIZES}
    for folder in FOLDERS:
        for name in names(folder):
            for look, sizes in LOOKS.items():
                for size in sizes:
                    made[f"{folder}/png/{look}/{name}-{size}.png"] = render(folder, name, size, look)
    return made


def render_all(folder: Path) -> int:
    """Write every PNG below ``folder``; returns how many."""
    made = pictures()
    for path, png in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(png)
    return len(made)


if __name__ == "__main__":
    sys.stdout.write(f"{render_all(HERE)} icons rendered\n")
