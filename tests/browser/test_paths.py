"""Several ways into one experience on one page: the chooser, what is in focus, and what joins by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.visitors import Consumer, Merchant

pytestmark = pytest.mark.browser

QUEUE = {"kind": "queue", "release_rate_per_minute": 0, "checkout_window_seconds": 600}
GENERAL = {"id": "general", "name": "General queue", "priority": 10, "distribution": QUEUE}
MEMBERS = {"id": "members", "name": "Members", "priority": 5, "distribution": QUEUE}
WAITLIST = {
    "id": "waitlist",
    "name": "Waitlist",
    "attached_to": "general",
    "distribution": {"kind": "waitlist", "strategy": "one_by_one"},
}


@pytest.fixture
def launch(up: Stack, merchant: Merchant) -> str:
    """The address of an experience with three paths; `general` is the first by priority, not in the document."""
    merchant.put_paths("three-ways", f"{up.shop}/checkout", [WAITLIST, MEMBERS, GENERAL])
    return f"{up.room}/r/three-ways"


def test_a_page_with_three_paths(launch: str, up: Stack, merchant: Merchant, page: Page) -> None:
    consumer = Consumer(up.room, "three-ways")
    consumer.join("general")
    page.goto(launch)
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("1")
    entries = page.get_by_role("navigation", name="Ways in").get_by_role("link")
    expect(entries).to_have_text(
        [re.compile("^General queueQueue1 ahead$"), re.compile("^MembersQueueOpen$"), re.compile("^Waitlist")]
    )
    expect(entries.first).to_have_attribute("aria-current", "true")
    picture(page, "three-paths")

    entries.nth(1).click()
    assert in_state(page, "open", "waiting") == "open"
    expect(page.locator("#path-name")).to_have_text("Members")
    expect(page.locator("#announcer")).to_contain_text("Members: The line is open.")
    picture(page, "path-open")
    page.locator("#join").click()
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("0")

    merchant.hand("three-ways", "admit", count=2)
    expect(page.locator(".urgent .status")).to_have_text(re.compile(r"^Your turn, \d+:\d\d left$"))
    expect(page.locator("#announcer")).to_contain_text("General queue: It’s your turn.")
    expect(page).to_have_title(re.compile(r"^Your turn \d+:\d\d – "))
    picture(page, "path-urgent")
    page.goto(launch)
    in_state(page, "admitted")  # the ticket that is furthest on
    page.go_back()
    in_state(page, "waiting")
    consumer.close()


def test_an_address_that_names_a_queue_joins_it(launch: str, page: Page) -> None:
    page.goto(f"{launch}#members")
    in_state(page, "waiting")
    expect(page.locator("#path-name")).to_have_text("Members")
    page.reload()
    in_state(page, "waiting")


def test_an_address_that_names_another_kind_joins_nothing(launch: str, page: Page) -> None:
    page.goto(f"{launch}#waitlist")
    in_state(page, "open")
    page.get_by_role("link", name="General queue").click()
    assert in_state(page, "open", "waiting") == "open"


def test_a_path_that_opens_with_a_code(up: Stack, merchant: Merchant, page: Page) -> None:
    code = {"code": "SESAME", "max_uses": 1}
    friends = {"id": "friends", "name": "Friends", "access_code": code, "distribution": QUEUE}
    merchant.put_paths("with-code", f"{up.shop}/checkout", [GENERAL, friends])
    page.goto(f"{up.room}/r/with-code")
    in_state(page, "waiting")
    page.get_by_role("link", name="Friends").click()
    in_state(page, "needs_code")
    page.get_by_label("Your code").fill("MELON")
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#message")).to_contain_text("This code does not open it.")
    picture(page, "path-code")
    page.get_by_label("Your code").fill("SESAME")
    page.keyboard.press("Enter")
    in_state(page, "waiting")


def test_terms_stand_beside_what_joins(up: Stack, merchant: Merchant, page: Page) -> None:
    terms = {"text": "One pair a person.", "url": "https://shop.example/terms"}
    merchant.put_paths("with-terms", f"{up.shop}/checkout", [GENERAL, MEMBERS | {"terms": terms}])
    page.goto(f"{up.room}/r/with-terms#members")
    in_state(page, "waiting")
    page.locator("#leave").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    expect(page.locator("#terms")).to_have_text("One pair a person. Terms")
    expect(page.get_by_role("link", name="Terms")).to_have_attribute("href", "https://shop.example/terms")
    picture(page, "path-terms")


def test_one_path_needs_no_chooser(up: Stack, merchant: Merchant, page: Page) -> None:
    merchant.put("one-way", f"{up.shop}/checkout")
    page.goto(f"{up.room}/r/one-way")
    in_state(page, "waiting")
    expect(page.locator("#paths")).to_be_hidden()
    expect(page.locator("#path-name")).to_be_hidden()


def test_the_demo_has_a_draw_beside_its_queue(up: Stack, page: Page) -> None:
    page.goto(f"{up.room}/r/demo")
    assert in_state(page, "waiting", "admitted", "open") != "open"  # the queue comes first
    page.get_by_role("link", name="VIP draw").click()
    in_state(page, "open")
    page.get_by_role("button", name="Enter the draw").click()
    in_state(page, "entered")
    expect(page.locator("#draw-facts")).to_contain_text("Winners3")
    picture(page, "demo-draw")
