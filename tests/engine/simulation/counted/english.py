"""An English auction as the recount has it: what the bids come to, played from the first one on behind each of them.

The rule is that of the naive model (``tests.engine.auctions``), which knows only a list of bids: here each has the
terms that held when it came, and whoever is turned away is a bid of nothing. At the hammer the winners follow from it;
from then on they are in line, and nobody who may have a second chance waits while there is room for one.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from protocol import commands as c
from protocol import kind_events as k
from protocol.distributions import Auction
from protocol.documents import Path
from protocol.money import minor_units
from protocol.refusals import Reason
from tests.engine.auctions import Bid, Terms, ranked, step_of, worth
from tests.engine.simulation.counted.moving import CountedMoving
from tests.engine.simulation.world import Broken

NOBODY = -1


class Stand(NamedTuple):
    """What the bids come to: the price, who leads, and what everybody who is still there has bid, best first."""

    price: int
    leaders: list[int]
    bids: dict[int, int]


class CountedEnglish(CountedMoving):
    """``happened``: every bid, with the terms of its time; a maximum of -1 takes the bids of a ticket away, and of
    ``NOBODY`` says that other terms hold. ``hammered``: who won, from the hammer on."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.happened: list[tuple[Terms, Bid]] = []
        self.extensions = 0
        self.hammered: dict[int, None] | None = None
        self.hoping: dict[int, None] = {}
        self.claims: dict[int, None] = {}

    @property
    def undecided(self) -> bool:
        return self.hammered is None and self.phase != "ended"

    @property
    def line(self) -> list[int]:
        return [*self.claims, *(ticket for ticket in self.hammered or () if ticket in self.waiting)]

    @property
    def _told(self) -> Auction:
        terms = self.settings.distribution
        assert isinstance(terms, Auction), "an auction has the terms of one"
        return terms

    def put(self, settings: Path, sells: str, now_ms: int) -> None:
        super().put(settings, sells, now_ms)
        self.happened.append((self._terms(), Bid(now_ms, NOBODY, -1)))

    def forget(self, ticket: int) -> None:
        super().forget(ticket)
        for held in (self.hoping, self.claims):
            held.pop(ticket, None)
        if self.hammered is None:
            self.happened.append((self._terms(), Bid(0, ticket, -1)))

    def stand(self) -> Stand:
        """From nothing, bid after bid."""
        price, leaders, standing = 0, list[int](), list[Bid]()
        for terms, bid in self.happened:
            if bid.maximum < 0:
                standing = [one for one in standing if one.who != bid.who]
            else:
                standing.append(bid)
                if bid.who not in leaders:
                    price = max(price, worth(terms, standing))
                if terms.reserve is not None and bid.maximum >= terms.reserve:
                    price = max(price, terms.reserve)
            leaders = [who for who, maximum in ranked(standing)[: terms.quantity] if maximum >= price]
        return Stand(price, leaders, dict(ranked(standing)))

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        spare = room - len(self.line) + len(self.claims)
        if self.serves and self.hoping and spare > 0:
            raise Broken(f"idle: {spare} units are there, and {list(self.hoping)} get no second chance")

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.PlaceBid) and reason == Reason.TOO_LOW:
            least = minor_units(detail["min_next"], self._told.currency)
            if self.hammered is not None or command.maximum >= least or least < self._least(self.stand()):
                raise Broken(f"refusals: {command.maximum} was too low for {detail}, the bids are {self.stand()}")

    def _terms(self) -> Terms:
        told = self._told
        ladder = [(self._units(one.from_), self._units(one.step)) for one in told.increments]
        reserve = None if told.reserve_price is None else self._units(told.reserve_price)
        clock = (told.extend_window_seconds, told.extend_by_seconds, told.max_extensions, 0)
        return Terms(told.quantity, self._units(told.start_price), reserve, ladder, *clock)

    def _units(self, money: str) -> int:
        return minor_units(money, self._told.currency)

    def _least(self, stand: Stand) -> int:
        has_bids = any(bid.maximum >= 0 for _, bid in self.happened)
        return stand.price + step_of(self._terms(), stand.price) if has_bids else self._terms().start

    def bid(self, event: k.BidPlaced, now_ms: int) -> None:
        before, terms = self.stand(), self._terms()
        if event.maximum < self._least(before) or event.maximum <= before.bids.get(event.ticket, -1):
            raise Broken(f"auction: {event.maximum} of {event.ticket} was taken, the bids were {before}")
        self.happened.append((terms, Bid(event.at, event.ticket, event.maximum)))
        after = self.stand()
        if (before.price, set(before.leaders)) != (after.price, set(after.leaders)):
            self._extend(terms, event.at)
        told = (event.price, event.min_next, event.ends_at, event.extensions)
        known = (after.price, self._least(after), self.closes_at, self.extensions)
        if told != known:
            raise Broken(f"auction: {told} was told, the bids come to {known}")
        if after.price < before.price:
            raise Broken(f"auction: the price fell from {before.price} to {after.price}")

    def _extend(self, terms: Terms, at: int) -> None:
        later = at + 1_000 * terms.by
        late = self.closes_at is not None and self.closes_at - at <= 1_000 * terms.window and later > self.closes_at
        if late and (terms.most is None or self.extensions < terms.most):
            self.closes_at, self.extensions = later, self.extensions + 1

    def hammer(self, event: k.AuctionEnded, now_ms: int) -> None:
        stand, reserve = self.stand(), self._terms().reserve
        winners = stand.leaders if reserve is None or stand.price >= reserve else []
        if event.winners != winners or (winners and event.price != stand.price):
            raise Broken(f"auction: {event.winners} won at {event.price}, the bids come to {stand}")
        self.hammered = dict.fromkeys(winners)
        if self._told.second_chance and (reserve is None or stand.price >= reserve):
            others = [who for who, maximum in stand.bids.items() if who not in winners and maximum >= (reserve or 0)]
            self.hoping = dict.fromkeys(others)

    def offered(self, event: k.Offered, now_ms: int) -> None:
        super().offered(event, now_ms)
        bids = self.stand().bids
        for ticket, price in zip(event.tickets, event.prices, strict=True):
            if ticket != next(iter(self.hoping), None) or price != bids[ticket]:
                raise Broken(f"auction: a second chance at {price} is for {list(self.hoping)[:1]}, not for {ticket}")
            del self.hoping[ticket]

    def claimed(self, event: k.Claimed, now_ms: int) -> None:
        self.claims[event.ticket] = None
        self.offers[event.ticket].claimed = True

    ACTS: ClassVar[dict[type, Any]] = CountedMoving.ACTS | {
        k.BidPlaced: bid,
        k.AuctionEnded: hammer,
        k.Claimed: claimed,
        k.Offered: offered,
    }
