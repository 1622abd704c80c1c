"""Takes the pictures of the report for docs/pictures: ``make screenshots``.

Not collected with the tests: it is named on pytest's command line, and uses the same browser as they do. The page is
what ``traymon report`` makes of ninety days whose last night is that of 2016, with the clock stopped in its afternoon.
"""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Page

from tests.browser import history
from tests.browser.conftest import OpenPage
from tests.pictures import save
from traymon import words
from traymon.cli import cli
from traymon.paths import Profile

WIDE = {"width": 1100, "height": 1000}
PHONE = {"width": 390, "height": 844}
MARGIN = 24


@pytest.fixture
def language() -> str:
    return "en"


@pytest.fixture
def address(home: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of the page."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    words.choose(language, {})
    config = home / "config.toml"
    config.touch()
    profile = Profile.default(config)
    profile.db.parent.mkdir(parents=True)
    history.write(profile.db)
    page = home / "report.html"
    # Nothing of the page is told by the clock that counts sleep.
    with time_machine.travel(history.NOW / 1000, tick=False):
        made = CliRunner().invoke(
            cli, ["--config", str(config), "report", "--bot", "deploybot", "--output", str(page)]
        )
    assert made.exit_code == 0, made.output
    yield page.as_uri()
    words.choose("en", {})
    monkeypatch.undo()
    time.tzset()


def take(page: Page, name: str, part: tuple[str, str] | None = None) -> None:
    """What the window shows, or what stands from one element to above another, as a small PNG."""
    place: dict[str, Any] = {}
    if part is not None:
        begin, end = (page.locator(each).first for each in part)
        # Lists are laid out when they are seen.
        begin.evaluate("(e, margin) => scrollTo(0, e.getBoundingClientRect().y + scrollY - margin)", MARGIN)
        height = end.evaluate("e => e.getBoundingClientRect().y") - 4
        place = {"clip": {"x": 0, "y": 0, "width": WIDE["width"], "height": height}}
    shot = Image.open(io.BytesIO(page.screenshot(**place)))
    save(shot, name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report(open_page: OpenPage, address: str, scheme: str) -> None:
    page = open_page(viewport=WIDE, color_scheme=scheme)
    page.goto(address)
    take(page, f"report-{scheme}")
    take(page, f"report-patterns-{scheme}", part=("#bot-1-patterns", "#bot-1-calendar"))


def test_outages(open_page: OpenPage, address: str) -> None:
    page = open_page(viewport=WIDE)
    page.goto(address)
    take(page, "report-outages", part=("#bot-1-outages", "#bot-1-outages ~ .list tbody tr:nth-child(6)"))


def test_on_a_phone(open_page: OpenPage, address: str) -> None:
    page = open_page(viewport=PHONE, device_scale_factor=2)
    page.goto(address)
    take(page, "report-phone")


@pytest.mark.parametrize("language", ["ja"])
def test_in_japanese(open_page: OpenPage, address: str) -> None:
    page = open_page(viewport={**WIDE, "height": 1030}, locale="ja-JP")
    page.goto(address)
    take(page, "report-ja")
