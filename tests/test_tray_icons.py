"""The icons: rendered from their sources, and told apart without colour."""

import importlib.util
import io
import itertools
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageChops, ImageStat

from traymon.tray import icons, pixmaps
from traymon.tray.base import IconName
from traymon.tray.icons import APPLICATION_SIZES, LARGE, SIZES, Look, application_icon, icon_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"
LIGHT_PANEL, DARK_PANEL, GREY_PANEL = (240, 240, 240), (43, 43, 43), (128, 128, 128)
PANELS = {
    Look.OUTLINED: [LIGHT_PANEL, DARK_PANEL, GREY_PANEL, (255, 255, 255), (0, 0, 0)],
    Look.LIGHT: [LIGHT_PANEL, (255, 255, 255)],
    Look.DARK: [DARK_PANEL, (0, 0, 0)],
}
SHOWN = [(name, mixed) for name in IconName for mixed in (False, True)]
NEVER_MIXED = {IconName.PAUSED, IconName.NO_BOT}
PARTS = {frozenset({IconName.ONLINE, other}) for other in (IconName.ONLINE_NO_PROGRAM, IconName.NO_BOT)}
"""Variations of the bubble, which may resemble it more than the rest."""


@pytest.fixture(scope="module")
def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ASSETS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_as_its_source_has_it(renderer: ModuleType) -> None:
    assert {Look(look): sizes for look, sizes in renderer.LOOKS.items()} == SIZES
    assert (renderer.APPLICATION_SIZES, renderer.LARGE) == (APPLICATION_SIZES, LARGE)
    assert renderer.names("icons") == sorted(name.value for name in IconName)
    fresh = renderer.pictures()
    assert {str(path.relative_to(ASSETS)) for path in ASSETS.rglob("*.png")} == set(fresh)
    for path, png in fresh.items():
        stored = Image.open(ASSETS / path).convert("RGBA")
        difference = ImageChops.difference(Image.open(io.BytesIO(png)).convert("RGBA"), stored)
        # A renderer of another version may round differently at the edges.
        assert max(high for _, high in difference.getextrema()) <= 8, f"{path} is stale: run make icons"


def test_sources_keep_to_the_palette(renderer: ModuleType) -> None:
    """Else a colour would be left as it is on a dark taskbar, and in macOS' menu bar."""
    for folder in renderer.FOLDERS:
        for name in renderer.names(folder):
            svg = (ASSETS / folder / f"{name}.svg").read_text()
            used = set(re.findall(r"#[0-9a-f]{3,6}(?=\")", svg))
            assert used <= {*renderer.ON_DARK, "#fff", "#000"}, name


def overlap_missing(a: Image.Image, b: Image.Image) -> float:
    """How much of two masks is not common to both: 0 (the same) to 1."""
    return (
        ImageStat.Stat(ImageChops.difference(a, b)).sum[0] / ImageStat.Stat(ImageChops.lighter(a, b)).sum[0]
    )


def assert_told_apart(
    mask: Callable[[IconName], Image.Image], what: object, least: float, of_variations: float
) -> None:
    for one, other in itertools.combinations(IconName, 2):
        wanted = of_variations if frozenset({one, other}) in PARTS else least
        assert overlap_missing(mask(one), mask(other)) > wanted, (one, other, what)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    ("look", "size"),
    [(Look.OUTLINED, 16), (Look.OUTLINED, 22), (Look.LIGHT, 16), (Look.DARK, 16), (Look.TEMPLATE, 18)],
)
def test_silhouettes_differ_by_alpha_alone(look: Look, size: int, mixed: bool) -> None:
    def alpha(name: IconName) -> Image.Image:
        picture = icon_image(name, size, look=look, mixed=mixed)
        # The dots are the same for all: what is above them must tell.
        return picture.getchannel("A").crop((0, 0, size, round(size * 0.75) if mixed else size))

    assert_told_apart(alpha, (look, size, mixed), 0.3, 0.2)


def luminance(value: float) -> float:
    """Relative luminance of one channel (WCAG 2.1)."""
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def contrast(icon: Image.Image, panel: tuple[int, int, int]) -> Image.Image:
    """What a person who sees no colours sees of an icon on a panel: each pixel's contrast ratio with the panel (WCAG
    2.1), on a scale of its logarithm from 0 (1 to 1) to 255 (21 to 1)."""
    shown = Image.alpha_composite(Image.new("RGBA", icon.size, (*panel, 255)), icon)
    pixels = shown.tobytes()
    ratios = [bright(pixels[at : at + 3]) / bright(bytes(panel)) for at in range(0, len(pixels), 4)]
    return Image.frombytes("L", icon.size, bytes(grade(ratio) for ratio in ratios))


