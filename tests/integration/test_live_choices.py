"""Where people choose what they want, over real sockets: who wants what is not free is passed over, told so, and may
choose something else without losing the place."""

from __future__ import annotations

from typing import Any

from tests.support.live import consumer
from tests.support.merchant import Merchant
from tests.support.samples import raw_path, raw_product, raw_variant
from tests.support.waiting_room import WaitingRoom


def shoes(**stock: int) -> list[dict[str, Any]]:
    """One product; of each variant so many."""
    return [raw_product(*(raw_variant(variant, stock=count) for variant, count in stock.items()))]


async def test_who_is_passed_over_is_told_so_and_chooses_something_else(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "choices"), waiting_room.origins[0]
    path = raw_path(product_selection="consumer", distribution={"release_rate_per_minute": 0})
    await merchant.make(path, products=shoes(a=0, b=2))
    first, second = await merchant.people(2)
    async with consumer(origin, "choices", token=first) as socket:
        await socket.until("phase")
        await socket.send(type="join", path="general", variant="a", ref=1)
        assert (await socket.until("joined", ref=1))["ticket"] == 0
        assert (await socket.until("ticket"))["variant"] == "a"
        assert "why" not in await socket.until("position")
        assert (await merchant.asks(second, type="join", path="general", variant="b"))["type"] == "joined"
        assert (await merchant.does("paths/general/admit", count=2))["admitted"] == 1
        passed = await socket.until("position", why="passed_over")
        assert (passed["ahead"], passed["of"]) == (0, 1)
        await socket.send(type="choose", path="general", variant="b", ref=2)
        assert (await socket.until("ticket", ref=2))["variant"] == "b"
        await merchant.does("paths/general/admit", count=1)
        assert (await socket.until("admitted"))["variant"] == "b"
    merchant.log()


async def test_a_claim_names_what_it_is_for(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "choices-claimed"), waiting_room.origins[0]
    path = {"id": "drop", "product_selection": "consumer", "distribution": {"kind": "timed_release"}}
    await merchant.make(path, products=shoes(a=1, b=1))
    (token,) = await merchant.people(1)
    async with consumer(origin, "choices-claimed", token=token) as socket:
        await socket.until("welcome")
        assert socket.frames[0]["experience"]["paths"][0]["choices"] == ["a", "b"]
        await socket.send(type="claim", path="drop", variant="c", ref=1)
        assert (await socket.until("error", ref=1))["reason"] == "invalid"
        await socket.send(type="claim", path="drop", variant="b", ref=2)
        assert (await socket.until("admitted", ref=2))["variant"] == "b"
    merchant.log()


async def test_on_a_waitlist_others_are_offered_what_one_has_not_chosen(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "choices-later"), waiting_room.origins[0]
    path = {"id": "waitlist", "product_selection": "consumer", "distribution": {"kind": "waitlist"}}
    await merchant.make(path, products=shoes(a=0, b=0))
    first, second = await merchant.people(2)
    await merchant.asks(first, type="join", path="waitlist", variant="a")
    await merchant.asks(second, type="join", path="waitlist", variant="b")
    async with consumer(origin, "choices-later", token=first, join=["waitlist"]) as socket:
        assert (await socket.until("joined"))["variant"] == "a"
        await merchant.does("products/runner/variants/b", method="PATCH", add=1)
        assert (await socket.until("position", why="passed_over"))["ahead"] == 0
    merchant.log()
