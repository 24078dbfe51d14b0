"""The store as the code of snapshots asks it: by a client whose calls answer before they return.

While a call is on its way the world goes on: rivals take over between a WATCH and its EXEC, and the store goes down
between two chunks. Whoever calls may be killed or stopped there, before the call is sent or behind its effect. The
names, arguments and answers are those of redis-py, as far as they are used.

``WaitingClient`` is the same for the gateways, whose calls are awaited.

Hands over to: ``store.py``, over a ``Link``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Protocol

from redis.exceptions import ConnectionError as CutOff
from redis.exceptions import RedisError, WatchError

from protocol.streams import START_ID, parse_entry_id
from tests.engine.simulation.links import Link
from tests.engine.simulation.store import SimulatedStore

EntryFields = tuple[bytes, dict[bytes, bytes]]


class Killed(BaseException):
    """SIGKILL, in the middle of a call: no code of the process may catch it."""


class Caller(Protocol):
    """Whoever calls; it may be struck on either side of a call."""

    def strike(self, name: str, *, behind: bool) -> None:
        """Nothing, or time goes by, or Killed is raised."""


class SimulatedClient:
    """One connection of one process."""

    def __init__(self, link: Link, caller: Caller) -> None:
        self.store = link.network.store
        self._link = link
        self._caller = caller
        self._breaks = link.network.breaks

    def call(self, name: str, effect: Callable[[], Any]) -> Any:
        """Do ``effect`` at the store; the world goes on until its answer is here. Raises RedisError, Killed."""
        network, came = self._link.network, list[tuple[Any, RedisError | None]]()
        self._caller.strike(name, behind=False)
        if self._breaks != network.breaks:
            self._breaks = network.breaks
            raise CutOff("the connection was cut off before")
        self._link.call(effect, lambda answer, error: came.append((answer, error)))
        while not came:
            network.world.go_on()
        self._caller.strike(name, behind=True)
        answer, error = came[0]
        if error is not None:
            raise error
        return answer

    def pipeline(self) -> SimulatedPipeline:
        return SimulatedPipeline(self)

    def hset(self, key: str, field: str, value: bytes) -> None:
        self.call("hset", lambda: set_field(self.store, key, field, value))

    def hget(self, key: str, field: bytes) -> bytes | None:
        found: bytes | None = self.call("hget", lambda: hash_of(self.store, key).get(field))
        return found

    def hmget(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = self.call("hmget", lambda: some_of(self.store, key, fields))
        return found

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self.call("hgetall", lambda: hash_of(self.store, key))
        return found

    def xrange(self, key: str, min: str = "-", max: str = "+", count: int | None = None) -> list[EntryFields]:
        found: list[EntryFields] = self.call("xrange", lambda: entries_of(self.store, key, min, max, count))
        return found


class SimulatedPipeline(SimulatedClient):
    """What is watched and read at once, then what is queued, until it is executed in one piece."""

    def __init__(self, client: SimulatedClient) -> None:
        super().__init__(client._link, client._caller)
        self._client = client
        self._watched: dict[str, int] = {}
        self._queued: list[Callable[[], None]] = []

    def __enter__(self) -> SimulatedPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._watched = {}  # what was sent before may still come through, on its own condition

    def call(self, name: str, effect: Callable[[], Any]) -> Any:
        """The connection is that of the client: where it was cut behind a WATCH, the next call raises."""
        return self._client.call(name, effect)

    def watch(self, *keys: str) -> None:
        self._watched = self.call("watch", lambda: {key: self.store.versions[key] for key in keys})

    def multi(self) -> None:
        """From here on commands are queued."""

    def hset(self, key: str, field: str, value: bytes) -> None:
        self._queued.append(lambda: set_field(self.store, key, field, value))

    def hdel(self, key: str, field: str | bytes) -> None:
        name = field if isinstance(field, bytes) else field.encode()
        self._queued.append(lambda: self._hdel(key, name))

    def _hdel(self, key: str, name: bytes) -> None:
        found = self.store.hash(key)
        if found.pop(name, None) is not None:
            self.store.set_hash(key, found)

    def unlink(self, *keys: str) -> None:
        self._queued += [partial(self._unlink, key) for key in keys]

    def _unlink(self, key: str) -> None:
        if key in self.store.hashes:
            self.store.set_hash(key, {})

    def xtrim(self, key: str, minid: str, approximate: bool) -> None:
        assert not approximate, "trimming is exact"
        self._queued.append(lambda: self.store.trim(key, minid))

    def execute(self) -> None:
        watched, queued = self._watched, self._queued
        self.call("execute", lambda: self._execute(watched, queued))

    def _execute(self, watched: dict[str, int], queued: list[Callable[[], None]]) -> None:
        if any(self.store.versions[key] != version for key, version in watched.items()):
            raise WatchError("a watched key was changed")
        with self.store.one_piece():
            for act in queued:
                act()
        self.store.on_execute()


class Effect:
    """A call that is awaited: whoever drives the coroutine does ``effect`` at the store and sends its answer."""

    def __init__(self, effect: Callable[[], Any]) -> None:
        self.effect = effect

    def __await__(self) -> Generator[Effect, Any, Any]:
        return (yield self)


class WaitingClient:
    """The calls of ``gateway.io.resync``."""

    def __init__(self, store: SimulatedStore) -> None:
        self._store = store

    async def hgetall(self, key: str) -> Any:
        return await Effect(lambda: hash_of(self._store, key))

    async def hmget(self, key: str, fields: Sequence[str]) -> Any:
        return await Effect(lambda: some_of(self._store, key, fields))

    async def xrange(self, key: str, least: str, most: str) -> Any:
        return await Effect(lambda: entries_of(self._store, key, least, most, None))


def set_field(store: SimulatedStore, key: str, field: str, value: bytes) -> None:
    store.set_hash(key, {**store.hash(key), field.encode(): value})


def hash_of(store: SimulatedStore, key: str) -> dict[bytes, bytes]:
    """A tip is one too."""
    if key in store.tips:
        entry_id, writer, chain = store.tips[key]
        return {b"id": entry_id.encode(), b"writer": writer, b"chain": chain}
    return store.hash(key)


def some_of(store: SimulatedStore, key: str, fields: Sequence[str]) -> list[bytes | None]:
    found = store.hashes.get(key, {})
    return [found.get(field.encode()) for field in fields]


def entries_of(store: SimulatedStore, key: str, least: str, most: str, count: int | None) -> list[EntryFields]:
    """XRANGE, both ends with them."""
    first = parse_entry_id(START_ID if least == "-" else least)
    found = [
        (entry_id.encode(), fields)
        for place, (entry_id, fields) in zip(store.stream(key).ids, store.stream(key).entries, strict=True)
        if place >= first and (most == "+" or place <= parse_entry_id(most))
    ]
    return found[:count]
