"""The roster: the order of all places of a path and who of them still waits. Positions are computed from it where the
sockets are, so nobody ever sends one over the streams.

One byte a place says "waits". A position (``ahead``) is the number of waiting places before one's own. The place of a
ticket is the ticket itself, until the first of them, those of a lobby, are arranged in an order that was drawn; until
then they have none, and nobody's position among them is known. All ranks of 1,000,000 places take a few milliseconds
with numpy.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_PLACES_MIN = 1_024

NO_PLACE: Final = -1
"""The position of a ticket that has no place yet."""
EVERYBODY: Final = 1 << 62
"""As many tickets as there will ever be."""


class Roster:
    """Who waits, in order. Tickets and places are dense integers from 0; memory is one byte a place, doubled when full.

    ``unplaced``: tickets below this have no place yet."""

    def __init__(self) -> None:
        self._waits: NDArray[np.uint8] = np.zeros(_PLACES_MIN, dtype=np.uint8)
        self._order: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self._place: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self.places = 0
        self.waiting = 0
        self.unplaced = 0

    @classmethod
    def of(cls, waits: NDArray[np.uint8]) -> "Roster":
        """A place for each of ``waits``, which is 1 where it waits and 0 where it does not."""
        roster = cls()
        roster.append(len(waits))
        roster._waits[: roster.places] = waits
        roster.waiting = int(np.count_nonzero(waits))
        return roster

    @property
    def order(self) -> bytes:
        """The order that the first places were arranged in, as ``arrange`` took it; empty where they were not."""
        return self._order.astype("<u4").tobytes()

    def append(self, count: int) -> None:
        """``count`` new places at the back, all waiting."""
        end = self.places + count
        if end > len(self._waits):
            grown = np.zeros(max(end, 2 * len(self._waits)), dtype=np.uint8)
            grown[: self.places] = self._waits[: self.places]
            self._waits = grown
        self._waits[self.places : end] = 1
        self.places = end
        self.waiting += count

    def arrange(self, order: bytes) -> None:
        """The first places are those of ``order``: tickets from 0 on, each once, 4 little-endian bytes a ticket. From
        now on every ticket has a place. Once."""
        self._order = np.frombuffer(order, dtype="<u4").astype(np.uint32)
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order), dtype=np.uint32)
        self._waits[: len(self._order)] = self._waits[self._order]
        self.unplaced = 0

    def remove(self, ticket: int) -> None:
        """``ticket`` waits no more. Raises ValueError if it did not wait."""
        place = self._place_of(ticket)
        if not 0 <= ticket < self.places or not self._waits[place]:
            raise ValueError(f"ticket {ticket} of {self.places} does not wait")
        self._waits[place] = 0
        self.waiting -= 1

    def restore(self, ticket: int) -> None:
        """``ticket`` waits again. Raises ValueError if it does already or never existed."""
        place = self._place_of(ticket)
        if not 0 <= ticket < self.places or self._waits[place]:
            raise ValueError(f"ticket {ticket} of {self.places} cannot wait again")
        self._waits[place] = 1
        self.waiting += 1

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waits[: self.places] = 0
        self.waiting = 0

    def waits(self, ticket: int) -> bool:
        """Whether ``ticket`` waits."""
        return 0 <= ticket < self.places and bool(self._waits[self._place_of(ticket)])

    def first(self) -> int | None:
        """The first ticket that waits, or None."""
        if not self.waiting:
            return None
        place = int(self._waits.argmax())
        return int(self._order[place]) if place < len(self._order) else place

    def ahead(self, ticket: int) -> int:
        """How many wait before ``ticket``: one rank, counted from the nearer end at memory speed; NO_PLACE for one that
        has none."""
        return NO_PLACE if ticket < self.unplaced else self._count_before(self._place_of(ticket))

    def waiting_tickets(self) -> NDArray[np.int64]:
        """All tickets that wait, in order of their places."""
        return _mapped(self._order, np.flatnonzero(self._waits[: self.places]))

    def ranks(self, tickets: NDArray[np.int64]) -> NDArray[np.int64]:
        """``ahead`` of every one of ``tickets`` (shape (n,)) at once: a count up to the foremost of them, one pass over
        the roster from there on, then a gather. Those who have just joined stand at the back, so they cost little."""
        if not len(tickets):
            return tickets
        places = _mapped(self._place, tickets)
        start = int(places.min())
        waits, own = self._waits[start : self.places], places - start
        found: NDArray[np.int64] = np.cumsum(waits, dtype=np.int32)[own].astype(np.int64)
        found += self._count_before(start)
        found -= waits[own]
        if self.unplaced:
            found[tickets < self.unplaced] = NO_PLACE
        return found

    def places_of(self, tickets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of ``tickets`` (shape (n,)), all of which have one."""
        return _mapped(self._place, tickets)

    def _place_of(self, ticket: int) -> int:
        return int(self._place[ticket]) if 0 <= ticket < len(self._place) else ticket

    def _count_before(self, place: int) -> int:
        waits = self._waits.view(np.bool_)
        if 2 * place < self.places:
            return int(np.count_nonzero(waits[:place]))
        return self.waiting - int(np.count_nonzero(waits[place : self.places]))


def _mapped(table: NDArray[np.uint32], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """``numbers`` with those that stand in ``table`` replaced by what stands there."""
    if not len(table):
        return numbers
    found, known = numbers.copy(), numbers < len(table)
    found[known] = table[numbers[known]]
    return found
