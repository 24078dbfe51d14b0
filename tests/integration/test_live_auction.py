"""Auctions against the real parts: two bid against each other at two gateways, one wins and pays what the rule says."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import pytest

from tests.support.live import Consumer, Frame, consumer, guest
from tests.support.passes import claims_in
from tests.support.samples import raw_auction, raw_document
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000
TERMS: dict[str, Any] = {
    "start_price": "10.00",
    "reserve_price": "30.00",
    "max_extensions": 1,
    "extend_window_seconds": 7_200,
    "extend_by_seconds": 7_200,
}
DUTCH: dict[str, Any] = {"style": "dutch", "start_price": "30.00", "floor_price": "10.00", "drop_amount": "10.00"}


async def make(room: WaitingRoom, name: str, **terms: Any) -> list[str]:
    """An experience with one auction; the tokens of three guests."""
    async with room.control() as control:
        document = raw_document(id=name, paths=[raw_auction(**terms)])
        answer = await control.put(f"/v1/control/experiences/{name}", json=document)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    async with room.client() as client:
        return [await guest(client) for _ in range(3)]


async def english(room: WaitingRoom, name: str, **terms: Any) -> list[str]:
    """The same with an English auction that ends in an hour."""
    ends_at = time.time_ns() // 1_000_000 + HOUR_MS
    return await make(room, name, ends_at=ends_at, **(TERMS | terms))


async def operate(room: WaitingRoom, name: str, action: str) -> None:
    async with room.control() as control:
        answer = await control.post(f"/v1/control/experiences/{name}/paths/auction/{action}")
    assert answer.status_code == HTTPStatus.OK, answer.text


async def bid(one: Consumer, most: str, name: str) -> Frame:
    """The answer to a bid, with the name of the bid as its ``ref``."""
    await one.send(type="bid", path="auction", max=most, id=name, ref=name)
    while True:
        frame = await one.next()
        if frame.get("ref") == name:
            return frame


def short(frame: Frame, *names: str) -> list[Any]:
    return [frame.get(name) for name in names]


async def told(one: Consumer, kind: str, **fields: Any) -> Frame:
    """What it was told already, or is next."""
    for frame in one.told(kind):
        if all(frame.get(name) == value for name, value in fields.items()):
            return frame
    return await one.until(kind, **fields)


async def test_two_bid_by_proxy_and_the_winner_checks_out_at_the_hammer_price(waiting_room: WaitingRoom) -> None:
    ann, bob, _ = await english(waiting_room, "english")
    here, there = waiting_room.origins
    async with consumer(there, "english", token=bob) as two:
        async with consumer(here, "english", token=ann) as one:
            before = await two.until("high_bid")
            assert short(before, "amount", "bids", "min_next", "reserve_met") == [None, 0, "10.00", False]
            first = await bid(one, "20.00", "a1")
            assert short(first, "type", "status", "max", "price") == ["bid_status", "leading", "20.00", "10.00"]
            extended = await two.until("high_bid", bids=1)
            assert short(extended, "amount", "min_next", "extensions") == ["10.00", "11.00", 1]
            assert extended["closes_at"] > before["closes_at"]
            beaten = await bid(two, "15.00", "b1")
            assert short(beaten, "status", "max", "price") == ["outbid", "15.00", "16.00"]
            assert (await told(one, "high_bid", amount="16.00"))["min_next"] == "17.00"
            low = await bid(two, "16.50", "b2")
            assert short(low, "type", "reason", "min_next") == ["error", "too_low", "17.00"]
            assert short(await bid(two, "40.00", "b3"), "status", "price") == ["leading", "30.00"]
            outbid = await one.until("bid_status", status="outbid")
            assert short(outbid, "max", "price", "ref") == ["20.00", "30.00", None]
        met = await told(two, "high_bid", amount="30.00")
        assert short(met, "reserve_met", "bids", "closes_at") == [True, 3, extended["closes_at"]]
        async with consumer(here, "english", token=ann) as one:
            assert short(await one.until("bid_status"), "status", "max") == ["outbid", "20.00"]
            assert (await one.until("high_bid"))["amount"] == "30.00"
            assert [frame["type"] for frame in one.frames[1:3]] == ["joined", "bid_status"]
            again = await bid(two, "40.00", "b3")
            assert short(again, "type", "status", "max") == ["bid_status", "leading", "40.00"]
            await operate(waiting_room, "english", "close")
            won, admitted = await two.until("bid_status", status="won"), await two.until("admitted")
            assert short(won, "max", "price") == ["40.00", "30.00"]
            assert short(await one.until("bid_status", status="lost"), "max", "price") == ["20.00", "30.00"]
            assert (await one.until("ticket"))["reason"] == "outbid"
            assert (await one.until("phase"))["phase"] == "settling"
        await checks_out(waiting_room, admitted)
        assert (await two.until("ticket", state="completed"))["path"] == "auction"


async def checks_out(room: WaitingRoom, admitted: Frame) -> None:
    """The pass names the price, also the later one, and opens the checkout once."""
    assert admitted["price"] == claims_in(admitted["pass"])["price"] == "30.00"
    query = {"experience": "english", "stanchion_pass": admitted["pass"]}
    async with room.client(1) as client:
        assert (await client.get("/v1/verify", params=query)).status_code == HTTPStatus.NO_CONTENT
    async with room.checkout() as shop:
        address = f"/v1/admissions/{admitted['admission']}"
        extended = (await shop.post(f"{address}/extend", json={"seconds": 60})).json()
        later = claims_in(extended["pass"])
        assert (later["price"], later["exp"]) == ("30.00", admitted["expires_at"] // 1_000 + 60)
        for word in ("redeem", "complete"):
            assert (await shop.post(f"{address}/{word}")).status_code == HTTPStatus.OK
    async with room.client() as client:
        assert (await client.get("/v1/verify", params=query)).status_code == HTTPStatus.UNAUTHORIZED


async def test_a_pause_moves_the_end(waiting_room: WaitingRoom) -> None:
    ann, *_ = await english(waiting_room, "paused")
    async with consumer(waiting_room.origins[0], "paused", token=ann) as one:
        before = await one.until("high_bid")
        await operate(waiting_room, "paused", "pause")
        assert (await one.until("phase"))["paused"] == "merchant"
        refused = await bid(one, "20.00", "p1")
        assert short(refused, "reason", "temporary") == ["paused", True]
        await operate(waiting_room, "paused", "resume")
        moved = await one.until("high_bid")
        assert moved["closes_at"] > before["closes_at"]
        shown = await one.until("phase", at=moved["closes_at"])
        assert "paused" not in shown


async def test_below_the_reserve_nobody_wins(waiting_room: WaitingRoom) -> None:
    ann, *_ = await english(waiting_room, "reserve")
    async with consumer(waiting_room.origins[1], "reserve", token=ann) as one:
        await bid(one, "29.99", "r1")
        await operate(waiting_room, "reserve", "close")
        assert short(await one.until("bid_status", status="lost"), "max", "price") == ["29.99", "10.00"]
        await one.until("ticket", state="lost")
        said = str(one.frames)
    assert "reserve_price" not in said and "30.00" not in said


async def test_what_lapses_is_offered_to_the_next_bidder(waiting_room: WaitingRoom) -> None:
    ann, bob, _ = await english(waiting_room, "chance", second_chance=True)
    here, there = waiting_room.origins
    async with consumer(here, "chance", token=ann) as one, consumer(there, "chance", token=bob) as two:
        await bid(one, "45.00", "a1")
        await bid(two, "50.00", "b1")
        await operate(waiting_room, "chance", "close")
        assert (await one.until("bid_status", status="lost"))["price"] == "46.00"
        assert (await two.until("admitted"))["price"] == "46.00"
        await two.send(type="decline", path="auction")
        offer = await one.until("offer")
        assert offer["price"] == "45.00"
        await one.send(type="claim", path="auction", offer=offer["offer"])
        admitted = await one.until("admitted")
    assert admitted["price"] == claims_in(admitted["pass"])["price"] == "45.00"


async def test_of_those_who_claim_at_once_as_many_get_a_unit_as_there_are(waiting_room: WaitingRoom) -> None:
    tokens = await make(waiting_room, "race", quantity=2, drop_interval_seconds=3_600, **DUTCH)
    async with AsyncExitStack() as exits:
        sockets = [
            await exits.enter_async_context(consumer(waiting_room.origins[number % 2], "race", token=token))
            for number, token in enumerate(tokens)
        ]
        for one in sockets:
            state = await one.until("high_bid")
            assert short(state, "price", "left") == ["30.00", 2] and state["next_drop_at"] > state["now"]
        await sockets[0].send(type="claim", path="auction", price="29.99", ref="low")
        low = await sockets[0].until("error", ref="low")
        assert short(low, "reason", "price") == ["too_low", "30.00"]
        await asyncio.gather(*(one.send(type="claim", path="auction", price="35.00", ref="take") for one in sockets))
        answers = [await claimed(one) for one in sockets]
        won = [one for one, answer in zip(sockets, answers, strict=True) if answer["type"] == "bid_status"]
        (gone,) = [answer for answer in answers if answer["type"] == "error"]
        assert len(won) == 2 and gone["reason"] in {"gone", "closed"}
        for one in won:
            admitted = await told(one, "admitted")
            assert admitted["price"] == claims_in(admitted["pass"])["price"] == "30.00"
        loser = next(one for one in sockets if one not in won)
        assert (await told(loser, "phase", phase="settling"))["path"] == "auction"


async def claimed(one: Consumer) -> Frame:
    while True:
        frame = await one.next()
        if frame.get("ref") == "take":
            return frame


async def test_the_price_falls_to_the_floor_and_what_is_claimed_then_costs_that(waiting_room: WaitingRoom) -> None:
    token, *_ = await make(waiting_room, "falls", drop_interval_seconds=1, **DUTCH)
    async with consumer(waiting_room.origins[0], "falls", token=token) as one:
        floor = await told(one, "high_bid", price="10.00")
        assert "next_drop_at" not in floor
        prices = [float(frame["price"]) for frame in one.told("high_bid")]
        assert prices == sorted(prices, reverse=True)
        await one.send(type="claim", path="auction", price="30.00", ref="take")
        assert short(await claimed(one), "status", "price") == ["won", "10.00"]
        assert (await told(one, "admitted"))["price"] == "10.00"


@pytest.mark.parametrize("money", ["10.001", "ten"])
async def test_money_that_the_currency_does_not_have_is_refused(waiting_room: WaitingRoom, money: str) -> None:
    name = f"money-{len(money)}"
    ann, *_ = await english(waiting_room, name)
    async with consumer(waiting_room.origins[0], name, token=ann) as one:
        refused = await bid(one, money, "m1")
        assert refused["type"] == "error" and refused["reason"] in {"invalid", "bad_frame"}
    async with waiting_room.client() as client:
        command = {"type": "bid", "path": "auction", "max": money, "id": "m2", "ref": "m2"}
        headers = {"Authorization": f"Bearer {ann}"}
        answer = await client.post(f"/v1/experiences/{name}/commands", json=command, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["reason"]) in {(422, "invalid"), (400, "bad_frame")}


async def test_who_polls_is_told_and_bids_the_same_way(waiting_room: WaitingRoom) -> None:
    ann, *_ = await english(waiting_room, "polls")
    headers = {"Authorization": f"Bearer {ann}"}
    async with waiting_room.client(1) as client:
        command = {"type": "bid", "path": "auction", "max": "20.00", "id": "h1", "ref": "h1"}
        answer = await client.post("/v1/experiences/polls/commands", json=command, headers=headers)
        low = await client.post(
            "/v1/experiences/polls/commands", json=command | {"max": "11.00", "id": "h2"}, headers=headers
        )
        status = await client.get("/v1/experiences/polls/status", headers=headers)
    assert short(answer.json(), "type", "status", "max", "ref") == ["bid_status", "leading", "20.00", "h1"]
    assert (low.status_code, low.json()["reason"], low.json()["min_next"]) == (409, "too_low", "20.01")
    frames = {frame["type"]: frame for frame in status.json()["frames"]}
    assert short(frames["high_bid"], "amount", "bids") == ["10.00", 1]
    assert frames["bid_status"]["status"] == "leading"
