"""The audit of an English auction: the highest maxima win, and nobody pays a price that the bids do not come to.

For every bid all standing maxima are looked through anew. Checked are each bid (high enough, above one's own, in time,
once an id), what is told of it (price, leaders, the least next bid, the reserve, the end and its extensions), the
hammer, what each winner pays, and that a second chance goes to the next bidder, at their own maximum.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import Any, ClassVar

from engine.audits.offers import AuditedOffers
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Auction
from protocol.documents import Path
from protocol.money import minor_units
from protocol.states import TicketState


class AuditedAuction(AuditedOffers):
    """``maxima``: the standing ones as (-maximum, number of the bid, ticket), by ticket; ``line``: winners who wait;
    ``told``: what is paid by those who are admitted next."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.maxima: dict[int, tuple[int, int, int]] = {}
        self.ids: dict[tuple[int, str], int] = {}
        self.price = 0
        self.bids = 0
        self.extensions = 0
        self.leaders: list[int] = []
        self.winners: list[int] | None = None
        self.line: list[int] = []
        self.told: dict[int, int | None] = {}

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        super().resume_kind(own, offers)
        (self.price, self.bids, ranked), ids, (_, self.extensions, hammered), (winners, line, _) = own
        self.maxima = {standing[2]: tuple(standing) for standing in ranked}
        self.ids = {(ticket, bid): maximum for ticket, bid, maximum, _ in ids}
        self.winners, self.line = (list(winners), list(line)) if hammered else (None, [])
        self.leaders = self._best()

    def next_turn(self, candidate: int) -> int | None:
        """The first claim, else the first winner, as far as what they want is left."""
        claimed = super().next_turn(candidate)
        return self.first_of(self.line, candidate) if claimed is None else claimed

    def allot(self, event: k.Allotted) -> None:
        super().allot(event)
        self.told.update(zip(event.tickets, event.prices, strict=True))

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        is_new = super().admit(ticket, event)
        due = -self.maxima[ticket][0]
        if ticket in self.line:
            due = self.price
            self.line.remove(ticket)
        if self.told.pop(ticket, None) != due:
            raise Broken(f"ticket {ticket} does not pay {due}")
        return is_new

    def close(self, ticket: int, state: TicketState) -> None:
        super().close(ticket, state)
        if ticket in self.line:
            self.line.remove(ticket)
        if self.winners is None:
            self.maxima.pop(ticket, None)

    def left(self, event: e.Left) -> None:
        if self.winners is None and event.ticket in self.maxima:
            raise Broken(f"ticket {event.ticket} left with a bid that stands")
        super().left(event)

    def tickets_lost(self, event: k.TicketsLost) -> None:
        for ticket in event.tickets:
            if event.reason == "outbid" and (ticket in self.line or ticket not in self.maxima):
                raise Broken(f"ticket {ticket} was lost as outbid and was not")
        super().tickets_lost(event)

    def due(self, ticket: int, price: int | None) -> None:
        own, reserve = self.maxima.get(ticket), self._units(self._terms().reserve_price)
        if self.winners is None or ticket in self.winners or own is None or -own[0] < reserve or price != -own[0]:
            raise Broken(f"a second chance at {price} is not for ticket {ticket}")
        hoping = [one for _, _, one in sorted(self.maxima.values()) if one not in self.winners]
        first = self.first_of([one for one in hoping if self.states[one] == TicketState.WAITING], ticket)
        if ticket != first:
            raise Broken(f"ticket {ticket} got a second chance, but {first} has bid more")

    def returned(self, event: e.Returned) -> None:
        raise Broken(f"ticket {event.ticket} waits again, but an auction forgives no missed turn")

    def end_moved(self, event: k.EndMoved) -> None:
        """A pause or an outage gives time back."""
        if self.closes_at is not None and (event.ends_at is None or event.ends_at < self.closes_at):
            raise Broken(f"the end moved from {self.closes_at} to {event.ends_at}")
        self.closes_at = event.ends_at

    def bid(self, event: k.BidPlaced) -> None:
        """A bid, and what stands then."""
        ticket, maximum = event.ticket, event.maximum
        self._taken(event)
        led, before = ticket in self.leaders, (self.price, set(self.leaders))
        self.bids += 1
        self.maxima[ticket] = (-maximum, self.bids, ticket)
        if not led:
            self.price = max(self.price, self._worth())
        reserve = self._terms().reserve_price
        if reserve is not None and maximum >= self._units(reserve):
            self.price = max(self.price, self._units(reserve))
        if (self.price, set(self._best())) != before:
            self._extend(event)
        self.changed(event)

    def _taken(self, event: k.BidPlaced) -> None:
        ticket, maximum = event.ticket, event.maximum
        self.expect(ticket, {TicketState.WAITING})
        if (
            self.phase != "open"
            or self.winners is not None
            or (self.closes_at is not None and event.at >= self.closes_at)
        ):
            raise Broken(f"ticket {ticket} bid at {event.at}, the auction was {self.phase} until {self.closes_at}")
        if maximum < self._least() or (ticket in self.maxima and maximum <= -self.maxima[ticket][0]):
            raise Broken(f"ticket {ticket} bid {maximum}, that is too low")
        if event.id and self.ids.setdefault((ticket, event.id), self.bids) != self.bids:
            raise Broken(f"bid {event.id} of ticket {ticket} was taken twice")

    def changed(self, event: k.PriceChanged) -> None:
        """What stands is what the bids come to."""
        self.leaders = [one for one in self.leaders if one not in event.outbid] + event.leading
        if set(self.leaders) != set(self._best()):
            raise Broken(f"{self.leaders} are told to lead, {self._best()} do")
        told = (event.price, event.bids, event.min_next, event.reserve_met, event.ends_at, event.extensions)
        known = (self.price, self.bids, self._least(), self._reserve_met(), self.closes_at, self.extensions)
        if told != known:
            raise Broken(f"{told} is told, the bids come to {known}")

    def hammer(self, event: k.AuctionEnded) -> None:
        """The auction is over."""
        winners = self._best() if self._reserve_met() else []
        if (event.price, event.winners) != (self.price, winners):
            raise Broken(f"{event.winners} won at {event.price}, the bids come to {winners} at {self.price}")
        if self.winners is not None or (self.closes_at is not None and event.at < self.closes_at):
            raise Broken(f"the hammer fell at {event.at}, the end was {self.closes_at}")
        self.winners, self.line = winners, list(winners)

    # What the bids come to

    def _terms(self) -> Auction:
        assert isinstance(self.settings.distribution, Auction), "an auction has the terms of one"
        return self.settings.distribution

    def _units(self, money: str | None) -> int:
        return minor_units(money or "0", self._terms().currency)

    def _step(self, price: int) -> int:
        return [self._units(one.step) for one in self._terms().increments if self._units(one.from_) <= price][-1]

    def _least(self) -> int:
        return self.price + self._step(self.price) if self.bids else self._units(self._terms().start_price)

    def _reserve_met(self) -> bool:
        reserve = self._terms().reserve_price
        return reserve is None or (self.bids > 0 and self.price >= self._units(reserve))

    def _best(self) -> list[int]:
        best = nsmallest(self._terms().quantity, self.maxima.values())
        return [ticket for negative, _, ticket in best if -negative >= self.price]

    def _worth(self) -> int:
        """min(the lowest winning maximum, the highest losing one + its increment); the start price if nobody loses."""
        best = nsmallest(self._terms().quantity + 1, self.maxima.values())
        winning, reserve = best[: self._terms().quantity], self._units(self._terms().reserve_price)
        winning = [one for one in winning if -one[0] >= reserve] or winning
        losing = best[len(winning) :]
        if not losing:
            return self._units(self._terms().start_price)
        return min(-winning[-1][0], -losing[0][0] + self._step(-losing[0][0]))

    def _extend(self, event: k.BidPlaced) -> None:
        terms, later = self._terms(), event.at + 1_000 * self._terms().extend_by_seconds
        if self.closes_at is None or self.closes_at - event.at > 1_000 * terms.extend_window_seconds:
            return
        if later > self.closes_at and (terms.max_extensions is None or self.extensions < terms.max_extensions):
            self.closes_at, self.extensions = later, self.extensions + 1

    CHECKS: ClassVar[dict[type, Any]] = AuditedOffers.CHECKS | {
        k.BidPlaced: bid,
        k.PriceChanged: changed,
        k.AuctionEnded: hammer,
        k.EndMoved: end_moved,
    }
