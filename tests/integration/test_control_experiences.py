"""The control endpoints against the real parts: a change is answered once the engine has applied it, and is seen
everywhere."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import redis

from protocol.streams import FIELD_EXPERIENCE, experiences_key, shard_of, wake_key
from tests.support.samples import raw_document, raw_path, raw_product, raw_variant
from tests.support.valkey import ValkeyProcess
from tests.support.waiting_room import WaitingRoom


def experience_of(name: str, **queue: Any) -> dict[str, Any]:
    """A document with one queue and one variant of which there are ten."""
    product = raw_product(raw_variant(stock=10))
    return raw_document(id=name, products=[product], paths=[raw_path(distribution=queue)])


async def put(control: httpx.AsyncClient, document: dict[str, Any], **headers: str) -> httpx.Response:
    return await control.put(f"/v1/control/experiences/{document['id']}", json=document, headers=headers)


def address(name: str, rest: str = "") -> str:
    return f"/v1/control/experiences/{name}{rest}"


async def test_put_twice_is_the_same_as_once(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control() as control:
        first = await put(control, experience_of("twice"))
        again = await put(control, experience_of("twice"))
        listed = (await control.get(address("").rstrip("/"))).json()["experiences"]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["revision"] == again.json()["revision"] == 1
    assert (first.json()["phase"], first.json()["warnings"]) == ("open", [])
    assert {"id": "twice", "name": "Sneaker drop", "phase": "open", "revision": 1} in listed


async def test_only_the_document_that_made_it_is_told_201(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control(0) as one, waiting_room.control(1) as other:
        documents = [experience_of("race") | {"name": name} for name in "abc"]
        answers = await asyncio.gather(
            *(put(control, document) for control, document in zip((one, other, one), documents, strict=True))
        )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201]


async def test_what_was_half_made_is_made_known(waiting_room: WaitingRoom, valkey_process: ValkeyProcess) -> None:
    shard = shard_of("half")
    with redis.Redis.from_url(valkey_process.url) as store:
        store.sadd(experiences_key(shard), "half")
        async with waiting_room.control() as control:
            assert (await control.get(address("half"))).status_code == 404
            assert (await put(control, experience_of("half"))).status_code == 201
        wakes: Any = store.xrange(wake_key(shard))
    assert b"half" in {fields[FIELD_EXPERIENCE] for _, fields in wakes}


async def test_what_get_returns_can_be_put_back(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control() as control:
        await put(control, experience_of("back"))
        got = (await control.get(address("back"))).json()
        answer = await put(control, got | {"name": "Another name"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["revision"]) == ("Another name", 2)


async def test_an_appointment_is_shown_as_it_was_written_and_can_be_put_back(waiting_room: WaitingRoom) -> None:
    windows = [{"date": "2030-10-27", "from": "10:00", "to": "18:00"}]
    path = {"id": "fitting", "distribution": {"kind": "appointment", "windows": windows}}
    async with waiting_room.control() as control:
        await put(control, raw_document(id="slots", paths=[path], time_zone="Europe/Berlin"))
        got = (await control.get(address("slots"))).json()
        answer = await put(control, got)
    shown = got["paths"][0]["distribution"]
    assert (shown["kind"], shown["windows"], "starts" in shown) == ("appointment", windows, False)
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)


async def test_every_error_of_a_document_is_told(waiting_room: WaitingRoom) -> None:
    wrong = experience_of("wrong", release_rate_per_minute=-1, capacity="many") | {"nmae": "x", "paths_": []}
    async with waiting_room.control() as control:
        answer = await put(control, wrong)
        other = await control.put(address("other"), json=experience_of("wrong"))
        missing = await control.get(address("wrong"))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {error["path"] for error in answer.json()["errors"]} == {
        "nmae",
        "paths_",
        "paths[0].distribution.release_rate_per_minute",
        "paths[0].distribution.capacity",
    }
    assert [error["path"] for error in other.json()["errors"]] == ["id"]
    assert missing.status_code == 404


async def test_a_warning_is_no_refusal(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control() as control:
        answer = await put(control, experience_of("warned", release_rate_per_minute=0))
    assert answer.status_code == 201
    assert answer.json()["warnings"][0]["path"] == "paths[0].distribution.release_rate_per_minute"


async def test_keys_have_their_scopes(waiting_room: WaitingRoom) -> None:
    document = experience_of("keys")
    async with waiting_room.client() as nobody, waiting_room.checkout() as shop, waiting_room.client(0, "x") as wrong:
        assert [(await put(client, document)).status_code for client in (nobody, wrong, shop)] == [401, 401, 403]


async def test_a_change_is_seen_at_the_other_gateway(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control(0) as one, waiting_room.control(1) as other:
        made = (await put(one, experience_of("seen"))).json()
        known = await other.get(address("seen"), headers={"Stanchion-Entry": made["entry"]})
        changed = (await other.patch(address("seen", "/paths/general"), json={"release_rate_per_minute": 7})).json()
        read = await one.get(address("seen"), params={"entry": changed["entry"]})
    assert known.json()["revision"] == 1
    assert changed["revision"] == 2
    assert read.json()["paths"][0]["distribution"]["release_rate_per_minute"] == 7


async def test_limits_change_while_it_runs(waiting_room: WaitingRoom) -> None:
    path = address("limits", "/paths/general")
    async with waiting_room.control() as control:
        await put(control, experience_of("limits"))
        await control.patch(path, json={"max_active": 5, "max_admissions": 9})
        await control.patch(path, json={"max_active": None, "paused": True})
        await control.patch(address("limits"), json={"release_rate_per_minute": 60, "max_active": 3})
        got = (await control.get(address("limits"))).json()
        stats = (await control.get(address("limits", "/stats"))).json()
    distribution = got["paths"][0]["distribution"]
    assert (distribution["release_rate_per_minute"], distribution["max_active"]) == (600, None)
    assert (distribution["max_admissions"], stats["paths"][0]["paused"]) == (9, True)
    assert (got["release_rate_per_minute"], got["max_active"], got["max_admissions"]) == (60, 3, None)


@pytest.mark.parametrize(
    ("body", "where"),
    [({}, "$"), ({"rate": 5}, "rate"), ({"release_rate_per_minute": None}, "release_rate_per_minute"), ([], "$")],
)
async def test_a_patch_that_says_nothing_sensible(waiting_room: WaitingRoom, body: Any, where: str) -> None:
    async with waiting_room.control() as control:
        await put(control, experience_of("patched"))
        answer = await control.patch(address("patched", "/paths/general"), json=body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, where)


async def test_a_path_is_steered_by_hand(waiting_room: WaitingRoom) -> None:
    async def after(word: str) -> tuple[int, str, bool]:
        answer = await control.post(address("steered", f"/paths/general/{word}"))
        stats = await control.get(address("steered", "/stats"), params={"entry": answer.json().get("entry", "0-0")})
        path = stats.json()["paths"][0]
        return answer.status_code, path["phase"], path["paused"]

    document = experience_of("steered")
    document["paths"][0]["opens_at"] = 4_000_000_000_000
    async with waiting_room.control() as control:
        assert (await put(control, document)).json()["phase"] == "scheduled"
        assert await after("open") == (200, "open", False)
        assert await after("pause") == (200, "open", True)
        assert await after("resume") == (200, "open", False)
        assert (await after("close"))[0] == 200
        assert await after("end") == (200, "ended", False)
        refused = await control.post(address("steered", "/paths/general/open"))
        nowhere = await control.post(address("steered", "/paths/nowhere/open"))
    assert (refused.status_code, refused.json()["reason"]) == (409, "closed")
    assert (nowhere.status_code, nowhere.json()["path"]) == (404, "nowhere")


async def test_stock_is_set_and_added_to(waiting_room: WaitingRoom) -> None:
    variant = address("stocked", "/products/runner/variants/42")
    async with waiting_room.control() as control:
        await put(control, experience_of("stocked"))
        added = (await control.patch(variant, json={"add": 5})).json()
        taken = (await control.patch(variant, json={"stock": 2})).json()
        below = await control.patch(variant, json={"add": -3})
        both = await control.patch(variant, json={"add": 1, "stock": 1})
        unknown = await control.patch(address("stocked", "/products/runner/variants/43"), json={"add": 1})
        stats = (await control.get(address("stocked", "/stats"), params={"entry": taken["entry"]})).json()
    assert (added["stock"], taken["stock"], taken["reserved"], taken["completed"]) == (15, 2, 0, 0)
    assert (below.status_code, below.json()["reason"]) == (409, "stock_below_sold")
    assert (both.status_code, unknown.status_code) == (422, 404)
    assert stats["stock"]["42"]["total"] == 2


async def test_the_same_key_is_the_same_change(waiting_room: WaitingRoom) -> None:
    variant, keyed = address("keyed", "/products/runner/variants/42"), {"Idempotency-Key": "add five"}
    async with waiting_room.control(0) as one, waiting_room.control(1) as other:
        made = await put(one, experience_of("keyed"), **{"Idempotency-Key": "made"})
        again = await put(one, experience_of("keyed"), **{"Idempotency-Key": "made"})
        first = await one.patch(variant, json={"add": 5}, headers=keyed)
        entry = {"entry": first.json()["entry"]}
        second = await other.patch(variant, json={"add": 5}, headers=keyed, params=entry)
        reused = await other.patch(variant, json={"add": 6}, headers=keyed)
    assert (made.status_code, again.status_code) == (201, 200)
    assert first.json()["stock"] == second.json()["stock"] == 15
    assert (reused.status_code, reused.json()["reason"]) == (422, "key_reused")


async def test_a_key_is_of_one_patch_of_a_path(waiting_room: WaitingRoom) -> None:
    path = address("patched", "/paths/general")
    patches = [("k", {"paused": True}), ("k", {"max_active": 7}), ("l", {"max_active": 9}), ("m", {"paused": False})]
    patches += [("l", {"max_active": 9, "paused": True}), ("n", {"max_active": 5, "paused": True})]
    async with waiting_room.control() as control:
        await put(control, experience_of("patched"))
        answers = [await control.patch(path, json=patch, headers={"Idempotency-Key": key}) for key, patch in patches]
        stats = (await control.get(address("patched", "/stats"))).json()
    assert [answer.status_code for answer in answers] == [200, 422, 200, 200, 422, 200]
    assert stats["paths"][0]["paused"]


async def test_what_is_not_there_is_said_so(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control() as control:
        await put(control, experience_of("there"))
        assert (await control.get(address("nowhere", "/stats"))).status_code == 404
        assert (await control.get(address("Not a slug:events"))).status_code == 404
        assert (await control.post(address("nowhere", "/notice"), json={"text": "hello"})).status_code == 404
        assert (await control.get("/v1/nothing")).json()["reason"] == "not_found"
        for ticket in ("0", "9" * 15, "9" * 5_000, "x"):
            refuse = address("there", f"/paths/general/tickets/{ticket}/refuse")
            assert (await control.post(refuse, json={"reason": "no"})).status_code == 404
        deleted = await control.delete(address("there"))
        assert (deleted.status_code, deleted.json()["reason"]) == (405, "bad_method")
        assert {"GET", "PUT", "PATCH"} <= set(deleted.headers["allow"].split(", "))


async def test_bodies_have_a_bound(waiting_room: WaitingRoom) -> None:
    async with waiting_room.control() as control:
        await put(control, experience_of("bounded"))
        notice = await control.post(address("bounded", "/notice"), content=b" " * (64 * 1_024 + 1))
        document = await control.put(address("bounded"), content=b" " * (1_024 * 1_024 + 1))
        broken = await control.put(address("bounded"), content=b'{"id": ')
        posted = await control.post(address("bounded", "/notice"), json={"text": "We begin soon", "level": "info"})
    assert [answer.status_code for answer in (notice, document)] == [413, 413]
    assert (broken.status_code, broken.json()["errors"][0]["path"]) == (422, "$")
    assert posted.status_code == 200


async def test_the_openapi_document_has_every_endpoint(waiting_room: WaitingRoom) -> None:
    async with waiting_room.client() as client:
        whole = (await client.get("/openapi.json")).json()
    paths = whole["paths"]
    assert {"get", "put", "patch"} <= set(paths["/v1/control/experiences/{experience}"])
    for expected in (
        "/v1/session",
        "/v1/experiences/{experience}",
        "/v1/experiences/{experience}/status",
        "/v1/experiences/{experience}/commands",
        "/v1/experiences/{experience}/events",
        "/v1/experiences/{experience}/live",
        "/v1/admissions/{admission}/redeem",
        "/v1/verify",
        "/.well-known/jwks.json",
        "/readyz",
    ):
        assert expected in paths
    assert paths["/v1/experiences/{experience}/live"]["get"]["responses"].keys() >= {"101", "401", "404", "503"}
    for operations in paths.values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["responses"]


async def test_machines_are_answered(waiting_room: WaitingRoom) -> None:
    async with waiting_room.client() as client:
        assert (await client.get("/healthz")).json()["status"] == "alive"
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert (await client.get("/metrics")).headers["content-type"].startswith("text/plain")
        keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert [key["alg"] for key in keys] == ["EdDSA"]
