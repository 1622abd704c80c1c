"""The icons: rendered from their sources, and told apart without colour."""

import importlib.util
import io
import itertools
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageChops, ImageStat

from traymon.tray import icons
from traymon.tray.base import IconName
from traymon.tray.icons import SIZES, TEMPLATE_SIZES, icon_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"
OFTEN_SEEN = [name for name in IconName if name is not IconName.ONLINE_NO_PROGRAM]


@pytest.fixture(scope="module")
def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ASSETS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_as_its_source_has_it(renderer: ModuleType) -> None:
    assert (renderer.SIZES, renderer.TEMPLATE_SIZES) == (SIZES, TEMPLATE_SIZES)
    assert renderer.names() == sorted(name.value for name in IconName)
    wanted = set()
    for name, (template, sizes) in itertools.product(IconName, ((False, SIZES), (True, TEMPLATE_SIZES))):
        for size in sizes:
            file = ASSETS / "icons/png" / renderer.png_name(name.value, size, template=template)
            wanted.add(file.name)
            fresh = Image.open(io.BytesIO(renderer.render(name.value, size, template=template))).convert(
                "RGBA"
            )
            stored = Image.open(file).convert("RGBA")
            assert stored.size == (size, size)
            # A renderer of another version may round differently at the edges.
            worst = max(high for _, high in ImageChops.difference(fresh, stored).getextrema())
            assert worst <= 8, f"{file.name} is stale: run make icons"
    assert {path.name for path in (ASSETS / "icons/png").iterdir()} == wanted


def unlike(one: IconName, other: IconName, size: int, *, template: bool) -> float:
    """How much of the drawn areas two icons do not have in common, by alpha alone: 0 to 1."""
    a, b = (icon_image(name, size, template=template).getchannel("A") for name in (one, other))
    return (
        ImageStat.Stat(ImageChops.difference(a, b)).sum[0] / ImageStat.Stat(ImageChops.lighter(a, b)).sum[0]
    )


@pytest.mark.parametrize(("size", "template"), [(16, False), (22, False), (22, True)])
def test_silhouettes_differ(size: int, template: bool) -> None:
    for one, other in itertools.combinations(OFTEN_SEEN, 2):
        assert unlike(one, other, size, template=template) > 0.3, (one, other)
    # A variation of "online", which it may resemble.
    assert unlike(IconName.ONLINE, IconName.ONLINE_NO_PROGRAM, size, template=template) > 0.15


@pytest.mark.parametrize("panel", [(250, 250, 250), (30, 30, 30), (0, 0, 0), (128, 128, 128)])
@pytest.mark.parametrize("name", IconName)
def test_readable_on_any_panel(name: IconName, panel: tuple[int, int, int]) -> None:
    """A good part of the icon stands out from the panel in grey, whatever its colour."""
    icon = icon_image(name, 16)
    shown = Image.alpha_composite(Image.new("RGBA", icon.size, (*panel, 255)), icon).convert("L")
    contrast = ImageChops.difference(shown, Image.new("RGB", icon.size, panel).convert("L"))
    clear = sum(contrast.histogram()[60:])
    assert clear >= 30, (name, panel, clear)


def test_other_sizes_are_scaled_and_pictures_cached() -> None:
    assert icon_image(IconName.ONLINE, 20).size == (20, 20)
    assert icon_image(IconName.ONLINE, 200).size == (200, 200)
    assert icon_image(IconName.AWAY, 33, template=True).size == (33, 33)
    assert icon_image(IconName.ONLINE, 22) is icon_image(IconName.ONLINE, 22)
    assert icon_image(IconName.ONLINE, 22).mode == "RGBA"
    with pytest.raises(ValueError, match="at least one pixel"):
        icon_image(IconName.ONLINE, 0)


def test_found_inside_an_installed_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "traymon"
    shutil.copytree(ASSETS / "icons" / "png", package / "assets" / "icons" / "png")
    monkeypatch.setattr(icons, "__file__", str(package / "tray" / "icons.py"))
    assert icons._folder() == package / "assets"
    icons._icon_image.cache_clear()
    assert icon_image(IconName.ONLINE, 16).size == (16, 16)
