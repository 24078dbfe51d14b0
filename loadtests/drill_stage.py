"""The stage of a drill: a real store that can be killed and started again, and engines behind gates, each a process.

Engines are forked (`Ask`), so one that was killed is replaced in a moment. Leases are short, so that a thousand
take-overs take minutes; nothing else is other than in production. Leaving the stage ends all that it started.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import msgspec
import redis.asyncio
from msgspec import Struct
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from loadtests.children import end, start
from loadtests.drill_gate import Gate, Journal
from loadtests.parts import Parts
from loadtests.ports import HOST, free_port

READY_S = 30.0
ASK_AGAIN_S = 0.02
END_S = 20.0
MS_PER_SECOND = 1_000
LANES = 3
LANE_TIMES_MIN = 10
WRITTEN = re.compile(r"event=written experience=(?P<experience>\S+) entry=(?P<entry>\S+) digest=(?P<digest>\S+)")
QUICK = {"lease_ms": "500", "beat_ms": "200", "snapshot_entries": "1000"}

Result = TypeVar("Result")


class Ask(Struct):
    """An engine to fork: its environment, and the file that takes its output."""

    environment: dict[str, str]
    log: str


class Engine:
    """One engine process and its gate, if it has one."""

    def __init__(self, number: int, pid: int, gate: Gate, log: Path) -> None:
        self.number, self.pid, self.gate, self.log = number, pid, gate, log
        self._descriptor = os.pidfd_open(pid)

    def signal(self, what: signal.Signals) -> None:
        """Send it a signal; one that has ended is fine."""
        if not self.has_ended:
            signal.pidfd_send_signal(self._descriptor, what)

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return bool(select.select([self._descriptor], [], [], 0)[0])

    async def ended(self) -> None:
        """Return once it is gone, its gate closed. Raises RuntimeError when it will not go."""
        until_s = time.monotonic() + END_S
        while not self.has_ended:
            if time.monotonic() > until_s:
                raise RuntimeError(f"engine {self.number} does not end")
            await asyncio.sleep(ASK_AGAIN_S / 10)
        os.close(self._descriptor)
        await self.gate.close()


class DrillStage:
    """A store that answers, without engines yet. ``journal``: every commit that went through a gate."""

    def __init__(
        self,
        parts: Parts,
        append_fsync: str = "always",
        *,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, str] = QUICK,
    ) -> None:
        self._parts, self._append_fsync = parts, append_fsync
        self._environment, self._settings = environment or {}, settings
        self._exit = AsyncExitStack()
        self.port = free_port()
        self.engines: dict[int, Engine] = {}
        self.journal = Journal()
        self._started = 0
        self._forks: subprocess.Popen[str] | None = None

    @property
    def data(self) -> Path:
        """Where the store keeps its files."""
        return self.folder / "store"

    @property
    def url(self) -> str:
        """The store itself, past every gate."""
        return f"redis://{HOST}:{self.port}/0"

    async def __aenter__(self) -> DrillStage:
        async with self._exit as started:
            self.folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="stanchion-drill-")))
            self._output = started.enter_context((self.folder / "processes.log").open("w"))
            await self.start_store()
            started.callback(lambda: end(self._store))
            self.store: redis.asyncio.Redis = connect(self.url)
            started.push_async_callback(self.store.aclose)
            await self._until_answers()
            self._exit = started.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for engine in list(self.engines.values()):
            engine.signal(signal.SIGKILL)
            await self.gone(engine)
        if self._forks is not None:
            end(self._forks)
        await self._exit.aclose()

    async def start_store(self) -> None:
        """Start it, on the data that there are."""
        command = self._parts.store(self.data, self.port, self._append_fsync)
        environment = os.environ | self._environment
        self._store = start(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
        )

    async def restart_store(self) -> None:
        """Start it again where it was killed, and return once it answers."""
        await self.start_store()
        await self._until_answers()

    def kill_store(self) -> None:
        """SIGKILL: nothing is flushed by the process."""
        self._store.kill()
        self._store.wait(END_S)

    async def gate(self) -> Gate:
        """A gate for whoever is not an engine of this stage; it is closed at the end."""
        gate = Gate(self._started, self.port, self.journal)
        self._started += 1
        await gate.open()
        self._exit.push_async_callback(gate.close)
        return gate

    async def engine(self) -> Engine:
        """One more engine, behind a gate of its own."""
        number, self._started = self._started, self._started + 1
        gate = Gate(number, self.port, self.journal)
        await gate.open()
        log = self.folder / f"engine-{number}.log"
        told = {f"STANCHION_{name.upper()}": value for name, value in self._settings.items()}
        told |= {"STANCHION_REDIS_URL": f"redis://{HOST}:{gate.port}/0", "STANCHION_NUMBER": str(number)}
        self.engines[number] = Engine(number, self._fork(Ask(told, str(log))), gate, log)
        return self.engines[number]

    async def gone(self, engine: Engine) -> None:
        """This engine was killed or told to end: return once it is gone."""
        await engine.ended()
        del self.engines[engine.number]

    async def settle(self) -> list[dict[str, str]]:
        """End all engines in order, one after another; their last words on what they wrote: ``entry``, ``digest``."""
        words = []
        for engine in list(self.engines.values()):
            engine.signal(signal.SIGTERM)
            await self.gone(engine)
            words += [one.groupdict() for one in WRITTEN.finditer(engine.log.read_text())]
        return words

    async def audit(self, experience: str) -> None:
        """Have the product audit the whole log. Raises RuntimeError where it finds anything."""
        await self._tool([*self._parts.audit, experience])

    async def digest(self, experience: str, until: str) -> str:
        """The digest of a replay up to this entry. Raises RuntimeError where the log does not replay."""
        printed = await self._tool([*self._parts.replay, experience, "--until", until])
        return next(line.split()[1] for line in printed.splitlines() if line.startswith("digest"))

    async def _tool(self, command: list[str]) -> str:
        environment = os.environ | {"STANCHION_REDIS_URL": self.url}
        run = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        printed = (await run.communicate())[0].decode()
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {printed}")
        return printed

    def _fork(self, ask: Ask) -> int:
        if self._forks is None:
            self._forks = start(
                self._parts.engine_forks,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                text=True,
            )
        assert self._forks.stdin is not None and self._forks.stdout is not None, "both are piped"
        self._forks.stdin.write(msgspec.json.encode(ask).decode() + "\n")
        self._forks.stdin.flush()
        pid = self._forks.stdout.readline()
        if not pid:
            raise RuntimeError(f"no engine was forked: {(self.folder / 'processes.log').read_text()}")
        return int(pid)

    async def _until_answers(self) -> None:
        until_s = time.monotonic() + READY_S
        while True:
            try:
                await self.store.ping()
                return
            except redis.RedisError as error:
                if time.monotonic() > until_s:
                    raise RuntimeError(f"the store did not answer within {READY_S:g} s") from error
                await asyncio.sleep(ASK_AGAIN_S)


class Bound(NamedTuple):
    """So often, and no longer than until ``until_s`` (monotonic); what is watched is watched for ``watch_s``."""

    times: int
    until_s: float
    watch_s: int

    def allows(self, done: int) -> bool:
        """Whether it may be done once more."""
        return done < self.times and time.monotonic() < self.until_s


async def in_lanes(bound: Bound, play: Callable[[int, Bound], Coroutine[Any, Any, Result]]) -> list[Result]:
    """Share it out to at most ``LANES`` stages that are played side by side, as most of each is waiting: ``play`` gets
    the lane's number and its share."""
    count = min(LANES, max(1, bound.times // LANE_TIMES_MIN))
    shares = [bound.times // count + (lane < bound.times % count) for lane in range(count)]
    lanes = [asyncio.ensure_future(play(lane, bound._replace(times=share))) for lane, share in enumerate(shares)]
    try:
        return await asyncio.gather(*lanes)
    finally:
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)


def connect(url: str) -> Any:
    """A client that tries everything once."""
    return redis.asyncio.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=READY_S)
