"""The audit of a waitlist: one offer a ticket, in order, and whoever is passed over is so for a reason in the log; no
more offers than came free, nor open together than the strategy has; claims in time, served in their order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.audits.lots import AuditedLots, tickets_of
from engine.audits.offers import AuditedOffers
from engine.audits.promises import Broken, Shelves
from protocol import kind_events as k
from protocol.distributions import Waitlist
from protocol.documents import Path
from protocol.states import TicketState

_BY_HAND = "by_hand"


class AuditedWaitlist(AuditedOffers, AuditedLots):
    """``units``: what came free and was not given out, at most. ``skipped``: who was passed over, and why. By lottery
    there is one order after another, and a commitment before each."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.skipped: dict[int, str] = {}
        self.units = 0

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        super().resume_kind(own, offers)
        _, units, skipped, _, _, *line = own
        self.units = sum(one.count for one in units)
        self.skipped = dict(skipped)
        if line:
            _, (self.root, hats, _, _), _, order = line[0]
            self.entered = list(hats)
            self.order = None if self.root else tickets_of(order)

    def freed(self, event: k.UnitsFreed) -> None:
        """So many more can be offered."""
        self.units += event.count

    def passed_over(self, event: k.OfferSkipped) -> None:
        """Somebody keeps the place and gets no offer, for a reason."""
        self.expect(event.ticket, {TicketState.WAITING})
        if not event.reason:
            raise Broken(f"ticket {event.ticket} was passed over without a reason")
        self.skipped[event.ticket] = event.reason

    def may_be_fixed(self) -> bool:
        """Nobody of the order before can be offered anything, and the path is served."""
        before = all(ticket in self.skipped for ticket in self.in_order())
        return self._terms().order == "lottery" and self.phase in ("open", "settling") and before

    def committed(self, event: k.DrawCommitted) -> None:
        if self.root and self.order is None:
            raise Broken("a secret was committed to while an order was drawn")
        self.commitment = event.commitment

    def entries_closed(self, event: k.EntriesClosed) -> None:
        if self.root and self.order is None:
            raise Broken("the roster was fixed anew while an order was drawn")
        self.root = b""
        super().entries_closed(event)
        self.order = None

    def due(self, ticket: int, price: int | None) -> None:
        waiting = self.in_order() if self._terms().order == "lottery" else self.all_waiting()
        if ticket not in waiting:
            raise Broken(f"ticket {ticket} got an offer, but it is not in the order that was drawn")
        for before in waiting[: waiting.index(ticket)]:
            if before not in self.skipped:
                raise Broken(f"ticket {ticket} got an offer, but {before} was before it and not passed over")

    def offer(self, event: k.Offered) -> None:
        super().offer(event)
        if event.reserved and event.cause != _BY_HAND:
            self._use(len(event.tickets))
            self._together()

    def _use(self, count: int) -> None:
        self.units -= count
        if self.units < 0:
            raise Broken(f"{-self.units} more were offered than came free")

    def _terms(self) -> Waitlist:
        terms = self.settings.distribution
        assert isinstance(terms, Waitlist), "a waitlist has the terms of one"
        return terms

    def _together(self) -> None:
        terms = self._terms()
        unclaimed = sum(not offer.claimed for offer in self.offers.values())
        if terms.strategy != "all" and unclaimed > (terms.batch or 1):
            raise Broken(f"{unclaimed} offers are open together, the strategy is {terms.strategy}")

    def claimed(self, event: k.Claimed) -> None:
        offer = self.offers.get(event.ticket)
        is_new = offer is not None and not offer.reserved
        super().claimed(event)
        if is_new:
            self._use(1)

    CHECKS: ClassVar[dict[type, Any]] = (
        AuditedOffers.CHECKS | AuditedLots.CHECKS | {k.UnitsFreed: freed, k.OfferSkipped: passed_over}
    )
