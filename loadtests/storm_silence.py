"""Clients that never read, beside ten times as many that do: these see no delay, and the silent ones are gone soon.

Everybody is told a shared frame ten times a second. The silent have small receive buffers and stop reading; what they
cost is what their own sockets hold in the kernel, both ends of each, and what the gateways grow by until the first is
thrown out, beyond the most that these held while everybody read. Half-open sockets are made by a filter at the client's
end that drops every packet: nothing is acknowledged and nobody says goodbye.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

import httpx

from loadtests.processes import rss_bytes
from loadtests.report import Report
from loadtests.room import Room
from loadtests.socket_memory import held_bytes
from loadtests.swarm import source_address, sources_of
from loadtests.swarm_member import Await, Connect, CutOff, Gather, StopReading, WatchFor
from loadtests.swarms import all_do, crowd_of, gather, late_ms, members
from loadtests.workload import PATH

EXPERIENCE = "silence"
RATE = 1
NOTICES_PER_SECOND = 10
NOTICE_CHARS = 900
SILENT_SHARE = 10
RECEIVE_BYTES = 4_096
SILENT_SOURCE = 100
CONNECT_S = 120.0
CALM_S = 10.0
LOOK_S = 0.25
SILENT_S = 40.0
HALF_OPEN_S = 70.0
GONE_S_MAX = 15.0
HALF_OPEN_GONE_S_MAX = 60.0
KEPT_BYTES = 2 * (16_384 + RECEIVE_BYTES)
"""What the kernel takes at both ends before a socket falls behind: it doubles what is asked for."""
BYTES_EACH_MAX = 65_536
DELAY_SHARE_MAX = 2.0


def silence(room: Room, report: Report, sockets: int) -> None:
    """Report delay, cost and end of ``sockets`` that read and a tenth as many that do not."""
    silent = max(1, sockets // SILENT_SHARE)
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    url, key = room.live(EXPERIENCE), room.session_key_file
    with crowd_of(sockets) as crowd, members(1) as (mute,):
        gather(crowd, Gather(url, sockets, PATH, key))
        gather([mute], Gather(url, silent, PATH, key, sockets, SILENT_SOURCE, receive_bytes=RECEIVE_BYTES))
        all_do([*crowd, mute], Connect("joined", timeout_s=CONNECT_S))
        with Notices(room) as notices:
            all_do(crowd, WatchFor("notice"))
            before = _most_while_calm(room)
            calm_ms = late_ms(all_do(crowd, Await(0)), 0.99)
            all_do(crowd, WatchFor("notice"))
            mute.do(StopReading())
            gone_s, kept, held = _until_gone(room, before, sockets, silent)
            delayed = all_do(crowd, Await(0))
            late = late_ms(delayed, 0.99)
        lost = sum(one.seen["lost"] for one in delayed)
        detail = {
            "sockets": sockets,
            "silent": silent,
            "calm_ms": calm_ms,
            "readers_lost": lost,
            "unposted": notices.failed,
            "gateway_bytes": kept,
            "kernel_bytes": held,
        }
        _report(report, late / calm_ms, late, gone_s, kept + held, detail)


class Notices:
    """While the context lasts everybody is told something ten times a second."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._over = threading.Event()
        self._posting = threading.Thread(target=self._post, daemon=True)
        self.failed = 0

    def __enter__(self) -> Notices:
        self._posting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._posting.join()

    def _post(self) -> None:
        due_s, text = time.monotonic(), "x" * NOTICE_CHARS
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            due_s = max(due_s + 1 / NOTICES_PER_SECOND, time.monotonic())
            try:
                self._room.notice(EXPERIENCE, text)
            except (RuntimeError, httpx.HTTPError):
                self.failed += 1


def _most_while_calm(room: Room) -> int:
    """The most that the gateways hold while everybody reads: what waits for a slow reader counts as well."""
    until_s, most = time.monotonic() + CALM_S, 0
    while time.monotonic() < until_s:
        most = max(most, _gateway_bytes(room))
        time.sleep(LOOK_S)
    return most


def _until_gone(room: Room, before: int, reading: int, silent: int) -> tuple[float, float, float]:
    """Seconds until no silent socket is left, after it fell behind; by how much more than ``before`` the gateways held
    at the most, and what the silent held in the kernel, both in bytes for each of them."""
    addresses = [source_address(SILENT_SOURCE + number) for number in range(sources_of(silent))]
    falls_behind_s = KEPT_BYTES / NOTICE_CHARS / NOTICES_PER_SECOND
    begun_s, kept, held = time.monotonic(), 0, 0
    while (there := room.sockets()) > reading and time.monotonic() < begun_s + SILENT_S:
        if there == reading + silent:
            kept = max(kept, _gateway_bytes(room) - before)
            held = max(held, held_bytes(addresses))
        time.sleep(LOOK_S)
    passed_s = time.monotonic() - begun_s
    gone_s = passed_s - falls_behind_s if room.sockets() <= reading else float("inf")
    return gone_s, kept / silent, held / silent


def _gateway_bytes(room: Room) -> int:
    return sum(rss_bytes(pid) for pid in room.pids("gateway"))


def _report(report: Report, share: float, late: float, gone_s: float, each: float, detail: dict[str, float]) -> None:
    report.check(
        "clients that never read: delay of those who do, p99",
        "× without",
        f"≤ {DELAY_SHARE_MAX}",
        share,
        holds=share <= DELAY_SHARE_MAX and detail["readers_lost"] == 0,
        detail={**detail, "p99_ms": late},
    )
    report.check(
        "clients that never read: cost of each, kernel included",
        "bytes",
        f"≤ {BYTES_EACH_MAX}",
        each,
        holds=each <= BYTES_EACH_MAX,
        detail=detail,
    )
    report.check(
        "clients that never read: the last is gone after falling behind",
        "s",
        f"≤ {GONE_S_MAX:g}",
        gone_s,
        holds=gone_s <= GONE_S_MAX,
        detail=detail,
    )


def half_open(room: Room, report: Report, sockets: int) -> None:
    """Report how long ``sockets`` are held of whom nothing is heard any more."""
    room.configure(EXPERIENCE, release_rate_per_minute=RATE)
    with members(1) as (crowd,):
        gather([crowd], Gather(room.live(EXPERIENCE), sockets, PATH, room.session_key_file))
        crowd.do(Connect("joined", timeout_s=CONNECT_S))
        crowd.do(CutOff())
        begun_s = time.monotonic()
        gone = room.wait_until_left(HALF_OPEN_S)
        passed_s = time.monotonic() - begun_s
        held = room.sockets()
    report.check(
        "half-open sockets: the last is gone after",
        "s",
        f"≤ {HALF_OPEN_GONE_S_MAX:g}",
        passed_s,
        holds=gone and passed_s <= HALF_OPEN_GONE_S_MAX,
        detail={"sockets": sockets, "still_held": held},
    )
