"""A store that fails over, on this machine: two embedded servers, one the replica of the other, and a Sentinel.

It is there for drills and tests, which must see what a failover loses; who runs a shop has servers of their own. Its
partitions are real to those whom they part, and nobody needs a firewall: the product logs in as ``room``, replica and
Sentinel come as the ``default`` user, and a cut primary shuts that user out. To Sentinel and the replica it is gone,
while the product goes on using it; so what is written then is lost at the failover.

Hands over to: `deploy.valkey`, whose servers these are.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import redis

from deploy.valkey import HOST, Valkey, binary, wait_until_ready

SERVICE = "room"
USER = "room"
PASSWORD = "open-sesame"
PORTS = 3
DOWN_AFTER_MS = 500
NEVER_MS = 60_000
READ_AGAIN_MS = 200
AT_ONCE = ("--repl-diskless-sync-delay", "0")
"""A primary need not wait for more replicas before it sends its data to the one that there is."""
WAIT_S = 60.0
STOP_S = 10.0
POLL_S = 0.02


class ReplicatedStore:
    """``primary`` and ``replica`` in ``folder`` on loopback ports from ``port`` on, from ``with`` to its end."""

    def __init__(self, folder: Path, port: int) -> None:
        self.primary, self.replica = (
            Valkey(folder=folder / name, port=port + number) for number, name in enumerate(("one", "two"))
        )
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients: list[Any] = []

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for server in (self.primary, self.replica):
            self._start([*server.prepare(), *AT_ONCE])
            asyncio.run(wait_until_ready(server.url, WAIT_S))
            self._clients.append(redis.Redis.from_url(server.url))
        self._clients[1].replicaof(HOST, self.primary.port)
        wait_until(lambda: self._link() == "up")

    def part(self) -> None:
        """The primary goes on without its replica."""
        self._clients[0].execute_command("ACL SETUSER", "default", "-psync", "-sync")
        self._clients[0].client_kill_filter(_type="replica")
        wait_until(lambda: self._link() == "down")

    def meet(self) -> None:
        """The replica may follow again."""
        self._clients[0].execute_command("ACL SETUSER", "default", "+psync", "+sync")
        wait_until(lambda: self._link() == "up")

    def _link(self) -> str:
        return str(self._clients[1].info("replication").get("master_link_status"))

    def _start(self, command: list[str]) -> None:
        with (self._folder / "store.log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        for process in reversed(self._processes):
            process.terminate()
            process.wait(STOP_S)


class WatchedStore(ReplicatedStore):
    """The same under a Sentinel; ``url`` is its address for the product."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self._port = port + 2
        self._sentinel: Any = redis.Redis(host=HOST, port=self._port)
        self.url = f"redis+sentinel://{USER}:{PASSWORD}@{HOST}:{self._port}/{SERVICE}"

    def _begin(self) -> None:
        super()._begin()
        for number, server in enumerate((self.primary, self.replica)):
            self._clients[number].execute_command("ACL SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
            self._clients[number].close()
            self._clients[number] = redis.Redis(host=HOST, port=server.port, username=USER, password=PASSWORD)
        self._watch()

    def _watch(self) -> None:
        config = self._folder / "sentinel.conf"
        config.write_text(
            f"port {self._port}\nbind {HOST}\ndir {self._folder}\n"
            f"sentinel monitor {SERVICE} {HOST} {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} {NEVER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        self._start([str(binary()), str(config), "--sentinel"])
        wait_until(self._sees_both)
        # So often it looks at the servers: else it would believe an old primary only after eight seconds.
        self._sentinel.execute_command("SENTINEL DEBUG", "info-period", READ_AGAIN_MS, "publish-period", READ_AGAIN_MS)

    def _sees_both(self) -> bool:
        try:
            return bool(self._sentinel.sentinel_master(SERVICE)["num-slaves"])
        except (redis.RedisError, KeyError):  # not listening yet, or not asked the primary yet
            return False

    def cut(self) -> None:
        """Those who keep the store lose the primary; those who use it do not. Sentinel is patient until then."""
        self._clients[0].execute_command("ACL SETUSER", "default", "off")
        self._clients[0].client_kill_filter(_type="replica")
        self._clients[0].execute_command("CLIENT KILL", "USER", "default")
        wait_until(lambda: self._link() == "down")

    def wait_for_failover(self) -> None:
        """Let Sentinel see that the primary is gone; return once the replica is the primary, which it then stays."""
        self._be_patient(DOWN_AFTER_MS)
        wait_until(lambda: int(self._sentinel.sentinel_master(SERVICE)["port"]) == self.replica.port)
        self._be_patient(NEVER_MS)
        wait_until(lambda: self._clients[1].info("replication")["role"] == "master")

    def _be_patient(self, silence_ms: int) -> None:
        self._sentinel.sentinel_set(SERVICE, "down-after-milliseconds", silence_ms)

    def heal(self) -> None:
        """The old primary is seen again; returns when it follows the new one, and what only it had is gone."""
        self._clients[0].execute_command("ACL SETUSER", "default", "on")
        wait_until(self._follows)

    def _follows(self) -> bool:
        try:
            found = self._clients[0].info("replication")
        except redis.ConnectionError:  # Sentinel drops all clients of a server that it demotes
            return False
        return (found["role"], found.get("master_link_status")) == ("slave", "up")

    def __exit__(self, *_: object) -> None:
        self._sentinel.close()
        super().__exit__()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds. Raises RuntimeError after ``WAIT_S``."""
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"the store did not come to what was asked within {WAIT_S:g} s")
        time.sleep(POLL_S)
