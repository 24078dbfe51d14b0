"""A real Cluster of three nodes, as small as one can be; another in which a node has a replica and can be lost."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import redis
from redis.crc import key_slot

from deploy.valkey import HOST, Valkey, wait_until_ready
from deploy.watched_store import AT_ONCE, wait_until
from loadtests.ports import free_ports
from protocol.streams import lease_key
from tests.support.valkey import START_TIMEOUT_S, STOP_TIMEOUT_S

NODES = 3
SLOTS = 16_384
NEVER_MS = 60_000
DOWN_AFTER_MS = 1_000
GUEST, PASSWORD = "guest", "open-sesame"


class Cluster:
    """From ``with`` to its end; ``url`` names one node, which knows the others. ``spare``: how many servers there are
    beside those that have slots."""

    def __init__(self, folder: Path, spare: int = 0) -> None:
        count = NODES + spare
        first = free_ports(2 * count)
        self._nodes = [Valkey(folder=folder / f"{number}", port=first + number) for number in range(count)]
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.clients: list[Any] = []

    @property
    def url(self) -> str:
        return f"redis+cluster://{HOST}:{self._nodes[0].port}"

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for number, node in enumerate(self._nodes):
            self._start(number)
            client: Any = redis.Redis.from_url(node.url)
            self.clients.append(client)
            client.execute_command("CLUSTER MEET", HOST, self._nodes[0].port, self._bus(0))
        for number, client in enumerate(self.clients[:NODES]):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for client in self.clients:
            wait_until(lambda: self._knows_all(client))  # noqa: B023 - called at once

    def _start(self, number: int) -> None:
        node = self._nodes[number]
        command = [*node.prepare(), "--cluster-enabled", "yes", "--cluster-port", str(self._bus(number))]
        patient = ["--cluster-node-timeout", str(NEVER_MS), "--cluster-replica-validity-factor", "0"]
        with (self._folder / "cluster.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [*command, *patient, *AT_ONCE], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        asyncio.run(wait_until_ready(node.url, START_TIMEOUT_S))

    def _bus(self, number: int) -> int:
        return self._nodes[number].port + len(self._nodes)

    def move(self, shard: int) -> tuple[int, int]:
        """Give the slot of a shard that has nothing yet to another node; the ports of the old and the new one."""
        slot = key_slot(lease_key(shard).encode())
        here = slot * NODES // SLOTS
        there = (here + 1) % NODES
        name = self.clients[there].execute_command("CLUSTER MYID").decode()
        for number in (there, here):
            self.clients[number].execute_command("CLUSTER SETSLOT", slot, "NODE", name)
        for client in self.clients:
            wait_until(lambda: self._owner(client, slot) == self._nodes[there].port)  # noqa: B023 - called at once
        return self._nodes[here].port, self._nodes[there].port

    def guest_url(self) -> str:
        """The address for one that can be shut out, by a login of its own."""
        for client in self.clients:
            client.execute_command("ACL SETUSER", GUEST, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        return self.url.replace("://", f"://{GUEST}:{PASSWORD}@")

    @contextmanager
    def shut_out(self, shard: int) -> Iterator[None]:
        """To the guest, and to nobody else, the node that has ``shard`` is lost meanwhile."""
        slot = key_slot(lease_key(shard).encode())
        owner = self._owner(self.clients[0], slot)
        (client,) = [self.clients[number] for number, node in enumerate(self._nodes) if node.port == owner]
        client.execute_command("ACL SETUSER", GUEST, "off")
        client.execute_command("CLIENT KILL", "USER", GUEST)
        yield
        client.execute_command("ACL SETUSER", GUEST, "on")

    def _owner(self, client: Any, slot: int) -> int:
        """The port of the node that has a slot, as this one knows."""
        ranges = client.execute_command("CLUSTER SLOTS")
        return next((node[1] for first, last, node, *_ in ranges if first <= slot <= last), 0)

    def _knows_all(self, client: Any) -> bool:
        state: dict[str, str] = client.cluster("INFO")
        return (state["cluster_state"], state["cluster_known_nodes"]) == ("ok", str(len(self._nodes)))

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        for process in self._processes.values():
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


class WatchedCluster(Cluster):
    """The node that has ``shard`` has a replica, which the others make the primary when it is gone. As with
    ``WatchedStore``, what is written between ``cut`` and then is lost."""

    def __init__(self, folder: Path, shard: int) -> None:
        super().__init__(folder, spare=1)
        self._slot = key_slot(lease_key(shard).encode())
        self._primary, self._replica = self._slot * NODES // SLOTS, NODES

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in self._nodes)}"

    def _begin(self) -> None:
        super()._begin()
        primary = self.clients[self._primary].execute_command("CLUSTER MYID").decode()
        self.clients[self._replica].execute_command("CLUSTER REPLICATE", primary)
        wait_until(lambda: self._link(self._replica) == "up")
        for client in self.clients:
            wait_until(lambda: self._knows_the_replica(client))  # noqa: B023 - called at once

    @staticmethod
    def _knows_the_replica(client: Any) -> bool:
        return any("slave" in node["flags"] for node in client.cluster("NODES").values())

    def cut(self) -> None:
        """The replica loses the primary; those who use the store do not."""
        self.clients[self._primary].execute_command("ACL SETUSER", "default", "-psync", "-sync")
        self.clients[self._primary].client_kill_filter(_type="replica")
        wait_until(lambda: self._link(self._replica) == "down")

    def wait_for_failover(self) -> None:
        """The primary dies; return once all others know that the replica is the primary, and all slots are served."""
        self._processes[self._primary].kill()
        self._processes[self._primary].wait(STOP_TIMEOUT_S)
        others = [client for number, client in enumerate(self.clients) if number != self._primary]
        self._be_patient(others, DOWN_AFTER_MS)
        for client in others:
            wait_until(lambda: self._owner(client, self._slot) == self._nodes[self._replica].port)  # noqa: B023
            wait_until(lambda: self._knows_all(client))  # noqa: B023 - called at once
        self._be_patient(others, NEVER_MS)

    @staticmethod
    def _be_patient(clients: list[Any], silence_ms: int) -> None:
        for client in clients:
            client.config_set("cluster-node-timeout", silence_ms)

    def heal(self) -> None:
        """The old primary is back; returns when it follows the new one, and what only it had is gone."""
        self._start(self._primary)
        wait_until(lambda: self._link(self._primary) == "up")

    def _link(self, number: int) -> str:
        """How the replica that this node is stands with its primary."""
        return str(self.clients[number].info("replication").get("master_link_status"))
