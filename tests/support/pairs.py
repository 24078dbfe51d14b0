"""Stored snapshots as a test sees them: what is there, and how it is broken."""

from __future__ import annotations

from typing import Any

import redis

from engine.core.limits import RULES
from protocol.manifest import VERSION, Manifest, chunks_of, encode_manifest, part_of, read_manifests
from protocol.replica import Replica
from protocol.replica_codec import encode_replica
from protocol.streams import (
    START_ID,
    commands_key,
    events_key,
    replica_chunks_key,
    snapshot_chunks_key,
    snapshot_key,
)


class Pairs:
    """The snapshots and replicas of one experience in the store."""

    def __init__(self, client: redis.Redis, experience: str) -> None:
        self._client: Any = client
        self.experience = experience

    def ids(self) -> list[str]:
        """The entries at which a pair stands, newest first."""
        fields = self._client.hgetall(snapshot_key(self.experience))
        return [manifest.entry_id for manifest in read_manifests(fields).manifests]

    def announced(self) -> list[str]:
        """The entries at which one is being made, or was."""
        fields = self._client.hgetall(snapshot_key(self.experience))
        return [field.decode() for field, value in fields.items() if not value]

    def chunk_keys(self) -> list[str]:
        """The keys of all chunks that there are, counting or not."""
        found = []
        for make in (snapshot_chunks_key, replica_chunks_key):
            found += [key.decode() for key in self._client.scan_iter(make(self.experience, "*").replace("{", "[{]"))]
        return sorted(found)

    def flip(self, key: str, field: str = "0") -> None:
        """One bit in the middle of a chunk, or of a manifest."""
        self._client.hset(key, field, flipped(self._client.hget(key, field)))

    def first(self, events: bool = True) -> str:
        """The first entry that is left of the log, or of the commands."""
        key = events_key(self.experience) if events else commands_key(self.experience)
        return str(self._client.xrange(key, count=1)[0][0].decode())


def flipped(data: bytes) -> bytes:
    """The same with one bit in its middle another one."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def store_pair(client: redis.Redis, replica: Replica, snapshot: bytes = b"") -> None:
    """Store a pair as a writer does, at the entry that ``replica`` stands at."""
    experience, entry_id, data = replica.experience, replica.entry_id, encode_replica(replica)
    for key, part in ((snapshot_chunks_key, snapshot), (replica_chunks_key, data)):
        for number, chunk in enumerate(chunks_of(part)):
            client.hset(key(experience, entry_id), str(number), chunk)
    manifest = Manifest(VERSION, RULES, entry_id, replica.chain, START_ID, part_of(snapshot), part_of(data))
    client.hset(snapshot_key(experience), entry_id, encode_manifest(manifest))
