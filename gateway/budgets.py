"""How often one socket may speak: so many frames a second, and ``BURST_SECONDS`` of them at once. Pure.

Most sockets say nothing, and a budget that is full again is like none, so only those of recent speakers are kept.
"""

from typing import NamedTuple

BURST_SECONDS = 2
MILLI = 1_000


class _Left(NamedTuple):
    """``milli``: thousandths of a frame that were left at ``at_ms``."""

    milli: int
    at_ms: int


class Budgets:
    """By slot. Instants are our monotonic clock's milliseconds."""

    def __init__(self) -> None:
        self._left: dict[int, _Left] = {}

    def __len__(self) -> int:
        return len(self._left)

    def take(self, slot: int, now_ms: int, per_second: int) -> bool:
        """Take one frame of the budget of ``slot``; False when there is none."""
        full = per_second * BURST_SECONDS * MILLI
        left = self._left.get(slot, _Left(full, now_ms))
        milli = min(full, left.milli + (now_ms - left.at_ms) * per_second)
        enough = milli >= MILLI
        self._left[slot] = _Left(milli - MILLI if enough else milli, now_ms)
        return enough

    def forget(self, slot: int) -> None:
        """``slot`` is gone."""
        self._left.pop(slot, None)

    def sweep(self, now_ms: int) -> None:
        """Forget the budgets that are full again."""
        full_since_ms = now_ms - BURST_SECONDS * MILLI
        self._left = {slot: left for slot, left in self._left.items() if left.at_ms > full_since_ms}
