"""Random English auctions against a naive model that knows only the list of accepted bids: `make auctions`.

The model is the text of the rule, played from the first bid on for every question: the maxima are sorted anew, and the
price goes through all that it has been. Compared are, bid by bid, whether it is taken and what is the least that would
be, the price, who leads, the reserve, the end and its extensions; and at the hammer who is admitted at what price.
"""

from __future__ import annotations

import argparse
from random import Random
from typing import NamedTuple

from rich.console import Console

from engine.core.experience import Batch, Experience
from engine.distributions.auction import Auction
from protocol import commands as c
from protocol.events import Admitted, AnyEvent, Refused
from protocol.kind_events import Allotted, BidPlaced
from tests.engine.stage import SENDER, START_MS, configure
from tests.support.samples import EXPERIENCE, consumer, document, raw_auction

BIDDERS = 7
LADDERS = ([(0, 100)], [(0, 1)], [(0, 50), (300, 100)], [(0, 10), (150, 30), (400, 200)])


class Terms(NamedTuple):
    """What an auction asks for, in cents and seconds."""

    quantity: int
    start: int
    reserve: int | None
    ladder: list[tuple[int, int]]
    window: int
    by: int
    most: int | None
    ends_at: int


class Bid(NamedTuple):
    """An accepted bid."""

    at: int
    who: int
    maximum: int


class Stand(NamedTuple):
    """What a list of bids comes to."""

    price: int
    leaders: list[int]
    least: int
    reserve_met: bool
    ends_at: int
    extensions: int


def stand(terms: Terms, bids: list[Bid]) -> Stand:
    """From nothing, bid after bid."""
    price, leaders, ends_at, extensions = 0, list[int](), terms.ends_at, 0
    for count in range(1, len(bids) + 1):
        last, before = bids[count - 1], (price, sorted(leaders))
        if last.who not in leaders:
            price = max(price, worth(terms, bids[:count]))
        if terms.reserve is not None and last.maximum >= terms.reserve:
            price = max(price, terms.reserve)
        leaders = [who for who, maximum in ranked(bids[:count])[: terms.quantity] if maximum >= price]
        late = ends_at - last.at <= terms.window * 1_000 and last.at + terms.by * 1_000 > ends_at
        if late and (price, sorted(leaders)) != before and (terms.most is None or extensions < terms.most):
            ends_at, extensions = last.at + terms.by * 1_000, extensions + 1
    least = price + step_of(terms, price) if bids else terms.start
    return Stand(
        price, leaders, least, terms.reserve is None or (len(bids) > 0 and price >= terms.reserve), ends_at, extensions
    )


def ranked(bids: list[Bid]) -> list[tuple[int, int]]:
    """(who, their maximum), the highest first, of equal ones the earlier."""
    latest = {bid.who: (-bid.maximum, number) for number, bid in enumerate(bids)}
    return [(who, -latest[who][0]) for who in sorted(latest, key=lambda who: latest[who])]


def worth(terms: Terms, bids: list[Bid]) -> int:
    """What the winners pay, from the maxima alone."""
    best = ranked(bids)
    reaching = [one for one in best if terms.reserve is not None and one[1] >= terms.reserve]
    winning = (reaching or best)[: terms.quantity]
    losing = [maximum for who, maximum in best if (who, maximum) not in winning]
    if not losing:
        return terms.start
    return min(min(maximum for _, maximum in winning), max(losing) + step_of(terms, max(losing)))


def step_of(terms: Terms, price: int) -> int:
    """How much more than ``price`` a bid must be."""
    return max((start, step) for start, step in terms.ladder if start <= price)[1]


