"""When what runs out runs out: tickets by instant, the next one first.

What is put at one instant stands in one list, so a busy second costs a heap of its milliseconds, not of its tickets.
Nothing is taken out that moved or ended: ``stands`` is asked of each when its instant comes up, and what does not stand
is dropped, so a move costs one more entry. It is not part of the state: whoever owns it makes it anew from the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush


class Deadlines:
    """``stands``: whether what a ticket has still runs out at that instant."""

    def __init__(self, stands: Callable[[int, int], bool]) -> None:
        self._stands = stands
        self._instants: list[int] = []
        self._tickets: dict[int, list[int]] = {}

    def put(self, ticket: int, instant: int) -> None:
        """What ``ticket`` has runs out at ``instant`` (epoch ms)."""
        self.put_all((ticket,), instant)

    def put_all(self, tickets: Iterable[int], instant: int) -> None:
        """What these tickets have runs out at ``instant``."""
        there = self._tickets.get(instant)
        if there is None:
            self._tickets[instant] = list(tickets)
            heappush(self._instants, instant)
        else:
            there.extend(tickets)

    def begin(self, entries: Iterable[tuple[int, int]]) -> None:
        """Be these alone: (ticket, instant) each."""
        self._instants, self._tickets = [], {}
        for ticket, instant in entries:
            self.put(ticket, instant)

    def next_ms(self) -> int | None:
        """When the next one runs out, or None."""
        while self._instants:
            instant = self._instants[0]
            tickets = self._tickets[instant]
            while tickets and not self._stands(tickets[-1], instant):
                tickets.pop()
            if tickets:
                return instant
            del self._tickets[heappop(self._instants)]
        return None

    def due(self, now_ms: int) -> list[int]:
        """Take out the tickets of what runs out at or before ``now_ms``, each once an instant, by (instant, ticket)."""
        found: list[int] = []
        while self._instants and self._instants[0] <= now_ms:
            instant = heappop(self._instants)
            tickets = dict.fromkeys(sorted(self._tickets.pop(instant)))
            found += [ticket for ticket in tickets if self._stands(ticket, instant)]
        return found
