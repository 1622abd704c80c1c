"""Icons read without a picture library: the same pixels, and only of files that it can read."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from traymon.tray.base import IconName
from traymon.tray.icons import icon_image
from traymon.tray.pixmaps import argb, assets, icon_file, pixmap, plain_png

SIZES = (22, 24, 32, 44, 48, 64)
"""Those of traymon.tray.sni, which is Linux's."""


def alpha_first(image: Image.Image) -> bytes:
    red, green, blue, alpha = image.split()
    return Image.merge("RGBA", (alpha, red, green, blue)).tobytes()


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("size", [*SIZES, 40])
@pytest.mark.parametrize("name", IconName)
def test_the_pixels_are_those_of_the_picture(name: IconName, size: int, mixed: bool) -> None:
    image = icon_image(name, size, mixed=mixed)
    assert pixmap(name, size, mixed=mixed) == [size, size, alpha_first(image)]


def test_every_picture_that_ships_is_plain() -> None:
    for path in assets().rglob("*.png"):
        assert plain_png(path.read_bytes()) == Image.open(path).tobytes(), path


def test_no_picture_library_is_loaded_for_a_plain_icon() -> None:
    code = (
        "import sys\n"
        "from traymon.tray.base import IconName\n"
        "from traymon.tray.pixmaps import pixmap\n"
        f"assert all(pixmap(name, size) for name in IconName for size in {SIZES})\n"
        "assert 'PIL' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_alpha_goes_first() -> None:
    assert argb(b"RGBArgba") == b"ARGBargb"
    assert argb(b"") == b""


def test_other_content_is_left_to_others() -> None:
    gradient = Image.linear_gradient("L").resize((32, 32))
    filtered = Image.merge("RGBA", (gradient,) * 4)
    plain = icon_file(IconName.ONLINE).read_bytes()
    assert plain_png(plain) is not None
    others = {
        "filtered rows": encoded(filtered),
        "grey": encoded(gradient),
        "palette": encoded(filtered.quantize()),
        "no PNG": b"GIF89a" + plain[6:],
        "torn in its head": plain[:20],
        "torn in its data": plain[: len(plain) // 2],
        "empty": b"",
    }
    assert {what for what, content in others.items() if plain_png(content) is not None} == set()


def test_an_icon_that_was_never_rendered_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("traymon.tray.pixmaps.__file__", str(tmp_path / "tray" / "pixmaps.py"))
    with pytest.raises(FileNotFoundError):
        pixmap(IconName.ONLINE, 23)
