"""All sockets are dropped at once and come back at once, the worst case: no jitter, no patience.

Nobody may lose a ticket; the engine goes on admitting and the store goes on answering, seen from beside; the memory of
the gateways is afterwards what it was.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

import redis

from loadtests.processes import rss_bytes, wait_until_quiet
from loadtests.report import Report
from loadtests.room import Room
from loadtests.swarm_member import Connect, Drop, Gather
from loadtests.swarms import all_do, crowd_of, gather
from loadtests.workload import PATH
from protocol.streams import events_key

EXPERIENCE = "storm"
RATE = 600
CONNECT_S = 180.0
QUIET_S = 30.0
CALM_S = 5.0
LOOK_EVERY_S = 0.01
SECOND_NS = 1_000_000_000
SILENCE_MS_MAX = 1_000
PING_MS_MAX = 250
MEMORY_SHARE_MAX = 1.10


def reconnects(room: Room, report: Report, sockets: int) -> None:
    """Report what was lost, how long it took, and who noticed."""
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    room.fill(EXPERIENCE, sockets)
    with crowd_of(sockets) as crowd:
        gather(crowd, Gather(room.live(EXPERIENCE), sockets, PATH, room.session_key_file))
        all_do(crowd, Connect("joined", timeout_s=CONNECT_S))
        memory_before, joined = _memory(room), room.stats(EXPERIENCE)["paths"][0]["joined"]
        with Beside(room.redis_url) as calm:
            time.sleep(CALM_S)
        with Beside(room.redis_url) as storm:
            dropped = all_do(crowd, Drop())
            heard = all_do(crowd, Connect("joined", sockets, CONNECT_S))
        back_s = (max(one.ended_ns for one in heard) - min(one.begun_ns for one in dropped)) / SECOND_NS
        memory_after = _memory(room)
    room.wait_until_left(QUIET_S)
    missing = sockets - sum(one.watch.count for one in heard)
    strayed = sum(one.seen["strayed"] for one in heard)
    more = room.stats(EXPERIENCE)["paths"][0]["joined"] - joined
    detail = {"sockets": sockets, "refused_at_first": sum(one.seen["refused"] for one in heard)}
    lost = missing + strayed + more
    told = {**detail, "not_back": missing, "another_ticket": strayed, "new_tickets": more}
    report.check("storm of reconnects: tickets lost", "tickets", "0", lost, holds=lost == 0, detail=told)
    report.check("storm of reconnects: until the last is back", "s", "told", back_s, holds=missing == 0, detail=detail)
    _check_beside(report, "the engine's longest silence", calm.silence_ms, storm.silence_ms, SILENCE_MS_MAX, detail)
    _check_beside(report, "the store's slowest answer", calm.ping_ms, storm.ping_ms, PING_MS_MAX, detail)
    share = memory_after / memory_before
    report.check(
        "storm of reconnects: memory afterwards",
        "× before",
        f"≤ {MEMORY_SHARE_MAX}",
        share,
        holds=share <= MEMORY_SHARE_MAX,
        detail={**detail, "mib_before": round(memory_before / 2**20), "mib_after": round(memory_after / 2**20)},
    )


class Beside:
    """A look at the store every ``LOOK_EVERY_S`` while something happens: ``silence_ms``, the longest time without a
    new entry in the log; ``ping_ms``, the longest that it took to answer."""

    def __init__(self, redis_url: str) -> None:
        self.silence_ms = self.ping_ms = 0.0
        self._store = redis.Redis.from_url(redis_url, protocol=2)
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Beside:
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looking.join()
        self._store.close()

    def _look(self) -> None:
        last, since_ns = None, time.monotonic_ns()
        while not self._over.wait(LOOK_EVERY_S):
            asked_ns = time.monotonic_ns()
            entries: Any = self._store.xrevrange(events_key(EXPERIENCE), count=1)
            now_ns = time.monotonic_ns()
            self.ping_ms = max(self.ping_ms, (now_ns - asked_ns) / 1e6)
            if entries[0][0] != last:
                last, since_ns = entries[0][0], now_ns
            self.silence_ms = max(self.silence_ms, (now_ns - since_ns) / 1e6)


def _check_beside(
    report: Report, what: str, calm_ms: float, storm_ms: float, most_ms: float, detail: dict[str, Any]
) -> None:
    holds, told = storm_ms <= most_ms, {**detail, "calm_ms": round(calm_ms, 1)}
    report.check(f"storm of reconnects: {what}", "ms", f"≤ {most_ms}", storm_ms, holds=holds, detail=told)


def _memory(room: Room) -> int:
    pids = room.pids("gateway")
    wait_until_quiet(pids, QUIET_S)
    return sum(rss_bytes(pid) for pid in pids)
