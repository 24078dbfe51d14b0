"""P7: from the engine's decision to admit somebody until the frame arrives at the socket, while all others wait.

The frame's ``now`` is the instant of the entry that admits; the swarm runs on the same machine, by the same clock. What
the swarm itself takes to read is part of the figure.
"""

from __future__ import annotations

import time

from loadtests.processes import wait_until_quiet
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.swarm_member import Await, Connect, Gather, WatchFor
from loadtests.swarms import gather, late_ms, latencies, members
from loadtests.workload import PATH

EXPERIENCE = "near"
RATE_MAX = 6_000
RATE_OF_SOCKETS = 4
"""A small crowd must not all have had its turn before it is looked at."""
SETTLE_S = 3.0
"""After which the news of the rate has been told to everybody."""
CONNECT_S = 180.0
QUIET_S = 30.0
MINUTE_S = 60


def turns(room: Room, report: Report, sockets: int, seconds: int) -> dict[int, int]:
    """Report the latency of ``admitted`` frames over ``seconds``, at most until half of the crowd had its turn. Answers
    how many frames took how many tenths of a millisecond."""
    rate = min(RATE_MAX, RATE_OF_SOCKETS * sockets)
    room.configure(EXPERIENCE, release_rate_per_minute=0)
    with members(1) as (crowd,):
        gather([crowd], Gather(room.live(EXPERIENCE), sockets, join=PATH, key_file=room.session_key_file))
        if crowd.do(Connect("position", timeout_s=CONNECT_S)).late:
            raise RuntimeError("the crowd did not get in: nothing was measured")
        wait_until_quiet(room.pids("gateway"), QUIET_S)
        room.limit(EXPERIENCE, release_rate_per_minute=rate)
        time.sleep(SETTLE_S)
        crowd.do(WatchFor("admitted"))
        time.sleep(min(seconds, sockets * MINUTE_S / rate / 2))
        heard = crowd.do(Await(1))
        room.limit(EXPERIENCE, release_rate_per_minute=0)
    room.wait_until_left(QUIET_S)
    median, late = late_ms([heard], 0.5), late_ms([heard], 0.99)
    progress.print(f"admitted: {heard.watch.count:,} frames, p50 {median:.1f} ms, p99 {late:.1f} ms")
    detail = {
        "sockets": sockets,
        "rate": rate,
        "frames": heard.watch.count,
        "p50_ms": median,
        "longest_ms": late_ms([heard], 1.0),
        "rose": heard.seen["rose"],
        "disordered": heard.seen["disordered"],
    }
    report.add("P7 admission decided to frame at the socket, p99", "ms", "≤ 50", [late], detail=detail)
    return latencies([heard])
