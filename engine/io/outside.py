"""All that the engine's loop asks of the world outside: the store, the clocks, chance, and time to wait.

The loop is written against this shape alone. A question to the store is awaited, so every place where a process can be
killed, stopped or cut off stands in the code as an ``await``, and whoever drives the loop decides what happens there.
There are two of this shape: ``engine.io.store`` answers at once, from the real store, so nothing is ever suspended in
a process; the simulator (``tests/engine/simulation``) suspends each question and lets the world go on meanwhile.

All of it may raise RedisError: then nobody knows whether what was asked for has happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, Self

from engine.io.append import Append, Outcome
from engine.io.clock import Reading
from engine.io.lease import Write
from engine.io.streams import Found, LogEntry, RawEntry
from protocol.manifest import Manifest

if TYPE_CHECKING:
    from engine.beginning import Beginning


class Reader(Protocol):
    """Waits for new entries on many streams at once; see ``engine.io.streams.StreamReader``."""

    @property
    def asked(self) -> dict[str, str]: ...

    def ask(self, after: dict[str, str], count: int, block_ms: int | None) -> None: ...

    async def wait(self, timeout_ms: int) -> Found: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Source(Protocol):
    """What an experience is restored from."""

    def clocks(self) -> Reading:
        """Both clocks, now."""

    def beginning(self, experience: str, until: str | None) -> Future[Beginning]:
        """Where to begin, not behind the entry ``until`` where that is given. It is found while the caller goes on.
        The future holds LogError where nothing can be begun with."""

    def newest_manifest(self, experience: str, until: str) -> Manifest | None:
        """Of the newest snapshot that stands in the log, not behind the entry ``until``, or None."""

    def log(self, experience: str, after: str) -> Iterator[LogEntry]:
        """The log behind the entry ``after``, in chunks. Raises StreamError."""

    def commands(self, experience: str, after: str) -> Iterator[RawEntry]:
        """The entries of the commands stream behind ``after``, in chunks, whatever is in them."""


class Outside(Source, Protocol):
    """One engine process's way out."""

    def random_bytes(self, count: int) -> bytes:
        """Bytes that nobody can guess."""

    async def pause(self, ms: int) -> None:
        """Do nothing for so long."""

    def reader(self) -> Reader:
        """A reader on a connection of its own."""

    async def experiences(self) -> tuple[list[str], dict[str, str]]:
        """All experiences, sorted, and for each wake stream the ID from which on it tells of new ones."""

    async def leases(self, shards: Sequence[int]) -> list[bytes | None]:
        """What the leases of these shards are."""

    async def replace_lease(self, shard: int, write: Write) -> bool:
        """Carry out ``write`` (an empty value deletes) if the lease still is what was expected."""

    async def last_entry(self, experience: str) -> LogEntry | None:
        """The newest entry of the log, or None. Raises StreamError."""

    async def last_entry_id(self, experience: str) -> str:
        """The ID of the newest entry of the log, readable or not."""

    async def epoch(self, experience: str) -> int:
        """The highest epoch ever taken in the shard of this experience, as far as the counter knows; 0 for none."""

    async def store_ms(self) -> int:
        """The store's clock, epoch ms."""

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Try each, in one round trip; the outcomes in the same order. An error leaves open which of them are in."""

    def close(self) -> None:
        """Give everything up."""
