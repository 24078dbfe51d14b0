"""Endpoints as values: what a table says of key, body and methods is what is enforced."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any

import httpx
import pytest
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.responses import Response

from gateway import endpoints
from gateway.api_keys import Scope, known_keys
from gateway.endpoints import KEY_LENGTH_MAX, Call, Endpoint, json_answer, routes
from gateway.problems import too_slow, wrong_method
from protocol.refusals import Reason, Refusal

KEYS = known_keys("control_0123456789abcdef", "checkout_0123456789abcdef")
CONTROL = {"Authorization": "Bearer control_0123456789abcdef"}
CHECKOUT = {"Authorization": "Bearer checkout_0123456789abcdef"}


class Content(Struct, frozen=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1)]
    name: str = "none"


async def tell(call: Call) -> Response | Refusal:
    if call.body == Content(13):
        return Refusal(Reason.FULL, {"path": "general"})
    return json_answer({"actor": call.actor, "key": call.key, "body": call.body})


TABLE = (
    Endpoint(method="GET", path="/thing", handler=tell, summary="Read it", tag="t"),
    Endpoint(
        method="PUT",
        path="/thing",
        handler=tell,
        summary="Put it",
        tag="t",
        scope=Scope.ADMIN,
        takes=Content,
        keyed=True,
    ),
    Endpoint(method="POST", path="/raw", handler=tell, summary="?", tag="t", takes=Content, checked=False),
    Endpoint(method="POST", path="/small", handler=tell, summary="?", tag="t", takes=Content, body_bytes_max=20),
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=routes(TABLE, KEYS), exception_handlers={405: wrong_method})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as made:
        yield made


async def test_a_handler_gets_actor_key_and_checked_body(client: httpx.AsyncClient) -> None:
    answer = await client.put("/thing", json={"count": 2}, headers={**CONTROL, "Idempotency-Key": "k"})
    assert answer.json() == {"actor": "control", "key": "k", "body": {"count": 2, "name": "none"}}
    assert answer.headers["cache-control"] == "no-store"


async def test_what_is_not_taken_does_not_arrive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/thing", headers={**CONTROL, "Idempotency-Key": "k"})
    assert answer.json() == {"actor": "", "key": "", "body": None}
    assert (await client.head("/thing")).status_code == 200


async def test_without_a_key_nothing_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.put("/thing", content=b"not json")).status_code == 401
    assert (await client.put("/thing", json={"count": 2}, headers=CHECKOUT)).status_code == 403


async def test_every_error_of_a_body_is_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.put("/thing", json={"count": 0, "nam": 1}, headers=CONTROL)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["nam", "count"]
    assert answer.json()["instance"] == "/thing"


@pytest.mark.parametrize(
    "content", [b"{", b"[" * 20_000, b'{"count": \xff}', b"\x00", b'{"count":1e999}', b"[]", b"null"]
)
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.put("/thing", content=content, headers=CONTROL)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid")


async def test_an_empty_body_is_an_empty_object(client: httpx.AsyncClient) -> None:
    answer = await client.put("/thing", headers=CONTROL)
    assert answer.json()["errors"] == [{"path": "count", "message": "is required"}]


async def test_a_handler_may_check_for_itself(client: httpx.AsyncClient) -> None:
    assert (await client.post("/raw", json={"anything": [1]})).json()["body"] == {"anything": [1]}
    assert (await client.post("/raw", content=b"{")).status_code == 422


async def test_too_large_is_seen_with_and_without_a_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 10

    announced = await client.post("/small", content=b" " * 21)
    streamed = await client.post("/small", content=chunks())
    for answer in (announced, streamed):
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    assert (await client.post("/small", json={"count": 2})).status_code == 200


async def test_nobody_waits_for_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "BODY_S_MAX", 0.01)
    app = Starlette(routes=routes(TABLE, KEYS), exception_handlers={408: too_slow})
    head = {"type": "http", "method": "POST", "path": "/raw", "query_string": b"", "headers": []}
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async with asyncio.timeout(10):
        await app(head, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_key_for_repeats_has_a_bound(client: httpx.AsyncClient) -> None:
    headers = {**CONTROL, "Idempotency-Key": "k" * (KEY_LENGTH_MAX + 1)}
    answer = await client.put("/thing", json={"count": 2}, headers=headers)
    assert answer.json()["errors"][0]["path"] == "Idempotency-Key"


async def test_a_refusal_becomes_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.put("/thing", json={"count": 13}, headers=CONTROL)
    assert (answer.status_code, answer.json()["reason"], answer.json()["path"]) == (409, "full", "general")


async def test_a_405_names_every_method(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/thing")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT"}


def test_the_same_address_and_method_twice_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="twice"):
        routes([TABLE[0], TABLE[0]], KEYS)


def test_a_table_tells_all_its_refusals() -> None:
    expected = [Reason.BAD_KEY, Reason.NOT_ALLOWED, Reason.INVALID, Reason.KEY_REUSED, Reason.TOO_LARGE]
    assert TABLE[1].all_refusals == expected
    assert TABLE[0].all_refusals == []
