"""The application's icon in the formats of Windows and macOS, from the pictures of assets/."""

from pathlib import Path

from PIL import Image
from steps import ROOT


def write_ico(path: Path) -> None:
    """For Windows, each size as it was drawn."""
    pictures = _pictures()
    pictures[-1].save(path, format="ICO", sizes=[each.size for each in pictures], append_images=pictures[:-1])


def write_icns(path: Path) -> None:
    """For macOS. Its sizes are powers of two; the largest that is drawn is 256."""
    pictures = [each for each in _pictures() if each.width in (32, 64, 128, 256)]
    pictures[-1].save(path, format="ICNS", append_images=pictures[:-1])


def _pictures() -> list[Image.Image]:
    """By size, the largest last."""
    return sorted(
        (Image.open(path) for path in (ROOT / "assets/traymon").glob("*.png")), key=lambda each: each.width
    )
