"""The whole waiting room on one machine: `stanchion up`.

What runs, in the order in which it starts. It ends in the order of the data's way, so that nobody is told something
that cannot be kept: gateways first (they drain), then the shop, then the engines, the store last.

| role      | processes        | listens on              |
| --------- | ---------------- | ----------------------- |
| `valkey`  | 1, or REDIS_URL  | loopback, `valkey_port` |
| `engine`  | `engines`        | loopback, `metrics_port` |
| `zygote`  | 1                | nothing                 |
| `gateway` | `workers`        | `host`:`port`, shared   |
| `shop`    | 1, with the demo | `host`:`shop_port`      |

Behind the engines' ports each gateway has one of its own too: what is asked there is answered by that process.

All that must outlive a restart lies in the folder `data`: the store's log and the keys. `processes.json` there says
what runs now. One `stanchion up` at a time owns the folder.

Hands over to: `deploy.supervisor` (one child), `deploy.forks` (the gateways, forked from the zygote), `deploy.valkey`
(the store), `deploy.demo` (the demo experience).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from deploy import demo, keys, options, valkey
from deploy.forks import Forks
from deploy.settings import StackSettings, check_free
from deploy.supervisor import WRONG_SETTING, Child, ChildSpec, Launch, spawn, write_processes

LOOPBACK = "127.0.0.1"
STORE_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
DRAIN_SLACK_S = 5.0
FORKED = "gateway"
PROGRAM = (sys.executable, "-m", "deploy.cli")
PYTHON = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024), "MALLOC_TRIM_THRESHOLD_": str(128 * 1024)}
"""For glibc: what is larger is given back when it is freed. Else an array that grows leaves holes behind, and a gateway
with 18,000 sockets grows by 7 MiB instead of 10."""
STOP_ORDER = ("gateway", "zygote", "shop", "engine", "valkey")

log = structlog.get_logger()


class StackError(Exception):
    """The stack cannot run; the text says why."""


class Stack:
    """The children of one machine, started and ended in order."""

    def __init__(self, settings: StackSettings, secrets: keys.Keys) -> None:
        self.asked_to_stop = asyncio.Event()
        self._settings = settings
        self._secrets = secrets
        self._children: list[Child] = []
        self._forks = Forks()
        self._store = valkey.Valkey(
            folder=settings.data / "valkey", port=settings.ports.valkey, append_fsync=settings.append_fsync
        )
        self.redis_url = settings.redis_url or self._store.url

    async def start(self) -> None:
        """Start everything and return when the waiting room answers and the demo is there.

        Raises `ValkeyError` or `DemoError` where a part does not come up.
        """
        settings = self._settings
        if settings.redis_url is None:
            self._start(
                ChildSpec(
                    role="valkey",
                    number=0,
                    command=self._store.prepare(),
                    environment=dict(os.environ),
                    address=f"{valkey.HOST}:{self._store.port}",
                )
            )
        self._start(_zygote(), self._forks.zygote)
        await valkey.wait_until_ready(self.redis_url, STORE_TIMEOUT_S)
        for number in range(settings.engines):
            self._start(self._engine(number))
        if settings.workers is None and settings.gateways > len(os.sched_getaffinity(0)):
            log.info("workers", gateways=settings.gateways, because=f"{settings.sockets} sockets need their files")
        for number in range(settings.gateways):
            self._start(self._gateway(number), self._forks.fork)
        if settings.demo:
            self._start(self._shop())
        await demo.wait_until_ready(settings.room, READY_TIMEOUT_S)
        if settings.demo:
            made = await demo.ensure(settings.room, self._secrets.control_key, f"{settings.shop}/checkout")
            log.info("demo", experience=demo.EXPERIENCE, made=made)

    @property
    def misconfigured(self) -> bool:
        """Whether a child was given up for a wrong setting; that asks the stack to stop."""
        return any(child.given_up for child in self._children)

    async def stop(self) -> bool:
        """End all children in order; true if none had to be killed. Idempotent."""
        orderly = True
        for role in STOP_ORDER:
            timeout_s = STOP_TIMEOUT_S
            if role == "gateway":
                timeout_s = self._settings.drain_ms / 1000 + DRAIN_SLACK_S
            ended = await asyncio.gather(*(c.stop(timeout_s) for c in self._children if c.spec.role == role))
            orderly = orderly and all(ended)
        self._forks.close()
        return orderly

    def kill(self) -> None:
        """End all children at once, whatever they do."""
        for child in self._children:
            child.kill()

    def _start(self, spec: ChildSpec, launch: Launch = spawn) -> None:
        child = Child(spec, self._changed, launch)
        self._children.append(child)
        child.start()

    def _engine(self, number: int) -> ChildSpec:
        port = self._settings.ports.metrics + number
        given = {
            "REDIS_URL": self.redis_url,
            "WAIT_REPLICAS": self._settings.wait_replicas,
            "METRICS_HOST": LOOPBACK,
            "METRICS_PORT": port,
        }
        return _role("engine", number, f"{LOOPBACK}:{port}", given)

    def _gateway(self, number: int) -> ChildSpec:
        settings = self._settings
        own_port = settings.ports.metrics + settings.engines + number
        given = {
            "REDIS_URL": self.redis_url,
            "HOST": settings.host,
            "PORT": settings.port,
            "OWN_PORT": own_port,
            "PUBLIC_ORIGIN": settings.origin,
            "SESSION_KEY_FILE": self._secrets.session_key_file,
            "CONTROL_KEY_FILE": self._secrets.control_key_file,
            "CHECKOUT_KEY_FILE": self._secrets.checkout_key_file,
            "KEYS_DIR": self._secrets.pass_keys_folder,
            "DRAIN_MS": settings.drain_ms,
        }
        return _role("gateway", number, f"{settings.host}:{own_port}", given)

    def _shop(self) -> ChildSpec:
        settings = self._settings
        given = {
            "HOST": settings.host,
            "PORT": settings.ports.shop,
            "ORIGIN": settings.origin,
            "EXPERIENCE": demo.EXPERIENCE,
            "CHECKOUT_KEY_FILE": self._secrets.checkout_key_file,
        }
        return _role("shop", 0, f"{settings.host}:{settings.ports.shop}", given)

    def _changed(self) -> None:
        write_processes(self._settings.data / "processes.json", [child.state for child in self._children])
        if self.misconfigured:
            self.asked_to_stop.set()


def _zygote() -> ChildSpec:
    command = [sys.executable, "-m", "deploy.zygote"]
    return ChildSpec(role="zygote", number=0, command=command, environment=_environment(0, {}) | MALLOC)


def _role(role: str, number: int, address: str, given: Mapping[str, object]) -> ChildSpec:
    """A role with the settings `given` by name."""
    command = [] if role == FORKED else [*PROGRAM, role]
    return ChildSpec(
        role=role, number=number, command=command, environment=_environment(number, given), address=address
    )


def _environment(number: int, given: Mapping[str, object]) -> dict[str, str]:
    """Our own environment with the settings `given` by name; those that only we know about stay behind."""
    own = {options.variable(field.name) for field in msgspec.structs.fields(StackSettings)}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {options.variable(name): str(value) for name, value in given.items()}
    return environment | {options.variable("number"): str(number)} | PYTHON


async def run(settings: StackSettings, announce: Callable[[keys.Keys], None]) -> int:
    """Run the stack until SIGINT or SIGTERM; a second one kills. `announce` is called once all is up.

    Returns the exit code: 0 after an orderly end, 1 where a part had to be killed, 2 where one was given up for a
    wrong setting of its own. Raises `SettingError` for a port
    that is taken, `StackError` for a folder that is, `ValkeyError` or `DemoError` for a part that does not come up.
    """
    _check_ports(settings)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _owned(settings.data / "lock"):
        secrets = keys.prepare(settings.data, settings.control_key)
        _raise_file_limit()
        stack = Stack(settings, secrets)
        _stop_on_signals(stack)
        try:
            if await _before(stack.asked_to_stop, stack.start()):
                announce(secrets)
                await stack.asked_to_stop.wait()
        finally:
            orderly = await stack.stop()
    return WRONG_SETTING if stack.misconfigured else int(not orderly)


def _check_ports(settings: StackSettings) -> None:
    unused = {name for name, on in (("shop_port", settings.demo), ("valkey_port", not settings.redis_url)) if not on}
    for name, port in settings.listeners():
        if name not in unused:
            check_free(name, LOOPBACK if name == "valkey_port" else settings.host, port)


def _raise_file_limit() -> None:
    """A socket is a file: take what the system allows; the children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def _owned(lock: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel lets go when this process ends, however it ends."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"another `stanchion up` runs in {lock.parent}") from error
        yield


def _stop_on_signals(stack: Stack) -> None:
    """The first SIGINT or SIGTERM asks the stack to stop; every later one kills the children."""

    def on_signal() -> None:
        log.info("stopping", killed=stack.asked_to_stop.is_set())
        if stack.asked_to_stop.is_set():
            stack.kill()
        stack.asked_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


async def _before(asked: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do `work` unless asked to stop first; true if it was done. What it raises is raised."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        working.result()
        return not asked.is_set()
    working.cancel()
    await asyncio.wait({working})
    return False
