"""A timed release over real sockets: nothing before the opening, claims in order, and all hear when it is over."""

from __future__ import annotations

import time
from typing import Any

from protocol.events import Admitted
from protocol.kind_events import Claimed
from tests.support.live import consumer
from tests.support.merchant import Merchant
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000


def drop(*, opens_in_ms: int | None = None, **terms: Any) -> dict[str, Any]:
    """A path: a timed release that opens so much later, with its lobby open by now; None: it is open."""
    now_ms = time.time_ns() // 1_000_000
    schedule = {} if opens_in_ms is None else {"opens_at": now_ms + opens_in_ms, "lobby_opens_at": now_ms - HOUR_MS}
    return {"id": "drop", "distribution": {"kind": "timed_release"} | terms} | schedule


async def test_one_gets_it_and_everybody_else_is_told_at_once(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "sneak"), waiting_room.origins
    path = drop(opens_in_ms=HOUR_MS)
    await merchant.make(path)
    fast, slow, late = await merchant.people(3)
    async with (
        consumer(origin[0], "sneak", token=fast, join=["drop"]) as one,
        consumer(origin[1], "sneak", token=slow, join=["drop"]) as other,
        consumer(origin[1], "sneak", watch=["drop"]) as watcher,
    ):
        await one.until("phase", phase="lobby", at=path["opens_at"])
        await one.send(type="claim", path="drop", ref="early")
        early = await one.until("error", ref="early")
        assert (early["reason"], early["temporary"], early["opens_at"]) == ("not_open", True, path["opens_at"])
        await merchant.does("paths/drop/open")
        for socket in (one, other, watcher):
            await socket.until("phase", phase="open")
        await one.send(type="claim", path="drop", ref="mine")
        admitted = await one.until("admitted", ref="mine")
        assert admitted["checkout_url"].endswith(admitted["pass"])
        lost = await other.until("ticket", state="lost")
        assert (lost["reason"], lost["ticket"]) == ("sold_out", 1)
        for socket in (one, other, watcher):
            sold_out = await socket.until("sold_out")
            assert (sold_out["path"], sold_out["may_return"]) == ("drop", False)
        await other.send(type="claim", path="drop", ref="too late")
        assert (await other.until("error", ref="too late"))["reason"] == "sold_out"
        assert not other.told("position"), "a release has no places"
    assert (await merchant.asks(late, type="claim", path="drop"))["reason"] == "sold_out"
    async with consumer(origin[0], "sneak", token=slow, join=["drop"]) as again:
        assert (await again.until("ticket", state="lost"))["reason"] == "sold_out"
        await again.until("sold_out", may_return=False)
    async with consumer(origin[1], "sneak", token=fast, join=["drop"]) as again:
        assert (await again.until("admitted"))["admission"] == admitted["admission"]


async def test_it_opens_by_the_clock(waiting_room: WaitingRoom) -> None:
    merchant = Merchant(waiting_room, "clock")
    path = drop(opens_in_ms=1_000)
    await merchant.make(path)
    (token,) = await merchant.people(1)
    async with consumer(waiting_room.origins[0], "clock", token=token, join=["drop"]) as one:
        opened = await one.until("phase", phase="open")
        assert opened["now"] >= path["opens_at"]
        await one.send(type="claim", path="drop")
        await one.until("admitted")
    (claim,) = merchant.log().of(Claimed)
    assert claim.at >= path["opens_at"]


async def test_a_claim_in_line_is_told_to_every_socket_and_to_whoever_comes_back(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "metered"), waiting_room.origins
    await merchant.make(drop(burst_rate_per_minute=0), stock=2)
    first, second, third = await merchant.people(3)
    async with (
        consumer(origin[0], "metered", token=first, join=["drop"]) as one,
        consumer(origin[1], "metered", token=first, join=["drop"]) as same,
        consumer(origin[1], "metered", token=third, join=["drop"]) as last,
    ):
        await one.until("phase")
        await same.until("phase")
        await one.send(type="claim", path="drop", ref="c")
        told = [await socket.until("ticket", claimed=True) for socket in (one, same)]
        assert [(frame["state"], frame.get("ref")) for frame in told] == [("waiting", "c"), ("waiting", None)]
        for token in (second, third):
            assert (await merchant.asks(token, type="claim", path="drop"))["claimed"] is True
        again = await merchant.asks(first, type="claim", path="drop")
        assert (again["reason"], again["temporary"]) == ("already_done", False)
        async with consumer(origin[1], "metered", token=first, join=["drop"]) as back:
            assert (await back.until("ticket"))["claimed"] is True
        await merchant.does("paths/drop/admit", count=2)
        await one.until("admitted")
        assert (await last.until("ticket", state="lost"))["reason"] == "sold_out"
    log = merchant.log()
    admitted = [ticket for event in log.of(Admitted) for ticket in event.tickets]
    assert admitted == [event.ticket for event in log.of(Claimed)][:2]


async def test_what_is_for_sale_again_is_told_to_everybody_and_can_be_claimed(waiting_room: WaitingRoom) -> None:
    merchant, origin = Merchant(waiting_room, "again"), waiting_room.origins
    await merchant.make(drop())
    fast, slow = await merchant.people(2)
    async with consumer(origin[1], "again", token=slow, watch=["drop"]) as other:
        assert (await merchant.asks(fast, type="claim", path="drop"))["type"] == "admitted"
        assert "over" not in await other.until("sold_out", may_return=False)
        await merchant.adds_stock(3)
        await merchant.does("paths/drop/open")
        await other.until("sold_out", over=True)
        await other.send(type="claim", path="drop", ref="mine")
        await other.until("admitted", ref="mine")
