"""When what runs out runs out: tickets by instant, the next one first.

A heap of numbers, each an instant and a ticket in one: they compare at once and are nothing that the garbage collector
would look at, were there a million. Nothing is taken out that moved or ended: ``stands`` is asked of each when its
instant comes up, and what does not stand is dropped, so a move costs one more entry. It is not part of the state:
whoever owns it makes it anew from the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Final

_TICKET_BITS: Final = 40
_TICKET_MASK: Final = (1 << _TICKET_BITS) - 1


class Deadlines:
    """``stands``: whether what a ticket has still runs out at that instant."""

    def __init__(self, stands: Callable[[int, int], bool]) -> None:
        self._stands = stands
        self._heap: list[int] = []

    def put(self, ticket: int, instant: int) -> None:
        """What ``ticket`` has runs out at ``instant`` (epoch ms)."""
        heappush(self._heap, instant << _TICKET_BITS | ticket)

    def begin(self, entries: Iterable[tuple[int, int]]) -> None:
        """Be these alone: (ticket, instant) each."""
        self._heap = [instant << _TICKET_BITS | ticket for ticket, instant in entries]
        heapify(self._heap)

    def next_ms(self) -> int | None:
        """When the next one runs out, or None."""
        while self._heap:
            instant = self._heap[0] >> _TICKET_BITS
            if self._stands(self._heap[0] & _TICKET_MASK, instant):
                return instant
            heappop(self._heap)
        return None

    def due(self, now_ms: int) -> list[int]:
        """Take out the tickets of what runs out at or before ``now_ms``, each once an instant, by (instant, ticket)."""
        heap, found, last = self._heap, [], -1
        end = now_ms + 1 << _TICKET_BITS
        while heap and heap[0] < end:
            one = heappop(heap)
            if one != last and self._stands(one & _TICKET_MASK, one >> _TICKET_BITS):
                found.append(one & _TICKET_MASK)
            last = one
        return found
