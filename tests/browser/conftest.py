"""Fixtures of the browser tests: a real Chromium, pages that are watched, and axe's opinion of them.

They live as long as one test file: while Playwright runs, its event loop counts as running in the main thread, and no
test of another file in the same process could start one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.required import cannot

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000.0
"""For anything that a page does by itself: far above what it takes, so that a slow machine fails no test."""

OpenPage = Callable[..., Page]
Axe = Callable[[Page], list[str]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window; it ends with the test file."""
    program = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
    if program is None:
        cannot("needs the package: chromium")
        return
    # Chromium's sandbox refuses to work for root, as whom CI runs; /dev/shm is small in containers.
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=options, headless=True, timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def requests() -> list[str]:
    """The address of every request that the test's pages made, the page's own included."""
    return []


@pytest.fixture
def problems() -> list[str]:
    """What went wrong on the test's pages (an exception, an error in the console); anything left here at the end
    fails the test. A test that expects one takes it out."""
    return []


@pytest.fixture
def open_page(chromium: Browser, requests: list[str], problems: list[str]) -> Iterator[OpenPage]:
    """Opens an empty page in a context of its own; takes the options of Playwright's ``Browser.new_context``, such as
    ``viewport``, ``color_scheme`` and ``java_script_enabled``."""
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-GB", "service_workers": "block", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", lambda request: requests.append(request.url))
        context.on("weberror", lambda error: problems.append(str(error.error)))
        context.on("console", lambda message: _note(message, problems))
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _note(message: ConsoleMessage, problems: list[str]) -> None:
    if message.type in ("error", "warning"):
        problems.append(message.text)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """An empty page in a fresh context, 1280 × 800."""
    return open_page(viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="session")
def axe() -> Axe:
    """What axe-core finds wrong with a page, one line for each violation: empty where all is well."""
    if not AXE.exists():
        cannot("needs npm's axe-core: make test installs it into tests/node")
    source = AXE.read_text(encoding="utf-8")

    def violations(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [_line(violation) for violation in found["violations"]]

    return violations


def _line(violation: dict[str, Any]) -> str:
    places = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
    return f"{violation['id']}: {violation['help']} at {', '.join(places[:5])} ({len(places)})"


@pytest.fixture
def text_fits() -> Callable[[Page], bool]:
    """Whether nothing makes the page wider than its window, so that nobody must scroll sideways (WCAG 1.4.10)."""

    def fits(page: Page) -> bool:
        return bool(
            page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        )

    return fits
