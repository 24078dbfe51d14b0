"""Child processes that are kept running, and ended in order.

A `Child` is one process for as long as the stack lives, over all its restarts. It is started at once when it ends
the first time, then after a pause that doubles up to `BACKOFF_MS_MAX`; `HEALTHY_AFTER_MS` of life forgive what was.
One that ends with the exit code for a wrong setting is given up: no restart mends that.

How a life begins is the child's `Launch`: `spawn` starts its command, `deploy.forks` has it forked. Its output goes to
ours, line by line, behind its name. No child outlives us: the kernel sends it SIGTERM when this process dies
(PR_SET_PDEATHSIG), and each has its own session, so a Ctrl-C in the terminal reaches only us.

Hands over to: `deploy.stack`, which says what runs and in which order it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec
import structlog

BACKOFF_MS_FIRST = 250
BACKOFF_MS_MAX = 5_000
HEALTHY_AFTER_MS = 30_000
LINE_BYTES_MAX = 64 * 1024
WRONG_SETTING = 2
NOT_STARTED = 1

assert 0 < BACKOFF_MS_FIRST < BACKOFF_MS_MAX < HEALTHY_AFTER_MS

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

log = structlog.get_logger()


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: a role's `number`-th process, its command (a fork has none), its environment
    (whole), the address it listens on."""

    role: str
    number: int
    command: list[str]
    environment: Mapping[str, str]
    address: str | None = None

    @property
    def name(self) -> str:
        """How people call it: role and number."""
        return f"{self.role} {self.number}"


class ChildState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `processes.json`; `pid` is null while the child is down."""

    role: str
    number: int
    pid: int | None
    address: str | None = None
    restarts: int = 0


class Backoff:
    """How long to wait before the next start, in milliseconds, from how long the last life was."""

    def __init__(self) -> None:
        self._next_ms = 0

    def after(self, life_ms: int) -> int:
        """The pause after a life of `life_ms`."""
        if life_ms >= HEALTHY_AFTER_MS:
            self._next_ms = 0
        pause_ms = self._next_ms
        self._next_ms = min(BACKOFF_MS_MAX, max(BACKOFF_MS_FIRST, 2 * pause_ms))
        return pause_ms


class Process(Protocol):
    """One life of a child, however it began; `asyncio.subprocess.Process` is one."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdout(self) -> asyncio.StreamReader | None: ...
    def send_signal(self, signal: int) -> None: ...
    async def wait(self) -> int: ...


Launch: TypeAlias = Callable[[ChildSpec], Awaitable[Process]]
"""Begins a life. Raises OSError where that cannot be done now."""


async def spawn(spec: ChildSpec, stdin: int = asyncio.subprocess.DEVNULL) -> Process:
    """Start a program of its own."""
    parent = os.getpid()
    return await asyncio.create_subprocess_exec(
        *spec.command,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(spec.environment),
        limit=LINE_BYTES_MAX,
        start_new_session=True,
        preexec_fn=lambda: die_with(parent),
    )


class Child:
    """One supervised process. `changed` is called after each start and each end."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None], launch: Launch = spawn) -> None:
        self.spec = spec
        self.restarts = 0
        self.given_up = False
        self._changed = changed
        self._launch = launch
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> ChildState:
        """Where it stands now."""
        process = self._process
        pid = None if process is None or process.returncode is not None else process.pid
        spec = self.spec
        return ChildState(role=spec.role, number=spec.number, pid=pid, address=spec.address, restarts=self.restarts)

    def start(self) -> None:
        """Start it and keep it running until `stop`."""
        self._task = asyncio.create_task(self._run(), name=self.spec.name)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it if it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
                self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once and for good."""
        self._stopping.set()
        self.signal(signal.SIGKILL)

    async def stop(self, timeout_s: float) -> bool:
        """End it in order (SIGTERM), by force after `timeout_s`; true if it ended by itself. Idempotent."""
        self._stopping.set()
        if self._task is None:
            return True
        self.signal(signal.SIGTERM)
        _, pending = await asyncio.wait({self._task}, timeout=timeout_s)
        if pending:
            log.warning("killed", child=self.spec.name, after_s=timeout_s)
            self.signal(signal.SIGKILL)
        await self._task
        return not pending

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        backoff = Backoff()
        while not self._stopping.is_set():
            started = clock()
            status = await self._live()
            self.given_up = status == WRONG_SETTING
            self._changed()
            life_ms = int((clock() - started) * 1000)
            if self._stopping.is_set():
                log.info("ended", child=self.spec.name, status=status)
                return
            if self.given_up:
                log.error("given up", child=self.spec.name, status=status)
                return
            pause_ms = backoff.after(life_ms)
            self.restarts += 1
            log.warning("restarting", child=self.spec.name, status=status, life_ms=life_ms, pause_ms=pause_ms)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_ms / 1000)

    async def _live(self) -> int:
        """One life, from start to end; its exit status (negative: the signal that ended it)."""
        try:
            process = await self._launch(self.spec)
        except OSError as error:
            log.error("not started", child=self.spec.name, why=str(error))
            return NOT_STARTED
        self._process = process
        self._changed()
        log.info("started", child=self.spec.name, pid=process.pid)
        if self._stopping.is_set():  # asked to stop while it was being started
            self.signal(signal.SIGTERM)
        assert process.stdout is not None
        await _pass_on(process.stdout, f"{self.spec.name} | ".encode())
        return await process.wait()


async def _pass_on(output: asyncio.StreamReader, prefix: bytes) -> None:
    """Copy every line of a child to our stderr behind its name, until it closes its end."""
    while True:
        try:
            line = await output.readline()
        except ValueError:
            log.warning("line_too_long", child=prefix.decode(), bytes_max=LINE_BYTES_MAX)
            continue
        if not line:
            return
        sys.stderr.buffer.write(prefix + line.rstrip(b"\n") + b"\n")
        sys.stderr.buffer.flush()


def die_with(parent: int) -> None:
    """In a child of ``parent``, before its program: ask the kernel for SIGTERM when the parent dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def become_subreaper() -> None:
    """From now on, a descendant of ours whose parent ends is our child."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def write_processes(path: Path, states: list[ChildState]) -> None:
    """Rewrite `processes.json` in one step, so that a reader sees the old list or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(states)) + b"\n")
    fresh.replace(path)
