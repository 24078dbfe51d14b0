"""A gateway that begins with a stored replica, or comes back to one: nothing is missed, and nothing missed silently."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from gateway import conversations
from gateway.hub import Hub
from gateway.pass_keys import PassKeys
from gateway.rooms import Room
from gateway.settings import GatewaySettings
from protocol.commands import Attach, Join
from protocol.events import Attached, Holding, Left
from protocol.replica import Replica
from protocol.replica_codec import encode_replica
from protocol.sessions import Session
from protocol.states import TicketState
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, commands_key, events_key, replica_chunks_key, snapshot_key
from tests.support.log import START_MS, Log, Read
from tests.support.pairs import Pairs, store_pair
from tests.support.samples import EXPERIENCE, consumer

SETTLED_WITHIN_S = 15.0
NEVER = 2**32 - 1


class Writer:
    """Writes a log by hand, and stores what was written as replicas."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client
        self.log = Log()
        self.replica = Replica(EXPERIENCE)
        self.pairs = Pairs(client, EXPERIENCE)
        self.log.configure()
        self.write(*self.log.entries)

    def write(self, *entries: Read, lost: bool = False) -> None:
        """Put entries into the store, or only into what will be stored of them."""
        for entry_id, payload, chain in entries:
            if not lost:
                self.client.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)
            for event in self.replica.follow(entry_id, payload, chain).events:
                self.replica.apply(event)

    def join(self, first: int, *consumers: int) -> None:
        self.write(self.log.join(first, *consumers))

    def store(self) -> str:
        """Store the replica as it is now, and trim the log below it."""
        store_pair(self.client, self.replica)
        self.client.xtrim(events_key(EXPERIENCE), minid=self.replica.entry_id, approximate=False)
        return self.replica.entry_id


@pytest.fixture
def writer(redis_url: str) -> Iterator[Writer]:
    with redis.Redis.from_url(redis_url) as client:
        yield Writer(client)


def make_hub(redis_url: str) -> Hub:
    settings = GatewaySettings(
        session_key="00" * 32,
        control_key="control-key-0123456789",
        checkout_key="checkout-key-0123456789",
        redis_url=redis_url,
        answer_timeout_ms=300,
    )
    return Hub(settings, PassKeys({"k1": Ed25519PrivateKey.generate()}), 100)


@pytest.fixture
async def hub(redis_url: str) -> AsyncIterator[Hub]:
    made = make_hub(redis_url)
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


def agree(room: Room, writer: Writer) -> bool:
    return encode_replica(room.replica) == encode_replica(writer.replica)


