"""A failover that loses writes, under Sentinel and in a Cluster: what consumers were told is kept, or they are told
that it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploy.watched_store import PORTS, WatchedStore
from engine.io.nodes import Nodes
from engine.replay import OK
from engine.replay import main as replay
from gateway import conversations
from gateway.hub import Hub
from gateway.rooms import Room
from loadtests.ports import free_ports
from protocol.commands import Join
from protocol.streams import shard_of
from tests.integration.test_live_resync import Line, enter, make_hub, settled
from tests.support.cluster import WatchedCluster
from tests.support.engine import RunningEngine
from tests.support.samples import EXPERIENCE, consumer, document
from tests.support.stream import Sender

Store = WatchedStore | WatchedCluster


@pytest.fixture(params=["sentinel", "cluster"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    shard = shard_of(EXPERIENCE)
    made = WatchedStore(tmp_path, free_ports(PORTS)) if request.param == "sentinel" else WatchedCluster(tmp_path, shard)
    with made as store:
        with closing(Nodes(store.url)) as nodes:
            Sender(nodes.of(shard), EXPERIENCE).create(document())
        yield store


@pytest.fixture
async def hub(store: Store) -> AsyncIterator[Hub]:
    made = make_hub(store.url)
    await made.start()
    yield made
    await made.stop()
    assert not made.failed


class Somebody:
    """A consumer with a socket."""

    def __init__(self, hub: Hub, room: Room, number: int) -> None:
        self.line: Line = enter(hub, room, number)
        self._room = room
        self._socket = next(one for one in room.sockets_now() if room.people.person(one).consumer == consumer(number))

    def join(self, ref: str) -> None:
        conversations.receive(self._room, self._socket, json.dumps({"type": "join", "path": "general", "ref": ref}), 20)

    def joined(self) -> list[tuple[int, Any]]:
        """Each ticket that was told, with the ``ref`` that it answers."""
        return [(frame["ticket"], frame.get("ref")) for frame in self.line.told("joined")]


async def fail_over(store: Store) -> None:
    """What was written since the cut is lost when this returns."""
    await asyncio.to_thread(store.wait_for_failover)
    await asyncio.to_thread(store.heal)


async def open_room(hub: Hub) -> Room:
    await settled(hub.ready)
    room = await hub.create(EXPERIENCE)
    await settled(lambda: room.live and room.replica.document is not None and not room.away)
    return room


async def test_without_wait_a_lost_ticket_is_told_to_be_lost(store: Store, hub: Hub) -> None:
    with RunningEngine(store.url):
        room = await open_room(hub)
        kept, lost = Somebody(hub, room, 0), Somebody(hub, room, 1)
        kept.join("before")
        await settled(lambda: kept.joined() == [(0, "before")])
        await asyncio.to_thread(store.cut)
        lost.join("meanwhile")
        await settled(lambda: lost.joined() == [(1, "meanwhile")])
        await fail_over(store)
        await settled(lambda: bool(lost.line.told("ticket")) and len(kept.joined()) == 2)
        (told,) = lost.line.told("ticket")
        assert (told["ticket"], told["state"], told["reason"]) == (1, "lost", "failover")
        assert kept.joined()[1] == (0, None)
        await settled(lambda: not room.away)
        lost.join("again")
        await settled(lambda: lost.joined()[1:] == [(1, "again")])
        assert not kept.line.told("ticket")
    assert replay(EXPERIENCE, store.url, None) == OK


async def test_with_wait_nobody_is_told_what_can_be_lost(store: Store, hub: Hub) -> None:
    with RunningEngine(store.url, wait_replicas=1) as engine:
        room = await open_room(hub)
        before, meanwhile = Somebody(hub, room, 0), Somebody(hub, room, 1)
        before.join("before")
        await settled(lambda: before.joined() == [(0, "before")])
        await asyncio.to_thread(store.cut)
        meanwhile.join("meanwhile")
        answer = asyncio.create_task(hub.perform(EXPERIENCE, Join(consumer(2), "general")))
        unconfirmed = engine.figure("unconfirmed_total")
        await settled(lambda: room.replica.paths["general"].tickets >= 2)
        await settled(lambda: engine.figure("unconfirmed_total") > unconfirmed)
        await fail_over(store)
        outcome = await answer
        assert outcome.refusal is None or outcome.refusal.reason == "engine_away"
        await settled(lambda: bool(meanwhile.joined()))
        assert [ref for _, ref in meanwhile.joined()] == ["meanwhile"]
        assert {ticket for ticket, _ in before.joined()} == {0}
        assert not before.line.told("ticket") and not meanwhile.line.told("ticket")
        await settled(lambda: room.voice.is_durable)
        assert room.replica.paths["general"].tickets == 3
    assert replay(EXPERIENCE, store.url, None) == OK
