"""What every audit of a path needs: the word for a broken promise, the span meter, and what is left of the stock."""

from __future__ import annotations

from protocol.events import AnyEvent, StockChanged

UNIT = 60_000


class Broken(Exception):
    """A promise that the log shows broken; the text names the entry and the promise."""


class SpanMeter:
    """Admissions of one meter between two changes of its rate: in any span at most rate * t / 60000 + burst.

    With f(k) = 60000 k - rate * t(k) for the k-th admission, the worst span that ends at k begins at the smallest f so
    far; so one pass over the admissions checks every span of any length.
    """

    def __init__(self, rate: int | None, burst_ms: int) -> None:
        self.rate = rate
        self.burst = None if rate is None else 1 - (-rate * burst_ms // UNIT)
        self.admitted = 0
        self.worst = 0
        self._lowest: int | None = None

    def admit(self, at: int) -> None:
        """One admission at ``at`` (ms). Raises Broken."""
        self.admitted += 1
        if self.rate is None or self.burst is None:
            return
        height = UNIT * self.admitted - self.rate * at
        self._lowest = height if self._lowest is None else min(self._lowest, height)
        needed = height - self._lowest + UNIT
        self.worst = max(self.worst, needed)
        if needed > self.burst * UNIT or self.rate == 0:
            raise Broken(f"more than {self.rate} a minute and a burst of {self.burst} admitted at {at}")


class Shelves:
    """What is left of each variant whose stock is counted: as it was last told, and moved by what is named since.

    A total that changes is told at the end of its entry, but holds from the command on that changed it: in that entry
    either may be so.
    """

    def __init__(self) -> None:
        self.left: dict[str, int | None] = {}
        self.totals: dict[str, int | None] = {}
        self.reserved: dict[str, int] = {}
        self._soon: dict[str, StockChanged] = {}
        self._touched: dict[str, None] = {}

    def expect(self, events: list[AnyEvent]) -> None:
        """An entry begins, and these are its events."""
        told = [event for event in events if isinstance(event, StockChanged)]
        self._soon = {one.variant: one for one in told if one.total != self.totals.get(one.variant)}
        self._touched = dict.fromkeys(one.variant for one in told)

    def tell(self, event: StockChanged) -> None:
        """Raises Broken where more is given than there is."""
        if event.total is not None and event.reserved + event.completed > event.total:
            raise Broken(f"{event.reserved + event.completed} of {event.variant} are given, there are {event.total}")
        self.left[event.variant] = None if event.total is None else event.total - event.reserved - event.completed
        self.totals[event.variant] = event.total
        self.reserved[event.variant] = event.reserved

    def move(self, variant: str, count: int) -> None:
        """``count`` more are there of a variant that is named ("" is none)."""
        left = self.left.get(variant)
        if left is not None:
            self.left[variant] = left + count

    def has(self, variant: str) -> bool:
        """Whether somebody who wants this ("" = anything) can get it, for sure."""
        left = self.left.get(variant)
        return variant not in self._soon and (left is None or left > 0)

    def is_away(self, variant: str) -> bool:
        """Whether nothing is left of ``variant``, and some of it may come back, for sure: nothing happens to it in this
        entry."""
        left = self.left.get(variant)
        if left is None or variant in self._touched:
            return False
        return left <= 0 < self.reserved[variant]

    def may_have(self, variant: str) -> bool:
        """Whether somebody who wants this may be able to get it: what is in use may have come back in this entry."""
        left = self.left.get(variant)
        return variant in self._touched or left is None or left > 0
