"""A store with a replica: the log says what the replica has, and no more while it has no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from deploy.watched_store import PORTS, ReplicatedStore
from engine.io.streams import connect
from engine.replay import OK
from engine.replay import main as replay
from loadtests.ports import free_ports
from protocol.commands import Join
from protocol.streams import parse_entry_id
from tests.support.engine import RunningEngine
from tests.support.samples import consumer, document
from tests.support.stream import Follower, Sender


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedStore]:
    with ReplicatedStore(tmp_path_factory.mktemp("replicated"), free_ports(PORTS)) as store:
        yield store


@pytest.fixture
def client(store: ReplicatedStore) -> Iterator[redis.Redis]:
    with connect(store.primary.url) as client:
        client.flushall()
        yield client


def safe_seq(log: Follower) -> int:
    """How far the last entry says that the log is safe."""
    return parse_entry_id(log.entries[-1].durable)[1]


def applied_seq(log: Follower, sender: Sender, number: int) -> int:
    """The entry that applied this batch."""
    return next(seq for seq, entry in enumerate(log.entries) if entry.applied.get(sender.id, 0) >= number)


def test_what_the_replica_has_is_said_and_what_it_has_not_is_not(store: ReplicatedStore, client: redis.Redis) -> None:
    sender, log = Sender(client, "drop"), Follower(client, "drop")
    with RunningEngine(store.primary.url, wait_replicas=1) as engine:
        made = sender.create(document(id="drop"))
        log.wait_applied(sender, made)
        log.wait(lambda: safe_seq(log) >= applied_seq(log, sender, made))
        store.part()
        joined = sender.send(Join(consumer(0)))
        log.wait_applied(sender, joined)
        asked = len(log.entries)
        log.wait(lambda: len(log.entries) >= asked + 2)
        assert safe_seq(log) < applied_seq(log, sender, joined)
        assert engine.figure("unconfirmed_total") >= 2
        store.meet()
        log.wait(lambda: safe_seq(log) >= applied_seq(log, sender, joined))
        length = len(log.entries)
        log.read(block_ms=600)
        assert len(log.entries) <= length + 1, "an idle log grows for nothing"
    with RunningEngine(store.primary.url, 1, wait_replicas=1):
        log.wait(lambda: safe_seq(log) >= length)
    assert replay("drop", store.primary.url, None) == OK
    with RunningEngine(store.primary.url, 2):
        log.wait(lambda: log.entries[-1].durable == "")
