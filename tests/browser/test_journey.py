"""The whole way with real parts: a crowd, a browser, the line that moves, the admission, the shop, every refusal."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Stack, in_state, picture
from tests.browser.visitors import Consumer, Merchant

pytestmark = pytest.mark.browser

CLOCK = re.compile(r"^\d+:\d\d$")
CROWD = 40
HALF_WAY = 22
SHORT_WINDOW_SECONDS = 5


def pass_in(address: str) -> str:
    """The pass that a checkout address carries."""
    return parse_qs(urlsplit(address).query)["stanchion_pass"][0]


def test_a_consumer_gets_through(up: Stack, merchant: Merchant, page: Page, browser: Browser) -> None:
    merchant.patch("demo", release_rate_per_minute=0)
    crowd = [Consumer(up.room, "demo") for _ in range(CROWD)]
    for one in crowd:
        one.join()

    page.goto(f"{up.room}/r/demo")
    assert in_state(page, "waiting", "paused") == "waiting"
    expect(page.locator("#ahead")).to_have_text(str(CROWD))
    picture(page, "waiting")

    # every number that the page shows from here on, as a person would see it
    page.evaluate(
        "() => { window.seen = []; new MutationObserver(() => window.seen.push(Number("
        "document.getElementById('ahead').textContent))).observe(document.getElementById('ahead'), {childList: true}) }"
    )
    merchant.patch("demo", release_rate_per_minute=120)
    page.wait_for_function("most => Number(document.getElementById('ahead').textContent) <= most", arg=HALF_WAY)
    picture(page, "moving")
    in_state(page, "admitted")
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) >= 4, seen
    assert page.title().startswith("Your turn")
    expect(page.locator("#time-left")).to_have_text(CLOCK)
    picture(page, "admitted")

    checkout_url = str(page.locator("#checkout").get_attribute("href"))
    page.locator("#checkout").click()
    page.wait_for_url(f"{up.shop}/checkout")
    assert in_state(page, "till", "refused") == "till"
    picture(page, "shop-till")

    refused_again(browser, checkout_url)

    room = page.context.new_page()
    room.goto(f"{up.room}/r/demo")
    in_state(room, "redeemed")
    picture(room, "redeemed")

    page.locator("#pay").click()
    assert in_state(page, "thanks", "refused") == "thanks"
    picture(page, "shop-thanks")
    in_state(room, "completed")
    picture(room, "completed")
    room.reload()
    in_state(room, "completed")
    for one in crowd:
        one.close()


def refused_again(browser: Browser, checkout_url: str) -> None:
    """The same pass in another browser: used."""
    other = browser.new_context()
    page = other.new_page()
    answer = page.goto(checkout_url)
    assert answer is not None and answer.status == 409
    expect(page.locator("body")).to_have_attribute("data-reason", "used")
    picture(page, "shop-used")
    other.close()


@pytest.fixture
def admitted(up: Stack, merchant: Merchant) -> Iterator[dict[str, str]]:
    """The `admitted` frame of a consumer of the demo."""
    consumer = Consumer(up.room, "demo")
    consumer.join()
    merchant.hand("demo", "admit", count=1_000)
    yield consumer.frame("admitted")
    consumer.close()


def refusal(page: Page, up: Stack, token: str) -> tuple[int, str]:
    """What the shop answers to a pass: status and reason."""
    answer = page.goto(f"{up.shop}/checkout?stanchion_pass={token}")
    assert answer is not None
    return answer.status, str(page.locator("body").get_attribute("data-reason"))


def encoded(value: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, object], dict[str, object], str]:
    header, claims, signature = token.split(".")
    decoded = [json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    return decoded[0], decoded[1], signature


def test_a_changed_byte(page: Page, up: Stack, admitted: dict[str, str]) -> None:
    header, claims, signature = parts(admitted["pass"])
    longer = {**claims, "exp": int(str(claims["exp"])) + 1}
    assert refusal(page, up, f"{encoded(header)}.{encoded(longer)}.{signature}") == (401, "bad_signature")
    other = "A" if signature[0] != "A" else "B"
    unsigned = admitted["pass"].rpartition(".")[0]
    assert refusal(page, up, f"{unsigned}.{other}{signature[1:]}") == (401, "bad_signature")
    picture(page, "shop-bad-signature")
    assert refusal(page, up, admitted["pass"]) == (200, "")


def test_the_algorithm_is_not_the_tokens_to_choose(page: Page, up: Stack, admitted: dict[str, str]) -> None:
    header, claims, _ = parts(admitted["pass"])
    assert refusal(page, up, f"{encoded({**header, 'alg': 'none'})}.{encoded(claims)}.") == (401, "bad_algorithm")
    jwks = httpx.get(f"{up.room}/.well-known/jwks.json", trust_env=False).json()
    public = next(key["x"] for key in jwks["keys"] if key["kid"] == header["kid"])
    signed = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
    for secret in (public.encode(), urlsafe_b64decode(public + "=")):
        mac = urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
        assert refusal(page, up, f"{signed}.{mac}") == (401, "bad_algorithm")


def test_what_is_no_pass(page: Page, up: Stack) -> None:
    for token in ("nothing", "a.b.c", "..", "x" * 3_000):
        assert refusal(page, up, token) == (401, "malformed")


def test_a_pass_of_another_experience(page: Page, up: Stack, merchant: Merchant) -> None:
    merchant.put("another", f"{up.shop}/checkout")
    consumer = Consumer(up.room, "another")
    consumer.join()
    merchant.hand("another", "admit", count=1)
    token = pass_in(consumer.frame("admitted")["checkout_url"])
    assert refusal(page, up, token) == (403, "wrong_experience")
    consumer.close()


def test_a_pass_after_its_window(page: Page, up: Stack, merchant: Merchant) -> None:
    address = "/v1/control/experiences/demo"
    headers = {"Authorization": f"Bearer {up.control_key}"}
    with httpx.Client(base_url=up.room, headers=headers, trust_env=False) as control:
        before = control.get(address).json()
        document = {name: value for name, value in before.items() if name not in {"phase", "revision"}}
        queue = document["paths"][0]["distribution"]
        window = queue["checkout_window_seconds"]
        queue["checkout_window_seconds"] = SHORT_WINDOW_SECONDS
        assert control.put(address, json=document).is_success
        consumer = Consumer(up.room, "demo")
        consumer.join()
        merchant.hand("demo", "admit", count=1_000)
        token = consumer.frame("admitted")["pass"]
        queue["checkout_window_seconds"] = window
        assert control.put(address, json=document).is_success
    assert consumer.frame("ticket")["state"] == "expired"
    assert refusal(page, up, token) == (401, "expired")
    picture(page, "shop-expired")
    consumer.close()


def test_a_turn_that_was_given_away(page: Page, up: Stack, admitted: dict[str, str]) -> None:
    """The signature still holds, so only the redeeming can tell."""
    key = (up.data / "checkout.key").read_text().strip()
    released = httpx.post(
        f"{up.room}/v1/admissions/{admitted['admission']}/release",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    assert released.status_code == 200, released.text
    status, reason = refusal(page, up, admitted["pass"])
    assert (status, reason) in {(409, "closed"), (409, "used"), (401, "expired")}


def test_the_checkout_has_no_pass_in_its_address(page: Page, up: Stack, admitted: dict[str, str]) -> None:
    page.goto(admitted["checkout_url"])
    assert page.url == f"{up.shop}/checkout"
    cookie = next(cookie for cookie in page.context.cookies() if cookie["name"] == "shop_cart")
    assert cookie["httpOnly"]
    page.goto(admitted["checkout_url"])
    in_state(page, "till")
