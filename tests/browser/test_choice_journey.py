"""Choosing between variants on the page: of two consumers one wants what is not free, is passed over, and changes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.visitors import Consumer, Merchant

pytestmark = pytest.mark.browser

FAR_AWAY_MS = 4_000_000_000_000
QUEUE = {"kind": "queue", "release_rate_per_minute": 0, "checkout_window_seconds": 600}


def shoe(size: str, stock: int) -> dict[str, Any]:
    return {"id": size, "name": f"EU {size}", "price": "129.00", "currency": "EUR", "stock": stock}


def test_who_is_passed_over_chooses_another_at_the_same_place(up: Stack, merchant: Merchant, page: Page) -> None:
    path = {"id": "general", "product_selection": "consumer", "distribution": QUEUE}
    sizes = [shoe("41", 0), shoe("42", 3), shoe("43", 40)]
    merchant.put_paths("sizes", f"{up.shop}/checkout", [path], variants=sizes)
    page.goto(f"{up.room}/r/sizes")
    in_state(page, "open")
    choices = page.locator("#choice-list button")
    expect(choices).to_have_text(["EU 41€129.00Not free just now", "EU 42€129.00The last ones", "EU 43€129.00"])
    expect(page.locator("#join")).to_be_disabled()
    picture(page, "choice-open")
    choices.nth(0).click()
    expect(choices.nth(0)).to_have_attribute("aria-pressed", "true")
    page.locator("#join").click()
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("0")

    rival = Consumer(up.room, "sizes")
    rival.join("general", variant="42")
    merchant.hand("sizes", "admit", count=1)
    assert rival.frame("admitted")["variant"] == "42"
    expect(page.locator("#why")).to_have_text(re.compile("What you chose is not free just now"))
    picture(page, "choice-passed-over")
    choices.nth(2).click()
    expect(choices.nth(2)).to_have_attribute("aria-pressed", "true")
    page.reload()
    in_state(page, "waiting")
    expect(choices.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#ahead")).to_have_text("0")
    merchant.hand("sizes", "admit", count=1)
    in_state(page, "admitted")
    expect(page.locator("#choice")).to_be_hidden()
    rival.close()


def test_a_claim_is_for_what_was_chosen_before_the_opening(up: Stack, merchant: Merchant, page: Page) -> None:
    release = {"id": "drop", "product_selection": "consumer", "distribution": {"kind": "timed_release"}}
    sizes = [shoe("41", 5), shoe("42", 5)]
    merchant.put_paths("claims", f"{up.shop}/checkout", [release | {"opens_at": FAR_AWAY_MS}], variants=sizes)
    with page.expect_websocket() as opened:
        page.goto(f"{up.room}/r/claims")
    in_state(page, "countdown")
    page.locator("#choice-list button").nth(1).click()
    picture(page, "choice-countdown")
    merchant.hand("claims", "open", path="drop")
    in_state(page, "claimable")
    with opened.value.expect_event("framereceived", lambda frame: '"admitted"' in str(frame)) as admitted:
        page.locator("#claim").click()
    assert '"variant":"42"' in str(admitted.value)
    in_state(page, "admitted")
