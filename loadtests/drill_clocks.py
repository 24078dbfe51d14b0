"""Clocks jump, by seconds and by an hour, forwards and back: the store's, or that of the engine that writes.

A line moves at a steady rate. After each jump it is watched; when a standby stands ready the writer is killed, and the
line is watched again from a second after its successor has admitted somebody. There may be no admission too many: the
log is audited for every span of its own time, and both watches are held against our clock, which no jump concerns. Nor
may time be lost: at least 99 % of what the rate gives; and the take-over takes as long as always.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx

from loadtests.children import end, start
from loadtests.drill_log import BLOCK_MS, PATIENCE_S, DrillLog, DrillSender
from loadtests.drill_preload import Clock
from loadtests.drill_stage import Bound, DrillStage
from loadtests.parts import Parts
from loadtests.ports import HOST, free_port
from loadtests.report import Report, progress
from loadtests.workload import EXPERIENCE, document, joins
from protocol.streams import lease_key, shard_of

STORE, WRITER = "the store's clock", "the writer's clock"
HOUR_MS, SECONDS_MS = 3_600_000, 20_000
JUMPS = (
    (STORE, -HOUR_MS),
    (WRITER, HOUR_MS),
    (STORE, HOUR_MS),
    (WRITER, -HOUR_MS),
    (STORE, -SECONDS_MS),
    (WRITER, SECONDS_MS),
    (STORE, SECONDS_MS),
    (WRITER, -SECONDS_MS),
)
ENGINES = 2
RATE = 6_000
PER_S = RATE / 60
BURST = 101
SLEW = 1.005
"""The log's time may run so much faster than ours."""
RECOVERED_S = 1
EDGE_PARTS = 5
LOOK_S = 0.05
WARM = 'stanchion_engine_experiences{state="warm"} 1.0'
JUMP_S_OFF_MAX = 2
TAKE_OVER_S_MAX = 5
SHARE_MIN = 0.99
WAITING = 40_000
BATCH = 1_000
WINDOW_S = 3_600
SECOND_NS = 1_000_000_000
WHAT = "clocks that jump"


class Watch(NamedTuple):
    """What one watch saw: the share of the rate that came, and how many admissions were more than rate and burst."""

    share: float
    excess: float


class Case(NamedTuple):
    """One jump: the watches after it and after the death of the writer; after how many s another had taken over, and
    after how many somebody was admitted again."""

    who: str
    jump_ms: int
    watches: tuple[Watch, Watch]
    taken_s: float
    served_s: float


async def drill_clocks(parts: Parts, report: Report, bound: Bound) -> None:
    """Let clocks jump ``bound.times`` times. Raises RuntimeError where nobody takes over."""
    cases: list[Case] = []
    with tempfile.TemporaryDirectory(prefix="stanchion-drill-") as folder:
        clock = Clock(Path(folder), "store")
        async with DrillStage(parts, environment=clock.environment) as stage:
            with Engines(parts, stage, Path(folder)) as engines:
                log = await _line(stage, engines)
                while bound.allows(len(cases)):
                    who, jump_ms = JUMPS[len(cases) % len(JUMPS)]
                    cases.append(await _case(Scene(stage, engines, log, clock, bound.watch_s), who, jump_ms))
                    progress.print(f"clocks: {cases[-1]}", markup=False)
            await stage.audit(EXPERIENCE)
    _report(report, cases, bound)


def _report(report: Report, cases: Sequence[Case], bound: Bound) -> None:
    detail = [
        {
            "whose": one.who,
            "jump_ms": one.jump_ms,
            "taken_s": round(one.taken_s, 2),
            "served_s": round(one.served_s, 2),
            "shares": [round(watch.share, 4) for watch in one.watches],
        }
        for one in cases
    ]
    whole, done = len(cases) == bound.times, {"jumps": detail}
    watches = [watch for one in cases for watch in one.watches]
    excess, share = max(watch.excess for watch in watches), min(watch.share for watch in watches)
    taken_s = max(one.taken_s for one in cases)
    report.check(f"{WHAT}: jumps", "", f"{bound.times}", len(cases), holds=whole, detail=done)
    report.check(f"{WHAT}: admissions too many", "", "0", excess, holds=excess <= 0)
    report.check(f"{WHAT}: longest take-over", "s", f"≤ {TAKE_OVER_S_MAX}", taken_s, holds=taken_s <= TAKE_OVER_S_MAX)
    report.check(f"{WHAT}: least share of the rate", "", f"≥ {SHARE_MIN}", share, holds=share >= SHARE_MIN)


