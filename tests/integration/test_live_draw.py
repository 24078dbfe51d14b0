"""A draw against the real parts: two enter, one wins, and what anybody is told of it can be checked."""

from __future__ import annotations

import time
from typing import Any

from protocol import bls
from protocol.lottery import commitment
from protocol.proof import Verdict, check
from tests.support.beacons import REAL
from tests.support.samples import raw_document
from tests.support.waiting_room import WaitingRoom

HOUR_MS = 3_600_000
BEACON = REAL["quicknet"]


def draw_of(name: str, **terms: Any) -> dict[str, Any]:
    """A document with one draw of one winner, which closes in an hour."""
    closes_at = time.time_ns() // 1_000_000 + HOUR_MS
    distribution = {"kind": "draw", "winner_count": 1, "closes_at": closes_at} | terms
    return raw_document(id=name, paths=[{"id": "vip", "distribution": distribution}])


async def entrant(room: WaitingRoom, name: str) -> dict[str, str]:
    """Somebody who has entered; the headers that are theirs."""
    async with room.client() as client:
        session = (await client.post("/v1/session")).json()["session"]
        headers = {"Authorization": f"Bearer {session}"}
        frame = {"type": "join", "path": "vip"}
        answer = await client.post(f"/v1/experiences/{name}/commands", json=frame, headers=headers)
    assert answer.json()["type"] == "joined", answer.text
    return headers


async def test_one_of_two_wins_and_the_proof_is_ok(waiting_room: WaitingRoom) -> None:
    public = "/v1/experiences/vipdraw"
    async with waiting_room.control() as control:
        path = "/v1/control/experiences/vipdraw/paths/vip"
        document = draw_of("vipdraw")
        assert (await control.put("/v1/control/experiences/vipdraw", json=document)).status_code == 201
        people = [await entrant(waiting_room, "vipdraw") for _ in range(2)]
        early = await control.post(f"{path}/draw")
        assert (early.status_code, early.json()["reason"]) == (409, "not_closed")
        view = (await control.get(public)).json()["paths"][0]
        assert view["draw_at"] == view["closes_at"] == document["paths"][0]["distribution"]["closes_at"]
        before = (await control.get(f"{public}/paths/vip/proof")).json()
        assert (before["commitment"], "root" in before) == (view["commitment"], False)
        closed = await control.post(f"{path}/close")
        fixed = (await control.get(f"{public}/paths/vip/proof", params={"entry": closed.json()["entry"]})).json()
        drawn = await control.post(f"{path}/draw")
        assert drawn.status_code == 200, drawn.text
        told = await control.get(f"{public}/paths/vip/proof")
        states = [await control.get(f"{public}/status", headers=headers) for headers in people]
        missing = await control.get(f"{public}/paths/none/proof")
        left = people[1 - told.json()["winners"][0]]
        await control.post(f"{public}/commands", json={"type": "leave", "path": "vip"}, headers=left)
        gone = {frame["type"] for frame in (await control.get(f"{public}/status", headers=left)).json()["frames"]}
    proof = told.json()
    assert check(told.content, bls.unproven).verdict is Verdict.OK
    assert (fixed["tickets"], fixed["root"], fixed["commitment"]) == (2, proof["root"], before["commitment"])
    assert commitment(bytes.fromhex(proof["secret"])).hex() == view["commitment"]
    told_of = [{frame["type"]: frame for frame in state.json()["frames"]} for state in states]
    assert [number for number, frames in enumerate(told_of) if "admitted" in frames] == proof["winners"]
    assert [frames["draw_result"]["won"] for frames in told_of] == ["admitted" in frames for frames in told_of]
    lost = next(frames["draw_result"] for frames in told_of if "admitted" not in frames)
    address = f"{public}/paths/vip/proof"
    assert (lost["reserve"], lost["winners"], lost["entrants"], lost["proof"]) == (True, 1, 2, address)
    assert not any("position" in frames for frames in told_of)
    assert missing.status_code == 404
    assert ("ticket" in gone, "draw_result" in gone) == (True, False)  # who left the reserve has won nothing


async def test_a_beacon_that_is_not_real_never_gets_to_the_engine(waiting_room: WaitingRoom) -> None:
    named = {"source": BEACON.source, "round": BEACON.round}
    document = draw_of("beacons", beacon=named, closes_at=1_600_000_000_000)
    async with waiting_room.control() as control:
        assert (await control.put("/v1/control/experiences/beacons", json=document)).status_code == 201
        address = "/v1/control/experiences/beacons/paths/vip/draw"
        invented = await control.post(address, json={"beacon": named | {"signature": "ab" * 48}})
        real = await control.post(address, json={"beacon": named | {"signature": BEACON.signature}})
    assert (invented.status_code, invented.json()["errors"][0]["path"]) == (422, "beacon")
    assert (real.status_code, real.json()["reason"]) == (409, "closed")
