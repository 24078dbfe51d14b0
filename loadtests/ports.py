"""Loopback ports for the servers of benches and tests, each given once.

They lie below those that the kernel gives to clients, or a swarm would sit on the next server's port. That nobody
listens is not enough to take one, for a server needs a while to start, or is down for a moment: whoever takes a port
claims its name as well, an abstract Unix socket (unix(7)), which the kernel keeps until that process ends, however it
ends, and with it all that it has forked and that runs no other program.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket

HOST = "127.0.0.1"
PORTS = range(10_000, 32_000)
TRIES_MAX = 200

_claimed: list[contextlib.ExitStack] = []


def free_port() -> int:
    """A loopback port that is this process's own: see `free_ports`."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of ``count`` loopback ports in a row that nobody listens on, and that nobody who asks here gets again
    as long as this process lives. Raises RuntimeError when there are none."""
    for _ in range(TRIES_MAX):
        first = random.randrange(PORTS.start, PORTS.stop - count + 1)
        with contextlib.ExitStack() as claims:
            try:
                for port in range(first, first + count):
                    claims.enter_context(socket.socket(socket.AF_UNIX)).bind(f"\0stanchion-port-{port}")
                    _try_to_listen(port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue  # try elsewhere
            _claimed.append(claims.pop_all())
            return first
    raise RuntimeError(f"there are no {count} free ports in a row")


def _try_to_listen(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
