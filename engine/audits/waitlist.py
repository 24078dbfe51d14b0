"""The audit of a waitlist: one offer a ticket, in order, and whoever is passed over is so for a reason in the log; no
more offers than came free, nor open together than the strategy has; claims in time, served in their order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.audits.offers import AuditedOffers
from engine.audits.promises import Broken, Shelves
from protocol import kind_events as k
from protocol.distributions import Waitlist
from protocol.documents import Path
from protocol.states import TicketState

_BY_HAND = "by_hand"


class AuditedWaitlist(AuditedOffers):
    """``units``: what came free and was not given out, at most. ``skipped``: who was passed over, and why."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.skipped: dict[int, str] = {}
        self.units = 0

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        super().resume_kind(own, offers)
        _, units, skipped, *_ = own
        self.units = sum(one.count for one in units)
        self.skipped = dict(skipped)

    def freed(self, event: k.UnitsFreed) -> None:
        """So many more can be offered."""
        self.units += event.count

    def passed_over(self, event: k.OfferSkipped) -> None:
        """Somebody keeps the place and gets no offer, for a reason."""
        self.expect(event.ticket, {TicketState.WAITING})
        if not event.reason:
            raise Broken(f"ticket {event.ticket} was passed over without a reason")
        self.skipped[event.ticket] = event.reason

    def due(self, ticket: int, price: int | None) -> None:
        waiting = self.all_waiting()
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

    def _together(self) -> None:
        terms = self.settings.distribution
        assert isinstance(terms, Waitlist), "a waitlist has the terms of one"
        unclaimed = sum(not offer.claimed for offer in self.offers.values())
        if terms.strategy != "all" and unclaimed > (terms.batch or 1):
            raise Broken(f"{unclaimed} offers are open together, the strategy is {terms.strategy}")

    def claimed(self, event: k.Claimed) -> None:
        offer = self.offers.get(event.ticket)
        is_new = offer is not None and not offer.reserved
        super().claimed(event)
        if is_new:
            self._use(1)

    CHECKS: ClassVar[dict[type, Any]] = AuditedOffers.CHECKS | {k.UnitsFreed: freed, k.OfferSkipped: passed_over}
