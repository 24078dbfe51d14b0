"""The settings of `stanchion up`: one frozen struct, built once by `deploy.cli`, checked with its relations.

Hands over to: `deploy.stack`, which gives each role the settings that concern it as its environment.
"""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.edge.parked.limits import sockets_max

PORT_MAX = 65_535
WORKERS_MAX = 256
ENGINES_MAX = 16
SOCKETS_MAX = 4_000_000
EVEN_PERCENT = 95
"""How full a gateway process is planned to be: the kernel spreads connections by chance, not evenly."""

Port = Annotated[int, Meta(ge=1, le=PORT_MAX)]


class SettingError(ValueError):
    """A setting that cannot be used: names it, its value and what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"STANCHION_{name.upper()} is {value!r}; allowed: {allowed}")


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one machine runs."""

    host: Annotated[str, Meta(description="address that gateways and the shop listen on")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="port of the waiting room")] = 8000
    shop_port: Annotated[Port | None, Meta(description="port of the demo shop [default: PORT + 1]")] = None
    valkey_port: Annotated[Port | None, Meta(description="port of the embedded store [default: PORT + 2]")] = None
    metrics_port: Annotated[
        Port | None,
        Meta(description="own port of the first engine; the other engines and the gateways follow [default: PORT + 3]"),
    ] = None
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=WORKERS_MAX)] | None, Meta(description="gateway processes [default: one per core]")
    ] = None
    sockets: Annotated[
        int, Meta(ge=0, le=SOCKETS_MAX, description="sockets to be held at once; more workers where files are few")
    ] = 0
    engines: Annotated[int, Meta(ge=1, le=ENGINES_MAX, description="engine processes; one writes, the rest wait")] = 1
    public_origin: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^/?#]+$")] | None,
        Meta(description="how browsers reach the waiting room [default: http://HOST:PORT]"),
    ] = None
    data: Annotated[Path, Meta(description="folder of the store's log, the keys, processes.json")] = Path("data")
    redis_url: Annotated[str | None, Meta(description="your own store instead of the embedded one")] = None
    append_fsync: Annotated[str, Meta(pattern="^(always|everysec)$", description="when the store syncs")] = "always"
    wait_replicas: Annotated[
        int, Meta(ge=0, le=8, description="replicas of your store that must have what anybody is told")
    ] = 0
    control_key: Annotated[
        Annotated[str, Meta(min_length=16)] | None, Meta(description="the merchant's key [default: made and kept]")
    ] = None
    demo: Annotated[bool, Meta(description="make the demo experience and run the demo shop")] = True
    drain_ms: Annotated[int, Meta(ge=0, le=600_000, description="how long gateways may take to end, in ms")] = 10_000

    def __post_init__(self) -> None:
        if not self.workers_for_sockets <= (self.workers or WORKERS_MAX):
            most = f"what {self.workers or WORKERS_MAX} workers can hold, each with the files that it may have"
            raise SettingError("sockets", self.sockets, most)
        if self.wait_replicas and self.redis_url is None:
            raise SettingError("wait_replicas", self.wait_replicas, "0, as the embedded store has none: set REDIS_URL")
        taken: set[int] = set()
        for name, port in self.listeners():
            if not 1 <= port <= PORT_MAX:
                raise SettingError(name, port, f"1 … {PORT_MAX}")
            if port in taken:
                raise SettingError(name, port, "a port that no other part has")
            taken.add(port)

    def listeners(self) -> list[tuple[str, int]]:
        """Every port that this machine's parts listen on, with the setting that gives it."""
        ports = self.ports
        own = [("metrics_port", ports.metrics + number) for number in range(self.engines + self.gateways)]
        return [("port", ports.room), ("shop_port", ports.shop), ("valkey_port", ports.valkey), *own]

    @property
    def ports(self) -> Ports:
        """The ports in use, with what was left open filled in."""
        return Ports(
            room=self.port,
            shop=self.port + 1 if self.shop_port is None else self.shop_port,
            valkey=self.port + 2 if self.valkey_port is None else self.valkey_port,
            metrics=self.port + 3 if self.metrics_port is None else self.metrics_port,
        )

    @property
    def gateways(self) -> int:
        """How many gateway processes run: as asked, or one per core, or as many more as ``sockets`` need files."""
        return self.workers or max(len(os.sched_getaffinity(0)), self.workers_for_sockets)

    @property
    def workers_for_sockets(self) -> int:
        """How many gateway processes ``sockets`` need, as each may have only so many files."""
        _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
        each = sockets_max(files_max) * EVEN_PERCENT // 100
        return max(1, -(-self.sockets // each))

    @property
    def room(self) -> str:
        """The waiting room's address for people and programs on this machine."""
        return f"http://{reachable(self.host)}:{self.port}"

    @property
    def origin(self) -> str:
        """The waiting room's address for browsers."""
        return self.public_origin or self.room

    @property
    def shop(self) -> str:
        """The demo shop's address for people."""
        return f"http://{reachable(self.host)}:{self.ports.shop}"


class Ports(msgspec.Struct, frozen=True):
    """One port for each part that listens."""

    room: int
    shop: int
    valkey: int
    metrics: int


def reachable(host: str) -> str:
    """A host to connect to for an address that is listened on: every interface is reached by loopback."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host


def check_free(name: str, host: str, port: int) -> None:
    """Raises `SettingError` naming the setting if somebody listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingError(name, port, f"a free port of {host} ({error.strerror})") from error
