"""The writer is killed between its append and the answer to it: never a lost effect, never a doubled one.

A gate holds the store's answer to a commit; the entry is in the log, and its writer does not know. Then it is killed.
Every fifth time its successor is killed as well, between its take-over and the answer to that. A batch has a new
consumer join, which nobody notices when it is done twice, and adds one to the stock, which shows it. As a gateway
does that does not know what became of its batch, the sender sends every other one again.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from typing import NamedTuple

from loadtests.drill_gate import APPEND, TAKE_OVER, Hold, Side
from loadtests.drill_log import DrillLog, DrillSender, concluded, within
from loadtests.drill_stage import DrillStage, Engine, in_lanes
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.workload import EXPERIENCE, PATH, VARIANT, document
from protocol.commands import Join, SetStock
from protocol.events import CONSUMER_BYTES

ENGINES = 3
TAKE_OVER_EVERY = 5
PROGRESS_EVERY = 50
SEED = 4
RATE = 6_000


class Rounds:
    """One round after another, on one stage; ``kills`` of a writer whose entry was in and who did not know."""

    def __init__(self, stage: DrillStage, lane: int) -> None:
        self.stage = stage
        self.log = DrillLog(stage.store, EXPERIENCE)
        self.sender = DrillSender(stage.store, EXPERIENCE, 1)
        self.consumers: list[bytes] = []
        self.kills: Counter[str] = Counter()
        self._chance = random.Random(SEED + lane)

    async def begin(self) -> None:
        """Engines, and an experience that is served."""
        for _ in range(ENGINES):
            await self.stage.engine()
        number = await self.sender.create(document(EXPERIENCE, release_rate_per_minute=RATE))
        await self.log.until(lambda: self.log.applied(self.sender.id) >= number, "the experience")
        self.stock = self.log.stock

    async def play(self, number: int) -> None:
        """Kill the writer, and every so often its successor; return once the batch is applied."""
        writer = self.stage.engines[self.stage.journal.engines[self.log.changes[-1].writer]]
        holds = {writer.number: writer.gate.hold(Side.ANSWER, APPEND)}
        sent = await self._batch()
        await self._kill(holds, APPEND)
        if number % TAKE_OVER_EVERY == 0:
            others = self.stage.engines.values()
            await self._kill({one.number: one.gate.hold(Side.ANSWER, TAKE_OVER) for one in others}, TAKE_OVER)
        if self._chance.random() < 0.5:
            await self.sender.again(sent)
        changes = len(self.log.changes)
        await self.log.until(
            lambda: self.log.applied(self.sender.id) >= sent and self._has_writer(changes), f"batch {sent}"
        )

    async def _batch(self) -> int:
        self.consumers.append(self._chance.randbytes(CONSUMER_BYTES))
        return await self.sender.send(Join(self.consumers[-1], PATH), SetStock("drill", "", VARIANT, add=1))

    def _has_writer(self, changes: int) -> bool:
        """Whether somebody who lives has taken over behind so many take-overs."""
        if len(self.log.changes) <= changes - 1:
            return False
        return self.stage.journal.engines[self.log.changes[-1].writer] in self.stage.engines

    async def _kill(self, holds: dict[int, Hold], kind: str) -> None:
        """Kill the first whose commit is held, and put another in its place."""
        waits = {asyncio.ensure_future(hold.there.wait()): number for number, hold in holds.items()}
        done, pending = await within(
            asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED), f"a commit that is held: {kind}"
        )
        for wait in pending:
            wait.cancel()
        victims = {waits[wait] for wait in done}
        for number, hold in holds.items():
            engine = self.stage.engines[number]
            engine.gate.withdraw(hold)
            if number in victims and any(attempt.answer == "appended" for attempt in hold.attempts):
                await self._replace(engine)
                self.kills[kind] += 1
            hold.release()

    async def _replace(self, engine: Engine) -> None:
        engine.signal(signal.SIGKILL)
        await self.stage.gone(engine)
        await self.stage.engine()

    def lost_and_doubled(self) -> tuple[int, int]:
        """Effects that are not there, and effects that are there twice."""
        stock, batches = self.log.stock - self.stock, len(self.consumers)
        twice = len(self.log.joined) - len({*self.log.joined}) + sum(n - 1 for n in self.log.admitted.values())
        return len({*self.consumers} - {*self.log.joined}) + max(0, batches - stock), twice + max(0, stock - batches)


class Found(NamedTuple):
    """What one lane found."""

    kills: Counter[str]
    entries: int
    lost: int
    doubled: int
    faults: list[str]


async def drill_replies(parts: Parts, report: Report, times: int) -> None:
    """Kill ``times`` writers. Raises RuntimeError when nobody takes over, or the log does not hold together."""
    done: Counter[str] = Counter()

    async def lane(number: int, share: int) -> Found:
        async with DrillStage(parts) as stage:
            return await _lane(stage, number, share, done)

    lanes = await in_lanes(times, lane)
    lost, doubled = sum(one.lost for one in lanes), sum(one.doubled for one in lanes)
    faults = [fault for one in lanes for fault in one.faults]
    detail = {"kills": done, "entries": sum(one.entries for one in lanes)}
    what = "writer killed between append and answer"
    report.check(f"{what}, effects lost", "", "0", lost, holds=lost == 0, detail=detail)
    report.check(f"{what}, effects doubled", "", "0", doubled, holds=doubled == 0, detail=detail)
    report.check(f"{what}, faults of the log", "", "0", len(faults), holds=not faults, detail={"first": faults[:3]})


async def _lane(stage: DrillStage, lane: int, kills: int, done: Counter[str]) -> Found:
    rounds, number = Rounds(stage, lane), 0
    await rounds.begin()
    while sum(rounds.kills.values()) < kills:
        number += 1
        before = rounds.kills.copy()
        await rounds.play(number)
        done.update(rounds.kills - before)
        if number % PROGRESS_EVERY == 0:
            progress.print(f"replies: {sum(done.values())} killed")
    faults = await concluded(stage, rounds.log)
    if rounds.log.joined != rounds.consumers:
        faults.append("the order of the tickets is not that of the batches")
    return Found(rounds.kills, len(rounds.log.entries), *rounds.lost_and_doubled(), faults)
