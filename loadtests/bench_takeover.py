"""P12: what it costs to be ready for the writer's death, and what the death itself costs.

A line of a million tickets, two senders that go on at a steady rate whatever happens, two engines with a lease of 3 s.
First the worst delay of a batch while snapshots are made one after the other; its floor is the same while none is made.
Then the writer is killed: how long until its successor has taken over, and until the first batch is applied again. At
the end the whole log is replayed, which proves that nothing was lost on the way and gives the speed of a replay.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import httpx

from loadtests import engine_charts
from loadtests.bench_replay import MIB, replayed
from loadtests.parts import Parts
from loadtests.processes import cpu_ns, rss_bytes
from loadtests.report import Report, progress, rounded
from loadtests.stream_sender import Pace, Prepare, Sent
from loadtests.stream_stage import SECOND_NS, Stage
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, sender_id
from protocol.streams import commands_key

SENDERS = 2
LEASE_MS = 3_000
SECOND_US = 1_000_000
COMMIT_S = 180.0
READY_S = 180.0
ASK_AGAIN_S = 0.1
READY = {"warm": 'stanchion_engine_experiences{state="warm"} 1.0', "cold": "stanchion_engine_experiences"}
"""What the figures of a standby say once it is ready."""
SNAPSHOT_COMMANDS = 200_000
NEVER_COMMANDS = 100_000_000
KEEPER = "bench"
SEED_STEADY, SEED_KILLED = 100, 200
KILLED_AFTER_PARTS = 2
"""The writer dies half way through the load."""
BARS = {"commit": "≤ 50", "first entry": "≤ 6", "take-over": "≤ 6", "replay": "≥ 150000"}


class Load(NamedTuple):
    """``rate`` commands a second for ``seconds``, behind a line of ``tickets``; the ``standby`` is warm or cold."""

    tickets: int
    rate: int
    seconds: int
    standby: str

    @property
    def batches(self) -> int:
        """How many batches each sender sends."""
        return max(KILLED_AFTER_PARTS, self.rate * self.seconds // SENDERS // BATCH_COMMANDS)


def bench_takeover(parts: Parts, report: Report, load: Load, pictures: Path | None) -> None:
    """Report what P12 asks for and draw the take-over into the folder ``pictures``.

    Raises RuntimeError when a part does not come up or the replay finds anything wrong.
    """
    with _stage(parts, NEVER_COMMANDS, load.standby) as stage:
        stage.keep_all(KEEPER)
        floor, _, _ = _worst(stage, load, stage.fill(load.tickets))
    with _stage(parts, SNAPSHOT_COMMANDS, load.standby) as stage:
        writer = stage.engines[0]
        stage.keep_all(KEEPER)
        first = stage.fill(load.tickets)
        worst, first, made = _worst(stage, load, first)
        report.add(
            "P12 worst delay of a batch while snapshots are made",
            "ms",
            BARS["commit"],
            [worst],
            floor=("the same while none is made", [floor]),
            detail={"tickets": load.tickets, "rate": load.rate, "seconds": load.seconds, "snapshots": made},
        )
        _wait_ready(stage.start_engine(), load.standby)
        points, taken_s = _kill(stage, report, load, first, writer)
        if pictures is not None:
            engine_charts.takeover(points, taken_s, load.standby, pictures)
        _replay(parts, report, stage)


def _stage(parts: Parts, snapshot_commands: int, standby: str) -> Stage:
    settings = {
        "lease_ms": LEASE_MS,
        "snapshot_commands": snapshot_commands,
        "reader_behind_entries": NEVER_COMMANDS,
        "standby": standby,
    }
    return Stage(parts, "always", SENDERS, settings)


def _wait_ready(figures: str, standby: str) -> None:
    """Return once the second engine shows that it is warm, or that it is there. Raises RuntimeError."""
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s:
        with suppress(httpx.TransportError):
            if READY[standby] in httpx.get(figures).text:
                return
        time.sleep(ASK_AGAIN_S)
    raise RuntimeError(f"no {standby} standby within {READY_S:g} s")


def _pace(stage: Stage, load: Load, first: int, seed: int) -> None:
    """Have the senders begin with the load; `Stage.answers` gives what they sent, and when."""
    interval_us = SECOND_US * SENDERS * BATCH_COMMANDS // load.rate
    stage.tell([Prepare(seed + sender, load.batches) for sender in range(SENDERS)])
    stage.answers()
    stage.commits.clear()
    delays_us = [sender * interval_us // SENDERS for sender in range(SENDERS)]
    stage.tell([Pace(commands_key(EXPERIENCE), first, interval_us, delay_us) for delay_us in delays_us])


def _worst(stage: Stage, load: Load, first: int) -> tuple[float, int, int]:
    """(the longest delay of a batch in ms, the number of the next batch, how many snapshots were made meanwhile)."""
    made = 0
    _pace(stage, load, first, SEED_STEADY)
    for second in range(1, load.seconds + 1):
        before = stage.snapshots()
        stage.wait_committed(_numbers(first + load.batches * second // load.seconds - 1), COMMIT_S)
        made += len([one for one in stage.snapshots() if one not in before])
    sent = stage.answers()
    worst = max(max(_delays(stage, first, sent)), 0.0)
    progress.print(f"{load.rate:,}/s for {load.seconds} s: the longest delay was {worst:.1f} ms; {made} snapshots made")
    return worst, first + load.batches, made


def _delays(stage: Stage, first: int, sent: Sequence[Sent]) -> list[float]:
    return [delay for sender in range(SENDERS) for delay in stage.delays_ms(sender + 1, first, sent[sender])]


def _kill(
    stage: Stage, report: Report, load: Load, first: int, writer: subprocess.Popen[str]
) -> tuple[list[tuple[float, float]], float]:
    """(for each batch the s from the writer's death until it was sent, and its delay in ms; the s to the take-over)."""
    killed_ns: list[int] = []
    cpu: list[int] = []
    standby = stage.engines[-1].pid

    def kill() -> None:
        killed_ns.append(time.monotonic_ns())
        writer.kill()
        cpu.append(cpu_ns(standby))

    stage.changes.clear()
    _pace(stage, load, first, SEED_KILLED)
    begun_ns = time.monotonic_ns()
    cpu.append(cpu_ns(standby))
    timer = Timer(load.seconds / KILLED_AFTER_PARTS, kill)
    timer.start()
    stage.wait_committed(_numbers(first + load.batches - 1), load.seconds + COMMIT_S)
    sent = stage.answers()
    timer.join()
    taken_s = (stage.changes[0][1] - killed_ns[0]) / SECOND_NS
    applied_s = (min(seen for _, _, seen in stage.commits if seen > stage.changes[0][1]) - killed_ns[0]) / SECOND_NS
    detail = {"tickets": load.tickets, "rate": load.rate, "lease_ms": LEASE_MS, "standby": load.standby}
    core = (cpu[1] - cpu[0]) / (killed_ns[0] - begun_ns)
    detail |= {"standby_core": rounded(core), "standby_mib": round(rss_bytes(standby) / MIB)}
    for figure, bar, value in (
        ("its successor's first entry", BARS["take-over"], taken_s),
        ("the next batch applied", BARS["first entry"], applied_s),
    ):
        report.add(f"P12 from the death of the writer to {figure}", "s", bar, [value], detail=detail)
    progress.print(f"taken over after {taken_s:.2f} s, the next batch applied after {applied_s:.2f} s")
    at_s = [(each_ns - killed_ns[0]) / SECOND_NS for one in sent for each_ns in one.each_ns]
    return list(zip(at_s, _delays(stage, first, sent), strict=True)), taken_s


def _replay(parts: Parts, report: Report, stage: Stage) -> None:
    """Replay all of it. Raises RuntimeError if it does not hold together."""
    found = replayed(parts, stage.url)
    detail = {"cpu_s": round(found.cpu_s, 1)}
    report.add("P12 replay of the whole log", "1/s", BARS["replay"], [found.speed], detail=detail)


def _numbers(last: int) -> dict[bytes, int]:
    return {sender_id(sender + 1): last for sender in range(SENDERS)}
