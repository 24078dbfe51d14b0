"""Parts die and come back: whoever was told a place keeps it, sockets stay where they can, and pages come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import websockets.exceptions

from loadtests.ports import free_port
from tests.integration.test_live_queue import make, operate, tokens
from tests.support.live import Consumer, consumer
from tests.support.proxy import proxy_between
from tests.support.valkey import ValkeyProcess
from tests.support.waiting_room import GATEWAYS, Role, WaitingRoom, wait_until_ready


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """A store that only these tests kill."""
    store = ValkeyProcess(tmp_path_factory.mktemp("own") / "data")
    store.start()
    yield store
    store.stop()


@pytest.fixture(scope="module")
def room(own_store: ValkeyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaitingRoom]:
    """A waiting room on it."""
    made = WaitingRoom(own_store.url, tmp_path_factory.mktemp("outage"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def comes_back(one: Consumer) -> None:
    """The outage, which it was told of, is told to be over."""
    while "paused" in one.told("phase")[-1]:
        await one.until("phase", path="general")


async def test_an_engine_that_dies_pauses_and_nobody_loses_a_place(room: WaitingRoom) -> None:
    await make(room, "engine", release_rate_per_minute=0)
    first, second = await tokens(room, 2)
    async with consumer(room.origins[0], "engine", token=first, join=["general"]) as one:
        await one.until("joined", ticket=0)
        room.engine.kill()
        await one.send(type="leave", path="general", ref="l")
        await one.until("phase", paused="outage")
        await one.send(type="join", path="general", ref="no")
        refused = await one.until("error", ref="no")
        assert (refused["reason"], refused["temporary"]) == ("engine_away", True)
        assert refused["retry_after_ms"] > 0
        async with consumer(room.origins[0], "engine", token=second, join=["general"]) as late:
            await late.until("phase", paused="outage")
            room.engine.start()
            await one.until("ticket", state="left", ref="l")
            assert (await late.until("joined"))["ticket"] == 1
            await comes_back(late)
        await comes_back(one)


async def test_a_gateway_that_dies_is_another_gateway_away(room: WaitingRoom) -> None:
    await make(room, "gateway", release_rate_per_minute=0)
    (token,) = await tokens(room, 1)
    async with consumer(room.origins[0], "gateway", token=token, join=["general"]) as one:
        joined = await one.until("joined")
        room.gateways[0].kill()
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            await one.until("never")
        async with consumer(room.origins[1], "gateway", token=token, join=["general"]) as elsewhere:
            again = await elsewhere.until("joined")
        room.gateways[0].start()
        await asyncio.to_thread(wait_until_ready, room.origins[0])
        async with consumer(room.origins[0], "gateway", token=token, join=["general"]) as back:
            assert (await back.until("joined"))["receipt"] == joined["receipt"] == again["receipt"]


async def test_a_store_that_dies_is_waited_for(room: WaitingRoom, own_store: ValkeyProcess) -> None:
    await make(room, "store", release_rate_per_minute=0)
    first, second = await tokens(room, 2)
    async with (
        consumer(room.origins[0], "store", token=first, join=["general"]) as one,
        consumer(room.origins[1], "store", token=second, join=["general"]) as other,
    ):
        for socket in (one, other):
            await socket.until("position")
        own_store.kill()
        for socket in (one, other):
            await socket.until("phase", paused="outage")
        async with room.client() as client:
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/v1/experiences/unknown")).status_code == 503
        await asyncio.to_thread(own_store.start)
        for socket in (one, other):
            await comes_back(socket)
        await operate(room, "store", "paths/general/admit", count=2)
        for socket in (one, other):
            await socket.until("admitted")
        assert not one.told("ticket") and not other.told("ticket")


@pytest.mark.parametrize(
    ("why", "refuse", "take"),
    [
        ("memory", ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        ("readonly", ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
)
@pytest.mark.parametrize("rate", [0, 6_000])
async def test_a_store_that_takes_no_writes_is_waited_for(
    room: WaitingRoom, own_store: ValkeyProcess, rate: int, why: str, refuse: tuple[str, ...], take: tuple[str, ...]
) -> None:
    name = f"{why}-{rate}"
    await make(room, name, release_rate_per_minute=rate, max_active=1)
    first, second = await tokens(room, 2)
    async with (
        consumer(room.origins[0], name, token=first, join=["general"]) as one,
        consumer(room.origins[1], name, token=second, watch=["general"]) as other,
    ):
        await one.until("admitted" if rate else "position")
        with redis.Redis.from_url(own_store.url) as store:
            store.execute_command(*refuse)
        for socket, kept in ((one, "decline" if rate else "leave"), (other, "join")):
            await socket.send(type=kept, path="general", ref="kept")  # each gateway notices by itself, in its own time
        for socket in (one, other):
            await socket.until("phase", paused="outage")
            await socket.send(type="join", path="general", ref="no")
            refused = await socket.until("error", ref="no")
            assert (refused["reason"], refused["temporary"]) == ("engine_away", True)
        with redis.Redis.from_url(own_store.url) as store:
            store.execute_command(*take)
        assert (await other.until("joined", ref="kept"))["ticket"] == 1
        await one.until("ticket", state="left")
        for socket in (one, other):
            await comes_back(socket)
            assert not socket.told("reconnect")


async def test_a_gateway_whose_connections_are_reset_makes_new_ones(
    room: WaitingRoom, own_store: ValkeyProcess, tmp_path: Path
) -> None:
    await make(room, "reset", release_rate_per_minute=0)
    (token,) = await tokens(room, 1)
    port, proxied = free_port(), free_port()
    environment = room.environment(GATEWAYS, port) | {"STANCHION_REDIS_URL": f"redis://127.0.0.1:{proxied}/0"}
    gateway = Role("gateway", environment, tmp_path / "gateway.log")
    with proxy_between(proxied, own_store.server.port) as proxy:
        gateway.start()
        try:
            origin = f"http://127.0.0.1:{port}"
            await asyncio.to_thread(wait_until_ready, origin)
            async with consumer(origin, "reset", token=token, join=["general"]) as one:
                await one.until("position")
                proxy.become("cut")
                await one.send(type="leave", path="general", ref="l")
                await one.until("phase", paused="outage")
                proxy.become("flow")
                await one.until("ticket", state="left", ref="l")
                await comes_back(one)
        finally:
            gateway.stop()
    assert "task_failed" not in (tmp_path / "gateway.log").read_text()


async def test_leaving_in_order(room: WaitingRoom) -> None:
    await make(room, "drain", release_rate_per_minute=0)
    (token,) = await tokens(room, 1)
    async with consumer(room.origins[1], "drain", token=token, join=["general"]) as one:
        joined = await one.until("joined")
        await asyncio.to_thread(room.gateways[1].stop)
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            await one.until("never")
        assert one.told("reconnect")[0]["after_ms"] >= 100
        assert one.connection.close_code == 1012
        assert room.gateways[1].process is not None
        assert room.gateways[1].process.returncode == 0
    async with consumer(room.origins[0], "drain", token=token, join=["general"]) as again:
        assert (await again.until("joined"))["receipt"] == joined["receipt"]
    room.gateways[1].start()
    await asyncio.to_thread(wait_until_ready, room.origins[1])


def test_logs_hold_no_token(room: WaitingRoom, tmp_path_factory: pytest.TempPathFactory) -> None:
    logs = Path(tmp_path_factory.getbasetemp()).glob("outage*/gateway-*.log")
    texts = [log.read_text() for log in logs]
    assert texts and not any("bearer" in text.lower() or "join=" in text for text in texts)
