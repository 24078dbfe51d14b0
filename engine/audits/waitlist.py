"""The audit of a waitlist: one offer a ticket, in order, and whoever is passed over is so for a reason in the log; no
more offers than came free, nor open together than the strategy has; claims in time, served in their order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from engine.audits.path import AuditedPath
from engine.audits.promises import Broken, Shelves
from protocol import events as e
from protocol import kind_events as k
from protocol.distributions import Waitlist
from protocol.documents import Path
from protocol.states import TicketState

_BY_HAND = "by_hand"


class AuditedOffer(Struct):
    """An open offer; ``reserved`` from the start, or since it was claimed."""

    claim_by: int
    reserved: bool
    claimed: bool = False


class AuditedWaitlist(AuditedPath):
    """``offers``: the open ones. ``offered``: whoever was ever made one. ``units``: what came free and was not given
    out, at most. ``skipped``: who was passed over, and why."""

    def __init__(self, settings: Path, shelves: Shelves) -> None:
        super().__init__(settings, shelves)
        self.offers: dict[int, AuditedOffer] = {}
        self.offered: dict[int, None] = {}
        self.claims: list[int] = []
        self.skipped: dict[int, str] = {}
        self.units = 0

    def resume_kind(self, own: list[Any], offers: list[Any]) -> None:
        _, units, skipped, *_ = own
        self.units = sum(one.count for one in units)
        self.skipped = dict(skipped)
        self.offers = {ticket: AuditedOffer(one.claim_by, one.reserved, one.claimed) for ticket, one in offers[0]}
        self.claims = list(offers[1])

    def next_turn(self, candidate: int) -> int | None:
        """The first claim."""
        return self.claims[0] if self.claims else None

    def active(self) -> int:
        return len(self.windows) + sum(offer.reserved for offer in self.offers.values())

    def admit(self, ticket: int, event: e.Admitted) -> bool:
        is_new = super().admit(ticket, event)
        self.claims.remove(ticket)
        del self.offers[ticket]
        return is_new

    def close(self, ticket: int, state: TicketState) -> None:
        offer = self.offers.pop(ticket, None)
        if offer is not None and offer.reserved:
            self.shelves.move(self.allotted.get(ticket, ""), 1)
        if ticket in self.claims:
            self.claims.remove(ticket)
        super().close(ticket, state)

    def freed(self, event: k.UnitsFreed) -> None:
        """So many more can be offered."""
        self.units += event.count

    def passed_over(self, event: k.OfferSkipped) -> None:
        """Somebody keeps the place and gets no offer, for a reason."""
        self.expect(event.ticket, {TicketState.WAITING})
        if not event.reason:
            raise Broken(f"ticket {event.ticket} was passed over without a reason")
        self.skipped[event.ticket] = event.reason

    def offer(self, event: k.Offered) -> None:
        """Offers are made."""
        for ticket, variant in zip(event.tickets, event.variants, strict=True):
            self.expect(ticket, {TicketState.WAITING})
            if ticket in self.offered:
                raise Broken(f"ticket {ticket} was offered something twice")
            waiting = self.all_waiting()
            for before in waiting[: waiting.index(ticket)]:
                if before not in self.skipped:
                    raise Broken(f"ticket {ticket} got an offer, but {before} was before it and not passed over")
            self.states[ticket] = TicketState.OFFERED
            self.offers[ticket] = AuditedOffer(event.claim_by, event.reserved)
            self.offered[ticket] = None
            if event.reserved:
                self.allotted[ticket] = variant
                self.shelves.move(variant, -1)
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
        """An offer is taken."""
        self.expect(event.ticket, {TicketState.OFFERED})
        offer = self.offers[event.ticket]
        if offer.claimed or event.at > offer.claim_by:
            raise Broken(f"ticket {event.ticket} claimed what was claimed or over")
        if not offer.reserved:
            self._use(1)
        offer.claimed = offer.reserved = True
        self.claims.append(event.ticket)

    def offer_moved(self, event: k.OfferMoved) -> None:
        """An outage gives time back."""
        if event.claim_by <= self.offers[event.ticket].claim_by:
            raise Broken(f"the offer of ticket {event.ticket} was cut short")
        self.offers[event.ticket].claim_by = event.claim_by

    def offer_expired(self, event: k.OfferExpired) -> None:
        """Offers were not claimed."""
        for ticket in event.tickets:
            self.expect(ticket, {TicketState.OFFERED})
            offer = self.offers[ticket]
            if offer.claimed or event.at < offer.claim_by:
                raise Broken(f"the offer of ticket {ticket} ended at {event.at}, it was to last until {offer.claim_by}")
            self.close(ticket, TicketState.EXPIRED)

    CHECKS: ClassVar[dict[type, Any]] = {
        k.UnitsFreed: freed,
        k.OfferSkipped: passed_over,
        k.Offered: offer,
        k.Claimed: claimed,
        k.OfferMoved: offer_moved,
        k.OfferExpired: offer_expired,
    }
