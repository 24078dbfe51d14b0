"""What a reader keeps of a lottery: who was in the hat when the roster was fixed, and all that its proof is made of.

When the roster is fixed, every ticket that waits is in the hat with its hats; any other has 0. Who waits no more when
the order is drawn left in between: passed over, with the state that it is in as the reason. Where there is more than
one drawing, as in a waitlist, the latest is kept.

Hands over to: ``protocol.proof``, which is the document; and to the kinds, which know what the order is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from protocol.kind_events import DrawCommitted, Drawn, EntriesClosed
from protocol.kinds.base import KindReplica
from protocol.lottery import in_the_hat, passed_over
from protocol.proof import Proof, Skipped, prove
from protocol.states import TicketState

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.beacons import Beacon
    from protocol.path_replica import PathReplica


class LotsReplica(KindReplica):
    """``hats``: one byte a ticket, as they were fixed; ``commitment``, ``root`` and ``secret`` are empty until they are
    known."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.commitment = b""
        self.hats = b""
        self.root = b""
        self.secret = b""
        self.order_digest = b""
        self.winners: list[int] = []
        self.skipped: list[Skipped] = []

    def proof(self, experience: str) -> Proof | None:
        """The proof of the order, or None before it is drawn."""
        if not self.secret:
            return None
        return prove(
            experience,
            self._path.settings.id,
            hats=self.hats,
            secret=self.secret,
            beacon=self.round(),
            order_digest=self.order_digest,
            winners=self.winners,
            skipped=self.skipped,
        )

    def round(self) -> Beacon | None:
        """The round of a beacon that was named, with what it gave; None where none was named."""
        return None

    def _committed(self, event: DrawCommitted) -> None:
        self.commitment = event.commitment

    def _entries_closed(self, event: EntriesClosed) -> None:
        self.hats = in_the_hat(self._path.hats, self._path.states, TicketState.WAITING)
        self.root, self.secret = event.root, b""

    def _drawn(self, event: Drawn) -> None:
        self.secret, self.order_digest, self.winners = event.secret, event.order_digest, event.winners
        states = self._path.states
        gone = passed_over(self.hats, states, TicketState.WAITING)
        self.skipped = [Skipped(ticket, TicketState(states[ticket]).word) for ticket in gone]

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        DrawCommitted: _committed,
        EntriesClosed: _entries_closed,
        Drawn: _drawn,
    }

    def image(self) -> Any:
        """Everything, in order; None before anything is known."""
        skipped = [(skip.ticket, skip.reason) for skip in self.skipped]
        fixed = [self.commitment, self.hats, self.root]
        known = self.commitment or self.root
        return [*fixed, self.secret, self.order_digest, self.winners, skipped] if known else None

    def fill(self, image: Any) -> None:
        """Take what ``image`` gave."""
        self.commitment, self.hats, self.root, self.secret, self.order_digest, self.winners, skipped = image
        self.skipped = [Skipped(*skip) for skip in skipped]
