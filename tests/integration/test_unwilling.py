"""A store that answers but takes nothing, for want of memory or because it is read-only: an outage like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import redis

from deploy.valkey import HOST
from engine.io.streams import connect
from engine.replay import OK
from engine.replay import main as replay
from gateway.hub import Hub
from loadtests.ports import free_port
from protocol.commands import Join
from tests.integration.test_failover import Somebody, open_room
from tests.integration.test_live_resync import make_hub, settled
from tests.support.engine import RunningEngine
from tests.support.samples import EXPERIENCE, consumer, document
from tests.support.stream import Sender

Fault = Callable[[Any], AbstractContextManager[None]]


@contextmanager
def without_memory(client: Any) -> Any:
    client.config_set("maxmemory", "1kb")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def read_only(client: Any) -> Any:
    client.replicaof(HOST, free_port())
    yield
    client.replicaof("NO", "ONE")


@pytest.fixture
async def hub(redis_url: str) -> AsyncIterator[Hub]:
    with connect(redis_url) as client:
        Sender(client, EXPERIENCE).create(document())
    made = make_hub(redis_url)
    await made.start()
    yield made
    await made.stop()
    assert not made.failed


@pytest.mark.parametrize("fault", [without_memory, read_only])
async def test_a_place_is_safe_and_a_join_is_refused_for_a_while(hub: Hub, redis_url: str, fault: Fault) -> None:
    with RunningEngine(redis_url), redis.Redis.from_url(redis_url) as client:
        room = await open_room(hub)
        here, late = Somebody(hub, room, 0), Somebody(hub, room, 1)
        here.join("before")
        await settled(lambda: here.joined() == [(0, "before")])
        with fault(client):
            late.join("meanwhile")
            await settled(lambda: room.away)
            await settled(lambda: here.line.told("phase")[-1].get("paused") == "outage")
            refused = (await hub.perform(EXPERIENCE, Join(consumer(2), "general"))).refusal
            assert refused is not None and (refused.reason, refused.temporary) == ("engine_away", True)
        await settled(lambda: late.joined() == [(1, "meanwhile")])
        await settled(lambda: "paused" not in here.line.told("phase")[-1])
        assert not here.line.told("ticket")
    assert replay(EXPERIENCE, redis_url, None) == OK
