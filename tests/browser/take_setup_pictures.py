"""Takes the pictures of the set-up page for docs/pictures: ``make screenshots``.

Not collected with the tests: it is named on pytest's command line, and uses the same browser as they do.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.pictures import save
from tests.support import PATIENCE_S
from traymon.paths import Profile
from traymon.setup import SetupPage
from traymon.simulator import Simulator
from traymon.simulator import faults as f

MARGIN = 20  # CSS pixels around a part of the page
APP, BOT = "xapp-1-A01", "xoxb-1-B01"

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_bot(BOT, "deploybot", "Acme", app_token=APP)
        yield simulator


@pytest.fixture
def address(tmp_path: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a set-up page whose bot comes online at once, on a machine without a keyring."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    page = SetupPage(
        Profile.throwaway(tmp_path),
        lambda _: None,
        lambda _: {"state": "online"},
        open_url=lambda _: None,
        api_url=slack.api_url,
    )
    yield page.address()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_take(open_page: OpenPage, slack: Simulator, address: str, scheme: str) -> None:
    page = open_page(viewport={"width": 900, "height": 700}, color_scheme=scheme, device_scale_factor=2)
    page.goto(address)
    page.get_by_text("Advanced").click()  # the simulator's address is not what people see there
    _take(page, f"setup-1-choose-{scheme}")
    page.get_by_label("App-level token (xapp-…)", exact=True).fill(BOT)
    _check(page)
    expect(page.locator("#check-steps li[data-outcome=failed]")).to_be_visible()
    _take(page, f"setup-2-wrong-token-{scheme}", of="section[aria-labelledby=h-token]")
    slack.arm(f.SlowAnswer(300), method="auth.test")
    page.get_by_label("App-level token (xapp-…)", exact=True).fill(APP)
    page.get_by_label("Bot token (xoxb-…), optional").fill(BOT)
    _check(page)
    expect(page.locator("#naming")).to_be_visible()
    page.get_by_role("button", name="Keep it and go online").click()
    expect(page.locator("#places")).to_be_visible()
    _take(page, f"setup-3-no-keyring-{scheme}", of="#naming")
    page.get_by_role("button", name="Keep it and go online").click()
    expect(page.locator("#done")).to_be_visible()
    page.locator("#keep-steps").evaluate("steps => steps.hidden = true")  # the paths are this machine's
    page.locator("#naming").evaluate("part => part.hidden = true")
    _take(page, f"setup-4-online-{scheme}", of="main")


def _check(page: Page) -> None:
    page.get_by_role("button", name="Check with Slack").click()


def _take(page: Page, name: str, *, of: str = "main") -> None:
    page.mouse.move(0, 0)
    box = page.locator(of).evaluate(
        "part => {const box = part.getBoundingClientRect();"
        " return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height}}"
    )
    clip = {
        "x": max(0, box["x"] - MARGIN),
        "y": max(0, box["y"] - MARGIN),
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN,
    }
    shot = page.screenshot(full_page=True, clip=clip, scale="css")
    save(Image.open(io.BytesIO(shot)), name)
