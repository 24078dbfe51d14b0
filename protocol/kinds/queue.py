"""What a reader keeps of a queue with a lobby: its lottery, and the places of those who were there before the opening.

In the lobby nobody has a place. The order comes in parts, and counts once it is drawn: then the roster is arranged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.kind_events import Drawn, EntriesClosed, PlacesGiven
from protocol.kinds.lots import LotsReplica
from protocol.roster import EVERYBODY
from protocol.states import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class QueueReplica(LotsReplica):
    """``places``: the order as far as it was given, 4 bytes a ticket; empty once it is drawn."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.places = b""

    def entered(self, phase: str) -> None:
        roster = self._path.roster
        if phase == Phase.LOBBY:
            roster.unplaced = EVERYBODY
        elif roster.unplaced == EVERYBODY:
            roster.unplaced = 0

    def _entries_closed(self, event: EntriesClosed) -> None:
        super()._entries_closed(event)
        self._path.roster.unplaced = event.tickets

    def _places_given(self, event: PlacesGiven) -> None:
        self.places += event.tickets

    def _drawn(self, event: Drawn) -> None:
        super()._drawn(event)
        self._path.roster.arrange(self.places)
        self.places = b""

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = LotsReplica.APPLY | {
        EntriesClosed: _entries_closed,
        PlacesGiven: _places_given,
        Drawn: _drawn,
    }

    def image(self) -> Any:
        """The lottery, the roster's order, and what is to be one; None where there never was a lobby."""
        lots, roster = super().image(), self._path.roster
        return None if lots is None else [lots, roster.order, roster.unplaced, self.places]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        lots, order, unplaced, self.places = image
        super().fill(lots)
        if order:
            self._path.roster.arrange(order)
        self._path.roster.unplaced = unplaced
