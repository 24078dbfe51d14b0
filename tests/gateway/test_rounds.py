"""What a room tells by the clock: states that changed, positions that are due, signs of life, announcements."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from gateway.rounds import sweep, tell_announcements, tell_round
from protocol.events import Left, NoticePosted, PauseChanged, ReleaseRateChanged, SoldOutChanged, StockChanged
from tests.support.log import START_MS, joined
from tests.support.rooms import Stage, extra_opens, line, waiting_stage, with_paths
from tests.support.samples import raw_product, raw_variant


async def test_no_round_tells_a_position_before_its_ticket_is_told() -> None:
    stage = Stage()
    stage.read(stage.log.join(0, 5))
    socket, goes = stage.enter(1), stage.enter(2)
    first = stage.log.append(joined(1, 1, 2), durable=stage.log.last_id)
    stage.read(first)
    line(socket).take()
    stage.read(stage.log.append(Left("general", START_MS, 0, "left"), Left("general", START_MS, 2, "left")))
    assert [frame.get("ahead") for frame in line(socket).take()] == [None, 1]
    last = stage.log.append(joined(3, 7), durable=stage.log.last_id)
    stage.read(last)
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    await tell_round(stage.room)
    assert [frame["ahead"] for frame in line(socket).take() if frame["type"] == "position"] == [0]
    assert line(goes).kinds()[-1] != "position"
    held = stage.enter(8)
    line(held).take()
    stage.read(stage.log.append(joined(4, 8), durable=last[0]))
    stage.read(stage.log.append(Left("general", START_MS, 1, "left"), durable=last[0]))
    await tell_round(stage.room)
    assert "position" not in line(held).kinds()


async def test_a_round_tells_what_changed_for_all() -> None:
    stage = Stage(products=[raw_product(raw_variant(stock=100, stock_exact=True))])
    stage.read(stage.log.append(StockChanged("42", 100, 0, 0)))
    watching, elsewhere = stage.enter(1), stage.enter(2, watched=frozenset({"other"}))
    await tell_round(stage.room)
    line(watching).take()
    line(elsewhere).take()
    stage.read(
        stage.log.append(
            PauseChanged("general", True, START_MS, "shop"),
            SoldOutChanged("general", True, True),
            StockChanged("42", 100, 98, 0),
        )
    )
    await tell_round(stage.room)
    frames = {frame["type"]: frame for frame in line(watching).take()}
    assert frames["phase"]["paused"] == "merchant"
    assert frames["sold_out"]["may_return"] is True
    assert (frames["stock"]["band"], frames["stock"]["left"]) == ("last", 2)
    assert line(elsewhere).take() == []
    await tell_round(stage.room)
    assert line(watching).take() == []


async def test_that_something_is_free_again_is_told_of_what_was_sold_out_alone() -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    watching = stage.enter(1)
    await tell_round(stage.room)
    assert "sold_out" not in line(watching).kinds()
    stage.read(stage.log.append(SoldOutChanged("general", True, True)))
    await tell_round(stage.room)
    stage.read(stage.log.append(SoldOutChanged("general", False, False)))
    assert stage.room.board.is_prompted, "it does not wait for the round"
    await tell_round(stage.room)
    come = stage.enter(2)
    told = [frame for one in (watching, come) for frame in line(one).take() if frame["type"] == "sold_out"]
    assert [frame["path"] for frame in told] == ["general"] * 3
    assert [(frame["may_return"], frame.get("over")) for frame in told] == [(True, None), *[(False, True)] * 2]
    stage.read(stage.log.append(SoldOutChanged("general", True, False)))
    await tell_round(stage.room)
    assert [frame.get("over") for frame in line(come).take()] == [None]


@pytest.mark.parametrize("why", [None, "paused"])
@pytest.mark.parametrize("outage", [False, True])
def test_many_positions_are_told_as_one_is(why: str | None, outage: bool) -> None:
    stage = waiting_stage(200)
    board, aheads = stage.room.board, np.arange(200, dtype=np.int32)
    many = board.positions("general", aheads, START_MS, why, outage=outage)
    assert many == [board.position("general", ahead, START_MS, why, outage=outage) for ahead in range(200)]


async def test_a_round_tells_every_socket_of_those_who_wait_and_no_other() -> None:
    stage = Stage()
    twice = [stage.enter(1), stage.enter(1)]
    elsewhere, nobody = stage.enter(2, watched=frozenset({"other"})), stage.enter(9)
    stage.read(stage.log.join(0, 1, 2))
    await tell_round(stage.room)
    elsewhere.watched = frozenset({"other"})
    for socket in (*twice, elsewhere, nobody):
        line(socket).take()
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    stage.read(stage.log.append(PauseChanged("general", True, START_MS, "shop")))
    await tell_round(stage.room)
    for socket in twice:
        assert [(one["ahead"], one["why"]) for one in line(socket).take() if one["type"] == "position"] == [
            (0, "paused")
        ]
    assert [one["type"] for one in line(elsewhere).take() + line(nobody).take()] == ["phase"]


async def test_a_sign_of_life_comes_when_nothing_else_did() -> None:
    stage = Stage()
    socket, nothing = stage.enter(1), stage.enter(2, watched=frozenset())
    line(socket).take()
    line(nothing).take()
    await sweep(stage.room)
    assert line(socket).take() == []
    stage.sockets.told.all[:] -= 45
    await sweep(stage.room)
    assert (line(socket).kinds(), line(nothing).kinds()) == (["phase"], ["ok"])
    stage.sockets.expires.one[socket.slot] = 1
    await sweep(stage.room)
    assert line(socket).code == 4401


async def test_a_notice_is_a_fact_for_everybody_who_is_here() -> None:
    stage = Stage()
    sockets = [stage.enter(number) for number in range(3)]
    stage.read(stage.log.append(NoticePosted("hello", "info", None, START_MS, "shop")))
    late = stage.enter(3)
    await tell_announcements(stage.room)
    texts = [[frame["text"] for frame in line(one).take() if "text" in frame] for one in (*sockets, late)]
    assert texts == [["hello"]] * 3 + [[]]


async def test_who_waits_is_told_when_the_rate_changes() -> None:
    stage = Stage()
    socket = stage.enter(2)
    stage.read(stage.log.join(0, 1, 2))
    line(socket).take()
    stage.room.people.seats("general").pacing._told_ms.all[:] -= 2_000
    stage.read(stage.log.append(ReleaseRateChanged("general", 1200, None, None, 2, "shop")))
    await tell_round(stage.room)
    (position,) = [frame for frame in line(socket).take() if frame["type"] == "position"]
    assert (position["why"], position["rate"], position["ahead"]) == ("rate_changed", 1200, 1)


async def test_a_path_may_go_during_a_round() -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    socket = stage.enter(1)
    stage.read(stage.log.join(0, 5, 1))
    await tell_round(stage.room)
    line(socket).take()
    pacing = stage.room.people.seats("general").pacing
    pacing._told_ms.all[:] -= 50_000
    pacing._looked = None
    telling = asyncio.create_task(tell_round(stage.room))
    await asyncio.sleep(0)
    stage.read(stage.log.append(with_paths(stage, 3, "general")))
    await telling
    assert line(socket).kinds() == ["position"]


async def test_a_path_may_go_during_a_sweep() -> None:
    stage = Stage()
    stage.read(stage.log.append(with_paths(stage, 2, "general", "extra"), extra_opens()))
    sockets = [stage.enter(number, watched=frozenset({path})) for number, path in enumerate(("general", "extra"))]
    for socket in sockets:
        line(socket).take()
    stage.sockets.told.all[:] -= 50
    sweeping = asyncio.create_task(sweep(stage.room))
    await asyncio.sleep(0)
    stage.read(stage.log.append(with_paths(stage, 3, "general")))
    await sweeping
    assert [line(socket).kinds()[0] for socket in sockets] == ["phase", "ok"]
