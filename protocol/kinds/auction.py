"""What a reader of the events knows of an auction, of either style: what stands, and how each bidder's own bid does.

Nobody but its holder is ever told a maximum; a gateway keeps them all because it knows only later who is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from protocol.kind_events import AuctionEnded, BidPlaced, EndMoved, PriceChanged, PriceDropped, UnitTaken
from protocol.kind_frames import BidStatus
from protocol.kinds.base import KindReplica
from protocol.states import TicketState

if TYPE_CHECKING:
    from protocol.path_replica import PathReplica


class AuctionReplica(KindReplica):
    """``price`` of a unit in minor units, None before there is one; ``min_next`` None: the start price; ``leaders`` the
    best first; ``maxima`` of all bids; ``winners`` None before the hammer. Of a Dutch one ``price``, ``next_drop_at``
    and ``taken``, at what price each ticket took its unit."""

    def __init__(self, path: PathReplica) -> None:
        super().__init__(path)
        self.price: int | None = None
        self.bids = 0
        self.min_next: int | None = None
        self.reserve_met = False
        self.extensions = 0
        self.leaders: dict[int, None] = {}
        self.maxima: dict[int, int] = {}
        self.winners: dict[int, None] | None = None
        self.next_drop_at: int | None = None
        self.taken: dict[int, int] = {}

    def status(self, ticket: int) -> BidStatus | None:
        """How the bid of ``ticket`` does; None for who has neither bid nor taken a unit."""
        if ticket in self.taken:
            return "lost" if self._path.states[ticket] == TicketState.LOST else "won"
        if ticket not in self.maxima:
            return None
        if self.winners is not None:
            return "won" if ticket in self.winners else "lost"
        if self._path.states[ticket] != TicketState.WAITING:
            return "lost"
        return "leading" if ticket in self.leaders else "outbid"

    def left(self, quantity: int, waitlist: PathReplica | None) -> int:
        """How many of ``quantity`` units of a Dutch auction nobody has, be it by the attached ``waitlist``, nor waits
        for after a claim."""
        return quantity - self.claimed() - self._path.given - (waitlist.given if waitlist else 0)

    def claimed(self) -> int:
        """How many units of a Dutch auction are taken by somebody who waits for their turn."""
        return sum(self._path.states[ticket] == TicketState.WAITING for ticket in self.taken)

    def image(self) -> Any:
        standing = [self.price, self.bids, self.min_next, self.reserve_met, self.extensions, self.next_drop_at]
        winners = None if self.winners is None else list(self.winners)
        return [standing, list(self.leaders), list(self.maxima.items()), winners, list(self.taken.items())]

    def fill(self, image: Any) -> None:
        standing, leaders, maxima, winners, taken = image
        self.price, self.bids, self.min_next, self.reserve_met, self.extensions, self.next_drop_at = standing
        self.leaders, self.maxima, self.taken = dict.fromkeys(leaders), dict(maxima), dict(taken)
        self.winners = None if winners is None else dict.fromkeys(winners)

    def _price_changed(self, event: PriceChanged) -> None:
        self.price, self.bids, self.min_next = event.price, event.bids, event.min_next
        self.reserve_met, self.extensions = event.reserve_met, event.extensions
        self._path.closes_at = event.ends_at
        for ticket in event.outbid:
            del self.leaders[ticket]
        self.leaders |= dict.fromkeys(event.leading)

    def _bid_placed(self, event: BidPlaced) -> None:
        self.maxima[event.ticket] = event.maximum
        self._price_changed(event)

    def _ended(self, event: AuctionEnded) -> None:
        self.winners = dict.fromkeys(event.winners)

    def _price_dropped(self, event: PriceDropped) -> None:
        self.price, self.next_drop_at = event.price, event.next_drop_at

    def _unit_taken(self, event: UnitTaken) -> None:
        self.taken[event.ticket] = event.price

    def _end_moved(self, event: EndMoved) -> None:
        self._path.closes_at, self.next_drop_at = event.ends_at, event.next_drop_at

    APPLY: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        PriceChanged: _price_changed,
        BidPlaced: _bid_placed,
        AuctionEnded: _ended,
        PriceDropped: _price_dropped,
        UnitTaken: _unit_taken,
        EndMoved: _end_moved,
    }
