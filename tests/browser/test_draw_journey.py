"""A draw on the page, from entering to the check: two consumers, one of whom wins."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from protocol.beacons import chain_of
from tests.browser.conftest import Stack, in_state, picture
from tests.browser.stand import HOUR_MS, Stand, now_ms
from tests.browser.visitors import Merchant
from tests.support.beacons import REAL

pytestmark = pytest.mark.browser

CLOSES_IN_MS = 6_000
BEACON_AFTER_MS = 60_000
QUICKNET = REAL["quicknet"].source


class Raffle(Stand):
    """An experience with one draw of one winner, which closes in an hour, unless `terms` say otherwise."""

    path = "vip"

    def put(self, **terms: Any) -> None:
        closes_at = now_ms() + HOUR_MS
        distribution = {"kind": "draw", "winner_count": 1, "closes_at": closes_at, **terms}
        self.sell({"id": self.path, "name": "VIP draw", "distribution": distribution})


@pytest.fixture
def raffle(up: Stack, merchant: Merchant) -> Raffle:
    return Raffle(up, merchant)


def entered(raffle: Raffle, *pages: Page) -> None:
    """All of them enter."""
    for page in pages:
        page.goto(raffle.address)
        in_state(page, "open")
        page.locator("#join").click()
        in_state(page, "entered")


def winner_and_loser(one: Page, other: Page) -> tuple[Page, Page]:
    """Once it is drawn: who won, who did not."""
    state = in_state(one, "admitted", "reserve", "lost")
    return (one, other) if state == "admitted" else (other, one)


def test_a_draw_from_entering_to_the_reserve_that_moves_up(raffle: Raffle, page: Page, rival: Page) -> None:
    raffle.put()
    page.goto(raffle.address)
    assert in_state(page, "open", "joining", "entered") == "open"
    expect(page.locator("#draw-in")).to_have_text(re.compile(r"^59:\d\d$|^1:00:00$"))
    expect(page.locator("#draw-in-label")).to_have_text(re.compile("^until entries close, "))
    picture(page, "draw-open")
    page.locator("#join").click()
    in_state(page, "entered")
    expect(page.locator("#lottery-check")).to_be_hidden()
    picture(page, "draw-entered")
    page.reload()
    in_state(page, "entered")

    page.locator("#leave").click()
    page.locator("#confirm-yes").click()
    in_state(page, "left")
    picture(page, "draw-withdrawn")
    page.locator("#join").click()
    in_state(page, "entered")

    entered(raffle, rival)
    raffle.hand("close")
    in_state(page, "sealed")
    expect(page.locator("#leave")).to_have_count(0)
    picture(page, "draw-sealed")
    raffle.hand("draw")
    winner, loser = winner_and_loser(page, rival)
    in_state(winner, "admitted")
    expect(winner.locator("#headline")).to_have_text("You won. It’s your turn")
    expect(winner.locator("#checkout")).to_be_visible()
    picture(winner, "draw-won")
    in_state(loser, "reserve")
    expect(loser.locator("#draw-facts")).to_contain_text("Entries2")
    picture(loser, "draw-reserve")
    loser.reload()
    in_state(loser, "reserve")

    winner.locator("#decline").click()
    winner.locator("#confirm-yes").click()
    in_state(winner, "left")
    in_state(loser, "admitted")


def test_the_page_draws_again(raffle: Raffle, page: Page, rival: Page) -> None:
    """Winner and loser find the same; a proof that was changed on its way is found out."""
    raffle.put(backfill=False)
    entered(raffle, page, rival)
    raffle.hand("close")
    raffle.hand("draw")
    winner, loser = winner_and_loser(page, rival)
    in_state(loser, "lost")
    expect(loser.locator("#headline")).to_have_text("You were not drawn")
    loser.locator("#lottery-check-start").click()
    said = loser.locator("#lottery-check-said")
    expect(said).to_have_text(re.compile(r"^It matches.*the operator could have known.*in the hat with one lot\.$"))
    picture(loser, "draw-not-drawn-checked")
    winner.locator("#lottery-check-start").click()
    expect(winner.locator("#lottery-check-said")).to_have_text(re.compile(r"was drawn as number 1\.$"))

    winner.route("**/proof", other_winner)
    winner.locator("#lottery-check-start").click()
    expect(winner.locator("#lottery-check-said")).to_have_text(re.compile("^It does not match"))
    expect(winner.locator("#lottery-check-findings")).to_contain_text("winners: says")
    picture(winner, "draw-fails")


def other_winner(route: Route) -> None:
    """The proof as it comes, but for who won."""
    proof = json.loads(route.fetch().text())
    route.fulfill(json=proof | {"winners": [1 - winner for winner in proof["winners"]]})


def test_a_draw_waits_for_its_beacon(raffle: Raffle, page: Page) -> None:
    chain = chain_of(QUICKNET)
    assert chain is not None
    closes_at = now_ms() + CLOSES_IN_MS
    rounds = (closes_at + BEACON_AFTER_MS - chain.begins_ms(1)) // (chain.period * 1_000) + 2
    raffle.put(closes_at=closes_at, beacon={"source": QUICKNET, "round": rounds})
    entered(raffle, page)
    in_state(page, "drawing")
    expect(page.locator("#headline")).to_have_text("Waiting for the beacon")
    expect(page.locator("#message")).to_contain_text(f"round {rounds} of a public beacon")
    picture(page, "draw-beacon")


def test_a_draw_that_is_over_can_be_checked_by_who_was_not_in_it(raffle: Raffle, page: Page, rival: Page) -> None:
    raffle.put(backfill=False)
    entered(raffle, rival)
    raffle.hand("close")
    raffle.hand("draw")
    in_state(rival, "admitted")
    rival.locator("#decline").click()
    rival.locator("#confirm-yes").click()
    in_state(rival, "left")
    page.goto(raffle.address)
    in_state(page, "closed")
    expect(page.locator("#headline")).to_have_text("The draw is over")
    page.locator("#lottery-check-start").click()
    expect(page.locator("#lottery-check-said")).to_have_text(re.compile(r"could have known it before\.$"))
    picture(page, "draw-over")
