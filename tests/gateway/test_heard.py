"""Whoever comes, or is told something by themselves, between two rounds ends up with the states that everybody has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.heard import VERSIONS_MAX, Heard, Shared
from gateway.rounds import sweep, tell_prompt, tell_round
from gateway.sockets import Socket
from protocol.events import PauseChanged, SoldOutChanged, StockChanged
from protocol.frames import StockFrame
from protocol.kind_events import HoldEnded, PriceDropped, SlotHeld
from tests.support.log import START_MS, joined
from tests.support.rooms import Stage, extra_opens, line, with_paths
from tests.support.samples import raw_auction, raw_product, raw_variant

KEY = "stock general a 42"
PATH, TEN, ELEVEN = "fitting", "20270201T100000Z", "20270201T110000Z"
UNTIL = START_MS + 600_000


def version(left: int) -> StockFrame:
    return StockFrame("a", "42", "few", left)


def told(socket: Socket, kind: str) -> list[dict[str, Any]]:
    """What it was told of this type since the last time."""
    return [frame for frame in line(socket).take() if frame["type"] == kind]


def test_the_first_to_hear_of_a_path_counts_for_all() -> None:
    heard = Heard()
    heard.told_one("general", {KEY: version(1)})
    assert not heard.uneven
    assert heard.told_all("general", {KEY: version(1)}) == {}
    assert heard.told_all("general", {KEY: version(2)}) == {KEY: [version(1)]}
    assert heard.told_all("other", {KEY: version(2)}) == {KEY: [None]}, "nobody has heard of it"


@pytest.mark.parametrize(("then", "else_"), [(version(1), version(2)), (version(1), None), (None, version(1))])
def test_it_is_news_to_all_what_one_has_heard_otherwise(then: Shared | None, else_: Shared | None) -> None:
    heard = Heard()
    first, meanwhile = ({} if one is None else {KEY: one} for one in (then, else_))
    heard.told_one("general", first)
    heard.told_one("general", meanwhile)
    heard.told_one("general", meanwhile)
    assert heard.uneven
    assert heard.told_all("general", {KEY: version(1)}) == {KEY: [then, else_]}
    heard.all_told(["general"])
    assert not heard.uneven
    assert heard.told_all("general", {KEY: version(1)}) == {}


def test_of_many_versions_none_is_kept() -> None:
    heard = Heard()
    for left in range(VERSIONS_MAX):
        heard.told_one("general", {KEY: version(left)})
    assert heard.told_all("general", {KEY: version(0)}) == {KEY: [version(left) for left in range(VERSIONS_MAX)]}
    for left in range(1, VERSIONS_MAX + 1):
        heard.told_one("general", {KEY: version(left)})
    assert heard.told_all("general", {KEY: version(0)}) == {KEY: [None]}


def test_a_path_that_comes_is_news_to_those_who_are_here() -> None:
    heard = Heard()
    heard.comes("general")
    heard.told_one("general", {KEY: version(1)})
    assert not heard.uneven, "nobody was here"
    heard.comes("extra")
    heard.told_one("extra", {KEY: version(1)})
    assert heard.told_all("extra", {KEY: version(1)}) == {KEY: [None, version(1)]}
    heard.all_told(["general"])
    assert heard.told_all("extra", {KEY: version(1)}) == {KEY: [None]}, "it went, and came again"


async def rounds(stage: Stage) -> None:
    for _ in range(3):
        await tell_round(stage.room)


async def test_stock_that_changes_back_before_the_round_is_told_to_who_came_between() -> None:
    stage = Stage(products=[raw_product(raw_variant(stock=100, stock_exact=True))])
    old = stage.enter(1)
    stage.read(stage.log.append(StockChanged("42", 100, 98, 0)))
    await tell_round(stage.room)
    stage.read(stage.log.append(StockChanged("42", 100, 100, 0)))
    line(old).take()
    new = stage.enter(2)
    stage.read(stage.log.append(StockChanged("42", 100, 98, 0)))
    await rounds(stage)
    assert [(one["band"], one["left"]) for one in told(new, "stock")] == [("none", 0), ("last", 2)]
    assert [(one["band"], one["left"]) for one in told(old, "stock")] == [("last", 2)]


async def test_what_appeared_is_told_to_who_was_here_although_a_newcomer_was_told_it_first() -> None:
    stage = Stage()
    old = stage.enter(1)
    line(old).take()
    stage.read(stage.log.append(SoldOutChanged("general", True, True)))
    new = stage.enter(2)
    await rounds(stage)
    assert [one["may_return"] for one in told(old, "sold_out")] == [True]
    assert told(new, "sold_out")


async def test_what_went_and_came_back_is_told_to_who_came_between() -> None:
    stage = Stage(products=[raw_product(raw_variant(stock=100))])
    stage.enter(1)
    stage.read(stage.log.append(StockChanged("42", 100, 100, 0)))
    await tell_round(stage.room)
    stage.read(stage.log.append(StockChanged("42", None, 0, 0)))
    new = stage.enter(2)
    assert told(new, "stock") == []
    stage.read(stage.log.append(StockChanged("42", 100, 100, 0)))
    await rounds(stage)
    assert [one["band"] for one in told(new, "stock")] == ["none"]


async def test_an_outage_that_is_over_before_the_round_is_over_for_who_came_in_it_each_time() -> None:
    stage = Stage()
    old = stage.enter(1)
    await tell_round(stage.room)
    line(old).take()
    for number in (2, 3):
        stage.room.away = True
        new = stage.enter(number)
        stage.room.away = False
        await rounds(stage)
        assert [one.get("paused") for one in told(new, "phase")] == ["outage", None]
        assert [one.get("paused") for one in told(old, "phase")] == [None]
        await rounds(stage)
        assert line(new).take() == []


async def test_a_prompt_state_that_changes_back_is_told_to_who_came_between() -> None:
    terms: dict[str, Any] = {"start_price": "30.00", "floor_price": "10.00", "drop_amount": "5.00"}
    stage = Stage(paths=[raw_auction(style="dutch", quantity=3, drop_interval_seconds=10, **terms)])
    stage.enter(1)
    drops = [PriceDropped("auction", START_MS, price, START_MS + 10_000) for price in (3_000, 2_500)]
    stage.read(stage.log.append(drops[0]))
    await tell_prompt(stage.room)
    stage.read(stage.log.append(drops[1]))
    new = stage.enter(2)
    stage.read(stage.log.append(drops[0]))
    await tell_prompt(stage.room)
    assert [one["price"] for one in told(new, "high_bid")] == ["25.00", "30.00"]


def brief(stage: Stage) -> dict[str, int]:
    """How many places are free of each slot that whoever has heard all before is told of now."""
    (news,) = stage.room.board.changed(START_MS, outage=False)
    (frame,) = map(json.loads, news.frames)
    assert "since" not in frame
    return {slot["id"]: slot["free"] for slot in frame["slots"]}


def test_what_is_told_in_brief_is_all_that_is_new_to_anybody() -> None:
    windows = [{"date": "2027-02-01", "from": "10:00", "to": "13:00"}]
    distribution = {"kind": "appointment", "windows": windows, "duration_minutes": 60, "time_zone": "UTC"}
    stage = Stage(paths=[{"id": PATH, "min_level": "guest", "distribution": distribution}])
    stage.enter(1)
    held = [SlotHeld(PATH, START_MS, 0, TEN, UNTIL), SlotHeld(PATH, START_MS, 1, ELEVEN, UNTIL)]
    stage.read(stage.log.append(joined(0, 8, 9, path=PATH), held[0]))
    stage.enter(2)
    stage.read(stage.log.append(HoldEnded(PATH, START_MS, [0]), held[1]))
    assert brief(stage) == {TEN: 1, ELEVEN: 0}, "one is new to who came between, the other to all"
    stage.read(stage.log.append(held[0]))
    stage.enter(3)
    assert brief(stage) == {TEN: 0}
    assert stage.room.board.changed(START_MS, outage=False) == []


async def test_a_path_that_is_new_is_told_to_who_is_here_although_a_newcomer_was_told_it_first() -> None:
    stage = Stage()
    old = stage.enter(1)
    await tell_round(stage.room)
    line(old).take()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    stage.enter(2)
    await rounds(stage)
    assert [(one["path"], one["phase"]) for one in told(old, "phase")] == [("extra", "open")]


async def test_a_sign_of_life_is_taken_back_with_what_it_said() -> None:
    stage = Stage()
    quiet = stage.enter(1)
    await tell_round(stage.room)
    line(quiet).take()
    stage.sockets.told.all[:] -= 45
    stage.read(stage.log.append(PauseChanged("general", True, START_MS, "shop")))
    await sweep(stage.room)
    stage.read(stage.log.append(PauseChanged("general", False, START_MS, "shop")))
    await rounds(stage)
    assert [one.get("paused") for one in told(quiet, "phase")] == ["merchant", None]
