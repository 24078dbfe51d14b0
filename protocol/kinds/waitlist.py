"""What a reader keeps of a waitlist: whether anything is left of what is offered to all, who was told that the path
which it is attached to has opened; and, by lottery, the latest order, in which nobody has a place: another may be drawn
before their turn comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.distributions import Waitlist
from protocol.kind_events import Announced, UnitsGone
from protocol.kinds.lots import LotsReplica
from protocol.roster import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class WaitlistReplica(LotsReplica):
    """``gone``: nothing is left of what is offered to all, and it may return. ``announced``: the tickets below it were
    told of the latest opening. The lottery is that of the latest order, but for the commitment, which is to the
    next."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.gone = False
        self.announced = 0
        self.configured()

    def configured(self) -> None:
        terms = self._path.settings.distribution
        assert isinstance(terms, Waitlist), "the replica of a waitlist belongs to one"
        self._path.roster.unplaced = EVERYBODY if terms.order == "lottery" else 0

    def _units_gone(self, event: UnitsGone) -> None:
        self.gone = event.gone

    def _announced(self, event: Announced) -> None:
        self.announced = self._path.tickets

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = LotsReplica.APPLY | {
        UnitsGone: _units_gone,
        Announced: _announced,
    }

    def image(self) -> Any:
        """The lottery, where there is one, and both others."""
        return [super().image(), self.gone, self.announced]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        lots, self.gone, self.announced = image
        if lots is not None:
            super().fill(lots)
        self.configured()
