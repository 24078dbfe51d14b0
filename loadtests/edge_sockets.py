"""P1, P2, P3, P8: parked sockets that hold a ticket far from the front: their memory, and the frames they are told.

All is measured on one crowd: a line of consumers without a socket, behind it those with one; beside it as many sockets
at the epoll floor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from loadtests.floor_process import EPOLL, STOCK, FloorProcess
from loadtests.processes import cpu_ns, rss_bytes, wait_until_quiet
from loadtests.report import Figure, Report, progress
from loadtests.room import Room
from loadtests.swarm_member import Await, Connect, Gather, Heard, WatchFor
from loadtests.swarms import SwarmProcess, gather, members
from loadtests.workload import PATH

EXPERIENCE = "far"
WARMING = "warm"
WARMING_SOCKETS = 100
RATE_STILL = 1
RATE_MOVING = 600
CONNECT_S = 180.0
FRAMES_S = 60.0
QUIET_S = 30.0
IDLE_LOOK_S = 1.0
ROUND_MS_MAX = 1_500
ROUND_READ_S = 0.4
"""By then a swarm has read what a round told it."""
SECOND_NS = 1_000_000_000
US_NS = 1_000
FLOOR_SOURCE = 50
WARMING_SOURCE = 100
PERCENT = 100
MINUTE_S = 60
NOTICE_TEXT = "The doors stay open a little longer, nobody loses the place."


class Held(NamedTuple):
    """A gateway and the epoll floor with ``sockets`` each, and what their memory grew by."""

    room: Room
    floor: FloorProcess
    crowd: SwarmProcess
    floor_crowd: SwarmProcess
    sockets: int
    queue: int
    grown_bytes: int
    floor_grown_bytes: int
    stock_grown_bytes: int

    @property
    def gateway(self) -> int:
        """The process that holds the sockets."""
        return self.room.pids("gateway")[0]


@contextmanager
def held(room: Room, sockets: int, queue: int) -> Iterator[Held]:
    """Make the crowds; they are gone at the end, and the gateway is quiet."""
    with ExitStack() as exits:
        stock_grown = _stock_grown(sockets)
        floor = exits.enter_context(FloorProcess(EPOLL, silent=False))
        crowd, floor_crowd = exits.enter_context(members(2))
        gather([floor_crowd], Gather(floor.live, sockets, first_source=FLOOR_SOURCE))
        floor_grown = _grown(floor.pid, floor_crowd, "position")
        floor.hold_still()
        room.configure(EXPERIENCE, release_rate_per_minute=RATE_STILL)
        room.fill(EXPERIENCE, queue)
        _warm(room)
        gather([crowd], Gather(room.live(EXPERIENCE), sockets, join=PATH, key_file=room.session_key_file))
        grown = _grown(room.pids("gateway")[0], crowd, "position")
        yield Held(room, floor, crowd, floor_crowd, sockets, queue, grown, floor_grown, stock_grown)
    room.wait_until_left(QUIET_S)


def memory(stage: Held, report: Report) -> Figure:
    """P1: what the gateway grew by for each of its sockets."""
    each, floor, stock = (
        grown / stage.sockets for grown in (stage.grown_bytes, stage.floor_grown_bytes, stage.stock_grown_bytes)
    )
    progress.print(f"memory per socket: {each:,.0f} B, epoll floor {floor:,.0f} B, stock {stock:,.0f} B")
    return report.add(
        "P1 user memory per parked socket that holds a ticket",
        "bytes",
        "≤ 300",
        [each],
        floor=("an epoll loop in Python that holds as many bare descriptors", [max(floor, 1.0)]),
        detail={"sockets": stage.sockets, "queue": stage.queue, "stock_bytes": round(stock)},
    )


def waiting_cpu(stage: Held, report: Report, seconds: int) -> list[Figure]:
    """P8: CPU of the gateway while its crowd waits far from the front of a moving queue, and what the crowd hears."""
    stage.room.limit(EXPERIENCE, release_rate_per_minute=RATE_MOVING)
    time.sleep(ROUND_MS_MAX / 1_000)  # the new rate is told to everybody: that is P3's
    _until_quiet(stage)
    stage.crowd.do(WatchFor(""))
    begun_ns, before_ns = time.monotonic_ns(), cpu_ns(stage.gateway)
    progress.print(f"a queue that moves, watched for {seconds} s")
    time.sleep(seconds)
    spent_ns, passed_ns = cpu_ns(stage.gateway) - before_ns, time.monotonic_ns() - begun_ns
    frames = stage.crowd.do(Await(0)).watch.count / stage.sockets * MINUTE_S * SECOND_NS / passed_ns
    stage.room.limit(EXPERIENCE, release_rate_per_minute=RATE_STILL)
    detail = {"sockets": stage.sockets, "queue": stage.queue, "rate": RATE_MOVING, "seconds": seconds}
    return [
        report.add(
            "P8 CPU of a gateway whose sockets wait", "%", "≤ 5", [PERCENT * spent_ns / passed_ns], detail=detail
        ),
        report.add("P8 frames to a consumer far from the front", "1/min", "≤ 4", [frames], detail=detail),
    ]


def shared_frames(stage: Held, report: Report, pairs: int) -> list[Figure]:
    """P2: a notice to every socket, in CPU time of the gateway and in time until the last one has it."""
    cpu, arrival = list[float](), list[float]()
    floor_cpu, floor_arrival = list[float](), list[float]()
    for pair in range(pairs):
        ours = _told(stage, "notice", lambda: stage.room.notice(EXPERIENCE, NOTICE_TEXT))
        floors = _floor_told(stage)
        for figures, value in zip((cpu, arrival, floor_cpu, floor_arrival), (*ours, *floors), strict=True):
            figures.append(value)
        progress.print(f"shared frame {pair + 1}/{pairs}: {cpu[-1]:.2f} µs, floor {floor_cpu[-1]:.2f} µs of CPU")
    detail = {"sockets": stage.sockets}
    return [
        report.add(
            "P2 shared frame, CPU per socket",
            "µs",
            "≤ 1.10 × its floor",
            cpu,
            floor=("an epoll loop in Python that writes one frame to as many descriptors", floor_cpu),
            detail=detail,
        ),
        report.add(
            "P2 shared frame, first to last arrival per socket",
            "µs",
            "≤ 1.10 × its floor",
            arrival,
            floor=("the same, to a swarm of the same kind", floor_arrival),
            detail=detail,
        ),
    ]


def personal_frames(stage: Held, report: Report, pairs: int) -> Figure:
    """P3: a position to every socket, ranks and encoding included, in CPU time of the gateway."""
    cpu, arrival, floor_cpu, rates = [], [], [], (RATE_STILL, RATE_STILL + 1)
    for pair in range(pairs):
        time.sleep(ROUND_MS_MAX / 1_000)  # nobody is told a position twice within a second
        rate = rates[(pair + 1) % len(rates)]
        ours = _told(stage, "position", lambda: stage.room.limit(EXPERIENCE, release_rate_per_minute=rate))  # noqa: B023
        cpu.append(ours[0])
        arrival.append(ours[1])
        floor_cpu.append(_floor_told(stage)[0])
        progress.print(f"personal frame {pair + 1}/{pairs}: {cpu[-1]:.2f} µs, floor {floor_cpu[-1]:.2f} µs of CPU")
    return report.add(
        "P3 personal position frame, CPU per socket",
        "µs",
        "≤ 1.5 × its floor",
        cpu,
        floor=("an epoll loop in Python that writes one frame to as many descriptors", floor_cpu),
        detail={"sockets": stage.sockets, "queue": stage.queue, "arrival_us": [round(each, 2) for each in arrival]},
    )


def _told(stage: Held, kind: str, tell: Callable[[], None]) -> tuple[float, float]:
    """µs of CPU, and from first to last arrival, for each socket, when ``tell`` makes everybody be told a ``kind``."""
    _until_quiet(stage)
    idle_share = _idle_share(stage.gateway)
    stage.crowd.do(WatchFor(kind))
    begun_ns, before_ns = time.monotonic_ns(), cpu_ns(stage.gateway)
    tell()
    heard = stage.crowd.do(Await(stage.sockets, timeout_s=FRAMES_S))
    _check(heard, stage.sockets, kind)
    spent_ns, passed_ns = cpu_ns(stage.gateway) - before_ns, time.monotonic_ns() - begun_ns
    watch = heard.watch
    each_ns = (spent_ns - idle_share * passed_ns) / stage.sockets
    return each_ns / US_NS, (watch.last_ns - watch.first_ns) / stage.sockets / US_NS


def _floor_told(stage: Held) -> tuple[float, float]:
    """The same of one round of the floor."""
    stage.floor.go_on()
    try:
        stage.floor.wait_for_round()
        time.sleep(ROUND_READ_S)
        stage.floor_crowd.do(WatchFor("position"))
        each_us, _ = stage.floor.round_us()
        heard = stage.floor_crowd.do(Await(stage.sockets, timeout_s=FRAMES_S))
    finally:
        stage.floor.hold_still()
    watch = heard.watch
    return each_us, (watch.last_ns - watch.first_ns) / stage.sockets / US_NS


def _stock_grown(sockets: int) -> int:
    with FloorProcess(STOCK, silent=True) as stock, members(1) as (crowd,):
        gather([crowd], Gather(stock.live, sockets, first_source=FLOOR_SOURCE))
        return _grown(stock.pid, crowd, "")


def _warm(room: Room) -> None:
    """Let a few come and go, so that what is loaded once is loaded."""
    room.configure(WARMING, release_rate_per_minute=RATE_STILL)
    with members(1) as (few,):
        job = Gather(room.live(WARMING), WARMING_SOCKETS, PATH, room.session_key_file, first_source=WARMING_SOURCE)
        gather([few], job)
        _check(few.do(Connect("joined", timeout_s=CONNECT_S)), WARMING_SOCKETS, "joined")
    room.wait_until_left(QUIET_S)


def _grown(pid: int, crowd: SwarmProcess, until: str) -> int:
    """Connect the crowd; what the memory of ``pid`` grew by."""
    wait_until_quiet([pid], QUIET_S)
    before = rss_bytes(pid)
    heard = crowd.do(Connect(until, timeout_s=CONNECT_S))
    if heard.late:
        raise RuntimeError(f"{heard.open} sockets are open after {CONNECT_S:g} s")
    wait_until_quiet([pid], QUIET_S)
    return rss_bytes(pid) - before


def _until_quiet(stage: Held) -> None:
    if not wait_until_quiet([stage.gateway], QUIET_S):
        progress.print("the gateway does not get quiet; its idle time is taken off all the same")


def _idle_share(pid: int) -> float:
    """The share of a core that the process spends when nothing is asked of it."""
    before_ns, begun_ns = cpu_ns(pid), time.monotonic_ns()
    time.sleep(IDLE_LOOK_S)
    return (cpu_ns(pid) - before_ns) / (time.monotonic_ns() - begun_ns)


def _check(heard: Heard, sockets: int, kind: str) -> None:
    if heard.late or heard.watch.count < sockets:
        raise RuntimeError(f"{heard.watch.count} of {sockets} sockets were told a {kind}: nothing was measured")
