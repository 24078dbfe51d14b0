"""A lobby on the page: nobody has a place before the opening, and whoever was there can check how they were ordered."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.visitors import Consumer, Merchant

pytestmark = pytest.mark.browser

HOUR_MS = 3_600_000
EXPERIENCE = "lobby"


def test_a_lobby_and_the_order_that_was_drawn(up: Stack, merchant: Merchant, page: Page) -> None:
    now_ms = time.time_ns() // 1_000_000
    times = {"lobby_opens_at": now_ms - HOUR_MS, "opens_at": now_ms + HOUR_MS}
    merchant.put(EXPERIENCE, f"{up.shop}/checkout", times)
    others = [Consumer(up.room, EXPERIENCE) for _ in range(3)]
    for other in others:
        other.join()
    page.goto(f"{up.room}/r/{EXPERIENCE}")
    in_state(page, "lobby")
    expect(page.locator("#opens-in")).to_have_text(re.compile(r"^(59:\d\d|1:00:00)$"))
    expect(page).to_have_title(re.compile("^4 people here"))
    expect(page.locator("#foot-note")).to_contain_text("ordered by lot")
    expect(page.locator("#lottery-check")).to_be_hidden()
    picture(page, "lobby")

    merchant.hand(EXPERIENCE, "open")
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text(re.compile("^[0-3]$"))
    page.locator("#lottery-check-start").click()
    said = re.compile(r"^It matches.*Your ticket \(number 4\) was in the hat with one lot\.$")
    expect(page.locator("#lottery-check-said")).to_have_text(said)
    picture(page, "lobby-checked")
    for other in others:
        other.close()


def test_a_queue_without_a_lobby_has_nothing_to_check(up: Stack, merchant: Merchant, page: Page) -> None:
    merchant.put("no-lobby", f"{up.shop}/checkout")
    page.goto(f"{up.room}/r/no-lobby")
    in_state(page, "waiting")
    expect(page.locator("#lottery-check")).to_be_hidden()
    expect(page.locator("#foot-note")).to_contain_text("in the order they came")
