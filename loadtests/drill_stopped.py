"""A writer is stopped (SIGSTOP) for longer than its lease, and goes on when another has taken over: no stale append.

Every other time it is stopped with an append on its way, which a gate lets through only when the other writes: the
store itself gets a stale append, and must refuse it. The other times it is stopped wherever it is.
"""

from __future__ import annotations

import asyncio
import signal

from loadtests.drill_gate import APPEND, Side
from loadtests.drill_log import within
from loadtests.drill_play import IN, Play, Reckoning, first_held, report_lanes
from loadtests.drill_stage import Bound, DrillStage, in_lanes
from loadtests.parts import Parts
from loadtests.report import Report, progress

ENGINES = 2
MOMENT_MS_MAX = 300
PROGRESS_EVERY = 10
STOPPED = "stopped"


async def drill_stopped(parts: Parts, report: Report, bound: Bound) -> None:
    """Stop ``bound.times`` writers. Raises RuntimeError when nobody takes over, or the log does not hold together."""

    async def lane(number: int, share: Bound) -> Reckoning:
        async with DrillStage(parts) as stage:
            play = Play(stage, number)
            await play.begin(ENGINES)
            while share.allows(done := play.counts[STOPPED]):
                await (_with_an_append if done % 2 else _anywhere)(play)
                play.counts[STOPPED] += 1
                if done % PROGRESS_EVERY == 0:
                    progress.print(f"stopped, lane {number}: {done} of {share.times}")
            return await play.conclude()

    report_lanes(report, "writer stopped past its lease and resumed", await in_lanes(bound, lane))


async def _with_an_append(play: Play) -> None:
    """Stop the writer when its append is on its way, and let that through when another has taken over."""
    holding = asyncio.ensure_future(first_held(play.stage.engines.values(), Side.REQUEST, APPEND))
    sent = await play.batch()
    writer, hold = await holding
    writer.signal(signal.SIGSTOP)
    await play.log.until(lambda: play.writer is not writer and play.log.applied(play.sender.id) >= sent, "another")
    hold.release()
    await within(hold.answered.wait(), "the answer to a stale append")
    play.counts["stale appends that reached the store"] += len(hold.attempts)
    if any(attempt.answer in IN for attempt in hold.attempts):
        play.faults.append(f"a stale append was taken: {hold.attempts}")
    writer.signal(signal.SIGCONT)
    await play.applied(await play.batch())


async def _anywhere(play: Play) -> None:
    """Stop the writer wherever it is in its work, under load."""
    writer = play.writer
    assert writer is not None, "nobody ends here"
    sent = await play.batch()
    await asyncio.sleep(play.chance.randrange(MOMENT_MS_MAX) / 1_000)
    writer.signal(signal.SIGSTOP)
    await play.log.until(lambda: play.writer is not writer and play.log.applied(play.sender.id) >= sent, "another")
    writer.signal(signal.SIGCONT)
    await play.applied(await play.batch())
