"""A waitlist as the recount has it: who has claimed an offer is in line; whoever is passed over is so for a reason that
is true, and nobody is told that an offer is gone which was kept for them. By lottery there is one order after another,
each with a secret of its own, since the one before is known by then.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

from protocol import commands as c
from protocol import kind_events as k
from protocol.distributions import Waitlist
from protocol.documents import Path
from protocol.refusals import Reason
from tests.engine.simulation.counted.lots import CountedLots
from tests.engine.simulation.counted.path import CountedPath
from tests.engine.simulation.world import Broken


class CountedWaitlist(CountedLots):
    """``claims``: whose offers are claimed. ``skipped``: who was ever passed over. ``told``: what the secrets of the
    orders that were drawn were held to. ``units``: how many came free here or in the path that it is attached to, and
    were given to nobody since, at least."""

    def __init__(self, settings: Path) -> None:
        super().__init__(settings)
        self.claims: dict[int, None] = {}
        self.told: list[bytes] = []
        self.skipped: dict[int, None] = {}
        self.units: float = 0
        self._counted: tuple[CountedPath | None, int] = (None, 0)

    @property
    def line(self) -> list[int]:
        return list(self.claims)

    def forget(self, ticket: int) -> None:
        super().forget(ticket)
        self.claims.pop(ticket, None)

    def is_due(self, now_ms: int) -> bool:
        return self.serves and not self.ended_by_hand

    def count_units(self, free: float) -> None:
        fed = [self] if self.source is None else [self, self.source]
        before, self._counted = self._counted, (self.source, sum(one.active + one.completed for one in fed))
        if self.source is not before[0] or (self.source is not None and self.source.kind == "appointment"):
            self.units = 0
        else:
            self.units = min(free, max(0, self.units + before[1] - self._counted[1]))

    def conclude(self, now_ms: int, room: float) -> None:
        super().conclude(now_ms, room)
        terms = self.settings.distribution
        assert isinstance(terms, Waitlist), "a waitlist has the terms of one"
        open_offers = sum(not offer.claimed for offer in self.offers.values())
        comes_first = self.source is not None and (self.source.waiting or self.source.undecided)
        is_full = terms.strategy != "all" and open_offers >= (terms.batch or 1)
        drawing = self.closed and not self.drawn
        if comes_first or is_full or drawing or not self.serves or min(room, self.units) <= 0:
            return
        if self.waiting.keys() - self.skipped.keys():
            raise Broken(f"offers: {self.units} came free for {self.settings.id}, and none who waits is offered any")

    def refused(self, command: c.Command, reason: str, detail: dict[str, Any], now_ms: int) -> None:
        if isinstance(command, c.Claim) and reason == Reason.GONE:
            kept = [one for one, offer in self.offers.items() if offer.reserved]
            if any(self.consumers[ticket] == command.consumer for ticket in kept):
                raise Broken("refusals: a unit was gone that was kept for whoever claims it")

    def offered_by_hand(self, count: int, room: float) -> None:
        hoping = self.source is not None and (self.source.waiting or self.source.undecided)
        drawing = self.closed and not self.drawn
        if not (count or hoping or drawing) and room > 0 and self.waiting.keys() - self.skipped.keys():
            raise Broken(f"offers: {len(self.waiting)} wait in {self.settings.id}, and nobody is offered what is free")

    def claimed(self, event: k.Claimed, now_ms: int) -> None:
        self.claims[event.ticket] = None
        offer = self.offers[event.ticket]
        offer.claimed = offer.reserved = True

    def committed(self, event: k.DrawCommitted, now_ms: int) -> None:
        if event.commitment in self.told:
            raise Broken("lottery: an order is committed to with a secret that was told")

    def entries_closed(self, event: k.EntriesClosed, now_ms: int) -> None:
        super().entries_closed(event, now_ms)
        self.drawn, self.slices = False, 0

    def drew(self, event: k.Drawn, now_ms: int) -> None:
        super().drew(event, now_ms)
        self.told.append(sha256(event.secret).digest())

    def offered(self, event: k.Offered, now_ms: int) -> None:
        super().offered(event, now_ms)
        if self.source is not None and self.source.undecided and not self.source.ended_by_hand:
            raise Broken("offers: what is for those who win was offered before it is known who does")
        if event.cause == "stock_added" and self.source is not None and self.source.kind == "appointment":
            raise Broken("offers: added stock was offered where the places of an appointment are")
        for ticket in event.tickets:
            if self._is_admitted_there(ticket):
                raise Broken(f"offers: {ticket} was offered what its holder has already")

    def passed_over(self, event: k.OfferSkipped, now_ms: int) -> None:
        self.skipped[event.ticket] = None
        if event.reason == "already_admitted" and not self._is_admitted_there(event.ticket):
            raise Broken(f"skips: {event.ticket} was passed over as admitted, and is not")

    def _is_admitted_there(self, ticket: int) -> bool:
        source = self.source
        return source is not None and any(source.consumers[one] == self.consumers[ticket] for one in source.windows)

    ACTS: ClassVar[dict[type, Any]] = CountedLots.ACTS | {
        k.DrawCommitted: committed,
        k.EntriesClosed: entries_closed,
        k.Claimed: claimed,
        k.Offered: offered,
        k.OfferSkipped: passed_over,
    }
