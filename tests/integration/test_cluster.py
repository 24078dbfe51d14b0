"""A Cluster: experiences lie on different nodes, and one engine writes them all."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from engine.audit_log import main as audit
from engine.io.nodes import Nodes
from engine.proving import main as prove
from engine.replay import OK
from engine.replay import main as replay
from gateway.hub import Hub
from gateway.io.store import Servers
from gateway.rooms import Room
from protocol.commands import Join
from protocol.refusals import Reason
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, events_key, shard_of
from tests.integration.test_live_resync import SETTLED_WITHIN_S, make_hub, settled
from tests.support.cluster import NODES, Cluster
from tests.support.draws import DRAW_PATH, drawn_log
from tests.support.engine import RunningEngine
from tests.support.samples import EXPERIENCE, consumer, document
from tests.support.stream import Follower, Sender

NAMES = ("drop", "launch", "match", "sale")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[Nodes]:
    with closing(Nodes(cluster.url)) as nodes:
        yield nodes


def test_a_draw_is_proved_from_the_node_that_has_its_log(cluster: Cluster, nodes: Nodes, tmp_path: Path) -> None:
    client, file = nodes.of(shard_of(EXPERIENCE)), tmp_path / "proof.json"
    for entry_id, payload, chain in drawn_log(beacon="default").entries:
        client.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)
    assert prove(EXPERIENCE, DRAW_PATH, cluster.url, file) == OK
    client.delete(events_key(EXPERIENCE))
    assert json.loads(file.read_bytes())["path"] == DRAW_PATH


def test_one_engine_writes_experiences_of_all_nodes(cluster: Cluster, nodes: Nodes) -> None:
    clients = {name: nodes.of(shard_of(name)) for name in NAMES}
    assert len({id(client) for client in clients.values()}) == NODES
    senders = {name: Sender(client, name) for name, client in clients.items()}
    logs = {name: Follower(client, name) for name, client in clients.items()}
    with RunningEngine(cluster.url, snapshot_commands=1, snapshot_pause_ms=0) as engine:
        for name in NAMES:
            logs[name].wait_applied(senders[name], senders[name].create(document(id=name)))
        sent = {name: senders[name].send(*(Join(consumer(one)) for one in range(10))) for name in NAMES}
        for name in NAMES:
            logs[name].wait_applied(senders[name], sent[name])
            assert logs[name].replica.paths["general"].tickets == 10
        engine.wait(lambda: engine.figure("snapshots_total", outcome="made") >= 1)
    with RunningEngine(cluster.url, 1):
        again = {name: senders[name].send(Join(consumer(10))) for name in NAMES}
        for name in NAMES:
            logs[name].wait_applied(senders[name], again[name])
    for name in NAMES:
        assert (replay(name, cluster.url, None), audit(name, cluster.url)) == (OK, OK)


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Hub]:
    """A gateway that reads and writes the store at ``url``."""
    made = make_hub(url)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
    assert not made.failed


@pytest.fixture
async def hub(cluster: Cluster) -> AsyncIterator[Hub]:
    async with running(cluster.url) as made:
        yield made


async def opened(hub: Hub, nodes: Nodes, name: str) -> Room:
    """The room of ``name``, which is configured."""
    room = await hub.create(name)
    if room.replica.document is None:
        Sender(nodes.of(shard_of(name)), name).create(document(id=name))
    await settled(lambda: room.replica.document is not None)
    return room


async def joined(hub: Hub, name: str, number: int) -> None:
    """Consumer ``number`` joins, as soon as somebody writes the experience."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while (await hub.perform(name, Join(consumer(number), "general"))).refusal is not None:
            await asyncio.sleep(0.01)


async def test_a_gateway_reads_and_writes_experiences_of_all_nodes(cluster: Cluster, hub: Hub, nodes: Nodes) -> None:
    assert cluster.url
    names = ("launch", "match", "sale")
    await settled(hub.ready)
    with RunningEngine(cluster.url):
        rooms = [await opened(hub, nodes, name) for name in names]
        before = [room.replica.paths["general"].tickets for room in rooms]
        for name, room, tickets in zip(names, rooms, before, strict=True):
            await joined(hub, name, 99)
            assert room.replica.paths["general"].tickets == tickets + 1
        assert await hub.room("elsewhere") is None
        made = Sender(nodes.of(shard_of("gig")), "gig").create(document(id="gig"))
        assert made == 1
        await settled(lambda: "gig" in hub.room_ids())


async def test_a_slot_that_moves_to_another_node_is_followed(cluster: Cluster, hub: Hub, nodes: Nodes) -> None:
    await settled(hub.ready)
    with RunningEngine(cluster.url):
        before = nodes.of(shard_of("fair"))
        here, there = cluster.move(shard_of("fair"))
        assert before.get_connection_kwargs()["port"] == here
        nodes.look_again()
        client = nodes.of(shard_of("fair"))
        assert client.get_connection_kwargs()["port"] == there
        Sender(client, "fair").create(document(id="fair"))
        await settled(lambda: "fair" in hub.room_ids())
        await settled(hub.ready)
        await joined(hub, "fair", 1)


async def test_a_gateway_that_loses_a_node_loses_no_room_of_another(cluster: Cluster, nodes: Nodes) -> None:
    lost = "launch"
    kept = next(name for name in NAMES if nodes.of(shard_of(name)) is not nodes.of(shard_of(lost)))
    with RunningEngine(cluster.url):
        async with running(cluster.guest_url()) as hub:
            rooms = {name: await opened(hub, nodes, name) for name in (lost, kept)}
            with cluster.shut_out(shard_of(lost)):
                await settled(lambda: rooms[lost].away and not hub.ready())
                await joined(hub, kept, 200)
                await settled(lambda: rooms[lost].away and not hub.ready())
                refused = (await hub.perform(lost, Join(consumer(200), "general"))).refusal
                assert refused is not None and refused.reason == Reason.ENGINE_AWAY
            await joined(hub, lost, 200)


class CancelledAt:
    """Awaits ``question``; whoever awaits this is cancelled as the question waits for the ``at``-th time."""

    def __init__(self, question: Coroutine[Any, Any, Any], at: int) -> None:
        self._question = question
        self._at = at
        self.came_so_far = False

    def __await__(self) -> Generator[Any, None, Any]:
        steps = self._question.__await__()
        raised: BaseException | None = None
        for number in count():
            try:
                waited_for = steps.send(None) if raised is None else steps.throw(raised)
            except StopIteration as end:
                return end.value
            if number == self._at:
                self.came_so_far = self._task().cancel()
            raised = None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - it is the question's
                raised = error

    @staticmethod
    def _task() -> asyncio.Task[Any]:
        task = asyncio.current_task()
        assert task is not None
        return task


async def test_whoever_is_cancelled_while_it_looks_for_the_nodes_leaves_nothing_open(cluster: Cluster) -> None:
    async def look(servers: CancelledAt) -> None:
        async with aclosing(await servers):
            pass

    for at in count():
        cancelled = CancelledAt(Servers(cluster.url).connect(), at)
        await asyncio.wait([asyncio.create_task(look(cancelled))])
        if not cancelled.came_so_far:
            break
    assert at > 0
    gc.collect()  # whatever is open now says so, which is an error
