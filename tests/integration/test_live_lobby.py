"""A lobby against the real parts: nobody has a place before the opening, everybody one behind it, and the order can be
checked by anybody."""

from __future__ import annotations

import time
from typing import Any

from protocol import bls, lottery
from protocol.proof import Verdict, check
from tests.support.samples import raw_document, raw_path
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000
NAME = "lobby"
PUBLIC = f"/v1/experiences/{NAME}"


async def visitor(room: WaitingRoom) -> dict[str, str]:
    """Somebody who has joined; the headers that are theirs."""
    async with room.client() as client:
        session = (await client.post("/v1/session")).json()["session"]
        headers = {"Authorization": f"Bearer {session}"}
        answer = await client.post(f"{PUBLIC}/commands", json={"type": "join", "path": "general"}, headers=headers)
    assert answer.json()["type"] == "joined", answer.text
    return headers


async def positions(room: WaitingRoom, people: list[dict[str, str]], entry: str) -> list[dict[str, Any]]:
    """What each of ``people`` is told of the position, at ``entry`` or later."""
    async with room.client() as client:
        params = {"entry": entry}
        states = [(await client.get(f"{PUBLIC}/status", params=params, headers=one)).json() for one in people]
    return [frame for state in states for frame in state["frames"] if frame["type"] == "position"]


async def test_the_order_of_a_lobby_is_drawn_at_the_opening_and_can_be_checked(waiting_room: WaitingRoom) -> None:
    now_ms = time.time_ns() // 1_000_000
    times = {"lobby_opens_at": now_ms - HOUR_MS, "opens_at": now_ms + HOUR_MS}
    path = raw_path("general", distribution={"release_rate_per_minute": 0}, **times)
    steer = f"/v1/control/experiences/{NAME}/paths/general"
    async with waiting_room.control() as control:
        made = await control.put(f"/v1/control/experiences/{NAME}", json=raw_document(id=NAME, paths=[path]))
        assert made.status_code == 201, made.text
        people = [await visitor(waiting_room) for _ in range(4)]
        before = await positions(waiting_room, people, made.json()["entry"])
        view = (await control.get(PUBLIC)).json()["paths"][0]
        opened = await control.post(f"{steer}/open")
        after = await positions(waiting_room, people, opened.json()["entry"])
        told = await control.get(f"{PUBLIC}/paths/general/proof", params={"entry": opened.json()["entry"]})
    assert [sorted(frame) for frame in before] == [["now", "of", "path", "type"]] * 4
    assert view["phase"] == "lobby" and len(view["commitment"]) == 64
    proof = told.json()
    assert check(told.content, bls.unproven).verdict is Verdict.OK
    assert (proof["commitment"], proof["winners"], proof["tickets"]) == (view["commitment"], [], 4)
    order = lottery.draw(bytes.fromhex(proof["seed"]), bytes([1] * 4)).tolist()
    assert [frame["ahead"] for frame in after] == [order.index(ticket) for ticket in range(4)]
