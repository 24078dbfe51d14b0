"""What the recount knows of a lottery on its way: once the roster is fixed it is drawn, slice by slice, no later."""

from __future__ import annotations

from typing import Any, ClassVar

from protocol import kind_events as k
from protocol.documents import Path
from tests.engine.simulation.counted.path import CountedPath
from tests.engine.simulation.world import Broken

SLICE_PAUSE_MS = 10
SLICES_MAX = 150
"""More than any roster here needs, one lot a slice."""


class CountedLots(CountedPath):
    """``closed``: the roster is fixed. ``slices``: how many steps there were, each some ms behind the one before, in
    which it should have gone on."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.closed = False
        self.drawn = False
        self.slices = 0
        self._next_slice_ms = 0

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        if self.closed and not self.drawn and self.is_due(now_ms) and now_ms >= self._next_slice_ms:
            self.slices, self._next_slice_ms = self.slices + 1, now_ms + SLICE_PAUSE_MS
            if self.slices > SLICES_MAX:
                raise Broken(f"lottery: it was due {self.slices} steps ago and is not drawn")

    def is_due(self, now_ms: int) -> bool:
        """Whether nothing holds the drawing up."""
        raise NotImplementedError

    def entries_closed(self, event: k.EntriesClosed, now_ms: int) -> None:
        self.closed = True

    def drew(self, event: k.Drawn, now_ms: int) -> None:
        self.drawn = True

    ACTS: ClassVar[dict[type, Any]] = CountedPath.ACTS | {
        k.EntriesClosed: entries_closed,
        k.Drawn: lambda path, event, now_ms: path.drew(event, now_ms),
    }
