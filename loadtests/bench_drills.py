"""What must hold when the worst happens at the worst instant: drills, each so many times, each with its own evidence.

Real stores, engines, gateways and sockets; every fault is made from outside. Hands over to: one ``drill_…`` each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from loadtests.drill_clocks import JUMPS, drill_clocks
from loadtests.drill_commands import drill_commands
from loadtests.drill_power import drill_power
from loadtests.drill_replies import drill_replies
from loadtests.drill_rivals import drill_rivals
from loadtests.drill_stage import Bound
from loadtests.drill_stopped import drill_stopped
from loadtests.parts import Parts
from loadtests.report import Report, progress


class Drill(NamedTuple):
    """``run`` it ``times`` times, if nobody says otherwise."""

    run: Callable[[Parts, Report, Bound], Coroutine[Any, Any, None]]
    times: int


DRILLS = {
    "power": Drill(drill_power, 50),
    "stopped": Drill(drill_stopped, 100),
    "replies": Drill(drill_replies, 1_000),
    "clocks": Drill(drill_clocks, len(JUMPS)),
    "commands": Drill(drill_commands, 100),
    "rivals": Drill(drill_rivals, 1_000),
}


class Asked(NamedTuple):
    """Which drills, how often each (None: as it says itself), for how long at most, how long a line is watched."""

    only: Sequence[str]
    times: int | None
    minutes: int
    watch_s: int


def bench_drills(parts: Parts, report: Report, asked: Asked) -> None:
    """Run the drills that are asked for. Raises RuntimeError where one cannot go on."""
    for name in asked.only:
        begun_s = time.monotonic()
        count = asked.times or DRILLS[name].times
        progress.print(f"drill {name}, {count} times")
        bound = Bound(count, begun_s + asked.minutes * 60, asked.watch_s)
        asyncio.run(DRILLS[name].run(parts, report, bound))
        progress.print(f"drill {name} took {time.monotonic() - begun_s:.0f} s")
