"""What came free for a waitlist and can be offered, the oldest first; and what cannot yet, since others come first who
may take it, or the caps do not allow it. What is taken, or not there any more, is forgotten.

Hands over to: ``offered_places``, for those of them that are places in slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from engine.core.limits import UNLIMITED
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
    """``fresh``: what came and could not be offered yet; ``units``: what can be, or could and will be again."""

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

    def collect(self, places: int, spare: int, free: int, at: int, journal: Journal) -> None:
        """Take in what has come, as far as it can be used, with what is there already: so many ``places`` in all, and
        so many that are none as are ``spare``. What is not spare, but ``free``, may become so: it is kept until then.
        What somebody else took meanwhile is no unit any more."""
        room, spare = places - self.places, spare - self.loose
        fresh, self._fresh = self._fresh, []
        for freed in fresh:
            if not freed.slot:
                count = min(freed.count, max(0, spare))
                spare -= count
                if freed.count > count:
                    self._wait(freed, freed.count - count)
                if count:
                    self._use(Units(freed.source, freed.cause, count), at, journal)
            elif room > 0 and self._places.can_be_had(freed.slot, at):
                room -= 1
                self._use(freed, at, journal)
            else:
                self._places.give_back(freed.slot, at, journal)
        self._drop_places(-room, at, journal)
        self._drop_loose(self._known - free)

    def _use(self, units: Units, at: int, journal: Journal) -> None:
        """These can be offered."""
        self._units.append(units)
        journal.add(UnitsFreed(self._path.id, at, units.source, units.cause, units.count))

    def _wait(self, units: Units, count: int) -> None:
        """So many of these cannot be offered yet; those that came from the same for the same reason stand together."""
        for there in self._fresh:
            if (there.source, there.cause) == (units.source, units.cause):
                there.count += count
                return
        self._fresh.append(Units(units.source, units.cause, count))

    def _drop_places(self, count: int, at: int, journal: Journal) -> None:
        """So many places, the oldest, cannot be offered any more."""
        for units in [units for units in self._units if units.slot][: max(0, count)]:
            self.take(units, 1)
            self._places.give_back(units.slot, at, journal)

    @property
    def _known(self) -> int:
        """How many there are that are no places, with those that cannot be offered yet."""
        return self.loose + sum(units.count for units in self._fresh if not units.slot)

    def _drop_loose(self, count: int) -> None:
        """So many units that are no places are there no more: first of those that could not be offered yet."""
        for some in (self._fresh, self._units):
            for units in some:
                gone = 0 if units.slot else min(units.count, max(0, count))
                units.count -= gone
                count -= gone
            some[:] = [units for units in some if units.count]

    def taken(self, count: int, left: int) -> None:
        """So many were given to others who come before those here, ``left`` are free still: they were these as far as
        no other is left, or, where nothing is counted, at any rate."""
        self._drop_loose(count if left >= UNLIMITED else min(count, self._known - left))

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
