"""The real outside of an engine process: the store at an address, this machine's clocks and chance.

Every question is answered before it returns, so a loop that runs on it never suspends: ``run`` drives one to its end
without an event loop, as if it had been written with ordinary calls.

Hands over to: ``engine.io.streams``, ``engine.io.append``, ``engine.beginning``, which speak to the store.
"""

import secrets
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from redis.exceptions import WatchError

from engine.beginning import Begin, Beginning, begin, newest_manifest
from engine.io import streams
from engine.io.append import Append, Appender, Outcome
from engine.io.clock import Reading, read_clocks
from engine.io.lease import Write
from engine.io.nodes import Nodes, ReaderOfShards
from engine.io.streams import LogEntry, RawEntry, StreamReader
from protocol.manifest import Manifest
from protocol.streams import LEASE_TTL_MS, SHARDS, lease_key, shard_of

Result = TypeVar("Result")


def run(loop: Coroutine[Any, Any, Result]) -> Result:
    """Drive ``loop`` to its end; it must ask nobody but a ``Store``."""
    try:
        loop.send(None)
    except StopIteration as end:
        answer: Result = end.value
        return answer
    raise AssertionError("a question to the real store is answered before it returns")


class Store:
    """The outside of one engine process. ``begin`` finds where a restoration begins, in a thread of its own;
    ``wait_replicas`` are to have each commit too."""

    def __init__(self, url: str, begin: Begin = begin, *, wait_replicas: int = 0) -> None:
        self._nodes = Nodes(url)
        self._wait_replicas = wait_replicas
        self._appenders: dict[int, Appender] = {}
        self._begin = begin

    def client_of(self, experience: str) -> Any:
        """The client of the server that has this experience. (Typed for waiting callers too.)"""
        return self._nodes.of(shard_of(experience))

    def clocks(self) -> Reading:
        return read_clocks()

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    async def pause(self, ms: int) -> None:
        _sleep(ms)

    def reader(self) -> StreamReader | ReaderOfShards:
        self._nodes.look_again()  # the loop asks for a reader when it begins, and again when the store was away
        return self._nodes.reader()

    async def experiences(self) -> tuple[list[str], dict[str, str]]:
        found: list[str] = []
        wakes: dict[str, str] = {}
        for client, shards in self._nodes.groups(range(SHARDS)):
            there, heads = streams.read_experiences(client, shards)
            found += there
            wakes |= heads
        return sorted(found), wakes

    async def leases(self, shards: Sequence[int]) -> list[bytes | None]:
        values: dict[int, bytes | None] = {}
        for client, theirs in self._nodes.groups(shards):
            pipeline = client.pipeline(transaction=False)
            for shard in theirs:
                pipeline.get(lease_key(shard))
            values |= zip(theirs, pipeline.execute(), strict=True)
        return [values[shard] for shard in shards]

    async def replace_lease(self, shard: int, write: Write) -> bool:
        key = lease_key(shard)
        with self._nodes.of(shard).pipeline() as pipeline:
            pipeline.watch(key)
            if pipeline.get(key) != write.expected:
                return False
            pipeline.multi()
            if write.value:
                pipeline.set(key, write.value, px=LEASE_TTL_MS)
            else:
                pipeline.delete(key)
            try:
                pipeline.execute()
            except WatchError:
                return False
        return True

    async def last_entry(self, experience: str) -> LogEntry | None:
        return streams.last_log_entry(self.client_of(experience), experience)

    async def last_entry_id(self, experience: str) -> str:
        return streams.last_entry_id(self.client_of(experience), experience)

    async def epoch(self, experience: str) -> int:
        return streams.read_epoch(self.client_of(experience), experience)

    async def store_ms(self) -> int:
        return streams.store_ms(self._nodes.of(0))

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        shards: dict[int, list[Append]] = {}
        for append in appends:
            shards.setdefault(shard_of(append.experience), []).append(append)
        outcomes: dict[str, Outcome] = {}
        for client, theirs in self._nodes.groups(shards):
            group = [append for shard in theirs for append in shards[shard]]
            answers = self._appender(client).commit(group)
            outcomes |= zip((append.experience for append in group), answers, strict=True)
        return [outcomes[append.experience] for append in appends]

    def _appender(self, client: Any) -> Appender:
        return self._appenders.setdefault(id(client), Appender(client, self._wait_replicas))

    def beginning(self, experience: str, until: str | None) -> Future[Beginning]:
        executor = ThreadPoolExecutor(1, "beginning")
        found = executor.submit(self._begin, self.client_of(experience), experience, until)
        executor.shutdown(wait=False)
        return found

    def newest_manifest(self, experience: str, until: str) -> Manifest | None:
        return newest_manifest(self.client_of(experience), experience, until)

    def log(self, experience: str, after: str) -> Iterator[LogEntry]:
        return streams.read_log(self.client_of(experience), experience, after)

    def commands(self, experience: str, after: str) -> Iterator[RawEntry]:
        return streams.read_commands(self.client_of(experience), experience, after)

    def close(self) -> None:
        self._nodes.close()


def _sleep(ms: int) -> None:
    time.sleep(ms / 1000)
