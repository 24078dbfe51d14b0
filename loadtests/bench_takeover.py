"""P12: what it costs to be ready for the writer's death, and what the death itself costs.

A line of a million tickets, two senders that go on at a steady rate whatever happens, two engines with a lease of 3 s.
First the worst delay of a batch while snapshots are made one after the other; its floor is the same while none is made.
Then the writer is killed: how long until its successor has taken over, and until the first batch is applied again. At
the end the whole log is replayed, which proves that nothing was lost on the way and gives the speed of a replay.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from threading import Timer
from typing import NamedTuple

from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.stream_sender import Burst, Pace, Prepare, Sent
from loadtests.stream_stage import SECOND_NS, Stage
from loadtests.workload import BATCH_COMMANDS, EXPERIENCE, sender_id
from protocol.streams import commands_key

SENDERS = 2
LEASE_MS = 3_000
SECOND_US = 1_000_000
COMMIT_S = 180.0
REPLAY_S = 600.0
SNAPSHOT_COMMANDS = 200_000
NEVER_COMMANDS = 100_000_000
KEEPER = "bench"
SEED_FILL, SEED_STEADY, SEED_KILLED = 0, 100, 200
KILLED_AFTER_PARTS = 2
"""The writer dies half way through the load."""
SPEED = re.compile(r"speed\s+([\d,]+) commands/s")
BARS = {"commit": "≤ 50", "first entry": "≤ 6", "take-over": "≤ 6", "replay": "≥ 150000"}


class Load(NamedTuple):
    """``rate`` commands a second for ``seconds``, behind a line of ``tickets``."""

    tickets: int
    rate: int
    seconds: int

    @property
    def batches(self) -> int:
        """How many batches each sender sends."""
        return max(KILLED_AFTER_PARTS, self.rate * self.seconds // SENDERS // BATCH_COMMANDS)


def bench_takeover(parts: Parts, report: Report, load: Load) -> None:
    """Report what P12 asks for. Raises RuntimeError when a part does not come up or the replay finds anything wrong."""
    with _stage(parts, NEVER_COMMANDS) as stage:
        floor, _, _ = _worst(stage, load, _fill(stage, load))
    with _stage(parts, SNAPSHOT_COMMANDS) as stage:
        writer = stage.engines[0]
        first = _fill(stage, load)
        worst, first, made = _worst(stage, load, first)
        report.add(
            "P12 worst delay of a batch while snapshots are made",
            "ms",
            BARS["commit"],
            [worst],
            floor=("the same while none is made", [floor]),
            detail={"tickets": load.tickets, "rate": load.rate, "seconds": load.seconds, "snapshots": made},
        )
        stage.start_engine()
        _kill(stage, report, load, first, writer)
        _replay(parts, report, stage)


def _stage(parts: Parts, snapshot_commands: int) -> Stage:
    settings = {"lease_ms": LEASE_MS, "snapshot_commands": snapshot_commands, "reader_behind_entries": NEVER_COMMANDS}
    return Stage(parts, "always", SENDERS, settings)


def _fill(stage: Stage, load: Load) -> int:
    """Have ``load.tickets`` join, as fast as they can; the number of the next batch of each sender."""
    stage.keep_all(KEEPER)
    batches = max(1, load.tickets // SENDERS // BATCH_COMMANDS)
    stage.tell([Prepare(SEED_FILL + sender, batches) for sender in range(SENDERS)])
    stage.answers()
    stage.tell([Burst(commands_key(EXPERIENCE), 1)] * SENDERS)
    stage.wait_committed(_numbers(batches), COMMIT_S)
    stage.answers()
    return batches + 1


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


def _kill(stage: Stage, report: Report, load: Load, first: int, writer: subprocess.Popen[str]) -> None:
    killed_ns: list[int] = []

    def kill() -> None:
        killed_ns.append(time.monotonic_ns())
        writer.kill()

    stage.changes.clear()
    _pace(stage, load, first, SEED_KILLED)
    timer = Timer(load.seconds / KILLED_AFTER_PARTS, kill)
    timer.start()
    stage.wait_committed(_numbers(first + load.batches - 1), load.seconds + COMMIT_S)
    stage.answers()
    timer.join()
    taken_s = (stage.changes[0][1] - killed_ns[0]) / SECOND_NS
    applied_s = (min(seen for _, _, seen in stage.commits if seen > stage.changes[0][1]) - killed_ns[0]) / SECOND_NS
    detail = {"tickets": load.tickets, "rate": load.rate, "lease_ms": LEASE_MS}
    report.add("P12 from the death of the writer to its successor's first entry", "s", BARS["take-over"], [taken_s])
    report.add(
        "P12 from the death of the writer to the next batch applied",
        "s",
        BARS["first entry"],
        [applied_s],
        detail=detail,
    )
    progress.print(f"taken over after {taken_s:.2f} s, the next batch applied after {applied_s:.2f} s")


def _replay(parts: Parts, report: Report, stage: Stage) -> None:
    """Replay all of it. Raises RuntimeError if it does not hold together."""
    environment = os.environ | {"STANCHION_REDIS_URL": stage.url}
    command = [*parts.replay, EXPERIENCE]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=REPLAY_S, check=False)
    speed = SPEED.search(run.stdout)
    if run.returncode or speed is None:
        raise RuntimeError(f"the replay ended with {run.returncode}: {run.stderr or run.stdout}")
    report.add("P12 replay of the whole log", "1/s", BARS["replay"], [float(speed[1].replace(",", ""))])
    progress.print(run.stdout)


def _numbers(last: int) -> dict[bytes, int]:
    return {sender_id(sender + 1): last for sender in range(SENDERS)}
