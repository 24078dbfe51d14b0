"""What an auction tells: to each bidder how their own bid does, and to everybody what stands.

`bid_status` comes with each bid of one's own and whenever one leads, leads no longer, has won or has lost; it answers
the bid, and in a Dutch auction the claim. Nobody is told another's maximum, or a reserve price that is not reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from msgspec import UNSET

from gateway import told
from gateway.fact import Commands, Fact, FactFrame
from gateway.kinds.base import KindState, KindTelling
from protocol.commands import Claim, PlaceBid
from protocol.distributions import Auction, max_admissions_of
from protocol.events import Expired, Left, ReleaseRateChanged, TicketRefused, WaitingLost
from protocol.kind_events import (
    AuctionEnded,
    BidPlaced,
    Claimed,
    EndMoved,
    Offered,
    OfferExpired,
    PriceChanged,
    PriceDropped,
    TicketsLost,
    UnitTaken,
)
from protocol.kind_frames import BidStatusFrame, HighBidFrame
from protocol.kinds.auction import AuctionReplica
from protocol.money import decimal_string, minor_units
from protocol.path_replica import PathReplica
from protocol.states import TicketState


class AuctionTelling(KindTelling):
    """Of both styles."""

    PROMPT = True
    REPEATED = (PlaceBid,)
    SHARED = (PriceChanged, AuctionEnded, PriceDropped, UnitTaken, EndMoved)
    PROMPTING = (
        Expired,
        Left,
        TicketRefused,
        TicketsLost,
        WaitingLost,
        Offered,
        Claimed,
        OfferExpired,
        ReleaseRateChanged,
    )

    def held(self, path: PathReplica, ticket: int, now_ms: int) -> Iterable[FactFrame]:
        if _kind(path).status(ticket):
            yield _bid_status(path, ticket)

    def states(self, path: PathReplica, now_ms: int) -> Iterable[tuple[str, KindState]]:
        terms = path.settings.distribution
        assert isinstance(terms, Auction), "an auction has the terms of one"
        frame = self._dutch(path, terms, now_ms) if terms.style == "dutch" else _english(path, terms, now_ms)
        yield f"high_bid {path.settings.id}", frame

    def _bid_placed(self, event: BidPlaced, now_ms: int) -> Iterator[Fact]:
        yield from self._statuses(event.path, [event.ticket], (PlaceBid,), event.id)
        yield from self._statuses(event.path, [one for one in event.outbid if one != event.ticket])
        yield from self._statuses(event.path, [one for one in event.leading if one != event.ticket])

    def _price_changed(self, event: PriceChanged, now_ms: int) -> Iterator[Fact]:
        yield from self._statuses(event.path, [*event.outbid, *event.leading])

    def _ended(self, event: AuctionEnded, now_ms: int) -> Iterator[Fact]:
        path = self._replica.paths[event.path]
        bidders = [ticket for ticket in _kind(path).maxima if path.states[ticket] == TicketState.WAITING]
        yield from self._statuses(event.path, bidders)

    def _unit_taken(self, event: UnitTaken, now_ms: int) -> Iterator[Fact]:
        yield from self._statuses(event.path, [event.ticket], (Claim,))

    def _statuses(self, path: str, tickets: list[int], answers: Commands = (), bid: str = "") -> Iterator[Fact]:
        for ticket in tickets:
            person = self._people.owner(path, ticket)
            if person is not None:
                yield Fact(person, _bid_status(self._replica.paths[path], ticket), answers, bid)

    def _dutch(self, path: PathReplica, terms: Auction, now_ms: int) -> HighBidFrame:
        kind = _kind(path)
        return HighBidFrame(
            path=path.settings.id,
            currency=terms.currency,
            closes_at=path.closes_at,
            now=now_ms,
            price=told.price(path, kind.price),
            next_drop_at=UNSET if kind.next_drop_at is None else kind.next_drop_at,
            left=max(0, self._left(path, terms)),
        )

    def _left(self, path: PathReplica, terms: Auction) -> int:
        """How many units can be taken: the quantity less what is given, and no more than is in stock."""
        document, kind = self._replica.document, _kind(path)
        quantity = max_admissions_of(terms)
        assert document is not None and quantity is not None, "a path is part of a document, a quantity is a cap"
        waitlist = document.waitlist_of(path.settings.id)
        left = kind.left(quantity, None if waitlist is None else self._replica.paths[waitlist.id])
        stocks = [self._replica.stock.get(variant) for variant in document.variants_of(path.settings)]
        if any(stock is None or stock.total is None for stock in stocks) or not stocks:
            return left
        free = sum((stock.total or 0) - stock.reserved - stock.completed for stock in stocks if stock is not None)
        return min(left, free - kind.claimed())

    FACTS: ClassVar[dict[type, Callable[[Any, Any, int], Iterator[Fact]]]] = {
        BidPlaced: _bid_placed,
        PriceChanged: _price_changed,
        AuctionEnded: _ended,
        UnitTaken: _unit_taken,
    }


def _kind(path: PathReplica) -> AuctionReplica:
    assert isinstance(path.kind, AuctionReplica), "an auction has its own replica"
    return path.kind


def _bid_status(path: PathReplica, ticket: int) -> BidStatusFrame:
    kind = _kind(path)
    status = kind.status(ticket)
    assert status is not None, "only who has bid, or taken a unit, is told of it"
    return BidStatusFrame(
        path=path.settings.id,
        status=status,
        max=told.price(path, kind.maxima.get(ticket)),
        price=told.price(path, kind.taken.get(ticket, kind.price)),
    )


def _english(path: PathReplica, terms: Auction, now_ms: int) -> HighBidFrame:
    kind, currency = _kind(path), terms.currency
    start = minor_units(terms.start_price, currency)
    return HighBidFrame(
        path=path.settings.id,
        currency=currency,
        closes_at=path.closes_at,
        now=now_ms,
        amount=None if kind.price is None else decimal_string(kind.price, currency),
        bids=kind.bids,
        min_next=decimal_string(start if kind.min_next is None else kind.min_next, currency),
        reserve_met=UNSET if terms.reserve_price is None else kind.reserve_met,
        extensions=kind.extensions,
    )
