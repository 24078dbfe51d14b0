"""The servers of the store: which of them has a shard. One server, or what Sentinel names, has them all.

On a Cluster each shard is asked of the node that has its slot, over an ordinary client: all keys of a shard have its
tag, so scripts, transactions and blocking reads work there as anywhere. A node that has a slot no more says so with an
error, like one that is away; then the nodes are looked up anew (``look_again``).

Hands over to: ``engine.io.store``, which asks; ``engine.io.streams``, whose clients these are.
"""

import select
from collections.abc import Iterable
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from engine.io.streams import CONNECT_TIMEOUT_S, ONCE, Found, StreamReader, connect
from protocol.store_urls import ClusterUrl, Host, cluster_url
from protocol.streams import SHARDS, lease_key, shard_of_key

ANYWHERE: Host = ("", 0)


class Nodes:
    """Clients by shard, made when they are asked for. Everything here may raise RedisError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cluster = cluster_url(url)
        self._places: list[Host] = []
        self._clients: dict[Host, Any] = {}

    def of(self, shard: int) -> Any:
        """The client of the node that has this shard. (Typed for waiting callers too.)"""
        if not self._places:
            self._places = [ANYWHERE] * SHARDS if self._cluster is None else _places(self._cluster)
        place = self._places[shard]
        if place not in self._clients:
            self._clients[place] = _client(self._url, self._cluster, place)
        return self._clients[place]

    def groups(self, shards: Iterable[int]) -> list[tuple[Any, list[int]]]:
        """The clients of these shards, each with those of its node, in order."""
        groups: dict[int, tuple[Any, list[int]]] = {}
        for shard in shards:
            client = self.of(shard)
            groups.setdefault(id(client), (client, []))[1].append(shard)
        return list(groups.values())

    def look_again(self) -> None:
        """Shards may be elsewhere now."""
        self._places = []

    def reader(self) -> "StreamReader | ReaderOfShards":
        """A reader on connections of its own."""
        return ReaderOfShards(self) if self._cluster is not None else StreamReader(self.of(0))

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


class ReaderOfShards:
    """As ``StreamReader``, on a Cluster: a node reads only streams of one slot at once, so each shard has its own."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._readers: dict[int, StreamReader] = {}

    @property
    def asked(self) -> dict[str, str]:
        """The IDs behind which the last questions asked, by stream."""
        return {key: after for reader in self._readers.values() for key, after in reader.asked.items()}

    def ask(self, after: dict[str, str], count: int, block_ms: int | None) -> None:
        """Ask for each shard, where no question is outstanding."""
        shards: dict[int, dict[str, str]] = {}
        for key, entry_id in after.items():
            shards.setdefault(shard_of_key(key), {})[key] = entry_id
        for shard, asked in shards.items():
            if shard not in self._readers:
                self._readers[shard] = StreamReader(self._nodes.of(shard))
            self._readers[shard].ask(asked, count, block_ms)

    async def wait(self, timeout_ms: int) -> Found:
        """The answers that come within ``timeout_ms``: with the first those that are there already."""
        readers = self._readers.values()
        if not any(reader.answered for reader in readers):
            sockets = [reader.socket for reader in readers if reader.socket is not None]
            select.select(sockets, (), (), timeout_ms / 1000)
        found: Found = {}
        for reader in readers:
            if reader.answered:
                found |= await reader.wait(0)
        return found

    def __enter__(self) -> "ReaderOfShards":
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.__exit__()


def _client(url: str, cluster: ClusterUrl | None, place: Host) -> redis.Redis:
    if cluster is None:
        return connect(url)
    host, port = place
    return redis.Redis(host=host, port=port, **cluster.login._asdict(), **ONCE)


def _places(cluster: ClusterUrl) -> list[Host]:
    """The node of every shard. Raises RedisError."""
    known = [ClusterNode(host, port) for host, port in cluster.nodes]  # type: ignore[no-untyped-call]
    timeouts: dict[str, Any] = {"socket_connect_timeout": CONNECT_TIMEOUT_S, "socket_timeout": CONNECT_TIMEOUT_S}
    try:
        with RedisCluster(startup_nodes=known, **cluster.login._asdict(), **timeouts) as asked:
            nodes = [asked.get_node_from_key(lease_key(shard)) for shard in range(SHARDS)]
    except RedisClusterException as error:
        raise RedisError(f"the Cluster does not say where its slots are: {error}") from error
    return [(str(node.host), int(node.port)) for node in nodes]
