"""What a reader knows of an auction: what stands, how a bidder does, and the same after it was stored."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.kind_events import AuctionEnded, BidPlaced, EndMoved, PriceChanged, PriceDropped, UnitTaken
from protocol.kinds.auction import AuctionReplica
from protocol.path_replica import OpenOffer, OpenWindow, PathReplica
from protocol.states import TicketState
from tests.support.samples import document, raw_auction


def _path(tickets: int) -> tuple[PathReplica, AuctionReplica]:
    settings = document(paths=[raw_auction(ends_at=60)]).paths[0]
    path = PathReplica(settings)
    path.states += bytes(tickets)
    path.roster.append(tickets)
    assert isinstance(path.kind, AuctionReplica)
    return path, path.kind


def _apply(kind: AuctionReplica, *events: Any) -> None:
    for event in events:
        kind.APPLY[type(event)](kind, event)


def _stored(kind: AuctionReplica) -> AuctionReplica:
    again = AuctionReplica(kind._path)
    again.fill(kind.image())
    return again


def test_it_follows_bids_until_the_hammer() -> None:
    path, kind = _path(4)
    assert (kind.price, kind.min_next, kind.status(0)) == (None, None, None)
    _apply(kind, BidPlaced("auction", 5, 100, 1, 200, True, 60, 0, [0], [], 0, 500, "a"))
    _apply(kind, BidPlaced("auction", 6, 600, 2, 700, True, 70, 1, [1], [0], 1, 900, "b"))
    _apply(kind, BidPlaced("auction", 7, 700, 3, 800, True, 70, 1, [], [], 2, 600, "c"))
    for one in (kind, _stored(kind)):
        assert (one.price, one.bids, one.min_next, one.reserve_met, one.extensions) == (700, 3, 800, True, 1)
        assert [one.status(ticket) for ticket in range(4)] == ["outbid", "leading", "outbid", None]
    assert path.closes_at == 70
    path.close_ticket(2, TicketState.REFUSED)
    _apply(kind, PriceChanged("auction", 8, 700, 3, 800, True, 70, 1, [0], [1]), EndMoved("auction", 75, None))
    assert [kind.status(ticket) for ticket in range(3)] == ["leading", "outbid", "lost"]
    assert path.closes_at == 75
    _apply(kind, AuctionEnded("auction", 75, 700, [0]))
    for one in (kind, _stored(kind)):
        assert [one.status(ticket) for ticket in range(4)] == ["won", "lost", "lost", None]


def test_it_follows_a_price_that_falls() -> None:
    path, kind = _path(3)
    _apply(kind, PriceDropped("auction", 5, 300, 15), UnitTaken("auction", 6, 1, 300))
    assert (kind.price, kind.next_drop_at, kind.left(3, None), kind.claimed()) == (300, 15, 2, 1)
    assert [kind.status(ticket) for ticket in (0, 1)] == [None, "won"]
    path.close_ticket(1, TicketState.ADMITTED)
    path.windows[1] = OpenWindow(bytes(16), "k1", 6, 600, "", 300)
    _apply(kind, EndMoved("auction", 65, 20), PriceDropped("auction", 20, 200, None))
    for one in (kind, _stored(kind)):
        assert (one.price, one.next_drop_at, one.left(3, None), one.taken) == (200, None, 2, {1: 300})
        assert (one.claimed(), one.status(1)) == (0, "won")
    path.close_ticket(1, TicketState.LOST)
    assert (kind.status(1), kind.left(3, None)) == ("lost", 3)
    waitlist, _ = _path(4)
    waitlist.completed = 1
    waitlist.windows[1] = path.windows.setdefault(1, OpenWindow(bytes(16), "k1", 6, 600, "", 300))
    assert kind.left(3, waitlist) == 0
    waitlist.offers[2] = OpenOffer(bytes(16), 60, "", None)
    assert (waitlist.given, kind.left(3, waitlist)) == (2, 0)
    for reserved, claimed in ((True, False), (False, True), (True, True)):
        waitlist.offers[2] = OpenOffer(bytes(16), 60, "", None, claimed, "", reserved)
        assert (waitlist.given, kind.left(3, waitlist)) == (3, -1)


@pytest.mark.parametrize("image", [None, 5])
def test_what_is_no_image_of_one_is_an_error(image: Any) -> None:
    _, kind = _path(0)
    with pytest.raises(TypeError):
        kind.fill(image)
