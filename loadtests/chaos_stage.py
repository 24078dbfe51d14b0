"""The stage of the chaos run: a store, engines and gateways, each a process that can be killed or stopped alone, and
in every link between two of them a small proxy that can be a bad network.

```
 clients ──▶ one shared port: a proxy a gateway ──▶ gateway ──▶ its proxy ──▶ store ◀── its proxy ◀── engine
```

The store's data lies on a disk of its own where we may make one (a file with an ext4 in it, mounted where nobody else
sees it), so that this disk can be filled up. Leaving ends every process and removes everything, however it ends: the
mount is in a namespace of this process, which the kernel takes down with the last of us.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtests.children import end, start
from loadtests.parts import Parts
from loadtests.ports import HOST, free_ports
from loadtests.report import progress
from protocol.streams import lease_key

READY_S = 60.0
ASK_AGAIN_S = 0.02
REQUEST_S = 10.0
DISK_BYTES = 2 * 1024**3
KIB = 1_024
FILL_LEAST_BYTES = 4_096
BEATS_PER_LEASE = 3
SNAPSHOT_ENTRIES = 2_000
SNAPSHOT_S = 60
NEVER_ENTRIES = 100_000_000
_CLONE_NEWNS = 0x20000
_libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """One part of the stage, over all its lives. ``died``: how often it ended though nobody had asked it to."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.died = 0
        self._command, self._log, self._said_before = command, log, 0
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[Any] | None = None

    @property
    def runs(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_up(self) -> bool:
        """Whether it has begun its work: it has said something in this life."""
        return self.runs and self.said_bytes > self._said_before

    def start(self) -> None:
        """Begin a life; whatever happens to us, it does not outlive us."""
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = start(
                self._command,
                signal.SIGKILL,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it without a farewell."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "it was started"
        self._process.send_signal(number)

    def wait(self) -> None:
        """Return once it has ended."""
        assert self._process is not None, "it was started"
        try:
            self._process.wait(READY_S)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{self.name} has not ended within {READY_S:g} s") from error

    def keep(self) -> None:
        """Start it again if it has ended by itself, and count that."""
        if not self.runs:
            self.died += 1
            self.start()

    def end(self) -> None:
        """End it in order, stopped or not; one that has ended is fine."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            end(self._process)

    @property
    def said_bytes(self) -> int:
        """How much it has said in all its lives."""
        return self._log.stat().st_size

    def log(self, behind: int = 0) -> str:
        """All that it has said in all its lives, behind so many bytes."""
        return self._log.read_bytes()[behind:].decode(errors="replace")


class Link:
    """A proxy, told what to be."""

    def __init__(self, name: str, port: int, target: int, exits: ExitStack, *, shared: bool = False) -> None:
        self.name = name
        command = [sys.executable, "-m", "loadtests.proxy", str(port), str(target), str(int(shared))]
        self._process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        exits.callback(end, self._process)
        self._answered("flow")

    def become(self, word: str) -> None:
        """Be ``flow``, ``cut``, ``stall`` or ``mute``; returns when it is so."""
        assert self._process.stdin is not None, "it is piped"
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._answered(word)

    def _answered(self, word: str) -> None:
        assert self._process.stdout is not None, "it is piped"
        if self._process.stdout.readline().strip() != word:
            raise RuntimeError(f"{self.name} has ended")


class ChaosStage:
    """``engines`` and ``gateways``, with ``engine_links``, ``gateway_links`` and ``client_links`` by the same numbers;
    ``full_disk``: whether the store's disk can be filled."""

    def __init__(self, parts: Parts, *, engines: int, gateways: int, lease_ms: int) -> None:
        self._parts, self._lease_ms = parts, lease_ms
        self._counts = (engines, gateways)
        self._exit = ExitStack()

    def __enter__(self) -> ChaosStage:
        with self._exit as started:
            self._start()
            self._exit = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # Addresses

    @property
    def redis_url(self) -> str:
        """The store itself, behind no proxy."""
        return f"redis://{HOST}:{self._store_port}/0"

    @property
    def origin(self) -> str:
        """Where clients go: the kernel deals them out to the gateways."""
        return f"http://{HOST}:{self._shared_port}"

    def own_origin(self, gateway: int) -> str:
        """One gateway alone, behind no proxy."""
        return f"http://{HOST}:{self._gateway_ports[gateway]}"

    # What is there

    def parts(self) -> list[Process]:
        """Every process but the proxies."""
        return [self.store, *self.engines, *self.gateways]

    def writer(self, shard: int) -> int | None:
        """The number of the engine that holds the lease of ``shard``; None when there is none, or nobody can say."""
        try:
            held: Any = self.redis.get(lease_key(shard))
        except redis.RedisError:
            return None
        return None if held is None else int(held.split(b"-")[1])

    def wait_for_store(self) -> None:
        """Return once the store answers and all its data is loaded."""
        until_s = time.monotonic() + READY_S
        while not self._store_answers():
            if time.monotonic() > until_s:
                raise RuntimeError(f"the store did not answer within {READY_S:g} s: {self.store.log()[-2_000:]}")
            time.sleep(ASK_AGAIN_S)

    def wait_for_gateways(self) -> None:
        """Return once every gateway is ready."""
        until_s = time.monotonic() + READY_S
        for number in range(len(self.gateways)):
            while not self._is_ready(number):
                if time.monotonic() > until_s:
                    raise RuntimeError(f"gateway {number} is not ready: {self.gateways[number].log()[-2_000:]}")
                time.sleep(ASK_AGAIN_S)

    def ask(self, gateway: int, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The merchant's question to one gateway. Raises RuntimeError when the answer is a no."""
        answer = self._http.request(method, f"{self.own_origin(gateway)}{path}", json=body)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        content: dict[str, Any] = answer.json()
        return content

    # The disk

    def fill_disk(self) -> None:
        """Leave no room on the store's disk."""
        with self._ballast.open("wb") as ballast:
            step = DISK_BYTES
            while step >= FILL_LEAST_BYTES:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, step)
                except OSError:
                    step //= 2

    def free_disk(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    # Beginning

    def _start(self) -> None:
        engines, gateways = self._counts
        folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="stanchion-chaos-")))
        ports = iter(range(first := free_ports(2 + engines + 3 * gateways), first + 2 + engines + 3 * gateways))
        self._store_port, self._shared_port = next(ports), next(ports)
        self._gateway_ports = [next(ports) for _ in range(gateways)]
        disk = folder / "disk"
        disk.mkdir()
        self.full_disk = self._mount(folder / "disk.image", disk)
        self._ballast = disk / "ballast"
        self.redis = redis.Redis.from_url(
            self.redis_url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=REQUEST_S
        )
        self._exit.callback(self.redis.close)
        command = self._parts.store(disk / "store", self._store_port, "always")
        self.store = self._process("store", command, folder, {})
        self.wait_for_store()
        self.engine_links, self.engines = [], []
        for number in range(engines):
            port = next(ports)
            self.engine_links.append(Link(f"engine {number} to store", port, self._store_port, self._exit))
            self.engines.append(self._engine(number, port, folder))
        self._start_gateways(gateways, ports, folder)

    def _start_gateways(self, gateways: int, ports: Any, folder: Path) -> None:
        gateway = self._parts.gateway(folder / "keys")
        self.checkout_key, self.session_key_file = gateway.checkout_key, gateway.session_key_file
        self.gateway_links, self.client_links, self.gateways = [], [], []
        for number, own in enumerate(self._gateway_ports):
            port = next(ports)
            self.gateway_links.append(Link(f"gateway {number} to store", port, self._store_port, self._exit))
            environment = {
                **gateway.environment,
                "STANCHION_NUMBER": str(number),
                "STANCHION_PORT": str(own),
                "STANCHION_REDIS_URL": f"redis://{HOST}:{port}/0",
                "STANCHION_PUBLIC_ORIGIN": self.origin,
                "STANCHION_DRAIN_MS": "0",
                "OPENBLAS_NUM_THREADS": "1",
            }
            self.gateways.append(self._process(f"gateway {number}", gateway.command, folder, environment))
            link = Link(f"clients to gateway {number}", self._shared_port, own, self._exit, shared=True)
            self.client_links.append(link)
        self._http = self._exit.enter_context(httpx.Client(timeout=REQUEST_S, trust_env=False))
        self._http.headers["Authorization"] = f"Bearer {gateway.control_key}"
        self.wait_for_gateways()

    def _engine(self, number: int, port: int, folder: Path) -> Process:
        environment = {
            "STANCHION_NUMBER": str(number),
            "STANCHION_REDIS_URL": f"redis://{HOST}:{port}/0",
            "STANCHION_LEASE_MS": str(self._lease_ms),
            "STANCHION_BEAT_MS": str(self._lease_ms // BEATS_PER_LEASE),
            "STANCHION_SNAPSHOT_ENTRIES": str(SNAPSHOT_ENTRIES),
            "STANCHION_SNAPSHOT_S": str(SNAPSHOT_S),
            "STANCHION_READER_BEHIND_ENTRIES": str(NEVER_ENTRIES),
        }
        return self._process(f"engine {number}", self._parts.engine, folder, environment)

    def _process(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Process:
        process = Process(name, command, folder / f"{name.replace(' ', '-')}.log", environment)
        self._exit.callback(process.end)
        process.start()
        return process

    def _mount(self, image: Path, disk: Path) -> bool:
        """Have a disk of our own at ``disk``, if we may; whether we have."""
        if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or _libc.unshare(_CLONE_NEWNS) != 0:
            progress.print("no disk of our own can be made here: a full one is skipped")
            return False
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        for command in (
            ["mount", "--make-rprivate", "/"],
            ["mkfs.ext4", "-q", "-m", "0", "-F", str(image)],
            ["mount", "-o", "loop", str(image), str(disk)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                progress.print(f"a full disk is skipped: {' '.join(command)}: {done.stderr.strip()}", markup=False)
                return False
        self._exit.callback(subprocess.run, ["umount", str(disk)], capture_output=True, check=False)
        return True

    def _store_answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def _is_ready(self, gateway: int) -> bool:
        try:
            return self._http.get(f"{self.own_origin(gateway)}/readyz").status_code == HTTPStatus.OK
        except httpx.TransportError:
            return False
