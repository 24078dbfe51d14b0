"""The bids of an English auction: who leads, and what a unit costs. Rules of §6, kept here and nowhere else.

A bid names the most that somebody will pay. The ``quantity`` highest maxima win, of equal ones the earlier; where there
is a reserve, only those that reach it, once one does. All pay min(the lowest winning maximum, the highest losing one +
the increment of its band), and ``start`` while no maximum loses.

The price is state: it is computed anew only when the maximum of somebody who did not lead is accepted, and it never
falls. A leader's own higher maximum moves it to the reserve at most, and so does every maximum that reaches the
reserve. Whoever's maximum the price has passed does not lead, even where a place is free, because the merchant turned
somebody away: nobody ever pays more than their own maximum.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from typing import Any, Final, NamedTuple

from engine.core.limits import ANSWER_AGE_MS_MAX, ANSWERS_MAX
from protocol.distributions import Auction
from protocol.money import minor_units

MAXIMUM_MAX: Final = 10**15
"""No price in a document can be higher, whatever the currency."""


class Rules(NamedTuple):
    """What an auction asks for, in minor units. ``bands``: from which price on a bid must be how much higher."""

    quantity: int
    start: int
    reserve: int | None
    bands: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, terms: Auction) -> Rules:
        """The rules of these terms, which contradict themselves in nothing."""

        def units(money: str) -> int:
            return minor_units(money, terms.currency)

        reserve = None if terms.reserve_price is None else units(terms.reserve_price)
        bands = tuple((units(one.from_), units(one.step)) for one in terms.increments)
        return cls(terms.quantity, units(terms.start_price), reserve, bands)

    def above(self, price: int) -> int:
        """``price`` and the increment of its band."""
        return price + self.bands[bisect_right(self.bands, (price, MAXIMUM_MAX)) - 1][1]


class Bids:
    """State: ``price`` (0 while there is no bid), ``count``, how many were accepted, and the standing maxima as
    (-maximum, number of the bid, ticket), the best first."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.price = 0
        self.count = 0
        self._ranked: list[tuple[int, int, int]] = []
        self._by_ticket: dict[int, tuple[int, int, int]] = {}

    @property
    def min_next(self) -> int:
        """The least that is taken next."""
        return self.rules.above(self.price) if self.count else self.rules.start

    @property
    def reserve_met(self) -> bool:
        """Whether the price has come to the reserve; where there is none, it has."""
        return self.rules.reserve is None or (self.count > 0 and self.price >= self.rules.reserve)

    def maximum(self, ticket: int) -> int | None:
        """The most that the holder will pay; None = no bid."""
        standing = self._by_ticket.get(ticket)
        return None if standing is None else -standing[0]

    def least(self, ticket: int | None) -> int:
        """The least that this ticket (None: a new one) can bid now."""
        own = None if ticket is None else self.maximum(ticket)
        return self.min_next if own is None else max(self.min_next, own + 1)

    def leaders(self) -> list[int]:
        """Who would win now but for the reserve, the best first."""
        best = self._ranked[: self.rules.quantity]
        return [ticket for negative, _, ticket in best if -negative >= self.price]

    def in_order(self) -> list[int]:
        """Everybody who has bid, the best first."""
        return [ticket for _, _, ticket in self._ranked]

    def place(self, ticket: int, maximum: int) -> None:
        """A bid that is high enough."""
        rules = self.rules
        led = ticket in self.leaders()
        self.remove(ticket)
        self.count += 1
        standing = (-maximum, self.count, ticket)
        self._by_ticket[ticket] = standing
        insort(self._ranked, standing)
        if not led:
            self.price = max(self.price, self._price())
        if rules.reserve is not None and maximum >= rules.reserve:
            self.price = max(self.price, rules.reserve)

    def remove(self, ticket: int) -> None:
        """The bid of this ticket, if there is one, does not stand any more; the price does."""
        standing = self._by_ticket.pop(ticket, None)
        if standing is not None:
            del self._ranked[bisect_left(self._ranked, standing)]

    def _price(self) -> int:
        """What the winners pay, from the maxima alone."""
        winning = self._winning()
        if winning == len(self._ranked):
            return self.rules.start
        lowest, highest_losing = -self._ranked[winning - 1][0], -self._ranked[winning][0]
        return min(lowest, self.rules.above(highest_losing))

    def _winning(self) -> int:
        """How many of the best win: once a maximum reaches the reserve, only those that do."""
        best, reserve = self._ranked[: self.rules.quantity], self.rules.reserve
        reaching = len(best) if reserve is None else bisect_right(best, (-reserve, MAXIMUM_MAX, 0))
        return reaching or len(best)

    def snapshot(self) -> list[Any]:
        return [self.price, self.count, list(self._ranked)]

    def restore(self, data: list[Any]) -> None:
        """Take the bids of a snapshot."""
        self.price, self.count, ranked = data
        self._ranked = [(negative, number, ticket) for negative, number, ticket in ranked]
        self._by_ticket = {standing[2]: standing for standing in self._ranked}


class BidIds:
    """The clients' own ids of accepted bids with the maximum of each, oldest first: a bid that comes again is known."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()

    def find(self, ticket: int, bid: str) -> int | None:
        """The maximum of the bid of this id, or None."""
        return self._kept.get((ticket, bid), (None, 0))[0]

    def keep(self, ticket: int, bid: str, maximum: int, at: int) -> None:
        """Know this bid again, if it has an id; what is too old or too many is forgotten."""
        if bid:
            self._kept[ticket, bid] = (maximum, at)
        while self._kept:
            _, kept_at = self._kept[next(iter(self._kept))]
            if kept_at >= at - ANSWER_AGE_MS_MAX and len(self._kept) <= ANSWERS_MAX:
                break
            self._kept.popitem(last=False)

    def snapshot(self) -> list[Any]:
        return [[ticket, bid, maximum, at] for (ticket, bid), (maximum, at) in self._kept.items()]

    def restore(self, data: list[Any]) -> None:
        """Take the ids of a snapshot."""
        self._kept = OrderedDict(((ticket, bid), (maximum, at)) for ticket, bid, maximum, at in data)
