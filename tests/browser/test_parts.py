"""What the page asks a gateway for: all its parts at once the first time, and none of them ever again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request

from tests.browser.conftest import Stack, in_state

pytestmark = pytest.mark.browser


def asked_for(page: Page, address: str) -> list[str]:
    """Opens the page; the paths of the parts that were asked for over the network."""
    asked: list[str] = []

    def listen(request: Request) -> None:
        asked.append(request.url)

    page.on("requestfinished", listen)
    page.goto(address)
    in_state(page, "waiting", "admitted")
    page.remove_listener("requestfinished", listen)
    sizes: dict[str, int] = page.evaluate(
        "() => Object.fromEntries(performance.getEntriesByType('resource').map((one) => [one.name, one.transferSize]))"
    )
    return [url.partition("/pages/")[2] for url in asked if "/pages/" in url and sizes.get(url, 1) > 0]


def test_parts_are_named_by_the_page_and_asked_for_once(page: Page, up: Stack) -> None:
    address = f"{up.room}/r/demo"
    first = asked_for(page, address)
    named = page.evaluate("() => [...document.querySelectorAll('link[rel=modulepreload]')].map((link) => link.href)")
    modules = {url.partition("/pages/")[2] for url in named}
    scripts = {part for part in first if part.endswith(".js")}
    assert scripts == modules | {part for part in scripts if part.endswith("/room.js")}
    assert len(first) == len(set(first))
    assert asked_for(page, address) == []
