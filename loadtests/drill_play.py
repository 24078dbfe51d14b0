"""What the drills on engines share: batches whose effects can be counted, engines that apply them, and the reckoning.

A batch has a new consumer join, which nobody would notice if it were done twice, and adds one to the stock, which shows
it. At the end nothing may be lost and nothing doubled; the tickets stand in the order of the batches; the log holds
together, and agrees with what was seen on the wire; the product's own audit and replay find nothing, and the last
writer's digest is that of the replay.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from loadtests.drill_gate import Attempt, Hold, Side
from loadtests.drill_log import DrillLog, DrillSender, within
from loadtests.drill_stage import DrillStage, Engine
from loadtests.report import Report
from loadtests.workload import EXPERIENCE, PATH, VARIANT, document
from protocol.commands import Join, SetStock
from protocol.events import CONSUMER_BYTES
from protocol.streams import parse_entry_id

RATE = 6_000
SENDER = 1
IN = ("appended", "done")


class Reckoning(NamedTuple):
    """How one lane ended: ``counts`` of what the drill did, effects lost and doubled, stale appends, and whatever else
    is wrong."""

    counts: Counter[str]
    lost: int
    doubled: int
    stale: int
    faults: list[str]


class Play:
    """One lane: an experience, ``engines`` engines, one sender. ``counts``: what the drill did."""

    def __init__(self, stage: DrillStage, seed: int) -> None:
        self.stage = stage
        self.log = DrillLog(stage.store, EXPERIENCE)
        self.sender = DrillSender(stage.store, EXPERIENCE, SENDER)
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._consumers: list[bytes] = []
        self._stock = 0

    async def begin(self, engines: int) -> None:
        """Start so many engines, and an experience that they serve."""
        for _ in range(engines):
            await self.stage.engine()
        number = await self.sender.create(document(EXPERIENCE, release_rate_per_minute=RATE))
        await self.applied(number)
        self._stock = self.log.stock

    @property
    def writer(self) -> Engine | None:
        """The engine that took over last, as far as the log was read; None where it lives no more."""
        return self.stage.engines.get(self.stage.journal.engines[self.log.changes[-1].writer])

    async def batch(self) -> int:
        """Send the next batch; its number."""
        self._consumers.append(self.chance.randbytes(CONSUMER_BYTES))
        return await self.sender.send(Join(self._consumers[-1], PATH), SetStock("drill", "", VARIANT, add=1))

    async def applied(self, number: int) -> None:
        """Return once the log shows this batch as applied."""
        await self.log.until(lambda: self.log.applied(self.sender.id) >= number, f"batch {number}")

    async def conclude(self) -> Reckoning:
        """End the engines, read the log to its end, and count."""
        words = await self.stage.settle()
        await self.log.read_all()
        attempts, log = self.stage.journal.attempts, self.log
        faults = self.faults + log.faults + list(_doubtful(log, attempts))
        if log.joined != self._consumers:
            faults.append("the order of the tickets is not that of the batches")
        await self.stage.audit(EXPERIENCE)
        for written in words:
            replayed = await self.stage.digest(EXPERIENCE, written["entry"])
            self.counts["digests of writers and of replays compared"] += 1
            if written["digest"] != replayed:
                faults.append(f"at {written['entry']} the writer had {written['digest']}, a replay {replayed}")
        self.counts.update(entries=len(log.entries), epochs=len(log.changes))
        self.counts.update(Counter(f"{one.kind} {one.answer}" for one in attempts))
        stock, batches = log.stock - self._stock, len(self._consumers)
        lost = len({*self._consumers} - {*log.joined}) + max(0, batches - stock)
        twice = len(log.joined) - len({*log.joined}) + sum(times - 1 for times in log.admitted.values())
        return Reckoning(self.counts, lost, twice + max(0, stock - batches), _stale(log, attempts), faults)


async def first_held(engines: Iterable[Engine], side: Side, kind: str) -> tuple[Engine, Hold]:
    """The first of ``engines`` whose commit of this ``kind`` comes to ``side``, and what holds it. Raises RuntimeError
    when none comes."""
    holds = {engine: engine.gate.hold(side, kind) for engine in engines}
    waits = {asyncio.ensure_future(hold.there.wait()): engine for engine, hold in holds.items()}
    try:
        done, _ = await within(asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED), f"a commit to hold: {kind}")
    finally:
        for wait, engine in waits.items():
            wait.cancel()
            engine.gate.withdraw(holds[engine])
    first = waits[min(done, key=id)]
    for engine, hold in holds.items():
        if engine is not first:
            hold.release()
    return first, holds[first]


def report_lanes(report: Report, what: str, lanes: Sequence[Reckoning]) -> None:
    """Report what all lanes of a drill found; ``what`` says what was done."""
    counts = sum((one.counts for one in lanes), Counter[str]())
    faults = [fault for one in lanes for fault in one.faults]
    figures = {
        "effects lost": sum(one.lost for one in lanes),
        "effects doubled": sum(one.doubled for one in lanes),
        "stale appends": sum(one.stale for one in lanes),
    }
    for figure, value in figures.items():
        report.check(f"{what}: {figure}", "", "0", value, holds=value == 0, detail=dict(counts))
    detail = {"first": faults[:3]} if faults else {}
    report.check(f"{what}: other faults", "", "0", len(faults), holds=not faults, detail=detail)


def _stale(log: DrillLog, attempts: Iterable[Attempt]) -> int:
    """How many appends came through whose writer is not the one that began their epoch."""
    writers = {change.epoch: change.writer for change in log.changes}
    return sum(one.answer in IN and writers.get(parse_entry_id(one.entry_id)[0]) != one.writer for one in attempts)


def _doubtful(log: DrillLog, attempts: Iterable[Attempt]) -> Iterable[str]:
    """Where the wire and the log differ: an entry of two writers, of nobody, or answered for and not there."""
    writers: dict[str, set[tuple[int, bytes]]] = {}
    for one in attempts:
        if one.answer in IN:
            writers.setdefault(one.entry_id, set()).add((one.engine, one.writer))
    yield from (f"entry {entry_id} was written by nobody" for entry_id in log.entries if entry_id not in writers)
    yield from (f"entry {entry_id} has {len(who)} writers" for entry_id, who in writers.items() if len(who) > 1)
    yield from (f"entry {entry_id} was answered for, but is not there" for entry_id in writers.keys() - {*log.entries})
