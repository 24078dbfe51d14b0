"""P4: handshakes, in turns with stock uvicorn and Starlette, which only accept.

Ours check a session and end with ``welcome`` at the socket; or, with ``?join=``, with ``joined``, which has been
through the store and the engine. The CPU time is that of the gateway alone. The clock's figures are bounded by the
swarm, which runs in Python as well: what it spent stands beside them.
"""

from __future__ import annotations

from typing import NamedTuple

from loadtests.floor_process import STOCK, FloorProcess
from loadtests.processes import cpu_ns, wait_until_quiet
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.swarm_member import Connect, Drop, Gather
from loadtests.swarms import SwarmProcess, gather, members
from loadtests.workload import PATH

EXPERIENCE = "door"
RATE = 1
CONNECT_S = 180.0
QUIET_S = 30.0
US_NS = 1_000
SECOND_NS = 1_000_000_000
SOURCE = 100
FLOOR = "stock uvicorn and Starlette, websockets-sansio without deflate, which only accepts"
BARS = {"welcome": ("≤ 1/3.5 × its floor", "≥ 3 × its floor"), "joined": ("≤ 1/2.2 × its floor", "≥ 2.2 × its floor")}


class Cost(NamedTuple):
    """Of one handshake: CPU of the server and of the swarm in µs, and how many came through in a second."""

    cpu_us: float
    swarm_us: float
    per_s: float


def handshakes(room: Room, report: Report, count: int, pairs: int) -> None:
    """Report CPU and rate of ``count`` handshakes at once, in ``pairs`` turns with the floor."""
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    gateway, url, key = room.pids("gateway")[0], room.live(EXPERIENCE), room.session_key_file
    ours: dict[str, list[Cost]] = {"welcome": [], "joined": []}
    floors: list[Cost] = []
    with FloorProcess(STOCK, silent=True) as stock, members(1) as (crowd,):
        for turn in range(pairs + 1):
            first = turn * count
            floor = _cost(crowd, stock.pid, Gather(stock.live, count), "")
            welcome = _cost(crowd, gateway, Gather(url, count, None, key, first), "welcome")
            joined = _cost(crowd, gateway, Gather(url, count, PATH, key, first), "joined")
            if turn:  # the first turn only warms
                floors.append(floor)
                ours["welcome"].append(welcome)
                ours["joined"].append(joined)
            progress.print(
                f"handshakes {turn}/{pairs}: {welcome.cpu_us:.0f} µs, with join {joined.cpu_us:.0f} µs, "
                f"stock {floor.cpu_us:.0f} µs of CPU"
            )
    for until, costs in ours.items():
        _report(report, until, costs, floors, count)


def _report(report: Report, until: str, costs: list[Cost], floors: list[Cost], count: int) -> None:
    cpu_bar, rate_bar = BARS[until]
    detail = {"handshakes": count, "swarm_us": [round(cost.swarm_us) for cost in costs]}
    cpu, per_s = [cost.cpu_us for cost in costs], [cost.per_s for cost in costs]
    floor_cpu, floor_per_s = (FLOOR, [cost.cpu_us for cost in floors]), (FLOOR, [cost.per_s for cost in floors])
    report.add(f"P4 handshake until {until}, gateway CPU", "µs", cpu_bar, cpu, floor=floor_cpu, detail=detail)
    report.add(f"P4 handshakes until {until}", "1/s", rate_bar, per_s, floor=floor_per_s, detail=detail)


def _cost(crowd: SwarmProcess, server: int, job: Gather, until: str) -> Cost:
    """Let the crowd in, and send it away again."""
    job.first_source = SOURCE
    gather([crowd], job)
    wait_until_quiet([server], QUIET_S)
    before_ns, swarm_ns = cpu_ns(server), cpu_ns(crowd.pid)
    heard = crowd.do(Connect(until, timeout_s=CONNECT_S))
    spent_ns, swarm_spent_ns = cpu_ns(server) - before_ns, cpu_ns(crowd.pid) - swarm_ns
    if heard.late or heard.open < job.sockets:
        raise RuntimeError(f"{heard.open} of {job.sockets} sockets came in: nothing was measured")
    crowd.do(Drop())
    wait_until_quiet([server], QUIET_S)
    per_s = job.sockets * SECOND_NS / (heard.ended_ns - heard.begun_ns)
    return Cost(spent_ns / job.sockets / US_NS, swarm_spent_ns / job.sockets / US_NS, per_s)