class Line:
    """Keeps the frames that one socket is told."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def tell(self, frame: bytes, state: str | None = None) -> None:
        self.frames.append(json.loads(frame))

    def close(self, code: int) -> None:
        raise AssertionError("nobody is sent away")

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


def enter(hub: Hub, room: Room, number: int) -> Line:
    line, session = Line(), Session(consumer(number), 0, 0, NEVER)
    socket = conversations.enter(room, hub.lot.add_line(line), session, None, line=True)
    room.openings.open(socket, [])
    return line


async def test_a_gateway_begins_with_the_stored_replica_and_follows_the_log(hub: Hub, writer: Writer) -> None:
    writer.join(0, *range(50))
    writer.store()
    writer.join(50, *range(50, 60))
    room = await known(hub)
    assert room.replica.paths["general"].tickets == 60
    assert agree(room, writer)
    writer.join(60, 60)
    await settled(lambda: agree(room, writer))


async def test_a_gateway_whose_next_entry_is_trimmed_away_comes_back_and_says_so(hub: Hub, writer: Writer) -> None:
    room = await known(hub)
    with capture_logs() as logs:
        for first in range(20):
            writer.write(writer.log.join(first, first), lost=True)
        last = writer.log.join(20, 20)
        writer.write(last)
        writer.store()
        await settled(lambda: agree(room, writer) and room.live)
    assert [one["event"] for one in logs] == ["replica_discarded", "replica_resumed"]
    assert "does not follow" in logs[0]["why"]
    writer.join(21, 21)
    await settled(lambda: agree(room, writer))


async def test_a_gateway_that_comes_back_to_another_entry_of_the_same_id_begins_anew(hub: Hub, writer: Writer) -> None:
    """While its connections were cut a failover lost the last entry, and the next writer wrote another in its place."""
    writer.join(0, *range(10))
    room = await known(hub)
    await settled(lambda: agree(room, writer))
    other = Log()
    other.configure()
    other.join(0, *range(20, 25))
    assert [one[0] for one in other.entries] == [one[0] for one in writer.log.entries]
    pipeline = writer.client.pipeline()
    pipeline.delete(events_key(EXPERIENCE))
    for entry_id, payload, chain in other.entries:
        pipeline.xadd(events_key(EXPERIENCE), {FIELD_ENTRY: payload, FIELD_CHAIN: chain}, id=entry_id)
    pipeline.execute()
    assert room.replica.paths["general"].tickets == 10
    writer.client.client_kill_filter(_type="normal", skipme=True)
    await settled(lambda: "general" in room.replica.paths and room.replica.paths["general"].tickets == 5)


async def test_whoever_is_there_is_told_their_ticket_again_after_a_gap(hub: Hub, writer: Writer) -> None:
    room = await known(hub)
    lines = [enter(hub, room, number) for number in range(3)]
    writer.join(0, 0, 1)
    await settled(lambda: bool(lines[1].told("joined")))
    writer.write(writer.log.join(2, 2), writer.log.append(Left("general", START_MS, 0, "left")), lost=True)
    writer.write(writer.log.append())
    writer.store()
    await settled(lambda: room.outgoing.backlog == 3)
    held = [[(0, TicketState.LEFT)], [(1, TicketState.WAITING)], [(2, TicketState.WAITING)]]
    answers = [
        Attached(consumer(number), [Holding("general", ticket, 1, state) for ticket, state in tickets])
        for number, tickets in enumerate(held)
    ]
    await settled(lambda: room.outgoing._number > 0)
    writer.write(writer.log.append(*answers, applied={room.outgoing.sender: room.outgoing._number}))
    await settled(lambda: bool(lines[2].told("joined")))
    assert [line.told("ticket")[-1]["state"] for line in lines[:1]] == ["left"]
    assert [line.told("position")[-1]["ahead"] for line in lines[1:]] == [0, 1]
    assert room.outgoing.backlog == 0


async def test_commands_that_may_have_been_applied_in_a_gap_are_answered_and_do_not_stall(
    hub: Hub, writer: Writer
) -> None:
    room = await known(hub)
    sender = room.outgoing.sender
    asking = asyncio.create_task(hub.perform(EXPERIENCE, Join(consumer(5), "general")))
    await settled(lambda: room.outgoing.waits_since_ms() is not None)
    writer.write(writer.log.append(applied={sender: 1}), lost=True)
    writer.write(writer.log.append())
    writer.store()
    outcome = await asking
    assert outcome.refusal is not None and outcome.refusal.reason == "engine_away"
    await settled(lambda: room.live)
    assert (room.outgoing.backlog, room.outgoing.sender == sender) == (0, False)
    again = asyncio.create_task(hub.perform(EXPERIENCE, Attach(consumer(5))))
    await settled(lambda: room.outgoing.waits_since_ms() is not None)
    writer.write(writer.log.append(applied={room.outgoing.sender: 1}))
    assert (await again).refusal is None


@pytest.mark.parametrize("how", ["flipped", "gone", "manifest", "chain"])
async def test_a_broken_replica_is_said_and_the_one_before_is_taken(hub: Hub, writer: Writer, how: str) -> None:
    writer.join(0, 0, 1)
    store_pair(writer.client, writer.replica)
    writer.join(2, 2)
    newest = writer.replica.entry_id
    store_pair(writer.client, writer.replica)
    if how == "flipped":
        writer.pairs.flip(replica_chunks_key(EXPERIENCE, newest))
    elif how == "gone":
        writer.client.delete(replica_chunks_key(EXPERIENCE, newest))
    elif how == "manifest":
        writer.pairs.flip(snapshot_key(EXPERIENCE), newest)
    else:
        other = Replica(EXPERIENCE)
        other.stand_at(newest, bytes(32), START_MS)
        store_pair(writer.client, other)
    writer.join(3, 3)
    with capture_logs() as logs:
        room = await known(hub)
    assert [one["event"] for one in logs if "replica" in one["event"]] == ["replica_not_used", "replica_resumed"]
    assert agree(room, writer)


async def test_without_replica_and_first_entry_a_room_waits_for_one(hub: Hub, writer: Writer) -> None:
    writer.join(0, 0, 1)
    newest = writer.store()
    data = writer.client.hgetall(replica_chunks_key(EXPERIENCE, newest))
    writer.client.delete(replica_chunks_key(EXPERIENCE, newest))
    room = await hub.create(EXPERIENCE)
    await settled(lambda: hub.metrics.registry.get_sample_value(*_resyncs()) is not None)
    assert not room.live
    assert await writer_is_asked_nothing(writer)
    writer.client.hset(replica_chunks_key(EXPERIENCE, newest), mapping=data)
    await settled(lambda: room.live)
    assert agree(room, writer)


def _resyncs() -> tuple[str, dict[str, str]]:
    return "stanchion_gateway_resyncs_total", {"experience": EXPERIENCE}


async def writer_is_asked_nothing(writer: Writer) -> bool:
    """A room that knows nothing sends no commands."""
    return not writer.client.exists(commands_key(EXPERIENCE))