class Engines:
    """Engines with clocks of their own, by number; leases as in production."""

    def __init__(self, parts: Parts, stage: DrillStage, folder: Path) -> None:
        self._parts, self._stage, self._folder = parts, stage, folder
        self._exit = ExitStack()
        self._started = 0
        self._ports: dict[int, int] = {}
        self.running: dict[int, tuple[subprocess.Popen[Any], Clock]] = {}

    def __enter__(self) -> Engines:
        self._output = self._exit.enter_context((self._folder / "engines.log").open("w"))
        return self

    def __exit__(self, *_: object) -> None:
        for process, _clock in self.running.values():
            end(process)
        self._exit.close()

    def start(self) -> None:
        """One more."""
        number, self._started = self._started, self._started + 1
        clock = Clock(self._folder, f"engine-{number}")
        port = self._ports[number] = free_port()
        told = {
            "STANCHION_REDIS_URL": self._stage.url,
            "STANCHION_NUMBER": str(number),
            "STANCHION_METRICS_PORT": str(port),
        }
        environment = os.environ | told | clock.environment
        process = start(
            self._parts.engine, env=environment, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
        )
        self.running[number] = (process, clock)

    async def writer(self) -> int:
        """The number of the one that holds the lease."""
        while True:
            held: Any = await self._stage.store.get(lease_key(shard_of(EXPERIENCE)))
            number = int(held.split(b"-")[1]) if held else -1
            if number in self.running:
                return number
            await asyncio.sleep(LOOK_S)

    async def warm(self) -> None:
        """Return once whoever does not write is ready to. Raises RuntimeError after ``PATIENCE_S``."""
        others = self.running.keys() - {await self.writer()}
        until_s = time.monotonic() + PATIENCE_S
        async with httpx.AsyncClient(trust_env=False) as client:
            while not all([await self._is_warm(client, number) for number in others]):
                if time.monotonic() > until_s:
                    raise RuntimeError(f"no engine stands ready after {PATIENCE_S:g} s")
                await asyncio.sleep(LOOK_S)

    async def _is_warm(self, client: httpx.AsyncClient, number: int) -> bool:
        try:
            page = await client.get(f"http://{HOST}:{self._ports[number]}/metrics")
        except httpx.TransportError:
            return False  # it has not started yet
        return WARM in page.text

    def kill(self, number: int) -> None:
        """SIGKILL."""
        process, _ = self.running.pop(number)
        process.kill()
        process.wait()


async def _line(stage: DrillStage, engines: Engines) -> DrillLog:
    """A line that moves."""
    for _ in range(ENGINES):
        engines.start()
    log, sender = DrillLog(stage.store, EXPERIENCE), DrillSender(stage.store, EXPERIENCE, 1)
    number = await sender.create(document(EXPERIENCE, release_rate_per_minute=RATE, checkout_window_seconds=WINDOW_S))
    for seed in range(WAITING // BATCH):
        number = await sender.send(*joins(Random(seed), BATCH))
    await log.until(lambda: log.applied(sender.id) >= number, "the line")
    return log


class Scene(NamedTuple):
    """Where clocks jump: ``clock`` is the store's; a watch takes ``watch_s``."""

    stage: DrillStage
    engines: Engines
    log: DrillLog
    clock: Clock
    watch_s: int

    async def jump(self, who: str, jump_ms: int) -> None:
        """Let a clock jump. Raises RuntimeError where the store's does not."""
        if who == WRITER:
            self.engines.running[await self.engines.writer()][1].jump(jump_ms)
            return
        store: Any = self.stage.store
        before_s, _ = await store.time()
        self.clock.jump(jump_ms)
        until_s = time.monotonic() + JUMP_S_OFF_MAX
        after_s, _ = await store.time()
        while abs(after_s - before_s - jump_ms // 1_000) > JUMP_S_OFF_MAX:  # it looks at its clock not for each command
            if time.monotonic() > until_s:
                raise RuntimeError(f"the store's clock went from {before_s} to {after_s}, not by {jump_ms} ms")
            await asyncio.sleep(LOOK_S)
            after_s, _ = await store.time()


async def _case(scene: Scene, who: str, jump_ms: int) -> Case:
    """Let a clock jump, watch the line, kill the writer, watch the line again."""
    engines, log = scene.engines, scene.log
    await scene.jump(who, jump_ms)
    first = await _watch(log, time.monotonic_ns(), scene.watch_s)
    await engines.warm()
    await log.read_all()
    writer, changes = await engines.writer(), len(log.changes)
    engines.kill(writer)
    killed_ns = time.monotonic_ns()
    await log.until(lambda: len(log.changes) > changes, "another writer")
    taken_ns, before = log.changes[-1].seen_ns, len(log.rows)
    engines.start()
    await log.until(lambda: len(log.rows) > before, "an admission")
    served_ns = log.rows[before][0]
    second = await _watch(log, served_ns, scene.watch_s)
    taken_s, served_s = ((ns - killed_ns) / SECOND_NS for ns in (taken_ns, served_ns))
    return Case(who, jump_ms, (first, second), taken_s, served_s)


async def _watch(log: DrillLog, since_ns: int, watch_s: int) -> Watch:
    """Watch the line for ``watch_s``, from a second after ``since_ns`` (our clock) on."""
    begin_ns = since_ns + RECOVERED_S * SECOND_NS
    end_ns = begin_ns + watch_s * SECOND_NS
    while time.monotonic_ns() < end_ns:
        await log.read(BLOCK_MS)
    rows = [row for row in log.rows if begin_ns <= row[0] < end_ns]
    return Watch(_share(rows, begin_ns, watch_s), _excess(rows))


def _excess(rows: Sequence[tuple[int, int]]) -> float:
    """How many admissions were more than what the rate gives from the first to the last, and a burst."""
    if not rows:
        return 0.0
    earned = PER_S * (rows[-1][0] - rows[0][0]) / SECOND_NS
    return max(0.0, sum(count for _, count in rows[1:]) - earned * SLEW - BURST)


def _share(rows: Sequence[tuple[int, int]], begin_ns: int, watch_s: int) -> float:
    """The share of the rate that came. On a busy machine an entry may be seen late, never early: so at either end it is
    the entry with the least delay, of those of a part of the watch, that counts."""
    edge_s = watch_s / EDGE_PARTS
    admitted, ends = 0, {0: -inf, EDGE_PARTS - 1: -inf}
    for at_ns, count in rows:
        admitted += count
        seen_s = (at_ns - begin_ns) / SECOND_NS
        part = int(seen_s / edge_s)
        if part in ends:
            ends[part] = max(ends[part], admitted - PER_S * seen_s)
    first, last = ends.values()
    return 0.0 if -inf in (first, last) else 1 + (last - first) / (PER_S * (watch_s - edge_s))
