"""A lobby as consumers see it: how many are there and nobody's place, until the order is drawn."""

from __future__ import annotations

import json
from array import array

import numpy as np
import pytest

from gateway.polling import POLL_MS_MAX, poll_after_ms
from gateway.rounds import tell_round
from protocol.events import PhaseChanged
from protocol.kind_events import DrawCommitted, Drawn, EntriesClosed, PlacesGiven
from protocol.lottery import commitment, packed, roster_root
from protocol.roster import NO_PLACE
from tests.support.log import START_MS
from tests.support.rooms import Stage, line
from tests.support.samples import consumer

SECRET = bytes(range(32))


def gathered(count: int) -> Stage:
    """A lobby in which the consumers 0, 1, … are; nobody of them has a socket here."""
    stage = Stage()
    stage.read(stage.log.append(PhaseChanged("general", "lobby", START_MS, START_MS + 9, None, "")))
    stage.read(stage.log.append(DrawCommitted("general", commitment(SECRET))))
    stage.read(stage.log.join(0, *range(count)))
    return stage


@pytest.mark.parametrize("aheads", [[NO_PLACE, NO_PLACE], [NO_PLACE, 3, NO_PLACE]])
def test_who_has_no_place_is_told_only_how_many_there_are(aheads: list[int]) -> None:
    board = gathered(20).room.board
    frames = board.positions("general", np.array(aheads, dtype=np.int32), START_MS, "paused", outage=False)
    assert frames == [board.position("general", ahead, START_MS, "paused", outage=False) for ahead in aheads]
    assert json.loads(frames[0]) == {"type": "position", "path": "general", "of": 20, "now": START_MS}


async def test_no_place_is_shown_until_the_order_is_drawn() -> None:
    stage = gathered(2)
    socket = stage.enter(9)
    stage.read(stage.log.join(2, 9))
    (first,) = (one for one in line(socket).take() if one["type"] == "position")
    assert first == {"type": "position", "path": "general", "of": 3, "now": first["now"]}
    assert poll_after_ms(stage.room, consumer(9)) == POLL_MS_MAX
    stage.read(stage.log.append(PhaseChanged("general", "open", START_MS, START_MS, None, "")))
    stage.read(stage.log.append(EntriesClosed("general", START_MS, 3, roster_root(bytes([1, 1, 1])))))
    stage.read(stage.log.append(PlacesGiven("general", 0, packed(array("I", [1, 2, 0])))))
    await tell_round(stage.room)
    assert not any("ahead" in frame for frame in line(socket).take())
    stage.read(stage.log.append(Drawn("general", START_MS, SECRET, bytes(32), bytes(32), [])))
    pacing = stage.room.people.seats("general").pacing
    pacing._looked, pacing._told_ms.all[:] = None, pacing._told_ms.all - 2_000
    await tell_round(stage.room)
    (position,) = (one for one in line(socket).take() if one["type"] == "position")
    assert (position["ahead"], position["of"], "why" in position) == (1, 3, False)
