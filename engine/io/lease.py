"""Who tries to write a shard. The lease never says what is true (the append script does); it only keeps engines from
getting into each other's way.

Its value is ``<owner>:<beat>``; the holder changes the beat again and again. Whoever sees the same value for
``lease_ms`` of its own monotonic time may take the lease: the store's expiry follows the store's wall clock, which
jumps, so it only cleans up. An orderly engine deletes its lease and the next one starts at once.

``Lease`` is pure: it is shown values and times and says what to write. ``LeaseDesk`` carries that to the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.io.outside import Outside


class Write(NamedTuple):
    """What to write: ``value``, if the lease still is ``expected`` (None: absent)."""

    expected: bytes | None
    value: bytes


class Change(Enum):
    """What tending a lease led to."""

    GAINED = "gained"
    LOST = "lost"


class Lease:
    """One shard's lease as this engine sees it. Times are milliseconds of one monotonic clock."""

    def __init__(self, owner: str, lease_ms: int, beat_ms: int) -> None:
        self.held = False
        self._prefix = f"{owner}:".encode()
        self._lease_ms = lease_ms
        self._beat_ms = beat_ms
        self._beat = 0
        self._seen: bytes | None = None
        self._seen_ms = 0
        self._wrote_ms = 0
        self._not_before_ms = 0

    def see(self, value: bytes | None, now_ms: int) -> Write | None:
        """The lease is ``value``: what to write, if anything. Sets ``held`` to False where another has taken it."""
        if self.held and value is not None and not value.startswith(self._prefix):
            self.held = False
        if value != self._seen:
            self._seen, self._seen_ms = value, now_ms
        due_ms = self._wrote_ms + self._beat_ms if self.held and value is not None else self._free_ms(value)
        return Write(value, b"%s%d" % (self._prefix, self._beat + 1)) if now_ms >= due_ms else None

    def _free_ms(self, value: bytes | None) -> int:
        """From when on a lease that is not ours may be taken. One that is absent is free, and ours again if it was."""
        if self.held:
            return 0
        unchanged_ms = 0 if value is None else self._seen_ms + self._lease_ms
        return max(unchanged_ms, self._not_before_ms)

    def wrote(self, write: Write, now_ms: int) -> None:
        """``write`` was carried out: the lease is held."""
        self.held = True
        self._beat += 1
        self._seen = write.value
        self._wrote_ms = self._seen_ms = now_ms

    def stand_back(self, until_ms: int) -> bytes | None:
        """Give it up and do not try before ``until_ms``. The value to delete, if it still is that one."""
        mine = self._seen if self.held else None
        self.held = False
        self._not_before_ms = until_ms
        return mine


class LeaseDesk:
    """All leases that this engine tries for, tended together: one round trip to look, writes only where due."""

    def __init__(self, outside: Outside, owner: str, lease_ms: int, beat_ms: int) -> None:
        self._outside = outside
        self._owner = owner
        self._lease_ms = lease_ms
        self._beat_ms = beat_ms
        self._leases: dict[int, Lease] = {}

    @property
    def held(self) -> list[int]:
        """The shards whose lease is ours."""
        return [shard for shard, lease in self._leases.items() if lease.held]

    def holds(self, shard: int) -> bool:
        lease = self._leases.get(shard)
        return lease is not None and lease.held

    def add(self, shards: Iterable[int]) -> None:
        """Try for these shards from now on."""
        for shard in shards:
            self._leases.setdefault(shard, Lease(self._owner, self._lease_ms, self._beat_ms))

    async def tend(self, now_ms: int) -> dict[int, Change]:
        """Look at every lease, renew and take what is due. Raises RedisError."""
        values = await self._outside.leases(list(self._leases))
        changes = {}
        for (shard, lease), value in zip(self._leases.items(), values, strict=True):
            before = lease.held
            write = lease.see(value, now_ms)
            if write is not None and await self._outside.replace_lease(shard, write):
                lease.wrote(write, now_ms)
            if lease.held != before:
                changes[shard] = Change.GAINED if lease.held else Change.LOST
        return changes

    async def stand_back(self, shard: int, until_ms: int) -> None:
        """Leave a shard to others until then. Raises RedisError."""
        mine = self._leases[shard].stand_back(until_ms)
        if mine is not None:
            await self._outside.replace_lease(shard, Write(mine, b""))

    async def release(self) -> None:
        """Leave every shard, so that another engine starts at once. Raises RedisError."""
        for shard in self.held:
            await self.stand_back(shard, 0)
