"""The door of one process: the bouncer of the parked edge, who also counts what comes over plain HTTP.

Handshakes and requests that wait for the engine are counted together; how many sockets there may be the lot knows.
Whoever is turned away is told to come back after a while that differs from one to the next.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.edge.parked.bouncer import RETRY_AFTER_S_MAX, RETRY_AFTER_S_MIN, Bouncer
from gateway.edge.parked.lot import Lot
from protocol.refusals import Reason, Refusal

MILLI = 1_000


class Door(Bouncer):
    """A bouncer who also refuses in words."""

    def __init__(self, handshakes_max: int, sockets_max: int) -> None:
        super().__init__(handshakes_max=handshakes_max)
        self._sockets_max = sockets_max
        self._together_max = handshakes_max

    def refusal(self, lot: Lot) -> Refusal | None:
        """Why nobody more can come in now, or None. Whoever asks is counted already."""
        full = lot.full or lot.counts.parked >= self._sockets_max
        return turned_away() if full or self.handshakes > self._together_max else None

    @contextmanager
    def handshake(self) -> Iterator[None]:
        """Somebody is at the door whom the edge has not counted."""
        self.handshakes += 1
        try:
            yield
        finally:
            self.handshakes -= 1


def turned_away() -> Refusal:
    """``busy``, with a while to wait."""
    after_ms = random.randint(RETRY_AFTER_S_MIN * MILLI, RETRY_AFTER_S_MAX * MILLI)
    return Refusal(Reason.BUSY, {"retry_after_ms": after_ms})
