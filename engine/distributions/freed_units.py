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
    def first(self) -> Units:
        """The oldest; there must be one."""
        return self._units[0]

    def first_to_be_had(self, at: int) -> Units | None:
        """The oldest that somebody can have at ``at``: no place in a slot that has begun; None = there is none."""
        return next((units for units in self._units if self._places.can_be_had(units.slot, at)), None)

    def add(self, source: str, cause: str, count: int, slot: str = "") -> None:
        """So many have come."""
        self._fresh.append(Units(source, cause, count, slot))

    def collect(self, spare: int, at: int, journal: Journal) -> None:
        """Take in what has come, as far as it can be used, with what is there already: ``spare`` in all. What somebody
        else took meanwhile is no unit any more."""
        fresh, self._fresh = self._fresh, []
        room = spare - self.count
        for freed in fresh:
            freed.count = min(freed.count, room)
            if freed.count > 0 and self._places.can_be_had(freed.slot, at):
                room -= freed.count
                self._units.append(freed)
                journal.add(UnitsFreed(self._path.id, at, freed.source, freed.cause, freed.count))
            elif freed.slot:
                self._places.give_back(freed.slot, at, journal)
        self.drop(-min(room, 0), at, journal)

    def take(self, count: int) -> list[str]:
        """``count`` units are used, the oldest first; answers the slots of those that are places."""
        slots = []
        while count:
            first = self._units[0]
            used = min(count, first.count)
            first.count -= used
            count -= used
            if not first.count:
                slots += [first.slot] if first.slot else []
                del self._units[0]
        return slots

    def drop(self, count: int, at: int, journal: Journal) -> None:
        """``count`` units, the oldest, cannot be offered any more."""
        for slot in self.take(count):
            self._places.give_back(slot, at, journal)

    def drop_lost(self, at: int, journal: Journal) -> None:
        """What nobody can have any more cannot be offered."""
        lost = [units for units in self._units if not self._places.can_be_had(units.slot, at)]
        self._units = [units for units in self._units if units not in lost]
        for units in lost:
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
