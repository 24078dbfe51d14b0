"""What the holders of tickets want, where the variant is theirs to name, and who of them is the next to be served.

Whoever wants something that is not free is passed over and keeps the place. One heap of places for each variant makes
the next one a look at the heads of those that are free. A heap may hold places of tickets that wait no more or want
something else by now; they are dropped when they come up. Heaps are no part of the state: they are made from the
choices.
"""

from heapq import heappop, heappush
from typing import Any

from engine.core.places import Places
from engine.core.stock import Stock
from engine.core.ticket import WAITING, Tickets

ANY = ""
"""What somebody wants who has named nothing: whatever is free."""


class Choices:
    """``wanted``: the variant of each ticket that named one."""

    def __init__(self, stock: Stock, variants: list[str], places: Places) -> None:
        self.wanted: dict[int, str] = {}
        self._places = places
        self._stock = stock
        self._variants = variants
        self._lines: dict[str, list[int]] = {}

    def want(self, ticket: int, variant: str) -> None:
        """``ticket`` wants ``variant`` from now on."""
        if variant:
            self.wanted[ticket] = variant
        self.stand(ticket)

    def stand(self, ticket: int) -> None:
        """``ticket`` waits, again or for the first time."""
        heappush(self._lines.setdefault(self.wanted.get(ticket, ANY), []), self._places.of(ticket))

    def first(self, tickets: Tickets) -> int | None:
        """The first who waits for something that is free, or None."""
        heads = [self._head(variant, tickets) for variant in self._lines if self.allotted(variant)]
        first = min((head for head in heads if head is not None), default=None)
        return None if first is None else self._places.ticket(first)

    def allotted(self, wanted: str) -> list[str]:
        """Out of which variants one who wants this can be served now."""
        among = [wanted] if wanted else self._variants
        return among if self._stock.free(among) > 0 else []

    def may_return(self, wanted: str) -> bool:
        """Whether some of what one who wants this can be served with is reserved, and may come back."""
        return self._stock.reserved([wanted] if wanted else self._variants) > 0

    def _head(self, variant: str, tickets: Tickets) -> int | None:
        """The first place of those who want this, or None."""
        line, ticket_of = self._lines[variant], self._places.ticket
        while line:
            ticket = ticket_of(line[0])
            if tickets.states[ticket] == WAITING and self.wanted.get(ticket, ANY) == variant:
                return line[0]
            heappop(line)
        return None

    def line_up(self, tickets: Tickets) -> None:
        """Everybody who waits stands anew: their places are others, or were not known."""
        self._lines = {}
        for ticket in tickets.all_waiting():
            self.stand(ticket)

    def snapshot(self) -> list[Any]:
        return list(self.wanted.items())

    def restore(self, data: list[Any], tickets: Tickets) -> None:
        """Take the choices of a snapshot: [ticket, variant] each."""
        self.wanted = dict(data)
        self.line_up(tickets)
