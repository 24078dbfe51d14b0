"""The simulated store: the wall of the process. Streams, values, and the append script, as Valkey would have them.

What it must agree with is the real script, ``engine/io/append.lua``; ``tests/integration/test_simulated_script.py``
holds the two against each other. Everything that is written can be undone, newest first, because that is what a
failover or a restart without its last second does: the writes of a node are lost from the end, over all its keys. What
is written in one piece (the script, a transaction) is lost in one piece. What is trimmed is kept beside, for the
auditor, who looks at everything that ever was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import NamedTuple

from redis.exceptions import ResponseError

from engine.io.append import Append, Outcome
from engine.io.lease import Write
from engine.io.streams import Found, RawEntry
from protocol.streams import (
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_NUMBER,
    FIELD_SENDER,
    LEASE_TTL_MS,
    START_ID,
    commands_key,
    epoch_key,
    events_key,
    lease_key,
    parse_entry_id,
    shard_of,
    tip_key,
)

Id = tuple[int, int]
_parsed = lru_cache(maxsize=4_096)(parse_entry_id)


class Stream:
    """Entries with growing IDs; ``last`` is the greatest ID ever given, ``trimmed`` what was before those there are."""

    def __init__(self) -> None:
        self.ids: list[Id] = []
        self.entries: list[RawEntry] = []
        self.trimmed: list[RawEntry] = []
        self.last: Id = (0, 0)

    def behind(self, after: str, count: int) -> list[RawEntry]:
        """Up to ``count`` entries behind this ID."""
        first = bisect_right(self.ids, _parsed(after))
        return self.entries[first : first + count]

    def at(self, entry_id: str) -> dict[bytes, bytes] | None:
        """The fields of this entry, where it is there."""
        first = bisect_right(self.ids, _parsed(entry_id))
        return self.entries[first - 1][1] if first and self.entries[first - 1][0] == entry_id else None

    def has(self, entry_id: str) -> bool:
        return self.at(entry_id) is not None

    def trim(self, least: str) -> int:
        """Take away what lies before ``least``; how many entries that were."""
        count = bisect_left(self.ids, _parsed(least))
        self.trimmed += self.entries[:count]
        del self.ids[:count], self.entries[:count]
        return count

    def untrim(self, count: int) -> None:
        """Put back what the last ``trim`` took."""
        first = len(self.trimmed) - count
        back, self.trimmed = self.trimmed[first:], self.trimmed[:first]
        self.ids[:0] = [_parsed(entry_id) for entry_id, _ in back]
        self.entries[:0] = back

    @property
    def whole(self) -> list[RawEntry]:
        """Every entry of this history."""
        return self.trimmed + self.entries


class Written(NamedTuple):
    """An event entry of one history; a failover may lose it, and another be given its ID."""

    experience: str
    entry_id: str
    chain: bytes


class SimulatedStore:
    """One node. ``wall_ms`` is asked for its own wall clock; ``on_write`` is called behind every write to a stream."""

    def __init__(self, wall_ms: Callable[[], int], on_write: Callable[[], None]) -> None:
        self.streams: dict[str, Stream] = {}
        self.tips: dict[str, tuple[str, bytes, bytes]] = {}
        self.values: dict[str, bytes] = {}
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.versions: Counter[str] = Counter()
        """How often a key was changed by what may be watched: hashes and tips."""
        self.experiences: list[str] = []
        self.wakes: list[str] = []
        """The wake streams that anybody will ever use."""
        self.read_only = False
        self.lost: list[Written] = []
        self.writers: dict[Written, bytes] = {}
        """Who wrote each event entry, lost or not."""
        self._expires_ms: dict[str, int] = {}
        self._wall_ms = wall_ms
        self._on_write = on_write
        self.on_execute: Callable[[], None] = lambda: None
        """Called behind every transaction."""
        self._undo: list[tuple[Callable[[], None], Written | None]] = []

    # Streams

    def stream(self, key: str) -> Stream:
        found = self.streams.get(key)
        if found is None:
            found = self.streams[key] = Stream()
        return found

    def add(
        self, key: str, fields: dict[bytes, bytes], entry_id: str | None = None, written: Written | None = None
    ) -> str:
        """XADD; without an ID the next one of the store's clock. Raises ResponseError for an ID that is not greater."""
        self._check_writable()
        stream = self.stream(key)
        before = stream.last
        given = parse_entry_id(entry_id) if entry_id is not None else self._next_id(before)
        if given <= before:
            raise ResponseError("The ID specified in XADD is equal or smaller than the target stream top item")
        stream.last = given
        stream.ids.append(given)
        stream.entries.append((f"{given[0]}-{given[1]}", fields))

        def undo() -> None:
            stream.ids.pop()
            stream.entries.pop()
            stream.last = before

        self._undo.append((undo, written))
        self._on_write()
        return stream.entries[-1][0]

    def _check_writable(self) -> None:
        if self.read_only:
            raise ResponseError("READONLY You can't write against a read only replica.")

    def _next_id(self, last: Id) -> Id:
        now_ms = self._wall_ms()
        return (now_ms, 0) if now_ms > last[0] else (last[0], last[1] + 1)

    def read(self, after: dict[str, str], count: int) -> Found:
        """XREAD without waiting."""
        found = {}
        for key, entry_id in after.items():
            stream = self.streams.get(key)
            if stream is not None and stream.last > _parsed(entry_id):
                entries = stream.behind(entry_id, count)
                if entries:
                    found[key] = entries
        return found

    def last_id(self, key: str) -> str:
        """The ID of the newest entry that is there."""
        entries = self.stream(key).entries
        return entries[-1][0] if entries else START_ID

    def trim(self, key: str, least: str) -> None:
        """XTRIM MINID."""
        stream = self.stream(key)
        count = stream.trim(least)
        self._undo.append((lambda: stream.untrim(count), None))

    # Hashes

    def hash(self, key: str) -> dict[bytes, bytes]:
        """HGETALL."""
        return dict(self.hashes.get(key, {}))

    def set_hash(self, key: str, found: dict[bytes, bytes]) -> None:
        """Let the hash be this; an empty one is none."""
        self._check_writable()
        before = self.hashes.get(key, {})
        self._put_hash(key, found)
        self._undo.append((lambda: self._put_hash(key, before), None))

    def _put_hash(self, key: str, found: dict[bytes, bytes]) -> None:
        self.versions[key] += 1
        self.hashes.pop(key, None)
        if found:
            self.hashes[key] = found

    def spoil(self, key: str, field: bytes, data: bytes | None) -> None:
        """A field is something else than was written, None: it is gone."""
        found = self.hash(key)
        del found[field]
        self._put_hash(key, found if data is None else {**found, field: data})

    def restore_hash(self, key: str, found: dict[bytes, bytes]) -> None:
        """The hash is this, whatever was written."""
        self._put_hash(key, found)

    # Values

    def value(self, key: str) -> bytes | None:
        if self._wall_ms() >= self._expires_ms.get(key, 1 << 62):
            return None
        return self.values.get(key)

    def set_value(self, key: str, value: bytes | None, ttl_ms: int | None = None) -> None:
        """SET or DEL."""
        self._check_writable()
        self._set(key, value, ttl_ms)

    def erase(self, key: str) -> None:
        """Somebody deletes a key by hand, whatever else holds."""
        self._set(key, None, None)

    def _set(self, key: str, value: bytes | None, ttl_ms: int | None) -> None:
        before, expired_ms = self.values.get(key), self._expires_ms.get(key)
        self._put(key, value, None if ttl_ms is None else self._wall_ms() + ttl_ms)
        self._undo.append((lambda: self._put(key, before, expired_ms), None))

    def _put(self, key: str, value: bytes | None, expires_ms: int | None) -> None:
        self.values.pop(key, None)
        self._expires_ms.pop(key, None)
        if value is not None:
            self.values[key] = value
        if expires_ms is not None:
            self._expires_ms[key] = expires_ms

    def replace_lease(self, shard: int, write: Write) -> bool:
        """What ``engine.io.store`` does with WATCH and MULTI."""
        key = lease_key(shard)
        if self.value(key) != write.expected:
            return False
        self.set_value(key, write.value or None, LEASE_TTL_MS if write.value else None)
        return True

    def epoch(self, experience: str) -> int:
        return int(self.value(epoch_key(shard_of(experience))) or 0)

    # The append script

    def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        return [self.commit_one(append) for append in appends]

    def commit_one(self, append: Append) -> Outcome:
        """``append.lua``, condition by condition."""
        with self.one_piece():
            return self._script(append)

    def _script(self, append: Append) -> Outcome:
        tip = tip_key(append.experience)
        last, owner, reached = self.tips.get(tip, (START_ID, b"", append.previous.chain))
        if (last, reached) == (append.end.entry_id, append.end.chain):
            return Outcome.DONE
        if last != append.previous.entry_id or reached != append.previous.chain:
            return Outcome.FENCED
        if append.takes_over:
            if append.end.epoch != max(self.epoch(append.experience), parse_entry_id(last)[0]) + 1:
                return Outcome.EPOCH_TAKEN
            self.set_value(epoch_key(shard_of(append.experience)), b"%d" % append.end.epoch)
        elif owner != append.writer:
            return Outcome.FENCED
        elif not self._has_command(append):
            return Outcome.COMMANDS_LOST
        self._append(tip, append)
        return Outcome.APPENDED

    def _has_command(self, append: Append) -> bool:
        command = append.end.command_id
        found = self.stream(commands_key(append.experience)).at(command) or {}
        same = (found.get(FIELD_SENDER, b""), found.get(FIELD_NUMBER, b"")) == (append.sender, append.number)
        return command == START_ID or bool(found and (same or not append.sender))

    def _append(self, tip: str, append: Append) -> None:
        fields = {FIELD_ENTRY: append.payload, FIELD_CHAIN: append.end.chain}
        written = Written(append.experience, append.end.entry_id, append.end.chain)
        self.add(events_key(append.experience), fields, append.end.entry_id, written)
        self.writers[written] = append.writer
        before = self.tips.get(tip)
        self.tips[tip] = (append.end.entry_id, append.writer, append.end.chain)
        self.versions[tip] += 1

        def undo() -> None:
            self.versions[tip] += 1
            if before is None:
                del self.tips[tip]
            else:
                self.tips[tip] = before

        self._undo.append((undo, None))

    # Losing

    @property
    def writes(self) -> int:
        """How many there have been, but for those that are lost."""
        return len(self._undo)

    @property
    def writes_since_entry(self) -> int:
        """How many came behind the last entry of a log."""
        return next((count for count, (_, written) in enumerate(reversed(self._undo)) if written), self.writes)

    def lose(self, writes: int) -> None:
        """The last ``writes`` writes never happened; the event entries among them are noted in ``lost``."""
        for _ in range(min(writes, len(self._undo))):
            undo, written = self._undo.pop()
            undo()
            if written is not None:
                self.lost.append(written)

    @contextmanager
    def one_piece(self) -> Iterator[None]:
        """What is written meanwhile is replicated whole, so it is lost whole."""
        first = len(self._undo)
        try:
            yield
        finally:
            parts = self._undo[first:]
            del self._undo[first:]
            if parts:
                written = [one for _, one in parts if one is not None]
                assert len(written) <= 1, "a script writes one entry"
                self._undo.append((partial(_undo_all, parts), written[0] if written else None))


def _undo_all(parts: Sequence[tuple[Callable[[], None], Written | None]]) -> None:
    for undo, _ in reversed(parts):
        undo()
