"""Without a socket: polls, commands over HTTP, Server-Sent Events and the plain page keep the same place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.test_live_queue import make, operate
from tests.support.live import consumer, guest
from tests.support.waiting_room import WaitingRoom

HEAD_NAMES = ("content-type", "cache-control", "x-accel-buffering")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def events_of(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(id, frame) of each event of a stream."""
    entry = ""
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            entry = line[4:]
        elif line.startswith("data: "):
            yield entry, json.loads(line[6:])


async def test_a_poll_tells_what_a_socket_is_told(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "poll", release_rate_per_minute=0)
    async with waiting_room.client(0) as one, waiting_room.client(1) as other:
        token = await guest(one)
        bare = await one.get("/v1/experiences/poll/status", params={"join": "general"})
        assert bare.json()["welcome"]["session"]
        assert [frame["type"] for frame in bare.json()["frames"]] == ["phase", "stock"]
        first = await one.get("/v1/experiences/poll/status", params={"join": "general"}, headers=bearer(token))
        again = await other.get("/v1/experiences/poll/status", headers=bearer(token))
    for answer in (first, again):
        body = answer.json()
        kinds = [frame["type"] for frame in body["frames"]]
        assert kinds == ["joined", "position", "phase", "stock"]
        assert body["welcome"]["tickets"] == [{"path": "general", "state": "waiting", "ticket": 0}]
        assert body["poll_after_ms"] >= 1_000
        assert answer.headers["cache-control"] == "no-store"


async def test_commands_answer_with_the_frame_that_answers(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "act", release_rate_per_minute=0)
    address = "/v1/experiences/act/commands"
    async with waiting_room.client(0) as one, waiting_room.client(1) as other:
        token = await guest(one)
        async with consumer(waiting_room.origins[1], "act", token=token) as socket:
            await socket.until("phase")
            joined = await one.post(address, json={"type": "join", "ref": 5}, headers=bearer(token))
            await socket.until("joined", ticket=0)
        repeated = await other.post(address, json={"type": "join", "path": "general"}, headers=bearer(token))
        left = await other.post(address, json={"type": "leave", "path": "general", "ref": "l"}, headers=bearer(token))
        nothing = await one.post(address, json={"type": "leave", "path": "general", "ref": 9}, headers=bearer(token))
        pong = await one.post(address, json={"type": "ping"}, headers=bearer(token))
    assert (joined.json()["type"], joined.json()["ref"], joined.json()["ticket"]) == ("joined", 5, 0)
    assert (repeated.json()["type"], repeated.json()["ticket"]) == ("joined", 0)
    assert (left.json()["type"], left.json()["state"], left.json()["ref"]) == ("ticket", "left", "l")
    assert nothing.status_code == 409
    assert {"reason": "no_ticket", "ref": 9, "path": "general"}.items() <= nothing.json().items()
    assert pong.json()["type"] == "ok"


@pytest.mark.parametrize(
    ("content", "headers", "status", "reason"),
    [
        (b'{"type":"dance"}', {}, 400, "bad_frame"),
        (b"{", {}, 422, "invalid"),
        (b'{"type":"ping","x":"' + b"a" * 5_000 + b'"}', {}, 413, "too_large"),
        (b'{"type":"ping"}', {"Origin": "https://evil.example"}, 403, "bad_origin"),
        (b'{"type":"ping"}', {"Authorization": "Bearer x"}, 401, "bad_token"),
    ],
)
async def test_commands_that_are_refused(
    waiting_room: WaitingRoom, content: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    name = f"no-{reason.replace('_', '-')}-{status}"
    await make(waiting_room, name, release_rate_per_minute=0)
    async with waiting_room.client() as client:
        token = await guest(client)
        answer = await client.post(f"/v1/experiences/{name}/commands", content=content, headers=bearer(token) | headers)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_commands_need_a_session(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "needs", release_rate_per_minute=0)
    async with waiting_room.client() as client:
        answer = await client.post("/v1/experiences/needs/commands", json={"type": "join"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "bad_token")


async def test_an_event_stream_tells_the_same_frames(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "sse", release_rate_per_minute=0)
    async with waiting_room.client() as client:
        token = await guest(client)
        address = "/v1/experiences/sse/events"
        async with client.stream("GET", address, params={"join": ""}, headers=bearer(token)) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kinds = []
            async for entry, frame in events_of(answer):
                assert entry.partition("-")[2].isdecimal()
                kinds.append(frame["type"])
                if frame["type"] == "stock":
                    await operate(waiting_room, "sse", "paths/general/admit", count=1)
                if frame["type"] == "admitted":
                    break
    firsts = list(dict.fromkeys(kinds))  # a state may be told again at any time
    assert firsts == ["welcome", "joined", "position", "phase", "stock", "admitted"]


async def test_only_the_head_of_an_event_stream_ends_with_it(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "sse-head", release_rate_per_minute=0)
    address = "/v1/experiences/sse-head/events"
    async with waiting_room.client() as client, asyncio.timeout(10):
        token = await guest(client)
        head = await client.head(address, params={"join": ""}, headers=bearer(token))
        async with client.stream("GET", address, headers=bearer(token)) as stream:
            assert {name: head.headers[name] for name in HEAD_NAMES} == {
                name: stream.headers[name] for name in HEAD_NAMES
            }
            assert "content-length" not in head.headers
        forged = await client.head(address, headers=bearer("x"))
        public = (await client.get("/v1/experiences/sse-head")).json()
    assert (head.status_code, head.content, forged.status_code) == (200, b"", 401)
    assert public["paths"][0]["waiting"] == 0


async def test_an_image_on_another_page_joins_nobody(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "image", release_rate_per_minute=0)
    async with waiting_room.client() as client:
        token = await guest(client)
        headers = bearer(token) | {"Sec-Fetch-Site": "cross-site"}
        answer = await client.get("/v1/experiences/image/status", params={"join": ""}, headers=headers)
        public = (await client.get("/v1/experiences/image")).json()
    assert answer.json()["welcome"]["tickets"] == []
    assert public["paths"][0]["waiting"] == 0
    assert "stock" not in public["products"][0]["variants"][0]


async def test_the_plain_page_joins_by_a_form(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "plain", release_rate_per_minute=0)
    async with waiting_room.client() as client:
        before = await client.get("/r/plain/plain")
        assert "Join the line" in before.text
        assert "set-cookie" not in before.headers
        answer = await client.post("/r/plain/plain", data={"action": "join"})
        assert answer.status_code == 303
        waiting = await client.get("/r/plain/plain")
        assert "people ahead of you" in waiting.text
        await operate(waiting_room, "plain", "paths/general/admit", count=1)
        admitted = await client.get("/r/plain/plain")
        assert 'href="https://shop.example/checkout?stanchion_pass=' in admitted.text
        await client.post("/r/plain/plain", data={"action": "decline", "path": "general"})
        assert "You have left" in (await client.get("/r/plain/plain")).text
        elsewhere = await client.post("/r/plain/plain", headers={"Origin": "https://evil.example"})
        assert elsewhere.status_code == 403
