"""An appointment on the page: two consumers want the last place, one gets it, changes it, and is checked in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from deploy.demo import APPOINTMENT_DAYS
from tests.browser.conftest import WIDE, Stack, in_state, picture
from tests.browser.stand import Stand
from tests.browser.visitors import Merchant

pytestmark = pytest.mark.browser


class Studio(Stand):
    """An experience with one place at nine and one at ten, tomorrow in Berlin, and two at nine the day after."""

    path = "fitting"

    def put(self, **terms: Any) -> None:
        now = datetime.now(UTC)
        days = [(now + timedelta(days=ahead)).strftime("%Y-%m-%d") for ahead in (2, 3)]
        windows = [{"date": days[0], "from": "09:00", "to": "11:00"}, {"date": days[1], "from": "09:00", "to": "10:00"}]
        distribution = {"kind": "appointment", "windows": windows, "duration_minutes": 60, "location": "Berlin Mitte"}
        self.sell({"id": self.path, "name": "Fitting", "min_level": "guest", "distribution": distribution | terms})


@pytest.fixture
def studio(up: Stack, merchant: Merchant) -> Studio:
    return Studio(up, merchant)


@pytest.fixture
def abroad(browser: Browser) -> Iterator[Page]:
    """A page of another visitor, whose clock is that of New York."""
    context = browser.new_context(viewport=WIDE, locale="en-GB", timezone_id="America/New_York")
    yield context.new_page()
    context.close()


@pytest.fixture
def at_home(browser: Browser) -> Iterator[Page]:
    """A page of a visitor in Berlin."""
    context = browser.new_context(viewport=WIDE, locale="en-GB", timezone_id="Europe/Berlin")
    yield context.new_page()
    context.close()


def enter(control: Locator) -> None:
    """Focus it and press Enter, once it is there to be seen: what is hidden takes no focus, and who has it the key."""
    expect(control).to_be_visible()
    control.press("Enter")


def time_at(page: Page, time: str) -> Locator:
    """The button of a time of the day in sight."""
    return page.locator("#appointment-times button").filter(
        has=page.locator("strong", has_text=re.compile(f"^{time}$"))
    )


def test_the_last_place_goes_to_one_and_the_other_sees_it(studio: Studio, at_home: Page, abroad: Page) -> None:
    studio.put()
    for visitor in (at_home, abroad):
        visitor.goto(studio.address)
        assert in_state(visitor, "open", "joining", "choosing") == "open"
        expect(visitor.locator("#appointment-days button")).to_have_count(2)
    expect(at_home.locator("#appointment-zone")).to_have_text(
        "Times are local to Berlin (Europe/Berlin), as on your clock."
    )
    expect(abroad.locator("#appointment-zone")).to_contain_text("your own time (America/New_York)")
    expect(time_at(at_home, "09:00")).to_contain_text("last place")
    expect(time_at(abroad, "09:00")).to_contain_text(re.compile("0[23]:00"))
    picture(abroad, "appointment-open")

    time_at(at_home, "09:00").click()
    in_state(at_home, "held")
    expect(at_home.locator("#appointment-left")).to_have_text(re.compile(r"^(9:\d\d|10:00)$"))
    expect(at_home.locator("#appointment-facts")).to_contain_text("09:00")
    expect(time_at(abroad, "09:00")).to_have_attribute("aria-disabled", "true")
    expect(time_at(abroad, "09:00")).to_contain_text("not free")
    picture(at_home, "appointment-held")
    at_home.locator("#book").click()
    in_state(at_home, "booked")
    code = at_home.locator("#appointment-code")
    expect(code).to_have_text(re.compile(r"^[0-9A-Z]{10}$"))
    picture(at_home, "appointment-booked")
    with at_home.expect_download() as download:
        at_home.locator("#appointment-calendar").click()
    file = download.value.path().read_text()
    assert f"DESCRIPTION:Confirmation code: {code.text_content()}" in file
    at_home.reload()
    in_state(at_home, "booked")


def test_a_booking_is_changed_by_keyboard_and_cancelled(studio: Studio, at_home: Page, abroad: Page) -> None:
    studio.put()
    for visitor in (at_home, abroad):
        visitor.goto(studio.address)
    enter(time_at(at_home, "09:00"))
    in_state(at_home, "held")
    enter(at_home.locator("#book"))
    in_state(at_home, "booked")
    code = at_home.locator("#appointment-code").text_content()
    enter(at_home.locator("#appointment-change"))
    in_state(at_home, "changing")
    expect(time_at(at_home, "09:00")).to_have_attribute("aria-current", "true")
    picture(at_home, "appointment-changing")
    enter(at_home.locator("#appointment-keep"))
    in_state(at_home, "booked")
    enter(at_home.locator("#appointment-change"))
    enter(at_home.locator("#appointment-days button").nth(1))
    expect(at_home.locator("#appointment-days button").nth(1)).to_have_attribute("aria-pressed", "true")
    enter(time_at(at_home, "09:00"))
    enter(at_home.locator("#confirm-yes"))
    in_state(at_home, "booked")
    expect(at_home.locator("#appointment-code")).to_have_text(code or "")
    expect(time_at(abroad, "09:00")).to_have_attribute("aria-disabled", "false")

    at_home.locator("#cancel").click()
    at_home.locator("#confirm-yes").click()
    in_state(at_home, "choosing")
    expect(at_home.locator("#headline")).to_have_text("You gave it back")
    picture(at_home, "appointment-given-back")


def test_a_hold_that_is_not_confirmed_is_over_and_the_other_may_take_it(
    studio: Studio, at_home: Page, abroad: Page
) -> None:
    studio.put(hold_seconds=3)
    for visitor in (at_home, abroad):
        visitor.goto(studio.address)
        in_state(visitor, "open")
    time_at(at_home, "09:00").click()
    in_state(at_home, "held")
    in_state(at_home, "choosing")
    expect(at_home.locator("#headline")).to_have_text("Your time was given back")
    time_at(abroad, "09:00").click()
    in_state(abroad, "held")
    abroad.locator("#book").click()
    in_state(abroad, "booked")
    expect(time_at(at_home, "09:00")).to_contain_text("not free")
    expect(abroad.locator("#appointment-facts")).to_contain_text("Your time")


def test_it_is_too_late_to_change_and_who_comes_is_checked_in(studio: Studio, at_home: Page) -> None:
    studio.put(cancel_cutoff_minutes=5 * 1_440)
    at_home.goto(studio.address)
    time_at(at_home, "10:00").click()
    at_home.locator("#book").click()
    in_state(at_home, "booked")
    expect(at_home.locator("#message")).to_contain_text("too late to change")
    expect(at_home.locator("#appointment-change")).to_be_hidden()
    expect(at_home.locator("#cancel")).to_have_count(0)
    code = at_home.locator("#appointment-code").text_content()
    studio.hand(f"bookings/{code}/check_in")
    in_state(at_home, "completed")
    expect(at_home.locator("#headline")).to_have_text("Thank you for coming")


def test_the_demo_has_times_to_choose_from(up: Stack, at_home: Page) -> None:
    at_home.goto(f"{up.room}/r/demo#fitting")
    in_state(at_home, "open")
    days = at_home.locator("#appointment-days button")
    expect(days.last).to_be_attached()
    assert days.count() in (APPOINTMENT_DAYS, APPOINTMENT_DAYS - 1), "today may be over"
    days.last.click()
    expect(at_home.locator("#appointment-times button")).to_have_count(18)
    picture(at_home, "appointment-demo")
