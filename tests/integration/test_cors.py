"""Pages of other origins: an experience names those that may use its consumer endpoints; everything else stays shut."""

from __future__ import annotations

import pytest

from tests.support.samples import raw_document
from tests.support.waiting_room import WaitingRoom

SHOP = "https://shop.example"


@pytest.fixture
async def named(waiting_room: WaitingRoom) -> str:
    """An experience that lets the shop's pages in."""
    async with waiting_room.control() as control:
        await control.put("/v1/control/experiences/open", json=raw_document(id="open", allowed_origins=[SHOP]))
        await control.put("/v1/control/experiences/shut", json=raw_document(id="shut"))
    return "/v1/experiences/open"


async def test_a_named_origin_may_read_and_bring_its_session(waiting_room: WaitingRoom, named: str) -> None:
    async with waiting_room.client() as client:
        for address in (named, f"{named}/status"):
            answer = await client.get(address, headers={"Origin": SHOP})
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in answer.headers["vary"]
        session = await client.post("/v1/session", json={}, headers={"Origin": SHOP})
        assert session.headers["access-control-allow-origin"] == SHOP


async def test_a_preflight_is_answered(waiting_room: WaitingRoom, named: str) -> None:
    asks = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with waiting_room.client() as client:
        allowed = await client.options(f"{named}/commands", headers=asks)
        refused = await client.options(f"{named}/commands", headers=asks | {"Origin": "https://evil.example"})
    assert (allowed.status_code, allowed.headers["access-control-allow-methods"]) == (204, "GET, POST")
    assert refused.status_code == 405
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("/v1/experiences/open", "https://evil.example"),
        ("/v1/experiences/open", "null"),
        ("/v1/experiences/shut", SHOP),
        ("/v1/control/experiences/open", SHOP),
        ("/v1/verify?experience=open", SHOP),
    ],
)
async def test_everything_else_stays_shut(waiting_room: WaitingRoom, named: str, address: str, origin: str) -> None:
    async with waiting_room.control() as client:
        answer = await client.get(address, headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
