"""One of two gateways is sent SIGTERM: whoever it holds is told when to come back, and comes back with the same ticket.

Who comes back meets the other gateway, or the one that the stack starts again.
"""

from __future__ import annotations

import os
import signal
import time

from loadtests.report import Report
from loadtests.room import Room
from loadtests.swarm_member import Await, Connect, Gather, WatchFor
from loadtests.swarms import all_do, crowd_of, gather
from loadtests.workload import PATH

EXPERIENCE = "drain"
RATE = 1
CONNECT_S = 180.0
BACK_S = 60.0
LOOK_S = 0.5
WINDOW_S = 10.0
RECONNECTS_PER_SECOND = 500
"""What a gateway promises: few sockets need little of the window."""
SPREAD_SHARE_MIN = 0.5
SECOND_NS = 1_000_000_000


def drain(room: Room, report: Report, sockets: int) -> None:
    """Report who was told, who is back, with which ticket, and over which time."""
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    room.fill(EXPERIENCE, sockets)
    with crowd_of(sockets) as crowd:
        gather(crowd, Gather(room.live(EXPERIENCE), sockets, PATH, room.session_key_file, returning=True))
        all_do(crowd, Connect("position", timeout_s=CONNECT_S))
        joined = room.stats(EXPERIENCE)["paths"][0]["joined"]
        room.wait_until_held(sockets, BACK_S)
        leaving = round(room.metric(1, "stanchion_gateway_sockets"))
        all_do(crowd, WatchFor("joined"))
        os.kill(room.pids("gateway")[1], signal.SIGTERM)
        until_s, back, there = time.monotonic() + BACK_S, 0, 0
        while (back < leaving or there < sockets) and time.monotonic() < until_s:
            time.sleep(LOOK_S)
            heard = all_do(crowd, Await(0))
            back, there = sum(one.watch.count for one in heard), sum(one.open for one in heard)
        more = room.stats(EXPERIENCE)["paths"][0]["joined"] - joined
    told = sum(one.seen["types"].get("reconnect", 0) for one in heard)
    strayed = sum(one.seen["strayed"] for one in heard)
    back_ns = [instant for one in heard if one.watch.count for instant in (one.watch.first_ns, one.watch.last_ns)]
    span_s = (max(back_ns, default=0) - min(back_ns, default=0)) / SECOND_NS
    detail = {
        "sockets": sockets,
        "leaving": leaving,
        "told": told,
        "back": back,
        "open": there,
    }
    untold = leaving - told
    report.check(
        "drain: sockets that were not told to come back", "sockets", "0", untold, holds=untold == 0, detail=detail
    )
    lost = sockets - there + strayed + more
    whose = {**detail, "another_ticket": strayed, "new_tickets": more}
    report.check("drain: tickets lost", "tickets", "0", lost, holds=lost == 0, detail=whose)
    least_s = SPREAD_SHARE_MIN * min(WINDOW_S, leaving / RECONNECTS_PER_SECOND)
    report.check("drain: returns spread over", "s", f"≥ {least_s:.1f}", span_s, holds=span_s >= least_s, detail=detail)
