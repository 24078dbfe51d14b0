"""The real store for tests: one embedded Valkey per test session, emptied before each test that asks for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.valkey import Valkey, wait_until_ready
from loadtests.ports import free_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class ValkeyProcess:
    """An embedded server that a test may kill and start again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.server = Valkey(folder=folder, port=free_port())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.server.url

    def start(self) -> None:
        """Start it and return when it answers."""
        log = (self.server.folder.parent / "valkey.log").open("ab")
        with log:
            self._process = subprocess.Popen(self.server.prepare(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        asyncio.run(wait_until_ready(self.url, START_TIMEOUT_S))

    def kill(self) -> None:
        """End it as a power cut of the process would: SIGKILL, nothing flushed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """End it in order; one that is dead already is fine."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP_TIMEOUT_S)


@pytest.fixture(scope="session")
def valkey_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """The session's server. A test that kills it starts it again."""
    server = ValkeyProcess(tmp_path_factory.mktemp(f"valkey-{os.getpid()}") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_process: ValkeyProcess) -> str:
    """The address of an empty store."""
    with redis.Redis.from_url(valkey_process.url) as client:
        client.flushall()
    return valkey_process.url
