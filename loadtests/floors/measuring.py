"""What the floors measure, and how, so that all of them do it alike: a frame a second to every socket.

The frame carries ``t``, the monotonic nanoseconds at which its round began, so that the swarm on the same machine can
tell how long it was on its way.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

BACKLOG = 4_096
SEND_BUFFER_BYTES = 16_384
USER_TIMEOUT_MS = 10_000
PERIOD_S = 1.0


def listening_socket(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1 with the options that the gateway's has."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def memory_bytes() -> int:
    """What this process has in memory now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1_024
    raise RuntimeError("/proc/self/status names no VmRSS")


def frame_now() -> bytes:
    """A text frame as long as a position is, which carries the instant."""
    text = b'{"type":"position","path":"general","ahead":12345,"of":54321,"rate":600,"t":%d}' % time.monotonic_ns()
    return bytes((0x81, len(text))) + text


class Ticker:
    """Tells everybody a frame a second, and prints what that cost. ``count`` gives the number of sockets; ``silent``:
    nobody is told anything."""

    def __init__(self, count: Callable[[], int], *, silent: bool) -> None:
        self._count = count
        self._silent = silent

    async def run(self, tell_all: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled."""
        before = memory_bytes()
        while True:
            await asyncio.sleep(PERIOD_S)
            count = 0 if self._silent else self._count()
            if not count:
                before = memory_bytes()
                continue
            begun = time.perf_counter_ns()
            await tell_all()
            spent = time.perf_counter_ns() - begun
            self._print(count, spent, memory_bytes() - before)

    def _print(self, count: int, spent_ns: int, grown_bytes: int) -> None:
        figures = {
            "sockets": count,
            "us_per_frame": round(spent_ns / 1_000 / count, 2),
            "bytes_per_socket": round(grown_bytes / count),
            "cpu_s": round(time.process_time(), 3),
        }
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
        sys.stdout.flush()
