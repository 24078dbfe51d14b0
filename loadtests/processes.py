"""What a process costs, asked of the kernel from outside: CPU time in ns, memory in bytes.

A role may be one process or a parent with children; what is asked here is always of the whole family.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

PROC = Path("/proc")
KIB = 1_024
CPU_CLOCK_OF_PROCESS = 2
QUIET_SHARE = 0.2
QUIET_LOOK_S = 0.2
QUIET_LOOKS = 3
SOCKET_PAGES = 4_096
SLABINFO_HEAD_LINES = 2
FILE_CACHES = {"proc_inode_cache", "ext4_inode_cache", "radix_tree_node", "buffer_head", "extent_status", "inode_cache"}
"""They grow with whatever is read or written, by anybody."""


def family(pid: int) -> list[int]:
    """``pid`` and all its descendants that live."""
    found = [pid]
    for parent in found:
        for task in (PROC / str(parent) / "task").glob("*/children"):
            found.extend(int(child) for child in _text(task).split())
    return found


def cpu_ns(pid: int) -> int:
    """The CPU time of all threads of the family so far. Raises OSError when ``pid`` is gone."""
    return sum(time.clock_gettime_ns((~one << 3) | CPU_CLOCK_OF_PROCESS) for one in family(pid))


def rss_bytes(pid: int) -> int:
    """What the family has in memory; what its processes share counts for each."""
    return sum(_kib(PROC / str(one) / "status", "VmRSS:") for one in family(pid))


def pss_bytes(pid: int) -> int:
    """What the family has in memory; what processes share is divided among them."""
    return sum(_kib(PROC / str(one) / "smaps_rollup", "Pss:") for one in family(pid))


def open_files(pid: int) -> int:
    """How many descriptors the family has."""
    return sum(1 for one in family(pid) for _ in (PROC / str(one) / "fd").iterdir())


def slab_bytes() -> int:
    """The kernel's small objects, sockets among them, of the whole machine; without those of files where we may see
    which they are."""
    try:
        caches = [line.split() for line in (PROC / "slabinfo").read_text().splitlines()[SLABINFO_HEAD_LINES:]]
    except PermissionError:
        return _kib(PROC / "meminfo", "Slab:")
    return sum(int(cache[2]) * int(cache[3]) for cache in caches if cache[0] not in FILE_CACHES)


def socket_buffer_bytes() -> int:
    """What TCP sockets of the whole machine hold in their buffers."""
    words = next(line for line in _text(PROC / "net" / "sockstat").splitlines() if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1]) * SOCKET_PAGES


def used_bytes() -> int:
    """What of the machine's memory cannot be had."""
    return _kib(PROC / "meminfo", "MemTotal:") - _kib(PROC / "meminfo", "MemAvailable:")


def wait_until_quiet(pids: Sequence[int], timeout_s: float) -> bool:
    """Return once the families have nothing to do any more, or after ``timeout_s``; whether they have not."""
    until_s, quiet = time.monotonic() + timeout_s, 0
    while quiet < QUIET_LOOKS and time.monotonic() < until_s:
        before_ns, begun_ns = sum(map(cpu_ns, pids)), time.monotonic_ns()
        time.sleep(QUIET_LOOK_S)
        share = (sum(map(cpu_ns, pids)) - before_ns) / (time.monotonic_ns() - begun_ns)
        quiet = quiet + 1 if share <= QUIET_SHARE * len(pids) else 0
    return quiet >= QUIET_LOOKS


def _kib(file: Path, name: str) -> int:
    for line in _text(file).splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * KIB
    return 0  # it has just ended


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has just ended
