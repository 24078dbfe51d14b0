"""Whose ticket of a path is this one, among the consumers who are here: ticket in, number of the person out. Pure.

A path may have a million tickets of which a gateway knows a few thousand owners, so what is kept grows with these. The
ticket of each person stands in a column already; only the table is added, 8 bytes a person at the most.
"""

from gateway.columns import Column
from gateway.probing import MASK, MIX, NOBODY, Probing


class TicketIndex(Probing[int]):
    """``tickets`` has the ticket of each person: it is set before `add`, and changed after `remove`."""

    def __init__(self, tickets: Column) -> None:
        super().__init__()
        self._tickets = tickets

    def find(self, ticket: int) -> int:
        """The person who holds ``ticket``, or NOBODY."""
        at, tickets = (ticket * MIX & MASK) >> self._shift, self._tickets.one
        while (person := self._table[at]) != NOBODY:
            if tickets[person] == ticket:
                return person
            at = (at + 1) & self._last
        return NOBODY

    def add(self, person: int) -> None:
        """The ticket of ``person``, who is not in it, is known from now on."""
        self._insert(self._key(person), person)

    def _home(self, key: int) -> int:
        return (key * MIX & MASK) >> self._shift

    def _key(self, number: int) -> int:
        return self._tickets.one[number]
