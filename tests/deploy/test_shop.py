"""The demo shop where no waiting room is needed: its settings, its cart, and what it refuses by itself."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.settings import SettingError
from deploy.shop import CART_COOKIE, Cart, Shop, ShopSettings, create_app, from_environment
from loadtests.ports import free_port
from protocol.passes import PassClaims, sign

KEY = "checkout_" + "k" * 16


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a shop whose waiting room is away."""
    app = create_app(ShopSettings(checkout_key=KEY, origin=f"http://127.0.0.1:{free_port()}"))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as browser:
            yield browser


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "checkout.key"
    file.write_text(f"{KEY}\n")
    given = {"STANCHION_CHECKOUT_KEY_FILE": str(file), "STANCHION_PORT": "8101", "PATH": "/bin"}
    settings = from_environment(given)
    assert (settings.checkout_key, settings.port, settings.experience) == (KEY, 8101, "demo")
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "STANCHION_CHECKOUT_KEY"),
        ({"STANCHION_CHECKOUT_KEY": "short-secret"}, "STANCHION_CHECKOUT_KEY"),
        ({"STANCHION_CHECKOUT_KEY": KEY, "STANCHION_PORT": "0"}, "STANCHION_PORT is '0'"),
        ({"STANCHION_CHECKOUT_KEY": KEY, "STANCHION_ORIGIN": "room.example"}, "STANCHION_ORIGIN is 'room.example'"),
        ({"STANCHION_CHECKOUT_KEY_FILE": "/nowhere/key"}, "STANCHION_CHECKOUT_KEY_FILE is '/nowhere/key'"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingError) as refused:
        from_environment(environ)
    assert named in str(refused.value)
    assert "short-secret" not in str(refused.value)


async def test_without_a_pass_the_way_leads_to_the_line(client: httpx.AsyncClient) -> None:
    for address in ("/", "/checkout"):
        answer = await client.get(address)
        assert answer.status_code == 200
        assert 'data-state="front"' in answer.text
        assert "/r/demo" in answer.text


async def test_what_is_no_pass_costs_the_waiting_room_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/checkout", params={"stanchion_pass": "<script>"})
    assert answer.status_code == 401
    assert 'data-reason="malformed"' in answer.text
    assert "<script>" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_a_waiting_room_that_is_away(client: httpx.AsyncClient) -> None:
    claims = PassClaims("http://room", "demo", "aa", "bb", "general", iat=1, nbf=1, exp=2)
    token = sign(claims, "k1", Ed25519PrivateKey.generate())
    answer = await client.get("/checkout", params={"stanchion_pass": token})
    assert answer.status_code == 503
    assert 'data-reason="away"' in answer.text


async def test_paying_without_a_cart(client: httpx.AsyncClient) -> None:
    answer = await client.post("/pay")
    assert answer.status_code == 409
    assert 'data-reason="closed"' in answer.text


async def test_a_cart_that_is_not_ours_is_none(client: httpx.AsyncClient) -> None:
    paid = b'{"admission":"aa","expires_at":1,"order":"order-1"}'
    for cookie in ("nonsense!", urlsafe_b64encode(bytes(32) + paid).decode()):
        answer = await client.get("/checkout", headers={"Cookie": f"{CART_COOKIE}={cookie}"})
        assert 'data-state="front"' in answer.text


async def test_our_cart_is_known_again(client: httpx.AsyncClient) -> None:
    shop = Shop(ShopSettings(checkout_key=KEY))
    answer = shop.with_cart(Cart("aa" * 16, 1, "order-7"))
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    value = cookie.partition("=")[2].partition(";")[0].strip('"')
    assert b"order-7" in urlsafe_b64decode(value)
    thanks = await client.get("/checkout", headers={"Cookie": f"{CART_COOKIE}={value}"})
    assert 'data-state="thanks"' in thanks.text
    assert "order-7" in thanks.text
