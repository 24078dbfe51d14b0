"""Auctions on the page: two bid, one wins and checks out at the hammer price; two look on as a price falls."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.stand import HOUR_MS, Stand, now_ms
from tests.browser.visitors import Merchant
from tests.support.passes import claims_in

pytestmark = pytest.mark.browser

HOURS_SECONDS = 7_200


class Sale(Stand):
    """An experience with one auction in EUR, open to guests."""

    path = "auction"

    def english(self, **terms: Any) -> None:
        """From 10.00 on, with a reserve of 30.00; it ends in an hour, and the first bid moves that to two."""
        ends_at = now_ms() + HOUR_MS
        soft = {"extend_window_seconds": HOURS_SECONDS, "extend_by_seconds": HOURS_SECONDS, "max_extensions": 1}
        self._put({"ends_at": ends_at, "start_price": "10.00", "reserve_price": "30.00", **soft, **terms})

    def dutch(self, **terms: Any) -> None:
        """From 30.00 by 10.00 down to 10.00."""
        prices = {"start_price": "30.00", "floor_price": "10.00", "drop_amount": "10.00"}
        self._put({"style": "dutch", **prices, **terms})

    def _put(self, terms: dict[str, Any]) -> None:
        distribution = {"kind": "auction", "currency": "EUR", **terms}
        self.sell({"id": self.path, "name": "Auction", "min_level": "guest", "distribution": distribution})


@pytest.fixture
def sale(up: Stack, merchant: Merchant) -> Sale:
    return Sale(up, merchant)


def bid(page: Page, most: str) -> None:
    """Fills the form, and says yes."""
    page.locator("#bid").fill(most)
    page.locator("#bid-send").click()
    page.locator("#confirm-yes").click()


def fact(page: Page, words: str) -> None:
    """The page says so among the facts, now or in a moment."""
    expect(page.locator("#auction-facts")).to_contain_text(words)


def price(page: Page, shown: str) -> None:
    expect(page.locator("#auction-price")).to_have_text(shown)


def test_two_bid_and_the_winner_checks_out_at_the_hammer_price(sale: Sale, page: Page, rival: Page) -> None:
    sale.english()
    for one in (page, rival):
        one.goto(sale.address)
        assert in_state(one, "open", "joining", "leading") == "open"
    price(page, "€10.00")
    fact(page, "Reservenot met yet")
    expect(page.locator("#auction-facts")).to_contain_text(re.compile(r"Ends in(59:\d\d|1:00:00)"))
    expect(page.locator("#bid-hint")).to_contain_text("At least €10.00.")
    picture(page, "auction-open")

    bid(page, "20")
    in_state(page, "leading")
    fact(page, "Your maximum€20.00")
    fact(page, "Extendedonce")
    expect(page.locator("#bid")).to_have_value("")
    picture(page, "auction-leading")
    price(rival, "€10.00")
    bid(rival, "15,00")
    in_state(rival, "outbid")
    price(page, "€16.00")
    expect(rival.locator("#bid-hint")).to_contain_text("At least €17.00.")
    picture(rival, "auction-outbid")
    bid(rival, "16.50")
    expect(rival.locator("#problem")).to_contain_text("less than the least")
    assert "20.00" not in rival.inner_text("body"), "nobody is told another's maximum"

    bid(rival, "40")
    in_state(rival, "leading")
    fact(rival, "Reservemet")
    in_state(page, "outbid")
    price(page, "€30.00")
    page.reload()
    in_state(page, "outbid")
    fact(page, "Your maximum€20.00")

    sale.hand("pause")
    expect(page.locator("#headline")).to_have_text("The auction is paused")
    expect(page.locator("#bid-send")).to_be_disabled()
    picture(page, "auction-paused")
    sale.hand("resume")
    expect(page.locator("#bid-send")).to_be_enabled()

    sale.hand("close")
    in_state(rival, "admitted")
    fact(rival, "You pay€30.00")
    picture(rival, "auction-won")
    in_state(page, "lost")
    fact(page, "Hammer price€30.00")
    assert "40.00" not in page.inner_text("body"), "nobody is told another's maximum"
    picture(page, "auction-lost")

    address = str(rival.locator("#checkout").get_attribute("href"))
    assert claims_in(parse_qs(urlsplit(address).query)["stanchion_pass"][0])["price"] == "30.00"


def test_a_second_chance(sale: Sale, page: Page, rival: Page) -> None:
    sale.english(second_chance=True)
    for one, most in ((page, "45"), (rival, "50")):
        one.goto(sale.address)
        in_state(one, "open")
        bid(one, most)
    in_state(rival, "leading")
    sale.hand("close")
    in_state(page, "hoping")
    picture(page, "auction-hoping")
    in_state(rival, "admitted")
    rival.locator("#decline").click()
    rival.locator("#confirm-yes").click()
    in_state(rival, "left")
    in_state(page, "offered")
    price(page, "€45.00")
    picture(page, "auction-offered")
    page.locator("#claim").click()
    in_state(page, "admitted")
    fact(page, "You pay€45.00")


def test_a_price_that_falls_until_somebody_takes_it(sale: Sale, page: Page, rival: Page) -> None:
    sale.dutch(drop_interval_seconds=HOURS_SECONDS)
    for one in (page, rival):
        one.goto(sale.address)
        in_state(one, "open")
        price(one, "€30.00")
    fact(page, "Left1")
    expect(page.locator("#auction-facts")).to_contain_text(re.compile(r"Next drop in(1:59:\d\d|2:00:00)"))
    expect(page.locator("#bid-form")).to_be_hidden()
    picture(page, "auction-dutch")
    page.get_by_role("button", name="Take it for €30.00").click()
    in_state(page, "admitted")
    fact(page, "You pay€30.00")
    in_state(rival, "closed", "lost")
    picture(rival, "auction-dutch-gone")


def test_the_price_falls_on_the_page(sale: Sale, page: Page) -> None:
    sale.dutch(drop_interval_seconds=2, quantity=2)
    page.goto(sale.address)
    price(page, "€10.00")
    expect(page.locator("#message")).to_contain_text("This is the lowest it gets.")
    page.locator("#take").click()
    in_state(page, "admitted")
    fact(page, "You pay€10.00")


def test_the_demo_sells_at_the_hammer_price(up: Stack, merchant: Merchant, page: Page, rival: Page) -> None:
    for one, most, state in ((page, "120", "leading"), (rival, "110", "outbid")):
        one.goto(f"{up.room}/r/demo#auction")
        in_state(one, "open")
        bid(one, most)
        in_state(one, state)
    price(page, "€115.00")
    picture(page, "demo-auction")
    merchant.hand("demo", "close", path="auction")
    in_state(page, "admitted")
    in_state(rival, "hoping")
    page.locator("#checkout").click()
    page.wait_for_url(f"{up.shop}/checkout")
    expect(page.locator("#variant")).to_contain_text("Runner EU 42 – 115.00 EUR")
    picture(page, "shop-auction")
    page.locator("#pay").click()
    in_state(page, "thanks")
    in_state(rival, "lost")
