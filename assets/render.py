"""Render the icons of ``icons/*.svg`` to the PNGs that traymon ships: ``make icons``.

For developers only; needs resvg_py. Every SVG has one element with ``id="halo"``, a light rim that sets the icon off
from a dark panel. macOS takes a menu bar icon's alpha alone and paints it itself, so its files (``…-template-SIZE``)
leave the rim out.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import resvg_py

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "icons"

SIZES = (16, 22, 24, 32, 48, 64)
"""Pixels: what panels ask for (16, 22 and 24, twice that on dense screens) and 64 for Windows' larger ones."""

TEMPLATE_SIZES = (22, 44)
"""Pixels: a menu bar icon of macOS, on a plain and on a Retina screen."""

_SVG = "http://www.w3.org/2000/svg"


def names() -> list[str]:
    """The icons that have a source."""
    return sorted(path.stem for path in SOURCES.glob("*.svg"))


def render(name: str, size: int, *, template: bool = False) -> bytes:
    """The PNG of one icon, ``size`` pixels wide and high."""
    svg = (SOURCES / f"{name}.svg").read_text(encoding="utf-8")
    return bytes(
        resvg_py.svg_to_bytes(svg_string=_without_halo(svg) if template else svg, width=size, height=size)
    )


def _without_halo(svg: str) -> str:
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - as above
    halo = root.find("*[@id='halo']")
    if halo is None:
        raise ValueError('an icon needs one top-level element with id="halo"')
    root.remove(halo)
    return ET.tostring(root, encoding="unicode")


def png_name(name: str, size: int, *, template: bool = False) -> str:
    """What the file of one icon is called."""
    return f"{name}-template-{size}.png" if template else f"{name}-{size}.png"


def render_all(folder: Path) -> list[Path]:
    """Write every PNG to ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names():
        for template, sizes in ((False, SIZES), (True, TEMPLATE_SIZES)):
            for size in sizes:
                path = folder / png_name(name, size, template=template)
                path.write_bytes(render(name, size, template=template))
                written.append(path)
    return written


if __name__ == "__main__":
    sys.stdout.write(f"{len(render_all(SOURCES / 'png'))} icons rendered\n")
