"""The gateway's reader at a real store, with a log written by hand: catching up, following, and logs that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
import redis.asyncio
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.hub import Hub
from gateway.io import store
from gateway.io.lookups import Lookups
from gateway.pass_keys import PassKeys
from gateway.rooms import Room
from gateway.settings import GatewaySettings
from loadtests.ports import free_ports
from protocol.commands import Attach
from protocol.events import Left
from protocol.refusals import Reason
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, commands_key, events_key
from tests.support.log import START_MS, Log, Read
from tests.support.proxy import Proxy, proxy_between
from tests.support.samples import EXPERIENCE, consumer

SETTLED_WITHIN_S = 15.0
FAULTS = "stanchion_gateway_faults_total"


class Writer:
    """Puts a log into the store as an engine would."""

    def __init__(self, url: str) -> None:
        self.store = redis.asyncio.Redis.from_url(url)
        self.log = Log()
        self.log.configure()

    async def write(self, *entries: Read) -> None:
        for entry_id, payload, chain in entries:
            await self.store.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)


@pytest.fixture
async def writer(redis_url: str) -> AsyncIterator[Writer]:
    made = Writer(redis_url)
    await made.write(*made.log.entries)
    yield made
    await made.store.aclose()


@pytest.fixture
async def hub(redis_url: str) -> AsyncIterator[Hub]:
    settings = GatewaySettings(
        session_key="00" * 32,
        control_key="control-key-0123456789",
        checkout_key="checkout-key-0123456789",
        redis_url=redis_url,
        answer_timeout_ms=300,
    )
    made = Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100)
    await made.start()
    yield made
    await made.stop()
    assert not made.failed


async def settled(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not condition():
            await asyncio.sleep(0.005)


async def known(hub: Hub) -> Room:
    room = await hub.create(EXPERIENCE)
    await settled(lambda: room.live)
    return room


async def test_what_is_there_is_read_and_what_comes_is_followed(hub: Hub, writer: Writer) -> None:
    await settled(hub.ready)
    assert await hub.room(EXPERIENCE) is None
    assert hub.absence(EXPERIENCE).reason == Reason.NOT_FOUND
    room = await known(hub)
    assert (hub.room_ids(), room.replica.entry_id) == ([EXPERIENCE], writer.log.last_id)
    entry = writer.log.join(0, 1)
    waiting = asyncio.create_task(hub.reached(room, entry[0]))
    await writer.write(entry)
    await waiting
    assert room.replica.paths["general"].tickets == 1


async def test_a_broken_entry_stops_its_room_until_the_log_is_whole_again(hub: Hub, writer: Writer) -> None:
    room = await known(hub)
    entry_id, payload, chain = writer.log.join(0, 1)
    await writer.write((entry_id, payload, bytes(32)))
    await settled(lambda: not room.live)
    assert await hub.room(EXPERIENCE) is None
    assert hub.absence(EXPERIENCE).reason == Reason.ENGINE_AWAY
    assert hub.ready()
    await writer.store.delete(events_key(EXPERIENCE))
    await writer.write(*writer.log.entries)
    await settled(lambda: room.live)
    assert room.replica.chain == chain


async def test_what_goes_wrong_in_one_room_costs_no_other(hub: Hub, writer: Writer) -> None:
    room = await known(hub)
    whole = list(writer.log.entries)
    await writer.write(writer.log.append(Left("nowhere", START_MS, 0, "left")))
    await settled(lambda: hub.metrics.registry.get_sample_value(FAULTS, {"experience": EXPERIENCE}) is not None)
    await settled(lambda: not room.live)
    other = await hub.create("elsewhere")
    await settled(lambda: other.live)
    assert hub.ready()
    await writer.store.delete(events_key(EXPERIENCE))
    await writer.write(*whole)
    await settled(lambda: room.live)


async def test_a_command_that_nobody_answers_is_refused_in_time(hub: Hub, writer: Writer) -> None:
    room = await known(hub)
    outcome = await hub.perform(EXPERIENCE, Attach(consumer(1)))
    assert outcome.refusal is not None
    assert (outcome.entry, outcome.refusal.reason) == ("", Reason.ENGINE_AWAY)
    assert await writer.store.xlen(commands_key(EXPERIENCE)) >= 1
    await writer.write(writer.log.append(applied={room.outgoing.sender: 1}))
    await settled(lambda: room.outgoing.backlog == 0)


async def test_what_is_not_applied_is_written_again_as_it_was(hub: Hub, writer: Writer) -> None:
    await known(hub)
    await hub.perform(EXPERIENCE, Attach(consumer(1)))
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while await writer.store.xlen(commands_key(EXPERIENCE)) < 2:
            await asyncio.sleep(0.02)
    entries: Any = await writer.store.xrange(commands_key(EXPERIENCE))
    assert entries[0][1] == entries[1][1]


async def test_an_experience_made_elsewhere_is_found_when_it_is_asked_for(hub: Hub, redis_url: str) -> None:
    await settled(hub.ready)
    other = Hub(hub.settings, hub.keys, 100)
    await other.start()
    await settled(other.ready)
    await other.create("elsewhere")
    room = await hub.room("elsewhere")
    assert room is not None
    assert room.replica.document is None
    assert await hub.room("Not an id") is None
    await other.stop()


async def test_an_experience_is_made_at_once_or_not_at_all(hub: Hub, writer: Writer) -> None:
    await settled(hub.ready)
    await hub.create("whole")
    commands = await writer.store.info("commandstats")
    assert commands["cmdstat_exec"]["calls"] >= 1


async def test_a_connection_that_ended_unseen_is_made_anew(redis_url: str) -> None:
    lookups = Lookups(redis_url)
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await lookups.create("there")
        await client.client_kill_filter(_type="normal", skipme=True)
        assert await lookups.exists("there")
        assert not await lookups.exists("nowhere")
    await lookups.close()


async def test_who_stands_in_line_for_a_store_that_hangs_waits_as_long_as_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "ANSWER_TIMEOUT_MS", 200)
    connections: list[asyncio.StreamWriter] = []
    hanging = await asyncio.start_server(lambda _, connection: connections.append(connection), "127.0.0.1", 0)
    lookups = Lookups(f"redis://127.0.0.1:{hanging.sockets[0].getsockname()[1]}/0")
    answers = await asyncio.gather(*[lookups.exists(f"no-{number}") for number in range(20)], return_exceptions=True)
    assert all(isinstance(answer, store.STORE_ERRORS) for answer in answers)
    assert len(connections) == 1
    await lookups.close()
    for connection in connections:
        connection.close()
    hanging.close()


def test_a_connection_that_was_reset_is_a_lost_store(redis_url: str) -> None:
    """On uvloop, as gateways run: it has an error of its own for who writes to what was reset a moment ago."""
    port, target = free_ports(1), int(redis_url.split(":")[2].split("/")[0])
    with (
        proxy_between(port, target) as proxy,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(store.STORE_ERRORS, match="the handler is closed"),
    ):
        runner.run(asked_again_behind_a_reset(f"redis://127.0.0.1:{port}/0", proxy))


async def asked_again_behind_a_reset(url: str, proxy: Proxy) -> None:
    """Our side has noticed the reset when it asks."""
    async with aclosing(await store.Servers(url).connect()) as client:
        await client.ping()
        proxy.become("cut")
        connection: Any = client.connection
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while not connection._writer.transport.is_closing():
                await asyncio.sleep(0.01)
        await client.ping()
