"""A store of two real servers, one the replica of the other, and a link between them that a test can cut.

The cut is made at the primary, which refuses its replica from then on and drops it: what is written meanwhile is on the
primary alone. Everybody else reaches both.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import redis

from deploy.valkey import HOST
from tests.support.valkey import ValkeyProcess

WAIT_S = 60.0
POLL_S = 0.02


class Replicated:
    """``primary`` and its ``replica``, from ``with`` to its end."""

    def __init__(self, folder: Path) -> None:
        self.primary, self.replica = (ValkeyProcess(folder / name / "data") for name in ("one", "two"))
        self._clients: list[Any] = []

    def __enter__(self) -> Replicated:
        for server in (self.primary, self.replica):
            server.server.folder.parent.mkdir()
            server.start()
            self._clients.append(redis.Redis.from_url(server.url))
        self._clients[1].replicaof(HOST, self.primary.server.port)
        self._wait_for("up")
        return self

    def part(self) -> None:
        """The primary goes on without its replica."""
        self._clients[0].execute_command("ACL SETUSER", "default", "-psync", "-sync")
        self._clients[0].client_kill_filter(_type="replica")
        self._wait_for("down")

    def meet(self) -> None:
        """The replica may follow again."""
        self._clients[0].execute_command("ACL SETUSER", "default", "+psync", "+sync")
        self._wait_for("up")

    def _wait_for(self, status: str) -> None:
        end = time.monotonic() + WAIT_S
        while self._clients[1].info("replication")["master_link_status"] != status:
            assert time.monotonic() < end, f"the link was never {status}"
            time.sleep(POLL_S)

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        for server in (self.replica, self.primary):
            server.stop()
