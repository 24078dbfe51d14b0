"""A real Cluster of three nodes without replicas, as small as a Cluster can be."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from deploy.valkey import HOST, Valkey, wait_until_ready
from deploy.watched_store import wait_until
from protocol.streams import lease_key
from tests.support.valkey import START_TIMEOUT_S, STOP_TIMEOUT_S, free_ports

NODES = 3
SLOTS = 16_384


class Cluster:
    """From ``with`` to its end; ``url`` names one node, which knows the others."""

    def __init__(self, folder: Path) -> None:
        first = free_ports(2 * NODES)
        self._nodes = [Valkey(folder=folder / f"{number}", port=first + number) for number in range(NODES)]
        self._folder = folder
        self._buses = first + NODES
        self._processes: list[subprocess.Popen[bytes]] = []
        self.clients: list[Any] = []

    @property
    def url(self) -> str:
        return f"redis+cluster://{HOST}:{self._nodes[0].port}"

    def __enter__(self) -> Cluster:
        for number, node in enumerate(self._nodes):
            command = [*node.prepare(), "--cluster-enabled", "yes", "--cluster-port", str(self._buses + number)]
            with (self._folder / "cluster.log").open("ab") as log:
                self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
            asyncio.run(wait_until_ready(node.url, START_TIMEOUT_S))
            client: Any = redis.Redis.from_url(node.url)
            self.clients.append(client)
            client.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1)
            client.execute_command("CLUSTER MEET", HOST, self._nodes[0].port, self._buses)
        for client in self.clients:
            wait_until(lambda: self._knows_all(client))  # noqa: B023 - called at once
        return self

    def move(self, shard: int) -> tuple[int, int]:
        """Give the slot of a shard that has nothing yet to another node; the ports of the old and the new one."""
        slot = key_slot(lease_key(shard).encode())
        here = slot * NODES // SLOTS
        there = (here + 1) % NODES
        name = self.clients[there].execute_command("CLUSTER MYID").decode()
        for number in (there, here):
            self.clients[number].execute_command("CLUSTER SETSLOT", slot, "NODE", name)
        for client in self.clients:
            wait_until(lambda: self._knows_owner(client, slot, there))  # noqa: B023 - called at once
        return self._nodes[here].port, self._nodes[there].port

    def _knows_owner(self, client: Any, slot: int, owner: int) -> bool:
        ranges = client.execute_command("CLUSTER SLOTS")
        return any(first <= slot <= last and node[1] == self._nodes[owner].port for first, last, node, *_ in ranges)

    def _knows_all(self, client: Any) -> bool:
        state: dict[str, str] = client.cluster("INFO")
        return (state["cluster_state"], state["cluster_known_nodes"]) == ("ok", str(NODES))

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        for process in self._processes:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
