"""What a draw tells whom: everybody who was in the hat how it came out, whoever came back before it was drawn."""

from __future__ import annotations

from protocol.commands import Attach
from protocol.events import Attached, Holding
from protocol.kind_events import Drawn, EntriesClosed
from protocol.states import TicketState
from tests.support.log import START_MS, joined
from tests.support.rooms import Stage, line
from tests.support.samples import consumer

DRAW_AT = START_MS + 60_000


def test_winners_are_told_their_places_though_somebody_came_back_before_the_draw() -> None:
    distribution = {"kind": "draw", "winner_count": 2, "closes_at": DRAW_AT}
    room = Stage(paths=[{"id": "vip", "distribution": distribution}])
    people = [room.enter(number) for number in range(3)]
    room.read(room.log.append(joined(0, 0, 1, 2, path="vip")))
    back = room.enter(0, Attach(consumer(0)))
    room.answer(Attached(consumer(0), [Holding("vip", 0, 1, TicketState.WAITING, "", False)]))
    assert "draw_result" not in line(back).kinds()
    room.read(room.log.append(EntriesClosed("vip", DRAW_AT, 3, bytes(32))))
    room.read(room.log.append(Drawn("vip", DRAW_AT, bytes([1] * 32), bytes(32), bytes(32), [2, 0])))
    told = [next(frame for frame in line(one).take() if frame["type"] == "draw_result") for one in people]
    assert [(frame["won"], frame.get("place"), frame.get("reserve")) for frame in told] == [
        (True, 2, None),
        (False, None, True),
        (True, 1, None),
    ]
