"""A timed release at its hardest instant: thousands of sockets are there, all claim at the opening, few get it, and
everybody is to know at once how it ended.

Two gateways, and a swarm process for each core; what the swarms take to say and to read is part of the figures, as all
runs on one machine. Some claim shortly before the opening as well. The order of arrival is that of the claims in the
log; the auditor, which shares nothing with the engine, reads it too.

Hands over to: `loadtests.release_member` (who claims).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import redis
from numpy.typing import NDArray

from loadtests.charts import shares_chart
from loadtests.parts import Parts
from loadtests.processes import cpu_ns
from loadtests.release_member import ADMITTED, NEVER, UNTOLD, Claim, Keep
from loadtests.report import Report, progress, rounded
from loadtests.room import Room
from loadtests.swarm_member import Connect, Gather
from loadtests.swarm_seen import LATENCY_STEP_MS
from loadtests.swarms import SwarmProcess, all_do, gather, members
from loadtests.workload import document
from protocol import codec
from protocol.events import Admitted, AnyEvent
from protocol.kind_events import Claimed
from protocol.streams import FIELD_CHAIN, FIELD_ENTRY, START_ID, events_key

EXPERIENCE = "release"
PATH = "drop"
GATEWAYS = 2
SWARMS = 2
MODULE = "loadtests.release_member"
HOUR_MS = 3_600_000
LEAD_MS = 6_000
"""From setting the opening to the opening: everybody knows of it by then."""
CONNECT_S = 180.0
LAST_WORD_S = 60.0
BAR_S = 3
MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
STEP_NS = int(LATENCY_STEP_MS * MS_NS)
READ_ENTRIES = 1_000
COLUMNS = ("outcome", "told_ns", "sold_out_ns")

Ints = NDArray[np.int64]


class Sizes(NamedTuple):
    """``sockets`` claim ``stock``; ``impatient`` of them claim before the opening too."""

    sockets: int
    stock: int
    impatient: int


class Told(NamedTuple):
    """By socket, in ns since the opening: what became of it, when it was told that, and that everything is gone."""

    outcome: NDArray[np.uint8]
    told_ns: Ints
    sold_out_ns: Ints
    early: int
    taken_early: int


def bench_release(parts: Parts, report: Report, sizes: Sizes, pictures: Path | None) -> None:
    """Report how soon all is said, and what must hold; draw it into the folder ``pictures``."""
    with Room(parts, GATEWAYS) as room, tempfile.TemporaryDirectory() as kept, members(SWARMS, MODULE) as crowd:
        room.put(_document(sizes, _now_ms() + HOUR_MS), phase="lobby")
        url, key = room.live(EXPERIENCE), room.session_key_file
        gather(crowd, Gather(url, sizes.sockets, PATH, key, checking=False))
        if any(heard.late for heard in all_do(crowd, Connect("joined", timeout_s=CONNECT_S))):
            raise RuntimeError("the crowd did not get in: nothing was measured")
        opens_at = _now_ms() + LEAD_MS
        room.put(_document(sizes, opens_at), phase="lobby")
        progress.print(f"{sizes.sockets:,} wait for the opening, for {sizes.stock:,}")
        before_ns = _cpu_ns(room, crowd)
        impatient = -(-sizes.impatient // SWARMS)
        heard = all_do(crowd, Claim(PATH, opens_at, impatient, LAST_WORD_S))
        cpu = {who: rounded((ns - before_ns[who]) / SECOND_NS) for who, ns in _cpu_ns(room, crowd).items()}
        for number, swarm in enumerate(crowd):
            swarm.do(Keep(f"{kept}/{number}.npz"))
        told = _told([Path(kept) / f"{number}.npz" for number in range(SWARMS)])
        entries = list(_entries(room))
    detail = {**sizes._asdict(), "cpu_s": cpu, "late": any(one.late for one in heard)}
    _judge_times(report, told, detail, pictures)
    _judge_log(report, sizes, opens_at, entries, parts.auditor(entries).broken)
    _judge_words(report, sizes, told)


def _document(sizes: Sizes, opens_at: int) -> dict[str, Any]:
    """A release of all that there is, with its lobby open."""
    whole = document(EXPERIENCE)
    whole["products"][0]["variants"][0]["stock"] = sizes.stock
    path = {"id": PATH, "opens_at": opens_at, "lobby_opens_at": opens_at - 2 * HOUR_MS}
    return whole | {"paths": [path | {"distribution": {"kind": "timed_release"}}]}


def _now_ms() -> int:
    return time.time_ns() // MS_NS


def _cpu_ns(room: Room, crowd: list[SwarmProcess]) -> dict[str, int]:
    """The CPU time so far of all who take part."""
    pids = {role: room.pids(role) for role in ("gateway", "engine", "valkey")}
    return {who: sum(map(cpu_ns, of_one)) for who, of_one in {**pids, "swarms": [one.pid for one in crowd]}.items()}


def _told(files: list[Path]) -> Told:
    kept = [dict(np.load(file)) for file in files]
    early = sum(one["early"] for one in kept)
    outcome, told, sold_out = (np.concatenate([one[name] for one in kept]) for name in COLUMNS)
    return Told(outcome, told, sold_out, int(early[0]), int(early[1]))


def _entries(room: Room) -> Iterator[tuple[str, bytes, bytes]]:
    after = START_ID
    with redis.Redis.from_url(room.redis_url, protocol=2) as store:
        while True:
            answer: Any = store.xread({events_key(EXPERIENCE): after}, count=READ_ENTRIES)
            if not answer:
                return
            for entry_id, fields in answer[0][1]:
                after = entry_id.decode()
                yield after, fields[FIELD_ENTRY], fields[FIELD_CHAIN]


def _judge_times(report: Report, told: Told, detail: dict[str, Any], pictures: Path | None) -> None:
    admitted = told.told_ns[told.outcome == ADMITTED]
    others = told.told_ns[(told.outcome != ADMITTED) & (told.told_ns != NEVER)]
    gone = told.sold_out_ns[told.sold_out_ns != NEVER]
    last_s = max((int(some.max()) for some in (admitted, others, gone) if len(some)), default=0) / SECOND_NS
    spread = {
        f"{name}_ms": [round(float(np.percentile(some, share)) / MS_NS) for share in (0, 50, 99, 100)]
        for name, some in (("admitted", admitted), ("others", others), ("sold_out", gone))
        if len(some)
    }
    holds = not detail["late"] and last_s <= BAR_S
    report.check(
        "release: the opening to the last word", "s", f"≤ {BAR_S}", last_s, holds=holds, detail=detail | spread
    )
    if pictures is not None:
        delays = {"what became of one's claim": _steps(told.told_ns), "that everything is gone": _steps(gone)}
        shares_chart(delays, "From the opening until it is told", pictures / "release.png")


def _steps(ns: Ints) -> dict[int, int]:
    counted = np.bincount(np.maximum(ns[ns != NEVER], 0) // STEP_NS, minlength=1)
    return {int(step): int(counted[step]) for step in np.flatnonzero(counted)}


def _judge_log(
    report: Report, sizes: Sizes, opens_at: int, entries: list[tuple[str, bytes, bytes]], broken: str
) -> None:
    events: list[AnyEvent] = list(chain.from_iterable(codec.decode_entry(payload).events for _, payload, _ in entries))
    claims = [event for event in events if isinstance(event, Claimed)]
    admitted = [ticket for event in events if isinstance(event, Admitted) for ticket in event.tickets]
    early = sum(claim.at < opens_at for claim in claims)
    _count(report, "claims taken before the opening", early, {"claims": len(claims)})
    _count(report, "admissions too many or too few", abs(len(admitted) - min(sizes.stock, sizes.sockets)), {})
    first = [claim.ticket for claim in claims][: len(admitted)]
    disordered = sum(a != b for a, b in zip(first, admitted, strict=True))
    _count(report, "admissions out of the order of arrival", disordered, {})
    _count(report, "promises broken in the log", int(bool(broken)), {"broken": broken})


def _judge_words(report: Report, sizes: Sizes, told: Told) -> None:
    unanswered = int((told.outcome == UNTOLD).sum())
    _count(report, "claims without an answer", unanswered, {"taken_early": told.taken_early})
    _count(report, "sockets not told sold_out", int((told.sold_out_ns == NEVER).sum()), {})
    early = -(-sizes.impatient // SWARMS) * SWARMS
    _count(report, "early claims not refused as such", abs(early - told.early), {"early": told.early})
    wrong = int((told.outcome == ADMITTED).sum()) - min(sizes.stock, sizes.sockets)
    _count(report, "sockets told that it is theirs, too many or too few", abs(wrong), {})


def _count(report: Report, what: str, wrong: int, detail: dict[str, Any]) -> None:
    report.check(f"release: {what}", "count", "0", wrong, holds=wrong == 0, detail=detail)
