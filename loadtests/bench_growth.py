"""P11: whether anything costs more when more people wait: a join, a tick, a socket, at three sizes of the line.

Each size is measured in a process of its own, by CPU time, so that neither what was freed before nor what the machine
does beside it counts. The core is fed as in the engine bench; what it tells is applied to a replica, as a gateway
does. A tick is a step without commands that admits whoever is due. A socket's share is that of one pass of ranks over
all sockets of a gateway: the pass reads a byte a place, so it grows with the line, and is made once a second at most.

Hands over to: ``loadtests.engine_charts``.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from loadtests import engine_charts
from loadtests.parts import Batch, Core, Parts
from loadtests.processes import rss_bytes
from loadtests.report import Figure, Report, progress
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, PATH, configure, joins, read_back, sender_id
from protocol.commands import Limits, SetReleaseRate
from protocol.events import AnyEvent
from protocol.replica import Replica

SIZES = (10_000, 100_000, 1_000_000)
BAR = "flat, or logarithmic"
START_MS = 1_000_000
STEP_BATCHES = 10
JOIN_STEPS = 10
TICKS = 30
ADMITTED_AT_ONCE = 100
ADMISSIONS_PER_MINUTE = 60_000
"""One a ms."""
SOCKETS = 10_000
US_NS = 1_000

JOIN, REPLICA = "P11 a join, in the core", "P11 a join, in a gateway's replica"
TICK, TURN = "P11 a tick that admits one", "P11 an admission, of a hundred in a tick"
RANK = "P11 a socket's share of a pass of ranks"
UNITS = {JOIN: "µs", REPLICA: "µs", TICK: "µs", TURN: "µs", RANK: "µs"}


class Costs(msgspec.Struct):
    """At one size: the samples by figure, and what a ticket takes of memory in the core and the replica together."""

    samples: dict[str, list[float]]
    ticket_bytes: float


def bench_growth(parts: Parts, report: Report, sizes: Sequence[int], pictures: Path | None) -> None:
    """Report every cost at every one of ``sizes`` and draw them into the folder ``pictures``."""
    figures: dict[str, list[Figure]] = {name: [] for name in UNITS}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for size in sizes:
            costs = pool.submit(measure, parts.core, size).result()
            detail = {"tickets": size, "ticket_bytes": round(costs.ticket_bytes), "sockets": SOCKETS}
            for name, samples in costs.samples.items():
                figures[name].append(report.add(name, UNITS[name], BAR, samples, detail=detail))
            progress.print(f"{size:,}: " + ", ".join(f"{median(costs.samples[name]):.3g} µs" for name in UNITS))
    if pictures is not None:
        engine_charts.growth(figures, pictures)


def measure(core_of: Callable[[str], Core], size: int) -> Costs:
    """All costs in a line of ``size``. In the process of its own."""
    gc.collect()
    before = rss_bytes(os.getpid())
    line = Line(core_of(EXPERIENCE))
    while line.tickets < size:
        line.join()
    held = rss_bytes(os.getpid()) - before
    gc.freeze()
    samples: dict[str, list[float]] = {JOIN: [], REPLICA: []}
    for _ in range(JOIN_STEPS):
        core_us, replica_us = line.join()
        samples[JOIN].append(core_us)
        samples[REPLICA].append(replica_us)
    line.release()
    samples[TICK] = [line.tick(1) for _ in range(TICKS)]
    samples[TURN] = [line.tick(ADMITTED_AT_ONCE) / ADMITTED_AT_ONCE for _ in range(TICKS)]
    samples[RANK] = [line.ranks() for _ in range(TICKS)]
    return Costs(samples, held / size)


class Line:
    """A core with a line of people, and the replica that follows it. Costs are in µs of CPU time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._replica = Replica(EXPERIENCE)
        self._chance = random.Random(0)
        self._now_ms = START_MS
        self._number = 0
        self.tickets = 0
        self._step([configure(sender_id(0), release_rate_per_minute=0)])

    def _step(self, batches: Sequence[Any]) -> tuple[float, float]:
        """(in the core, in the replica)."""
        begun_ns = time.process_time_ns()
        events, _ = self._core.step(self._now_ms, batches)
        between_ns = time.process_time_ns()
        self._follow(events)
        return (between_ns - begun_ns) / US_NS, (time.process_time_ns() - between_ns) / US_NS

    def _follow(self, events: Sequence[AnyEvent]) -> None:
        self._replica.now_ms = self._now_ms
        for event in events:
            self._replica.apply(event)

    def join(self) -> tuple[float, float]:
        """A step's worth of people join; what one of them costs (in the core, in the replica)."""
        batches = []
        for _ in range(STEP_BATCHES):
            self._number += 1
            batches.append(read_back(Batch(sender_id(1), self._number, joins(self._chance, BATCH_COMMANDS))))
        self._now_ms += 1
        count = STEP_BATCHES * BATCH_COMMANDS
        core_us, replica_us = self._step(batches)
        self.tickets += count
        return core_us / count, replica_us / count

    def release(self) -> None:
        """From now on one is admitted every ms."""
        rate = SetReleaseRate("bench", "", PATH, Limits(release_rate_per_minute=ADMISSIONS_PER_MINUTE))
        self._step([Batch(sender_id(0), 2, [rate])])
        self.tick(1)

    def tick(self, count: int) -> float:
        """Time goes on until ``count`` more are admitted: what that step costs the core. Raises RuntimeError."""
        path = self._replica.paths[PATH]
        before = path.admitted
        self._now_ms += count
        core_us, _ = self._step([])
        if count > 1 and path.admitted - before != count:
            raise RuntimeError(f"{path.admitted - before} were admitted, not {count}: nothing was measured")
        return core_us

    def ranks(self) -> float:
        """What one of ``SOCKETS`` sockets, anywhere in the line, costs in a pass over all."""
        places = np.array(self._chance.sample(range(self.tickets), min(SOCKETS, self.tickets)), dtype=np.int64)
        begun_ns = time.process_time_ns()
        self._replica.paths[PATH].roster.ranks(places)
        return (time.process_time_ns() - begun_ns) / US_NS / len(places)
