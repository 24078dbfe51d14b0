"""Two standbys are released at one instant, the epoch counter wiped in half of the cases: one writer an epoch.

The lease keeps engines from each other's way but decides nothing, so it is taken from one while the other already has
its take-over on its way: gates hold both take-overs, each made behind the same last entry, and let them go at once. An
engine whose answer stays out for too long tries again past the gate; then neither of the two that are held comes
through.
"""

from __future__ import annotations

import asyncio

from loadtests.drill_gate import TAKE_OVER, Hold, Side
from loadtests.drill_log import within
from loadtests.drill_play import IN, Play, Reckoning, report_lanes
from loadtests.drill_stage import Bound, DrillStage, Engine, in_lanes
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.workload import EXPERIENCE
from protocol.streams import epoch_key, lease_key, shard_of

ENGINES = 2
PROGRESS_EVERY = 25
SEEN_S = 0.15
PATIENT_S = 1.5
RELEASED = "rivals released"
LEASE, EPOCH = lease_key(shard_of(EXPERIENCE)), epoch_key(shard_of(EXPERIENCE))


async def drill_rivals(parts: Parts, report: Report, bound: Bound) -> None:
    """Release two rivals ``bound.times`` times. Raises RuntimeError when they do not come, or the log does not hold."""

    async def lane(number: int, share: Bound) -> Reckoning:
        async with DrillStage(parts) as stage:
            play = Play(stage, number)
            await play.begin(ENGINES)
            while share.allows(done := play.counts[RELEASED]):
                await _round(play, wiped=done % 2 == 1)
                play.counts[RELEASED] += 1
                if done % PROGRESS_EVERY == 0:
                    progress.print(f"rivals, lane {number}: {done} of {share.times}")
            return await play.conclude()

    report_lanes(report, "two standbys released at one instant", await in_lanes(bound, lane))


async def _round(play: Play, *, wiped: bool) -> None:
    """Two take-overs behind one entry; return once the batch that was sent meanwhile is applied."""
    holds = {engine: engine.gate.hold(Side.REQUEST, TAKE_OVER) for engine in play.stage.engines.values()}
    sent = await play.batch()
    await within(_first(play, holds), "a take-over")
    await within(_second(play, holds), "the rival's take-over")
    if wiped:
        await play.stage.store.delete(EPOCH)
        play.counts["counter wiped"] += 1
    order = list(holds.values())
    play.chance.shuffle(order)
    for hold in order:
        hold.release()
    await within(asyncio.gather(*(hold.answered.wait() for hold in order)), "the answers")
    taken = [attempt for hold in order for attempt in hold.attempts if attempt.answer in IN]
    if len(taken) > 1:
        play.faults.append(f"two rivals took over: {taken}")
    play.counts[f"rounds in which {len(taken)} of the two took over"] += 1
    await play.applied(sent)


async def _first(play: Play, holds: dict[Engine, Hold]) -> None:
    """Free the lease until one of them takes over: whoever holds it must first see that it is somebody else's."""
    while not any(hold.there.is_set() for hold in holds.values()):
        await play.stage.store.set(LEASE, "drill:0")
        await asyncio.sleep(SEEN_S)
        await play.stage.store.delete(LEASE)
        waits = [asyncio.ensure_future(hold.there.wait()) for hold in holds.values()]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENT_S)
        for wait in waits:
            wait.cancel()


async def _second(play: Play, holds: dict[Engine, Hold]) -> None:
    """The first waits for its answer and does not look at its lease: free it again, until the other comes."""
    for hold in holds.values():
        while not hold.there.is_set():
            await play.stage.store.delete(LEASE)
            await asyncio.sleep(0.02)
