"""P10: as many sockets as are asked for, a million, all with a ticket, on this machine alone: both ends of each.

As many gateways and swarm processes run as the file limit demands. The sockets come in group by group, each joining
within its handshake; then the queue moves, and a notice goes to everybody. Memory is the serving side's: what its
processes hold (PSS, which divides what is shared) and its half of what the kernel's small objects and socket buffers
grew by. The whole takes ``minutes`` at most; if it falls short, the figures say how far it went.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any, NamedTuple

from loadtests.parts import Parts
from loadtests.processes import cpu_ns, pss_bytes, slab_bytes, socket_buffer_bytes, wait_until_quiet
from loadtests.report import Report, progress, rounded
from loadtests.room import Room
from loadtests.swarm import sources_of
from loadtests.swarm_member import Await, Connect, Gather, Heard, WatchFor
from loadtests.swarms import SOCKETS_PER_MEMBER, SwarmProcess, all_do, members
from loadtests.workload import PATH

EXPERIENCE = "million"
MINUTE_S = 60
RATE_STILL = 1
RATE_MOVING = 600
FILES_KEPT = 1_024
FILL_SHARE = 0.97
"""The kernel spreads sockets over gateways by chance: so full is the fullest's average neighbour."""
MEMBERS_AT_ONCE = 4
SOURCES = sources_of(SOCKETS_PER_MEMBER)
HANDSHAKES_AT_ONCE = 512
GROUP_S = 300.0
QUIET_S = 20.0
LEFT_FOR_FRAMES_S = 180.0
NOTICE_TEXT = "A word to everybody who waits."
SECOND_NS = 1_000_000_000
ROLES = ("gateway", "zygote", "engine", "valkey")


class Memory(NamedTuple):
    """Bytes: of the processes of each role, and of the kernel's small objects and socket buffers, whole machine."""

    roles: dict[str, int]
    slab: int
    buffers: int


