"""Single questions to the store, over one connection that all of them share, on a Cluster one a shard: is there such an
experience, make one, wake the reader. A crowd that asks for what does not exist waits in line for this connection and
costs no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.exceptions

from gateway.io.store import STORE_ERRORS, Servers, Store
from protocol.streams import FIELD_EXPERIENCE, WAKE_LENGTH_MAX, experiences_key, shard_of, wake_key

TIMEOUTS = (redis.exceptions.TimeoutError, TimeoutError)

Answer = TypeVar("Answer")


class Lookups:
    """The questions of one process. Each raises one of `STORE_ERRORS` when the store does not answer."""

    def __init__(self, url: str) -> None:
        self._servers = Servers(url)
        self._parts = len(self._servers.parts)
        self._stores: dict[int, Store] = {}
        self._lock = asyncio.Lock()
        self._failures = 0

    async def exists(self, experience: str) -> bool:
        """Whether there is such an experience."""

        shard = shard_of(experience)

        async def ask(store: Store) -> bool:
            return bool(await store.sismember(experiences_key(shard), experience))

        return await self._ask(shard, ask)

    async def create(self, experience: str) -> None:
        """Make it known to everybody, both at once; twice is as good as once."""
        shard = shard_of(experience)

        async def ask(store: Store) -> None:
            pipeline = store.pipeline(transaction=True)
            pipeline.sadd(experiences_key(shard), experience)
            pipeline.xadd(wake_key(shard), {FIELD_EXPERIENCE: experience}, maxlen=WAKE_LENGTH_MAX)
            await pipeline.execute()

        await self._ask(shard, ask)

    async def unblock(self, experience: str, client_id: int) -> None:
        """End the blocking read of that client, which waits where the experience lies."""

        async def ask(store: Store) -> None:
            await store.client_unblock(client_id)

        await self._ask(shard_of(experience), ask)

    async def close(self) -> None:
        """Give the connections back."""
        for store in self._stores.values():
            await store.aclose()

    async def _ask(self, shard: int, ask: Callable[[Store], Awaitable[Answer]]) -> Answer:
        failures, part = self._failures, shard % self._parts
        async with self._lock:
            if self._failures != failures:
                raise ConnectionError("the store did not answer somebody before in the line")
            while True:
                is_new = part not in self._stores
                try:
                    if is_new:
                        self._stores[part] = await self._servers.connect(shard)
                    return await ask(self._stores[part])
                except STORE_ERRORS as error:
                    await self._give_up(part)
                    if is_new or isinstance(error, TIMEOUTS):  # an old connection may have ended long ago, unseen
                        self._failures += 1
                        raise

    async def _give_up(self, part: int) -> None:
        self._servers.look_again()
        if part in self._stores:
            await self._stores.pop(part).aclose()
