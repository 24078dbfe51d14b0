"""A running waiting room for tests: the real store, one engine process and two gateway processes on loopback.

The gateways listen on ports of their own, so a test can ask one and then the other. One room serves a whole test
module; every test makes experiences of its own in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import redis

from deploy import keys
from loadtests.ports import free_port
from tests.support.valkey import ValkeyProcess

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.05
GATEWAYS = 2


class Role:
    """One process of the product, which a test may kill and start again."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        self.command = [sys.executable, "-m", "deploy.cli", role]
        self._environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """End it in order; one that is dead already is fine."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(STOP_TIMEOUT_S)


class WaitingRoom:
    """Addresses and keys of what runs. ``gateways[n]`` serves ``origins[n]``; passes are issued by ``origins[0]``."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.secrets = keys.prepare(folder / "data")
        ports = [free_port() for _ in range(GATEWAYS)]
        self.origins = [f"http://127.0.0.1:{port}" for port in ports]
        self.redis_url = redis_url
        self.engine = Role("engine", {"STANCHION_REDIS_URL": redis_url}, folder / "engine.log")
        self.gateways = [
            Role("gateway", self.environment(number, port), folder / f"gateway-{number}.log")
            for number, port in enumerate(ports)
        ]

    def environment(self, number: int, port: int) -> dict[str, str]:
        """The settings of a gateway of this room at ``port``."""
        return {
            "STANCHION_REDIS_URL": self.redis_url,
            "STANCHION_NUMBER": str(number),
            "STANCHION_PORT": str(port),
            "STANCHION_PUBLIC_ORIGIN": self.origins[0],
            "STANCHION_SESSION_KEY_FILE": str(self.secrets.session_key_file),
            "STANCHION_CONTROL_KEY_FILE": str(self.secrets.control_key_file),
            "STANCHION_CHECKOUT_KEY_FILE": str(self.secrets.checkout_key_file),
            "STANCHION_KEYS_DIR": str(self.secrets.pass_keys_folder),
            "STANCHION_DRAIN_MS": "0",
        }

    def start(self) -> None:
        """Start everything and return when every gateway is ready."""
        for role in (self.engine, *self.gateways):
            role.start()
        for origin in self.origins:
            wait_until_ready(origin)

    def stop(self) -> None:
        for role in (*self.gateways, self.engine):
            role.stop()

    def client(self, gateway: int = 0, key: str | None = None) -> httpx.AsyncClient:
        """A client of one gateway, with an API key where one is given."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(base_url=self.origins[gateway], headers=headers, timeout=15, trust_env=False)

    def control(self, gateway: int = 0) -> httpx.AsyncClient:
        """The merchant at one gateway."""
        return self.client(gateway, self.secrets.control_key)

    def checkout(self, gateway: int = 0) -> httpx.AsyncClient:
        """The merchant's shop at one gateway."""
        return self.client(gateway, self.secrets.checkout_key)


def wait_until_ready(origin: str) -> None:
    """Return once ``/readyz`` answers 200."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not _is_ready(origin):
        assert time.monotonic() < deadline, f"{origin} was not ready within {READY_TIMEOUT_S} s"
        time.sleep(POLL_S)


def _is_ready(origin: str) -> bool:
    try:
        return httpx.get(f"{origin}/readyz", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def waiting_room(valkey_process: ValkeyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaitingRoom]:
    """A waiting room on an emptied store, for one test module."""
    with redis.Redis.from_url(valkey_process.url) as client:
        client.flushall()
    room = WaitingRoom(valkey_process.url, tmp_path_factory.mktemp("room"))
    try:
        room.start()
        yield room
    finally:
        room.stop()