def bench_million(parts: Parts, report: Report, *, sockets: int, seconds: int, minutes: int) -> None:
    """Report how many sockets were held, what each cost, and how long a frame to all of them took."""
    deadline_s = time.monotonic() + minutes * MINUTE_S
    workers = gateways_for(sockets)
    swarms = -(-sockets // SOCKETS_PER_MEMBER)
    progress.print(f"{sockets:,} sockets: {workers} gateways, {swarms} swarm processes")
    with ExitStack() as exits:
        room = exits.enter_context(Room(parts, workers, STANCHION_DRAIN_MS="0"))
        room.configure(EXPERIENCE, release_rate_per_minute=RATE_STILL)
        crowd = exits.enter_context(members(swarms))
        before = _memory(room)
        _say_memory("before", before)
        held, took_s = _let_in(room, crowd, sockets, deadline_s - LEFT_FOR_FRAMES_S)
        after = _memory(room)
        _say_memory("with all", after)
        detail = {"asked": sockets, "gateways": workers, "waiting": room.waiting(EXPERIENCE)}
        report.add(
            "P10 sockets held, all with a ticket",
            "sockets",
            f"≥ {sockets}",
            [held],
            detail={**detail, "connect_s": round(took_s), "per_s": round(held / took_s)},
        )
        _report_memory(report, before, after, held)
        if held:
            _moving(room, report, crowd, held, seconds)
            _shared(room, report, crowd, held, deadline_s - time.monotonic())


def gateways_for(sockets: int) -> int:
    """How many gateways it takes to hold ``sockets`` with the file limit of this machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = hard if hard != resource.RLIM_INFINITY else sockets + 2 * FILES_KEPT
    return max(1, -(-sockets // round((files - FILES_KEPT) * FILL_SHARE)))


def _let_in(room: Room, crowd: list[SwarmProcess], sockets: int, until_s: float) -> tuple[int, float]:
    """Connect group by group; answers how many hold a ticket, and the seconds it took."""
    begun_s, held, first = time.monotonic(), 0, 0
    spent = _spent(room, crowd)
    for start in range(0, len(crowd), MEMBERS_AT_ONCE):
        group = crowd[start : start + MEMBERS_AT_ONCE]
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            progress.print("time is up")
            break
        for index, member in enumerate(group, start):
            count = min(SOCKETS_PER_MEMBER, sockets - first)
            job = Gather(
                room.live(EXPERIENCE), count, PATH, room.session_key_file, first, index * SOURCES, checking=False
            )
            member.begin(job)
            member.heard()
            first += count
        heard = all_do(group, Connect("joined", HANDSHAKES_AT_ONCE, min(GROUP_S, left_s)))
        held += sum(one.watch.count for one in heard)
        before, spent = spent, _spent(room, crowd)
        shares = ", ".join(f"{role} {(spent[role] - before[role]) / SECOND_NS:.1f}" for role in spent)
        progress.print(
            f"{held:>9,} with a ticket after {time.monotonic() - begun_s:4.0f} s; CPU s of this group: {shares}"
        )
        if any(one.late for one in heard):
            progress.print(f"this group is late: {[one.open for one in heard]} of {SOCKETS_PER_MEMBER} each are open")
            break
    return held, time.monotonic() - begun_s


def _spent(room: Room, crowd: list[SwarmProcess]) -> dict[str, int]:
    """CPU time so far in ns, by role; the swarms are one."""
    spent = {role: sum(cpu_ns(pid) for pid in room.pids(role)) for role in ROLES}
    return {**spent, "swarm": sum(cpu_ns(member.pid) for member in crowd)}


def _moving(room: Room, report: Report, crowd: list[SwarmProcess], held: int, seconds: int) -> None:
    """The queue moves: what it costs, and what arrives."""
    room.limit(EXPERIENCE, release_rate_per_minute=RATE_MOVING)
    all_do(crowd, WatchFor("position"))
    pids = room.pids("gateway")
    before_ns, begun_ns = sum(cpu_ns(pid) for pid in pids), time.monotonic_ns()
    progress.print(f"the queue moves, watched for {seconds} s")
    time.sleep(seconds)
    spent_ns, passed_ns = sum(cpu_ns(pid) for pid in pids) - before_ns, time.monotonic_ns() - begun_ns
    heard = all_do(crowd, Await(0))
    room.limit(EXPERIENCE, release_rate_per_minute=RATE_STILL)
    frames = sum(one.watch.count for one in heard)
    lost = sum(one.seen["lost"] for one in heard)
    detail = {
        "sockets": held,
        "open": sum(one.open for one in heard),
        "lost": lost,
        "close_codes": _close_codes(heard),
        "rate": RATE_MOVING,
    }
    report.add(
        "P10 position frames while the queue moves", "1/s", "> 0", [frames * SECOND_NS / passed_ns], detail=detail
    )
    report.add("P10 CPU of all gateways while the queue moves", "cores", "≤ 2", [spent_ns / passed_ns], detail=detail)


def _shared(room: Room, report: Report, crowd: list[SwarmProcess], held: int, left_s: float) -> None:
    """A notice to everybody: from its posting until the last one has it."""
    there = [one.open for one in all_do(crowd, WatchFor("notice"))]
    begun_ns = time.monotonic_ns()
    room.notice(EXPERIENCE, NOTICE_TEXT)
    for member, sockets in zip(crowd, there, strict=True):
        member.begin(Await(sockets, timeout_s=max(1.0, min(GROUP_S, left_s))))
    heard = [member.heard() for member in crowd]
    told = sum(one.watch.count for one in heard)
    ended_ns = max(one.watch.last_ns for one in heard)
    _say_lost(heard)
    detail = {"sockets": held, "told": told, "µs_each": rounded((ended_ns - begun_ns) / 1_000 / max(told, 1))}
    report.add(
        "P10 a shared frame to all, posted to last arrival",
        "s",
        "≤ 60",
        [(ended_ns - begun_ns) / SECOND_NS],
        detail=detail,
    )


def _report_memory(report: Report, before: Memory, after: Memory, held: int) -> None:
    processes = sum(after.roles.values())
    slab, buffers = (after.slab - before.slab) / 2, (after.buffers - before.buffers) / 2
    detail: dict[str, Any] = {
        "sockets": held,
        "mib_by_role": {role: round(size / 2**20) for role, size in after.roles.items()},
        "mib_by_role_before": {role: round(size / 2**20) for role, size in before.roles.items()},
        "slab_bytes": rounded(slab / max(held, 1)),
        "buffer_bytes": rounded(buffers / max(held, 1)),
        "processes_bytes": rounded(processes / max(held, 1)),
    }
    each = (processes + slab + buffers) / max(held, 1)
    report.add("P10 memory of the serving side per socket", "bytes", "≤ 5000", [each], detail=detail)


def _memory(room: Room) -> Memory:
    wait_until_quiet(room.pids("gateway"), QUIET_S)
    roles = {role: sum(pss_bytes(pid) for pid in room.pids(role)) for role in ROLES}
    return Memory(roles, slab_bytes(), socket_buffer_bytes())


def _say_memory(when: str, memory: Memory) -> None:
    roles = ", ".join(f"{role} {size / 2**20:,.0f} MiB" for role, size in memory.roles.items())
    kernel = f"slab {memory.slab / 2**20:,.0f} MiB, socket buffers {memory.buffers / 2**20:,.0f} MiB"
    progress.print(f"memory {when}: {roles}; {kernel}")


def _say_lost(heard: list[Heard]) -> None:
    lost, wrong = sum(one.seen["lost"] for one in heard), sum(one.seen["refused"] for one in heard)
    progress.print(
        f"sockets lost since the beginning: {lost:,}, with close codes {_close_codes(heard)}; handshakes refused and "
        f"tried again: {wrong:,}"
    )


def _close_codes(heard: list[Heard]) -> dict[str, int]:
    """How many sockets the server closed with which code; who is lost without one was reset."""
    codes: Counter[str] = Counter()
    for one in heard:
        codes.update(one.seen["close_codes"])
    return dict(codes)
