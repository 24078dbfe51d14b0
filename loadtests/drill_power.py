"""The store loses its power: its process dies, and of its files is left what was synced to the disk, no more.

A library that is loaded before its own writes down what was synced (`drill_preload`). Consumers join at a real gateway
while it happens. Then the store starts again on what is left, and everything goes on by itself. With ``always`` nothing
that anybody was told is gone. With ``everysec`` what is gone is counted, and nobody is left to believe in it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from loadtests.drill_log import PATIENCE_S, DrillLog
from loadtests.drill_people import Consumer, all_of, people
from loadtests.drill_preload import Fsyncs
from loadtests.drill_room import room_at
from loadtests.drill_stage import Bound, DrillStage
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.workload import EXPERIENCE

CROWD = 12
APART_MS = 60
LOOK_S = 0.02
PROGRESS_EVERY = 5
SEED = 5
SECOND_NS = 1_000_000_000
CUTS, TICKETS, ADMISSIONS = "cuts", "tickets", "admissions"


class Facts(NamedTuple):
    """What one consumer was told before the store was back: how many ``frames``, and when which ticket and admission
    (ns)."""

    consumer: Consumer
    frames: int
    tickets: dict[int, int]
    admissions: dict[bytes, int]


class Found(NamedTuple):
    """What the cuts with one way of syncing showed. ``ages_s``: how long before the cut that was told which is gone."""

    counts: Counter[str]
    ages_s: list[float]


async def drill_power(parts: Parts, report: Report, bound: Bound) -> None:
    """Cut the power ``bound.times`` times with each way of syncing. Raises RuntimeError where nothing goes on."""
    for append_fsync in ("always", "everysec"):
        found = Found(Counter(), [])
        await _cuts(parts, append_fsync, bound, found)
        counts = found.counts
        what = f"power cut, appendfsync {append_fsync}"
        detail = dict(counts)
        report.check(
            f"{what}: cuts", "", f"{bound.times}", counts[CUTS], holds=counts[CUTS] == bound.times, detail=detail
        )
        for kind in (TICKETS, ADMISSIONS):
            gone, untold = counts[f"{kind} gone"], counts[f"{kind} gone and not told"]
            if append_fsync == "always":
                report.check(f"{what}: {kind} told and gone", "", "0", gone, holds=gone == 0, detail=detail)
            else:
                oldest_s = round(max(found.ages_s, default=0.0), 3)
                told = {"told": counts[f"{kind} told"], "gone": gone, "oldest_told_s_before_the_cut": oldest_s}
                report.check(f"{what}: {kind} gone and not told so", "", "0", untold, holds=untold == 0, detail=told)


async def _cuts(parts: Parts, append_fsync: str, bound: Bound, found: Found) -> None:
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="stanchion-drill-") as folder:
        fsyncs = Fsyncs(Path(folder))
        async with (
            DrillStage(parts, append_fsync, environment=fsyncs.environment) as stage,
            room_at(parts, stage.port) as room,
        ):
            await _synced(fsyncs, stage.data)
            while bound.allows(done := found.counts[CUTS]):
                async with people(room.live(EXPERIENCE), CROWD) as crowd:
                    await _round(stage, fsyncs, crowd, chance, found)
                if done % PROGRESS_EVERY == 0:
                    progress.print(f"power, {append_fsync}: {done} of {bound.times}")
            await stage.audit(EXPERIENCE)


async def _synced(fsyncs: Fsyncs, folder: Path) -> None:
    """Return once what is written by now is synced: a merchant who has just made an experience could lose it."""
    until_s = time.monotonic() + PATIENCE_S
    missing = {file: file.stat().st_size for file in folder.rglob("*.aof")}
    while missing:
        if time.monotonic() > until_s:
            raise RuntimeError(f"{sorted(missing)} were not synced within {PATIENCE_S:g} s")
        await asyncio.sleep(LOOK_S)
        missing = {file: size for file, size in missing.items() if fsyncs.synced(file) < size}


async def _round(stage: DrillStage, fsyncs: Fsyncs, crowd: list[Consumer], chance: random.Random, found: Found) -> None:
    """Cut the power while they join; return when each of them holds something that is true."""
    before = DrillLog(stage.store, EXPERIENCE)
    await before.read_all()
    writers = {change.writer for change in before.changes}
    joining = asyncio.ensure_future(_join(crowd))
    await asyncio.sleep(chance.randrange(CROWD * APART_MS) / 1_000)
    stage.kill_store()
    cut_ns = time.monotonic_ns()
    found.counts["bytes lost"] += fsyncs.cut(stage.data)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    told = [_facts(one) for one in crowd]
    await stage.restart_store()
    found.counts[CUTS] += 1
    log = DrillLog(stage.store, EXPERIENCE)
    await log.until(lambda: log.changes[-1].writer not in writers, "a new epoch")
    for facts in told:
        await _check(facts, log, found, cut_ns)


async def _join(crowd: list[Consumer]) -> None:
    for one in crowd:
        await one.join()
        await asyncio.sleep(APART_MS / 1_000)


def _facts(one: Consumer) -> Facts:
    tickets = {told.frame["ticket"]: told.at_ns for told in one.told if told.frame["type"] == "joined"}
    admissions = {
        bytes.fromhex(told.frame["admission"]): told.at_ns for told in one.told if told.frame["type"] == "admitted"
    }
    return Facts(one, len(one.told), tickets, admissions)


async def _check(facts: Facts, log: DrillLog, found: Found, cut_ns: int) -> None:
    """Count what of it is gone, and wait until they are told that it is."""
    counts = found.counts
    held = {ticket for ticket, consumer in enumerate(log.joined) if consumer == facts.consumer.id}
    tickets = [at_ns for ticket, at_ns in facts.tickets.items() if ticket not in held]
    admissions = [at_ns for admission, at_ns in facts.admissions.items() if admission not in log.admitted]
    found.ages_s.extend((cut_ns - at_ns) / SECOND_NS for at_ns in (*tickets, *admissions))
    for kind, told, gone in ((TICKETS, facts.tickets, tickets), (ADMISSIONS, facts.admissions, admissions)):
        counts[f"{kind} told"] += len(told)
        counts[f"{kind} gone"] += len(gone)
    if tickets or admissions:
        try:
            await all_of([facts.consumer], lambda one: _knows(one, facts), "the truth")
        except RuntimeError as error:
            progress.print(str(error), markup=False)
            counts[f"{TICKETS} gone and not told"] += len(tickets)
            counts[f"{ADMISSIONS} gone and not told"] += len(admissions)


def _knows(one: Consumer, facts: Facts) -> bool:
    """Whether they were told since that what they held is lost, or what they hold instead."""
    lost = [frame for frame in one.facts("ticket", facts.frames) if frame["state"] == "lost"]
    return bool(lost or one.facts("joined", facts.frames))
