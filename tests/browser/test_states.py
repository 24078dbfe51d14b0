"""Every state of the waiting-room page, brought about by the real stack, with a picture of each."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SCREENSHOTS, WIDE, Stack, in_state, picture
from tests.browser.visitors import Consumer, Merchant

pytestmark = pytest.mark.browser

HOUR_MS = 3_600_000
OPENS_IN_MS = 2_000
SHORT_WINDOW_SECONDS = 2

_numbers = count()


class Line:
    """An experience of its own for one test."""

    def __init__(self, up: Stack, merchant: Merchant) -> None:
        self.id = f"line-{next(_numbers)}"
        self.room = up.room
        self.address = f"{up.room}/r/{self.id}"
        self._checkout_url = f"{up.shop}/checkout"
        self._merchant = merchant
        self._crowd: list[Consumer] = []

    def put(self, path: dict[str, object] | None = None, **distribution: object) -> None:
        self._merchant.put(self.id, self._checkout_url, path, **distribution)

    def patch(self, **limits: object) -> None:
        self._merchant.patch(self.id, **limits)

    def hand(self, word: str, **body: Any) -> None:
        self._merchant.hand(self.id, word, **body)

    def notice(self, text: str) -> None:
        self._merchant.notice(self.id, text)

    def joined(self, people: int) -> None:
        """So many come before us."""
        for _ in range(people):
            consumer = Consumer(self.room, self.id)
            consumer.join()
            self._crowd.append(consumer)

    def close(self) -> None:
        for consumer in self._crowd:
            consumer.close()


@pytest.fixture
def line(up: Stack, merchant: Merchant) -> Iterator[Line]:
    made = Line(up, merchant)
    yield made
    made.close()


def test_before_the_opening(line: Line, page: Page) -> None:
    line.put({"opens_at": int(time.time() * 1000) + HOUR_MS})
    page.goto(line.address)
    assert in_state(page, "scheduled", "waiting") == "scheduled"
    expect(page.locator("#opens-in")).to_have_text(re.compile(r"^(59:\d\d|1:00:00)$"))
    expect(page.locator("#opens-in")).to_have_attribute("role", "timer")
    picture(page, "scheduled")
    line.put({"opens_at": int(time.time() * 1000) + OPENS_IN_MS})
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("0")


def test_paused_and_going_on(line: Line, page: Page) -> None:
    line.put(release_rate_per_minute=1)
    line.joined(3)
    page.goto(line.address)
    in_state(page, "waiting")
    line.hand("pause")
    in_state(page, "paused")
    expect(page.locator("#eta")).to_have_text("On hold")
    picture(page, "paused")
    line.hand("resume")
    in_state(page, "waiting")
    expect(page.locator("#why")).to_have_text("The line is moving again.")
    line.patch(release_rate_per_minute=2)
    expect(page.locator("#why")).to_contain_text("The shop")
    picture(page, "why")


def test_the_merchants_words(line: Line, page: Page) -> None:
    line.put()
    page.goto(line.address)
    in_state(page, "waiting")
    expect(page.locator("#notice")).to_be_hidden()
    line.notice("More pairs are on their way <b>now</b>.")
    expect(page.locator("#notice")).to_have_text("More pairs are on their way <b>now</b>.")
    picture(page, "notice")
    page.reload()
    expect(page.locator("#notice")).to_be_visible()


def test_leaving_and_joining_again(line: Line, page: Page) -> None:
    line.put()
    page.goto(line.address)
    in_state(page, "waiting")
    line.joined(2)
    page.locator("#leave").click()
    picture(page, "leave-confirm")
    page.locator("#confirm-no").click()
    assert in_state(page, "waiting", "left") == "waiting"
    page.locator("#leave").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    picture(page, "left")
    page.reload()
    in_state(page, "left")
    page.locator("#join").click()
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("2")


def test_giving_a_turn_away(line: Line, page: Page) -> None:
    line.put()
    page.goto(line.address)
    in_state(page, "waiting")
    line.hand("admit", count=1)
    in_state(page, "admitted")
    page.locator("#decline").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    expect(page.locator("#headline")).to_have_text("You passed it on")
    picture(page, "declined")


def test_a_missed_turn_is_taken_back_once(line: Line, page: Page) -> None:
    line.put(checkout_window_seconds=SHORT_WINDOW_SECONDS)
    page.goto(line.address)
    in_state(page, "waiting")
    line.joined(1)
    line.hand("admit", count=1)
    in_state(page, "expired")
    picture(page, "expired")
    page.reload()
    in_state(page, "expired")
    page.locator("#rejoin").click()
    in_state(page, "waiting")
    expect(page.locator("#ahead")).to_have_text("0")
    line.hand("admit", count=1)
    in_state(page, "expired")
    expect(page.locator("#rejoin")).to_be_hidden()
    expect(page.locator("#join")).to_be_visible()
    picture(page, "expired-again")


def test_a_full_line_is_tried_again(line: Line, page: Page) -> None:
    line.put(capacity=1)
    line.joined(1)
    page.goto(line.address)
    in_state(page, "full")
    picture(page, "full")


def test_a_closed_line(line: Line, page: Page) -> None:
    line.put()
    line.joined(1)
    line.hand("close")
    page.goto(line.address)
    in_state(page, "closed")
    picture(page, "closed")


def test_a_line_that_ends(line: Line, page: Page) -> None:
    line.put()
    page.goto(line.address)
    in_state(page, "waiting")
    line.hand("end")
    in_state(page, "lost")
    picture(page, "lost")


def test_sold_out(line: Line, page: Page) -> None:
    line.put(stock=1)
    line.joined(1)
    line.hand("admit", count=1)
    page.goto(line.address)
    in_state(page, "sold_out")
    expect(page.locator("#ahead")).to_have_text("0")
    picture(page, "sold-out")


def test_no_such_line(up: Stack, page: Page) -> None:
    page.goto(f"{up.room}/r/nowhere")
    in_state(page, "gone")
    picture(page, "gone")


def test_without_sockets_events(line: Line, page: Page) -> None:
    """A proxy that lets no socket through: the same place, by Server-Sent Events."""
    page.add_init_script("delete globalThis.WebSocket")
    line.put()
    line.joined(2)
    page.goto(line.address)
    in_state(page, "waiting")
    assert page.evaluate("document.body.dataset.transport") == "events"
    expect(page.locator("#ahead")).to_have_text("2")
    line.hand("admit", count=3)
    in_state(page, "admitted")


def test_without_streams_polls(line: Line, page: Page) -> None:
    page.add_init_script("delete globalThis.WebSocket")
    page.route("**/events*", lambda route: route.fulfill(status=200, body=""))
    line.put()
    line.joined(2)
    page.goto(line.address)
    in_state(page, "waiting")
    assert page.evaluate("document.body.dataset.transport") == "poll"
    expect(page.locator("#ahead")).to_have_text("2")
    line.hand("admit", count=3)
    in_state(page, "admitted")


def test_a_lost_network_and_dead_gateways_lose_no_place(line: Line, up: Stack, page: Page) -> None:
    line.put()
    line.joined(2)
    page.goto(line.address)
    in_state(page, "waiting")
    page.context.set_offline(True)
    for child in up.children():
        if child.role == "gateway" and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
    expect(page.locator("body")).to_have_attribute("data-link", "waiting")
    expect(page.locator("#link-text")).to_contain_text("Your place is safe")
    expect(page.locator("#ahead")).to_have_text("2")
    picture(page, "offline")
    page.context.set_offline(False)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    assert in_state(page, "waiting") == "waiting"
    line.hand("admit", count=1)
    expect(page.locator("#ahead")).to_have_text("1")


def test_without_javascript(line: Line, browser: Browser) -> None:
    line.put()
    line.joined(3)
    context = browser.new_context(java_script_enabled=False, viewport=WIDE)
    page = context.new_page()
    page.goto(f"{line.address}/plain")
    page.get_by_role("button", name="Join the line").click()
    expect(page.locator(".big")).to_have_text("3")
    page.screenshot(path=SCREENSHOTS / "plain.png")
    line.hand("admit", count=4)
    expect(page.locator("#checkout")).to_be_visible()  # by itself: nobody reloads
    context.close()


def test_ears_and_motion(line: Line, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    line.put()
    line.joined(1)
    page.goto(line.address)
    in_state(page, "waiting")
    announcer = page.locator("#announcer")
    expect(announcer).to_have_attribute("aria-live", "polite")
    expect(announcer).to_contain_text("1 person ahead of you")
    assert page.evaluate("document.getAnimations().length") == 0
    line.hand("admit", count=2)
    in_state(page, "admitted")
    expect(announcer).to_contain_text("It’s your turn")


def test_the_api_pages(up: Stack, page: Page) -> None:
    page.goto(f"{up.room}/docs")
    expect(page.locator("#operations")).to_have_attribute("aria-busy", "false")
    redeem = page.locator("article", has_text="/v1/admissions/{admission}/redeem").first
    redeem.locator("summary").click()
    expect(redeem).to_contain_text("409")
    page.screenshot(path=SCREENSHOTS / "docs.png")
    page.locator("#filter").fill("redeem")
    expect(page.locator("article", has_text="/v1/session").first).to_be_hidden()
