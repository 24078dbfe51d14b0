"""The writer is killed between its append and the answer to it: never a lost effect, never a doubled one.

A gate holds the store's answer to a commit; the entry is in the log, and its writer does not know. Then it is killed.
Every fifth round its successor is killed as well, between its take-over and the answer to that. As a gateway does that
does not know what became of its batch, the sender sends every other one again.
"""

from __future__ import annotations

import asyncio
import signal

from loadtests.drill_gate import APPEND, TAKE_OVER, Side
from loadtests.drill_play import Play, Reckoning, first_held, report_lanes
from loadtests.drill_stage import Bound, DrillStage, in_lanes
from loadtests.parts import Parts
from loadtests.report import Report, progress

ENGINES = 3
TAKE_OVER_EVERY = 5
"""The first of so many rounds also kills a successor."""
PROGRESS_EVERY = 50
KILLS = "killed before the answer to: "


async def drill_replies(parts: Parts, report: Report, bound: Bound) -> None:
    """Kill ``bound.times`` writers. Raises RuntimeError when nobody takes over, or the log does not hold together."""

    async def lane(number: int, share: Bound) -> Reckoning:
        async with DrillStage(parts) as stage:
            play, rounds = Play(stage, number), 0
            await play.begin(ENGINES)
            while share.allows(kills := play.counts.total()):
                rounds += 1
                await _round(play, rounds)
                if kills % PROGRESS_EVERY == 0:
                    progress.print(f"replies, lane {number}: {kills} of {share.times} killed")
            return await play.conclude()

    report_lanes(report, "writer killed between append and answer", await in_lanes(bound, lane))


async def _round(play: Play, number: int) -> None:
    """Kill the writer, and every so often its successor; return once the batch is applied and somebody writes."""
    killing = asyncio.ensure_future(_kill_first(play, APPEND))
    sent = await play.batch()
    await killing
    if number % TAKE_OVER_EVERY == 1:
        await _kill_first(play, TAKE_OVER)
    if play.chance.random() < 0.5:
        await play.sender.again(sent)
    await play.applied(sent)
    await play.log.until(lambda: play.writer is not None, "another writer")


async def _kill_first(play: Play, kind: str) -> None:
    """Kill the first engine whose commit of this ``kind`` is in, and not answered yet; put another in its place. One
    that is refused hears so, and the next one is waited for."""
    while True:
        engine, hold = await first_held(play.stage.engines.values(), Side.ANSWER, kind)
        if any(attempt.answer == "appended" for attempt in hold.attempts):
            engine.signal(signal.SIGKILL)
            await play.stage.gone(engine)
            await play.stage.engine()
            play.counts[KILLS + kind] += 1
            return
        hold.release()
