"""Who holds which ticket: consumer id to latest ticket, for millions, without a pause as it grows.

One dict of n entries is hashed anew each time that it is full: at 2.8 million that held the engine for 0.6 s on a slow
machine. So the ids are spread over ``SHARDS`` dicts by their last byte; ids are random, so each is small, they fill at
about the same rate, and each is hashed anew by itself, some milliseconds at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

SHARDS: Final = 256


class Latest:
    """``shards``: where an id is, by its last byte; for those who go through many."""

    def __init__(self) -> None:
        self.shards: list[dict[bytes, int]] = [{} for _ in range(SHARDS)]

    @classmethod
    def of(cls, consumers: Iterable[bytes]) -> Latest:
        """Of the holders of tickets 0, 1, 2 …, none of them empty."""
        latest = cls()
        shards = latest.shards
        for ticket, consumer in enumerate(consumers):
            shards[consumer[-1]][consumer] = ticket
        return latest

    def get(self, consumer: bytes) -> int | None:
        """The latest ticket of ``consumer``, whatever that is; None for who never had one."""
        return self.shards[consumer[-1]].get(consumer) if consumer else None

    def __contains__(self, consumer: bytes) -> bool:
        return self.get(consumer) is not None

    def __getitem__(self, consumer: bytes) -> int:
        return self.shards[consumer[-1]][consumer]

    def __setitem__(self, consumer: bytes, ticket: int) -> None:
        self.shards[consumer[-1]][consumer] = ticket

    def __iter__(self) -> Iterator[bytes]:
        for shard in self.shards:
            yield from shard
