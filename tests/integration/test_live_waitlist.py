"""A waitlist over real sockets: whatever becomes free is offered to the next, once, and what becomes of it is told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from protocol.kind_events import Offered, OfferSkipped, UnitsFreed
from tests.support.live import consumer
from tests.support.merchant import Merchant
from tests.support.samples import raw_path
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000


def waitlist(attached_to: str | None = None, **terms: Any) -> dict[str, Any]:
    return {"id": "waitlist", "attached_to": attached_to, "distribution": {"kind": "waitlist"} | terms}


def queue(path_id: str = "general", **terms: Any) -> dict[str, Any]:
    """One who is admitted has an hour, unless ``terms`` say otherwise."""
    fast = {"release_rate_per_minute": 6_000, "checkout_window_seconds": 3_600, "payment_grace_seconds": 0}
    return raw_path(path_id, distribution=fast | terms)


def draw() -> dict[str, Any]:
    """One winner, who has a second."""
    closes_at = time.time_ns() // 1_000_000 + HOUR_MS
    terms = {"kind": "draw", "winner_count": 1, "closes_at": closes_at, "checkout_window_seconds": 1}
    return {"id": "vip", "distribution": terms | {"payment_grace_seconds": 0}}


def causes(merchant: Merchant) -> list[str]:
    """Because of what units came, from the log; the auditor finds nobody who was offered twice."""
    return [event.cause for event in merchant.log().of(UnitsFreed)]


async def test_a_missed_turn_goes_to_the_next_who_takes_it(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "missed"), waiting_room.origins[0]
    await merchant.make(queue(checkout_window_seconds=1), waitlist("general"))
    holder, token, other = await merchant.people(3)
    await merchant.asks(token, type="join", path="waitlist")
    await merchant.asks(other, type="join", path="waitlist")
    async with (
        consumer(origin, "missed", token=token, join=["waitlist"]) as one,
        consumer(origin, "missed", token=other, join=["waitlist"]) as two,
    ):
        place = await two.until("position")
        assert (place["ahead"], place["of"], place["eta"], place["rate"]) == (1, 2, None, 0)
        views = two.frames[0]["experience"]["paths"]
        assert [view.get("attached_to") for view in views] == [None, "general"]
        await merchant.asks(holder, type="join", path="general")
        offer = await one.until("offer")
        assert offer["claim_by"] > offer["now"] and "reserved" not in offer
        async with consumer(waiting_room.origins[1], "missed", token=token, join=["waitlist"]) as back:
            assert (await back.until("offer"))["offer"] == offer["offer"]
        await one.send(type="claim", path="waitlist", offer="0" * 32, ref="wrong")
        assert (await one.until("error", ref="wrong"))["reason"] == "no_ticket"
        await one.send(type="claim", path="waitlist", offer=offer["offer"], ref="yes")
        await one.until("admitted", ref="yes")
        assert (await two.until("position", ahead=0))["of"] == 1
    assert causes(merchant) == ["expired"]


async def test_who_declines_or_lets_the_time_run_out_passes_it_on(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "passed"), waiting_room.origins[0]
    await merchant.make(waitlist(claim_window_seconds=1), stock=0)
    sleeper, refuser, taker = await merchant.people(3)
    async with (
        consumer(origin, "passed", token=sleeper, join=["waitlist"]) as one,
        consumer(origin, "passed", token=refuser, join=["waitlist"]) as two,
        consumer(origin, "passed", token=taker, join=["waitlist"]) as three,
    ):
        for socket in (one, two, three):
            await socket.until("position")
        await merchant.adds_stock(1)
        await one.until("offer")
        over = await one.until("ticket", state="expired")
        assert (over["reason"], over["may_rejoin"]) == ("not_claimed", False)
        await two.until("offer")
        await two.send(type="decline", path="waitlist", ref="no")
        assert (await two.until("ticket", ref="no"))["reason"] == "declined"
        await three.until("offer")
        await three.send(type="claim", path="waitlist")
        await three.until("admitted")
        await one.send(type="claim", path="waitlist", ref="late")
        assert (await one.until("error", ref="late"))["reason"] == "no_ticket"
    async with consumer(origin, "passed", token=sleeper, watch=["waitlist"]) as back:
        assert (await back.until("ticket", state="expired"))["reason"] == "not_claimed"
    assert causes(merchant) == ["stock_added", "expired", "declined"]
    offered = [ticket for event in merchant.log().of(Offered) for ticket in event.tickets]
    assert offered == [0, 1, 2]


async def test_a_lapsed_winner_with_an_empty_pool_feeds_it(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "lapsed"), waiting_room.origins[0]
    await merchant.make(draw(), waitlist("vip"))
    winner, token = await merchant.people(2)
    await merchant.asks(winner, type="join", path="vip")
    async with consumer(origin, "lapsed", token=token, join=["waitlist"]) as one:
        await one.until("position")
        await merchant.does("paths/vip/close")
        await merchant.does("paths/vip/draw")
        await one.until("offer")
        await one.send(type="claim", path="waitlist")
        await one.until("admitted")
    assert causes(merchant) == ["expired"]


async def test_the_opening_is_told_and_nothing_is_kept(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "opening"), waiting_room.origins[0]
    opens_at = time.time_ns() // 1_000_000 + HOUR_MS
    await merchant.make(queue() | {"opens_at": opens_at}, waitlist("general"), stock=10)
    early, late = await merchant.people(2)
    async with consumer(origin, "opening", token=early, join=["waitlist"]) as one:
        await one.until("position")
        await merchant.does("paths/general/open")
        told = await one.until("announced")
        assert (told["path"], told["source"]) == ("waitlist", "general")
        assert not one.told("offer")
    async with consumer(waiting_room.origins[1], "opening", token=early, join=["waitlist"]) as back:
        assert (await back.until("announced"))["source"] == "general"
    async with consumer(origin, "opening", token=late, join=["waitlist"]) as two:
        await two.until("phase", path="waitlist")
        assert not two.told("announced"), "they came when it was open"


async def test_the_merchant_offers_by_hand_and_who_is_admitted_already_is_skipped(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "by-hand"), waiting_room.origins[0]
    await merchant.make(queue(max_admissions=3), waitlist("general", strategy="batch", batch=5), stock=10)
    inside, outside = await merchant.people(2)
    await merchant.asks(inside, type="join", path="waitlist")
    async with (
        consumer(origin, "by-hand", token=inside, join=["general"]) as one,
        consumer(origin, "by-hand", token=outside, join=["waitlist"]) as two,
    ):
        await one.until("admitted")
        await two.until("position")
        answer = await merchant.does("paths/waitlist/offer", count=5)
        assert answer["offered"] == 1 and answer["entry"]
        await two.until("offer")
    async with waiting_room.control() as control:
        address = "/v1/control/experiences/by-hand/paths"
        none = await control.post(f"{address}/waitlist/offer", json={"count": 0})
        queue_s = await control.post(f"{address}/general/offer", json={"count": 1})
    async with waiting_room.checkout() as shop:
        foreign = await shop.post(f"{address}/waitlist/offer", json={"count": 1})
    answers = [(one.status_code, one.json()["reason"]) for one in (none, queue_s, foreign)]
    assert answers == [(422, "invalid"), (409, "not_taken"), (403, "not_allowed")]
    (skip,) = merchant.log().of(OfferSkipped)
    assert (skip.ticket, skip.reason) == (0, "already_admitted")


@pytest.mark.parametrize("gateway", [0, 1])
async def test_what_is_offered_to_all_is_gone_and_comes_back(waiting_room: WaitingRoom, gateway: int) -> None:
    merchant, origin = Merchant(waiting_room, f"all-{gateway}"), waiting_room.origins[gateway]
    await merchant.make(waitlist(strategy="all"), stock=0)
    fast, slow = await merchant.people(2)
    name = merchant.name
    async with (
        consumer(waiting_room.origins[0], name, token=fast, join=["waitlist"]) as one,
        consumer(origin, name, token=slow, join=["waitlist"]) as two,
    ):
        await one.until("position")
        await two.until("position")
        await merchant.adds_stock(1)
        for socket in (one, two):
            assert (await socket.until("offer"))["reserved"] is False
        await one.send(type="claim", path="waitlist")
        await one.until("admitted")
        await two.until("offer", gone=True)
        async with consumer(origin, name, token=slow, join=["waitlist"]) as back:
            await back.until("offer", gone=True)
        await two.send(type="claim", path="waitlist", ref="gone")
        gone = await two.until("error", ref="gone")
        assert (gone["reason"], gone["temporary"]) == ("gone", True)
        await merchant.adds_stock(1)
        assert "gone" not in await two.until("offer")
        await two.send(type="claim", path="waitlist")
        await two.until("admitted")
