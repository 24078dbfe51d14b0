"""The log as a drill reads it: believed entry by entry, with every effect counted.

Each entry goes through the replica's chain check, so a gap or a changed byte ends the reading. What is counted here is
what consumers and merchants would notice: who has which ticket, which admissions there are, how much stock there is.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import redis.asyncio

from loadtests.workload import VARIANT
from protocol import codec
from protocol.commands import Command, Configure
from protocol.documents import parse
from protocol.events import ADMISSION_BYTES, CONSUMER_BYTES, SENDER_BYTES, Admitted, Entry, Joined, WriterChanged
from protocol.replica import Replica
from protocol.streams import (
    FIELD_BATCH,
    FIELD_CHAIN,
    FIELD_ENTRY,
    FIELD_EXPERIENCE,
    FIELD_NUMBER,
    FIELD_SENDER,
    commands_key,
    events_key,
    experiences_key,
    parse_entry_id,
    shard_of,
    wake_key,
)

PATIENCE_S = 60.0
BLOCK_MS = 50
READ_ENTRIES = 256


class Change(NamedTuple):
    """A take-over: its entry, its epoch and writer, and when it was seen here (ns)."""

    entry_id: str
    epoch: int
    writer: bytes
    seen_ns: int


class DrillLog:
    """The log of one experience, from its first entry on.

    ``joined``: the consumers by ticket; ``admitted``: how often each admission id came; ``rows``: (seen here in ns,
    how many were admitted) of each entry that admits; ``faults``: what should never be.
    """

    def __init__(self, store: redis.asyncio.Redis, experience: str) -> None:
        self._store: Any = store  # the library's types leave open whether it waits
        self.replica = Replica(experience)
        self.entries: list[str] = []
        self.changes: list[Change] = []
        self.joined: list[bytes] = []
        self.admitted: Counter[bytes] = Counter()
        self.rows: list[tuple[int, int]] = []
        self.faults: list[str] = []
        self._applied: dict[bytes, int] = {}

    def applied(self, sender: bytes) -> int:
        """The last number of a sender that the log shows as applied."""
        return self._applied.get(sender, 0)

    @property
    def stock(self) -> int:
        """The total stock, which every batch of a drill raises by one."""
        return self.replica.stock[VARIANT].total or 0

    async def read(self, block_ms: int | None = None) -> None:
        """Take what is there, or wait ``block_ms`` for it. Raises ReplicaError, RedisError."""
        key, after = events_key(self.replica.experience), self.replica.entry_id
        for _, found in await self._store.xread({key: after}, count=READ_ENTRIES, block=block_ms) or ():
            for entry_id, fields in found:
                self._take(entry_id.decode(), fields)

    async def read_all(self) -> None:
        """Take everything, where nothing more is coming."""
        before = ""
        while before != self.replica.entry_id:
            before = self.replica.entry_id
            await self.read()

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Read until ``holds``. Raises RuntimeError after ``PATIENCE_S``."""
        until_s = time.monotonic() + PATIENCE_S
        await self.read()
        while not holds():
            if time.monotonic() > until_s:
                raise RuntimeError(f"waited {PATIENCE_S:g} s for {what}; the log ends at {self.replica.entry_id}")
            await self.read(BLOCK_MS)

    def _take(self, entry_id: str, fields: dict[bytes, bytes]) -> None:
        entry = self.replica.follow(entry_id, fields[FIELD_ENTRY], fields[FIELD_CHAIN])
        now_ns = time.monotonic_ns()
        self.entries.append(entry_id)
        self._applied |= entry.applied
        for event in entry.events:
            self.replica.apply(event)
            if isinstance(event, WriterChanged):
                self.changes.append(Change(entry_id, event.epoch, event.writer, now_ns))
            elif isinstance(event, Joined):
                self.joined += _ids(event.consumers, CONSUMER_BYTES)
            elif isinstance(event, Admitted):
                self.admitted.update(_ids(event.admissions, ADMISSION_BYTES))
                self.rows.append((now_ns, len(event.tickets)))
        self._check(entry_id, entry)

    def _check(self, entry_id: str, entry: Entry) -> None:
        """An epoch begins with its take-over, and with nothing else."""
        epoch, begins = parse_entry_id(entry_id)[0], any(isinstance(one, WriterChanged) for one in entry.events)
        if not self.changes or self.changes[-1].epoch != epoch:
            self.faults.append(f"{entry_id} is of an epoch that nobody began")
        if begins and len({change.epoch for change in self.changes}) != len(self.changes):
            self.faults.append(f"{entry_id} begins an epoch that there was")


class DrillSender:
    """Sends numbered batches as a gateway does."""

    def __init__(self, store: redis.asyncio.Redis, experience: str, sender: int) -> None:
        self.id = sender.to_bytes(SENDER_BYTES, "big")
        self._store: Any = store
        self._experience = experience
        self._batches: list[bytes] = []

    async def create(self, document: dict[str, Any]) -> int:
        """Make the experience known and configure it; the number of the batch."""
        parsed, shard = parse(document, self._experience), shard_of(self._experience)
        number = await self.send(Configure("drill", "", parsed, bytes(32), "k1"))
        await self._store.sadd(experiences_key(shard), self._experience)
        await self._store.xadd(wake_key(shard), {FIELD_EXPERIENCE: self._experience})
        return number

    async def send(self, *commands: Command) -> int:
        """A new batch; its number."""
        self._batches.append(codec.encode_commands(list(commands)))
        await self.again(len(self._batches))
        return len(self._batches)

    async def again(self, number: int) -> None:
        """The batch of this number, once more."""
        fields = {FIELD_SENDER: self.id, FIELD_NUMBER: str(number), FIELD_BATCH: self._batches[number - 1]}
        await self._store.xadd(commands_key(self._experience), fields)


def _ids(joined: bytes, size: int) -> list[bytes]:
    return [joined[start : start + size] for start in range(0, len(joined), size)]


async def within(waits: Any, what: str) -> Any:
    """What ``waits`` comes to. Raises RuntimeError after ``PATIENCE_S``."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await waits
    except TimeoutError as error:
        raise RuntimeError(f"waited {PATIENCE_S:g} s for {what}") from error
