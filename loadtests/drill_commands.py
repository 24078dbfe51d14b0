"""Commands are lost that the engine has read and its log has not: noticed, a new epoch, sent again, nobody skipped.

So it is after a failover to a replica that had got less than the engine. Here a gate holds the append that applies the
first of some joins, so that all of them are in the commands stream and none in the log; then the last ones are cut off
behind everybody's back, and the append goes on. No connection breaks, which would itself be a reason to send again.
What is lost before the engine has read it is nothing that it could notice; that counts only as sent again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Any

from loadtests.drill_gate import APPEND, Gate, Side
from loadtests.drill_log import PATIENCE_S, DrillLog, within
from loadtests.drill_people import Consumer, all_joined, people
from loadtests.drill_room import room_at
from loadtests.drill_stage import Bound, DrillStage
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.workload import EXPERIENCE
from protocol.codec import decode_commands, decode_entry
from protocol.commands import Join
from protocol.streams import FIELD_BATCH, FIELD_ENTRY, commands_key, events_key, parse_entry_id

EARLY, LATE = 3, 3
LOOK_S = 0.02
PROGRESS_EVERY = 10
SEED = 6
CUT, UNREAD = "read and lost", "lost before they were read"
KEY = commands_key(EXPERIENCE)
WHAT = "commands lost that the engine had read"


async def drill_commands(parts: Parts, report: Report, bound: Bound) -> None:
    """Cut commands off ``bound.times`` times. Raises RuntimeError where somebody is left without a ticket."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    chance = random.Random(SEED)
    async with DrillStage(parts) as stage:
        gate = await stage.gate()
        async with room_at(parts, gate.port) as room:
            log = DrillLog(stage.store, EXPERIENCE)
            while bound.allows(done := counts[CUT]):
                await _round(stage, gate, log, room.live(EXPERIENCE), chance, counts, faults)
                if done % PROGRESS_EVERY == 0:
                    progress.print(f"commands: {done} of {bound.times}")
            await log.read_all()
        await stage.audit(EXPERIENCE)
    answers = Counter(f"{one.kind} {one.answer}" for one in stage.journal.attempts)
    detail = dict(counts + answers)
    report.check(
        f"{WHAT}: cut back", "", f"{bound.times}", counts[CUT], holds=counts[CUT] == bound.times, detail=detail
    )
    unseen = counts[CUT] - counts["noticed"]
    report.check(f"{WHAT}: not noticed", "", "0", unseen, holds=unseen == 0)
    report.check(
        f"{WHAT}: people skipped or doubled", "", "0", len(faults), holds=not faults, detail={"first": faults[:3]}
    )


async def _round(
    stage: DrillStage,
    gate: Gate,
    log: DrillLog,
    url: str,
    chance: random.Random,
    counts: Counter[str],
    faults: list[str],
) -> None:
    async with people(url, EARLY + LATE) as crowd:
        await log.read_all()
        epochs, tickets = len(log.changes), len(log.joined)
        hold = gate.hold(Side.REQUEST, APPEND)
        for one in crowd[:EARLY]:
            await one.join()
        await within(hold.there.wait(), "an append")
        for one in crowd[EARLY:]:
            await one.join()
        kept = await _cut(stage, crowd, chance)
        was_read = parse_entry_id(gate.read[KEY]) > parse_entry_id(kept)
        hold.release()
        await all_joined(crowd)
        await log.until(lambda: len(log.joined) >= tickets + len(crowd), "all tickets")
        counts[CUT if was_read else UNREAD] += 1
        counts["noticed"] += was_read and len(log.changes) > epochs
        faults += _wrong(crowd, log)


async def _cut(stage: DrillStage, crowd: list[Consumer], chance: random.Random) -> str:
    """Wait until all that ``crowd`` asked for is in the stream, unless they were refused because the engine seems away;
    cut some of it off. The last entry that is kept."""
    store: Any = stage.store
    until_s = time.monotonic() + PATIENCE_S
    while True:
        ((_, fields),) = await store.xrevrange(events_key(EXPERIENCE), count=1)
        applied = decode_entry(fields[FIELD_ENTRY]).command_id
        entries = await store.xrange(KEY, min=f"({applied}")
        asked = [one for _, fields in entries for one in decode_commands(fields[FIELD_BATCH])]
        wanted = {one.id for one in crowd if not one.is_refused}
        if wanted <= {one.consumer for one in asked if isinstance(one, Join)}:
            break
        if time.monotonic() > until_s:
            raise RuntimeError(f"not all commands were in the stream within {PATIENCE_S:g} s")
        await asyncio.sleep(LOOK_S)
    if not entries:
        return applied
    kept = await store.xrange(KEY)
    cut = len(entries) - chance.randrange(len(entries))
    pipeline = store.pipeline(transaction=True)
    pipeline.delete(KEY)  # a deletion of entries alone would be remembered by the stream
    for entry_id, fields in kept[:-cut]:
        pipeline.xadd(KEY, fields, entry_id)
    await pipeline.execute()
    return str(kept[-cut - 1][0].decode())


def _wrong(crowd: list[Consumer], log: DrillLog) -> list[str]:
    """Who was told otherwise than the log says, or has two tickets, or none."""
    found = []
    for one in crowd:
        told = {frame["ticket"] for frame in one.facts("joined")}
        held = {ticket for ticket, consumer in enumerate(log.joined) if consumer == one.id}
        if len(held) != 1 or told != held:
            found.append(f"{one.id.hex()} was told the tickets {sorted(told)} and holds {sorted(held)}")
    return found
