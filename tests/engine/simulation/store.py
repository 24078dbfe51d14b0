"""The simulated store: the wall of the process. Streams, values, and the append script, as Valkey would have them.

What it must agree with is the real script, ``engine/io/append.lua``; ``tests/integration/test_simulated_script.py``
holds the two against each other. Everything that is written can be undone, newest first, because that is what a
failover or a restart without its last second does: the writes of a node are lost from the end, over all its keys.

Another kind of key (a snapshot, say) is another ``set_value``: it is undone like the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from redis.exceptions import ResponseError

from engine.io.append import Append, Outcome
from engine.io.lease import Write
from engine.io.streams import Found, RawEntry
from protocol.streams import (
    FIELD_CHAIN,
    FIELD_ENTRY,
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
    """Entries with growing IDs; ``last`` is the greatest ID ever given."""

    def __init__(self) -> None:
        self.ids: list[Id] = []
        self.entries: list[RawEntry] = []
        self.last: Id = (0, 0)

    def behind(self, after: str, count: int) -> list[RawEntry]:
        """Up to ``count`` entries behind this ID."""
        first = bisect_right(self.ids, _parsed(after))
        return self.entries[first : first + count]

    def has(self, entry_id: str) -> bool:
        first = bisect_right(self.ids, _parsed(entry_id))
        return first > 0 and self.entries[first - 1][0] == entry_id


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
        tip = tip_key(append.experience)
        last, owner, _ = self.tips.get(tip, (START_ID, None, b""))
        if last == append.end.entry_id and owner == append.writer:
            return Outcome.DONE
        if last != append.previous.entry_id:
            return Outcome.FENCED
        if append.takes_over:
            if append.end.epoch != max(self.epoch(append.experience), parse_entry_id(last)[0]) + 1:
                return Outcome.EPOCH_TAKEN
            self.set_value(epoch_key(shard_of(append.experience)), b"%d" % append.end.epoch)
        else:
            if owner != append.writer:
                return Outcome.FENCED
            command = append.end.command_id
            if command != START_ID and not self.stream(commands_key(append.experience)).has(command):
                return Outcome.COMMANDS_LOST
        self._append(tip, append)
        return Outcome.APPENDED

    def _append(self, tip: str, append: Append) -> None:
        fields = {FIELD_ENTRY: append.payload, FIELD_CHAIN: append.end.chain}
        written = Written(append.experience, append.end.entry_id, append.end.chain)
        self.add(events_key(append.experience), fields, append.end.entry_id, written)
        self.writers[written] = append.writer
        before = self.tips.get(tip)
        self.tips[tip] = (append.end.entry_id, append.writer, append.end.chain)

        def undo() -> None:
            if before is None:
                del self.tips[tip]
            else:
                self.tips[tip] = before

        self._undo.append((undo, None))

    # Losing

    def lose(self, writes: int) -> None:
        """The last ``writes`` writes never happened; the event entries among them are noted in ``lost``."""
        for _ in range(min(writes, len(self._undo))):
            self._undo_one()
        while self._undo and self._torn():
            self._undo_one()

    def _undo_one(self) -> None:
        undo, written = self._undo.pop()
        undo()
        if written is not None:
            self.lost.append(written)

    def _torn(self) -> bool:
        """Whether the last write is the first half of an append: a script is replicated whole."""
        experiences = {written.experience for _, written in self._undo[-1:] if written is not None}
        return any(self.tips.get(tip_key(one), ("",))[0] != self.last_id(events_key(one)) for one in experiences)
