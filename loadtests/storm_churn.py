"""The crowd comes and goes, again and again: what is left at the end is what there was at the beginning.

The beginning is after a few rounds, when all that is loaded or grown once is there. Bounded in time: what was not
reached is told.
"""

from __future__ import annotations

import time

from loadtests.processes import open_files, rss_bytes, wait_until_quiet
from loadtests.report import Report, progress
from loadtests.room import Room
from loadtests.swarm_member import Connect, Drop, Gather
from loadtests.swarms import all_do, crowd_of, gather

EXPERIENCE = "churn"
RATE = 1
WARMING_ROUNDS = 5
MINUTES_MAX = 12
MINUTE_S = 60
CONNECT_S = 60.0
LEFT_S = 30.0
TELL_EVERY = 10
MEMORY_SHARE_MAX = 1.05


def churn(room: Room, report: Report, sockets: int, rounds: int) -> None:
    """Report memory and descriptors of the gateways after ``rounds`` of ``sockets`` connects and disconnects."""
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    until_s = time.monotonic() + MINUTES_MAX * MINUTE_S
    with crowd_of(sockets) as crowd:
        gather(crowd, Gather(room.live(EXPERIENCE), sockets, None, room.session_key_file))
        done, memory, files = -WARMING_ROUNDS, 0, 0
        while done < rounds and time.monotonic() < until_s:
            if done == 0:
                memory, files = _left(room)
            heard = all_do(crowd, Connect("welcome", timeout_s=CONNECT_S))
            if any(one.late for one in heard):
                raise RuntimeError(f"round {done}: {[one.open for one in heard]} of {sockets} sockets are open")
            all_do(crowd, Drop(reset=done % 2 == 0))
            if not room.wait_until_left(LEFT_S):
                raise RuntimeError(f"round {done}: {room.sockets()} sockets are held though nobody is there")
            done += 1
            if done % TELL_EVERY == 0:
                progress.print(f"churn {done}/{rounds}")
    memory_after, files_after = _left(room)
    detail = {"sockets": sockets, "rounds": done, "files": [files, files_after], "of_rounds": rounds}
    share = memory_after / memory
    mib = [round(memory / 2**20, 1), round(memory_after / 2**20, 1)]
    report.check(
        "churn: memory afterwards",
        "× before",
        f"≤ {MEMORY_SHARE_MAX}",
        share,
        holds=share <= MEMORY_SHARE_MAX,
        detail={**detail, "mib": mib, "bytes_each": round((memory_after - memory) / (done * sockets), 2)},
    )
    more = files_after - files
    report.check("churn: descriptors kept", "files", "0", more, holds=more <= 0, detail=detail)


def _left(room: Room) -> tuple[int, int]:
    pids = room.pids("gateway")
    wait_until_quiet(pids, LEFT_S)
    return sum(rss_bytes(pid) for pid in pids), sum(open_files(pid) for pid in pids)
