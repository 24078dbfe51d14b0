"""What a reader keeps of a draw: who was in the hat when the entries were fixed, and all that its proof is made of.

When entries close, every ticket that waits is in the hat with its hats; any other has 0. Who waits no more when the
order is drawn left in between: passed over, with the state that it is in as the reason.

Hands over to: ``protocol.proof``, which is the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.beacons import Beacon, chain_of
from protocol.distributions import Draw
from protocol.kind_events import BeaconGiven, Drawn, EntriesClosed
from protocol.kinds.base import KindReplica
from protocol.proof import Proof, Skipped, prove
from protocol.states import TicketState

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class DrawReplica(KindReplica):
    """``hats``: one byte a ticket, fixed at the close; ``root`` and ``secret`` are empty until they are known."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.hats = b""
        self.root = b""
        self.beacon: tuple[bytes, bytes, bytes] | None = None
        self.secret = b""
        self.order_digest = b""
        self.winners: list[int] = []
        self.skipped: list[Skipped] = []

    def proof(self, experience: str) -> Proof | None:
        """The proof of the draw, or None before it is drawn."""
        if not self.secret:
            return None
        return prove(
            experience,
            self._path.settings.id,
            hats=self.hats,
            secret=self.secret,
            beacon=self._round(),
            order_digest=self.order_digest,
            winners=self.winners,
            skipped=self.skipped,
        )

    def _round(self) -> Beacon | None:
        """The round that the path named, with what it gave; None where none was named."""
        settings = self._path.settings.distribution
        assert isinstance(settings, Draw), "the replica of a draw belongs to a path that draws"
        if settings.beacon is None or self.beacon is None:
            return None
        source, chain = settings.beacon.source, chain_of(settings.beacon.source)
        key = "" if chain is None else chain.public_key
        randomness, signature, previous = (part.hex() for part in self.beacon)
        return Beacon(source, settings.beacon.round, randomness, signature, key, previous or None)

    def _entries_closed(self, event: EntriesClosed) -> None:
        states, hats = self._path.states, self._path.hats
        waiting = TicketState.WAITING
        self.hats = bytes(own if state == waiting else 0 for own, state in zip(hats, states, strict=True))
        self.root = event.root

    def _beacon_given(self, event: BeaconGiven) -> None:
        self.beacon = (event.randomness, event.signature, event.previous_signature)

    def _drawn(self, event: Drawn) -> None:
        self.secret, self.order_digest, self.winners = event.secret, event.order_digest, event.winners
        states = self._path.states
        gone = [ticket for ticket, hats in enumerate(self.hats) if hats and states[ticket] != TicketState.WAITING]
        self.skipped = [Skipped(ticket, TicketState(states[ticket]).word) for ticket in gone]

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        EntriesClosed: _entries_closed,
        BeaconGiven: _beacon_given,
        Drawn: _drawn,
    }

    def image(self) -> Any:
        """Everything, in order."""
        skipped = [(skip.ticket, skip.reason) for skip in self.skipped]
        return [self.hats, self.root, self.beacon, self.secret, self.order_digest, self.winners, skipped]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        self.hats, self.root, beacon, self.secret, self.order_digest, self.winners, skipped = image
        self.beacon = None if beacon is None else tuple(beacon)
        self.skipped = [Skipped(*skip) for skip in skipped]
