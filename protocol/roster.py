"""The roster: the order of all places of a path and who of them still waits. Positions are computed from it where the
sockets are, so nobody ever sends one over the streams.

One byte a place says "waits". A position (``ahead``) is the number of waiting places before one's own. Without a lobby
the place of a ticket is the ticket itself. All ranks of 1,000,000 places take a few milliseconds with numpy.
"""

import numpy as np
from numpy.typing import NDArray

_PLACES_MIN = 1_024


class Roster:
    """Who waits, in order. Places are dense integers from 0; memory is one byte a place, doubled when full."""

    def __init__(self) -> None:
        self._waits: NDArray[np.uint8] = np.zeros(_PLACES_MIN, dtype=np.uint8)
        self.places = 0
        self.waiting = 0

    @classmethod
    def of(cls, waits: NDArray[np.uint8]) -> "Roster":
        """A place for each of ``waits``, which is 1 where it waits and 0 where it does not."""
        roster = cls()
        roster.append(len(waits))
        roster._waits[: roster.places] = waits
        roster.waiting = int(np.count_nonzero(waits))
        return roster

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

    def remove(self, place: int) -> None:
        """``place`` waits no more. Raises ValueError if it did not wait."""
        if not self.waits(place):
            raise ValueError(f"place {place} of {self.places} does not wait")
        self._waits[place] = 0
        self.waiting -= 1

    def restore(self, place: int) -> None:
        """``place`` waits again. Raises ValueError if it does already or never existed."""
        if not 0 <= place < self.places or self._waits[place]:
            raise ValueError(f"place {place} of {self.places} cannot wait again")
        self._waits[place] = 1
        self.waiting += 1

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waits[: self.places] = 0
        self.waiting = 0

    def waits(self, place: int) -> bool:
        """Whether ``place`` waits."""
        return 0 <= place < self.places and bool(self._waits[place])

    def first(self) -> int | None:
        """The first place that waits, or None."""
        return int(self._waits.argmax()) if self.waiting else None

    def ahead(self, place: int) -> int:
        """How many wait before ``place``: one rank, counted from the nearer end at memory speed."""
        waits = self._waits.view(np.bool_)
        if 2 * place < self.places:
            return int(np.count_nonzero(waits[:place]))
        return self.waiting - int(np.count_nonzero(waits[place : self.places]))

    def waiting_places(self) -> NDArray[np.int64]:
        """All places that wait, ascending."""
        return np.flatnonzero(self._waits[: self.places])

    def ranks(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """``ahead`` of every one of ``places`` (shape (n,)) at once: a count up to the foremost of them, one pass over
        the roster from there on, then a gather. Those who have just joined stand at the back, so they cost little."""
        if not len(places):
            return places
        start = int(places.min())
        waits, own = self._waits[start : self.places], places - start
        found: NDArray[np.int64] = np.cumsum(waits, dtype=np.int32)[own].astype(np.int64)
        found += self.ahead(start)
        found -= waits[own]
        return found
