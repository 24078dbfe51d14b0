"""A room that has read nothing yet begins with what the writer stored of it: the newest replica that verifies.

It is believed when it is, byte for byte, what its manifest names, and when the log still has the entry it stands at,
with its chain: what is read behind it is then the continuation. Whatever is wrong with one is said, and the one before
it is taken; without any the room reads the log from its first entry, and a log that was trimmed tells so by its gap.

Hands over to: `gateway.rooms` (`resume`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from gateway.io.store import Store
from gateway.rooms import Room
from protocol.manifest import Manifest, ManifestError, read_manifests, whole
from protocol.replica import Replica
from protocol.replica_codec import ReplicaDecodeError, decode_replica
from protocol.streams import FIELD_CHAIN, START_ID, events_key, replica_chunks_key, snapshot_key

FETCH_CHUNKS = 4

Aside = Callable[[Callable[[], Replica]], Awaitable[Replica]]
"""Does what takes long, so that the sockets are served meanwhile."""

log = structlog.get_logger()


async def resync(reader: Store, rooms: Iterable[Room]) -> None:
    """Let those rooms that have read nothing yet begin with a stored replica. Raises a store error."""
    for room in [room for room in rooms if not room.live and room.replica.entry_id == START_ID]:
        replica = await newest_replica(reader, room.experience)
        if replica is not None:
            log.info("replica_resumed", experience=room.experience, entry=replica.entry_id)
            room.resume(replica)


async def newest_replica(reader: Store, experience: str, aside: Aside = asyncio.to_thread) -> Replica | None:
    """The newest stored replica that can be believed. Raises a store error."""
    store: Any = reader  # the library's types leave open whether it waits, and what for
    found = read_manifests(await store.hgetall(snapshot_key(experience)))
    for fault in found.faults:
        log.error("replica_not_used", experience=experience, why=fault)
    for manifest in found.manifests:
        try:
            return await _load(store, experience, manifest, aside)
        except (ManifestError, ReplicaDecodeError) as error:
            log.error("replica_not_used", experience=experience, entry=manifest.entry_id, why=str(error))
    return None


async def _load(store: Any, experience: str, manifest: Manifest, aside: Aside) -> Replica:
    entry_id, part = manifest.entry_id, manifest.replica
    entries = await store.xrange(events_key(experience), entry_id, entry_id)
    if not entries or entries[0][1].get(FIELD_CHAIN) != manifest.chain:
        raise ManifestError("the log has no such entry with this chain")
    key = replica_chunks_key(experience, entry_id)
    chunks: list[bytes | None] = []
    for start in range(0, part.chunks, FETCH_CHUNKS):
        numbers = range(start, min(part.chunks, start + FETCH_CHUNKS))
        chunks += await store.hmget(key, [str(number) for number in numbers])
    replica = await aside(lambda: decode_replica(whole(part, chunks)))
    if (replica.experience, replica.entry_id, replica.chain) != (experience, entry_id, manifest.chain):
        raise ManifestError(f"it is of {replica.experience}, at {replica.entry_id}")
    return replica
