"""Stored pairs as the auditor sees them: which count, which hold, what may be trimmed. The digests are taken anew here,
not believed from ``protocol.manifest``.

Behind every transaction the rules are checked: what counts is whole; two pairs at most count; the log
has the entry that each stands at, and every command behind it; no registered reader has lost an entry that it has not
read; and a log that was trimmed has a pair to begin with.

Hands over to: ``auditor.py`` (which runs it), ``faults.py`` (which breaks pairs, but never the last one that holds).
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from engine.core.experience import Experience
from protocol.manifest import Manifest, Part, decode_manifest
from protocol.replica import Replica
from protocol.replica_codec import decode_replica
from protocol.streams import (
    FIELD_CHAIN,
    commands_key,
    events_key,
    parse_entry_id,
    readers_key,
    replica_chunks_key,
    snapshot_chunks_key,
    snapshot_key,
)
from tests.engine.simulation.store import SimulatedStore, Written
from tests.engine.simulation.world import Broken

COUNTED_MAX = 2


class Pair(NamedTuple):
    """The bytes that are stored for a manifest, and whether they are what it names."""

    manifest: Manifest
    snapshot: bytes
    replica: bytes

    @property
    def holds(self) -> bool:
        return self.replica_holds and self.manifest.snapshot.digest == sha256(self.snapshot).digest()

    @property
    def replica_holds(self) -> bool:
        return self.manifest.replica.digest == sha256(self.replica).digest()

    def place(self, experience: str) -> Written:
        return Written(experience, self.manifest.entry_id, self.manifest.chain)

    def states(self, experience: str) -> tuple[Experience, Replica]:
        """What an engine and a gateway would begin with."""
        return Experience.restore(experience, self.snapshot), decode_replica(self.replica)


def counted(store: SimulatedStore, experience: str) -> list[Pair]:
    """The pairs that count, newest first. Those whose manifest was spoilt are left out."""
    found = []
    for field, data in store.hashes.get(snapshot_key(experience), {}).items():
        if sha256(data[32:]).digest() == data[:32]:
            manifest, entry_id = decode_manifest(data), field.decode()
            snapshot = _stored(store, snapshot_chunks_key(experience, entry_id), manifest.snapshot)
            found.append(
                Pair(manifest, snapshot, _stored(store, replica_chunks_key(experience, entry_id), manifest.replica))
            )
    return sorted(found, key=lambda pair: parse_entry_id(pair.manifest.entry_id), reverse=True)


def _stored(store: SimulatedStore, key: str, part: Part) -> bytes:
    chunks = store.hashes.get(key, {})
    return b"".join(chunks.get(b"%d" % number, b"") for number in range(part.chunks))


def is_trimmed(store: SimulatedStore, experience: str) -> bool:
    return bool(store.stream(events_key(experience)).trimmed)


class PairsCheck:
    """Looks at all pairs of an experience. ``spoilt``: those that a fault has broken or brought back, which need not
    hold."""

    def __init__(self, store: SimulatedStore) -> None:
        self.spoilt: dict[Written, None] = {}
        self.digests: dict[Written, str] = {}
        """Of every snapshot that ever counted, the digest of the state that it restores."""
        self._store = store

    def sound(self, experience: str) -> list[Pair]:
        """The pairs that count and that no fault has touched, newest first."""
        pairs = counted(self._store, experience)
        return [pair for pair in pairs if pair.place(experience) not in self.spoilt]

    def may_begin(self, experience: str) -> set[Written]:
        """Where an engine may begin now: at what is whole and stands in the log."""
        return self._in_log(experience, [pair for pair in counted(self._store, experience) if pair.holds])

    def may_resume(self, experience: str) -> set[Written]:
        """Where a gateway may, which needs the replica alone."""
        return self._in_log(experience, [pair for pair in counted(self._store, experience) if pair.replica_holds])

    def _in_log(self, experience: str, pairs: list[Pair]) -> set[Written]:
        log = self._store.stream(events_key(experience))
        places = {pair.place(experience) for pair in pairs}
        return {one for one in places if (log.at(one.entry_id) or {}).get(FIELD_CHAIN) == one.chain}

    def look(self, experience: str) -> None:
        """Raises Broken."""
        pairs, all_sound = self.sound(experience), not any(one.experience == experience for one in self.spoilt)
        if len(pairs) > COUNTED_MAX:
            raise Broken(f"pairs: {len(pairs)} count")
        for pair in pairs:
            self._look_at(experience, pair)
        self._check_readers(experience)
        if is_trimmed(self._store, experience) and len(pairs) < (COUNTED_MAX if all_sound else 1):
            raise Broken(f"pairs: the log is trimmed, and {len(pairs)} are left to begin with")

    def _look_at(self, experience: str, pair: Pair) -> None:
        entry_id, events = pair.manifest.entry_id, self._store.stream(events_key(experience))
        if not pair.holds:
            raise Broken(f"pairs: the pair at {entry_id} counts and is not whole")
        if not events.has(entry_id):
            raise Broken(f"trimming: the entry {entry_id} of a pair is gone")
        gone = self._store.stream(commands_key(experience)).trimmed[-1:]
        if gone and parse_entry_id(gone[0][0]) > parse_entry_id(pair.manifest.command_id):
            raise Broken(f"trimming: the commands {gone[0][0]} behind the pair at {entry_id} are gone")
        if pair.place(experience) not in self.digests:
            core, replica = pair.states(experience)
            if (replica.entry_id, replica.chain) != (entry_id, pair.manifest.chain):
                raise Broken(f"pairs: the replica at {replica.entry_id} counts for {entry_id}")
            self.digests[pair.place(experience)] = core.digest()

    def _check_readers(self, experience: str) -> None:
        gone = self._store.stream(events_key(experience)).trimmed[-1:]
        for name, place in self._store.hashes.get(readers_key(experience), {}).items():
            if gone and parse_entry_id(gone[0][0])[1] > parse_entry_id(place.decode())[1]:
                raise Broken(f"readers: {gone[0][0]} is trimmed, {name.decode()} has read up to {place.decode()}")
