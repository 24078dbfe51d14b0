"""At the door: what is wrong is refused with its documented answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.exceptions

from gateway.arrivals import SOCKETS_PER_CONSUMER_MAX
from protocol.sessions import Session, sign_session
from tests.integration.test_live_queue import make
from tests.support.live import Consumer, consumer, guest
from tests.support.waiting_room import WaitingRoom


async def refused(room: WaitingRoom, experience: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and problem document of a handshake that fails."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        async with consumer(room.origins[0], experience, **options):
            raise AssertionError("the handshake succeeded")
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)


async def present(one: Consumer) -> None:
    await one.until("phase")


async def still_there(one: Consumer) -> None:
    await one.send(type="ping", ref="still")
    await one.until("ok", ref="still")


async def test_handshakes_that_are_refused(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "door", release_rate_per_minute=0)
    key = bytes.fromhex(waiting_room.secrets.session_key_file.read_text().strip())
    now = int(time.time())
    expired = sign_session(Session(os.urandom(16), 0, now - 10, now - 1), key)
    forged = sign_session(Session(os.urandom(16), 0, now, now + 60), bytes(32))
    async with consumer(waiting_room.origins[0], "door") as other:
        await present(other)
        status, problem = await refused(waiting_room, "nowhere")
        assert (status, problem["reason"]) == (404, "not_found")
        for token in (expired, forged, "nonsense"):
            status, problem = await refused(waiting_room, "door", token=token)
            assert (status, problem["reason"], problem["temporary"]) == (401, "bad_token", False)
        status, problem = await refused(waiting_room, "door", headers={"Origin": "https://evil.example"})
        assert (status, problem["reason"]) == (403, "bad_origin")
        await still_there(other)


async def test_one_consumer_has_so_many_sockets_and_no_more(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "many", release_rate_per_minute=0)
    async with waiting_room.client() as client, contextlib.AsyncExitStack() as stack:
        token = await guest(client)
        for _ in range(SOCKETS_PER_CONSUMER_MAX):
            last = await stack.enter_async_context(consumer(waiting_room.origins[0], "many", token=token))
        await present(last)
        status, problem = await refused(waiting_room, "many", token=token)
        assert (status, problem["reason"], problem["temporary"]) == (429, "too_many", True)
        async with consumer(waiting_room.origins[0], "many") as other:
            await present(other)


async def test_the_own_origin_is_fine(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "own", release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], "own", headers={"Origin": waiting_room.origins[0]}) as one:
        await present(one)


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("{", "truncated"),
        ('{"type":"dance","ref":"r"}', "dance"),
        ('{"type":"leave","ref":"r"}', "path"),
        ('{"type":"leave","path":7,"ref":"r"}', "path"),
        ("[" * 2000, ""),
        (b"\x00\x01", "binary"),
    ],
)
async def test_a_bad_frame_is_answered_and_the_socket_lives(
    waiting_room: WaitingRoom, message: str | bytes, detail: str
) -> None:
    name = f"frames-{abs(hash(message)) % 10**8}"
    await make(waiting_room, name, release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], name) as one:
        await present(one)
        await one.connection.send(message)
        error = await one.until("error")
        assert (error["reason"], error["temporary"]) == ("bad_frame", False)
        assert detail in error["detail"]
        assert ("ping" in error.get("allowed", "")) is (detail == "dance")
        assert ("ref" in error) is ('"ref"' in str(message))
        await still_there(one)


async def test_a_path_that_is_none(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "paths", release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], "paths") as one:
        await present(one)
        for kind in ("join", "leave", "watch"):
            await one.send(type=kind, path="nowhere", ref=kind)
            error = await one.until("error", ref=kind)
            assert (error["reason"], error["path"]) == ("not_found", "nowhere")


async def test_a_huge_message_ends_its_socket_alone(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "huge", release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], "huge") as one, consumer(waiting_room.origins[0], "huge") as other:
        await present(one)
        await present(other)
        await one.connection.send("x" * 2**20)
        assert await one.closed() == 1009
        await still_there(other)


async def test_who_never_stops_talking_is_shown_out(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "talk", release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], "talk") as one, consumer(waiting_room.origins[0], "talk") as other:
        await present(one)
        await present(other)
        for _ in range(100):
            await one.send(type="ping")
        assert await one.closed() == 4529
        assert one.told("error")[-1]["reason"] == "too_many"
        await still_there(other)


async def test_a_bare_handshake_joins_nobody(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "bare", release_rate_per_minute=0)
    async with consumer(waiting_room.origins[0], "bare", join=["general"]) as one:
        welcome = await one.next()
        assert (welcome["tickets"], welcome["experience"]["paths"][0]["waiting"]) == ([], 0)
        await present(one)
        await one.send(type="join", path="general")
        assert (await one.until("joined"))["ticket"] == 0
    async with consumer(waiting_room.origins[0], "bare", token=welcome["session"]) as again:
        assert (await again.until("joined"))["ticket"] == 0


async def test_a_cookie_and_a_subprotocol_are_sessions_too(waiting_room: WaitingRoom) -> None:
    await make(waiting_room, "ways", release_rate_per_minute=0)
    async with waiting_room.client() as client:
        token = await guest(client)
    cookie = {"Cookie": f"stanchion_session={token}"}
    async with consumer(waiting_room.origins[0], "ways", headers=cookie, join=["general"]) as one:
        first = await one.next()
    address = f"{waiting_room.origins[0].replace('http', 'ws')}/v1/experiences/ways/live"
    async with websockets.asyncio.client.connect(
        address,
        subprotocols=["stanchion.v1", f"bearer.{token}"],  # type: ignore[list-item]
        compression=None,
        proxy=None,
    ) as connection:
        assert connection.subprotocol == "stanchion.v1"
        second = json.loads(await connection.recv())
    assert first["consumer"] == second["consumer"]


async def test_a_head_without_end_is_cut(waiting_room: WaitingRoom) -> None:
    host, port = waiting_room.origins[0].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 8_000)
    await writer.drain()
    writer.write(b"a" * 40_000)
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 431 ")
    writer.close()
    await writer.wait_closed()
