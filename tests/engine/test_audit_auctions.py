"""The auditor's share of auctions: a sound log passes, and each promise, broken on purpose, is found and named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from engine.audits.promises import Broken
from protocol import commands as c
from protocol import events as e
from protocol import kind_events as k
from protocol.codec import decode_entry
from protocol.events import AnyEvent
from tests.engine.stage import ACTOR, START_MS, Stage, configure
from tests.engine.test_audit import Log
from tests.support.samples import consumer, document, raw_auction

ENDS = START_MS + 60_000
ENGLISH: dict[str, Any] = {
    "ends_at": ENDS,
    "quantity": 2,
    "reserve_price": "5.00",
    "second_chance": True,
    "extend_window_seconds": 10,
    "extend_by_seconds": 10,
    "checkout_window_seconds": 30,
}
DUTCH: dict[str, Any] = {
    "style": "dutch",
    "start_price": "3.00",
    "floor_price": "1.00",
    "drop_amount": "1.00",
    "drop_interval_seconds": 10,
    "quantity": 2,
    "ends_at": ENDS,
    "checkout_window_seconds": 30,
}


def _bid(who: int, maximum: int) -> c.PlaceBid:
    return c.PlaceBid(consumer(who), "auction", maximum=maximum, id=f"{maximum}")


def _claim(who: int, price: int | None = None) -> c.Claim:
    return c.Claim(consumer(who), "auction", price=price)


def _english() -> Stage:
    """Five bid, one of them late; two win; one does not pay, and the next has a second chance."""
    stage = Stage(document(paths=[raw_auction(**ENGLISH)]))
    stage.later(0, _bid(1, 400), _bid(2, 700), _bid(5, 600), _bid(3, 800), _bid(4, 900))
    stage.step(START_MS + 10_000, c.Pause(ACTOR, "", "auction"))
    stage.step(START_MS + 15_000, c.Resume(ACTOR, "", "auction"), c.Join(consumer(6), "auction"))
    stage.step(START_MS + 58_000, _bid(2, 1_000))
    stage.step(START_MS + 68_000)
    stage.later(0, c.Decline(consumer(4), "auction"))
    stage.later(0, _claim(3))
    return stage


def _dutch() -> Stage:
    """One takes at the start, one after a drop."""
    stage = Stage(document(paths=[raw_auction(**DUTCH)]))
    stage.later(0, _claim(1, 300))
    stage.step(START_MS + 5_000, c.Pause(ACTOR, "", "auction"))
    stage.step(START_MS + 7_000, c.Resume(ACTOR, "", "auction"))
    stage.step(START_MS + 12_000)
    stage.step(START_MS + 13_000, _claim(2, 300))
    return stage


def _play(stage: Stage, kind: type, number: int, changed: dict[str, Any]) -> None:
    """The log of ``stage`` again, with event ``number`` of ``kind`` changed."""
    log = Log.__new__(Log)
    log.audit = type(stage.audit)()
    seen = 0
    for payload in stage.entries:
        entry, events = decode_entry(payload), list[AnyEvent]()
        for event in entry.events:
            if type(event) is kind:
                event = structs.replace(event, **changed) if seen == number else event
                seen += 1
            events.append(event)
        log.write(*events, now_ms=entry.now_ms)
    assert seen > number, "there is no such event"


@pytest.mark.parametrize("stage", [_english, _dutch])
def test_a_sound_log_passes(stage: Any) -> None:
    _play(stage(), e.Joined, 0, {})


@pytest.mark.parametrize(
    ("kind", "number", "changed", "found"),
    [
        (k.BidPlaced, 1, {"price": 501}, "the bids come to"),
        (k.BidPlaced, 3, {"price": 650, "min_next": 750}, "the bids come to"),
        (k.BidPlaced, 1, {"min_next": 599}, "the bids come to"),
        (k.BidPlaced, 0, {"reserve_met": True}, "the bids come to"),
        (k.BidPlaced, 5, {"ends_at": ENDS + 5_000}, "the bids come to"),
        (k.BidPlaced, 5, {"extensions": 0}, "the bids come to"),
        (k.BidPlaced, 1, {"outbid": []}, "are told to lead"),
        (k.BidPlaced, 3, {"leading": [0]}, "are told to lead"),
        (k.BidPlaced, 1, {"maximum": 99}, "that is too low"),
        (k.BidPlaced, 5, {"ticket": 4, "maximum": 900}, "that is too low"),
        (k.BidPlaced, 5, {"at": ENDS + 5_000}, "the auction was open until"),
        (k.BidPlaced, 5, {"id": "700"}, "was taken twice"),
        (k.EndMoved, 0, {"ends_at": ENDS - 1}, "the end moved from"),
        (k.AuctionEnded, 0, {"winners": [4, 1]}, "the bids come to"),
        (k.AuctionEnded, 0, {"price": 901}, "the bids come to"),
        (k.AuctionEnded, 0, {"at": ENDS}, "the hammer fell"),
        (k.TicketsLost, 0, {"tickets": [4]}, "lost as outbid"),
        (k.TicketsLost, 0, {"tickets": [5]}, "lost as outbid"),
        (k.Allotted, 0, {"prices": [800, 900]}, "does not pay"),
        (k.Allotted, 1, {"prices": [900]}, "does not pay"),
        (k.Offered, 0, {"prices": [900]}, "is not for ticket 3"),
        (k.Offered, 0, {"tickets": [2]}, "is not for ticket 2"),
        (k.Offered, 0, {"tickets": [2], "prices": [600]}, "ticket 2 got a second chance, but 3"),
    ],
)
def test_a_broken_promise_of_an_english_auction_is_found(
    kind: type, number: int, changed: dict[str, Any], found: str
) -> None:
    with pytest.raises(Broken, match=found):
        _play(_english(), kind, number, changed)


@pytest.mark.parametrize(
    ("kind", "number", "changed", "found"),
    [
        (k.PriceDropped, 0, {"price": 200}, "the price became 200"),
        (k.PriceDropped, 0, {"next_drop_at": None}, "the price became 300 until None"),
        (k.PriceDropped, 1, {"price": 100}, "the price became 100"),
        (k.PriceDropped, 1, {"at": START_MS + 11_000}, "the price dropped at"),
        (k.EndMoved, 0, {"next_drop_at": START_MS + 9_000}, "the next drop moved"),
        (k.UnitTaken, 0, {"price": 200}, "took a unit at 200"),
        (k.UnitTaken, 1, {"at": START_MS + 22_000}, "took a unit at 200"),
        (k.UnitTaken, 1, {"ticket": 0}, "was admitted"),
        (k.Allotted, 0, {"prices": [200]}, "does not pay"),
    ],
)
def test_a_broken_promise_of_a_dutch_auction_is_found(
    kind: type, number: int, changed: dict[str, Any], found: str
) -> None:
    with pytest.raises(Broken, match=found):
        _play(_dutch(), kind, number, changed)


def _other_floors() -> Stage:
    """Nobody takes any until the floor has been raised above the price, and lowered again."""
    stage = Stage(document(paths=[raw_auction(**DUTCH)]))
    stage.step(START_MS + 10_000)
    for floor in ("2.50", "2.00"):
        stage.later(1_000, configure(document(paths=[raw_auction(**DUTCH | {"floor_price": floor})])))
    stage.later(1_000, _claim(1, 300))
    return stage


@pytest.mark.parametrize(
    ("kind", "number", "changed", "found"),
    [
        (k.PriceDropped, 2, {"price": 200}, "the price became 200 until None, not 250 until None"),
        (k.PriceDropped, 2, {"next_drop_at": START_MS + 21_000}, "the price became 250 until"),
        (k.PriceDropped, 3, {"price": 200}, "the price became 200"),
        (k.PriceDropped, 3, {"next_drop_at": None}, "the price became 250 until None"),
        (k.UnitTaken, 0, {"price": 200}, "took a unit at 200"),
    ],
)
def test_a_price_that_does_not_keep_to_another_floor_is_found(
    kind: type, number: int, changed: dict[str, Any], found: str
) -> None:
    _play(_other_floors(), kind, 0, {})
    with pytest.raises(Broken, match=found):
        _play(_other_floors(), kind, number, changed)


@pytest.mark.parametrize("floor", ["2.50", "2.00", "1.00"])
def test_a_unit_at_a_price_that_was_of_another_floor_is_found(floor: str) -> None:
    before = "2.00" if floor == "1.00" else "1.00"
    stage = Stage(document(paths=[raw_auction(**DUTCH | {"floor_price": before})]))
    stage.step(START_MS + 10_000, c.Join(consumer(1), "auction"))
    told = document(paths=[raw_auction(**DUTCH | {"floor_price": floor})])
    taken = k.UnitTaken("auction", stage.now_ms, 0, 200)
    with pytest.raises(Broken, match="is no price of this floor"):
        stage.write(stage.now_ms, e.Configured(2, told, "k1", "control"), taken)


def test_a_bid_is_not_withdrawn_by_leaving() -> None:
    stage = _english()
    left = e.Left("auction", START_MS, 0, "left")
    log = Log.__new__(Log)
    log.audit = type(stage.audit)()
    with pytest.raises(Broken, match="left with a bid that stands"):
        for payload in stage.entries:
            entry = decode_entry(payload)
            taken = any(isinstance(event, k.BidPlaced) for event in entry.events)
            log.write(*entry.events, *([left] if taken else []), now_ms=entry.now_ms)


def test_no_more_units_are_taken_than_there_are() -> None:
    stage = Stage(document(paths=[raw_auction(**DUTCH | {"max_active": 1})]))
    stage.later(0, *[c.Join(consumer(who), "auction") for who in range(4)])
    taken = [k.UnitTaken("auction", START_MS, ticket, 300) for ticket in (0, 0, 1, 2)]
    for events, found in ((taken[:2], "in line"), (taken[1:], "3 units are taken, there are 2")):
        log = Log.__new__(Log)
        log.audit = type(stage.audit)()
        for payload in stage.entries:
            entry = decode_entry(payload)
            log.write(*entry.events, now_ms=entry.now_ms)
        with pytest.raises(Broken, match=found):
            log.write(*events, now_ms=START_MS)


def test_an_auction_forgives_no_missed_turn() -> None:
    stage = _dutch()
    log = Log.__new__(Log)
    log.audit = type(stage.audit)()
    for payload in stage.entries:
        entry = decode_entry(payload)
        log.write(*entry.events, now_ms=entry.now_ms)
    with pytest.raises(Broken, match="forgives no missed turn"):
        log.write(e.Returned("auction", 0), now_ms=START_MS + 13_000)
