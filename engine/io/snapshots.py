"""Pairs in the store: a snapshot and a replica at one entry, and the manifest by which they count.

The chunks are written by a child of the writer, over its own connection, while the writer goes on; before that an
empty manifest names them, so that what a dead child leaves behind is found and removed by the next one. Only the
writer announces a pair and makes it count, between two of its appends, each in one transaction that fails unless
``tip`` still names its last entry: so a writer that was stopped and woke up changes nothing. Manifests are kept by
entry, so that even then none could replace a newer one. With a new one every older pair but the one before is removed,
and the log is trimmed (``engine.trimming``).

There is no second script: the condition is a WATCH of ``tip``, which every append changes (so a child, which works
while its writer appends, could not do it).

Hands over to: ``engine.snapshots`` (the writer), ``engine.making`` (the child), ``engine.beginning`` (reading).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import WatchError

from engine.io.append import LogEnd
from protocol.manifest import Manifest, Part, chunks_of, encode_manifest, whole
from protocol.streams import (
    START_ID,
    TIP_CHAIN,
    TIP_WRITER,
    parse_entry_id,
    readers_key,
    replica_chunks_key,
    snapshot_chunks_key,
    snapshot_key,
    tip_key,
)

FETCH_CHUNKS = 8
TRIES_MAX = 20
"""A transaction is tried again when a reader has told in between how far it is."""

Change = Callable[[Any], None]
"""Queues commands on a pipeline that has begun a transaction."""
Plan = Callable[[Any], Change]
"""Reads with a pipeline that watches, and answers what is to be done if nothing of it changes until then."""


def fenced(client: redis.Redis, experience: str, chain: bytes, plan: Plan) -> bool:
    """Do what ``plan`` says if the log still ends with the entry of this ``chain``; False, and nothing is done, if not.

    Raises RedisError: then it may be done.
    """
    for _ in range(TRIES_MAX):
        with client.pipeline() as pipeline, suppress(WatchError):
            watching: Any = pipeline  # the library leaves what a pipeline answers without types
            watching.watch(tip_key(experience), readers_key(experience))
            if watching.hget(tip_key(experience), TIP_CHAIN) != chain:
                return False
            change = plan(watching)
            watching.multi()
            change(watching)
            watching.execute()
            return True
    return False


def announce(client: redis.Redis, experience: str, end: LogEnd) -> bool:
    """Say that a pair is being made at ``end``. False: the log does not end there. Raises RedisError."""

    def change(pipeline: Any) -> None:
        pipeline.unlink(*_chunks_keys(experience, end.entry_id))
        pipeline.hset(snapshot_key(experience), end.entry_id, b"")

    return fenced(client, experience, end.chain, lambda _: change)


def discard(client: redis.Redis, experience: str, writer: bytes, entry_id: str) -> None:
    """Remove what was made in vain at this entry. Where somebody else writes by now, and a pair at this ID is named, it
    is left to their next one: it may be theirs, if a failover has lost our entry. Raises RedisError."""
    for _ in range(TRIES_MAX):
        with client.pipeline() as pipeline, suppress(WatchError):
            watching: Any = pipeline
            watching.watch(tip_key(experience), snapshot_key(experience))
            named = watching.hget(snapshot_key(experience), entry_id) is not None
            if named and not is_writer(watching, experience, writer):
                return
            watching.multi()
            watching.hdel(snapshot_key(experience), entry_id)
            watching.unlink(*_chunks_keys(experience, entry_id))
            watching.execute()
            return


def is_writer(client: Any, experience: str, writer: bytes) -> bool:
    """Whether this is the one that appends. Raises RedisError."""
    return bool(client.hget(tip_key(experience), TIP_WRITER) == writer)


def write_chunks(client: redis.Redis, key: str, data: bytes) -> Iterator[int]:
    """Store ``data`` piece by piece; the number of each, once it is stored. Raises RedisError."""
    for number, chunk in enumerate(chunks_of(data)):
        client.hset(key, str(number), chunk)
        yield number


def fetch(client: redis.Redis, key: str, part: Part) -> bytes:
    """What ``part`` names. Raises ManifestError where that is not what is stored, RedisError."""
    return whole(part, _chunks(client, key, part.chunks))


def _chunks(client: Any, key: str, count: int) -> Iterator[bytes | None]:
    for start in range(0, count, FETCH_CHUNKS):
        yield from client.hmget(key, [str(number) for number in range(start, min(count, start + FETCH_CHUNKS))])


def stored_manifests(client: Any, experience: str) -> dict[bytes, bytes]:
    """The manifests of an experience as they are stored, by entry ID. Raises RedisError."""
    return dict(client.hgetall(snapshot_key(experience)))


def replace(pipeline: Any, experience: str, manifest: Manifest, kept: str, stored: Mapping[bytes, bytes]) -> None:
    """Let ``manifest`` count and remove, of those ``stored``, every older one but ``kept``, with their chunks."""
    pipeline.hset(snapshot_key(experience), manifest.entry_id, encode_manifest(manifest))
    newest = parse_entry_id(manifest.entry_id)
    for field in stored:
        entry_id = field.decode(errors="replace")
        if entry_id != kept and _place(entry_id) < newest:
            pipeline.hdel(snapshot_key(experience), field)
            pipeline.unlink(*_chunks_keys(experience, entry_id))


def _place(entry_id: str) -> tuple[int, int]:
    try:
        return parse_entry_id(entry_id)
    except ValueError:
        return parse_entry_id(START_ID)  # nothing that a writer made: older than all


def _chunks_keys(experience: str, entry_id: str) -> tuple[str, str]:
    return snapshot_chunks_key(experience, entry_id), replica_chunks_key(experience, entry_id)
