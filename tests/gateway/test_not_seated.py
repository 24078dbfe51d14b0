"""Who holds a ticket and is not told positions yet, because their entry is not over or not durable, misses nothing."""

from __future__ import annotations

import pytest

from gateway import rooms
from gateway.rounds import tell_round
from protocol.commands import Attach
from protocol.events import AnyEvent, Attached, Left, WaitingLost
from protocol.kind_events import Drawn, EntriesClosed, NotDrawn
from protocol.states import TicketState
from tests.support.log import START_MS, joined
from tests.support.rooms import Stage, holding, line
from tests.support.samples import consumer

DRAW_AT = START_MS + 60_000
LOST = WaitingLost("general", START_MS, "sold_out")


def test_a_ticket_that_is_lost_in_the_entry_that_gave_it_is_told_to_be() -> None:
    stage = Stage()
    socket = stage.enter(1)
    stage.read(stage.log.append(joined(0, 1), LOST))
    (frame,) = (frame for frame in line(socket).take() if frame["type"] == "ticket")
    assert (frame["ticket"], frame["state"], frame["reason"]) == (0, "lost", "sold_out")


def test_who_comes_back_in_the_entry_that_ends_it_is_told() -> None:
    stage = Stage()
    stage.read(stage.log.join(0, 1))
    socket = stage.enter(1, Attach(consumer(1)))
    stage.answer(Attached(consumer(1), [holding(0, TicketState.WAITING)]), LOST)
    assert [frame["state"] for frame in line(socket).take() if frame["type"] == "ticket"] == ["lost"]


def test_a_ticket_that_is_lost_before_it_was_durable_is_told_to_be() -> None:
    stage = Stage()
    socket = stage.enter(1)
    safe = stage.log.last_id
    stage.read(stage.log.append(joined(0, 1), durable=safe))
    stage.read(stage.log.append(LOST, durable=safe))
    line(socket).take()
    stage.read(stage.log.append(durable=stage.log.last_id))
    assert line(socket).kinds() == ["joined", "ticket"], "no position of one who waits no more"


@pytest.mark.parametrize("reserve", [True, False])
def test_who_entered_at_the_last_moment_is_told_how_the_draw_came_out(reserve: bool) -> None:
    stage = Stage(paths=[{"id": "vip", "distribution": {"kind": "draw", "winner_count": 1, "closes_at": DRAW_AT}}])
    sockets = [stage.enter(number) for number in range(3)]
    stage.read(stage.log.append(joined(0, 0, path="vip")))
    safe = stage.log.last_id
    stage.read(stage.log.append(joined(1, 1, 2, path="vip"), durable=safe))
    drawn = Drawn("vip", DRAW_AT, bytes([1] * 32), bytes(32), bytes(32), [1])
    over: list[AnyEvent] = [] if reserve else [NotDrawn("vip", DRAW_AT, [1])]
    stage.read(stage.log.append(EntriesClosed("vip", DRAW_AT, 3, bytes(32)), drawn, *over, durable=safe))
    stage.read(stage.log.append(durable=stage.log.last_id))
    told = [line(socket).take() for socket in sockets]
    assert [[frame["won"] for frame in frames if frame["type"] == "draw_result"] for frames in told] == [
        [False],
        [True],
        [False],
    ]
    lost = [[frame["reason"] for frame in frames if frame["type"] == "ticket"] for frames in told]
    assert lost == ([[], [], []] if reserve else [["not_drawn"], [], ["not_drawn"]])


async def test_a_first_position_is_the_one_that_holds_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """People leave the line while an entry waits for the replicas, and a round ranks who is left."""
    clock_ms = 10_000_000
    monkeypatch.setattr(rooms, "monotonic_ms", lambda: clock_ms)
    stage = Stage()
    first, second = stage.enter(0), stage.enter(4)
    stage.read(stage.log.append(joined(0, 0, 1, 2)))
    safe = stage.log.last_id
    stage.read(stage.log.append(joined(3, 4), durable=safe))
    stage.read(
        stage.log.append(Left("general", START_MS, 1, "left"), Left("general", START_MS, 2, "left"), durable=safe)
    )
    await tell_round(stage.room)
    line(first).take(), line(second).take()
    stage.read(stage.log.append(durable=stage.log.last_id))
    assert [frame["ahead"] for frame in line(second).take() if frame["type"] == "position"] == [1]
