"""Where rebuilding an experience begins: at the newest snapshot that verifies, else at the first entry of the log.

A snapshot is believed when its manifest and both its parts are, byte for byte, what was written, when it means what
this version means, and when the log still has the entry that it stands at, with the chain that it names: the tail
that is replayed from there is then the very continuation of it. Whatever is wrong with one is said (``faults``), and
the one before it is tried. Where none holds the whole log is replayed, if it is still there; if not, nothing is made
up: ``LogError``, and that experience stops alone.

Hands over to: ``engine.restoration``, which replays from there.
"""

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import redis

from engine.core.experience import RULES, Experience
from engine.io.snapshots import fetch, stored_manifests
from engine.io.streams import StreamError, first_entry_id, log_entry_at
from engine.takeover import LogError
from protocol import codec
from protocol.codec import DecodeError
from protocol.manifest import Manifest, ManifestError, read_manifests
from protocol.replica import Replica
from protocol.replica_codec import ReplicaDecodeError, decode_replica
from protocol.streams import START_ID, parse_entry_id, replica_chunks_key, snapshot_chunks_key


class Beginning(NamedTuple):
    """The state and the replica at ``entry_id``. ``manifest``: of the snapshot that they are from, None for the first
    entry; ``faults``: what was wrong with others, in words."""

    experience: Experience
    replica: Replica
    command_id: str
    manifest: Manifest | None
    faults: list[str]


Begin = Callable[[redis.Redis, str, str | None], Beginning]
"""``begin`` or one like it."""


def begin(client: redis.Redis, experience_id: str, until: str | None) -> Beginning:
    """The newest beginning that holds, not behind ``until`` where that is given. Raises LogError, RedisError."""
    manifests, faults = _manifests(client, experience_id, until)
    return _first_that_holds(client, experience_id, manifests, faults) or _whole(client, experience_id, faults)


def begin_early(client: redis.Redis, experience_id: str, until: str | None) -> Beginning:
    """The same, but as far back as the log goes: for whoever wants to see as much of it as there is."""
    manifests, faults = _manifests(client, experience_id, until)
    if not _trimmed(client, experience_id):
        return _whole(client, experience_id, faults)
    held = _first_that_holds(client, experience_id, manifests[::-1], faults)
    return held or _whole(client, experience_id, faults)


def newest_manifest(client: redis.Redis, experience_id: str, until: str) -> Manifest | None:
    """Of the newest snapshot, not behind ``until``, that stands in this log; whether its parts are what was written is
    left to whoever needs them. Raises RedisError."""
    for manifest in _manifests(client, experience_id, until)[0]:
        with suppress(ManifestError, StreamError, DecodeError):
            _check_log(client, experience_id, manifest)
            return manifest
    return None


def _manifests(client: redis.Redis, experience_id: str, until: str | None) -> tuple[list[Manifest], list[str]]:
    """Newest first."""
    found = read_manifests(stored_manifests(client, experience_id))
    if until is None:
        return found
    last = parse_entry_id(until)
    return [one for one in found.manifests if parse_entry_id(one.entry_id) <= last], found.faults


def _first_that_holds(
    client: redis.Redis, experience_id: str, manifests: list[Manifest], faults: list[str]
) -> Beginning | None:
    for manifest in manifests:
        try:
            return _load(client, experience_id, manifest, faults)
        except (ManifestError, ReplicaDecodeError, StreamError, DecodeError) as error:
            faults.append(f"the snapshot at {manifest.entry_id}: {error}")
    return None


def _load(client: redis.Redis, experience_id: str, manifest: Manifest, faults: list[str]) -> Beginning:
    if manifest.rules != RULES:
        raise ManifestError(f"it follows the rules {manifest.rules}; this version knows {RULES}")
    _check_log(client, experience_id, manifest)
    entry_id = manifest.entry_id
    snapshot = fetch(client, snapshot_chunks_key(experience_id, entry_id), manifest.snapshot)
    replica = decode_replica(fetch(client, replica_chunks_key(experience_id, entry_id), manifest.replica))
    if (replica.experience, replica.entry_id, replica.chain) != (experience_id, entry_id, manifest.chain):
        raise ManifestError(f"its replica is of {replica.experience}, at {replica.entry_id}")
    return Beginning(_restore(experience_id, snapshot), replica, manifest.command_id, manifest, faults)


def _check_log(client: redis.Redis, experience_id: str, manifest: Manifest) -> None:
    """The log must have the entry that the snapshot stands at, and have come to it in the same way."""
    found = log_entry_at(client, experience_id, manifest.entry_id)
    if found is None:
        raise ManifestError("the log has no such entry")
    if found.chain != manifest.chain:
        raise ManifestError("its chain is not that of the log")
    if codec.decode_entry(found.payload).command_id != manifest.command_id:
        raise ManifestError("the log has applied other commands by then")


def _restore(experience_id: str, snapshot: bytes) -> Experience:
    """Nothing of what is made here is garbage: looking for some meanwhile would take longer than the work."""
    gc.disable()
    try:
        return Experience.restore(experience_id, snapshot)
    except Exception as error:
        raise ManifestError(f"this version cannot restore it: {error!r}") from error
    finally:
        gc.enable()


def _trimmed(client: redis.Redis, experience_id: str) -> bool:
    first = first_entry_id(client, experience_id)
    return first is not None and parse_entry_id(first)[1] > 0


def _whole(client: redis.Redis, experience_id: str, faults: list[str]) -> Beginning:
    if _trimmed(client, experience_id):
        first = first_entry_id(client, experience_id)
        raise LogError(
            f"the log begins at {first}, and no snapshot can be used: {'; '.join(faults) or 'there is none'}"
        )
    return Beginning(Experience(experience_id), Replica(experience_id), START_ID, None, faults)
