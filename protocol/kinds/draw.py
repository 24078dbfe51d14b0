"""What a reader keeps of a draw: who was in the hat when the entries were fixed, and all that its proof is made of.

When entries close, every ticket that waits is in the hat with its hats; any other has 0. Who waits no more when the
order is drawn left in between: passed over, with the state that it is in as the reason.

Hands over to: ``protocol.proof``, which is the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.beacons import Beacon, chain_of
from protocol.distributions import Draw
from protocol.kind_events import BeaconGiven, DrawCommitted, Drawn, EntriesClosed, NotDrawn
from protocol.kinds.base import KindReplica
from protocol.lottery import in_the_hat, passed_over
from protocol.proof import Proof, Skipped, prove
from protocol.states import TicketState

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.path_replica import PathReplica


class DrawReplica(KindReplica):
    """``hats``: one byte a ticket, fixed at the close; ``commitment``, ``root`` and ``secret`` are empty until they are
    known. ``reserve``: those who are no winners may still move up."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.commitment = b""
        self.hats = b""
        self.root = b""
        self.beacon: tuple[bytes, bytes, bytes] | None = None
        self.secret = b""
        self.order_digest = b""
        self.winners: list[int] = []
        self.skipped: list[Skipped] = []
        self.reserve = False

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

    def _committed(self, event: DrawCommitted) -> None:
        self.commitment = event.commitment

    def _entries_closed(self, event: EntriesClosed) -> None:
        self.hats = in_the_hat(self._path.hats, self._path.states, TicketState.WAITING)
        self.root = event.root

    def _beacon_given(self, event: BeaconGiven) -> None:
        self.beacon = (event.randomness, event.signature, event.previous_signature)

    def _drawn(self, event: Drawn) -> None:
        self.secret, self.order_digest, self.winners = event.secret, event.order_digest, event.winners
        states = self._path.states
        gone = passed_over(self.hats, states, TicketState.WAITING)
        self.skipped = [Skipped(ticket, TicketState(states[ticket]).word) for ticket in gone]
        self.reserve = True

    def _not_drawn(self, event: NotDrawn) -> None:
        self.reserve = False
        self._path.lose_waiting(event.kept)

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        DrawCommitted: _committed,
        EntriesClosed: _entries_closed,
        BeaconGiven: _beacon_given,
        Drawn: _drawn,
        NotDrawn: _not_drawn,
    }

    def image(self) -> Any:
        """Everything, in order."""
        skipped = [(skip.ticket, skip.reason) for skip in self.skipped]
        fixed = [self.commitment, self.hats, self.root, self.beacon]
        return [*fixed, self.secret, self.order_digest, self.winners, skipped, self.reserve]

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        self.commitment, self.hats, self.root, beacon, *drawn = image
        self.secret, self.order_digest, self.winners, skipped, self.reserve = drawn
        self.beacon = None if beacon is None else tuple(beacon)
        self.skipped = [Skipped(*skip) for skip in skipped]
