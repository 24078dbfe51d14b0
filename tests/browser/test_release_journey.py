"""A release and its waitlist on the page: two consumers, one of whom gets it, and the other after all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.stand import HOUR_MS, Stand, now_ms
from tests.browser.visitors import Merchant

pytestmark = pytest.mark.browser

OPENS_IN_MS = 8_000


class Release(Stand):
    """An experience with a release and the waitlist that is attached to it; there is one of everything."""

    path = "drop"

    def put(self, *, opens_in_ms: int, waitlist: dict[str, Any] | None = None, **terms: Any) -> None:
        """The release opens so much later; ``terms`` are those of its distribution."""
        opens_at = now_ms() + opens_in_ms
        drop: dict[str, Any] = {"opens_at": opens_at, "lobby_opens_at": now_ms() - HOUR_MS, "priority": 5}
        drop |= {"id": self.path, "name": "Drop", "distribution": {"kind": "timed_release"} | terms}
        after: dict[str, Any] = {"id": "waitlist", "name": "Waitlist", "attached_to": self.path}
        after |= {"distribution": {"kind": "waitlist"} | (waitlist or {})}
        self.sell(drop, after, stock=1)


@pytest.fixture
def release(up: Stack, merchant: Merchant) -> Release:
    return Release(up, merchant)


def on_the_waitlist(page: Page) -> None:
    page.locator("#join").click()
    in_state(page, "listed")


def test_one_gets_it_and_the_other_by_the_waitlist(release: Release, page: Page, rival: Page) -> None:
    release.put(opens_in_ms=HOUR_MS)
    for visitor in (page, rival):
        visitor.goto(f"{release.address}#drop")
        in_state(visitor, "countdown")
        expect(visitor.locator("#claim")).to_be_disabled()
    expect(page.locator("#release-in")).to_have_text(re.compile(r"^59:\d\d$"))
    picture(page, "release-countdown")
    release.hand("open")
    in_state(page, "claimable")
    expect(page.locator("#claim")).to_be_enabled()
    picture(page, "release-claimable")
    page.locator("#claim").click()
    in_state(page, "admitted")
    expect(page.locator("#headline")).to_have_text("It’s yours")
    picture(page, "release-yours")

    in_state(rival, "missed")
    expect(rival.locator("#headline")).to_have_text("Sold out")
    picture(rival, "release-missed")
    rival.get_by_role("link", name="Go to the waitlist").click()
    in_state(rival, "open")
    picture(rival, "waitlist-open")
    on_the_waitlist(rival)
    expect(rival.locator("#headline")).to_have_text("You are next on the waitlist")
    picture(rival, "waitlist-listed")
    rival.reload()
    in_state(rival, "listed")

    page.locator("#decline").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    picture(page, "release-given-away")
    in_state(rival, "offered")
    expect(rival.locator("#offer-left")).to_have_text(re.compile(r"^29:\d\d$|^30:00$"))
    picture(rival, "waitlist-offer")
    rival.locator("#claim").click()
    in_state(rival, "admitted")
    expect(rival.locator("#checkout")).to_be_visible()
    picture(rival, "waitlist-yours")


def test_it_opens_by_the_clock(release: Release, page: Page) -> None:
    release.put(opens_in_ms=OPENS_IN_MS)
    page.goto(f"{release.address}#drop")
    in_state(page, "claimable")
    page.locator("#claim").click()
    in_state(page, "admitted")


def test_a_metered_release_keeps_claims_in_line(release: Release, page: Page, rival: Page) -> None:
    release.put(opens_in_ms=0, burst_rate_per_minute=0)
    for visitor in (page, rival):
        visitor.goto(f"{release.address}#drop")
        visitor.locator("#claim").click()
        in_state(visitor, "claimed")
    picture(page, "release-claimed")
    rival.reload()
    in_state(rival, "claimed")
    release.hand("admit", count=1)
    in_state(page, "admitted")
    in_state(rival, "lost")
    expect(rival.locator("#waitlist-way")).to_contain_text("Go to the waitlist")
    picture(rival, "release-too-late")


def test_an_offer_that_is_passed_on_or_runs_out(release: Release, page: Page, rival: Page) -> None:
    release.put(opens_in_ms=HOUR_MS, waitlist={"claim_window_seconds": 6})
    for visitor in (page, rival):
        visitor.goto(f"{release.address}#waitlist")
        in_state(visitor, "open")
        on_the_waitlist(visitor)
    expect(rival.locator("#ahead")).to_have_text("1")
    picture(rival, "waitlist-second")
    release.hand("offer", path="waitlist", count=1)
    in_state(page, "offered")
    page.locator("#pass").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    picture(page, "waitlist-passed-on")
    in_state(rival, "offered")
    in_state(rival, "expired")
    expect(rival.locator("#headline")).to_have_text("Your offer has run out")
    picture(rival, "waitlist-offer-over")


def test_what_is_offered_to_all_goes_to_the_first(release: Release, page: Page, rival: Page) -> None:
    release.put(opens_in_ms=HOUR_MS, waitlist={"strategy": "all"})
    for visitor in (page, rival):
        visitor.goto(f"{release.address}#waitlist")
        in_state(visitor, "open")
        on_the_waitlist(visitor)
    release.hand("offer", path="waitlist", count=1)
    for visitor in (page, rival):
        in_state(visitor, "offered")
    picture(page, "waitlist-offer-to-all")
    page.locator("#claim").click()
    in_state(page, "admitted")
    in_state(rival, "late")
    picture(rival, "waitlist-late")


def test_the_opening_is_told_on_the_waitlist(release: Release, page: Page) -> None:
    release.put(opens_in_ms=HOUR_MS)
    page.goto(f"{release.address}#waitlist")
    in_state(page, "open")
    on_the_waitlist(page)
    release.hand("open")
    page.get_by_role("link", name="It has opened").click()
    in_state(page, "claimable")
    page.go_back()
    picture(page, "waitlist-opened")