def bright(pixel: bytes) -> float:
    weights = (0.2126, 0.7152, 0.0722)
    return sum(weight * luminance(value) for weight, value in zip(weights, pixel, strict=True)) + 0.05


def grade(ratio: float) -> int:
    return round(255 * abs(math.log(ratio)) / math.log(21))


def area_of(seen: Image.Image, ratio: float) -> int:
    """How many pixels have at least that contrast."""
    return sum(seen.histogram()[grade(ratio) :])


@pytest.mark.parametrize(("look", "panel"), [(look, panel) for look in PANELS for panel in PANELS[look]])
def test_told_apart_in_grey_on_any_panel(look: Look, panel: tuple[int, int, int]) -> None:
    def seen(name: IconName) -> Image.Image:
        return contrast(icon_image(name, 16, look=look), panel)

    for name in IconName:
        # About what the two bars have, the least of all.
        assert area_of(seen(name), 2) >= 40, (name, look, panel)
    assert_told_apart(seen, (look, panel), 0.4, 0.25)


@pytest.mark.parametrize(("look", "panel"), [(look, panel) for look in PANELS for panel in PANELS[look]])
def test_contrast_of_3_to_1(look: Look, panel: tuple[int, int, int]) -> None:
    """WCAG 2.1, 1.4.11. Of an outlined icon the rim or what it encloses must have it, at least a quarter of the area;
    of the others all but what is smoothed away at the edges."""
    share = 0.25 if look is Look.OUTLINED else 0.85
    for name in IconName:
        icon = icon_image(name, 64, look=look)
        drawn = sum(icon.getchannel("A").histogram()[128:])
        assert area_of(contrast(icon, panel), 3) >= share * drawn, (name, look, panel)


@pytest.mark.parametrize("name", [name for name in IconName if name not in NEVER_MIXED])
@pytest.mark.parametrize("look", Look)
def test_several_bots_that_are_not_alike_are_seen(name: IconName, look: Look) -> None:
    """Three dots in the lowest row of a small icon, apart from each other."""
    plain, mixed = (icon_image(name, 18, look=look, mixed=each).getchannel("A") for each in (False, True))
    assert overlap_missing(plain, mixed) > 0.2
    row = mixed.crop((0, 16, 18, 17)).tobytes()
    dots = [len(list(run)) for drawn, run in itertools.groupby(value > 120 for value in row) if drawn]
    assert len(dots) == 3, list(row)


def test_templates_are_black() -> None:
    """macOS looks at the alpha only; black shows a slip in the sources where it does not."""
    for name, mixed in SHOWN:
        picture = icon_image(name, 36, look=Look.TEMPLATE, mixed=mixed)
        for channel in picture.split()[:3]:
            assert not ImageChops.multiply(channel, picture.getchannel("A")).getbbox(), name


def test_other_sizes_are_scaled_and_pictures_cached() -> None:
    assert icon_image(IconName.ONLINE, 20).size == (20, 20)
    assert icon_image(IconName.ONLINE, 200, mixed=True).size == (200, 200)
    assert icon_image(IconName.AWAY, 33, look=Look.TEMPLATE).size == (33, 33)
    assert icon_image(IconName.AWAY, 1, mixed=True).size == (1, 1)
    assert icon_image(IconName.ONLINE, 22) is icon_image(IconName.ONLINE, 22)
    assert icon_image(IconName.ONLINE, 22).mode == "RGBA"
    with pytest.raises(ValueError, match="at least one pixel"):
        icon_image(IconName.ONLINE, 0)


@pytest.mark.parametrize("size", [16, 40, 256])
def test_the_application_has_an_icon_of_its_own(size: int) -> None:
    icon = application_icon(size)
    assert (icon.size, icon.mode) == ((size, size), "RGBA")
    assert icon.getchannel("A").getpixel((size // 2, size // 2)) == 255
    assert icon.getchannel("A").getpixel((0, 0)) == 0


def test_found_inside_an_installed_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "traymon"
    shutil.copytree(ASSETS / "icons" / "png", package / "assets" / "icons" / "png")
    monkeypatch.setattr(pixmaps, "__file__", str(package / "tray" / "pixmaps.py"))
    assert pixmaps.assets() == package / "assets"
    icons._icon_image.cache_clear()
    assert icon_image(IconName.ONLINE, 16).size == (16, 16)
