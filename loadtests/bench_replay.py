"""A long log, read once more from its first byte: how fast, and in how much memory.

Ten million people join, with no snapshot on the way; the engine ends in order; then ``stanchion replay`` rebuilds the
state as a child of this process, which asks the kernel what that took.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple

from loadtests.children import end, start
from loadtests.parts import Parts
from loadtests.report import Report, progress
from loadtests.stream_stage import Stage
from loadtests.workload import EXPERIENCE

SENDERS = 2
NEVER = 100_000_000
END_S = 120.0
"""The engine says its digest at the end, which takes a while where the state is big."""
KIB = 1_024
MIB = 1_048_576
BAR = "≥ 150000"
SPEED = re.compile(r"speed\s+([\d,]+) commands/s")


class Replayed(NamedTuple):
    """``speed`` in commands/s; the CPU time in s and the most memory in bytes that it took."""

    speed: float
    cpu_s: float
    peak_bytes: int


def bench_replay(parts: Parts, report: Report, commands: int) -> None:
    """Report the speed of a replay of ``commands``. Raises RuntimeError if it does not hold together."""
    settings = {"snapshot_commands": NEVER, "snapshot_entries": NEVER, "snapshot_mib": 1_000_000}
    with Stage(parts, "everysec", SENDERS, settings) as stage:
        stage.fill(commands)
        progress.print(f"{commands:,} have joined")
        end(stage.engines[0], END_S)
        found = replayed(parts, stage.url)
    detail = {
        "commands": commands,
        "cpu_s": round(found.cpu_s, 1),
        "peak_mib": round(found.peak_bytes / MIB),
        "peak_bytes_a_ticket": round(found.peak_bytes / commands),
    }
    report.add("replay of a long log", "1/s", BAR, [found.speed], detail=detail)


def replayed(parts: Parts, url: str) -> Replayed:
    """Replay all of it. Raises RuntimeError if it does not hold together."""
    environment = os.environ | {"STANCHION_REDIS_URL": url}
    run = start([*parts.replay, EXPERIENCE], env=environment, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None, "it is piped"
    told = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    run.stdout.close()
    speed = SPEED.search(told)
    if run.returncode or speed is None:
        raise RuntimeError(f"the replay ended with {run.returncode}: {told}")
    progress.print(told)
    return Replayed(float(speed[1].replace(",", "")), used.ru_utime + used.ru_stime, used.ru_maxrss * KIB)
