"""What came free for a waitlist and can be offered, the oldest first.

Hands over to: ``offered_places``, for those of them that are places in slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from engine.distributions.offered_places import OfferedPlaces
from protocol.kind_events import UnitsFreed

if TYPE_CHECKING:
    from engine.core.journal import Journal
    from engine.core.path import Path


class Units(Struct, gc=False, array_like=True):
    """``count`` units that came from the path ``source`` because of ``cause``; or one place in ``slot``, which is kept
    for as long as it is here."""

    source: str
    cause: str
    count: int
    slot: str = ""


class FreedUnits:
    """``fresh``: what came since it was last looked at; ``units``: what can be offered."""

    def __init__(self, path: Path, places: OfferedPlaces) -> None:
        self._path = path
        self._places = places
        self._fresh: list[Units] = []
        self._units: list[Units] = []

    @property
    def count(self) -> int:
        """How many can be offered."""
        return sum(units.count for units in self._units)

    @property
    def places(self) -> int:
        """How many of them are places in slots."""
        return sum(1 for units in self._units if units.slot)

    @property
    def loose(self) -> int:
        """How many of them are not."""
        return self.count - self.places

    def first(self, at: int, *, loose: bool) -> Units | None:
        """The oldest place that somebody can have at ``at``: no place in a slot that has begun; where there is none,
        the oldest of the ``loose`` ones, if they can be had; None = there is nothing."""
        for units in self._units:
            if units.slot and self._places.can_be_had(units.slot, at):
                return units
        return next((units for units in self._units if loose and not units.slot), None)

    def add(self, source: str, cause: str, count: int, slot: str = "") -> None:
        """So many have come."""
        self._fresh.append(Units(source, cause, count, slot))

    def collect(self, places: int, loose: int, at: int, journal: Journal) -> None:
        """Take in what has come, as far as it can be used, with what is there already: so many ``places`` in all, and
        so many ``loose`` units, which are none. What somebody else took meanwhile is no unit any more."""
        fresh, self._fresh = self._fresh, []
        for freed in fresh:
            room = places - self.places if freed.slot else loose - self.loose
            freed.count = min(freed.count, room)
            if freed.count > 0 and self._places.can_be_had(freed.slot, at):
                self._units.append(freed)
                journal.add(UnitsFreed(self._path.id, at, freed.source, freed.cause, freed.count))
            elif freed.slot:
                self._places.give_back(freed.slot, at, journal)
        self._drop_beyond(places, loose, at, journal)

    def _drop_beyond(self, places: int, loose: int, at: int, journal: Journal) -> None:
        """Units beyond these numbers, the oldest, cannot be offered any more."""
        over = {True: self.places - places, False: self.loose - loose}
        for units in list(self._units):
            is_place = bool(units.slot)
            count = min(units.count, max(0, over[is_place]))
            over[is_place] -= count
            self.take(units, count)
            if is_place and count:
                self._places.give_back(units.slot, at, journal)

    def take(self, units: Units, count: int) -> None:
        """``count`` of ``units`` are used, or cannot be."""
        units.count -= count
        self._units = [one for one in self._units if one.count]

    def drop_lost(self, at: int, journal: Journal) -> None:
        """What nobody can have any more cannot be offered."""
        for units in list(self._units):
            if not self._places.can_be_had(units.slot, at):
                self.take(units, units.count)
                self._places.give_back(units.slot, at, journal)

    def let_places_go(self, at: int, journal: Journal) -> None:
        """Nobody here wants the places that are kept: they are for everybody."""
        for units in (self._fresh, self._units):
            for slot in [unit.slot for unit in units if unit.slot]:
                self._places.give_back(slot, at, journal)
            units[:] = [unit for unit in units if not unit.slot]

    def put_away(self, at: int, journal: Journal) -> None:
        """Nothing is offered any more."""
        self.let_places_go(at, journal)
        self._fresh, self._units = [], []

    @property
    def keep_places(self) -> bool:
        """Whether any of what can be offered is a place."""
        return any(unit.slot for unit in self._units)

    def snapshot(self) -> list[Any]:
        """What ``restore`` needs."""
        return [list(self._fresh), list(self._units)]

    def restore(self, fresh: list[Any], units: list[Any]) -> None:
        """Take the state of a snapshot."""
        self._fresh, self._units = [Units(*one) for one in fresh], [Units(*one) for one in units]
