"""One real stack and one real Chromium for the browser tests; every test gets a browser profile of its own.

Without a Chromium the tests are skipped with one line, but in CI that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.visitors import Merchant
from tests.support.stack import Up

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).parent / "screenshots"
NARROW: ViewportSize = {"width": 320, "height": 640}
WIDE: ViewportSize = {"width": 1280, "height": 800}
PATIENCE_MS = 30_000
ANIMATIONS_OVER = """() => Promise.allSettled(document.getAnimations()
  .filter((animation) => animation.effect.getTiming().iterations === 1).map((animation) => animation.finished))"""


class Stack(Up):
    """One `stanchion up` with the demo and its shop."""

    @property
    def shop(self) -> str:
        return f"http://127.0.0.1:{self.shop_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, started anew for the module."""
    executable = next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: the browser tests must run in CI")
        pytest.skip("no Chromium here: `apt-get install chromium` lets the browser tests run")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        expect.set_options(timeout=PATIENCE_MS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all of these tests; each makes experiences of its own, but for the demo."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.start()
    try:
        stack.wait_until_open()
        yield stack
    finally:
        stack.end()


@pytest.fixture
def merchant(up: Stack) -> Iterator[Merchant]:
    hand = Merchant(up.room, up.control_key)
    yield hand
    hand.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a new visitor. An uncaught error or a blocked resource in it fails the test."""
    context = browser.new_context(viewport=WIDE, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    opened = context.new_page()
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def rival(browser: Browser) -> Iterator[Page]:
    """A page of another visitor."""
    context = browser.new_context(viewport=WIDE, locale="en-GB")
    yield context.new_page()
    context.close()


def in_state(page: Page, *states: str) -> str:
    """Waits until the page is in one of the states; which."""
    page.wait_for_function("states => states.includes(document.body.dataset.state)", arg=list(states))
    return str(page.evaluate("document.body.dataset.state"))


def picture(page: Page, name: str) -> None:
    """Screenshots in light and dark, wide and narrow; nothing may stick out of a narrow screen."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.evaluate(ANIMATIONS_OVER)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size(viewport)
            page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], f"{name} sticks out"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
