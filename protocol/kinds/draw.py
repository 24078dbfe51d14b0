"""What a reader keeps of a draw: its lottery, the beacon's round, and whether others may still move up.

Hands over to: ``protocol.kinds.lots``, which has the proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.beacons import Beacon, chain_of
from protocol.distributions import Draw
from protocol.kind_events import BeaconGiven, Drawn, NotDrawn
from protocol.kinds.lots import LotsReplica

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class DrawReplica(LotsReplica):
    """``beacon``: randomness, signature and the signature before. ``reserve``: those who are no winners may still move
    up."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.beacon: tuple[bytes, bytes, bytes] | None = None
        self.reserve = False

    def round(self) -> Beacon | None:
        settings = self._path.settings.distribution
        assert isinstance(settings, Draw), "the replica of a draw belongs to a path that draws"
        if settings.beacon is None or self.beacon is None:
            return None
        source, chain = settings.beacon.source, chain_of(settings.beacon.source)
        key = "" if chain is None else chain.public_key
        randomness, signature, previous = (part.hex() for part in self.beacon)
        return Beacon(source, settings.beacon.round, randomness, signature, key, previous or None)

    def _beacon_given(self, event: BeaconGiven) -> None:
        self.beacon = (event.randomness, event.signature, event.previous_signature)

    def _drawn(self, event: Drawn) -> None:
        super()._drawn(event)
        self.reserve = True

    def _not_drawn(self, event: NotDrawn) -> None:
        self.reserve = False
        self._path.lose_waiting(event.kept)

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = LotsReplica.APPLY | {
        BeaconGiven: _beacon_given,
        Drawn: _drawn,
        NotDrawn: _not_drawn,
    }

    def image(self) -> Any:
        """Everything, in order."""
        return [super().image(), self.beacon, self.reserve]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        lots, beacon, self.reserve = image
        if lots is not None:
            super().fill(lots)
        self.beacon = None if beacon is None else tuple(beacon)