class Play:
    """One auction of the core, one of the model."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self.terms = self._terms()
        self.bids: list[Bid] = []
        self._core = Experience(EXPERIENCE)
        self._number = 0
        self._now_ms = START_MS
        raw = raw_auction(
            start_price=_money(self.terms.start),
            reserve_price=None if self.terms.reserve is None else _money(self.terms.reserve),
            quantity=self.terms.quantity,
            increments=[{"from": _money(start), "step": _money(step)} for start, step in self.terms.ladder],
            extend_window_seconds=self.terms.window,
            extend_by_seconds=self.terms.by,
            max_extensions=self.terms.most,
            ends_at=self.terms.ends_at,
        )
        self._step(configure(document(paths=[raw])))

    def run(self) -> None:
        """Bid until the hammer. Raises AssertionError where the two differ."""
        chance = self._chance
        for _ in range(chance.randint(0, 16)):
            self._now_ms += chance.choice((0, 0, 1, 999, 1_000, 2_000))
            if self._now_ms >= stand(self.terms, self.bids).ends_at:
                break
            self._bid(chance.randrange(BIDDERS))
        self._hammer()

    def _terms(self) -> Terms:
        chance = self._chance
        start = chance.choice((0, 1, 100, 250))
        reserve = chance.choice((None, None, start, 300, 500))
        quantity, most = chance.choice((1, 1, 1, 2, 3, 5)), chance.choice((None, None, 0, 1, 3))
        window, by, ends_at = chance.randint(1, 4), chance.randint(1, 4), START_MS + 1_000 * chance.randint(1, 12)
        return Terms(quantity, start, reserve, chance.choice(LADDERS), window, by, most, ends_at)

    def _step(self, *commands: c.Command) -> list[AnyEvent]:
        self._number += 1
        return self._core.step(self._now_ms, [Batch(SENDER, self._number, list(commands))])[0]

    def _bid(self, who: int) -> None:
        chance, before = self._chance, stand(self.terms, self.bids)
        known = [bid.maximum for bid in self.bids] or [self.terms.start]
        near = chance.choice((before.least, chance.choice(known), self.terms.reserve or 0))
        maximum = max(0, near + chance.choice((-1, 0, 0, 1, 10, 50, 120)))
        events = self._step(c.PlaceBid(consumer(who), "auction", maximum=maximum))
        own = max((bid.maximum for bid in self.bids if bid.who == who), default=-1)
        refused = [event.detail.get("min_next") for event in events if isinstance(event, Refused)]
        if maximum < max(before.least, own + 1):
            assert refused == [_money(max(before.least, own + 1))]
            return
        assert not refused
        self.bids.append(Bid(self._now_ms, who, maximum))
        (placed,) = [event for event in events if isinstance(event, BidPlaced)]
        after = stand(self.terms, self.bids)
        told = Stand(
            placed.price, self._leaders(), placed.min_next, placed.reserve_met, placed.ends_at or 0, placed.extensions
        )
        assert told == after, f"the core tells {told}, the bids come to {after}"
        assert after.price >= before.price, "the price fell"

    def _leaders(self) -> list[int]:
        auction = self._core.paths["auction"].distribution
        assert isinstance(auction, Auction)
        return self._names(auction._bids.leaders())

    def _names(self, tickets: list[int]) -> list[int]:
        holders = self._core.paths["auction"].tickets
        return [int.from_bytes(holders.consumer(ticket), "big") for ticket in tickets]

    def _hammer(self) -> None:
        end = stand(self.terms, self.bids)
        self._now_ms = end.ends_at
        events = self._step()
        admitted = [ticket for event in events if isinstance(event, Admitted) for ticket in event.tickets]
        prices = [price for event in events if isinstance(event, Allotted) for price in event.prices]
        winners = end.leaders if end.reserve_met else []
        assert (self._names(admitted), prices) == (winners, [end.price] * len(winners))
        most = dict(ranked(self.bids))
        assert all(most[who] >= end.price for who in winners), "somebody pays more than their maximum"


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def main() -> int:
    """Play ``--count`` auctions from seed ``--first`` on; 1 at the first that differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    asked, bids = parser.parse_args(), 0
    for seed in range(asked.first, asked.first + asked.count):
        play = Play(seed)
        try:
            play.run()
        except AssertionError as error:
            Console().print(f"seed {seed}: {play.terms}\n{play.bids}\n{error}")
            return 1
        bids += len(play.bids)
    Console().print(f"{asked.count} auctions with {bids} accepted bids, all as the model has them")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
