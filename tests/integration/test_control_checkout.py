"""The checkout endpoints and ``verify`` against the real parts: a pass is good for one admission, once, while it is
open."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.samples import raw_document, raw_path
from tests.support.waiting_room import WaitingRoom

ATTEMPTS_MAX = 200
POLL_S = 0.05


class Admitted(NamedTuple):
    """What one consumer was told."""

    admission: str
    pass_: str
    expires_at: int


async def open_queue(room: WaitingRoom, name: str, **queue: Any) -> None:
    """An experience with a queue that admits at once."""
    document = raw_document(id=name, paths=[raw_path(distribution={"release_rate_per_minute": 6_000} | queue)])
    async with room.control() as control:
        answer = await control.put(f"/v1/control/experiences/{name}", json=document)
    assert answer.status_code == 201, answer.text


async def admit_one(room: WaitingRoom, name: str) -> Admitted:
    """A new consumer joins by HTTP and asks until the admission is there."""
    async with room.client() as client:
        session = (await client.post("/v1/session", json={})).json()["session"]
        client.headers["Authorization"] = f"Bearer {session}"
        client.cookies.clear()
        joined = await client.post(f"/v1/experiences/{name}/commands", json={"type": "join"})
        assert joined.status_code == 200, joined.text
        return await told_admitted(client, name)


async def told_admitted(client: httpx.AsyncClient, name: str) -> Admitted:
    """Ask for the status until it has the ``admitted`` frame."""
    for _ in range(ATTEMPTS_MAX):
        status = (await client.get(f"/v1/experiences/{name}/status")).json()
        for frame in status["frames"]:
            if frame["type"] == "admitted":
                return Admitted(frame["admission"], frame["pass"], frame["expires_at"])
        await asyncio.sleep(POLL_S)
    raise AssertionError("nobody was admitted")


async def verify(room: WaitingRoom, name: str, pass_: str, gateway: int = 0) -> httpx.Response:
    async with room.client(gateway) as client:
        return await client.get("/v1/verify", params={"experience": name}, headers={"Stanchion-Pass": pass_})


async def verified(room: WaitingRoom, name: str, pass_: str, gateway: int, status: int) -> httpx.Response:
    """Ask a gateway until its replica has what makes it answer ``status``."""
    for _ in range(ATTEMPTS_MAX):
        answer = await verify(room, name, pass_, gateway)
        if answer.status_code == status:
            return answer
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"verify never answered {status}")


async def test_a_pass_is_redeemed_once(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "once")
    one = await admit_one(waiting_room, "once")
    address, keyed = f"/v1/admissions/{one.admission}/redeem", {"Idempotency-Key": "cart 1"}
    async with waiting_room.checkout(0) as shop, waiting_room.checkout(1) as other:
        first = await shop.post(address, headers=keyed)
        again = await other.post(address, headers=keyed)
        second = await other.post(address, headers={"Idempotency-Key": "cart 2"})
        without = await shop.post(address)
    assert first.status_code == again.status_code == 200
    assert first.json() | {"entry": ""} == again.json() | {"entry": ""}
    assert (first.json()["state"], first.json()["experience"], first.json()["ticket"]) == ("redeemed", "once", 0)
    assert [(answer.status_code, answer.json()["reason"]) for answer in (second, without)] == [
        (409, "already_done")
    ] * 2


async def test_an_order_is_completed(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "ordered")
    one = await admit_one(waiting_room, "ordered")
    address, keyed = f"/v1/admissions/{one.admission}/complete", {"Idempotency-Key": "order 7"}
    order = {"order_id": "7", "amount": "129.00", "currency": "EUR", "items": [{"sku": "42"}]}
    async with waiting_room.checkout() as shop:
        done = await shop.post(address, json=order, headers=keyed)
        reused = await shop.post(address, json=order | {"order_id": "8"}, headers=keyed)
        wrong = await shop.post(address, json=order | {"amount": 129})
        again = await shop.post(address)
        stats_key = await shop.get("/v1/control/experiences/ordered/stats")
    assert (done.status_code, done.json()["state"], done.json()["order_id"]) == (200, "completed", "7")
    assert (reused.status_code, reused.json()["reason"]) == (422, "key_reused")
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "amount")
    assert (again.status_code, again.json()["reason"]) == (409, "already_done")
    assert stats_key.status_code == 403
    async with waiting_room.control() as control:
        entry = {"entry": done.json()["entry"]}
        total = (await control.get("/v1/control/experiences/ordered/stats", params=entry)).json()["total"]
    assert (total["joined"], total["admitted"], total["active"], total["completed"]) == (1, 1, 0, 1)
    assert total["measured_per_minute"] == 1


async def test_an_extension_brings_a_new_pass(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "extended")
    one = await admit_one(waiting_room, "extended")
    address = f"/v1/admissions/{one.admission}/extend"
    async with waiting_room.checkout() as shop:
        moved = await shop.post(address, json={"seconds": 60}, params={"experience": "extended"})
        twice = await shop.post(address)
        long = await shop.post(address, json={"seconds": 601})
    assert moved.json()["expires_at"] == one.expires_at + 60_000
    assert moved.json()["pass"] != one.pass_
    assert (twice.status_code, twice.json()["reason"]) == (409, "already_done")
    assert long.status_code == 422
    checked = await verify(waiting_room, "extended", moved.json()["pass"])
    assert checked.headers["stanchion-expires"] == str(one.expires_at + 60_000)


async def test_verify_follows_the_admission(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "checked")
    await open_queue(waiting_room, "elsewhere")
    one = await admit_one(waiting_room, "checked")
    good = await verify(waiting_room, "checked", one.pass_)
    assert (good.status_code, good.headers["stanchion-admission"]) == (204, one.admission)
    assert good.headers["stanchion-checked"] == "admission"
    assert (await verify(waiting_room, "checked", one.pass_, gateway=1)).status_code == 204
    other = await verify(waiting_room, "elsewhere", one.pass_)
    assert (other.status_code, other.headers["stanchion-reason"]) == (401, "wrong_experience")
    assert other.headers["stanchion-room"] == f"{waiting_room.origins[0]}/r/elsewhere"
    async with waiting_room.checkout() as shop:
        released = await shop.post(f"/v1/admissions/{one.admission}/release")
    assert (released.status_code, released.json()["state"]) == (200, "left")
    for gateway in (0, 1):
        closed = await verified(waiting_room, "checked", one.pass_, gateway, 401)
        assert closed.headers["stanchion-reason"] == "closed"


async def test_a_pass_comes_in_four_ways_and_nothing_else_does(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "ways")
    one = await admit_one(waiting_room, "ways")
    address, query = "/v1/verify", {"experience": "ways"}
    head, body, signature = one.pass_.split(".")
    async with waiting_room.client() as client:
        ways = [
            await client.get(address, params=query, headers={"Authorization": f"Bearer {one.pass_}"}),
            await client.get(address, params=query, headers={"Stanchion-Pass": one.pass_}),
            await client.get(address, params=query, headers={"Cookie": f"stanchion_pass={one.pass_}"}),
            await client.get(address, params=query | {"stanchion_pass": one.pass_}),
        ]
        none = await client.get(address, params=query)
        sent_away = await client.get(address, params=query | {"redirect": "1"})
        changed = await verify(waiting_room, "ways", f"{head}.{body}.{signature[:-3]}AAA")
        cut = await verify(waiting_room, "ways", one.pass_ + ".")
        nameless = await client.get(address)
    assert [answer.status_code for answer in ways] == [204] * 4
    assert (none.status_code, none.headers["stanchion-reason"], none.headers["www-authenticate"]) == (
        401,
        "missing",
        "Bearer",
    )
    assert (sent_away.status_code, sent_away.headers["location"]) == (302, f"{waiting_room.origins[0]}/r/ways")
    assert changed.headers["stanchion-reason"] == "bad_signature"
    assert cut.headers["stanchion-reason"] == "malformed"
    assert nameless.status_code == 422


async def test_an_admission_that_nobody_knows(waiting_room: WaitingRoom) -> None:
    async with waiting_room.checkout() as shop:
        for admission in ("00" * 16, "zz", "00"):
            answer = await shop.post(f"/v1/admissions/{admission}/redeem")
            assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
        named = await shop.post(f"/v1/admissions/{'00' * 16}/redeem", params={"experience": "nowhere"})
        assert named.status_code == 404


async def test_a_ticket_is_admitted_or_refused_by_hand(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "hand", release_rate_per_minute=0)
    path = "/v1/control/experiences/hand/paths/general"
    async with waiting_room.client() as client, waiting_room.control() as control:
        for _ in range(3):
            session = (await client.post("/v1/session", json={})).json()["session"]
            client.cookies.clear()
            bearer = {"Authorization": f"Bearer {session}"}
            joined = await client.post("/v1/experiences/hand/commands", json={"type": "join"}, headers=bearer)
            assert joined.json()["type"] == "joined"
        admitted = await control.post(f"{path}/admit", json={"count": 1})
        refused = await control.post(f"{path}/tickets/1/refuse", json={"reason": "a robot"})
        twice = await control.post(f"{path}/tickets/1/refuse", json={"reason": "a robot"})
        rest = await control.post(f"{path}/admit", json={"count": 9})
        entry = {"entry": rest.json()["entry"]}
        stats = (await control.get("/v1/control/experiences/hand/stats", params=entry)).json()["paths"][0]
    assert admitted.json()["admitted"] == 1
    assert (refused.status_code, twice.status_code, twice.json()["reason"]) == (200, 409, "no_ticket")
    assert rest.json()["admitted"] == 1
    assert (stats["joined"], stats["waiting"], stats["admitted"], stats["measured_per_minute"]) == (3, 0, 2, 0)


@pytest.mark.slow
async def test_without_an_engine_only_the_signature_is_checked(waiting_room: WaitingRoom) -> None:
    await open_queue(waiting_room, "away")
    one = await admit_one(waiting_room, "away")
    path = "/v1/control/experiences/away/paths/general/pause"
    waiting_room.engine.kill()
    await checked_by(waiting_room, one.pass_, "signature")
    async with waiting_room.control() as control:
        refused = await control.post(path, headers={"Idempotency-Key": "pause"})
        assert (refused.status_code, refused.json()["reason"]) == (503, "engine_away")
        assert int(refused.headers["retry-after"]) >= 1
        waiting_room.engine.start()
        await checked_by(waiting_room, one.pass_, "admission")
        again = await come_back(control, path)
    assert again.status_code == 200


async def come_back(control: httpx.AsyncClient, address: str) -> httpx.Response:
    """Repeat a request with its key as long as the answer is that it may succeed later."""
    for _ in range(ATTEMPTS_MAX):
        answer = await control.post(address, headers={"Idempotency-Key": "pause"})
        if answer.status_code != 503:
            break
        await asyncio.sleep(POLL_S)
    return answer


async def checked_by(room: WaitingRoom, pass_: str, how: str) -> None:
    """Ask until the pass is checked by ``how``."""
    for _ in range(ATTEMPTS_MAX * 4):
        answer = await verify(room, "away", pass_)
        assert answer.status_code == 204, answer.text
        if answer.headers["stanchion-checked"] == how:
            return
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"the pass was never checked by {how}")
