"""The bouncer: who may come in at all, before anything is made for them.

Handshakes and requests that wait for the engine are counted together; so are sockets, against what the process may have
open. Whoever is turned away is told to come back after a jittered while.
"""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.refusals import Reason, Refusal

FILES_KEPT = 1_024
RETRY_AFTER_MS_MIN = 1_000
RETRY_AFTER_MS_MAX = 5_000


class Bouncer:
    """Counts at the door of one process; ``inside`` is how many sockets and event streams are let in."""

    def __init__(self, handshakes_max: int) -> None:
        self._handshakes_max = handshakes_max
        self._handshakes = 0
        self.inside = 0

    def refusal(self) -> Refusal | None:
        """Why nobody more can come in now, or None."""
        files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        full = files_max != resource.RLIM_INFINITY and self.inside >= files_max - FILES_KEPT
        if self._handshakes < self._handshakes_max and not full:
            return None
        return turned_away()

    @contextmanager
    def handshake(self) -> Iterator[None]:
        """Somebody is at the door."""
        self._handshakes += 1
        try:
            yield
        finally:
            self._handshakes -= 1

    @contextmanager
    def guest(self) -> Iterator[None]:
        """Somebody is inside."""
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


def turned_away() -> Refusal:
    """``busy``, with a while to wait that differs from one to the next."""
    return Refusal(Reason.BUSY, {"retry_after_ms": random.randint(RETRY_AFTER_MS_MIN, RETRY_AFTER_MS_MAX)})
