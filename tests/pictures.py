"""Where the pictures for README and docs go, and how: ``make screenshots``."""

from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
_COLOURS = 128
"""Enough for text and flat colours; a quarter of the bytes."""


def save(picture: Image.Image, name: str) -> None:
    """As a small PNG."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    few = picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(PICTURES / f"{name}.png", optimize=True)
