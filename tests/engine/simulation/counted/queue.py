"""A queue as the recount has it: whoever waits is in line, but for a lobby whose order is on its way."""

from __future__ import annotations

from tests.engine.simulation.counted.lots import CountedLots


class CountedQueue(CountedLots):
    """A queue, with a lobby or without."""

    @property
    def line(self) -> list[int]:
        return [] if self.closed and not self.drawn else super().line

    def is_due(self, now_ms: int) -> bool:
        return self.phase in ("open", "settling") and not self.ended_by_hand
