"""Connections to the store. A client's own retries are off: what was sent twice unseen is not ours to number.

The one read and the one write that every process makes all the time go through `Direct`: the library's way to say the
same costs three times as much as what is said.
"""

import asyncio
from functools import cache
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster

from protocol.store_urls import ClusterUrl, Host, SentinelUrl, cluster_url, sentinel_url
from protocol.streams import SHARDS, lease_key

CONNECT_TIMEOUT_MS = 2_000
ANSWER_TIMEOUT_MS = 3_000
BACKOFF_MS_MIN = 50
BACKOFF_MS_MAX = 1_000

Store = redis.asyncio.Redis
STORE_ERRORS = (redis.exceptions.RedisError, OSError)
"""All that a lost, starting or unwilling store can raise."""


class _TellsClosed:
    """A kind of connection, but that one which was reset a moment ago is an error of the store like any other: uvloop
    has nothing but a RuntimeError for who writes to it, and the library passes that on."""

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        connection: Any = super()
        try:
            await connection.send_packed_command(*args, **options)
        except RuntimeError as error:
            raise redis.exceptions.ConnectionError(f"the connection is closed: {error}") from error


@cache
def _telling(kind: type) -> type:
    return type(kind.__name__, (_TellsClosed, kind), {})


class Direct:
    """One connection, made with the first question, whose answers are as they came over the wire (RESP 2). One asks at
    a time, and closes it after an error."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Any = None  # the library leaves its methods without types

    async def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The answer of each of ``commands``, which are written at once. Raises one of `STORE_ERRORS`, for the first
        answer that is an error too."""
        async with asyncio.timeout(ANSWER_TIMEOUT_MS / 1000):
            if self._connection is None:
                self._connection = (await self._store.initialize()).connection
            await self._connection.send_packed_command(self._connection.pack_commands(commands))
            return [await self._connection.read_response() for _ in commands]

    async def aclose(self) -> None:
        """Give the connection up."""
        self._connection = None
        await self._store.aclose()


class Servers:
    """Those of the store at an address: one, whoever is the primary by Sentinel's word, or the nodes of a Cluster."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sentinel, self._cluster = sentinel_url(url), cluster_url(url)
        self._nodes: list[Host] = []
        self._looking = asyncio.Lock()

    @property
    def parts(self) -> list[range]:
        """The shards that one connection can read at once: all, or on a Cluster each alone."""
        every = range(SHARDS)
        return [every] if self._cluster is None else [range(shard, shard + 1) for shard in every]

    async def connect(self, shard: int = 0) -> Store:
        """A client of the server that has ``shard``, on one connection, which is made with the first command and never
        made anew by itself. Raises a store error where nobody says which server that is."""
        return await self._client(shard, _once(ANSWER_TIMEOUT_MS))

    async def direct(self, shard: int) -> Direct:
        """The same as bare questions and answers."""
        return Direct(await self._client(shard, _once(None)))

    async def _client(self, shard: int, options: dict[str, Any]) -> Store:
        client = await self._any_client(shard, options)
        pool: Any = client.connection_pool
        pool.connection_class = _telling(pool.connection_class)
        return client

    async def _any_client(self, shard: int, options: dict[str, Any]) -> Store:
        if self._sentinel is not None:
            return _SentinelStore(self._sentinel, options)
        if self._cluster is None:
            return Store.from_url(self._url, single_connection_client=True, **options)
        async with self._looking:
            self._nodes = self._nodes or await asyncio.to_thread(_nodes, self._cluster)
        host, port = self._nodes[shard]
        return Store(host=host, port=port, single_connection_client=True, **self._cluster.login._asdict(), **options)

    def look_again(self) -> None:
        """A server did not answer, or has another shard now."""
        self._nodes = []


def _nodes(cluster: ClusterUrl) -> list[Host]:
    """The node of every shard. Raises a store error.

    It waits, so it is for a thread of its own: the library's asynchronous client leaves connections open where whoever
    asks is cancelled meanwhile.
    """
    known = [ClusterNode(host, port) for host, port in cluster.nodes]  # type: ignore[no-untyped-call]
    timeouts: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_MS / 1000,
        "socket_timeout": ANSWER_TIMEOUT_MS / 1000,
    }
    try:
        with RedisCluster(startup_nodes=known, **cluster.login._asdict(), **timeouts) as asked:
            nodes = [asked.get_node_from_key(lease_key(shard)) for shard in range(SHARDS)]
    except redis.exceptions.RedisClusterException as error:
        raise redis.exceptions.ConnectionError(f"the Cluster does not say where its slots are: {error}") from error
    return [(str(node.host), int(node.port)) for node in nodes]


class _SentinelStore(Store):
    """A client of the primary; the connections to the Sentinels that named it end with its own."""

    def __init__(self, named: SentinelUrl, options: dict[str, Any]) -> None:
        self._sentinel = Sentinel(named.sentinels, sentinel_kwargs=_once(ANSWER_TIMEOUT_MS))  # type: ignore[no-untyped-call]
        every = {"db": named.db, **named.login._asdict(), **options}
        pool = SentinelConnectionPool(named.service, self._sentinel, **every)  # type: ignore[no-untyped-call]
        super().__init__(connection_pool=pool, single_connection_client=True)
        self.auto_close_connection_pool = True

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()


def _once(answer_timeout_ms: int | None) -> dict[str, Any]:
    """What makes a client try everything once. Without ``answer_timeout_ms`` whoever asks sees to the time."""
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_TIMEOUT_MS / 1000,
        "socket_timeout": None if answer_timeout_ms is None else answer_timeout_ms / 1000,
    }


class Backoff:
    """How long to wait before the next attempt, in seconds: doubling, until one succeeds."""

    def __init__(self) -> None:
        self._ms = BACKOFF_MS_MIN

    def reset(self) -> None:
        """The last attempt succeeded."""
        self._ms = BACKOFF_MS_MIN

    def next_s(self) -> float:
        """The pause before the next attempt."""
        pause_ms, self._ms = self._ms, min(2 * self._ms, BACKOFF_MS_MAX)
        return pause_ms / 1000
